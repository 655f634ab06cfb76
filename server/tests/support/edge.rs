//! An edge of the tests: the core over memory, and a real socket to a real server.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_executor::LocalPool;
use futures_util::task::LocalSpawnExt;
use pinyon_core::commands::{BatchCommand, DeleteDocument, ExpectedVersion, PutDocument};
use pinyon_core::document::{DocumentId, IdRequest, parse_document};
use pinyon_core::host::{Host, OsRandom, SystemClock};
use pinyon_core::replication::edge::{EdgeEvent, EdgeOptions, EdgePhase, EdgeSession};
use pinyon_core::storage::{Environment, MemoryEnvironment, MemoryStore, StoreName};
use pinyon_core::{Database, DatabaseOptions, Limits, Result};
use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, WebSocket};

use super::TestServer;

/// How long a test waits for what must come, before it gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// An edge.
pub struct TestEdge {
    pool: LocalPool,
    pub database: Database<MemoryStore>,
    connection: Option<(EdgeSession<MemoryStore>, WebSocket<TcpStream>)>,
    pub events: Vec<EdgeEvent>,
    pub received_bytes: usize,
    pub sent_bytes: usize,
}

impl TestEdge {
    pub fn new() -> Self {
        let mut pool = LocalPool::new();
        let opening = async {
            let environment = MemoryEnvironment::new();
            let store = environment.open(&StoreName::new("documents")?).await?;
            let host = Host {
                clock: Arc::new(SystemClock),
                random: Arc::new(OsRandom),
            };
            Database::open(store, host, DatabaseOptions::default()).await
        };
        let (database, merger) = pool.run_until(opening).unwrap();
        pool.spawner().spawn_local(merger.run()).unwrap();
        Self {
            pool,
            database,
            connection: None,
            events: Vec::new(),
            received_bytes: 0,
            sent_bytes: 0,
        }
    }

    /// Connects; the error is the status that the handshake was answered with.
    pub fn connect(&mut self, server: &TestServer, token: &str) -> Result<(), u16> {
        self.connect_from(server, token, None)
    }

    pub fn connect_from(
        &mut self,
        server: &TestServer,
        token: &str,
        origin: Option<&str>,
    ) -> Result<(), u16> {
        self.connect_to(server, "Test", token, origin)
    }

