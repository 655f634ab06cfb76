//! The bounded queue in front of the merger: by operations and by bytes.
//!
//! Invariant: whatever happens to a request (answered, dropped in the queue, its caller gone while
//! it waits) its bytes return to the budget, because the permit it carries is dropped with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_channel::{Receiver, Sender};
use event_listener::Event;
use futures_channel::oneshot;

use super::{Operation, Outcome};
use crate::storage::Durability;
use crate::{Error, ErrorKind, Result};

/// An operation on its way, and where its answer goes.
pub(crate) struct Request {
    pub(crate) operation: Operation,
    pub(crate) durability: Durability,
    pub(crate) answer: oneshot::Sender<Result<Outcome>>,
    pub(crate) permit: Permit,
}

/// How many bytes may wait.
struct Budget {
    queued_bytes: AtomicUsize,
    max_bytes: usize,
    room: Event,
}

/// A share of the budget, given back when dropped.
pub(crate) struct Permit {
    budget: Arc<Budget>,
    pub(crate) byte_count: usize,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.budget
            .queued_bytes
            .fetch_sub(self.byte_count, Ordering::AcqRel);
        self.budget.room.notify(usize::MAX);
    }
}

impl Budget {
    /// Waits for room. An operation larger than the whole budget waits until it is alone.
    async fn acquire(self: &Arc<Self>, byte_count: usize) -> Permit {
        loop {
            let queued = self.queued_bytes.load(Ordering::Acquire);
            if !self.fits(queued, byte_count) {
                let listener = self.room.listen();
                // Room may have come between looking and listening.
                if !self.fits(self.queued_bytes.load(Ordering::Acquire), byte_count) {
                    listener.await;
                }
                continue;
            }
            let taken = self.queued_bytes.compare_exchange_weak(
                queued,
                queued + byte_count,
                Ordering::AcqRel,
                Ordering::Acquire,
            );
            if taken.is_ok() {
                return Permit {
                    budget: Arc::clone(self),
                    byte_count,
                };
            }
        }
    }

    fn fits(&self, queued: usize, byte_count: usize) -> bool {
        queued == 0 || queued.saturating_add(byte_count) <= self.max_bytes
    }
}

/// The sending side of the queue.
pub(crate) struct Queue {
    sender: Sender<Request>,
    budget: Arc<Budget>,
    durability: Durability,
    /// Set once the merger has answered its last request.
    drained: AtomicBool,
    stopped: Event,
}

impl Queue {
    pub(crate) fn new(
        max_operations: usize,
        max_bytes: usize,
        durability: Durability,
    ) -> (Self, Receiver<Request>) {
        let (sender, receiver) = async_channel::bounded(max_operations.max(1));
        let budget = Arc::new(Budget {
            queued_bytes: AtomicUsize::new(0),
            max_bytes,
            room: Event::new(),
        });
        let (drained, stopped) = (AtomicBool::new(false), Event::new());
        (
            Self {
                sender,
                budget,
                durability,
                drained,
                stopped,
            },
            receiver,
        )
    }

    /// Waits for room, enqueues, and waits for the answer.
    pub(crate) async fn execute(
        &self,
        operation: Operation,
        durability: Option<Durability>,
    ) -> Result<Outcome> {
        let permit = self.budget.acquire(operation.byte_count()).await;
        let durability = durability.unwrap_or(self.durability);
        let (answer, answered) = oneshot::channel();
        let request = Request {
            operation,
            durability,
            answer,
            permit,
        };
        self.sender.send(request).await.map_err(|_| closed())?;
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Refuses further operations and waits until those in the queue are answered.
    pub(crate) async fn close_and_drain(&self) {
        self.sender.close();
        loop {
            let listener = self.stopped.listen();
            if self.drained.load(Ordering::Acquire) {
                return;
            }
            listener.await;
        }
    }

    pub(crate) fn set_drained(&self) {
        self.drained.store(true, Ordering::Release);
        self.stopped.notify(usize::MAX);
    }

    pub(crate) fn queued_operations(&self) -> usize {
        self.sender.len()
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the database is closed")
}
