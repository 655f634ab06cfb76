//! One bounded step through what is due.

use bytes::Bytes;

use crate::Result;
use crate::commands::store_version::{NewVersion, Previous, store_version};
use crate::commands::{DeleteDocument, ExpectedVersion, Transaction};
use crate::document::{CollectionName, DocumentId, REFRESH, Schedule, without_property};
use crate::host::Timestamp;
use crate::schema::documents::{DocumentFlags, DocumentRecord};
use crate::schema::{EXPIRATIONS, REFRESHES, schedules};
use crate::storage::{KeySpace, Snapshot};

/// Deletes up to `limit` documents whose `@expires` has passed, oldest first.
#[derive(Debug, Clone)]
pub struct SweepExpired {
    /// The most documents to delete.
    pub limit: usize,
}

/// Writes up to `limit` documents whose `@refresh` has passed anew, without it, oldest first.
#[derive(Debug, Clone)]
pub struct SweepRefreshes {
    /// The most documents to refresh.
    pub limit: usize,
}

impl SweepExpired {
    /// Answers how many entries of the schedule were dealt with; zero means nothing is due.
    pub(crate) async fn run<S: Snapshot>(&self, tx: &mut Transaction<S>) -> Result<usize> {
        let mut swept = 0;
        for due in due(tx, EXPIRATIONS, self.limit).await? {
            swept += 1;
            let is_due = |schedule: &Schedule| schedule.expires == Some(due.at);
            if find_due(tx, EXPIRATIONS, &due, is_due).await?.is_some() {
                let id = DocumentId::new(String::from_utf8_lossy(&due.id_key), usize::MAX)?;
                DeleteDocument {
                    id,
                    expected: ExpectedVersion::Any,
                }
                .run(tx)
                .await?;
            }
        }
        Ok(swept)
    }
}

impl SweepRefreshes {
    /// Answers how many entries of the schedule were dealt with; zero means nothing is due.
    pub(crate) async fn run<S: Snapshot>(&self, tx: &mut Transaction<S>) -> Result<usize> {
        let mut swept = 0;
        for due in due(tx, REFRESHES, self.limit).await? {
            swept += 1;
            let is_due = |schedule: &Schedule| schedule.refresh == Some(due.at);
            if let Some(previous) = find_due(tx, REFRESHES, &due, is_due).await? {
                refresh(tx, &due.id_key, &previous).await?;
            }
        }
        Ok(swept)
    }
}

struct Due {
    at: Timestamp,
    id_key: Bytes,
    key: Bytes,
}

async fn due<S: Snapshot>(tx: &Transaction<S>, space: KeySpace, limit: usize) -> Result<Vec<Due>> {
    let entries = tx.scan(space, &schedules::due(tx.now()), limit).await?;
    entries
        .into_iter()
        .map(|(key, _)| {
            let (at, id_key) = schedules::decode_key(&key)?;
            Ok(Due { at, id_key, key })
        })
        .collect()
}

/// The document if it says itself that it is due; else the entry is a leftover and goes.
async fn find_due<S: Snapshot>(
    tx: &mut Transaction<S>,
    space: KeySpace,
    due: &Due,
    is_due: impl Fn(&Schedule) -> bool,
) -> Result<Option<Previous>> {
    let previous = Previous::find(tx, &due.id_key).await?;
    let schedule = match previous.document() {
        Some(record) if record.flags.contains(DocumentFlags::SCHEDULED) => {
            Schedule::of_metadata(record.metadata())?
        }
        _ => Schedule::default(),
    };
    if is_due(&schedule) {
        return Ok(Some(previous));
    }
    tx.delete(space, due.key.clone());
    Ok(None)
}

async fn refresh<S: Snapshot>(
    tx: &mut Transaction<S>,
    id_key: &Bytes,
    previous: &Previous,
) -> Result<()> {
    let Some(record) = previous.document() else {
        return Ok(());
    };
    let metadata = without_property(record.metadata(), REFRESH);
    let id = match record.id() {
        "" => &String::from_utf8_lossy(id_key),
        id => id,
    };
    let version = NewVersion {
        id,
        key: id_key,
        collection: &CollectionName::new(record.collection())?,
        attachments: DocumentRecord::attachments(record),
        metadata: &metadata,
        body: record.body(),
        schedule: Schedule::of_metadata(&metadata)?,
        flags: DocumentFlags::NONE,
    };
    store_version(tx, previous, version).await.map(|_| ())
}
