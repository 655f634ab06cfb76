//! Edges that leave contents of attachments on the server until somebody asks for them.

use pinyon_core::attachments::{CopyAttachment, DeleteAttachment};
use pinyon_core::replication::edge::AttachmentFetch;
use pinyon_core::revisions::{CollectionRevisions, RevisionsConfiguration};
use pinyon_core::smuggler::{ExportFormat, Exporter};

use super::*;

fn on_demand() -> EdgeOptions {
    EdgeOptions {
        attachments: AttachmentFetch::OnDemand,
        ..EdgeOptions::default()
    }
}

fn photo(seed: u8) -> Vec<u8> {
    (0..700_000u32).map(|it| (it % 251) as u8 ^ seed).collect()
}

async fn hash_of(database: &Memory, id: &str, name: &str) -> [u8; 32] {
    let read = database.read().await.unwrap();
    read.attachment(id, name).await.unwrap().unwrap().hash
}

/// Whether the content of an attachment is on this device; reading it says the same.
async fn is_here(database: &Memory, id: &str, name: &str) -> bool {
    let read = database.read().await.unwrap();
    let record = read.attachment(id, name).await.unwrap().unwrap();
    let blob = read.content(&record.hash).await.unwrap().unwrap();
    match read.content_of(id, &record).await {
        Ok(_) => assert!(read.content_at(&blob, 0).await.is_ok()),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::NotLocal);
            assert!(error.message().contains(id) && error.message().contains(name));
            let error = read.content_at(&blob, 0).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotLocal);
        }
    }
    assert_eq!(read.content_of(id, &record).await.is_ok(), blob.is_here());
    blob.is_here()
}

fn to_vecs(frames: &[bytes::Bytes]) -> Vec<Vec<u8>> {
    frames.iter().map(|it| it.to_vec()).collect()
}

impl Line {
    /// Asks for a content; what came of it.
    async fn fetch(&mut self, id: &str, hash: [u8; 32]) -> Result<(), ErrorKind> {
        self.edge.take_events();
        let frames = self.edge.fetch_content(id, hash).await;
        self.exchange(to_vecs(&frames)).await;
        self.fetched(hash)
    }

    fn fetched(&mut self, wanted: [u8; 32]) -> Result<(), ErrorKind> {
        let mut answers = self
            .edge
            .take_events()
            .into_iter()
            .filter_map(|it| match it {
                EdgeEvent::Fetched { hash } if hash == wanted => Some(Ok(())),
                EdgeEvent::NotFetched { hash, kind, .. } if hash == wanted => Some(Err(kind)),
                _ => None,
            });
        answers.next().expect("an ask is answered")
    }
}

#[test]
fn documents_come_alone_and_contents_when_they_are_asked_for() {
    story(async |world| {
        let (hub, eva) = (world.database().await, world.database().await);
        put(&hub, "people/1", "Adam").await;
        attach(&hub, "people/1", "photo.png", &photo(0)).await;
        attach(&hub, "people/1", "note.txt", b"small").await;
        let mut line = world.connect(&hub, &eva, on_demand()).await;
        assert_eq!(seen(&eva, "people/1").await, seen(&hub, "people/1").await);
        for file in ["photo.png", "note.txt"] {
            assert!(!is_here(&eva, "people/1", file).await, "{file}");
        }
        let record = async |database: &Memory| {
            let read = database.read().await.unwrap();
            let found = read.attachment("people/1", "photo.png").await.unwrap();
            let found = found.unwrap();
            (found.hash, found.size, found.content_type)
        };
        assert_eq!(record(&eva).await, record(&hub).await);
        let counts = eva.read().await.unwrap().attachment_statistics().await;
        let counts = counts.unwrap();
        assert_eq!((counts.attachment_count, counts.content_count), (2, 0));
        assert_sound(&[&hub, &eva]).await;

        let hash = hash_of(&eva, "people/1", "photo.png").await;
        assert_eq!(line.fetch("people/1", hash).await, Ok(()));
        let here = attachment(&eva, "people/1", "photo.png").await;
        assert_eq!(here, Some(photo(0)));
        assert!(!is_here(&eva, "people/1", "note.txt").await);
        // What is here is not asked for again.
        assert!(line.edge.fetch_content("people/1", hash).await.is_empty());
        assert_eq!(line.fetched(hash), Ok(()));
        let note = hash_of(&eva, "people/1", "note.txt").await;
        assert_eq!(line.fetch("People/1", note).await, Ok(()));
        let note = attachment(&eva, "people/1", "note.txt").await;
        assert_eq!(note.as_deref(), Some(&b"small"[..]));
        let counts = eva.read().await.unwrap().attachment_statistics().await;
        assert_eq!(counts.unwrap().content_bytes, 700_005);
        assert_sound(&[&hub, &eva]).await;
    });
}

