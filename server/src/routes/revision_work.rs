//! What is done to revisions that are there: limits enforced, earlier versions brought back, some
//! deleted, lost ones found. What may take long is an operation, in steps that other writes come
//! between.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use pinyon_core::commands::{BatchCommand, CommandOutcome};
use pinyon_core::document::DocumentId;
use pinyon_core::host::{TimeSpan, Timestamp};
use pinyon_core::revisions::{
    AdoptRevisions, DeleteRevisions, EnforceRevisions, RevertDatabase, RevertDocument,
    RevertTarget, RevisionSelection,
};
use pinyon_core::{Error, ErrorKind, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::operations;
use crate::databases::OpenDatabase;
use crate::http::{self, Call, JsonObject, Reply, as_text, empty};
use crate::http_error;
use crate::operations::{Ended, Progress};

/// Documents looked at in one step of an operation, so that writers wait for little.
const DOCUMENTS_PER_STEP: usize = 64;
/// Revisions deleted in one step.
const REVISIONS_PER_STEP: u64 = 512;
/// Warnings that an operation keeps.
const MOST_WARNINGS: usize = 1024;

/// Reads a request's object; without a body it has no members.
async fn read<T: DeserializeOwned>(call: &mut Call<'_>, what: &str) -> Result<T> {
    let body = call.read_body().await?;
    let text = match as_text(&body)?.trim() {
        "" => "{}",
        text => text,
    };
    let object: JsonObject<T> =
        serde_json::from_str(text).map_err(|reason| Error::invalid(format!("{what}: {reason}")))?;
    Ok(object.0)
}

fn lower_cased(collections: Option<Vec<String>>) -> Vec<String> {
    let names = collections.unwrap_or_default().into_iter();
    names.map(|name| name.to_lowercase()).collect()
}

/// Work that goes through the documents with revisions.
trait Walk: Send + 'static {
    /// Deals with the documents behind `after`; answers where the next step goes on.
    fn step(
        &mut self,
        database: &OpenDatabase,
        after: Bytes,
    ) -> impl Future<Output = Result<Option<Bytes>>> + Send;

    /// How many documents were looked at so far.
    fn documents(&self) -> u64;

    /// What was done so far, for those who follow the operation.
    fn tell(&self) -> Value;
}

