//! Importing: items become commands, commands become batches, several batches are under way.
//!
//! Imported documents are new writes here: they get etags and change vectors of this database, and
//! replace what stands under their ids; those of a dump keep the time at which they were written.
//! Imported revisions stay what they were. The batches of one import may overtake each other, but not one that holds the same id: of an id that
//! stands twice in the input the last document remains.

use std::collections::HashSet;
use std::future::Future;
use std::hash::{DefaultHasher, Hasher as _};
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::poll;
use futures_util::stream::{FuturesUnordered, Stream, StreamExt};

use super::import_contents::Contents;
use super::import_item::{
    DocumentRules, configurations_of, deleted_id, flags_of, identity_of, is_hilo, last_modified_of,
    to_text,
};
use super::import_target::ExistingDocument;
use super::{Format, ImportReport, ImportTarget, Item, Piece, Place, Reader, Section, Selection};
use crate::attachments::ImportDocument;
use crate::commands::{BatchCommand, Configure, DeleteDocument, ExpectedVersion};
use crate::document::{DocumentId, IdRequest, find_property};
use crate::indexes::PortableIndex;
use crate::{Error, ErrorKind, Result};

/// How an import goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportOptions {
    /// The form of the input.
    pub format: Format,
    /// How documents are read.
    pub rules: DocumentRules,
    /// What of the input is taken.
    pub selection: Selection,
    /// A batch goes off when it has this many commands …
    pub batch_commands: usize,
    /// … or this many bytes of text.
    pub batch_bytes: usize,
    /// How many batches may be under way.
    pub batches_in_flight: usize,
    /// Whether items that cannot be imported are left out and reported; else the first one ends
    /// the import.
    pub skip_errors: bool,
}

impl ImportOptions {
    /// The usual options for a form of input.
    pub fn new(format: Format) -> Self {
        Self {
            format,
            rules: DocumentRules {
                require_id: format == Format::Dump,
                ..DocumentRules::default()
            },
            selection: Selection::default(),
            batch_commands: 2048,
            batch_bytes: 2 << 20,
            batches_in_flight: 4,
            skip_errors: false,
        }
    }
}

/// Imports everything that `chunks` hold into `target`. `report` is kept up to date, also when the
/// import fails; `on_progress` is called after every batch.
///
/// # Errors
/// What the chunks, the input's form or the target report; without `skip_errors` also the first
/// bad item, by its place. What was stored before stays.
pub async fn import<T: ImportTarget>(
    target: &T,
    chunks: impl Stream<Item = Result<Bytes>>,
    options: &ImportOptions,
    report: &mut ImportReport,
    on_progress: impl FnMut(&ImportReport),
) -> Result<()> {
    let write = |batch: SentBatch| async move {
        let result = target.write(Arc::clone(&batch.commands)).await;
        (batch, result)
    };
    let mut in_flight = FuturesUnordered::new();
    let mut import = Import {
        target,
        options,
        report,
        on_progress,
        batch: Batch::default(),
        under_way: Vec::new(),
        hilo: Vec::new(),
        deletions: Vec::new(),
        contents: Contents::new(),
        section: Section::DatabaseRecord,
    };
    let mut reader = Reader::new(options.format, options.rules.limits.max_document_bytes);
    let mut chunks = pin!(chunks);
    let everything = async {
        while let Some(chunk) = chunks.next().await {
            reader.feed(&chunk?);
            import
                .take_items(&mut reader, &write, &mut in_flight)
                .await?;
        }
        reader.finish();
        import
            .take_items(&mut reader, &write, &mut in_flight)
            .await?;
        import.start_batch(&write, &mut in_flight).await?;
        import.settle(&mut in_flight, 0).await?;
        import.store_hilo().await?;
        import.delete_documents().await
    };
    let result = everything.await;
    import.report.unused_contents = import.contents.forget_all();
    // After a failure, too: what was sent off is done and belongs in the report.
    let settled = import.settle(&mut in_flight, 0).await;
    import.report.sections = reader.sections().to_vec();
    import.report.bytes_read = reader.offset();
    result.and(settled)
}

