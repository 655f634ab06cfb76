//! Operations: long work that clients follow by number, with its progress, its end and a way to
//! stop it.
//!
//! Invariants: numbers are never given twice, also not by the next process, so that nobody who
//! followed an operation into a restart is told of the end of another one; an operation belongs to
//! one database's store, so a new database of the same name does not see it; of those that ended
//! only the newest are remembered.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use pinyon_core::host::Timestamp;
use pinyon_core::{Error, ErrorKind, Result};
use serde_json::{Map, Value, json};
use tokio::sync::{Notify, oneshot};

use crate::http_error;

/// How many operations that ended are remembered.
const REMEMBERED: usize = 1024;
/// How many operations run at once in one database.
const MOST_RUNNING: usize = 32;

/// How an operation's work ended when it did not fail.
pub enum Ended {
    /// It did all there was.
    Completed(Value),
    /// It was told to stop, and did this much.
    Canceled(Value),
}

enum State {
    InProgress(Value),
    Completed(Value),
    Canceled(Value),
    Faulted(Value),
}

impl State {
    fn is_running(&self) -> bool {
        matches!(self, Self::InProgress(_))
    }
}

struct Operation {
    scope: String,
    state: Mutex<State>,
    is_canceled: AtomicBool,
    canceling: Notify,
}

impl Operation {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the work of an operation is given: how to tell of its progress, and whether to go on.
#[derive(Clone)]
pub struct Progress(Arc<Operation>);

impl Progress {
    /// Tells how far the work is.
    pub fn report(&self, progress: Value) {
        let mut state = self.0.state();
        if state.is_running() {
            *state = State::InProgress(progress);
        }
    }

    /// Whether the work is to stop.
    pub fn is_canceled(&self) -> bool {
        self.0.is_canceled.load(Ordering::Acquire)
    }

    /// Waits for `pause`, or less if the work is to stop.
    pub async fn pause(&self, pause: std::time::Duration) {
        let canceled = self.0.canceling.notified();
        if self.is_canceled() {
            return;
        }
        // Whichever it was, the work looks at the flag.
        let _ = tokio::time::timeout(pause, canceled).await;
    }
}

/// The operations of a server.
#[derive(Default)]
pub struct Operations {
    last_id: AtomicU64,
    by_id: Mutex<BTreeMap<u64, Arc<Operation>>>,
}

impl Operations {
    /// Those of a server that starts now. Their numbers begin with the milliseconds since 1970: no
    /// server gives out as many while it runs, and they stay exact in JavaScript.
    pub fn of_server_started_at(now: Timestamp) -> Self {
        let ms = u64::try_from(now.unix_ms()).unwrap_or(0);
        Self {
            last_id: AtomicU64::new(ms),
            ..Self::default()
        }
    }

    fn by_id(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Operation>>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number for an operation.
    pub fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Starts an operation under a number from [`Self::next_id`], or under a new one if `id` is 0.
    /// Answers its number.
    ///
    /// # Errors
    /// `InvalidRequest` for a number that was not given out or is taken; `Unavailable` when too
    /// many run already.
    pub fn start<W, F>(&self, scope: &str, id: u64, work: W) -> Result<u64>
    where
        W: FnOnce(Progress) -> F,
        F: Future<Output = Result<Ended>> + Send + 'static,
    {
        let id = if id == 0 { self.next_id() } else { id };
        let operation = Arc::new(Operation {
            scope: scope.to_owned(),
            state: Mutex::new(State::InProgress(Value::Null)),
            is_canceled: AtomicBool::new(false),
            canceling: Notify::new(),
        });
        self.add(id, Arc::clone(&operation))?;
        let work = work(Progress(Arc::clone(&operation)));
        tokio::spawn(async move {
            // Whoever follows the operation must learn of a defect too.
            let result = std::panic::AssertUnwindSafe(work).catch_unwind().await;
            let result = result.unwrap_or_else(|_| {
                Err(Error::new(
                    ErrorKind::Internal,
                    "the operation broke off by a defect of the server",
                ))
            });
            *operation.state() = match result {
                Ok(Ended::Completed(result)) => State::Completed(result),
                Ok(Ended::Canceled(result)) => State::Canceled(result),
                Err(error) => {
                    tracing::warn!(id, ?error, "an operation failed");
                    State::Faulted(fault(&error))
                }
            };
        });
        Ok(id)
    }

    /// As [`Self::start`], for work that a request does itself: it tells its end through `ended`,
    /// or goes away and the operation fails. Answers how to tell of its progress, and its number.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn attend(
        &self,
        scope: &str,
        id: u64,
        ended: oneshot::Receiver<Result<Ended>>,
    ) -> Result<(Progress, u64)> {
        let mut given = None;
        let id = self.start(scope, id, |progress| {
            given = Some(progress);
            async {
                ended.await.unwrap_or_else(|_| {
                    Err(Error::new(
                        ErrorKind::TimedOut,
                        "the request that the operation belongs to broke off",
                    ))
                })
            }
        })?;
        Ok((given.expect("work that starts is given its progress"), id))
    }

