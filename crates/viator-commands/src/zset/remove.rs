//! Removing from sorted sets: ZREM, ZREMRANGEBYRANK, ZREMRANGEBYSCORE, ZREMRANGEBYLEX.

use std::ops::Range;
use viator_data::zset::ZSet;
use viator_engine::args::{index_range, int};
use viator_engine::command::{Acl, ArgKind, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::config::NotifyFlags;
use viator_engine::ctx::WriteCtx;

use super::{lex_bound, score_range};
use crate::declare::{KEY, RW_DELETE, one_key};

/// ZREM.
pub static ZREM: Command = Command {
    name: "zrem",
    arity: -3,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::SORTEDSET,
    keys: &[one_key(1, RW_DELETE)],
    scope: Scope::Keys,
    group: Group::SortedSet,
    since: "1.2.0",
    summary: "Removes one or more members from a sorted set. Deletes the sorted set if all members were removed.",
    complexity: "O(M*log(N)) with N being the number of elements in the sorted set and M the number of elements to \
        be removed.",
    history: &[("2.4.0", "Accepts multiple elements.")],
    args: &[KEY, ArgSpec::string("member").multi()],
    examples: &["ZADD set 1 a 2 b", "ZREM set a missing", "ZREM set b", "EXISTS set"],
    handler: Handler::Write(zrem),
    ..Command::BASE
};

fn zrem(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let members = ctx.args.from(2);
    remove(ctx, "zrem", |set| members.iter().filter(|m| set.remove(m).is_some()).count())
}

/// Has `removal` remove members of the key's sorted set, and replies how many.
fn remove(ctx: &mut WriteCtx<'_, '_>, event: &'static str, removal: impl FnOnce(&mut ZSet) -> usize) -> Outcome {
    let key = ctx.args.at(1);
    let (removed, emptied) = ctx.keys.write::<ZSet>(key)?.map_or((0, false), |set| (removal(set), set.is_empty()));
    if removed > 0 {
        ctx.keys.changed(NotifyFlags::ZSET, event, key, removed as u64);
        if emptied {
            ctx.keys.remove_if_empty(key);
        }
    }
    ctx.out.int(removed as i64);
    Ok(())
}

fn remove_ranks(ctx: &mut WriteCtx<'_, '_>, event: &'static str, ranks: impl FnOnce(&ZSet) -> Range<usize>) -> Outcome {
    let key = ctx.args.at(1);
    let Some(set) = ctx.keys.write::<ZSet>(key)? else {
        ctx.out.int(0);
        return Ok(());
    };
    let (ranks, len) = (ranks(set), set.len());
    // all of it is thrown away as a whole, in the background if it is large
    let whole = ranks.start == 0 && ranks.end >= len;
    let removed = if whole { len } else { set.remove_ranks(ranks, |_, _| {}) };
    if removed > 0 {
        ctx.keys.changed(NotifyFlags::ZSET, event, key, removed as u64);
    }
    if whole {
        ctx.keys.delete(key, false);
        ctx.keys.notify(NotifyFlags::GENERIC, "del", key);
    }
    ctx.out.int(removed as i64);
    Ok(())
}

/// ZREMRANGEBYRANK.
pub static ZREMRANGEBYRANK: Command = Command {
    name: "zremrangebyrank",
    arity: 4,
    flags: Flags::WRITE,
    acl: Acl::SORTEDSET,
    keys: &[one_key(1, RW_DELETE)],
    scope: Scope::Keys,
    group: Group::SortedSet,
    since: "2.0.0",
    summary: "Removes members in a sorted set within a range of indexes. Deletes the sorted set if all members \
        were removed.",
    complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements \
        removed by the operation.",
    args: &[KEY, ArgSpec::integer("start"), ArgSpec::integer("stop")],
    examples: &["ZADD set 1 a 2 b 3 c", "ZREMRANGEBYRANK set 0 1", "ZREMRANGEBYRANK set -1 -1", "EXISTS set"],
    handler: Handler::Write(zremrangebyrank),
    ..Command::BASE
};

fn zremrangebyrank(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let (start, stop) = (int(ctx.args.at(2))?, int(ctx.args.at(3))?);
    remove_ranks(ctx, "zremrangebyrank", |set| match index_range(start, stop, set.len()) {
        Some((first, last)) => first..last + 1,
        None => 0..0,
    })
}

/// ZREMRANGEBYSCORE.
pub static ZREMRANGEBYSCORE: Command = Command {
    name: "zremrangebyscore",
    arity: 4,
    flags: Flags::WRITE,
    acl: Acl::SORTEDSET,
    keys: &[one_key(1, RW_DELETE)],
    scope: Scope::Keys,
    group: Group::SortedSet,
    since: "1.2.0",
    summary: "Removes members in a sorted set within a range of scores. Deletes the sorted set if all members were \
        removed.",
    complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements \
        removed by the operation.",
    args: &[KEY, ArgSpec::new("min", ArgKind::Double), ArgSpec::new("max", ArgKind::Double)],
    examples: &["ZADD set 1 a 2 b 3 c", "ZREMRANGEBYSCORE set -inf (2", "ZREMRANGEBYSCORE set 2 3", "EXISTS set"],
    handler: Handler::Write(zremrangebyscore),
    ..Command::BASE
};

fn zremrangebyscore(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let range = score_range(ctx.args.at(2), ctx.args.at(3))?;
    remove_ranks(ctx, "zremrangebyscore", |set| set.ranks_by_score(&range))
}

/// ZREMRANGEBYLEX.
pub static ZREMRANGEBYLEX: Command = Command {
    name: "zremrangebylex",
    arity: 4,
    flags: Flags::WRITE,
    acl: Acl::SORTEDSET,
    keys: &[one_key(1, RW_DELETE)],
    scope: Scope::Keys,
    group: Group::SortedSet,
    since: "2.8.9",
    summary: "Removes members in a sorted set within a lexicographical range. Deletes the sorted set if all \
        members were removed.",
    complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements \
        removed by the operation.",
    args: &[KEY, ArgSpec::string("min"), ArgSpec::string("max")],
    examples: &["ZADD set 0 a 0 b 0 c", "ZREMRANGEBYLEX set - (b", "ZREMRANGEBYLEX set [b [c", "EXISTS set"],
    handler: Handler::Write(zremrangebylex),
    ..Command::BASE
};

fn zremrangebylex(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let (min, max) = (lex_bound(ctx.args.at(2))?, lex_bound(ctx.args.at(3))?);
    remove_ranks(ctx, "zremrangebylex", |set| set.ranks_by_lex(min, max))
}