#[test]
fn asks_for_one_content_share_the_way_and_come_one_after_the_other() {
    story(async |world| {
        let (hub, eva) = (world.database().await, world.database().await);
        for id in ["people/1", "people/2", "people/3"] {
            put(&hub, id, "Adam").await;
            let seed = u8::from(id == "people/3");
            attach(&hub, id, "photo.png", &photo(seed)).await;
        }
        let mut line = world.connect(&hub, &eva, on_demand()).await;
        let hash = hash_of(&eva, "people/1", "photo.png").await;
        let other = hash_of(&eva, "people/3", "photo.png").await;
        line.edge.take_events();
        let frames = line.edge.fetch_content("people/1", hash).await;
        assert_eq!(frames.len(), 1);
        for (id, hash) in [("people/1", hash), ("people/2", hash), ("people/3", other)] {
            assert!(line.edge.fetch_content(id, hash).await.is_empty());
        }
        let before = line.frames_to_hub;
        line.exchange(to_vecs(&frames)).await;
        // Three pieces of each.
        assert_eq!(line.frames_to_hub - before, 6);
        for id in ["people/1", "people/2", "people/3"] {
            assert!(is_here(&eva, id, "photo.png").await);
        }
        assert_sound(&[&hub, &eva]).await;
    });
}

#[test]
fn nobody_gets_a_content_by_its_hash_alone() {
    story(async |world| {
        let (hub, eva) = (world.database().await, world.database().await);
        let mine = || scope(&["mine/"], &[]);
        *world.grants.lock().unwrap() = vec![("eva".to_owned(), grants(mine(), mine()))];
        for id in ["mine/1", "theirs/1"] {
            put(&hub, id, "Adam").await;
        }
        attach(&hub, "theirs/1", "photo.png", &photo(0)).await;
        attach(&hub, "mine/1", "own.png", &photo(1)).await;
        let secret = hash_of(&hub, "theirs/1", "photo.png").await;
        let options = EdgeOptions {
            token: "eva".to_owned(),
            ..on_demand()
        };
        let mut line = world.connect(&hub, &eva, options).await;
        // A document that nobody may see, one that lacks it, and one that is not there.
        for id in ["theirs/1", "mine/1", "mine/2", ""] {
            let want = Message::Want {
                hash: secret,
                offset: 0,
                document: Some(id.to_owned()),
            };
            let answer = line.hub.on_message(want).await.unwrap();
            let [Message::Content { size, bytes, .. }] = &answer[..] else {
                panic!("{answer:?}");
            };
            assert!(size.is_none() && bytes.is_empty(), "{id}");
        }
        let known = hash_of(&eva, "mine/1", "own.png").await;
        assert_eq!(
            line.fetch("theirs/1", known).await,
            Err(ErrorKind::NotFound)
        );
        assert_eq!(line.fetch("mine/1", known).await, Ok(()));
        assert!(line.refused.is_none());
        // Without a document it is only for what is on its way.
        let want = Message::Want {
            hash: secret,
            offset: 0,
            document: None,
        };
        assert!(line.hub.on_message(want).await.is_err());
        assert_sound(&[&hub, &eva]).await;
    });
}

