//! When something is due for a document: its `@expires` and `@refresh`.

use super::json::find_property;
use crate::host::Timestamp;
use crate::{Error, Result};

/// The name of the time after which a document is deleted.
pub const EXPIRES: &str = "@expires";
/// The name of the time after which a document is written anew, without the name.
pub const REFRESH: &str = "@refresh";

/// What is due for a document, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Schedule {
    /// After this the document may be deleted.
    pub expires: Option<Timestamp>,
    /// After this the document may be refreshed.
    pub refresh: Option<Timestamp>,
}

impl Schedule {
    /// Whether nothing is due.
    pub fn is_empty(&self) -> bool {
        self.expires.is_none() && self.refresh.is_none()
    }

    /// The schedule in stored metadata (properties without braces).
    ///
    /// # Errors
    /// `InvalidRequest` when a time is no date.
    pub fn of_metadata(metadata: &str) -> Result<Self> {
        let object = format!("{{{metadata}}}");
        let time = |name| find_property(&object, name).map_or(Ok(None), |it| parse_time(name, it));
        Ok(Self {
            expires: time(EXPIRES)?,
            refresh: time(REFRESH)?,
        })
    }
}

/// Reads the value of `@expires` or `@refresh`; JSON null means none.
pub(crate) fn parse_time(name: &str, value: &str) -> Result<Option<Timestamp>> {
    let text: Option<String> = serde_json::from_str(value)
        .map_err(|_| Error::invalid(format!("@metadata.{name} must be a date, not {value}")))?;
    let Some(text) = text else { return Ok(None) };
    Timestamp::parse(&text)
        .map(Some)
        .map_err(|reason| Error::invalid(format!("@metadata.{name}: {}", reason.message())))
}

/// `metadata` (properties without braces) without the property `name`. Other texts are kept.
pub(crate) fn without_property(metadata: &str, name: &str) -> String {
    let object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&format!("{{{metadata}}}")).unwrap_or_default();
    let kept = object.keys().filter(|key| *key != name).filter_map(|key| {
        let whole = format!("{{{metadata}}}");
        let value = find_property(&whole, key)?.to_owned();
        Some(format!("{}:{value}", serde_json::to_string(key).ok()?))
    });
    kept.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_can_be_taken_out() {
        let metadata = r#""@collection":"A","@refresh":"2030-01-01T00:00:00Z","n":1.50"#;
        assert_eq!(
            without_property(metadata, REFRESH),
            r#""@collection":"A","n":1.50"#
        );
        assert!(Schedule::of_metadata(metadata).unwrap().refresh.is_some());
        assert!(Schedule::of_metadata(r#""@expires":5"#).is_err());
        assert!(
            Schedule::of_metadata(r#""@expires":null"#)
                .unwrap()
                .is_empty()
        );
    }
}
