//! The edge's side of a connection: frames in, frames out, no socket.
//!
//! The host connects a WebSocket, sends what [`EdgeSession::begin`] gives, and hands over each frame
//! that comes. After every local commit it calls [`EdgeSession::on_local_write`], and every now and
//! then [`EdgeSession::on_tick`]. When a call fails, or the socket breaks, the session is over: the
//! host makes a new one after a while. Nothing is lost by that, whenever it happens.

use bytes::Bytes;

use super::content_demand::ContentDemand;
use super::content_fetch::{ContentFetch, hashes_of, lists_of, piece};
pub use super::edge_events::{AttachmentFetch, EdgeEvent, EdgeOptions, EdgePhase, EdgeStatus};
use super::lives::Lives;
use super::lost_write::lost_before;
use super::messages::{Known, Message, PROTOCOL_VERSION, Position};
use super::outbox::Outbox;
pub use super::pending_document::PendingDocument;
use super::pending_document::{current_version, pending_of, written_id};
use super::sync_round::SyncRounds;
use super::wire::{
    EdgeWrite, Name, Verdict, WireState, WriteOutcome, entry_to_wire, vector_to_wire,
};
use super::{
    ApplyPull, BecomeEdge, DiscardPending, EndResync, MarkSent, RenewReplica, ReplicationCommand,
    ReplicationOutcome, ResyncEnd, RetryRefused, SettleWrites,
};
use crate::commands::{Operation, Outcome};
use crate::database::Database;
use crate::document::to_id_key;
use crate::reader::Pages;
use crate::schema::blobs::ContentHash;
use crate::schema::edge::{self, EDGE_KEY, EdgeRecord, Refusal};
use crate::schema::{DATABASE, PENDING_ORDER};
use crate::storage::{Direction, KeyRange, Snapshot, Store};
use crate::version::{Entry, Etag, Origin};
use crate::{Error, ErrorKind, ReadTransaction, Result};

/// What the server said about itself.
struct Hub {
    name: Name,
    lives: Lives,
    openings: Vec<u64>,
    filter: u64,
    resync_until: Option<Etag>,
    max_frame_bytes: usize,
    max_writes: usize,
}

/// A part of the stream, until its contents are here.
struct Arriving<S: Store> {
    states: Vec<WireState>,
    up_to: Etag,
    last_etag: Etag,
    contents: ContentFetch<S>,
}

/// What is to be done with a pending write.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one at a time, on its way into a list"
)]
enum Sendable {
    /// It is none any more, or there is no point in sending it.
    Never,
    WhenCaughtUp,
    Now(Origin, EdgeWrite),
}

/// Writes to send, with the documents they are of.
type Gathered = (Vec<(Bytes, Origin)>, Vec<EdgeWrite>);

/// One connection's edge side.
pub struct EdgeSession<S: Store> {
    database: Database<S>,
    options: EdgeOptions,
    hub: Option<Hub>,
    phase: EdgePhase,
    outbox: Outbox,
    /// The last sequence of what was queued.
    listed_up_to: u64,
    arriving: Option<Arriving<S>>,
    demand: ContentDemand<S>,
    received: u64,
    sent: u64,
    remaining: u64,
    rounds: SyncRounds,
    events: Vec<EdgeEvent>,
}

impl<S: Store> EdgeSession<S> {
    /// The most writes that wait for an answer.
    const MAX_IN_FLIGHT: usize = 256;
    /// A push ends when it has this many bytes.
    const MAX_PUSH_BYTES: usize = 1 << 20;

    /// What a frame has beside its writes, at most.
    const FRAME_BYTES: usize = 1 << 10;

    /// Begins a session, making the database an edge if it was none. Answers what to send first.
    ///
    /// # Errors
    /// Whatever the store reports.
    pub async fn begin(database: Database<S>, options: EdgeOptions) -> Result<(Self, Vec<Bytes>)> {
        database.become_edge().await?;
        let mut session = Self {
            database,
            options,
            hub: None,
            phase: EdgePhase::Connecting,
            outbox: Outbox::default(),
            listed_up_to: 0,
            arriving: None,
            demand: ContentDemand::new(),
            received: 0,
            sent: 0,
            remaining: 0,
            rounds: SyncRounds::default(),
            events: Vec::new(),
        };
        let hello = session.hello().await?;
        Ok((session, vec![hello.encode().into()]))
    }

