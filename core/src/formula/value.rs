//! Values: JSON read as it is needed, and what formulas make of it.

use std::sync::Arc;

use super::made::Made;
use crate::document::{nearest_double, top_properties};

/// A value in a formula. `'a` is the life of the document texts it was read from.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// A member that is not there.
    Undefined,
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text.
    Text(Text<'a>),
    /// An array.
    Array(Arc<Made<Value<'a>>>),
    /// An object; its members in order.
    Object(Arc<Made<(Text<'a>, Value<'a>)>>),
    /// The text of an array or object that nobody has looked into yet.
    Raw(&'a str),
    /// Something that means more to an index than a JSON value does.
    Special(Arc<Special<'a>>),
}

/// What `createField` and the like return.
#[derive(Debug, Clone, PartialEq)]
pub enum Special<'a> {
    /// A field whose name is a value.
    Field(CreatedField<'a>),
    /// A point.
    Point {
        /// Degrees north.
        latitude: Value<'a>,
        /// Degrees east.
        longitude: Value<'a>,
    },
    /// A shape as well-known text.
    Wkt(Value<'a>),
    /// A value, or a whole entry, that counts more in scores.
    Boosted {
        /// What is boosted.
        value: Value<'a>,
        /// How much.
        factor: f64,
    },
}

/// A field that a map names itself.
#[derive(Debug, Clone, PartialEq)]
pub struct CreatedField<'a> {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Value<'a>,
    /// `storage`, if the map says.
    pub stored: Option<bool>,
    /// `indexing`: `No`, `Search`, `Exact` or `Default`, if the map says.
    pub indexing: Option<String>,
    /// `termVector`, if the map says.
    pub term_vector: Option<String>,
}

/// A number: whole ones of 64 bits keep all their digits.
#[derive(Debug, Clone, Copy)]
pub enum Number {
    /// A whole number.
    Long(i64),
    /// Any number; also those that are not finite.
    Double(f64),
}

impl Number {
    /// The nearest floating-point number.
    #[expect(clippy::cast_precision_loss, reason = "that is what nearest means")]
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Long(whole) => whole as f64,
            Self::Double(number) => number,
        }
    }

    /// The number whose JSON text is `text`.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(whole) = text.parse()
            && (whole != 0 || !text.starts_with('-'))
        {
            return Some(Self::Long(whole));
        }
        nearest_double(text).map(Self::Double)
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Long(a), Self::Long(b)) => a == b,
            _ => self.as_f64() == other.as_f64(),
        }
    }
}

/// A text: a piece of a document or one that was made.
#[derive(Debug, Clone)]
pub enum Text<'a> {
    /// A piece of a document.
    Borrowed(&'a str),
    /// One that was made.
    Shared(Arc<str>),
}

impl Text<'_> {
    /// The text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Shared(text) => text,
        }
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self::Shared(text.into())
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self::Borrowed(text)
    }
}

impl<'a> Value<'a> {
    /// A text that was made.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(Text::Shared(text.into().into()))
    }

    /// A whole number.
    pub fn long(number: i64) -> Self {
        Self::Number(Number::Long(number))
    }

    /// An array.
    pub fn array(items: Vec<Value<'a>>) -> Self {
        Self::Array(Arc::new(items.into()))
    }

    /// An object.
    pub fn object(members: Vec<(Text<'a>, Value<'a>)>) -> Self {
        Self::Object(Arc::new(members.into()))
    }

    /// The value whose valid JSON text is `json`; arrays and objects stay text until something
    /// looks into them.
    pub fn from_json(json: &'a str) -> Self {
        let json = json.trim_ascii();
        match json.as_bytes().first() {
            Some(b'{' | b'[') => Self::Raw(json),
            Some(b'"') => {
                let inside = &json[1..json.len().max(2) - 1];
                if !inside.contains('\\') {
                    return Self::Text(Text::Borrowed(inside));
                }
                serde_json::from_str::<String>(json).map_or(Self::Null, Self::text)
            }
            Some(b't') => Self::Bool(true),
            Some(b'f') => Self::Bool(false),
            Some(b'n') | None => Self::Null,
            Some(_) => Number::parse(json).map_or(Self::Null, Self::Number),
        }
    }

    /// The value with its outermost array or object taken apart.
    #[must_use]
    pub fn opened(self) -> Self {
        let Self::Raw(json) = self else {
            return self;
        };
        if json.starts_with('{') {
            let members = top_properties(json).unwrap_or_default();
            let members = members.into_iter().map(|(name, value)| {
                let name = match name {
                    std::borrow::Cow::Borrowed(name) => Text::Borrowed(name),
                    std::borrow::Cow::Owned(name) => Text::from(name),
                };
                (name, Self::from_json(value))
            });
            return Self::object(members.collect());
        }
        let items: Vec<&serde_json::value::RawValue> =
            serde_json::from_str(json).unwrap_or_default();
        Self::array(
            items
                .into_iter()
                .map(|it| Self::from_json(it.get()))
                .collect(),
        )
    }

    /// The member `name`; `Undefined` when there is none, or nothing to have members.
    #[must_use]
    pub fn member(&self, name: &str) -> Self {
        match self {
            Self::Object(members) => members
                .iter()
                .rev()
                .find(|(it, _)| it.as_str() == name)
                .map_or(Self::Undefined, |(_, value)| value.clone()),
            Self::Raw(json) => {
                crate::document::find_property(json, name).map_or(Self::Undefined, Self::from_json)
            }
            _ => Self::Undefined,
        }
    }

    /// Whether it is null or missing.
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Undefined | Self::Null)
    }

    /// The items of an array, opened; `None` for anything else.
    pub fn items(self) -> Option<Arc<Made<Value<'a>>>> {
        match self.opened() {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The text of a text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.as_str()),
            _ => None,
        }
    }
}
