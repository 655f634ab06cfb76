//! `POST bulk_docs`: a batch of commands, all or nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hyper::StatusCode;
use pinyon_core::attachments::{
    AttachmentContent, AttachmentName, CopyAttachment, DeleteAttachment, PutAttachment,
    WrittenAttachment, hash_text,
};
use pinyon_core::commands::{
    BatchCommand, CommandOutcome, DeleteByPrefix, DeleteDocument, ExpectedVersion,
    JsonPatchDocument, PutDocument, VerifyVersions, WrittenDocument,
};
use pinyon_core::document::{DocumentId, IdRequest, parse_document};
use pinyon_core::revisions::{ForceRevision, ForcedRevision};
use pinyon_core::{Error, ErrorKind, Limits, Result};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::index_wait::IndexWait;
use super::patches::{self, Operations, PatchParts, ScriptText};
use super::uploads::Uploads;
use super::write_assurance;
use crate::http::{Call, JsonObject, Reply, as_text, in_place, json_bytes};
use crate::{http_error, multipart};

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(rename = "Commands", borrow)]
    commands: Vec<JsonObject<Command<'a>>>,
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
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    content_type: Option<String>,
    #[serde(default)]
    destination_id: Option<String>,
    #[serde(default)]
    destination_name: Option<String>,
    #[serde(borrow, default)]
    patch: Option<JsonObject<ScriptText<'a>>>,
    #[serde(borrow, default)]
    patch_if_missing: Option<JsonObject<ScriptText<'a>>>,
    #[serde(borrow, default)]
    create_if_missing: Option<&'a RawValue>,
    #[serde(borrow, default)]
    json_patch: Option<JsonObject<Operations<'a>>>,
    #[serde(default)]
    return_document: Option<bool>,
    #[serde(default)]
    ids: Option<Vec<PatchedId>>,
    #[serde(borrow, default)]
    remote_parameters: Option<&'a RawValue>,
}

/// One of the documents of a BatchPATCH.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PatchedId {
    id: String,
    #[serde(default)]
    change_vector: Option<String>,
}

/// What a result repeats of its command.
enum Echo {
    Put,
    Delete {
        change_vector: Option<String>,
    },
    AttachmentPut,
    AttachmentDelete {
        id: String,
        name: String,
    },
    AttachmentCopy {
        kind: &'static str,
        id: String,
        name: String,
    },
    ForceRevision {
        id: String,
    },
    Patch {
        kind: &'static str,
        with_document: bool,
    },
    /// The command was ours, not the client's.
    Hidden,
    Other,
}

/// A batch as it was sent; contents of attachments are still to come.
pub struct Parsed {
    commands: Vec<BatchCommand>,
    echoes: Vec<Echo>,
}

/// `POST bulk_docs`.
pub async fn post(call: &mut Call<'_>) -> Reply {
    let database = call.open_database().await?;
    write_assurance::check(call.query)?;
    let index_wait = IndexWait::parse(call.query)?;
    let limits = database.documents.limits();
    let Parsed { commands, echoes } = match multipart::boundary(call.headers)? {
        Some(boundary) => {
            // Large batches are rare, and their state must not weigh on the small ones.
            Box::pin(async {
                let mut uploads = Uploads::begin(call, &boundary)?;
                let main = uploads.read_main(call).await?;
                let mut parsed = parse(as_text(&main)?, limits)?;
                drop(main);
                let contents = parsed
                    .commands
                    .iter_mut()
                    .filter_map(|command| match command {
                        BatchCommand::PutAttachment(put) => Some(&mut put.content),
                        _ => None,
                    });
                uploads.read_contents(call, &database, contents).await?;
                Ok::<_, Error>(parsed)
            })
            .await?
        }
        None => {
            let body = call.read_body().await?;
            let parsed = in_place(body.len(), || parse(as_text(&body)?, limits))?;
            if let Some(index) = parsed.first_attachment() {
                return Err(Error::invalid(format!(
                    "command {index}: the content of an attachment comes in a part of its own; \
                     send the batch as multipart/form-data"
                )));
            }
            // The commands hold their own text; the body's memory is free for the next request.
            parsed
        }
    };
    let outcomes = database
        .write(commands)
        .await
        .map_err(http_error::missing_in_write)?;
    if let Some(wait) = index_wait {
        Box::pin(wait.wait(&database, &outcomes)).await?;
    }
    let mut json = String::with_capacity(32 + 192 * outcomes.len());
    json.push_str("{\"Results\":[");
    let mut is_first = true;
    for (outcome, echo) in outcomes.iter().zip(echoes) {
        if matches!(echo, Echo::Hidden) {
            continue;
        }
        if !std::mem::take(&mut is_first) {
            json.push(',');
        }
        push_result(outcome, echo, &mut json);
    }
    json.push_str("]}");
    Ok(json_bytes(StatusCode::CREATED, json))
}

