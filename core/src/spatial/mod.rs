//! Places on the earth: shapes, how they lie to each other, and the grid that finds them.
//!
//! Invariants:
//! - coordinates are degrees of latitude and longitude and in their bounds, but for shapes over
//!   the date line, which go on to the east of it; rings do not cross themselves, and a shape has a bounded number of vertices;
//! - the cells that cover a shape's bounds meet the cell of every shape that it touches.
//!
//! Distances are along great circles; the edges of polygons are straight in degrees.

mod cell;
#[cfg(feature = "spatial")]
mod date_line;
#[cfg(not(feature = "spatial"))]
mod no_shape;
#[cfg(feature = "spatial")]
mod shape;
#[cfg(feature = "spatial")]
mod well_known_text;

pub use cell::{Bounds, Cell, cover};
#[cfg(not(feature = "spatial"))]
pub use no_shape::Shape;
#[cfg(feature = "spatial")]
pub use shape::Shape;

/// The most vertices of a shape.
pub const MAX_VERTICES: usize = 10_000;
/// The most bytes of a shape's text.
pub const MAX_SHAPE_BYTES: usize = 512 * 1024;

/// What lengths are given in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LengthUnit {
    /// Kilometres.
    Kilometers,
    /// Miles.
    Miles,
}

impl LengthUnit {
    /// One of it in kilometres.
    #[must_use]
    pub fn to_km(self) -> f64 {
        match self {
            Self::Kilometers => 1.0,
            Self::Miles => 1.609_344,
        }
    }

    /// Reads a unit's name.
    ///
    /// # Errors
    /// `InvalidRequest` for any other.
    pub fn parse(name: &str) -> crate::Result<Self> {
        match name.to_ascii_lowercase().as_str() {
            "kilometers" => Ok(Self::Kilometers),
            "miles" => Ok(Self::Miles),
            _ => Err(crate::Error::invalid(format!(
                "'{}' is no unit of length; expected 'Kilometers' or 'Miles'",
                name.escape_debug()
            ))),
        }
    }
}

/// How an indexed shape lies to the one that is asked for. Borders belong to shapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// It is all inside.
    Within,
    /// It has the other all inside itself.
    Contains,
    /// They share no point.
    Disjoint,
    /// They share a point.
    Intersects,
}
