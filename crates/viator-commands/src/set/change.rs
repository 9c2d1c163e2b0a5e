//! Changing sets: SADD, SREM, SMOVE.

use viator_data::set::Set;
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::config::NotifyFlags;
use viator_engine::ctx::WriteCtx;
use viator_engine::typed::set_limits;

use crate::declare::{KEY, RW_ACCESS_DELETE, RW_DELETE, RW_INSERT, one_key};

/// SADD.
pub static SADD: Command = Command {
    name: "sadd",
    arity: -3,
    flags: Flags::WRITE.or(Flags::DENYOOM).or(Flags::FAST),
    acl: Acl::SET,
    keys: &[one_key(1, RW_INSERT)],
    scope: Scope::Keys,
    group: Group::Set,
    since: "1.0.0",
    summary: "Adds one or more members to a set. Creates the key if it doesn't exist.",
    complexity: "O(1) for each element added, so O(N) to add N elements when the command is called with multiple \
        arguments.",
    history: &[("2.4.0", "Accepts multiple `member` arguments.")],
    args: &[KEY, ArgSpec::string("member").multi()],
    examples: &[
        "SADD set a b a",
        "SADD set b c",
        "SADD numbers 3 1 2",
        "OBJECT ENCODING numbers",
        "SET string v",
        "SADD string a",
    ],
    handler: Handler::Write(sadd),
    ..Command::BASE
};

fn sadd(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let (key, members) = (ctx.args.at(1), ctx.args.from(2));
    let limits = set_limits(ctx.keys.cfg());
    let set = ctx.keys.write_or_new(key, |_| Set::for_first(members.at(0), members.len(), &limits))?;
    set.expect_members(members.len(), &limits);
    let added = members.iter().filter(|m| set.add(m, &limits)).count();
    if added > 0 {
        ctx.keys.changed(NotifyFlags::SET, "sadd", key, added as u64);
    }
    ctx.out.int(added as i64);
    Ok(())
}

/// SREM.
pub static SREM: Command = Command {
    name: "srem",
    arity: -3,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::SET,
    keys: &[one_key(1, RW_DELETE)],
    scope: Scope::Keys,
    group: Group::Set,
    since: "1.0.0",
    summary: "Removes one or more members from a set. Deletes the set if the last member was removed.",
    complexity: "O(N) where N is the number of members to be removed.",
    history: &[("2.4.0", "Accepts multiple `member` arguments.")],
    args: &[KEY, ArgSpec::string("member").multi()],
    examples: &["SADD set a b c", "SREM set a missing", "SREM set b c", "EXISTS set", "SREM set a"],
    handler: Handler::Write(srem),
    ..Command::BASE
};

fn srem(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let (key, members) = (ctx.args.at(1), ctx.args.from(2));
    let (removed, emptied) = match ctx.keys.write::<Set>(key)? {
        Some(set) => (members.iter().filter(|m| set.remove(m)).count(), set.is_empty()),
        None => (0, false),
    };
    if removed > 0 {
        ctx.keys.changed(NotifyFlags::SET, "srem", key, removed as u64);
        if emptied {
            ctx.keys.remove_if_empty(key);
        }
    }
    ctx.out.int(removed as i64);
    Ok(())
}

/// SMOVE.
pub static SMOVE: Command = Command {
    name: "smove",
    arity: 4,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::SET,
    keys: &[one_key(1, RW_ACCESS_DELETE), one_key(2, RW_INSERT)],
    scope: Scope::Keys,
    group: Group::Set,
    since: "1.0.0",
    summary: "Moves a member from one set to another.",
    complexity: "O(1)",
    args: &[ArgSpec::key("source", 0), ArgSpec::key("destination", 1), ArgSpec::string("member")],
    examples: &[
        "SADD from a b",
        "SADD to c",
        "SMOVE from to a",
        "SMOVE from to missing",
        "SMOVE from to b",
        "EXISTS from",
        "SMEMBERS to",
    ],
    handler: Handler::Write(smove),
    ..Command::BASE
};

fn smove(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let (from, to, member) = (ctx.args.at(1), ctx.args.at(2), ctx.args.at(3));
    let limits = set_limits(ctx.keys.cfg());
    if ctx.keys.write::<Set>(from)?.is_none() {
        ctx.out.int(0);
        return Ok(());
    }
    ctx.keys.write::<Set>(to)?;
    if from == to {
        let there = ctx.keys.write::<Set>(from)?.is_some_and(|s| s.contains(member));
        ctx.out.int(i64::from(there));
        return Ok(());
    }
    if !ctx.keys.write::<Set>(from)?.is_some_and(|s| s.remove(member)) {
        ctx.out.int(0);
        return Ok(());
    }
    ctx.keys.changed(NotifyFlags::SET, "srem", from, 1);
    ctx.keys.remove_if_empty(from);
    if ctx.keys.write_or_new(to, |_| Set::for_first(member, 1, &limits))?.add(member, &limits) {
        ctx.keys.changed(NotifyFlags::SET, "sadd", to, 1);
    }
    ctx.out.int(1);
    Ok(())
}
