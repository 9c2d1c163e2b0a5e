//! Counters: INCR, DECR and their steps.

use viator_data::num::{LongDouble, parse_i64};
use viator_engine::args::{OwnedArgs, int};
use viator_engine::command::{Acl, ArgKind, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::config::NotifyFlags;
use viator_engine::ctx::WriteCtx;
use viator_engine::error::Error;
use viator_keyspace::{Expiry, ValueRef};

use crate::declare::{KEY, RW_ACCESS_UPDATE, one_key};

/// INCR.
pub static INCR: Command = Command {
    name: "incr",
    arity: 2,
    flags: Flags::WRITE.or(Flags::DENYOOM).or(Flags::FAST),
    acl: Acl::STRING,
    keys: &[one_key(1, RW_ACCESS_UPDATE)],
    scope: Scope::Keys,
    group: Group::String,
    since: "1.0.0",
    summary: "Increments the integer value of a key by one. Uses 0 as initial value if the key doesn't exist.",
    complexity: "O(1)",
    args: &[KEY],
    examples: &[
        "INCR counter",
        "INCR counter",
        "SET text abc",
        "INCR text",
        "SET edge 9223372036854775807",
        "INCR edge",
    ],
    handler: Handler::Write(incr),
    ..Command::BASE
};

fn incr(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    add(ctx, 1)
}

/// Adds to the integer of the first argument's key.
fn add(ctx: &mut WriteCtx<'_, '_>, by: i64) -> Outcome {
    let key = ctx.args.at(1);
    let spot = ctx.keys.spot(key);
    let old = match ctx.keys.entry_at(spot).map(|e| e.value) {
        None => 0,
        Some(ValueRef::Int(n)) => n,
        Some(value) => parse_i64(super::bytes(value, &mut itoa::Buffer::new())?).ok_or(Error::NotInteger)?,
    };
    let new = old.checked_add(by).ok_or(Error::Static("ERR increment or decrement would overflow"))?;
    ctx.keys.update_int(spot, key, new);
    ctx.keys.notify(NotifyFlags::STRING, "incrby", key);
    ctx.keys.dirty(1);
    ctx.out.int(new);
    Ok(())
}

/// DECR.
pub static DECR: Command = Command {
    name: "decr",
    arity: 2,
    flags: Flags::WRITE.or(Flags::DENYOOM).or(Flags::FAST),
    acl: Acl::STRING,
    keys: &[one_key(1, RW_ACCESS_UPDATE)],
    scope: Scope::Keys,
    group: Group::String,
    since: "1.0.0",
    summary: "Decrements the integer value of a key by one. Uses 0 as initial value if the key doesn't exist.",
    complexity: "O(1)",
    args: &[KEY],
    examples: &["DECR counter", "SET counter 10", "DECR counter", "SET edge -9223372036854775808", "DECR edge"],
    handler: Handler::Write(decr),
    ..Command::BASE
};

fn decr(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    add(ctx, -1)
}

/// INCRBY.
pub static INCRBY: Command = Command {
    name: "incrby",
    arity: 3,
    flags: Flags::WRITE.or(Flags::DENYOOM).or(Flags::FAST),
    acl: Acl::STRING,
    keys: &[one_key(1, RW_ACCESS_UPDATE)],
    scope: Scope::Keys,
    group: Group::String,
    since: "1.0.0",
    summary: "Increments the integer value of a key by a number. Uses 0 as initial value if the key doesn't exist.",
    complexity: "O(1)",
    args: &[KEY, ArgSpec::integer("increment")],
    examples: &[
        "SET counter 10",
        "INCRBY counter 5",
        "INCRBY counter -20",
        "INCRBY counter 1.5",
        "INCRBY counter 9223372036854775807",
    ],
    handler: Handler::Write(incrby),
    ..Command::BASE
};

fn incrby(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let by = int(ctx.args.at(2))?;
    add(ctx, by)
}

/// DECRBY.
pub static DECRBY: Command = Command {
    name: "decrby",
    arity: 3,
    flags: Flags::WRITE.or(Flags::DENYOOM).or(Flags::FAST),
    acl: Acl::STRING,
    keys: &[one_key(1, RW_ACCESS_UPDATE)],
    scope: Scope::Keys,
    group: Group::String,
    since: "1.0.0",
    summary: "Decrements a number from the integer value of a key. Uses 0 as initial value if the key doesn't exist.",
    complexity: "O(1)",
    args: &[KEY, ArgSpec::integer("decrement")],
    examples: &["SET counter 10", "DECRBY counter 3", "DECRBY counter -3", "DECRBY counter -9223372036854775808"],
    handler: Handler::Write(decrby),
    ..Command::BASE
};

fn decrby(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let by = int(ctx.args.at(2))?;
    add(ctx, by.checked_neg().ok_or(Error::Static("ERR decrement would overflow"))?)
}

/// INCRBYFLOAT.
pub static INCRBYFLOAT: Command = Command {
    name: "incrbyfloat",
    arity: 3,
    flags: Flags::WRITE.or(Flags::DENYOOM).or(Flags::FAST),
    acl: Acl::STRING,
    keys: &[one_key(1, RW_ACCESS_UPDATE)],
    scope: Scope::Keys,
    group: Group::String,
    since: "2.6.0",
    summary: "Increment the floating point value of a key by a number. Uses 0 as initial value if the key doesn't \
        exist.",
    complexity: "O(1)",
    args: &[KEY, ArgSpec::new("increment", ArgKind::Double)],
    examples: &[
        "SET number 10.50",
        "INCRBYFLOAT number 0.1",
        "INCRBYFLOAT number -5",
        "SET number 5.0e3",
        "INCRBYFLOAT number 2.0e2",
        "INCRBYFLOAT number abc",
        "INCRBYFLOAT number inf",
    ],
    handler: Handler::Write(incrbyfloat),
    ..Command::BASE
};

fn incrbyfloat(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let key = ctx.args.at(1);
    let spot = ctx.keys.spot(key);
    let old = match ctx.keys.entry_at(spot) {
        Some(e) => LongDouble::parse(super::bytes(e.value, &mut itoa::Buffer::new())?).ok_or(Error::NotFloat)?,
        None => LongDouble::ZERO,
    };
    let new = old.sum(LongDouble::parse(ctx.args.at(2)).ok_or(Error::NotFloat)?);
    if !new.is_finite() {
        return Err(Error::Static("ERR increment would produce NaN or Infinity"));
    }
    let mut text = Vec::with_capacity(32);
    new.write(&mut text);
    ctx.out.bulk(&text);
    ctx.keys.propagate_as(|| OwnedArgs::from_slices([b"SET", key, &text, b"KEEPTTL"]));
    ctx.keys.update(spot, key, super::computed(&mut text, false), Expiry::Keep);
    ctx.keys.notify(NotifyFlags::STRING, "incrbyfloat", key);
    ctx.keys.dirty(1);
    Ok(())
}
