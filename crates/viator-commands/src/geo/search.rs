//! Searching positions: GEOSEARCH, GEOSEARCHSTORE, GEORADIUS and its relatives.

use viator_data::geo::{Point, decode, format_distance};
use viator_data::packed::{Entry, IntBuf};
use viator_data::zset::{ScoreRange, ZSet};
use viator_engine::args::{Args, is};
use viator_engine::command::{Acl, ArgKind, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::ctx::{ReadCtx, WriteCtx};
use viator_engine::error::Error;
use viator_engine::keys::ReadKeys;
use viator_engine::typed::zset_limits;
use viator_resp::reply::Reply;

use super::bits;
use super::search_args::{Form, Order, Wanted, parse};
use crate::collection::{reply_entry, reply_score};
use crate::declare::{KEY, OW_UPDATE, RO_ACCESS, keyword_key, one_key};
use crate::zset::store;

/// A member that was found.
struct Hit<'v> {
    member: Entry<'v>,
    score: f64,
    point: Point,
    /// In the unit of the search.
    distance: f64,
}

/// Searches the sorted set of a key as the arguments after it say.
fn find<'v, 'a>(
    keys: &'v mut ReadKeys<'_, '_>,
    key: &[u8],
    args: Args<'a>,
    form: Form,
    name: &[u8],
) -> Result<(Vec<Hit<'v>>, Wanted<'a>), Error> {
    let set = keys.read::<ZSet>(key)?;
    let wanted = parse(args, set, form, name)?;
    let hits = set.map(|set| search(set, &wanted)).unwrap_or_default();
    Ok((hits, wanted))
}

fn search<'v>(set: &'v ZSet, wanted: &Wanted<'_>) -> Vec<Hit<'v>> {
    let mut hits = Vec::new();
    let enough = if wanted.any { wanted.count } else { usize::MAX };
    for scores in wanted.search.ranges() {
        let scores =
            ScoreRange { min: scores.start as f64, min_exclusive: false, max: scores.end as f64, max_exclusive: true };
        for (member, score) in set.range(set.ranks_by_score(&scores), false) {
            if hits.len() >= enough {
                break;
            }
            let point = decode(bits(score));
            if let Some(metres) = wanted.search.distance_within(point) {
                hits.push(Hit { member, score, point, distance: metres });
            }
        }
    }
    // the nearest of a limited number are wanted, unless any will do
    let order = match wanted.order {
        Order::None if wanted.count > 0 && !wanted.any => Order::Asc,
        order => order,
    };
    match order {
        Order::None => {}
        Order::Asc => hits.sort_by(|a, b| a.distance.total_cmp(&b.distance)),
        Order::Desc => hits.sort_by(|a, b| b.distance.total_cmp(&a.distance)),
    }
    if wanted.count > 0 {
        hits.truncate(wanted.count);
    }
    for hit in &mut hits {
        hit.distance /= wanted.search.unit.metres();
    }
    hits
}

