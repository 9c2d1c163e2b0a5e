//! Expiration times of fields: HEXPIRE and its relatives, HTTL and its relatives, HPERSIST.

use viator_data::hash::Hash;
use viator_engine::args::OwnedArgs;
use viator_engine::command::{Acl, ArgKind, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::config::NotifyFlags;
use viator_engine::ctx::{ReadCtx, WriteCtx};

use super::expiry::{Unit, condition_and_fields, only_fields};
use super::{now, propagate_hdel};
use crate::declare::{KEY, RO_ACCESS, RW_UPDATE, one_key};

/// HEXPIRE.
pub static HEXPIRE: Command = Command {
    name: "hexpire",
    arity: -6,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::HASH,
    keys: &[one_key(1, RW_UPDATE)],
    scope: Scope::Keys,
    group: Group::Hash,
    since: "7.4.0",
    summary: "Set expiry for hash field using relative time to expire (seconds)",
    complexity: "O(N) where N is the number of specified fields",
    args: &[
        KEY,
        ArgSpec::integer("seconds"),
        ArgSpec::oneof(
            "condition",
            &[
                ArgSpec::token("nx", "NX"),
                ArgSpec::token("xx", "XX"),
                ArgSpec::token("gt", "GT"),
                ArgSpec::token("lt", "LT"),
            ],
        )
        .opt(),
        ArgSpec::block("fields", &[ArgSpec::integer("numfields"), ArgSpec::string("field").multi()]).after("FIELDS"),
    ],
    examples: &[
        "HSET hash a 1 b 2",
        "HEXPIRE hash 100 FIELDS 2 a missing",
        "HTTL hash FIELDS 2 a b",
        "HEXPIRE hash 200 NX FIELDS 2 a b",
        "HEXPIRE hash 50 GT FIELDS 1 a",
        "HEXPIRE hash 50 LT FIELDS 1 a",
        "HEXPIRE hash 0 FIELDS 1 b",
        "HGETALL hash",
        "HEXPIRE missing 10 FIELDS 1 a",
        "HEXPIRE hash -1 FIELDS 1 a",
        "HEXPIRE hash 10 FIELDS 2 a",
    ],
    handler: Handler::Write(hexpire),
    ..Command::BASE
};

fn hexpire(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    set_expiry(ctx, Unit::Seconds)
}

/// HPEXPIRE.
pub static HPEXPIRE: Command = Command {
    name: "hpexpire",
    arity: -6,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::HASH,
    keys: &[one_key(1, RW_UPDATE)],
    scope: Scope::Keys,
    group: Group::Hash,
    since: "7.4.0",
    summary: "Set expiry for hash field using relative time to expire (milliseconds)",
    complexity: "O(N) where N is the number of specified fields",
    args: &[
        KEY,
        ArgSpec::integer("milliseconds"),
        ArgSpec::oneof(
            "condition",
            &[
                ArgSpec::token("nx", "NX"),
                ArgSpec::token("xx", "XX"),
                ArgSpec::token("gt", "GT"),
                ArgSpec::token("lt", "LT"),
            ],
        )
        .opt(),
        ArgSpec::block("fields", &[ArgSpec::integer("numfields"), ArgSpec::string("field").multi()]).after("FIELDS"),
    ],
    examples: &[
        "HSET hash a 1",
        "HPEXPIRE hash 100000 FIELDS 1 a",
        "HTTL hash FIELDS 1 a",
        "HPEXPIRE hash 0 FIELDS 1 a",
        "EXISTS hash",
    ],
    handler: Handler::Write(hpexpire),
    ..Command::BASE
};

fn hpexpire(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    set_expiry(ctx, Unit::Millis)
}

/// HEXPIREAT.
pub static HEXPIREAT: Command = Command {
    name: "hexpireat",
    arity: -6,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::HASH,
    keys: &[one_key(1, RW_UPDATE)],
    scope: Scope::Keys,
    group: Group::Hash,
    since: "7.4.0",
    summary: "Set expiry for hash field using an absolute Unix timestamp (seconds)",
    complexity: "O(N) where N is the number of specified fields",
    args: &[
        KEY,
        ArgSpec::new("unix-time-seconds", ArgKind::UnixTime),
        ArgSpec::oneof(
            "condition",
            &[
                ArgSpec::token("nx", "NX"),
                ArgSpec::token("xx", "XX"),
                ArgSpec::token("gt", "GT"),
                ArgSpec::token("lt", "LT"),
            ],
        )
        .opt(),
        ArgSpec::block("fields", &[ArgSpec::integer("numfields"), ArgSpec::string("field").multi()]).after("FIELDS"),
    ],
    examples: &[
        "HSET hash a 1",
        "HEXPIREAT hash 4000000000 FIELDS 1 a",
        "HEXPIRETIME hash FIELDS 1 a",
        "HEXPIREAT hash 1000000000 FIELDS 1 a",
        "EXISTS hash",
    ],
    handler: Handler::Write(hexpireat),
    ..Command::BASE
};

fn hexpireat(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    set_expiry(ctx, Unit::UnixSeconds)
}

/// HPEXPIREAT.
pub static HPEXPIREAT: Command = Command {
    name: "hpexpireat",
    arity: -6,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::HASH,
    keys: &[one_key(1, RW_UPDATE)],
    scope: Scope::Keys,
    group: Group::Hash,
    since: "7.4.0",
    summary: "Set expiry for hash field using an absolute Unix timestamp (milliseconds)",
    complexity: "O(N) where N is the number of specified fields",
    args: &[
        KEY,
        ArgSpec::new("unix-time-milliseconds", ArgKind::UnixTime),
        ArgSpec::oneof(
            "condition",
            &[
                ArgSpec::token("nx", "NX"),
                ArgSpec::token("xx", "XX"),
                ArgSpec::token("gt", "GT"),
                ArgSpec::token("lt", "LT"),
            ],
        )
        .opt(),
        ArgSpec::block("fields", &[ArgSpec::integer("numfields"), ArgSpec::string("field").multi()]).after("FIELDS"),
    ],
    examples: &[
        "HSET hash a 1",
        "HPEXPIREAT hash 4000000000000 FIELDS 1 a",
        "HPEXPIRETIME hash FIELDS 1 a",
        "HPEXPIREAT hash 1000000000000 FIELDS 1 a",
        "EXISTS hash",
    ],
    handler: Handler::Write(hpexpireat),
    ..Command::BASE
};

fn hpexpireat(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    set_expiry(ctx, Unit::UnixMillis)
}

/// HEXPIRE and its relatives. A field that has expired, but that nobody came upon, counts as one that is there.
fn set_expiry(ctx: &mut WriteCtx<'_, '_>, unit: Unit) -> Outcome {
    let key = ctx.args.at(1);
    let there = ctx.keys.write::<Hash>(key)?.is_some();
    let at = unit.deadline(ctx.args.at(2), ctx.keys.now(), &ctx.entry.name)?;
    let past = ctx.keys.is_past(at);
    let (condition, names) = condition_and_fields(ctx.args.from(3))?;
    ctx.out.array(names.len());
    if !there {
        names.iter().for_each(|_| ctx.out.int(-2));
        return Ok(());
    }
    let time = at.unsigned_abs();
    let mut done = Vec::new();
    if let Some(hash) = ctx.keys.write::<Hash>(key)? {
        hash.make_ex();
        for name in names {
            let code = match hash.get(name).map(|f| f.expire) {
                None => -2,
                Some(before) if condition.is_some_and(|c| !c.admits(before, time)) => 0,
                Some(_) => {
                    done.push(name);
                    if past {
                        hash.remove(name);
                        2
                    } else {
                        hash.set_expire(name, time);
                        1
                    }
                }
            };
            ctx.out.int(code);
        }
    }
    if done.is_empty() {
        return Ok(());
    }
    let n = done.len() as u64;
    if past {
        propagate_hdel(&mut ctx.keys, key, &done);
        ctx.keys.changed(NotifyFlags::HASH, "hdel", key, n);
        ctx.keys.remove_if_empty(key);
    } else {
        ctx.keys.propagate_as(|| {
            let (at, n) = (at.to_string(), n.to_string());
            let head = [b"HPEXPIREAT", key, at.as_bytes()].into_iter();
            let condition = condition.map(|c| c.name().as_bytes());
            OwnedArgs::from_slices(head.chain(condition).chain([&b"FIELDS"[..], n.as_bytes()]).chain(done))
        });
        ctx.keys.changed(NotifyFlags::HASH, "hexpire", key, n);
    }
    Ok(())
}

/// HTTL.
pub static HTTL: Command = Command {
    name: "httl",
    arity: -5,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::HASH,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Hash,
    since: "7.4.0",
    summary: "Returns the TTL in seconds of a hash field.",
    complexity: "O(N) where N is the number of specified fields",
    args: &[
        KEY,
        ArgSpec::block("fields", &[ArgSpec::integer("numfields"), ArgSpec::string("field").multi()]).after("FIELDS"),
    ],
    tips: &["nondeterministic_output"],
    examples: &[
        "HSET hash a 1 b 2",
        "HEXPIRE hash 100 FIELDS 1 a",
        "HTTL hash FIELDS 3 a b c",
        "HTTL missing FIELDS 1 a",
        "HTTL hash FIELDS 2 a",
        "HTTL hash a",
    ],
    handler: Handler::Read(httl),
    ..Command::BASE
};

fn httl(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let now = ctx.keys.now();
    times(ctx, |at| (at - now + 999) / 1000)
}

/// HPTTL.
pub static HPTTL: Command = Command {
    name: "hpttl",
    arity: -5,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::HASH,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Hash,
    since: "7.4.0",
    summary: "Returns the TTL in milliseconds of a hash field.",
    complexity: "O(N) where N is the number of specified fields",
    args: &[
        KEY,
        ArgSpec::block("fields", &[ArgSpec::integer("numfields"), ArgSpec::string("field").multi()]).after("FIELDS"),
    ],
    tips: &["nondeterministic_output"],
    examples: &[
        "HSET hash a 1 b 2",
        "HPEXPIRE hash 100000 FIELDS 1 a",
        "HPTTL hash FIELDS 2 b c",
        "HPTTL missing FIELDS 1 a",
    ],
    handler: Handler::Read(hpttl),
    ..Command::BASE
};

fn hpttl(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let now = ctx.keys.now();
    times(ctx, |at| at - now)
}

/// HEXPIRETIME.
pub static HEXPIRETIME: Command = Command {
    name: "hexpiretime",
    arity: -5,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::HASH,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Hash,
    since: "7.4.0",
    summary: "Returns the expiration time of a hash field as a Unix timestamp, in seconds.",
    complexity: "O(N) where N is the number of specified fields",
    args: &[
        KEY,
        ArgSpec::block("fields", &[ArgSpec::integer("numfields"), ArgSpec::string("field").multi()]).after("FIELDS"),
    ],
    examples: &[
        "HSET hash a 1 b 2",
        "HEXPIREAT hash 4000000000 FIELDS 1 a",
        "HEXPIRETIME hash FIELDS 3 a b c",
        "HEXPIRETIME missing FIELDS 1 a",
    ],
    handler: Handler::Read(hexpiretime),
    ..Command::BASE
};

fn hexpiretime(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    times(ctx, |at| (at + 999) / 1000)
}

/// HPEXPIRETIME.
pub static HPEXPIRETIME: Command = Command {
    name: "hpexpiretime",
    arity: -5,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::HASH,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Hash,
    since: "7.4.0",
    summary: "Returns the expiration time of a hash field as a Unix timestamp, in msec.",
    complexity: "O(N) where N is the number of specified fields",
    args: &[
        KEY,
        ArgSpec::block("fields", &[ArgSpec::integer("numfields"), ArgSpec::string("field").multi()]).after("FIELDS"),
    ],
    examples: &[
        "HSET hash a 1 b 2",
        "HPEXPIREAT hash 4000000000123 FIELDS 1 a",
        "HPEXPIRETIME hash FIELDS 3 a b c",
        "HPEXPIRETIME missing FIELDS 1 a",
    ],
    handler: Handler::Read(hpexpiretime),
    ..Command::BASE
};

fn hpexpiretime(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    times(ctx, |at| at)
}

/// Replies the expiration times of fields in some form: -1 for those without, -2 for those that are not there.
fn times(ctx: &mut ReadCtx<'_, '_>, form: impl Fn(i64) -> i64) -> Outcome {
    let now = now(&ctx.keys);
    let hash = ctx.keys.read::<Hash>(ctx.args.at(1))?;
    let names = only_fields(ctx.args.from(2))?;
    ctx.out.array(names.len());
    for name in names.iter() {
        ctx.out.int(match hash.and_then(|h| h.get(name)).filter(|f| f.is_live(now)) {
            None => -2,
            Some(f) => f.expire.and_then(|at| i64::try_from(at).ok()).map_or(-1, &form),
        });
    }
    Ok(())
}

/// HPERSIST.
pub static HPERSIST: Command = Command {
    name: "hpersist",
    arity: -5,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::HASH,
    keys: &[one_key(1, RW_UPDATE)],
    scope: Scope::Keys,
    group: Group::Hash,
    since: "7.4.0",
    summary: "Removes the expiration time for each specified field",
    complexity: "O(N) where N is the number of specified fields",
    args: &[
        KEY,
        ArgSpec::block("fields", &[ArgSpec::integer("numfields"), ArgSpec::string("field").multi()]).after("FIELDS"),
    ],
    examples: &[
        "HSET hash a 1 b 2",
        "HEXPIRE hash 100 FIELDS 1 a",
        "HPERSIST hash FIELDS 3 a b c",
        "HTTL hash FIELDS 1 a",
        "HPERSIST missing FIELDS 1 a",
    ],
    handler: Handler::Write(hpersist),
    ..Command::BASE
};

fn hpersist(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let key = ctx.args.at(1);
    let now = now(&ctx.keys);
    let mut hash = ctx.keys.write::<Hash>(key)?;
    let names = only_fields(ctx.args.from(2))?;
    ctx.out.array(names.len());
    let mut n = 0;
    for name in names.iter() {
        let live = hash.as_ref().and_then(|h| h.get(name)).filter(|f| f.is_live(now)).map(|f| f.expire);
        ctx.out.int(match live {
            None => -2,
            Some(None) => -1,
            Some(Some(_)) => {
                if let Some(h) = &mut hash {
                    h.set_expire(name, 0);
                }
                n += 1;
                1
            }
        });
    }
    if n > 0 {
        ctx.keys.changed(NotifyFlags::HASH, "hpersist", key, n);
    }
    Ok(())
}
