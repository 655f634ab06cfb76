//! Exporting: everything of one snapshot in etag order, piece by piece.

use crate::Result;
use crate::document::to_id_key;
use crate::reader::{Item, ReadTransaction};
use crate::schema::TOMBSTONES;
use crate::schema::tombstones::Tombstone;
use crate::storage::{Direction, KeyRange, PageLimits, Snapshot};
use crate::version::Etag;

/// The forms of an export, before compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExportFormat {
    /// A `.ravendbdump` that names this build as its writer.
    Dump {
        /// RavenDB decides by it how to read the dump.
        build_version: u64,
    },
    /// One document in each line, with its metadata.
    JsonLines,
}

/// What an export has written so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExportCounts {
    /// Documents.
    pub documents: u64,
    /// Tombstones; only in dumps.
    pub tombstones: u64,
    /// Identities; only in dumps.
    pub identities: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    Beginning,
    /// Documents after this etag.
    Documents(Etag),
    /// Tombstones in this range.
    Tombstones(KeyRange),
    Identities,
    Done,
}

/// Writes what one read transaction sees.
///
/// ```
/// # use std::sync::Arc;
/// # use pinyon_core::host::{Host, OsRandom, SystemClock};
/// # use pinyon_core::storage::{Environment, MemoryEnvironment, StoreName};
/// # use pinyon_core::{Database, DatabaseOptions};
/// use pinyon_core::smuggler::{ExportFormat, Exporter};
/// # futures_executor::block_on(async {
/// # let store = MemoryEnvironment::new().open(&StoreName::new("documents")?).await?;
/// # let host = Host { clock: Arc::new(SystemClock), random: Arc::new(OsRandom) };
/// # let (database, _merger) = Database::open(store, host, DatabaseOptions::default()).await?;
/// let mut exporter = Exporter::new(database.read().await?, ExportFormat::Dump { build_version: 1 });
/// let mut text = Vec::new();
/// while exporter.write_next(&mut text).await? {
///     // Here a host writes the text away and clears it.
/// }
/// assert_eq!(text, br#"{"BuildVersion":1,"Docs":[],"Tombstones":[],"Identities":[]}"#);
/// # Ok::<(), pinyon_core::Error>(())
/// # }).unwrap();
/// ```
pub struct Exporter<S> {
    transaction: ReadTransaction<S>,
    format: ExportFormat,
    stage: Stage,
    is_first_item: bool,
    /// How many items to read at once, so that they fit memory whatever their size.
    page_items: usize,
    counts: ExportCounts,
}

impl<S: Snapshot> Exporter<S> {
    /// About how many bytes one call of [`Self::write_next`] adds.
    const PAGE_BYTES: usize = 1 << 20;
    /// Sizes vary: a page chosen by small documents may meet large ones.
    const MAX_PAGE_ITEMS: usize = 128;

    /// An export of what `transaction` sees.
    pub fn new(transaction: ReadTransaction<S>, format: ExportFormat) -> Self {
        Self {
            transaction,
            format,
            stage: Stage::Beginning,
            is_first_item: true,
            page_items: 16,
            counts: ExportCounts::default(),
        }
    }

    /// What has been written so far.
    pub fn counts(&self) -> ExportCounts {
        self.counts
    }

