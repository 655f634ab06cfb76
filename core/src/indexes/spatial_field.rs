//! Spatial fields: from values to shapes, and from shapes to the terms that find them.
//!
//! Each shape is posted under the smallest cell of the grid that holds it; the posting's value is
//! the shape itself, so that a search needs nothing else.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::tables::{EntryField, Posted};
use super::{FieldValue, Term};
use crate::document::nearest_double;
use crate::spatial::{Cell, LengthUnit, Shape};
use crate::{Error, ErrorKind, Result};

/// What marks a shape in the object that a map makes: its only member, with a list of latitude and
/// longitude, or well-known text.
const MARK: &str = "@spatial";
/// The most shapes of a field of one entry.
const MAX_SHAPES: usize = 1024;

/// What an automatic index makes a spatial field of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpatialPaths {
    /// Paths of latitude and longitude.
    Point(String, String),
    /// The path of well-known text.
    Wkt(String),
}

impl SpatialPaths {
    /// The field's name.
    pub fn name(&self) -> String {
        match self {
            Self::Point(latitude, longitude) => format!("spatial.point({latitude}|{longitude})"),
            Self::Wkt(path) => format!("spatial.wkt({path})"),
        }
    }

    /// Reads [`Self::name`] back.
    ///
    /// # Errors
    /// `InvalidRequest` when it is none.
    pub fn parse(name: &str) -> Result<Self> {
        let inner = |prefix: &str| name.strip_prefix(prefix)?.strip_suffix(')');
        let point = inner("spatial.point(").and_then(|it| it.split_once('|'));
        match (point, inner("spatial.wkt(")) {
            (Some((latitude, longitude)), _) => {
                Ok(Self::Point(latitude.to_owned(), longitude.to_owned()))
            }
            (None, Some(path)) => Ok(Self::Wkt(path.to_owned())),
            (None, None) => Err(Error::invalid(format!("'{name}' is no spatial field"))),
        }
    }

    /// Reads what clients put in quotes: `spatial.point(Lat, Lng)`.
    pub fn parse_quoted(text: &str) -> Option<Self> {
        let inner = |prefix: &str| text.strip_prefix(prefix)?.strip_suffix(')');
        if let Some((latitude, longitude)) =
            inner("spatial.point(").and_then(|it| it.split_once(','))
        {
            let (latitude, longitude) = (latitude.trim(), longitude.trim());
            return Some(Self::Point(latitude.to_owned(), longitude.to_owned()));
        }
        inner("spatial.wkt(").map(|it| Self::Wkt(it.trim().to_owned()))
    }

    /// The paths.
    pub fn paths(&self) -> Vec<&str> {
        match self {
            Self::Point(latitude, longitude) => vec![latitude, longitude],
            Self::Wkt(path) => vec![path],
        }
    }

    /// The shapes of values: of points latitudes and longitudes by turns.
    ///
    /// # Errors
    /// `InvalidRequest` for what is no place and no shape.
    pub fn shapes(&self, values: &[FieldValue]) -> Result<Vec<Shape>> {
        let mut shapes = Vec::new();
        match self {
            Self::Wkt(_) => {
                for value in values {
                    match value {
                        FieldValue::Null | FieldValue::EmptyList => {}
                        value => shapes.push(parse_wkt(&value.to_text())?),
                    }
                }
            }
            Self::Point(..) => {
                for pair in values.chunks(2) {
                    if let [latitude, longitude] = pair {
                        let (latitude, longitude) = (degrees(latitude)?, degrees(longitude)?);
                        shapes.extend(point(latitude, longitude)?);
                    }
                }
            }
        }
        Ok(shapes)
    }
}

/// A place that lacks a coordinate is none.
fn point(latitude: Option<f64>, longitude: Option<f64>) -> Result<Option<Shape>> {
    match (latitude, longitude) {
        (Some(latitude), Some(longitude)) => Shape::point(latitude, longitude).map(Some),
        _ => Ok(None),
    }
}

fn parse_wkt(text: &str) -> Result<Shape> {
    Shape::parse(text, LengthUnit::Kilometers)
}

fn degrees(value: &FieldValue) -> Result<Option<f64>> {
    let number = match value {
        FieldValue::Null | FieldValue::EmptyList => return Ok(None),
        FieldValue::Number(number) => Some(number.to_f64()),
        FieldValue::Text(text) => nearest_double(text.trim()),
        FieldValue::Bool(_) => None,
    };
    let number =
        number.ok_or_else(|| Error::invalid(format!("'{}' is no coordinate", value.to_text())))?;
    Ok(Some(number))
}

/// A point as a map's output holds it.
pub fn marked_point(latitude: Value, longitude: Value) -> Value {
    json!({ MARK: [latitude, longitude] })
}

/// Well-known text as a map's output holds it.
pub fn marked_text(text: Value) -> Value {
    json!({ MARK: text })
}

/// The shapes that a member of a map's output stands for; `None` when it stands for none.
///
/// # Errors
/// `InvalidRequest` for what is no place and no shape.
pub fn shapes_of_json(value: &Value) -> Result<Option<Vec<Shape>>> {
    let marked = |value: &Value| match value.as_object() {
        Some(object) if object.len() == 1 => object.get(MARK).cloned(),
        _ => None,
    };
    let one = std::slice::from_ref(value);
    let items = value.as_array().map_or(one, Vec::as_slice);
    let marked: Vec<Value> = items.iter().filter_map(marked).collect();
    if marked.is_empty() {
        return Ok(None);
    }
    let mut shapes = Vec::with_capacity(marked.len());
    for value in &marked {
        match value {
            Value::Null => {}
            Value::String(text) => shapes.push(parse_wkt(text)?),
            Value::Array(pair) => {
                let mut values = Vec::with_capacity(2);
                super::entry_builder::values_of_json(&Value::Array(pair.clone()), &mut values);
                let [latitude, longitude] = values.as_slice() else {
                    return Err(Error::invalid("a point has a latitude and a longitude"));
                };
                shapes.extend(point(degrees(latitude)?, degrees(longitude)?)?);
            }
            other => return Err(Error::invalid(format!("{other} is no shape"))),
        }
    }
    Ok(Some(shapes))
}

/// The terms of shapes; `None` when there are none.
///
/// # Errors
/// `LimitExceeded` when there are too many.
pub fn spatial_entry_field(number: u16, shapes: &[Shape]) -> Result<Option<EntryField>> {
    if shapes.len() > MAX_SHAPES {
        return Err(Error::new(
            ErrorKind::LimitExceeded,
            format!("a field has more than {MAX_SHAPES} shapes"),
        ));
    }
    let mut cells: BTreeMap<Cell, Vec<Shape>> = BTreeMap::new();
    for shape in shapes {
        for bounds in shape.bounds() {
            let cell = Cell::around(&bounds);
            cells.entry(cell).or_default().push(shape.clone());
        }
    }
    let mut terms: Vec<Posted> = cells
        .iter()
        .map(|(cell, shapes)| Posted {
            term: Term::exact_text(cell.digits()),
            positions: Shape::encode_all(shapes),
        })
        .collect();
    terms.sort();
    Ok((!terms.is_empty()).then_some(EntryField {
        field: number,
        words: 0,
        terms,
    }))
}
