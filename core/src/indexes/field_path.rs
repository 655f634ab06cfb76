//! Paths of fields, and reading many of them from a document's text in one pass.
//!
//! Lists are entered wherever they stand: `Lines[].Product` and `Lines.Product` mean the same, and
//! a list at the end gives one value for each item; `Lines[0].Product` is that of the first item.
//! The text is skipped over, never built up.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{FieldValue, Number};
use crate::document::find_property;
use crate::{Error, Result};

/// No document nests deeper.
const MAX_PARTS: usize = 128;

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// To a property.
    Name(String),
    /// To an item of a list, counted from 0.
    At(usize),
}

/// The path of a field: steps from the document's root inwards.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FieldPath {
    steps: Vec<Step>,
}

impl FieldPath {
    /// Reads `A.B`, `Lines[].Product`, `Lines[0].Product`, `'quoted name'.B`.
    ///
    /// # Errors
    /// `InvalidRequest` when a part is empty or has something in brackets that is no position, or
    /// there are more than documents can nest.
    pub fn parse(text: &str) -> Result<Self> {
        let invalid = |why: &str| Error::invalid(format!("the field path '{text:.200}' {why}"));
        let mut steps = Vec::new();
        for part in split_quoted(text) {
            let (mut name, mut positions) = (part, Vec::new());
            while let Some((rest, inner)) = name
                .strip_suffix(']')
                .and_then(|rest| rest.rsplit_once('['))
            {
                name = rest;
                match inner.parse() {
                    Ok(at) => positions.push(Step::At(at)),
                    Err(_) if inner.is_empty() => {}
                    Err(_) => return Err(invalid("has something in brackets that is no position")),
                }
            }
            let is_quoted =
                |quote: char| name.len() >= 2 && name.starts_with(quote) && name.ends_with(quote);
            if is_quoted('\'') || is_quoted('"') {
                name = &name[1..name.len() - 1];
            }
            if name.is_empty() {
                return Err(invalid("has an empty part"));
            }
            steps.push(Step::Name(name.to_owned()));
            steps.extend(positions.into_iter().rev());
            // Readers of paths nest as paths do.
            if steps.len() > MAX_PARTS {
                return Err(invalid(&format!("has more than {MAX_PARTS} parts")));
            }
        }
        Ok(Self { steps })
    }

    /// The steps.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The path within a document's metadata, if it leads there: `@metadata.Tag` is `Tag` there.
    #[must_use]
    pub fn in_metadata(&self) -> Option<Self> {
        match self.steps.split_first() {
            Some((Step::Name(first), rest)) if first == "@metadata" && !rest.is_empty() => {
                let steps = rest.to_vec();
                Some(Self { steps })
            }
            _ => None,
        }
    }

    /// The JSON text of what stands there in `text`, a JSON value. Lists are entered only by
    /// position.
    pub fn find<'a>(&self, text: &'a str) -> Option<&'a str> {
        self.steps.iter().try_fold(text, |text, step| match step {
            Step::Name(name) => find_property(text, name),
            Step::At(at) => items_of(text).get(*at).map(|item| item.get()),
        })
    }

    /// The JSON texts of all that stands there in `text`, also in the items of lists on the way.
    pub fn find_all<'a>(&self, text: &'a str) -> Vec<&'a str> {
        let mut found = vec![text];
        for step in &self.steps {
            found = match step {
                Step::At(at) => {
                    let item = |text| items_of(text).get(*at).map(|item| item.get());
                    found.into_iter().filter_map(item).collect()
                }
                Step::Name(name) => {
                    let mut entered = Vec::new();
                    found.into_iter().for_each(|text| enter(text, &mut entered));
                    let value = |text| find_property(text, name);
                    entered.into_iter().filter_map(value).collect()
                }
            };
        }
        found
    }
}

/// The items of a list and of lists in it, or a value that is none.
fn enter<'a>(text: &'a str, into: &mut Vec<&'a str>) {
    match text.starts_with('[') {
        true => items_of(text)
            .iter()
            .for_each(|item| enter(item.get(), into)),
        false => into.push(text),
    }
}