#[test]
fn a_document_that_changed_meanwhile_says_so() {
    story(async |world| {
        let (hub, eva) = (world.database().await, world.database().await);
        for id in ["people/1", "people/2"] {
            put(&hub, id, "Adam").await;
        }
        attach(&hub, "people/1", "photo.png", &photo(0)).await;
        attach(&hub, "people/2", "photo.png", b"small").await;
        let mut line = world.connect(&hub, &eva, on_demand()).await;
        let first = hash_of(&eva, "people/1", "photo.png").await;
        let second = hash_of(&eva, "people/2", "photo.png").await;
        // There, between two pieces.
        let frames = line.edge.fetch_content("people/1", first).await;
        let piece = line.hub.on_frame(&frames[0]).await.unwrap();
        let frames = line.edge.on_frame(&piece[0]).await.unwrap();
        attach(&hub, "people/1", "photo.png", &photo(2)).await;
        line.exchange(to_vecs(&frames)).await;
        assert_eq!(line.fetched(first), Err(ErrorKind::NotFound));
        // Here, while the answer is on its way.
        let frames = line.edge.fetch_content("people/2", second).await;
        let piece = line.hub.on_frame(&frames[0]).await.unwrap();
        delete(&eva, "people/2").await;
        line.sync().await;
        line.edge.take_events();
        assert!(line.edge.on_frame(&piece[0]).await.unwrap().is_empty());
        assert_eq!(line.fetched(second), Err(ErrorKind::NotFound));
        assert!(line.edge.fetch_content("people/2", second).await.is_empty());
        assert_eq!(line.fetched(second), Err(ErrorKind::NotFound));
        let third = hash_of(&eva, "people/1", "photo.png").await;
        assert_eq!(line.fetch("people/1", third).await, Ok(()));
        assert!(line.refused.is_none());
        assert_sound(&[&hub, &eva]).await;
    });
}

#[test]
fn a_broken_connection_leaves_nothing_and_the_next_asks_again() {
    story(async |world| {
        let (hub, eva) = (world.database().await, world.database().await);
        put(&hub, "people/1", "Adam").await;
        attach(&hub, "people/1", "photo.png", &photo(0)).await;
        let mut line = world.connect(&hub, &eva, on_demand()).await;
        let hash = hash_of(&eva, "people/1", "photo.png").await;
        let frames = line.edge.fetch_content("people/1", hash).await;
        let piece = line.hub.on_frame(&frames[0]).await.unwrap();
        line.edge.on_frame(&piece[0]).await.unwrap();
        drop(line);
        assert!(!is_here(&eva, "people/1", "photo.png").await);
        // Before the server has answered, too.
        let (mut edge, hello) = EdgeSession::begin(eva.clone(), on_demand()).await.unwrap();
        assert!(edge.fetch_content("people/1", hash).await.is_empty());
        let mut line = Line {
            edge,
            hub: HubSession::new(hub.clone(), world.hub_options()),
            refused: None,
            largest_to_hub: 0,
            frames_to_hub: 0,
        };
        line.exchange(to_vecs(&hello)).await;
        assert_eq!(line.fetched(hash), Ok(()));
        let here = attachment(&eva, "people/1", "photo.png").await;
        assert_eq!(here, Some(photo(0)));
        assert_sound(&[&hub, &eva]).await;
    });
}

#[test]
fn documents_are_written_moved_and_deleted_though_their_contents_are_not_here() {
    story(async |world| {
        let (hub, eva) = (world.database().await, world.database().await);
        let everything = CollectionRevisions::default();
        let revisions = RevisionsConfiguration {
            default: Some(everything),
            ..RevisionsConfiguration::default()
        };
        for database in [&hub, &eva] {
            database
                .configure(Configure::Revisions(revisions.clone()))
                .await
                .unwrap();
        }
        for id in ["people/1", "people/2", "people/3"] {
            put(&hub, id, "Adam").await;
            attach(&hub, id, "x", &photo(0)).await;
        }
        attach(&hub, "people/3", "y", &photo(1)).await;
        let mut line = world.connect(&hub, &eva, on_demand()).await;
        put(&eva, "people/1", "Eva").await;
        attach(&eva, "people/1", "own", b"of this device").await;
        let moved = CopyAttachment {
            id: DocumentId::new("people/2", 512).unwrap(),
            name: AttachmentName::new("x").unwrap(),
            expected: ExpectedVersion::Any,
            destination_id: DocumentId::new("people/1", 512).unwrap(),
            destination_name: AttachmentName::new("z").unwrap(),
            is_move: true,
        };
        let gone = DeleteAttachment {
            id: DocumentId::new("people/3", 512).unwrap(),
            name: AttachmentName::new("y").unwrap(),
            expected: ExpectedVersion::Any,
        };
        eva.write_batch(vec![
            BatchCommand::CopyAttachment(moved),
            BatchCommand::DeleteAttachment(gone),
        ])
        .await
        .unwrap();
        assert_sound(&[&eva]).await;
        line.sync().await;
        assert_eq!(pending(&eva).await, 0);
        for file in ["x", "z"] {
            assert!(!is_here(&eva, "people/1", file).await);
            let there = attachment(&hub, "people/1", file).await;
            assert_eq!(there, Some(photo(0)), "{file}");
        }
        let own = attachment(&hub, "people/1", "own").await;
        assert_eq!(own.as_deref(), Some(&b"of this device"[..]));
        assert_eq!(attachment(&hub, "people/2", "x").await, None);
        assert_eq!(attachment(&hub, "people/3", "y").await, None);
        for id in ["people/1", "people/2", "people/3"] {
            delete(&eva, id).await;
        }
        line.sync().await;
        assert_eq!(seen(&hub, "people/1").await, None);
        assert_sound(&[&hub, &eva]).await;
    });
}

