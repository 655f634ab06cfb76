//! Shapes and their relations, by the `geo` library.

use geo::{
    BoundingRect, Centroid, Destination, Distance, Geometry, Haversine, LineString, Point, Polygon,
    Relate, Validation,
};
use wkt::ToWkt;

use super::date_line::{lay_out, rolled_up, shifted};
use super::well_known_text::parse_geometry;
use super::{Bounds, LengthUnit, MAX_SHAPE_BYTES, MAX_VERTICES, Relation};
use crate::document::nearest_double;
use crate::schema::{Decoder, Encoder};
use crate::{Error, Result};

/// How deep collections of shapes may nest.
const MAX_NESTING: usize = 8;
/// The corners of the polygon that stands for a circle against other shapes than points.
const CIRCLE_CORNERS: u32 = 180;
/// Half the way around the earth.
const FARTHEST_KM: f64 = 20_020.0;
/// A degree along a meridian.
const KM_PER_DEGREE: f64 = 111.195_08;
/// What rounding may take from bounds, in degrees.
const MARGIN: f64 = 1e-6;

/// A shape on the earth.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape(Kind);

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Point(Point),
    Circle { center: Point, radius_km: f64 },
    Geometry(Box<Geometry>),
}

fn checked_point(latitude: f64, longitude: f64) -> Result<Point> {
    if !(-90.0..=90.0).contains(&latitude) || !(-180.0..=180.0).contains(&longitude) {
        return Err(Error::invalid(format!(
            "latitude {latitude} and longitude {longitude} are no place: they reach from -90 to 90 \
             and from -180 to 180"
        )));
    }
    Ok(Point::new(longitude, latitude))
}

impl Shape {
    /// A point.
    ///
    /// # Errors
    /// `InvalidRequest` when it is not on the earth.
    pub fn point(latitude: f64, longitude: f64) -> Result<Self> {
        checked_point(latitude, longitude).map(|it| Self(Kind::Point(it)))
    }

    /// All within a distance of a point.
    ///
    /// # Errors
    /// `InvalidRequest` for an impossible centre or radius.
    pub fn circle(radius_km: f64, latitude: f64, longitude: f64) -> Result<Self> {
        if !(0.0..=FARTHEST_KM).contains(&radius_km) {
            return Err(Error::invalid(format!(
                "a circle's radius is from 0 to {FARTHEST_KM} km, not {radius_km}"
            )));
        }
        let center = checked_point(latitude, longitude)?;
        Ok(Self(Kind::Circle { center, radius_km }))
    }

    /// Reads well-known text, and the forms `CIRCLE(lng lat d=radius)` and
    /// `ENVELOPE(west, east, north, south)`; a circle's radius is in `unit`.
    ///
    /// # Errors
    /// `InvalidRequest` that says what is wrong with the text or the shape.
    pub fn parse(text: &str, unit: LengthUnit) -> Result<Self> {
        let text = text.trim();
        let wrong = |why: &str| {
            let shown: String = text.chars().take(60).collect();
            Error::invalid(format!("'{}' is no shape: {why}", shown.escape_debug()))
        };
        if text.len() > MAX_SHAPE_BYTES {
            return Err(wrong(&format!("it has more than {MAX_SHAPE_BYTES} bytes")));
        }
        if text.bytes().filter(|it| *it == b',').count() >= MAX_VERTICES {
            return Err(wrong(&format!("it has more than {MAX_VERTICES} vertices")));
        }
        if deepest(text) > MAX_NESTING {
            return Err(wrong(&format!("it nests deeper than {MAX_NESTING} levels")));
        }
        if let Some(inner) = arguments_of(text, "circle") {
            return circle_of(inner, unit)
                .ok_or_else(|| wrong("a circle is written CIRCLE(longitude latitude d=radius)"))?;
        }
        if let Some(inner) = arguments_of(text, "envelope") {
            return envelope_of(inner).ok_or_else(|| {
                wrong("an envelope is written ENVELOPE(west, east, north, south)")
            })?;
        }
        // The reader of texts looks no further than the end of the first shape.
        if text.contains(')') && end_of_first(text) != Some(text.len()) {
            return Err(wrong("it does not end with its last parenthesis"));
        }
        let geometry = parse_geometry(text).map_err(|it| wrong(&it))?;
        Self::of_geometry(geometry).map_err(|it| wrong(it.message()))
    }

