//! Ids made from the fields of a result: `reports/{Day:yyyy-MM-dd}/{Company}`.

use super::map::Object;
use crate::host::Timestamp;
use crate::{Error, Result};
use serde_json::Value;

/// A pattern of ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputPattern {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Field { name: String, date: Option<String> },
}

/// The letters of a date format and where they stand in `2026-11-21T19:14:12.7452462Z`.
const DATE_PARTS: [(&str, std::ops::Range<usize>); 6] = [
    ("yyyy", 0..4),
    ("MM", 5..7),
    ("dd", 8..10),
    ("HH", 11..13),
    ("mm", 14..16),
    ("ss", 17..19),
];

impl OutputPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// `InvalidRequest` when its braces do not match, it has no field, or a format is not one of
    /// dates.
    pub fn parse(text: &str) -> Result<Self> {
        let invalid = |what: &str| {
            Error::invalid(format!(
                "the pattern '{text}' for references to results {what}"
            ))
        };
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, after) = rest.split_at(at);
            let Some(inside) = after.strip_prefix('{') else {
                return Err(invalid("closes a brace that it does not open"));
            };
            let end = inside
                .find('}')
                .ok_or_else(|| invalid("does not close a brace"))?;
            let (name, date) = match inside[..end].split_once(':') {
                Some((name, format)) => (name, Some(format.trim().to_owned())),
                None => (&inside[..end], None),
            };
            if name.trim().is_empty() || name.contains('{') {
                return Err(invalid("has braces without a field's name"));
            }
            if let Some(format) = &date {
                format_date(format, Timestamp::from_ticks(0)).map_err(|error| {
                    invalid(&format!("has the format '{format}': {}", error.message()))
                })?;
            }
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let name = name.trim().to_owned();
            parts.push(Part::Field { name, date });
            rest = &inside[end + 1..];
        }
        if parts.is_empty() {
            return Err(invalid("names no field in braces"));
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self { parts })
    }

    /// The fields that it names.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Field { name, .. } => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// The id for a result.
    ///
    /// # Errors
    /// `InvalidRequest` when a field is missing or cannot be part of an id.
    pub fn id_of(&self, result: &Object) -> Result<String> {
        let mut id = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => id.push_str(text),
                Part::Field { name, date } => {
                    let value = result.get(name).unwrap_or(&Value::Null);
                    id.push_str(&part_of_id(name, value, date.as_deref())?);
                }
            }
        }
        Ok(id)
    }
}

fn part_of_id(name: &str, value: &Value, date: Option<&str>) -> Result<String> {
    match (value, date) {
        (Value::String(text), Some(format)) => {
            let at = Timestamp::parse(text).or_else(|error| {
                // A day alone is its midnight.
                Timestamp::parse(&format!("{text}T00:00:00Z")).map_err(|_| error)
            })?;
            format_date(format, at)
        }
        (Value::String(text), None) => Ok(text.clone()),
        (Value::Number(_) | Value::Bool(_), None) => Ok(value.to_string()),
        (_, Some(_)) => Err(Error::invalid(format!(
            "the field '{name}' of a result is no date but {value}"
        ))),
        (_, None) => Err(Error::invalid(format!(
            "the field '{name}' of a result cannot be part of an id: {value}"
        ))),
    }
}

fn format_date(format: &str, at: Timestamp) -> Result<String> {
    let text = at.to_text();
    let mut formatted = String::new();
    let mut rest = format;
    'parts: while let Some(next) = rest.chars().next() {
        for (letters, place) in DATE_PARTS {
            if let Some(after) = rest.strip_prefix(letters)
                && !after.starts_with(next)
            {
                formatted.push_str(&text[place]);
                rest = after;
                continue 'parts;
            }
        }
        if next.is_alphanumeric() {
            return Err(Error::invalid(format!(
                "only yyyy, MM, dd, HH, mm and ss with signs between them are known, not '{rest}'"
            )));
        }
        formatted.push(next);
        rest = &rest[next.len_utf8()..];
    }
    Ok(formatted)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn id_of(pattern: &str, result: &str) -> Result<String> {
        OutputPattern::parse(pattern)?.id_of(&serde_json::from_str(result).unwrap())
    }

    #[test]
    fn fields_become_parts_of_ids() {
        for (pattern, result, id) in [
            ("r/{A}", r#"{"A":"x"}"#, "r/x"),
            ("r/{A}/{B}/end", r#"{"A":1.5,"B":true}"#, "r/1.5/true/end"),
            (
                "r/{At:yyyy-MM-dd HH:mm}",
                r#"{"At":"2026-11-21T19:14:12.7452462Z"}"#,
                "r/2026-11-21 19:14",
            ),
            ("r/{At:yyyy/MM}", r#"{"At":"2026-11-21"}"#, "r/2026/11"),
        ] {
            assert_eq!(id_of(pattern, result).unwrap(), id, "{pattern}");
        }
    }

    #[test]
    fn what_cannot_be_an_id_is_refused() {
        for pattern in [
            "r",
            "r/{A",
            "r/A}",
            "r/{}",
            "r/{A:yyy}",
            "r/{A:MMMM}",
            "r/{A:w}",
        ] {
            assert!(OutputPattern::parse(pattern).is_err(), "{pattern}");
        }
        for result in [r#"{"A":null}"#, r#"{"A":[1]}"#, "{}"] {
            assert!(id_of("r/{A}", result).is_err(), "{result}");
        }
        assert!(id_of("r/{A:yyyy}", r#"{"A":"soon"}"#).is_err());
    }
}
