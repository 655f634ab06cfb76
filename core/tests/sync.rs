//! Stories of edges and a server: what each person sees, whatever happens in between.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "sync/access.rs"]
mod access;
#[path = "sync/attachments.rs"]
mod attachments;
#[path = "sync/conflicts.rs"]
mod conflicts;
#[path = "sync/on_demand.rs"]
mod on_demand;
#[path = "sync/pushes.rs"]
mod pushes;
#[path = "sync/restores.rs"]
mod restores;

use std::sync::{Arc, Mutex};

use futures_executor::{LocalPool, LocalSpawner};
use futures_util::task::LocalSpawnExt;
use pinyon_core::attachments::{AttachmentName, PutAttachment};
use pinyon_core::commands::{
    BatchCommand, CommandOutcome, Configure, DeleteDocument, ExpectedVersion, PutDocument,
};
use pinyon_core::conflicts::ConflictsConfiguration;
use pinyon_core::document::{DocumentId, IdRequest, parse_document};
use pinyon_core::host::{
    Host, ManualClock, ScriptCall, ScriptEngine, ScriptFailure, ScriptFailureKind, ScriptFuture,
    SeededRandom, Timestamp,
};
use pinyon_core::replication::edge::{EdgeEvent, EdgeOptions, EdgePhase, EdgeSession};
use pinyon_core::replication::hub::{Authorize, Grants, HubOptions, HubSession};
use pinyon_core::replication::{Message, Scope, StreamLimits};
use pinyon_core::storage::{Environment, MemoryEnvironment, MemoryStore, StoreName};
use pinyon_core::validation::ValidationConfiguration;
use pinyon_core::verify::verify;
use pinyon_core::{Database, DatabaseOptions, Error, ErrorKind, Limits, Result};

type Memory = Database<MemoryStore>;

struct World {
    spawner: LocalSpawner,
    clock: Arc<ManualClock>,
    /// By token: what it allows.
    grants: Arc<Mutex<Vec<(String, Grants)>>>,
    seeds: std::cell::Cell<u64>,
}

struct Guard(Arc<Mutex<Vec<(String, Grants)>>>);

impl Authorize for Guard {
    fn authorize(&self, token: &str) -> Result<Grants> {
        let grants = self.0.lock().unwrap();
        let found = grants.iter().find(|(known, _)| known == token);
        found
            .map(|(_, grants)| grants.clone())
            .ok_or_else(|| Error::new(ErrorKind::Unauthorized, "who are you?"))
    }
}

fn story(tell: impl AsyncFnOnce(World)) {
    let mut pool = LocalPool::new();
    let world = World {
        spawner: pool.spawner(),
        clock: Arc::new(ManualClock::new(
            Timestamp::parse("2026-01-01T00:00:00Z").unwrap(),
        )),
        grants: Arc::new(Mutex::new(vec![(String::new(), Grants::everything())])),
        seeds: std::cell::Cell::new(7),
    };
    pool.run_until(tell(world));
}

impl World {
    async fn database(&self) -> Memory {
        let environment = MemoryEnvironment::new();
        let store = environment
            .open(&StoreName::new("documents").unwrap())
            .await
            .unwrap();
        self.database_in(store).await
    }

    async fn database_in(&self, store: MemoryStore) -> Memory {
        self.seeds.set(self.seeds.get() + 1);
        let host = Host {
            clock: Arc::clone(&self.clock) as _,
            random: Arc::new(SeededRandom::new(self.seeds.get())),
        };
        let options = DatabaseOptions::default();
        let (database, merger) = Database::open(store, host, options).await.unwrap();
        self.spawner.spawn_local(merger.run()).unwrap();
        database
    }

    fn hub_options(&self) -> HubOptions {
        HubOptions {
            stream: StreamLimits {
                max_items: 2,
                ..StreamLimits::default()
            },
            ..HubOptions::new(Arc::new(Guard(Arc::clone(&self.grants))))
        }
    }

    async fn connect(&self, hub: &Memory, edge: &Memory, options: EdgeOptions) -> Line {
        self.connect_with(hub, edge, options, self.hub_options())
            .await
    }

