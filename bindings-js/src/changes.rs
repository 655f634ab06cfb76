//! What changed since an etag: nothing is missed, however late one asks.

use pinyon_core::version::Etag;
use pinyon_core::{Error, Item};
use serde_json::{Value, json};
use wasm_bindgen::prelude::*;

use crate::database::Database;
use crate::error::{JsResult, to_js};

impl Database {
    async fn changes_json(&self, after: u64, limit: usize) -> Result<String, Error> {
        let read = self.database.read().await?;
        let items = read.items_after(Etag::new(after), limit).await?;
        let mut last = after;
        let mut changes: Vec<Value> = Vec::with_capacity(items.len());
        for item in &items {
            match item {
                Item::Document(document) => {
                    last = document.etag().number();
                    changes.push(json!({
                        "type": "Put",
                        "id": document.id(),
                        "collectionName": document.collection(),
                        "changeVector": document.change_vector(),
                    }));
                }
                Item::Tombstone(tombstone) => {
                    last = tombstone.etag.number();
                    changes.push(json!({
                        "type": if tombstone.is_conflict() { "Conflict" } else { "Delete" },
                        "id": tombstone.id,
                        "collectionName": tombstone.collection,
                        "changeVector": tombstone.context.to_text(read.incarnations())?,
                    }));
                }
                Item::Revision(revision) => last = revision.etag().number(),
            }
        }
        Ok(json!({
            "Changes": changes,
            "LastEtag": last,
            "IsComplete": items.len() < limit,
        })
        .to_string())
    }
}

#[wasm_bindgen]
impl Database {
    /// Documents put and deleted after an etag, in order, at most `limit`: JSON.
    #[wasm_bindgen(js_name = changesAfter)]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "etags of a browser's database fit 53 bits"
    )]
    pub async fn changes_after(&self, etag: f64, limit: usize) -> JsResult<String> {
        self.changes_json(etag as u64, limit).await.map_err(to_js)
    }
}
