//! Contents that an edge left on the server, asked for one by one.
//!
//! Invariants:
//! - one content is fetched at a time, whoever asked for it and how often;
//! - every ask ends in one event, or with its session;
//! - a content becomes present in one commit, for all that refer to it.

use std::collections::VecDeque;

use bytes::Bytes;

use super::content_fetch::ContentFetch;
use super::edge::{EdgeEvent, replicate};
use super::messages::Message;
use super::{ReplicationCommand, ReplicationOutcome};
use crate::attachments::{AttachmentContent, fill_in};
use crate::commands::Transaction;
use crate::database::Database;
use crate::schema::blobs::ContentHash;
use crate::storage::{Snapshot, Store};
use crate::{Error, ErrorKind, Result};

/// Puts a content where an edge had left it on the server.
#[derive(Debug, Clone)]
pub struct FillContent {
    /// What came.
    pub content: AttachmentContent,
}

impl FillContent {
    pub(super) fn byte_count(&self) -> usize {
        match &self.content {
            AttachmentContent::Inline { bytes, .. } => 256 + bytes.len(),
            _ => 256,
        }
    }

    /// Answers whether something refers to it still, as the number of what changed.
    pub(super) async fn run<S: Snapshot>(
        &self,
        tx: &mut Transaction<S>,
    ) -> Result<ReplicationOutcome> {
        let is_known = fill_in(tx, &self.content).await?;
        Ok(ReplicationOutcome::Merged {
            changed: usize::from(is_known),
        })
    }
}

struct Current<S: Store> {
    id: String,
    hash: ContentHash,
    fetch: ContentFetch<S>,
}

/// What a session was asked to fetch.
pub(super) struct ContentDemand<S: Store> {
    waiting: VecDeque<(String, ContentHash)>,
    current: Option<Current<S>>,
    pub(super) events: Vec<EdgeEvent>,
}

impl<S: Store> ContentDemand<S> {
    pub(super) fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            current: None,
            events: Vec::new(),
        }
    }

    /// Adds an ask, unless it is one of those that wait.
    pub(super) fn add(&mut self, id: &str, hash: ContentHash) {
        let is_current = |it: &Current<S>| it.hash == hash && it.id == id;
        let is_waiting = |it: &(String, ContentHash)| it.1 == hash && it.0 == id;
        if !self.current.as_ref().is_some_and(is_current) && !self.waiting.iter().any(is_waiting) {
            self.waiting.push_back((id.to_owned(), hash));
        }
    }

    /// Whether an answer of the server is on its way.
    pub(super) fn is_asking(&self) -> bool {
        self.current.is_some()
    }

    /// Puts what was asked of the server back: another hello begins, and the answer is lost.
    pub(super) fn restart(&mut self) {
        if let Some(current) = self.current.take() {
            self.waiting.push_front((current.id, current.hash));
        }
    }

    /// What to ask the server for next. What fails, fails alone.
    pub(super) async fn next(&mut self, database: &Database<S>) -> Option<Message> {
        loop {
            let mut current = match self.current.take() {
                Some(current) => current,
                None => {
                    let (id, hash) = self.waiting.pop_front()?;
                    let read = async { database.read().await?.content(&hash).await };
                    let known = match read.await {
                        Ok(Some(blob)) if blob.is_here() => Ok(()),
                        Ok(Some(_)) => {
                            let fetch = ContentFetch::of_document(id.clone(), hash);
                            self.current = Some(Current { id, hash, fetch });
                            continue;
                        }
                        Ok(None) => Err(gone()),
                        Err(error) => Err(error),
                    };
                    self.end(id, hash, known);
                    continue;
                }
            };
            let outcome = match current.fetch.next(database).await {
                Ok(Some(want)) => {
                    self.current = Some(current);
                    return Some(want);
                }
                Ok(None) => fill(database, current.fetch.fetched.pop()).await,
                Err(error) => Err(error),
            };
            self.end(current.id, current.hash, outcome);
        }
    }

    /// Takes a piece; answers what to ask for next.
    pub(super) async fn take(
        &mut self,
        database: &Database<S>,
        hash: ContentHash,
        (size, offset, bytes): (Option<u64>, u64, &Bytes),
    ) -> Option<Message> {
        if let Some(mut current) = self.current.take() {
            match current.fetch.take(hash, size, offset, bytes).await {
                Ok(()) => self.current = Some(current),
                Err(error) => self.end(current.id, current.hash, Err(error)),
            }
        }
        self.next(database).await
    }

    fn end(&mut self, id: String, hash: ContentHash, outcome: Result<()>) {
        self.events.push(match outcome {
            Ok(()) => EdgeEvent::Fetched { hash },
            Err(error) => EdgeEvent::NotFetched {
                id,
                hash,
                kind: error.kind(),
                reason: error.message().to_owned(),
            },
        });
    }
}

async fn fill<S: Store>(database: &Database<S>, fetched: Option<AttachmentContent>) -> Result<()> {
    let content = fetched.ok_or_else(|| {
        Error::new(
            ErrorKind::NotFound,
            "the server has no such content of this document: it has changed there",
        )
    })?;
    let fill = ReplicationCommand::FillContent(FillContent { content });
    match replicate(database, fill).await? {
        ReplicationOutcome::Merged { changed: 0 } => Err(gone()),
        _ => Ok(()),
    }
}

fn gone() -> Error {
    Error::new(
        ErrorKind::NotFound,
        "no document has such an attachment any more",
    )
}