    async fn connect_with(
        &self,
        hub: &Memory,
        edge: &Memory,
        options: EdgeOptions,
        hub_options: HubOptions,
    ) -> Line {
        let (edge, hello) = EdgeSession::begin(edge.clone(), options).await.unwrap();
        let mut line = Line {
            edge,
            hub: HubSession::new(hub.clone(), hub_options),
            refused: None,
            largest_to_hub: 0,
            frames_to_hub: 0,
        };
        line.exchange(hello.iter().map(|it| it.to_vec()).collect())
            .await;
        line
    }
}

/// A connection that loses nothing.
struct Line {
    edge: EdgeSession<MemoryStore>,
    hub: HubSession<MemoryStore>,
    refused: Option<Error>,
    /// The largest frame from the edge.
    largest_to_hub: usize,
    frames_to_hub: usize,
}

impl Line {
    async fn exchange(&mut self, mut to_hub: Vec<Vec<u8>>) {
        loop {
            let mut to_edge: Vec<Vec<u8>> = Vec::new();
            for frame in to_hub.drain(..) {
                self.frames_to_hub += 1;
                self.largest_to_hub = self.largest_to_hub.max(frame.len());
                match self.hub.on_frame(&frame).await {
                    Ok(frames) => to_edge.extend(frames.iter().map(|it| it.to_vec())),
                    Err(error) => {
                        to_edge.push(HubSession::<MemoryStore>::refusal(&error).to_vec());
                        self.refused = Some(error);
                    }
                }
            }
            to_edge.extend(self.hub.pump().await.unwrap().map(|it| it.to_vec()));
            for frame in &to_edge {
                let answers = self.edge.on_frame(frame).await.unwrap();
                to_hub.extend(answers.iter().map(|it| it.to_vec()));
            }
            if to_edge.is_empty() && to_hub.is_empty() {
                return;
            }
        }
    }

    /// Brings over what was written on either side.
    async fn sync(&mut self) {
        let frames = self.edge.on_local_write().await.unwrap();
        self.exchange(frames.iter().map(|it| it.to_vec()).collect())
            .await;
    }
}

async fn put(database: &Memory, id: &str, name: &str) {
    put_in(database, id, name, "People").await;
}

