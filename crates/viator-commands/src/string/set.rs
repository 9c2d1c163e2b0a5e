//! Setting a string: SET, its older forms, and DELEX, which takes it away on a condition.

use viator_engine::args::{self, OwnedArgs};
use viator_engine::command::{Acl, ArgKind, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::config::NotifyFlags;
use viator_engine::ctx::{WriteCtx, reply_string};
use viator_engine::error::Error;
use viator_keyspace::{Expiry, NewValue};

use super::expiry::{self, Compare, Grammar, Unit, When};
use crate::declare::{
    KEY, OW_INSERT, OW_UPDATE, RM_DELETE, RW_ACCESS_UPDATE, RW_ACCESS_UPDATE_VARIABLE_FLAGS, RW_DELETE,
    RW_DELETE_VARIABLE_FLAGS, RW_UPDATE, noted, one_key,
};

/// SET.
pub static SET: Command = Command {
    name: "set",
    arity: -3,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::STRING,
    keys: &[noted(one_key(1, RW_ACCESS_UPDATE_VARIABLE_FLAGS), "RW and ACCESS due to the optional `GET` argument")],
    key_flags: Some(|args| {
        let has = |words: &[&str]| args.from(3).iter().any(|a| words.iter().any(|w| args::is(a, w)));
        if has(&["get"]) {
            RW_ACCESS_UPDATE
        } else if has(&["ifeq", "ifne", "ifdeq", "ifdne"]) {
            RW_UPDATE
        } else {
            OW_UPDATE
        }
    }),
    scope: Scope::Keys,
    group: Group::String,
    since: "1.0.0",
    summary: "Sets the string value of a key, ignoring its type. The key is created if it doesn't exist.",
    complexity: "O(1)",
    history: &[
        ("2.6.12", "Added the `EX`, `PX`, `NX` and `XX` options."),
        ("6.0.0", "Added the `KEEPTTL` option."),
        ("6.2.0", "Added the `GET`, `EXAT` and `PXAT` option."),
        ("7.0.0", "Allowed the `NX` and `GET` options to be used together."),
        ("8.4.0", "Added 'IFEQ', 'IFNE', 'IFDEQ', 'IFDNE' options."),
    ],
    args: &[
        KEY,
        ArgSpec::string("value"),
        ArgSpec::oneof(
            "condition",
            &[
                ArgSpec::token("nx", "NX"),
                ArgSpec::token("xx", "XX"),
                ArgSpec::string("ifeq-value").after("IFEQ").since("8.4.0"),
                ArgSpec::string("ifne-value").after("IFNE").since("8.4.0"),
                ArgSpec::integer("ifdeq-digest").after("IFDEQ").since("8.4.0"),
                ArgSpec::integer("ifdne-digest").after("IFDNE").since("8.4.0"),
            ],
        )
        .since("2.6.12")
        .opt(),
        ArgSpec::token("get", "GET").since("6.2.0").opt(),
        ArgSpec::oneof(
            "expiration",
            &[
                ArgSpec::integer("seconds").after("EX").since("2.6.12"),
                ArgSpec::integer("milliseconds").after("PX").since("2.6.12"),
                ArgSpec::new("unix-time-seconds", ArgKind::UnixTime).after("EXAT").since("6.2.0"),
                ArgSpec::new("unix-time-milliseconds", ArgKind::UnixTime).after("PXAT").since("6.2.0"),
                ArgSpec::token("keepttl", "KEEPTTL").since("6.0.0"),
            ],
        )
        .opt(),
    ],
    examples: &[
        "SET key value",
        "SET key other NX",
        "SET key other XX GET",
        "SET fresh value NX GET",
        "SET key value EX 100",
        "TTL key",
        "SET key value KEEPTTL",
        "TTL key",
        "SET key new IFEQ value",
        "SET key new IFEQ value",
        "SET key newer IFNE new",
        "SET key v EX 10 PX 10",
        "SET key v EX 0",
    ],
    handler: Handler::Write(set),
    ..Command::BASE
};

fn set(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let (key, value) = (ctx.args.at(1), ctx.args.at(2));
    if ctx.args.len() == 3 {
        ctx.keys.set(key, NewValue::text(value), Expiry::Clear);
        ctx.keys.notify(NotifyFlags::STRING, "set", key);
        ctx.keys.dirty(1);
        ctx.out.ok();
        return Ok(());
    }
    let grammar = Grammar { keep: true, persist: false, exists: true, compare: true, get: true };
    let options = expiry::options(ctx.args.from(3), grammar)?;
    let expiry = match options.when {
        When::At(unit, arg) => Expiry::At(unit.deadline(arg, ctx.keys.now(), "set")?),
        When::Keep => Expiry::Keep,
        When::Unsaid | When::Persist => Expiry::Clear,
    };
    if options.get {
        reply_string(ctx.out, ctx.keys.lookup(key).map(|e| e.value))?;
    }
    let spot = ctx.keys.spot(key);
    let fits = match options.compare {
        _ if options.exists.is_some_and(|wanted| wanted != spot.is_occupied()) => false,
        Some((how, wanted)) => match ctx.keys.entry_at(spot) {
            Some(e) => how.holds(super::bytes(e.value, &mut itoa::Buffer::new())?, wanted)?,
            None => how.holds_for_none(),
        },
        None => true,
    };
    if !fits {
        if !options.get {
            ctx.out.null();
        }
        return Ok(());
    }
    ctx.keys.overwrite(spot, key, NewValue::text(value), expiry);
    ctx.keys.notify(NotifyFlags::STRING, "set", key);
    ctx.keys.dirty(1);
    if let Expiry::At(at) = expiry {
        ctx.keys.notify(NotifyFlags::GENERIC, "expire", key);
        ctx.keys.propagate_as(|| set_until(key, value, at));
    } else if options.get {
        let keep = expiry == Expiry::Keep;
        ctx.keys.propagate_as(|| {
            let mut as_set = OwnedArgs::from_slices([b"SET", key, value]);
            if keep {
                as_set.push(b"KEEPTTL");
            }
            as_set
        });
    }
    if !options.get {
        ctx.out.ok();
    }
    Ok(())
}

/// How a SET with any expiry is propagated.
fn set_until(key: &[u8], value: &[u8], at: i64) -> OwnedArgs {
    OwnedArgs::from_slices([b"SET", key, value, b"PXAT", at.to_string().as_bytes()])
}

/// SETEX.
pub static SETEX: Command = Command {
    name: "setex",
    arity: 4,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::STRING,
    keys: &[one_key(1, OW_UPDATE)],
    scope: Scope::Keys,
    group: Group::String,
    since: "2.0.0",
    summary: "Sets the string value and expiration time of a key. Creates the key if it doesn't exist.",
    complexity: "O(1)",
    deprecated: Some(("2.6.12", "`SET` with the `EX` argument")),
    args: &[KEY, ArgSpec::integer("seconds"), ArgSpec::string("value")],
    examples: &["SETEX key 100 value", "GET key", "TTL key", "SETEX key 0 value", "SETEX key notanumber value"],
    handler: Handler::Write(setex),
    ..Command::BASE
};

fn setex(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    set_for(ctx, Unit::Seconds)
}

/// SETEX and PSETEX.
fn set_for(ctx: &mut WriteCtx<'_, '_>, unit: Unit) -> Outcome {
    let (key, value) = (ctx.args.at(1), ctx.args.at(3));
    let at = unit.deadline(ctx.args.at(2), ctx.keys.now(), &ctx.entry.name)?;
    ctx.keys.set(key, NewValue::text(value), Expiry::At(at));
    ctx.keys.notify(NotifyFlags::STRING, "set", key);
    ctx.keys.notify(NotifyFlags::GENERIC, "expire", key);
    ctx.keys.dirty(1);
    ctx.keys.propagate_as(|| set_until(key, value, at));
    ctx.out.ok();
    Ok(())
}

/// PSETEX.
pub static PSETEX: Command = Command {
    name: "psetex",
    arity: 4,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::STRING,
    keys: &[one_key(1, OW_UPDATE)],
    scope: Scope::Keys,
    group: Group::String,
    since: "2.6.0",
    summary: "Sets both string value and expiration time in milliseconds of a key. The key is created if it doesn't \
        exist.",
    complexity: "O(1)",
    deprecated: Some(("2.6.12", "`SET` with the `PX` argument")),
    args: &[KEY, ArgSpec::integer("milliseconds"), ArgSpec::string("value")],
    examples: &["PSETEX key 100000 value", "TTL key", "PSETEX key -1 value"],
    handler: Handler::Write(psetex),
    ..Command::BASE
};

fn psetex(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    set_for(ctx, Unit::Millis)
}

/// SETNX.
pub static SETNX: Command = Command {
    name: "setnx",
    arity: 3,
    flags: Flags::WRITE.or(Flags::DENYOOM).or(Flags::FAST),
    acl: Acl::STRING,
    keys: &[one_key(1, OW_INSERT)],
    scope: Scope::Keys,
    group: Group::String,
    since: "1.0.0",
    summary: "Set the string value of a key only when the key doesn't exist.",
    complexity: "O(1)",
    deprecated: Some(("2.6.12", "`SET` with the `NX` argument")),
    args: &[KEY, ArgSpec::string("value")],
    examples: &["SETNX key first", "SETNX key second", "GET key"],
    handler: Handler::Write(setnx),
    ..Command::BASE
};

fn setnx(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let (key, value) = (ctx.args.at(1), ctx.args.at(2));
    let spot = ctx.keys.spot(key);
    let free = !spot.is_occupied();
    if free {
        ctx.keys.overwrite(spot, key, NewValue::text(value), Expiry::Clear);
        ctx.keys.notify(NotifyFlags::STRING, "set", key);
        ctx.keys.dirty(1);
    }
    ctx.out.int(i64::from(free));
    Ok(())
}

/// DELEX.
pub static DELEX: Command = Command {
    name: "delex",
    arity: -2,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::STRING,
    keys: &[one_key(1, RW_DELETE_VARIABLE_FLAGS)],
    key_flags: Some(|args| if args.len() > 3 { RW_DELETE } else { RM_DELETE }),
    scope: Scope::Keys,
    group: Group::String,
    since: "8.4.0",
    summary: "Conditionally removes the specified key based on value or digest comparison.",
    complexity: "O(1) for IFEQ/IFNE, O(N) for IFDEQ/IFDNE where N is the length of the string value.",
    args: &[
        KEY,
        ArgSpec::oneof(
            "condition",
            &[
                ArgSpec::string("ifeq-value").after("IFEQ"),
                ArgSpec::string("ifne-value").after("IFNE"),
                ArgSpec::integer("ifdeq-digest").after("IFDEQ"),
                ArgSpec::integer("ifdne-digest").after("IFDNE"),
            ],
        )
        .opt(),
    ],
    examples: &[
        "SET key value",
        "DELEX key IFEQ other",
        "DELEX key IFNE value",
        "DELEX key IFEQ value",
        "DELEX key",
        "SET key hello",
        "DELEX key IFDEQ 9555e8555c62dcfd",
        "EXISTS key",
        "DELEX key IFEQ",
    ],
    handler: Handler::Write(delex),
    ..Command::BASE
};

fn delex(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let key = ctx.args.at(1);
    let conditional = match ctx.args.len() {
        2 => false,
        4 => true,
        _ => return Err(Error::Arity(ctx.entry.name.clone())),
    };
    let spot = ctx.keys.spot(key);
    let fits = match ctx.keys.entry_at(spot) {
        Some(e) if conditional => {
            if !super::is_string(e.value) {
                return Err(Error::Static("ERR Key should be of string type if conditions are specified"));
            }
            let how = Compare::parse(ctx.args.at(2))
                .ok_or(Error::Static("ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE"))?;
            how.holds(super::bytes(e.value, &mut itoa::Buffer::new())?, ctx.args.at(3))?
        }
        found => found.is_some(),
    };
    if fits {
        let lazy = ctx.keys.cfg().lazyfree_lazy_user_del;
        ctx.keys.delete(key, lazy);
        ctx.keys.notify(NotifyFlags::GENERIC, "del", key);
        ctx.keys.dirty(1);
        if conditional {
            ctx.keys.propagate_as(|| OwnedArgs::from_slices([b"DEL", key]));
        }
    }
    ctx.out.int(i64::from(fits));
    Ok(())
}
