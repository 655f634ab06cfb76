//! An open store: hands commits to its writer and reads to the newest state.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread::JoinHandle;

use futures_channel::oneshot;
use pinyon_core::storage::{Durability, Store, StoreName, WriteBatch};
use pinyon_core::{Error, ErrorKind, Result};
use redb::{Database, ReadableDatabase};

use crate::environment::OpenMark;
use crate::error::{closed, redb_error};
use crate::snapshot::{NativeSnapshot, State};
use crate::writer::{self, Request};

/// What readers and the writer share.
pub(crate) struct Shared {
    name: StoreName,
    inner: RwLock<Inner>,
}

struct Inner {
    /// `None` once the store is closed.
    database: Option<Arc<Database>>,
    /// The state that new snapshots share; `None` after a commit until the first one asks.
    newest: Option<Arc<State>>,
    /// Why every further call fails, once a sync failed.
    poison: Option<Error>,
    /// Frees the name for another `open` when it is dropped.
    mark: Option<OpenMark>,
}

impl Shared {
    pub(crate) fn name(&self) -> &str {
        self.name.as_str()
    }

    // Nothing panics while it holds the lock with a half-made change, so a poisoned one is good.
    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The open database, or why there is none.
    pub(crate) fn database(&self) -> Result<Arc<Database>> {
        self.read().check(self.name())
    }

    /// Lets the next snapshot read the state after the latest commit.
    pub(crate) fn forget_newest(&self) {
        self.write().newest = None;
    }

    /// Refuses every call from now on with `error`.
    pub(crate) fn poison(&self, error: Error) {
        let mut inner = self.write();
        inner.newest = None;
        inner.poison.get_or_insert(error);
    }

    /// Takes the database away from readers, to close it.
    pub(crate) fn take_database(&self) -> Option<Database> {
        let mut inner = self.write();
        inner.newest = None;
        Arc::into_inner(inner.database.take()?)
    }

    /// Lets the store be opened again.
    pub(crate) fn release(&self) {
        self.write().mark = None;
    }

    fn snapshot(&self) -> Result<NativeSnapshot> {
        if let Some(state) = &self.read().newest {
            return Ok(NativeSnapshot(Arc::clone(state)));
        }
        let mut inner = self.write();
        let database = inner.check(self.name())?;
        let transaction = database
            .begin_read()
            .map_err(|reason| redb_error(self.name(), "begin to read", reason))?;
        let state = Arc::new(State::new(self.name.clone(), transaction));
        inner.newest = Some(Arc::clone(&state));
        Ok(NativeSnapshot(state))
    }
}

impl Inner {
    fn check(&self, name: &str) -> Result<Arc<Database>> {
        if let Some(error) = &self.poison {
            return Err(error.clone());
        }
        self.database.clone().ok_or_else(|| closed(name))
    }
}

/// One store in files. Clones share it; when the last one is dropped it is closed, and the drop
/// waits for that.
#[derive(Clone)]
pub struct NativeStore {
    handle: Arc<Handle>,
}

struct Handle {
    shared: Arc<Shared>,
    requests: Option<SyncSender<Request>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        // The writer ends when its channel does.
        self.requests = None;
        let writer = self
            .writer
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = writer.take() {
            // A writer that panicked has nothing more to say; its panic was printed.
            let _ = writer.join();
        }
    }
}

impl NativeStore {
    /// Starts the writer of an opened database.
    pub(crate) fn start(
        name: StoreName,
        database: Database,
        mark: OpenMark,
        queued_commits: usize,
    ) -> Result<Self> {
        let shared = Arc::new(Shared {
            name,
            inner: RwLock::new(Inner {
                database: Some(Arc::new(database)),
                newest: None,
                poison: None,
                mark: Some(mark),
            }),
        });
        let (requests, receiver) = sync_channel(queued_commits.max(1));
        let writer = spawn_writer(Arc::clone(&shared), receiver)?;
        Ok(Self {
            handle: Arc::new(Handle {
                shared,
                requests: Some(requests),
                writer: Mutex::new(Some(writer)),
            }),
        })
    }

    fn request(&self, request: Request) -> Result<()> {
        let requests = self.handle.requests.as_ref();
        match requests.map(|requests| requests.try_send(request)) {
            Some(Ok(())) => Ok(()),
            Some(Err(TrySendError::Full(_))) => Err(Error::new(
                ErrorKind::Unavailable,
                format!(
                    "store '{}': too many commits wait already; issue one at a time",
                    self.handle.shared.name()
                ),
            )),
            Some(Err(TrySendError::Disconnected(_))) | None => Err(self.gone()),
        }
    }

    /// Why the writer does not answer.
    fn gone(&self) -> Error {
        match self.handle.shared.database() {
            Err(error) => error,
            Ok(_) => closed(self.handle.shared.name()),
        }
    }
}

fn spawn_writer(shared: Arc<Shared>, requests: Receiver<Request>) -> Result<JoinHandle<()>> {
    let name = format!("store {}", shared.name().escape_default());
    std::thread::Builder::new()
        .name(name)
        .spawn(move || writer::run(&shared, &requests))
        .map_err(|reason| crate::error::io_error("start the writer thread", reason))
}

impl Store for NativeStore {
    type Snapshot = NativeSnapshot;

    async fn snapshot(&self) -> Result<NativeSnapshot> {
        self.handle.shared.snapshot()
    }

    async fn commit(&self, batch: WriteBatch, durability: Durability) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        self.request(Request::Commit {
            batch,
            durability,
            reply,
        })?;
        answer.await.unwrap_or_else(|_| Err(self.gone()))
    }

    async fn close(&self) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        self.request(Request::Close { reply })?;
        answer.await.unwrap_or_else(|_| Err(self.gone()))
    }
}
