//! An open store: hands commits to its writer and reads to the newest state.

use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use futures_channel::oneshot;
use pinyon_core::storage::{Durability, KeySpace, Store, StoreName, WriteBatch};
use pinyon_core::{Error, ErrorKind, Result};

use crate::disk::Directory;
use crate::engine::Engine;
use crate::environment::OpenMark;
use crate::error::{closed, io_error, store_error};
use crate::options::NativeOptions;
use crate::snapshot::{NativeSnapshot, State};
use crate::writer::{Request, Writer};

/// What readers and the writer share.
pub(crate) struct Shared {
    name: StoreName,
    directory: Arc<dyn Directory>,
    inner: RwLock<Inner>,
}

struct Inner {
    /// The state that new snapshots share; `None` once the store is closed.
    newest: Option<Arc<State>>,
    /// Why every further call fails, once a sync failed.
    failure: Option<Error>,
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

    /// Lets the next snapshot read the state after the latest commit, unless the engine failed.
    pub(crate) fn after_commit(&self, engine: &mut Engine) {
        let newest = engine.state();
        let mut inner = self.write();
        match newest {
            Ok(state) => inner.newest = Some(Arc::new(state)),
            Err(error) => (inner.newest, inner.failure) = (None, Some(error)),
        }
    }

    /// Takes the files away from readers, to close them.
    pub(crate) fn let_go_of_files(&self) {
        self.write().newest = None;
    }

    /// Lets the store be opened again.
    pub(crate) fn release(&self) {
        self.write().mark = None;
    }

    /// The newest state, or why there is none.
    fn snapshot(&self) -> Result<NativeSnapshot> {
        let inner = self.read();
        match (&inner.newest, &inner.failure) {
            (Some(state), _) => Ok(NativeSnapshot(Arc::clone(state))),
            (None, Some(error)) => Err(error.clone()),
            (None, None) => Err(closed(self.name())),
        }
    }
}

/// What a store holds and takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreInfo {
    /// The number of entries in each key space that has any.
    pub entries: Vec<(KeySpace, u64)>,
    /// Bytes of disk, with the journal and what is reserved ahead.
    pub disk_bytes: u64,
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
        if let Some(requests) = self.requests.take() {
            // A writer that ended before has nothing left to do.
            let _ = requests.send(Request::End);
        }
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
    /// Starts the writer of an opened store.
    pub(crate) fn start(
        name: StoreName,
        mut engine: Engine,
        directory: Arc<dyn Directory>,
        mark: OpenMark,
        options: &NativeOptions,
    ) -> Result<Self> {
        let shared = Arc::new(Shared {
            name,
            directory,
            inner: RwLock::new(Inner {
                newest: Some(Arc::new(engine.state()?)),
                failure: None,
                mark: Some(mark),
            }),
        });
        let (requests, receiver) = sync_channel(options.queued_commits.max(1));
        let writer = Writer {
            engine,
            shared: Arc::clone(&shared),
            requests: receiver,
            wake: requests.clone(),
            idle: Duration::from_millis(options.checkpoint_idle_ms),
        };
        let writer = spawn(writer)?;
        Ok(Self {
            handle: Arc::new(Handle {
                shared,
                requests: Some(requests),
                writer: Mutex::new(Some(writer)),
            }),
        })
    }

    /// What the store holds and takes now.
    ///
    /// # Errors
    /// `Closed` if it is closed.
    pub fn info(&self) -> Result<StoreInfo> {
        let state = self.handle.shared.snapshot()?.0;
        let mut entries = Vec::new();
        for space in KeySpace::all() {
            match state.len(space)? {
                0 => {}
                count => entries.push((space, count)),
            }
        }
        Ok(StoreInfo {
            entries,
            disk_bytes: self.size_on_disk()?,
        })
    }

    /// Bytes of disk the store takes, with its journal and what is reserved ahead.
    ///
    /// # Errors
    /// As the operating system has it.
    pub fn size_on_disk(&self) -> Result<u64> {
        let directory = &self.handle.shared.directory;
        let sum = || {
            let mut bytes = 0;
            for file in directory.list()? {
                bytes += directory.open(&file)?.allocated()?;
            }
            Ok(bytes)
        };
        sum().map_err(|reason| store_error(self.handle.shared.name(), "ask for its size", reason))
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
        match self.handle.shared.snapshot() {
            Err(error) => error,
            Ok(_) => closed(self.handle.shared.name()),
        }
    }
}

fn spawn(writer: Writer) -> Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name(format!("store {}", writer.shared.name().escape_default()))
        .spawn(move || writer.run())
        .map_err(|reason| io_error("start the writer thread", reason))
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
