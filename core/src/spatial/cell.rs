//! The grid: the world cut into quarters, again and again.
//!
//! A shape is indexed under the smallest cell that holds all of it. What may touch some bounds is
//! indexed under a cell that covers part of them, below such a cell, or above it.

use crate::{Error, Result};

/// How often the world is quartered: cells of the last level are some 40 m wide.
const LEVELS: u32 = 20;
/// How many cells cover the bounds of a shape that is asked for.
const MOST_CELLS: u64 = 64;

/// A rectangle in degrees, with its border. The west may lie east of the east only after the
/// bounds were cut at the date line.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(missing_docs, reason = "they are their names")]
pub struct Bounds {
    pub south: f64,
    pub west: f64,
    pub north: f64,
    pub east: f64,
}

/// A cell: the digits of the quarters that lead to it, from the world inwards.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell(String);

impl Cell {
    /// The smallest cell that holds `bounds`.
    pub fn around(bounds: &Bounds) -> Self {
        let ((west, south), (east, north)) = corners(bounds);
        let differing = u32::BITS - ((west ^ east) | (south ^ north)).leading_zeros();
        Self::at(LEVELS - differing, west >> differing, south >> differing)
    }

    fn at(level: u32, x: u32, y: u32) -> Self {
        let digit = |level: u32| match (y >> level & 1, x >> level & 1) {
            (0, 0) => '0',
            (0, _) => '1',
            (_, 0) => '2',
            _ => '3',
        };
        Self((0..level).rev().map(digit).collect())
    }

    /// The digits.
    pub fn digits(&self) -> &str {
        &self.0
    }

    /// The cells that hold this one, the world first.
    pub fn above(&self) -> impl Iterator<Item = Self> + '_ {
        (0..self.0.len()).map(|length| Self(self.0[..length].to_owned()))
    }
}

/// The places of two corners in the grid of the last level: east and north, from 0.
fn corners(bounds: &Bounds) -> ((u32, u32), (u32, u32)) {
    (
        (step(bounds.west, 180.0), step(bounds.south, 90.0)),
        (step(bounds.east, 180.0), step(bounds.north, 90.0)),
    )
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn step(degrees: f64, half: f64) -> u32 {
    let steps = f64::from(1u32 << LEVELS);
    let at = (degrees + half) / (2.0 * half) * steps;
    at.floor().clamp(0.0, steps - 1.0) as u32
}

/// A few cells that cover `bounds` together.
///
/// # Errors
/// `InvalidRequest` for bounds that are none.
pub fn cover(bounds: &Bounds) -> Result<Vec<Cell>> {
    if !(bounds.west <= bounds.east && bounds.south <= bounds.north) {
        return Err(Error::invalid("the bounds of a shape are inside out"));
    }
    let (from, to) = corners(bounds);
    let count = |level: u32| {
        let shift = LEVELS - level;
        let across = |from: u32, to: u32| u64::from((to >> shift) - (from >> shift)) + 1;
        across(from.0, to.0) * across(from.1, to.1)
    };
    let level = (0..=LEVELS).rev().find(|it| count(*it) <= MOST_CELLS);
    let level = level.unwrap_or(0);
    let shift = LEVELS - level;
    let mut cells = Vec::new();
    for y in from.1 >> shift..=to.1 >> shift {
        for x in from.0 >> shift..=to.0 >> shift {
            cells.push(Cell::at(level, x, y));
        }
    }
    Ok(cells)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_bounds() -> impl Strategy<Value = Bounds> {
        let span = |half: f64| {
            let size = prop_oneof![Just(0.0), 0.0..0.01, 0.0..30.0, 0.0..300.0];
            (-half..half, size).prop_map(move |(from, size)| (from, (from + size).min(half)))
        };
        (span(90.0), span(180.0)).prop_map(|((south, north), (west, east))| Bounds {
            south,
            west,
            north,
            east,
        })
    }

    #[test]
    fn the_world_has_four_quarters() {
        let point = |latitude: f64, longitude: f64| Bounds {
            south: latitude,
            west: longitude,
            north: latitude,
            east: longitude,
        };
        let digits = |bounds: &Bounds| Cell::around(bounds).digits().to_owned();
        assert!(digits(&point(-90.0, -180.0)).chars().all(|it| it == '0'));
        assert!(digits(&point(90.0, 180.0)).chars().all(|it| it == '3'));
        assert_eq!(digits(&point(59.3, 18.1)).len(), LEVELS as usize);
        let equator = Bounds {
            south: -1.0,
            ..point(1.0, 5.0)
        };
        assert_eq!(digits(&equator), "");
    }

    proptest! {
        #[test]
        fn what_touches_is_found(asked in any_bounds(), indexed in any_bounds()) {
            let cells = cover(&asked).unwrap();
            prop_assert!(cells.len() as u64 <= MOST_CELLS);
            let touches = asked.south <= indexed.north && indexed.south <= asked.north
                && asked.west <= indexed.east && indexed.west <= asked.east;
            let own = Cell::around(&indexed);
            let is_candidate = cells.iter().any(|it| {
                own.digits().starts_with(it.digits()) || it.above().any(|above| above == own)
            });
            prop_assert!(is_candidate || !touches, "{own:?} {cells:?}");
        }
    }
}
