//! A server: one database, and streams from the others.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pinyon_core::Result;
use pinyon_core::replication::hub::{Authorize, Grants, HubOptions, HubSession};
use pinyon_core::replication::{
    MergeReplicated, MintIncarnation, ReplicationCommand, ReplicationOutcome, StreamLimits,
};
use pinyon_core::version::IncarnationId;

use crate::choice::Choice;
use crate::replica::{Contents, Replica, SimulatedStore, World};

/// Lets everybody do everything.
struct Everybody;

impl Authorize for Everybody {
    fn authorize(&self, _: &str) -> Result<Grants> {
        Ok(Grants::everything())
    }
}

/// A server of the run.
pub(crate) struct Server {
    pub(crate) replica: Replica,
    pub(crate) tag: String,
    pub(crate) backup: Option<Contents>,
    /// The servers it followed to their ends since one of them ceased to be.
    followed: RefCell<BTreeSet<IncarnationId>>,
    is_complete: Arc<AtomicBool>,
    /// Counts its lives: connections of an earlier one are gone.
    pub(crate) life: u64,
}

impl Server {
    pub(crate) async fn found(world: &World, index: usize) -> Result<Self> {
        let tag = char::from(b'A' + u8::try_from(index).expect("few servers")).to_string();
        Ok(Self {
            replica: Replica::open(world, &tag, &Contents::new()).await?,
            tag,
            backup: None,
            followed: RefCell::default(),
            is_complete: Arc::new(AtomicBool::new(true)),
            life: 0,
        })
    }

    pub(crate) fn id(&self) -> IncarnationId {
        self.replica.database.incarnation().id
    }

    /// The session for a new connection.
    pub(crate) fn session(
        &self,
        peers: &[IncarnationId],
        choice: &Choice,
    ) -> HubSession<SimulatedStore> {
        let own = self.id();
        let others: Vec<_> = peers.iter().filter(|it| **it != own).copied().collect();
        let options = HubOptions {
            peers: others.into(),
            is_complete: Arc::clone(&self.is_complete),
            may_mint: false,
            stream: small_parts(choice),
            ..HubOptions::new(Arc::new(Everybody))
        };
        HubSession::new(self.replica.database.clone(), options)
    }

    /// Takes in a part of the stream of `source`; whether that is all for now.
    pub(crate) async fn follow(&self, source: &Self, choice: &Choice) -> Result<bool> {
        let name = source.replica.database.incarnation();
        let seen = self
            .replica
            .database
            .read()
            .await?
            .peer_position(&name.id)
            .await?;
        let read = source.replica.database.read().await?;
        let part = read.stream_to_server(seen, &small_parts(choice)).await?;
        let is_end = part.is_end;
        if part.up_to > seen || is_end {
            let merge = MergeReplicated {
                source: (&name).into(),
                facts: part.facts,
                states: part.states,
                seen: part.seen,
                up_to: part.up_to,
                is_end,
            };
            self.replica
                .replicate(ReplicationCommand::Merge(merge))
                .await?;
        }
        if is_end {
            self.followed.borrow_mut().insert(name.id);
        }
        Ok(is_end)
    }

    /// Hears who belongs to the cluster now.
    pub(crate) fn meet(&self, members: &[IncarnationId], is_new: bool) {
        let mut followed = self.followed.borrow_mut();
        if is_new {
            followed.clear();
        }
        let own = self.id();
        let mut others = members.iter().filter(|it| **it != own);
        let is_complete = others.all(|it| followed.contains(it));
        let was_complete = !is_new && self.is_complete.load(Ordering::Acquire);
        self.is_complete
            .store(was_complete || is_complete, Ordering::Release);
    }

    /// Loses the disk; the backup takes its place, as a new life.
    pub(crate) async fn restore(&mut self, world: &World) -> Result<()> {
        let Some(backup) = &self.backup else {
            return Ok(());
        };
        self.replica = Replica::open(world, &self.tag, backup).await?;
        let mint = ReplicationCommand::MintIncarnation(MintIncarnation::default());
        let minted = self.replica.replicate(mint).await?;
        assert!(matches!(minted, ReplicationOutcome::Minted(_)));
        self.life += 1;
        Ok(())
    }
}

/// Parts so small that they end everywhere.
fn small_parts(choice: &Choice) -> StreamLimits {
    StreamLimits {
        max_items: 1 + choice.below(4),
        max_bytes: 1 << 20,
        max_entries: 1 + choice.below(8),
    }
}
