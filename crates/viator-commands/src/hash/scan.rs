//! HSCAN.

use viator_data::hash::Hash;
use viator_engine::command::{Acl, ArgKind, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::ctx::ReadCtx;

use super::{now, reply_entry};
use crate::declare::{KEY, RO_ACCESS, one_key};
use crate::scan_options::{self, ScanOptions};

/// HSCAN.
pub static HSCAN: Command = Command {
    name: "hscan",
    arity: -3,
    flags: Flags::READONLY,
    acl: Acl::HASH,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Hash,
    since: "2.8.0",
    summary: "Iterates over fields and values of a hash.",
    complexity: "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor \
        to return back to 0. N is the number of elements inside the collection.",
    args: &[
        KEY,
        ArgSpec::integer("cursor"),
        ArgSpec::new("pattern", ArgKind::Pattern).after("MATCH").opt(),
        ArgSpec::integer("count").after("COUNT").opt(),
        ArgSpec::token("novalues", "NOVALUES").opt(),
    ],
    tips: &["nondeterministic_output"],
    examples: &[
        "HSET hash field value",
        "HSCAN hash 0",
        "HSCAN hash 0 MATCH f* COUNT 100",
        "HSCAN hash 0 NOVALUES",
        "HSCAN hash 0 MATCH other",
        "HSCAN missing 0",
        "HSCAN hash x",
        "HSCAN hash 0 COUNT 0",
    ],
    handler: Handler::Read(hscan),
    ..Command::BASE
};

fn hscan(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let cursor = scan_options::cursor(ctx.args.at(2))?;
    let now = now(&ctx.keys);
    let Some(hash) = ctx.keys.read::<Hash>(ctx.args.at(1))? else {
        scan_options::reply_nothing(ctx.out);
        return Ok(());
    };
    let options = ScanOptions::parse(ctx.args.from(3), true)?;
    let mut found = Vec::new();
    let next = hash.scan(cursor, options.count, |f| {
        if f.is_live(now) && options.matches(f.name) {
            found.push(f);
        }
    });
    ctx.out.array(2);
    ctx.out.bulk(next.to_string().as_bytes());
    ctx.out.array(if options.no_values { found.len() } else { found.len() * 2 });
    for f in found {
        reply_entry(ctx.out, f.name);
        if !options.no_values {
            reply_entry(ctx.out, f.value);
        }
    }
    Ok(())
}
