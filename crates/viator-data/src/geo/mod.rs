//! Positions on the Earth as scores of sorted sets: the geohashes of GEOADD, distances, and what GEOSEARCH looks at.
//!
//! A score has 52 bits, 26 of longitude and 26 of latitude in turns, so that what is near on Earth is often near among
//! the scores.

mod search;

pub use search::{Search, Shape};

/// Degrees east of Greenwich, and north of the equator.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Point {
    /// -180 to 180.
    pub longitude: f64,
    /// -85.05112878 to 85.05112878 (a square map ends there).
    pub latitude: f64,
}

const MAX_LONGITUDE: f64 = 180.0;
const MAX_LATITUDE: f64 = 85.05112878;
/// Mean radius of the Earth in metres.
const EARTH_RADIUS: f64 = 6372797.560856;
/// Bits of each coordinate in a score.
const STEPS: u32 = 26;

/// A unit of length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// `m`
    Metre,
    /// `km`
    Kilometre,
    /// `ft`
    Foot,
    /// `mi`
    Mile,
}

impl Unit {
    /// Reads `m`, `km`, `ft` or `mi`, in any case.
    pub fn parse(text: &[u8]) -> Option<Unit> {
        Some(match text.to_ascii_lowercase().as_slice() {
            b"m" => Unit::Metre,
            b"km" => Unit::Kilometre,
            b"ft" => Unit::Foot,
            b"mi" => Unit::Mile,
            _ => return None,
        })
    }

    /// Its length in metres.
    pub fn metres(self) -> f64 {
        match self {
            Unit::Metre => 1.0,
            Unit::Kilometre => 1000.0,
            Unit::Foot => 0.3048,
            Unit::Mile => 1609.34,
        }
    }
}

/// A rectangle of degrees on a grid of 2^`steps` by 2^`steps`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Cell {
    /// Number from the west. At the eastern end itself one more than the grid has; likewise `y`.
    x: u32,
    /// Number from the south.
    y: u32,
    steps: u32,
}

/// Bounds of a rectangle in degrees.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Bounds {
    west: f64,
    south: f64,
    east: f64,
    north: f64,
}

const WORLD: Bounds = Bounds { west: -MAX_LONGITUDE, south: -MAX_LATITUDE, east: MAX_LONGITUDE, north: MAX_LATITUDE };

impl Cell {
    fn of(point: Point, steps: u32, world: Bounds) -> Cell {
        let grid = (1u64 << steps) as f64;
        let place = |v: f64, low: f64, high: f64| ((v - low) / (high - low) * grid) as u32;
        Cell {
            x: place(point.longitude, world.west, world.east),
            y: place(point.latitude, world.south, world.north),
            steps,
        }
    }

    /// Both numbers' bits in turns, that of `x` above that of `y`.
    fn interleaved(self) -> u64 {
        spread(self.y) | spread(self.x) << 1
    }

    fn bounds(self) -> Bounds {
        let grid = (1u64 << self.steps) as f64;
        let edge = |n: u64, low: f64, high: f64| low + (n as f64 / grid) * (high - low);
        let (x, y) = (u64::from(self.x), u64::from(self.y));
        Bounds {
            west: edge(x, WORLD.west, WORLD.east),
            east: edge(x + 1, WORLD.west, WORLD.east),
            south: edge(y, WORLD.south, WORLD.north),
            north: edge(y + 1, WORLD.south, WORLD.north),
        }
    }
}

/// Moves bit n to bit 2n.
fn spread(v: u32) -> u64 {
    [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555),
    ]
    .iter()
    .fold(u64::from(v), |v, (shift, mask)| (v | v << shift) & mask)
}

/// Moves bit 2n to bit n; odd bits are dropped.
fn gather(v: u64) -> u32 {
    [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0f0f_0f0f_0f0f_0f0f),
        (4, 0x00ff_00ff_00ff_00ff),
        (8, 0x0000_ffff_0000_ffff),
        (16, 0x0000_0000_ffff_ffff),
    ]
    .iter()
    .fold(v & 0x5555_5555_5555_5555, |v, (shift, mask): &(u32, u64)| (v | v >> shift) & mask) as u32
}

/// The score of a position; `None` when it is out of range (or NaN).
///
/// At the eastern and northern ends themselves scores take a bit more than 52, as in Redis.
pub fn encode(point: Point) -> Option<u64> {
    let inside =
        (WORLD.west..=WORLD.east).contains(&point.longitude) && (WORLD.south..=WORLD.north).contains(&point.latitude);
    inside.then(|| Cell::of(point, STEPS, WORLD).interleaved())
}

/// The middle of the rectangle of a score.
pub fn decode(score: u64) -> Point {
    let bounds = Cell { x: gather(score >> 1), y: gather(score), steps: STEPS }.bounds();
    Point {
        longitude: ((bounds.west + bounds.east) / 2.0).clamp(WORLD.west, WORLD.east),
        latitude: ((bounds.south + bounds.north) / 2.0).clamp(WORLD.south, WORLD.north),
    }
}

