//! HyperLogLogs: PFADD, PFCOUNT, PFMERGE, PFDEBUG, PFSELFTEST. They are strings, in the very bytes of Redis's.

use viator_data::hll::{self, Encoding, HllError, REGISTERS, Registers};
use viator_engine::args::is;
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope, Traits};
use viator_engine::config::NotifyFlags;
use viator_engine::ctx::{AdminCtx, WriteCtx};
use viator_engine::error::Error;
use viator_engine::keys::{Spot, WriteKeys};

use crate::declare::{KEY, RO_ACCESS, RW_ACCESS, RW_ACCESS_INSERT, RW_INSERT, keys, one_key};
use crate::string::bytes;

/// The family.
pub static COMMANDS: &[&Command] = &[&PFADD, &PFCOUNT, &PFMERGE, &PFDEBUG, &PFSELFTEST];

fn wrong(error: HllError) -> Error {
    Error::Static(match error {
        HllError::NotHll => "WRONGTYPE Key is not a valid HyperLogLog string value.",
        HllError::Corrupt => "INVALIDOBJ Corrupted HLL object detected",
    })
}

fn sparse_max_bytes(keys: &WriteKeys<'_, '_>) -> usize {
    usize::try_from(keys.cfg().hll_sparse_max_bytes).unwrap_or(0)
}

/// Changes the HyperLogLog of a key; one that is not there begins as an empty one.
fn edit<R>(
    keys: &mut WriteKeys<'_, '_>,
    key: &[u8],
    change: impl FnOnce(&mut Vec<u8>) -> Result<R, HllError>,
) -> Result<R, Error> {
    let spot = keys.spot(key);
    edit_at(keys, spot, key, change)
}

/// As [`edit`], at a spot of that key.
fn edit_at<R>(
    keys: &mut WriteKeys<'_, '_>,
    spot: Spot,
    key: &[u8],
    change: impl FnOnce(&mut Vec<u8>) -> Result<R, HllError>,
) -> Result<R, Error> {
    keys.edit_string(spot, key, |hll| {
        if !spot.is_occupied() {
            *hll = hll::empty();
            hll::invalidate_cached(hll);
        }
        change(hll).map_err(wrong)
    })
}

/// PFADD.
pub static PFADD: Command = Command {
    name: "pfadd",
    arity: -2,
    flags: Flags::WRITE.or(Flags::DENYOOM).or(Flags::FAST),
    acl: Acl::HYPERLOGLOG,
    keys: &[one_key(1, RW_INSERT)],
    scope: Scope::Keys,
    group: Group::Hyperloglog,
    since: "2.8.9",
    summary: "Adds elements to a HyperLogLog key. Creates the key if it doesn't exist.",
    complexity: "O(1) to add every element.",
    args: &[KEY, ArgSpec::string("element").multi().opt()],
    examples: &[
        "PFADD hll a b c",
        "PFADD hll a b",
        "PFADD hll",
        "PFADD empty",
        "GET hll",
        "SET string v",
        "PFADD string a",
    ],
    handler: Handler::Write(pfadd),
    ..Command::BASE
};

fn pfadd(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let (key, elements) = (ctx.args.at(1), ctx.args.from(2));
    let max = sparse_max_bytes(&ctx.keys);
    let spot = ctx.keys.spot(key);
    let mut changed = !spot.is_occupied();
    let needless = match ctx.keys.entry_at(spot) {
        Some(e) if elements.len() == 0 => {
            hll::check(bytes(e.value, &mut itoa::Buffer::new())?).map_err(wrong)?;
            true
        }
        // as most elements are once there are many: nothing is to be made ready for a change
        Some(e) => bytes(e.value, &mut itoa::Buffer::new())
            .is_ok_and(|hll| elements.iter().all(|element| hll::dense_has(hll, element))),
        None => false,
    };
    if !needless {
        // what the elements before a spot of corruption changed stays, as in the reference
        let mut failed = None;
        edit_at(&mut ctx.keys, spot, key, |hll| {
            hll::check(hll)?;
            for element in elements.iter() {
                match hll::add(hll, element, max) {
                    Ok(more) => changed |= more,
                    Err(e) => {
                        failed = Some(e);
                        break;
                    }
                }
            }
            Ok(())
        })?;
        if let Some(e) = failed {
            // who reads the log comes to the same
            ctx.keys.touched(key);
            ctx.keys.dirty(1);
            return Err(wrong(e));
        }
    }
    if changed {
        ctx.keys.changed(NotifyFlags::STRING, "pfadd", key, 1);
    }
    ctx.out.int(i64::from(changed));
    Ok(())
}

