//! Spatial answers, against formulas of the test's own.

use proptest::prelude::*;
use serde_json::json;

use super::super::order;
use super::super::story::Story;
use super::super::story::indexes::{ask, ids, open, write};

const EARTH_KM: f64 = 6371.0088;

/// The spherical law of haversines.
fn km_between(a: (f64, f64), b: (f64, f64)) -> f64 {
    let half = |degrees: f64| (degrees.to_radians() / 2.0).sin().powi(2);
    let cosines = a.0.to_radians().cos() * b.0.to_radians().cos();
    let h = half(a.0 - b.0) + cosines * half(a.1 - b.1);
    2.0 * EARTH_KM * h.sqrt().min(1.0).asin()
}

#[derive(Debug, Clone, Copy)]
struct Box {
    south: f64,
    west: f64,
    north: f64,
    east: f64,
}

impl Box {
    fn to_wkt(self) -> String {
        let Self {
            south,
            west,
            north,
            east,
        } = self;
        let east = if east > 180.0 { east - 360.0 } else { east };
        format!(
            "POLYGON(({west} {south}, {east} {south}, {east} {north}, {west} {north}, {west} {south}))"
        )
    }

    /// The same, once more around the earth either way.
    fn around(self) -> [Self; 3] {
        [-360.0, 0.0, 360.0].map(|shift| Self {
            west: self.west + shift,
            east: self.east + shift,
            ..self
        })
    }

    fn holds(self, other: Self) -> bool {
        let inside = |other: Self| self.west <= other.west && other.east <= self.east;
        self.south <= other.south
            && other.north <= self.north
            && other.around().into_iter().any(inside)
    }

    fn meets(self, other: Self) -> bool {
        let meets = |other: Self| self.west <= other.east && other.west <= self.east;
        self.south <= other.north
            && other.south <= self.north
            && other.around().into_iter().any(meets)
    }
}

fn any_box() -> impl Strategy<Value = Box> {
    // Whole degrees and a half, so that borders are often shared, and none is the date line.
    let west = prop_oneof![2 => -180..180i32, 1 => 170..180i32];
    (-80..80i32, west, 1..9i32, 1..9i32).prop_map(|(south, west, height, width)| Box {
        south: south.into(),
        west: f64::from(west) + 0.5,
        north: (south + height).into(),
        east: f64::from(west + width) + 0.5,
    })
}

fn any_place() -> impl Strategy<Value = (f64, f64)> {
    prop_oneof![
        3 => (-89.0..89.0f64, -180.0..180.0f64),
        1 => (80.0..90.0f64, -180.0..180.0f64),
        1 => (-10.0..10.0f64, 175.0..180.0f64),
        1 => (-10.0..10.0f64, -180.0..-175.0f64),
    ]
}

#[derive(Debug, Clone)]
struct Item {
    place: Option<(f64, f64)>,
    area: Option<Box>,
}

/// A star around a point: a ring that does not cross itself.
fn star(center: (f64, f64), radii: &[f64]) -> Vec<(f64, f64)> {
    #[allow(clippy::cast_precision_loss)]
    let angle = |at: usize| at as f64 / radii.len() as f64 * std::f64::consts::TAU;
    let corner = |(at, radius): (usize, &f64)| {
        (
            center.0 + radius * angle(at).sin(),
            center.1 + radius * angle(at).cos(),
        )
    };
    radii.iter().enumerate().map(corner).collect()
}

