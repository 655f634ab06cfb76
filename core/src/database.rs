//! A database: one store, its readers, and the merger that writes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;

use crate::attachments::{AttachmentUpload, SweepLooseContents};
use crate::commands::patch_batch::PatchLanes;
use crate::commands::{
    BatchCommand, CleanTombstones, CommandOutcome, Configure, HiloRange, Merger, NextHiloRange,
    NextIdentity, Operation, Outcome, Queue, ReturnHiloRange, SeedIdentity, id_suffix,
};
use crate::document::{CollectionName, to_id_key};
use crate::expiration::{SweepExpired, SweepRefreshes};
use crate::host::{Host, Timestamp};
use crate::limits::Limits;
use crate::notices::{Notice, Notices};
use crate::reader::ReadTransaction;
use crate::replication::{Acknowledged, Opening};
use crate::revisions::{
    AdoptRevisions, AdoptedRevisions, EnforceRevisions, EnforcedRevisions, RevertDatabase,
    RevertedDatabase, SweepRevisionBin, SweptRevisionBin,
};
use crate::schema::DATABASE;
use crate::schema::database_state::{DatabaseState, STATE_KEY};
use crate::schema::edge::{EDGE_KEY, EdgeRecord};
use crate::storage::{Durability, Snapshot, Store, WriteBatch};
use crate::version::{
    Dot, Etag, Incarnation, IncarnationId, IncarnationIndex, Incarnations, NodeTag,
};
use crate::{Error, ErrorKind, Result};

/// How a database is opened.
#[derive(Debug, Clone)]
pub struct DatabaseOptions {
    /// The label of the node, part of change vectors and of the ids that a server makes.
    pub node_tag: NodeTag,
    /// Whether this is one of many devices and no server: its label is then not its own, and ids made
    /// here end in what it is known by since its founding.
    pub is_device: bool,
    /// What the database accepts.
    pub limits: Limits,
    /// When writes are acknowledged, unless an operation says otherwise.
    pub durability: Durability,
}

impl Default for DatabaseOptions {
    fn default() -> Self {
        Self {
            node_tag: NodeTag::new("A").expect("A is a tag"),
            is_device: false,
            limits: Limits::default(),
            durability: Durability::Durable,
        }
    }
}

/// What a database and its merger share.
pub(crate) struct Shared<S: Store> {
    pub(crate) store: S,
    pub(crate) host: Host,
    pub(crate) limits: Arc<Limits>,
    pub(crate) is_device: bool,
    pub(crate) queue: Queue,
    pub(crate) notices: Notices,
    /// Tells whoever follows the documents that there is something new.
    pub(crate) committed: event_listener::Event,
    /// This opening, for edges that follow it.
    opening: Opening,
    /// Whether something was committed since: then it is stored.
    pub(crate) is_opening_noted: AtomicBool,
    /// What edges' writes were called before a server had them.
    pub(crate) acknowledged: Arc<Acknowledged>,
    /// Commits of the merger since the database was opened.
    pub(crate) commit_count: AtomicU64,
    pub(crate) patch_lanes: PatchLanes,
    pub(crate) incarnations: RwLock<Arc<Incarnations>>,
}

impl<S: Store> Shared<S> {
    /// This opening, until it is stored. Nobody follows a device.
    pub(crate) fn opening_to_note(&self) -> Option<Opening> {
        let is_due = !self.is_device && !self.is_opening_noted.load(Ordering::Relaxed);
        is_due.then_some(self.opening)
    }
}

/// An open database. Clones are handles to the same one.
///
/// ```
/// use std::sync::Arc;
/// use pinyon_core::commands::{BatchCommand, ExpectedVersion, PutDocument};
/// use pinyon_core::document::{IdRequest, parse_document};
/// use pinyon_core::host::{Host, OsRandom, SystemClock};
/// use pinyon_core::storage::{Environment, MemoryEnvironment, StoreName};
/// use pinyon_core::{Database, DatabaseOptions, Limits};
///
/// # futures_executor::block_on(async {
/// let store = MemoryEnvironment::new().open(&StoreName::new("documents")?).await?;
/// let host = Host { clock: Arc::new(SystemClock), random: Arc::new(OsRandom) };
/// let (database, merger) = Database::open(store, host, DatabaseOptions::default()).await?;
/// let story = async {
///     let put = PutDocument {
///         id: IdRequest::parse("users/1-A", 512)?,
///         expected: ExpectedVersion::Any,
///         document: parse_document(r#"{"Name":"Eva"}"#, &Limits::default())?,
///     };
///     database.write_batch(vec![BatchCommand::Put(put)]).await?;
///     let user = database.read().await?.document("Users/1-a").await?.expect("just stored");
///     assert_eq!((user.id(), user.body()), ("users/1-A", r#"{"Name":"Eva"}"#));
///     database.close().await
/// };
/// futures_util::future::join(story, merger.run()).await.0
/// # }).unwrap();
/// ```
pub struct Database<S: Store> {
    shared: Arc<Shared<S>>,
}

