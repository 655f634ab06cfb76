//! `POST bulk_docs`: a batch of commands, all or nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hyper::StatusCode;
use hyper::header::CONTENT_TYPE;
use pinyon_core::commands::{
    BatchCommand, CommandOutcome, DeleteByPrefix, DeleteDocument, ExpectedVersion, PutDocument,
    VerifyVersions, WrittenDocument,
};
use pinyon_core::document::{DocumentId, IdRequest, parse_document};
use pinyon_core::{Error, ErrorKind, Limits, Result};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::http::{Call, Reply, as_text, json_bytes};

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(rename = "Commands", borrow)]
    commands: Vec<Command<'a>>,
    #[serde(rename = "TransactionMode", default)]
    transaction_mode: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Command<'a> {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    change_vector: Option<String>,
    #[serde(borrow, default)]
    document: Option<&'a RawValue>,
    #[serde(default)]
    id_prefixed: Option<bool>,
    #[serde(default)]
    tracked_entities: Option<BTreeMap<String, Option<String>>>,
    #[serde(default)]
    force_revision_creation_strategy: Option<String>,
}

/// What a result repeats of its command.
pub enum Echo {
    Put,
    Delete { change_vector: Option<String> },
    Other,
}

/// `POST bulk_docs`.
pub async fn post(call: &mut Call<'_>) -> Reply {
    let database = call.open_database().await?;
    check_content(call)?;
    // What the query string says of waiting for replicas and indexes is met at once: there are
    // none to wait for.
    let body = call.read_body().await?;
    let (commands, echoes) = parse(as_text(&body)?, database.documents.limits())?;
    // The commands hold their own text; the body's memory is free for the next request.
    drop(body);
    let outcomes = database.write(commands).await?;
    let mut json = String::with_capacity(32 + 192 * outcomes.len());
    json.push_str("{\"Results\":[");
    for (index, (outcome, echo)) in outcomes.iter().zip(echoes).enumerate() {
        if index > 0 {
            json.push(',');
        }
        push_result(outcome, echo, &mut json);
    }
    json.push_str("]}");
    Ok(json_bytes(StatusCode::CREATED, json))
}

fn check_content(call: &Call<'_>) -> Result<()> {
    let content_type = call.headers.get(CONTENT_TYPE);
    let is_multipart = content_type
        .and_then(|value| value.to_str().ok())
        .is_some_and(|text| text.starts_with("multipart/"));
    if is_multipart {
        return Err(unsupported("batches with attachments are"));
    }
    Ok(())
}

pub fn parse(body: &str, limits: &Limits) -> Result<(Vec<BatchCommand>, Vec<Echo>)> {
    let batch: Batch = serde_json::from_str(body)
        .map_err(|reason| Error::invalid(format!("the batch is not valid: {reason}")))?;
    if batch.transaction_mode.as_deref() == Some("ClusterWide") {
        return Err(unsupported("cluster-wide transactions are"));
    }
    let mut commands = Vec::with_capacity(batch.commands.len());
    let mut echoes = Vec::with_capacity(batch.commands.len());
    for (index, command) in batch.commands.into_iter().enumerate() {
        let named = |error: Error| {
            Error::new(
                error.kind(),
                format!("command {index}: {}", error.message()),
            )
        };
        let (command, echo) = command.into_core(index, limits).map_err(named)?;
        commands.push(command);
        echoes.push(echo);
    }
    Ok((commands, echoes))
}

