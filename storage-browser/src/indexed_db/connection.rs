//! A connection to IndexedDB, and the ways in which a browser takes it away.

use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_channel::oneshot;
use futures_util::future::{FutureExt, Shared};
use js_sys::{Function, Promise, Reflect};
use pinyon_core::storage::Durability;
use pinyon_core::{Error, ErrorKind, Result};
use send_wrapper::SendWrapper;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Event, IdbDatabase, IdbFactory, IdbOpenDbRequest};

use super::error;
use super::journal_file::{self, BrowserFile, OpenFile};
use super::tab_lock::TabLock;
use super::transaction::{self, Database};
use crate::tables::{Change, Table, TableKey, Tables, Work};

/// The version of the stored form, as IndexedDB keeps it. A browser refuses to open a database
/// with a lower version than it has, so an old script cannot harm what a new one stored.
const FORMAT_VERSION: u32 = 2;

#[wasm_bindgen]
extern "C" {
    /// Of pages and workers alike.
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(handler: &Function, ms: u32);
}

/// What is called for an event, as long as it is kept.
type Handler = Closure<dyn FnMut(Event)>;

/// Why there is no connection.
pub(crate) enum OpenFailure {
    /// The browser has no storage to give.
    NoStorage(Error),
    /// Any other reason.
    Failed(Error),
}

/// The tables of an environment in IndexedDB.
#[derive(Clone)]
pub(crate) struct IndexedDb {
    connection: Arc<Connection>,
}

struct Connection {
    name: String,
    lock_wait_ms: u32,
    database: SendWrapper<Database>,
    lost: Shared<oneshot::Receiver<Error>>,
    loss: Arc<Loss>,
    _handlers: SendWrapper<[Handler; 2]>,
}

/// What happens when the connection goes.
pub(super) struct Loss {
    reason: Mutex<Option<Error>>,
    tell: Mutex<Option<oneshot::Sender<Error>>>,
    lock: Mutex<Option<TabLock>>,
    /// Files that are open beside the connection.
    files: Mutex<Vec<SendWrapper<OpenFile>>>,
}

impl Loss {
    fn happens(&self, message: &str) {
        let reason = Error::new(ErrorKind::Closed, message);
        guard(&self.reason).get_or_insert_with(|| reason.clone());
        if let Some(tell) = guard(&self.tell).take() {
            // Nobody has to listen.
            let _ = tell.send(reason);
        }
        for file in guard(&self.files).drain(..) {
            file.close();
        }
        guard(&self.lock).take();
    }

    /// Fails with the reason once the connection is gone.
    pub(super) fn check(&self) -> Result<()> {
        match &*guard(&self.reason) {
            None => Ok(()),
            Some(reason) => Err(reason.clone()),
        }
    }

    /// Sees to it that a file goes with the connection.
    pub(super) fn keep(&self, file: OpenFile) {
        guard(&self.files).push(SendWrapper::new(file));
    }
}

fn guard<V>(mutex: &Mutex<V>) -> std::sync::MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.database.set_onclose(None);
        self.database.set_onversionchange(None);
        // Ends when the transactions under way do.
        self.database.close();
    }
}

impl IndexedDb {
    /// Opens the database called `name` and becomes its only owner.
    pub(crate) async fn open(name: &str, lock_wait_ms: u32) -> Result<Self, OpenFailure> {
        // In this order: asking for the database makes a tab with an older version let go of it.
        let database = open_database(name).await?;
        let lock = match TabLock::take(&format!("pinyon:{name}"), lock_wait_ms).await {
            Ok(lock) => lock,
            Err(reason) => {
                database.close();
                return Err(OpenFailure::Failed(reason));
            }
        };
        let (tell, told) = oneshot::channel();
        let loss = Arc::new(Loss {
            reason: Mutex::new(None),
            tell: Mutex::new(Some(tell)),
            lock: Mutex::new(Some(lock)),
            files: Mutex::default(),
        });
        let handlers = listen(&database, &loss);
        Ok(Self {
            connection: Arc::new(Connection {
                name: name.to_owned(),
                lock_wait_ms,
                database: SendWrapper::new(database.unchecked_into()),
                lost: told.shared(),
                loss,
                _handlers: SendWrapper::new(handlers),
            }),
        })
    }

    /// Waits until the browser takes the connection away; `None` when it was given up orderly.
    pub(crate) fn lost(&self) -> impl Future<Output = Option<Error>> + Send + use<> {
        let lost = self.connection.lost.clone();
        async move { lost.await.ok() }
    }

    fn database(&self) -> Result<&Database> {
        self.connection.loss.check()?;
        Ok(&self.connection.database)
    }
}

/// Hears when the browser closes the connection, or another tab needs it closed.
fn listen(database: &IdbDatabase, loss: &Arc<Loss>) -> [Handler; 2] {
    let for_close = Arc::clone(loss);
    let on_close = Handler::new(move |_| {
        for_close
            .happens("the browser closed the database: its data was cleared, or its disk failed");
    });
    let (for_upgrade, connection) = (Arc::clone(loss), database.clone());
    let on_version_change = Handler::new(move |_| {
        connection.close();
        for_upgrade
            .happens("another tab upgrades or deletes the database; reload this page to go on");
    });
    database.set_onclose(Some(on_close.as_ref().unchecked_ref()));
    database.set_onversionchange(Some(on_version_change.as_ref().unchecked_ref()));
    [on_close, on_version_change]
}

