//! Changing or deleting what a query finds, in many transactions.
//!
//! What is found is found in one state; a document that was deleted meanwhile is passed over.

use pinyon_core::Error;
use pinyon_core::commands::CommandOutcome;
use pinyon_core::document::PatchStatus;
use pinyon_core::query::{CHANGES_PER_TRANSACTION, FoundChange, PreparedQuery};
use serde_json::{Value, json};
use wasm_bindgen::prelude::*;

use crate::database::Database;
use crate::error::{JsResult, to_js};
use crate::queries::parse_query;

fn is_done(outcome: &CommandOutcome) -> bool {
    match outcome {
        CommandOutcome::Patched(patched) => {
            matches!(patched.status, PatchStatus::Patched | PatchStatus::Created)
        }
        CommandOutcome::Deleted(deleted) => deleted.deleted,
        _ => false,
    }
}

impl Database {
    /// The ids of what a query finds, all from one state.
    async fn found_ids(&self, query: &PreparedQuery, waits: bool) -> Result<Vec<String>, Error> {
        let ready = self.asking().ready(query, waits).await?;
        if ready.has_groups() {
            return Err(Error::invalid(
                "the query finds groups, not documents, so there is nothing to change",
            ));
        }
        let answer = ready.answer(query, usize::MAX).await?;
        let found = answer.results.iter().filter_map(|it| it.document());
        Ok(found.map(|it| it.id().to_owned()).collect())
    }

    async fn change_found(&self, sent: &str, allows_stale: bool) -> Result<Value, Error> {
        let mut query = parse_query(sent)?.query;
        let change = match query.query.update {
            Some(_) => FoundChange::take_patch(&mut query)?,
            None => FoundChange::delete(&query)?,
        };
        let ids = self.found_ids(&query, !allows_stale).await?;
        let max_id_bytes = self.database.limits().max_id_bytes;
        let mut done = 0;
        for chunk in ids.chunks(CHANGES_PER_TRANSACTION) {
            let commands = change.commands(chunk, max_id_bytes)?;
            let outcomes = self
                .database
                .write_batch_with_scripts(&self.scripts, commands)
                .await?;
            done += outcomes.iter().filter(|it| is_done(it)).count();
        }
        Ok(json!({ "total": ids.len(), "changed": done }))
    }
}

/// Whether a query that was sent changes what it finds.
fn has_update(sent: &str) -> JsResult<bool> {
    let question = parse_query(sent).map_err(to_js)?;
    Ok(question.query.query.update.is_some())
}

#[wasm_bindgen(wasm_bindgen_futures = crate::promises)]
impl Database {
    /// Runs the `update` of a query on each document that it finds: JSON.
    #[wasm_bindgen(js_name = patchByQuery)]
    pub async fn patch_by_query(&self, query: String, allows_stale: bool) -> JsResult<String> {
        if !has_update(&query)? {
            let message = "a query that patches ends in update { … }";
            return Err(to_js(Error::invalid(message)));
        }
        let changed = self.change_found(&query, allows_stale).await;
        Ok(changed.map_err(to_js)?.to_string())
    }

    /// Deletes each document that a query finds: JSON.
    #[wasm_bindgen(js_name = deleteByQuery)]
    pub async fn delete_by_query(&self, query: String, allows_stale: bool) -> JsResult<String> {
        if has_update(&query)? {
            let message = "a query that deletes has no 'update'";
            return Err(to_js(Error::invalid(message)));
        }
        let changed = self.change_found(&query, allows_stale).await;
        Ok(changed.map_err(to_js)?.to_string())
    }
}
