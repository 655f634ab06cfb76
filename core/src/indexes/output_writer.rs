//! Writing results as documents.
//!
//! A batch of the index says, in one commit with the results, which documents shall follow. They
//! are written by the database's merger afterwards, and only then struck off. What a crash leaves
//! is written again, and changes nothing where it had been done.
//!
//! Invariant: the index's commit is durable before a document is written, so an index that lost its
//! newest commits never forgets a document that it wrote. One that lost everything looks through
//! the collection when it has caught up.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::definition::REPLACEMENT_PREFIX;
use super::follow::Followed;
use super::index::Index;
use super::map::Object;
use super::output::{Output, PendingOutput, list_key, list_prefix, to_document};
use super::step::Step;
use super::tables::{OUTPUT_LISTS, OUTPUTS, PENDING_OUTPUTS, Progress, STATE, STATE_KEY};
use crate::commands::{Operation, OutputDocument, WriteOutputs};
use crate::database::Database;
use crate::document::{DocumentId, parse_document};
use crate::reader::{Pages, ReadTransaction};
use crate::schema::documents::DocumentFlags;
use crate::storage::{Direction, Durability, KeyRange, PageLimits, Snapshot, Store, WriteBatch};
use crate::{Error, ErrorKind, Result};

/// Documents written in one transaction of the database.
const DOCUMENTS_PER_WRITE: usize = 256;
/// Such transactions in one step.
const WRITES_PER_STEP: usize = 16;
/// A list of more results than this is no use, and would be as slow as it is long.
const MOST_LISTED: usize = 16_384;

impl<D: Store, S: Store> Step<'_, D, S> {
    /// Notes what document the result of a group shall be.
    pub(super) async fn follow_result(
        &mut self,
        group: &Bytes,
        result: Option<&Object>,
    ) -> Result<()> {
        let Some(output) = &self.index.output else {
            return Ok(());
        };
        let id = output.id_of(group);
        let key = crate::document::to_id_key(&id);
        let mut list = String::new();
        if let (Some(lists), Some(result)) = (&output.lists, result) {
            match lists.pattern.id_of(result) {
                Ok(named) => list = named,
                Err(error) => self.record_error("Output", None, &error),
            }
        }
        let found = self
            .view
            .snapshot
            .get_many(OUTPUTS, std::slice::from_ref(&key))
            .await?;
        let old = found.into_iter().next().flatten().unwrap_or_default();
        let old = String::from_utf8_lossy(&old).into_owned();
        let batch = self.writer.batch();
        if old != list {
            for named in [&old, &list].into_iter().filter(|it| !it.is_empty()) {
                let pending = PendingOutput::List { id: named.clone() };
                batch.put(PENDING_OUTPUTS, pending.key(), pending.encode());
            }
            if !old.is_empty() {
                batch.delete(OUTPUT_LISTS, list_key(&old, &key));
            }
            if !list.is_empty() {
                batch.put(OUTPUT_LISTS, list_key(&list, &key), id.clone().into_bytes());
            }
        }
        match result {
            Some(_) => batch.put(OUTPUTS, key.clone(), list.into_bytes()),
            None => batch.delete(OUTPUTS, key.clone()),
        }
        let result = result.cloned();
        let pending = PendingOutput::Result { id, result };
        batch.put(PENDING_OUTPUTS, key, pending.encode());
        self.progress.has_pending_outputs = true;
        Ok(())
    }
}

impl<S: Store> Index<S> {
    /// Whether its results shall be documents now: what shall replace another index waits until it
    /// has.
    pub(super) fn active_output(&self) -> Option<&Output> {
        let is_replacement = self.record().name.starts_with(REPLACEMENT_PREFIX);
        self.output.as_ref().filter(|_| !is_replacement)
    }

