//! Reading sorted sets: ZCARD, ZSCORE, ZMSCORE, ZRANK, ZREVRANK, ZCOUNT, ZLEXCOUNT, ZSCAN.

use viator_data::num;
use viator_data::zset::ZSet;
use viator_engine::args::is;
use viator_engine::command::{Acl, ArgKind, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::ctx::ReadCtx;
use viator_engine::error::Error;

use super::{lex_bound, score_range};
use crate::collection::{ScanOptions, cursor, reply_entry, reply_scan, reply_scan_nothing, reply_score};
use crate::declare::{KEY, RO, RO_ACCESS, one_key};

/// ZCARD.
pub static ZCARD: Command = Command {
    name: "zcard",
    arity: 2,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::SORTEDSET,
    keys: &[one_key(1, RO)],
    scope: Scope::Keys,
    group: Group::SortedSet,
    since: "1.2.0",
    summary: "Returns the number of members in a sorted set.",
    complexity: "O(1)",
    args: &[KEY],
    examples: &["ZADD set 1 a 2 b", "ZCARD set", "ZCARD missing"],
    handler: Handler::Read(zcard),
    ..Command::BASE
};

fn zcard(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let n = ctx.keys.read::<ZSet>(ctx.args.at(1))?.map_or(0, ZSet::len);
    ctx.out.int(n as i64);
    Ok(())
}

/// ZSCORE.
pub static ZSCORE: Command = Command {
    name: "zscore",
    arity: 3,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::SORTEDSET,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::SortedSet,
    since: "1.2.0",
    summary: "Returns the score of a member in a sorted set.",
    complexity: "O(1)",
    args: &[KEY, ArgSpec::string("member")],
    examples: &["ZADD set 1.5 a", "ZSCORE set a", "ZSCORE set missing", "ZSCORE missing a"],
    handler: Handler::Read(zscore),
    ..Command::BASE
};

fn zscore(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    match ctx.keys.read::<ZSet>(ctx.args.at(1))?.and_then(|s| s.score(ctx.args.at(2))) {
        Some(score) => reply_score(ctx.out, score),
        None => ctx.out.null(),
    }
    Ok(())
}

/// ZMSCORE.
pub static ZMSCORE: Command = Command {
    name: "zmscore",
    arity: -3,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::SORTEDSET,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::SortedSet,
    since: "6.2.0",
    summary: "Returns the score of one or more members in a sorted set.",
    complexity: "O(N) where N is the number of members being requested.",
    args: &[KEY, ArgSpec::string("member").multi()],
    examples: &["ZADD set 1 a 2.5 b", "ZMSCORE set a missing b", "ZMSCORE missing a"],
    handler: Handler::Read(zmscore),
    ..Command::BASE
};

fn zmscore(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let set = ctx.keys.read::<ZSet>(ctx.args.at(1))?;
    let members = ctx.args.from(2);
    ctx.out.array(members.len());
    for member in members.iter() {
        match set.and_then(|s| s.score(member)) {
            Some(score) => reply_score(ctx.out, score),
            None => ctx.out.null(),
        }
    }
    Ok(())
}

/// ZRANK.
pub static ZRANK: Command = Command {
    name: "zrank",
    arity: -3,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::SORTEDSET,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::SortedSet,
    since: "2.0.0",
    summary: "Returns the index of a member in a sorted set ordered by ascending scores.",
    complexity: "O(log(N))",
    history: &[("7.2.0", "Added the optional `WITHSCORE` argument.")],
    args: &[KEY, ArgSpec::string("member"), ArgSpec::token("withscore", "WITHSCORE").opt()],
    examples: &[
        "ZADD set 1 a 2 b 3 c",
        "ZRANK set c",
        "ZRANK set c WITHSCORE",
        "ZRANK set missing",
        "ZRANK set missing WITHSCORE",
    ],
    handler: Handler::Read(zrank),
    ..Command::BASE
};

fn zrank(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    rank(ctx, false)
}

/// ZREVRANK.
pub static ZREVRANK: Command = Command {
    name: "zrevrank",
    arity: -3,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::SORTEDSET,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::SortedSet,
    since: "2.0.0",
    summary: "Returns the index of a member in a sorted set ordered by descending scores.",
    complexity: "O(log(N))",
    history: &[("7.2.0", "Added the optional `WITHSCORE` argument.")],
    args: &[KEY, ArgSpec::string("member"), ArgSpec::token("withscore", "WITHSCORE").opt()],
    examples: &["ZADD set 1 a 2 b 3 c", "ZREVRANK set c", "ZREVRANK set a WITHSCORE", "ZREVRANK set missing"],
    handler: Handler::Read(zrevrank),
    ..Command::BASE
};

fn zrevrank(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    rank(ctx, true)
}

fn rank(ctx: &mut ReadCtx<'_, '_>, from_highest: bool) -> Outcome {
    if ctx.args.len() > 4 {
        return Err(Error::Arity(ctx.entry.name.clone()));
    }
    let withscore = match ctx.args.get(3) {
        Some(option) if is(option, "WITHSCORE") => true,
        Some(_) => return Err(Error::Syntax),
        None => false,
    };
    let set = ctx.keys.read::<ZSet>(ctx.args.at(1))?;
    let Some((rank, score, len)) = set.and_then(|s| s.rank(ctx.args.at(2)).map(|(r, score)| (r, score, s.len())))
    else {
        if withscore {
            ctx.out.null_array()
        } else {
            ctx.out.null()
        }
        return Ok(());
    };
    if withscore {
        ctx.out.array(2);
    }
    ctx.out.int(if from_highest { len.saturating_sub(1 + rank) } else { rank } as i64);
    if withscore {
        reply_score(ctx.out, score);
    }
    Ok(())
}

/// ZCOUNT.
pub static ZCOUNT: Command = Command {
    name: "zcount",
    arity: 4,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::SORTEDSET,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::SortedSet,
    since: "2.0.0",
    summary: "Returns the count of members in a sorted set that have scores within a range.",
    complexity: "O(log(N)) with N being the number of elements in the sorted set.",
    args: &[KEY, ArgSpec::new("min", ArgKind::Double), ArgSpec::new("max", ArgKind::Double)],
    examples: &[
        "ZADD set 1 a 2 b 3 c",
        "ZCOUNT set (1 +inf",
        "ZCOUNT set 5 6",
        "ZCOUNT missing 0 1",
        "ZCOUNT set few many",
    ],
    handler: Handler::Read(zcount),
    ..Command::BASE
};

fn zcount(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let range = score_range(ctx.args.at(2), ctx.args.at(3))?;
    let n = ctx.keys.read::<ZSet>(ctx.args.at(1))?.map_or(0, |s| s.ranks_by_score(&range).len());
    ctx.out.int(n as i64);
    Ok(())
}

/// ZLEXCOUNT.
pub static ZLEXCOUNT: Command = Command {
    name: "zlexcount",
    arity: 4,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::SORTEDSET,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::SortedSet,
    since: "2.8.9",
    summary: "Returns the number of members in a sorted set within a lexicographical range.",
    complexity: "O(log(N)) with N being the number of elements in the sorted set.",
    args: &[KEY, ArgSpec::string("min"), ArgSpec::string("max")],
    examples: &["ZADD set 0 a 0 b 0 c", "ZLEXCOUNT set - +", "ZLEXCOUNT set [b (c", "ZLEXCOUNT set a c"],
    handler: Handler::Read(zlexcount),
    ..Command::BASE
};

fn zlexcount(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let (min, max) = (lex_bound(ctx.args.at(2))?, lex_bound(ctx.args.at(3))?);
    let n = ctx.keys.read::<ZSet>(ctx.args.at(1))?.map_or(0, |s| s.ranks_by_lex(min, max).len());
    ctx.out.int(n as i64);
    Ok(())
}

/// ZSCAN.
pub static ZSCAN: Command = Command {
    name: "zscan",
    arity: -3,
    flags: Flags::READONLY,
    acl: Acl::SORTEDSET,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::SortedSet,
    since: "2.8.0",
    summary: "Iterates over members and scores of a sorted set.",
    complexity: "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor \
        to return back to 0. N is the number of elements inside the collection.",
    args: &[
        KEY,
        ArgSpec::integer("cursor"),
        ArgSpec::new("pattern", ArgKind::Pattern).after("MATCH").opt(),
        ArgSpec::integer("count").after("COUNT").opt(),
    ],
    tips: &["nondeterministic_output"],
    examples: &["ZADD set 1 a 2.5 b", "ZSCAN set 0", "ZSCAN set 0 MATCH a* COUNT 100", "ZSCAN missing 0"],
    handler: Handler::Read(zscan),
    ..Command::BASE
};

fn zscan(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let cursor = cursor(ctx.args.at(2))?;
    let Some(set) = ctx.keys.read::<ZSet>(ctx.args.at(1))? else {
        reply_scan_nothing(ctx.out);
        return Ok(());
    };
    let options = ScanOptions::parse(ctx.args.from(3), false)?;
    // the text of a score is not the same in the two encodings
    let precise = set.as_packed().is_none();
    let mut text = Vec::new();
    reply_scan(ctx.out, |out| {
        let mut n = 0;
        let next = set.scan(cursor, options.count, |member, score| {
            if options.matches(member) {
                reply_entry(out, member);
                text.clear();
                if precise {
                    num::format_g17(score, &mut text)
                } else {
                    num::format_f64(score, &mut text)
                }
                // a string, in RESP3 too
                out.bulk(&text);
                n += 2;
            }
        });
        (next, n)
    });
    Ok(())
}
