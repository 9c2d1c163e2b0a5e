//! From one list to another: LMOVE, RPOPLPUSH.

use viator_data::list::{End, List};
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::config::NotifyFlags;
use viator_engine::ctx::WriteCtx;
use viator_engine::error::Error;
use viator_engine::keys::WriteKeys;
use viator_resp::reply::Reply;

use super::{LEFT, RIGHT, end, limits, popped, pushed};
use crate::declare::{RW_ACCESS_DELETE, RW_INSERT, one_key};

pub(super) const FROM: ArgSpec = ArgSpec::oneof("wherefrom", &[LEFT, RIGHT]);
pub(super) const TO: ArgSpec = ArgSpec::oneof("whereto", &[LEFT, RIGHT]);

/// LMOVE.
pub static LMOVE: Command = Command {
    name: "lmove",
    arity: 5,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::LIST,
    keys: &[one_key(1, RW_ACCESS_DELETE), one_key(2, RW_INSERT)],
    scope: Scope::Keys,
    group: Group::List,
    since: "6.2.0",
    summary: "Returns an element after popping it from one list and pushing it to another. Deletes the list if the \
        last element was moved.",
    complexity: "O(1)",
    args: &[ArgSpec::key("source", 0), ArgSpec::key("destination", 1), FROM, TO],
    examples: &[
        "RPUSH list one two 3",
        "LMOVE list other RIGHT LEFT",
        "LMOVE list other left right",
        "LMOVE list list LEFT RIGHT",
        "LRANGE other 0 -1",
        "LMOVE list other LEFT RIGHT",
        "EXISTS list",
        "LMOVE list other LEFT RIGHT",
        "LMOVE other list LEFT MIDDLE",
        "SET string x",
        "LMOVE other string LEFT RIGHT",
    ],
    handler: Handler::Write(lmove),
    ..Command::BASE
};

fn lmove(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let (from, to) = (end(ctx.args.at(3))?, end(ctx.args.at(4))?);
    move_or_nil(ctx, from, to)
}

/// RPOPLPUSH.
pub static RPOPLPUSH: Command = Command {
    name: "rpoplpush",
    arity: 3,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::LIST,
    keys: &[one_key(1, RW_ACCESS_DELETE), one_key(2, RW_INSERT)],
    scope: Scope::Keys,
    group: Group::List,
    since: "1.2.0",
    summary: "Returns the last element of a list after removing and pushing it to another list. Deletes the list if the \
        last element was popped.",
    complexity: "O(1)",
    deprecated: Some(("6.2.0", "`LMOVE` with the `RIGHT` and `LEFT` arguments")),
    args: &[ArgSpec::key("source", 0), ArgSpec::key("destination", 1)],
    examples: &[
        "RPUSH list one two three",
        "RPOPLPUSH list other",
        "RPOPLPUSH list list",
        "LRANGE list 0 -1",
        "LRANGE other 0 -1",
        "RPOPLPUSH missing other",
    ],
    handler: Handler::Write(rpoplpush),
    ..Command::BASE
};

fn rpoplpush(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    move_or_nil(ctx, End::Back, End::Front)
}

fn move_or_nil(ctx: &mut WriteCtx<'_, '_>, from: End, to: End) -> Outcome {
    if !move_one(&mut ctx.keys, ctx.out, ctx.args.at(1), ctx.args.at(2), from, to)? {
        ctx.out.null();
    }
    Ok(())
}

/// Moves an element and replies with it. `false`: the source is not there.
pub(super) fn move_one(
    keys: &mut WriteKeys<'_, '_>,
    out: &mut Reply,
    source: &[u8],
    destination: &[u8],
    from: End,
    to: End,
) -> Result<bool, Error> {
    let limits = limits(keys);
    // both types are looked at before anything changes
    if keys.write::<List>(source)?.is_none() {
        return Ok(false);
    }
    keys.write::<List>(destination)?;
    let Some(list) = keys.write::<List>(source)? else { return Ok(false) };
    let value = if source == destination {
        let Some(value) = list.rotate(from, to, &limits) else { return Ok(false) };
        value
    } else {
        let Some(value) = list.pop(from, &limits, |e| e.to_vec()) else { return Ok(false) };
        super::push(keys, destination, to, &[&value])?;
        value
    };
    keys.changed(NotifyFlags::LIST, pushed(to), destination, 1);
    keys.changed(NotifyFlags::LIST, popped(from), source, 0);
    keys.remove_if_empty(source);
    out.bulk(&value);
    Ok(true)
}
