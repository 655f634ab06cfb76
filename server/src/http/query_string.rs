//! Query strings, read in place.
//!
//! Names are compared without regard to case. Values must be UTF-8 once unescaped: a replaced
//! character would make another id of the one that was asked for.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use pinyon_core::{Error, Result};

/// The text after `?`, escapes and all.
#[derive(Debug, Clone, Copy, Default)]
pub struct QueryString<'a>(&'a str);

impl<'a> QueryString<'a> {
    /// Takes the text with or without its `?`.
    pub fn new(text: &'a str) -> Self {
        Self(text.strip_prefix('?').unwrap_or(text))
    }

    /// The pairs in their order, the values still escaped.
    pub fn pairs(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                // The Python client writes `&?raft-request-id=…`.
                (name.strip_prefix('?').unwrap_or(name), value)
            })
    }

    fn raw(self, wanted: &str) -> Option<&'a str> {
        self.pairs()
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value)
    }

    /// The first value of `name`.
    ///
    /// # Errors
    /// `InvalidRequest` when its escapes do not make UTF-8.
    pub fn get(self, name: &str) -> Result<Option<Cow<'a, str>>> {
        self.raw(name).map(|raw| unescape(name, raw)).transpose()
    }

    /// The first value of `name`, unless it is empty.
    ///
    /// # Errors
    /// `InvalidRequest` when it is missing or empty, or not UTF-8.
    pub fn require(self, name: &str) -> Result<Cow<'a, str>> {
        self.get(name)?
            .filter(|value| !value.is_empty())
            .ok_or_else(|| {
                Error::invalid(format!(
                    "the query string lacks '{name}', which must not be empty"
                ))
            })
    }

    /// Whether `name` is there and not `false`.
    pub fn flag(self, name: &str) -> bool {
        self.raw(name)
            .is_some_and(|value| !value.eq_ignore_ascii_case("false"))
    }

    /// The number `name`, or `default` when it is missing, empty or what clients make of nothing:
    /// Python's `None`, Node's `null` and `undefined`.
    ///
    /// # Errors
    /// `InvalidRequest` when it is something else.
    pub fn number<N: std::str::FromStr>(self, name: &str, default: N) -> Result<N> {
        match self.raw(name) {
            None | Some("" | "None" | "null" | "undefined") => Ok(default),
            Some(text) => parse_number(name, text),
        }
    }
}

/// Reads the value of the number `name`.
///
/// # Errors
/// `InvalidRequest` when it is no such number.
pub fn parse_number<N: std::str::FromStr>(name: &str, text: &str) -> Result<N> {
    text.parse()
        .map_err(|_| Error::invalid(format!("'{name}' must be a whole number, not '{text}'")))
}

/// Undoes the escapes of a query value, where `+` is a space.
///
/// # Errors
/// `InvalidRequest` when the result is not UTF-8.
pub fn unescape<'a>(name: &str, raw: &'a str) -> Result<Cow<'a, str>> {
    if !raw.contains(['%', '+']) {
        return Ok(Cow::Borrowed(raw));
    }
    let spaced = raw.replace('+', " ");
    match percent_decode_str(&spaced).decode_utf8() {
        Ok(text) => Ok(Cow::Owned(text.into_owned())),
        Err(reason) => Err(Error::invalid(format!(
            "the value of '{name}' is not UTF-8 text: {reason}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_unescaped() {
        let query = QueryString::new("?id=orders%2F1-A&ID=x&empty=&flag&&a+b=c+d%2B");
        assert_eq!(query.get("Id").unwrap().as_deref(), Some("orders/1-A"));
        assert_eq!(query.get("a+b").unwrap().as_deref(), Some("c d+"));
        assert_eq!(query.get("none").unwrap(), None);
        assert!(query.flag("flag") && !query.flag("none"));
        assert!(query.require("empty").is_err());
    }

    #[test]
    fn the_python_client_s_forms_are_read() {
        let query = QueryString::new("name=x&?raft-request-id=abc&start=None");
        assert_eq!(
            query.get("raft-request-id").unwrap().as_deref(),
            Some("abc")
        );
        assert_eq!(query.number("start", 7).unwrap(), 7);
    }

    #[test]
    fn what_is_not_text_or_number_is_refused() {
        assert!(QueryString::new("id=%ff").get("id").is_err());
        assert!(QueryString::new("n=-1").number::<usize>("n", 0).is_err());
        assert!(QueryString::new("n=1e3").number::<usize>("n", 0).is_err());
    }
}
