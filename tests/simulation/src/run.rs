//! One run: faults first, then everything heals and must come to rest in one state.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;

use futures_executor::LocalPool;
use pinyon_core::host::{ManualClock, Timestamp};
use pinyon_core::storage::Fault;
use pinyon_core::verify::verify;
use pinyon_core::version::IncarnationId;
use pinyon_core::{ErrorKind, Result};

use crate::choice::Choice;
use crate::edge::{Connection, Edge};
use crate::faults::Faults;
use crate::history::{Event, History};
use crate::replica::{Contents, OwnDeletions, Replica, World};
use crate::server::Server;

/// The size of a run.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Servers.
    pub servers: usize,
    /// Edges at any time.
    pub edges: usize,
    /// Documents they all write.
    pub documents: usize,
    /// Steps before healing.
    pub steps: usize,
    /// What goes wrong.
    pub faults: Faults,
    /// How many writes of a thousand are deletions.
    pub deletions_per_mille: u64,
    /// How often a backup may take the place of a disk.
    pub most_restores: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            servers: 3,
            edges: 6,
            documents: 2,
            steps: 500,
            faults: Faults::EVERYDAY,
            deletions_per_mille: 0,
            most_restores: usize::MAX,
        }
    }
}

/// What a run, or several, came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Runs.
    pub runs: usize,
    /// Writes made.
    pub writes: usize,
    /// Writes that servers took in.
    pub accepted: usize,
    /// Accepted writes that nobody replaced and that are gone.
    pub lost: usize,
    /// Deletions for which an equal one stood until somebody beside them replaced it: what they wrote lives,
    /// and shows no conflict.
    pub unseen_deletions: usize,
    /// Pairs that live side by side although one author had seen the other.
    pub false_conflicts: usize,
    /// Events that a server lost with its disk, and that no other had.
    pub lost_with_disk: usize,
    /// Those of them that live on all the same, because edges still had them.
    pub brought_back: usize,
    /// Documents that differ between replicas at the end.
    pub diverged: usize,
    /// Writes that are still pending at the end.
    pub stuck: usize,
    /// Entries of the longest change vector.
    pub longest_vector: usize,
    /// Contradictions that `verify` found in the databases.
    pub unsound: usize,
}

impl Report {
    /// Adds another report.
    pub fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.writes += other.writes;
        self.accepted += other.accepted;
        self.lost += other.lost;
        self.unseen_deletions += other.unseen_deletions;
        self.false_conflicts += other.false_conflicts;
        self.lost_with_disk += other.lost_with_disk;
        self.brought_back += other.brought_back;
        self.diverged += other.diverged;
        self.stuck += other.stuck;
        self.longest_vector = self.longest_vector.max(other.longest_vector);
        self.unsound += other.unsound;
    }
}

/// Runs one seed.
///
/// # Errors
/// Whatever a replica reports that no fault explains.
pub fn simulate(seed: u64, settings: Settings) -> Result<Report> {
    let mut pool = LocalPool::new();
    let world = World {
        spawner: pool.spawner(),
        clock: Arc::new(ManualClock::new(Timestamp::from_unix_ms(1_800_000_000_000))),
        seeds: Cell::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d)),
    };
    pool.run_until(async {
        let mut run = Run::begin(world, seed, settings).await?;
        for _ in 0..settings.steps {
            run.step().await?;
        }
        run.heal().await?;
        run.report().await
    })
}

struct Run {
    world: World,
    choice: Choice,
    settings: Settings,
    servers: Vec<Server>,
    edges: Vec<Edge>,
    cuts: BTreeSet<(usize, usize)>,
    restores: usize,
    history: History,
}

impl Run {
    async fn begin(world: World, seed: u64, settings: Settings) -> Result<Self> {
        let choice = Choice::new(seed);
        let mut servers = Vec::new();
        for index in 0..settings.servers {
            servers.push(Server::found(&world, index).await?);
        }
        let mut edges = Vec::new();
        for _ in 0..settings.edges {
            let home = choice.below(settings.servers);
            let (contents, deletions) = (Contents::new(), OwnDeletions::new());
            edges.push(Edge::new(&world, home, &contents, deletions).await?);
        }
        Ok(Self {
            world,
            choice,
            settings,
            servers,
            edges,
            cuts: BTreeSet::new(),
            restores: 0,
            history: History::default(),
        })
    }

    fn id(&self) -> String {
        format!("things/{}", self.choice.below(self.settings.documents))
    }

    fn members(&self) -> Vec<IncarnationId> {
        self.servers.iter().map(Server::id).collect()
    }