/// PFCOUNT.
pub static PFCOUNT: Command = Command {
    name: "pfcount",
    arity: -2,
    flags: Flags::READONLY,
    acl: Acl::HYPERLOGLOG,
    keys: &[keys(1, -1, 1, RW_ACCESS)],
    scope: Scope::Keys,
    group: Group::Hyperloglog,
    since: "2.8.9",
    summary: "Returns the approximated cardinality of the set(s) observed by the HyperLogLog key(s).",
    complexity: "O(1) with a very small average constant time when called with a single key. O(N) with N being the \
        number of keys, and much bigger constant times, when called with multiple keys.",
    args: &[ArgSpec::key("key", 0).multi()],
    examples: &[
        "PFADD one a b c",
        "PFADD other c d",
        "PFCOUNT one",
        "GET one",
        "PFCOUNT one other missing",
        "PFCOUNT missing",
        "SET string v",
        "PFCOUNT string",
    ],
    traits: Traits::MAY_REPLICATE,
    handler: Handler::Write(pfcount),
    ..Command::BASE
};

/// A reader that keeps what it has found in the value's header: dispatch treats it as one that may replicate.
fn pfcount(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let key = ctx.args.at(1);
    if ctx.args.len() > 2 {
        let keys = ctx.args.from(1);
        let (union, _) = union(&mut ctx.keys, keys.iter())?;
        ctx.out.int(reply(hll::count_registers(&union)));
        return Ok(());
    }
    let Some(entry) = ctx.keys.lookup(key) else {
        ctx.out.int(0);
        return Ok(());
    };
    let mut digits = itoa::Buffer::new();
    let string = bytes(entry.value, &mut digits)?;
    hll::check(string).map_err(wrong)?;
    if let Some(count) = hll::cached(string) {
        ctx.out.int(reply(count));
        return Ok(());
    }
    let count = hll::count(string).map_err(wrong)?;
    edit(&mut ctx.keys, key, |hll| {
        hll::set_cached(hll, count);
        Ok(())
    })?;
    ctx.keys.touched(key);
    ctx.keys.dirty(1);
    ctx.out.int(reply(count));
    Ok(())
}

fn reply(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The union of the keys' registers, and whether one of them is dense.
fn union<'k>(
    keys: &mut WriteKeys<'_, '_>,
    names: impl Iterator<Item = &'k [u8]>,
) -> Result<(Box<Registers>, bool), Error> {
    let mut union: Box<Registers> = Box::new([0; REGISTERS]);
    let mut dense = false;
    for name in names {
        let Some(entry) = keys.lookup(name) else { continue };
        let mut digits = itoa::Buffer::new();
        let string = bytes(entry.value, &mut digits)?;
        dense |= hll::check(string).map_err(wrong)? == Encoding::Dense;
        hll::merge_into(&mut union, string).map_err(wrong)?;
    }
    Ok((union, dense))
}

