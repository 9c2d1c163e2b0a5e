//! Sets from sets: SINTER, SUNION, SDIFF and their storing forms, SINTERCARD.

use viator_data::set::{self, Limits, Set};
use viator_engine::args::{Args, int_or, is};
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::config::NotifyFlags;
use viator_engine::ctx::{ReadCtx, WriteCtx};
use viator_engine::error::Error;
use viator_engine::typed::set_limits;

use crate::collection::reply_entry;
use crate::declare::{KEY, OW_UPDATE, RO_ACCESS, counted_keys, keys, one_key};

/// The sets of keys that must all be there: `None` if one is not.
fn all_there(sets: Vec<Option<&Set>>) -> Option<Vec<&Set>> {
    sets.into_iter().collect()
}

/// SINTER.
pub static SINTER: Command = Command {
    name: "sinter",
    arity: -2,
    flags: Flags::READONLY,
    acl: Acl::SET,
    keys: &[keys(1, -1, 1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Set,
    since: "1.0.0",
    summary: "Returns the intersect of multiple sets.",
    complexity: "O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets.",
    args: &[KEY.multi()],
    tips: &["nondeterministic_output_order"],
    examples: &["SADD one a b c", "SADD two b c d", "SINTER one two", "SINTER one", "SINTER one missing"],
    handler: Handler::Read(sinter),
    ..Command::BASE
};

fn sinter(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let Some(sets) = all_there(ctx.keys.read_many(ctx.args.from(1).iter())?) else {
        ctx.out.set(0);
        return Ok(());
    };
    let header = ctx.out.defer();
    let mut n = 0;
    set::intersection(&sets, |m| {
        reply_entry(ctx.out, m);
        n += 1;
        true
    });
    ctx.out.finish(header, |out| out.set(n));
    Ok(())
}

/// SINTERCARD.
pub static SINTERCARD: Command = Command {
    name: "sintercard",
    arity: -3,
    flags: Flags::READONLY,
    acl: Acl::SET,
    keys: &[counted_keys(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Set,
    since: "7.0.0",
    summary: "Returns the number of members of the intersect of multiple sets.",
    complexity: "O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets.",
    args: &[ArgSpec::integer("numkeys"), KEY.multi(), ArgSpec::integer("limit").after("LIMIT").opt()],
    examples: &[
        "SADD one a b c",
        "SADD two b c d",
        "SINTERCARD 2 one two",
        "SINTERCARD 2 one two LIMIT 1",
        "SINTERCARD 2 one missing",
        "SINTERCARD 0 one",
        "SINTERCARD 3 one two",
    ],
    handler: Handler::Read(sintercard),
    ..Command::BASE
};

fn sintercard(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let (keys, limit) = counted(ctx.args)?;
    let mut n = 0;
    if let Some(sets) = all_there(ctx.keys.read_many(keys)?) {
        set::intersection(&sets, |_| {
            n += 1;
            n != limit
        });
    }
    ctx.out.int(n);
    Ok(())
}

/// The keys and the limit (0: none) of SINTERCARD and ZINTERCARD.
pub(crate) fn counted(args: Args<'_>) -> Result<(impl Iterator<Item = &[u8]>, i64), Error> {
    let numkeys = int_or(args.at(1), 1..=i64::MAX, "ERR numkeys should be greater than 0")?;
    if numkeys > args.len() as i64 - 2 {
        return Err(Error::Static("ERR Number of keys can't be greater than number of args"));
    }
    let numkeys = numkeys as usize;
    let mut limit = 0;
    let mut options = args.from(2 + numkeys).iter();
    while let Some(option) = options.next() {
        let value = options.next().filter(|_| is(option, "LIMIT")).ok_or(Error::Syntax)?;
        limit = int_or(value, 0..=i64::MAX, "ERR LIMIT can't be negative")?;
    }
    Ok((args.from(2).iter().take(numkeys), limit))
}

/// SUNION.
pub static SUNION: Command = Command {
    name: "sunion",
    arity: -2,
    flags: Flags::READONLY,
    acl: Acl::SET,
    keys: &[keys(1, -1, 1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Set,
    since: "1.0.0",
    summary: "Returns the union of multiple sets.",
    complexity: "O(N) where N is the total number of elements in all given sets.",
    args: &[KEY.multi()],
    tips: &["nondeterministic_output_order"],
    examples: &["SADD one a b", "SADD two b c", "SUNION one two missing", "SUNION missing"],
    handler: Handler::Read(sunion),
    ..Command::BASE
};

fn sunion(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let sets = ctx.keys.read_many(ctx.args.from(1).iter())?;
    let sets: Vec<&Set> = sets.into_iter().flatten().collect();
    let header = ctx.out.defer();
    let mut n = 0;
    set::union(&sets, |m| {
        reply_entry(ctx.out, m);
        n += 1;
    });
    ctx.out.finish(header, |out| out.set(n));
    Ok(())
}

/// SDIFF.
pub static SDIFF: Command = Command {
    name: "sdiff",
    arity: -2,
    flags: Flags::READONLY,
    acl: Acl::SET,
    keys: &[keys(1, -1, 1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Set,
    since: "1.0.0",
    summary: "Returns the difference of multiple sets.",
    complexity: "O(N) where N is the total number of elements in all given sets.",
    args: &[KEY.multi()],
    tips: &["nondeterministic_output_order"],
    examples: &["SADD one a b c", "SADD two b", "SDIFF one two missing", "SDIFF missing one", "SDIFF one one"],
    handler: Handler::Read(sdiff),
    ..Command::BASE
};

fn sdiff(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let sets = ctx.keys.read_many(ctx.args.from(1).iter())?;
    let header = ctx.out.defer();
    let mut n = 0;
    if let Some((Some(first), others)) = sets.split_first() {
        let others: Vec<&Set> = others.iter().copied().flatten().collect();
        set::difference(first, &others, |m| {
            reply_entry(ctx.out, m);
            n += 1;
        });
    }
    ctx.out.finish(header, |out| out.set(n));
    Ok(())
}

/// Computes a set from those of the keys from argument 2 on, and stores it under the key of argument 1.
fn store(
    ctx: &mut WriteCtx<'_, '_>,
    event: &'static str,
    compute: impl FnOnce(Vec<Option<&Set>>, &Limits) -> Set,
) -> Outcome {
    let (to, limits) = (ctx.args.at(1), set_limits(ctx.keys.cfg()));
    let result = compute(ctx.keys.read_many(ctx.args.from(2).iter())?, &limits);
    let n = result.len();
    if n > 0 {
        ctx.keys.set_content(to, result);
        ctx.keys.notify(NotifyFlags::SET, event, to);
        ctx.keys.dirty(1);
    } else if ctx.keys.delete(to, ctx.keys.cfg().lazyfree_lazy_server_del) {
        ctx.keys.notify(NotifyFlags::GENERIC, "del", to);
        ctx.keys.dirty(1);
    }
    ctx.out.int(n as i64);
    Ok(())
}

/// SINTERSTORE.
pub static SINTERSTORE: Command = Command {
    name: "sinterstore",
    arity: -3,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::SET,
    keys: &[one_key(1, OW_UPDATE), keys(2, -1, 1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Set,
    since: "1.0.0",
    summary: "Stores the intersect of multiple sets in a key.",
    complexity: "O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets.",
    args: &[ArgSpec::key("destination", 0), ArgSpec::key("key", 1).multi()],
    examples: &[
        "SADD one a b 3",
        "SADD two b 3 d",
        "SINTERSTORE to one two",
        "SMEMBERS to",
        "SINTERSTORE to one missing",
        "EXISTS to",
    ],
    handler: Handler::Write(sinterstore),
    ..Command::BASE
};

fn sinterstore(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    store(ctx, "sinterstore", |sets, limits| match all_there(sets) {
        Some(sets) => set::stored_intersection(&sets, limits),
        None => Set::empty(set::Encoding::Intset),
    })
}

/// SUNIONSTORE.
pub static SUNIONSTORE: Command = Command {
    name: "sunionstore",
    arity: -3,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::SET,
    keys: &[one_key(1, OW_UPDATE), keys(2, -1, 1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Set,
    since: "1.0.0",
    summary: "Stores the union of multiple sets in a key.",
    complexity: "O(N) where N is the total number of elements in all given sets.",
    args: &[ArgSpec::key("destination", 0), ArgSpec::key("key", 1).multi()],
    examples: &[
        "SADD one a b",
        "SADD two b c",
        "SUNIONSTORE to one two missing",
        "SMEMBERS to",
        "SUNIONSTORE to missing",
        "EXISTS to",
    ],
    handler: Handler::Write(sunionstore),
    ..Command::BASE
};

fn sunionstore(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    store(ctx, "sunionstore", |sets, limits| {
        let sets: Vec<&Set> = sets.into_iter().flatten().collect();
        set::stored_union(&sets, limits)
    })
}

/// SDIFFSTORE.
pub static SDIFFSTORE: Command = Command {
    name: "sdiffstore",
    arity: -3,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::SET,
    keys: &[one_key(1, OW_UPDATE), keys(2, -1, 1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Set,
    since: "1.0.0",
    summary: "Stores the difference of multiple sets in a key.",
    complexity: "O(N) where N is the total number of elements in all given sets.",
    args: &[ArgSpec::key("destination", 0), ArgSpec::key("key", 1).multi()],
    examples: &[
        "SADD one a b c",
        "SADD two b",
        "SDIFFSTORE to one two missing",
        "SMEMBERS to",
        "SDIFFSTORE to one one",
        "EXISTS to",
    ],
    handler: Handler::Write(sdiffstore),
    ..Command::BASE
};

fn sdiffstore(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    store(ctx, "sdiffstore", |sets, limits| match sets.split_first() {
        Some((Some(first), others)) => {
            let others: Vec<&Set> = others.iter().copied().flatten().collect();
            set::stored_difference(first, &others, limits)
        }
        _ => Set::empty(set::Encoding::Intset),
    })
}
