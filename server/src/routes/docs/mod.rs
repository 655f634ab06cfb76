//! `/databases/{db}/docs`: one or several documents.

pub mod cursor;
pub mod load;
pub mod page;
pub mod read;
mod revision_includes;
pub mod write;

use pinyon_core::document::StoredDocument;

pub use revision_includes::{IncludedRevision, RevisionIncludes, push_included_revisions};

/// Appends documents as a JSON array's inside.
pub fn push_documents<'a>(
    documents: impl IntoIterator<Item = Option<&'a StoredDocument>>,
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

/// About how many bytes documents take as JSON.
pub fn json_bytes<'a>(documents: impl IntoIterator<Item = Option<&'a StoredDocument>>) -> usize {
    const METADATA: usize = 160;
    documents
        .into_iter()
        .map(|it| it.map_or(5, |document| document.byte_count() + METADATA))
        .sum()
}