    /// Follows a frame of the server; answers what to send.
    ///
    /// # Errors
    /// `InvalidRequest` when the server does not keep to the protocol; whatever the store reports.
    pub async fn on_frame(&mut self, frame: &[u8]) -> Result<Vec<Bytes>> {
        let answers = self.on_message(Message::decode(frame)?).await?;
        Ok(answers.iter().map(|it| it.encode().into()).collect())
    }

    /// As [`Self::on_frame`], with messages.
    ///
    /// # Errors
    /// As [`Self::on_frame`].
    pub async fn on_message(&mut self, message: Message) -> Result<Vec<Message>> {
        if self.hub.is_none()
            && matches!(
                message,
                Message::Batch { .. }
                    | Message::Outcomes(_)
                    | Message::Content { .. }
                    | Message::Want { .. }
            )
        {
            // Sent to the identity that this edge had before it said hello again.
            return Ok(Vec::new());
        }
        match message {
            Message::Welcome { .. } => self.on_welcome(message).await,
            Message::Refused { code, reason } => {
                self.phase = EdgePhase::Refused;
                self.events.push(EdgeEvent::Closed { code, reason });
                Ok(Vec::new())
            }
            Message::Outcomes(outcomes) => self.on_outcomes(outcomes).await,
            Message::Batch {
                states,
                up_to,
                last_etag,
            } => {
                self.rounds.on_part(last_etag);
                let hashes = match self.options.attachments {
                    AttachmentFetch::WithDocuments => {
                        hashes_of(states.iter().flat_map(|it| lists_of(&it.live)))
                    }
                    AttachmentFetch::OnDemand => Vec::new(),
                };
                let contents = ContentFetch::of(&self.database, &hashes).await?;
                self.arriving = Some(Arriving {
                    states,
                    up_to,
                    last_etag,
                    contents,
                });
                self.go_on_arriving().await
            }
            Message::Content { .. } => self.on_content(message).await,
            Message::Want {
                hash,
                offset,
                document,
            } => {
                let hub = self.hub.as_ref().ok_or_else(unexpected)?;
                let room = hub.max_frame_bytes.saturating_sub(Self::FRAME_BYTES).max(1);
                let read = self.database.read().await?;
                Ok(vec![piece(&read, hash, offset, document, room).await?])
            }
            Message::Ping => Ok(vec![Message::Pong]),
            Message::Pong => {
                let must_ping = self.rounds.on_pong(self.arriving.is_none());
                Ok(Vec::from_iter(must_ping.then_some(Message::Ping)))
            }
            _ => Err(unexpected()),
        }
    }

    /// Takes a piece of what was asked for: on demand, or for the part on its way.
    async fn on_content(&mut self, content: Message) -> Result<Vec<Message>> {
        let Message::Content {
            hash,
            document,
            size,
            offset,
            bytes,
        } = content
        else {
            return Err(unexpected());
        };
        if document.is_some() {
            let piece = (size, offset, &bytes);
            let next = self.demand.take(&self.database, hash, piece).await;
            return Ok(Vec::from_iter(next));
        }
        let arriving = self.arriving.as_mut().ok_or_else(unexpected)?;
        if size.is_none() {
            return Err(Error::invalid("the server lacks a content that it lists"));
        }
        arriving.contents.take(hash, size, offset, &bytes).await?;
        self.go_on_arriving().await
    }

    /// Tells that documents were written here; answers what to send.
    ///
    /// # Errors
    /// Whatever the store reports.
    pub async fn on_local_write(&mut self) -> Result<Vec<Bytes>> {
        let messages = self.push().await?;
        Ok(messages.iter().map(|it| it.encode().into()).collect())
    }

    /// Lets time pass: a heartbeat, and another try for what the server could not take.
    ///
    /// # Errors
    /// Whatever the store reports.
    pub async fn on_tick(&mut self) -> Result<Vec<Bytes>> {
        let messages = self.tick().await?;
        Ok(messages.iter().map(|it| it.encode().into()).collect())
    }

    /// As [`Self::on_tick`], with messages.
    ///
    /// # Errors
    /// As [`Self::on_tick`].
    pub async fn tick(&mut self) -> Result<Vec<Message>> {
        if self.hub.is_none() {
            return Ok(Vec::new());
        }
        self.outbox.retry();
        let mut messages = self.push().await?;
        self.rounds.on_ping();
        messages.push(Message::Ping);
        Ok(messages)
    }

