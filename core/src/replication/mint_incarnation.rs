//! A new life of a server's database: after a restore, or when somebody has seen more of it than it
//! remembers.

use super::ReplicationOutcome;
use crate::Result;
use crate::commands::Transaction;
use crate::storage::Snapshot;
use crate::version::IncarnationId;

/// Gives the database a new identity; what it writes from then on cannot be taken for something it
/// wrote and forgot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MintIncarnation;

impl MintIncarnation {
    pub(super) fn run<S: Snapshot>(self, tx: &mut Transaction<S>) -> Result<ReplicationOutcome> {
        let id = IncarnationId::mint(&*tx.host.random)?;
        tx.found_again(id);
        tx.put_state_marker();
        Ok(ReplicationOutcome::Minted(id))
    }
}
