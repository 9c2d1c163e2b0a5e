//! Reading a hash: HGET, HMGET, HGETALL, HKEYS, HVALS, HEXISTS, HLEN, HSTRLEN.

use viator_data::hash::{Field, Hash};
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::ctx::ReadCtx;
use viator_resp::reply::Reply;

use super::{now, with_value};
use crate::collection::reply_entry;
use crate::declare::{KEY, RO, RO_ACCESS, one_key};

/// HGET.
pub static HGET: Command = Command {
    name: "hget",
    arity: 3,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::HASH,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Hash,
    since: "2.0.0",
    summary: "Returns the value of a field in a hash.",
    complexity: "O(1)",
    args: &[KEY, ArgSpec::string("field")],
    examples: &[
        "HSET hash field value number 12",
        "HGET hash field",
        "HGET hash number",
        "HGET hash other",
        "HGET missing field",
        "SET string v",
        "HGET string field",
    ],
    handler: Handler::Read(hget),
    ..Command::BASE
};

fn hget(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let (key, name) = (ctx.args.at(1), ctx.args.at(2));
    let out = &mut *ctx.out;
    with_value(&mut ctx.keys, key, name, |value| match value {
        Some(v) => reply_entry(out, v),
        None => out.null(),
    })
}

/// HMGET.
pub static HMGET: Command = Command {
    name: "hmget",
    arity: -3,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::HASH,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Hash,
    since: "2.0.0",
    summary: "Returns the values of all fields in a hash.",
    complexity: "O(N) where N is the number of fields being requested.",
    args: &[KEY, ArgSpec::string("field").multi()],
    examples: &["HSET hash a 1 b two", "HMGET hash a b c a", "HMGET missing a b", "SET string v", "HMGET string a"],
    handler: Handler::Read(hmget),
    ..Command::BASE
};

fn hmget(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let (key, names) = (ctx.args.at(1), ctx.args.from(2));
    let now = now(&ctx.keys);
    let mut expired = Vec::new();
    let hash = ctx.keys.read::<Hash>(key)?;
    ctx.out.array(names.len());
    for name in names.iter() {
        match hash.and_then(|h| h.get(name)) {
            Some(f) if f.is_live(now) => reply_entry(ctx.out, f.value),
            found => {
                if found.is_some() {
                    expired.push(name);
                }
                ctx.out.null();
            }
        }
    }
    ctx.keys.expire_fields(key, &expired);
    Ok(())
}

/// HEXISTS.
pub static HEXISTS: Command = Command {
    name: "hexists",
    arity: 3,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::HASH,
    keys: &[one_key(1, RO)],
    scope: Scope::Keys,
    group: Group::Hash,
    since: "2.0.0",
    summary: "Determines whether a field exists in a hash.",
    complexity: "O(1)",
    args: &[KEY, ArgSpec::string("field")],
    examples: &["HSET hash field value", "HEXISTS hash field", "HEXISTS hash other", "HEXISTS missing field"],
    handler: Handler::Read(hexists),
    ..Command::BASE
};

fn hexists(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let there = with_value(&mut ctx.keys, ctx.args.at(1), ctx.args.at(2), |value| value.is_some())?;
    ctx.out.int(i64::from(there));
    Ok(())
}

/// HSTRLEN.
pub static HSTRLEN: Command = Command {
    name: "hstrlen",
    arity: 3,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::HASH,
    keys: &[one_key(1, RO)],
    scope: Scope::Keys,
    group: Group::Hash,
    since: "3.2.0",
    summary: "Returns the length of the value of a field.",
    complexity: "O(1)",
    args: &[KEY, ArgSpec::string("field")],
    examples: &[
        "HSET hash text HelloWorld number -256",
        "HSTRLEN hash text",
        "HSTRLEN hash number",
        "HSTRLEN hash other",
        "HSTRLEN missing field",
    ],
    handler: Handler::Read(hstrlen),
    ..Command::BASE
};

