//! Paths of fields, and reading many of them from a document's text in one pass.
//!
//! Lists are entered wherever they stand: `Lines[].Product` and `Lines.Product` mean the same, and
//! a list at the end gives one value for each item. The text is skipped over, never built up.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{FieldValue, Number};
use crate::{Error, Result};

/// No document nests deeper.
const MAX_PARTS: usize = 128;

/// The path of a field: names from the document's root inwards.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FieldPath {
    names: Vec<String>,
}

impl FieldPath {
    /// Reads `A.B`, `Lines[].Product`, `'quoted name'.B`.
    ///
    /// # Errors
    /// `InvalidRequest` when a part is empty or names a position of a list, or there are more than
    /// documents can nest.
    pub fn parse(text: &str) -> Result<Self> {
        let invalid = |why: &str| Error::invalid(format!("the field path '{text:.200}' {why}"));
        let mut names = Vec::new();
        let parts = split_quoted(text);
        // Readers of paths nest as paths do.
        if parts.len() > MAX_PARTS {
            return Err(invalid(&format!("has more than {MAX_PARTS} parts")));
        }
        for part in parts {
            let mut name = part;
            while let Some(rest) = name.strip_suffix("[]") {
                name = rest;
            }
            if name.ends_with(']') && name.contains('[') {
                return Err(invalid(
                    "names a position of a list, which is not supported",
                ));
            }
            let is_quoted =
                |quote: char| name.len() >= 2 && name.starts_with(quote) && name.ends_with(quote);
            if is_quoted('\'') || is_quoted('"') {
                name = &name[1..name.len() - 1];
            }
            if name.is_empty() {
                return Err(invalid("has an empty part"));
            }
            names.push(name.to_owned());
        }
        Ok(Self { names })
    }

    /// The path below its first name.
    #[must_use]
    pub fn without_first(&self) -> Self {
        Self {
            names: self.names[1..].to_vec(),
        }
    }

