//! `PATCH docs` and `PATCH json-patch`, and the form of patches in batches.

use hyper::StatusCode;
use pinyon_core::commands::{
    BatchCommand, CommandOutcome, ExpectedVersion, JsonPatchDocument, PatchDocument,
};
use pinyon_core::document::{
    DocumentId, JsonPatch, PatchScript, PatchStatus, PatchedDocument, parse_document,
};
use pinyon_core::{Error, ErrorKind, Limits, Result};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::databases::OpenDatabase;
use crate::http::{Call, JsonObject, Reply, as_text, json_bytes};

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
    patch.expected = ExpectedVersion::from_wire(call.if_match()?);
    patch.skip_if_unexpected = call.query.flag("skipPatchIfChangeVectorMismatch");
    let (is_test, is_debug) = (call.query.flag("test"), call.query.flag("debug"));
    let patched = if is_test {
        let tested = database.documents.test_patch(&*database.scripts, patch);
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
        expected: ExpectedVersion::from_wire(call.if_match()?),
        patch: operations.parse()?,
        create_if_missing: None,
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