    fn of_geometry(geometry: Geometry) -> Result<Self> {
        if let Geometry::Point(point) = geometry {
            return Self::point(point.y(), point.x());
        }
        let Some(bounds) = geometry.bounding_rect() else {
            return Err(Error::invalid("it is empty"));
        };
        checked_point(bounds.min().y, bounds.min().x)?;
        checked_point(bounds.max().y, bounds.max().x)?;
        Self::of_laid_out(lay_out(geometry)?)
    }

    fn of_laid_out(geometry: Geometry) -> Result<Self> {
        geometry
            .check_validation()
            .map_err(|reason| Error::invalid(reason.to_string()))?;
        Ok(Self(Kind::Geometry(Box::new(geometry))))
    }

    /// Rectangles that hold the shape together: two where it crosses the date line.
    pub fn bounds(&self) -> Vec<Bounds> {
        match &self.0 {
            Kind::Point(point) => vec![Bounds {
                south: point.y(),
                west: point.x(),
                north: point.y(),
                east: point.x(),
            }],
            Kind::Circle { center, radius_km } => circle_bounds(*center, *radius_km),
            Kind::Geometry(geometry) => {
                let bounds = geometry.bounding_rect().map(|it| Bounds {
                    south: it.min().y,
                    west: it.min().x,
                    north: it.max().y,
                    east: it.max().x,
                });
                bounds.map_or_else(Vec::new, at_date_line)
            }
        }
    }

    /// Whether this shape, which is indexed, lies so to the one that is asked for.
    pub fn is_related(&self, asked: &Self, relation: Relation) -> bool {
        match (&self.0, &asked.0, relation) {
            (_, _, Relation::Disjoint) => !self.is_related(asked, Relation::Intersects),
            (Kind::Point(point), Kind::Circle { center, radius_km }, relation) => {
                relation != Relation::Contains && km_between(*point, *center) <= *radius_km
            }
            (Kind::Circle { center, radius_km }, Kind::Point(point), relation) => {
                relation != Relation::Within && km_between(*point, *center) <= *radius_km
            }
            (
                Kind::Circle { center, radius_km },
                Kind::Circle {
                    center: other,
                    radius_km: other_km,
                },
                relation,
            ) => {
                let apart = km_between(*center, *other);
                match relation {
                    Relation::Within => apart + radius_km <= *other_km,
                    Relation::Contains => apart + other_km <= *radius_km,
                    _ => apart <= radius_km + other_km,
                }
            }
            (own, asked, relation) => {
                let asked = flat(asked);
                flat(own).iter().any(|own| {
                    asked.iter().any(|asked| {
                        let matrix = own.relate(asked);
                        match relation {
                            Relation::Within => matrix.is_coveredby(),
                            Relation::Contains => matrix.is_covers(),
                            _ => matrix.is_intersects(),
                        }
                    })
                })
            }
        }
    }

    /// The latitude and longitude of its middle.
    pub fn center(&self) -> (f64, f64) {
        let center = self.middle();
        (center.y(), center.x())
    }

    fn middle(&self) -> Point {
        match &self.0 {
            Kind::Point(point) => *point,
            Kind::Circle { center, .. } => *center,
            // It was not empty when it was made.
            Kind::Geometry(geometry) => {
                rolled_up(geometry.centroid().unwrap_or(Point::new(0.0, 0.0)))
            }
        }
    }

    /// How far the middles are apart.
    pub fn distance_km(&self, other: &Self) -> f64 {
        km_between(self.middle(), other.middle())
    }

    /// The stored form of some shapes.
    pub fn encode_all(shapes: &[Self]) -> Vec<u8> {
        let mut encoder = Encoder::with_capacity(17 * shapes.len());
        let number = |encoder: &mut Encoder, number: f64| encoder.raw(&number.to_be_bytes());
        for shape in shapes {
            match &shape.0 {
                Kind::Point(point) => {
                    encoder.varint(0);
                    number(&mut encoder, point.y());
                    number(&mut encoder, point.x());
                }
                Kind::Circle { center, radius_km } => {
                    encoder.varint(1);
                    number(&mut encoder, center.y());
                    number(&mut encoder, center.x());
                    number(&mut encoder, *radius_km);
                }
                Kind::Geometry(geometry) => {
                    encoder.varint(2);
                    let text = geometry.wkt_string();
                    encoder.varint(text.len() as u64);
                    encoder.raw(text.as_bytes());
                }
            }
        }
        encoder.finish()
    }

