//! Committing a patch, when what its script saw is still so.

use std::sync::Arc;

use super::{DeleteDocument, ExpectedVersion, PutDocument, Transaction, WrittenDocument};
use crate::document::{
    DocumentId, DocumentText, IdRequest, JsonPatch, PatchEffect, PatchScript, PatchStatus,
    PatchedDocument, Seen, StoredDocument,
};
use crate::schema::DOCUMENTS;
use crate::storage::Snapshot;
use crate::{Error, ErrorKind, Result};

/// Patches a document by a script.
#[derive(Debug, Clone)]
pub struct PatchDocument {
    /// Which.
    pub id: DocumentId,
    /// What the writer believes is stored.
    pub expected: ExpectedVersion,
    /// Another version than expected is passed over rather than refused.
    pub skip_if_unexpected: bool,
    /// What to run.
    pub script: PatchScript,
    /// What to run when there is no document; it begins with an empty one.
    pub if_missing: Option<PatchScript>,
    /// What to store when there is no document and nothing to run.
    pub create_if_missing: Option<DocumentText>,
    /// What a run of the script came to; none yet when the client sends it.
    pub prepared: Option<Arc<PreparedPatch>>,
}

impl PatchDocument {
    /// A patch that is still to be run.
    pub fn new(id: DocumentId, script: PatchScript) -> Self {
        Self {
            id,
            expected: ExpectedVersion::Any,
            skip_if_unexpected: false,
            script,
            if_missing: None,
            create_if_missing: None,
            prepared: None,
        }
    }

    /// The script for a document that exists, or not.
    pub(crate) fn script_for(&self, exists: bool) -> Option<&PatchScript> {
        if exists {
            Some(&self.script)
        } else {
            self.if_missing.as_ref()
        }
    }
}

/// What a run of a script came to, and what it saw.
#[derive(Debug)]
pub struct PreparedPatch {
    pub(crate) seen: Vec<Seen>,
    pub(crate) effect: PatchEffect,
}

/// Details of an error: a script must be run again, over these documents.
#[derive(Debug)]
pub(crate) struct StalePatch {
    /// Which of the batch's commands.
    pub(crate) command: usize,
    pub(crate) documents: Vec<Seen>,
}

impl std::fmt::Display for StalePatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "command {}", self.command)
    }
}

impl std::error::Error for StalePatch {}

async fn visible<S: Snapshot>(
    tx: &mut Transaction<S>,
    key: &bytes::Bytes,
) -> Result<Option<StoredDocument>> {
    let Some(value) = tx.get(DOCUMENTS, key).await? else {
        crate::conflicts::refuse_conflict(tx, key).await?;
        return Ok(None);
    };
    let incarnations = Arc::new(tx.incarnations().clone());
    StoredDocument::new(key.clone(), value, &incarnations).map(Some)
}

fn check_expected<S: Snapshot>(
    tx: &Transaction<S>,
    expected: &ExpectedVersion,
    id: &DocumentId,
    stored: Option<&StoredDocument>,
) -> Result<()> {
    let action = "the patch";
    match stored {
        None => expected.check(action, id.as_str(), None),
        Some(it) => tx.check_expected(expected, action, id, it.record(), it.change_vector()),
    }
}

/// Whether a script that saw the one would have done the same over the other.
fn is_same(seen: Option<&StoredDocument>, visible: Option<&StoredDocument>) -> bool {
    match (seen, visible) {
        (None, None) => true,
        (Some(a), Some(b)) => {
            a.body() == b.body()
                && a.stored_metadata() == b.stored_metadata()
                && a.attachments() == b.attachments()
        }
        _ => false,
    }
}

/// The whole document with the metadata that is stored.
pub(crate) fn whole_text(body: &str, metadata: &str) -> String {
    let comma = if body.len() > 2 { "," } else { "" };
    let open = &body[..body.len().saturating_sub(1)];
    format!("{open}{comma}\"@metadata\":{{{metadata}}}}}")
}

pub(crate) fn report(
    id: &str,
    status: PatchStatus,
    stored: Option<&StoredDocument>,
) -> PatchedDocument {
    let text = stored.map(|it| whole_text(it.body(), it.stored_metadata()));
    PatchedDocument {
        id: stored.map_or(id, |it| it.id()).to_owned(),
        status,
        collection: stored.map_or("", |it| it.collection()).to_owned(),
        change_vector: stored.map(|it| it.change_vector().to_owned()),
        last_modified: stored.map(|it| it.last_modified()),
        document: text.clone(),
        original: text,
        output: Vec::new(),
    }
}

fn with_written(
    mut report: PatchedDocument,
    written: WrittenDocument,
    document: &DocumentText,
) -> PatchedDocument {
    report.id = written.id;
    report.collection = written.collection;
    report.change_vector = Some(written.change_vector);
    report.last_modified = Some(written.last_modified);
    report.document = Some(whole_text(&document.body, &document.metadata));
    report
}

fn put(id: &DocumentId, document: &DocumentText) -> PutDocument {
    PutDocument {
        id: IdRequest::Semantic(id.clone()),
        expected: ExpectedVersion::Any,
        document: document.clone(),
    }
}

