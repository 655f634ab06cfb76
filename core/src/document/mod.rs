//! Documents: their ids, collections, metadata, text and references.

mod collection;
mod decimal;
mod id;
mod include;
mod json;
mod metadata;
mod patch;
mod pattern;
mod schedule;
mod stored;

pub use collection::{ALL_DOCUMENTS, CollectionName, EMPTY_COLLECTION, HILO_COLLECTION};
pub(crate) use decimal::nearest_double;
pub use id::{DocumentId, IdRequest, to_id_key};
pub use include::IncludePath;
pub use json::{check_json, find_property};
pub(crate) use json::{parse_object, top_properties};
pub use metadata::{DocumentParser, DocumentText, parse_document, parse_document_with_id};
pub use patch::{
    FieldPatch, JsonPatch, PatchAction, PatchEffect, PatchScript, PatchStatus, PatchedDocument,
};
pub(crate) use patch::{Run, Seen, keep_number_texts, run_script};
pub use pattern::IdPattern;
pub(crate) use schedule::without_property;
pub use schedule::{EXPIRES, REFRESH, Schedule};
pub use stored::{ServedDocument, StoredDocument};
