//! Indexes: put, looked at, switched off and on, begun anew, deleted.

use std::sync::Arc;

use futures_util::future::{Either, select};
use pinyon_core::indexes::{
    Index, IndexDefinition, IndexSource, IndexState, LockMode, Priority, REPLACEMENT_PREFIX,
};
use pinyon_core::{Error, ErrorKind};
use pinyon_storage_browser::BrowserStore;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use wasm_bindgen::prelude::*;

use crate::database::Database;
use crate::error::{JsResult, to_js};

type BrowserIndex = Arc<Index<BrowserStore>>;

fn index_type(index: &Index<BrowserStore>) -> &'static str {
    let is_reduce = index.is_map_reduce();
    match &index.record().source {
        IndexSource::Auto(_) if is_reduce => "AutoMapReduce",
        IndexSource::Auto(_) => "AutoMap",
        IndexSource::Static(definition) => {
            let is_script = |text: &String| text.trim_start().starts_with("map");
            match (definition.maps.iter().any(is_script), is_reduce) {
                (true, true) => "JavaScriptMapReduce",
                (true, false) => "JavaScriptMap",
                (false, true) => "MapReduce",
                (false, false) => "Map",
            }
        }
    }
}

/// A definition as it was put; of an automatic index what there is to tell.
fn definition(index: &Index<BrowserStore>) -> Value {
    let record = index.record();
    let mut shown = match &record.source {
        IndexSource::Static(definition) => json!(**definition),
        IndexSource::Auto(definition) => {
            let collection = definition.collection.as_deref().unwrap_or("@all_docs");
            let fields = definition.fields.iter().map(|it| {
                let indexing = json!({ "Indexing": format!("{:?}", it.kind) });
                (it.name.clone(), indexing)
            });
            json!({
                "Maps": [format!("from {collection}")],
                "Fields": fields.collect::<Map<String, Value>>(),
            })
        }
    };
    shown["Name"] = record.name.as_str().into();
    shown["Type"] = index_type(index).into();
    shown["LockMode"] = json!(record.lock_mode);
    shown["Priority"] = json!(record.priority);
    shown["State"] = json!(match record.is_disabled {
        true => IndexState::Disabled,
        false => IndexState::Normal,
    });
    shown
}

fn parse<T: DeserializeOwned>(what: &str, value: Value) -> Result<T, Error> {
    serde_json::from_value(value)
        .map_err(|reason| Error::invalid(format!("the {what} does not fit: {reason}")))
}

impl Database {
    async fn chosen(&self, names: &[String]) -> Result<Vec<BrowserIndex>, Error> {
        let indexes = self.indexes.get().await?;
        match names {
            [] => Ok(indexes.list()),
            names => names.iter().map(|it| indexes.get(it)).collect(),
        }
    }

    async fn statistics_of(&self, index: &BrowserIndex) -> Result<Value, Error> {
        let view = index.view().await?;
        let read = self.database.read().await?;
        let record = index.record();
        let progress = &view.progress;
        let mut collections = Map::new();
        for one in index.progress_by_collection(&view, &read).await? {
            collections.insert(one.collection.clone(), json!(one));
        }
        let at = pinyon_core::host::Timestamp::from_ticks(progress.last_indexed_at_ticks);
        Ok(json!({
            "Name": record.name,
            "Type": index_type(index),
            "State": index.state().await?,
            "Status": index.status(),
            "Priority": record.priority,
            "LockMode": record.lock_mode,
            "IsStale": index.is_stale(&view, &read, None).await?,
            "StalenessReasons": index.staleness_reasons(&view, &read).await?,
            "EntriesCount": progress.entry_count,
            "ErrorsCount": index.errors().await?.len(),
            "MapAttempts": progress.map_attempts,
            "MapErrors": progress.map_errors,
            "ReduceAttempts": progress.reduce_attempts,
            "ReduceErrors": progress.reduce_errors,
            "Collections": collections,
            "CreatedTimestamp": record.created_at().to_text(),
            "LastIndexingTime": (progress.batches > 0).then(|| at.to_text()),
            "LastQueryingTime": index.last_query_at().map(|it| it.to_text()),
        }))
    }

    async fn about_indexes(&self, what: &str, names: &[String]) -> Result<Value, Error> {
        let mut told = Vec::new();
        for index in self.chosen(names).await? {
            told.push(match what {
                "names" => index.name().into(),
                "definitions" => definition(&index),
                "statistics" => self.statistics_of(&index).await?,
                "errors" => json!({ "Name": index.name(), "Errors": index.errors().await? }),
                other => {
                    return Err(Error::invalid(format!(
                        "nothing tells '{other}' of indexes"
                    )));
                }
            });
        }
        Ok(Value::Array(told))
    }

