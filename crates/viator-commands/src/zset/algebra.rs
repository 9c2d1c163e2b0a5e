//! Sorted sets from sets and sorted sets: ZUNION, ZINTER, ZDIFF, their storing forms, ZINTERCARD.

use viator_data::num;
use viator_data::zset::ZSet;
use viator_data::zset::algebra::{self, Aggregate, Input, Members, Source};
use viator_engine::args::{Args, int, int_or, is};
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::ctx::{ReadCtx, WriteCtx};
use viator_engine::error::Error;
use viator_engine::keys::ReadKeys;
use viator_engine::typed::zset_limits;
use viator_keyspace::Object;

use super::{reply_members, store};
use crate::declare::{KEY, OW_UPDATE, RO_ACCESS, counted_keys, one_key};

/// What is made of the inputs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Op {
    Union,
    Inter,
    Diff,
    /// Only the number of members of the intersection.
    InterCard,
}

/// What the arguments after the keys say.
struct Options {
    weights: Option<Vec<f64>>,
    aggregate: Aggregate,
    withscores: bool,
    /// 0: none.
    limit: usize,
}

impl Options {
    fn parse(args: Args<'_>, numkeys: usize, op: Op, stored: bool) -> Result<Options, Error> {
        let mut parsed = Options { weights: None, aggregate: Aggregate::Sum, withscores: false, limit: 0 };
        let weighs = matches!(op, Op::Union | Op::Inter);
        let mut options = args.iter();
        while let Some(option) = options.next() {
            if weighs && options.len() >= numkeys && is(option, "WEIGHTS") {
                let weights: Option<Vec<f64>> = options.by_ref().take(numkeys).map(num::parse_f64).collect();
                parsed.weights = Some(weights.ok_or(Error::Static("ERR weight value is not a float"))?);
            } else if weighs && options.len() >= 1 && is(option, "AGGREGATE") {
                let name = options.next().unwrap_or_default();
                parsed.aggregate = match () {
                    () if is(name, "SUM") => Aggregate::Sum,
                    () if is(name, "MIN") => Aggregate::Min,
                    () if is(name, "MAX") => Aggregate::Max,
                    () => return Err(Error::Syntax),
                };
            } else if !stored && op != Op::InterCard && is(option, "WITHSCORES") {
                parsed.withscores = true;
            } else if op == Op::InterCard && options.len() >= 1 && is(option, "LIMIT") {
                let limit = options.next().unwrap_or_default();
                parsed.limit = int_or(limit, 0..=i64::MAX, "ERR LIMIT can't be negative")? as usize;
            } else {
                return Err(Error::Syntax);
            }
        }
        Ok(parsed)
    }
}

/// Reads the inputs and computes what the arguments from `numkeys` on ask for.
fn compute<'v>(
    keys: &'v mut ReadKeys<'_, '_>,
    args: Args<'_>,
    op: Op,
    stored: bool,
    name: &str,
) -> Result<(Members<'v>, Options), Error> {
    let numkeys = int(args.at(0))?;
    if numkeys < 1 {
        return Err(Error::text(format!("ERR at least 1 input key is needed for '{name}' command")));
    }
    let numkeys = usize::try_from(numkeys).ok().filter(|n| *n < args.len()).ok_or(Error::Syntax)?;
    let read = args.from(1).iter().take(numkeys);
    let found = keys.read_objects(read, |o| matches!(o, Object::Zset(_) | Object::Set(_)))?;
    let options = Options::parse(args.from(1 + numkeys), numkeys, op, stored)?;
    let inputs: Vec<Input<'v>> = found
        .into_iter()
        .enumerate()
        .map(|(i, object)| {
            let source = match object {
                Some(Object::Zset(set)) => Source::Scored(set),
                Some(Object::Set(set)) => Source::Plain(set),
                _ => Source::Nothing,
            };
            let weight = options.weights.as_ref().and_then(|w| w.get(i)).copied().unwrap_or(1.0);
            Input { source, weight }
        })
        .collect();
    let members = match op {
        Op::Union => algebra::union(inputs, options.aggregate),
        Op::Inter => algebra::intersection(inputs, options.aggregate, 0),
        Op::InterCard => algebra::intersection(inputs, options.aggregate, options.limit),
        Op::Diff => algebra::difference(&inputs),
    };
    Ok((members, options))
}

fn reply(ctx: &mut ReadCtx<'_, '_>, op: Op) -> Outcome {
    let (mut members, options) = compute(&mut ctx.keys, ctx.args.from(1), op, false, &ctx.entry.name)?;
    members.sort();
    reply_members(ctx.out, members.iter(), options.withscores);
    Ok(())
}