async fn put_in(database: &Memory, id: &str, name: &str, collection: &str) {
    let text = format!(r#"{{"Name":"{name}","@metadata":{{"@collection":"{collection}"}}}}"#);
    let put = PutDocument {
        id: IdRequest::parse(id, 512).unwrap(),
        expected: ExpectedVersion::Any,
        document: parse_document(&text, &Limits::default()).unwrap(),
    };
    database
        .write_batch(vec![BatchCommand::Put(put)])
        .await
        .unwrap();
}

async fn delete(database: &Memory, id: &str) {
    let delete = DeleteDocument {
        id: DocumentId::new(id, 512).unwrap(),
        expected: ExpectedVersion::Any,
    };
    database
        .write_batch(vec![BatchCommand::Delete(delete)])
        .await
        .unwrap();
}

/// The name in a document, and its change vector.
async fn seen(database: &Memory, id: &str) -> Option<(String, String)> {
    let document = database.read().await.unwrap().document(id).await.unwrap()?;
    let body: serde_json::Value = serde_json::from_str(document.body()).unwrap();
    let name = body["Name"].as_str().unwrap().to_owned();
    Some((name, document.change_vector().to_owned()))
}

async fn name(database: &Memory, id: &str) -> Option<String> {
    seen(database, id).await.map(|it| it.0)
}

async fn pending(database: &Memory) -> usize {
    let read = database.read().await.unwrap();
    read.pending_documents(0, 100).await.unwrap().len()
}

async fn assert_sound(databases: &[&Memory]) {
    for database in databases {
        let report = verify(database.read().await.unwrap().snapshot(), |_| {}).await;
        assert!(report.is_sound(), "{:?}", report.problems);
    }
}

#[test]
fn what_one_writes_offline_the_other_reads() {
    story(async |world| {
        let (hub, eva, adam) = (
            world.database().await,
            world.database().await,
            world.database().await,
        );
        put(&eva, "people/1", "Eva").await;
        put(&eva, "people/1", "Eva B.").await;
        put(&eva, "people/2", "Noah").await;
        delete(&eva, "people/2").await;
        put(&hub, "people/3", "Server").await;
        let mut to_eva = world.connect(&hub, &eva, EdgeOptions::default()).await;
        let mut to_adam = world.connect(&hub, &adam, EdgeOptions::default()).await;
        assert_eq!(to_adam.edge.status().phase, EdgePhase::Live);
        assert_eq!(name(&adam, "people/1").await.as_deref(), Some("Eva B."));
        for database in [&eva, &adam] {
            assert_eq!(
                seen(database, "people/1").await,
                seen(&hub, "people/1").await
            );
            assert_eq!(
                seen(database, "people/3").await,
                seen(&hub, "people/3").await
            );
        }
        delete(&adam, "people/3").await;
        put(&adam, "people/1", "Adam").await;
        to_adam.sync().await;
        to_eva.sync().await;
        assert_eq!(seen(&eva, "people/3").await, None);
        assert_eq!(seen(&eva, "people/1").await, seen(&adam, "people/1").await);
        assert_eq!((pending(&eva).await, pending(&adam).await), (0, 0));
        assert_sound(&[&hub, &eva, &adam]).await;
    });
}

/// An engine for tests of what is around scripts: it "runs" those that name what it shall do.
#[derive(Default)]
struct ToyEngine {
    /// Where somebody else writes `people/1` while the first script runs.
    raced: Mutex<Option<Memory>>,
    inputs: Mutex<Vec<serde_json::Value>>,
}

impl ScriptEngine for ToyEngine {
    fn call(&self, call: ScriptCall) -> ScriptFuture<'_> {
        let input: serde_json::Value = serde_json::from_str(&call.input).unwrap();
        let script = &call.program.parts.last().unwrap().text;
        let failed = |kind, message: &str| {
            let failure = ScriptFailure {
                kind,
                message: message.to_owned(),
                place: None,
            };
            Err(failure.into_error())
        };
        let is_bob = input["doc"]["Name"] == "Bob";
        let answer = match is_bob {
            true if script.contains("LOOPS") => failed(ScriptFailureKind::Time, "too long"),
            true if script.contains("FAILS") => failed(ScriptFailureKind::Thrown, "a bug"),
            true => Ok(r#"{"reason":"no Bobs here"}"#.to_owned()),
            false => Ok("{}".to_owned()),
        };
        let raced = self.raced.lock().unwrap().take();
        self.inputs.lock().unwrap().push(input);
        Box::pin(async move {
            if let Some(hub) = raced {
                put(&hub, "people/1", "Raced").await;
            }
            answer
        })
    }
}

async fn validate(hub: &Database<MemoryStore>, collection: &str, script: &str) {
    let text = format!(r#"{{"Collections":{{"{collection}":{{"Script":"{script}"}}}}}}"#);
    let configuration = ValidationConfiguration::parse(&text).unwrap();
    hub.configure(Configure::Validation(configuration))
        .await
        .unwrap();
}

#[test]
fn a_refused_document_is_refused_alone_and_stays_in_the_queue() {
    story(async |world| {
        let (hub, eva) = (world.database().await, world.database().await);
        validate(&hub, "People", "").await;
        for number in 0..10 {
            let name = if number == 4 { "Bob" } else { "Eva" };
            put(&eva, &format!("People/{number}"), name).await;
        }
        let options = HubOptions {
            scripts: Some(Arc::new(ToyEngine::default())),
            ..world.hub_options()
        };
        let mut line = world
            .connect_with(&hub, &eva, EdgeOptions::default(), options)
            .await;
        assert_eq!(
            hub.read()
                .await
                .unwrap()
                .statistics()
                .await
                .unwrap()
                .document_count,
            9
        );
        let refused = line
            .edge
            .take_events()
            .into_iter()
            .filter_map(|it| match it {
                EdgeEvent::Refused { id, refusal } => Some((id, refusal.reason)),
                _ => None,
            });
        assert_eq!(
            refused.collect::<Vec<_>>(),
            [("People/4".to_owned(), "no Bobs here".to_owned())]
        );
        let read = eva.read().await.unwrap();
        let waiting = read.pending_documents(0, 10).await.unwrap();
        assert_eq!(waiting[0].id, "People/4", "as it was written");
        assert_eq!(
            waiting[0].refusal.as_ref().unwrap().code,
            "ValidationFailed"
        );
        // It is not offered again by itself, but when it is changed.
        line.sync().await;
        assert_eq!(name(&hub, "people/4").await, None);
        put(&eva, "people/4", "Rob").await;
        line.sync().await;
        assert_eq!(name(&hub, "people/4").await.as_deref(), Some("Rob"));
        assert_eq!(pending(&eva).await, 0);
        delete(&eva, "people/0").await;
        let read = eva.read().await.unwrap();
        let [deletion] = &read.pending_documents(0, 10).await.unwrap()[..] else {
            panic!("one deletion is pending");
        };
        assert_eq!((&*deletion.id, deletion.is_deletion), ("People/0", true));
        assert_sound(&[&hub, &eva]).await;
    });
}

#[test]
fn a_function_that_fails_is_named_and_holds_nobody_up() {
    story(async |world| {
        let (hub, eva) = (world.database().await, world.database().await);
        validate(&hub, "people", "LOOPS").await;
        for (number, name) in ["Eva", "Bob", "Ida", "Bob", "Ole"].into_iter().enumerate() {
            put(&eva, &format!("people/{number}"), name).await;
        }
        let options = HubOptions {
            scripts: Some(Arc::new(ToyEngine::default())),
            ..world.hub_options()
        };
        let mut line = world
            .connect_with(&hub, &eva, EdgeOptions::default(), options)
            .await;
        // One that runs out of time in each push; the others come with later ones.
        for _ in 0..3 {
            let again = line.edge.on_tick().await.unwrap();
            line.exchange(again.iter().map(|it| it.to_vec()).collect())
                .await;
        }
        for (number, expected) in [(0, true), (1, false), (2, true), (3, false), (4, true)] {
            let arrived = name(&hub, &format!("people/{number}")).await;
            assert_eq!(arrived.is_some(), expected, "{number}");
        }
        let read = eva.read().await.unwrap();
        let waiting = read.pending_documents(0, 10).await.unwrap();
        assert_eq!(waiting.len(), 2);
        for write in waiting {
            let refusal = write.refusal.unwrap();
            assert_eq!(refusal.code, "ValidatorFailed");
            assert!(refusal.reason.contains("'people'"), "{}", refusal.reason);
        }
        assert_eq!(line.hub.take_warnings().len(), 2);
        assert_sound(&[&hub, &eva]).await;
    });
}

#[test]
fn an_edge_keeps_to_the_writes_of_a_push_and_more_of_them_are_refused() {
    story(async |world| {
        let (hub, eva) = (world.database().await, world.database().await);
        for number in 0..4 {
            put(&eva, &format!("people/{number}"), "Eva").await;
        }
        let options = HubOptions {
            max_writes: 3,
            ..world.hub_options()
        };
        let mut line = world
            .connect_with(&hub, &eva, EdgeOptions::default(), options)
            .await;
        assert!(line.refused.is_none());
        assert_eq!(pending(&eva).await, 0);
        // An edge that does not.
        for number in 0..4 {
            put(&eva, &format!("people/{number}"), "Ida").await;
        }
        let mut all = Vec::new();
        let pushes = line.edge.push().await.unwrap();
        assert_eq!(pushes.len(), 2);
        for message in pushes {
            let Message::Push { writes, .. } = message else {
                panic!("{message:?}");
            };
            all.extend(writes);
        }
        let push = Message::Push {
            settled: 0,
            writes: all,
        };
        let refused = line.hub.on_message(push).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::LimitExceeded, "{refused}");
        assert_eq!(pending(&eva).await, 4);
        assert_eq!(name(&hub, "people/0").await.as_deref(), Some("Eva"));
    });
}

#[test]
fn a_write_is_judged_over_what_it_really_replaces() {
    story(async |world| {
        let (hub, eva) = (world.database().await, world.database().await);
        validate(&hub, "People", "").await;
        let engine = Arc::new(ToyEngine::default());
        *engine.raced.lock().unwrap() = Some(hub.clone());
        let options = HubOptions {
            scripts: Some(Arc::clone(&engine) as _),
            ..world.hub_options()
        };
        put(&eva, "people/1", "Eva").await;
        let mut line = world
            .connect_with(&hub, &eva, EdgeOptions::default(), options)
            .await;
        line.sync().await;
        let inputs = engine.inputs.lock().unwrap().clone();
        assert_eq!(inputs.len(), 2, "{inputs:?}");
        assert!(inputs[0]["olds"][0].is_null());
        assert_eq!(inputs[1]["olds"][0]["Name"], "Raced");
        assert_eq!(inputs[1]["doc"]["@metadata"]["@id"], "people/1");
        assert!(
            hub.read()
                .await
                .unwrap()
                .conflict("people/1")
                .await
                .unwrap()
                .is_some()
        );
    });
}

#[test]
fn a_write_can_be_given_up() {
    story(async |world| {
        let (hub, eva) = (world.database().await, world.database().await);
        put(&hub, "people/1", "Base").await;
        let mut line = world.connect(&hub, &eva, EdgeOptions::default()).await;
        put(&eva, "people/1", "Wrong").await;
        put(&eva, "people/2", "Wrong too").await;
        eva.discard_pending("people/1").await.unwrap();
        eva.discard_pending("people/2").await.unwrap();
        line.sync().await;
        assert_eq!(seen(&eva, "people/1").await, seen(&hub, "people/1").await);
        assert_eq!(seen(&eva, "people/2").await, None);
        assert_eq!(
            (pending(&eva).await, name(&hub, "people/1").await.as_deref()),
            (0, Some("Base"))
        );
        assert_sound(&[&hub, &eva]).await;
    });
}

/// What an editor holds that stays open: the document's text and its change vector.
async fn save_as(database: &Memory, id: &str, name: &str, seen: &str) -> Result<String> {
    let text = format!(r#"{{"Name":"{name}","@metadata":{{"@collection":"People"}}}}"#);
    let put = PutDocument {
        id: IdRequest::parse(id, 512).unwrap(),
        expected: ExpectedVersion::Exactly(seen.to_owned()),
        document: parse_document(&text, &Limits::default()).unwrap(),
    };
    let mut outcomes = database.write_batch(vec![BatchCommand::Put(put)]).await?;
    match outcomes.pop() {
        Some(CommandOutcome::Written(written)) => Ok(written.change_vector),
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_reads_before_the_server_answers_may_write_after_it() {
    story(async |world| {
        let (hub, eva, adam) = (
            world.database().await,
            world.database().await,
            world.database().await,
        );
        let vector = async |database: &Memory| {
            let read = database.read().await.unwrap();
            let found = read.document("people/1").await.unwrap().unwrap();
            found.change_vector().to_owned()
        };
        // Written before there was a server, too.
        put(&eva, "people/1", "first").await;
        let mut seen = vector(&eva).await;
        let mut to_eva = world.connect(&hub, &eva, EdgeOptions::default()).await;
        for round in 0..3 {
            to_eva.sync().await;
            assert_eq!(pending(&eva).await, 0);
            assert_ne!(vector(&eva).await, seen);
            seen = save_as(&eva, "people/1", &format!("round {round}"), &seen)
                .await
                .unwrap();
        }
        to_eva.sync().await;
        // A name of an earlier version is as old as it was.
        let first = seen.clone();
        let second = save_as(&eva, "people/1", "second", &seen).await.unwrap();
        let stale = save_as(&eva, "people/1", "stale", &first)
            .await
            .unwrap_err();
        assert_eq!(stale.kind(), ErrorKind::ConcurrencyConflict);
        to_eva.sync().await;
        let stale = save_as(&eva, "people/1", "stale", &first)
            .await
            .unwrap_err();
        assert_eq!(stale.kind(), ErrorKind::ConcurrencyConflict);
        // When somebody else wrote, it is a concurrency error.
        let mut to_adam = world.connect(&hub, &adam, EdgeOptions::default()).await;
        put(&adam, "people/1", "Adam").await;
        to_adam.sync().await;
        to_eva.sync().await;
        assert_eq!(name(&eva, "people/1").await.as_deref(), Some("Adam"));
        let stale = save_as(&eva, "people/1", "stale", &second)
            .await
            .unwrap_err();
        assert_eq!(stale.kind(), ErrorKind::ConcurrencyConflict);
        assert_sound(&[&hub, &eva, &adam]).await;
    });
}

#[test]
fn a_write_that_is_on_its_way_is_undone_when_it_is_given_up() {
    story(async |world| {
        let (hub, eva) = (world.database().await, world.database().await);
        put(&hub, "people/1", "server").await;
        attach(&hub, "people/1", "photo.png", &vec![3; 100_000]).await;
        let mut line = world.connect(&hub, &eva, EdgeOptions::default()).await;
        for (id, answered) in [("people/1", false), ("people/2", false), ("people/1", true)] {
            put(&eva, id, "mine").await;
            let frames = line.edge.on_local_write().await.unwrap();
            let frames: Vec<Vec<u8>> = frames.iter().map(|it| it.to_vec()).collect();
            let mut answers = Vec::new();
            if answered {
                for frame in &frames {
                    let frames = line.hub.on_frame(frame).await.unwrap();
                    answers.extend(frames.iter().map(|it| it.to_vec()));
                }
            }
            eva.discard_pending(id).await.unwrap();
            let server = (id == "people/1").then_some("server");
            assert_eq!(name(&eva, id).await.as_deref(), server);
            if !answered {
                line.exchange(frames).await;
            }
            for answer in answers {
                let more = line.edge.on_frame(&answer).await.unwrap();
                line.exchange(more.iter().map(|it| it.to_vec()).collect())
                    .await;
            }
            line.sync().await;
            assert_eq!(pending(&eva).await, 0);
            assert_eq!(name(&hub, id).await.as_deref(), server);
            assert_eq!(seen(&eva, id).await, seen(&hub, id).await);
        }
        let photo = attachment(&eva, "people/1", "photo.png").await;
        assert_eq!(photo, Some(vec![3; 100_000]));
        // And an edit is no conflict with oneself.
        put(&eva, "people/1", "again").await;
        line.sync().await;
        assert_eq!(name(&hub, "people/1").await.as_deref(), Some("again"));
        assert_sound(&[&hub, &eva]).await;
    });
}

fn grants(read: Scope, write: Scope) -> Grants {
    Grants {
        read,
        write,
        user: r#"{"sub":"eva"}"#.into(),
    }
}

fn scope(prefixes: &[&str], collections: &[&str]) -> Scope {
    Scope::new(prefixes, collections).unwrap()
}

fn with_token(token: &str) -> EdgeOptions {
    EdgeOptions {
        token: token.to_owned(),
        ..EdgeOptions::default()
    }
}

async fn attach(database: &Memory, id: &str, name: &str, bytes: &[u8]) {
    let mut upload = database.begin_upload().unwrap();
    upload.write(bytes).await.unwrap();
    let put = PutAttachment {
        id: DocumentId::new(id, 512).unwrap(),
        name: AttachmentName::new(name).unwrap(),
        content_type: "image/png".to_owned(),
        content: upload.finish().await.unwrap(),
        expected: ExpectedVersion::Any,
    };
    let outcomes = database
        .write_batch(vec![BatchCommand::PutAttachment(put)])
        .await
        .unwrap();
    assert!(matches!(
        outcomes[..],
        [CommandOutcome::WrittenAttachment(_)]
    ));
}

async fn attachment(database: &Memory, id: &str, name: &str) -> Option<Vec<u8>> {
    let read = database.read().await.unwrap();
    let record = read.attachment(id, name).await.unwrap()?;
    let blob = read.content(&record.hash).await.unwrap()?;
    let mut bytes = Vec::new();
    while bytes.len() < usize::try_from(blob.size).unwrap() {
        bytes.extend(read.content_at(&blob, bytes.len() as u64).await.unwrap());
    }
    Some(bytes)
}

#[test]
fn frames_of_strangers_are_refused_without_harm() {
    story(async |world| {
        let (hub, eva) = (world.database().await, world.database().await);
        put(&eva, "people/1", "Eva").await;
        let mut session = HubSession::new(hub.clone(), world.hub_options());
        for frame in [
            &b""[..],
            b"\x04",
            b"\xff\0",
            b"\x01\x00\x01",
            &[4, 0, 0, 255, 255, 255, 255],
        ] {
            assert_eq!(
                session.on_frame(frame).await.unwrap_err().kind(),
                ErrorKind::InvalidRequest
            );
        }
        // Before a hello nothing else is listened to.
        let push = Message::Push {
            settled: 0,
            writes: Vec::new(),
        };
        assert!(session.on_message(push).await.is_err());
        let line = world.connect(&hub, &eva, EdgeOptions::default()).await;
        assert!(line.refused.is_none());
        assert_eq!(name(&hub, "people/1").await.as_deref(), Some("Eva"));
    });
}