fn factory() -> Option<IdbFactory> {
    let factory = Reflect::get(&js_sys::global(), &"indexedDB".into()).ok()?;
    factory.is_object().then(|| factory.unchecked_into())
}

async fn open_database(name: &str) -> Result<IdbDatabase, OpenFailure> {
    let factory = factory().ok_or_else(|| {
        let message = "there is no IndexedDB here";
        OpenFailure::NoStorage(Error::new(ErrorKind::Unavailable, message))
    })?;
    let request = factory
        .open_with_u32(name, FORMAT_VERSION)
        .map_err(|thrown| failure_of_opening(name, &thrown))?;
    let upgrading = request.clone();
    let upgrade = Handler::new(move |_| create_tables(&upgrading));
    request.set_onupgradeneeded(Some(upgrade.as_ref().unchecked_ref()));
    let opened = Promise::new(&mut |resolve, reject| {
        request.set_onsuccess(Some(&resolve));
        request.set_onerror(Some(&reject));
        request.set_onblocked(Some(&reject));
    });
    let outcome = JsFuture::from(opened).await;
    request.set_onupgradeneeded(None);
    match outcome {
        Ok(_) => request
            .result()
            .map(JsCast::unchecked_into)
            .map_err(|thrown| OpenFailure::Failed(error::of_opening(name, &thrown))),
        Err(event) if event.unchecked_ref::<Event>().type_() == "blocked" => {
            close_when_opened(&request);
            Err(OpenFailure::Failed(Error::new(
                ErrorKind::Unavailable,
                format!("another tab holds an older version of '{name}' open; close that tab"),
            )))
        }
        Err(_) => {
            let thrown = match request.error() {
                Ok(Some(exception)) => exception.into(),
                Ok(None) => JsValue::UNDEFINED,
                Err(thrown) => thrown,
            };
            Err(failure_of_opening(name, &thrown))
        }
    }
}

/// Only where there is no storage may a database be kept in memory: it would seem empty otherwise,
/// and what is then written to it would go with the page.
fn failure_of_opening(name: &str, thrown: &JsValue) -> OpenFailure {
    let reason = error::of_opening(name, thrown);
    match error::says_no_storage(thrown) {
        true => OpenFailure::NoStorage(reason),
        false => OpenFailure::Failed(reason),
    }
}

/// A blocked request is still answered some day; by then nobody wants the connection.
fn close_when_opened(request: &IdbOpenDbRequest) {
    let opened = request.clone();
    let close = Closure::once_into_js(move |_: Event| {
        if let Ok(database) = opened.result() {
            database.unchecked_into::<IdbDatabase>().close();
        }
    });
    request.set_onsuccess(Some(close.unchecked_ref()));
}

/// Makes the tables of version 1. Version 2 has the same, and a journal that scripts of version 1
/// must not pass over. A later version goes on from the version that is there.
fn create_tables(request: &IdbOpenDbRequest) {
    let Ok(database) = request.result() else {
        return;
    };
    let database: IdbDatabase = database.unchecked_into();
    let names = database.object_store_names();
    for table in Table::ALL {
        if !names.contains(table.name()) && database.create_object_store(table.name()).is_err() {
            // The upgrade is aborted by the exception, and opening fails with it.
            return;
        }
    }
}

impl Tables for IndexedDb {
    type File = BrowserFile;

    fn open_files(&self) -> impl Future<Output = Result<Option<[BrowserFile; 2]>>> + Send {
        SendWrapper::new(async move {
            let Connection {
                name, lock_wait_ms, ..
            } = &*self.connection;
            journal_file::open_files(name, *lock_wait_ms, &self.connection.loss).await
        })
    }

    fn read_files(&self) -> impl Future<Output = Result<[Vec<u8>; 2]>> + Send {
        SendWrapper::new(async move { journal_file::read_files(&self.connection.name).await })
    }

    fn get_many(
        &self,
        table: Table,
        keys: &[TableKey],
    ) -> impl Future<Output = Result<Vec<Option<Bytes>>>> + Send {
        SendWrapper::new(async move { transaction::get_many(self.database()?, table, keys).await })
    }

    fn get_range(
        &self,
        table: Table,
        range: RangeInclusive<TableKey>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Bytes>>> + Send {
        SendWrapper::new(async move {
            transaction::get_range(self.database()?, table, &range, limit).await
        })
    }

    fn apply(
        &self,
        changes: Vec<Change>,
        durability: Durability,
    ) -> impl Future<Output = Result<()>> + Send {
        SendWrapper::new(async move {
            let sent = transaction::send(self.database()?, &changes, durability)?;
            drop(changes);
            transaction::committed(sent).await
        })
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "milliseconds since 1970"
    )]
    fn now_ms(&self) -> u64 {
        js_sys::Date::now() as u64
    }

    fn drive(&self, work: Work) {
        wasm_bindgen_futures::spawn_local(async move {
            // Whoever waits for the work hears of its failure.
            let _ = work.await;
        });
    }

    fn sleep(&self, ms: u32) -> impl Future<Output = ()> + Send + use<> {
        SendWrapper::new(sleep(ms))
    }
}

pub(super) async fn sleep(ms: u32) {
    let slept = Promise::new(&mut |resolve, _| set_timeout(&resolve, ms));
    // It is never rejected.
    let _ = JsFuture::from(slept).await;
}