impl<S: Store> Clone for Database<S> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<S: Store> Database<S> {
    /// Opens the database in `store`, founding it when the store is new. The host must drive the
    /// merger's [`Merger::run`] for writes to happen.
    ///
    /// # Errors
    /// `Corrupted` when the database's own record does not fit; whatever the store reports.
    pub async fn open(store: S, host: Host, options: DatabaseOptions) -> Result<(Self, Merger<S>)> {
        let state = load_or_found(&store, &host, &options).await?;
        let mut mark = [0; 8];
        host.random.fill(&mut mark)?;
        let opening = Opening {
            mark: u64::from_le_bytes(mark),
            from: state.last_etag,
        };
        let limits = Arc::new(options.limits);
        let (queue, requests) = Queue::new(
            limits.max_queued_operations,
            limits.max_queued_bytes,
            options.durability,
        );
        let shared = Arc::new(Shared {
            store,
            host,
            limits,
            is_device: options.is_device,
            queue,
            notices: Notices::default(),
            committed: event_listener::Event::new(),
            opening,
            is_opening_noted: AtomicBool::new(false),
            acknowledged: Arc::default(),
            commit_count: AtomicU64::new(0),
            patch_lanes: PatchLanes::default(),
            incarnations: RwLock::new(Arc::new(state.incarnations)),
        });
        let merger = Merger::new(Arc::clone(&shared), requests);
        Ok((Self { shared }, merger))
    }

    /// What the database accepts.
    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    pub(crate) fn patch_lanes(&self) -> &PatchLanes {
        &self.shared.patch_lanes
    }

    pub(crate) fn host(&self) -> &Host {
        &self.shared.host
    }

    pub(crate) fn opening(&self) -> Opening {
        self.shared.opening
    }

    /// The identity of this life of the database.
    pub fn incarnation(&self) -> Incarnation {
        self.incarnations().own_row().clone()
    }

    /// What ids end in that are made here.
    pub(crate) async fn id_suffix(&self, read: &ReadTransaction<S::Snapshot>) -> Result<String> {
        let keys = [Bytes::from_static(EDGE_KEY)];
        let stored = read.snapshot.get_many(DATABASE, &keys).await?.pop();
        let edge = stored.flatten().map(|it| EdgeRecord::decode(&it));
        let is_device = self.shared.is_device;
        Ok(id_suffix(
            read.incarnations(),
            edge.transpose()?.as_ref(),
            is_device,
        ))
    }

