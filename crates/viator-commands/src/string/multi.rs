//! Several strings at once: MGET, MSET, MSETNX, MSETEX.

use viator_engine::args::{Args, OwnedArgs, int};
use viator_engine::command::{
    Acl, ArgKind, ArgSpec, Begin, Command, Find, Flags, Group, Handler, KeySpec, Outcome, Scope,
};
use viator_engine::config::NotifyFlags;
use viator_engine::ctx::{ReadCtx, WriteCtx, reply_string};
use viator_engine::error::Error;
use viator_keyspace::{Expiry, NewValue};

use super::expiry::{self, Grammar, When};
use crate::declare::{KEY, OW_INSERT, OW_UPDATE, RO_ACCESS, keys};

/// Shared by MSET, MSETNX and MSETEX.
const DATA: ArgSpec = ArgSpec::block("data", &[KEY, ArgSpec::string("value")]).multi();

/// MGET.
pub static MGET: Command = Command {
    name: "mget",
    arity: -2,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::STRING,
    keys: &[keys(1, -1, 1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::String,
    since: "1.0.0",
    summary: "Atomically returns the string values of one or more keys.",
    complexity: "O(N) where N is the number of keys to retrieve.",
    args: &[KEY.multi()],
    tips: &["request_policy:multi_shard"],
    examples: &["SET one 1", "LPUSH list a", "MGET one missing list one"],
    handler: Handler::Read(mget),
    ..Command::BASE
};

fn mget(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let keys = ctx.args.from(1);
    ctx.out.array(keys.len());
    for key in keys.iter() {
        // other types are as if they were absent; nothing was written then
        if reply_string(ctx.out, ctx.keys.lookup(key).map(|e| e.value)).is_err() {
            ctx.out.null();
        }
    }
    Ok(())
}

/// MSET.
pub static MSET: Command = Command {
    name: "mset",
    arity: -3,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::STRING,
    keys: &[keys(1, -1, 2, OW_UPDATE)],
    scope: Scope::Keys,
    group: Group::String,
    since: "1.0.1",
    summary: "Atomically creates or modifies the string values of one or more keys.",
    complexity: "O(N) where N is the number of keys to set.",
    args: &[DATA],
    tips: &["request_policy:multi_shard", "response_policy:all_succeeded"],
    examples: &["MSET one 1 two 2 one uno", "MGET one two", "MSET one 1 two"],
    handler: Handler::Write(mset),
    ..Command::BASE
};

fn mset(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let args = ctx.args.from(1);
    if !args.len().is_multiple_of(2) {
        return Err(Error::Arity(ctx.entry.name.clone()));
    }
    for (key, value) in pairs(args, args.len() / 2) {
        store(ctx, key, value);
    }
    ctx.out.ok();
    Ok(())
}

/// The first `n` pairs of keys and values among arguments.
fn pairs(args: Args<'_>, n: usize) -> impl Iterator<Item = (&[u8], &[u8])> {
    (0..n).map(move |i| (args.at(2 * i), args.at(2 * i + 1)))
}

/// Stores one of several pairs.
fn store(ctx: &mut WriteCtx<'_, '_>, key: &[u8], value: &[u8]) {
    ctx.keys.set(key, NewValue::text(value), Expiry::Clear);
    ctx.keys.notify(NotifyFlags::STRING, "set", key);
    ctx.keys.dirty(1);
}

/// MSETNX.
pub static MSETNX: Command = Command {
    name: "msetnx",
    arity: -3,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::STRING,
    keys: &[keys(1, -1, 2, OW_INSERT)],
    scope: Scope::Keys,
    group: Group::String,
    since: "1.0.1",
    summary: "Atomically modifies the string values of one or more keys only when all keys don't exist.",
    complexity: "O(N) where N is the number of keys to set.",
    args: &[DATA],
    examples: &["MSETNX one 1 two 2", "MSETNX two 3 three 3", "MGET one two three", "MSETNX one 1 two"],
    handler: Handler::Write(msetnx),
    ..Command::BASE
};

fn msetnx(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let args = ctx.args.from(1);
    if !args.len().is_multiple_of(2) {
        return Err(Error::Arity(ctx.entry.name.clone()));
    }
    let n = args.len() / 2;
    let free = pairs(args, n).all(|(key, _)| !ctx.keys.exists(key));
    if free {
        for (key, value) in pairs(args, n) {
            store(ctx, key, value);
        }
    }
    ctx.out.int(i64::from(free));
    Ok(())
}

/// MSETEX.
pub static MSETEX: Command = Command {
    name: "msetex",
    arity: -4,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::STRING,
    keys: &[KeySpec {
        flags: OW_UPDATE,
        begin: Begin::Index(1),
        find: Find::Keynum { count: 0, first: 1, step: 2 },
        notes: "",
    }],
    scope: Scope::Keys,
    group: Group::String,
    since: "8.4.0",
    summary: "Atomically sets multiple string keys with a shared expiration in a single operation. Supports flexible \
        argument parsing where condition and expiration flags can appear in any order.",
    complexity: "O(N) where N is the number of keys to set.",
    args: &[
        ArgSpec::integer("numkeys"),
        DATA,
        ArgSpec::oneof("condition", &[ArgSpec::token("nx", "NX"), ArgSpec::token("xx", "XX")]).opt(),
        ArgSpec::oneof(
            "expiration",
            &[
                ArgSpec::integer("seconds").after("EX"),
                ArgSpec::integer("milliseconds").after("PX"),
                ArgSpec::new("unix-time-seconds", ArgKind::UnixTime).after("EXAT"),
                ArgSpec::new("unix-time-milliseconds", ArgKind::UnixTime).after("PXAT"),
                ArgSpec::token("keepttl", "KEEPTTL"),
            ],
        )
        .opt(),
    ],
    tips: &["request_policy:multi_shard", "response_policy:all_succeeded"],
    examples: &[
        "MSETEX 2 one 1 two 2 EX 100",
        "TTL one",
        "MSETEX 2 two 3 three 3 NX",
        "MSETEX 2 one 4 two 5 XX KEEPTTL",
        "MGET one two three",
        "TTL two",
        "MSETEX 0 one 1",
        "MSETEX 2 one 1",
        "MSETEX 1 one 1 NX XX",
    ],
    handler: Handler::Write(msetex),
    ..Command::BASE
};

fn msetex(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let n = int(ctx.args.at(1)).ok().and_then(|n| i32::try_from(n).ok()).filter(|n| *n > 0);
    let n = n.ok_or(Error::Static("ERR invalid numkeys value"))? as usize;
    let args = ctx.args.from(2);
    if args.len() / 2 < n {
        return Err(Error::Static("ERR wrong number of key-value pairs"));
    }
    let grammar = Grammar { keep: true, persist: false, exists: true, compare: false, get: false };
    let options = expiry::options(args.from(2 * n), grammar)?;
    let expiry = match options.when {
        When::At(unit, arg) => Expiry::At(unit.deadline(arg, ctx.keys.now(), "msetex")?),
        When::Keep => Expiry::Keep,
        When::Unsaid | When::Persist => Expiry::Clear,
    };
    let fits = options.exists.is_none_or(|wanted| pairs(args, n).all(|(key, _)| ctx.keys.exists(key) == wanted));
    if fits {
        for (key, value) in pairs(args, n) {
            ctx.keys.set(key, NewValue::text(value), expiry);
            if let Expiry::At(_) = expiry {
                ctx.keys.notify(NotifyFlags::GENERIC, "expire", key);
            }
            ctx.keys.notify(NotifyFlags::STRING, "set", key);
            ctx.keys.dirty(1);
        }
        if let Expiry::At(at) = expiry {
            let all = ctx.args;
            ctx.keys.propagate_as(|| {
                // the condition held, and holds again wherever this is applied
                let mut as_set = OwnedArgs::from_slices(all.iter().take(2 + 2 * n));
                as_set.push(b"PXAT");
                as_set.push(at.to_string().as_bytes());
                as_set
            });
        }
    }
    ctx.out.int(i64::from(fits));
    Ok(())
}