    fn add(&self, id: u64, operation: Arc<Operation>) -> Result<()> {
        let mut by_id = self.by_id();
        if id > self.last_id.load(Ordering::Relaxed) {
            return Err(Error::invalid(format!(
                "the operation id {id} was not given out; ask operations/next-operation-id"
            )));
        }
        if by_id.contains_key(&id) {
            return Err(Error::invalid(format!(
                "there is an operation {id} already"
            )));
        }
        let running = by_id
            .values()
            .filter(|it| it.scope == operation.scope && it.state().is_running());
        if running.count() >= MOST_RUNNING {
            return Err(Error::new(
                ErrorKind::Unavailable,
                format!("{MOST_RUNNING} operations run in this database; wait for one to end"),
            ));
        }
        let ended: Vec<u64> = by_id
            .iter()
            .filter(|(_, it)| !it.state().is_running())
            .map(|(id, _)| *id)
            .collect();
        let excess = ended.len().saturating_sub(REMEMBERED - 1);
        for id in ended.into_iter().take(excess) {
            by_id.remove(&id);
        }
        by_id.insert(id, operation);
        Ok(())
    }

    fn find(&self, scope: &str, id: u64) -> Option<Arc<Operation>> {
        let found = self.by_id().get(&id).cloned();
        found.filter(|it| it.scope == scope)
    }

    /// The state of an operation in the protocol's form.
    pub fn state(&self, scope: &str, id: u64) -> Option<Value> {
        let operation = self.find(scope, id)?;
        let state = operation.state();
        let (status, progress, result) = match &*state {
            State::InProgress(progress) => ("InProgress", progress, &Value::Null),
            State::Completed(result) => ("Completed", &Value::Null, result),
            State::Canceled(result) => ("Canceled", &Value::Null, result),
            State::Faulted(result) => ("Faulted", &Value::Null, result),
        };
        Some(json!({ "Progress": progress, "Result": result, "Status": status }))
    }

    /// Tells an operation to stop, which it does when its step is done. Answers whether there is
    /// one.
    pub fn cancel(&self, scope: &str, id: u64) -> bool {
        let Some(operation) = self.find(scope, id) else {
            return false;
        };
        operation.is_canceled.store(true, Ordering::Release);
        operation.canceling.notify_waiters();
        true
    }
}

/// What clients raise as an exception.
fn fault(error: &Error) -> Value {
    let mut fault: Map<String, Value> = http_error::to_body(error, "");
    fault.remove("Url");
    let status = http_error::status(error).as_u16();
    fault.insert("StatusCode".to_owned(), status.into());
    fault.into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use std::time::Duration;

    async fn wait_for(operations: &Operations, id: u64, status: &str) -> Value {
        loop {
            let state = operations.state("a", id).unwrap();
            if state["Status"] == status {
                return state;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test]
    async fn an_operation_tells_its_progress_and_its_end() {
        let operations = Operations::default();
        let id = operations.next_id();
        let (go_on, gate) = tokio::sync::oneshot::channel::<()>();
        let started = operations.start("a", id, |progress| async move {
            progress.report(json!({ "Processed": 1 }));
            gate.await.unwrap();
            Ok(Ended::Completed(json!({ "Total": 2 })))
        });
        assert_eq!(started.unwrap(), id);
        assert!(
            operations.state("b", id).is_none(),
            "another database's business"
        );
        while operations.state("a", id).unwrap()["Progress"]["Processed"] != 1 {
            tokio::task::yield_now().await;
        }
        go_on.send(()).unwrap();
        let state = wait_for(&operations, id, "Completed").await;
        assert_eq!(state["Result"]["Total"], 2);
        let again = operations.start("a", id, |_| async { Ok(Ended::Completed(Value::Null)) });
        assert!(again.is_err(), "the number is taken");
        let invented = operations.start("a", 99, |_| async { Ok(Ended::Completed(Value::Null)) });
        assert!(invented.is_err(), "the number was never given");
    }

    #[tokio::test]
    async fn an_operation_stops_when_told_and_says_why_it_failed() {
        let operations = Operations::default();
        let id = operations.start("a", 0, |progress| async move {
            while !progress.is_canceled() {
                progress.pause(Duration::from_secs(3600)).await;
            }
            Ok(Ended::Canceled(json!({ "Total": 7 })))
        });
        let id = id.unwrap();
        assert!(!operations.cancel("b", id));
        assert!(operations.cancel("a", id));
        assert_eq!(
            wait_for(&operations, id, "Canceled").await["Result"]["Total"],
            7
        );
        let failing = operations.start("a", 0, |_| async {
            Err(Error::invalid("nobody knows this"))
        });
        let state = wait_for(&operations, failing.unwrap(), "Faulted").await;
        assert_eq!(state["Result"]["Message"], "nobody knows this");
        assert_eq!(state["Result"]["StatusCode"], 400);
    }

    #[tokio::test]
    async fn only_the_newest_are_remembered() {
        let operations = Operations::default();
        for _ in 0..REMEMBERED + 10 {
            let started = operations.start("a", 0, |_| async { Ok(Ended::Completed(Value::Null)) });
            wait_for(&operations, started.unwrap(), "Completed").await;
        }
        assert!(operations.by_id().len() <= REMEMBERED);
        assert!(operations.state("a", 1).is_none());
    }
}