    /// Reads [`Self::encode_all`] back.
    ///
    /// # Errors
    /// `Corrupted` when it does not fit.
    pub fn decode_all(bytes: &[u8]) -> Result<Vec<Self>> {
        let mut decoder = Decoder::new("spatial postings", bytes);
        let mut shapes = Vec::new();
        while decoder.position() < bytes.len() {
            let kind = match decoder.varint()? {
                0 => {
                    let latitude = decode_number(&mut decoder)?;
                    Kind::Point(Point::new(decode_number(&mut decoder)?, latitude))
                }
                1 => {
                    let latitude = decode_number(&mut decoder)?;
                    Kind::Circle {
                        center: Point::new(decode_number(&mut decoder)?, latitude),
                        radius_km: decode_number(&mut decoder)?,
                    }
                }
                2 => {
                    let length = decoder.length()?;
                    let text = std::str::from_utf8(decoder.raw(length)?)
                        .map_err(|_| Error::corrupted("an indexed shape is no text"))?;
                    if deepest(text) > MAX_NESTING {
                        return Err(Error::corrupted("an indexed shape nests too deep"));
                    }
                    let geometry = parse_geometry(text)
                        .map_err(|it| Error::corrupted(format!("an indexed shape: {it}")))?;
                    Kind::Geometry(Box::new(geometry))
                }
                _ => return Err(Error::corrupted("an indexed shape is of no known kind")),
            };
            shapes.push(Self(kind));
        }
        Ok(shapes)
    }
}

fn decode_number(decoder: &mut Decoder<'_>) -> Result<f64> {
    let bytes = decoder.raw(8)?;
    let bytes = bytes.try_into().expect("eight bytes were read");
    Ok(f64::from_be_bytes(bytes))
}

fn km_between(a: Point, b: Point) -> f64 {
    Haversine.distance(a, b) / 1000.0
}

/// How deep parentheses nest.
fn deepest(text: &str) -> usize {
    let (mut open, mut deepest) = (0usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' => open += 1,
            b')' => open = open.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(open);
    }
    deepest
}

/// Where the first parenthesis is closed.
fn end_of_first(text: &str) -> Option<usize> {
    let mut open = 0usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => open += 1,
            b')' => open = open.checked_sub(1)?,
            _ => continue,
        }
        if open == 0 {
            return Some(at + 1);
        }
    }
    None
}

/// What stands between the parentheses after `name`.
fn arguments_of<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let head = text.get(..name.len())?;
    let rest = text.get(name.len()..)?.trim();
    let inner = rest.strip_prefix('(')?.strip_suffix(')')?;
    head.eq_ignore_ascii_case(name).then_some(inner)
}

fn circle_of(inner: &str, unit: LengthUnit) -> Option<Result<Shape>> {
    let inner = inner.replace(',', " ");
    let mut parts = inner.split_whitespace();
    let longitude = nearest_double(parts.next()?)?;
    let latitude = nearest_double(parts.next()?)?;
    let radius = nearest_double(parts.next()?.strip_prefix("d=")?)?;
    let circle = Shape::circle(radius * unit.to_km(), latitude, longitude);
    parts.next().is_none().then_some(circle)
}

fn envelope_of(inner: &str) -> Option<Result<Shape>> {
    let sides: Vec<f64> = inner
        .split(',')
        .map(|it| nearest_double(it.trim()))
        .collect::<Option<_>>()?;
    let [west, east, north, south] = sides[..] else {
        return None;
    };
    let corners = checked_point(south, west).and(checked_point(north, east));
    // From east to west it lies over the date line.
    let beyond = if west > east { east + 360.0 } else { east };
    let ring = rectangle(west, south, beyond, north);
    Some(corners.and_then(|_| Shape::of_laid_out(Geometry::Polygon(ring))))
}

fn rectangle(west: f64, south: f64, east: f64, north: f64) -> Polygon {
    let corners = vec![(west, south), (east, south), (east, north), (west, north)];
    Polygon::new(LineString::from(corners), Vec::new())
}