/// PFMERGE.
pub static PFMERGE: Command = Command {
    name: "pfmerge",
    arity: -2,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::HYPERLOGLOG,
    keys: &[one_key(1, RW_ACCESS_INSERT), keys(2, -1, 1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Hyperloglog,
    since: "2.8.9",
    summary: "Merges one or more HyperLogLog values into a single key.",
    complexity: "O(N) to merge N HyperLogLogs, but with high constant times.",
    args: &[ArgSpec::key("destkey", 0), ArgSpec::key("sourcekey", 1).multi().opt()],
    examples: &[
        "PFADD one a b c",
        "PFADD other c d",
        "PFMERGE to one other missing",
        "PFCOUNT to",
        "PFMERGE new",
        "SET string v",
        "PFMERGE to string",
    ],
    handler: Handler::Write(pfmerge),
    ..Command::BASE
};

fn pfmerge(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let (key, all) = (ctx.args.at(1), ctx.args.from(1));
    let max = sparse_max_bytes(&ctx.keys);
    let (union, dense) = union(&mut ctx.keys, all.iter())?;
    edit(&mut ctx.keys, key, |hll| hll::store(hll, &union, dense, max))?;
    ctx.keys.changed(NotifyFlags::STRING, "pfadd", key, 1);
    ctx.out.ok();
    Ok(())
}

/// PFDEBUG.
pub static PFDEBUG: Command = Command {
    name: "pfdebug",
    arity: 3,
    flags: Flags::WRITE.or(Flags::DENYOOM).or(Flags::ADMIN),
    acl: Acl::HYPERLOGLOG,
    keys: &[one_key(2, RW_ACCESS)],
    scope: Scope::Keys,
    group: Group::Hyperloglog,
    since: "2.8.9",
    summary: "Internal commands for debugging HyperLogLog values.",
    complexity: "N/A",
    syscmd: true,
    args: &[ArgSpec::string("subcommand"), KEY],
    examples: &[
        "PFADD hll a b c",
        "PFDEBUG ENCODING hll",
        "PFDEBUG DECODE hll",
        "PFDEBUG TODENSE hll",
        "PFDEBUG ENCODING hll",
        "PFDEBUG DECODE hll",
        "PFDEBUG GETREG hll",
        "PFDEBUG ENCODING missing",
        "PFDEBUG NONSENSE hll",
    ],
    handler: Handler::Write(pfdebug),
    ..Command::BASE
};

fn pfdebug(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let (what, key) = (ctx.args.at(1), ctx.args.at(2));
    // the compiler has chosen the instructions: there is nothing to switch
    if is(what, "SIMD") {
        let answer = if is(key, "ON") { "enabled" } else { "disabled" };
        if answer == "disabled" && !is(key, "OFF") {
            return Err(Error::Static("ERR Argument must be ON or OFF"));
        }
        ctx.out.simple(answer);
        return Ok(());
    }
    let entry = ctx.keys.lookup_write(key).ok_or(Error::Static("ERR The specified key does not exist"))?;
    let mut digits = itoa::Buffer::new();
    let string = bytes(entry.value, &mut digits)?;
    let encoding = hll::check(string).map_err(wrong)?;
    if is(what, "GETREG") {
        let registers = hll::registers(string).map_err(wrong)?;
        make_dense(ctx, encoding)?;
        ctx.out.array(registers.len());
        registers.iter().for_each(|r| ctx.out.int(i64::from(*r)));
    } else if is(what, "DECODE") {
        if encoding != Encoding::Sparse {
            return Err(Error::Static("ERR HLL encoding is not sparse"));
        }
        let text = hll::decode_sparse(string).map_err(wrong)?;
        ctx.out.bulk(text.as_bytes());
    } else if is(what, "ENCODING") {
        ctx.out.simple(match encoding {
            Encoding::Dense => "dense",
            Encoding::Sparse => "sparse",
        });
    } else if is(what, "TODENSE") {
        make_dense(ctx, encoding)?;
        ctx.out.int(i64::from(encoding == Encoding::Sparse));
    } else {
        return Err(Error::text(format!("ERR Unknown PFDEBUG subcommand '{}'", String::from_utf8_lossy(what))));
    }
    Ok(())
}

fn make_dense(ctx: &mut WriteCtx<'_, '_>, now: Encoding) -> Outcome {
    if now == Encoding::Sparse {
        let key = ctx.args.at(2);
        edit(&mut ctx.keys, key, hll::to_dense)?;
        ctx.keys.touched(key);
        ctx.keys.dirty(1);
    }
    Ok(())
}

/// PFSELFTEST.
pub static PFSELFTEST: Command = Command {
    name: "pfselftest",
    arity: 1,
    flags: Flags::ADMIN,
    acl: Acl::HYPERLOGLOG,
    group: Group::Hyperloglog,
    since: "2.8.9",
    summary: "An internal command for testing HyperLogLog values.",
    complexity: "N/A",
    syscmd: true,
    examples: &["PFSELFTEST"],
    handler: Handler::Admin(pfselftest),
    ..Command::BASE
};

fn pfselftest(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let seed = ctx.local.random();
    hll::self_test(seed).map_err(|e| Error::text(format!("TESTFAILED {e}")))?;
    ctx.out.ok();
    Ok(())
}
