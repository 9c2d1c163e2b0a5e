//! Where to look for the members within a circle or a box: ranges of scores, in the order in which Redis visits them
//! (which is the order of unsorted replies).

use std::ops::Range;

use super::{Bounds, Cell, EARTH_RADIUS, Point, STEPS, Unit, WORLD, degrees, distance, latitude_distance, radians};

/// Half of the Earth's circumference at the equator in metres, as a Mercator map has it.
const MERCATOR_MAX: f64 = 20037726.37;

/// What is searched, around a centre, in the unit of the [`Search`].
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Shape {
    /// Everything at most that far away.
    Circle {
        /// The distance.
        radius: f64,
    },
    /// A box along the meridians and parallels.
    Box {
        /// West to east.
        width: f64,
        /// South to north.
        height: f64,
    },
}

/// A search around a point.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Search {
    /// The middle.
    pub center: Point,
    /// What to search.
    pub shape: Shape,
    /// The unit of the shape's lengths.
    pub unit: Unit,
}

impl Search {
    /// The distance in metres of a point from the centre, if the point is within the shape.
    pub fn distance_within(&self, point: Point) -> Option<f64> {
        let factor = self.unit.metres();
        match self.shape {
            Shape::Circle { radius } => {
                let away = distance(self.center, point);
                (away <= radius * factor).then_some(away)
            }
            Shape::Box { width, height } => {
                if latitude_distance(point.latitude, self.center.latitude) > height * factor / 2.0 {
                    return None;
                }
                let beside = Point { longitude: self.center.longitude, latitude: point.latitude };
                if distance(point, beside) > width * factor / 2.0 {
                    return None;
                }
                Some(distance(self.center, point))
            }
        }
    }

    /// The ranges of scores, nine at most, in which every member within the shape is. They have other members as well.
    pub fn ranges(&self) -> Vec<Range<u64>> {
        let wanted = self.bounds();
        let mut steps = self.steps();
        let mut center = Cell::of(self.center, steps, WORLD);
        let reach = |dx, dy| center.neighbour(dx, dy).bounds();
        let too_fine = reach(0, 1).north < wanted.north
            || reach(0, -1).south > wanted.south
            || reach(1, 0).east < wanted.east
            || reach(-1, 0).west > wanted.west;
        if steps > 1 && too_fine {
            steps -= 1;
            center = Cell::of(self.center, steps, WORLD);
        }
        // What the middle cell covers by itself needs no neighbour on that side.
        let middle = center.bounds();
        let (skip_south, skip_north, skip_west, skip_east) = if steps >= 2 {
            (
                middle.south < wanted.south,
                middle.north > wanted.north,
                middle.west < wanted.west,
                middle.east > wanted.east,
            )
        } else {
            (false, false, false, false)
        };
        let mut cells: Vec<Cell> = Vec::with_capacity(9);
        for (dx, dy) in [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)] {
            if (dy < 0 && skip_south) || (dy > 0 && skip_north) || (dx < 0 && skip_west) || (dx > 0 && skip_east) {
                continue;
            }
            let cell = center.neighbour(dx, dy);
            // On a coarse grid, neighbours may be one and the same. Only the previous one is looked at, and the first
            // never is.
            if cells.len() > 1 && cells.last() == Some(&cell) {
                continue;
            }
            cells.push(cell);
        }
        cells.into_iter().map(Cell::scores).collect()
    }

    /// A rectangle around the shape.
    fn bounds(&self) -> Bounds {
        let factor = self.unit.metres();
        let (width, height) = match self.shape {
            Shape::Circle { radius } => (factor * radius, factor * radius),
            Shape::Box { width, height } => (factor * (width / 2.0), factor * (height / 2.0)),
        };
        let Point { longitude, latitude } = self.center;
        let up = degrees(height / EARTH_RADIUS);
        // The side nearer to the pole has more degrees of longitude.
        let polar = if latitude < 0.0 { latitude - up } else { latitude + up };
        let aside = degrees(width / EARTH_RADIUS / radians(polar).cos());
        Bounds { west: longitude - aside, east: longitude + aside, south: latitude - up, north: latitude + up }
    }

    /// How fine a grid is to be, so that nine cells cover the shape.
    fn steps(&self) -> u32 {
        let mut radius = match self.shape {
            Shape::Circle { radius } => radius,
            Shape::Box { width, height } => ((width / 2.0) * (width / 2.0) + (height / 2.0) * (height / 2.0)).sqrt(),
        } * self.unit.metres();
        if radius == 0.0 {
            return STEPS;
        }
        let mut steps = 1i32;
        // Doubling the least of all numbers gets there in some 1100 rounds.
        while radius < MERCATOR_MAX {
            radius *= 2.0;
            steps += 1;
            if radius <= 0.0 {
                return STEPS;
            }
        }
        steps -= 2;
        // Towards the poles, cells get narrow.
        let latitude = self.center.latitude.abs();
        steps -= i32::from(latitude > 66.0) + i32::from(latitude > 80.0);
        steps.clamp(1, STEPS as i32) as u32
    }
}