impl Parsed {
    /// The commands that the client sent, without those that follow from them.
    pub fn into_sent_commands(self) -> Vec<BatchCommand> {
        let all = self.commands.into_iter().zip(self.echoes);
        all.filter(|(_, echo)| !matches!(echo, Echo::Hidden))
            .map(|(command, _)| command)
            .collect()
    }

    fn first_attachment(&self) -> Option<usize> {
        let is_put = |it: &BatchCommand| matches!(it, BatchCommand::PutAttachment(_));
        let shown = self.commands.iter().zip(&self.echoes);
        shown
            .filter(|(_, echo)| !matches!(echo, Echo::Hidden))
            .position(|(command, _)| is_put(command))
    }
}

/// Reads the JSON of a batch.
///
/// # Errors
/// `InvalidRequest`, `Unsupported` or `LimitExceeded`, with the number of the command.
pub fn parse(body: &str, limits: &Limits) -> Result<Parsed> {
    let JsonObject(batch): JsonObject<Batch> = serde_json::from_str(body)
        .map_err(|reason| Error::invalid(format!("the batch is not valid: {reason}")))?;
    match batch.transaction_mode.as_deref() {
        None | Some("" | "SingleNode") => {}
        Some("ClusterWide") => return Err(unsupported("cluster-wide transactions are")),
        Some(other) => {
            return Err(Error::invalid(format!(
                "the TransactionMode '{}' is neither SingleNode nor ClusterWide",
                other.escape_debug()
            )));
        }
    }
    let mut commands = Vec::with_capacity(batch.commands.len());
    let mut echoes = Vec::with_capacity(batch.commands.len());
    for (index, JsonObject(command)) in batch.commands.into_iter().enumerate() {
        let named = |error: Error| {
            Error::new(
                error.kind(),
                format!("command {index}: {}", error.message()),
            )
        };
        if let Some(before) = command.revision_before(limits).map_err(named)? {
            commands.push(before);
            echoes.push(Echo::Hidden);
        }
        if command.kind == "BatchPATCH" {
            command
                .push_patches(limits, &mut commands, &mut echoes)
                .map_err(named)?;
            continue;
        }
        let (command, echo) = command.into_core(index, limits).map_err(named)?;
        commands.push(command);
        echoes.push(echo);
    }
    Ok(Parsed { commands, echoes })
}

