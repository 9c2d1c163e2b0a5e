//! Writing fields of a hash: HSET, HMSET, HSETNX, HDEL.

use viator_data::hash::{Hash, Limits, Ttl};
use viator_engine::args::Args;
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::config::NotifyFlags;
use viator_engine::ctx::WriteCtx;
use viator_engine::error::Error;
use viator_engine::typed::hash_limits;

use super::expire_if_due;
use crate::declare::{KEY, RW_DELETE, RW_INSERT, RW_UPDATE, one_key};

/// HSET.
pub static HSET: Command = Command {
    name: "hset",
    arity: -4,
    flags: Flags::WRITE.or(Flags::DENYOOM).or(Flags::FAST),
    acl: Acl::HASH,
    keys: &[one_key(1, RW_UPDATE)],
    scope: Scope::Keys,
    group: Group::Hash,
    since: "2.0.0",
    summary: "Creates or modifies the value of a field in a hash.",
    complexity: "O(1) for each field/value pair added, so O(N) to add N field/value pairs when the command is called \
        with multiple field/value pairs.",
    history: &[("4.0.0", "Accepts multiple `field` and `value` arguments.")],
    args: &[KEY, ArgSpec::block("data", &[ArgSpec::string("field"), ArgSpec::string("value")]).multi()],
    examples: &[
        "HSET hash field value",
        "HSET hash field other new 1",
        "HGETALL hash",
        "HSET hash field",
        "SET string v",
        "HSET string field value",
    ],
    handler: Handler::Write(hset),
    ..Command::BASE
};

fn hset(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let created = set_all(ctx)?;
    ctx.out.int(created);
    Ok(())
}

/// HMSET.
pub static HMSET: Command = Command {
    name: "hmset",
    arity: -4,
    flags: Flags::WRITE.or(Flags::DENYOOM).or(Flags::FAST),
    acl: Acl::HASH,
    keys: &[one_key(1, RW_UPDATE)],
    scope: Scope::Keys,
    group: Group::Hash,
    since: "2.0.0",
    summary: "Sets the values of multiple fields.",
    complexity: "O(N) where N is the number of fields being set.",
    deprecated: Some(("4.0.0", "`HSET` with multiple field-value pairs")),
    args: &[KEY, ArgSpec::block("data", &[ArgSpec::string("field"), ArgSpec::string("value")]).multi()],
    examples: &["HMSET hash a 1 b 2", "HMGET hash a b", "HMSET hash a"],
    handler: Handler::Write(hmset),
    ..Command::BASE
};

fn hmset(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    set_all(ctx)?;
    ctx.out.ok();
    Ok(())
}

/// Sets the fields that follow the key. Returns how many are new.
fn set_all(ctx: &mut WriteCtx<'_, '_>) -> Result<i64, Error> {
    let (key, pairs) = (ctx.args.at(1), ctx.args.from(2));
    if !pairs.len().is_multiple_of(2) {
        return Err(Error::Arity(ctx.entry.name.clone()));
    }
    let limits = hash_limits(ctx.keys.cfg());
    let hash = ctx.keys.write_or_new::<Hash>(key, |_| Hash::new())?;
    expect(hash, pairs, &limits);
    let mut created = 0;
    for (name, value) in super::pairs(pairs) {
        created += i64::from(hash.set(name, value, Ttl::Clear, &limits).created);
    }
    ctx.keys.changed(NotifyFlags::HASH, "hset", key, (pairs.len() / 2) as u64);
    Ok(created)
}

/// Gives a hash the encoding that names and values to be set need.
pub(super) fn expect(hash: &mut Hash, pairs: Args<'_>, limits: &Limits) {
    let lens = || pairs.iter().map(<[u8]>::len);
    hash.expect(pairs.len() / 2, lens().max().unwrap_or(0), lens().sum(), limits);
}

/// HSETNX.
pub static HSETNX: Command = Command {
    name: "hsetnx",
    arity: 4,
    flags: Flags::WRITE.or(Flags::DENYOOM).or(Flags::FAST),
    acl: Acl::HASH,
    keys: &[one_key(1, RW_INSERT)],
    scope: Scope::Keys,
    group: Group::Hash,
    since: "2.0.0",
    summary: "Sets the value of a field in a hash only when the field doesn't exist.",
    complexity: "O(1)",
    args: &[KEY, ArgSpec::string("field"), ArgSpec::string("value")],
    examples: &["HSETNX hash field first", "HSETNX hash field second", "HGET hash field"],
    handler: Handler::Write(hsetnx),
    ..Command::BASE
};

fn hsetnx(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let (key, name, value) = (ctx.args.at(1), ctx.args.at(2), ctx.args.at(3));
    expire_if_due(&mut ctx.keys, key, &[name])?;
    let limits = hash_limits(ctx.keys.cfg());
    let hash = ctx.keys.write_or_new::<Hash>(key, |_| Hash::new())?;
    let absent = !hash.contains(name);
    if absent {
        hash.set(name, value, Ttl::Clear, &limits);
        ctx.keys.changed(NotifyFlags::HASH, "hset", key, 1);
    }
    ctx.out.int(i64::from(absent));
    Ok(())
}

/// HDEL.
pub static HDEL: Command = Command {
    name: "hdel",
    arity: -3,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::HASH,
    keys: &[one_key(1, RW_DELETE)],
    scope: Scope::Keys,
    group: Group::Hash,
    since: "2.0.0",
    summary: "Deletes one or more fields and their values from a hash. Deletes the hash if no fields remain.",
    complexity: "O(N) where N is the number of fields to be removed.",
    history: &[("2.4.0", "Accepts multiple `field` arguments.")],
    args: &[KEY, ArgSpec::string("field").multi()],
    examples: &[
        "HSET hash a 1 b 2 c 3",
        "HDEL hash a b x",
        "HDEL hash c",
        "EXISTS hash",
        "HDEL missing a",
        "SET string v",
        "HDEL string a",
    ],
    handler: Handler::Write(hdel),
    ..Command::BASE
};

fn hdel(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let (key, names) = (ctx.args.at(1), ctx.args.from(2));
    let (mut deleted, mut emptied) = (0, false);
    if let Some(hash) = ctx.keys.write::<Hash>(key)? {
        for name in names.iter() {
            deleted += u64::from(hash.remove(name));
        }
        emptied = hash.is_empty();
    }
    if deleted > 0 {
        ctx.keys.changed(NotifyFlags::HASH, "hdel", key, deleted);
        if emptied {
            ctx.keys.remove_if_empty(key);
        }
    }
    ctx.out.int(deleted as i64);
    Ok(())
}
