//! Taking the lowest or highest members: ZPOPMIN, ZPOPMAX, ZMPOP.

use viator_data::packed::Entry;
use viator_data::zset::ZSet;
use viator_engine::args::{Args, OwnedArgs, int_or, is, positive};
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::config::NotifyFlags;
use viator_engine::ctx::WriteCtx;
use viator_engine::error::Error;
use viator_engine::keys::WriteKeys;
use viator_resp::reply::Reply;

use super::reply_members;
use crate::collection::reply_score;
use crate::declare::{KEY, RW_ACCESS_DELETE, counted_keys, one_key};

/// Which end of a sorted set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Min,
    Max,
}

impl End {
    /// MIN or MAX.
    fn parse(arg: &[u8]) -> Option<End> {
        match () {
            () if is(arg, "MIN") => Some(End::Min),
            () if is(arg, "MAX") => Some(End::Max),
            () => None,
        }
    }

    fn event(self) -> &'static str {
        match self {
            End::Min => "zpopmin",
            End::Max => "zpopmax",
        }
    }

    /// The command that takes from this end.
    pub(crate) fn command(self) -> &'static [u8] {
        match self {
            End::Min => b"ZPOPMIN",
            End::Max => b"ZPOPMAX",
        }
    }
}

/// Members that were taken, with their scores.
type Popped = Vec<(Vec<u8>, f64)>;

/// Takes up to `count` members from an end of a key's sorted set; `None` if there is no such key.
pub(crate) fn pop(keys: &mut WriteKeys<'_, '_>, key: &[u8], end: End, count: usize) -> Result<Option<Popped>, Error> {
    let Some(set) = keys.write::<ZSet>(key)? else { return Ok(None) };
    let mut popped = Vec::with_capacity(count.min(set.len()));
    for _ in 0..count.min(set.len()) {
        popped.extend(match end {
            End::Min => set.pop_min(),
            End::Max => set.pop_max(),
        });
    }
    let emptied = set.is_empty();
    if !popped.is_empty() {
        keys.changed(NotifyFlags::ZSET, end.event(), key, popped.len() as u64);
        if emptied {
            keys.remove_if_empty(key);
        }
    }
    Ok(Some(popped))
}

/// What was taken, as [`reply_members`] wants it.
fn members(popped: &[(Vec<u8>, f64)]) -> impl ExactSizeIterator<Item = (Entry<'_>, f64)> {
    popped.iter().map(|(member, score)| (Entry::Str(member), *score))
}

/// ZPOPMIN.
pub static ZPOPMIN: Command = Command {
    name: "zpopmin",
    arity: -2,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::SORTEDSET,
    keys: &[one_key(1, RW_ACCESS_DELETE)],
    scope: Scope::Keys,
    group: Group::SortedSet,
    since: "5.0.0",
    summary: "Returns the lowest-scoring members from a sorted set after removing them. Deletes the sorted set if \
        the last member was popped.",
    complexity: "O(log(N)*M) with N being the number of elements in the sorted set, and M being the number of \
        elements popped.",
    args: &[KEY, ArgSpec::integer("count").opt()],
    examples: &["ZADD set 1 a 2 b 3 c", "ZPOPMIN set", "ZPOPMIN set 5", "ZPOPMIN set", "ZPOPMIN set -1"],
    handler: Handler::Write(zpopmin),
    ..Command::BASE
};

fn zpopmin(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    zpop(ctx, End::Min)
}

/// ZPOPMAX.
pub static ZPOPMAX: Command = Command {
    name: "zpopmax",
    arity: -2,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::SORTEDSET,
    keys: &[one_key(1, RW_ACCESS_DELETE)],
    scope: Scope::Keys,
    group: Group::SortedSet,
    since: "5.0.0",
    summary: "Returns the highest-scoring members from a sorted set after removing them. Deletes the sorted set if \
        the last member was popped.",
    complexity: "O(log(N)*M) with N being the number of elements in the sorted set, and M being the number of \
        elements popped.",
    args: &[KEY, ArgSpec::integer("count").opt()],
    examples: &["ZADD set 1 a 2 b 3 c", "ZPOPMAX set", "ZPOPMAX set 5", "ZPOPMAX set"],
    handler: Handler::Write(zpopmax),
    ..Command::BASE
};

