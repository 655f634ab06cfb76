//! `/databases/{db}/docs`: one or several documents.

pub mod cursor;
pub mod load;
pub mod page;
pub mod read;
mod revision_includes;
pub mod write;

use pinyon_core::document::ServedDocument;

use crate::http::JsonPieces;

pub use revision_includes::{IncludedRevision, RevisionIncludes, push_included_revisions};

/// Appends documents as a JSON array's inside.
pub fn push_documents<'a>(
    documents: impl IntoIterator<Item = Option<&'a ServedDocument>>,
    metadata_only: bool,
    json: &mut Vec<u8>,
) {
    for (index, document) in documents.into_iter().enumerate() {
        if index > 0 {
            json.push(b',');
        }
        match document {
            None => json.extend_from_slice(b"null"),
            Some(document) if metadata_only => document.write_metadata_json(json),
            Some(document) => document.write_json(json),
        }
    }
}

/// As [`push_documents`], without copying the bodies of large ones.
pub fn share_documents<'a>(
    documents: impl IntoIterator<Item = Option<&'a ServedDocument>>,
    metadata_only: bool,
    json: &mut JsonPieces,
) {
    for (index, document) in documents.into_iter().enumerate() {
        if index > 0 {
            json.text().push(b',');
        }
        match document {
            Some(document) if !metadata_only && is_shared(document) => {
                json.share(document.json_start());
                document.write_json_end(json.text());
            }
            other => push_documents([other], metadata_only, json.text()),
        }
    }
}

fn is_shared(document: &ServedDocument) -> bool {
    document.byte_count() >= JsonPieces::SHARED_BYTES
}

/// About how many bytes of text [`share_documents`] writes.
pub fn text_bytes<'a>(documents: impl IntoIterator<Item = Option<&'a ServedDocument>>) -> usize {
    let copied = documents.into_iter().map(|it| match it {
        Some(document) if is_shared(document) => METADATA + document.stored_metadata().len(),
        other => json_bytes([other]),
    });
    copied.sum()
}

/// The computed part of `@metadata`, about.
const METADATA: usize = 160;

/// About how many bytes documents take as JSON.
pub fn json_bytes<'a>(documents: impl IntoIterator<Item = Option<&'a ServedDocument>>) -> usize {
    documents
        .into_iter()
        .map(|it| it.map_or(5, |document| document.byte_count() + METADATA))
        .sum()
}
