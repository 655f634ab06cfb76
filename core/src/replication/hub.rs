//! The server's side of a connection with an edge: frames in, frames out, no socket.
//!
//! The host hands over each frame that comes and sends what is answered. After every commit of the
//! database, and after every frame, it calls [`HubSession::pump`]. When a call fails, the host sends
//! the refusal that [`HubSession::refusal`] makes of the error and closes the socket.
//!
//! Invariants:
//! - at most one part of the stream is on its way, so a slow edge costs the memory of one;
//! - nothing leaves that the grants do not let through, contents of attachments included: they go
//!   with the part that lists them, or on demand with a document that has them now.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use super::content_fetch::{ContentFetch, hashes_of, lists_of, piece};
use super::lives::{Course, Life};
use super::messages::{Known, Message, PROTOCOL_VERSION, Position, RefusalCode};
use super::openings::{Opening, end_of, newest_marks};
use super::outgoing::{Selection, StreamLimits};
use super::wire::{EdgeWrite, Verdict, WireEntry, WriteOutcome};
use super::{
    AcceptWrites, MintIncarnation, NoteOpening, RenameWrites, ReplicationCommand,
    ReplicationOutcome, Scope,
};
use crate::commands::{Operation, Outcome};
use crate::database::Database;
use crate::document::to_id_key;
use crate::host::ScriptEngine;
use crate::schema::REPLICAS;
use crate::schema::blobs::ContentHash;
use crate::schema::ledger::ReplicaRecord;
use crate::storage::{Snapshot, Store};
use crate::version::{Etag, IncarnationId, Incarnations, ReplicaId};
use crate::{Error, ErrorKind, ReadTransaction, Result};

/// What somebody may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grants {
    /// What may be seen.
    pub read: Scope,
    /// What may be written.
    pub write: Scope,
    /// Who it is, as JSON: what validation functions know of them.
    pub user: Arc<str>,
}

impl Grants {
    /// Everything.
    pub fn everything() -> Self {
        Self {
            read: Scope::everything(),
            write: Scope::everything(),
            user: "null".into(),
        }
    }
}

/// Says what the bearer of a token may do.
pub trait Authorize: Send + Sync {
    /// The grants of `token`.
    ///
    /// # Errors
    /// `Unauthorized` with a reason that can be shown.
    fn authorize(&self, token: &str) -> Result<Grants>;
}

/// How a server treats edges.
#[derive(Clone)]
pub struct HubOptions {
    /// Who may do what.
    pub authorize: Arc<dyn Authorize>,
    /// The incarnations of other servers that live.
    pub peers: Arc<[IncarnationId]>,
    /// Whether this server has followed all of `peers` to their ends since they are those.
    pub is_complete: Arc<AtomicBool>,
    /// Whether an edge that has seen more of this database than it remembers makes it begin a new
    /// life. The host allows it after opening, until it happened once.
    pub may_mint: bool,
    /// What runs validation functions and conflict scripts.
    pub scripts: Option<Arc<dyn ScriptEngine + Send + Sync>>,
    /// How large a part of the stream is.
    pub stream: StreamLimits,
    /// The most writes of one push; edges are told.
    pub max_writes: usize,
    /// The largest frame that the host takes; edges are told.
    pub max_frame_bytes: usize,
}

impl HubOptions {
    /// The defaults for one server.
    pub fn new(authorize: Arc<dyn Authorize>) -> Self {
        Self {
            authorize,
            peers: Arc::new([]),
            is_complete: Arc::new(AtomicBool::new(true)),
            may_mint: true,
            scripts: None,
            stream: StreamLimits::default(),
            max_writes: 1024,
            max_frame_bytes: 16 << 20,
        }
    }
}

