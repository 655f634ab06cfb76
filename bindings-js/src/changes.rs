//! What changed since an etag: nothing is missed, however late one asks.

use futures_util::future::abortable;
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
        let told = Etag::new(after);
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
                        "isKnown": self.database.is_acknowledged(
                            document.id(),
                            document.record().dot,
                            told,
                        ),
                    }));
                }
                Item::Tombstone(tombstone) => {
                    last = tombstone.etag.number();
                    changes.push(json!({
                        "type": if tombstone.is_conflict() { "Conflict" } else { "Delete" },
                        "id": tombstone.id,
                        "collectionName": tombstone.collection,
                        "changeVector": tombstone.context.to_text(read.incarnations())?,
                        // A conflict goes by the name of one of its versions, which may be known.
                        "isKnown": !tombstone.is_conflict()
                            && self.database.is_acknowledged(
                                &tombstone.id,
                                tombstone.dot,
                                told,
                            ),
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

impl Database {
    /// Calls `callback` with each event, until there is nothing to listen to or the database is
    /// closed.
    pub(crate) fn call_with_each<E: Future<Output = ()> + 'static>(
        &self,
        callback: js_sys::Function,
        listen: impl Fn() -> Option<E> + 'static,
    ) {
        // At once: what happens after this call is told.
        let mut next = listen();
        let (calling, handle) = abortable(async move {
            while let Some(event) = next {
                event.await;
                next = listen();
                // What it throws is its own defect, and shows in the console.
                if let Err(thrown) = callback.call0(&JsValue::NULL) {
                    wasm_bindgen::throw_val(thrown);
                }
            }
        });
        self.callbacks.borrow_mut().push(handle);
        wasm_bindgen_futures::spawn_local(async move {
            // An error says that the database was closed.
            let _ = calling.await;
        });
    }
}

#[wasm_bindgen(wasm_bindgen_futures = crate::promises)]
impl Database {
    /// Calls `callback` whenever something was committed, by whomever.
    #[wasm_bindgen(js_name = onCommitted)]
    pub fn on_committed(&self, callback: js_sys::Function) {
        let database = self.database.clone();
        self.call_with_each(callback, move || Some(database.listen()));
    }

    /// Documents put and deleted after an etag, in order, at most `limit`: JSON. What a server took
    /// of what was written up to that etag is marked `isKnown`.
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
