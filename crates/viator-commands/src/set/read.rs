//! Reading sets: SISMEMBER, SMISMEMBER, SCARD, SMEMBERS, SSCAN.

use viator_data::set::Set;
use viator_engine::command::{Acl, ArgKind, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::ctx::ReadCtx;

use crate::collection::{ScanOptions, cursor, reply_entry, reply_scan, reply_scan_nothing};
use crate::declare::{KEY, RO, RO_ACCESS, one_key};

/// SISMEMBER.
pub static SISMEMBER: Command = Command {
    name: "sismember",
    arity: 3,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::SET,
    keys: &[one_key(1, RO)],
    scope: Scope::Keys,
    group: Group::Set,
    since: "1.0.0",
    summary: "Determines whether a member belongs to a set.",
    complexity: "O(1)",
    args: &[KEY, ArgSpec::string("member")],
    examples: &["SADD set a 1", "SISMEMBER set a", "SISMEMBER set 1", "SISMEMBER set b", "SISMEMBER missing a"],
    handler: Handler::Read(sismember),
    ..Command::BASE
};

fn sismember(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let there = ctx.keys.read::<Set>(ctx.args.at(1))?.is_some_and(|s| s.contains(ctx.args.at(2)));
    ctx.out.int(i64::from(there));
    Ok(())
}

/// SMISMEMBER.
pub static SMISMEMBER: Command = Command {
    name: "smismember",
    arity: -3,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::SET,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Set,
    since: "6.2.0",
    summary: "Determines whether multiple members belong to a set.",
    complexity: "O(N) where N is the number of elements being checked for membership",
    args: &[KEY, ArgSpec::string("member").multi()],
    examples: &["SADD set a b", "SMISMEMBER set a x b", "SMISMEMBER missing a b"],
    handler: Handler::Read(smismember),
    ..Command::BASE
};

fn smismember(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let set = ctx.keys.read::<Set>(ctx.args.at(1))?;
    let members = ctx.args.from(2);
    ctx.out.array(members.len());
    for member in members.iter() {
        ctx.out.int(i64::from(set.is_some_and(|s| s.contains(member))));
    }
    Ok(())
}

/// SCARD.
pub static SCARD: Command = Command {
    name: "scard",
    arity: 2,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::SET,
    keys: &[one_key(1, RO)],
    scope: Scope::Keys,
    group: Group::Set,
    since: "1.0.0",
    summary: "Returns the number of members in a set.",
    complexity: "O(1)",
    args: &[KEY],
    examples: &["SADD set a b", "SCARD set", "SCARD missing", "SET string v", "SCARD string"],
    handler: Handler::Read(scard),
    ..Command::BASE
};

fn scard(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let n = ctx.keys.read::<Set>(ctx.args.at(1))?.map_or(0, Set::len);
    ctx.out.int(n as i64);
    Ok(())
}

/// SMEMBERS.
pub static SMEMBERS: Command = Command {
    name: "smembers",
    arity: 2,
    flags: Flags::READONLY,
    acl: Acl::SET,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Set,
    since: "1.0.0",
    summary: "Returns all members of a set.",
    complexity: "O(N) where N is the set cardinality.",
    args: &[KEY],
    tips: &["nondeterministic_output_order"],
    examples: &["SADD set a b", "SMEMBERS set", "SADD numbers 3 2 1", "SMEMBERS numbers", "SMEMBERS missing"],
    handler: Handler::Read(smembers),
    ..Command::BASE
};

fn smembers(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    match ctx.keys.read::<Set>(ctx.args.at(1))? {
        Some(set) => {
            ctx.out.set(set.len());
            set.iter().for_each(|m| reply_entry(ctx.out, m));
        }
        None => ctx.out.set(0),
    }
    Ok(())
}

/// SSCAN.
pub static SSCAN: Command = Command {
    name: "sscan",
    arity: -3,
    flags: Flags::READONLY,
    acl: Acl::SET,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Set,
    since: "2.8.0",
    summary: "Iterates over members of a set.",
    complexity: "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor \
        to return back to 0. N is the number of elements inside the collection.",
    args: &[
        KEY,
        ArgSpec::integer("cursor"),
        ArgSpec::new("pattern", ArgKind::Pattern).after("MATCH").opt(),
        ArgSpec::integer("count").after("COUNT").opt(),
    ],
    tips: &["nondeterministic_output"],
    examples: &[
        "SADD set a b 1",
        "SSCAN set 0",
        "SSCAN set 0 MATCH [ab] COUNT 100",
        "SSCAN missing 0",
        "SSCAN set cursor",
        "SSCAN set 0 COUNT 0",
    ],
    handler: Handler::Read(sscan),
    ..Command::BASE
};

fn sscan(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let cursor = cursor(ctx.args.at(2))?;
    let Some(set) = ctx.keys.read::<Set>(ctx.args.at(1))? else {
        reply_scan_nothing(ctx.out);
        return Ok(());
    };
    let options = ScanOptions::parse(ctx.args.from(3), false)?;
    reply_scan(ctx.out, |out| {
        let mut n = 0;
        let next = set.scan(cursor, options.count, |m| {
            if options.matches(m) {
                reply_entry(out, m);
                n += 1;
            }
        });
        (next, n)
    });
    Ok(())
}