/// What is known of the edge once it said hello.
struct Edge {
    replica: ReplicaId,
    write: Scope,
    user: Arc<str>,
    scope: Scope,
    asked: Scope,
    position: Etag,
    /// What it has heard by answers to its writes.
    told: BTreeSet<Etag>,
    /// Up to where it knows that everything was told.
    confirmed: Etag,
    /// Contents it may ask for: those of the part on its way.
    shown: Vec<ContentHash>,
    is_waiting: bool,
    /// Whether it has heard of the end of the stream, or anything of it.
    is_greeted: bool,
    resync_until: Option<Etag>,
    /// The life that welcomed it.
    life: IncarnationId,
}

/// A push whose contents are not all here.
struct Arriving<S: Store> {
    settled: u64,
    writes: Vec<EdgeWrite>,
    contents: ContentFetch<S>,
}

/// One connection's server side.
pub struct HubSession<S: Store> {
    pub(super) database: Database<S>,
    pub(super) options: HubOptions,
    edge: Option<Edge>,
    arriving: Option<Arriving<S>>,
    minted: bool,
    pub(super) warnings: Vec<String>,
}

impl<S: Store> HubSession<S> {
    /// How many etags pass untold before an edge is told so without being asked.
    const UNTOLD: u64 = 4096;

    /// A session that waits for a hello.
    pub fn new(database: Database<S>, options: HubOptions) -> Self {
        Self {
            database,
            options,
            edge: None,
            arriving: None,
            minted: false,
            warnings: Vec::new(),
        }
    }

    /// Whether this session made the database begin a new life.
    pub fn has_minted(&self) -> bool {
        self.minted
    }

    /// What the application's scripts did wrong since the last call, for whoever runs the server.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// The replica, once it said hello.
    pub fn replica(&self) -> Option<ReplicaId> {
        self.edge.as_ref().map(|edge| edge.replica)
    }

    /// What to send before the socket is closed because of `error`.
    pub fn refusal(error: &Error) -> Bytes {
        let code = match error.kind() {
            ErrorKind::Unauthorized => RefusalCode::Unauthorized,
            ErrorKind::InvalidRequest => RefusalCode::Misbehaved,
            ErrorKind::LimitExceeded => RefusalCode::LimitExceeded,
            ErrorKind::Unsupported => RefusalCode::Protocol,
            _ => RefusalCode::Unavailable,
        };
        let reason = match code {
            RefusalCode::Unavailable => "the server cannot go on now; try again later".to_owned(),
            _ => error.message().to_owned(),
        };
        Message::Refused { code, reason }.encode().into()
    }

    /// Follows a frame of the edge; answers what to send.
    ///
    /// # Errors
    /// `InvalidRequest` when the edge does not keep to the protocol; `Unauthorized`; `Unsupported`
    /// when the versions have nothing in common; whatever the store reports.
    pub async fn on_frame(&mut self, frame: &[u8]) -> Result<Vec<Bytes>> {
        let answers = self.on_message(Message::decode(frame)?).await?;
        Ok(answers.iter().map(|it| it.encode().into()).collect())
    }

    /// As [`Self::on_frame`], with messages.
    ///
    /// # Errors
    /// As [`Self::on_frame`].
    pub async fn on_message(&mut self, message: Message) -> Result<Vec<Message>> {
        if !matches!(message, Message::Hello { .. }) {
            self.require_life()?;
        }
        match message {
            Message::Hello { .. } => Ok(vec![self.on_hello(message).await?]),
            Message::Push { settled, writes } => {
                if writes.len() > self.options.max_writes {
                    let limit = self.options.max_writes;
                    return Err(Error::new(
                        ErrorKind::LimitExceeded,
                        format!("a push has at most {limit} writes"),
                    ));
                }
                let edge = self.edge.as_ref().ok_or_else(unexpected)?;
                if self.arriving.is_some() {
                    return Err(unexpected());
                }
                let allowed = writes.iter().filter(|it| {
                    let key = crate::document::to_id_key(&it.version.id);
                    edge.write.contains(&key, &it.version.collection)
                });
                let lists = allowed.map(|it| it.version.attachments.as_str());
                let contents = ContentFetch::of(&self.database, &hashes_of(lists)).await?;
                self.arriving = Some(Arriving {
                    settled,
                    writes,
                    contents,
                });
                self.go_on_arriving().await
            }
            Message::Content {
                hash,
                size,
                offset,
                bytes,
                document: _,
            } => {
                let arriving = self.arriving.as_mut().ok_or_else(unexpected)?;
                arriving.contents.take(hash, size, offset, &bytes).await?;
                self.go_on_arriving().await
            }
            Message::Want {
                hash,
                offset,
                document,
            } => Ok(vec![self.on_want(hash, offset, document).await?]),
            Message::Applied { up_to } => {
                let edge = self.edge.as_mut().ok_or_else(unexpected)?;
                edge.is_waiting = false;
                edge.confirmed = edge.confirmed.max(up_to.min(edge.position));
                edge.shown.clear();
                Ok(Vec::new())
            }
            Message::Token(token) => self.on_token(&token),
            Message::Ping => {
                let mut answers = self.tell_position().await?;
                answers.push(Message::Pong);
                Ok(answers)
            }
            Message::Pong => Ok(Vec::new()),
            _ => Err(unexpected()),
        }
    }