    async fn change_index(&self, name: &str, what: &str, to: Value) -> Result<bool, Error> {
        let indexes = self.indexes.get().await?;
        match what {
            "delete" => return indexes.delete(name).await,
            "reset" => indexes.reset(name).await?,
            "swap" => indexes.swap_now(name).await?,
            "disabled" => indexes.set_disabled(name, parse(what, to)?).await?,
            "paused" => indexes.get(name)?.set_paused(parse(what, to)?),
            "priority" => {
                indexes
                    .set_priority(name, parse::<Priority>(what, to)?)
                    .await?
            }
            "lockMode" => {
                indexes
                    .set_lock_mode(name, parse::<LockMode>(what, to)?)
                    .await?
            }
            "clearErrors" => indexes.get(name)?.clear_errors().await?,
            other => return Err(Error::invalid(format!("an index has no '{other}'"))),
        }
        Ok(true)
    }

    /// Waits until the indexes have what is stored now, those that follow documents at all.
    async fn catch_up(&self, names: &[String]) -> Result<(), Error> {
        let up_to = self
            .database
            .read()
            .await?
            .state()
            .await?
            .last_etag
            .number();
        loop {
            let indexes = self.indexes.get().await?;
            let changed = indexes.listen();
            let mut behind = None;
            for index in self.chosen(names).await? {
                let progress = select(index.listen(), index.listen_for_changes());
                let stands_still = index.record().is_disabled || index.is_paused();
                // What replaces it has to catch up too: it is what was put last.
                let replacement = format!("{REPLACEMENT_PREFIX}{}", index.name());
                let replacement = indexes.find(&replacement).is_some();
                let read = self.database.read().await?;
                let view = index.view().await?;
                index.check_answers(&view.progress)?;
                let is_stale = index.is_stale(&view, &read, Some(up_to)).await?;
                if replacement || (is_stale && !stands_still) {
                    behind = Some(progress);
                    break;
                }
            }
            let Some(progress) = behind else {
                return Ok(());
            };
            let lost = Box::pin(self.environment.lost());
            if let Either::Right((reason, _)) = select(select(progress, changed), lost).await {
                let closed = || Error::new(ErrorKind::Closed, "the database is closed");
                return Err(reason.unwrap_or_else(closed));
            }
        }
    }
}

#[wasm_bindgen(wasm_bindgen_futures = crate::promises)]
impl Database {
    /// Defines an index, given as JSON in the protocol's form.
    #[wasm_bindgen(js_name = putIndex)]
    pub async fn put_index(&self, definition: String) -> JsResult<()> {
        let put = async {
            let definition = IndexDefinition::parse(&definition)?;
            self.indexes.get().await?.put(definition).await
        };
        put.await.map_err(to_js)
    }

    /// The `names`, `definitions`, `statistics` or `errors` of some indexes, or of all: JSON.
    #[wasm_bindgen(js_name = aboutIndexes)]
    pub async fn tell_about_indexes(&self, what: String, names: Vec<String>) -> JsResult<String> {
        let told = self.about_indexes(&what, &names).await.map_err(to_js)?;
        Ok(told.to_string())
    }

    /// Changes an index, as `what` says, to a value given as JSON; whether there was one.
    #[wasm_bindgen(js_name = changeIndex)]
    pub async fn alter_index(&self, name: String, what: String, to: String) -> JsResult<bool> {
        let changed = async {
            let to = serde_json::from_str(&to)
                .map_err(|reason| Error::invalid(format!("the value is no JSON: {reason}")))?;
            self.change_index(&name, &what, to).await
        };
        changed.await.map_err(to_js)
    }

    /// The terms of a field, in order, after one of them.
    #[wasm_bindgen(js_name = indexTerms)]
    pub async fn index_terms(
        &self,
        name: String,
        field: String,
        after: Option<String>,
        limit: usize,
    ) -> JsResult<Vec<String>> {
        let found = async {
            let index = self.indexes.get().await?.get(&name)?;
            index.terms(&field, after.as_deref(), limit).await
        };
        found.await.map_err(to_js)
    }

    /// Waits until some indexes, or all, have what is stored now.
    #[wasm_bindgen(js_name = waitForIndexes)]
    pub async fn wait_for_indexes(&self, names: Vec<String>) -> JsResult<()> {
        self.catch_up(&names).await.map_err(to_js)
    }
}
