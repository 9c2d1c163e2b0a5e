//! Members by chance: ZRANDMEMBER.

use viator_data::hashing::Chance;
use viator_data::zset::ZSet;
use viator_engine::args::is;
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::ctx::ReadCtx;
use viator_engine::error::Error;

use super::{reply_members, reply_members_until};
use crate::collection::{most_output, random_count, reply_entry};
use crate::declare::{KEY, RO_ACCESS, one_key};

/// ZRANDMEMBER.
pub static ZRANDMEMBER: Command = Command {
    name: "zrandmember",
    arity: -2,
    flags: Flags::READONLY,
    acl: Acl::SORTEDSET,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::SortedSet,
    since: "6.2.0",
    summary: "Returns one or more random members from a sorted set.",
    complexity: "O(N) where N is the number of members returned",
    args: &[
        KEY,
        ArgSpec::block("options", &[ArgSpec::integer("count"), ArgSpec::token("withscores", "WITHSCORES").opt()]).opt(),
    ],
    tips: &["nondeterministic_output"],
    examples: &[
        "ZADD set 1 a",
        "ZRANDMEMBER set",
        "ZRANDMEMBER set 2",
        "ZRANDMEMBER set -2 WITHSCORES",
        "ZRANDMEMBER missing",
        "ZRANDMEMBER missing 2",
    ],
    handler: Handler::Read(zrandmember),
    ..Command::BASE
};

fn zrandmember(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let (key, random) = (ctx.args.at(1), ctx.keys.random());
    if ctx.args.len() == 2 {
        match ctx.keys.read::<ZSet>(key)?.and_then(|s| s.random(random)) {
            Some((member, _)) => reply_entry(ctx.out, member),
            None => ctx.out.null(),
        }
        return Ok(());
    }
    let most = most_output(ctx);
    let (count, repeated) = random_count(ctx.args.at(2), most)?;
    let withscores = match (ctx.args.len(), ctx.args.get(3)) {
        (3, _) => false,
        (4, Some(option)) if is(option, "WITHSCORES") => true,
        _ => return Err(Error::Syntax),
    };
    if withscores && count > i64::MAX as usize / 2 {
        return Err(Error::Static("ERR value is out of range"));
    }
    let mut chance = Chance::new(random);
    let Some(set) = ctx.keys.read::<ZSet>(key)? else {
        ctx.out.array(0);
        return Ok(());
    };
    if repeated {
        let members = (0..count).filter_map(|_| set.random(chance.next()));
        reply_members_until(ctx.out, Known(members, count), withscores, most);
    } else {
        let members = set.sample(count, &mut chance);
        reply_members(ctx.out, members.into_iter(), withscores);
    }
    Ok(())
}

/// An iterator whose length is known.
struct Known<I>(I, usize);

impl<I: Iterator> Iterator for Known<I> {
    type Item = I::Item;
    fn next(&mut self) -> Option<I::Item> {
        let next = self.0.next()?;
        self.1 = self.1.saturating_sub(1);
        Some(next)
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.1, Some(self.1))
    }
}

impl<I: Iterator> ExactSizeIterator for Known<I> {}
