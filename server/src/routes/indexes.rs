//! `/databases/{db}/indexes`: definitions, what they are doing, and what went wrong.

use std::sync::Arc;

use hyper::StatusCode;
use pinyon_core::host::Timestamp;
use pinyon_core::indexes::{
    BatchRecord, FieldOptions, Index, IndexDefinition, IndexRefusal, IndexSource, IndexState,
    LockMode, Priority, to_name_key,
};
use pinyon_core::{Error, ErrorKind, Result};
use pinyon_storage_native::NativeStore;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::databases::OpenDatabase;
use crate::http::{self, Call, Reply, as_text, empty};
use crate::http_error;

type NativeIndex = Arc<Index<NativeStore>>;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SentDefinitions<'a> {
    #[serde(borrow)]
    indexes: Vec<&'a RawValue>,
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T> {
    serde_json::from_str(as_text(body)?)
        .map_err(|reason| Error::invalid(format!("the body's JSON is not valid: {reason}")))
}

/// `PUT indexes` and `PUT admin/indexes`.
pub async fn put(call: &mut Call<'_>) -> Reply {
    let body = call.read_body().await?;
    let sent: SentDefinitions<'_> = read(&body)?;
    let definitions: Vec<IndexDefinition> = sent
        .indexes
        .iter()
        .map(|it| IndexDefinition::parse(it.get()))
        .collect::<Result<_>>()?;
    let database = call.open_database().await?;
    let mut results = Vec::with_capacity(definitions.len());
    for definition in definitions {
        let name = definition.name.clone();
        let put = database.indexes.put(definition).await;
        database.use_store(put).map_err(compilation)?;
        results.push(json!({ "Index": name, "RaftCommandIndex": database.record.index }));
    }
    Ok(http::json(
        StatusCode::CREATED,
        &json!({ "Results": results }),
    ))
}

/// Definitions are refused as what clients know for that.
fn compilation(error: Error) -> Error {
    match error.kind() {
        _ if error.details::<IndexRefusal>().is_some() => error,
        ErrorKind::InvalidRequest | ErrorKind::Unsupported => http_error::index_compilation(&error),
        _ => error,
    }
}

/// `GET indexes`.
pub async fn get(call: &mut Call<'_>) -> Reply {
    let database = call.open_database().await?;
    let chosen = match chosen(call, &database)? {
        Some(chosen) => chosen,
        None => return Ok(empty(StatusCode::NOT_FOUND)),
    };
    let start = call.query.number("start", 0_usize)?;
    let size = call.query.number("pageSize", usize::MAX)?;
    let page = chosen.iter().skip(start).take(size);
    let results: Vec<Value> = if call.query.flag("namesOnly") {
        page.map(|it| it.name().into()).collect()
    } else {
        page.map(|it| definition(it)).collect()
    };
    Ok(http::json(StatusCode::OK, &json!({ "Results": results })))
}

/// The indexes that `name` in the query string chooses, or all; `None` when one does not exist.
fn chosen(call: &Call<'_>, database: &OpenDatabase) -> Result<Option<Vec<NativeIndex>>> {
    let mut chosen = Vec::new();
    let mut has_names = false;
    for (key, value) in call.query.pairs() {
        if !key.eq_ignore_ascii_case("name") {
            continue;
        }
        has_names = true;
        match database.indexes.find(&http::unescape(key, value)?) {
            Some(index) => chosen.push(index),
            None => return Ok(None),
        }
    }
    Ok(Some(if has_names {
        chosen
    } else {
        database.indexes.list()
    }))
}

/// What kind of index it is, in the protocol's words.
pub fn index_type(index: &Index<NativeStore>) -> &'static str {
    index.record().index_type()
}

/// Members of a definition that are shown though there is nothing to say.
const NULLABLE: [&str; 8] = [
    "ArchivedDataProcessingBehavior",
    "SchemaDefinitions",
    "OutputReduceToCollection",
    "DeploymentMode",
    "ReduceOutputIndex",
    "PatternForOutputReduceToCollectionReferences",
    "PatternReferencesCollectionName",
    "Reduce",
];

