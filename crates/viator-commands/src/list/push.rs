//! Adding elements: LPUSH, RPUSH, LPUSHX, RPUSHX.

use viator_data::list::{End, List};
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::config::NotifyFlags;
use viator_engine::ctx::WriteCtx;

use super::{limits, pushed};
use crate::declare::{KEY, RW_INSERT, one_key};

const COMPLEXITY: &str = "O(1) for each element added, so O(N) to add N elements when the command is called with \
    multiple arguments.";
const ELEMENTS: ArgSpec = ArgSpec::string("element").multi();

/// What the four have in common.
const PUSH: Command = Command {
    arity: -3,
    flags: Flags::WRITE.or(Flags::DENYOOM).or(Flags::FAST),
    acl: Acl::LIST,
    keys: &[one_key(1, RW_INSERT)],
    scope: Scope::Keys,
    group: Group::List,
    complexity: COMPLEXITY,
    args: &[KEY, ELEMENTS],
    ..Command::BASE
};

/// LPUSH.
pub static LPUSH: Command = Command {
    name: "lpush",
    since: "1.0.0",
    summary: "Prepends one or more elements to a list. Creates the key if it doesn't exist.",
    history: &[("2.4.0", "Accepts multiple `element` arguments.")],
    examples: &[
        "LPUSH list world",
        "LPUSH list hello 1 2",
        "LRANGE list 0 -1",
        "OBJECT ENCODING list",
        "SET string x",
        "LPUSH string a",
    ],
    handler: Handler::Write(lpush),
    ..PUSH
};

fn lpush(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    push(ctx, End::Front)
}

/// RPUSH.
pub static RPUSH: Command = Command {
    name: "rpush",
    since: "1.0.0",
    summary: "Appends one or more elements to a list. Creates the key if it doesn't exist.",
    history: &[("2.4.0", "Accepts multiple `element` arguments.")],
    examples: &["RPUSH list hello", "RPUSH list world 1 2", "LRANGE list 0 -1", "SET string x", "RPUSH string a"],
    handler: Handler::Write(rpush),
    ..PUSH
};

fn rpush(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    push(ctx, End::Back)
}

/// LPUSHX.
pub static LPUSHX: Command = Command {
    name: "lpushx",
    since: "2.2.0",
    summary: "Prepends one or more elements to a list only when the list exists.",
    history: &[("4.0.0", "Accepts multiple `element` arguments.")],
    examples: &["LPUSH list World", "LPUSHX list Hello a", "LPUSHX other Hello", "LRANGE list 0 -1", "EXISTS other"],
    handler: Handler::Write(lpushx),
    ..PUSH
};

fn lpushx(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    push_existing(ctx, End::Front)
}

/// RPUSHX.
pub static RPUSHX: Command = Command {
    name: "rpushx",
    since: "2.2.0",
    summary: "Appends an element to a list only when the list exists.",
    history: &[("4.0.0", "Accepts multiple `element` arguments.")],
    examples: &["RPUSH list Hello", "RPUSHX list World a", "RPUSHX other World", "LRANGE list 0 -1", "EXISTS other"],
    handler: Handler::Write(rpushx),
    ..PUSH
};

fn rpushx(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    push_existing(ctx, End::Back)
}

type Values<'a> = smallvec::SmallVec<[&'a [u8]; 8]>;

fn push(ctx: &mut WriteCtx<'_, '_>, end: End) -> Outcome {
    let key = ctx.args.at(1);
    let added = ctx.args.len() - 2;
    let len = if added == 1 {
        super::push(&mut ctx.keys, key, end, &[ctx.args.at(2)])?
    } else {
        let values: Values<'_> = ctx.args.from(2).iter().collect();
        super::push(&mut ctx.keys, key, end, &values)?
    };
    ctx.keys.changed(NotifyFlags::LIST, pushed(end), key, added as u64);
    ctx.out.int(len as i64);
    Ok(())
}

fn push_existing(ctx: &mut WriteCtx<'_, '_>, end: End) -> Outcome {
    let key = ctx.args.at(1);
    let limits = limits(&ctx.keys);
    let Some(list) = ctx.keys.write::<List>(key)? else {
        ctx.out.int(0);
        return Ok(());
    };
    let values: Values<'_> = ctx.args.from(2).iter().collect();
    list.push(end, &values, &limits);
    ctx.out.int(list.len() as i64);
    ctx.keys.changed(NotifyFlags::LIST, pushed(end), key, values.len() as u64);
    Ok(())
}