    /// Appends the next piece to `text`; `false` when the export was complete before.
    ///
    /// # Errors
    /// Whatever the store reports; `Corrupted` when a record does not fit.
    pub async fn write_next(&mut self, text: &mut Vec<u8>) -> Result<bool> {
        self.stage = match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Done => return Ok(false),
            Stage::Beginning => {
                if let ExportFormat::Dump { build_version } = self.format {
                    let head = format!("{{\"BuildVersion\":{build_version},\"Docs\":[");
                    text.extend_from_slice(head.as_bytes());
                }
                Stage::Documents(Etag::ZERO)
            }
            Stage::Documents(after) => match self.write_documents(after, text).await? {
                Some(last) => Stage::Documents(last),
                None if self.format == ExportFormat::JsonLines => {
                    if !self.is_first_item {
                        text.push(b'\n');
                    }
                    Stage::Done
                }
                None => {
                    self.begin_section("Tombstones", text);
                    Stage::Tombstones(KeyRange::all())
                }
            },
            Stage::Tombstones(range) => match self.write_tombstones(range, text).await? {
                Some(rest) => Stage::Tombstones(rest),
                None => {
                    self.begin_section("Identities", text);
                    Stage::Identities
                }
            },
            Stage::Identities => {
                self.write_identities(text).await?;
                text.extend_from_slice(b"]}");
                Stage::Done
            }
        };
        Ok(true)
    }

    fn begin_section(&mut self, name: &str, text: &mut Vec<u8>) {
        text.extend_from_slice(format!("],\"{name}\":[").as_bytes());
        self.is_first_item = true;
    }

    /// Writes one page of documents; answers the last etag it has seen.
    async fn write_documents(&mut self, after: Etag, text: &mut Vec<u8>) -> Result<Option<Etag>> {
        let items = self.transaction.items_after(after, self.page_items).await?;
        let (mut last, mut byte_count) = (None, 0);
        let item_count = items.len();
        for item in items {
            match item {
                Item::Tombstone(tombstone) => last = Some(tombstone.etag),
                Item::Revision(revision) => last = Some(revision.etag()),
                Item::Document(document) => {
                    last = Some(document.etag());
                    byte_count += document.byte_count();
                    self.separate(text);
                    document.write_json(text);
                    self.counts.documents += 1;
                }
            }
        }
        if let Some(average) = byte_count.checked_div(item_count) {
            let fitting = Self::PAGE_BYTES / average.max(1);
            let most = Self::MAX_PAGE_ITEMS.min(2 * self.page_items);
            self.page_items = fitting.clamp(1, most);
        }
        Ok(last)
    }

    /// Writes one page of tombstones; answers the range that remains.
    async fn write_tombstones(
        &mut self,
        range: KeyRange,
        text: &mut Vec<u8>,
    ) -> Result<Option<KeyRange>> {
        let snapshot = self.transaction.snapshot();
        let limits = PageLimits::default();
        let page = snapshot
            .scan(TOMBSTONES, &range, Direction::Forward, limits)
            .await?;
        let last = page.entries.last().map(|(key, _)| key.clone());
        for (_, value) in page.entries {
            self.separate(text);
            self.write_tombstone(&Tombstone::decode(&value)?, text)?;
            self.counts.tombstones += 1;
        }
        Ok(last.filter(|_| page.has_more).map(|last| range.after(last)))
    }

    /// A comma between items, or the end of the line before.
    fn separate(&mut self, text: &mut Vec<u8>) {
        if !self.is_first_item {
            let is_lines = self.format == ExportFormat::JsonLines;
            text.push(if is_lines { b'\n' } else { b',' });
        }
        self.is_first_item = false;
    }

    fn write_tombstone(&self, tombstone: &Tombstone, text: &mut Vec<u8>) -> Result<()> {
        let key = to_id_key(&tombstone.id);
        let incarnations = self.transaction.incarnations();
        let item = serde_json::json!({
            "Key": String::from_utf8_lossy(&key),
            "Type": "Document",
            "Collection": tombstone.collection,
            "Flags": if tombstone.flags.is_empty() {
                "None".to_owned()
            } else {
                tombstone.flags.to_text()
            },
            "ChangeVector": tombstone.context.to_text(incarnations)?,
            "DeletedEtag": tombstone.deleted_etag.number(),
            "Etag": tombstone.etag.number(),
            "LastModified": tombstone.last_modified.to_text(),
        });
        serde_json::to_writer(text, &item).expect("a Vec takes any text");
        Ok(())
    }

    async fn write_identities(&mut self, text: &mut Vec<u8>) -> Result<()> {
        for identity in self.transaction.identities().await? {
            self.separate(text);
            let item = serde_json::json!({
                "Key": identity.name,
                // RavenDB writes, and expects, the number as text.
                "Value": identity.value.to_string(),
            });
            serde_json::to_writer(&mut *text, &item).expect("a Vec takes any text");
            self.counts.identities += 1;
        }
        Ok(())
    }
}
