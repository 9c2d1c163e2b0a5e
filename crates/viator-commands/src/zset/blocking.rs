//! Waiting for members: BZPOPMIN, BZPOPMAX, BZMPOP.

use viator_engine::args::OwnedArgs;
use viator_engine::blocking::{self, Wait, timeout_seconds};
use viator_engine::command::{Acl, ArgKind, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::ctx::WriteCtx;
use viator_keyspace::Type;
use viator_resp::reply::Reply;

use super::pop::{End, Mpop, pop};
use crate::collection::reply_score;
use crate::declare::{KEY, RW_ACCESS_DELETE, counted_keys, keys};

/// BZPOPMIN.
pub static BZPOPMIN: Command = Command {
    name: "bzpopmin",
    arity: -3,
    flags: Flags::WRITE.or(Flags::BLOCKING).or(Flags::FAST),
    acl: Acl::SORTEDSET,
    keys: &[keys(1, -2, 1, RW_ACCESS_DELETE)],
    scope: Scope::Keys,
    group: Group::SortedSet,
    since: "5.0.0",
    summary: "Removes and returns the member with the lowest score from one or more sorted sets. Blocks until a \
        member is available otherwise. Deletes the sorted set if the last element was popped.",
    complexity: "O(log(N)) with N being the number of elements in the sorted set.",
    history: &[("6.0.0", "`timeout` is interpreted as a double instead of an integer.")],
    args: &[KEY.multi(), ArgSpec::new("timeout", ArgKind::Double)],
    examples: &[
        "ZADD set 1 a 2 b",
        "BZPOPMIN none set 0",
        "BZPOPMIN set none 1",
        "EXISTS set",
        "BZPOPMIN set 0.01",
        "BZPOPMIN set -1",
        "SET string x",
        "BZPOPMIN none string 0",
    ],
    handler: Handler::Write(bzpopmin),
    ..Command::BASE
};

fn bzpopmin(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    bzpop(ctx, End::Min)
}

/// BZPOPMAX.
pub static BZPOPMAX: Command = Command {
    name: "bzpopmax",
    arity: -3,
    flags: Flags::WRITE.or(Flags::BLOCKING).or(Flags::FAST),
    acl: Acl::SORTEDSET,
    keys: &[keys(1, -2, 1, RW_ACCESS_DELETE)],
    scope: Scope::Keys,
    group: Group::SortedSet,
    since: "5.0.0",
    summary: "Removes and returns the member with the highest score from one or more sorted sets. Blocks until a \
        member available otherwise.  Deletes the sorted set if the last element was popped.",
    complexity: "O(log(N)) with N being the number of elements in the sorted set.",
    history: &[("6.0.0", "`timeout` is interpreted as a double instead of an integer.")],
    args: &[KEY.multi(), ArgSpec::new("timeout", ArgKind::Double)],
    examples: &["ZADD set 1 a 2 b", "BZPOPMAX none set 0", "BZPOPMAX set none 1", "BZPOPMAX set 0.01"],
    handler: Handler::Write(bzpopmax),
    ..Command::BASE
};

fn bzpopmax(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    bzpop(ctx, End::Max)
}

fn bzpop(ctx: &mut WriteCtx<'_, '_>, end: End) -> Outcome {
    let last = ctx.args.len().saturating_sub(1);
    let until = timeout_seconds(ctx.args.at(last), ctx.keys.now())?;
    let names = || ctx.args.iter().take(last).skip(1);
    for key in names() {
        let Some(popped) = pop(&mut ctx.keys, key, end, 1)? else { continue };
        ctx.keys.propagate_as(|| OwnedArgs::from_slices([end.command(), key]));
        ctx.out.array(3);
        ctx.out.bulk(key);
        for (member, score) in popped {
            ctx.out.bulk(&member);
            reply_score(ctx.out, score);
        }
        return Ok(());
    }
    let names = names();
    wait(ctx, until, names)
}

/// Has the client wait for one of these sorted sets.
fn wait<'k>(ctx: &mut WriteCtx<'_, '_>, until: Option<i64>, names: impl Iterator<Item = &'k [u8]>) -> Outcome {
    let wait =
        Wait { kind: Type::Zset, until, if_forbidden: Reply::null_array, if_gone: false, again: None, command: None };
    blocking::wait(&mut ctx.keys, ctx.session, ctx.entry, ctx.args, ctx.out, wait, names)
}

/// BZMPOP.
pub static BZMPOP: Command = Command {
    name: "bzmpop",
    arity: -5,
    flags: Flags::WRITE.or(Flags::BLOCKING),
    acl: Acl::SORTEDSET,
    keys: &[counted_keys(2, RW_ACCESS_DELETE)],
    scope: Scope::Keys,
    group: Group::SortedSet,
    since: "7.0.0",
    summary: "Removes and returns a member by score from one or more sorted sets. Blocks until a member is \
        available otherwise. Deletes the sorted set if the last element was popped.",
    complexity: "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of elements in the \
        sorted set, and M being the number of elements popped.",
    args: &[
        ArgSpec::new("timeout", ArgKind::Double),
        ArgSpec::integer("numkeys"),
        KEY.multi(),
        ArgSpec::oneof("where", &[ArgSpec::token("min", "MIN"), ArgSpec::token("max", "MAX")]),
        ArgSpec::integer("count").after("COUNT").opt(),
    ],
    examples: &[
        "ZADD set 1 a 2 b 3 c",
        "BZMPOP 1 2 none set MIN",
        "BZMPOP 1 1 set max COUNT 10",
        "BZMPOP 0.01 1 set MIN COUNT 10",
        "BZMPOP -1 1 set MIN",
        "BZMPOP 1 0 set MIN",
        "BZMPOP 1 1 set MIDDLE",
    ],
    handler: Handler::Write(bzmpop),
    ..Command::BASE
};

fn bzmpop(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let several = Mpop::parse(ctx.args.from(2))?;
    let until = timeout_seconds(ctx.args.at(1), ctx.keys.now())?;
    let names = ctx.args.from(3);
    if several.pop(&mut ctx.keys, ctx.out, names)? {
        return Ok(());
    }
    wait(ctx, until, names.iter().take(several.numkeys))
}