    /// Why documents are not yet what the results are, if so.
    pub(super) fn output_reason(&self, progress: &Progress) -> Option<String> {
        let output = self.active_output()?;
        let name = output.collection.as_str();
        if progress.has_pending_outputs {
            return Some(format!("There are results to write to '{name}'"));
        }
        let is_searched = |it: &&str| progress.searched_outputs.get(*it) == Some(&u64::MAX);
        if !output.collections().iter().all(is_searched) {
            return Some(format!(
                "There may be documents in '{name}' that are results no more"
            ));
        }
        None
    }

    /// Brings documents in line with results. Answers how many were looked at, and whether there
    /// is more to do. With a state of the documents that the index has followed, also looks for
    /// what is no result any more.
    pub(super) async fn write_outputs<D: Store>(
        &self,
        database: &Database<D>,
        caught_up: Option<&ReadTransaction<D::Snapshot>>,
    ) -> Result<(usize, bool)> {
        let Some(output) = self.active_output() else {
            return Ok((0, false));
        };
        let mut written = 0;
        for _ in 0..WRITES_PER_STEP {
            let view = self.view().await?;
            if self.is_retired() || !view.progress.has_pending_outputs {
                break;
            }
            written += self
                .write_pending(database, output, &view.snapshot, &view.progress)
                .await?;
        }
        let view = self.view().await?;
        if view.progress.has_pending_outputs {
            return Ok((written, true));
        }
        let progress = (*view.progress).clone();
        drop(view);
        let Some(tx) = caught_up.filter(|_| !self.is_retired()) else {
            return Ok((written, true));
        };
        let searched = self.search_outputs(database, output, tx, progress).await?;
        Ok((written + searched, searched > 0))
    }

