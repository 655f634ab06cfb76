//! The writer: one thread per open store, the only one that changes its files.
//!
//! Commits come through a bounded channel and are answered through one-shot replies, so that no
//! async worker ever waits for a sync. Checkpoints are made after the answer, or when idle.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
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
}

/// Serves requests until the store is closed or dropped.
pub(crate) fn run(
    mut engine: Engine,
    shared: &Arc<Shared>,
    requests: &Receiver<Request>,
    idle: Duration,
) {
    let reply = serve(&mut engine, shared, requests, idle);
    shared.let_go_of_files();
    // Without a `close` nobody is left to tell; what was acknowledged is durable already.
    let result = engine.close();
    drop(engine);
    shared.release();
    if let Some(reply) = reply {
        let _ = reply.send(result);
    }
}

/// Returns who waits for the store to be closed, if anybody does.
fn serve(
    engine: &mut Engine,
    shared: &Shared,
    requests: &Receiver<Request>,
    idle: Duration,
) -> Option<oneshot::Sender<Result<()>>> {
    loop {
        let request = match engine.is_dirty() {
            true => requests.recv_timeout(idle),
            false => requests.recv().map_err(RecvTimeoutError::from),
        };
        match request {
            Ok(Request::Commit {
                batch,
                durability,
                reply,
            }) => {
                let result = engine.commit(&batch, durability);
                shared.after_commit(engine);
                // A caller that gave up waiting has no use for the answer.
                let _ = reply.send(result);
                if engine.is_checkpoint_due() {
                    checkpoint(engine, shared);
                }
            }
            Ok(Request::Close { reply }) => return Some(reply),
            Err(RecvTimeoutError::Timeout) => checkpoint(engine, shared),
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
}

fn checkpoint(engine: &mut Engine, shared: &Shared) {
    // Without room for it the journal keeps everything; other failures show at the next call.
    let _ = engine.checkpoint();
    shared.after_commit(engine);
}
