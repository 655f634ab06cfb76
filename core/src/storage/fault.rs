//! The fault-injecting wrapper: any backend, failing where a test says.
//!
//! Counts every call (`open`, `snapshot`, `get_many`, `scan`, `commit`, `close`) in one sequence,
//! so that "fail at the Nth call, for every N" covers each of them.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use bytes::Bytes;

use super::{
    Direction, Durability, Environment, KeyRange, KeySpace, Page, PageLimits, Snapshot, Store,
    StoreName, WriteBatch,
};
use crate::{Error, ErrorKind, Result};

/// What goes wrong at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call fails with this kind and changes nothing. A commit that fails as `Closed` (a
    /// failed sync) closes the store: every later call fails the same way.
    Error(ErrorKind),
    /// A commit is applied, yet reports `Closed`, as when the acknowledgement of a sync is lost.
    /// Other calls fail as with `Error(Closed)`.
    AppliedThenClosed,
}

#[derive(Debug, Default)]
struct Plan {
    calls: u64,
    commits: u64,
    fail_at: Option<(u64, Fault)>,
    disk_full: bool,
    closed: bool,
    commit_polls: u32,
}

/// Says which calls fail; clones share the plan, so a test keeps one and hands one on.
#[derive(Debug, Clone, Default)]
pub struct FaultPlan {
    plan: Arc<Mutex<Plan>>,
}

impl FaultPlan {
    /// A plan without faults.
    pub fn new() -> Self {
        Self::default()
    }

    fn with<T>(&self, change: impl FnOnce(&mut Plan) -> T) -> T {
        change(&mut self.plan.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets the `nth` call from now on fail (1 is the very next).
    pub fn fail_at(&self, nth: u64, fault: Fault) {
        self.with(|plan| plan.fail_at = Some((plan.calls + nth, fault)));
    }

    /// While `full`, commits that put anything fail with `StorageFull`.
    pub fn set_disk_full(&self, full: bool) {
        self.with(|plan| plan.disk_full = full);
    }

    /// Lets every commit take `polls` turns of the executor before it is applied, so that others
    /// run while it is in flight.
    pub fn slow_commits(&self, polls: u32) {
        self.with(|plan| plan.commit_polls = polls);
    }

    /// The calls counted so far.
    pub fn calls(&self) -> u64 {
        self.with(|plan| plan.calls)
    }

    /// The commits applied so far.
    pub fn commits(&self) -> u64 {
        self.with(|plan| plan.commits)
    }

    /// Forgets faults and closed stores, as a restart does; the count goes on.
    pub fn heal(&self) {
        self.with(|plan| {
            plan.fail_at = None;
            plan.disk_full = false;
            plan.closed = false;
        });
    }

    fn next(&self, call: &str) -> Result<Option<Fault>> {
        self.with(|plan| {
            plan.calls += 1;
            if plan.closed {
                return Err(closed(call));
            }
            match plan.fail_at {
                Some((at, fault)) if at == plan.calls => Ok(Some(fault)),
                _ => Ok(None),
            }
        })
    }

    fn check(&self, call: &str) -> Result<()> {
        match self.next(call)? {
            None => Ok(()),
            Some(Fault::Error(kind)) => Err(injected(kind, call)),
            Some(Fault::AppliedThenClosed) => Err(injected(ErrorKind::Closed, call)),
        }
    }

    fn close_all(&self) {
        self.with(|plan| plan.closed = true);
    }

    fn disk_full(&self) -> bool {
        self.with(|plan| plan.disk_full)
    }
}

/// Lets the executor run others `polls` times.
async fn wait_turns(mut polls: u32) {
    std::future::poll_fn(|context| {
        if polls == 0 {
            return Poll::Ready(());
        }
        polls -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn injected(kind: ErrorKind, call: &str) -> Error {
    Error::new(kind, format!("injected fault in {call}"))
}

fn closed(call: &str) -> Error {
    Error::new(
        ErrorKind::Closed,
        format!("{call}: the store was closed by an injected fault"),
    )
}

/// An environment whose stores fail as the plan says.
#[derive(Clone)]
pub struct FaultEnvironment<E> {
    inner: E,
    plan: FaultPlan,
}

/// A store that fails as the plan says.
#[derive(Clone)]
pub struct FaultStore<S> {
    inner: S,
    plan: FaultPlan,
}

/// A snapshot that fails as the plan says.
pub struct FaultSnapshot<S> {
    inner: S,
    plan: FaultPlan,
}

impl<E> FaultEnvironment<E> {
    /// Wraps `inner`.
    pub fn new(inner: E, plan: FaultPlan) -> Self {
        Self { inner, plan }
    }
}

impl<E: Environment> Environment for FaultEnvironment<E> {
    type Store = FaultStore<E::Store>;

    async fn open(&self, name: &StoreName) -> Result<Self::Store> {
        self.plan.check("open")?;
        Ok(FaultStore {
            inner: self.inner.open(name).await?,
            plan: self.plan.clone(),
        })
    }

    async fn create(&self, name: &StoreName) -> Result<Self::Store> {
        self.plan.check("open")?;
        Ok(FaultStore {
            inner: self.inner.create(name).await?,
            plan: self.plan.clone(),
        })
    }

    async fn list(&self) -> Result<Vec<StoreName>> {
        self.plan.check("list")?;
        self.inner.list().await
    }

    async fn delete(&self, name: &StoreName) -> Result<()> {
        self.plan.check("delete")?;
        self.inner.delete(name).await
    }
}

impl<S: Store> Store for FaultStore<S> {
    type Snapshot = FaultSnapshot<S::Snapshot>;

    async fn snapshot(&self) -> Result<Self::Snapshot> {
        self.plan.check("snapshot")?;
        Ok(FaultSnapshot {
            inner: self.inner.snapshot().await?,
            plan: self.plan.clone(),
        })
    }

    async fn commit(&self, batch: WriteBatch, durability: Durability) -> Result<()> {
        wait_turns(self.plan.with(|plan| plan.commit_polls)).await;
        match self.plan.next("commit")? {
            Some(Fault::Error(kind)) => {
                if kind == ErrorKind::Closed {
                    self.plan.close_all();
                }
                return Err(injected(kind, "commit"));
            }
            Some(Fault::AppliedThenClosed) => {
                self.inner.commit(batch, durability).await?;
                self.plan.close_all();
                return Err(injected(ErrorKind::Closed, "commit"));
            }
            None => {}
        }
        if self.plan.disk_full() && batch.writes().iter().any(is_put) {
            return Err(injected(ErrorKind::StorageFull, "commit"));
        }
        self.inner.commit(batch, durability).await?;
        self.plan.with(|plan| plan.commits += 1);
        Ok(())
    }

    async fn close(&self) -> Result<()> {
        // The wrapped store is released even when the plan fails the call, so that a test can
        // reopen it.
        let planned = self.plan.check("close");
        self.inner.close().await?;
        planned
    }
}

fn is_put(write: &super::Write) -> bool {
    matches!(write, super::Write::Put { .. })
}

impl<S: Snapshot> Snapshot for FaultSnapshot<S> {
    async fn get_many(&self, space: KeySpace, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>> {
        self.plan.check("get_many")?;
        self.inner.get_many(space, keys).await
    }

    async fn scan(
        &self,
        space: KeySpace,
        range: &KeyRange,
        direction: Direction,
        limits: PageLimits,
    ) -> Result<Page> {
        self.plan.check("scan")?;
        self.inner.scan(space, range, direction, limits).await
    }
}
