//! Spatial conditions and orders: what lies how to a shape, and how far from it.

use std::collections::BTreeSet;
use std::sync::Arc;

use roaring::RoaringTreemap;

use super::evaluate::{Evaluation, walk};
use super::lower::{Lowering, OrderKey};
use super::result::Nearest;
use super::rql::{Call, Expression, ExpressionKind, Method};
use super::values;
use crate::indexes::tables::{Entry, POSTINGS, decode_posting, posting_range};
use crate::indexes::{FieldKey, FieldKind, SpatialPaths, Term};
use crate::spatial::{LengthUnit, Relation, Shape, cover};
use crate::storage::Snapshot;
use crate::{Error, Result};

/// What lies so to a shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// The field with shapes.
    pub field: FieldKey,
    /// What is asked for.
    pub shape: Arc<Shape>,
    /// How the field's shapes lie to it.
    pub relation: Relation,
}

impl Lowering<'_> {
    /// Reads `spatial.within(…)` and the like.
    pub(super) fn place(&mut self, call: &Call) -> Result<Place> {
        let [field, shape, rest @ ..] = call.arguments.as_slice() else {
            return Err(Error::invalid(format!(
                "{}() takes a field and a shape",
                call.name
            )));
        };
        if let Some(tolerance) = rest.first() {
            // Answers are exact, whatever error is allowed.
            let percent = values::number(tolerance, self.parameters)?;
            if !(0.0..=100.0).contains(&percent) {
                return Err(Error::invalid(format!(
                    "the error that {}() may make is from 0 to 100 percent, not {percent}",
                    call.name
                )));
            }
        }
        Ok(Place {
            field: self.spatial_field(field)?,
            shape: Arc::new(self.shape(shape)?),
            relation: match call.method {
                Method::SpatialWithin => Relation::Within,
                Method::SpatialContains => Relation::Contains,
                Method::SpatialDisjoint => Relation::Disjoint,
                _ => Relation::Intersects,
            },
        })
    }

    /// Reads `spatial.distance(…)`.
    pub(super) fn distance(&mut self, call: &Call) -> Result<OrderKey> {
        let [field, shape, rest @ ..] = call.arguments.as_slice() else {
            return Err(Error::invalid(
                "spatial.distance() takes a field and a shape",
            ));
        };
        let step_km = match rest.first() {
            None => 0.0,
            Some(step) => values::number(step, self.parameters)?.max(0.0),
        };
        Ok(OrderKey::Distance {
            field: self.spatial_field(field)?,
            from: Arc::new(self.shape(shape)?),
            step_km,
        })
    }

    fn spatial_field(&mut self, field: &Expression) -> Result<FieldKey> {
        let path = |it: &Expression| match &it.kind {
            ExpressionKind::Field(path) if path.loaded.is_none() => Ok(path.to_string()),
            _ => Err(Error::invalid("a spatial field is made of fields")),
        };
        let paths = match &field.kind {
            ExpressionKind::Field(_) if self.is_of_index() => {
                return self.spatial_key(path(field)?);
            }
            ExpressionKind::Call(call) if !self.is_of_index() => {
                match (call.method, call.arguments.as_slice()) {
                    (Method::SpatialPoint, [latitude, longitude]) => {
                        SpatialPaths::Point(path(latitude)?, path(longitude)?)
                    }
                    (Method::SpatialWkt, [text, ..]) => SpatialPaths::Wkt(path(text)?),
                    _ => {
                        return Err(Error::invalid(format!(
                            "{}() is no field: expected spatial.point(latitude, longitude) or \
                             spatial.wkt(field)",
                            call.name
                        )));
                    }
                }
            }
            ExpressionKind::Field(quoted)
                if !self.is_of_index()
                    && let Some(paths) = SpatialPaths::parse_quoted(&quoted.to_string()) =>
            {
                paths
            }
            _ if self.is_of_index() => {
                return Err(Error::invalid(
                    "an index has spatial fields of its own: name one of them",
                ));
            }
            _ => {
                return Err(Error::invalid(
                    "which fields hold places must be said: spatial.point(latitude, longitude) or \
                     spatial.wkt(field)",
                ));
            }
        };
        self.spatial_key(paths.name())
    }

    fn shape(&self, shape: &Expression) -> Result<Shape> {
        let ExpressionKind::Call(call) = &shape.kind else {
            return Err(Error::invalid(
                "expected a shape: spatial.point(), spatial.circle() or spatial.wkt()",
            ));
        };
        let number = |at: usize| match call.arguments.get(at) {
            Some(value) => values::number(value, self.parameters),
            None => Err(Error::invalid(format!("{}() lacks an argument", call.name))),
        };
        let unit = |at: usize| match call.arguments.get(at) {
            Some(unit) => LengthUnit::parse(&values::text(unit, self.parameters)?),
            None => Ok(LengthUnit::Kilometers),
        };
        match call.method {
            Method::SpatialPoint => Shape::point(number(0)?, number(1)?),
            Method::SpatialCircle => {
                Shape::circle(number(0)? * unit(3)?.to_km(), number(1)?, number(2)?)
            }
            Method::SpatialWkt => {
                let text = call.arguments.first();
                let text = text
                    .map(|it| values::text(it, self.parameters))
                    .transpose()?;
                Shape::parse(&text.unwrap_or_default(), unit(1)?)
            }
            _ => Err(Error::invalid(format!("{}() is no shape", call.name))),
        }
    }
}

