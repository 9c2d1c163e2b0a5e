//! Members by chance: SPOP, SRANDMEMBER.

use viator_data::hashing::Chance;
use viator_data::set::Set;
use viator_engine::args::{OwnedArgs, positive};
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::config::NotifyFlags;
use viator_engine::ctx::{ReadCtx, WriteCtx};
use viator_engine::error::Error;
use viator_engine::typed::set_limits;

use crate::collection::{is_full, most_output, random_count, reply_entry};
use crate::declare::{KEY, RO_ACCESS, RW_ACCESS_DELETE, one_key};

/// Members that one propagated SREM removes at most.
const SREM_AT_ONCE: usize = 1024;

/// SPOP.
pub static SPOP: Command = Command {
    name: "spop",
    arity: -2,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::SET,
    keys: &[one_key(1, RW_ACCESS_DELETE)],
    scope: Scope::Keys,
    group: Group::Set,
    since: "1.0.0",
    summary: "Returns one or more random members from a set after removing them. Deletes the set if the last \
        member was popped.",
    complexity: "Without the count argument O(1), otherwise O(N) where N is the value of the passed count.",
    history: &[("3.2.0", "Added the `count` argument.")],
    args: &[KEY, ArgSpec::integer("count").since("3.2.0").opt()],
    tips: &["nondeterministic_output"],
    examples: &[
        "SADD set a",
        "SPOP set",
        "SPOP set",
        "SADD set a b c",
        "SPOP set 2",
        "SPOP set 2",
        "SPOP set 2",
        "SPOP set -1",
    ],
    handler: Handler::Write(spop),
    ..Command::BASE
};

fn spop(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    match ctx.args.len() {
        2 => pop_one(ctx),
        3 => pop_many(ctx),
        _ => Err(Error::Syntax),
    }
}

fn pop_one(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let key = ctx.args.at(1);
    let random = ctx.keys.random();
    let popped = ctx.keys.write::<Set>(key)?.and_then(|s| Some((s.pop(random)?, s.is_empty())));
    let Some((member, emptied)) = popped else {
        ctx.out.null();
        return Ok(());
    };
    ctx.keys.changed(NotifyFlags::SET, "spop", key, 1);
    ctx.keys.propagate_as(|| OwnedArgs::from_slices([b"SREM", key, &member]));
    if emptied {
        ctx.keys.remove_if_empty(key);
    }
    ctx.out.bulk(&member);
    Ok(())
}

fn pop_many(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let key = ctx.args.at(1);
    let count = positive(ctx.args.at(2))? as usize;
    let limits = set_limits(ctx.keys.cfg());
    let mut chance = Chance::new(ctx.keys.random());
    let Some(set) = ctx.keys.write::<Set>(key)?.filter(|_| count > 0) else {
        ctx.out.set(0);
        return Ok(());
    };
    let len = set.len();
    if count >= len {
        ctx.out.set(len);
        set.iter().for_each(|m| reply_entry(ctx.out, m));
        let lazy = ctx.keys.cfg().lazyfree_lazy_server_del;
        let deletion: &[u8] = if lazy { b"UNLINK" } else { b"DEL" };
        ctx.keys.notify(NotifyFlags::SET, "spop", key);
        ctx.keys.delete(key, lazy);
        ctx.keys.notify(NotifyFlags::GENERIC, "del", key);
        ctx.keys.dirty(len as u64);
        ctx.keys.propagate_as(|| OwnedArgs::from_slices([deletion, key]));
        return Ok(());
    }
    let gone = set.pop_some(count, &mut chance, &limits);
    ctx.keys.changed(NotifyFlags::SET, "spop", key, count as u64);
    for members in gone.chunks(SREM_AT_ONCE) {
        ctx.keys.propagate_as(|| {
            let mut removal = OwnedArgs::from_slices([b"SREM", key]);
            members.iter().for_each(|m| removal.push(m));
            removal
        });
    }
    ctx.out.set(gone.len());
    gone.iter().for_each(|m| ctx.out.bulk(m));
    Ok(())
}

/// SRANDMEMBER.
pub static SRANDMEMBER: Command = Command {
    name: "srandmember",
    arity: -2,
    flags: Flags::READONLY,
    acl: Acl::SET,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Set,
    since: "1.0.0",
    summary: "Get one or multiple random members from a set",
    complexity: "Without the count argument O(1), otherwise O(N) where N is the absolute value of the passed count.",
    history: &[("2.6.0", "Added the optional `count` argument.")],
    args: &[KEY, ArgSpec::integer("count").since("2.6.0").opt()],
    tips: &["nondeterministic_output"],
    examples: &[
        "SADD set a",
        "SRANDMEMBER set",
        "SRANDMEMBER set 2",
        "SRANDMEMBER set -2",
        "SRANDMEMBER missing",
        "SRANDMEMBER missing 2",
        "SRANDMEMBER set many",
    ],
    handler: Handler::Read(srandmember),
    ..Command::BASE
};

fn srandmember(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let (key, random) = (ctx.args.at(1), ctx.keys.random());
    match ctx.args.len() {
        2 => {
            match ctx.keys.read::<Set>(key)?.and_then(|s| s.random(random)) {
                Some(member) => reply_entry(ctx.out, member),
                None => ctx.out.null(),
            }
            return Ok(());
        }
        3 => {}
        _ => return Err(Error::Syntax),
    }
    let most = most_output(ctx);
    let (count, repeated) = random_count(ctx.args.at(2), most)?;
    let mut chance = Chance::new(random);
    let Some(set) = ctx.keys.read::<Set>(key)? else {
        ctx.out.array(0);
        return Ok(());
    };
    if repeated {
        ctx.out.array(count);
        for _ in 0..count {
            if is_full(ctx.out, most) {
                break;
            }
            if let Some(member) = set.random(chance.next()) {
                reply_entry(ctx.out, member);
            }
        }
        return Ok(());
    }
    let n = count.min(set.len());
    ctx.out.array(n);
    set.sample(n, &mut chance, |member| reply_entry(ctx.out, member));
    Ok(())
}