fn reply(out: &mut Reply, hits: &[Hit<'_>], wanted: &Wanted<'_>) {
    let more = [wanted.withdist, wanted.withhash, wanted.withcoord].into_iter().filter(|w| *w).count();
    out.array(hits.len());
    for hit in hits {
        if more > 0 {
            out.array(1 + more);
        }
        reply_entry(out, hit.member);
        if wanted.withdist {
            out.bulk(format_distance(hit.distance).as_bytes());
        }
        if wanted.withhash {
            out.int(hit.score as i64);
        }
        if wanted.withcoord {
            out.array(2);
            reply_score(out, hit.point.longitude);
            reply_score(out, hit.point.latitude);
        }
    }
}

fn read(ctx: &mut ReadCtx<'_, '_>, form: Form) -> Outcome {
    let (hits, wanted) = find(&mut ctx.keys, ctx.args.at(1), ctx.args.from(2), form, ctx.args.at(0))?;
    reply(ctx.out, &hits, &wanted);
    Ok(())
}

/// GEORADIUS, which stores only if asked to, and GEOSEARCHSTORE. `source`: the argument that is the source key.
fn write(ctx: &mut WriteCtx<'_, '_>, source: usize, form: Form) -> Outcome {
    let limits = zset_limits(ctx.keys.cfg());
    let (key, args) = (ctx.args.at(source), ctx.args.from(source + 1));
    let (hits, wanted) = find(&mut ctx.keys, key, args, form, ctx.args.at(0))?;
    let (to, event) = match (form, wanted.store) {
        (Form::SearchStore, _) => (ctx.args.at(1), "geosearchstore"),
        (_, Some(to)) => (to, "georadiusstore"),
        (_, None) => {
            reply(ctx.out, &hits, &wanted);
            return Ok(());
        }
    };
    let mut scored: Vec<(f64, Entry<'_>)> =
        hits.iter().map(|h| (if wanted.storedist { h.distance } else { h.score }, h.member)).collect();
    scored.sort_by(|(a, m), (b, n)| {
        a.total_cmp(b).then_with(|| m.bytes(&mut IntBuf::new()).cmp(n.bytes(&mut IntBuf::new())))
    });
    let result = ZSet::from_ordered(scored.iter().map(|(score, member)| (*member, *score)), &limits);
    let n = store(&mut ctx.keys, to, result, event);
    ctx.keys.dirty((n as u64).saturating_sub(1));
    ctx.out.int(n as i64);
    Ok(())
}

/// GEOSEARCH.
pub static GEOSEARCH: Command = Command {
    name: "geosearch",
    arity: -7,
    flags: Flags::READONLY,
    acl: Acl::GEO,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Geo,
    since: "6.2.0",
    summary: "Queries a geospatial index for members inside an area of a box or a circle.",
    complexity: "O(N+log(M)) where N is the number of elements in the grid-aligned bounding box area around the \
        shape provided as the filter and M is the number of items inside the shape",
    history: &[("7.0.0", "Added support for uppercase unit names.")],
    args: &[
        KEY,
        ArgSpec::oneof(
            "from",
            &[
                ArgSpec::string("member").after("FROMMEMBER"),
                ArgSpec::block(
                    "fromlonlat",
                    &[ArgSpec::new("longitude", ArgKind::Double), ArgSpec::new("latitude", ArgKind::Double)],
                )
                .after("FROMLONLAT"),
            ],
        ),
        ArgSpec::oneof(
            "by",
            &[
                ArgSpec::block(
                    "circle",
                    &[
                        ArgSpec::new("radius", ArgKind::Double).after("BYRADIUS"),
                        ArgSpec::oneof(
                            "unit",
                            &[
                                ArgSpec::token("m", "M"),
                                ArgSpec::token("km", "KM"),
                                ArgSpec::token("ft", "FT"),
                                ArgSpec::token("mi", "MI"),
                            ],
                        ),
                    ],
                ),
                ArgSpec::block(
                    "box",
                    &[
                        ArgSpec::new("width", ArgKind::Double).after("BYBOX"),
                        ArgSpec::new("height", ArgKind::Double),
                        ArgSpec::oneof(
                            "unit",
                            &[
                                ArgSpec::token("m", "M"),
                                ArgSpec::token("km", "KM"),
                                ArgSpec::token("ft", "FT"),
                                ArgSpec::token("mi", "MI"),
                            ],
                        ),
                    ],
                ),
            ],
        ),
        ArgSpec::oneof("order", &[ArgSpec::token("asc", "ASC"), ArgSpec::token("desc", "DESC")]).opt(),
        ArgSpec::block("count-block", &[ArgSpec::integer("count").after("COUNT"), ArgSpec::token("any", "ANY").opt()])
            .opt(),
        ArgSpec::token("withcoord", "WITHCOORD").opt(),
        ArgSpec::token("withdist", "WITHDIST").opt(),
        ArgSpec::token("withhash", "WITHHASH").opt(),
    ],
    examples: &[
        "GEOADD Sicily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania",
        "GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 200 km ASC",
        "GEOSEARCH Sicily FROMMEMBER Palermo BYBOX 400 400 km DESC WITHCOORD WITHDIST WITHHASH",
        "GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 200 km COUNT 1 ANY",
        "GEOSEARCH Sicily FROMMEMBER missing BYRADIUS 200 km",
        "GEOSEARCH missing FROMLONLAT 15 37 BYRADIUS 200 km",
    ],
    handler: Handler::Read(geosearch),
    ..Command::BASE
};

fn geosearch(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    read(ctx, Form::Search)
}

/// GEOSEARCHSTORE.
pub static GEOSEARCHSTORE: Command = Command {
    name: "geosearchstore",
    arity: -8,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::GEO,
    keys: &[one_key(1, OW_UPDATE), one_key(2, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Geo,
    since: "6.2.0",
    summary: "Queries a geospatial index for members inside an area of a box or a circle, optionally stores the \
        result.",
    complexity: "O(N+log(M)) where N is the number of elements in the grid-aligned bounding box area around the \
        shape provided as the filter and M is the number of items inside the shape",
    history: &[("7.0.0", "Added support for uppercase unit names.")],
    args: &[
        ArgSpec::key("destination", 0),
        ArgSpec::key("source", 1),
        ArgSpec::oneof(
            "from",
            &[
                ArgSpec::string("member").after("FROMMEMBER"),
                ArgSpec::block(
                    "fromlonlat",
                    &[ArgSpec::new("longitude", ArgKind::Double), ArgSpec::new("latitude", ArgKind::Double)],
                )
                .after("FROMLONLAT"),
            ],
        ),
        ArgSpec::oneof(
            "by",
            &[
                ArgSpec::block(
                    "circle",
                    &[
                        ArgSpec::new("radius", ArgKind::Double).after("BYRADIUS"),
                        ArgSpec::oneof(
                            "unit",
                            &[
                                ArgSpec::token("m", "M"),
                                ArgSpec::token("km", "KM"),
                                ArgSpec::token("ft", "FT"),
                                ArgSpec::token("mi", "MI"),
                            ],
                        ),
                    ],
                ),
                ArgSpec::block(
                    "box",
                    &[
                        ArgSpec::new("width", ArgKind::Double).after("BYBOX"),
                        ArgSpec::new("height", ArgKind::Double),
                        ArgSpec::oneof(
                            "unit",
                            &[
                                ArgSpec::token("m", "M"),
                                ArgSpec::token("km", "KM"),
                                ArgSpec::token("ft", "FT"),
                                ArgSpec::token("mi", "MI"),
                            ],
                        ),
                    ],
                ),
            ],
        ),
        ArgSpec::oneof("order", &[ArgSpec::token("asc", "ASC"), ArgSpec::token("desc", "DESC")]).opt(),
        ArgSpec::block("count-block", &[ArgSpec::integer("count").after("COUNT"), ArgSpec::token("any", "ANY").opt()])
            .opt(),
        ArgSpec::token("storedist", "STOREDIST").opt(),
    ],
    examples: &[
        "GEOADD Sicily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania",
        "GEOSEARCHSTORE near Sicily FROMLONLAT 15 37 BYRADIUS 100 km",
        "GEOSEARCHSTORE far Sicily FROMLONLAT 15 37 BYBOX 400 400 km STOREDIST",
        "ZRANGE far 0 -1 WITHSCORES",
        "GEOSEARCHSTORE far missing FROMLONLAT 15 37 BYRADIUS 100 km",
        "EXISTS far",
    ],
    handler: Handler::Write(geosearchstore),
    ..Command::BASE
};

fn geosearchstore(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    write(ctx, 2, Form::SearchStore)
}

/// Whether an option to store is there twice: the key specs find only the first of each, and the last counts.
fn stores_twice(args: Args<'_>) -> bool {
    ["STORE", "STOREDIST"].iter().any(|option| args.iter().filter(|arg| is(arg, option)).count() > 1)
}

/// GEORADIUS.
pub static GEORADIUS: Command = Command {
    name: "georadius",
    arity: -6,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::GEO,
    keys: &[one_key(1, RO_ACCESS), keyword_key("STORE", 6, OW_UPDATE), keyword_key("STOREDIST", 6, OW_UPDATE)],
    scope: Scope::AllIf(stores_twice),
    group: Group::Geo,
    since: "3.2.0",
    summary: "Queries a geospatial index for members within a distance from a coordinate, optionally stores the \
        result.",
    complexity: "O(N+log(M)) where N is the number of elements inside the bounding box of the circular area \
        delimited by center and radius and M is the number of items inside the index.",
    deprecated: Some(("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument")),
    history: &[("6.2.0", "Added the `ANY` option for `COUNT`."), ("7.0.0", "Added support for uppercase unit names.")],
    args: &[
        KEY,
        ArgSpec::new("longitude", ArgKind::Double),
        ArgSpec::new("latitude", ArgKind::Double),
        ArgSpec::new("radius", ArgKind::Double),
        ArgSpec::oneof(
            "unit",
            &[
                ArgSpec::token("m", "M"),
                ArgSpec::token("km", "KM"),
                ArgSpec::token("ft", "FT"),
                ArgSpec::token("mi", "MI"),
            ],
        ),
        ArgSpec::token("withcoord", "WITHCOORD").opt(),
        ArgSpec::token("withdist", "WITHDIST").opt(),
        ArgSpec::token("withhash", "WITHHASH").opt(),
        ArgSpec::block(
            "count-block",
            &[ArgSpec::integer("count").after("COUNT"), ArgSpec::token("any", "ANY").since("6.2.0").opt()],
        )
        .opt(),
        ArgSpec::oneof("order", &[ArgSpec::token("asc", "ASC"), ArgSpec::token("desc", "DESC")]).opt(),
        ArgSpec::oneof(
            "store",
            &[
                ArgSpec::key("storekey", 1).after("STORE").shown("key"),
                ArgSpec::key("storedistkey", 2).after("STOREDIST").shown("key"),
            ],
        )
        .opt(),
    ],
    examples: &[
        "GEOADD Sicily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania",
        "GEORADIUS Sicily 15 37 200 km WITHDIST WITHCOORD DESC",
        "GEORADIUS Sicily 15 37 200 km STOREDIST to",
        "ZRANGE to 0 -1 WITHSCORES",
    ],
    handler: Handler::Write(georadius),
    ..Command::BASE
};

fn georadius(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    write(ctx, 1, Form::Radius { may_store: true })
}

/// GEORADIUS_RO.
pub static GEORADIUS_RO: Command = Command {
    name: "georadius_ro",
    arity: -6,
    flags: Flags::READONLY,
    acl: Acl::GEO,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Geo,
    since: "3.2.10",
    summary: "Returns members from a geospatial index that are within a distance from a coordinate.",
    complexity: "O(N+log(M)) where N is the number of elements inside the bounding box of the circular area \
        delimited by center and radius and M is the number of items inside the index.",
    deprecated: Some(("6.2.0", "`GEOSEARCH` with the `BYRADIUS` argument")),
    history: &[("6.2.0", "Added the `ANY` option for `COUNT`."), ("7.0.0", "Added support for uppercase unit names.")],
    args: &[
        KEY,
        ArgSpec::new("longitude", ArgKind::Double),
        ArgSpec::new("latitude", ArgKind::Double),
        ArgSpec::new("radius", ArgKind::Double),
        ArgSpec::oneof(
            "unit",
            &[
                ArgSpec::token("m", "M"),
                ArgSpec::token("km", "KM"),
                ArgSpec::token("ft", "FT"),
                ArgSpec::token("mi", "MI"),
            ],
        ),
        ArgSpec::token("withcoord", "WITHCOORD").opt(),
        ArgSpec::token("withdist", "WITHDIST").opt(),
        ArgSpec::token("withhash", "WITHHASH").opt(),
        ArgSpec::block(
            "count-block",
            &[ArgSpec::integer("count").after("COUNT"), ArgSpec::token("any", "ANY").since("6.2.0").opt()],
        )
        .opt(),
        ArgSpec::oneof("order", &[ArgSpec::token("asc", "ASC"), ArgSpec::token("desc", "DESC")]).opt(),
    ],
    examples: &[
        "GEOADD Sicily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania",
        "GEORADIUS_RO Sicily 15 37 200 km WITHHASH ASC",
        "GEORADIUS_RO Sicily 15 37 200 km STORE to",
    ],
    handler: Handler::Read(georadius_ro),
    ..Command::BASE
};

fn georadius_ro(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    read(ctx, Form::Radius { may_store: false })
}

/// GEORADIUSBYMEMBER.
pub static GEORADIUSBYMEMBER: Command = Command {
    name: "georadiusbymember",
    arity: -5,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::GEO,
    keys: &[one_key(1, RO_ACCESS), keyword_key("STORE", 5, OW_UPDATE), keyword_key("STOREDIST", 5, OW_UPDATE)],
    scope: Scope::AllIf(stores_twice),
    group: Group::Geo,
    since: "3.2.0",
    summary: "Queries a geospatial index for members within a distance from a member, optionally stores the result.",
    complexity: "O(N+log(M)) where N is the number of elements inside the bounding box of the circular area \
        delimited by center and radius and M is the number of items inside the index.",
    deprecated: Some(("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments")),
    history: &[("6.2.0", "Added the `ANY` option for `COUNT`."), ("7.0.0", "Added support for uppercase unit names.")],
    args: &[
        KEY,
        ArgSpec::string("member"),
        ArgSpec::new("radius", ArgKind::Double),
        ArgSpec::oneof(
            "unit",
            &[
                ArgSpec::token("m", "M"),
                ArgSpec::token("km", "KM"),
                ArgSpec::token("ft", "FT"),
                ArgSpec::token("mi", "MI"),
            ],
        ),
        ArgSpec::token("withcoord", "WITHCOORD").opt(),
        ArgSpec::token("withdist", "WITHDIST").opt(),
        ArgSpec::token("withhash", "WITHHASH").opt(),
        ArgSpec::block("count-block", &[ArgSpec::integer("count").after("COUNT"), ArgSpec::token("any", "ANY").opt()])
            .opt(),
        ArgSpec::oneof("order", &[ArgSpec::token("asc", "ASC"), ArgSpec::token("desc", "DESC")]).opt(),
        ArgSpec::oneof(
            "store",
            &[
                ArgSpec::key("storekey", 1).after("STORE").shown("key"),
                ArgSpec::key("storedistkey", 2).after("STOREDIST").shown("key"),
            ],
        )
        .opt(),
    ],
    examples: &[
        "GEOADD Sicily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania",
        "GEORADIUSBYMEMBER Sicily Palermo 200 km ASC",
        "GEORADIUSBYMEMBER Sicily Palermo 200 km STORE to",
        "ZRANGE to 0 -1 WITHSCORES",
    ],
    handler: Handler::Write(georadiusbymember),
    ..Command::BASE
};

fn georadiusbymember(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    write(ctx, 1, Form::RadiusByMember { may_store: true })
}

/// GEORADIUSBYMEMBER_RO.
pub static GEORADIUSBYMEMBER_RO: Command = Command {
    name: "georadiusbymember_ro",
    arity: -5,
    flags: Flags::READONLY,
    acl: Acl::GEO,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Geo,
    since: "3.2.10",
    summary: "Returns members from a geospatial index that are within a distance from a member.",
    complexity: "O(N+log(M)) where N is the number of elements inside the bounding box of the circular area \
        delimited by center and radius and M is the number of items inside the index.",
    deprecated: Some(("6.2.0", "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments")),
    history: &[("6.2.0", "Added the `ANY` option for `COUNT`."), ("7.0.0", "Added support for uppercase unit names.")],
    args: &[
        KEY,
        ArgSpec::string("member"),
        ArgSpec::new("radius", ArgKind::Double),
        ArgSpec::oneof(
            "unit",
            &[
                ArgSpec::token("m", "M"),
                ArgSpec::token("km", "KM"),
                ArgSpec::token("ft", "FT"),
                ArgSpec::token("mi", "MI"),
            ],
        ),
        ArgSpec::token("withcoord", "WITHCOORD").opt(),
        ArgSpec::token("withdist", "WITHDIST").opt(),
        ArgSpec::token("withhash", "WITHHASH").opt(),
        ArgSpec::block("count-block", &[ArgSpec::integer("count").after("COUNT"), ArgSpec::token("any", "ANY").opt()])
            .opt(),
        ArgSpec::oneof("order", &[ArgSpec::token("asc", "ASC"), ArgSpec::token("desc", "DESC")]).opt(),
    ],
    examples: &[
        "GEOADD Sicily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania",
        "GEORADIUSBYMEMBER_RO Sicily Palermo 200 km WITHDIST COUNT 1",
        "GEORADIUSBYMEMBER_RO Sicily missing 200 km",
    ],
    handler: Handler::Read(georadiusbymember_ro),
    ..Command::BASE
};

fn georadiusbymember_ro(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    read(ctx, Form::RadiusByMember { may_store: false })
}
