//! Which documents two replicas exchange: by the beginnings of ids, and by collection.

use crate::document::to_id_key;
use crate::{Error, Result};

/// Ids under this beginning belong to one database and are never exchanged with an edge.
const INTERNAL: &[u8] = b"raven/";
/// The most prefixes or collections of a scope.
const MAX_NAMES: usize = 1024;

/// A set of documents.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    /// Beginnings of lower-cased ids; a document must have one of them. Empty: any.
    prefixes: Vec<String>,
    /// Lower-cased collections; a document must be in one of them. Empty: any.
    collections: Vec<String>,
    /// Whether it holds nothing at all.
    is_nothing: bool,
}

impl Scope {
    /// Every document.
    pub fn everything() -> Self {
        Self::default()
    }

    /// No document.
    pub fn nothing() -> Self {
        Self {
            is_nothing: true,
            ..Self::default()
        }
    }

    /// Documents whose ids begin with one of `prefixes` (any case, a final `*` is allowed; any id
    /// when there is none) and that are in one of `collections` (any when there is none).
    ///
    /// # Errors
    /// `InvalidRequest` when there are too many of them.
    pub fn new<I: AsRef<str>>(prefixes: &[I], collections: &[I]) -> Result<Self> {
        if prefixes.len() > MAX_NAMES || collections.len() > MAX_NAMES {
            return Err(Error::invalid(format!(
                "a scope has at most {MAX_NAMES} prefixes and {MAX_NAMES} collections"
            )));
        }
        let mut scope = Self::default();
        for prefix in prefixes {
            let prefix = prefix.as_ref().trim_end_matches('*');
            scope.prefixes.push(lower(prefix));
        }
        // A prefix that is empty allows all ids.
        if scope.prefixes.iter().any(String::is_empty) {
            scope.prefixes.clear();
        }
        scope.collections = collections.iter().map(|it| lower(it.as_ref())).collect();
        for names in [&mut scope.prefixes, &mut scope.collections] {
            names.sort();
            names.dedup();
        }
        Ok(scope)
    }

    /// Whether it holds a document.
    pub fn contains(&self, id_key: &[u8], collection: &str) -> bool {
        if self.is_nothing || id_key.starts_with(INTERNAL) {
            return false;
        }
        let has_prefix = self.prefixes.is_empty()
            || self
                .prefixes
                .iter()
                .any(|it| id_key.starts_with(it.as_bytes()));
        let collection = lower(collection);
        has_prefix && (self.collections.is_empty() || self.collections.contains(&collection))
    }

    /// What both hold.
    #[must_use]
    pub fn within(&self, other: &Self) -> Self {
        if self.is_nothing || other.is_nothing {
            return Self::nothing();
        }
        let mut prefixes = Vec::new();
        match (self.prefixes.is_empty(), other.prefixes.is_empty()) {
            (true, _) => prefixes.clone_from(&other.prefixes),
            (_, true) => prefixes.clone_from(&self.prefixes),
            _ => {
                for a in &self.prefixes {
                    for b in &other.prefixes {
                        if a.starts_with(b.as_str()) {
                            prefixes.push(a.clone());
                        } else if b.starts_with(a.as_str()) {
                            prefixes.push(b.clone());
                        }
                    }
                }
                if prefixes.is_empty() {
                    return Self::nothing();
                }
            }
        }
        let collections = match (self.collections.is_empty(), other.collections.is_empty()) {
            (true, _) => other.collections.clone(),
            (_, true) => self.collections.clone(),
            _ => {
                let both = self
                    .collections
                    .iter()
                    .filter(|it| other.collections.contains(it));
                let both: Vec<String> = both.cloned().collect();
                if both.is_empty() {
                    return Self::nothing();
                }
                both
            }
        };
        prefixes.sort();
        prefixes.dedup();
        Self {
            prefixes,
            collections,
            is_nothing: false,
        }
    }

    /// A number that differs when the scope does.
    pub fn fingerprint(&self) -> u64 {
        use blake2::digest::consts::U8;
        use blake2::{Blake2b, Digest};
        let mut hasher: Blake2b<U8> = Blake2b::new();
        hasher.update([u8::from(self.is_nothing)]);
        for names in [&self.prefixes, &self.collections] {
            hasher.update((names.len() as u64).to_le_bytes());
            for name in names {
                hasher.update((name.len() as u64).to_le_bytes());
                hasher.update(name);
            }
        }
        u64::from_le_bytes(hasher.finalize().into())
    }

    /// The beginnings of ids, lower-cased; empty for any.
    pub fn prefixes(&self) -> &[String] {
        &self.prefixes
    }

    /// The collections, lower-cased; empty for any.
    pub fn collections(&self) -> &[String] {
        &self.collections
    }

    /// Whether it holds nothing at all.
    pub fn is_nothing(&self) -> bool {
        self.is_nothing
    }
}

fn lower(text: &str) -> String {
    String::from_utf8_lossy(&to_id_key(text)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_hold_what_they_name() {
        let scope = Scope::new(&["Users/", "tasks/1*"], &[]).unwrap();
        assert!(scope.contains(b"users/7", "Users") && scope.contains(b"tasks/12", "x"));
        assert!(!scope.contains(b"tasks/2", "x"));
        let scope = Scope::new(&[], &["Users"]).unwrap();
        assert!(scope.contains(b"anything", "users") && !scope.contains(b"anything", "Tasks"));
        assert!(!Scope::everything().contains(b"raven/hilo/users", "@hilo"));
        assert!(!Scope::nothing().contains(b"users/7", "Users"));
    }

    #[test]
    fn what_both_hold_is_held_by_each() {
        let a = Scope::new(&["users/", "tasks/1"], &[]).unwrap();
        let b = Scope::new(&["users/eva", "tasks/"], &["Users", "Tasks"]).unwrap();
        let both = a.within(&b);
        assert_eq!(both, b.within(&a));
        assert!(both.contains(b"users/eva/1", "Users") && both.contains(b"tasks/11", "Tasks"));
        assert!(!both.contains(b"users/adam", "Users") && !both.contains(b"tasks/2", "Tasks"));
        let c = Scope::new(&["other/"], &[]).unwrap();
        assert!(a.within(&c).is_nothing());
        assert_ne!(a.fingerprint(), both.fingerprint());
    }
}
