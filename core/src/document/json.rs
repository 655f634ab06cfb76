//! The JSON edge: one parser, strict, for everything that becomes a document.
//!
//! Beyond JSON's grammar it refuses duplicate names, lone surrogates, numbers no reader can hold
//! and excess depth, so that no two readers can disagree about a stored text (reliability.md §3,
//! items 7 and 8). Texts are kept as they came, but for white space outside strings.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::Deserializer as _;
use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::{Error, Result};

/// Checks that `text` is one strict JSON value no deeper than `max_depth`.
///
/// # Errors
/// `InvalidRequest` that names the line and column.
///
/// ```
/// use pinyon_core::document::check_json;
/// assert!(check_json(r#"{"a": [1, 2.50]}"#, 10).is_ok());
/// assert!(check_json(r#"{"a": 1, "a": 2}"#, 10).is_err());
/// assert!(check_json("[[]]", 1).is_err());
/// ```
pub fn check_json(text: &str, max_depth: usize) -> Result<()> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Strict {
        room: max_depth,
        max_depth,
    }
    .deserialize(&mut deserializer)
    .and_then(|()| deserializer.end())
    .map_err(to_invalid)
}

/// The properties of an object in their order, each with its value's text.
pub(crate) type Properties<'a> = Vec<(Cow<'a, str>, &'a str)>;

/// Checks that `text` is one strict JSON object, and finds its properties on the way.
///
/// # Errors
/// As [`check_json`]; `InvalidRequest` when it is another value.
pub(crate) fn check_document(text: &str, max_depth: usize) -> Result<Properties<'_>> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let strict = Strict {
        room: max_depth,
        max_depth,
    };
    let names = deserializer
        .deserialize_map(TopNames(strict))
        .and_then(|names| deserializer.end().map(|()| names));
    match names {
        Ok(Some(names)) => Ok(cut(text, &names)),
        Ok(None) => top_properties(text),
        Err(reason) => {
            // What is not JSON at all is said first.
            check_json(text, max_depth)?;
            Err(Error::invalid(format!(
                "a document must be a JSON object: {}",
                to_invalid(reason)
            )))
        }
    }
}

/// Cuts a valid object at its names, which are parts of `text`.
fn cut<'a>(text: &'a str, names: &[&'a str]) -> Properties<'a> {
    let place = |name: &str| name.as_ptr().addr() - text.as_ptr().addr();
    let end = text.trim_ascii_end().len() - "}".len();
    let ends = names.iter().skip(1).map(|next| place(next) - "\"".len());
    names
        .iter()
        .zip(ends.chain([end]))
        .map(|(name, end)| {
            // JSON has white space of ASCII only, which is found faster.
            let value = text[place(name) + name.len() + "\"".len()..end].trim_ascii();
            let value = value.strip_prefix(':').unwrap_or(value);
            let value = value.strip_suffix(',').unwrap_or(value);
            (Cow::Borrowed(*name), value.trim_ascii())
        })
        .collect()
}

/// Walks an object and keeps the names of its properties, unless one of them is written with
/// escapes and so stands nowhere in the text.
struct TopNames(Strict);

impl<'de> Visitor<'de> for TopNames {
    type Value = Option<Vec<&'de str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut properties: A) -> Result<Self::Value, A::Error> {
        let inner = self.0.inner()?;
        let mut names = Names::default();
        let mut places = Some(Vec::with_capacity(Names::FEW));
        while let Some(name) = properties.next_key_seed(Name)? {
            match &name {
                Cow::Borrowed(name) => places.iter_mut().for_each(|places| places.push(*name)),
                Cow::Owned(_) => places = None,
            }
            names.add(name)?;
            properties.next_value_seed(inner)?;
        }
        Ok(places)
    }
}

/// The properties of the object `text`.
///
/// # Errors
/// `InvalidRequest` when it is no JSON object, or a property stands in it twice.
pub(crate) fn top_properties(text: &str) -> Result<Properties<'_>> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer
        .deserialize_map(TopProperties)
        .map_err(to_invalid)
}

struct TopProperties;

impl<'de> Visitor<'de> for TopProperties {
    type Value = Properties<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut properties = Vec::new();
        let mut names = Names::default();
        while let Some(name) = access.next_key_seed(Name)? {
            names.add(name.clone())?;
            properties.push((name, access.next_value::<&RawValue>()?.get()));
        }
        Ok(properties)
    }
}

pub(crate) fn to_invalid(reason: serde_json::Error) -> Error {
    Error::invalid(format!("the JSON is not valid: {reason}"))
}

/// Walks a value and keeps nothing.
#[derive(Clone, Copy)]
struct Strict {
    room: usize,
    max_depth: usize,
}

