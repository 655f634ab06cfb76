//! The writer: one thread per open store, the only one that changes its files; but for the thread
//! of a checkpoint, which puts what was committed before into redb while commits go on.
//!
//! Commits come through a bounded channel and are answered through one-shot replies, so that no
//! async worker ever waits for a sync.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use futures_channel::oneshot;
use pinyon_core::Result;
use pinyon_core::storage::{Durability, WriteBatch};

use crate::engine::Engine;
use crate::store::Shared;

/// What a store asks of its writer.
pub(crate) enum Request {
    Commit {
        batch: WriteBatch,
        durability: Durability,
        reply: oneshot::Sender<Result<()>>,
    },
    Close {
        reply: oneshot::Sender<Result<()>>,
    },
    /// A checkpoint that ran beside commits is done.
    Finish,
    /// Nobody has the store any more.
    End,
}

/// What the writer's thread works with.
pub(crate) struct Writer {
    pub(crate) engine: Engine,
    pub(crate) shared: Arc<Shared>,
    pub(crate) requests: Receiver<Request>,
    /// For the thread of a checkpoint to say that it is done.
    pub(crate) wake: SyncSender<Request>,
    /// How long nothing must come before everything is put into redb.
    pub(crate) idle: Duration,
}

impl Writer {
    /// Serves requests until the store is closed or dropped.
    pub(crate) fn run(mut self) {
        let reply = self.serve();
        self.shared.let_go_of_files();
        // Without a `close` nobody is left to tell; what was acknowledged is durable already.
        let result = self.engine.close();
        drop(self.engine);
        self.shared.release();
        if let Some(reply) = reply {
            let _ = reply.send(result);
        }
    }

    /// Returns who waits for the store to be closed, if anybody does.
    fn serve(&mut self) -> Option<oneshot::Sender<Result<()>>> {
        loop {
            let request = match self.engine.is_dirty() {
                true => self.requests.recv_timeout(self.idle),
                false => self.requests.recv().map_err(RecvTimeoutError::from),
            };
            match request {
                Ok(Request::Commit {
                    batch,
                    durability,
                    reply,
                }) => {
                    let result = self.engine.commit(&batch, durability);
                    self.shared.after_commit(&mut self.engine);
                    // A caller that gave up waiting has no use for the answer.
                    let _ = reply.send(result);
                }
                // Failures of checkpoints show at the next call.
                Ok(Request::Finish) => {
                    if self.engine.is_checkpoint_done() {
                        let _ = self.engine.finish_checkpoint();
                        self.shared.after_commit(&mut self.engine);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    // Without room for it the journal keeps everything.
                    let _ = self.engine.checkpoint();
                    self.shared.after_commit(&mut self.engine);
                }
                Ok(Request::Close { reply }) => return Some(reply),
                Ok(Request::End) | Err(RecvTimeoutError::Disconnected) => return None,
            }
            self.checkpoint_beside();
        }
    }

    /// Begins a checkpoint if one is due, and lets a thread of its own run it.
    fn checkpoint_beside(&mut self) {
        if self.engine.is_checkpoint_due() {
            // As above.
            let _ = self.engine.begin_checkpoint();
        }
        let Some(checkpoint) = self.engine.take_unstarted() else {
            return;
        };
        let wake = self.wake.clone();
        let run = {
            let checkpoint = Arc::clone(&checkpoint);
            move || {
                checkpoint.run();
                drop(checkpoint);
                // A writer that ended meanwhile waited for the checkpoint.
                let _ = wake.send(Request::Finish);
            }
        };
        let name = format!("checkpoint {}", self.shared.name().escape_default());
        if std::thread::Builder::new().name(name).spawn(run).is_err() {
            // Too many threads: then it is done here and now.
            checkpoint.run();
            let _ = self.engine.finish_checkpoint();
            self.shared.after_commit(&mut self.engine);
        }
    }
}