/// How far east and west a circle reaches, in degrees; `None` when it holds a pole.
fn reach_degrees(center: Point, radius_km: f64) -> Option<f64> {
    let radius = radius_km / KM_PER_DEGREE;
    if center.y().abs() + radius + MARGIN >= 90.0 {
        return None;
    }
    let sine = radius.to_radians().sin() / center.y().to_radians().cos();
    Some(sine.clamp(-1.0, 1.0).asin().to_degrees())
}

fn circle_bounds(center: Point, radius_km: f64) -> Vec<Bounds> {
    let radius = radius_km / KM_PER_DEGREE + MARGIN;
    let whole = Bounds {
        south: (center.y() - radius).max(-90.0),
        west: -180.0,
        north: (center.y() + radius).min(90.0),
        east: 180.0,
    };
    let Some(reach) = reach_degrees(center, radius_km) else {
        return vec![whole];
    };
    let (west, east) = (center.x() - reach - MARGIN, center.x() + reach + MARGIN);
    if west < -180.0 {
        let rest = Bounds {
            west: west + 360.0,
            ..whole
        };
        return vec![rest, Bounds { east, ..whole }];
    }
    if east > 180.0 {
        let rest = Bounds {
            east: east - 360.0,
            ..whole
        };
        return vec![rest, Bounds { west, ..whole }];
    }
    vec![Bounds {
        west,
        east,
        ..whole
    }]
}

/// Bounds that go on beyond the date line, as two.
fn at_date_line(bounds: Bounds) -> Vec<Bounds> {
    if bounds.east <= 180.0 {
        return vec![bounds];
    }
    let beyond = Bounds {
        west: -180.0,
        east: (bounds.east - 360.0).min(180.0),
        ..bounds
    };
    let before = Bounds {
        east: 180.0,
        ..bounds
    };
    vec![before, beyond]
}

/// The shape on a map of degrees. A circle is there several times, one map's width apart, so that
/// what lies beyond the date line meets it.
fn flat(kind: &Kind) -> Vec<Geometry> {
    let (center, radius_km) = match kind {
        Kind::Point(point) => return vec![Geometry::Point(*point)],
        Kind::Geometry(geometry) => {
            let bounds = geometry.bounding_rect();
            let mut all = vec![(**geometry).clone()];
            if bounds.is_some_and(|it| it.max().x > 180.0) {
                all.push(shifted(&all[0], -360.0));
            }
            return all;
        }
        Kind::Circle { center, radius_km } => (*center, *radius_km),
    };
    if radius_km <= 0.0 {
        return vec![Geometry::Point(center)];
    }
    let mut ring: Vec<(f64, f64)> = (0..CIRCLE_CORNERS)
        .map(|corner| {
            let bearing = f64::from(corner) * 360.0 / f64::from(CIRCLE_CORNERS);
            let at = Haversine.destination(center, bearing, radius_km * 1000.0);
            (at.x(), at.y())
        })
        .collect();
    if reach_degrees(center, radius_km).is_none() {
        return vec![cap(ring, center, radius_km)];
    }
    for (longitude, _) in &mut ring {
        // Beside the centre, even if that is beyond the date line.
        let aside = *longitude - center.x();
        *longitude -= (aside / 360.0).round() * 360.0;
    }
    [-360.0, 0.0, 360.0]
        .into_iter()
        .map(|shift| {
            let moved = ring.iter().map(|(x, y)| (x + shift, *y)).collect();
            Geometry::Polygon(Polygon::new(
                LineString::new(moved_coords(moved)),
                Vec::new(),
            ))
        })
        .collect()
}

fn moved_coords(corners: Vec<(f64, f64)>) -> Vec<geo::Coord> {
    corners.into_iter().map(geo::Coord::from).collect()
}