    /// Begins to find out whether everything that the server has now is here; answers the number
    /// of this round, which [`EdgeStatus::rounds`] reaches when it is, and what to send.
    pub fn begin_round(&mut self) -> (u64, Vec<Bytes>) {
        (self.rounds.begin(), vec![Message::Ping.encode().into()])
    }

    /// Offers refused writes again; answers what to send.
    ///
    /// # Errors
    /// Whatever the store reports.
    pub async fn retry_refused(&mut self) -> Result<Vec<Bytes>> {
        self.database.retry_refused().await?;
        self.listed_up_to = 0;
        self.on_local_write().await
    }

    /// Asks the server for a content that was left there, as one of the document `id`; answers what
    /// to send. Once it is here or cannot be had, an event tells so.
    pub async fn fetch_content(&mut self, id: &str, hash: ContentHash) -> Vec<Bytes> {
        self.demand.add(id, hash);
        if self.hub.is_none() || self.demand.is_asking() {
            return Vec::new();
        }
        let next = self.demand.next(&self.database).await;
        next.iter().map(|it| it.encode().into()).collect()
    }

    /// Shows the server a new token.
    pub fn renew_token(&mut self, token: String) -> Bytes {
        self.options.token.clone_from(&token);
        Message::Token(token).encode().into()
    }

    /// How things stand.
    pub fn status(&self) -> EdgeStatus {
        EdgeStatus {
            phase: self.phase,
            received: self.received,
            remaining: self.remaining,
            sent: self.sent,
            waiting: self.outbox.documents(),
            rounds: self.rounds.done(),
        }
    }

    /// What happened since the last call.
    pub fn take_events(&mut self) -> Vec<EdgeEvent> {
        let mut events = std::mem::take(&mut self.events);
        events.append(&mut self.demand.events);
        events
    }

    async fn hello(&mut self) -> Result<Message> {
        self.hub = None;
        self.phase = EdgePhase::Connecting;
        self.outbox = Outbox::default();
        self.listed_up_to = 0;
        self.arriving = None;
        self.demand.restart();
        let read = self.database.read().await?;
        let edge = edge_record(&read).await?;
        let positions = edge.cursors.iter().map(|cursor| {
            Ok(Position {
                hub: read.incarnations().row(cursor.hub)?.id,
                etag: cursor.etag,
                reached: cursor.reached,
                openings: cursor.openings.clone(),
                filter: cursor.filter,
                resync_until: cursor.resync_until,
            })
        });
        Ok(Message::Hello {
            versions: (PROTOCOL_VERSION, PROTOCOL_VERSION),
            token: self.options.token.clone(),
            replica: edge.replica,
            last_sequence: edge.last_sequence,
            positions: positions.collect::<Result<_>>()?,
            prefixes: self.options.prefixes.clone(),
            collections: self.options.collections.clone(),
        })
    }

    async fn on_welcome(&mut self, welcome: Message) -> Result<Vec<Message>> {
        let Message::Welcome {
            version,
            hub,
            lives,
            openings,
            known,
            filter,
            from,
            last_etag,
            resync_until,
            max_frame_bytes,
            max_writes,
        } = welcome
        else {
            return Err(unexpected());
        };
        if version != PROTOCOL_VERSION || self.hub.is_some() {
            return Err(unexpected());
        }
        if let Some(known) = known
            && self.is_other_life(known).await?
        {
            return self.renew().await;
        }
        self.hub = Some(Hub {
            name: hub,
            lives,
            openings,
            filter,
            resync_until,
            max_frame_bytes: usize::try_from(max_frame_bytes).unwrap_or(usize::MAX),
            max_writes: usize::try_from(max_writes).unwrap_or(usize::MAX),
        });
        self.remaining = last_etag.number().saturating_sub(from.number());
        self.phase = EdgePhase::CatchingUp;
        let mut messages = self.push().await?;
        messages.extend(self.demand.next(&self.database).await);
        Ok(messages)
    }

    /// Whether the server knows writes of this replica that it did not make in this life.
    async fn is_other_life(&self, known: Known) -> Result<bool> {
        let edge = edge_record(&self.database.read().await?).await?;
        let is_same = known.sequence == edge.last_sequence && known.hash != edge.last_hash;
        Ok(known.sequence > edge.last_sequence || is_same)
    }

