//! Waiting for elements: BLPOP, BRPOP, BLMOVE, BRPOPLPUSH, BLMPOP.

use viator_data::list::{End, List};
use viator_engine::args::OwnedArgs;
use viator_engine::blocking::{self, Wait, timeout_seconds};
use viator_engine::command::{Acl, ArgKind, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::ctx::WriteCtx;
use viator_keyspace::Type;
use viator_resp::reply::Reply;

use super::moving::{FROM, TO, move_one};
use super::pop::{Several, pop_one};
use super::{WHERE, end};
use crate::declare::{RW_ACCESS_DELETE, RW_INSERT, counted_keys, keys, one_key};

const TIMEOUT: ArgSpec = ArgSpec::new("timeout", ArgKind::Double);

/// What BLPOP and BRPOP have in common.
const POP: Command = Command {
    arity: -3,
    flags: Flags::WRITE.or(Flags::BLOCKING),
    acl: Acl::LIST,
    keys: &[keys(1, -2, 1, RW_ACCESS_DELETE)],
    scope: Scope::Keys,
    group: Group::List,
    since: "2.0.0",
    complexity: "O(N) where N is the number of provided keys.",
    history: &[("6.0.0", "`timeout` is interpreted as a double instead of an integer.")],
    args: &[ArgSpec::key("key", 0).multi(), TIMEOUT],
    ..Command::BASE
};

/// BLPOP.
pub static BLPOP: Command = Command {
    name: "blpop",
    summary: "Removes and returns the first element in a list. Blocks until an element is available otherwise. Deletes \
        the list if the last element was popped.",
    examples: &[
        "RPUSH list a b",
        "BLPOP none list 0",
        "BLPOP list none 1",
        "EXISTS list",
        "BLPOP list 0.01",
        "BLPOP list -1",
        "BLPOP list soon",
        "SET string x",
        "BLPOP none string 0",
    ],
    handler: Handler::Write(blpop),
    ..POP
};

fn blpop(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    pop(ctx, End::Front)
}

/// BRPOP.
pub static BRPOP: Command = Command {
    name: "brpop",
    summary: "Removes and returns the last element in a list. Blocks until an element is available otherwise. Deletes \
        the list if the last element was popped.",
    examples: &["RPUSH list a b", "BRPOP none list 0", "BRPOP list none 1", "BRPOP list 0.01"],
    handler: Handler::Write(brpop),
    ..POP
};

fn brpop(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    pop(ctx, End::Back)
}

fn pop(ctx: &mut WriteCtx<'_, '_>, end: End) -> Outcome {
    let last = ctx.args.len() - 1;
    let until = timeout_seconds(ctx.args.at(last), ctx.keys.now())?;
    let names = || ctx.args.iter().take(last).skip(1);
    for key in names() {
        if ctx.keys.write::<List>(key)?.is_some() {
            ctx.out.array(2);
            ctx.out.bulk(key);
            pop_one(&mut ctx.keys, ctx.out, key, end)?;
            let name: &[u8] = if end == End::Front { b"LPOP" } else { b"RPOP" };
            ctx.keys.propagate_as(|| OwnedArgs::from_slices([name, key]));
            return Ok(());
        }
    }
    let names = names();
    wait(ctx, until, Reply::null_array, names)
}

/// Has the client wait for one of these lists.
fn wait<'k>(
    ctx: &mut WriteCtx<'_, '_>,
    until: Option<i64>,
    if_forbidden: fn(&mut Reply),
    names: impl Iterator<Item = &'k [u8]>,
) -> Outcome {
    let wait = Wait { kind: Type::List, until, if_forbidden, if_gone: false, again: None, command: None };
    blocking::wait(&mut ctx.keys, ctx.session, ctx.entry, ctx.args, ctx.out, wait, names)
}

/// BLMOVE.
pub static BLMOVE: Command = Command {
    name: "blmove",
    arity: 6,
    flags: Flags::WRITE.or(Flags::DENYOOM).or(Flags::BLOCKING),
    acl: Acl::LIST,
    keys: &[one_key(1, RW_ACCESS_DELETE), one_key(2, RW_INSERT)],
    scope: Scope::Keys,
    group: Group::List,
    since: "6.2.0",
    summary: "Pops an element from a list, pushes it to another list and returns it. Blocks until an element is \
        available otherwise. Deletes the list if the last element was moved.",
    complexity: "O(1)",
    args: &[ArgSpec::key("source", 0), ArgSpec::key("destination", 1), FROM, TO, TIMEOUT],
    examples: &[
        "RPUSH list one two",
        "BLMOVE list other RIGHT LEFT 0",
        "BLMOVE list list left right 1",
        "LRANGE other 0 -1",
        "BLMOVE none other LEFT RIGHT 0.01",
        "BLMOVE list other LEFT MIDDLE 0",
        "BLMOVE list other LEFT RIGHT -1",
    ],
    handler: Handler::Write(blmove),
    ..Command::BASE
};

