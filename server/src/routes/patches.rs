//! `PATCH docs`, `PATCH json-patch`, and patches and deletes by query.

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use pinyon_core::commands::{
    BatchCommand, CommandOutcome, DeleteDocument, ExpectedVersion, JsonPatchDocument, PatchDocument,
};
use pinyon_core::document::{
    DocumentId, JsonPatch, PatchScript, PatchStatus, PatchedDocument, parse_document,
};
use pinyon_core::query::rql;
use pinyon_core::{Error, ErrorKind, Limits, Result};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::operations;
use super::query_documents::DocumentQuery;
use crate::databases::OpenDatabase;
use crate::http::{Call, JsonObject, Reply, as_text, json_bytes};
use crate::operations::{Ended, Progress};

/// How many documents are patched or deleted in one transaction.
const DOCUMENTS_PER_STEP: usize = 128;
/// How many documents an operation with `details=true` tells of.
const MOST_DETAILS: usize = 10_000;

/// A script as clients send it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ScriptText<'a> {
    #[serde(default)]
    script: String,
    #[serde(borrow, default)]
    values: Option<&'a RawValue>,
}

impl ScriptText<'_> {
    /// The script, if there is one.
    pub fn parse(&self) -> Result<Option<PatchScript>> {
        if self.script.trim().is_empty() {
            return Ok(None);
        }
        let values = self.values.map_or("", RawValue::get);
        PatchScript::new(&self.script, values).map(Some)
    }
}

/// The operations of a JSON Patch as clients send them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Operations<'a> {
    #[serde(borrow)]
    operations: &'a RawValue,
}

impl Operations<'_> {
    pub fn parse(&self) -> Result<JsonPatch> {
        JsonPatch::parse(self.operations.get())
    }
}

/// What a patch is made of, alone or in a batch.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PatchParts<'a> {
    #[serde(borrow, default)]
    pub patch: Option<JsonObject<ScriptText<'a>>>,
    #[serde(borrow, default)]
    pub patch_if_missing: Option<JsonObject<ScriptText<'a>>>,
    #[serde(borrow, default)]
    pub create_if_missing: Option<&'a RawValue>,
}

impl PatchParts<'_> {
    pub fn into_patch(self, id: DocumentId, limits: &Limits) -> Result<PatchDocument> {
        let script = match &self.patch {
            Some(JsonObject(script)) => script.parse()?,
            None => None,
        };
        let Some(script) = script else {
            return Err(Error::invalid("a PATCH needs a Patch with a Script"));
        };
        let if_missing = match &self.patch_if_missing {
            Some(JsonObject(script)) => script.parse()?,
            None => None,
        };
        let create_if_missing = match self.create_if_missing.filter(|it| it.get() != "null") {
            Some(document) => Some(parse_document(document.get(), limits)?),
            None => None,
        };
        Ok(PatchDocument {
            if_missing,
            create_if_missing,
            ..PatchDocument::new(id, script)
        })
    }
}

/// `PATCH docs`.
pub async fn patch(call: &mut Call<'_>) -> Reply {
    let database = call.open_database().await?;
    let limits = database.documents.limits();
    let id = call.query.require("id")?.into_owned();
    let body = call.read_body().await?;
    let JsonObject(parts): JsonObject<PatchParts> = serde_json::from_str(as_text(&body)?)
        .map_err(|reason| Error::invalid(format!("the patch is not valid: {reason}")))?;
    let mut patch = parts.into_patch(DocumentId::new(id, limits.max_id_bytes)?, limits)?;
    patch.expected = ExpectedVersion::from_wire(call.if_match());
    patch.skip_if_unexpected = call.query.flag("skipPatchIfChangeVectorMismatch");
    let (is_test, is_debug) = (call.query.flag("test"), call.query.flag("debug"));
    let patched = if is_test {
        let tested = database.documents.test_patch(&database.scripts, patch);
        database.use_store(tested.await)?
    } else {
        one(&database, BatchCommand::Patch(Box::new(patch))).await?
    };
    reply(&patched, is_test, is_debug)
}

