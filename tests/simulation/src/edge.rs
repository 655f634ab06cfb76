//! An edge: one database and, now and then, a connection to a server.

use std::collections::VecDeque;

use bytes::Bytes;
use pinyon_core::Result;
use pinyon_core::replication::edge::{EdgeOptions, EdgeSession};
use pinyon_core::replication::hub::HubSession;
use pinyon_core::replication::{EdgeWrite, Message, Verdict};
use pinyon_core::version::{Origin, ReplicaId};

use crate::history::{Event, History};
use crate::replica::{Contents, OwnDeletions, Replica, SimulatedStore, World, event_of, name_of};

/// A connection: both sides' state machines, and what is on its way between them.
pub(crate) struct Connection {
    pub(crate) server: usize,
    pub(crate) life: u64,
    edge_side: EdgeSession<SimulatedStore>,
    hub_side: HubSession<SimulatedStore>,
    to_hub: VecDeque<Vec<u8>>,
    to_edge: VecDeque<Vec<u8>>,
    /// Who the edge said it is, and who it is to the server: what it says of itself may be on its
    /// way still.
    named: Option<ReplicaId>,
    heard: Option<ReplicaId>,
}

/// An edge of the run.
pub(crate) struct Edge {
    pub(crate) replica: Replica,
    pub(crate) home: usize,
    pub(crate) connection: Option<Connection>,
    /// What it was some time ago.
    pub(crate) earlier: Option<(Contents, OwnDeletions)>,
    /// The deletions it made.
    pub(crate) deletions: OwnDeletions,
}

impl Edge {
    pub(crate) async fn new(
        world: &World,
        home: usize,
        contents: &Contents,
        deletions: OwnDeletions,
    ) -> Result<Self> {
        Ok(Self {
            replica: Replica::open(world, "A", contents).await?,
            home,
            connection: None,
            earlier: None,
            deletions,
        })
    }

    pub(crate) async fn connect(
        &mut self,
        life: u64,
        hub_side: HubSession<SimulatedStore>,
        history: &mut History,
    ) -> Result<()> {
        let database = self.replica.database.clone();
        let (edge_side, hello) = EdgeSession::begin(database, EdgeOptions::default()).await?;
        let mut connection = Connection {
            server: self.home,
            life,
            edge_side,
            hub_side,
            to_hub: VecDeque::new(),
            to_edge: VecDeque::new(),
            named: None,
            heard: None,
        };
        connection
            .send(&hello, &self.replica, &mut self.deletions, history)
            .await?;
        self.connection = Some(connection);
        Ok(())
    }

    /// Lets one thing happen on the connection: a frame arrives on one side, the server goes on
    /// with its stream, or the edge looks at what it has to send. Whether anything happened.
    pub(crate) async fn go_on(&mut self, which: usize, history: &mut History) -> Result<bool> {
        let Some(connection) = &mut self.connection else {
            return Ok(false);
        };
        match which % 5 {
            0 | 1 => connection.hub_receives(history).await,
            2 => {
                let (replica, own) = (&self.replica, &mut self.deletions);
                connection.edge_receives(replica, own, history).await
            }
            3 => connection.pump().await,
            _ => {
                let frames = connection.edge_side.on_local_write().await?;
                connection
                    .send(&frames, &self.replica, &mut self.deletions, history)
                    .await?;
                Ok(!frames.is_empty())
            }
        }
    }

    /// Offers again what the server could not take, and asks where the stream is.
    pub(crate) async fn tick(&mut self, history: &mut History) -> Result<()> {
        if let Some(connection) = &mut self.connection {
            let frames = connection.edge_side.on_tick().await?;
            connection
                .send(&frames, &self.replica, &mut self.deletions, history)
                .await?;
        }
        Ok(())
    }

    /// How many writes no server is known to have.
    pub(crate) async fn pending(&self) -> Result<usize> {
        let read = self.replica.database.read().await?;
        Ok(read.pending_documents(0, usize::MAX).await?.len())
    }
}

impl Connection {
    async fn hub_receives(&mut self, history: &mut History) -> Result<bool> {
        let Some(frame) = self.to_hub.pop_front() else {
            return Ok(false);
        };
        let message = Message::decode(&frame)?;
        if let Message::Hello { replica, .. } = &message {
            self.heard = Some(*replica);
        }
        let named = self.heard;
        let offered: Vec<Vec<Event>> = match &message {
            Message::Push { writes, .. } => writes
                .iter()
                .map(|it| match it.version.is_deletion {
                    false => vec![event_of(&it.version.body)],
                    true => {
                        let events = history.deletions_named(&name_of(&origin_of(named, it)));
                        let events = events.expect("what was sent was named");
                        events.iter().copied().collect()
                    }
                })
                .collect(),
            _ => Vec::new(),
        };
        for answer in self.hub_side.on_message(message).await? {
            if let Message::Outcomes(outcomes) = &answer {
                for (events, outcome) in offered.iter().zip(outcomes) {
                    match &outcome.verdict {
                        Verdict::Accepted { .. } => history.accepted.extend(events),
                        Verdict::Refused(refusal) => panic!("refused: {refusal:?}"),
                        Verdict::Behind | Verdict::Forked => {}
                    }
                }
            }
            self.to_edge.push_back(answer.encode());
        }
        Ok(true)
    }

    async fn edge_receives(
        &mut self,
        replica: &Replica,
        own: &mut OwnDeletions,
        history: &mut History,
    ) -> Result<bool> {
        let Some(frame) = self.to_edge.pop_front() else {
            return Ok(false);
        };
        let answers = self.edge_side.on_frame(&frame).await?;
        self.send(&answers, replica, own, history).await?;
        Ok(true)
    }

    /// Puts frames of the edge on their way, and notes what the deletions in them will be called.
    async fn send(
        &mut self,
        frames: &[Bytes],
        replica: &Replica,
        own: &mut OwnDeletions,
        history: &mut History,
    ) -> Result<()> {
        for frame in frames {
            match Message::decode(frame)? {
                Message::Hello { replica, .. } => self.named = Some(replica),
                Message::Push { writes, .. } => {
                    for write in writes.iter().filter(|it| it.version.is_deletion) {
                        let name = name_of(&origin_of(self.named, write));
                        if write.lost.is_some() {
                            // Anybody's, that a server has lost.
                            replica.plan.heal();
                            let id = &write.version.id;
                            for event in replica.live_events(id, history, Some(own)).await? {
                                history.name_deletion(event, name.clone());
                            }
                            continue;
                        }
                        let id = &write.version.id;
                        let event = own.get_mut(id).expect("an edge sends its own deletions");
                        *event = history.send_deletion(*event, id, name);
                    }
                }
                _ => {}
            }
            self.to_hub.push_back(frame.to_vec());
        }
        Ok(())
    }

    async fn pump(&mut self) -> Result<bool> {
        let Some(frame) = self.hub_side.pump().await? else {
            return Ok(false);
        };
        self.to_edge.push_back(frame.to_vec());
        Ok(true)
    }
}

fn origin_of(replica: Option<ReplicaId>, write: &EdgeWrite) -> Origin {
    if let Some(lost) = &write.lost {
        return Origin {
            replica: ReplicaId::from_bytes(*lost.name.id.bytes()),
            sequence: lost.etag.number(),
            hash: write.hash,
        };
    }
    Origin {
        replica: replica.expect("an edge says hello first"),
        sequence: write.sequence,
        hash: write.hash,
    }
}