/// A circle that holds a pole: on the map all between its border and that pole, or, when it holds
/// both, all of the map.
fn cap(mut ring: Vec<(f64, f64)>, center: Point, radius_km: f64) -> Geometry {
    let radius = radius_km / KM_PER_DEGREE;
    let (has_north, has_south) = (
        center.y() + radius + MARGIN >= 90.0,
        center.y() - radius - MARGIN <= -90.0,
    );
    if has_north && has_south {
        return Geometry::Polygon(rectangle(-180.0, -90.0, 180.0, 90.0));
    }
    let pole = if has_north { 90.0 } else { -90.0 };
    ring.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (first, last) = (ring[0].1, ring[ring.len() - 1].1);
    ring.insert(0, (-180.0, first));
    ring.push((180.0, last));
    ring.push((180.0, pole));
    ring.push((-180.0, pole));
    Geometry::Polygon(Polygon::new(
        LineString::new(moved_coords(ring)),
        Vec::new(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Shape> {
        Shape::parse(text, LengthUnit::Kilometers)
    }

    #[test]
    fn shapes_have_texts() {
        for text in [
            "POINT(18.07 59.33)",
            "point (18.07 59.33)",
            "CIRCLE(18.07 59.33 d=2.5)",
            "Circle(18.07, 59.33, d=2.5)",
            "ENVELOPE(18, 19, 60, 59)",
            "POLYGON((0 0, 9 0, 9 9, 0 9, 0 0), (3 3, 6 3, 6 6, 3 6, 3 3))",
            "MULTIPOLYGON(((0 0, 1 0, 1 1, 0 0)), ((2 2, 3 2, 3 3, 2 2)))",
            "LINESTRING(0 0, 1 1)",
            "GEOMETRYCOLLECTION(POINT(1 1), LINESTRING(0 0, 1 1))",
        ] {
            let shape = parse(text).unwrap_or_else(|reason| panic!("{text}: {}", reason.message()));
            let bytes = Shape::encode_all(std::slice::from_ref(&shape));
            assert_eq!(Shape::decode_all(&bytes).unwrap(), [shape], "{text}");
        }
        for text in [
            "",
            "POINT EMPTY",
            "POINT(1)",
            "POINT(nan 1)",
            "LINESTRING(0 0, nan 1)",
            "POINT(1 91)",
            "POINT(181 1)",
            "CIRCLE(1 1 d=-1)",
            "CIRCLE(1 1)",
            "ENVELOPE(1, 2, 3)",
            "POLYGON((0 0, 1 1, 0 1, 1 0, 0 0))",
            "POLYGON((0 0, 1 1))",
            "POINT(1 1) POINT(2 2)",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn holes_are_not_inside() {
        let ring = parse("POLYGON((0 0, 9 0, 9 9, 0 9, 0 0), (3 3, 6 3, 6 6, 3 6, 3 3))").unwrap();
        let is_within = |text: &str| parse(text).unwrap().is_related(&ring, Relation::Within);
        assert!(is_within("POINT(1 1)") && is_within("POINT(0 0)") && is_within("POINT(3 4)"));
        assert!(!is_within("POINT(4 4)") && !is_within("POINT(10 1)"));
        let around = parse("CIRCLE(4.5 4.5 d=100)").unwrap();
        assert!(around.is_related(&ring, Relation::Disjoint));
        let wider = parse("CIRCLE(4.5 4.5 d=300)").unwrap();
        assert!(wider.is_related(&ring, Relation::Intersects));
        assert!(!wider.is_related(&ring, Relation::Within));
    }

    #[test]
    fn circles_reach_over_the_date_line_and_the_poles() {
        let circle = |latitude, longitude, km| Shape::circle(km, latitude, longitude).unwrap();
        let line = parse("LINESTRING(-179.5 0, -179 1)").unwrap();
        assert!(line.is_related(&circle(0.0, 179.9, 100.0), Relation::Intersects));
        assert!(!line.is_related(&circle(0.0, 179.9, 10.0), Relation::Intersects));
        let beyond = parse("LINESTRING(100 89.5, 101 89.6)").unwrap();
        assert!(beyond.is_related(&circle(89.0, -80.0, 250.0), Relation::Within));
        assert!(beyond.is_related(&circle(89.0, -80.0, 50.0), Relation::Disjoint));
        assert!(beyond.is_related(&circle(0.0, 0.0, 20_000.0), Relation::Within));
    }

    #[test]
    fn polygons_reach_over_the_date_line() {
        let fiji = parse("POLYGON((177 -20, -178 -20, -178 -16, 177 -16, 177 -20), (179 -19, -179 -19, -179 -18, 179 -18, 179 -19))").unwrap();
        let is = |text: &str, relation| parse(text).unwrap().is_related(&fiji, relation);
        for inside in [
            "POINT(178 -17)",
            "POINT(-179 -17)",
            "POINT(180 -17)",
            "LINESTRING(179 -17, -179 -17)",
        ] {
            assert!(is(inside, Relation::Within), "{inside}");
        }
        for outside in [
            "POINT(0 -17)",
            "POINT(176 -17)",
            "POINT(-177 -17)",
            "POINT(180 -18.5)",
            "LINESTRING(0 -17, 10 -17)",
        ] {
            assert!(is(outside, Relation::Disjoint), "{outside}");
        }
        assert!(is("LINESTRING(170 -17, -170 -17)", Relation::Intersects));
        assert!(!is("LINESTRING(170 -17, -170 -17)", Relation::Within));
        let bounds = fiji.bounds();
        assert_eq!((bounds[0].west, bounds[0].east), (177.0, 180.0));
        assert_eq!((bounds[1].west, bounds[1].east), (-180.0, -178.0));
        assert_eq!(
            Shape::decode_all(&Shape::encode_all(std::slice::from_ref(&fiji))).unwrap(),
            [fiji]
        );
        let envelope = parse("ENVELOPE(100, 50, 10, -10)").unwrap();
        let is = |text: &str| parse(text).unwrap().is_related(&envelope, Relation::Within);
        assert!(
            is("POINT(120 0)") && is("POINT(-120 0)") && is("POINT(49 0)") && !is("POINT(75 0)")
        );
        assert!(
            parse("POINT(170 0)")
                .unwrap()
                .distance_km(&parse("LINESTRING(179 0, -179 0)").unwrap())
                < 1200.0
        );
        let error = parse("POLYGON((0 80, 120 80, -120 80, 0 80))").unwrap_err();
        assert!(error.message().contains("pole"), "{}", error.message());
        // The whole earth is no crossing.
        let earth = parse("POLYGON((-180 -90, 180 -90, 180 90, -180 90, -180 -90))").unwrap();
        assert!(
            parse("POINT(7 7)")
                .unwrap()
                .is_related(&earth, Relation::Within)
        );
    }

    fn any_text() -> impl Strategy<Value = String> {
        let word = prop_oneof![
            Just("POLYGON".to_owned()),
            Just("POINT".to_owned()),
            Just("LINESTRING".to_owned()),
            Just("MULTIPOLYGON".to_owned()),
            Just("GEOMETRYCOLLECTION".to_owned()),
            Just("CIRCLE".to_owned()),
            Just("ENVELOPE".to_owned()),
            Just("EMPTY".to_owned()),
            Just("(".to_owned()),
            Just("((".to_owned()),
            Just(")".to_owned()),
            Just("))".to_owned()),
            Just(",".to_owned()),
            Just("d=5".to_owned()),
            Just("Z".to_owned()),
            (-190..190i32).prop_map(|it| it.to_string()),
            (-190.0..190.0f64).prop_map(|it| it.to_string()),
        ];
        proptest::collection::vec(word, 0..24).prop_map(|words| words.join(" "))
    }

    fn any_polygon() -> impl Strategy<Value = String> {
        let corner = (-8..8i32, -8..8i32).prop_map(|(x, y)| format!("{x} {y}"));
        proptest::collection::vec(corner, 3..7)
            .prop_map(|it| format!("POLYGON(({}, {}))", it.join(", "), it[0]))
    }

    proptest! {
        #[test]
        fn any_text_is_a_shape_or_none(text in any_text(), bytes: Vec<u8>) {
            if let Ok(shape) = parse(&text) {
                let _ = (shape.bounds(), shape.center());
            }
            let _ = Shape::decode_all(&bytes);
        }

        #[test]
        fn relations_fit_together(
            own in any_polygon(),
            asked in any_polygon(),
            (latitude, longitude, km) in (-90.0..90.0f64, -180.0..180.0f64, 0.0..20_000.0f64),
        ) {
            let (Ok(own), Ok(asked)) = (parse(&own), parse(&asked)) else {
                return Ok(());
            };
            let circle = Shape::circle(km, latitude, longitude).unwrap();
            for asked in [&asked, &circle] {
                let is = |relation| own.is_related(asked, relation);
                prop_assert_ne!(is(Relation::Disjoint), is(Relation::Intersects));
                prop_assert!(!is(Relation::Within) || is(Relation::Intersects));
                prop_assert_eq!(is(Relation::Within), asked.is_related(&own, Relation::Contains));
            }
        }
    }
}