    async fn renew(&mut self) -> Result<Vec<Message>> {
        replicate(
            &self.database,
            ReplicationCommand::RenewReplica(RenewReplica),
        )
        .await?;
        self.events.push(EdgeEvent::Renewed);
        Ok(vec![self.hello().await?])
    }

    async fn go_on_arriving(&mut self) -> Result<Vec<Message>> {
        let arriving = self.arriving.as_mut().ok_or_else(unexpected)?;
        if let Some(want) = arriving.contents.next(&self.database).await? {
            return Ok(vec![want]);
        }
        let arrived = self.arriving.take().ok_or_else(unexpected)?;
        let hub = self.hub.as_mut().ok_or_else(unexpected)?;
        let ids: Vec<String> = arrived.states.iter().map(|it| it.id.clone()).collect();
        let apply = ApplyPull {
            hub: hub.name.clone(),
            filter: hub.filter,
            lives: hub.lives.clone(),
            openings: hub.openings.clone(),
            states: arrived.states,
            contents: arrived.contents.fetched,
            is_on_demand: self.options.attachments == AttachmentFetch::OnDemand,
            up_to: arrived.up_to,
            resync_until: hub.resync_until,
        };
        replicate(&self.database, ReplicationCommand::ApplyPull(apply)).await?;
        self.received += ids.len() as u64;
        if !ids.is_empty() {
            self.events.push(EdgeEvent::Received { ids });
        }
        if hub.resync_until.is_some_and(|until| arrived.up_to >= until) {
            hub.resync_until = None;
            end_resync(&self.database, &hub.name, &hub.lives).await?;
            self.events.push(EdgeEvent::Resynced);
        }
        let (up_to, last_etag) = (arrived.up_to, arrived.last_etag);
        self.remaining = last_etag.number().saturating_sub(up_to.number());
        if self.remaining == 0 && self.phase == EdgePhase::CatchingUp {
            self.phase = EdgePhase::Live;
            self.outbox.retry();
            self.events.push(EdgeEvent::CaughtUp);
        }
        let mut answers = vec![Message::Applied { up_to }];
        if self.rounds.on_applied(up_to) {
            answers.push(Message::Ping);
        }
        answers.extend(self.push().await?);
        Ok(answers)
    }

    async fn on_outcomes(&mut self, outcomes: Vec<WriteOutcome>) -> Result<Vec<Message>> {
        let mut settled = Vec::with_capacity(outcomes.len());
        let mut refused = Vec::new();
        let mut is_forked = false;
        for outcome in outcomes {
            let Some(key) = self.outbox.answer(&outcome.origin) else {
                continue;
            };
            match &outcome.verdict {
                Verdict::Accepted { .. } => self.sent += 1,
                Verdict::Behind => self.outbox.postpone(outcome.origin.sequence, key.clone()),
                Verdict::Forked => is_forked = true,
                Verdict::Refused(_) => refused.push(key.clone()),
            }
            settled.push((key, outcome));
        }
        self.settle(settled).await?;
        self.tell_refused_of(refused).await?;
        if is_forked {
            return self.renew().await;
        }
        self.push().await
    }

