//! Writing: a batch of commands in the protocol's JSON, all or nothing.

use std::collections::BTreeMap;

use pinyon_core::attachments::{
    AttachmentContent, AttachmentName, CopyAttachment, DeleteAttachment, PutAttachment,
};
use pinyon_core::commands::{
    BatchCommand, DeleteByPrefix, DeleteDocument, ExpectedVersion, JsonPatchDocument,
    PatchDocument, PutDocument, RememberRequest, VerifyVersions,
};
use pinyon_core::document::{
    DocumentId, DocumentParser, DocumentText, FieldPatch, IdRequest, JsonPatch, PatchScript,
    parse_document,
};
use pinyon_core::parts::{IS_WHOLE, not_loaded};
use pinyon_core::revisions::ForceRevision;
use pinyon_core::{Error, ErrorKind, Limits};
use serde::Deserialize;
use serde_json::value::RawValue;
use wasm_bindgen::prelude::*;

use crate::batch_results::{Echo, to_json};
use crate::database::{Database, parse_durability};
use crate::error::{JsResult, to_js, to_text};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Batch<'a> {
    #[serde(borrow)]
    commands: Vec<Command<'a>>,
    /// The numbers of finished uploads.
    #[serde(default)]
    contents: Vec<u32>,
    #[serde(default)]
    request: Option<Request>,
}

/// Which request of which caller the batch is, where that may come twice.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    caller: String,
    number: u64,
    answered_before: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Command<'a> {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(default)]
    id: String,
    #[serde(default)]
    change_vector: Option<String>,
    #[serde(borrow, default)]
    document: Option<&'a RawValue>,
    /// Of several puts, whose documents lie beside the commands: the ids,
    #[serde(default)]
    ids: Vec<String>,
    /// what each writer believes is stored,
    #[serde(default)]
    change_vectors: Vec<Option<String>>,
    /// where the first document begins, and where each ends.
    #[serde(default)]
    start: usize,
    #[serde(default)]
    ends: Vec<usize>,
    #[serde(default)]
    id_prefixed: bool,
    #[serde(default)]
    tracked_entities: BTreeMap<String, Option<String>>,
    #[serde(default)]
    name: String,
    #[serde(default)]
    content_type: Option<String>,
    #[serde(default)]
    destination_id: String,
    #[serde(default)]
    destination_name: String,
    /// Which of the batch's contents is the attachment's.
    #[serde(default)]
    content: usize,
    /// The script of a PATCH.
    #[serde(borrow, default)]
    patch: Option<Script<'a>>,
    #[serde(borrow, default)]
    patch_if_missing: Option<Script<'a>>,
    /// What a patch stores where there is no document.
    #[serde(borrow, default)]
    create_if_missing: Option<&'a RawValue>,
    /// The operations of a JsonPatch, or the changes of a FieldPATCH.
    #[serde(borrow, default)]
    operations: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Script<'a> {
    script: String,
    #[serde(borrow, default)]
    values: Option<&'a RawValue>,
}

impl Script<'_> {
    fn parse(&self) -> Result<PatchScript, Error> {
        PatchScript::new(&self.script, self.values.map_or("", RawValue::get))
    }
}

/// What was sent with the commands.
struct Sent<'a> {
    limits: &'a Limits,
    contents: Vec<AttachmentContent>,
    /// Texts of documents, one after the other.
    documents: &'a str,
    parser: DocumentParser<'a>,
}

impl Sent<'_> {
    fn put(
        &mut self,
        id: &str,
        expected: ExpectedVersion,
        text: Option<&str>,
    ) -> Result<PutDocument, Error> {
        let text = text.ok_or_else(|| Error::invalid("a PUT needs a Document"))?;
        let named = |error: Error| Error::new(error.kind(), format!("'{id}': {}", error.message()));
        Ok(PutDocument {
            id: IdRequest::parse(id, self.limits.max_id_bytes)?,
            expected,
            document: self.parser.parse(text).map_err(named)?,
        })
    }
}

/// Says which command of a batch an error is about.
fn numbered<T>(index: usize, parsed: Result<T, Error>) -> Result<T, Error> {
    parsed.map_err(|error| {
        Error::new(
            error.kind(),
            format!("command {index}: {}", error.message()),
        )
    })
}