    async fn step(&mut self) -> Result<()> {
        self.world
            .clock
            .advance_ms(1 + self.choice.below(1000) as i64);
        let faults = self.settings.faults;
        let at = self.choice.below(self.edges.len());
        match self.choice.below(100) {
            0..16 => self.edge_writes(at).await,
            16..18 if faults.server_writes => self.server_writes().await,
            18..22 => {
                self.edges[at].home = self.choice.below(self.servers.len());
                Ok(())
            }
            22..72 => self.connection_goes_on(at).await,
            72..86 => self.server_follows().await,
            86..88 if faults.cuts => {
                let pair = (
                    self.choice.below(self.servers.len()),
                    self.choice.below(self.servers.len()),
                );
                self.cuts.insert(pair);
                Ok(())
            }
            88..90 => {
                self.cuts.clear();
                Ok(())
            }
            90..92 if faults.broken_connections => {
                self.edges[at].connection = None;
                Ok(())
            }
            92 if faults.evictions => {
                self.put_edge(at, &Contents::new(), OwnDeletions::new())
                    .await
            }
            93 if faults.clones => {
                let contents = self.edges[at].replica.contents().await?;
                let deletions = self.edges[at].deletions.clone();
                let other = self.choice.below(self.edges.len());
                self.put_edge(other, &contents, deletions).await
            }
            94..96 if faults.rollbacks => self.roll_back(at).await,
            96 if faults.restores => {
                let server = self.choice.below(self.servers.len());
                self.servers[server].backup = Some(self.servers[server].replica.contents().await?);
                Ok(())
            }
            97 if faults.restores && self.choice.happens(500) => self.restore().await,
            98 if faults.storage => {
                self.fail_soon(at);
                Ok(())
            }
            99 if faults.restarts => {
                let server = self.choice.below(self.servers.len());
                self.servers[server].restart(&self.world).await
            }
            _ => Ok(()),
        }
    }

    async fn put_edge(
        &mut self,
        at: usize,
        contents: &Contents,
        deletions: OwnDeletions,
    ) -> Result<()> {
        let home = self.edges[at].home;
        self.edges[at] = Edge::new(&self.world, home, contents, deletions).await?;
        Ok(())
    }

    async fn roll_back(&mut self, at: usize) -> Result<()> {
        match self.edges[at].earlier.take() {
            Some((contents, deletions)) => self.put_edge(at, &contents, deletions).await,
            None => {
                let contents = self.edges[at].replica.contents().await?;
                let deletions = self.edges[at].deletions.clone();
                self.edges[at].earlier = Some((contents, deletions));
                Ok(())
            }
        }
    }

    fn fail_soon(&self, at: usize) {
        let plan = match self.choice.happens(500) {
            true => &self.edges[at].replica.plan,
            false => {
                &self.servers[self.choice.below(self.servers.len())]
                    .replica
                    .plan
            }
        };
        let call = plan.calls() + 1 + self.choice.below(20) as u64;
        plan.fail_at(call, Fault::Error(ErrorKind::Unavailable));
    }

    fn deletes(&self) -> bool {
        let per_mille = self.settings.deletions_per_mille;
        // Runs without deletions stay the runs they were.
        per_mille > 0 && self.choice.happens(per_mille)
    }

    async fn edge_writes(&mut self, at: usize) -> Result<()> {
        let id = self.id();
        let is_deletion = self.deletes();
        let edge = &mut self.edges[at];
        let own = Some(&edge.deletions);
        let before = edge.replica.live_events(&id, &self.history, own).await;
        let Some(before) = tolerated(before)? else {
            return Ok(());
        };
        if is_deletion {
            let is_there = exists(&edge.replica, &id).await;
            let deleted = tolerated(edge.replica.delete(&id).await)?;
            // Deleting what is gone says nothing new on an edge.
            if deleted.flatten().is_some() && tolerated(is_there)?.unwrap_or(true) {
                let event = self.history.add(&before);
                self.history.add_deletion(event, &id);
                edge.deletions.insert(id, event);
            }
            return Ok(());
        }
        let event = self.history.add(&before);
        // A write that failed was seen by nobody.
        tolerated(edge.replica.write(&id, event).await).map(|_| ())
    }

    async fn server_writes(&mut self) -> Result<()> {
        let id = self.id();
        let is_deletion = self.deletes();
        let replica = &self.servers[self.choice.below(self.servers.len())].replica;
        let before = replica.live_events(&id, &self.history, None).await;
        let Some(before) = tolerated(before)? else {
            return Ok(());
        };
        if is_deletion {
            if let Some(name) = tolerated(replica.delete(&id).await)?.flatten() {
                let event = self.history.add(&before);
                self.history.add_deletion(event, &id);
                self.history.name_deletion(event, name);
                self.history.accepted.insert(event);
            }
            return Ok(());
        }
        let event = self.history.add(&before);
        if tolerated(replica.write(&id, event).await)?.is_some() {
            self.history.accepted.insert(event);
        }
        Ok(())
    }