    /// What was refused and is still there: what a server had lost and others wrote is given up.
    async fn tell_refused_of(&mut self, keys: Vec<Bytes>) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        let read = self.database.read().await?;
        for key in keys {
            let pending = pending_of(&read, &key).await?;
            if let Some(refusal) = pending.and_then(|it| it.refusal) {
                self.tell_refused(&key, refusal).await?;
            }
        }
        Ok(())
    }

    /// As [`Self::on_local_write`], with messages.
    ///
    /// # Errors
    /// Whatever the store reports.
    pub async fn push(&mut self) -> Result<Vec<Message>> {
        if self.hub.is_none() {
            return Ok(Vec::new());
        }
        let read = self.database.read().await?;
        self.list_pending(&read).await?;
        let mut messages = Vec::new();
        while let Some((marks, writes)) = self.gather(&read).await? {
            let mark = ReplicationCommand::MarkSent(MarkSent {
                writes: marks.clone(),
            });
            let outcome = replicate(&self.database, mark).await?;
            let ReplicationOutcome::Marked { keys, settled } = outcome else {
                return Err(unexpected());
            };
            let mut leaving = Vec::with_capacity(writes.len());
            for ((key, origin), write) in marks.into_iter().zip(writes) {
                // One that was written again meanwhile is in the queue by its new sequence.
                if keys.contains(&key) {
                    self.outbox.send(origin, key);
                    leaving.push(write);
                }
            }
            if !leaving.is_empty() {
                messages.push(Message::Push {
                    settled,
                    writes: leaving,
                });
            }
        }
        Ok(messages)
    }

    /// Queues what became pending since the last look.
    async fn list_pending(&mut self, read: &ReadTransaction<S::Snapshot>) -> Result<()> {
        let range = KeyRange::all().after(edge::order_key(self.listed_up_to));
        let mut pages = Pages::new(PENDING_ORDER, range, Direction::Forward, usize::MAX);
        while let Some(page) = pages.next(&read.snapshot).await? {
            for (order, key) in page {
                let sequence = edge::decode_order_key(&order)?;
                self.outbox.insert(sequence, key);
                self.listed_up_to = sequence;
            }
        }
        Ok(())
    }

    /// The next writes to send; none only when there is nothing that can be sent now.
    async fn gather(&mut self, read: &ReadTransaction<S::Snapshot>) -> Result<Option<Gathered>> {
        let limits = self.hub.as_ref();
        let (max_bytes, max_writes) =
            limits.map_or((0, 0), |it| (it.max_frame_bytes, it.max_writes));
        let (mut marks, mut writes, mut bytes) = (Vec::new(), Vec::new(), 0);
        // There may be many in the queue that need no sending before one that does.
        while marks.is_empty() {
            let free = Self::MAX_IN_FLIGHT.saturating_sub(self.outbox.in_flight());
            let waiting = self.outbox.next(free.min(max_writes));
            if waiting.is_empty() {
                return Ok(None);
            }
            for (sequence, key) in waiting {
                if bytes >= Self::MAX_PUSH_BYTES {
                    break;
                }
                let (origin, write) = match self.load_write(read, sequence, &key).await? {
                    Sendable::Now(origin, write) => (origin, write),
                    Sendable::WhenCaughtUp => {
                        self.outbox.remove(sequence);
                        self.outbox.postpone(sequence, key);
                        continue;
                    }
                    Sendable::Never => {
                        self.outbox.remove(sequence);
                        continue;
                    }
                };
                let size = write.frame_bytes();
                if Self::FRAME_BYTES + bytes + size > max_bytes && !writes.is_empty() {
                    break;
                }
                self.outbox.remove(sequence);
                if Self::FRAME_BYTES + size > max_bytes {
                    self.refuse_too_large(key, origin, size, max_bytes).await?;
                    continue;
                }
                bytes += size;
                marks.push((key, origin));
                writes.push(write);
            }
        }
        Ok(Some((marks, writes)))
    }

    /// A frame that the server does not take would end the connection, and the next one again: so
    /// such a write is refused here, alone, as the server would.
    async fn refuse_too_large(
        &mut self,
        key: Bytes,
        origin: Origin,
        size: usize,
        max_bytes: usize,
    ) -> Result<()> {
        let refusal = Refusal {
            code: "LimitExceeded".to_owned(),
            reason: format!("it takes {size} bytes; the server takes {max_bytes} at once"),
        };
        self.tell_refused(&key, refusal.clone()).await?;
        let verdict = Verdict::Refused(refusal);
        let refused = WriteOutcome { origin, verdict };
        self.settle(vec![(key, refused)]).await
    }

    async fn settle(&self, outcomes: Vec<(Bytes, WriteOutcome)>) -> Result<()> {
        let hub = self.hub.as_ref().ok_or_else(unexpected)?;
        let settle = SettleWrites {
            hub: hub.name.clone(),
            openings: hub.openings.clone(),
            filter: hub.filter,
            outcomes,
        };
        let settle = ReplicationCommand::SettleWrites(settle);
        replicate(&self.database, settle).await.map(drop)
    }

    async fn tell_refused(&mut self, key: &Bytes, refusal: Refusal) -> Result<()> {
        let id = written_id(&self.database.read().await?, key).await?;
        self.events.push(EdgeEvent::Refused { id, refusal });
        Ok(())
    }

    fn lives(&self) -> Lives {
        let hub = self.hub.as_ref();
        hub.map(|hub| hub.lives.clone()).unwrap_or_default()
    }

    /// A pending write, if it still is one and there is a point in sending it.
    async fn load_write(
        &self,
        read: &ReadTransaction<S::Snapshot>,
        sequence: u64,
        key: &Bytes,
    ) -> Result<Sendable> {
        let Some(pending) = pending_of(read, key).await? else {
            return Ok(Sendable::Never);
        };
        let names = read.incarnations();
        let is_answered = match pending.accepted {
            None => false,
            // A server that is no more cannot send what it had taken.
            Some(dot) => {
                let id = names.row(dot.incarnation)?.id;
                self.hub.as_ref().is_some_and(|hub| hub.lives.goes_on(&id))
            }
        };
        if pending.origin.sequence != sequence || pending.refusal.is_some() || is_answered {
            return Ok(Sendable::Never);
        }
        // It replaces what the server has instead of what it lost, which is not known before.
        let mut base = pending.base.entries().iter();
        let lives = self.lives();
        let is_lost = |entry: &Entry| lives.has_lost(*entry, names);
        if self.phase == EdgePhase::CatchingUp && pending.lost.is_none() && base.any(is_lost) {
            return Ok(Sendable::WhenCaughtUp);
        }
        let version = current_version(read, key).await?;
        let to_wire = |dots: &[_]| -> Result<Vec<_>> {
            dots.iter().map(|dot| entry_to_wire(*dot, names)).collect()
        };
        let mut chain = pending.chain;
        chain.extend(lost_before(read, key, &pending.replaces, &lives).await?);
        let write = EdgeWrite {
            sequence,
            hash: pending.origin.hash,
            base: vector_to_wire(&pending.base, names)?,
            replaces: to_wire(&pending.replaces)?,
            replaced_origins: pending.replaced_origins,
            chain,
            lost: pending
                .lost
                .map(|dot| entry_to_wire(dot, names))
                .transpose()?,
            version,
        };
        Ok(Sendable::Now(pending.origin, write))
    }
}

