//! Revisions: what documents were.

use pinyon_core::Error;
use pinyon_core::host::Timestamp;
use wasm_bindgen::prelude::*;

use crate::database::Database;
use crate::documents::push_documents;
use crate::error::{JsResult, to_js, to_text};

impl Database {
    async fn revisions_json(&self, id: &str, start: u32, size: u32) -> Result<Vec<u8>, Error> {
        let read = self.database.read().await?;
        let found = read.revisions(id, start as usize, size as usize).await?;
        let mut json = b"{\"Results\":".to_vec();
        push_documents(found.iter().map(Some), &mut json);
        let total = read.revision_count(id).await?;
        json.extend_from_slice(format!(",\"TotalResults\":{total}}}").as_bytes());
        Ok(json)
    }
}

#[wasm_bindgen(wasm_bindgen_futures = crate::promises)]
impl Database {
    /// The revisions of a document, newest first.
    pub async fn revisions(&self, id: String, start: u32, size: u32) -> JsResult<String> {
        let json = self.revisions_json(&id, start, size).await.map_err(to_js)?;
        to_text(json)
    }

    /// Revisions by change vector, `null` where there is none.
    #[wasm_bindgen(js_name = revisionsByVector)]
    pub async fn revisions_by_vector(&self, change_vectors: Vec<String>) -> JsResult<String> {
        let found = async {
            let read = self.database.read().await?;
            read.revisions_by_vector(&change_vectors).await
        };
        let found = found.await.map_err(to_js)?;
        let mut json = b"{\"Results\":".to_vec();
        push_documents(found.iter().map(Option::as_ref), &mut json);
        json.push(b'}');
        to_text(json)
    }

    /// What a document was at a moment (an ISO date).
    #[wasm_bindgen(js_name = revisionBefore)]
    pub async fn revision_before(&self, id: String, moment: String) -> JsResult<String> {
        let found = async {
            let moment = Timestamp::parse(&moment)?;
            self.database
                .read()
                .await?
                .revision_before(&id, moment)
                .await
        };
        let found = found.await.map_err(to_js)?;
        let mut json = b"{\"Results\":".to_vec();
        push_documents([found.as_ref()], &mut json);
        json.push(b'}');
        to_text(json)
    }
}