/// `PATCH json-patch`.
pub async fn json_patch(call: &mut Call<'_>) -> Reply {
    let database = call.open_database().await?;
    let limits = database.documents.limits();
    let id = call.query.require("id")?.into_owned();
    let body = call.read_body().await?;
    let JsonObject(operations): JsonObject<Operations> = serde_json::from_str(as_text(&body)?)
        .map_err(|reason| Error::invalid(format!("the JSON Patch is not valid: {reason}")))?;
    let command = BatchCommand::JsonPatch(JsonPatchDocument {
        id: DocumentId::new(id, limits.max_id_bytes)?,
        expected: ExpectedVersion::from_wire(call.if_match()),
        patch: operations.parse()?,
    });
    reply(&one(&database, command).await?, false, false)
}

async fn one(database: &OpenDatabase, command: BatchCommand) -> Result<PatchedDocument> {
    match database.write(vec![command]).await?.pop() {
        Some(CommandOutcome::Patched(patched)) => Ok(patched),
        other => Err(Error::new(
            ErrorKind::Internal,
            format!("a patch answered with {other:?}"),
        )),
    }
}

fn reply(patched: &PatchedDocument, with_original: bool, with_debug: bool) -> Reply {
    let status = match patched.status {
        PatchStatus::DocumentDoesNotExist => StatusCode::NOT_FOUND,
        PatchStatus::Created => StatusCode::CREATED,
        _ => StatusCode::OK,
    };
    let mut text = String::from("{");
    push_members(patched, &mut text);
    let mut push_document = |name: &str, document: Option<&str>| {
        text.push_str(",\"");
        text.push_str(name);
        text.push_str("\":");
        text.push_str(document.unwrap_or("null"));
    };
    push_document("ModifiedDocument", patched.document.as_deref());
    if with_original {
        push_document("OriginalDocument", patched.original.as_deref());
    }
    if with_debug || with_original {
        let info = json!({ "Info": patched.output }).to_string();
        push_document("Debug", Some(&info));
    }
    text.push('}');
    Ok(json_bytes(status, text))
}

fn push_members(patched: &PatchedDocument, text: &mut String) {
    let members = json!({
        "Status": patched.status.as_str(),
        "LastModified": patched.last_modified.map(|it| it.to_text()),
        "ChangeVector": patched.change_vector,
        "Collection": patched.collection,
    });
    let members = members.to_string();
    text.push_str(&members[1..members.len() - 1]);
}

/// The result of a patch in a batch.
pub fn push_result(patched: &PatchedDocument, kind: &str, with_document: bool, json: &mut String) {
    let members = json!({
        "Id": patched.id,
        "ChangeVector": patched.change_vector,
        "LastModified": patched.last_modified.map(|it| it.to_text()),
        "Type": kind,
        "PatchStatus": patched.status.as_str(),
        "Debug": null,
    });
    json.push_str(&members.to_string());
    if with_document {
        json.pop();
        json.push_str(",\"ModifiedDocument\":");
        json.push_str(patched.document.as_deref().unwrap_or("null"));
        json.push('}');
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PatchByQuery<'a> {
    #[serde(borrow)]
    query: JsonObject<QueryText<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct QueryText<'a> {
    query: String,
    #[serde(borrow, default)]
    query_parameters: Option<&'a RawValue>,
}

impl QueryText<'_> {
    fn parameters(&self) -> &str {
        self.query_parameters.map_or("", RawValue::get)
    }

    fn parse(&self) -> Result<(rql::Query, Value)> {
        let query = rql::parse(&self.query).map_err(|error| error.into_error(&self.query))?;
        let parameters = match self.parameters() {
            "" | "null" => json!({}),
            text => serde_json::from_str(text)
                .map_err(|reason| Error::invalid(format!("QueryParameters: {reason}")))?,
        };
        Ok((query, parameters))
    }
}

/// What an operation does to each document.
enum Change {
    Patch(PatchScript),
    Delete,
}

impl Change {
    fn command(&self, id: DocumentId) -> BatchCommand {
        match self {
            Self::Patch(script) => {
                BatchCommand::Patch(Box::new(PatchDocument::new(id, script.clone())))
            }
            Self::Delete => BatchCommand::Delete(DeleteDocument {
                id,
                expected: ExpectedVersion::Any,
            }),
        }
    }
}

