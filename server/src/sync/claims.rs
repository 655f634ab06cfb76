//! What a token says.
//!
//! ```json
//! { "sub": "eva", "exp": 1795000000, "databases": ["school"],
//!   "read":  { "prefixes": ["groups/", "users/eva/"], "collections": [] },
//!   "write": { "prefixes": ["users/eva/"], "collections": ["Notes"] } }
//! ```
//! What is not said is not allowed: without `read` nothing is seen, without `write` nothing is
//! taken. An empty list of prefixes or collections means any. Other claims are passed to validation
//! functions with these.

use pinyon_core::Result;
use pinyon_core::replication::Scope;
use pinyon_core::replication::hub::Grants;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// Some documents, by the beginnings of their ids and by collection.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Access {
    /// Beginnings of ids; none for any.
    pub prefixes: Vec<String>,
    /// Collections; none for any.
    pub collections: Vec<String>,
}

/// For whom a token is meant: one, or several (RFC 7519, 4.1.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// One.
    One(String),
    /// Any of these.
    Several(Vec<String>),
}

/// Numeric dates may have a fraction (RFC 7519, 2).
fn whole_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<u64, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    match seconds >= 0.0 && seconds.is_finite() {
        true => Ok(seconds as u64),
        false => Err(D::Error::custom("'exp' is no time")),
    }
}

/// The claims of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who.
    pub sub: String,
    /// Until when, in seconds since 1970.
    #[serde(deserialize_with = "whole_seconds")]
    pub exp: u64,
    /// Whose token it is, when keys are bound to an issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// For whom it is meant, when an audience is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aud: Option<Audience>,
    /// In which databases.
    pub databases: Vec<String>,
    /// What may be seen.
    #[serde(default)]
    pub read: Option<Access>,
    /// What may be written.
    #[serde(default)]
    pub write: Option<Access>,
    /// What else the issuer says, for validation functions.
    #[serde(flatten)]
    pub others: serde_json::Map<String, serde_json::Value>,
}

impl Claims {
    /// Whether they are about a database.
    pub fn names(&self, database: &str) -> bool {
        let mut names = self.databases.iter();
        names.any(|name| name.eq_ignore_ascii_case(database))
    }

    /// What they allow.
    ///
    /// # Errors
    /// `InvalidRequest` when a list is too long.
    pub fn grants(&self) -> Result<Grants> {
        let scope = |access: &Option<Access>| match access {
            None => Ok(Scope::nothing()),
            Some(access) => Scope::new(&access.prefixes, &access.collections),
        };
        Ok(Grants {
            read: scope(&self.read)?,
            write: scope(&self.write)?,
            user: serde_json::to_string(self)
                .expect("claims are plain data")
                .into(),
        })
    }
}