/// The geohash of a position in the usual 11 characters, whose latitudes reach from pole to pole. The last is always
/// `0`, as scores have not that many bits.
pub fn geohash(point: Point) -> [u8; 11] {
    const ALPHABET: [u8; 32] = *b"0123456789bcdefghjkmnpqrstuvwxyz";
    let bits = Cell::of(point, STEPS, Bounds { south: -90.0, north: 90.0, ..WORLD }).interleaved();
    let mut text = [b'0'; 11];
    for (i, c) in text.iter_mut().take(10).enumerate() {
        let digit = bits >> (52 - (i + 1) * 5) & 0x1f;
        *c = ALPHABET.get(digit as usize).copied().unwrap_or(b'0');
    }
    text
}

fn radians(degrees: f64) -> f64 {
    degrees * (std::f64::consts::PI / 180.0)
}

fn degrees(radians: f64) -> f64 {
    radians / (std::f64::consts::PI / 180.0)
}

/// Metres between two latitudes.
fn latitude_distance(a: f64, b: f64) -> f64 {
    EARTH_RADIUS * (radians(b) - radians(a)).abs()
}

/// Metres between two positions, on a sphere (haversine).
pub fn distance(a: Point, b: Point) -> f64 {
    let v = ((radians(b.longitude) - radians(a.longitude)) / 2.0).sin();
    if v == 0.0 {
        return latitude_distance(a.latitude, b.latitude);
    }
    let (a, b) = (radians(a.latitude), radians(b.latitude));
    let u = ((b - a) / 2.0).sin();
    2.0 * EARTH_RADIUS * (u * u + a.cos() * b.cos() * v * v).sqrt().asin()
}

/// A distance as replies have it: four digits after the point.
pub fn format_distance(distance: f64) -> String {
    // Rounded in units of 10^-4, which is not always what rounding the decimal digits gives; no distance on Earth
    // comes near the end of the integers.
    let units = (distance * 10_000.0).round_ties_even() as i64;
    let sign = if units < 0 { "-" } else { "" };
    let units = units.unsigned_abs();
    format!("{sign}{}.{:04}", units / 10_000, units % 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PALERMO: Point = Point { longitude: 13.361389, latitude: 38.115556 };
    const CATANIA: Point = Point { longitude: 15.087269, latitude: 37.502669 };

    #[test]
    fn known_answers() {
        assert_eq!(encode(PALERMO), Some(3479099956230698));
        assert_eq!(encode(CATANIA), Some(3479447370796909));
        assert_eq!(decode(3479099956230698), Point { longitude: 13.361389338970184, latitude: 38.1155563954963 });
        assert_eq!(&geohash(decode(3479099956230698)), b"sqc8b49rny0");
        assert_eq!(&geohash(decode(3479447370796909)), b"sqdtr74hyu0");
        let metres = distance(decode(3479099956230698), decode(3479447370796909));
        assert_eq!(format_distance(metres), "166274.1516");
        assert_eq!(format_distance(metres / Unit::Mile.metres()), "103.3182");
        assert_eq!(format_distance(0.0), "0.0000");
        assert_eq!(format_distance(0.00005), "0.0000");
    }

    #[test]
    fn ends_of_the_world() {
        for (longitude, latitude, inside) in [
            (180.0, 85.05112878, true),
            (-180.0, -85.05112878, true),
            (180.1, 0.0, false),
            (0.0, 85.06, false),
            (f64::NAN, 0.0, false),
            (0.0, f64::INFINITY, false),
        ] {
            assert_eq!(encode(Point { longitude, latitude }).is_some(), inside, "{longitude} {latitude}");
        }
        let corner = encode(Point { longitude: 180.0, latitude: MAX_LATITUDE }).unwrap();
        assert_eq!(corner, 0b11 << 52);
        assert_eq!(decode(corner), Point { longitude: 180.0, latitude: MAX_LATITUDE });
        assert_eq!(decode(u64::MAX), Point { longitude: 180.0, latitude: MAX_LATITUDE });
    }

    #[test]
    fn units() {
        assert_eq!(Unit::parse(b"KM"), Some(Unit::Kilometre));
        assert_eq!(Unit::parse(b"ft").map(Unit::metres), Some(0.3048));
        assert_eq!(Unit::parse(b"yd"), None);
    }

    fn point() -> impl Strategy<Value = Point> {
        (-180.0..180.0, -85.05112878..85.05112878).prop_map(|(longitude, latitude)| Point { longitude, latitude })
    }

    proptest! {
        #[test]
        fn bits_in_turns(v: u32, bits: u64) {
            prop_assert_eq!(gather(spread(v)), v);
            prop_assert_eq!(spread(gather(bits)) | spread(gather(bits >> 1)) << 1, bits);
        }

        #[test]
        fn positions_survive(p in point()) {
            let score = encode(p).unwrap();
            prop_assert!(score < 1 << 52);
            let back = decode(score);
            prop_assert_eq!(encode(back), Some(score));
            prop_assert!((back.longitude - p.longitude).abs() <= 360.0 / 67108864.0);
            prop_assert!((back.latitude - p.latitude).abs() <= 171.0 / 67108864.0);
        }

        #[test]
        fn distances(a in point(), b in point()) {
            let d = distance(a, b);
            prop_assert!((0.0..=EARTH_RADIUS * std::f64::consts::PI * 1.000001).contains(&d));
            prop_assert!((d - distance(b, a)).abs() < 1e-3);
            prop_assert!(distance(a, a) == 0.0);
        }
    }
}