    /// A piece of what the part on its way shows, or of what a document has that the edge may see.
    async fn on_want(
        &self,
        hash: ContentHash,
        offset: u64,
        document: Option<String>,
    ) -> Result<Message> {
        let edge = self.edge.as_ref().ok_or_else(unexpected)?;
        let read = self.database.read().await?;
        if let Some(id) = &document {
            if !read
                .shows_content(&to_id_key(id), &hash, &edge.scope)
                .await?
            {
                // It may have changed since the edge heard of it; whether it is there at all is not
                // for everybody to know.
                return Ok(Message::Content {
                    hash,
                    document,
                    size: None,
                    offset,
                    bytes: Bytes::new(),
                });
            }
        } else if !edge.shown.contains(&hash) {
            return Err(Error::invalid("a content was asked for that was not shown"));
        }
        // An edge takes frames of any size.
        piece(&read, hash, offset, document, usize::MAX).await
    }

    /// The next part of the stream, if there is one and the edge has taken in the last.
    ///
    /// # Errors
    /// Whatever the store reports.
    pub async fn pump(&mut self) -> Result<Option<Bytes>> {
        Ok(self.pump_message().await?.map(|it| it.encode().into()))
    }

    /// As [`Self::pump`], with messages.
    ///
    /// # Errors
    /// As [`Self::pump`].
    pub async fn pump_message(&mut self) -> Result<Option<Message>> {
        self.require_life()?;
        let Some(edge) = self.edge.as_mut().filter(|edge| !edge.is_waiting) else {
            return Ok(None);
        };
        let read = self.database.read().await?;
        let selection = Selection {
            scope: Some(&edge.scope),
            told: &edge.told,
        };
        let limits = &self.options.stream;
        let mut part = read.stream_part(edge.position, &selection, limits).await?;
        // What this edge does not see passes without a word.
        while part.states.is_empty() && !part.is_end {
            part = read.stream_part(part.up_to, &selection, limits).await?;
        }
        let last_etag = read.state().await?.last_etag;
        edge.position = part.up_to;
        edge.told = edge.told.split_off(&part.up_to.next());
        let is_resynced = edge.resync_until.is_some_and(|until| part.up_to >= until);
        let untold = part.up_to.number().saturating_sub(edge.confirmed.number());
        if part.states.is_empty() && !is_resynced && edge.is_greeted && untold < Self::UNTOLD {
            return Ok(None);
        }
        if is_resynced {
            edge.resync_until = None;
        }
        edge.confirmed = part.up_to;
        edge.is_waiting = true;
        edge.is_greeted = true;
        edge.shown = hashes_of(part.states.iter().flat_map(|it| lists_of(&it.live)));
        Ok(Some(Message::Batch {
            states: part.states,
            up_to: part.up_to,
            last_etag,
        }))
    }