impl<'a> Command<'a> {
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
            "PATCH" => self.into_patch(limits),
            "JsonPatch" => self.into_json_patch(limits),
            "ForceRevisionCreation" => {
                let id = self.document_id(limits)?;
                let echo = Echo::ForceRevision {
                    id: id.as_str().to_owned(),
                };
                let force = ForceRevision {
                    id,
                    must_exist: true,
                };
                Ok((BatchCommand::ForceRevision(force), echo))
            }
            "AttachmentPUT" => self.into_attachment_put(limits),
            "AttachmentDELETE" => {
                let (id, name) = (self.document_id(limits)?, self.attachment_name()?);
                let echo = Echo::AttachmentDelete {
                    id: id.as_str().to_owned(),
                    name: name.as_str().to_owned(),
                };
                let expected = ExpectedVersion::from_wire(self.change_vector.as_deref());
                let delete = DeleteAttachment { id, name, expected };
                Ok((BatchCommand::DeleteAttachment(delete), echo))
            }
            "AttachmentCOPY" => self.into_attachment_copy("AttachmentCOPY", limits),
            "AttachmentMOVE" => self.into_attachment_copy("AttachmentMOVE", limits),
            other => Err(unsupported(&format!(
                "commands of type '{other}' (number {index} of the batch) are"
            ))),
        }
    }

    fn document_id(&self, limits: &Limits) -> Result<DocumentId> {
        let id = self.id.as_deref().unwrap_or_default();
        DocumentId::new(id, limits.max_id_bytes)
    }

    fn attachment_name(&self) -> Result<AttachmentName> {
        AttachmentName::new(self.name.as_deref().unwrap_or_default())
    }

    /// The revision that a put wants to be made of what it replaces.
    fn revision_before(&self, limits: &Limits) -> Result<Option<BatchCommand>> {
        match self.force_revision_creation_strategy.as_deref() {
            None | Some("None") => Ok(None),
            Some("Before") if self.kind == "PUT" => {
                let id = self.document_id(limits)?;
                let must_exist = false;
                let force = ForceRevision { id, must_exist };
                Ok(Some(BatchCommand::ForceRevision(force)))
            }
            Some(other) => Err(Error::invalid(format!(
                "the ForceRevisionCreationStrategy '{other}' is not known for {}",
                self.kind
            ))),
        }
    }

    fn into_attachment_put(self, limits: &Limits) -> Result<(BatchCommand, Echo)> {
        if self.remote_parameters.is_some_and(|it| it.get() != "null") {
            return Err(unsupported(
                "attachments kept elsewhere (RemoteParameters) are",
            ));
        }
        let put = PutAttachment {
            id: self.document_id(limits)?,
            name: self.attachment_name()?,
            content_type: self.content_type.unwrap_or_default(),
            // Replaced when its part comes.
            content: AttachmentContent::Inline {
                bytes: bytes::Bytes::new(),
                hash: [0; 32],
            },
            expected: ExpectedVersion::from_wire(self.change_vector.as_deref()),
        };
        Ok((BatchCommand::PutAttachment(put), Echo::AttachmentPut))
    }

    fn into_attachment_copy(
        self,
        kind: &'static str,
        limits: &Limits,
    ) -> Result<(BatchCommand, Echo)> {
        let (id, name) = (self.document_id(limits)?, self.attachment_name()?);
        let echo = Echo::AttachmentCopy {
            kind,
            id: id.as_str().to_owned(),
            name: name.as_str().to_owned(),
        };
        let destination_id = self.destination_id.unwrap_or_default();
        let copy = CopyAttachment {
            id,
            name,
            destination_id: DocumentId::new(destination_id, limits.max_id_bytes)?,
            destination_name: AttachmentName::new(self.destination_name.unwrap_or_default())?,
            expected: ExpectedVersion::from_wire(self.change_vector.as_deref()),
            is_move: kind == "AttachmentMOVE",
        };
        Ok((BatchCommand::CopyAttachment(copy), echo))
    }

    fn into_put(self, limits: &Limits) -> Result<(BatchCommand, Echo)> {
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

    fn patch_parts(self) -> PatchParts<'a> {
        PatchParts {
            patch: self.patch,
            patch_if_missing: self.patch_if_missing,
            create_if_missing: self.create_if_missing,
        }
    }

    fn into_patch(self, limits: &Limits) -> Result<(BatchCommand, Echo)> {
        let id = self.document_id(limits)?;
        let expected = ExpectedVersion::from_wire(self.change_vector.as_deref());
        let echo = Echo::Patch {
            kind: "PATCH",
            with_document: self.return_document == Some(true),
        };
        let mut patch = self.patch_parts().into_patch(id, limits)?;
        patch.expected = expected;
        Ok((BatchCommand::Patch(Box::new(patch)), echo))
    }

    fn into_json_patch(self, limits: &Limits) -> Result<(BatchCommand, Echo)> {
        let id = self.document_id(limits)?;
        let Some(JsonObject(operations)) = &self.json_patch else {
            return Err(Error::invalid("a JsonPatch needs its Operations"));
        };
        let echo = Echo::Patch {
            kind: "JsonPatch",
            with_document: self.return_document == Some(true),
        };
        let command = JsonPatchDocument {
            id,
            expected: ExpectedVersion::from_wire(self.change_vector.as_deref()),
            patch: operations.parse()?,
            create_if_missing: None,
        };
        Ok((BatchCommand::JsonPatch(command), echo))
    }

    /// A BatchPATCH: the same patch of several documents. Its results are not told.
    fn push_patches(
        mut self,
        limits: &Limits,
        commands: &mut Vec<BatchCommand>,
        echoes: &mut Vec<Echo>,
    ) -> Result<()> {
        let mut ids = self.ids.take().unwrap_or_default().into_iter();
        let Some(first) = ids.next() else {
            return Err(Error::invalid("a BatchPATCH needs Ids"));
        };
        let id = DocumentId::new(first.id, limits.max_id_bytes)?;
        let mut patch = self.patch_parts().into_patch(id, limits)?;
        patch.expected = ExpectedVersion::from_wire(first.change_vector.as_deref());
        for next in ids {
            let mut other = patch.clone();
            other.id = DocumentId::new(next.id, limits.max_id_bytes)?;
            other.expected = ExpectedVersion::from_wire(next.change_vector.as_deref());
            commands.push(BatchCommand::Patch(Box::new(other)));
            echoes.push(Echo::Hidden);
        }
        commands.push(BatchCommand::Patch(Box::new(patch)));
        echoes.push(Echo::Patch {
            kind: "BatchPATCH",
            with_document: false,
        });
        Ok(())
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
        (CommandOutcome::Written(written), _) => push_written("PUT", written, json),
        (CommandOutcome::Deleted(deleted), echo) => {
            let change_vector = match echo {
                Echo::Delete { change_vector } => change_vector,
                _ => None,
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
        (
            CommandOutcome::Patched(patched),
            Echo::Patch {
                kind,
                with_document,
            },
        ) => {
            patches::push_result(patched, kind, with_document, json);
        }
        (CommandOutcome::Patched(_), _) => json.push_str("{}"),
        (CommandOutcome::Verified, _) => json.push_str("{\"Type\":\"BatchTrackChanges\"}"),
        (CommandOutcome::ForcedRevision(forced), echo) => push_forced(forced, &echo, json),
        (CommandOutcome::WrittenAttachment(written), echo) => {
            push_attachment(written, &echo, json);
        }
        (CommandOutcome::DeletedAttachment(change_vector), echo) => {
            if let Echo::AttachmentDelete { id, name } = echo {
                json.push_str("{\"Type\":\"AttachmentDELETE\",\"@id\":");
                push_text(&id, json);
                json.push_str(",\"Name\":");
                push_text(&name, json);
                json.push_str(",\"DocumentChangeVector\":");
                match change_vector {
                    Some(text) => push_text(text, json),
                    None => json.push_str("null"),
                }
                json.push('}');
            }
        }
        // No command of a batch asks for it.
        // No client sends the import of a revision.
        (
            CommandOutcome::Reverted
            | CommandOutcome::ImportedRevision(_)
            | CommandOutcome::DeletedRevisions(_),
            _,
        ) => json.push_str("{}"),
    }
}

fn push_forced(forced: &ForcedRevision, echo: &Echo, json: &mut String) {
    match (&forced.document, echo) {
        (Some(document), _) => {
            push_written("ForceRevisionCreation", document, json);
            json.pop();
            write!(json, ",\"RevisionCreated\":{}}}", forced.is_new)
                .expect("a String takes any text");
        }
        (None, Echo::ForceRevision { id }) => {
            json.push_str("{\"Type\":\"ForceRevisionCreation\",\"RevisionCreated\":false,\"@id\":");
            push_text(id, json);
            json.push('}');
        }
        (None, _) => json.push_str("{}"),
    }
}

fn push_attachment(written: &WrittenAttachment, echo: &Echo, json: &mut String) {
    let mut push = |name: &str, value: &str| {
        json.push_str(name);
        push_text(value, json);
    };
    match echo {
        Echo::AttachmentCopy { kind, id, name } => {
            push("{\"Type\":", kind);
            push(",\"Id\":", id);
            push(",\"Name\":", name);
            push(",\"DestinationId\":", &written.id);
            push(",\"DestinationName\":", &written.name);
        }
        _ => {
            push("{\"Type\":", "AttachmentPUT");
            push(",\"Id\":", &written.id);
            push(",\"Name\":", &written.name);
        }
    }
    push(",\"ChangeVector\":", &written.change_vector);
    push(",\"Hash\":", &hash_text(&written.hash));
    push(",\"ContentType\":", &written.content_type);
    push(
        ",\"DocumentChangeVector\":",
        &written.document_change_vector,
    );
    write!(json, ",\"Size\":{}}}", written.size).expect("a String takes any text");
}

fn push_written(kind: &str, written: &WrittenDocument, json: &mut String) {
    json.push_str("{\"Type\":");
    push_text(kind, json);
    json.push_str(",\"@id\":");
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
