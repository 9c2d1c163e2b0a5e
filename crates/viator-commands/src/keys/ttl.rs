//! Asking for expirations: TTL, PTTL, EXPIRETIME, PEXPIRETIME.

use viator_engine::command::{Acl, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::ctx::ReadCtx;

use crate::declare::{KEY, RO_ACCESS, one_key};

/// TTL.
pub static TTL: Command = Command {
    name: "ttl",
    arity: 2,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::KEYSPACE,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "1.0.0",
    summary: "Returns the expiration time in seconds of a key.",
    complexity: "O(1)",
    history: &[("2.8.0", "Added the -2 reply.")],
    args: &[KEY],
    tips: &["nondeterministic_output"],
    examples: &["SET key value", "TTL key", "EXPIRE key 100", "TTL key", "TTL missing"],
    handler: Handler::Read(ttl),
    ..Command::BASE
};

fn ttl(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    reply(ctx, |when, now| seconds(when.saturating_sub(now).max(0)))
}

/// Replies what `show` makes of the key's expiry and the time (Unix milliseconds); -1 without expiry, -2 without key.
fn reply(ctx: &mut ReadCtx<'_, '_>, show: impl FnOnce(i64, i64) -> i64) -> Outcome {
    let now = ctx.keys.now();
    ctx.out.int(match ctx.keys.glance(ctx.args.at(1)) {
        None => -2,
        Some(e) => e.expire.map_or(-1, |when| show(when, now)),
    });
    Ok(())
}

/// Milliseconds in seconds, rounded half up.
fn seconds(ms: i64) -> i64 {
    ms.saturating_add(500) / 1000
}

/// PTTL.
pub static PTTL: Command = Command {
    name: "pttl",
    arity: 2,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::KEYSPACE,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "2.6.0",
    summary: "Returns the expiration time in milliseconds of a key.",
    complexity: "O(1)",
    history: &[("2.8.0", "Added the -2 reply.")],
    args: &[KEY],
    tips: &["nondeterministic_output"],
    examples: &["SET key value", "PTTL key", "PTTL missing"],
    handler: Handler::Read(pttl),
    ..Command::BASE
};

fn pttl(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    reply(ctx, |when, now| when.saturating_sub(now).max(0))
}

/// EXPIRETIME.
pub static EXPIRETIME: Command = Command {
    name: "expiretime",
    arity: 2,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::KEYSPACE,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "7.0.0",
    summary: "Returns the expiration time of a key as a Unix timestamp.",
    complexity: "O(1)",
    args: &[KEY],
    examples: &[
        "SET key value EXAT 33177117420",
        "EXPIRETIME key",
        "SET lasting value",
        "EXPIRETIME lasting",
        "EXPIRETIME missing",
    ],
    handler: Handler::Read(expiretime),
    ..Command::BASE
};

fn expiretime(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    reply(ctx, |when, _| seconds(when))
}

/// PEXPIRETIME.
pub static PEXPIRETIME: Command = Command {
    name: "pexpiretime",
    arity: 2,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::KEYSPACE,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "7.0.0",
    summary: "Returns the expiration time of a key as a Unix milliseconds timestamp.",
    complexity: "O(1)",
    args: &[KEY],
    examples: &[
        "SET key value PXAT 33177117420123",
        "PEXPIRETIME key",
        "SET lasting value",
        "PEXPIRETIME lasting",
        "PEXPIRETIME missing",
    ],
    handler: Handler::Read(pexpiretime),
    ..Command::BASE
};

fn pexpiretime(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    reply(ctx, |when, _| when)
}
