//! What must be stored of one writer: its documents with their attachments and times, and all of
//! their revisions.
//!
//! Whether a document was swept or refreshed just before it was written anew cannot be known from
//! outside. Then its past has several possible forms until it is read.

use std::collections::BTreeMap;

use pinyon_core::host::Timestamp;

use crate::content::{Attached, Kept, Times, kept_of};

/// By name.
pub type Attachments = BTreeMap<String, Attached>;

/// What a document holds now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The operation that stored its text.
    pub serial: u64,
    /// Its etag, if an answer or a read told it.
    pub etag: Option<u64>,
    /// When it may be deleted, and when it may be refreshed.
    pub times: Times,
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
        /// When it may be deleted, and when it may be refreshed.
        times: Times,
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
    /// Given an attachment that a document has, which may be the same document.
    Transfer {
        /// The id of the document that has it.
        id: String,
        /// The attachment's name there.
        name: &'static str,
        /// The id of the document that gets it.
        to: String,
        /// The attachment's name there.
        to_name: &'static str,
        /// What it holds.
        attached: Attached,
        /// Whether the first document loses it.
        is_move: bool,
    },
    /// All revisions of a document that is no more are deleted.
    Forget {
        /// Its id.
        id: String,
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
        self.times.expires.is_some_and(|at| at <= now)
    }

    /// Whether the server may have written it anew.
    pub fn refresh_is_due(&self, now: Timestamp) -> bool {
        self.times.refresh.is_some_and(|at| at <= now)
    }

    /// The revision of it that has an etag.
    fn stored_with(&self, etag: Option<u64>) -> Revision {
        Revision::Stored {
            serial: self.serial,
            etag,
            attachments: self.attachments.clone(),
        }
    }

    /// Whether `there` is this version after the server wrote it anew, at `now` or before.
    fn was_refreshed(&self, there: &Self, now: Timestamp) -> bool {
        let refreshed = Self {
            etag: there.etag,
            times: Times::expiring(self.times.expires),
            ..self.clone()
        };
        self.refresh_is_due(now) && refreshed == *there && there.etag > self.etag
    }
}

impl Change {
    /// The document's id.
    pub fn id(&self) -> &str {
        match self {
            Self::Put { id, .. }
            | Self::Delete { id }
            | Self::Attach { id, .. }
            | Self::Detach { id, .. }
            | Self::Transfer { id, .. }
            | Self::Forget { id } => id,
        }
    }

    /// The id of the document that is given an attachment.
    pub fn receiver(&self) -> Option<&str> {
        match self {
            Self::Attach { id, .. } | Self::Transfer { to: id, .. } => Some(id),
            _ => None,
        }
    }

    /// A put of a document that stays.
    pub fn put(id: String) -> Self {
        let times = Times::default();
        Self::Put { id, times }
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
            Change::Put { id, times } => {
                self.allow_for_refresh(id, now);
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
                    times: *times,
                    attachments: before.map(|it| it.attachments.clone()).unwrap_or_default(),
                };
                self.store(id, version);
            }
            Change::Delete { id } => self.delete(id, now),
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
            Change::Transfer { to, to_name, .. } => self.transfer(change, to, to_name, etag),
            Change::Forget { id } => {
                if !self.documents.contains_key(id) {
                    *self.past(id) = vec![Vec::new()];
                }
            }
        }
    }

    fn transfer(&mut self, change: &Change, to: &str, to_name: &str, etag: Option<u64>) {
        let Change::Transfer {
            id, name, is_move, ..
        } = change
        else {
            return;
        };
        let Some(mut source) = self.documents.get(id).cloned() else {
            return;
        };
        let Some(attached) = source.attachments.get(*name).cloned() else {
            return;
        };
        if *is_move {
            source.attachments.remove(*name);
            if id != to {
                // Its new etag is not answered.
                source.etag = None;
                self.store(id, source.clone());
            }
        }
        let receiver = match id == to {
            true => Some(source),
            false => self.documents.get(to).cloned(),
        };
        if let Some(mut receiver) = receiver {
            receiver.attachments.insert(to_name.to_owned(), attached);
            receiver.etag = etag;
            self.store(to, receiver);
        }
    }

    /// Of a document that the server may have written anew by `now`, nobody knows whether it did.
    fn allow_for_refresh(&mut self, id: &str, now: Timestamp) {
        let Some(version) = self.documents.get(id) else {
            return;
        };
        if kept_of(id) == Kept::Nothing || !version.refresh_is_due(now) {
            return;
        }
        let anew = version.stored_with(None);
        let mut refreshed = self.past(id).clone();
        for list in &mut refreshed {
            list.push(anew.clone());
        }
        self.past(id).extend(refreshed);
    }

    /// How many documents wait to be refreshed.
    pub fn waiting(&self) -> usize {
        let documents = self.documents.values();
        let waiting = documents.filter(|version| version.times.refresh.is_some());
        waiting.count()
    }

    /// The documents whose past has several possible forms, or may become longer at any time: their
    /// revisions are to be read.
    pub fn unsettled(&self) -> impl Iterator<Item = &String> {
        let pasts = self.pasts.iter().filter(|(_, forms)| forms.len() > 1);
        let waiting = self.documents.iter();
        let waiting = waiting.filter(|(_, version)| version.times.refresh.is_some());
        pasts.map(|(id, _)| id).chain(waiting.map(|(id, _)| id))
    }

    /// Documents that are no more, with the number of their revisions.
    pub fn remembered(&self) -> impl Iterator<Item = (&String, usize)> {
        let settled = self.pasts.iter().filter(|(_, forms)| forms.len() == 1);
        let counted = settled.map(|(id, forms)| (id, forms[0].len()));
        counted.filter(|(id, count)| *count > 0 && !self.documents.contains_key(*id))
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
                list.push(version.stored_with(version.etag));
            }
        }
        self.documents.insert(id.to_owned(), version);
    }

    /// The document went, by a writer's hand or because its time had come, at `now` or before.
    pub fn delete(&mut self, id: &str, now: Timestamp) {
        self.allow_for_refresh(id, now);
        if self.documents.remove(id).is_some() {
            self.past(id).iter_mut().for_each(|list| end(id, list));
        }
    }

    /// Compares with what was found at `now` and takes it over where it fits; names what does not.
    pub fn settle(&mut self, found: &Found, now: Timestamp) -> Vec<String> {
        let mut differences = Vec::new();
        let mut gone = Vec::new();
        let mut refreshed = Vec::new();
        for (id, version) in &mut self.documents {
            match found.documents.get(id) {
                None if version.is_due(now) => gone.push(id.clone()),
                None => differences.push(format!(
                    "{id} of operation {} is missing{}",
                    version.serial,
                    match version.times.expires {
                        Some(at) => format!(", though it expires at {}", at.to_text()),
                        None => String::new(),
                    }
                )),
                Some(there) if is_same(version, there) => version.etag = there.etag,
                Some(there) if version.was_refreshed(there, now) => {
                    refreshed.push((id.clone(), there.clone()));
                }
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
        gone.iter().for_each(|id| self.delete(id, now));
        for (id, there) in refreshed {
            self.store(&id, there);
        }
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