fn hstrlen(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let len = with_value(&mut ctx.keys, ctx.args.at(1), ctx.args.at(2), |value| value.map_or(0, |v| v.len()))?;
    ctx.out.int(len as i64);
    Ok(())
}

/// HLEN.
pub static HLEN: Command = Command {
    name: "hlen",
    arity: 2,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::HASH,
    keys: &[one_key(1, RO)],
    scope: Scope::Keys,
    group: Group::Hash,
    since: "2.0.0",
    summary: "Returns the number of fields in a hash.",
    complexity: "O(1)",
    args: &[KEY],
    examples: &["HSET hash a 1 b 2", "HLEN hash", "HLEN missing", "SET string v", "HLEN string"],
    handler: Handler::Read(hlen),
    ..Command::BASE
};

fn hlen(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let len = ctx.keys.read::<Hash>(ctx.args.at(1))?.map_or(0, Hash::len);
    ctx.out.int(len as i64);
    Ok(())
}

/// HKEYS.
pub static HKEYS: Command = Command {
    name: "hkeys",
    arity: 2,
    flags: Flags::READONLY,
    acl: Acl::HASH,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Hash,
    since: "2.0.0",
    summary: "Returns all fields in a hash.",
    complexity: "O(N) where N is the size of the hash.",
    args: &[KEY],
    tips: &["nondeterministic_output_order"],
    examples: &["HSET hash a 1", "HKEYS hash", "HKEYS missing"],
    handler: Handler::Read(hkeys),
    ..Command::BASE
};

fn hkeys(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    all(ctx, Reply::array, |out, f| reply_entry(out, f.name))
}

/// HVALS.
pub static HVALS: Command = Command {
    name: "hvals",
    arity: 2,
    flags: Flags::READONLY,
    acl: Acl::HASH,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Hash,
    since: "2.0.0",
    summary: "Returns all values in a hash.",
    complexity: "O(N) where N is the size of the hash.",
    args: &[KEY],
    tips: &["nondeterministic_output_order"],
    examples: &["HSET hash a 1", "HVALS hash", "HVALS missing"],
    handler: Handler::Read(hvals),
    ..Command::BASE
};

fn hvals(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    all(ctx, Reply::array, |out, f| reply_entry(out, f.value))
}

/// HGETALL.
pub static HGETALL: Command = Command {
    name: "hgetall",
    arity: 2,
    flags: Flags::READONLY,
    acl: Acl::HASH,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Hash,
    since: "2.0.0",
    summary: "Returns all fields and values in a hash.",
    complexity: "O(N) where N is the size of the hash.",
    args: &[KEY],
    tips: &["nondeterministic_output_order"],
    examples: &["HSET hash a 1 b two", "HGETALL hash", "HGETALL missing", "SET string v", "HGETALL string"],
    handler: Handler::Read(hgetall),
    ..Command::BASE
};

fn hgetall(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    all(ctx, Reply::map, |out, f| {
        reply_entry(out, f.name);
        reply_entry(out, f.value);
    })
}

/// Replies something of each field that has not expired, `header` saying of how many.
fn all(ctx: &mut ReadCtx<'_, '_>, header: fn(&mut Reply, usize), reply: impl Fn(&mut Reply, Field<'_>)) -> Outcome {
    let now = now(&ctx.keys);
    let Some(hash) = ctx.keys.read::<Hash>(ctx.args.at(1))? else {
        header(ctx.out, 0);
        return Ok(());
    };
    if hash.min_expire().is_none_or(|at| now <= at) {
        header(ctx.out, hash.len());
        hash.iter().for_each(|f| reply(ctx.out, f));
        return Ok(());
    }
    let mut n = 0;
    let place = ctx.out.defer();
    for f in hash.iter().filter(|f| f.is_live(now)) {
        n += 1;
        reply(ctx.out, f);
    }
    ctx.out.finish(place, |out| header(out, n));
    Ok(())
}
