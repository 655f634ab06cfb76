//! A database and its storage: opening, closing, and where it stands.

use std::cell::RefCell;

use futures_util::future::AbortHandle;
use pinyon_core::storage::{Durability, Environment, StoreName};
use pinyon_core::version::NodeTag;
use pinyon_core::{DatabaseOptions, Error};
use pinyon_storage_browser::{BrowserEnvironment, BrowserOptions, BrowserStore, StorageKind};
use serde::Deserialize;
use wasm_bindgen::prelude::*;

use crate::error::{JsResult, to_js};
use crate::host;
use crate::queries::{LastAnswers, OpeningIndexes};

pub(crate) type CoreDatabase = pinyon_core::Database<BrowserStore>;

/// An open database.
#[wasm_bindgen]
pub struct Database {
    pub(crate) environment: BrowserEnvironment,
    pub(crate) database: CoreDatabase,
    pub(crate) indexes: OpeningIndexes,
    pub(crate) last_answers: LastAnswers,
    durability: Durability,
    pub(crate) uploads: crate::attachments::FinishedUploads,
    pub(crate) scripts: crate::scripts::PageEngine,
    /// What calls JavaScript, until the database is closed.
    pub(crate) callbacks: RefCell<Vec<AbortHandle>>,
}

/// How a database is opened. Everything has a default.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Options {
    /// `indexeddb` or `memory`.
    storage: Option<String>,
    /// `strict` or `relaxed`.
    durability: Option<String>,
    max_cached_bytes: Option<usize>,
    max_log_bytes: Option<usize>,
    lock_wait_ms: Option<u32>,
    allow_memory: Option<bool>,
    private_files: Option<bool>,
    node_tag: Option<String>,
}

pub(crate) fn parse_durability(text: &str) -> Result<Durability, Error> {
    match text {
        "strict" => Ok(Durability::Durable),
        "relaxed" => Ok(Durability::Relaxed),
        other => Err(Error::invalid(format!(
            "the durability '{other}' is neither 'strict' nor 'relaxed'"
        ))),
    }
}

impl Options {
    fn browser_options(&self) -> BrowserOptions {
        let defaults = BrowserOptions::default();
        BrowserOptions {
            max_cached_bytes: self.max_cached_bytes.unwrap_or(defaults.max_cached_bytes),
            max_log_bytes: self.max_log_bytes.unwrap_or(defaults.max_log_bytes),
            lock_wait_ms: self.lock_wait_ms.unwrap_or(defaults.lock_wait_ms),
            // Young: whoever wants the faster saves says so.
            has_journal_files: self.private_files.unwrap_or(false),
            is_memory_allowed: self.allow_memory.unwrap_or(defaults.is_memory_allowed),
            ..defaults
        }
    }
}

impl Database {
    async fn open_with(name: &str, options: &str) -> Result<Self, Error> {
        let options: Options = serde_json::from_str(options)
            .map_err(|reason| Error::invalid(format!("the options do not fit: {reason}")))?;
        let durability = match &options.durability {
            Some(text) => parse_durability(text)?,
            None => Durability::Relaxed,
        };
        let environment = match options.storage.as_deref() {
            None | Some("indexeddb") => {
                let name = format!("pinyon/{name}");
                BrowserEnvironment::open(&name, options.browser_options()).await?
            }
            Some("memory") => BrowserEnvironment::in_memory(),
            Some(other) => {
                return Err(Error::invalid(format!(
                    "the storage '{other}' is neither 'indexeddb' nor 'memory'"
                )));
            }
        };
        let name = StoreName::new("documents")?;
        let store = environment.open(&name).await?;
        let core_options = DatabaseOptions {
            node_tag: NodeTag::new(options.node_tag.as_deref().unwrap_or("EDGE"))?,
            is_device: true,
            durability,
            ..DatabaseOptions::default()
        };
        let (database, merger) = CoreDatabase::open(store, host::host(), core_options).await?;
        wasm_bindgen_futures::spawn_local(merger.run());
        let indexes = OpeningIndexes::new(&environment, &database, &name);
        Ok(Self {
            environment,
            database,
            indexes,
            last_answers: LastAnswers::default(),
            durability,
            uploads: crate::attachments::FinishedUploads::default(),
            scripts: crate::scripts::PageEngine::default(),
            callbacks: RefCell::default(),
        })
    }
}

#[wasm_bindgen(wasm_bindgen_futures = crate::promises)]
impl Database {
    /// Opens the database called `name`, or founds it; `options` is JSON.
    pub async fn open(name: String, options: String) -> JsResult<Database> {
        Self::open_with(&name, &options).await.map_err(to_js)
    }

    /// Where the data is and how safe: JSON.
    pub fn status(&self) -> String {
        let storage = match self.environment.kind() {
            StorageKind::IndexedDb => "indexeddb",
            StorageKind::Memory => "memory",
        };
        let durability = match (self.environment.kind(), self.durability) {
            (StorageKind::Memory, _) => "memory",
            (_, Durability::Durable) => "strict",
            (_, Durability::Relaxed) => "relaxed",
        };
        let database_id = self.database.incarnation().id.to_string();
        serde_json::json!({
            "storage": storage,
            "durability": durability,
            "databaseId": database_id,
        })
        .to_string()
    }

    /// Waits until the browser takes the storage away, and says why.
    pub fn lost(&self) -> js_sys::Promise {
        // Not an async method, which would keep the database borrowed while it waits.
        let lost = self.environment.lost();
        crate::promises::future_to_promise(async move {
            Ok(lost.await.map_or(JsValue::UNDEFINED, to_js))
        })
    }

    /// Counts: JSON in the protocol's names.
    pub async fn statistics(&self) -> JsResult<String> {
        let statistics = async {
            let read = self.database.read().await?;
            let change_vector = read.change_vector().await?;
            Ok::<_, Error>((
                read.statistics().await?,
                read.collections().await?,
                change_vector,
            ))
        };
        let (counts, collections, change_vector) = statistics.await.map_err(to_js)?;
        let collections: serde_json::Map<_, _> = collections
            .into_iter()
            .filter(|it| it.document_count > 0)
            .map(|it| (it.name, it.document_count.into()))
            .collect();
        Ok(serde_json::json!({
            "CountOfDocuments": counts.document_count,
            "CountOfTombstones": counts.tombstone_count,
            "CountOfRevisionDocuments": counts.revision_count,
            "LastDocEtag": counts.last_etag.number(),
            "DatabaseChangeVector": change_vector,
            "Collections": collections,
        })
        .to_string())
    }

    /// Refuses new writes, waits for those under way, and closes the storage.
    pub async fn close(&self) -> JsResult<()> {
        for callback in self.callbacks.take() {
            callback.abort();
        }
        // The documents are closed though an index may fail to.
        let indexes = self.indexes.close().await;
        self.database.close().await.and(indexes).map_err(to_js)
    }
}
