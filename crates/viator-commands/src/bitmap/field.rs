//! BITFIELD: integers of any width inside a string.

use viator_data::bits::{Field, Overflow};
use viator_engine::args::{Args, int, is};
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::config::{Config, NotifyFlags};
use viator_engine::ctx::{ReadCtx, WriteCtx};
use viator_engine::error::Error;
use viator_engine::keys::ReadKeys;
use viator_resp::reply::Reply;

use super::{bit_offset, checked_offset};
use crate::declare::{KEY, RO_ACCESS, RW_ACCESS_UPDATE, RW_ACCESS_UPDATE_VARIABLE_FLAGS, noted, one_key};
use crate::string::{bytes, grow};

/// BITFIELD.
pub static BITFIELD: Command = Command {
    name: "bitfield",
    arity: -2,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::BITMAP,
    keys: &[noted(
        one_key(1, RW_ACCESS_UPDATE_VARIABLE_FLAGS),
        "This command allows both access and modification of the key",
    )],
    key_flags: Some(|args| {
        let writes = args.from(2).iter().any(|a| is(a, "set") || is(a, "incrby"));
        if writes { RW_ACCESS_UPDATE } else { RO_ACCESS }
    }),
    scope: Scope::Keys,
    group: Group::Bitmap,
    since: "3.2.0",
    summary: "Performs arbitrary bitfield integer operations on strings.",
    complexity: "O(1) for each subcommand specified",
    args: &[
        KEY,
        ArgSpec::oneof(
            "operation",
            &[
                ArgSpec::block("get-block", &[ArgSpec::string("encoding"), ArgSpec::integer("offset")]).after("GET"),
                ArgSpec::block(
                    "write",
                    &[
                        ArgSpec::oneof(
                            "overflow-block",
                            &[
                                ArgSpec::token("wrap", "WRAP"),
                                ArgSpec::token("sat", "SAT"),
                                ArgSpec::token("fail", "FAIL"),
                            ],
                        )
                        .after("OVERFLOW")
                        .opt(),
                        ArgSpec::oneof(
                            "write-operation",
                            &[
                                ArgSpec::block(
                                    "set-block",
                                    &[
                                        ArgSpec::string("encoding"),
                                        ArgSpec::integer("offset"),
                                        ArgSpec::integer("value"),
                                    ],
                                )
                                .after("SET"),
                                ArgSpec::block(
                                    "incrby-block",
                                    &[
                                        ArgSpec::string("encoding"),
                                        ArgSpec::integer("offset"),
                                        ArgSpec::integer("increment"),
                                    ],
                                )
                                .after("INCRBY"),
                            ],
                        ),
                    ],
                ),
            ],
        )
        .multi()
        .opt(),
    ],
    examples: &[
        "BITFIELD key INCRBY i5 100 1 GET u4 0",
        "BITFIELD key SET u8 #1 200 GET u8 #1",
        "BITFIELD key INCRBY u2 100 3 OVERFLOW SAT INCRBY u2 102 3",
        "BITFIELD key OVERFLOW FAIL INCRBY u2 100 1",
        "BITFIELD key GET u64 0",
        "BITFIELD key GET i64 0",
        "BITFIELD key",
        "BITFIELD key OVERFLOW NONE GET u8 0",
    ],
    handler: Handler::Write(bitfield),
    ..Command::BASE
};

/// An operation on one field.
struct Step {
    field: Field,
    offset: u64,
    act: Act,
    overflow: Overflow,
}

#[derive(Clone, Copy)]
enum Act {
    Get,
    Set(i64),
    Add(i64),
}