fn definition(index: &Index<NativeStore>) -> Value {
    let record = index.record();
    let mut shown = match &record.source {
        IndexSource::Static(definition) => {
            let mut shown = serde_json::to_value(&**definition).unwrap_or(Value::Null);
            let fields = definition.fields.iter();
            shown["Fields"] = fields
                .map(|(name, it)| (name.clone(), it.to_json()))
                .collect();
            shown
        }
        IndexSource::Auto(definition) => {
            let collection = definition.collection.as_deref().unwrap_or("@all_docs");
            let fields: Map<String, Value> = definition
                .fields
                .iter()
                .map(|it| {
                    let indexing = format!("{:?}", it.kind);
                    let options = FieldOptions {
                        indexing: Some(indexing),
                        storage: Some("No".into()),
                        ..FieldOptions::default()
                    };
                    (it.name.clone(), options.to_json())
                })
                .collect();
            let groups = definition.grouping.as_ref().map(|it| {
                let paths: Vec<&str> = it.fields.iter().map(|it| it.path.as_str()).collect();
                paths.join(", ")
            });
            json!({
                "SourceType": "Documents",
                "Configuration": {},
                "AdditionalSources": {},
                "Maps": [format!("from {collection}")],
                "Reduce": groups.map(|it| format!("group by {it}")),
                "Fields": fields,
            })
        }
    };
    if let Value::Object(members) = &mut shown {
        members.insert("Name".to_owned(), record.name.clone().into());
        members.insert("Type".to_owned(), index_type(index).into());
        members.insert("LockMode".to_owned(), json!(record.lock_mode));
        members.insert("Priority".to_owned(), json!(record.priority));
        let state = if record.is_disabled {
            IndexState::Disabled
        } else if record.is_idle() {
            IndexState::Idle
        } else {
            IndexState::Normal
        };
        members.insert("State".to_owned(), json!(state));
        if members.get("SourceType").is_none_or(Value::is_null) {
            members.insert("SourceType".to_owned(), "Documents".into());
        }
        // Clients take these for granted.
        for name in NULLABLE {
            members.entry(name).or_insert(Value::Null);
        }
        let assemblies = members.entry("AdditionalAssemblies").or_insert(json!([]));
        if assemblies.is_null() {
            *assemblies = json!([]);
        }
    }
    shown
}

