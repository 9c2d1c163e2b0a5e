//! Counting in fields: HINCRBY, HINCRBYFLOAT.

use viator_data::hash::{Hash, Ttl};
use viator_data::num::LongDouble;
use viator_data::packed::{Entry, IntBuf};
use viator_engine::args::{OwnedArgs, int};
use viator_engine::command::{Acl, ArgKind, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::config::NotifyFlags;
use viator_engine::ctx::WriteCtx;
use viator_engine::error::Error;
use viator_engine::typed::hash_limits;

use super::expire_if_due;
use crate::declare::{KEY, RW_ACCESS_UPDATE, one_key};

/// HINCRBY.
pub static HINCRBY: Command = Command {
    name: "hincrby",
    arity: 4,
    flags: Flags::WRITE.or(Flags::DENYOOM).or(Flags::FAST),
    acl: Acl::HASH,
    keys: &[one_key(1, RW_ACCESS_UPDATE)],
    scope: Scope::Keys,
    group: Group::Hash,
    since: "2.0.0",
    summary: "Increments the integer value of a field in a hash by a number. Uses 0 as initial value if the field \
        doesn't exist.",
    complexity: "O(1)",
    args: &[KEY, ArgSpec::string("field"), ArgSpec::integer("increment")],
    examples: &[
        "HSET hash field 5 text abc",
        "HINCRBY hash field 1",
        "HINCRBY hash field -10",
        "HINCRBY hash new 3",
        "HINCRBY hash text 1",
        "HINCRBY hash field 1.5",
        "HINCRBY hash field -9223372036854775808",
    ],
    handler: Handler::Write(hincrby),
    ..Command::BASE
};

fn hincrby(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let (key, name) = (ctx.args.at(1), ctx.args.at(2));
    let by = int(ctx.args.at(3))?;
    expire_if_due(&mut ctx.keys, key, &[name])?;
    let old = match ctx.keys.write::<Hash>(key)?.and_then(|h| h.get(name)) {
        Some(f) => f.value.as_int().ok_or(Error::Static("ERR hash value is not an integer"))?,
        None => 0,
    };
    let new = old.checked_add(by).ok_or(Error::Static("ERR increment or decrement would overflow"))?;
    store(ctx, IntBuf::new().format(new))?;
    ctx.keys.changed(NotifyFlags::HASH, "hincrby", key, 1);
    ctx.out.int(new);
    Ok(())
}

/// HINCRBYFLOAT.
pub static HINCRBYFLOAT: Command = Command {
    name: "hincrbyfloat",
    arity: 4,
    flags: Flags::WRITE.or(Flags::DENYOOM).or(Flags::FAST),
    acl: Acl::HASH,
    keys: &[one_key(1, RW_ACCESS_UPDATE)],
    scope: Scope::Keys,
    group: Group::Hash,
    since: "2.6.0",
    summary: "Increments the floating point value of a field by a number. Uses 0 as initial value if the field \
        doesn't exist.",
    complexity: "O(1)",
    args: &[KEY, ArgSpec::string("field"), ArgSpec::new("increment", ArgKind::Double)],
    examples: &[
        "HSET hash field 10.50 text abc",
        "HINCRBYFLOAT hash field 0.1",
        "HINCRBYFLOAT hash field -5",
        "HSET hash field 5.0e3",
        "HINCRBYFLOAT hash field 2.0e2",
        "HINCRBYFLOAT hash new 1.25",
        "HINCRBYFLOAT hash text 1",
        "HINCRBYFLOAT hash field abc",
        "HINCRBYFLOAT hash field inf",
    ],
    handler: Handler::Write(hincrbyfloat),
    ..Command::BASE
};

fn hincrbyfloat(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let (key, name) = (ctx.args.at(1), ctx.args.at(2));
    let by = LongDouble::parse(ctx.args.at(3)).ok_or(Error::NotFloat)?;
    if !by.is_finite() {
        return Err(Error::Static("ERR value is NaN or Infinity"));
    }
    expire_if_due(&mut ctx.keys, key, &[name])?;
    let old = match ctx.keys.write::<Hash>(key)?.and_then(|h| h.get(name)).map(|f| f.value) {
        None => LongDouble::ZERO,
        Some(value @ Entry::Int(_)) => parse(value.bytes(&mut IntBuf::new()))?,
        Some(Entry::Str(text)) => parse(text)?,
    };
    let new = old.sum(by);
    if !new.is_finite() {
        return Err(Error::Static("ERR increment would produce NaN or Infinity"));
    }
    let mut text = Vec::with_capacity(32);
    new.write(&mut text);
    store(ctx, &text)?;
    // other processors may compute another last digit
    ctx.keys.propagate_as(|| OwnedArgs::from_slices([b"HSETEX", key, b"KEEPTTL", b"FIELDS", b"1", name, &text]));
    ctx.keys.changed(NotifyFlags::HASH, "hincrbyfloat", key, 1);
    ctx.out.bulk(&text);
    Ok(())
}

fn parse(text: &[u8]) -> Result<LongDouble, Error> {
    LongDouble::parse(text).ok_or(Error::Static("ERR hash value is not a float"))
}

/// Stores the counter, whose expiration time stays.
fn store(ctx: &mut WriteCtx<'_, '_>, text: &[u8]) -> Outcome {
    let limits = hash_limits(ctx.keys.cfg());
    let hash = ctx.keys.write_or_new::<Hash>(ctx.args.at(1), |_| Hash::new())?;
    hash.set(ctx.args.at(2), text, Ttl::Keep, &limits);
    Ok(())
}
