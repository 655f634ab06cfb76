//! What must be stored of one writer: its documents with their attachments and times, and all of
//! their revisions.
//!
//! Whether a document was swept just before it was written anew cannot be known from outside. Then
//! its past has two possible forms until it is read.

use std::collections::BTreeMap;

use pinyon_core::host::Timestamp;

use crate::content::{Attached, Kept, kept_of};

/// By name.
pub type Attachments = BTreeMap<String, Attached>;

/// What a document holds now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The operation that stored its text.
    pub serial: u64,
    /// Its etag, if an answer or a read told it.
    pub etag: Option<u64>,
    /// When it may be deleted.
    pub expires: Option<Timestamp>,
    /// What it lists.
    pub attachments: Attachments,
}

/// A version that was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revision {
    /// The document was stored, or its attachments changed.
    Stored {
        /// The operation that stored its text.
        serial: u64,
        /// Its etag, if an answer or a read told it.
        etag: Option<u64>,
        /// What it listed.
        attachments: Attachments,
    },
    /// It was deleted, by a writer or when its time had come.
    Deleted,
}

/// A change of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Stored.
    Put {
        /// Its id.
        id: String,
        /// When it may be deleted.
        expires: Option<Timestamp>,
    },
    /// Deleted, if it was there.
    Delete {
        /// Its id.
        id: String,
    },
    /// Given an attachment, which replaces the one of that name.
    Attach {
        /// Its id.
        id: String,
        /// The attachment's name.
        name: &'static str,
        /// What it holds.
        attached: Attached,
    },
    /// An attachment taken away, if it was there.
    Detach {
        /// Its id.
        id: String,
        /// The attachment's name.
        name: &'static str,
    },
}

/// The live documents of a writer.
pub type Documents = BTreeMap<String, Version>;

/// All that is known of a writer's documents.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// The live ones.
    pub documents: Documents,
    /// The possible revisions, oldest first, of each that ever was.
    pasts: BTreeMap<String, Vec<Vec<Revision>>>,
}

/// What was read of a writer's documents.
#[derive(Debug, Default)]
pub struct Found {
    /// All live ones.
    pub documents: Documents,
    /// The revisions of some, oldest first.
    pub revisions: BTreeMap<String, Vec<Revision>>,
}

impl Version {
    /// Whether it may be gone.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }
}

impl Change {
    /// The document's id.
    pub fn id(&self) -> &str {
        match self {
            Self::Put { id, .. }
            | Self::Delete { id }
            | Self::Attach { id, .. }
            | Self::Detach { id, .. } => id,
        }
    }

    /// A put of a document that stays.
    pub fn put(id: String) -> Self {
        Self::Put { id, expires: None }
    }
}

impl State {
    /// All ids that ever were.
    pub fn ids(&self) -> impl Iterator<Item = &String> {
        self.pasts.keys()
    }

    /// How many revisions there are; of a past that is not settled, those of its first form.
    pub fn revision_count(&self) -> u64 {
        let lists = self.pasts.values().filter_map(|past| past.first());
        lists.map(|list| list.len() as u64).sum()
    }

    /// What all attachments hold, of documents and of revisions.
    pub fn contents(&self) -> impl Iterator<Item = &Attached> {
        let lists = self.pasts.values().filter_map(|past| past.first());
        let of_revisions = lists.flatten().filter_map(|revision| match revision {
            Revision::Stored { attachments, .. } => Some(attachments),
            Revision::Deleted => None,
        });
        let of_documents = self.documents.values().map(|version| &version.attachments);
        of_documents.chain(of_revisions).flat_map(BTreeMap::values)
    }

    /// Makes a change of the operation `serial`, which was done at `now` or before.
    pub fn apply(&mut self, change: &Change, serial: u64, etag: Option<u64>, now: Timestamp) {
        match change {
            Change::Put { id, expires } => {
                let before = self.documents.get(id);
                if before.is_some_and(|version| version.is_due(now)) {
                    // It may have been swept, or been written anew before that.
                    let mut swept = self.past(id).clone();
                    swept.iter_mut().for_each(|list| end(id, list));
                    self.past(id).extend(swept);
                }
                let before = self.documents.get(id);
                let version = Version {
                    serial,
                    etag,
                    expires: *expires,
                    attachments: before.map(|it| it.attachments.clone()).unwrap_or_default(),
                };
                self.store(id, version);
            }
            Change::Delete { id } => self.delete(id),
            Change::Attach { id, name, attached } => {
                if let Some(mut version) = self.documents.get(id).cloned() {
                    version.etag = etag;
                    version
                        .attachments
                        .insert((*name).to_owned(), attached.clone());
                    self.store(id, version);
                }
            }
            Change::Detach { id, name } => {
                if let Some(mut version) = self.documents.get(id).cloned()
                    && version.attachments.remove(*name).is_some()
                {
                    version.etag = etag;
                    self.store(id, version);
                }
            }
        }
    }