/// Commands that are collected, with the places of their items.
#[derive(Default)]
struct Batch {
    commands: Vec<BatchCommand>,
    places: Vec<Place>,
    byte_count: usize,
    /// Hashes of the ids that are written.
    ids: HashSet<u64>,
}

impl Batch {
    fn push(&mut self, place: Place, command: BatchCommand) {
        self.byte_count += command.byte_count();
        self.ids.extend(written_id(&command).map(hash_of));
        self.commands.push(command);
        self.places.push(place);
    }

    fn is_full(&self, options: &ImportOptions) -> bool {
        self.commands.len() >= options.batch_commands.max(1)
            || self.byte_count >= options.batch_bytes
    }

    fn send(self) -> (SentBatch, HashSet<u64>) {
        let batch = SentBatch {
            commands: self.commands.into(),
            places: self.places,
        };
        (batch, self.ids)
    }
}

/// Commands on their way, shared with the target.
struct SentBatch {
    commands: Arc<[BatchCommand]>,
    places: Vec<Place>,
}

/// The id that a command writes, unless the database makes it.
fn written_id(command: &BatchCommand) -> Option<&DocumentId> {
    let put = match command {
        BatchCommand::Put(put) => put,
        BatchCommand::ImportDocument(import) => &import.put,
        _ => return None,
    };
    match &put.id {
        IdRequest::Semantic(id) => Some(id),
        _ => None,
    }
}

/// Two ids with one hash only wait for each other in vain.
fn hash_of(id: &DocumentId) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(id.key());
    hasher.finish()
}

impl SentBatch {
    /// Both halves, in order.
    fn split(&self) -> (Self, Self) {
        let middle = self.commands.len() / 2;
        let part = |range: std::ops::Range<usize>| Self {
            commands: self.commands[range.clone()].into(),
            places: self.places[range].to_vec(),
        };
        (part(0..middle), part(middle..self.commands.len()))
    }
}

/// How many HiLo documents or deletions are kept before they are seen to.
const ASIDE: usize = 1024;

struct Import<'a, T: ImportTarget, P> {
    target: &'a T,
    options: &'a ImportOptions,
    report: &'a mut ImportReport,
    on_progress: P,
    batch: Batch,
    /// For each batch that is under way its first place and the hashes of its ids.
    under_way: Vec<(Place, HashSet<u64>)>,
    hilo: Vec<(Place, ImportDocument)>,
    deletions: Vec<DocumentId>,
    contents: Contents<T::Upload>,
    /// The section of the last item.
    section: Section,
}

/// What must be asked of the target before the next item.
enum Errand {
    None,
    Identity(String, i64),
    Configurations(Vec<Configure>),
    Index(Box<PortableIndex>),
}

