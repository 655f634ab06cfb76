//! The merger: all writers of a database, one commit at a time.
//!
//! It drains the queue into one transaction, commits it once, then answers everybody in it. While
//! that commit syncs, the next transaction is prepared on top of it. A failing operation fails
//! alone; a failing commit fails everybody in it, and what was prepared on top runs again from
//! the state that is really there.
//!
//! Whoever was answered soon writes again. A commit that began with the first of them would leave
//! the others to the next one, so that few and many take turns and neither's sync has work beside
//! it; where the host lends a [`Pause`], a commit waits for half of them.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use async_channel::Receiver;
use bytes::Bytes;
use futures_util::future::{Either, select};

use super::queue::Request;
use super::{Changes, Outcome, Transaction};
use crate::Result;
use crate::database::Shared;
use crate::notices::Notice;
use crate::schema::DOCUMENTS;
use crate::storage::{Durability, MaybeSend, Store};
use crate::version::Incarnations;

/// Returns when everything else that its host has to do was done once, and news from outside were
/// looked for: on tokio `|| Box::pin(tokio::task::yield_now())`.
pub type Pause = fn() -> Pausing;
type Pausing = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Pauses before a commit, at most; in more than these few hardly anybody else comes.
#[cfg(feature = "pauses")]
const MOST_PAUSES: usize = 10;
/// Whoever waits already has waited enough then; a host with much to do takes that long for one.
#[cfg(feature = "pauses")]
const MOST_PAUSED_TICKS: i64 = 10_000;

/// Runs a database's writes. The host drives [`Merger::run`] on a task or thread of its own.
pub struct Merger<S: Store> {
    shared: Arc<Shared<S>>,
    requests: Receiver<Request>,
    #[cfg(feature = "pauses")]
    pause: Option<Pause>,
}

/// Requests run in one transaction, with what each will be answered.
type Group = Vec<(Request, Result<Outcome>)>;

/// A transaction that still takes operations.
struct Open<S: Store> {
    group: Group,
    transaction: Option<Transaction<S::Snapshot>>,
}

/// A transaction that is complete, to be committed.
struct Prepared {
    changes: Arc<Changes>,
    notices: Vec<Notice>,
    /// The table of incarnations, if there are new ones.
    incarnations: Option<Incarnations>,
    group: Group,
}

/// A transaction whose commit is under way.
struct InFlight<F> {
    prepared: Prepared,
    commit: Pin<Box<F>>,
}

/// The pauses before a commit: when the first began, and how many there were.
#[cfg(feature = "pauses")]
#[derive(Default)]
struct Paused {
    /// Half of those who wrote just now.
    company: usize,
    since: i64,
    count: usize,
}

/// What happened first while a commit is under way.
enum Next {
    Request(Request),
    Committed(Result<()>),
}

impl<S: Store> Drop for Merger<S> {
    /// However the merger ends, nobody waits for it afterwards.
    fn drop(&mut self) {
        self.requests.close();
        self.shared.queue.set_drained();
    }
}

impl<S: Store> Merger<S> {
    pub(crate) fn new(shared: Arc<Shared<S>>, requests: Receiver<Request>) -> Self {
        Self {
            shared,
            requests,
            #[cfg(feature = "pauses")]
            pause: None,
        }
    }

    /// Lets it wait for callers whose next write comes soon.
    #[cfg(feature = "pauses")]
    #[must_use]
    pub fn with_pause(mut self, pause: Pause) -> Self {
        self.pause = Some(pause);
        self
    }

    /// Works until the database is closed and everything queued is done.
    pub async fn run(self) {
        let mut in_flight = None;
        while let Some(prepared) = self.prepare(&mut in_flight).await {
            if prepared.changes.is_empty() {
                self.settle(prepared, Ok(()));
                continue;
            }
            let batch = prepared.changes.to_write_batch();
            let durable = prepared.group.iter().any(|(request, outcome)| {
                outcome.is_ok() && request.durability == Durability::Durable
            });
            let durability = if durable {
                Durability::Durable
            } else {
                Durability::Relaxed
            };
            if let Some(incarnations) = &prepared.incarnations {
                // Before a snapshot can show records that name them. Should the commit fail, no
                // record does, and the next table replaces this one.
                let known = Arc::new(incarnations.clone());
                let shared = self.shared.incarnations.write();
                *shared.unwrap_or_else(PoisonError::into_inner) = known;
            }
            let store = self.shared.store.clone();
            let commit = async move { store.commit(batch, durability).await };
            in_flight = Some(InFlight {
                prepared,
                commit: Box::pin(commit),
            });
        }
    }

    /// Builds the next transaction while the one in flight syncs; returns when that one is settled
    /// and there is something to answer, or `None` when the queue is closed and empty.
    async fn prepare<F>(&self, in_flight: &mut Option<InFlight<F>>) -> Option<Prepared>
    where
        F: Future<Output = Result<()>> + MaybeSend,
    {
        let mut open = Open {
            group: Group::new(),
            transaction: None,
        };
        #[cfg(feature = "pauses")]
        let mut paused = Paused::default();
        while let Some(flight) = in_flight {
            match self.next(&mut flight.commit, &open).await {
                Next::Request(request) => {
                    self.run_with_queued(request, &mut open, &flight.prepared.changes)
                        .await;
                }
                Next::Committed(result) => {
                    let is_lost = result.is_err();
                    let flight = in_flight.take().expect("the loop's condition");
                    #[cfg(feature = "pauses")]
                    {
                        paused.company = (flight.prepared.group.len() + open.group.len()) / 2;
                    }
                    self.settle(flight.prepared, result);
                    if is_lost {
                        self.run_again(&mut open).await;
                    }
                }
            }
        }
        let nothing_in_flight = Arc::default();
        while !self.is_full(&open) {
            let request = match self.requests.try_recv() {
                Ok(request) => request,
                Err(_) if open.group.is_empty() => self.requests.recv().await.ok()?,
                Err(_) => {
                    #[cfg(feature = "pauses")]
                    if open.group.len() < paused.company
                        && let Some(pausing) = self.pause(&mut paused)
                    {
                        pausing.await;
                        continue;
                    }
                    break;
                }
            };
            self.run_with_queued(request, &mut open, &nothing_in_flight)
                .await;
        }
        let (changes, notices, incarnations) = match open.transaction {
            Some(transaction) => transaction.finish(),
            None => (Changes::default(), Vec::new(), None),
        };
        Some(Prepared {
            changes: Arc::new(changes),
            notices,
            incarnations,
            group: open.group,
        })
    }

