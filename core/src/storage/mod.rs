//! The storage port (architecture decision 1): an environment of named stores, each read through
//! snapshots and written by one batch at a time.
//!
//! Invariants every backend keeps, proven by the suite in `tests/conformance`:
//! - a snapshot sees one state over all its reads and pages for as long as it lives;
//! - a commit is all or nothing, and later snapshots see it once its future has resolved `Ok`;
//! - no snapshot sees a commit before the promise of its [`Durability`] is kept;
//! - bytes read are the bytes written, or [`crate::ErrorKind::Corrupted`] names what is wrong;
//! - an environment has one owner, enforced against other processes and tabs;
//! - after a failed sync the store answers [`crate::ErrorKind::Closed`] until it is reopened.

mod fault;
mod key_space;
mod maybe_send;
mod memory;
mod page;
mod write_batch;

use std::future::Future;

use bytes::Bytes;

use crate::Result;

pub use fault::{Fault, FaultEnvironment, FaultPlan, FaultSnapshot, FaultStore};
pub use key_space::KeySpace;
pub use maybe_send::{BoxedFuture, MaybeSend, MaybeSync};
pub use memory::{MemoryEnvironment, MemorySnapshot, MemoryStore};
pub use page::{Direction, KeyRange, Page, PageLimits};
pub use write_batch::{Write, WriteBatch};

/// What a commit promises when it returns `Ok`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The data is on disk (fsync; IndexedDB `durability: "strict"`) and survives a power cut.
    Durable,
    /// A crash or power cut may lose the newest relaxed commits, newest first, but never the
    /// order of commits nor their atomicity. A later durable commit makes them durable too.
    Relaxed,
}

/// The name of a store inside an environment: 1 to 128 bytes of any text.
///
/// Backends never use it as a path; they escape it or map it to an opaque one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreName(String);

impl StoreName {
    /// The longest name, in bytes.
    pub const MAX_BYTES: usize = 128;

    /// Checks the length.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidRequest`] if `name` is empty or too long.
    pub fn new(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        if name.is_empty() || name.len() > Self::MAX_BYTES {
            return Err(crate::Error::invalid(format!(
                "store name '{name}' must have 1 to {} bytes",
                Self::MAX_BYTES
            )));
        }
        Ok(Self(name))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A place that holds named stores: one for the documents of a database, one for each index.
pub trait Environment: Clone + MaybeSend + MaybeSync + 'static {
    /// The backend's store.
    type Store: Store;

    /// Opens the store called `name`, creating it if it does not exist, and recovers it first if
    /// its last owner was killed. A store is open at most once at a time.
    ///
    /// # Errors
    /// `Unavailable` if it is open already; `Corrupted` if it cannot be recovered.
    fn open(&self, name: &StoreName) -> impl Future<Output = Result<Self::Store>> + MaybeSend;

    /// As [`Self::open`], of a name that no store ever had: it is none of those of which a backend
    /// lost the names, which might be any other that is not found.
    ///
    /// # Errors
    /// Those of [`Self::open`].
    fn create(&self, name: &StoreName) -> impl Future<Output = Result<Self::Store>> + MaybeSend {
        self.open(name)
    }

    /// The names of all stores, in byte order.
    fn list(&self) -> impl Future<Output = Result<Vec<StoreName>>> + MaybeSend;

    /// Deletes a store and all it holds, all or nothing. Deleting a missing store succeeds.
    ///
    /// # Errors
    /// `Unavailable` if the store is open.
    fn delete(&self, name: &StoreName) -> impl Future<Output = Result<()>> + MaybeSend;
}

/// One store: key spaces that are read together and committed together.
///
/// Clones share it. Dropping the last one closes it, without a word about what fails then; who
/// wants to know calls [`Store::close`].
pub trait Store: Clone + MaybeSend + MaybeSync + 'static {
    /// The backend's snapshot.
    type Snapshot: Snapshot;

    /// The newest committed state, frozen.
    fn snapshot(&self) -> impl Future<Output = Result<Self::Snapshot>> + MaybeSend;

    /// Applies `batch`, all or nothing. The next commit is issued only after this one's future
    /// resolved (one writer, one commit in flight); reads go on meanwhile and see the old state.
    ///
    /// # Errors
    /// `StorageFull`: nothing was applied, the store works on. `Closed`: a sync failed, nothing
    /// is known about this batch, and the store must be reopened.
    fn commit(
        &self,
        batch: WriteBatch,
        durability: Durability,
    ) -> impl Future<Output = Result<()>> + MaybeSend;

    /// Makes all commits durable and releases the store. Later calls fail with `Closed`; open
    /// snapshots may fail too.
    fn close(&self) -> impl Future<Output = Result<()>> + MaybeSend;
}

/// A frozen state of a store.
pub trait Snapshot: MaybeSend + MaybeSync + 'static {
    /// Whether a server may stand on this storage. Where none can, what only servers do is refused,
    /// and the compiler leaves it out of a program that a browser has to load.
    const HOLDS_SERVERS: bool = true;

    /// The values of `keys`, in their order; `None` for a missing key.
    fn get_many(
        &self,
        space: KeySpace,
        keys: &[Bytes],
    ) -> impl Future<Output = Result<Vec<Option<Bytes>>>> + MaybeSend;

    /// One page of `range`, in `direction`. To go on, ask again with the range cut behind the
    /// last key ([`KeyRange::after`] or [`KeyRange::before`]).
    fn scan(
        &self,
        space: KeySpace,
        range: &KeyRange,
        direction: Direction,
        limits: PageLimits,
    ) -> impl Future<Output = Result<Page>> + MaybeSend;
}