impl Command<'_> {
    fn expected(&self) -> ExpectedVersion {
        ExpectedVersion::from_wire(self.change_vector.as_deref())
    }

    fn document_id(&self, limits: &Limits) -> Result<DocumentId, Error> {
        DocumentId::new(self.id.as_str(), limits.max_id_bytes)
    }

    fn into_core(self, sent: &mut Sent<'_>) -> Result<(BatchCommand, Echo), Error> {
        let limits = sent.limits;
        let expected = self.expected();
        let command = match self.kind.as_str() {
            "PATCH" | "JsonPatch" | "FieldPATCH" if !IS_WHOLE => {
                return Err(not_loaded("patching"));
            }
            "PUT" => {
                let text = self.document.map(RawValue::get);
                BatchCommand::Put(sent.put(&self.id, expected, text)?)
            }
            "DELETE" if self.id_prefixed => BatchCommand::DeleteByPrefix(DeleteByPrefix {
                prefix: self.id.clone(),
            }),
            "DELETE" => BatchCommand::Delete(DeleteDocument {
                id: self.document_id(limits)?,
                expected,
            }),
            "BatchTrackChanges" => BatchCommand::VerifyVersions(self.to_verify(limits)?),
            "ForceRevisionCreation" => BatchCommand::ForceRevision(ForceRevision {
                id: self.document_id(limits)?,
                must_exist: true,
            }),
            "PATCH" => BatchCommand::Patch(Box::new(self.to_patch(limits)?)),
            "JsonPatch" | "FieldPATCH" => BatchCommand::JsonPatch(self.to_json_patch(limits)?),
            "AttachmentPUT" => BatchCommand::PutAttachment(PutAttachment {
                id: self.document_id(limits)?,
                name: AttachmentName::new(self.name.as_str())?,
                content_type: self.content_type.clone().unwrap_or_default(),
                content: sent.contents.get(self.content).cloned().ok_or_else(|| {
                    Error::invalid("the content of an attachment was not uploaded")
                })?,
                expected,
            }),
            "AttachmentDELETE" => BatchCommand::DeleteAttachment(DeleteAttachment {
                id: self.document_id(limits)?,
                name: AttachmentName::new(self.name.as_str())?,
                expected,
            }),
            "AttachmentCOPY" | "AttachmentMOVE" => BatchCommand::CopyAttachment(CopyAttachment {
                id: self.document_id(limits)?,
                name: AttachmentName::new(self.name.as_str())?,
                destination_id: DocumentId::new(self.destination_id.as_str(), limits.max_id_bytes)?,
                destination_name: AttachmentName::new(self.destination_name.as_str())?,
                expected,
                is_move: self.kind == "AttachmentMOVE",
            }),
            other => {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    format!("commands of type '{other}' are not known"),
                ));
            }
        };
        let echo = Echo {
            kind: self.kind.into(),
            id: self.id,
            name: self.name,
        };
        Ok((command, echo))
    }

    /// Several puts in one command, which takes far less reading than one of each.
    fn into_puts(
        self,
        sent: &mut Sent<'_>,
        commands: &mut Vec<BatchCommand>,
        echoes: &mut Vec<Echo>,
    ) -> Result<(), Error> {
        let mut start = self.start;
        if self.ids.len() != self.ends.len() || self.ids.len() != self.change_vectors.len() {
            return Err(Error::invalid(
                "PUTS needs as many Ends and ChangeVectors as Ids",
            ));
        }
        let puts = self.ids.into_iter().zip(self.ends);
        for ((id, end), change_vector) in puts.zip(self.change_vectors) {
            let expected = ExpectedVersion::from_wire(change_vector.as_deref());
            let text = sent.documents.get(start..end);
            let put = sent.put(&id, expected, text);
            commands.push(BatchCommand::Put(numbered(echoes.len(), put)?));
            echoes.push(Echo {
                kind: "PUT".into(),
                id,
                name: String::new(),
            });
            start = end;
        }
        Ok(())
    }

    fn to_created(&self, limits: &Limits) -> Result<Option<DocumentText>, Error> {
        let document = self.create_if_missing.filter(|it| it.get() != "null");
        document
            .map(|it| parse_document(it.get(), limits))
            .transpose()
    }

    fn to_patch(&self, limits: &Limits) -> Result<PatchDocument, Error> {
        let script = self
            .patch
            .as_ref()
            .ok_or_else(|| Error::invalid("a PATCH needs a Patch with a Script"))?;
        let if_missing = self.patch_if_missing.as_ref().map(Script::parse);
        Ok(PatchDocument {
            expected: self.expected(),
            if_missing: if_missing.transpose()?,
            create_if_missing: self.to_created(limits)?,
            ..PatchDocument::new(self.document_id(limits)?, script.parse()?)
        })
    }

    fn to_json_patch(&self, limits: &Limits) -> Result<JsonPatchDocument, Error> {
        let operations = self.operations.map(RawValue::get);
        let operations =
            operations.ok_or_else(|| Error::invalid("a patch needs its Operations"))?;
        Ok(JsonPatchDocument {
            id: self.document_id(limits)?,
            expected: self.expected(),
            patch: match self.kind.as_str() {
                "FieldPATCH" => FieldPatch::parse(operations)?.into(),
                _ => JsonPatch::parse(operations)?,
            },
            create_if_missing: self.to_created(limits)?,
        })
    }

    fn to_verify(&self, limits: &Limits) -> Result<VerifyVersions, Error> {
        let expected = self.tracked_entities.iter().map(|(id, change_vector)| {
            let id = DocumentId::new(id.as_str(), limits.max_id_bytes)?;
            // Tracking without a version means that there was no document.
            let change_vector = change_vector.as_deref().unwrap_or_default();
            Ok((id, ExpectedVersion::from_wire(Some(change_vector))))
        });
        Ok(VerifyVersions {
            expected: expected.collect::<Result<_, Error>>()?,
        })
    }
}