/// `DELETE indexes`.
pub async fn delete(call: &mut Call<'_>) -> Reply {
    let name = call.query.require("name")?;
    let database = call.open_database().await?;
    let deleted = database.indexes.delete(&name).await;
    database.use_store(deleted)?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// `RESET indexes`: begin anew.
pub async fn reset(call: &mut Call<'_>) -> Reply {
    let name = call.query.require("name")?;
    let database = call.open_database().await?;
    let reset = database.indexes.reset(&name).await;
    database.use_store(reset).map_err(missing)?;
    let index = database.record.index;
    Ok(http::json(
        StatusCode::OK,
        &json!({ "Index": { "RaftCommandIndex": index, "Index": &*name } }),
    ))
}

fn missing(error: Error) -> Error {
    if error.kind() == ErrorKind::NotFound {
        http_error::index_does_not_exist(&error)
    } else {
        error
    }
}

/// `POST indexes/replace`: put what shall replace an index in its place, caught up or not.
pub async fn replace(call: &mut Call<'_>) -> Reply {
    let name = call.query.require("name")?;
    let database = call.open_database().await?;
    let swapped = database.indexes.swap_now(&name).await;
    database.use_store(swapped).map_err(missing)?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// What `stats` shows of each index.
///
/// # Errors
/// Whatever the storage reports.
pub async fn summaries(database: &OpenDatabase) -> Result<Vec<Value>> {
    let mut summaries = Vec::new();
    for index in database.indexes.list() {
        let view = index.view().await?;
        let tx = database.read().await?;
        let record = index.record();
        let progress = &view.progress;
        let at = pinyon_core::host::Timestamp::from_ticks(progress.last_indexed_at_ticks);
        summaries.push(json!({
            "Name": record.name,
            "IsStale": index.is_stale(&view, &tx, None).await?,
            "State": index.state().await?,
            "LockMode": record.lock_mode,
            "Priority": record.priority,
            "Type": index_type(&index),
            "LastIndexingTime": (progress.batches > 0).then(|| at.to_text()),
            "SourceType": "Documents",
        }));
    }
    Ok(summaries)
}

fn metadata(call: &Call<'_>) -> Value {
    json!({
        "DateTime": call.server.host.clock.now().to_text(),
        "WebUrl": call.base_url(),
        "NodeTag": call.server.databases.node_tag(),
    })
}

/// `GET indexes/stats`.
pub async fn stats(call: &mut Call<'_>) -> Reply {
    let database = call.open_database().await?;
    let Some(chosen) = chosen(call, &database)? else {
        return Ok(empty(StatusCode::NOT_FOUND));
    };
    let mut results = Vec::with_capacity(chosen.len());
    for index in &chosen {
        results.push(one_stats(&database, index).await?);
    }
    Ok(http::json(
        StatusCode::OK,
        &json!({ "@metadata": metadata(call), "Results": results }),
    ))
}

/// Where results are written as documents: collection, pattern of references, and theirs.
fn outputs(source: &IndexSource) -> [Option<String>; 3] {
    match source {
        IndexSource::Static(it) => [
            it.output_reduce_to_collection.clone(),
            it.pattern_for_output_reduce_to_collection_references
                .clone(),
            it.pattern_references_collection_name.clone(),
        ],
        IndexSource::Auto(_) => [None, None, None],
    }
}

/// How much was done a second, of late.
fn rate(batches: &[BatchRecord], now: Timestamp, count: fn(&BatchRecord) -> u64) -> f64 {
    let is_late = |it: &&BatchRecord| now.ticks() - it.completed_at.ticks() < TICKS_PER_MINUTE;
    #[expect(clippy::cast_precision_loss, reason = "a rate to show")]
    let count = batches.iter().filter(is_late).map(count).sum::<u64>() as f64;
    count / 60.0
}

/// Rates are of the last minute.
const TICKS_PER_MINUTE: i64 = 600_000_000;

async fn one_stats(database: &OpenDatabase, index: &NativeIndex) -> Result<Value> {
    let view = index.view().await?;
    let tx = database.read().await?;
    let record = index.record();
    let progress = &view.progress;
    let mut collections = Map::new();
    for one in index.progress_by_collection(&view, &tx).await? {
        let mut shown = json!(one);
        shown["LastProcessedTimeSeriesDeletedRangeEtag"] = json!(0);
        collections.insert(one.collection.clone(), shown);
    }
    let referenced = Index::<NativeStore>::referenced(progress);
    let names = tx.collections().await?;
    let as_written = |key: &str| {
        let mut names = names.iter().map(|it| it.name.as_str());
        let written = names.find(|it| it.to_lowercase() == key);
        written.unwrap_or(key).to_owned()
    };
    let referenced: Vec<String> = referenced
        .iter()
        .map(|it| as_written(it.cursor_name()))
        .collect();
    let output = outputs(&record.source);
    let now = database.documents.now();
    let rate = |count: fn(&BatchRecord) -> u64| rate(&index.latest_batches(), now, count);
    let is_reduce = index.is_map_reduce();
    let of_reduce = |count: u64| is_reduce.then_some(count);
    let at = pinyon_core::host::Timestamp::from_ticks(progress.last_indexed_at_ticks);
    let state = index.state().await?;
    Ok(json!({
        "Name": record.name,
        "MapAttempts": progress.map_attempts,
        "MapSuccesses": progress.map_attempts - progress.map_errors.min(progress.map_attempts),
        "MapErrors": progress.map_errors,
        // Documents whose references changed are mapped again, and counted as that.
        "MapReferenceAttempts": null,
        "MapReferenceSuccesses": null,
        "MapReferenceErrors": null,
        "ReduceOutputCollection": output[0],
        "ReduceOutputReferencePattern": output[1],
        "PatternReferencesCollectionName": output[2],
        "MappedPerSecondRate": rate(|it| it.inputs),
        "ReducedPerSecondRate": is_reduce.then(|| rate(|it| it.reduces)),
        "ReduceAttempts": of_reduce(progress.reduce_attempts),
        "ReduceSuccesses": of_reduce(progress.reduce_attempts.saturating_sub(progress.reduce_errors)),
        "ReduceErrors": of_reduce(progress.reduce_errors),
        "MaxNumberOfOutputsPerDocument": progress.most_outputs,
        "Collections": collections,
        "LastQueryingTime": index.last_query_at().map(|it| it.to_text()),
        "State": state,
        "Priority": record.priority,
        "CreatedTimestamp": record.created_at().to_text(),
        "LastIndexingTime": (progress.batches > 0).then(|| at.to_text()),
        "IsStale": index.is_stale(&view, &tx, None).await?,
        "LockMode": record.lock_mode,
        "Type": index_type(index),
        "SearchEngineType": "None",
        "ArchivedDataProcessingBehavior": null,
        "Memory": null,
        "LastBatchStats": null,
        "Status": index.status(),
        "EntriesCount": progress.entry_count,
        "ErrorsCount": index.errors().await?.len(),
        "SourceType": "Documents",
        "ReferencedCollections": referenced,
        "IsInvalidIndex": state == IndexState::Error,
    }))
}

/// `GET indexes/status`.
pub async fn list_status(call: &mut Call<'_>) -> Reply {
    let database = call.open_database().await?;
    let all = database.indexes.list();
    let is_paused = !all.is_empty() && all.iter().all(|it| it.is_paused());
    let indexes: Vec<Value> = all
        .iter()
        .map(|it| json!({ "Name": it.name(), "Status": it.status() }))
        .collect();
    let status = if is_paused { "Paused" } else { "Running" };
    Ok(http::json(
        StatusCode::OK,
        &json!({ "Status": status, "Indexes": indexes }),
    ))
}

/// `GET indexes/staleness`.
pub async fn staleness(call: &mut Call<'_>) -> Reply {
    let name = call.query.require("name")?;
    let database = call.open_database().await?;
    let index = database.indexes.get(&name).map_err(missing)?;
    let view = index.view().await?;
    let reasons = index
        .staleness_reasons(&view, &database.read().await?)
        .await?;
    Ok(http::json(
        StatusCode::OK,
        &json!({ "IsStale": !reasons.is_empty(), "StalenessReasons": reasons }),
    ))
}

/// `GET indexes/performance`: what the latest batches did since the index was opened.
pub async fn performance(call: &mut Call<'_>) -> Reply {
    let database = call.open_database().await?;
    let Some(chosen) = chosen(call, &database)? else {
        return Ok(empty(StatusCode::NOT_FOUND));
    };
    let results: Vec<Value> = chosen
        .iter()
        .map(|index| {
            let batches: Vec<Value> = index.latest_batches().iter().map(one_batch).collect();
            json!({ "Name": index.name(), "Performance": batches })
        })
        .collect();
    Ok(http::json(StatusCode::OK, &json!({ "Results": results })))
}

fn one_batch(batch: &BatchRecord) -> Value {
    const TICKS_PER_MS: f64 = 10_000.0;
    let ms = |from: Timestamp, to: Timestamp| {
        #[expect(clippy::cast_precision_loss, reason = "times to show")]
        let ticks = to.ticks().saturating_sub(from.ticks()).max(0) as f64;
        ticks / TICKS_PER_MS
    };
    let (started, mapped, completed) = (batch.started_at, batch.mapped_at, batch.completed_at);
    json!({
        "Id": batch.number,
        "InputCount": batch.inputs,
        "OutputCount": batch.outputs,
        "SuccessCount": batch.inputs.saturating_sub(batch.failures),
        "FailedCount": batch.failures,
        "Started": started.to_text(),
        "Completed": completed.to_text(),
        "DurationInMs": ms(started, completed),
        "Details": {
            "Name": "Indexing",
            "DurationInMs": ms(started, completed),
            "ReduceDetails": { "ReduceAttempts": batch.reduces },
            "Operations": [
                { "Name": "Map", "DurationInMs": ms(started, mapped), "Operations": [] },
                { "Name": "Commit", "DurationInMs": ms(mapped, completed), "Operations": [] },
            ],
        },
    })
}

/// `GET indexes/terms`.
pub async fn terms(call: &mut Call<'_>) -> Reply {
    let name = call.query.require("name")?;
    let field = call.query.require("field")?;
    let from = call.query.get("fromValue")?;
    let from = from.as_deref().filter(|it| !it.is_empty());
    let size = call.query.number("pageSize", 1024_usize)?;
    let database = call.open_database().await?;
    let index = database.indexes.get(&name).map_err(missing)?;
    let terms = index
        .terms(&field, from, size)
        .await
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => Error::invalid(error.message()),
            _ => error,
        })?;
    let etag = index.view().await?.progress.batches;
    Ok(http::json(
        StatusCode::OK,
        &json!({ "Terms": terms, "ResultEtag": etag, "IndexName": index.name() }),
    ))
}

