//! What the commands of a batch answer, in the protocol's JSON.

use std::borrow::Cow;

use pinyon_core::attachments::hash_text;
use pinyon_core::commands::{CommandOutcome, WrittenDocument};
use pinyon_core::document::PatchedDocument;
use pinyon_core::host::Timestamp;
use serde_json::{Map, Value, json};

/// What a result repeats of its command.
pub(crate) struct Echo {
    pub(crate) kind: Cow<'static, str>,
    pub(crate) id: String,
    pub(crate) name: String,
}

/// `{"Results":[…]}`, one for each command.
pub(crate) fn to_json(outcomes: &[CommandOutcome], echoes: &[Echo]) -> Vec<u8> {
    let mut json = b"{\"Results\":[".to_vec();
    for (at, (outcome, echo)) in outcomes.iter().zip(echoes).enumerate() {
        if at > 0 {
            json.push(b',');
        }
        push_result(outcome, echo, &mut json);
    }
    json.extend_from_slice(b"]}");
    json
}

fn push_result(outcome: &CommandOutcome, echo: &Echo, json: &mut Vec<u8>) {
    // Most are puts; and none of these texts but the id and the collection has to be escaped.
    if let CommandOutcome::Written(written) = outcome {
        json.extend_from_slice(b"{\"Type\":\"PUT\",\"@id\":");
        push_text(&written.id, json);
        json.extend_from_slice(b",\"@collection\":");
        push_text(&written.collection, json);
        json.extend_from_slice(b",\"@change-vector\":\"");
        json.extend_from_slice(written.change_vector.as_bytes());
        json.extend_from_slice(b"\",\"@last-modified\":\"");
        json.extend_from_slice(&written.last_modified.to_ascii());
        json.push(b'"');
        if !written.flags.is_empty() {
            json.extend_from_slice(b",\"@flags\":");
            push_text(&written.flags.to_text(), json);
        }
        json.push(b'}');
        return;
    }
    let mut result = fields(outcome, echo);
    result.insert("Type".to_owned(), (*echo.kind).into());
    serde_json::to_writer(json, &result).expect("a Vec takes any text");
}

fn push_text(text: &str, json: &mut Vec<u8>) {
    serde_json::to_writer(json, text).expect("a Vec takes any text");
}

fn fields(outcome: &CommandOutcome, echo: &Echo) -> Map<String, Value> {
    let value = match outcome {
        CommandOutcome::Deleted(deleted) => json!({
            "Id": deleted.id,
            "Deleted": deleted.deleted,
            "ChangeVector": deleted.change_vector,
        }),
        CommandOutcome::DeletedByPrefix(deleted) => json!({
            "Id": deleted.prefix,
            "Deleted": deleted.count > 0,
        }),
        CommandOutcome::ForcedRevision(forced) => {
            let mut value = match &forced.document {
                Some(document) => written_fields(document),
                None => json!({ "@id": echo.id }),
            };
            value["RevisionCreated"] = forced.is_new.into();
            value
        }
        CommandOutcome::WrittenAttachment(written) => json!({
            "Id": written.id,
            "Name": written.name,
            "ContentType": written.content_type,
            "Hash": hash_text(&written.hash),
            "Size": written.size,
            "ChangeVector": written.change_vector,
            "DocumentChangeVector": written.document_change_vector,
        }),
        CommandOutcome::DeletedAttachment(change_vector) => json!({
            "@id": echo.id,
            "Name": echo.name,
            "DocumentChangeVector": change_vector,
        }),
        CommandOutcome::Patched(patched) => patched_fields(patched),
        // Checks answer nothing, and what else there is no command above asks for.
        _ => json!({}),
    };
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn patched_fields(patched: &PatchedDocument) -> Value {
    let document: Option<Value> = patched
        .document
        .as_deref()
        .and_then(|text| serde_json::from_str(text).ok());
    json!({
        "Id": patched.id,
        "Status": patched.status.as_str(),
        "DocumentChangeVector": patched.change_vector,
        "@last-modified": patched.last_modified.map(Timestamp::to_text),
        "ModifiedDocument": document,
        "Output": patched.output,
    })
}

fn written_fields(written: &WrittenDocument) -> Value {
    let mut value = json!({
        "@id": written.id,
        "@collection": written.collection,
        "@change-vector": written.change_vector,
        "@last-modified": written.last_modified.to_text(),
    });
    if !written.flags.is_empty() {
        value["@flags"] = written.flags.to_text().into();
    }
    value
}