impl Command<'_> {
    fn into_core(self, index: usize, limits: &Limits) -> Result<(BatchCommand, Echo)> {
        match self.kind.as_str() {
            "PUT" => self.into_put(limits),
            "DELETE" if self.id_prefixed == Some(true) => {
                let prefix = self.id.unwrap_or_default();
                let command = BatchCommand::DeleteByPrefix(DeleteByPrefix { prefix });
                Ok((command, Echo::Other))
            }
            "DELETE" => {
                let id = DocumentId::new(self.id.unwrap_or_default(), limits.max_id_bytes)?;
                let expected = ExpectedVersion::from_wire(self.change_vector.as_deref());
                let change_vector = self.change_vector;
                let command = BatchCommand::Delete(DeleteDocument { id, expected });
                Ok((command, Echo::Delete { change_vector }))
            }
            "BatchTrackChanges" => self.into_verify(limits),
            other => Err(unsupported(&format!(
                "commands of type '{other}' (number {index} of the batch) are"
            ))),
        }
    }

    fn into_put(self, limits: &Limits) -> Result<(BatchCommand, Echo)> {
        if let Some(strategy) = self.force_revision_creation_strategy
            && strategy != "None"
        {
            return Err(unsupported("revisions are"));
        }
        let text = self
            .document
            .ok_or_else(|| Error::invalid("a PUT needs a Document"))?;
        let id = self.id.unwrap_or_default();
        let named = |error: Error| Error::new(error.kind(), format!("'{id}': {}", error.message()));
        let put = PutDocument {
            id: IdRequest::parse(&id, limits.max_id_bytes)?,
            expected: ExpectedVersion::from_wire(self.change_vector.as_deref()),
            document: parse_document(text.get(), limits).map_err(named)?,
        };
        Ok((BatchCommand::Put(put), Echo::Put))
    }

    fn into_verify(self, limits: &Limits) -> Result<(BatchCommand, Echo)> {
        let tracked = self
            .tracked_entities
            .ok_or_else(|| Error::invalid("BatchTrackChanges needs TrackedEntities"))?;
        let expected = tracked
            .into_iter()
            .map(|(id, change_vector)| {
                let id = DocumentId::new(id, limits.max_id_bytes)?;
                // Tracking without a version means that there was no document.
                let change_vector = change_vector.unwrap_or_default();
                Ok((id, ExpectedVersion::from_wire(Some(&change_vector))))
            })
            .collect::<Result<_>>()?;
        let command = BatchCommand::VerifyVersions(VerifyVersions { expected });
        Ok((command, Echo::Other))
    }
}

fn unsupported(what: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("{what} not implemented yet"),
    )
}

fn push_result(outcome: &CommandOutcome, echo: Echo, json: &mut String) {
    match (outcome, echo) {
        (CommandOutcome::Written(written), _) => push_written(written, json),
        (CommandOutcome::Deleted(deleted), echo) => {
            let change_vector = match echo {
                Echo::Delete { change_vector } => change_vector,
                Echo::Put | Echo::Other => None,
            };
            json.push_str("{\"Id\":");
            push_text(&deleted.id, json);
            write!(
                json,
                ",\"Type\":\"DELETE\",\"Deleted\":{},\"ChangeVector\":",
                deleted.deleted
            )
            .expect("a String takes any text");
            match change_vector {
                Some(text) => push_text(&text, json),
                None => json.push_str("null"),
            }
            json.push('}');
        }
        (CommandOutcome::DeletedByPrefix(deleted), _) => {
            json.push_str("{\"Id\":");
            push_text(&deleted.prefix, json);
            write!(
                json,
                ",\"Type\":\"DELETE\",\"Deleted\":{}}}",
                deleted.count > 0
            )
            .expect("a String takes any text");
        }
        (CommandOutcome::Verified, _) => json.push_str("{\"Type\":\"BatchTrackChanges\"}"),
    }
}

fn push_written(written: &WrittenDocument, json: &mut String) {
    json.push_str("{\"Type\":\"PUT\",\"@id\":");
    push_text(&written.id, json);
    json.push_str(",\"@collection\":");
    push_text(&written.collection, json);
    json.push_str(",\"@change-vector\":");
    push_text(&written.change_vector, json);
    json.push_str(",\"@last-modified\":\"");
    json.push_str(&written.last_modified.to_text());
    json.push('"');
    if !written.flags.is_empty() {
        json.push_str(",\"@flags\":");
        push_text(&written.flags.to_text(), json);
    }
    json.push('}');
}

fn push_text(text: &str, json: &mut String) {
    json.push_str(&serde_json::to_string(text).expect("any text can be a JSON string"));
}