fn unexpected() -> Error {
    Error::invalid("the server sent something out of turn")
}

pub(super) async fn replicate<S: Store>(
    database: &Database<S>,
    command: ReplicationCommand,
) -> Result<ReplicationOutcome> {
    match database
        .execute(Operation::Replicate(Box::new(command)))
        .await?
    {
        Outcome::Replicated(outcome) => Ok(outcome),
        _ => Err(Error::new(
            ErrorKind::Internal,
            "replication answered with the outcome of another operation",
        )),
    }
}

async fn end_resync<S: Store>(database: &Database<S>, hub: &Name, lives: &Lives) -> Result<()> {
    let mut at = ResyncEnd::Documents(None);
    loop {
        let end = EndResync {
            hub: hub.clone(),
            lives: lives.clone(),
            at,
        };
        match replicate(database, ReplicationCommand::EndResync(end)).await? {
            ReplicationOutcome::Ending(next) => at = next,
            _ => return Ok(()),
        }
    }
}

async fn edge_record<S: Snapshot>(read: &ReadTransaction<S>) -> Result<EdgeRecord> {
    let key = Bytes::from_static(EDGE_KEY);
    let stored = read.snapshot.get_many(DATABASE, &[key]).await?;
    let stored = stored.into_iter().next().flatten();
    EdgeRecord::decode(&stored.ok_or_else(super::apply_pull::no_edge)?)
}

impl<S: Store> Database<S> {
    /// Makes the database an edge, unless it is one: what it holds becomes pending, ids made from
    /// then on end in its replica id, and no server's ids can meet them.
    ///
    /// # Errors
    /// Whatever the store reports.
    pub async fn become_edge(&self) -> Result<()> {
        let join = || ReplicationCommand::BecomeEdge(BecomeEdge);
        while let ReplicationOutcome::Continue(_) = replicate(self, join()).await? {}
        Ok(())
    }

    /// Gives up what is pending of a document: it becomes what the server has.
    ///
    /// # Errors
    /// Whatever the store reports.
    pub async fn discard_pending(&self, id: &str) -> Result<()> {
        let key = to_id_key(id);
        let discard = ReplicationCommand::DiscardPending(DiscardPending { key });
        replicate(self, discard).await.map(|_| ())
    }

    /// Offers refused writes again, with the next session or push.
    ///
    /// # Errors
    /// Whatever the store reports.
    pub async fn retry_refused(&self) -> Result<()> {
        replicate(self, ReplicationCommand::RetryRefused(RetryRefused))
            .await
            .map(|_| ())
    }
}
