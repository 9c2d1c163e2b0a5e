//! Positions on the Earth: sorted sets whose scores are geohashes.

mod add;
mod read;
mod search;
mod search_args;

use viator_data::geo::{Point, Unit, encode};
use viator_data::num;
use viator_engine::command::Command;
use viator_engine::error::Error;

/// The family.
pub static COMMANDS: &[&Command] = &[
    &add::GEOADD,
    &read::GEODIST,
    &read::GEOHASH,
    &read::GEOPOS,
    &search::GEORADIUS,
    &search::GEORADIUSBYMEMBER,
    &search::GEORADIUSBYMEMBER_RO,
    &search::GEORADIUS_RO,
    &search::GEOSEARCH,
    &search::GEOSEARCHSTORE,
];

/// A position from its two arguments, and its score.
fn position(longitude: &[u8], latitude: &[u8]) -> Result<(Point, u64), Error> {
    let degrees = |arg| num::parse_f64(arg).ok_or(Error::NotFloat);
    let point = Point { longitude: degrees(longitude)?, latitude: degrees(latitude)? };
    let Some(score) = encode(point) else {
        let Point { longitude, latitude } = point;
        return Err(Error::text(format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}")));
    };
    Ok((point, score))
}

fn unit(arg: &[u8]) -> Result<Unit, Error> {
    Unit::parse(arg).ok_or(Error::Static("ERR unsupported unit provided. please use M, KM, FT, MI"))
}

/// The geohash that a score is. Any score may be in the set; what is out of range wraps as on the usual hardware.
fn bits(score: f64) -> u64 {
    const HALF: f64 = 9_223_372_036_854_775_808.0;
    if score >= 2.0 * HALF {
        0
    } else if score >= HALF {
        score as u64
    } else {
        score as i64 as u64
    }
}
