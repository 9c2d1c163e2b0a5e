//! Setting and removing expirations: EXPIRE and its relatives, PERSIST.

use viator_engine::args::{self, Args, OwnedArgs};
use viator_engine::command::{Acl, ArgKind, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::config::NotifyFlags;
use viator_engine::ctx::WriteCtx;
use viator_engine::error::Error;
use viator_resp::reply::shown_whole;

use crate::declare::{KEY, RW_UPDATE, one_key};

/// Shared by EXPIRE, PEXPIRE, EXPIREAT and PEXPIREAT.
const CONDITION: ArgSpec = ArgSpec::oneof(
    "condition",
    &[ArgSpec::token("nx", "NX"), ArgSpec::token("xx", "XX"), ArgSpec::token("gt", "GT"), ArgSpec::token("lt", "LT")],
)
.since("7.0.0")
.opt();

/// EXPIRE.
pub static EXPIRE: Command = Command {
    name: "expire",
    arity: -3,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::KEYSPACE,
    keys: &[one_key(1, RW_UPDATE)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "1.0.0",
    summary: "Sets the expiration time of a key in seconds.",
    complexity: "O(1)",
    history: &[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")],
    args: &[KEY, ArgSpec::integer("seconds"), CONDITION],
    examples: &[
        "SET key value",
        "EXPIRE key 100",
        "TTL key",
        "EXPIRE key 200 NX",
        "EXPIRE key 50 GT",
        "EXPIRE key 50 LT",
        "EXPIRE key 60 XX",
        "TTL key",
        "EXPIRE missing 10",
        "EXPIRE key 10 NX XX",
        "EXPIRE key 10 BAD",
        "EXPIRE key 9223372036854775807",
        "EXPIRE key -1",
        "EXISTS key",
    ],
    handler: Handler::Write(expire),
    ..Command::BASE
};

fn expire(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let now = ctx.keys.now();
    set_expiry(ctx, now, 1000)
}

/// NX, XX, GT, LT.
#[derive(Clone, Copy, Default)]
struct Condition {
    nx: bool,
    xx: bool,
    gt: bool,
    lt: bool,
}

impl Condition {
    fn parse(options: Args<'_>) -> Result<Condition, Error> {
        let mut c = Condition::default();
        for option in options.iter() {
            if args::is(option, "NX") {
                c.nx = true;
            } else if args::is(option, "XX") {
                c.xx = true;
            } else if args::is(option, "GT") {
                c.gt = true;
            } else if args::is(option, "LT") {
                c.lt = true;
            } else {
                return Err(Error::text(format!("ERR Unsupported option {}", shown_whole(option))));
            }
        }
        if c.nx && (c.xx || c.gt || c.lt) {
            return Err(Error::Static("ERR NX and XX, GT or LT options at the same time are not compatible"));
        }
        if c.gt && c.lt {
            return Err(Error::Static("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(c)
    }

    /// Whether the expiry `when` may take the place of `before`; a key without expiry lives for ever.
    fn admits(self, before: Option<i64>, when: i64) -> bool {
        !(self.nx && before.is_some()
            || self.xx && before.is_none()
            || self.gt && before.is_none_or(|b| when <= b)
            || self.lt && before.is_some_and(|b| when >= b))
    }
}

/// EXPIRE and its relatives: the time in the arguments counts `unit` milliseconds each from `base`, Unix milliseconds.
fn set_expiry(ctx: &mut WriteCtx<'_, '_>, base: i64, unit: i64) -> Outcome {
    let key = ctx.args.at(1);
    let condition = Condition::parse(ctx.args.from(3))?;
    let Some(when) = args::int(ctx.args.at(2))?.checked_mul(unit).and_then(|ms| ms.checked_add(base)) else {
        return Err(Error::InvalidExpire(ctx.entry.name.clone()));
    };
    let Some(before) = ctx.keys.lookup_write(key).map(|e| e.expire) else {
        ctx.out.int(0);
        return Ok(());
    };
    if !condition.admits(before, when) {
        ctx.out.int(0);
        return Ok(());
    }
    if ctx.keys.is_past(when) {
        let lazy = ctx.keys.cfg().lazyfree_lazy_expire;
        ctx.keys.delete(key, lazy);
        ctx.keys.propagate_as(|| OwnedArgs::from_slices([if lazy { &b"UNLINK"[..] } else { b"DEL" }, key]));
        ctx.keys.notify(NotifyFlags::GENERIC, "del", key);
    } else {
        ctx.keys.set_expire(key, Some(when));
        ctx.keys.propagate_as(|| OwnedArgs::from_slices([b"PEXPIREAT", key, when.to_string().as_bytes()]));
        ctx.keys.notify(NotifyFlags::GENERIC, "expire", key);
    }
    ctx.keys.dirty(1);
    ctx.out.int(1);
    Ok(())
}

/// PEXPIRE.
pub static PEXPIRE: Command = Command {
    name: "pexpire",
    arity: -3,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::KEYSPACE,
    keys: &[one_key(1, RW_UPDATE)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "2.6.0",
    summary: "Sets the expiration time of a key in milliseconds.",
    complexity: "O(1)",
    history: &[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")],
    args: &[KEY, ArgSpec::integer("milliseconds"), CONDITION],
    examples: &[
        "SET key value",
        "PEXPIRE key 100000",
        "TTL key",
        "PEXPIRE key 1000 GT",
        "PEXPIRE missing 10",
        "PEXPIRE key 0",
        "EXISTS key",
    ],
    handler: Handler::Write(pexpire),
    ..Command::BASE
};

fn pexpire(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let now = ctx.keys.now();
    set_expiry(ctx, now, 1)
}

/// EXPIREAT.
pub static EXPIREAT: Command = Command {
    name: "expireat",
    arity: -3,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::KEYSPACE,
    keys: &[one_key(1, RW_UPDATE)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "1.2.0",
    summary: "Sets the expiration time of a key to a Unix timestamp.",
    complexity: "O(1)",
    history: &[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")],
    args: &[KEY, ArgSpec::new("unix-time-seconds", ArgKind::UnixTime), CONDITION],
    examples: &[
        "SET key value",
        "EXPIREAT key 33177117420",
        "EXPIRETIME key",
        "EXPIREAT key 33177117421 LT",
        "EXPIREAT key 1293840000",
        "EXISTS key",
    ],
    handler: Handler::Write(expireat),
    ..Command::BASE
};

fn expireat(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    set_expiry(ctx, 0, 1000)
}

/// PEXPIREAT.
pub static PEXPIREAT: Command = Command {
    name: "pexpireat",
    arity: -3,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::KEYSPACE,
    keys: &[one_key(1, RW_UPDATE)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "2.6.0",
    summary: "Sets the expiration time of a key to a Unix milliseconds timestamp.",
    complexity: "O(1)",
    history: &[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")],
    args: &[KEY, ArgSpec::new("unix-time-milliseconds", ArgKind::UnixTime), CONDITION],
    examples: &[
        "SET key value",
        "PEXPIREAT key 33177117420000",
        "PEXPIRETIME key",
        "PEXPIREAT key 33177117420001 GT",
        "PEXPIRETIME key",
        "PEXPIREAT key 1293840000000",
        "EXISTS key",
    ],
    handler: Handler::Write(pexpireat),
    ..Command::BASE
};

fn pexpireat(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    set_expiry(ctx, 0, 1)
}

/// PERSIST.
pub static PERSIST: Command = Command {
    name: "persist",
    arity: 2,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::KEYSPACE,
    keys: &[one_key(1, RW_UPDATE)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "2.2.0",
    summary: "Removes the expiration time of a key.",
    complexity: "O(1)",
    args: &[KEY],
    examples: &["SET key value EX 100", "PERSIST key", "PERSIST key", "TTL key", "PERSIST missing"],
    handler: Handler::Write(persist),
    ..Command::BASE
};

fn persist(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let key = ctx.args.at(1);
    let had = ctx.keys.lookup_write(key).is_some_and(|e| e.expire.is_some());
    if had {
        ctx.keys.set_expire(key, None);
        ctx.keys.notify(NotifyFlags::GENERIC, "persist", key);
        ctx.keys.dirty(1);
    }
    ctx.out.int(i64::from(had));
    Ok(())
}