#[test]
fn a_conflict_over_contents_that_are_not_here_is_settled_as_any() {
    story(async |world| {
        let (hub, eva) = (world.database().await, world.database().await);
        put(&hub, "people/1", "Base").await;
        attach(&hub, "people/1", "photo.png", &photo(0)).await;
        let mut line = world.connect(&hub, &eva, on_demand()).await;
        put(&hub, "people/1", "Adam").await;
        attach(&hub, "people/1", "adam.txt", b"of adam").await;
        put(&eva, "people/1", "Eva").await;
        attach(&eva, "people/1", "eva.txt", b"of eva").await;
        line.sync().await;
        let conflict = eva.read().await.unwrap().conflict("people/1").await;
        assert!(conflict.unwrap().is_some());
        assert_sound(&[&hub, &eva]).await;
        // Of a document in conflict, too.
        let adams = hash_of_bytes(&hub, b"of adam").await;
        assert_eq!(line.fetch("people/1", adams).await, Ok(()));
        put(&eva, "people/1", "settled").await;
        line.sync().await;
        assert_eq!(pending(&eva).await, 0);
        for (file, content) in [("adam.txt", "of adam"), ("eva.txt", "of eva")] {
            let kept = attachment(&eva, "people/1", file).await.unwrap();
            assert_eq!(kept, content.as_bytes(), "{file}");
        }
        assert!(!is_here(&eva, "people/1", "photo.png").await);
        put(&eva, "people/1", "wrong").await;
        eva.discard_pending("people/1").await.unwrap();
        assert_eq!(name(&eva, "people/1").await.as_deref(), Some("settled"));
        assert_sound(&[&hub, &eva]).await;
    });
}

async fn hash_of_bytes(database: &Memory, bytes: &[u8]) -> [u8; 32] {
    let mut upload = database.begin_upload().unwrap();
    upload.write(bytes).await.unwrap();
    *upload.finish().await.unwrap().hash()
}

#[test]
fn a_content_that_comes_another_way_is_here_for_all_that_have_it() {
    story(async |world| {
        let (hub, eva) = (world.database().await, world.database().await);
        put(&hub, "people/1", "Adam").await;
        attach(&hub, "people/1", "a", &photo(0)).await;
        attach(&hub, "people/1", "b", b"small").await;
        attach(&hub, "people/1", "c", &photo(1)).await;
        let mut line = world.connect(&hub, &eva, on_demand()).await;
        // Somebody has the same photograph.
        put(&eva, "people/2", "Eva").await;
        attach(&eva, "people/2", "x", &photo(0)).await;
        attach(&eva, "people/2", "y", b"small").await;
        for file in ["a", "b"] {
            assert!(is_here(&eva, "people/1", file).await);
        }
        assert_sound(&[&eva]).await;
        line.sync().await;
        assert_eq!(pending(&eva).await, 0);
        drop(line);
        // From now on contents come along: also those that were left before.
        put(&hub, "people/3", "Ida").await;
        attach(&hub, "people/3", "c", &photo(1)).await;
        world.connect(&hub, &eva, EdgeOptions::default()).await;
        for (id, file) in [("people/1", "c"), ("people/3", "c")] {
            assert_eq!(attachment(&eva, id, file).await, Some(photo(1)));
        }
        assert_sound(&[&hub, &eva]).await;
    });
}

