//! JSON objects as objects only: a derived struct would also be read from an array of its fields.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

/// A struct that must stand in the text as an object.
pub struct JsonObject<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for JsonObject<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_map(Object(PhantomData))
            .map(JsonObject)
    }
}

struct Object<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, properties: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(properties))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    #[derive(Deserialize)]
    struct Pair<'a> {
        a: u8,
        #[serde(borrow)]
        b: &'a RawValue,
    }

    #[test]
    fn arrays_of_fields_are_refused() {
        let read = |text| serde_json::from_str::<JsonObject<Pair<'_>>>(text).map(|it| it.0);
        let pair = read(r#"{"b": [1, 2], "a": 7}"#).unwrap();
        assert_eq!((pair.a, pair.b.get()), (7, "[1, 2]"));
        assert!(serde_json::from_str::<Pair<'_>>("[7, 1]").is_ok());
        assert!(read("[7, 1]").is_err());
        assert!(read("7").is_err());
    }
}
