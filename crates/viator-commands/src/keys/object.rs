//! OBJECT: internals of a value.

use viator_engine::command::{Acl, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::ctx::{AdminCtx, ReadCtx};
use viator_engine::error::Error;
use viator_engine::evict;
use viator_keyspace::{EntryRef, ValueRef};

use crate::declare::{KEY, RO, one_key};

/// OBJECT.
pub static OBJECT: Command = Command {
    name: "object",
    arity: -2,
    group: Group::Generic,
    since: "2.2.3",
    summary: "A container for object introspection commands.",
    complexity: "Depends on subcommand.",
    subcommands: &[&OBJECT_ENCODING, &OBJECT_FREQ, &OBJECT_HELP, &OBJECT_IDLETIME, &OBJECT_REFCOUNT],
    ..Command::BASE
};

/// OBJECT ENCODING.
pub static OBJECT_ENCODING: Command = Command {
    name: "encoding",
    arity: 3,
    flags: Flags::READONLY,
    acl: Acl::KEYSPACE,
    keys: &[one_key(2, RO)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "2.2.3",
    summary: "Returns the internal encoding of a Redis object.",
    complexity: "O(1)",
    args: &[KEY],
    tips: &["nondeterministic_output"],
    examples: &[
        "SET number 12345",
        "OBJECT ENCODING number",
        "SET short hello",
        "OBJECT ENCODING short",
        r#"SET long "a string that is longer than what fits in an embedded string""#,
        "OBJECT ENCODING long",
        "RPUSH list a",
        "OBJECT ENCODING list",
        "SADD numbers 1 2",
        "OBJECT ENCODING numbers",
        "SADD words a",
        "OBJECT ENCODING words",
        "ZADD zset 1 a",
        "OBJECT ENCODING zset",
        "HSET hash f v",
        "OBJECT ENCODING hash",
        "OBJECT ENCODING missing",
    ],
    handler: Handler::Read(object_encoding),
    ..Command::BASE
};

/// What OBJECT ENCODING answers for an entry.
pub fn encoding(e: &EntryRef<'_>) -> &'static str {
    match e.value {
        ValueRef::Int(_) => "int",
        ValueRef::Str { .. } if !e.is_raw() => "embstr",
        ValueRef::Str { .. } => "raw",
        ValueRef::Object(o) => o.encoding(),
    }
}

fn object_encoding(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    match ctx.keys.inspect(ctx.args.at(2)) {
        None => ctx.out.null(),
        Some(e) => ctx.out.bulk(encoding(&e).as_bytes()),
    }
    Ok(())
}

/// OBJECT FREQ.
pub static OBJECT_FREQ: Command = Command {
    name: "freq",
    arity: 3,
    flags: Flags::READONLY,
    acl: Acl::KEYSPACE,
    keys: &[one_key(2, RO)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "4.0.0",
    summary: "Returns the logarithmic access frequency counter of a Redis object.",
    complexity: "O(1)",
    args: &[KEY],
    tips: &["nondeterministic_output"],
    examples: &["SET key value", "OBJECT FREQ key", "OBJECT FREQ missing"],
    handler: Handler::Read(object_freq),
    ..Command::BASE
};

fn object_freq(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let Some(lru) = ctx.keys.inspect(ctx.args.at(2)).map(|e| e.lru) else {
        ctx.out.null();
        return Ok(());
    };
    let (now, cfg) = (ctx.keys.now(), ctx.keys.cfg());
    if !cfg.maxmemory_policy.is_lfu() {
        return Err(Error::Static(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching \
             between policies at runtime LRU and LFU data will take some time to adjust.",
        ));
    }
    ctx.out.int(i64::from(evict::lfu_counter(lru, now, cfg.lfu_decay_time)));
    Ok(())
}

/// OBJECT HELP.
pub static OBJECT_HELP: Command = Command {
    name: "help",
    arity: 2,
    flags: Flags::LOADING.or(Flags::STALE),
    acl: Acl::KEYSPACE,
    group: Group::Generic,
    since: "6.2.0",
    summary: "Returns helpful text about the different subcommands.",
    complexity: "O(1)",
    examples: &["OBJECT HELP", "OBJECT UNKNOWN key"],
    handler: Handler::Admin(object_help),
    ..Command::BASE
};

fn object_help(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    ctx.out.array(HELP.len());
    for line in HELP {
        ctx.out.simple(line);
    }
    Ok(())
}

const HELP: &[&str] = &[
    "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "ENCODING <key>",
    "    Return the kind of internal representation used in order to store the value",
    "    associated with a <key>.",
    "FREQ <key>",
    "    Return the access frequency index of the <key>. The returned integer is",
    "    proportional to the logarithm of the recent access frequency of the key.",
    "IDLETIME <key>",
    "    Return the idle time of the <key>, that is the approximated number of",
    "    seconds elapsed since the last access to the key.",
    "REFCOUNT <key>",
    "    Return the number of references of the value associated with the specified",
    "    <key>.",
    "HELP",
    "    Print this help.",
];

/// OBJECT IDLETIME.
pub static OBJECT_IDLETIME: Command = Command {
    name: "idletime",
    arity: 3,
    flags: Flags::READONLY,
    acl: Acl::KEYSPACE,
    keys: &[one_key(2, RO)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "2.2.3",
    summary: "Returns the time since the last access to a Redis object.",
    complexity: "O(1)",
    args: &[KEY],
    tips: &["nondeterministic_output"],
    examples: &["SET key value", "OBJECT IDLETIME key", "OBJECT IDLETIME missing"],
    handler: Handler::Read(object_idletime),
    ..Command::BASE
};

fn object_idletime(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let Some(lru) = ctx.keys.inspect(ctx.args.at(2)).map(|e| e.lru) else {
        ctx.out.null();
        return Ok(());
    };
    if ctx.keys.cfg().maxmemory_policy.is_lfu() {
        return Err(Error::Static(
            "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between \
             policies at runtime LRU and LFU data will take some time to adjust.",
        ));
    }
    ctx.out.int(i64::from(evict::idle_seconds(lru, ctx.keys.local.lru_clock)));
    Ok(())
}

/// OBJECT REFCOUNT.
pub static OBJECT_REFCOUNT: Command = Command {
    name: "refcount",
    arity: 3,
    flags: Flags::READONLY,
    acl: Acl::KEYSPACE,
    keys: &[one_key(2, RO)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "2.2.3",
    summary: "Returns the reference count of a value of a key.",
    complexity: "O(1)",
    args: &[KEY],
    tips: &["nondeterministic_output"],
    examples: &["SET key value", "OBJECT REFCOUNT key", "OBJECT REFCOUNT missing"],
    handler: Handler::Read(object_refcount),
    ..Command::BASE
};

fn object_refcount(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    // no two keys share a value, as in Redis since 8.2
    match ctx.keys.inspect(ctx.args.at(2)) {
        None => ctx.out.null(),
        Some(_) => ctx.out.int(1),
    }
    Ok(())
}
