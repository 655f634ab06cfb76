//! Bringing back what documents were: one document, or a whole database step by step.
//!
//! A revert is an ordinary write: the version it replaces stays a revision, and the new version is
//! flagged `Reverted`.

use bytes::Bytes;

use super::record::{is_in_history, record, rewrite};
use super::walk::{collection_if_wanted, lives, next_documents};
use crate::commands::store_version::{NewVersion, Previous, store_version};
use crate::commands::{DeleteDocument, ExpectedVersion, Transaction};
use crate::document::{CollectionName, DocumentId, HILO_COLLECTION, Schedule};
use crate::host::{TimeSpan, Timestamp};
use crate::schema::documents::{DocumentFlags, DocumentParts, DocumentRecord};
use crate::schema::{DOCUMENTS, REVISION_VECTORS, revisions};
use crate::storage::Snapshot;
use crate::version::{ChangeVector, Etag};
use crate::{Error, ErrorKind, Result};

/// Which version of a document to bring back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RevertTarget {
    /// The one with this change vector.
    ChangeVector(String),
    /// The newest that is not a deletion: restores from the bin.
    LastLive,
}

/// Brings back one document.
#[derive(Debug, Clone)]
pub struct RevertDocument {
    /// Which.
    pub id: DocumentId,
    /// To what.
    pub target: RevertTarget,
}

/// Brings back a database to a moment, one bounded step at a time.
#[derive(Debug, Clone)]
pub struct RevertDatabase {
    /// The moment.
    pub to: Timestamp,
    /// Among the revisions of this last stretch before the moment the one with the latest time
    /// counts, even if others came here after it; before that the first one that is met. With
    /// `None`, always the first one.
    pub window: Option<TimeSpan>,
    /// Documents that changed after this etag are left alone; `None` for no such bound.
    pub changed_until: Option<Etag>,
    /// If not empty: only these collections, by lower-cased name.
    pub collections: Vec<String>,
    /// Where the last step stopped; empty at first.
    pub after: Bytes,
    /// The most documents to look at.
    pub limit: usize,
}

/// What a step did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RevertedDatabase {
    /// How many documents with revisions were looked at.
    pub scanned: u64,
    /// How many were changed or deleted.
    pub reverted: u64,
    /// The ids of those that were left alone because they changed meanwhile.
    pub left_alone: Vec<String>,
    /// Where the next step goes on; `None` when all is done.
    pub next: Option<Bytes>,
}

enum Reverted {
    Yes,
    /// It is as it was then.
    Same,
    /// It changed meanwhile.
    LeftAlone,
}

impl RevertDocument {
    pub(crate) async fn run<S: Snapshot>(&self, tx: &mut Transaction<S>) -> Result<()> {
        let id_key = self.id.key();
        let missing = |what: &str| {
            Error::new(
                ErrorKind::NotFound,
                format!("the document '{}' has no revision {what}", self.id.as_str()),
            )
        };
        let revision = match &self.target {
            RevertTarget::ChangeVector(text) => {
                let vector = ChangeVector::parse(text, &mut tx.incarnations().clone())?;
                let key = tx
                    .get(REVISION_VECTORS, &revisions::vector_key(&vector))
                    .await?;
                let key = key.ok_or_else(|| missing(text))?;
                if revisions::decode_key(&key)?.0 != *id_key {
                    return Err(missing(text));
                }
                tx.revision(&key)
                    .await?
                    .map(DocumentRecord::decode)
                    .transpose()?
            }
            RevertTarget::LastLive => {
                let mut living = None;
                for key in tx.revision_keys(id_key).await?.into_iter().rev() {
                    let revision = tx.listed_revision(&key).await?;
                    if !revision.flags.contains(DocumentFlags::DELETE_REVISION) {
                        living = Some(revision);
                        break;
                    }
                }
                living
            }
        };
        let revision = revision.ok_or_else(|| missing("to bring back"))?;
        bring_back(tx, id_key, &revision).await
    }
}

