//! Changing lists anywhere: LSET, LINSERT, LREM, LTRIM.

use viator_data::list::List;
use viator_engine::args::{index_range, int, is, symmetric};
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::config::NotifyFlags;
use viator_engine::ctx::WriteCtx;
use viator_engine::error::Error;

use super::limits;
use crate::declare::{KEY, RW_DELETE, RW_INSERT, RW_UPDATE, one_key};

/// LSET.
pub static LSET: Command = Command {
    name: "lset",
    arity: 4,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::LIST,
    keys: &[one_key(1, RW_UPDATE)],
    scope: Scope::Keys,
    group: Group::List,
    since: "1.0.0",
    summary: "Sets the value of an element in a list by its index.",
    complexity: "O(N) where N is the length of the list. Setting either the first or the last element of the list is \
        O(1).",
    args: &[KEY, ArgSpec::integer("index"), ArgSpec::string("element")],
    examples: &[
        "RPUSH list one two three",
        "LSET list 0 four",
        "LSET list -2 5",
        "LRANGE list 0 -1",
        "LSET list 3 x",
        "LSET list a x",
        "LSET missing a x",
    ],
    handler: Handler::Write(lset),
    ..Command::BASE
};

fn lset(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let (key, value) = (ctx.args.at(1), ctx.args.at(3));
    let limits = limits(&ctx.keys);
    let list = ctx.keys.write::<List>(key)?.ok_or(Error::NoSuchKey)?;
    let index = int(ctx.args.at(2))?;
    match list.resolve(index) {
        Some(at) => list.set(at, value, &limits),
        None => {
            // as in Redis, room has been made for the value
            list.make_room(1, value.len(), &limits);
            return Err(Error::IndexOutOfRange);
        }
    };
    ctx.out.ok();
    ctx.keys.changed(NotifyFlags::LIST, "lset", key, 1);
    Ok(())
}

/// LINSERT.
pub static LINSERT: Command = Command {
    name: "linsert",
    arity: 5,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::LIST,
    keys: &[one_key(1, RW_INSERT)],
    scope: Scope::Keys,
    group: Group::List,
    since: "2.2.0",
    summary: "Inserts an element before or after another element in a list.",
    complexity: "O(N) where N is the number of elements to traverse before seeing the value pivot. This means that \
        inserting somewhere on the left end on the list (head) can be considered O(1) and inserting somewhere on the \
        right end (tail) is O(N).",
    args: &[
        KEY,
        ArgSpec::oneof("where", &[ArgSpec::token("before", "BEFORE"), ArgSpec::token("after", "AFTER")]),
        ArgSpec::string("pivot"),
        ArgSpec::string("element"),
    ],
    examples: &[
        "RPUSH list Hello World",
        "LINSERT list BEFORE World There",
        "LINSERT list after World 1",
        "LRANGE list 0 -1",
        "LINSERT list BEFORE nothing There",
        "LINSERT missing BEFORE World There",
        "LINSERT list BESIDE World There",
    ],
    handler: Handler::Write(linsert),
    ..Command::BASE
};

fn linsert(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let (key, pivot, value) = (ctx.args.at(1), ctx.args.at(3), ctx.args.at(4));
    let after = is(ctx.args.at(2), "after");
    if !after && !is(ctx.args.at(2), "before") {
        return Err(Error::Syntax);
    }
    let limits = limits(&ctx.keys);
    let Some(list) = ctx.keys.write::<List>(key)? else {
        ctx.out.int(0);
        return Ok(());
    };
    // as in Redis, room is made for the value before the pivot is looked for
    list.make_room(1, value.len(), &limits);
    if !list.insert_by(pivot, after, value, &limits) {
        ctx.out.int(-1);
        return Ok(());
    }
    ctx.out.int(list.len() as i64);
    ctx.keys.changed(NotifyFlags::LIST, "linsert", key, 1);
    Ok(())
}

/// LREM.
pub static LREM: Command = Command {
    name: "lrem",
    arity: 4,
    flags: Flags::WRITE,
    acl: Acl::LIST,
    keys: &[one_key(1, RW_DELETE)],
    scope: Scope::Keys,
    group: Group::List,
    since: "1.0.0",
    summary: "Removes elements from a list. Deletes the list if the last element was removed.",
    complexity: "O(N+M) where N is the length of the list and M is the number of elements removed.",
    args: &[KEY, ArgSpec::integer("count"), ArgSpec::string("element")],
    examples: &[
        "RPUSH list hello hello foo hello 1 1",
        "LREM list -2 hello",
        "LREM list 1 1",
        "LREM list 0 nothing",
        "LRANGE list 0 -1",
        "LREM missing 1 x",
        "LREM missing a x",
        "RPUSH single x x",
        "LREM single 0 x",
        "EXISTS single",
    ],
    handler: Handler::Write(lrem),
    ..Command::BASE
};

fn lrem(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let key = ctx.args.at(1);
    let count = symmetric(ctx.args.at(2))?;
    let limits = limits(&ctx.keys);
    let removed = match ctx.keys.write::<List>(key)? {
        Some(list) => list.remove_value(ctx.args.at(3), count, &limits),
        None => 0,
    };
    if removed > 0 {
        ctx.keys.changed(NotifyFlags::LIST, "lrem", key, removed as u64);
        ctx.keys.remove_if_empty(key);
    }
    ctx.out.int(removed as i64);
    Ok(())
}

/// LTRIM.
pub static LTRIM: Command = Command {
    name: "ltrim",
    arity: 4,
    flags: Flags::WRITE,
    acl: Acl::LIST,
    keys: &[one_key(1, RW_DELETE)],
    scope: Scope::Keys,
    group: Group::List,
    since: "1.0.0",
    summary: "Removes elements from both ends a list. Deletes the list if all elements were trimmed.",
    complexity: "O(N) where N is the number of elements to be removed by the operation.",
    args: &[KEY, ArgSpec::integer("start"), ArgSpec::integer("stop")],
    examples: &[
        "RPUSH list one two 3 four",
        "LTRIM list 1 -1",
        "LRANGE list 0 -1",
        "LTRIM list 0 100",
        "LTRIM missing 0 1",
        "LTRIM missing a 1",
        "LTRIM list 5 10",
        "EXISTS list",
    ],
    handler: Handler::Write(ltrim),
    ..Command::BASE
};

fn ltrim(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let key = ctx.args.at(1);
    let (start, stop) = (int(ctx.args.at(2))?, int(ctx.args.at(3))?);
    let limits = limits(&ctx.keys);
    if let Some(list) = ctx.keys.write::<List>(key)? {
        let len = list.len();
        let (first, count) = match index_range(start, stop, len) {
            Some((first, last)) => (first, last - first + 1),
            None => (0, 0),
        };
        if count > 0 {
            list.trim(first, count, &limits);
        }
        ctx.keys.changed(NotifyFlags::LIST, "ltrim", key, (len - count) as u64);
        if count == 0 {
            ctx.keys.delete(key, false);
            ctx.keys.notify(NotifyFlags::GENERIC, "del", key);
        }
    }
    ctx.out.ok();
    Ok(())
}