/// Starts an operation that walks to the end, or until it is told to stop.
async fn start(call: &Call<'_>, most_per_second: Option<u64>, mut walk: impl Walk) -> Reply {
    let database = call.open_database().await?;
    let id = call.query.number("operationId", 0_u64)?;
    let scope = database.record.store.clone();
    let work = move |progress: Progress| async move {
        let mut after = Bytes::new();
        loop {
            let seen = walk.documents();
            let next = walk.step(&database, after).await?;
            progress.report(walk.tell());
            match next {
                None => return Ok(Ended::Completed(walk.tell())),
                Some(_) if progress.is_canceled() => return Ok(Ended::Canceled(walk.tell())),
                Some(next) => after = next,
            }
            if let Some(most) = most_per_second {
                let pause_ms = (walk.documents() - seen).saturating_mul(1000) / most;
                progress.pause(Duration::from_millis(pause_ms)).await;
            }
        }
    };
    let id = call.server.operations.start(&scope, id, work)?;
    operations::started(call, id)
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Enforcement {
    collections: Option<Vec<String>>,
    include_force_created: bool,
    max_ops_per_second: Option<u64>,
}

struct Enforce {
    step: EnforceRevisions,
    documents: u64,
    removed: u64,
}

/// `POST admin/revisions/config/enforce`: an operation.
pub async fn enforce(call: &mut Call<'_>) -> Reply {
    let wanted: Enforcement = read(call, "what to enforce").await?;
    if wanted.max_ops_per_second == Some(0) {
        return Err(Error::invalid("MaxOpsPerSecond must be above 0, or null"));
    }
    let enforce = Enforce {
        step: EnforceRevisions {
            after: Bytes::new(),
            limit: DOCUMENTS_PER_STEP,
            collections: lower_cased(wanted.collections),
            includes_forced: wanted.include_force_created,
        },
        documents: 0,
        removed: 0,
    };
    start(call, wanted.max_ops_per_second, enforce).await
}

impl Walk for Enforce {
    async fn step(&mut self, database: &OpenDatabase, after: Bytes) -> Result<Option<Bytes>> {
        self.step.after = after;
        let done = database
            .documents
            .enforce_revisions_step(self.step.clone())
            .await;
        let done = database.use_store(done)?;
        self.documents += done.documents;
        self.removed += done.removed;
        Ok(done.next)
    }

    fn documents(&self) -> u64 {
        self.documents
    }

    fn tell(&self) -> Value {
        let (documents, removed) = (self.documents, self.removed);
        json!({
            "ScannedDocuments": documents,
            "ScannedRevisions": null,
            "RemovedRevisions": removed,
            "Message": format!("Looked at {documents} documents, removed {removed} revisions."),
            "Warnings": {},
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Reversion {
    time: String,
    #[serde(default)]
    window_in_sec: Option<u32>,
    #[serde(default)]
    collections: Option<Vec<String>>,
}

struct Revert {
    step: RevertDatabase,
    documents: u64,
    reverted: u64,
    warnings: Map<String, Value>,
}

/// `POST revisions/revert`: the database as it was at a moment; an operation.
pub async fn revert(call: &mut Call<'_>) -> Reply {
    let wanted: Reversion = read(call, "what to revert").await?;
    let to = Timestamp::parse(&wanted.time)?;
    if to > call.server.host.clock.now() {
        return Err(Error::invalid(format!(
            "the Time {} is still to come",
            wanted.time
        )));
    }
    let database = call.open_database().await?;
    let newest = database.read().await?.statistics().await?.last_etag;
    let revert = Revert {
        step: RevertDatabase {
            to,
            window: wanted.window_in_sec.map(TimeSpan::from_seconds),
            changed_until: Some(newest),
            collections: lower_cased(wanted.collections),
            after: Bytes::new(),
            limit: DOCUMENTS_PER_STEP,
        },
        documents: 0,
        reverted: 0,
        warnings: Map::new(),
    };
    start(call, None, revert).await
}

impl Walk for Revert {
    async fn step(&mut self, database: &OpenDatabase, after: Bytes) -> Result<Option<Bytes>> {
        self.step.after = after;
        let done = database.documents.revert_step(self.step.clone()).await;
        let done = database.use_store(done)?;
        self.documents += done.scanned;
        self.reverted += done.reverted;
        let room = MOST_WARNINGS.saturating_sub(self.warnings.len());
        for id in done.left_alone.into_iter().take(room) {
            let why = "It was not reverted: it changed after the revert had begun.";
            self.warnings.insert(id, why.into());
        }
        Ok(done.next)
    }

    fn documents(&self) -> u64 {
        self.documents
    }

    fn tell(&self) -> Value {
        let (documents, reverted) = (self.documents, self.reverted);
        json!({
            "ScannedDocuments": documents,
            "ScannedRevisions": null,
            "RevertedDocuments": reverted,
            "Message": format!("Looked at {documents} documents, reverted {reverted}."),
            "Warnings": self.warnings,
        })
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Adoption {
    collections: Option<Vec<String>>,
}

struct Adopt {
    step: AdoptRevisions,
    documents: u64,
    adopted: u64,
}

/// `POST admin/revisions/orphaned/adopt`: deleted documents that are missing in the bin; an
/// operation.
pub async fn adopt(call: &mut Call<'_>) -> Reply {
    let wanted: Adoption = read(call, "what to adopt").await?;
    let adopt = Adopt {
        step: AdoptRevisions {
            after: Bytes::new(),
            limit: DOCUMENTS_PER_STEP,
            collections: lower_cased(wanted.collections),
        },
        documents: 0,
        adopted: 0,
    };
    start(call, None, adopt).await
}

impl Walk for Adopt {
    async fn step(&mut self, database: &OpenDatabase, after: Bytes) -> Result<Option<Bytes>> {
        self.step.after = after;
        let done = database
            .documents
            .adopt_revisions_step(self.step.clone())
            .await;
        let done = database.use_store(done)?;
        self.documents += done.documents;
        self.adopted += done.adopted;
        Ok(done.next)
    }

    fn documents(&self) -> u64 {
        self.documents
    }

    fn tell(&self) -> Value {
        let (documents, adopted) = (self.documents, self.adopted);
        json!({
            "ScannedDocuments": documents,
            "ScannedRevisions": null,
            "AdoptedCount": adopted,
            "Message": format!("Looked at {documents} documents, put {adopted} into the bin."),
            "Warnings": {},
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DocumentReversion {
    id_to_change_vector: BTreeMap<String, String>,
}

/// `POST revisions/revert/docs`: chosen documents to chosen versions, all or none.
pub async fn revert_documents(call: &mut Call<'_>) -> Reply {
    let wanted: DocumentReversion = read(call, "what to revert").await?;
    let database = call.open_database().await?;
    let max_id_bytes = database.documents.limits().max_id_bytes;
    let commands = wanted.id_to_change_vector.into_iter();
    let commands = commands.map(|(id, change_vector)| {
        Ok(BatchCommand::RevertDocument(RevertDocument {
            id: DocumentId::new(id, max_id_bytes)?,
            target: RevertTarget::ChangeVector(change_vector),
        }))
    });
    let written = database.write(commands.collect::<Result<_>>()?).await;
    written.map_err(http_error::missing_in_write)?;
    Ok(empty(StatusCode::NO_CONTENT))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Deletion {
    document_ids: Vec<String>,
    #[serde(default)]
    revisions_change_vectors: Option<Vec<String>>,
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    to: Option<String>,
    #[serde(default)]
    remove_force_created_revisions: bool,
}

impl Deletion {
    fn selection(&self) -> Result<RevisionSelection> {
        let moment = |text: &Option<String>| text.as_deref().map(Timestamp::parse).transpose();
        let (from, to) = (moment(&self.from)?, moment(&self.to)?);
        let vectors = self.revisions_change_vectors.as_deref();
        let vectors = vectors.unwrap_or_default();
        if vectors.is_empty() {
            if from.zip(to).is_some_and(|(from, to)| to <= from) {
                return Err(Error::invalid("To must be later than From"));
            }
            return Ok(RevisionSelection::Between(from, to));
        }
        if self.document_ids.len() != 1 {
            return Err(Error::invalid(
                "RevisionsChangeVectors are those of one document: DocumentIds must hold one id",
            ));
        }
        if from.or(to).is_some() {
            return Err(Error::invalid(
                "revisions are chosen by RevisionsChangeVectors or by From and To, not by both",
            ));
        }
        Ok(RevisionSelection::ChangeVectors(vectors.to_vec()))
    }
}

/// `DELETE admin/revisions`: of some documents all revisions, those of a time, or chosen ones.
pub async fn delete(call: &mut Call<'_>) -> Reply {
    let wanted: Deletion = read(call, "which revisions to delete").await?;
    if wanted.document_ids.is_empty() {
        return Err(Error::invalid("DocumentIds must hold an id"));
    }
    let selection = wanted.selection()?;
    let database = call.open_database().await?;
    let max_id_bytes = database.documents.limits().max_id_bytes;
    let ids: Vec<DocumentId> = wanted
        .document_ids
        .into_iter()
        .map(|id| DocumentId::new(id, max_id_bytes))
        .collect::<Result<_>>()?;
    let mut total = 0;
    for id in ids {
        // A long history goes in steps.
        loop {
            let delete = DeleteRevisions {
                id: id.clone(),
                selection: selection.clone(),
                includes_forced: wanted.remove_force_created_revisions,
                limit: REVISIONS_PER_STEP,
            };
            let command = BatchCommand::DeleteRevisions(delete);
            let removed = match database.write(vec![command]).await?.pop() {
                Some(CommandOutcome::DeletedRevisions(removed)) => removed,
                other => return Err(unexpected(other.as_ref())),
            };
            total += removed;
            if removed < REVISIONS_PER_STEP
                || matches!(selection, RevisionSelection::ChangeVectors(_))
            {
                break;
            }
        }
    }
    Ok(http::json(
        StatusCode::OK,
        &json!({ "TotalDeletes": total }),
    ))
}

fn unexpected(outcome: Option<&CommandOutcome>) -> Error {
    Error::new(
        ErrorKind::Internal,
        format!("deleting revisions answered {outcome:?}"),
    )
}
