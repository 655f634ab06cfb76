//! Bringing back what documents were: one document, or a whole database step by step.
//!
//! A revert is an ordinary write: the version it replaces stays a revision, and the new version is
//! flagged `Reverted`.

use bytes::Bytes;

use crate::commands::store_version::{NewVersion, Previous, store_version};
use crate::commands::{DeleteDocument, ExpectedVersion, Transaction};
use crate::document::{CollectionName, DocumentId, Schedule};
use crate::host::Timestamp;
use crate::schema::documents::{DocumentFlags, DocumentRecord};
use crate::schema::{REVISION_COUNTS, REVISION_VECTORS, REVISIONS, revisions};
use crate::storage::{KeyRange, Snapshot};
use crate::version::ChangeVector;
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
    /// Where the next step goes on; `None` when all is done.
    pub next: Option<Bytes>,
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
                tx.get(REVISIONS, &key)
                    .await?
                    .map(DocumentRecord::decode)
                    .transpose()?
            }
            RevertTarget::LastLive => {
                let all = tx
                    .scan(REVISIONS, &revisions::range(id_key), usize::MAX)
                    .await?;
                let mut last = None;
                for (_, value) in all {
                    let revision = DocumentRecord::decode(value)?;
                    if !revision.flags.contains(DocumentFlags::DELETE_REVISION) {
                        last = Some(revision);
                    }
                }
                last
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
        let range = match self.after.is_empty() {
            true => KeyRange::all(),
            false => KeyRange::all().after(self.after.clone()),
        };
        let listed = tx.scan(REVISION_COUNTS, &range, self.limit.max(1)).await?;
        let is_full = listed.len() >= self.limit.max(1);
        done.next = listed
            .last()
            .map(|(key, _)| key.clone())
            .filter(|_| is_full);
        for (id_key, _) in listed {
            done.scanned += 1;
            done.reverted += u64::from(self.revert(tx, &id_key).await?);
        }
        Ok(done)
    }

    async fn revert<S: Snapshot>(&self, tx: &mut Transaction<S>, id_key: &Bytes) -> Result<bool> {
        let all = tx
            .scan(REVISIONS, &revisions::range(id_key), usize::MAX)
            .await?;
        let all: Vec<DocumentRecord> = all
            .into_iter()
            .map(|(_, value)| DocumentRecord::decode(value))
            .collect::<Result<_>>()?;
        let Some(oldest) = all.first() else {
            return Ok(false);
        };
        let collection = CollectionName::new(oldest.collection())?;
        if !self.collections.is_empty() && !self.collections.contains(&collection.key().to_owned())
        {
            return Ok(false);
        }
        let previous = Previous::find(tx, id_key).await?;
        let changed_at = match &previous {
            Previous::Document(record) => record.last_modified,
            Previous::Tombstone(tombstone) => tombstone.last_modified,
            Previous::Nothing => Timestamp::from_ticks(i64::MAX),
        };
        if changed_at <= self.to {
            return Ok(false);
        }
        let at_the_time = all
            .iter()
            .rev()
            .find(|revision| revision.last_modified <= self.to);
        // All are newer: either it did not exist then, or older ones are no longer kept.
        let created_later = oldest.flags.contains(DocumentFlags::FIRST_VERSION);
        let target = at_the_time.or((!created_later).then_some(oldest));
        let lives = previous.document().is_some();
        match target {
            Some(revision) if is_same(previous.document(), revision) => Ok(false),
            Some(revision) if !revision.flags.contains(DocumentFlags::DELETE_REVISION) => {
                bring_back(tx, id_key, revision).await?;
                Ok(true)
            }
            _ if lives => {
                let id = DocumentId::new(String::from_utf8_lossy(id_key), usize::MAX)?;
                DeleteDocument {
                    id,
                    expected: ExpectedVersion::Any,
                }
                .run(tx)
                .await?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }
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
        let id = DocumentId::new(String::from_utf8_lossy(id_key), usize::MAX)?;
        DeleteDocument {
            id,
            expected: ExpectedVersion::Any,
        }
        .run(tx)
        .await?;
        return Ok(());
    }
    let previous = Previous::find(tx, id_key).await?;
    let id = match revision.id() {
        "" => &String::from_utf8_lossy(id_key),
        id => id,
    };
    let replaced = previous.document().map_or("", DocumentRecord::attachments);
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
    store_version(tx, &previous, version).await.map(|_| ())
}
