//! Adding to sorted sets: ZADD, ZINCRBY.

use viator_data::num;
use viator_data::zset::{Inserted, Limits, ZSet};
use viator_engine::args::Args;
use viator_engine::command::{Acl, ArgKind, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::config::NotifyFlags;
use viator_engine::ctx::WriteCtx;
use viator_engine::error::Error;
use viator_engine::typed::zset_limits;

use crate::collection::reply_score;
use crate::declare::{KEY, RW_ACCESS_UPDATE, RW_UPDATE, one_key};

/// What ZADD's options say.
#[derive(Clone, Copy, Default)]
pub(crate) struct Rules {
    /// Only new members.
    pub(crate) nx: bool,
    /// Only members that are there.
    pub(crate) xx: bool,
    /// Only to higher scores.
    gt: bool,
    /// Only to lower scores.
    lt: bool,
    /// The reply counts changed members, too.
    pub(crate) ch: bool,
    /// The score is added to what is there.
    incr: bool,
}

/// What became of a member.
enum Added {
    /// Nothing, by the rules.
    Not,
    /// It has this score now.
    Is(f64, Inserted),
    /// Its score would be no number.
    Nan,
}

impl Rules {
    /// Takes the options at the beginning of arguments; returns how many there were.
    fn parse(&mut self, args: Args<'_>) -> usize {
        for (i, arg) in args.iter().enumerate() {
            let option = match arg.to_ascii_lowercase().as_slice() {
                b"nx" => &mut self.nx,
                b"xx" => &mut self.xx,
                b"ch" => &mut self.ch,
                b"incr" => &mut self.incr,
                b"gt" => &mut self.gt,
                b"lt" => &mut self.lt,
                _ => return i,
            };
            *option = true;
        }
        args.len()
    }

    fn apply(self, set: &mut ZSet, member: &[u8], score: f64, limits: &Limits) -> Added {
        let conditional = self.nx || self.xx || self.gt || self.lt || self.incr;
        if !conditional {
            return Added::Is(score, set.insert(member, score, limits));
        }
        let mut score = score;
        match set.score(member) {
            Some(_) if self.nx => return Added::Not,
            Some(old) => {
                if self.incr {
                    score += old;
                    if score.is_nan() {
                        return Added::Nan;
                    }
                }
                if (self.lt && score >= old) || (self.gt && score <= old) {
                    return Added::Not;
                }
            }
            None if self.xx => return Added::Not,
            None => {}
        }
        Added::Is(score, set.insert(member, score, limits))
    }
}

/// ZADD.
pub static ZADD: Command = Command {
    name: "zadd",
    arity: -4,
    flags: Flags::WRITE.or(Flags::DENYOOM).or(Flags::FAST),
    acl: Acl::SORTEDSET,
    keys: &[one_key(1, RW_UPDATE)],
    scope: Scope::Keys,
    group: Group::SortedSet,
    since: "1.2.0",
    summary: "Adds one or more members to a sorted set, or updates their scores. Creates the key if it doesn't \
        exist.",
    complexity: "O(log(N)) for each item added, where N is the number of elements in the sorted set.",
    history: &[
        ("2.4.0", "Accepts multiple elements."),
        ("3.0.2", "Added the `XX`, `NX`, `CH` and `INCR` options."),
        ("6.2.0", "Added the `GT` and `LT` options."),
    ],
    args: &[
        KEY,
        ArgSpec::oneof("condition", &[ArgSpec::token("nx", "NX"), ArgSpec::token("xx", "XX")]).since("3.0.2").opt(),
        ArgSpec::oneof("comparison", &[ArgSpec::token("gt", "GT"), ArgSpec::token("lt", "LT")]).since("6.2.0").opt(),
        ArgSpec::token("change", "CH").since("3.0.2").opt(),
        ArgSpec::token("increment", "INCR").since("3.0.2").opt(),
        ArgSpec::block("data", &[ArgSpec::new("score", ArgKind::Double), ArgSpec::string("member")]).multi(),
    ],
    examples: &[
        "ZADD set 1 a 2.5 b",
        "ZADD set CH 3 a 4 c",
        "ZADD set NX 9 a 5 d",
        "ZADD set XX GT 9 a 1 b",
        "ZADD set INCR 2 a",
        "ZADD set XX INCR 2 missing",
        "ZRANGE set 0 -1 WITHSCORES",
        "ZADD set NX XX 1 a",
        "ZADD set one a",
    ],
    handler: Handler::Write(zadd),
    ..Command::BASE
};

fn zadd(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    scored(ctx, Rules::default())
}

/// ZINCRBY.
pub static ZINCRBY: Command = Command {
    name: "zincrby",
    arity: 4,
    flags: Flags::WRITE.or(Flags::DENYOOM).or(Flags::FAST),
    acl: Acl::SORTEDSET,
    keys: &[one_key(1, RW_ACCESS_UPDATE)],
    scope: Scope::Keys,
    group: Group::SortedSet,
    since: "1.2.0",
    summary: "Increments the score of a member in a sorted set.",
    complexity: "O(log(N)) where N is the number of elements in the sorted set.",
    args: &[KEY, ArgSpec::integer("increment"), ArgSpec::string("member")],
    examples: &["ZINCRBY set 1.5 a", "ZINCRBY set -3 a", "ZINCRBY set much a"],
    handler: Handler::Write(zincrby),
    ..Command::BASE
};

fn zincrby(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    scored(ctx, Rules { incr: true, ..Rules::default() })
}

fn scored(ctx: &mut WriteCtx<'_, '_>, mut rules: Rules) -> Outcome {
    let args = ctx.args.from(2);
    // what begins like a number is no option
    let options = if args.at(0).first().is_some_and(u8::is_ascii_alphabetic) { rules.parse(args) } else { 0 };
    let pairs = args.from(options);
    if pairs.len() == 0 || !pairs.len().is_multiple_of(2) {
        return Err(Error::Syntax);
    }
    if rules.nx && rules.xx {
        return Err(Error::Static("ERR XX and NX options at the same time are not compatible"));
    }
    if [rules.gt, rules.lt, rules.nx].into_iter().filter(|r| *r).count() > 1 {
        return Err(Error::Static("ERR GT, LT, and/or NX options at the same time are not compatible"));
    }
    if rules.incr && pairs.len() > 2 {
        return Err(Error::Static("ERR INCR option supports a single increment-element pair"));
    }
    if pairs.len() == 2 {
        let score = num::parse_f64(pairs.at(0)).ok_or(Error::NotFloat)?;
        add(ctx, rules, &[(score, pairs.at(1))])?;
        return Ok(());
    }
    let scored: Result<Vec<(f64, &[u8])>, Error> = (0..pairs.len() / 2)
        .map(|i| Ok((num::parse_f64(pairs.at(2 * i)).ok_or(Error::NotFloat)?, pairs.at(2 * i + 1))))
        .collect();
    add(ctx, rules, &scored?)?;
    Ok(())
}

/// Adds members to the sorted set of the first key by the rules, and replies. Whether something has changed.
pub(crate) fn add(ctx: &mut WriteCtx<'_, '_>, rules: Rules, members: &[(f64, &[u8])]) -> Result<bool, Error> {
    let key = ctx.args.at(1);
    let limits = zset_limits(ctx.keys.cfg());
    let set = if rules.xx {
        ctx.keys.write::<ZSet>(key)?
    } else {
        // as in Redis, the first member's length decides
        let len = members.first().map_or(0, |(_, m)| m.len());
        Some(ctx.keys.write_or_new(key, |_| ZSet::for_members(members.len(), len, &limits))?)
    };
    let Some(set) = set else {
        if rules.incr {
            ctx.out.null()
        } else {
            ctx.out.int(0)
        }
        return Ok(false);
    };
    set.expect_members(members.len(), 0, &limits);
    let (mut added, mut updated, mut last) = (0u64, 0u64, None);
    for (score, member) in members {
        match rules.apply(set, member, *score, &limits) {
            Added::Not => {}
            Added::Nan => return Err(Error::Static("ERR resulting score is not a number (NaN)")),
            Added::Is(score, what) => {
                last = Some(score);
                match what {
                    Inserted::Added => added += 1,
                    Inserted::Updated(_) => updated += 1,
                    Inserted::Unchanged => {}
                }
            }
        }
    }
    if added + updated > 0 {
        ctx.keys.changed(NotifyFlags::ZSET, if rules.incr { "zincr" } else { "zadd" }, key, added + updated);
    }
    if !rules.incr {
        ctx.out.int(if rules.ch { added + updated } else { added } as i64);
    } else if let Some(score) = last {
        reply_score(ctx.out, score);
    } else {
        ctx.out.null();
    }
    Ok(added + updated > 0)
}
