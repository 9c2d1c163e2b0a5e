//! Transactions: MULTI, EXEC, DISCARD, WATCH, UNWATCH.

use viator_engine::command::{Acl, Command, Flags, Group, Handler, Outcome, Scope, Traits};
use viator_engine::ctx::{AdminCtx, ReadCtx};
use viator_engine::error::Error;
use viator_engine::transaction;

use crate::declare::{KEY, RO, keys};

/// The family.
pub static COMMANDS: &[&Command] = &[&MULTI, &EXEC, &DISCARD, &WATCH, &UNWATCH];

/// MULTI.
pub static MULTI: Command = Command {
    name: "multi",
    arity: 1,
    flags: Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE).or(Flags::FAST).or(Flags::ALLOW_BUSY),
    acl: Acl::TRANSACTION,
    group: Group::Transactions,
    since: "1.2.0",
    summary: "Starts a transaction.",
    complexity: "O(1)",
    examples: &["MULTI", "SET key value", "GET key", "LPUSH key a", "EXEC", "MULTI", "MULTI", "EXEC"],
    traits: Traits::NOW_IN_MULTI,
    handler: Handler::Admin(multi),
    ..Command::BASE
};

fn multi(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    if ctx.session.multi.is_some() {
        return Err(Error::Static("ERR MULTI calls can not be nested"));
    }
    ctx.session.begin_multi();
    ctx.out.ok();
    Ok(())
}

/// EXEC.
pub static EXEC: Command = Command {
    name: "exec",
    arity: 1,
    flags: Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE).or(Flags::SKIP_SLOWLOG),
    acl: Acl::TRANSACTION,
    group: Group::Transactions,
    since: "1.2.0",
    summary: "Executes all commands in a transaction.",
    complexity: "Depends on commands in the transaction",
    examples: &[
        "MULTI",
        "INCR counter",
        "INCR counter",
        "EXEC",
        "EXEC",
        "MULTI",
        "EXEC",
        "MULTI",
        "NOTHING now",
        "EXEC",
        "MULTI",
        "SET key",
        "SET key value",
        "EXEC",
        "EXISTS key",
    ],
    traits: Traits::NOW_IN_MULTI.or(Traits::EXEC),
    handler: Handler::Admin(exec),
    ..Command::BASE
};

fn exec(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    transaction::exec(ctx)
}

/// DISCARD.
pub static DISCARD: Command = Command {
    name: "discard",
    arity: 1,
    flags: Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE).or(Flags::FAST).or(Flags::ALLOW_BUSY),
    acl: Acl::TRANSACTION,
    group: Group::Transactions,
    since: "2.0.0",
    summary: "Discards a transaction.",
    complexity: "O(N), when N is the number of queued commands",
    examples: &["SET key old", "MULTI", "SET key new", "DISCARD", "GET key", "DISCARD"],
    traits: Traits::NOW_IN_MULTI,
    handler: Handler::Admin(discard),
    ..Command::BASE
};

fn discard(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    if ctx.session.multi.is_none() {
        return Err(Error::Static("ERR DISCARD without MULTI"));
    }
    transaction::discard(ctx.session, ctx.server);
    ctx.out.ok();
    Ok(())
}

/// WATCH.
pub static WATCH: Command = Command {
    name: "watch",
    arity: -2,
    flags: Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE).or(Flags::FAST).or(Flags::ALLOW_BUSY),
    acl: Acl::TRANSACTION,
    keys: &[keys(1, -1, 1, RO)],
    scope: Scope::Keys,
    group: Group::Transactions,
    since: "2.2.0",
    summary: "Monitors changes to keys to determine the execution of a transaction.",
    complexity: "O(1) for every key.",
    args: &[KEY.multi()],
    examples: &[
        "SET key old",
        "WATCH key",
        "SET key new",
        "MULTI",
        "SET key newest",
        "EXEC",
        "GET key",
        "WATCH key other",
        "MULTI",
        "WATCH key",
        "GET key",
        "EXEC",
    ],
    traits: Traits::NOW_IN_MULTI,
    handler: Handler::Read(watch),
    ..Command::BASE
};

fn watch(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    if ctx.session.multi.is_some() {
        return Err(Error::Static("ERR WATCH inside MULTI is not allowed"));
    }
    for key in ctx.args.from(1).iter() {
        transaction::watch(ctx, key);
    }
    ctx.out.ok();
    Ok(())
}

/// UNWATCH.
pub static UNWATCH: Command = Command {
    name: "unwatch",
    arity: 1,
    flags: Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE).or(Flags::FAST).or(Flags::ALLOW_BUSY),
    acl: Acl::TRANSACTION,
    group: Group::Transactions,
    since: "2.2.0",
    summary: "Forgets about watched keys of a transaction.",
    complexity: "O(1)",
    examples: &["WATCH key", "SET key value", "UNWATCH", "MULTI", "GET key", "EXEC", "UNWATCH"],
    handler: Handler::Admin(unwatch),
    ..Command::BASE
};

fn unwatch(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    // inside EXEC there is nothing left to forget
    transaction::unwatch(ctx.session, ctx.server);
    ctx.out.ok();
    Ok(())
}
