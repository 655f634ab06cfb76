//! Queries that are asked again and again: whoever owns one compares etags before it asks.

use pinyon_core::Error;
use pinyon_core::query::PreparedQuery;
use wasm_bindgen::prelude::*;

use crate::database::Database;
use crate::error::{JsResult, to_js, to_text};
use crate::queries::{Asking, parse_question};

/// A query that was read once. Its methods do not keep the database borrowed while they wait.
#[wasm_bindgen]
pub struct LiveQuery {
    asking: Asking,
    query: PreparedQuery,
}

impl LiveQuery {
    async fn answer_json(&self, waits: bool) -> Result<Vec<u8>, Error> {
        let waits = waits && self.asking.is_moving(&self.query).await?;
        self.asking.answer_json(&self.query, waits).await
    }
}

#[wasm_bindgen(wasm_bindgen_futures = crate::promises)]
impl LiveQuery {
    /// Differs whenever the answer may; far cheaper than the answer.
    #[wasm_bindgen(js_name = resultEtag)]
    pub async fn result_etag(&self) -> JsResult<String> {
        let etag = self.asking.result_etag(&self.query).await.map_err(to_js)?;
        Ok(etag.to_string())
    }

    /// The answer as JSON; with `waits`, once the index has what is stored by now, if it follows
    /// documents at all.
    pub async fn answer(&self, waits: bool) -> JsResult<String> {
        to_text(self.answer_json(waits).await.map_err(to_js)?)
    }
}

#[wasm_bindgen(wasm_bindgen_futures = crate::promises)]
impl Database {
    /// Reads a query, given with its parameters as JSON, to be asked many times.
    #[wasm_bindgen(js_name = prepareLive)]
    pub fn prepare_live(&self, query: String) -> JsResult<LiveQuery> {
        let query = parse_question(&query).map_err(to_js)?.query;
        Ok(LiveQuery {
            asking: self.asking(),
            query,
        })
    }

    /// Opens the indexes, which follow documents from then on, and calls `callback` whenever one
    /// came, went or was replaced.
    #[wasm_bindgen(js_name = onIndexesChanged)]
    pub fn on_indexes_changed(&self, callback: js_sys::Function) {
        let indexes = self.indexes.clone();
        self.call_with_each(callback, move || indexes.listen());
    }
}
