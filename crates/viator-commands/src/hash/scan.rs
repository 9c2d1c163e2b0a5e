//! HSCAN.

use viator_data::hash::Hash;
use viator_engine::command::{Acl, ArgKind, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::ctx::ReadCtx;

use super::now;
use crate::collection::{self, ScanOptions, reply_entry};
use crate::declare::{KEY, RO_ACCESS, one_key};

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
    let cursor = collection::cursor(ctx.args.at(2))?;
    let now = now(&ctx.keys);
    let Some(hash) = ctx.keys.read::<Hash>(ctx.args.at(1))? else {
        collection::reply_scan_nothing(ctx.out);
        return Ok(());
    };
    let options = ScanOptions::parse(ctx.args.from(3), true)?;
    collection::reply_scan(ctx.out, |out| {
        let mut n = 0;
        let next = hash.scan(cursor, options.count, |f| {
            if !f.is_live(now) || !options.matches(f.name) {
                return;
            }
            reply_entry(out, f.name);
            n += 1;
            if !options.novalues {
                reply_entry(out, f.value);
                n += 1;
            }
        });
        (next, n)
    });
    Ok(())
}
