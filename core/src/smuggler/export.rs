//! Exporting: everything of one snapshot in etag order, piece by piece.
//!
//! The content of an attachment stands once in a dump, as raw bytes behind an object that tells
//! its size, before the first document or revision that has it.

use std::collections::{BTreeMap, HashSet, VecDeque};

use super::Selection;
use crate::attachments::{ListedAttachment, not_local, parse_hash};
use crate::document::{CollectionName, StoredDocument, to_id_key};
use crate::indexes::{IndexRecord, REPLACEMENT_PREFIX, to_name_key};
use crate::reader::{Pages, ReadTransaction};
use crate::schema::blobs::{BlobRecord, ContentHash};
use crate::schema::documents::DocumentFlags;
use crate::schema::etags::ItemKind;
use crate::schema::tombstones::Tombstone;
use crate::schema::{INDEXES, TOMBSTONES};
use crate::storage::{Direction, KeyRange, PageLimits, Snapshot};
use crate::version::Etag;
use crate::{Error, Result};

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
    /// Revisions; only in dumps.
    pub revisions: u64,
    /// Attachments of documents and revisions; only in dumps.
    pub attachments: u64,
    /// Different contents of attachments; only in dumps.
    pub contents: u64,
    /// Their bytes.
    pub content_bytes: u64,
    /// Tombstones; only in dumps.
    pub tombstones: u64,
    /// Identities; only in dumps.
    pub identities: u64,
    /// Definitions of indexes; only in dumps.
    pub indexes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    Beginning,
    /// Documents or revisions after this etag.
    Documents(ItemKind, Etag),
    /// Documents in conflict behind this id: their newest versions, or as revisions all.
    Conflicts(ItemKind, String),
    /// Tombstones in this range.
    Tombstones(KeyRange),
    Identities,
    Indexes,
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
/// let text = String::from_utf8(text).unwrap();
/// let sections = r#""Docs":[],"RevisionDocuments":[],"Tombstones":[],"Identities":[],"Indexes":[]"#;
/// assert_eq!(text, format!("{{\"BuildVersion\":1,{sections}}}"));
/// # Ok::<(), pinyon_core::Error>(())
/// # }).unwrap();
/// ```
pub struct Exporter<S> {
    transaction: ReadTransaction<S>,
    format: ExportFormat,
    selection: Selection,
    stage: Stage,
    is_first_item: bool,
    /// How many items to read at once, so that they fit memory whatever their size.
    page_items: usize,
    counts: ExportCounts,
    /// Read, but not yet written.
    waiting: VecDeque<StoredDocument>,
    /// The content that is being written, and how far it is.
    content: Option<(BlobRecord, u64)>,
    /// Contents in the dump that other items may refer to as well.
    written: HashSet<ContentHash>,
    /// Contents in the dump that only the next item refers to.
    written_for_next: Vec<ContentHash>,
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
            selection: Selection::default(),
            stage: Stage::Beginning,
            is_first_item: true,
            page_items: 16,
            counts: ExportCounts::default(),
            waiting: VecDeque::new(),
            content: None,
            written: HashSet::new(),
            written_for_next: Vec::new(),
        }
    }

    /// Only what is selected; sections of a dump that are not are empty.
    #[must_use]
    pub fn selecting(mut self, selection: Selection) -> Self {
        self.selection = selection;
        self
    }

    fn has_waiting(&self) -> bool {
        self.content.is_some() || !self.waiting.is_empty()
    }

    /// What has been written so far.
    pub fn counts(&self) -> ExportCounts {
        self.counts
    }

    /// Appends the next piece to `text`; `false` when the export was complete before.
    ///
    /// # Errors
    /// Whatever the store reports; `Corrupted` when a record does not fit; `NotLocal` when a dump
    /// would lack the content of an attachment, because this edge left it on the server.
    pub async fn write_next(&mut self, text: &mut Vec<u8>) -> Result<bool> {
        self.stage = match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Done => return Ok(false),
            Stage::Beginning => {
                if let ExportFormat::Dump { build_version } = self.format {
                    let head = format!("{{\"BuildVersion\":{build_version},");
                    text.extend_from_slice(head.as_bytes());
                    if self.selection.configurations {
                        self.write_database_record(text).await?;
                    }
                    text.extend_from_slice(b"\"Docs\":[");
                }
                Stage::Documents(ItemKind::Document, Etag::ZERO)
            }
            Stage::Documents(kind, after) if self.has_waiting() => {
                self.write_documents(kind, text).await?;
                Stage::Documents(kind, after)
            }
            Stage::Documents(kind, after) => match self.read_documents(kind, after).await? {
                Some(last) => {
                    self.write_documents(kind, text).await?;
                    Stage::Documents(kind, last)
                }
                None => Stage::Conflicts(kind, String::new()),
            },
            Stage::Conflicts(kind, after) if self.has_waiting() => {
                self.write_documents(kind, text).await?;
                Stage::Conflicts(kind, after)
            }
            Stage::Conflicts(kind, after) => match self.read_conflicts(kind, &after).await? {
                Some(last) => Stage::Conflicts(kind, last),
                None => self.end_documents(kind, text),
            },
            Stage::Tombstones(_) if !self.selection.tombstones => {
                self.begin_section("Identities", text);
                Stage::Identities
            }
            Stage::Tombstones(range) => match self.write_tombstones(range, text).await? {
                Some(rest) => Stage::Tombstones(rest),
                None => {
                    self.begin_section("Identities", text);
                    Stage::Identities
                }
            },
            Stage::Identities => {
                if self.selection.identities {
                    self.write_identities(text).await?;
                }
                self.begin_section("Indexes", text);
                Stage::Indexes
            }
            Stage::Indexes => {
                if self.selection.indexes {
                    self.write_indexes(text).await?;
                }
                text.extend_from_slice(b"]}");
                Stage::Done
            }
        };
        Ok(true)
    }

    /// What follows the documents, or their revisions.
    fn end_documents(&mut self, kind: ItemKind, text: &mut Vec<u8>) -> Stage {
        if self.format == ExportFormat::JsonLines {
            if !self.is_first_item {
                text.push(b'\n');
            }
            Stage::Done
        } else if kind == ItemKind::Document {
            self.begin_section("RevisionDocuments", text);
            Stage::Documents(ItemKind::Revision, Etag::ZERO)
        } else {
            self.begin_section("Tombstones", text);
            Stage::Tombstones(KeyRange::all())
        }
    }

    fn begin_section(&mut self, name: &str, text: &mut Vec<u8>) {
        text.extend_from_slice(format!("],\"{name}\":[").as_bytes());
        self.is_first_item = true;
    }

    /// Writes the next piece of a content, or documents or revisions up to the next content.
    async fn write_documents(&mut self, kind: ItemKind, text: &mut Vec<u8>) -> Result<()> {
        let length_before = text.len();
        while text.len() - length_before < Self::PAGE_BYTES {
            if let Some((blob, offset)) = self.content.take() {
                self.write_content(blob, offset, text).await?;
                continue;
            }
            let Some(document) = self.waiting.pop_front() else {
                break;
            };
            match self.begin_missing_content(&document, text).await? {
                Some(blob) => {
                    self.waiting.push_front(document);
                    self.content = Some((blob, 0));
                }
                None => {
                    self.separate(text);
                    document.write_json(text);
                    self.count_document(kind, &document)?;
                }
            }
        }
        Ok(())
    }

    /// Reads the next page of documents or revisions; answers the last etag it has seen.
    async fn read_documents(&mut self, kind: ItemKind, after: Etag) -> Result<Option<Etag>> {
        let is_selected = match kind {
            ItemKind::Revision => self.selection.revisions,
            _ => self.selection.documents,
        };
        if !is_selected {
            return Ok(None);
        }
        let (documents, last) = self
            .transaction
            .of_kind_after(kind, after, self.page_items)
            .await?;
        let byte_count: usize = documents.iter().map(|it| it.byte_count()).sum();
        if let Some(average) = byte_count.checked_div(documents.len()) {
            let fitting = Self::PAGE_BYTES / average.max(1);
            let most = Self::MAX_PAGE_ITEMS.min(2 * self.page_items);
            self.page_items = fitting.clamp(1, most);
        }
        for document in documents {
            if self.is_selected(kind, &document)? {
                self.waiting.push_back(document);
            }
        }
        Ok(last)
    }

    /// Reads some documents in conflict. A dump cannot say that several versions of one live: it has
    /// the newest as the document, and all of them as revisions.
    async fn read_conflicts(&mut self, kind: ItemKind, after: &str) -> Result<Option<String>> {
        let is_selected = match kind {
            ItemKind::Revision => self.selection.revisions,
            _ => self.selection.documents,
        };
        if !is_selected {
            return Ok(None);
        }
        let newest_only = kind == ItemKind::Document;
        let (versions, last) = self
            .transaction
            .conflict_versions(after, newest_only)
            .await?;
        for version in versions {
            if self.is_selected(kind, &version)? {
                self.waiting.push_back(version);
            }
        }
        Ok(last)
    }

    fn is_selected(&self, kind: ItemKind, document: &StoredDocument) -> Result<bool> {
        let collection = CollectionName::new(document.collection())?;
        match kind {
            ItemKind::Revision => Ok(self.selection.has_collection(collection.as_str())),
            _ => self.selection.has_document(
                &collection,
                document.stored_metadata(),
                document.flags(),
            ),
        }
    }

    fn count_document(&mut self, kind: ItemKind, document: &StoredDocument) -> Result<()> {
        match kind {
            ItemKind::Revision => self.counts.revisions += 1,
            _ => self.counts.documents += 1,
        }
        if self.format != ExportFormat::JsonLines {
            let attachments = ListedAttachment::parse_list(document.attachments())?;
            self.counts.attachments += attachments.len() as u64;
        }
        Ok(())
    }

    /// Begins the first content of a document's attachments that is not in the dump yet.
    async fn begin_missing_content(
        &mut self,
        document: &StoredDocument,
        text: &mut Vec<u8>,
    ) -> Result<Option<BlobRecord>> {
        if self.format == ExportFormat::JsonLines || document.attachments().is_empty() {
            return Ok(None);
        }
        for listed in ListedAttachment::parse_list(document.attachments())? {
            let hash = parse_hash(&listed.hash)?;
            if self.written.contains(&hash) || self.written_for_next.contains(&hash) {
                continue;
            }
            let blob = self.transaction.content(&hash).await?.ok_or_else(|| {
                let (name, id) = (&listed.name, document.id());
                Error::corrupted(format!("the content of '{name}' of '{id}' is missing"))
            })?;
            if !blob.is_here() {
                return Err(not_local(document.id(), &listed.name));
            }
            if blob.references > 1 {
                self.written.insert(hash);
            } else {
                self.written_for_next.push(hash);
            }
            self.separate(text);
            let (id, name) = (document.id().to_lowercase(), listed.name.to_lowercase());
            // As RavenDB has it: the key under which the first attachment of the content stands.
            let tag = [&id, "d", &name, &listed.hash, &listed.content_type].join("\u{1e}");
            let head = serde_json::json!({
                "@metadata": {"@export-type": "Attachment"},
                "Hash": listed.hash,
                "Size": blob.size,
                "Tag": tag,
            });
            serde_json::to_writer(text, &head).expect("a Vec takes any text");
            self.counts.contents += 1;
            self.counts.content_bytes += blob.size;
            return Ok(Some(blob));
        }
        self.written_for_next.clear();
        Ok(None)
    }

    async fn write_content(
        &mut self,
        blob: BlobRecord,
        offset: u64,
        text: &mut Vec<u8>,
    ) -> Result<()> {
        let piece = self.transaction.content_at(&blob, offset).await?;
        if !piece.is_empty() {
            text.extend_from_slice(&piece);
            self.content = Some((blob, offset + piece.len() as u64));
        }
        Ok(())
    }

    async fn write_database_record(&mut self, text: &mut Vec<u8>) -> Result<()> {
        let read = &self.transaction;
        let mut record = serde_json::Map::new();
        if let Some(revisions) = read.revisions_configuration().await? {
            record.insert("Revisions".to_owned(), to_value(&revisions));
        }
        if let Some(bin) = read.revision_bin_configuration().await? {
            record.insert("RevisionsBin".to_owned(), to_value(&bin));
        }
        if let Some(expiration) = read.expiration_configuration().await? {
            record.insert("Expiration".to_owned(), to_value(&expiration));
        }
        if let Some(refresh) = read.refresh_configuration().await? {
            record.insert("Refresh".to_owned(), to_value(&refresh));
        }
        if let Some(conflicts) = read.conflicts_configuration().await? {
            record.insert("ConflictSolverConfig".to_owned(), to_value(&conflicts));
        }
        if let Some(validation) = read.validation_configuration().await? {
            record.insert("Validation".to_owned(), to_value(&validation));
        }
        if !record.is_empty() {
            text.extend_from_slice(b"\"DatabaseRecord\":");
            serde_json::to_writer(&mut *text, &record).expect("a Vec takes any text");
            text.push(b',');
        }
        Ok(())
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
            let tombstone = Tombstone::decode(&value)?;
            let is_artificial = tombstone.flags.contains(DocumentFlags::ARTIFICIAL);
            if is_artificial || !self.selection.has_collection(&tombstone.collection) {
                continue;
            }
            if tombstone.is_conflict() {
                // It stands for versions that live.
                continue;
            }
            self.separate(text);
            self.write_tombstone(&tombstone, text)?;
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

    /// What shall replace an index stands for it.
    async fn write_indexes(&mut self, text: &mut Vec<u8>) -> Result<()> {
        let records = Pages::new(INDEXES, KeyRange::all(), Direction::Forward, usize::MAX)
            .all(self.transaction.snapshot())
            .await?;
        let mut by_name = BTreeMap::new();
        let records = records.into_iter().map(|(_, it)| IndexRecord::decode(&it));
        for record in records.collect::<Result<Vec<_>>>()? {
            let replaced = record.name.strip_prefix(REPLACEMENT_PREFIX);
            let (name, is_replacement) = match replaced {
                Some(name) => (name.to_owned(), true),
                None => (record.name.clone(), false),
            };
            let key = to_name_key(&name);
            if is_replacement || !by_name.contains_key(&key) {
                by_name.insert(key, IndexRecord { name, ..record });
            }
        }
        for record in by_name.into_values() {
            self.separate(text);
            serde_json::to_writer(&mut *text, &record.to_portable()).expect("a Vec takes any text");
            self.counts.indexes += 1;
        }
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

fn to_value(configuration: &impl serde::Serialize) -> serde_json::Value {
    serde_json::to_value(configuration).expect("configurations are plain data")
}