fn blmove(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let (from, to) = (end(ctx.args.at(3))?, end(ctx.args.at(4))?);
    let until = timeout_seconds(ctx.args.at(5), ctx.keys.now())?;
    let (source, destination) = (ctx.args.at(1), ctx.args.at(2));
    if !move_one(&mut ctx.keys, ctx.out, source, destination, from, to)? {
        return wait(ctx, until, Reply::null, std::iter::once(source));
    }
    let side = |e: End| -> &[u8] { if e == End::Front { b"left" } else { b"right" } };
    ctx.keys.propagate_as(|| OwnedArgs::from_slices([b"LMOVE", source, destination, side(from), side(to)]));
    Ok(())
}

/// BRPOPLPUSH.
pub static BRPOPLPUSH: Command = Command {
    name: "brpoplpush",
    arity: 4,
    flags: Flags::WRITE.or(Flags::DENYOOM).or(Flags::BLOCKING),
    acl: Acl::LIST,
    keys: &[one_key(1, RW_ACCESS_DELETE), one_key(2, RW_INSERT)],
    scope: Scope::Keys,
    group: Group::List,
    since: "2.2.0",
    summary: "Pops an element from a list, pushes it to another list and returns it. Block until an element is \
        available otherwise. Deletes the list if the last element was popped.",
    complexity: "O(1)",
    history: &[("6.0.0", "`timeout` is interpreted as a double instead of an integer.")],
    deprecated: Some(("6.2.0", "`BLMOVE` with the `RIGHT` and `LEFT` arguments")),
    args: &[ArgSpec::key("source", 0), ArgSpec::key("destination", 1), TIMEOUT],
    examples: &[
        "RPUSH list one two",
        "BRPOPLPUSH list other 0",
        "LRANGE other 0 -1",
        "BRPOPLPUSH none other 0.01",
        "BRPOPLPUSH list other -1",
    ],
    handler: Handler::Write(brpoplpush),
    ..Command::BASE
};

fn brpoplpush(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let until = timeout_seconds(ctx.args.at(3), ctx.keys.now())?;
    let (source, destination) = (ctx.args.at(1), ctx.args.at(2));
    if !move_one(&mut ctx.keys, ctx.out, source, destination, End::Back, End::Front)? {
        return wait(ctx, until, Reply::null, std::iter::once(source));
    }
    ctx.keys.propagate_as(|| OwnedArgs::from_slices([b"RPOPLPUSH", source, destination]));
    Ok(())
}

/// BLMPOP.
pub static BLMPOP: Command = Command {
    name: "blmpop",
    arity: -5,
    flags: Flags::WRITE.or(Flags::BLOCKING),
    acl: Acl::LIST,
    keys: &[counted_keys(2, RW_ACCESS_DELETE)],
    scope: Scope::Keys,
    group: Group::List,
    since: "7.0.0",
    summary: "Pops the first element from one of multiple lists. Blocks until an element is available otherwise. Deletes \
        the list if the last element was popped.",
    complexity: "O(N+M) where N is the number of provided keys and M is the number of elements returned.",
    args: &[
        TIMEOUT,
        ArgSpec::integer("numkeys"),
        ArgSpec::key("key", 0).multi(),
        WHERE,
        ArgSpec::integer("count").after("COUNT").opt(),
    ],
    examples: &[
        "RPUSH list a b c",
        "BLMPOP 1 2 none list LEFT",
        "BLMPOP 1 1 list right COUNT 10",
        "BLMPOP 0.01 1 list LEFT COUNT 10",
        "BLMPOP -1 1 list LEFT",
        "BLMPOP 1 0 list LEFT",
        "BLMPOP 1 1 list MIDDLE",
    ],
    handler: Handler::Write(blmpop),
    ..Command::BASE
};

fn blmpop(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let several = Several::parse(ctx.args, 2)?;
    let until = timeout_seconds(ctx.args.at(1), ctx.keys.now())?;
    if several.pop(&mut ctx.keys, ctx.out)? {
        return Ok(());
    }
    wait(ctx, until, Reply::null_array, several.keys())
}