fn stored(ctx: &mut WriteCtx<'_, '_>, op: Op, event: &'static str) -> Outcome {
    let limits = zset_limits(ctx.keys.cfg());
    let (mut members, _) = compute(&mut ctx.keys, ctx.args.from(2), op, true, &ctx.entry.name)?;
    members.sort();
    let result = ZSet::from_ordered(members.iter(), &limits);
    let n = store(&mut ctx.keys, ctx.args.at(1), result, event);
    ctx.out.int(n as i64);
    Ok(())
}

/// ZUNION.
pub static ZUNION: Command = Command {
    name: "zunion",
    arity: -3,
    flags: Flags::READONLY,
    acl: Acl::SORTEDSET,
    keys: &[counted_keys(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::SortedSet,
    since: "6.2.0",
    summary: "Returns the union of multiple sorted sets.",
    complexity: "O(N)+O(M*log(M)) with N being the sum of the sizes of the input sorted sets, and M being the \
        number of elements in the resulting sorted set.",
    args: &[
        ArgSpec::integer("numkeys"),
        KEY.multi(),
        ArgSpec::integer("weight").after("WEIGHTS").multi().opt(),
        ArgSpec::oneof(
            "aggregate",
            &[ArgSpec::token("sum", "SUM"), ArgSpec::token("min", "MIN"), ArgSpec::token("max", "MAX")],
        )
        .after("AGGREGATE")
        .opt(),
        ArgSpec::token("withscores", "WITHSCORES").opt(),
    ],
    examples: &[
        "ZADD one 1 a 2 b",
        "ZADD two 10 b 20 c",
        "SADD plain a z",
        "ZUNION 2 one two WITHSCORES",
        "ZUNION 3 one two plain WEIGHTS 1 2 3 AGGREGATE MAX WITHSCORES",
        "ZUNION 0 one",
    ],
    handler: Handler::Read(zunion),
    ..Command::BASE
};

fn zunion(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    reply(ctx, Op::Union)
}

/// ZINTER.
pub static ZINTER: Command = Command {
    name: "zinter",
    arity: -3,
    flags: Flags::READONLY,
    acl: Acl::SORTEDSET,
    keys: &[counted_keys(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::SortedSet,
    since: "6.2.0",
    summary: "Returns the intersect of multiple sorted sets.",
    complexity: "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K being the number of \
        input sorted sets and M being the number of elements in the resulting sorted set.",
    args: &[
        ArgSpec::integer("numkeys"),
        KEY.multi(),
        ArgSpec::integer("weight").after("WEIGHTS").multi().opt(),
        ArgSpec::oneof(
            "aggregate",
            &[ArgSpec::token("sum", "SUM"), ArgSpec::token("min", "MIN"), ArgSpec::token("max", "MAX")],
        )
        .after("AGGREGATE")
        .opt(),
        ArgSpec::token("withscores", "WITHSCORES").opt(),
    ],
    examples: &[
        "ZADD one 1 a 2 b",
        "ZADD two 10 b 20 c",
        "ZINTER 2 one two WITHSCORES",
        "ZINTER 2 one two WEIGHTS 2 3 AGGREGATE MIN WITHSCORES",
        "ZINTER 2 one missing",
    ],
    handler: Handler::Read(zinter),
    ..Command::BASE
};

fn zinter(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    reply(ctx, Op::Inter)
}

/// ZDIFF.
pub static ZDIFF: Command = Command {
    name: "zdiff",
    arity: -3,
    flags: Flags::READONLY,
    acl: Acl::SORTEDSET,
    keys: &[counted_keys(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::SortedSet,
    since: "6.2.0",
    summary: "Returns the difference between multiple sorted sets.",
    complexity: "O(L + (N-K)log(N)) worst case where L is the total number of elements in all the sets, N is the \
        size of the first set, and K is the size of the result set.",
    args: &[ArgSpec::integer("numkeys"), KEY.multi(), ArgSpec::token("withscores", "WITHSCORES").opt()],
    examples: &["ZADD one 1 a 2 b", "ZADD two 10 b 20 c", "ZDIFF 2 one two WITHSCORES", "ZDIFF 2 missing one"],
    handler: Handler::Read(zdiff),
    ..Command::BASE
};

fn zdiff(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    reply(ctx, Op::Diff)
}

/// ZUNIONSTORE.
pub static ZUNIONSTORE: Command = Command {
    name: "zunionstore",
    arity: -4,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::SORTEDSET,
    keys: &[one_key(1, OW_UPDATE), counted_keys(2, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::SortedSet,
    since: "2.0.0",
    summary: "Stores the union of multiple sorted sets in a key.",
    complexity: "O(N)+O(M log(M)) with N being the sum of the sizes of the input sorted sets, and M being the \
        number of elements in the resulting sorted set.",
    args: &[
        ArgSpec::key("destination", 0),
        ArgSpec::integer("numkeys"),
        ArgSpec::key("key", 1).multi(),
        ArgSpec::integer("weight").after("WEIGHTS").multi().opt(),
        ArgSpec::oneof(
            "aggregate",
            &[ArgSpec::token("sum", "SUM"), ArgSpec::token("min", "MIN"), ArgSpec::token("max", "MAX")],
        )
        .after("AGGREGATE")
        .opt(),
    ],
    examples: &[
        "ZADD one 1 a 2 b",
        "ZADD two 10 b 20 c",
        "ZUNIONSTORE to 2 one two WEIGHTS 1 2",
        "ZRANGE to 0 -1 WITHSCORES",
        "ZUNIONSTORE to 1 missing",
        "EXISTS to",
    ],
    handler: Handler::Write(zunionstore),
    ..Command::BASE
};

fn zunionstore(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    stored(ctx, Op::Union, "zunionstore")
}

/// ZINTERSTORE.
pub static ZINTERSTORE: Command = Command {
    name: "zinterstore",
    arity: -4,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::SORTEDSET,
    keys: &[one_key(1, OW_UPDATE), counted_keys(2, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::SortedSet,
    since: "2.0.0",
    summary: "Stores the intersect of multiple sorted sets in a key.",
    complexity: "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K being the number of \
        input sorted sets and M being the number of elements in the resulting sorted set.",
    args: &[
        ArgSpec::key("destination", 0),
        ArgSpec::integer("numkeys"),
        ArgSpec::key("key", 1).multi(),
        ArgSpec::integer("weight").after("WEIGHTS").multi().opt(),
        ArgSpec::oneof(
            "aggregate",
            &[ArgSpec::token("sum", "SUM"), ArgSpec::token("min", "MIN"), ArgSpec::token("max", "MAX")],
        )
        .after("AGGREGATE")
        .opt(),
    ],
    examples: &[
        "ZADD one 1 a 2 b",
        "ZADD two 10 b 20 c",
        "ZINTERSTORE to 2 one two AGGREGATE MAX",
        "ZRANGE to 0 -1 WITHSCORES",
    ],
    handler: Handler::Write(zinterstore),
    ..Command::BASE
};

fn zinterstore(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    stored(ctx, Op::Inter, "zinterstore")
}

/// ZDIFFSTORE.
pub static ZDIFFSTORE: Command = Command {
    name: "zdiffstore",
    arity: -4,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::SORTEDSET,
    keys: &[one_key(1, OW_UPDATE), counted_keys(2, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::SortedSet,
    since: "6.2.0",
    summary: "Stores the difference of multiple sorted sets in a key.",
    complexity: "O(L + (N-K)log(N)) worst case where L is the total number of elements in all the sets, N is the \
        size of the first set, and K is the size of the result set.",
    args: &[ArgSpec::key("destination", 0), ArgSpec::integer("numkeys"), ArgSpec::key("key", 1).multi()],
    examples: &["ZADD one 1 a 2 b", "ZADD two 10 b 20 c", "ZDIFFSTORE to 2 one two", "ZRANGE to 0 -1 WITHSCORES"],
    handler: Handler::Write(zdiffstore),
    ..Command::BASE
};

fn zdiffstore(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    stored(ctx, Op::Diff, "zdiffstore")
}

/// ZINTERCARD.
pub static ZINTERCARD: Command = Command {
    name: "zintercard",
    arity: -3,
    flags: Flags::READONLY,
    acl: Acl::SORTEDSET,
    keys: &[counted_keys(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::SortedSet,
    since: "7.0.0",
    summary: "Returns the number of members of the intersect of multiple sorted sets.",
    complexity: "O(N*K) worst case with N being the smallest input sorted set, K being the number of input sorted \
        sets.",
    args: &[ArgSpec::integer("numkeys"), KEY.multi(), ArgSpec::integer("limit").after("LIMIT").opt()],
    examples: &["ZADD one 1 a 2 b 3 c", "ZADD two 10 b 20 c", "ZINTERCARD 2 one two", "ZINTERCARD 2 one two LIMIT 1"],
    handler: Handler::Read(zintercard),
    ..Command::BASE
};

fn zintercard(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let (members, _) = compute(&mut ctx.keys, ctx.args.from(1), Op::InterCard, false, &ctx.entry.name)?;
    ctx.out.int(members.len() as i64);
    Ok(())
}
