//! Shapes where geometry was left out to save room: there are none.

use super::{Bounds, LengthUnit, Relation};
use crate::{Error, ErrorKind, Result};

/// A shape; none can be made.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape(Never);

#[derive(Debug, Clone, PartialEq)]
enum Never {}

fn left_out<T>() -> Result<T> {
    Err(Error::new(
        ErrorKind::Unsupported,
        "spatial queries and fields are left out of this build",
    ))
}

#[expect(missing_docs, reason = "as with geometry")]
#[expect(clippy::missing_errors_doc, reason = "always `Unsupported`")]
impl Shape {
    pub fn point(_: f64, _: f64) -> Result<Self> {
        left_out()
    }

    pub fn circle(_: f64, _: f64, _: f64) -> Result<Self> {
        left_out()
    }

    pub fn parse(_: &str, _: LengthUnit) -> Result<Self> {
        left_out()
    }

    pub fn bounds(&self) -> Vec<Bounds> {
        match self.0 {}
    }

    pub fn is_related(&self, _: &Self, _: Relation) -> bool {
        match self.0 {}
    }

    pub fn center(&self) -> (f64, f64) {
        match self.0 {}
    }

    pub fn distance_km(&self, _: &Self) -> f64 {
        match self.0 {}
    }

    pub fn encode_all(_: &[Self]) -> Vec<u8> {
        Vec::new()
    }

    pub fn decode_all(_: &[u8]) -> Result<Vec<Self>> {
        left_out()
    }
}