/// Reads the operations.
fn steps(args: Args<'_>, cfg: &Config) -> Result<Vec<Step>, Error> {
    let mut steps = Vec::new();
    let mut overflow = Overflow::Wrap;
    let mut words = args.iter();
    while let Some(word) = words.next() {
        let mut next = || words.next().ok_or(Error::Syntax);
        if is(word, "OVERFLOW") {
            let how = next()?;
            overflow = match () {
                _ if is(how, "WRAP") => Overflow::Wrap,
                _ if is(how, "SAT") => Overflow::Saturate,
                _ if is(how, "FAIL") => Overflow::Fail,
                _ => return Err(Error::Static("ERR Invalid OVERFLOW type specified")),
            };
            continue;
        }
        let act: fn(i64) -> Act = match () {
            _ if is(word, "GET") => |_| Act::Get,
            _ if is(word, "SET") => Act::Set,
            _ if is(word, "INCRBY") => Act::Add,
            _ => return Err(Error::Syntax),
        };
        // all words are there before any is judged
        let (kind, at) = (next()?, next()?);
        let value = if matches!(act(0), Act::Get) { None } else { Some(next()?) };
        let field = Field::parse(kind).ok_or(Error::Static(
            "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
        ))?;
        let offset = match at {
            [b'#', n @ ..] => checked_offset(int(n).ok().and_then(|n| n.checked_mul(i64::from(field.bits()))), cfg)?,
            n => bit_offset(n, cfg)?,
        };
        let act = act(value.map_or(Ok(0), int)?);
        steps.push(Step { field, offset, act, overflow });
    }
    Ok(steps)
}

/// Answers operations that only read.
fn read(keys: &mut ReadKeys<'_, '_>, out: &mut Reply, key: &[u8], steps: &[Step]) -> Outcome {
    let mut digits = itoa::Buffer::new();
    let bytes = match keys.lookup(key) {
        Some(e) => bytes(e.value, &mut digits)?,
        None => b"",
    };
    out.array(steps.len());
    for step in steps {
        out.int(step.field.get(bytes, step.offset));
    }
    Ok(())
}

fn bitfield(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let key = ctx.args.at(1);
    let steps = steps(ctx.args.from(2), ctx.keys.cfg())?;
    let writes = steps.iter().filter(|s| !matches!(s.act, Act::Get));
    let Some(len) = writes.filter_map(|s| s.field.bytes_needed(s.offset)).max() else {
        return read(&mut ctx.keys, ctx.out, key, &steps);
    };
    let spot = ctx.keys.spot(key);
    let out = &mut *ctx.out;
    let (changes, grown) = ctx.keys.edit_string(spot, key, |bytes| {
        let before = bytes.len();
        grow(bytes, len as usize);
        let grown = bytes.len() > before;
        out.array(steps.len());
        let mut changes = 0;
        for Step { field, offset, act, overflow } in &steps {
            let old = field.get(bytes, *offset);
            let (new, answer) = match *act {
                Act::Get => (None, Some(old)),
                Act::Set(value) => {
                    let new = field.fit(value, *overflow);
                    (new, new.map(|_| old))
                }
                Act::Add(by) => {
                    let new = field.add(old, by, *overflow);
                    (new, new)
                }
            };
            if let Some(new) = new {
                field.set(bytes, *offset, new);
                changes += u64::from(grown || new != old);
            }
            match answer {
                Some(n) => out.int(n),
                None => out.null(),
            }
        }
        Ok((changes, grown))
    })?;
    if changes > 0 {
        ctx.keys.touched(key);
        ctx.keys.notify(NotifyFlags::STRING, "setbit", key);
        ctx.keys.dirty(changes);
    } else if grown {
        // OVERFLOW FAIL set nothing, but the string is longer: the log must know, though Redis's does not
        ctx.keys.dirty(1);
    }
    Ok(())
}

/// BITFIELD_RO.
pub static BITFIELD_RO: Command = Command {
    name: "bitfield_ro",
    arity: -2,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::BITMAP,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Bitmap,
    since: "6.0.0",
    summary: "Performs arbitrary read-only bitfield integer operations on strings.",
    complexity: "O(1) for each subcommand specified",
    args: &[
        KEY,
        ArgSpec::block("get-block", &[ArgSpec::string("encoding"), ArgSpec::integer("offset")])
            .after("GET")
            .multi_token()
            .opt(),
    ],
    examples: &[
        "SET key hello",
        "BITFIELD_RO key GET i8 0 GET u4 #1",
        "BITFIELD_RO missing GET u8 0",
        "BITFIELD_RO key SET u8 0 1",
    ],
    handler: Handler::Read(bitfield_ro),
    ..Command::BASE
};

fn bitfield_ro(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let steps = steps(ctx.args.from(2), ctx.keys.cfg())?;
    if steps.iter().any(|s| !matches!(s.act, Act::Get)) {
        return Err(Error::Static("ERR BITFIELD_RO only supports the GET subcommand"));
    }
    read(&mut ctx.keys, ctx.out, ctx.args.at(1), &steps)
}