    /// A pause for others to work in, unless there were enough before this commit.
    #[cfg(feature = "pauses")]
    fn pause(&self, paused: &mut Paused) -> Option<Pausing> {
        let pause = self.pause?;
        let now = self.shared.host.clock.now().ticks();
        if paused.count == 0 {
            paused.since = now;
        }
        // Nor after a clock was set back.
        let is_in_time =
            now >= paused.since && now.saturating_sub(paused.since) < MOST_PAUSED_TICKS;
        if !is_in_time || paused.count == MOST_PAUSES {
            return None;
        }
        paused.count += 1;
        Some(pause())
    }

    async fn next<F>(&self, commit: &mut Pin<Box<F>>, open: &Open<S>) -> Next
    where
        F: Future<Output = Result<()>> + MaybeSend,
    {
        if self.is_full(open) {
            return Next::Committed(commit.as_mut().await);
        }
        match select(Box::pin(self.requests.recv()), commit.as_mut()).await {
            Either::Left((Ok(request), _)) => Next::Request(request),
            Either::Left((Err(_), commit)) => Next::Committed(commit.await),
            Either::Right((result, _)) => Next::Committed(result),
        }
    }

    fn is_full(&self, open: &Open<S>) -> bool {
        let byte_count = open.transaction.as_ref().map_or(0, Transaction::byte_count);
        open.group.len() >= self.shared.limits.max_merged_operations.max(1)
            || byte_count >= self.shared.limits.max_merged_bytes
    }

    /// Runs `request` and, up to the limits, what else is queued.
    async fn run_with_queued(
        &self,
        request: Request,
        open: &mut Open<S>,
        in_flight: &Arc<Changes>,
    ) {
        let room = self
            .shared
            .limits
            .max_merged_operations
            .saturating_sub(open.group.len() + 1);
        let mut byte_count = request.permit.byte_count;
        let mut requests = vec![request];
        while requests.len() <= room && byte_count < self.shared.limits.max_merged_bytes {
            let Ok(request) = self.requests.try_recv() else {
                break;
            };
            byte_count += request.permit.byte_count;
            requests.push(request);
        }
        self.run_requests(requests, open, in_flight).await;
    }

    /// What was decided on top of a lost commit rests on a state that never came to be.
    async fn run_again(&self, open: &mut Open<S>) {
        open.transaction = None;
        let requests: Vec<Request> = open.group.drain(..).map(|(request, _)| request).collect();
        if !requests.is_empty() {
            self.run_requests(requests, open, &Arc::default()).await;
        }
    }

    async fn run_requests(
        &self,
        requests: Vec<Request>,
        open: &mut Open<S>,
        in_flight: &Arc<Changes>,
    ) {
        let keys = requests
            .iter()
            .flat_map(|request| request.operation.document_keys())
            .collect();
        let transaction = match self.loaded(open.transaction.take(), keys, in_flight).await {
            Ok(transaction) => transaction,
            Err(error) => {
                // Nothing can be read: the whole group fails, each with the reason.
                for (_, outcome) in &mut open.group {
                    *outcome = Err(error.clone());
                }
                open.group
                    .extend(requests.into_iter().map(|it| (it, Err(error.clone()))));
                return;
            }
        };
        let transaction = open.transaction.insert(transaction);
        open.group.reserve(requests.len());
        for request in requests {
            transaction.begin_operation();
            let outcome = request.operation.run(transaction).await;
            if outcome.is_err() {
                transaction.undo_operation();
            }
            open.group.push((request, outcome));
        }
    }

    async fn loaded(
        &self,
        open: Option<Transaction<S::Snapshot>>,
        keys: Vec<Bytes>,
        in_flight: &Arc<Changes>,
    ) -> Result<Transaction<S::Snapshot>> {
        let mut transaction = match open {
            Some(transaction) => transaction,
            None => {
                Transaction::begin(
                    self.shared.store.snapshot().await?,
                    Arc::clone(in_flight),
                    self.shared.host.clone(),
                    Arc::clone(&self.shared.limits),
                    Arc::clone(&self.shared.acknowledged),
                    self.shared.is_device,
                    self.shared.opening_to_note(),
                )
                .await?
            }
        };
        transaction.preload(DOCUMENTS, keys).await?;
        Ok(transaction)
    }

    /// Answers a group once its fate is known.
    fn settle(&self, prepared: Prepared, committed: Result<()>) {
        if committed.is_ok() {
            self.shared.notices.extend(prepared.notices);
            if !prepared.changes.is_empty() {
                self.shared.commit_count.fetch_add(1, Ordering::Relaxed);
                self.shared.is_opening_noted.store(true, Ordering::Relaxed);
                self.shared.committed.notify(usize::MAX);
            }
        }
        for (request, outcome) in prepared.group {
            let outcome = outcome.and_then(|outcome| committed.clone().map(|()| outcome));
            // A caller that no longer waits has given up on the answer, not on the write.
            let _ = request.answer.send(outcome);
        }
    }
}