    async fn write_pending<D: Store>(
        &self,
        database: &Database<D>,
        output: &Output,
        snapshot: &S::Snapshot,
        progress: &Progress,
    ) -> Result<usize> {
        let limits = PageLimits {
            entries: DOCUMENTS_PER_WRITE,
            ..PageLimits::default()
        };
        let page = snapshot
            .scan(
                PENDING_OUTPUTS,
                &KeyRange::all(),
                Direction::Forward,
                limits,
            )
            .await?;
        let mut progress = progress.clone();
        let mut batch = WriteBatch::default();
        let mut documents = Vec::with_capacity(page.entries.len());
        for (key, value) in &page.entries {
            let pending = PendingOutput::decode(value)?;
            match self.to_output(database, output, snapshot, pending).await {
                Ok(document) => documents.push(document),
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::InvalidRequest | ErrorKind::LimitExceeded
                    ) =>
                {
                    let now = database.now();
                    super::step::put_error(&mut batch, &mut progress, now, "Output", None, &error);
                }
                Err(error) => return Err(error),
            }
            batch.delete(PENDING_OUTPUTS, key.clone());
        }
        let count = documents.len();
        self.run_write(database, documents).await?;
        progress.has_pending_outputs = page.has_more;
        self.commit_progress(batch, progress).await?;
        Ok(count)
    }

    async fn run_write<D: Store>(
        &self,
        database: &Database<D>,
        documents: Vec<OutputDocument>,
    ) -> Result<()> {
        if documents.is_empty() {
            return Ok(());
        }
        let write = Operation::WriteOutputs(WriteOutputs { documents });
        database
            .execute_with(write, Durability::Durable)
            .await
            .map(|_| ())
    }

    async fn to_output<D: Store>(
        &self,
        database: &Database<D>,
        output: &Output,
        snapshot: &S::Snapshot,
        pending: PendingOutput,
    ) -> Result<OutputDocument> {
        let (id, text) = match pending {
            PendingOutput::Result { id, result } => {
                let text = result.map(|it| to_document(it, &output.collection));
                (id, text)
            }
            PendingOutput::List { id } => {
                let text = self.list_text(output, snapshot, &id).await?;
                (id, text)
            }
        };
        let limits = database.limits();
        Ok(OutputDocument {
            id: DocumentId::new(id, limits.max_id_bytes)?,
            document: text.map(|text| parse_document(&text, limits)).transpose()?,
        })
    }

    /// The document that lists results; `None` when there are none.
    async fn list_text(
        &self,
        output: &Output,
        snapshot: &S::Snapshot,
        list: &str,
    ) -> Result<Option<String>> {
        let Some(lists) = &output.lists else {
            return Ok(None);
        };
        let range = KeyRange::prefix(&list_prefix(list));
        let mut pages = Pages::new(OUTPUT_LISTS, range, Direction::Forward, usize::MAX);
        let mut results = Vec::new();
        while let Some(page) = pages.next(snapshot).await? {
            for (_, id) in page {
                results.push(Value::from(String::from_utf8_lossy(&id).into_owned()));
            }
            if results.len() > MOST_LISTED {
                return Err(Error::new(
                    ErrorKind::LimitExceeded,
                    format!("the document '{list}' would list more than {MOST_LISTED} results"),
                ));
            }
        }
        if results.is_empty() {
            return Ok(None);
        }
        let mut body = Map::new();
        body.insert("ReduceOutputs".to_owned(), results.into());
        Ok(Some(to_document(body, &lists.collection)))
    }

    /// Looks for documents that an earlier life of the index made and that are results no more.
    async fn search_outputs<D: Store>(
        &self,
        database: &Database<D>,
        output: &Output,
        tx: &ReadTransaction<D::Snapshot>,
        mut progress: Progress,
    ) -> Result<usize> {
        let not_searched = output
            .collections()
            .into_iter()
            .find(|it| progress.searched_outputs.get(*it) != Some(&u64::MAX));
        let Some(collection) = not_searched.map(str::to_owned) else {
            return Ok(0);
        };
        let after = progress.searched_outputs.get(&collection).copied();
        let found = Followed::Collection(collection.clone())
            .documents_after(tx, after.unwrap_or(0), DOCUMENTS_PER_WRITE)
            .await?;
        let keys: Vec<Bytes> = found.items.iter().map(|(_, key)| key.clone()).collect();
        let documents = tx.documents_by_key(keys).await?;
        let view = self.view().await?;
        let mut gone = Vec::new();
        for document in documents.into_iter().flatten() {
            if document.flags().contains(DocumentFlags::ARTIFICIAL)
                && !is_known(&view.snapshot, output, &collection, &document).await?
            {
                gone.push(OutputDocument {
                    id: DocumentId::new(document.id(), usize::MAX)?,
                    document: None,
                });
            }
        }
        drop(view);
        self.run_write(database, gone).await?;
        let next = if found.has_more {
            found.last_etag()?
        } else {
            u64::MAX
        };
        progress.searched_outputs.insert(collection, next);
        self.commit_progress(WriteBatch::default(), progress)
            .await?;
        Ok(found.items.len().max(1))
    }

    async fn commit_progress(&self, mut batch: WriteBatch, mut progress: Progress) -> Result<()> {
        progress.batches += 1;
        batch.put(STATE, STATE_KEY, progress.encode());
        self.commit_batch(batch, Durability::Relaxed).await
    }
}

/// Whether a document of the output is one of the results.
async fn is_known<S: Snapshot>(
    snapshot: &S,
    output: &Output,
    collection: &str,
    document: &crate::document::StoredDocument,
) -> Result<bool> {
    if collection == output.collection.key() {
        let key = document.key().clone();
        let found = snapshot.get_many(OUTPUTS, &[key]).await?;
        return Ok(found.into_iter().next().flatten().is_some());
    }
    let range = KeyRange::prefix(&list_prefix(document.id()));
    let limits = PageLimits {
        entries: 1,
        ..PageLimits::default()
    };
    let page = snapshot
        .scan(OUTPUT_LISTS, &range, Direction::Forward, limits)
        .await?;
    Ok(!page.entries.is_empty())
}