/// The entries of what lies so.
///
/// # Errors
/// `Corrupted` for a damaged index; whatever the store reports.
pub(super) async fn find<S: Snapshot>(
    evaluation: &Evaluation<'_, S>,
    place: &Place,
) -> Result<RoaringTreemap> {
    let progress = evaluation.progress;
    let Some(number) = progress.find_field(&place.field.name, FieldKind::Spatial) else {
        return Ok(RoaringTreemap::new());
    };
    let relation = match place.relation {
        Relation::Disjoint => Relation::Intersects,
        other => other,
    };
    let mut ranges = BTreeSet::new();
    for bounds in place.shape.bounds() {
        for cell in cover(&bounds)? {
            for above in cell.above() {
                ranges.insert(Term::exact_text(above.digits()).as_bytes().to_vec());
            }
            ranges.insert(Term::text_prefix(cell.digits(), true));
        }
    }
    let mut found = RoaringTreemap::new();
    for prefix in &ranges {
        let mut walk = walk(POSTINGS, posting_range(number, prefix));
        while let Some(block) = walk.next(evaluation.snapshot).await? {
            let mut records = walk.read(&block);
            while records.advance()? {
                let (_, entry) = decode_posting(records.key())?;
                if found.contains(entry) {
                    continue;
                }
                let shapes = Shape::decode_all(records.value())?;
                if shapes
                    .iter()
                    .any(|it| it.is_related(&place.shape, relation))
                {
                    found.insert(entry);
                }
            }
            if records.is_beyond() {
                break;
            }
        }
    }
    if place.relation == Relation::Disjoint {
        let all = evaluation.in_range(posting_range(number, b"")).await?;
        return Ok(all - found);
    }
    Ok(found)
}

/// How far the nearest of an entry's shapes is, in steps if there are such.
///
/// # Errors
/// `Corrupted` for a damaged index.
pub(super) fn distance_km(
    entry: &Entry,
    field: u16,
    from: &Shape,
    step_km: f64,
) -> Result<Option<f64>> {
    let nearest = nearest(entry, field, from)?;
    Ok(nearest.map(|Nearest { distance_km, .. }| {
        if step_km > 0.0 {
            (distance_km / step_km).floor() * step_km
        } else {
            distance_km
        }
    }))
}

/// The nearest of an entry's shapes.
///
/// # Errors
/// `Corrupted` for a damaged index.
pub(super) fn nearest(entry: &Entry, field: u16, from: &Shape) -> Result<Option<Nearest>> {
    let mut nearest: Option<Nearest> = None;
    for posted in entry.terms(field) {
        for shape in Shape::decode_all(&posted.positions)? {
            let distance_km = shape.distance_km(from);
            if nearest.is_none_or(|it| distance_km < it.distance_km) {
                let (latitude, longitude) = shape.center();
                nearest = Some(Nearest {
                    distance_km,
                    latitude,
                    longitude,
                });
            }
        }
    }
    Ok(nearest)
}
