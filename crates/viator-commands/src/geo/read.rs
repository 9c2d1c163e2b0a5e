//! Reading positions: GEODIST, GEOHASH, GEOPOS.

use viator_data::geo::{Unit, decode, distance, format_distance, geohash};
use viator_data::zset::ZSet;
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::ctx::ReadCtx;
use viator_engine::error::Error;

use super::{bits, unit};
use crate::collection::reply_score;
use crate::declare::{KEY, RO_ACCESS, one_key};

/// GEODIST.
pub static GEODIST: Command = Command {
    name: "geodist",
    arity: -4,
    flags: Flags::READONLY,
    acl: Acl::GEO,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Geo,
    since: "3.2.0",
    summary: "Returns the distance between two members of a geospatial index.",
    complexity: "O(1)",
    args: &[
        KEY,
        ArgSpec::string("member1"),
        ArgSpec::string("member2"),
        ArgSpec::oneof(
            "unit",
            &[
                ArgSpec::token("m", "M"),
                ArgSpec::token("km", "KM"),
                ArgSpec::token("ft", "FT"),
                ArgSpec::token("mi", "MI"),
            ],
        )
        .opt(),
    ],
    examples: &[
        "GEOADD Sicily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania",
        "GEODIST Sicily Palermo Catania",
        "GEODIST Sicily Palermo Catania km",
        "GEODIST Sicily Palermo missing",
        "GEODIST Sicily Palermo Catania leagues",
    ],
    handler: Handler::Read(geodist),
    ..Command::BASE
};

fn geodist(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let unit = match ctx.args.len() {
        4 => Unit::Metre,
        5 => unit(ctx.args.at(4))?,
        _ => return Err(Error::Syntax),
    };
    let set = ctx.keys.read::<ZSet>(ctx.args.at(1))?;
    let place = |i| set.and_then(|s| s.score(ctx.args.at(i))).map(|score| decode(bits(score)));
    match (place(2), place(3)) {
        (Some(a), Some(b)) => ctx.out.bulk(format_distance(distance(a, b) / unit.metres()).as_bytes()),
        _ => ctx.out.null(),
    }
    Ok(())
}

/// GEOHASH.
pub static GEOHASH: Command = Command {
    name: "geohash",
    arity: -2,
    flags: Flags::READONLY,
    acl: Acl::GEO,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Geo,
    since: "3.2.0",
    summary: "Returns members from a geospatial index as geohash strings.",
    complexity: "O(1) for each member requested.",
    args: &[KEY, ArgSpec::string("member").multi().opt()],
    examples: &["GEOADD Sicily 13.361389 38.115556 Palermo", "GEOHASH Sicily Palermo missing", "GEOHASH missing a"],
    handler: Handler::Read(hashes),
    ..Command::BASE
};

fn hashes(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let set = ctx.keys.read::<ZSet>(ctx.args.at(1))?;
    let members = ctx.args.from(2);
    ctx.out.array(members.len());
    for member in members.iter() {
        match set.and_then(|s| s.score(member)) {
            Some(score) => ctx.out.bulk(&geohash(decode(bits(score)))),
            None => ctx.out.null(),
        }
    }
    Ok(())
}

/// GEOPOS.
pub static GEOPOS: Command = Command {
    name: "geopos",
    arity: -2,
    flags: Flags::READONLY,
    acl: Acl::GEO,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Geo,
    since: "3.2.0",
    summary: "Returns the longitude and latitude of members from a geospatial index.",
    complexity: "O(1) for each member requested.",
    args: &[KEY, ArgSpec::string("member").multi().opt()],
    examples: &["GEOADD Sicily 13.361389 38.115556 Palermo", "GEOPOS Sicily Palermo missing", "GEOPOS missing a"],
    handler: Handler::Read(geopos),
    ..Command::BASE
};

fn geopos(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let set = ctx.keys.read::<ZSet>(ctx.args.at(1))?;
    let members = ctx.args.from(2);
    ctx.out.array(members.len());
    for member in members.iter() {
        match set.and_then(|s| s.score(member)) {
            Some(score) => {
                let point = decode(bits(score));
                ctx.out.array(2);
                reply_score(ctx.out, point.longitude);
                reply_score(ctx.out, point.latitude);
            }
            None => ctx.out.null_array(),
        }
    }
    Ok(())
}