/// `GET indexes/errors`.
pub async fn errors(call: &mut Call<'_>) -> Reply {
    let database = call.open_database().await?;
    let Some(chosen) = chosen(call, &database)? else {
        return Ok(empty(StatusCode::NOT_FOUND));
    };
    let mut results = Vec::with_capacity(chosen.len());
    for index in chosen {
        results.push(json!({ "Name": index.name(), "Errors": index.errors().await? }));
    }
    Ok(http::json(
        StatusCode::OK,
        &json!({ "@metadata": metadata(call), "Results": results }),
    ))
}

/// `DELETE indexes/errors`.
pub async fn clear_errors(call: &mut Call<'_>) -> Reply {
    let database = call.open_database().await?;
    let Some(chosen) = chosen(call, &database)? else {
        return Ok(empty(StatusCode::NOT_FOUND));
    };
    for index in chosen {
        index.clear_errors().await?;
    }
    Ok(empty(StatusCode::NO_CONTENT))
}

/// `POST indexes/has-changed`: whether putting a definition would change anything.
pub async fn has_changed(call: &mut Call<'_>) -> Reply {
    let body = call.read_body().await?;
    let definition = IndexDefinition::parse(as_text(&body)?)?;
    let database = call.open_database().await?;
    let index = database.indexes.find(&definition.name);
    let is_same = index.is_some_and(|it| match &it.record().source {
        IndexSource::Static(own) => own.is_same_index(&definition),
        IndexSource::Auto(_) => false,
    });
    Ok(http::json(StatusCode::OK, &json!({ "Changed": !is_same })))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SetLock {
    index_names: Vec<String>,
    mode: LockMode,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SetPriority {
    index_names: Vec<String>,
    priority: Priority,
}

async fn settings<T: DeserializeOwned>(call: &mut Call<'_>) -> Result<T> {
    let body = call.read_body().await?;
    read(&body)
}

/// `POST indexes/set-lock`.
pub async fn set_lock(call: &mut Call<'_>) -> Reply {
    let SetLock { index_names, mode } = settings(call).await?;
    let database = call.open_database().await?;
    for name in index_names {
        let set = database.indexes.set_lock_mode(&name, mode).await;
        database.use_store(set).map_err(missing)?;
    }
    Ok(empty(StatusCode::NO_CONTENT))
}

/// `POST indexes/set-priority`.
pub async fn set_priority(call: &mut Call<'_>) -> Reply {
    let SetPriority {
        index_names,
        priority,
    } = settings(call).await?;
    let database = call.open_database().await?;
    for name in index_names {
        let set = database.indexes.set_priority(&name, priority).await;
        database.use_store(set).map_err(missing)?;
    }
    Ok(empty(StatusCode::NO_CONTENT))
}

/// `POST admin/indexes/enable` and `…/disable`.
pub async fn set_disabled(call: &mut Call<'_>, is_disabled: bool) -> Reply {
    let name = call.query.require("name")?;
    let database = call.open_database().await?;
    let set = database.indexes.set_disabled(&name, is_disabled).await;
    database.use_store(set).map_err(missing)?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// `POST admin/indexes/start` and `…/stop`: one index or all, until the process ends.
pub async fn set_paused(call: &mut Call<'_>, is_paused: bool) -> Reply {
    let database = call.open_database().await?;
    let Some(chosen) = chosen(call, &database)? else {
        let name = call.query.require("name")?;
        return Err(missing(Error::new(
            ErrorKind::NotFound,
            format!("There is no index '{}'", to_name_key(&name)),
        )));
    };
    for index in chosen {
        index.set_paused(is_paused);
    }
    Ok(empty(StatusCode::NO_CONTENT))
}