    fn past(&mut self, id: &str) -> &mut Vec<Vec<Revision>> {
        self.pasts
            .entry(id.to_owned())
            .or_insert_with(|| vec![Vec::new()])
    }

    fn store(&mut self, id: &str, version: Version) {
        let past = self.past(id);
        if kept_of(id) != Kept::Nothing {
            for list in past {
                list.push(Revision::Stored {
                    serial: version.serial,
                    etag: version.etag,
                    attachments: version.attachments.clone(),
                });
            }
        }
        self.documents.insert(id.to_owned(), version);
    }

    /// The document went, by a writer's hand or because its time had come.
    pub fn delete(&mut self, id: &str) {
        if self.documents.remove(id).is_some() {
            self.past(id).iter_mut().for_each(|list| end(id, list));
        }
    }

    /// Compares with what was found at `now` and takes it over where it fits; names what does not.
    pub fn settle(&mut self, found: &Found, now: Timestamp) -> Vec<String> {
        let mut differences = Vec::new();
        let mut gone = Vec::new();
        for (id, version) in &mut self.documents {
            match found.documents.get(id) {
                None if version.is_due(now) => gone.push(id.clone()),
                None => differences.push(format!(
                    "{id} of operation {} is missing{}",
                    version.serial,
                    match version.expires {
                        Some(at) => format!(", though it expires at {}", at.to_text()),
                        None => String::new(),
                    }
                )),
                Some(there) if is_same(version, there) => version.etag = there.etag,
                Some(there) => {
                    differences.push(format!("{id} should be {version:?} and is {there:?}"));
                }
            }
        }
        for (id, there) in &found.documents {
            if !self.documents.contains_key(id) {
                differences.push(format!("{id} of operation {} is there", there.serial));
            }
        }
        gone.iter().for_each(|id| self.delete(id));
        for (id, there) in &found.revisions {
            let past = self.past(id);
            if past.iter().any(|possible| is_same_past(possible, there)) {
                *past = vec![there.clone()];
            } else {
                differences.push(format!(
                    "the revisions of {id} should be one of {past:?} and are {there:?}"
                ));
            }
            differences.extend(self.newest_differs(id, there));
        }
        differences
    }

    /// The newest revision of a live document is that very version.
    fn newest_differs(&self, id: &str, revisions: &[Revision]) -> Option<String> {
        let version = self.documents.get(id)?;
        if kept_of(id) == Kept::Nothing {
            return None;
        }
        match revisions.last() {
            Some(Revision::Stored { etag, .. }) if *etag == version.etag => None,
            other => Some(format!(
                "{id} has etag {:?}, its newest revision is {other:?}",
                version.etag
            )),
        }
    }
}

/// What the end of a document does to its revisions.
fn end(id: &str, revisions: &mut Vec<Revision>) {
    match kept_of(id) {
        Kept::All => revisions.push(Revision::Deleted),
        Kept::UntilDeleted => revisions.clear(),
        Kept::Nothing => {}
    }
}

/// Etags are only known of what was answered.
fn is_same(expected: &Version, found: &Version) -> bool {
    let expected = Version {
        etag: expected.etag.or(found.etag),
        ..expected.clone()
    };
    expected == *found
}

fn is_same_past(expected: &[Revision], found: &[Revision]) -> bool {
    expected.len() == found.len()
        && expected
            .iter()
            .zip(found)
            .all(|pair| is_same_revision(pair.0, pair.1))
}

fn is_same_revision(expected: &Revision, found: &Revision) -> bool {
    match (expected, found) {
        (
            Revision::Stored {
                serial,
                etag: None,
                attachments,
            },
            Revision::Stored {
                serial: found_serial,
                attachments: found_attachments,
                ..
            },
        ) => serial == found_serial && attachments == found_attachments,
        _ => expected == found,
    }
}
