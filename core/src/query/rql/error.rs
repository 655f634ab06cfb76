//! Errors in the text of a query or definition, with their place.

use std::fmt;

use super::Span;
use crate::Error;

/// Why a text could not be parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// Where the error is, in bytes of the text.
    pub span: Span,
    /// What is wrong, without the place.
    pub message: String,
    /// What could have stood there; may be empty.
    pub expected: Vec<&'static str>,
    /// A word that was probably meant.
    pub suggestion: Option<String>,
}

pub(super) type Result<T, E = SyntaxError> = std::result::Result<T, E>;

impl SyntaxError {
    pub(crate) fn new(span: Span, message: impl Into<String>) -> Self {
        Self {
            span,
            message: message.into(),
            expected: Vec::new(),
            suggestion: None,
        }
    }

    #[must_use]
    pub(crate) fn expecting(mut self, expected: &[&'static str]) -> Self {
        self.expected = expected.to_vec();
        self
    }

    /// Suggests the one of `words` that `found` resembles.
    #[must_use]
    pub(crate) fn suggest<'w>(
        mut self,
        found: &str,
        words: impl IntoIterator<Item = &'w str>,
    ) -> Self {
        self.suggestion = nearest(found, words).map(str::to_owned);
        self
    }

    /// The place as line and column.
    pub fn position(&self, text: &str) -> Position {
        Position::of(text, self.span.start)
    }

    /// The whole message: place, what is wrong, what was expected, and the line with a mark.
    pub fn render(&self, text: &str) -> String {
        let mut message = self.message.clone();
        if let Some((last, others)) = self.expected.split_last() {
            message.push_str("; expected ");
            if !others.is_empty() {
                message.push_str(&others.join(", "));
                message.push_str(" or ");
            }
            message.push_str(last);
        }
        if let Some(suggestion) = &self.suggestion {
            message.push_str(&format!(". Did you mean '{suggestion}'?"));
        }
        render_at(text, self.span.clone(), &message)
    }

    /// The error of the core that says this; `text` is what was parsed.
    pub fn into_error(self, text: &str) -> Error {
        Error::invalid(self.render(text)).with_source(self)
    }
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SyntaxError {}

/// A place in a text, both parts from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Position {
    /// The position of the byte `offset` of `text`.
    pub fn of(text: &str, offset: usize) -> Self {
        let before = &text[..text.floor_char_boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            line: before.bytes().filter(|&byte| byte == b'\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

/// `message` after its line and column, and below it the line with a mark under the place.
pub fn render_at(text: &str, span: Span, message: &str) -> String {
    const SHOWN_CHARS: usize = 100;
    let start = text.floor_char_boundary(span.start);
    let Position { line, column } = Position::of(text, start);
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let skipped = column.saturating_sub(SHOWN_CHARS / 2);
    let shown: String = text[line_start..line_end]
        .chars()
        .skip(skipped)
        .take(SHOWN_CHARS)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let end = text.floor_char_boundary(span.end.min(line_end)).max(start);
    let marks = text[start..end].chars().count().clamp(1, SHOWN_CHARS);
    format!(
        "{line}:{column} {message}\n  {shown}\n  {}{}",
        " ".repeat(column - 1 - skipped),
        "^".repeat(marks)
    )
}

/// The word that `found` is a slip away from.
pub(super) fn nearest<'w>(
    found: &str,
    words: impl IntoIterator<Item = &'w str>,
) -> Option<&'w str> {
    let found = found.to_ascii_lowercase();
    let most = (found.chars().count() / 3).clamp(1, 3);
    words
        .into_iter()
        .map(|word| {
            let distance = strsim::osa_distance(&found, &word.to_ascii_lowercase());
            (distance, word)
        })
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}