    async fn connection_goes_on(&mut self, at: usize) -> Result<()> {
        let members = self.members();
        let edge = &mut self.edges[at];
        let server = &self.servers[edge.home];
        let is_gone = edge
            .connection
            .as_ref()
            .is_some_and(|it| it.server != edge.home || it.life != server.life);
        if is_gone {
            edge.connection = None;
        }
        if edge.connection.is_none() {
            let session = server.session(&members, &self.choice);
            let connected = edge.connect(server.life, session, &mut self.history).await;
            return tolerated(connected).map(|_| ());
        }
        for _ in 0..1 + self.choice.below(6) {
            let which = self.choice.below(5);
            let happened = edge.go_on(which, &mut self.history).await;
            let proved = edge.connection.as_ref();
            server.heard(proved.is_some_and(Connection::has_proved_a_restore));
            if tolerated(happened)?.is_none() {
                edge.connection = None;
                let home = edge.home;
                return self.note_untold(home).await;
            }
        }
        if self.choice.happens(100) {
            tolerated(edge.tick(&mut self.history).await)?;
        }
        Ok(())
    }

    /// What a server stored before it failed was taken in, though nobody was told.
    async fn note_untold(&mut self, server: usize) -> Result<()> {
        let replica = &self.servers[server].replica;
        for document in 0..self.settings.documents {
            let id = format!("things/{document}");
            let live = replica.live_events(&id, &self.history, None).await;
            self.history
                .accepted
                .extend(tolerated(live)?.into_iter().flatten());
        }
        Ok(())
    }

    async fn server_follows(&mut self) -> Result<()> {
        let source = self.choice.below(self.servers.len());
        let target = self.choice.below(self.servers.len());
        if source != target && !self.cuts.contains(&(source, target)) {
            let followed = self.servers[target]
                .follow(&self.servers[source], &self.choice)
                .await;
            tolerated(followed)?;
            self.servers[target].meet(&self.members(), false);
        }
        Ok(())
    }

    /// A server's disk is lost. What it alone knew cannot come back.
    async fn restore(&mut self) -> Result<()> {
        let at = self.choice.below(self.servers.len());
        if self.servers[at].backup.is_none() || self.restores >= self.settings.most_restores {
            return Ok(());
        }
        self.restores += 1;
        self.servers.iter().for_each(|it| it.replica.plan.heal());
        for document in 0..self.settings.documents {
            let id = format!("things/{document}");
            let mut elsewhere: Vec<Event> = Vec::new();
            for (other, server) in self.servers.iter().enumerate() {
                if other != at {
                    let events = server.replica.live_events(&id, &self.history, None).await?;
                    elsewhere.extend(events);
                }
            }
            let replica = &self.servers[at].replica;
            for event in replica.live_events(&id, &self.history, None).await? {
                if !elsewhere.iter().any(|it| self.history.had_seen(*it, event)) {
                    self.history.lost_with_disk.insert(event);
                }
            }
        }
        let is_said = !self.settings.faults.unsaid_restores;
        self.servers[at].restore(&self.world, is_said).await?;
        // Who belongs to the cluster has changed: everybody hears of it anew.
        self.edges
            .iter_mut()
            .for_each(|edge| edge.connection = None);
        let members = self.members();
        self.servers.iter().for_each(|it| it.meet(&members, true));
        Ok(())
    }

    async fn exchange_everything(&mut self) -> Result<()> {
        for _ in 0..2 {
            for source in 0..self.servers.len() {
                for target in 0..self.servers.len() {
                    if source != target {
                        let (from, to) = (&self.servers[source], &self.servers[target]);
                        while !to.follow(from, &self.choice).await? {}
                        to.meet(&self.members(), false);
                    }
                }
            }
        }
        Ok(())
    }

    /// What an edge still shows of what a server lost must come back. Of a conflict it offers one
    /// version; the others stay as revisions.
    async fn expect_back(&mut self) -> Result<()> {
        for edge in &self.edges {
            for document in 0..self.settings.documents {
                let id = format!("things/{document}");
                let own = Some(&edge.deletions);
                let shown = edge.replica.live_events(&id, &self.history, own).await?;
                if let [event] = shown[..] {
                    self.history.owed.insert(event);
                }
            }
        }
        Ok(())
    }