impl RevertDatabase {
    pub(crate) async fn run<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
    ) -> Result<RevertedDatabase> {
        let mut done = RevertedDatabase::default();
        let (documents, next) = next_documents(tx, &self.after, self.limit).await?;
        done.next = next;
        for id_key in documents {
            done.scanned += 1;
            match self.revert(tx, &id_key).await? {
                Reverted::Yes => done.reverted += 1,
                Reverted::Same => {}
                Reverted::LeftAlone => {
                    let id = String::from_utf8_lossy(&id_key);
                    done.left_alone.push(id.into_owned());
                }
            }
        }
        Ok(done)
    }

    async fn revert<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
        id_key: &Bytes,
    ) -> Result<Reverted> {
        let collection = collection_if_wanted(tx, id_key, &self.collections).await?;
        // Ids that were given out since would be given out again, for other documents.
        if collection.is_none_or(|it| it.key() == HILO_COLLECTION) {
            return Ok(Reverted::Same);
        }
        let all = tx.revision_keys(id_key).await?;
        let Some(oldest) = all.first() else {
            return Ok(Reverted::Same);
        };
        let previous = Previous::find(tx, id_key).await?;
        let (changed_at, etag) = match &previous {
            Previous::Document(record) => (record.last_modified, record.etag),
            Previous::Tombstone(tombstone) => (tombstone.last_modified, tombstone.etag),
            Previous::Nothing => (Timestamp::from_ticks(i64::MAX), Etag::ZERO),
        };
        if changed_at <= self.to {
            return Ok(Reverted::Same);
        }
        if self.changed_until.is_some_and(|until| etag > until) {
            return Ok(Reverted::LeftAlone);
        }
        let at_the_time = self.at_the_time(tx, &all).await?;
        // All are newer: either it did not exist then, or older ones are no longer kept. Nothing
        // says of a deleted one that it existed, so that it stays deleted.
        let lives = lives(tx, id_key).await?;
        let target = match at_the_time {
            None if lives => {
                let oldest = tx.listed_revision(oldest).await?;
                let created_later = oldest.flags.contains(DocumentFlags::FIRST_VERSION);
                Some(oldest).filter(|_| !created_later)
            }
            found => found,
        };
        match target {
            Some(revision) if is_same(previous.document(), &revision) => Ok(Reverted::Same),
            Some(revision) if !revision.flags.contains(DocumentFlags::DELETE_REVISION) => {
                bring_back(tx, id_key, &revision).await?;
                Ok(Reverted::Yes)
            }
            _ if lives => {
                delete(tx, id_key).await?;
                Ok(Reverted::Yes)
            }
            _ => Ok(Reverted::Same),
        }
    }

    /// What was current at the moment, of revisions in the order in which they came here.
    async fn at_the_time<S: Snapshot>(
        &self,
        tx: &Transaction<S>,
        all: &[Bytes],
    ) -> Result<Option<DocumentRecord>> {
        let horizon = self.window.map(|window| self.to.plus_ms(-window.ms()));
        let mut found: Option<DocumentRecord> = None;
        for key in all.iter().rev() {
            let revision = tx.listed_revision(key).await?;
            let at = revision.last_modified;
            if at > self.to {
                continue;
            }
            if found.as_ref().is_none_or(|found| at > found.last_modified) {
                found = Some(revision);
            }
            if horizon.is_none_or(|horizon| at < horizon) {
                break;
            }
        }
        Ok(found)
    }
}

async fn delete<S: Snapshot>(tx: &mut Transaction<S>, id_key: &Bytes) -> Result<()> {
    let id = DocumentId::new(String::from_utf8_lossy(id_key), usize::MAX)?;
    let expected = ExpectedVersion::Any;
    DeleteDocument { id, expected }.run(tx).await.map(drop)
}

/// Whether the document is what the revision was, so that a revert that was stopped goes on where
/// it was.
fn is_same(document: Option<&DocumentRecord>, revision: &DocumentRecord) -> bool {
    document.is_some_and(|it| {
        it.body() == revision.body()
            && it.metadata() == revision.metadata()
            && it.attachments() == revision.attachments()
    })
}

async fn bring_back<S: Snapshot>(
    tx: &mut Transaction<S>,
    id_key: &Bytes,
    revision: &DocumentRecord,
) -> Result<()> {
    if revision.flags.contains(DocumentFlags::DELETE_REVISION) {
        return delete(tx, id_key).await;
    }
    let previous = Previous::find(tx, id_key).await?;
    let id = match revision.id() {
        "" => &String::from_utf8_lossy(id_key),
        id => id,
    };
    let replaced = previous.document().map_or("", DocumentRecord::attachments);
    let held = crate::attachments::hold_last(tx, &previous).await?;
    crate::attachments::replace_all(tx, id_key, replaced, revision.attachments()).await?;
    let version = NewVersion {
        id,
        key: id_key,
        collection: &CollectionName::new(revision.collection())?,
        attachments: revision.attachments(),
        metadata: revision.metadata(),
        body: revision.body(),
        schedule: Schedule::of_metadata(revision.metadata())?,
        flags: DocumentFlags::REVERTED,
    };
    // Where revisions are off by now, what is there would be nowhere, and the revert in no history.
    if let Previous::Document(stored) = &previous
        && !is_in_history(tx, id_key, stored).await?
    {
        record(tx, &DocumentParts::of_record(stored, id_key)).await?;
    }
    store_version(tx, &previous, version).await?;
    if let Some(value) = tx.get(DOCUMENTS, id_key).await? {
        let stored = DocumentRecord::decode(value)?;
        if stored.flags.contains(DocumentFlags::UNRECORDED) {
            let mut parts = DocumentParts::of_record(&stored, id_key);
            parts.flags = parts.flags.without(DocumentFlags::UNRECORDED);
            record(tx, &parts).await?;
            rewrite(tx, id_key, &stored, parts).await?;
        }
    }
    crate::attachments::release(tx, &held).await
}