    /// The names.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

fn split_quoted(text: &str) -> Vec<&str> {
    let (mut parts, mut from, mut quote) = (Vec::new(), 0, None);
    for (at, byte) in text.bytes().enumerate() {
        match (byte, quote) {
            (b'\'' | b'"', None) => quote = Some(byte),
            (byte, Some(open)) if byte == open => quote = None,
            (b'.', None) => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

/// Several paths, to be read together.
#[derive(Debug, Clone, Default)]
pub struct FieldReader {
    root: Node,
    count: usize,
}

#[derive(Debug, Clone, Default)]
struct Node {
    children: Vec<(String, Node)>,
    /// Which of the paths end here.
    slots: Vec<usize>,
}

impl FieldReader {
    /// A reader of `paths`; values of the n-th come out at the n-th place.
    pub fn new<'a>(paths: impl IntoIterator<Item = &'a FieldPath>) -> Self {
        let mut reader = Self::default();
        for path in paths {
            let mut node = &mut reader.root;
            for name in &path.names {
                let known = node.children.iter().position(|(known, _)| known == name);
                let at = known.unwrap_or_else(|| {
                    node.children.push((name.clone(), Node::default()));
                    node.children.len() - 1
                });
                node = &mut node.children[at].1;
            }
            node.slots.push(reader.count);
            reader.count += 1;
        }
        reader
    }

    /// How many paths it reads.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The values of all paths in `text`, a JSON object.
    ///
    /// # Errors
    /// `Corrupted` when the text is not JSON; documents are checked before they are stored.
    pub fn read(&self, text: &str) -> Result<Vec<Vec<FieldValue>>> {
        let mut values = vec![Vec::new(); self.count];
        self.read_into(text, &mut values)?;
        Ok(values)
    }

    /// As [`Self::read`], adding to what is there.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_into(&self, text: &str, values: &mut [Vec<FieldValue>]) -> Result<()> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let walk = Walk {
            node: &self.root,
            values,
        };
        walk.deserialize(&mut deserializer)
            .map_err(|reason| Error::corrupted(format!("a document is not JSON: {reason}")))
    }
}

/// Reads one value of a document for one node of the paths.
struct Walk<'n, 'v> {
    node: &'n Node,
    values: &'v mut [Vec<FieldValue>],
}

impl<'de> DeserializeSeed<'de> for Walk<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.node.slots.is_empty() {
            return deserializer.deserialize_any(self);
        }
        let raw = <&RawValue as serde::Deserialize>::deserialize(deserializer)?.get();
        for &slot in &self.node.slots {
            push_values(raw, &mut self.values[slot]);
        }
        if !self.node.children.is_empty() {
            let below = Walk {
                node: &Node {
                    children: self.node.children.clone(),
                    slots: Vec::new(),
                },
                values: self.values,
            };
            let mut inner = serde_json::Deserializer::from_str(raw);
            below
                .deserialize(&mut inner)
                .map_err(serde::de::Error::custom)?;
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for Walk<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items
            .next_element_seed(Walk {
                node: self.node,
                values: &mut *self.values,
            })?
            .is_some()
        {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut properties: A) -> Result<(), A::Error> {
        while let Some(found) = properties.next_key_seed(Child { node: self.node })? {
            match found {
                Some(node) => properties.next_value_seed(Walk {
                    node,
                    values: &mut *self.values,
                })?,
                None => {
                    properties.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// Finds the child that a property's name leads to.
struct Child<'n> {
    node: &'n Node,
}

impl<'de, 'n> DeserializeSeed<'de> for Child<'n> {
    type Value = Option<&'n Node>;

    fn deserialize<D: serde::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'n> Visitor<'_> for Child<'n> {
    type Value = Option<&'n Node>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a property name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        let children = &self.node.children;
        let found = children.iter().find(|(known, _)| known == name);
        Ok(found.map(|(_, node)| node))
    }
}

/// Adds the values that a JSON text stands for: each item of a list, or itself.
pub fn push_values(raw: &str, values: &mut Vec<FieldValue>) {
    match raw.as_bytes().first() {
        Some(b'[') => {
            let before = values.len();
            let mut items = serde_json::Deserializer::from_str(raw);
            // The text was checked when it was stored.
            let _ = items.deserialize_seq(Items(values));
            if values.len() == before {
                values.push(FieldValue::EmptyList);
            }
        }
        Some(b'n') => values.push(FieldValue::Null),
        Some(b't') => values.push(FieldValue::Bool(true)),
        Some(b'f') => values.push(FieldValue::Bool(false)),
        Some(b'"') => values.push(FieldValue::Text(unquoted(raw))),
        Some(b'{') => values.push(FieldValue::Text(raw.to_owned())),
        _ => values.extend(Number::parse(raw).map(FieldValue::Number)),
    }
}

/// The text of a JSON string.
fn unquoted(raw: &str) -> String {
    let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
    if !inner.contains('\\') {
        return inner.to_owned();
    }
    serde_json::from_str(raw).unwrap_or_default()
}

struct Items<'v>(&'v mut Vec<FieldValue>);

impl<'de> Visitor<'de> for Items<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element::<&RawValue>()? {
            push_values(item.get(), self.0);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(paths: &[&str], text: &str) -> Vec<Vec<String>> {
        let paths: Vec<FieldPath> = paths
            .iter()
            .map(|it| FieldPath::parse(it).unwrap())
            .collect();
        let values = FieldReader::new(&paths).read(text).unwrap();
        let shown =
            |values: &Vec<FieldValue>| values.iter().map(|it| it.to_text().into_owned()).collect();
        values.iter().map(shown).collect()
    }

    #[test]
    fn paths_longer_than_documents_are_deep_are_refused_briefly() {
        let path = |parts: usize| FieldPath::parse(&vec!["a"; parts].join("."));
        assert_eq!(path(MAX_PARTS).unwrap().names().len(), MAX_PARTS);
        let refused = path(100_000).unwrap_err();
        assert!(
            refused.message().contains("more than 128 parts"),
            "{refused}"
        );
        assert!(refused.message().len() < 300, "{refused}");
    }

    #[test]
    fn paths_are_read_in_one_pass() {
        let text = r#"{"A":{"B":1.50,"C":{"D":"x"}},"Lines":[{"P":"p/1"},{"P":null},{"Q":2},
            {"P":["a","b\n"]}],"T":[],"Flag":true,"weird name":"\u0041","N":null,"O":{"x":[1]}}"#;
        for (path, expected) in [
            ("A.B", vec!["1.5"]),
            ("A.C.D", vec!["x"]),
            ("Lines[].P", vec!["p/1", "null", "a", "b\n"]),
            ("Lines.P", vec!["p/1", "null", "a", "b\n"]),
            ("Lines[].Q", vec!["2"]),
            ("T", vec!["[]"]),
            ("Flag", vec!["true"]),
            ("'weird name'", vec!["A"]),
            ("N", vec!["null"]),
            ("O", vec![r#"{"x":[1]}"#]),
            ("O.x", vec!["1"]),
            ("Missing.Deep", vec![]),
            ("Flag.Deep", vec![]),
        ] {
            assert_eq!(read(&[path], text), [expected], "{path}");
        }
        let together = read(&["A", "A.B", "Lines", "A.B"], text);
        assert_eq!(together[0], [r#"{"B":1.50,"C":{"D":"x"}}"#]);
        assert_eq!(
            (&together[1], &together[3]),
            (&vec!["1.5".to_owned()], &together[1])
        );
        assert_eq!(together[2].len(), 4);
    }

    #[test]
    fn malformed_paths_are_refused() {
        for path in ["", "a..b", ".a", "a.", "[]", "a[0]", "''"] {
            assert!(FieldPath::parse(path).is_err(), "{path}");
        }
        assert_eq!(FieldPath::parse("'a.b'.c").unwrap().names(), ["a.b", "c"]);
    }
}
