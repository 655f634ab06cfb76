//! An edge: one database and, now and then, a connection to a server.

use std::collections::VecDeque;

use pinyon_core::Result;
use pinyon_core::replication::edge::{EdgeOptions, EdgeSession};
use pinyon_core::replication::hub::HubSession;
use pinyon_core::replication::{Message, Verdict};

use crate::history::History;
use crate::replica::{Contents, Replica, SimulatedStore, World, event_of};

/// A connection: both sides' state machines, and what is on its way between them.
pub(crate) struct Connection {
    pub(crate) server: usize,
    pub(crate) life: u64,
    edge_side: EdgeSession<SimulatedStore>,
    hub_side: HubSession<SimulatedStore>,
    to_hub: VecDeque<Vec<u8>>,
    to_edge: VecDeque<Vec<u8>>,
}

/// An edge of the run.
pub(crate) struct Edge {
    pub(crate) replica: Replica,
    pub(crate) home: usize,
    pub(crate) connection: Option<Connection>,
    /// What it was some time ago.
    pub(crate) earlier: Option<Contents>,
}

impl Edge {
    pub(crate) async fn new(world: &World, home: usize, contents: &Contents) -> Result<Self> {
        Ok(Self {
            replica: Replica::open(world, "A", contents).await?,
            home,
            connection: None,
            earlier: None,
        })
    }

    pub(crate) async fn connect(
        &mut self,
        life: u64,
        hub_side: HubSession<SimulatedStore>,
    ) -> Result<()> {
        let database = self.replica.database.clone();
        let (edge_side, hello) = EdgeSession::begin(database, EdgeOptions::default()).await?;
        self.connection = Some(Connection {
            server: self.home,
            life,
            edge_side,
            hub_side,
            to_hub: hello.iter().map(|it| it.to_vec()).collect(),
            to_edge: VecDeque::new(),
        });
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
            2 => connection.edge_receives().await,
            3 => connection.pump().await,
            _ => {
                let frames = connection.edge_side.on_local_write().await?;
                let has_some = !frames.is_empty();
                connection
                    .to_hub
                    .extend(frames.iter().map(|it| it.to_vec()));
                Ok(has_some)
            }
        }
    }

    /// Offers again what the server could not take, and asks where the stream is.
    pub(crate) async fn tick(&mut self) -> Result<()> {
        if let Some(connection) = &mut self.connection {
            let frames = connection.edge_side.on_tick().await?;
            connection
                .to_hub
                .extend(frames.iter().map(|it| it.to_vec()));
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
        let offered: Vec<usize> = match &message {
            Message::Push { writes, .. } => {
                writes.iter().map(|it| event_of(&it.version.body)).collect()
            }
            _ => Vec::new(),
        };
        for answer in self.hub_side.on_message(message).await? {
            if let Message::Outcomes(outcomes) = &answer {
                for (event, outcome) in offered.iter().zip(outcomes) {
                    match &outcome.verdict {
                        Verdict::Accepted { .. } => {
                            history.accepted.insert(*event);
                        }
                        Verdict::Refused(refusal) => panic!("refused: {refusal:?}"),
                        Verdict::Behind | Verdict::Forked => {}
                    }
                }
            }
            self.to_edge.push_back(answer.encode());
        }
        Ok(true)
    }

    async fn edge_receives(&mut self) -> Result<bool> {
        let Some(frame) = self.to_edge.pop_front() else {
            return Ok(false);
        };
        let answers = self.edge_side.on_frame(&frame).await?;
        self.to_hub.extend(answers.iter().map(|it| it.to_vec()));
        Ok(true)
    }

    async fn pump(&mut self) -> Result<bool> {
        let Some(frame) = self.hub_side.pump().await? else {
            return Ok(false);
        };
        self.to_edge.push_back(frame.to_vec());
        Ok(true)
    }
}
