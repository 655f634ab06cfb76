//! Requests as the server reads them.

use pinyon_core::Limits;
use pinyon_core::commands::BatchCommand;
use pinyon_server::request_text::{parse_bulk_docs, parse_load_query};
use serde_json::Value;

/// Bodies of `POST bulk_docs`: what is accepted is as many commands as serde_json finds, of the
/// same kinds, and its documents say the same.
pub fn bulk_docs(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let Ok(commands) = parse_bulk_docs(text, &Limits::default()) else {
        return;
    };
    let body: Value = match serde_json::from_str(text) {
        // Documents keep the texts of numbers that a Value has no room for.
        Err(reason) if reason.to_string().starts_with("number out of range") => return,
        body => body.expect("a batch is JSON"),
    };
    let given = body["Commands"].as_array().expect("a batch has commands");
    assert_eq!(commands.len(), given.len(), "'{text}'");
    for (command, given) in commands.iter().zip(given) {
        let kind = given["Type"].as_str().expect("a command has a type");
        // The same patch of several documents is shown as its last.
        let kind = if kind == "BatchPATCH" { "PATCH" } else { kind };
        assert_eq!(kind, kind_of(command), "'{text}'");
        if let BatchCommand::Put(put) = command {
            let mut expected = given["Document"].clone();
            expected
                .as_object_mut()
                .expect("a document is an object")
                .shift_remove("@metadata");
            let stored: Value = serde_json::from_str(&put.document.body).expect("a body is JSON");
            assert_eq!(stored, expected);
        }
    }
}

/// The type of the command that asks for this one.
fn kind_of(command: &BatchCommand) -> &'static str {
    match command {
        BatchCommand::Put(_) => "PUT",
        BatchCommand::Delete(_) | BatchCommand::DeleteByPrefix(_) => "DELETE",
        BatchCommand::VerifyVersions(_) => "BatchTrackChanges",
        BatchCommand::ForceRevision(_) => "ForceRevisionCreation",
        BatchCommand::Patch(_) => "PATCH",
        BatchCommand::JsonPatch(_) => "JsonPatch",
        BatchCommand::PutAttachment(_) => "AttachmentPUT",
        BatchCommand::DeleteAttachment(_) => "AttachmentDELETE",
        BatchCommand::CopyAttachment(copy) if copy.is_move => "AttachmentMOVE",
        BatchCommand::CopyAttachment(_) => "AttachmentCOPY",
        other => panic!("no request asks for {other:?}"),
    }
}

/// Query strings: ids come out as they were escaped.
pub fn load_query(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let read = parse_load_query(text);
    // Any text can be sent as an id when it is escaped.
    let escaped: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let ids = parse_load_query(&format!("?id={escaped}&id=x")).expect("escapes of UTF-8");
    assert_eq!(ids, [text, "x"]);
    if let Ok(ids) = read {
        assert!(ids.len() <= text.split('&').count());
    }
}
