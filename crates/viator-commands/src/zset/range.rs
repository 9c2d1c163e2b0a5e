//! Ranges of sorted sets: ZRANGE, its older forms, ZRANGESTORE.

use std::ops::Range;
use viator_data::packed::IntBuf;
use viator_data::zset::{LexBound, ScoreRange, ZSet};
use viator_engine::args::{Args, index_range, int, is};
use viator_engine::command::{Acl, ArgKind, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::ctx::{ReadCtx, WriteCtx};
use viator_engine::error::Error;
use viator_engine::typed::zset_limits;

use super::{lex_bound, reply_members, score_range, store};
use crate::declare::{KEY, OW_UPDATE, RO_ACCESS, one_key};

/// What the bounds of a range are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Lex,
}

/// What a command leaves to its arguments.
#[derive(Clone, Copy)]
struct Form {
    /// `None`: BYSCORE or BYLEX may say.
    by: Option<By>,
    /// `None`: REV may say.
    reverse: Option<bool>,
    /// WITHSCORES may be asked for.
    withscores: bool,
}

/// The bounds.
enum Bounds<'a> {
    Rank(i64, i64),
    Score(ScoreRange),
    Lex(LexBound<'a>, LexBound<'a>),
}

/// A range, as arguments say it.
struct Query<'a> {
    bounds: Bounds<'a>,
    reverse: bool,
    withscores: bool,
    offset: i64,
    /// Negative: no limit.
    limit: i64,
}