    /// Tells an edge that is there anyhow how far it may count itself.
    async fn tell_position(&mut self) -> Result<Vec<Message>> {
        if let Some(message) = self.pump_message().await? {
            return Ok(vec![message]);
        }
        let Some(edge) = self.edge.as_mut() else {
            return Ok(Vec::new());
        };
        if edge.is_waiting || edge.confirmed >= edge.position {
            return Ok(Vec::new());
        }
        edge.confirmed = edge.position;
        edge.is_waiting = true;
        Ok(vec![Message::Batch {
            states: Vec::new(),
            up_to: edge.position,
            last_etag: edge.position,
        }])
    }

    async fn on_hello(&mut self, hello: Message) -> Result<Message> {
        let Message::Hello {
            versions,
            token,
            replica,
            last_sequence: _,
            positions,
            prefixes,
            collections,
        } = hello
        else {
            return Err(unexpected());
        };
        check_versions(versions)?;
        self.refuse_server(replica).await?;
        let grants = self.options.authorize.authorize(&token)?;
        self.begin_new_life_if_rolled_back(&positions).await?;
        let asked = Scope::new(&prefixes, &collections)?;
        let scope = grants.read.within(&asked);
        let read = self.database.read().await?;
        let state = read.state().await?;
        let hub = state.incarnations.own_row();
        let openings = read.openings().await?;
        let lives = self.lives(&state.incarnations, &positions, &openings);
        let (from, resync_until) = self.starting_point(
            &positions,
            &scope,
            read.purged().await?,
            state.last_etag,
            (hub.id, &lives),
        );
        let known = self.known(&read, replica).await?;
        let filter = scope.fingerprint();
        self.arriving = None;
        self.edge = Some(Edge {
            replica,
            write: grants.write,
            user: grants.user,
            scope,
            asked,
            position: from,
            told: BTreeSet::new(),
            confirmed: Etag::ZERO,
            shown: Vec::new(),
            is_waiting: false,
            is_greeted: false,
            resync_until,
            life: hub.id,
        });
        Ok(Message::Welcome {
            version: PROTOCOL_VERSION,
            hub: hub.into(),
            lives: lives.into(),
            openings: newest_marks(&openings),
            known,
            filter,
            from,
            last_etag: state.last_etag,
            resync_until,
            max_frame_bytes: self.options.max_frame_bytes as u64,
            max_writes: self.options.max_writes as u64,
        })
    }

    /// What is known of a replica, if it ever wrote.
    async fn known(
        &self,
        read: &ReadTransaction<S::Snapshot>,
        replica: ReplicaId,
    ) -> Result<Option<Known>> {
        let key = Bytes::copy_from_slice(replica.bytes());
        let stored = read.snapshot.get_many(REPLICAS, &[key]).await?;
        let Some(value) = stored.into_iter().next().flatten() else {
            return Ok(None);
        };
        let record = ReplicaRecord::decode(&value)?;
        Ok((record.sequence > 0).then_some(Known {
            sequence: record.sequence,
            hash: record.hash,
        }))
    }

    /// Facts of a server's lost writes stand under its id: no edge may say that it is done with them.
    async fn refuse_server(&self, replica: ReplicaId) -> Result<()> {
        let id = IncarnationId::from_bytes(*replica.bytes());
        let read = self.database.read().await?;
        match read.incarnations().find(&id) {
            Some(_) => Err(Error::invalid("the id of the replica is a server's")),
            None => Ok(()),
        }
    }

    /// Fails when the database has begun a new life since it welcomed the edge, which must hear of it.
    fn require_life(&self) -> Result<()> {
        let life = self.database.incarnation().id;
        match &self.edge {
            Some(edge) if edge.life != life => Err(Error::new(
                ErrorKind::Unavailable,
                "the database was restored; connect again",
            )),
            _ => Ok(()),
        }
    }