/// The server had the content when the edge heard of it, and has it no more.
#[test]
fn a_write_whose_content_nobody_has_is_refused_alone() {
    story(async |world| {
        let (hub, eva) = (world.database().await, world.database().await);
        put(&hub, "people/1", "Adam").await;
        attach(&hub, "people/1", "photo.png", &photo(0)).await;
        let mut line = world.connect(&hub, &eva, on_demand()).await;
        attach(&hub, "people/1", "photo.png", &photo(1)).await;
        put(&eva, "people/1", "Eva").await;
        put(&eva, "people/2", "Eva").await;
        line.edge.take_events();
        line.sync().await;
        assert!(line.refused.is_none());
        assert_eq!(name(&hub, "people/2").await.as_deref(), Some("Eva"));
        let refused = line.edge.take_events().into_iter().find_map(|it| match it {
            EdgeEvent::Refused { id, refusal } => Some((id, refusal.code)),
            _ => None,
        });
        let expected = ("people/1".to_owned(), "MissingAttachment".to_owned());
        assert_eq!(refused, Some(expected));
        assert_sound(&[&hub, &eva]).await;
        eva.discard_pending("people/1").await.unwrap();
        line.sync().await;
        assert_eq!(seen(&eva, "people/1").await, seen(&hub, "people/1").await);
        assert_sound(&[&hub, &eva]).await;
    });
}

#[test]
fn a_dump_that_would_lack_a_content_is_refused() {
    story(async |world| {
        let (hub, eva) = (world.database().await, world.database().await);
        put(&hub, "people/1", "Adam").await;
        attach(&hub, "people/1", "photo.png", &photo(0)).await;
        let mut line = world.connect(&hub, &eva, on_demand()).await;
        let export = async |format| {
            let mut exporter = Exporter::new(eva.read().await.unwrap(), format);
            let mut text = Vec::new();
            while exporter.write_next(&mut text).await? {}
            Ok::<_, Error>(text.len())
        };
        let dump = ExportFormat::Dump { build_version: 1 };
        let error = export(dump).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotLocal);
        assert!(error.message().contains("'photo.png' of 'people/1'"));
        assert!(export(ExportFormat::JsonLines).await.is_ok());
        let hash = hash_of(&eva, "people/1", "photo.png").await;
        assert_eq!(line.fetch("people/1", hash).await, Ok(()));
        assert!(export(dump).await.unwrap() > 700_000);
    });
}

/// Only an edge may lack a content.
#[test]
fn verify_names_a_content_that_no_server_has() {
    story(async |world| {
        use pinyon_core::schema::BLOBS;
        use pinyon_core::schema::blobs::{ABSENT, BlobRecord};
        use pinyon_core::storage::{Durability, Snapshot, Store, WriteBatch};
        let environment = MemoryEnvironment::new();
        let store_name = StoreName::new("documents").unwrap();
        let store = environment.open(&store_name).await.unwrap();
        let hub = world.database_in(store.clone()).await;
        put(&hub, "people/1", "Adam").await;
        attach(&hub, "people/1", "photo.png", b"small").await;
        let hash = hash_of(&hub, "people/1", "photo.png").await;
        let key = [bytes::Bytes::copy_from_slice(&hash)];
        let snapshot = store.snapshot().await.unwrap();
        let found = snapshot.get_many(BLOBS, &key).await.unwrap();
        let mut blob = BlobRecord::decode(found[0].as_ref().unwrap()).unwrap();
        blob.content = ABSENT;
        let mut batch = WriteBatch::default();
        let [key] = key;
        batch.put(BLOBS, key, blob.encode());
        store.commit(batch, Durability::Durable).await.unwrap();
        let report = verify(hub.read().await.unwrap().snapshot(), |_| {}).await;
        let what: Vec<String> = report.problems.iter().map(|it| format!("{it:?}")).collect();
        assert!(what.iter().any(|it| it.contains("no edge")), "{what:?}");
    });
}

/// Numbers as good as random, from a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % sides
    }

    fn id(&mut self) -> String {
        format!("people/{}", self.roll(4))
    }

    /// Few contents, so that documents share them; some in pieces, one empty.
    fn content(&mut self) -> Vec<u8> {
        let seed = self.roll(5);
        vec![seed as u8; 45_000 * seed as usize]
    }
}

