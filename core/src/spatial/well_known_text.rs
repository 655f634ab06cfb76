//! The text form of shapes, by the `wkt` library.

use std::str::FromStr;

use geo::{Coord, Geometry, MapCoords};
use num_derive::{Num, NumCast, NumOps, One, ToPrimitive, Zero};
use wkt::TryFromWkt;

use crate::document::nearest_double;

/// A number of such a text, read as numbers are read everywhere; `f64` would bring the standard
/// library's tables for it, 10 KB of constants in a module for pages.
#[derive(
    Debug, Default, Clone, Copy, PartialEq, PartialOrd, Num, NumCast, NumOps, One, ToPrimitive, Zero,
)]
struct Decimal(f64);

impl FromStr for Decimal {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        nearest_double(text).map(Self).ok_or(())
    }
}

/// The first shape in `text`.
///
/// # Errors
/// What the library finds wrong with it.
pub(super) fn parse_geometry(text: &str) -> Result<Geometry, String> {
    let parsed = Geometry::<Decimal>::try_from_wkt_str(text).map_err(|it| it.to_string())?;
    Ok(parsed.map_coords(|it| Coord {
        x: it.x.0,
        y: it.y.0,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_shapes_are_the_nearest_doubles() {
        let Ok(Geometry::Point(point)) = parse_geometry("POINT (-0.30000000000000004 .5e1)") else {
            panic!("it is a point");
        };
        assert_eq!((point.x(), point.y()), (-0.30000000000000004, 5.0));
        for wrong in ["POINT (inf 1)", "POINT (1 nan)", "POINT (1. 1.1.1)"] {
            assert!(parse_geometry(wrong).is_err(), "{wrong}");
        }
    }
}