impl Strict {
    fn inner<E: de::Error>(self) -> Result<Self, E> {
        match self.room.checked_sub(1) {
            Some(room) => Ok(Self { room, ..self }),
            None => Err(E::custom(format_args!(
                "nested deeper than {} levels",
                self.max_depth
            ))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
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
        let inner = self.inner()?;
        while items.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut properties: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        let mut names = Names::default();
        while let Some(name) = properties.next_key_seed(Name)? {
            names.add(name)?;
            properties.next_value_seed(inner)?;
        }
        Ok(())
    }
}

/// A property name, borrowed from the text where it has no escapes.
pub(crate) struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: serde::Deserializer<'de>>(self, d: D) -> Result<Cow<'de, str>, D::Error> {
        d.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a property name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

/// The names met in one object: a list while it is short, a set when it grows.
#[derive(Default)]
pub(crate) struct Names<'a> {
    few: Vec<Cow<'a, str>>,
    many: BTreeSet<Cow<'a, str>>,
}

impl<'a> Names<'a> {
    const FEW: usize = 16;

    pub(crate) fn add<E: de::Error>(&mut self, name: Cow<'a, str>) -> Result<(), E> {
        if self.few.contains(&name) || self.many.contains(&name) {
            return Err(E::custom(format_args!(
                "the property '{name}' stands twice"
            )));
        }
        if self.few.len() < Self::FEW {
            if self.few.is_empty() {
                self.few.reserve_exact(Self::FEW);
            }
            self.few.push(name);
        } else {
            self.many.insert(name);
        }
        Ok(())
    }
}

/// The object `text` without the property called `name`, by cutting that out; `None` when more has
/// to be done to make it compact. `text` must be valid JSON, `properties` all that it has.
pub(crate) fn cut_property(text: &str, properties: &Properties<'_>, name: &str) -> Option<String> {
    let is_as_written = |(name, _): &(Cow<'_, str>, &str)| matches!(name, Cow::Borrowed(_));
    if !properties.iter().all(is_as_written) || next_space(text.as_bytes(), 0).is_some() {
        return None;
    }
    let Some(at) = properties.iter().position(|(it, _)| it == name) else {
        return Some(text.to_owned());
    };
    let place = |part: &str| part.as_ptr().addr() - text.as_ptr().addr();
    let (name, value) = &properties[at];
    let (mut start, mut end) = (place(name) - "\"".len(), place(value) + value.len());
    if at > 0 {
        start -= ",".len();
    } else if properties.len() > 1 {
        end += ",".len();
    }
    Some([&text[..start], &text[end..]].concat())
}

/// Appends `text` without the white space outside its strings. `text` must be valid JSON.
pub(crate) fn push_compact(text: &str, compact: &mut String) {
    let mut kept_from = 0;
    while let Some(space) = next_space(text.as_bytes(), kept_from) {
        compact.push_str(&text[kept_from..space]);
        kept_from = space + 1;
    }
    compact.push_str(&text[kept_from..]);
}

/// The first white space outside strings from `position` on, which lies outside strings too.
fn next_space(bytes: &[u8], mut position: usize) -> Option<usize> {
    while position < bytes.len() {
        match bytes[position] {
            b'"' => position = after_string(bytes, position),
            b' ' | b'\n' | b'\r' | b'\t' => return Some(position),
            _ => position += 1,
        }
    }
    None
}

/// The position after the string that begins at `start`.
fn after_string(bytes: &[u8], start: usize) -> usize {
    let mut position = start + 1;
    while let Some(found) = memchr::memchr2(b'"', b'\\', &bytes[position.min(bytes.len())..]) {
        position += found;
        if bytes[position] == b'"' {
            return position + 1;
        }
        position += 2;
    }
    bytes.len()
}

/// Reads a JSON object into `T`; serde alone would take an array for a struct too. A member that is
/// null counts as missing, as clients send what they leave out either way.
pub(crate) fn parse_object<T: de::DeserializeOwned>(text: &str) -> serde_json::Result<T> {
    let mut object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text)?;
    object.retain(|_, value| !value.is_null());
    serde_json::from_value(object.into())
}

/// The text of the property `name` of the object `text`, or `None` when `text` is no object or
/// lacks it. `text` must be valid JSON; other properties are skipped, not parsed.
pub fn find_property<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let found = deserializer.deserialize_map(Find { name }).ok()?;
    found.map(RawValue::get)
}

struct Find<'n> {
    name: &'n str,
}

impl<'de> Visitor<'de> for Find<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut properties: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = properties.next_key_seed(Name)? {
            if name == self.name {
                found = Some(properties.next_value::<&RawValue>()?);
            } else {
                properties.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_texts_are_refused() {
        let deep = "[".repeat(101) + &"]".repeat(101);
        let very_deep = "[".repeat(100_000);
        let refused = [
            "",
            "{",
            "{\"a\":}",
            "{} x",
            "NaN",
            "01",
            "1e999",
            "'a'",
            r#""\ud800""#,
            r#"{"\ud800": 1}"#,
            r#"{"a": 1, "\u0061": 2}"#,
            r#"{"a": {"b": 1, "b": 2}}"#,
            "\u{feff}{}",
            &deep,
            &very_deep,
        ];
        for text in refused {
            let error = check_json(text, 100).expect_err(&text[..text.len().min(20)]);
            assert_eq!(error.kind(), crate::ErrorKind::InvalidRequest);
        }
    }

    #[test]
    fn many_properties_are_checked_for_duplicates() {
        let names = |count: usize| {
            (0..count)
                .map(|n| format!("\"p{n}\":{n}"))
                .collect::<Vec<_>>()
        };
        let mut properties = names(100);
        assert!(check_json(&format!("{{{}}}", properties.join(",")), 10).is_ok());
        properties.push("\"p50\":1".to_owned());
        assert!(check_json(&format!("{{{}}}", properties.join(",")), 10).is_err());
    }

    #[test]
    fn compacting_keeps_strings_and_numbers() {
        let mut compact = String::new();
        push_compact(
            "{ \"a b\" : [ 1.500 , \"x \\\" y\\\\\" ] ,\n\t\"c\":1e+05 }",
            &mut compact,
        );
        assert_eq!(compact, r#"{"a b":[1.500,"x \" y\\"],"c":1e+05}"#);
    }

    #[test]
    fn properties_are_found_without_parsing_the_rest() {
        let text = r#"{"a":{"b":1},"c":"d","\u0065":2}"#;
        assert_eq!(find_property(text, "a"), Some(r#"{"b":1}"#));
        assert_eq!(find_property(text, "e"), Some("2"));
        assert_eq!(find_property(text, "b"), None);
        assert_eq!(find_property("[1]", "a"), None);
    }
}