/// Whether a ray from the place crosses the ring an odd number of times.
fn is_inside(ring: &[(f64, f64)], place: (f64, f64)) -> bool {
    let next = ring.iter().cycle().skip(1);
    let crosses = |(a, b): (&(f64, f64), &(f64, f64))| {
        (a.0 > place.0) != (b.0 > place.0)
            && place.1 < (b.1 - a.1) * (place.0 - a.0) / (b.0 - a.0) + a.1
    };
    ring.iter().zip(next).filter(|it| crosses(*it)).count() % 2 == 1
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn places_are_found_as_formulas_say(
        items in proptest::collection::vec(
            (proptest::option::weighted(0.9, any_place()), proptest::option::weighted(0.9, any_box())),
            0..60,
        ),
        center in any_place(),
        radius_km in prop_oneof![0.0..50.0f64, 0.0..3000.0f64, 0.0..15000.0f64],
        asked in any_box(),
        radii in proptest::collection::vec(1.0..9.0f64, 3..12),
        star_center in (-80.0..80.0f64, -170.0..170.0f64),
    ) {
        let items: Vec<Item> = items.into_iter().map(|(place, area)| Item { place, area }).collect();
        let story = Story::new();
        story.run(async |database| {
            let indexes = open(&story, &database).await;
            let commands = items.iter().enumerate().map(|(at, item)| {
                let (latitude, longitude) = (json!(item.place.map(|it| it.0)), json!(item.place.map(|it| it.1)));
                let area = json!(item.area.map(Box::to_wkt));
                order(
                    &format!("items/{at:02}"),
                    &format!(r#"{{"Lat":{latitude},"At":{{"Lng":{longitude}}},"Area":{area}}}"#),
                )
            });
            write(&database, commands.collect()).await;
            let found = async |condition: &str| {
                let (results, ..) = ask(&indexes, &format!("from Orders where {condition}")).await.unwrap();
                let mut found = ids(&results);
                found.sort();
                found
            };
            let wanted = |is_wanted: &dyn Fn(&Item) -> bool| -> Vec<String> {
                let numbered = items.iter().enumerate().filter(|(_, it)| is_wanted(it));
                numbered.map(|(at, _)| format!("items/{at:02}")).collect()
            };
            let by_point = |is_wanted: &dyn Fn((f64, f64)) -> bool| {
                wanted(&|it| it.place.is_some_and(is_wanted))
            };
            let by_area = |is_wanted: &dyn Fn(Box) -> bool| wanted(&|it| it.area.is_some_and(is_wanted));

            let circle = format!("spatial.circle({radius_km}, {}, {})", center.0, center.1);
            let point = "spatial.point(Lat, At.Lng)";
            assert_eq!(
                found(&format!("spatial.within({point}, {circle})")).await,
                by_point(&|it| km_between(it, center) <= radius_km)
            );
            assert_eq!(
                found(&format!("spatial.disjoint({point}, {circle})")).await,
                by_point(&|it| km_between(it, center) > radius_km)
            );
            let ring = star(star_center, &radii);
            let corners: Vec<String> = ring.iter().chain(ring.first()).map(|it| format!("{} {}", it.1, it.0)).collect();
            let polygon = format!("spatial.wkt('POLYGON(({}))')", corners.join(", "));
            assert_eq!(
                found(&format!("spatial.intersects({point}, {polygon})")).await,
                by_point(&|it| is_inside(&ring, it))
            );
            let shape = format!("spatial.wkt('{}')", asked.to_wkt());
            let area = "spatial.wkt(Area)";
            assert_eq!(found(&format!("spatial.within({area}, {shape})")).await, by_area(&|it| asked.holds(it)));
            assert_eq!(found(&format!("spatial.contains({area}, {shape})")).await, by_area(&|it| it.holds(asked)));
            assert_eq!(found(&format!("spatial.intersects({area}, {shape})")).await, by_area(&|it| it.meets(asked)));
            assert_eq!(found(&format!("spatial.disjoint({area}, {shape})")).await, by_area(&|it| !it.meets(asked)));

            let text = format!(
                "from Orders where exists(Area) order by spatial.distance({point}, spatial.point({}, {})) desc",
                center.0, center.1
            );
            let (results, ..) = ask(&indexes, &text).await.unwrap();
            let far: Vec<f64> = results
                .iter()
                .map(|it| match (it["Lat"].as_f64(), it["At"]["Lng"].as_f64()) {
                    (Some(latitude), Some(longitude)) => km_between((latitude, longitude), center),
                    _ => -1.0,
                })
                .collect();
            assert_eq!(results.len(), items.len());
            assert!(far.windows(2).all(|it| it[0] + 1e-6 >= it[1]), "{far:?}");
        });
    }
}

#[test]
fn what_is_no_place_is_named() {
    let story = Story::new();
    story.run(async |database| {
        let indexes = open(&story, &database).await;
        for (condition, why) in [
            ("spatial.within(spatial.point(A, B), spatial.circle(1, 91, 0))", "latitude 91"),
            ("spatial.within(spatial.point(A, B), spatial.circle(-1, 1, 0))", "radius"),
            ("spatial.within(spatial.point(A, B), spatial.circle(1, 1, 0, 'Parsecs'))", "Parsecs"),
            ("spatial.within(spatial.point(A, B), spatial.wkt('POLYGON((0 0, 1 1, 0 1, 1 0, 0 0))'))", "is no shape"),
            ("spatial.within(spatial.point(A, B), spatial.wkt('POLYGOM'))", "is no shape"),
            ("spatial.within(spatial.point(A, B), spatial.wkt('POLYGON EMPTY'))", "empty"),
            ("spatial.within(A, spatial.circle(1, 1, 0))", "spatial.point(latitude, longitude)"),
            ("spatial.within(spatial.circle(1, 1, 0), spatial.circle(1, 1, 0))", "is no field"),
        ] {
            let error = ask(&indexes, &format!("from Orders where {condition}")).await.unwrap_err();
            assert!(error.message().contains(why), "{condition}: {}", error.message());
        }
        let deep = format!("{}{}", "GEOMETRYCOLLECTION(".repeat(5000), ")".repeat(5000));
        let error = ask(&indexes, &format!("from Orders where spatial.within(spatial.wkt(A), spatial.wkt('{deep}'))")).await;
        assert!(error.unwrap_err().message().contains("nests deeper"));
    });
}
