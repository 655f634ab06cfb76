//! Documents of which several versions live.

use pinyon_core::Error;
use pinyon_core::attachments::ListedAttachment;
use pinyon_core::schema::conflicts::DocumentVersion;
use serde_json::{Value, json};
use wasm_bindgen::prelude::*;

use crate::database::Database;
use crate::error::{JsResult, to_js};

/// A version as documents are read: body, then its metadata, its attachments among it.
fn document_of(version: &DocumentVersion) -> Result<Value, Error> {
    let broken = |reason: serde_json::Error| {
        Error::corrupted("a version in conflict is no JSON").with_source(reason)
    };
    let mut document: Value = serde_json::from_str(&version.body).map_err(broken)?;
    let metadata = format!("{{{}}}", version.metadata);
    document["@metadata"] = serde_json::from_str(&metadata).map_err(broken)?;
    let attachments = ListedAttachment::parse_list(&version.attachments)?;
    if !attachments.is_empty() {
        document["@metadata"]["@attachments"] =
            serde_json::to_value(attachments).map_err(broken)?;
    }
    Ok(document)
}

impl Database {
    async fn conflict_json(&self, id: &str) -> Result<Option<Value>, Error> {
        let read = self.database.read().await?;
        let Some(conflict) = read.conflict(id).await? else {
            return Ok(None);
        };
        let base = read.conflict_base(id).await?;
        let mut versions = Vec::with_capacity(conflict.set.live.len());
        for live in &conflict.set.live {
            let version = &live.value;
            let document = match version.is_deletion {
                true => Value::Null,
                false => document_of(version)?,
            };
            versions.push(json!({
                "lastModified": version.last_modified.to_text(),
                "changeVector": read.version_name(live.dot)?,
                "document": document,
            }));
        }
        Ok(Some(json!({
            "id": conflict.id,
            "changeVector": conflict.change_vector,
            "versions": versions,
            "base": base.as_ref().map(document_of).transpose()?,
        })))
    }
}

#[wasm_bindgen(wasm_bindgen_futures = crate::promises)]
impl Database {
    /// The versions of a document in conflict: JSON; nothing for one that is in none.
    pub async fn conflict(&self, id: String) -> JsResult<Option<String>> {
        let found = self.conflict_json(&id).await.map_err(to_js)?;
        Ok(found.map(|it| it.to_string()))
    }

    /// Documents in conflict, in the order of their ids, after `start_after`: JSON.
    pub async fn conflicts(&self, start_after: String, limit: usize) -> JsResult<String> {
        let found = async {
            let read = self.database.read().await?;
            read.conflicts(&start_after, limit).await
        };
        let found = found.await.map_err(to_js)?.into_iter().map(|it| {
            json!({
                "id": it.id,
                "changeVector": it.change_vector,
                "versionCount": it.set.live.len(),
            })
        });
        Ok(Value::Array(found.collect()).to_string())
    }
}
