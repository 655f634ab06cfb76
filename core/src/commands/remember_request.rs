//! Doing a request once, though it may be asked for twice.
//!
//! A caller whose answer got lost asks again, perhaps another owner of the same store. The batch
//! that carries the request also remembers it, so the second time is recognised and refused.

use std::fmt;

use super::Transaction;
use crate::schema::{REQUESTS, requests};
use crate::storage::{KeyRange, Snapshot};
use crate::{Error, ErrorKind, Result};

/// Fails its batch if the request was done already; else remembers it with the batch.
#[derive(Debug, Clone)]
pub struct RememberRequest {
    /// A name that nobody else has, without zero characters.
    pub caller: String,
    /// Which of the caller's requests this is.
    pub number: u64,
    /// The caller has the answers to all requests before this one, which may be forgotten.
    pub answered_before: u64,
}

/// Details of the error of a request that was done already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DoneAlready;

impl fmt::Display for DoneAlready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request was done already")
    }
}

impl std::error::Error for DoneAlready {}

impl RememberRequest {
    /// How long requests of callers that never came back are kept.
    const KEPT_MS: i64 = 24 * 60 * 60 * 1000;
    /// The most that one request forgets, so that none takes long.
    const FORGOTTEN_AT_ONCE: usize = 64;

    pub(crate) async fn run<S: Snapshot>(&self, tx: &mut Transaction<S>) -> Result<()> {
        if self.caller.is_empty() || self.caller.contains('\0') || self.caller.len() > 128 {
            return Err(Error::invalid(format!(
                "the caller '{}' of a request must have 1 to 128 bytes, none of them zero",
                self.caller.escape_debug()
            )));
        }
        let key = requests::key(&self.caller, self.number);
        if tx.get(REQUESTS, &key).await?.is_some() {
            let message = format!(
                "request {} of '{}' was done already",
                self.number, self.caller
            );
            return Err(
                Error::new(ErrorKind::ConcurrencyConflict, message).with_source(DoneAlready)
            );
        }
        let answered = requests::range(&self.caller).before(requests::key(
            &self.caller,
            self.answered_before.min(self.number),
        ));
        for (answered, _) in tx
            .scan(REQUESTS, &answered, Self::FORGOTTEN_AT_ONCE)
            .await?
        {
            tx.delete(REQUESTS, answered);
        }
        if self.number == 0 {
            self.forget_old(tx).await?;
        }
        let now = tx.now();
        tx.put(REQUESTS, key, requests::encode(now));
        Ok(())
    }

    /// A caller that died leaves a request or two behind; the first request of each new one looks
    /// after them.
    async fn forget_old<S: Snapshot>(&self, tx: &mut Transaction<S>) -> Result<()> {
        let before = tx.now().plus_ms(-Self::KEPT_MS);
        let all = KeyRange::all();
        for (key, at) in tx.scan(REQUESTS, &all, Self::FORGOTTEN_AT_ONCE).await? {
            if requests::decode(&at)? < before {
                tx.delete(REQUESTS, key);
            }
        }
        Ok(())
    }
}
