//! The record of a database: what is known about it without opening it.

use pinyon_core::host::Timestamp;
use pinyon_core::storage::StoreName;
use pinyon_core::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The longest name of a database, in bytes of UTF-8.
pub const MAX_NAME_BYTES: usize = 230;

/// What the catalog keeps about a database.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DatabaseRecord {
    /// The name as written when it was created.
    pub name: String,
    /// The store that holds its documents: an opaque name, never derived from the database's.
    pub store: String,
    /// Whether its store was made: then a store that is not there is lost, and no new one.
    #[serde(default)]
    pub has_store: bool,
    /// Whether it refuses requests.
    pub disabled: bool,
    /// Deleted softly: invisible, but its store is kept for a database of the same name.
    pub detached: bool,
    /// Whether it has something to do at certain times, so that it must be opened for that.
    #[serde(default)]
    pub sweeps: bool,
    /// The index of the catalog's change that made or last changed it.
    pub index: u64,
    /// When it was created, in ticks.
    pub created_at_ticks: i64,
    /// Opaque identity of its topology.
    pub topology_id: String,
    /// Opaque identity of its cluster transactions.
    pub cluster_transaction_id: String,
    /// The record as the client sent it, shown again on request.
    pub client_record: Map<String, Value>,
}

impl DatabaseRecord {
    /// The store's name.
    ///
    /// # Errors
    /// `Corrupted` when it cannot be one.
    pub fn store_name(&self) -> Result<StoreName> {
        StoreName::new(self.store.as_str()).map_err(|reason| {
            Error::corrupted(format!("the record of database '{}': {reason}", self.name))
        })
    }

    /// The error of a database whose store is not among the `stores` there are, though it was.
    ///
    /// # Errors
    /// That one; `Corrupted` also when the store's name cannot be one.
    pub fn check_store(&self, stores: &[StoreName]) -> Result<()> {
        let store = self.store_name()?;
        if self.has_store && !stores.contains(&store) {
            return Err(Error::corrupted(format!(
                "the store '{}' of the database '{}' is missing from the data directory",
                self.store, self.name
            )));
        }
        Ok(())
    }

    /// When it was created.
    pub fn created_at(&self) -> Timestamp {
        Timestamp::from_ticks(self.created_at_ticks)
    }
}

/// Checks the name of a database: letters and digits of any script, `-`, `_` and `.`, no dot at
/// either end and no two in a row.
///
/// # Errors
/// `InvalidRequest` that says what is wrong.
pub fn check_name(name: &str) -> Result<()> {
    let why = if name.is_empty() {
        "must not be empty"
    } else if name.len() > MAX_NAME_BYTES {
        "is longer than 230 bytes"
    } else if !name
        .chars()
        .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
    {
        "may hold letters, digits, '-', '_' and '.' only"
    } else if name.starts_with('.') || name.ends_with('.') || name.contains("..") {
        "must not begin or end with a dot, nor hold two in a row"
    } else {
        return Ok(());
    };
    let shown: String = name.chars().take(80).collect();
    Err(Error::invalid(format!(
        "the database name '{}' {why}",
        shown.escape_debug()
    )))
}

/// What names of databases are compared by.
pub fn to_name_key(name: &str) -> String {
    name.chars().flat_map(char::to_lowercase).collect()
}

/// Runs `look_up` with [`to_name_key`] of `name`, without taking memory where it is ASCII: every
/// request names its database.
pub(super) fn with_name_key<T>(name: &str, look_up: impl FnOnce(&str) -> T) -> T {
    let mut buffer = [0; MAX_NAME_BYTES];
    if let (true, Some(key)) = (name.is_ascii(), buffer.get_mut(..name.len())) {
        key.copy_from_slice(name.as_bytes());
        key.make_ascii_lowercase();
        return look_up(std::str::from_utf8(key).expect("ASCII is UTF-8"));
    }
    look_up(&to_name_key(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for good in [
            "a",
            "Northwind",
            "db-1_x.y",
            "Größe",
            "データ",
            &"x".repeat(230),
        ] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        let bad = [
            "",
            ".",
            "..",
            "a..b",
            ".a",
            "a.",
            "a/b",
            "a\\b",
            "a b",
            "a\0",
            "a%2f",
            "a:b",
            "é\u{301}*",
        ];
        for bad in bad {
            assert!(check_name(bad).is_err(), "{bad}");
        }
        assert!(check_name(&"x".repeat(231)).is_err());
        assert!(check_name(&"ä".repeat(116)).is_err());
    }

    #[test]
    fn keys_ignore_case() {
        assert_eq!(to_name_key("GRÖßE"), to_name_key("größe"));
        for name in ["MixedCase", "", "GRÖßE", &"X".repeat(300)] {
            with_name_key(name, |key| assert_eq!(key, to_name_key(name)));
        }
    }
}