/// The items of a JSON list; none of anything else.
pub(super) fn items_of(text: &str) -> Vec<&RawValue> {
    serde_json::from_str(text).unwrap_or_default()
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
    children: Vec<(Step, Node)>,
    /// Which of the paths end here.
    slots: Vec<usize>,
}

impl Node {
    /// This node without what is reached by position, which counts for the outermost list only.
    fn without_positions(&self) -> Option<Self> {
        let is_name = |(step, _): &&(Step, Self)| matches!(step, Step::Name(_));
        let children: Vec<_> = self.children.iter().filter(is_name).cloned().collect();
        (children.len() < self.children.len()).then(|| Self {
            children,
            slots: self.slots.clone(),
        })
    }
}

impl FieldReader {
    /// A reader of `paths`; values of the n-th come out at the n-th place.
    pub fn new<'a>(paths: impl IntoIterator<Item = &'a FieldPath>) -> Self {
        let mut reader = Self::default();
        for path in paths {
            let mut node = &mut reader.root;
            for step in &path.steps {
                let known = node.children.iter().position(|(known, _)| known == step);
                let at = known.unwrap_or_else(|| {
                    node.children.push((step.clone(), Node::default()));
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

impl Walk<'_, '_> {
    /// As `visit_seq`, where some paths go on by position; the others go on at `below`.
    fn visit_positions<'de, A: SeqAccess<'de>>(
        self,
        below: &Node,
        mut items: A,
    ) -> Result<(), A::Error> {
        let mut at = 0;
        while let Some(item) = items.next_element::<&RawValue>()? {
            let here = (self.node.children.iter())
                .filter(|(step, _)| *step == Step::At(at))
                .map(|(_, node)| node);
            let nodes = here.chain((!below.children.is_empty()).then_some(below));
            for node in nodes {
                let values = &mut *self.values;
                Walk { node, values }
                    .deserialize(&mut serde_json::Deserializer::from_str(item.get()))
                    .map_err(serde::de::Error::custom)?;
            }
            at += 1;
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
        if let Some(below) = self.node.without_positions() {
            return self.visit_positions(&below, items);
        }
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
        let found = children
            .iter()
            .find(|(known, _)| matches!(known, Step::Name(known) if known == name));
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
        assert_eq!(path(MAX_PARTS).unwrap().steps().len(), MAX_PARTS);
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
            ("Lines[0].P", vec!["p/1"]),
            ("Lines[3].P", vec!["a", "b\n"]),
            ("Lines[3].P[1]", vec!["b\n"]),
            ("Lines[].P[0]", vec!["a"]),
            ("Lines[9].P", vec![]),
            ("A[0].B", vec![]),
            ("O.x[0]", vec!["1"]),
            ("Missing.Deep", vec![]),
            ("Flag.Deep", vec![]),
        ] {
            assert_eq!(read(&[path], text), [expected], "{path}");
        }
        let lists = r#"{"L":[[{"P":1},{"P":2}],[{"P":3}]]}"#;
        let both = read(&["L[1].P", "L.P", "L[0][1].P", "L[0]"], lists);
        assert_eq!(both[..3], [vec!["3"], vec!["1", "2", "3"], vec!["2"]]);
        assert_eq!(both[3].len(), 2);
        for (path, expected) in [
            ("L[].P", vec!["1", "2", "3"]),
            ("L[0].P", vec!["1", "2"]),
            ("L[0][1].P", vec!["2"]),
            ("L[1]", vec![r#"[{"P":3}]"#]),
            ("M.P", vec![]),
        ] {
            assert_eq!(
                FieldPath::parse(path).unwrap().find_all(lists),
                expected,
                "{path}"
            );
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
        for path in [
            "",
            "a..b",
            ".a",
            "a.",
            "[]",
            "[0]",
            "a[x]",
            "a[-1]",
            "a[99999999999999999999]",
            "''",
        ] {
            assert!(FieldPath::parse(path).is_err(), "{path}");
        }
        let name = |text: &str| Step::Name(text.to_owned());
        let path = FieldPath::parse("'a.b'.c[7]").unwrap();
        assert_eq!(path.steps(), [name("a.b"), name("c"), Step::At(7)]);
    }
}