    /// The lives of servers, and how much of each is here: those that the server knows, its peers, and those
    /// at `positions` of which it knows nothing, because it was put back to before they began.
    fn lives(
        &self,
        known: &Incarnations,
        positions: &[Position],
        openings: &[Opening],
    ) -> Vec<Life> {
        let own = known.own_row().id;
        let peers = &self.options.peers;
        let is_complete = self.options.is_complete.load(Ordering::Acquire);
        let lives = known.rows().iter().map(|row| Life {
            id: row.id,
            seen: row.seen,
            course: match row.id == own || peers.contains(&row.id) {
                true => Course::Current,
                false => Course::Over,
            },
        });
        let unheard_of = peers.iter().filter(|it| known.find(it).is_none());
        let unheard_of = unheard_of.map(|id| (*id, Course::Current));
        let is_unknown = |id: &IncarnationId| known.find(id).is_none() && !peers.contains(id);
        // Who has followed no life of this cluster, nor one that shares a past with this server's, comes from
        // another, whose documents are not lost.
        let shares_past =
            |it: &Position| openings.iter().any(|own| it.openings.contains(&own.mark));
        let is_of_here = |it: &Position| !is_unknown(&it.hub) || shares_past(it);
        let is_of_here = positions.iter().any(is_of_here);
        let forgotten = positions
            .iter()
            .filter(|it| is_of_here && is_unknown(&it.hub));
        let forgotten = forgotten.map(|it| match is_complete {
            true => (it.hub, Course::Forgotten),
            // Another server may tell of it yet.
            false => (it.hub, Course::Current),
        });
        let nothing_of = |(id, course)| Life {
            id,
            seen: Etag::ZERO,
            course,
        };
        lives
            .chain(unheard_of.chain(forgotten).map(nothing_of))
            .collect()
    }

    /// Where the stream begins, and until where everything is compared.
    fn starting_point(
        &self,
        positions: &[Position],
        scope: &Scope,
        purged: Etag,
        last_etag: Etag,
        (own, lives): (IncarnationId, &[Life]),
    ) -> (Etag, Option<Etag>) {
        let filter = scope.fingerprint();
        let here = positions.iter().find(|it| it.hub == own);
        match here {
            Some(here) if here.filter == filter && here.etag <= last_etag => {
                match here.resync_until {
                    Some(until) => (here.etag, Some(until)),
                    None if here.etag < purged => (Etag::ZERO, Some(last_etag)),
                    None => (here.etag, None),
                }
            }
            // What it may see is not what it was, here or elsewhere.
            _ if positions.iter().any(|it| it.filter != filter) => (Etag::ZERO, Some(last_etag)),
            // It may have what was lost with a disk, of documents of which nothing is here.
            _ if positions.iter().any(|it| is_ahead_of(it, lives)) => (Etag::ZERO, Some(last_etag)),
            _ if purged > Etag::ZERO && !positions.is_empty() => (Etag::ZERO, Some(last_etag)),
            _ => (Etag::ZERO, None),
        }
    }

    async fn begin_new_life_if_rolled_back(&mut self, positions: &[Position]) -> Result<()> {
        let opening = NoteOpening(self.database.opening());
        self.replicate(ReplicationCommand::NoteOpening(opening))
            .await?;
        let read = self.database.read().await?;
        let state = read.state().await?;
        let openings = read.openings().await?;
        let own = state.incarnations.own_row().id;
        let here = positions.iter().filter(|it| it.hub == own);
        let restored_to = here.filter_map(|it| {
            let end = end_of(&openings, &it.openings, state.last_etag);
            (it.reached > end).then_some(end)
        });
        let restored_to = restored_to.min();
        if restored_to.is_some() && self.options.may_mint {
            self.minted = true;
            let mint = MintIncarnation {
                ending: Some(own),
                restored_to,
            };
            self.replicate(ReplicationCommand::MintIncarnation(mint))
                .await?;
        }
        // Also what a crash has cut off.
        let rename = || ReplicationCommand::RenameWrites(RenameWrites);
        while let ReplicationOutcome::Continue(_) = self.replicate(rename()).await? {}
        Ok(())
    }