    fn incarnations(&self) -> Arc<Incarnations> {
        Arc::clone(
            &self
                .shared
                .incarnations
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// A read transaction: everything read through it comes from one snapshot.
    ///
    /// # Errors
    /// Whatever the store reports.
    pub async fn read(&self) -> Result<ReadTransaction<S::Snapshot>> {
        let snapshot = self.shared.store.snapshot().await?;
        Ok(ReadTransaction::new(snapshot, self.incarnations()))
    }

    /// Runs commands in order, all or nothing; answers when they are committed.
    ///
    /// # Errors
    /// That of the first command that fails, or of the commit; then nothing was done.
    pub async fn write_batch(&self, commands: Vec<BatchCommand>) -> Result<Vec<CommandOutcome>> {
        match self.execute(Operation::Batch(commands.into())).await? {
            Outcome::Batch(outcomes) => Ok(outcomes),
            other => Err(unexpected(&other)),
        }
    }

    /// Leases a HiLo range.
    ///
    /// # Errors
    /// `InvalidRequest` for an unusable tag, and those of [`Self::write_batch`].
    pub async fn next_hilo_range(&self, next: NextHiloRange) -> Result<HiloRange> {
        match self.execute(Operation::NextHiloRange(next)).await? {
            Outcome::HiloRange(range) => Ok(range),
            other => Err(unexpected(&other)),
        }
    }

    /// Gives back the unused end of a HiLo range.
    ///
    /// # Errors
    /// As [`Self::next_hilo_range`].
    pub async fn return_hilo_range(&self, unused: ReturnHiloRange) -> Result<()> {
        self.execute(Operation::ReturnHiloRange(unused))
            .await
            .map(|_| ())
    }

    /// Takes the next number of an identity.
    ///
    /// # Errors
    /// `InvalidRequest` for an unusable name, and those of [`Self::write_batch`].
    pub async fn next_identity(&self, name: &str) -> Result<i64> {
        let next = NextIdentity {
            name: name.to_owned(),
        };
        match self.execute(Operation::NextIdentity(next)).await? {
            Outcome::Identity(value) => Ok(value),
            other => Err(unexpected(&other)),
        }
    }

    /// Sets the last number of an identity; without `force` only upwards. Answers where it stands.
    ///
    /// # Errors
    /// As [`Self::next_identity`].
    pub async fn seed_identity(&self, seed: SeedIdentity) -> Result<i64> {
        match self.execute(Operation::SeedIdentity(seed)).await? {
            Outcome::Identity(value) => Ok(value),
            other => Err(unexpected(&other)),
        }
    }

    /// One bounded step of tombstone cleanup: removes up to `limit` tombstones of each collection
    /// that are older than `older_than` and that every consumer has passed (`consumed_up_to`).
    /// Answers how many went; zero means there is nothing left to do.
    ///
    /// # Errors
    /// Those of [`Self::write_batch`].
    pub async fn clean_tombstones_step(
        &self,
        consumed_up_to: Etag,
        older_than: Timestamp,
        limit: usize,
    ) -> Result<usize> {
        let collections = self.read().await?.collections().await?;
        let mut removed = 0;
        for statistics in collections {
            let clean = CleanTombstones {
                collection: CollectionName::new(statistics.name)?,
                up_to: consumed_up_to,
                older_than,
                limit,
            };
            match self.execute(Operation::CleanTombstones(clean)).await? {
                Outcome::Cleaned(count) => removed += count,
                other => return Err(unexpected(&other)),
            }
        }
        Ok(removed)
    }

    /// Replaces a configuration.
    ///
    /// # Errors
    /// Those of [`Self::write_batch`].
    pub async fn configure(&self, configure: Configure) -> Result<()> {
        self.execute(Operation::Configure(configure))
            .await
            .map(|_| ())
    }

    /// Begins the upload of an attachment's content.
    ///
    /// # Errors
    /// As [`crate::host::Random::fill`].
    pub fn begin_upload(&self) -> Result<AttachmentUpload<S>> {
        let mut content = [0; 16];
        self.shared.host.random.fill(&mut content)?;
        Ok(AttachmentUpload::begin(self.clone(), content))
    }

    /// One bounded step of deleting expired documents; answers how many entries were dealt with,
    /// zero when nothing is due. Whether and how often is the host's, by
    /// [`ReadTransaction::expiration_configuration`].
    ///
    /// # Errors
    /// Those of [`Self::write_batch`].
    pub async fn sweep_expired_step(&self, limit: usize) -> Result<usize> {
        self.step(Operation::SweepExpired(SweepExpired { limit }))
            .await
    }

    /// One bounded step of refreshing documents; as [`Self::sweep_expired_step`].
    ///
    /// # Errors
    /// Those of [`Self::write_batch`].
    pub async fn sweep_refreshes_step(&self, limit: usize) -> Result<usize> {
        self.step(Operation::SweepRefreshes(SweepRefreshes { limit }))
            .await
    }

    /// One bounded step of giving back contents of attachments that nothing refers to and nobody
    /// touched since `older_than`; answers how many pieces went.
    ///
    /// # Errors
    /// Those of [`Self::write_batch`].
    pub async fn sweep_loose_contents_step(
        &self,
        older_than: Timestamp,
        limit: usize,
    ) -> Result<usize> {
        self.step(Operation::SweepLooseContents(SweepLooseContents {
            older_than,
            limit,
        }))
        .await
    }

    /// One bounded step of applying the configuration to revisions that are there.
    ///
    /// # Errors
    /// Those of [`Self::write_batch`].
    pub async fn enforce_revisions_step(
        &self,
        step: EnforceRevisions,
    ) -> Result<EnforcedRevisions> {
        match self.execute(Operation::EnforceRevisions(step)).await? {
            Outcome::EnforcedRevisions(done) => Ok(done),
            other => Err(unexpected(&other)),
        }
    }

    /// One bounded step of bringing documents back to a moment.
    ///
    /// # Errors
    /// Those of [`Self::write_batch`].
    pub async fn revert_step(&self, step: RevertDatabase) -> Result<RevertedDatabase> {
        match self.execute(Operation::RevertDatabase(step)).await? {
            Outcome::RevertedDatabase(done) => Ok(done),
            other => Err(unexpected(&other)),
        }
    }

    /// One bounded step of putting deleted documents into the bin that are missing there.
    ///
    /// # Errors
    /// Those of [`Self::write_batch`].
    pub async fn adopt_revisions_step(&self, step: AdoptRevisions) -> Result<AdoptedRevisions> {
        match self.execute(Operation::AdoptRevisions(step)).await? {
            Outcome::AdoptedRevisions(done) => Ok(done),
            other => Err(unexpected(&other)),
        }
    }

    /// One bounded step of emptying the bin.
    ///
    /// # Errors
    /// Those of [`Self::write_batch`].
    pub async fn sweep_revision_bin_step(
        &self,
        step: SweepRevisionBin,
    ) -> Result<SweptRevisionBin> {
        match self.execute(Operation::SweepRevisionBin(step)).await? {
            Outcome::SweptRevisionBin(done) => Ok(done),
            other => Err(unexpected(&other)),
        }
    }

    async fn step(&self, operation: Operation) -> Result<usize> {
        match self.execute(operation).await? {
            Outcome::Cleaned(count) => Ok(count),
            other => Err(unexpected(&other)),
        }
    }

    /// Hands an operation to the merger and waits for its commit.
    ///
    /// # Errors
    /// The operation's own, the commit's, or `Closed`.
    pub async fn execute(&self, operation: Operation) -> Result<Outcome> {
        self.shared.queue.execute(operation, None).await
    }

    /// As [`Self::execute`], with a durability of its own instead of the database's.
    ///
    /// # Errors
    /// As [`Self::execute`].
    pub async fn execute_with(
        &self,
        operation: Operation,
        durability: Durability,
    ) -> Result<Outcome> {
        self.shared.queue.execute(operation, Some(durability)).await
    }

    /// The host's time.
    pub fn now(&self) -> Timestamp {
        self.shared.host.clock.now()
    }

    /// The host's clock.
    pub(crate) fn clock(&self) -> Arc<dyn crate::host::Clock> {
        Arc::clone(&self.shared.host.clock)
    }

    /// The host's randomness.
    pub(crate) fn random(&self) -> &dyn crate::host::Random {
        &*self.shared.host.random
    }

    /// Wakes after the next commit that changed something.
    pub fn listen(&self) -> event_listener::EventListener {
        self.shared.committed.listen()
    }

    /// The newest notices, oldest first.
    pub fn notices(&self) -> Vec<Notice> {
        self.shared.notices.list()
    }

    /// How many operations wait for the merger.
    pub fn queued_operations(&self) -> usize {
        self.shared.queue.queued_operations()
    }

    /// Whether the version `dot` of a document was known here before a server took it, under an etag
    /// up to `told`: whoever followed the etags to there has heard of it.
    pub fn is_acknowledged(&self, id: &str, dot: Dot, told: Etag) -> bool {
        let before = self.shared.acknowledged.before(&to_id_key(id), dot);
        before.is_some_and(|before| before <= told)
    }

    /// How often operations were committed since the database was opened. What comes while a
    /// commit syncs shares the next one, so writes may be many times as many.
    pub fn commit_count(&self) -> u64 {
        self.shared.commit_count.load(Ordering::Relaxed)
    }

    /// Refuses new writes, waits until those queued are done, and closes the store.
    ///
    /// # Errors
    /// Whatever the store reports.
    pub async fn close(&self) -> Result<()> {
        self.shared.queue.close_and_drain().await;
        self.shared.store.close().await
    }
}

/// Which one is not told: a page would load code that shows each of them.
fn unexpected(_outcome: &Outcome) -> Error {
    Error::new(
        ErrorKind::Internal,
        "an operation answered with the outcome of another",
    )
}

async fn load_or_found<S: Store>(
    store: &S,
    host: &Host,
    options: &DatabaseOptions,
) -> Result<DatabaseState> {
    let key = Bytes::from_static(STATE_KEY);
    let stored = store
        .snapshot()
        .await?
        .get_many(DATABASE, &[key])
        .await?
        .pop()
        .flatten();
    let mut state = match &stored {
        Some(encoded) => DatabaseState::decode(encoded)?,
        None => DatabaseState {
            last_etag: Etag::ZERO,
            incarnations: Incarnations::founded_by(Incarnation {
                id: IncarnationId::mint(&*host.random)?,
                tag: options.node_tag.clone(),
                seen: Etag::ZERO,
            }),
            knows_revisions: false,
        },
    };
    let own: IncarnationIndex = state.incarnations.own();
    let is_relabelled = state.incarnations.own_row().tag != options.node_tag;
    if stored.is_none() || is_relabelled {
        state.incarnations.rows[own.number() as usize].tag = options.node_tag.clone();
        let mut batch = WriteBatch::default();
        batch.put(DATABASE, STATE_KEY, state.encode());
        store.commit(batch, Durability::Durable).await?;
    }
    Ok(state)
}