impl Cell {
    /// The cell that many to the east and north, around the world. A number that does not change keeps its bit past
    /// the grid.
    fn neighbour(self, dx: i32, dy: i32) -> Cell {
        let mask = (1u32 << self.steps) - 1;
        let moved = |n: u32, by: i32| if by == 0 { n } else { n.wrapping_add_signed(by) & mask };
        Cell { x: moved(self.x, dx), y: moved(self.y, dy), steps: self.steps }
    }

    /// The scores of what is within.
    fn scores(self) -> Range<u64> {
        let shift = 2 * (STEPS - self.steps);
        let first = self.interleaved();
        first << shift..(first + 1) << shift
    }
}

#[cfg(test)]
mod tests {
    use super::super::{decode, encode};
    use super::*;
    use proptest::prelude::*;

    fn search(longitude: f64, latitude: f64, shape: Shape) -> Search {
        Search { center: Point { longitude, latitude }, shape, unit: Unit::Kilometre }
    }

    #[test]
    fn sicily() {
        let palermo = decode(3479099956230698);
        let catania = decode(3479447370796909);
        let near = search(15.0, 37.0, Shape::Circle { radius: 100.0 });
        assert_eq!(near.distance_within(palermo), None);
        assert_eq!(near.distance_within(catania).map(super::super::format_distance).unwrap(), "56441.2579");
        let wide = search(15.0, 37.0, Shape::Box { width: 400.0, height: 400.0 });
        assert!(wide.distance_within(palermo).is_some());
        let flat = search(15.0, 37.0, Shape::Box { width: 400.0, height: 100.0 });
        assert!(flat.distance_within(palermo).is_none());
    }

    #[test]
    fn odd_sizes() {
        for radius in [0.0, 1e-300, 5e-324, 1e300, f64::INFINITY] {
            let ranges = search(10.0, 89.0, Shape::Circle { radius }).ranges();
            assert!((1..=9).contains(&ranges.len()), "{radius}");
        }
    }

    proptest! {
        #[test]
        fn nothing_within_is_missed(
            longitude in -170.0..170.0,
            latitude in -70.0..70.0,
            size in 0.001f64..2000.0,
            (east, north) in (-1.0..1.0, -1.0..1.0),
            square: bool,
        ) {
            let shape = if square { Shape::Box { width: size, height: size } } else { Shape::Circle { radius: size } };
            let search = search(longitude, latitude, shape);
            let bounds = search.bounds();
            let point = Point {
                longitude: longitude + (bounds.east - longitude) * east,
                latitude: latitude + (bounds.north - latitude) * north,
            };
            if let Some(score) = encode(point) && search.distance_within(decode(score)).is_some() {
                prop_assert!(search.ranges().iter().any(|r| r.contains(&score)));
            }
        }

        #[test]
        fn anything_goes(longitude in -180.0..=180.0, latitude in -85.05112878..=85.05112878, a in 0.0f64..1e9, b in 0.0f64..1e9, square: bool) {
            let shape = if square { Shape::Box { width: a, height: b } } else { Shape::Circle { radius: a } };
            let search = search(longitude, latitude, shape);
            let ranges = search.ranges();
            prop_assert!(!ranges.is_empty() && ranges.len() <= 9);
            prop_assert!(ranges.iter().all(|r| r.start < r.end));
        }
    }
}
