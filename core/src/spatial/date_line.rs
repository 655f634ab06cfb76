//! Shapes over the date line: laid out beside it on a map that goes on to the east.
//!
//! An edge that is wider than half the way round goes the other way round, as in RavenDB. What
//! crosses the date line so begins west of it and ends beyond 180 degrees.

use geo::{BoundingRect, Coord, Geometry, LineString, MapCoords, MapCoordsInPlace, Polygon};

use crate::{Error, Result};

/// All the way round.
const ROUND: f64 = 360.0;

/// Lays a geometry out, the degrees of which are those of the earth.
///
/// # Errors
/// `InvalidRequest` for a ring that goes around a pole.
pub(super) fn lay_out(geometry: Geometry) -> Result<Geometry> {
    Ok(match geometry {
        Geometry::LineString(line) => {
            Geometry::LineString(eastwards(LineString::new(unrolled(line.0))))
        }
        Geometry::MultiLineString(mut lines) => {
            for line in &mut lines.0 {
                let coords = std::mem::take(&mut line.0);
                *line = eastwards(LineString::new(unrolled(coords)));
            }
            Geometry::MultiLineString(lines)
        }
        Geometry::Polygon(polygon) => Geometry::Polygon(polygon_laid_out(polygon)?),
        Geometry::MultiPolygon(mut polygons) => {
            for polygon in &mut polygons.0 {
                let taken = Polygon::new(LineString::new(Vec::new()), Vec::new());
                *polygon = polygon_laid_out(std::mem::replace(polygon, taken))?;
            }
            Geometry::MultiPolygon(polygons)
        }
        Geometry::GeometryCollection(mut collection) => {
            let parts = std::mem::take(&mut collection.0);
            collection.0 = parts.into_iter().map(lay_out).collect::<Result<_>>()?;
            Geometry::GeometryCollection(collection)
        }
        other => other,
    })
}

fn polygon_laid_out(polygon: Polygon) -> Result<Polygon> {
    let (exterior, holes) = polygon.into_inner();
    let ring = |ring: LineString| {
        let ring = unrolled(ring.0);
        if ring.first() == ring.last() {
            return Ok(LineString::new(ring));
        }
        Err(Error::invalid(
            "a ring goes around a pole; a shape with a pole inside is a circle or an envelope",
        ))
    };
    let exterior = eastwards(ring(exterior)?);
    let Some(bounds) = exterior.bounding_rect() else {
        return Ok(Polygon::new(exterior, Vec::new()));
    };
    let mut inside = Vec::with_capacity(holes.len());
    for hole in holes {
        let hole = eastwards(ring(hole)?);
        let is_west = hole
            .bounding_rect()
            .is_some_and(|it| it.min().x < bounds.min().x);
        let moved = is_west && bounds.max().x > 180.0;
        inside.push(if moved { shifted(&hole, ROUND) } else { hole });
    }
    Ok(Polygon::new(exterior, inside))
}

/// The coordinates with each edge going the shorter way; an edge all the way round stays one.
fn unrolled(mut coords: Vec<Coord>) -> Vec<Coord> {
    let (mut shift, mut before): (f64, Option<f64>) = (0.0, None);
    for coord in &mut coords {
        if let Some(before) = before {
            let width = coord.x - before;
            if width.abs() > ROUND / 2.0 && width.abs() < ROUND {
                shift -= ROUND.copysign(width);
            }
        }
        before = Some(coord.x);
        coord.x += shift;
    }
    coords
}

/// What begins west of the date line is moved to begin east of the map's western edge.
fn eastwards(line: LineString) -> LineString {
    match line.bounding_rect() {
        Some(bounds) if bounds.min().x < -180.0 => shifted(&line, ROUND),
        _ => line,
    }
}

/// The same, so many degrees further east.
pub(super) fn shifted<G: MapCoords<f64, f64, Output = G>>(shape: &G, degrees: f64) -> G {
    shape.map_coords(|it| Coord {
        x: it.x + degrees,
        y: it.y,
    })
}

/// Every longitude as it is on the earth.
pub(super) fn rolled_up(mut point: geo::Point) -> geo::Point {
    point.map_coords_in_place(|it| Coord {
        x: if it.x > 180.0 { it.x - ROUND } else { it.x },
        y: it.y,
    });
    point
}
