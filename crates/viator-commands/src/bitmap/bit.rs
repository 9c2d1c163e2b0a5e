//! Single bits and their counts: GETBIT, SETBIT, BITCOUNT, BITPOS.

use viator_data::bits;
use viator_engine::args::{Args, int, is};
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::config::NotifyFlags;
use viator_engine::ctx::{ReadCtx, WriteCtx};
use viator_engine::error::Error;

use super::bit_offset;
use crate::declare::{KEY, RO_ACCESS, RW_ACCESS_UPDATE, one_key};
use crate::string::{bounds, bytes, grow};

/// GETBIT.
pub static GETBIT: Command = Command {
    name: "getbit",
    arity: 3,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::BITMAP,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Bitmap,
    since: "2.2.0",
    summary: "Returns a bit value by offset.",
    complexity: "O(1)",
    args: &[KEY, ArgSpec::integer("offset")],
    examples: &[
        "SETBIT key 7 1",
        "GETBIT key 0",
        "GETBIT key 7",
        "GETBIT key 100",
        "GETBIT missing 3",
        "GETBIT key -1",
    ],
    handler: Handler::Read(getbit),
    ..Command::BASE
};

fn getbit(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let offset = bit_offset(ctx.args.at(2), ctx.keys.cfg())?;
    let bit = match ctx.keys.lookup(ctx.args.at(1)) {
        Some(e) => bits::get_bit(bytes(e.value, &mut itoa::Buffer::new())?, offset),
        None => false,
    };
    ctx.out.int(i64::from(bit));
    Ok(())
}

/// SETBIT.
pub static SETBIT: Command = Command {
    name: "setbit",
    arity: 4,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::BITMAP,
    keys: &[one_key(1, RW_ACCESS_UPDATE)],
    scope: Scope::Keys,
    group: Group::Bitmap,
    since: "2.2.0",
    summary: "Sets or clears the bit at offset of the string value. Creates the key if it doesn't exist.",
    complexity: "O(1)",
    args: &[KEY, ArgSpec::integer("offset"), ArgSpec::integer("value")],
    examples: &[
        "SETBIT key 7 1",
        "SETBIT key 7 0",
        "SETBIT key 4294967296 1",
        "SETBIT key 7 2",
        "SETBIT key 1 1",
        "GET key",
    ],
    handler: Handler::Write(setbit),
    ..Command::BASE
};

fn setbit(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let key = ctx.args.at(1);
    let offset = bit_offset(ctx.args.at(2), ctx.keys.cfg())?;
    let bit = match int(ctx.args.at(3)) {
        Ok(0) => false,
        Ok(1) => true,
        _ => return Err(Error::Static("ERR bit is not an integer or out of range")),
    };
    let spot = ctx.keys.spot(key);
    let (old, grown) = ctx.keys.edit_string(spot, key, |bytes| {
        let before = bytes.len();
        grow(bytes, (offset / 8) as usize + 1);
        Ok((bits::set_bit(bytes, offset, bit).unwrap_or_default(), bytes.len() > before))
    })?;
    if grown || old != bit {
        ctx.keys.touched(key);
        ctx.keys.notify(NotifyFlags::STRING, "setbit", key);
        ctx.keys.dirty(1);
    }
    ctx.out.int(i64::from(old));
    Ok(())
}

/// BITCOUNT.
pub static BITCOUNT: Command = Command {
    name: "bitcount",
    arity: -2,
    flags: Flags::READONLY,
    acl: Acl::BITMAP,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Bitmap,
    since: "2.6.0",
    summary: "Counts the number of set bits (population counting) in a string.",
    complexity: "O(N)",
    history: &[("7.0.0", "Added the `BYTE|BIT` option.")],
    args: &[
        KEY,
        ArgSpec::block(
            "range",
            &[
                ArgSpec::integer("start"),
                ArgSpec::integer("end"),
                ArgSpec::oneof("unit", &[ArgSpec::token("byte", "BYTE"), ArgSpec::token("bit", "BIT")])
                    .since("7.0.0")
                    .opt(),
            ],
        )
        .opt(),
    ],
    examples: &[
        "SET key foobar",
        "BITCOUNT key",
        "BITCOUNT key 0 0",
        "BITCOUNT key 1 1 BYTE",
        "BITCOUNT key 5 30 BIT",
        "BITCOUNT key -2 -1",
        "BITCOUNT missing",
        "BITCOUNT key 0",
    ],
    handler: Handler::Read(bitcount),
    ..Command::BASE
};

