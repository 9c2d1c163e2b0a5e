//! Adding positions: GEOADD.

use viator_engine::args::{OwnedArgs, is};
use viator_engine::command::{Acl, ArgKind, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::ctx::WriteCtx;
use viator_engine::error::Error;

use super::position;
use crate::declare::{KEY, RW_UPDATE, one_key};
use crate::zset::add::{Rules, add};

/// GEOADD.
pub static GEOADD: Command = Command {
    name: "geoadd",
    arity: -5,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::GEO,
    keys: &[one_key(1, RW_UPDATE)],
    scope: Scope::Keys,
    group: Group::Geo,
    since: "3.2.0",
    summary: "Adds one or more members to a geospatial index. The key is created if it doesn't exist.",
    complexity: "O(log(N)) for each item added, where N is the number of elements in the sorted set.",
    history: &[("6.2.0", "Added the `CH`, `NX` and `XX` options.")],
    args: &[
        KEY,
        ArgSpec::oneof("condition", &[ArgSpec::token("nx", "NX"), ArgSpec::token("xx", "XX")]).since("6.2.0").opt(),
        ArgSpec::token("change", "CH").since("6.2.0").opt(),
        ArgSpec::block(
            "data",
            &[
                ArgSpec::new("longitude", ArgKind::Double),
                ArgSpec::new("latitude", ArgKind::Double),
                ArgSpec::string("member"),
            ],
        )
        .multi(),
    ],
    examples: &[
        "GEOADD Sicily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania",
        "GEOADD Sicily XX CH 13.361389 38.2 Palermo",
        "GEOADD Sicily NX 13.361389 38.2 Palermo",
        "ZRANGE Sicily 0 -1 WITHSCORES",
        "GEOADD Sicily 200 0 nowhere",
    ],
    handler: Handler::Write(geoadd),
    ..Command::BASE
};

fn geoadd(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let mut rules = Rules::default();
    let mut options = 0;
    for arg in ctx.args.from(2).iter() {
        if is(arg, "NX") {
            rules.nx = true;
        } else if is(arg, "XX") {
            rules.xx = true;
        } else if is(arg, "CH") {
            rules.ch = true;
        } else {
            break;
        }
        options += 1;
    }
    let triples = ctx.args.from(2 + options);
    if !triples.len().is_multiple_of(3) || (rules.nx && rules.xx) {
        return Err(Error::Syntax);
    }
    let scored: Result<Vec<(f64, &[u8])>, Error> = (0..triples.len() / 3)
        .map(|i| {
            let (_, score) = position(triples.at(3 * i), triples.at(3 * i + 1))?;
            Ok((score as f64, triples.at(3 * i + 2)))
        })
        .collect();
    let scored = scored?;
    if scored.is_empty() {
        return Err(Error::Syntax);
    }
    if !add(ctx, rules, &scored)? {
        return Ok(());
    }
    let args = ctx.args;
    ctx.keys.propagate_as(|| {
        let mut zadd = OwnedArgs::from_slices([b"ZADD", args.at(1)]);
        args.from(2).iter().take(options).for_each(|o| zadd.push(o));
        for (score, member) in &scored {
            zadd.push((*score as u64).to_string().as_bytes());
            zadd.push(member);
        }
        zadd
    });
    Ok(())
}