fn zpopmax(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    zpop(ctx, End::Max)
}

fn zpop(ctx: &mut WriteCtx<'_, '_>, end: End) -> Outcome {
    let count = match ctx.args.len() {
        2 => None,
        3 => Some(positive(ctx.args.at(2))? as usize),
        _ => return Err(Error::Syntax),
    };
    let popped = pop(&mut ctx.keys, ctx.args.at(1), end, count.unwrap_or(1))?.unwrap_or_default();
    match (count, popped.as_slice()) {
        (None, [(member, score)]) => {
            ctx.out.array(2);
            ctx.out.bulk(member);
            reply_score(ctx.out, *score);
        }
        _ => reply_members(ctx.out, members(&popped), true),
    }
    Ok(())
}

/// ZMPOP.
pub static ZMPOP: Command = Command {
    name: "zmpop",
    arity: -4,
    flags: Flags::WRITE,
    acl: Acl::SORTEDSET,
    keys: &[counted_keys(1, RW_ACCESS_DELETE)],
    scope: Scope::Keys,
    group: Group::SortedSet,
    since: "7.0.0",
    summary: "Returns the highest- or lowest-scoring members from one or more sorted sets after removing them. \
        Deletes the sorted set if the last member was popped.",
    complexity: "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of elements in the \
        sorted set, and M being the number of elements popped.",
    args: &[
        ArgSpec::integer("numkeys"),
        KEY.multi(),
        ArgSpec::oneof("where", &[ArgSpec::token("min", "MIN"), ArgSpec::token("max", "MAX")]),
        ArgSpec::integer("count").after("COUNT").opt(),
    ],
    examples: &[
        "ZADD one 1 a 2 b 3 c",
        "ZMPOP 2 missing one MIN",
        "ZMPOP 1 one MAX COUNT 10",
        "ZMPOP 1 one MAX",
        "ZMPOP 0 one MIN",
        "ZMPOP 1 one MIN COUNT 0",
    ],
    handler: Handler::Write(zmpop),
    ..Command::BASE
};

fn zmpop(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let several = Mpop::parse(ctx.args.from(1))?;
    if !several.pop(&mut ctx.keys, ctx.out, ctx.args.from(2))? {
        ctx.out.null_array();
    }
    Ok(())
}

/// What ZMPOP's arguments say, those of BZMPOP after its timeout.
pub(crate) struct Mpop {
    pub(crate) numkeys: usize,
    end: End,
    count: usize,
}

impl Mpop {
    pub(crate) fn parse(args: Args<'_>) -> Result<Mpop, Error> {
        let numkeys = int_or(args.at(0), 1..=i64::MAX, "ERR numkeys should be greater than 0")? as usize;
        let end = numkeys.checked_add(1).and_then(|i| args.get(i)).and_then(End::parse).ok_or(Error::Syntax)?;
        let mut count = None;
        let mut options = args.from(numkeys + 2).iter();
        while let Some(option) = options.next() {
            let value = options.next().filter(|_| is(option, "COUNT") && count.is_none()).ok_or(Error::Syntax)?;
            count = Some(int_or(value, 1..=i64::MAX, "ERR count should be greater than 0")? as usize);
        }
        Ok(Mpop { numkeys, end, count: count.unwrap_or(1) })
    }

    /// Takes members from the first of these keys that has any, and replies; whether there was one.
    pub(crate) fn pop(&self, keys: &mut WriteKeys<'_, '_>, out: &mut Reply, names: Args<'_>) -> Result<bool, Error> {
        for key in names.iter().take(self.numkeys) {
            let Some(popped) = pop(keys, key, self.end, self.count)? else { continue };
            keys.propagate_as(|| {
                let count = popped.len().to_string();
                OwnedArgs::from_slices([self.end.command(), key, count.as_bytes()])
            });
            reply_mpop(out, key, &popped);
            return Ok(true);
        }
        Ok(false)
    }
}

/// Writes the reply of ZMPOP: the key, and pairs in both protocols.
fn reply_mpop(out: &mut Reply, key: &[u8], popped: &[(Vec<u8>, f64)]) {
    out.array(2);
    out.bulk(key);
    out.array(popped.len());
    for (member, score) in popped {
        out.array(2);
        out.bulk(member);
        reply_score(out, *score);
    }
}