impl Database {
    async fn run_batch(
        &self,
        batch: &str,
        documents: &[u8],
        durability: Option<&str>,
    ) -> Result<Vec<u8>, Error> {
        let limits = self.database.limits();
        let batch: Batch = serde_json::from_str(batch)
            .map_err(|reason| Error::invalid(format!("the batch is not valid: {reason}")))?;
        let contents = batch.contents.iter();
        let mut sent = Sent {
            limits,
            contents: contents
                .map(|number| self.uploads.get(*number))
                .collect::<Result<_, _>>()?,
            documents: std::str::from_utf8(documents)
                .map_err(|_| Error::invalid("the documents of the batch are not UTF-8"))?,
            parser: DocumentParser::new(limits),
        };
        let mut commands = Vec::with_capacity(batch.commands.len() + 1);
        let mut echoes = Vec::with_capacity(batch.commands.len());
        for command in batch.commands {
            if command.kind == "PUTS" {
                command.into_puts(&mut sent, &mut commands, &mut echoes)?;
                continue;
            }
            let (command, echo) = numbered(echoes.len(), command.into_core(&mut sent))?;
            commands.push(command);
            echoes.push(echo);
        }
        if let Some(request) = batch.request {
            // First: a request that was done already says so, and not what it would fail with now.
            commands.insert(
                0,
                BatchCommand::RememberRequest(RememberRequest {
                    caller: request.caller,
                    number: request.number,
                    answered_before: request.answered_before,
                }),
            );
        }
        let before = commands.len() - echoes.len();
        let durability = durability.map(parse_durability).transpose()?;
        let outcomes = self
            .database
            .write_batch_with_scripts_as(&self.scripts, commands, durability)
            .await?;
        Ok(to_json(&outcomes[before..], &echoes))
    }
}

#[wasm_bindgen(wasm_bindgen_futures = crate::promises)]
impl Database {
    /// Runs a batch of commands; answers with their results. All is JSON in the protocol's form,
    /// but for documents that lie in `documents`.
    pub async fn batch(
        &self,
        batch: String,
        documents: Vec<u8>,
        durability: Option<String>,
    ) -> JsResult<String> {
        let run = self.run_batch(&batch, &documents, durability.as_deref());
        let json = run.await;
        to_text(json.map_err(to_js)?)
    }
}