/// `PATCH queries`.
pub async fn patch_by_query(call: &mut Call<'_>) -> Reply {
    let body = call.read_body().await?;
    let JsonObject(PatchByQuery {
        query: JsonObject(text),
    }) = serde_json::from_str(as_text(&body)?)
        .map_err(|reason| Error::invalid(format!("the patch is not valid: {reason}")))?;
    let (query, parameters) = text.parse()?;
    let script = PatchScript::from_query(&query, text.parameters())?;
    start(call, query, &parameters, Change::Patch(script)).await
}

/// `DELETE queries`.
pub async fn delete_by_query(call: &mut Call<'_>) -> Reply {
    let body = call.read_body().await?;
    let JsonObject(text): JsonObject<QueryText> = serde_json::from_str(as_text(&body)?)
        .map_err(|reason| Error::invalid(format!("the query is not valid: {reason}")))?;
    let (query, parameters) = text.parse()?;
    if query.update.is_some() || query.select.is_some() {
        return Err(Error::invalid(
            "a query that deletes has no 'update' and no 'select'",
        ));
    }
    start(call, query, &parameters, Change::Delete).await
}

async fn start(
    call: &mut Call<'_>,
    query: rql::Query,
    parameters: &Value,
    change: Change,
) -> Reply {
    let database = call.open_database().await?;
    let documents = DocumentQuery::plan(&query, parameters)?;
    let max_ops_per_second = call.query.number("maxOpsPerSec", 0_u64)?;
    let with_details = call.query.flag("details");
    let id = call.query.number("operationId", 0_u64)?;
    let scope = database.record.store.clone();
    let work = move |progress: Progress| async move {
        let run = Run {
            database,
            change,
            max_ops_per_second,
            with_details,
        };
        run.to_end(documents, &progress).await
    };
    let id = call.server.operations.start(&scope, id, work)?;
    operations::started(call, id)
}

struct Run {
    database: Arc<OpenDatabase>,
    change: Change,
    max_ops_per_second: u64,
    with_details: bool,
}

impl Run {
    /// Goes through what the query finds in one snapshot, in many transactions.
    async fn to_end(self, query: DocumentQuery, progress: &Progress) -> Result<Ended> {
        let read = self.database.read().await?;
        let total = query.count(&read).await?;
        let mut pages = query.pages();
        let (mut processed, mut details) = (0_u64, Vec::new());
        while let Some(ids) = pages.next(&read, DOCUMENTS_PER_STEP).await? {
            if progress.is_canceled() {
                return Ok(Ended::Canceled(result(processed, details)));
            }
            if ids.is_empty() {
                continue;
            }
            let max_id_bytes = self.database.documents.limits().max_id_bytes;
            let commands: Result<Vec<BatchCommand>> = ids
                .iter()
                .map(|id| {
                    Ok(self
                        .change
                        .command(DocumentId::new(id.as_str(), max_id_bytes)?))
                })
                .collect();
            let outcomes = self.database.write(commands?).await?;
            processed += ids.len() as u64;
            if self.with_details && details.len() < MOST_DETAILS {
                details.extend(ids.iter().zip(&outcomes).map(detail));
            }
            progress.report(json!({ "Processed": processed, "Total": total }));
            if self.max_ops_per_second > 0 {
                let pause_ms = (ids.len() as u64).saturating_mul(1000) / self.max_ops_per_second;
                progress.pause(Duration::from_millis(pause_ms)).await;
            }
        }
        Ok(Ended::Completed(result(processed, details)))
    }
}

fn detail((id, outcome): (&String, &CommandOutcome)) -> Value {
    match outcome {
        CommandOutcome::Patched(patched) => json!({
            "Id": id,
            "ChangeVector": patched.change_vector,
            "Status": patched.status.as_str(),
        }),
        CommandOutcome::Deleted(deleted) => {
            json!({ "Id": id, "ChangeVector": deleted.change_vector })
        }
        _ => json!({ "Id": id }),
    }
}

fn result(processed: u64, details: Vec<Value>) -> Value {
    json!({
        "Total": processed,
        "DocumentsProcessed": processed,
        "AttachmentsProcessed": 0,
        "CountersProcessed": 0,
        "TimeSeriesProcessed": 0,
        "Query": null,
        "Details": details,
        "Message": format!("Processed {processed} items."),
    })
}
