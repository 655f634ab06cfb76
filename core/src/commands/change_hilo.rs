//! HiLo: ranges of numbers that clients lease for their ids (semantics.md §1).
//!
//! The state is an ordinary document, `Raven/Hilo/<tag>` with `{"Max": n}`, so that it replicates
//! and can be read. Whatever else the document holds is kept.

use serde_json::{Map, Value};

use super::{ExpectedVersion, PutDocument, Transaction};
use crate::document::{
    CollectionName, DocumentId, DocumentText, HILO_COLLECTION, IdRequest, Schedule,
};
use crate::host::Timestamp;
use crate::schema::DOCUMENTS;
use crate::schema::documents::DocumentRecord;
use crate::storage::Snapshot;
use crate::{Error, Result};

/// Leases the next range.
#[derive(Debug, Clone, Default)]
pub struct NextHiloRange {
    /// What the ids begin with, as `users`.
    pub tag: String,
    /// The size of the caller's last range, 0 for none.
    pub last_size: u64,
    /// When the caller got its last range.
    pub last_range_at: Option<Timestamp>,
    /// What stands between tag and number; empty means `/`.
    pub separator: String,
    /// The largest number the caller knows to be taken.
    pub last_max: i64,
}

/// A leased range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HiloRange {
    /// Tag and separator.
    pub prefix: String,
    /// The first number.
    pub low: i64,
    /// The last number.
    pub high: i64,
    /// How many numbers.
    pub size: u64,
    /// The tag of this node, the ids' suffix.
    pub server_tag: String,
    /// When it was leased.
    pub leased_at: Timestamp,
}

/// Gives back the unused end of a range, if no later range was leased.
#[derive(Debug, Clone)]
pub struct ReturnHiloRange {
    /// What the ids begin with.
    pub tag: String,
    /// The range's last number.
    pub end: i64,
    /// The last number used.
    pub last: i64,
}

const SMALLEST_RANGE: u64 = 32;
const LARGEST_RANGE: u64 = 1 << 20;
const BUSY_MS: i64 = 30_000;
const QUIET_MS: i64 = 60_000;

impl NextHiloRange {
    pub(crate) async fn run<S: Snapshot>(&self, tx: &mut Transaction<S>) -> Result<HiloRange> {
        let separator = self.separator()?;
        let (id, mut state) = load(tx, &self.tag).await?;
        let size = self.size(tx.now());
        let taken = state.max()?.max(self.last_max).max(0);
        let high = i64::try_from(size)
            .ok()
            .and_then(|size| taken.checked_add(size))
            .ok_or_else(|| Error::invalid(format!("the HiLo tag '{}' is used up", self.tag)))?;
        state.store(tx, id, high).await?;
        Ok(HiloRange {
            prefix: format!("{}{separator}", self.tag),
            low: taken + 1,
            high,
            size,
            server_tag: tx.id_suffix(),
            leased_at: tx.now(),
        })
    }

    /// One character; ids that end in `|` are those of identities.
    fn separator(&self) -> Result<char> {
        let mut given = self.separator.chars();
        match (given.next(), given.next()) {
            (None, _) => Ok('/'),
            (Some(separator), None) if separator != '|' && !separator.is_control() => Ok(separator),
            _ => Err(Error::invalid(format!(
                "what stands between a HiLo tag and its numbers must be one character, not | and \
                 not '{}'",
                self.separator.escape_debug()
            ))),
        }
    }

    fn size(&self, now: Timestamp) -> u64 {
        let last_size = self.last_size.clamp(SMALLEST_RANGE, LARGEST_RANGE);
        let Some(last_range_at) = self.last_range_at.filter(|_| self.last_size > 0) else {
            return SMALLEST_RANGE;
        };
        let waited_ms = now.unix_ms().saturating_sub(last_range_at.unix_ms());
        match waited_ms {
            ..BUSY_MS => (last_size * 2).min(LARGEST_RANGE),
            QUIET_MS.. => (last_size / 2).max(SMALLEST_RANGE),
            _ => last_size,
        }
    }
}

impl ReturnHiloRange {
    pub(crate) async fn run<S: Snapshot>(&self, tx: &mut Transaction<S>) -> Result<()> {
        let (id, mut state) = load(tx, &self.tag).await?;
        let gives_back = self.last >= 0 && self.last < self.end;
        if state.exists && gives_back && state.max()? == self.end {
            state.store(tx, id, self.last).await?;
        }
        Ok(())
    }
}

struct HiloState {
    exists: bool,
    id: String,
    properties: Map<String, Value>,
    metadata: String,
    collection: CollectionName,
}

impl HiloState {
    fn max(&self) -> Result<i64> {
        match self.properties.get("Max") {
            None => Ok(0),
            Some(max) => max.as_i64().ok_or_else(|| {
                Error::invalid(format!(
                    "{}: Max must be a whole number, not {max}",
                    self.id
                ))
            }),
        }
    }

    async fn store<S: Snapshot>(
        &mut self,
        tx: &mut Transaction<S>,
        id: DocumentId,
        max: i64,
    ) -> Result<()> {
        self.properties.insert("Max".to_owned(), max.into());
        let body = serde_json::to_string(&self.properties).expect("a map of JSON values is JSON");
        let put = PutDocument {
            id: IdRequest::Semantic(id),
            expected: ExpectedVersion::Any,
            document: DocumentText {
                collection: self.collection.clone(),
                metadata: self.metadata.clone(),
                schedule: Schedule::default(),
                body,
            },
        };
        put.run(tx).await.map(|_| ())
    }
}

async fn load<S: Snapshot>(tx: &mut Transaction<S>, tag: &str) -> Result<(DocumentId, HiloState)> {
    if tag.is_empty() {
        return Err(Error::invalid("a HiloRange needs a tag that is not empty"));
    }
    let id = DocumentId::new(format!("Raven/Hilo/{tag}"), tx.limits.max_id_bytes)?;
    let state = match tx.get(DOCUMENTS, id.key()).await? {
        Some(value) => {
            let record = DocumentRecord::decode(value)?;
            let properties = serde_json::from_str(record.body())
                .map_err(|_| Error::corrupted(format!("{} is not a JSON object", id.as_str())))?;
            HiloState {
                exists: true,
                id: id.as_str().to_owned(),
                properties,
                metadata: record.metadata().to_owned(),
                collection: CollectionName::new(record.collection())?,
            }
        }
        None => HiloState {
            exists: false,
            id: id.as_str().to_owned(),
            properties: Map::new(),
            metadata: format!("\"@collection\":\"{HILO_COLLECTION}\""),
            collection: CollectionName::new(HILO_COLLECTION)?,
        },
    };
    Ok((id, state))
}
