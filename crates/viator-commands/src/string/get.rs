//! Reading a string: GET and its relatives, STRLEN, DIGEST.

use viator_engine::args::OwnedArgs;
use viator_engine::command::{Acl, ArgKind, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::config::NotifyFlags;
use viator_engine::ctx::{ReadCtx, WriteCtx, reply_string};
use viator_keyspace::{Expiry, NewValue};

use super::expiry::{self, Grammar, When};
use crate::declare::{KEY, RO, RO_ACCESS, RW_ACCESS_DELETE, RW_ACCESS_UPDATE, noted, one_key};

/// GET.
pub static GET: Command = Command {
    name: "get",
    arity: 2,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::STRING,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::String,
    since: "1.0.0",
    summary: "Returns the string value of a key.",
    complexity: "O(1)",
    args: &[KEY],
    examples: &["SET greeting hello", "GET greeting", "GET missing", "LPUSH list a", "GET list"],
    handler: Handler::Read(get),
    ..Command::BASE
};

fn get(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    reply_string(ctx.out, ctx.keys.lookup(ctx.args.at(1)).map(|e| e.value))
}

/// GETDEL.
pub static GETDEL: Command = Command {
    name: "getdel",
    arity: 2,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::STRING,
    keys: &[one_key(1, RW_ACCESS_DELETE)],
    scope: Scope::Keys,
    group: Group::String,
    since: "6.2.0",
    summary: "Returns the string value of a key after deleting the key.",
    complexity: "O(1)",
    args: &[KEY],
    examples: &["SET key value", "GETDEL key", "GETDEL key", "EXISTS key"],
    handler: Handler::Write(getdel),
    ..Command::BASE
};

fn getdel(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let key = ctx.args.at(1);
    reply_string(ctx.out, ctx.keys.lookup(key).map(|e| e.value))?;
    if ctx.keys.delete(key, false) {
        ctx.keys.notify(NotifyFlags::GENERIC, "del", key);
        ctx.keys.dirty(1);
        ctx.keys.propagate_as(|| OwnedArgs::from_slices([b"DEL", key]));
    }
    Ok(())
}

/// GETEX.
pub static GETEX: Command = Command {
    name: "getex",
    arity: -2,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::STRING,
    keys: &[noted(one_key(1, RW_ACCESS_UPDATE), "RW and UPDATE because it changes the TTL")],
    scope: Scope::Keys,
    group: Group::String,
    since: "6.2.0",
    summary: "Returns the string value of a key after setting its expiration time.",
    complexity: "O(1)",
    args: &[
        KEY,
        ArgSpec::oneof(
            "expiration",
            &[
                ArgSpec::integer("seconds").after("EX"),
                ArgSpec::integer("milliseconds").after("PX"),
                ArgSpec::new("unix-time-seconds", ArgKind::UnixTime).after("EXAT"),
                ArgSpec::new("unix-time-milliseconds", ArgKind::UnixTime).after("PXAT"),
                ArgSpec::token("persist", "PERSIST"),
            ],
        )
        .opt(),
    ],
    examples: &[
        "SET key value",
        "GETEX key EX 100",
        "TTL key",
        "GETEX key PERSIST",
        "TTL key",
        "GETEX key EX 0",
        "GETEX missing PX 100",
    ],
    handler: Handler::Write(getex),
    ..Command::BASE
};

fn getex(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let key = ctx.args.at(1);
    let grammar = Grammar { keep: false, persist: true, exists: false, compare: false, get: false };
    let when = expiry::options(ctx.args.from(2), grammar)?.when;
    let found = ctx.keys.lookup(key);
    let Some(had_expiry) = found.map(|e| e.expire.is_some()) else {
        ctx.out.null();
        return Ok(());
    };
    reply_string(ctx.out, found.map(|e| e.value))?;
    match when {
        When::At(unit, arg) => {
            let now = ctx.keys.now();
            let at = unit.deadline(arg, now, "getex")?;
            if ctx.keys.is_past(at) {
                let lazy = ctx.keys.cfg().lazyfree_lazy_expire;
                ctx.keys.delete(key, lazy);
                ctx.keys.notify(NotifyFlags::GENERIC, "del", key);
                let name: &[u8] = if lazy { b"UNLINK" } else { b"DEL" };
                ctx.keys.propagate_as(|| OwnedArgs::from_slices([name, key]));
            } else {
                ctx.keys.set_expire(key, Some(at));
                ctx.keys.notify(NotifyFlags::GENERIC, "expire", key);
                ctx.keys.propagate_as(|| OwnedArgs::from_slices([b"PEXPIREAT", key, at.to_string().as_bytes()]));
            }
            ctx.keys.dirty(1);
        }
        When::Persist if had_expiry => {
            ctx.keys.set_expire(key, None);
            ctx.keys.notify(NotifyFlags::GENERIC, "persist", key);
            ctx.keys.propagate_as(|| OwnedArgs::from_slices([b"PERSIST", key]));
            ctx.keys.dirty(1);
        }
        _ => {}
    }
    Ok(())
}

/// GETSET.
pub static GETSET: Command = Command {
    name: "getset",
    arity: 3,
    flags: Flags::WRITE.or(Flags::DENYOOM).or(Flags::FAST),
    acl: Acl::STRING,
    keys: &[one_key(1, RW_ACCESS_UPDATE)],
    scope: Scope::Keys,
    group: Group::String,
    since: "1.0.0",
    summary: "Returns the previous string value of a key after setting it to a new value.",
    complexity: "O(1)",
    deprecated: Some(("6.2.0", "`SET` with the `!GET` argument")),
    args: &[KEY, ArgSpec::string("value")],
    examples: &["GETSET key first", "GETSET key second", "SET fleeting v EX 100", "GETSET fleeting w", "TTL fleeting"],
    handler: Handler::Write(getset),
    ..Command::BASE
};

fn getset(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let (key, value) = (ctx.args.at(1), ctx.args.at(2));
    reply_string(ctx.out, ctx.keys.lookup(key).map(|e| e.value))?;
    ctx.keys.set(key, NewValue::text(value), Expiry::Clear);
    ctx.keys.notify(NotifyFlags::STRING, "set", key);
    ctx.keys.dirty(1);
    ctx.keys.propagate_as(|| OwnedArgs::from_slices([b"SET", key, value]));
    Ok(())
}

/// STRLEN.
pub static STRLEN: Command = Command {
    name: "strlen",
    arity: 2,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::STRING,
    keys: &[one_key(1, RO)],
    scope: Scope::Keys,
    group: Group::String,
    since: "2.2.0",
    summary: "Returns the length of a string value.",
    complexity: "O(1)",
    args: &[KEY],
    examples: &[r#"SET key "hello world""#, "STRLEN key", "STRLEN missing", "SADD set a", "STRLEN set"],
    handler: Handler::Read(strlen),
    ..Command::BASE
};

fn strlen(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let len = match ctx.keys.lookup(ctx.args.at(1)) {
        Some(e) => super::bytes(e.value, &mut itoa::Buffer::new())?.len(),
        None => 0,
    };
    ctx.out.int(len as i64);
    Ok(())
}

/// DIGEST.
pub static DIGEST: Command = Command {
    name: "digest",
    arity: 2,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::STRING,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::String,
    since: "8.4.0",
    summary: "Returns the XXH3 hash of a string value.",
    complexity: "O(N) where N is the length of the string value.",
    args: &[KEY],
    examples: &[
        "SET key hello",
        "DIGEST key",
        "DIGEST missing",
        "SET number 12345",
        "DIGEST number",
        "RPUSH list a",
        "DIGEST list",
    ],
    handler: Handler::Read(digest),
    ..Command::BASE
};

fn digest(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    match ctx.keys.lookup(ctx.args.at(1)) {
        Some(e) => ctx.out.bulk(&expiry::digest(super::bytes(e.value, &mut itoa::Buffer::new())?)),
        None => ctx.out.null(),
    }
    Ok(())
}
