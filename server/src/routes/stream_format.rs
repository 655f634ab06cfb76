//! How a stream of results is written: as one JSON object, or as a line for each.

use pinyon_core::Result;

use crate::http::Call;

/// The form that a client asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamFormat {
    /// `{"Results":[…]}`.
    Object,
    /// One JSON text in each line.
    Lines,
}

impl StreamFormat {
    /// Reads `format` of the query string.
    ///
    /// # Errors
    /// `InvalidRequest` when its escapes are malformed.
    pub fn of(call: &Call<'_>) -> Result<Self> {
        let format = call.query.get("format")?;
        Ok(match format {
            Some(format) if format.eq_ignore_ascii_case("jsonl") => Self::Lines,
            _ => Self::Object,
        })
    }

    /// Whether each result is a line.
    pub fn is_lines(self) -> bool {
        self == Self::Lines
    }

    /// What the response's head says of it.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Lines => "application/x-ndjson; charset=utf-8",
            Self::Object => "application/json; charset=utf-8",
        }
    }
}