fn bitcount(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let range = match ctx.args.len() {
        2 => None,
        4 | 5 => {
            let (start, end) = (int(ctx.args.at(2))?, int(ctx.args.at(3))?);
            Some((start, end, in_bits(ctx.args, 4)?))
        }
        _ => return Err(Error::Syntax),
    };
    let mut digits = itoa::Buffer::new();
    let bytes = match ctx.keys.lookup(ctx.args.at(1)) {
        Some(e) => bytes(e.value, &mut digits)?,
        None => b"",
    };
    let count = match range {
        None => bits::popcount(bytes),
        Some((start, end, _)) if start < 0 && end < 0 && start > end => 0,
        Some((start, end, in_bits)) => bit_bounds(start, end, in_bits, bytes.len())
            .map_or(0, |(first, last)| bits::popcount_range(bytes, first, last)),
    };
    ctx.out.int(count as i64);
    Ok(())
}

/// Whether the unit at argument `i`, BYTE if there is none, is BIT.
fn in_bits(args: Args<'_>, i: usize) -> Result<bool, Error> {
    match args.get(i) {
        Some(unit) if is(unit, "BIT") => Ok(true),
        Some(unit) if !is(unit, "BYTE") => Err(Error::Syntax),
        _ => Ok(false),
    }
}

/// First and last bit of a range of bits or bytes of a string of `len` bytes.
fn bit_bounds(start: i64, end: i64, in_bits: bool, len: usize) -> Option<(u64, u64)> {
    let len = len as u64;
    if in_bits {
        bounds(start, end, len * 8)
    } else {
        bounds(start, end, len).map(|(first, last)| (first * 8, last * 8 + 7))
    }
}

/// BITPOS.
pub static BITPOS: Command = Command {
    name: "bitpos",
    arity: -3,
    flags: Flags::READONLY,
    acl: Acl::BITMAP,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Bitmap,
    since: "2.8.7",
    summary: "Finds the first set (1) or clear (0) bit in a string.",
    complexity: "O(N)",
    history: &[("7.0.0", "Added the `BYTE|BIT` option.")],
    args: &[
        KEY,
        ArgSpec::integer("bit"),
        ArgSpec::block(
            "range",
            &[
                ArgSpec::integer("start"),
                ArgSpec::block(
                    "end-unit-block",
                    &[
                        ArgSpec::integer("end"),
                        ArgSpec::oneof("unit", &[ArgSpec::token("byte", "BYTE"), ArgSpec::token("bit", "BIT")])
                            .since("7.0.0")
                            .opt(),
                    ],
                )
                .opt(),
            ],
        )
        .opt(),
    ],
    examples: &[
        r#"SETRANGE key 0 "\xff\xf0\x00""#,
        "BITPOS key 0",
        "BITPOS key 1 2",
        "BITPOS key 1 0 -1",
        "BITPOS key 1 7 15 BIT",
        r#"SET ones "\xff\xff""#,
        "BITPOS ones 0",
        "BITPOS ones 0 0 -1",
        "BITPOS missing 0",
        "BITPOS missing 1",
        "BITPOS key 2",
    ],
    handler: Handler::Read(bitpos),
    ..Command::BASE
};

fn bitpos(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let bit = match int(ctx.args.at(2))? {
        0 => false,
        1 => true,
        _ => return Err(Error::Static("ERR The bit argument must be 1 or 0.")),
    };
    if ctx.args.len() > 6 {
        return Err(Error::Syntax);
    }
    let start = ctx.args.get(3).map_or(Ok(0), int)?;
    // a wrong unit is told before a wrong end
    let in_bits = in_bits(ctx.args, 5)?;
    let end = ctx.args.get(4).map(int).transpose()?;
    let mut digits = itoa::Buffer::new();
    let found = match ctx.keys.lookup(ctx.args.at(1)) {
        // a key that is not there is endless zeros
        None => (!bit).then_some(0),
        Some(e) => {
            let bytes = bytes(e.value, &mut digits)?;
            let range = bit_bounds(start, end.unwrap_or(-1), in_bits, bytes.len());
            range.and_then(|(first, last)| {
                // without an end, zeros follow the string
                let after = (!bit && end.is_none()).then_some(bytes.len() as u64 * 8);
                bits::bitpos_range(bytes, first, last, bit).or(after)
            })
        }
    };
    ctx.out.int(found.map_or(-1, |at| at as i64));
    Ok(())
}