/// Stores what stands in for a missing document, if there is such.
async fn create<S: Snapshot>(
    tx: &mut Transaction<S>,
    id: &DocumentId,
    document: Option<&DocumentText>,
    missing: PatchedDocument,
) -> Result<PatchedDocument> {
    let Some(document) = document else {
        return Ok(missing);
    };
    let written = put(id, document).run(tx).await?;
    let mut created = with_written(missing, written, document);
    created.status = PatchStatus::Created;
    Ok(created)
}

impl PatchDocument {
    pub(crate) async fn run<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
        command: usize,
    ) -> Result<PatchedDocument> {
        let id = self.id.as_str();
        let stored = visible(tx, self.id.key()).await?;
        let checked = check_expected(tx, &self.expected, &self.id, stored.as_ref());
        if let Err(unexpected) = checked {
            if self.skip_if_unexpected {
                return Ok(report(id, PatchStatus::Skipped, stored.as_ref()));
            }
            return Err(unexpected);
        }
        if self.script_for(stored.is_some()).is_none() {
            let missing = report(id, PatchStatus::DocumentDoesNotExist, None);
            return create(tx, &self.id, self.create_if_missing.as_ref(), missing).await;
        }
        let Some(prepared) = self.still_valid(tx, stored.as_ref(), command).await? else {
            return Err(Error::new(
                ErrorKind::Internal,
                "a patch was neither valid nor stale",
            ));
        };
        let status = if stored.is_some() {
            PatchStatus::Patched
        } else {
            PatchStatus::Created
        };
        let mut result = report(id, PatchStatus::NotModified, stored.as_ref());
        result.output.clone_from(&prepared.effect.output);
        for action in &prepared.effect.actions {
            self.act(tx, action).await?;
            if action.id.eq_ignore_ascii_case(id) {
                result.status = status;
                let document = action.document.as_ref();
                result.document = document.map(|it| whole_text(&it.body, &it.metadata));
            }
        }
        if let Some(document) = &prepared.effect.document {
            let written = put(&self.id, document).run(tx).await?;
            result = with_written(result, written, document);
            result.status = status;
        }
        Ok(result)
    }

    async fn act<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
        action: &crate::document::PatchAction,
    ) -> Result<()> {
        let id = DocumentId::new(action.id.clone(), tx.limits.max_id_bytes)?;
        let expected = ExpectedVersion::from_wire(action.change_vector.as_deref());
        match &action.document {
            Some(document) => {
                let put = PutDocument {
                    expected,
                    ..put(&id, document)
                };
                put.run(tx).await?;
            }
            None => {
                DeleteDocument { id, expected }.run(tx).await?;
            }
        }
        Ok(())
    }

    /// What was prepared, if the script saw what is visible now; else the error that says what to
    /// run it over.
    async fn still_valid<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
        stored: Option<&StoredDocument>,
        command: usize,
    ) -> Result<Option<&PreparedPatch>> {
        let own = Seen {
            id: self.id.as_str().to_owned(),
            key: self.id.key().clone(),
            document: stored.cloned(),
        };
        let mut documents = vec![own];
        let mut is_valid = self.prepared.is_some();
        for seen in self.prepared.iter().flat_map(|it| &it.seen) {
            let document = visible(tx, &seen.key).await?;
            is_valid &= is_same(seen.document.as_ref(), document.as_ref());
            if seen.key != *self.id.key() {
                documents.push(Seen {
                    id: seen.id.clone(),
                    key: seen.key.clone(),
                    document,
                });
            }
        }
        if is_valid {
            return Ok(self.prepared.as_deref());
        }
        let stale = StalePatch { command, documents };
        let message = format!("the script for '{}' must be run again", self.id.as_str());
        Err(Error::new(ErrorKind::Unavailable, message).with_source(stale))
    }
}

/// Patches a document by a JSON Patch.
#[derive(Debug, Clone)]
pub struct JsonPatchDocument {
    /// Which.
    pub id: DocumentId,
    /// What the writer believes is stored.
    pub expected: ExpectedVersion,
    /// The operations.
    pub patch: JsonPatch,
    /// What to store when there is no document.
    pub create_if_missing: Option<DocumentText>,
}

impl JsonPatchDocument {
    pub(crate) async fn run<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
    ) -> Result<PatchedDocument> {
        let id = self.id.as_str();
        let stored = visible(tx, self.id.key()).await?;
        check_expected(tx, &self.expected, &self.id, stored.as_ref())?;
        let Some(stored) = stored else {
            let missing = report(id, PatchStatus::DocumentDoesNotExist, None);
            return create(tx, &self.id, self.create_if_missing.as_ref(), missing).await;
        };
        let unchanged = report(id, PatchStatus::NotModified, Some(&stored));
        let Some(document) = self.patch.apply(&stored, &tx.limits)? else {
            return Ok(unchanged);
        };
        let written = put(&self.id, &document).run(tx).await?;
        let mut patched = with_written(unchanged, written, &document);
        patched.status = PatchStatus::Patched;
        Ok(patched)
    }
}
