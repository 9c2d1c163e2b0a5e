//! BITOP: bitwise operations between strings.

use viator_data::bits::{self, Op};
use viator_engine::args::is;
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::config::NotifyFlags;
use viator_engine::ctx::WriteCtx;
use viator_engine::error::Error;
use viator_keyspace::Expiry;

use crate::declare::{OW_UPDATE, RO_ACCESS, keys, one_key};
use crate::string::{Held, computed, hold};

/// BITOP.
pub static BITOP: Command = Command {
    name: "bitop",
    arity: -4,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::BITMAP,
    keys: &[one_key(2, OW_UPDATE), keys(3, -1, 1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Bitmap,
    since: "2.6.0",
    summary: "Performs bitwise operations on multiple strings, and stores the result.",
    complexity: "O(N)",
    args: &[
        ArgSpec::oneof(
            "operation",
            &[
                ArgSpec::token("and", "AND"),
                ArgSpec::token("or", "OR"),
                ArgSpec::token("xor", "XOR"),
                ArgSpec::token("not", "NOT"),
                ArgSpec::token("diff", "DIFF"),
                ArgSpec::token("diff1", "DIFF1"),
                ArgSpec::token("andor", "ANDOR"),
                ArgSpec::token("one", "ONE"),
            ],
        ),
        ArgSpec::key("destkey", 0),
        ArgSpec::key("key", 1).multi(),
    ],
    examples: &[
        "MSET a foobar b abcdef c x",
        "BITOP AND dest a b",
        "GET dest",
        "BITOP OR dest a b c",
        "GET dest",
        "BITOP XOR dest a b",
        "GET dest",
        "BITOP NOT dest c",
        "GET dest",
        "BITOP DIFF dest a b c",
        "GET dest",
        "BITOP ANDOR dest a b c",
        "GET dest",
        "BITOP ONE dest a b c",
        "GET dest",
        "BITOP NOT dest a b",
        "BITOP AND dest missing",
        "EXISTS dest",
    ],
    handler: Handler::Write(bitop),
    ..Command::BASE
};

const OPS: [(&str, Op); 8] = [
    ("AND", Op::And),
    ("OR", Op::Or),
    ("XOR", Op::Xor),
    ("NOT", Op::Not),
    ("DIFF", Op::Diff),
    ("DIFF1", Op::Diff1),
    ("ANDOR", Op::AndOr),
    ("ONE", Op::One),
];

fn bitop(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let word = ctx.args.at(1);
    let (name, op) = *OPS.iter().find(|(name, _)| is(word, name)).ok_or(Error::Syntax)?;
    let (dest, keys) = (ctx.args.at(2), ctx.args.from(3));
    match op {
        Op::Not if keys.len() != 1 => {
            return Err(Error::Static("ERR BITOP NOT must be called with a single source key."));
        }
        Op::Diff | Op::Diff1 | Op::AndOr if keys.len() < 2 => {
            return Err(Error::text(format!("ERR BITOP {name} must be called with at least two source keys.")));
        }
        _ => {}
    }
    let mut sources = Vec::with_capacity(keys.len());
    for key in keys.iter() {
        sources.push(match ctx.keys.lookup(key) {
            Some(e) => hold(e.value)?,
            None => Held::Own(Vec::new()),
        });
    }
    let slices: Vec<&[u8]> = sources.iter().map(|s| &**s).collect();
    let mut result = bits::bitop(op, &slices);
    drop(sources);
    ctx.out.int(result.len() as i64);
    if !result.is_empty() {
        ctx.keys.set(dest, computed(&mut result, true), Expiry::Clear);
        ctx.keys.notify(NotifyFlags::STRING, "set", dest);
        ctx.keys.dirty(1);
    } else if ctx.keys.delete(dest, ctx.keys.cfg().lazyfree_lazy_server_del) {
        ctx.keys.notify(NotifyFlags::GENERIC, "del", dest);
        ctx.keys.dirty(1);
    }
    Ok(())
}
