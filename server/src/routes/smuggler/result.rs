//! What came of an export or import, in the protocol's form.

use pinyon_core::smuggler::{ExportCounts, ImportReport};
use serde_json::{Map, Value, json};

fn counts(read: u64, skipped: u64, errors: u64) -> Map<String, Value> {
    let counts = json!({
        "Processed": true,
        "ReadCount": read,
        "SkippedCount": skipped,
        "ErroredCount": errors,
        "LastEtag": 0,
    });
    match counts {
        Value::Object(counts) => counts,
        _ => Map::new(),
    }
}

fn with_attachments(mut counts: Map<String, Value>, attachments: u64, bytes: u64) -> Value {
    let attachments = json!({
        "Processed": true,
        "ReadCount": attachments,
        "ErroredCount": 0,
        "SizeInBytes": bytes,
    });
    counts.insert("Attachments".to_owned(), attachments);
    counts.into()
}

/// What an export has written so far.
pub fn exported(done: ExportCounts) -> Value {
    let (documents, revisions) = (done.documents, done.revisions);
    let attachments = done.attachments;
    json!({
        "Documents": with_attachments(counts(documents, 0, 0), attachments, done.content_bytes),
        "RevisionDocuments": with_attachments(counts(revisions, 0, 0), 0, 0),
        "Tombstones": counts(done.tombstones, 0, 0),
        "Identities": counts(done.identities, 0, 0),
        "Indexes": counts(done.indexes, 0, 0),
        "Messages": [],
        "Message": format!(
            "Exported {documents} documents, {revisions} revisions, {attachments} attachments."
        ),
    })
}

/// What an import has done so far.
pub fn imported(done: &ImportReport) -> Value {
    let (documents, revisions) = (done.documents, done.revisions);
    let attachments = done.attachments;
    let bad = done.bad_items.iter();
    let mut messages: Vec<String> = bad
        .map(|it| format!("left out: {}: {}", it.place, it.message))
        .collect();
    let untold = done.bad_item_count - done.bad_items.len() as u64;
    if untold > 0 {
        messages.push(format!("left out: {untold} more items with errors"));
    }
    let left_out = done.left_out().into_iter();
    messages.extend(left_out.map(|line| format!("not imported: {line}")));
    let of_documents = counts(documents, done.kept_hilo, done.bad_item_count);
    json!({
        "Documents": with_attachments(of_documents, attachments, 0),
        "RevisionDocuments": with_attachments(counts(revisions, 0, 0), 0, 0),
        "Tombstones": counts(done.deleted, done.needless_tombstones, 0),
        "Identities": counts(done.identities, 0, 0),
        "Indexes": counts(done.indexes, 0, done.refused_indexes.0),
        "DatabaseRecord": counts(done.configurations, 0, 0),
        "Messages": messages,
        "Message": format!(
            "Imported {documents} documents, {revisions} revisions, {attachments} attachments."
        ),
    })
}