/// One step of somebody; what cannot be done is no matter.
async fn step(database: &Memory, dice: &mut Dice) {
    let (id, name) = (dice.id(), ["a", "b"][dice.roll(2) as usize]);
    let found = database.read().await.unwrap().document(&id).await;
    let exists = matches!(found, Ok(Some(_)));
    let attachment = AttachmentName::new(name).unwrap();
    let document = DocumentId::new(&id, 512).unwrap();
    let command = match dice.roll(8) {
        0 | 1 => return put(database, &id, &format!("{}", dice.roll(100))).await,
        2 | 3 if exists => {
            let content = dice.content();
            return attach(database, &id, name, &content).await;
        }
        4 => BatchCommand::DeleteAttachment(DeleteAttachment {
            id: document,
            name: attachment,
            expected: ExpectedVersion::Any,
        }),
        5 | 6 => BatchCommand::CopyAttachment(CopyAttachment {
            id: document,
            name: attachment,
            expected: ExpectedVersion::Any,
            destination_id: DocumentId::new(dice.id(), 512).unwrap(),
            destination_name: AttachmentName::new(["a", "b"][dice.roll(2) as usize]).unwrap(),
            is_move: dice.roll(2) == 0,
        }),
        7 if dice.roll(3) == 0 => BatchCommand::Delete(DeleteDocument {
            id: document,
            expected: ExpectedVersion::Any,
        }),
        _ => return,
    };
    let _ = database.write_batch(vec![command]).await;
}

/// Fetches, or tries to, what `id` has; how many came.
async fn fetch_all(line: &mut Line, edge: &Memory, id: &str) -> usize {
    let mut came = 0;
    for name in ["a", "b"] {
        let read = edge.read().await.unwrap();
        let Ok(Some(record)) = read.attachment(id, name).await else {
            continue;
        };
        came += usize::from(line.fetch(id, record.hash).await.is_ok());
    }
    came
}

#[test]
fn whatever_people_do_contents_are_here_or_can_be_had() {
    let mut came = 0;
    for seed in 0..30 {
        story(async |world| {
            let mut dice = Dice(seed);
            let hub = world.database().await;
            let edges = [world.database().await, world.database().await];
            for database in [&hub, &edges[0], &edges[1]] {
                let revisions = RevisionsConfiguration {
                    default: (dice.roll(2) == 0).then(CollectionRevisions::default),
                    ..RevisionsConfiguration::default()
                };
                let configure = Configure::Revisions(revisions);
                database.configure(configure).await.unwrap();
            }
            let mut lines = [
                world.connect(&hub, &edges[0], on_demand()).await,
                world.connect(&hub, &edges[1], on_demand()).await,
            ];
            for _ in 0..60 {
                let who = dice.roll(3) as usize;
                step([&hub, &edges[0], &edges[1]][who], &mut dice).await;
                let at = dice.roll(2) as usize;
                match dice.roll(6) {
                    0 | 1 => lines[at].sync().await,
                    2 => came += fetch_all(&mut lines[at], &edges[at], &dice.id()).await,
                    3 => {
                        let options = match dice.roll(4) {
                            0 => EdgeOptions::default(),
                            _ => on_demand(),
                        };
                        lines[at] = world.connect(&hub, &edges[at], options).await;
                    }
                    _ => {}
                }
                assert!(lines[at].refused.is_none());
                assert_sound(&[&hub, &edges[0], &edges[1]]).await;
            }
            // Everything is settled: then everything can be had.
            for _ in 0..3 {
                for (edge, line) in edges.iter().zip(&mut lines) {
                    line.sync().await;
                    for number in 0..4 {
                        // Not while a conflict is on its way.
                        let _ = edge.discard_pending(&format!("people/{number}")).await;
                    }
                    line.sync().await;
                }
                for number in 0..4 {
                    put(&hub, &format!("people/{number}"), "settled").await;
                }
            }
            for (edge, line) in edges.iter().zip(&mut lines) {
                for _ in 0..3 {
                    line.sync().await;
                }
                for number in 0..4 {
                    let id = format!("people/{number}");
                    fetch_all(line, edge, &id).await;
                    assert_eq!(seen(edge, &id).await, seen(&hub, &id).await, "{seed}");
                    for name in ["a", "b"] {
                        let here = attachment(edge, &id, name).await;
                        assert_eq!(here, attachment(&hub, &id, name).await, "{seed}");
                    }
                }
            }
            assert_sound(&[&hub, &edges[0], &edges[1]]).await;
        });
    }
    assert!(came > 50, "{came}");
}