impl<T: ImportTarget, P: FnMut(&ImportReport)> Import<'_, T, P> {
    async fn take_items<F>(
        &mut self,
        reader: &mut Reader,
        write: &impl Fn(SentBatch) -> F,
        in_flight: &mut FuturesUnordered<F>,
    ) -> Result<()>
    where
        F: Future<Output = (SentBatch, Result<()>)>,
    {
        while let Some(piece) = reader.next_piece()? {
            let item = match piece {
                Piece::Item(item) => item,
                Piece::Attachment(item) => {
                    let place = item.place;
                    let upload = self.target.begin_upload()?;
                    if let Err(reason) = self.contents.begin(item, upload) {
                        self.add_bad_item(place, &reason)?;
                    }
                    continue;
                }
                Piece::Content { bytes, is_last } => {
                    self.contents.write(bytes).await?;
                    if is_last && let Some((place, Err(reason))) = self.contents.finish().await? {
                        self.add_bad_item(place, &reason)?;
                    }
                    continue;
                }
                Piece::TooLong(place) => {
                    let reason = format!(
                        "it is longer than {} bytes",
                        self.options.rules.limits.max_document_bytes
                    );
                    self.add_bad_item(place, &Error::new(ErrorKind::LimitExceeded, reason))?;
                    continue;
                }
            };
            let place = item.place;
            if std::mem::replace(&mut self.section, place.section) != place.section {
                // Revisions refer to contents that documents brought, and flag documents.
                self.start_batch(write, in_flight).await?;
                self.settle(in_flight, 0).await?;
                self.store_hilo().await?;
            }
            let errand = match self.take_item(item) {
                Ok(errand) => errand,
                Err(reason) if place.section == Section::Indexes && is_not_understood(&reason) => {
                    self.report.add_refused_index(&place.to_string(), &reason);
                    continue;
                }
                Err(reason) => {
                    self.add_bad_item(place, &reason)?;
                    continue;
                }
            };
            self.run_errand(place, errand).await?;
            if self.contents.are_many() {
                self.start_batch(write, in_flight).await?;
                self.settle(in_flight, 0).await?;
                self.store_hilo().await?;
                self.contents.forget_used();
            }
            if self.batch.is_full(self.options) {
                self.report.bytes_read = reader.offset();
                self.report.build_version = reader.build_version();
                self.start_batch(write, in_flight).await?;
            }
            if self.hilo.len() >= ASIDE {
                self.store_hilo().await?;
            }
            if self.deletions.len() >= ASIDE {
                self.start_batch(write, in_flight).await?;
                self.settle(in_flight, 0).await?;
                self.delete_documents().await?;
            }
        }
        self.report.build_version = reader.build_version();
        self.check_build_version()
    }

    async fn run_errand(&mut self, place: Place, errand: Errand) -> Result<()> {
        match errand {
            Errand::None => {}
            Errand::Identity(name, value) => match self.target.raise_identity(&name, value).await {
                Ok(()) => self.report.identities += 1,
                Err(error) => self.add_failed_item(place, error)?,
            },
            Errand::Index(index) => {
                let name = index.name.clone();
                match self.target.define_index(*index).await {
                    Ok(()) => self.report.indexes += 1,
                    // A dump is worth having without an index that this version cannot run.
                    Err(error) if is_not_understood(&error) => {
                        let what = format!("the index '{name}'");
                        self.report.add_refused_index(&what, &error);
                    }
                    Err(error) => self.add_failed_item(place, error)?,
                }
            }
            Errand::Configurations(configurations) => {
                for configure in configurations {
                    self.target.configure(configure).await?;
                    self.report.configurations += 1;
                }
            }
        }
        Ok(())
    }

    /// Puts an item where it belongs; gives back what the target must be asked for it.
    fn take_item(&mut self, item: Item<'_>) -> Result<Errand> {
        let rules = &self.options.rules;
        let selection = &self.options.selection;
        match item.place.section {
            Section::Documents if !selection.documents => {}
            Section::Revisions if !selection.revisions => {}
            Section::DatabaseRecord if !selection.configurations => {}
            Section::Tombstones | Section::Deletions if !selection.tombstones => {}
            Section::Identities if !selection.identities => {}
            Section::Indexes if !selection.indexes => {}
            Section::Documents => {
                let put = rules.to_put(item)?;
                let (collection, metadata) = (&put.document.collection, &put.document.metadata);
                if !selection.has_document(collection, metadata, flags_of(item)?)? {
                    return Ok(Errand::None);
                }
                let is_dump = self.options.format == Format::Dump;
                let (attachments, last_modified) = match is_dump {
                    true => (
                        self.contents.attachments_of(to_text(item.bytes)?)?,
                        last_modified_of(item)?,
                    ),
                    false => (Vec::new(), None),
                };
                let is_hilo = is_hilo(&put);
                let import = ImportDocument {
                    put,
                    attachments,
                    last_modified,
                };
                if is_hilo {
                    self.hilo.push((item.place, import));
                } else {
                    self.batch.push(item.place, command_of(import, is_dump));
                }
            }
            Section::Revisions => {
                let attachments = self.contents.attachments_of(to_text(item.bytes)?)?;
                let revision = rules.to_revision(item, attachments)?;
                if !selection.has_collection(revision.document.collection.as_str()) {
                    return Ok(Errand::None);
                }
                self.batch
                    .push(item.place, BatchCommand::ImportRevision(revision));
            }
            Section::DatabaseRecord => return configurations_of(item).map(Errand::Configurations),
            Section::Tombstones | Section::Deletions => match deleted_id(item, &rules.limits)? {
                Some(id) => self.deletions.push(id),
                None => self.report.needless_tombstones += 1,
            },
            Section::Identities => {
                let (name, value) = identity_of(item)?;
                return Ok(Errand::Identity(name, value));
            }
            Section::Indexes => {
                let index = PortableIndex::parse(to_text(item.bytes)?);
                return index.map(|it| Errand::Index(Box::new(it)));
            }
            Section::Other => {}
        }
        Ok(Errand::None)
    }

    fn check_build_version(&self) -> Result<()> {
        // Builds of version 3 and before keep collections and attachments differently.
        match self.report.build_version {
            Some(build @ 2_000..40_000) => Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "the dump was written by build {build}; dumps of RavenDB 4 and later can be \
                     imported"
                ),
            )),
            _ => Ok(()),
        }
    }

    fn add_bad_item(&mut self, place: Place, reason: &Error) -> Result<()> {
        if !self.options.skip_errors {
            return Err(Error::new(reason.kind(), format!("{place}: {reason}")));
        }
        self.report.add_bad_item(place, reason.to_string());
        Ok(())
    }

    /// An error of the target: the item's own fault, or the end of the import.
    fn add_failed_item(&mut self, place: Place, error: Error) -> Result<()> {
        if is_items_fault(&error) {
            return self.add_bad_item(place, &error);
        }
        Err(error)
    }

    async fn start_batch<F>(
        &mut self,
        write: &impl Fn(SentBatch) -> F,
        in_flight: &mut FuturesUnordered<F>,
    ) -> Result<()>
    where
        F: Future<Output = (SentBatch, Result<()>)>,
    {
        if self.batch.commands.is_empty() {
            return Ok(());
        }
        // The order of revisions is that in which they are stored.
        let at_most = match self.section {
            Section::Revisions => 0,
            _ if self.meets_itself() => 0,
            _ => self.options.batches_in_flight.max(1) - 1,
        };
        self.settle(in_flight, at_most).await?;
        let (batch, ids) = std::mem::take(&mut self.batch).send();
        self.under_way.push((batch.places[0], ids));
        in_flight.push(write(batch));
        // A future does nothing until it is polled; this hands the batch over.
        if let std::task::Poll::Ready(Some(done)) = poll!(in_flight.next()) {
            self.finish_batch(done).await?;
        }
        Ok(())
    }

    /// Whether the next batch writes an id that a batch under way writes too.
    fn meets_itself(&self) -> bool {
        let mut under_way = self.under_way.iter();
        under_way.any(|(_, ids)| !self.batch.ids.is_disjoint(ids))
    }

    /// Waits until no more than `at_most` batches are under way.
    async fn settle<F>(&mut self, in_flight: &mut FuturesUnordered<F>, at_most: usize) -> Result<()>
    where
        F: Future<Output = (SentBatch, Result<()>)>,
    {
        while in_flight.len() > at_most
            && let Some(done) = in_flight.next().await
        {
            self.finish_batch(done).await?;
        }
        Ok(())
    }

    /// Counts a batch that is stored. One that was refused is halved until the bad items are found.
    async fn finish_batch(&mut self, done: (SentBatch, Result<()>)) -> Result<()> {
        let mut waiting = Vec::new();
        let (mut batch, mut result) = done;
        let first = batch.places[0];
        self.under_way.retain(|(place, _)| *place != first);
        loop {
            match result {
                Ok(()) => batch.commands.iter().for_each(|it| self.count(it)),
                Err(error) if !is_items_fault(&error) => return Err(error),
                Err(error) if batch.commands.len() == 1 => {
                    self.add_bad_item(batch.places[0], &error)?;
                }
                Err(_) => {
                    let (first, second) = batch.split();
                    waiting.push(second);
                    waiting.push(first);
                }
            }
            (self.on_progress)(self.report);
            match waiting.pop() {
                Some(next) => batch = next,
                None => return Ok(()),
            }
            result = self.target.write(Arc::clone(&batch.commands)).await;
        }
    }

    fn count(&mut self, command: &BatchCommand) {
        let report = &mut *self.report;
        match command {
            BatchCommand::ImportDocument(import) => {
                report.documents += 1;
                report.attachments += import.attachments.len() as u64;
            }
            BatchCommand::ImportRevision(import) => {
                report.revisions += 1;
                report.attachments += import.attachments.len() as u64;
            }
            _ => report.documents += 1,
        }
    }

    /// HiLo documents only ever grow: a range that was given out must not be given out again.
    async fn store_hilo(&mut self) -> Result<()> {
        for (place, import) in std::mem::take(&mut self.hilo) {
            match self.store_one_hilo(import).await {
                Ok(true) => self.report.documents += 1,
                Ok(false) => self.report.kept_hilo += 1,
                Err(error) => self.add_failed_item(place, error)?,
            }
        }
        Ok(())
    }

    async fn store_one_hilo(&self, mut import: ImportDocument) -> Result<bool> {
        let is_dump = self.options.format == Format::Dump;
        let put = &mut import.put;
        let IdRequest::Semantic(id) = put.id.clone() else {
            return Err(Error::invalid("a HiLo document must carry its id"));
        };
        loop {
            let existing = self.target.existing(std::slice::from_ref(&id)).await?;
            let put = &mut import.put;
            put.expected = match existing.into_iter().next().flatten() {
                None => ExpectedVersion::Missing,
                Some(ExistingDocument {
                    change_vector,
                    text,
                }) => {
                    if hilo_max(&text) >= hilo_max(&put.document.body) {
                        return Ok(false);
                    }
                    ExpectedVersion::Exactly(change_vector)
                }
            };
            match self
                .target
                .write(Arc::from([command_of(import.clone(), is_dump)]))
                .await
            {
                Ok(()) => return Ok(true),
                // A client took a range in between: look again.
                Err(error) if error.kind() == ErrorKind::ConcurrencyConflict => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Deletes those documents that are still there.
    async fn delete_documents(&mut self) -> Result<()> {
        let ids = std::mem::take(&mut self.deletions);
        if ids.is_empty() {
            return Ok(());
        }
        let existing = self.target.existing(&ids).await?;
        let count = ids.len();
        let commands: Vec<BatchCommand> = ids
            .into_iter()
            .zip(existing)
            .filter_map(|(id, existing)| {
                existing.map(|_| {
                    BatchCommand::Delete(DeleteDocument {
                        id,
                        expected: ExpectedVersion::Any,
                    })
                })
            })
            .collect();
        let deleted = commands.len();
        if deleted > 0 {
            self.target.write(commands.into()).await?;
        }
        self.report.deleted += deleted as u64;
        self.report.needless_tombstones += (count - deleted) as u64;
        (self.on_progress)(self.report);
        Ok(())
    }
}

/// A dump brings its revisions, attachments and times with it; other forms bring new versions.
fn command_of(import: ImportDocument, is_dump: bool) -> BatchCommand {
    match is_dump {
        true => BatchCommand::ImportDocument(import),
        false => BatchCommand::Put(import.put),
    }
}

fn hilo_max(text: &str) -> i64 {
    find_property(text, "Max")
        .and_then(|max| max.parse().ok())
        .unwrap_or(0)
}

/// Whether a definition is beyond what this version, or this host, can run.
fn is_not_understood(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::InvalidRequest | ErrorKind::Unsupported
    )
}

/// Whether the batch was refused because of what is in it.
fn is_items_fault(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::InvalidRequest
            | ErrorKind::LimitExceeded
            | ErrorKind::ConcurrencyConflict
            | ErrorKind::DocumentConflict
    )
}