    async fn heal(&mut self) -> Result<()> {
        self.cuts.clear();
        self.servers.iter().for_each(|it| it.replica.plan.heal());
        self.edges.iter().for_each(|it| it.replica.plan.heal());
        self.expect_back().await?;
        self.exchange_everything().await?;
        // Twice: what the last edge brings, the first must hear. Once more where the last may prove
        // that there was a restore.
        for _ in 0..2 + usize::from(self.settings.faults.unsaid_restores) {
            for edge in &mut self.edges {
                // The edge before may have made a server begin a new life.
                let members: Vec<_> = self.servers.iter().map(Server::id).collect();
                let server = &self.servers[edge.home];
                edge.connection = None;
                let session = server.session(&members, &self.choice);
                edge.connect(server.life, session, &mut self.history)
                    .await?;
                for _ in 0..4 {
                    rest(edge, server, &mut self.history).await?;
                    edge.tick(&mut self.history).await?;
                }
                rest(edge, server, &mut self.history).await?;
            }
            self.exchange_everything().await?;
        }
        for edge in &mut self.edges {
            let server = &self.servers[edge.home];
            rest(edge, server, &mut self.history).await?;
        }
        Ok(())
    }

    async fn report(&self) -> Result<Report> {
        let mut report = Report {
            runs: 1,
            writes: self.history.len(),
            accepted: self.history.accepted.len(),
            ..Report::default()
        };
        let mut live = BTreeSet::new();
        for document in 0..self.settings.documents {
            let id = format!("things/{document}");
            let first = &self.servers[0].replica;
            let expected = shown(first, &id, &self.history, None).await?;
            let events = first.live_events(&id, &self.history, None).await?;
            report.false_conflicts += self.history.false_conflicts(&events);
            live.extend(events);
            let servers = self.servers.iter().map(|it| (&it.replica, None));
            let edges = self.edges.iter();
            let edges = edges.map(|it| (&it.replica, Some(&it.deletions)));
            for (replica, own) in servers.chain(edges) {
                let actual = shown(replica, &id, &self.history, own).await?;
                report.longest_vector = report.longest_vector.max(actual.1);
                report.diverged += usize::from(actual != expected);
            }
        }
        let lost = self.history.lost(&live).into_iter();
        let (unseen, lost): (Vec<_>, Vec<_>) = lost.partition(|it| self.history.was_stood_for(*it));
        (report.lost, report.unseen_deletions) = (lost.len(), unseen.len());
        let lost_with_disk = &self.history.lost_with_disk;
        report.brought_back = lost_with_disk.intersection(&live).count();
        report.lost_with_disk = lost_with_disk.len();
        for edge in &self.edges {
            report.stuck += edge.pending().await?;
        }
        let servers = self.servers.iter().map(|it| &it.replica);
        for replica in servers.chain(self.edges.iter().map(|it| &it.replica)) {
            let read = replica.database.read().await?;
            let found = verify(read.snapshot(), |_| {}).await;
            report.unsound += usize::try_from(found.problem_count).unwrap_or(usize::MAX);
            assert!(found.is_sound(), "{:?}", found.problems);
        }
        Ok(report)
    }
}

/// Everything about a document that must be the same everywhere: the vector's text, its length,
/// and the live events with their dots' texts.
type Shown = (String, usize, Vec<(String, Event)>);

async fn shown(
    replica: &Replica,
    id: &str,
    history: &History,
    own: Option<&OwnDeletions>,
) -> Result<Shown> {
    let read = replica.database.read().await?;
    let set = read.live_versions(id).await?;
    let text = set.context.to_text(read.incarnations())?;
    let mut live = Vec::new();
    for version in &set.live {
        let name = read.version_name(version.dot)?;
        for event in replica.events_of(version, history, own).await? {
            live.push((name.clone(), event));
        }
    }
    live.sort();
    Ok((text, set.context.entries().len(), live))
}

/// Whether there is a document, or several versions of one.
async fn exists(replica: &Replica, id: &str) -> Result<bool> {
    let set = replica.database.read().await?.live_versions(id).await?;
    Ok(set.is_conflict() || set.live.iter().any(|it| !it.value.is_deletion))
}

/// Lets a connection do everything it can.
async fn rest(edge: &mut Edge, server: &Server, history: &mut History) -> Result<()> {
    loop {
        let mut happened = false;
        for which in 0..5 {
            happened |= edge.go_on(which, history).await?;
            let proved = edge.connection.as_ref();
            server.heard(proved.is_some_and(Connection::has_proved_a_restore));
        }
        if !happened {
            return Ok(());
        }
    }
}

/// `None` for what an injected fault explains.
fn tolerated<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.message().contains("injected fault") => Ok(None),
        // Somebody proved a restore meanwhile.
        Err(error) if error.message().contains("connect again") => Ok(None),
        Err(error) => Err(error),
    }
}