impl<'a> Query<'a> {
    /// Reads the bounds and what follows them.
    fn parse(args: Args<'a>, form: Form) -> Result<Query<'a>, Error> {
        let (mut by, mut reverse) = (form.by, form.reverse);
        let (mut withscores, mut offset, mut limit) = (false, 0, -1);
        let mut options = args.from(2).iter();
        while let Some(option) = options.next() {
            if form.withscores && is(option, "WITHSCORES") {
                withscores = true;
            } else if is(option, "LIMIT") && options.len() >= 2 {
                offset = int(options.next().unwrap_or_default())?;
                limit = int(options.next().unwrap_or_default())?;
            } else if reverse.is_none() && is(option, "REV") {
                reverse = Some(true);
            } else if by.is_none() && is(option, "BYLEX") {
                by = Some(By::Lex);
            } else if by.is_none() && is(option, "BYSCORE") {
                by = Some(By::Score);
            } else {
                return Err(Error::Syntax);
            }
        }
        let (by, reverse) = (by.unwrap_or(By::Rank), reverse.unwrap_or(false));
        if limit != -1 && by == By::Rank {
            return Err(Error::Static(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if withscores && by == By::Lex {
            return Err(Error::Static("ERR syntax error, WITHSCORES not supported in combination with BYLEX"));
        }
        let (first, second) = (args.at(0), args.at(1));
        // the higher bound comes first in a reversed range, but not of ranks
        let (min, max) = if reverse && by != By::Rank { (second, first) } else { (first, second) };
        let bounds = match by {
            By::Rank => Bounds::Rank(int(min)?, int(max)?),
            By::Score => Bounds::Score(score_range(min, max)?),
            By::Lex => Bounds::Lex(lex_bound(min)?, lex_bound(max)?),
        };
        Ok(Query { bounds, reverse, withscores, offset, limit })
    }

    /// The ranks that it means in a set, counted from the lowest.
    fn ranks(&self, set: &ZSet) -> Range<usize> {
        let ranks = match &self.bounds {
            Bounds::Rank(start, stop) => {
                let Some((first, last)) = index_range(*start, *stop, set.len()) else { return 0..0 };
                return if self.reverse { set.len() - 1 - last..set.len() - first } else { first..last + 1 };
            }
            Bounds::Score(range) => set.ranks_by_score(range),
            Bounds::Lex(min, max) => set.ranks_by_lex(*min, *max),
        };
        let Ok(skipped) = usize::try_from(self.offset) else { return 0..0 };
        let skipped = skipped.min(ranks.len());
        let n = usize::try_from(self.limit).unwrap_or(usize::MAX).min(ranks.len() - skipped);
        if self.reverse {
            ranks.end - skipped - n..ranks.end - skipped
        } else {
            ranks.start + skipped..ranks.start + skipped + n
        }
    }
}

fn range(ctx: &mut ReadCtx<'_, '_>, form: Form) -> Outcome {
    let query = Query::parse(ctx.args.from(2), form)?;
    match ctx.keys.read::<ZSet>(ctx.args.at(1))? {
        Some(set) => reply_members(ctx.out, set.range(query.ranks(set), query.reverse), query.withscores),
        None => ctx.out.array(0),
    }
    Ok(())
}

/// ZRANGE.
pub static ZRANGE: Command = Command {
    name: "zrange",
    arity: -4,
    flags: Flags::READONLY,
    acl: Acl::SORTEDSET,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::SortedSet,
    since: "1.2.0",
    summary: "Returns members in a sorted set within a range of indexes.",
    complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements \
        returned.",
    history: &[("6.2.0", "Added the `REV`, `BYSCORE`, `BYLEX` and `LIMIT` options.")],
    args: &[
        KEY,
        ArgSpec::string("start"),
        ArgSpec::string("stop"),
        ArgSpec::oneof("sortby", &[ArgSpec::token("byscore", "BYSCORE"), ArgSpec::token("bylex", "BYLEX")])
            .since("6.2.0")
            .opt(),
        ArgSpec::token("rev", "REV").since("6.2.0").opt(),
        ArgSpec::block("limit", &[ArgSpec::integer("offset"), ArgSpec::integer("count")])
            .after("LIMIT")
            .since("6.2.0")
            .opt(),
        ArgSpec::token("withscores", "WITHSCORES").opt(),
    ],
    examples: &[
        "ZADD set 1 a 2 b 3 c",
        "ZRANGE set 0 -1 WITHSCORES",
        "ZRANGE set 0 1 REV",
        "ZRANGE set (1 +inf BYSCORE LIMIT 1 1",
        "ZRANGE set 3 1 BYSCORE REV WITHSCORES",
        "ZADD words 0 a 0 b 0 c",
        "ZRANGE words [b + BYLEX",
        "ZRANGE set 0 -1 LIMIT 0 1",
        "ZRANGE missing 0 -1",
    ],
    handler: Handler::Read(zrange),
    ..Command::BASE
};

fn zrange(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    range(ctx, Form { by: None, reverse: None, withscores: true })
}

/// ZREVRANGE.
pub static ZREVRANGE: Command = Command {
    name: "zrevrange",
    arity: -4,
    flags: Flags::READONLY,
    acl: Acl::SORTEDSET,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::SortedSet,
    since: "1.2.0",
    summary: "Returns members in a sorted set within a range of indexes in reverse order.",
    complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements \
        returned.",
    deprecated: Some(("6.2.0", "`ZRANGE` with the `REV` argument")),
    args: &[KEY, ArgSpec::integer("start"), ArgSpec::integer("stop"), ArgSpec::token("withscores", "WITHSCORES").opt()],
    examples: &["ZADD set 1 a 2 b 3 c", "ZREVRANGE set 0 1", "ZREVRANGE set -2 -1 WITHSCORES"],
    handler: Handler::Read(zrevrange),
    ..Command::BASE
};

fn zrevrange(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    range(ctx, Form { by: Some(By::Rank), reverse: Some(true), withscores: true })
}

/// ZRANGEBYSCORE.
pub static ZRANGEBYSCORE: Command = Command {
    name: "zrangebyscore",
    arity: -4,
    flags: Flags::READONLY,
    acl: Acl::SORTEDSET,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::SortedSet,
    since: "1.0.5",
    summary: "Returns members in a sorted set within a range of scores.",
    complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements \
        being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you can \
        consider it O(log(N)).",
    deprecated: Some(("6.2.0", "`ZRANGE` with the `BYSCORE` argument")),
    history: &[("2.0.0", "Added the `WITHSCORES` modifier.")],
    args: &[
        KEY,
        ArgSpec::new("min", ArgKind::Double),
        ArgSpec::new("max", ArgKind::Double),
        ArgSpec::token("withscores", "WITHSCORES").since("2.0.0").opt(),
        ArgSpec::block("limit", &[ArgSpec::integer("offset"), ArgSpec::integer("count")]).after("LIMIT").opt(),
    ],
    examples: &[
        "ZADD set 1 a 2 b 3 c",
        "ZRANGEBYSCORE set (1 3 WITHSCORES",
        "ZRANGEBYSCORE set -inf +inf LIMIT 1 1",
        "ZRANGEBYSCORE set one two",
    ],
    handler: Handler::Read(zrangebyscore),
    ..Command::BASE
};

fn zrangebyscore(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    range(ctx, Form { by: Some(By::Score), reverse: Some(false), withscores: true })
}

/// ZREVRANGEBYSCORE.
pub static ZREVRANGEBYSCORE: Command = Command {
    name: "zrevrangebyscore",
    arity: -4,
    flags: Flags::READONLY,
    acl: Acl::SORTEDSET,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::SortedSet,
    since: "2.2.0",
    summary: "Returns members in a sorted set within a range of scores in reverse order.",
    complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements \
        being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you can \
        consider it O(log(N)).",
    deprecated: Some(("6.2.0", "`ZRANGE` with the `REV` and `BYSCORE` arguments")),
    history: &[("2.1.6", "`min` and `max` can be exclusive.")],
    args: &[
        KEY,
        ArgSpec::new("max", ArgKind::Double),
        ArgSpec::new("min", ArgKind::Double),
        ArgSpec::token("withscores", "WITHSCORES").opt(),
        ArgSpec::block("limit", &[ArgSpec::integer("offset"), ArgSpec::integer("count")]).after("LIMIT").opt(),
    ],
    examples: &[
        "ZADD set 1 a 2 b 3 c",
        "ZREVRANGEBYSCORE set 3 (1 WITHSCORES",
        "ZREVRANGEBYSCORE set +inf -inf LIMIT 0 2",
    ],
    handler: Handler::Read(zrevrangebyscore),
    ..Command::BASE
};

fn zrevrangebyscore(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    range(ctx, Form { by: Some(By::Score), reverse: Some(true), withscores: true })
}

/// ZRANGEBYLEX.
pub static ZRANGEBYLEX: Command = Command {
    name: "zrangebylex",
    arity: -4,
    flags: Flags::READONLY,
    acl: Acl::SORTEDSET,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::SortedSet,
    since: "2.8.9",
    summary: "Returns members in a sorted set within a lexicographical range.",
    complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements \
        being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you can \
        consider it O(log(N)).",
    deprecated: Some(("6.2.0", "`ZRANGE` with the `BYLEX` argument")),
    args: &[
        KEY,
        ArgSpec::string("min"),
        ArgSpec::string("max"),
        ArgSpec::block("limit", &[ArgSpec::integer("offset"), ArgSpec::integer("count")]).after("LIMIT").opt(),
    ],
    examples: &[
        "ZADD set 0 a 0 b 0 c",
        "ZRANGEBYLEX set - [b",
        "ZRANGEBYLEX set (a + LIMIT 1 1",
        "ZRANGEBYLEX set a b",
    ],
    handler: Handler::Read(zrangebylex),
    ..Command::BASE
};

fn zrangebylex(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    range(ctx, Form { by: Some(By::Lex), reverse: Some(false), withscores: true })
}

/// ZREVRANGEBYLEX.
pub static ZREVRANGEBYLEX: Command = Command {
    name: "zrevrangebylex",
    arity: -4,
    flags: Flags::READONLY,
    acl: Acl::SORTEDSET,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::SortedSet,
    since: "2.8.9",
    summary: "Returns members in a sorted set within a lexicographical range in reverse order.",
    complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements \
        being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you can \
        consider it O(log(N)).",
    deprecated: Some(("6.2.0", "`ZRANGE` with the `REV` and `BYLEX` arguments")),
    args: &[
        KEY,
        ArgSpec::string("max"),
        ArgSpec::string("min"),
        ArgSpec::block("limit", &[ArgSpec::integer("offset"), ArgSpec::integer("count")]).after("LIMIT").opt(),
    ],
    examples: &["ZADD set 0 a 0 b 0 c", "ZREVRANGEBYLEX set + (a", "ZREVRANGEBYLEX set [b -"],
    handler: Handler::Read(zrevrangebylex),
    ..Command::BASE
};

fn zrevrangebylex(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    range(ctx, Form { by: Some(By::Lex), reverse: Some(true), withscores: true })
}

/// ZRANGESTORE.
pub static ZRANGESTORE: Command = Command {
    name: "zrangestore",
    arity: -5,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::SORTEDSET,
    keys: &[one_key(1, OW_UPDATE), one_key(2, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::SortedSet,
    since: "6.2.0",
    summary: "Stores a range of members from sorted set in a key.",
    complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements \
        stored into the destination key.",
    args: &[
        ArgSpec::key("dst", 0),
        ArgSpec::key("src", 1),
        ArgSpec::string("min"),
        ArgSpec::string("max"),
        ArgSpec::oneof("sortby", &[ArgSpec::token("byscore", "BYSCORE"), ArgSpec::token("bylex", "BYLEX")]).opt(),
        ArgSpec::token("rev", "REV").opt(),
        ArgSpec::block("limit", &[ArgSpec::integer("offset"), ArgSpec::integer("count")]).after("LIMIT").opt(),
    ],
    examples: &[
        "ZADD set 1 a 2 b 3 c",
        "ZRANGESTORE to set 1 -1",
        "ZRANGE to 0 -1 WITHSCORES",
        "ZRANGESTORE to set 5 9 BYSCORE",
        "EXISTS to",
    ],
    handler: Handler::Write(zrangestore),
    ..Command::BASE
};

fn zrangestore(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let query = Query::parse(ctx.args.from(3), Form { by: None, reverse: None, withscores: false })?;
    let limits = zset_limits(ctx.keys.cfg());
    let mut result = ZSet::new();
    if let Some(set) = ctx.keys.read::<ZSet>(ctx.args.at(2))? {
        let ranks = query.ranks(set);
        if matches!(query.bounds, Bounds::Rank(..)) {
            result.expect_members(ranks.len(), 0, &limits);
        }
        let mut buf = IntBuf::new();
        for (member, score) in set.range(ranks, false) {
            result.insert(member.bytes(&mut buf), score, &limits);
        }
    }
    let n = store(&mut ctx.keys, ctx.args.at(1), result, "zrangestore");
    ctx.out.int(n as i64);
    Ok(())
}