    fn on_token(&mut self, token: &str) -> Result<Vec<Message>> {
        let grants = self.options.authorize.authorize(token)?;
        let edge = self.edge.as_mut().ok_or_else(unexpected)?;
        if grants.read.within(&edge.asked) != edge.scope || grants.write != edge.write {
            return Err(Error::new(
                ErrorKind::Unauthorized,
                "the new token allows other documents; connect again",
            ));
        }
        edge.user = grants.user;
        Ok(Vec::new())
    }

    async fn go_on_arriving(&mut self) -> Result<Vec<Message>> {
        let arriving = self.arriving.as_mut().ok_or_else(unexpected)?;
        if let Some(want) = arriving.contents.next(&self.database).await? {
            return Ok(vec![want]);
        }
        let arrived = self.arriving.take().ok_or_else(unexpected)?;
        let edge = self.edge.as_ref().ok_or_else(unexpected)?;
        let mut members = self.options.peers.to_vec();
        members.push(self.database.incarnation().id);
        let accept = AcceptWrites {
            replica: edge.replica,
            settled: arrived.settled,
            writes: arrived.writes,
            contents: arrived.contents.fetched,
            scope: edge.write.clone(),
            members: members.into(),
            is_complete: self.options.is_complete.load(Ordering::Acquire),
            has_peers: !self.options.peers.is_empty(),
            judgements: Vec::new(),
        };
        let user = Arc::clone(&edge.user);
        let offered = accept.writes.iter();
        let offered: Vec<_> = offered
            .map(|it| (it.version.id.clone(), it.replaces.clone()))
            .collect();
        let (mut outcomes, told) = self.accept_validated(accept, &user).await?;
        self.resolve_by_scripts(&offered, &outcomes).await?;
        self.settle_unseen(&offered, &mut outcomes).await?;
        if let Some(edge) = &mut self.edge {
            edge.told
                .extend(told.into_iter().filter(|etag| *etag > edge.position));
        }
        Ok(vec![Message::Outcomes(outcomes)])
    }

    /// The state of a document that the edge does not see never comes to it, so what it waits for
    /// after a conflict is answered at once: its own version, by the dot that it has here.
    async fn settle_unseen(
        &self,
        offered: &[(String, Vec<WireEntry>)],
        outcomes: &mut [WriteOutcome],
    ) -> Result<()> {
        let edge = self.edge.as_ref().ok_or_else(unexpected)?;
        let waiting =
            |it: &WriteOutcome| matches!(it.verdict, Verdict::Accepted { sole: None, .. });
        if !outcomes.iter().any(waiting) {
            return Ok(());
        }
        let read = self.database.read().await?;
        for ((id, _), outcome) in offered.iter().zip(outcomes) {
            if let Verdict::Accepted { dot, sole } = &mut outcome.verdict
                && sole.is_none()
                && !read.shows(&to_id_key(id), &edge.scope).await?
            {
                *sole = Some((vec![dot.clone()], self.database.now()));
            }
        }
        Ok(())
    }

    pub(super) async fn replicate(
        &self,
        command: ReplicationCommand,
    ) -> Result<ReplicationOutcome> {
        match self
            .database
            .execute(Operation::Replicate(Box::new(command)))
            .await?
        {
            Outcome::Replicated(outcome) => Ok(outcome),
            other => Err(Error::new(
                ErrorKind::Internal,
                format!("replication answered with {other:?}"),
            )),
        }
    }
}

/// Whether an edge has followed a life that is over further than it is remembered.
fn is_ahead_of(position: &Position, lives: &[Life]) -> bool {
    let mut over = lives
        .iter()
        .filter(|it| it.course.is_over() && it.id == position.hub);
    over.any(|it| position.reached > it.seen)
}

fn check_versions((lowest, highest): (u64, u64)) -> Result<()> {
    if (lowest..=highest).contains(&PROTOCOL_VERSION) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Unsupported,
        format!(
            "this server speaks version {PROTOCOL_VERSION} of the sync protocol, the edge \
             {lowest} to {highest}"
        ),
    ))
}

pub(super) fn unexpected() -> Error {
    Error::invalid("the edge sent something out of turn")
}