    pub fn connect_to(
        &mut self,
        server: &TestServer,
        database: &str,
        token: &str,
        origin: Option<&str>,
    ) -> Result<(), u16> {
        let url = format!("ws://{}/databases/{database}/sync", server.address());
        let mut request = url.into_client_request().unwrap();
        if let Some(origin) = origin {
            request
                .headers_mut()
                .insert("Origin", origin.parse().unwrap());
        }
        let socket = server.connect();
        let (mut socket, _) = match tungstenite::client(request, socket) {
            Ok(connected) => connected,
            Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(answer))) => {
                return Err(answer.status().as_u16());
            }
            Err(reason) => panic!("{reason}"),
        };
        let poll = Some(Duration::from_millis(2));
        socket.get_mut().set_read_timeout(poll).unwrap();
        let options = EdgeOptions {
            token: token.to_owned(),
            ..EdgeOptions::default()
        };
        let beginning = EdgeSession::begin(self.database.clone(), options);
        let (session, hello) = self.pool.run_until(beginning).unwrap();
        for frame in hello {
            self.sent_bytes += frame.len();
            socket.send(Message::Binary(frame)).unwrap();
        }
        self.connection = Some((session, socket));
        Ok(())
    }

    pub fn disconnect(&mut self) {
        self.connection = None;
    }

    /// Lets whatever is there happen; whether the connection still stands.
    pub fn turn(&mut self) -> bool {
        let Some((session, socket)) = &mut self.connection else {
            return false;
        };
        let mut frames = self.pool.run_until(session.on_local_write()).unwrap();
        let is_over = match socket.read() {
            Ok(Message::Binary(frame)) => {
                self.received_bytes += frame.len();
                frames.extend(self.pool.run_until(session.on_frame(&frame)).unwrap());
                false
            }
            Ok(Message::Close(_)) => true,
            Ok(_) => false,
            Err(tungstenite::Error::Io(reason)) => {
                !matches!(reason.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
            }
            Err(_) => true,
        };
        self.events.extend(session.take_events());
        for frame in frames {
            self.sent_bytes += frame.len();
            // A socket that broke is noticed when it is read.
            let _ = socket.send(Message::Binary(frame));
        }
        if is_over {
            self.connection = None;
        }
        !is_over
    }

    /// As [`Self::turn`], and offers again what waits, as hosts do now and then.
    pub fn turn_with_tick(&mut self) -> bool {
        if let Some((session, socket)) = &mut self.connection {
            for frame in self.pool.run_until(session.on_tick()).unwrap() {
                let _ = socket.send(Message::Binary(frame));
            }
        }
        self.turn()
    }

    /// Lets things happen until everything is exchanged and `is_there` says so.
    pub fn sync_until(&mut self, mut is_there: impl FnMut(&mut Self) -> bool) {
        let begun = Instant::now();
        loop {
            let stands = self.turn();
            if self.is_at_rest() && is_there(self) {
                return;
            }
            assert!(stands, "the connection broke: {:?}", self.events);
            assert!(
                begun.elapsed() < PATIENCE,
                "nothing came: {:?}",
                self.events
            );
        }
    }

    /// Lets things happen until the server ends it.
    pub fn run_until_refused(&mut self) -> String {
        let begun = Instant::now();
        while self.turn() {
            assert!(begun.elapsed() < PATIENCE, "it was not refused");
        }
        let closed = self.events.iter().find_map(|event| match event {
            EdgeEvent::Closed { reason, .. } => Some(reason.clone()),
            _ => None,
        });
        closed.unwrap_or_else(|| panic!("it was not told why: {:?}", self.events))
    }

    fn is_at_rest(&mut self) -> bool {
        let is_live = self
            .connection
            .as_ref()
            .is_some_and(|(session, _)| session.status().phase == EdgePhase::Live);
        is_live && self.pending() == 0
    }

    /// How many writes no server is known to have.
    pub fn pending(&mut self) -> usize {
        let database = self.database.clone();
        let counting = async {
            let read = database.read().await?;
            read.pending_documents(0, usize::MAX).await
        };
        self.pool.run_until(counting).unwrap().len()
    }

    /// How many versions of a document stand in conflict.
    pub fn conflict(&mut self, id: &str) -> usize {
        let database = self.database.clone();
        let reading = async { database.read().await?.conflict(id).await };
        let conflict = self.pool.run_until(reading).unwrap();
        conflict.map_or(0, |it| it.set.live.len())
    }

    pub fn put(&mut self, id: &str, text: &str) {
        let put = PutDocument {
            id: IdRequest::parse(id, 512).unwrap(),
            expected: ExpectedVersion::Any,
            document: parse_document(text, &Limits::default()).unwrap(),
        };
        let writing = self.database.write_batch(vec![BatchCommand::Put(put)]);
        self.pool.run_until(writing).unwrap();
    }

    pub fn delete(&mut self, id: &str) {
        let delete = DeleteDocument {
            id: DocumentId::new(id, 512).unwrap(),
            expected: ExpectedVersion::Any,
        };
        let writing = self
            .database
            .write_batch(vec![BatchCommand::Delete(delete)]);
        self.pool.run_until(writing).unwrap();
    }

    /// A document's text and change vector.
    pub fn load(&mut self, id: &str) -> Option<(String, String)> {
        let database = self.database.clone();
        let reading = async { database.read().await?.document(id).await };
        let document = self.pool.run_until(reading).unwrap()?;
        Some((
            document.body().to_owned(),
            document.change_vector().to_owned(),
        ))
    }
}
