//! Whatever call to the storage fails, documents, attachments and revisions agree afterwards, and
//! the sweep leaves no byte that nothing refers to.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod story;

use std::collections::BTreeMap;

use pinyon_core::attachments::{
    AttachmentContent, AttachmentName, CopyAttachment, DeleteAttachment, ListedAttachment,
    PutAttachment, hash_text,
};
use pinyon_core::commands::{BatchCommand, Configure, ExpectedVersion};
use pinyon_core::document::DocumentId;
use pinyon_core::host::Clock;
use pinyon_core::revisions::{CollectionRevisions, RevisionsConfiguration};
use pinyon_core::schema::CHUNKS;
use pinyon_core::schema::blobs::CHUNK_BYTES;
use pinyon_core::storage::{Direction, Fault, KeyRange, PageLimits, Snapshot};
use pinyon_core::verify::verify;
use pinyon_core::{Database, ErrorKind, Result};
use story::{Story, TestStore, delete, put};

/// Every call fails once; as WebAssembly, where the same takes several times as long, each third.
const STRIDE: u64 = if cfg!(target_family = "wasm") { 3 } else { 1 };

const SCAN: (u8, usize) = (1, 2 * CHUNK_BYTES + 5);
const NOTE: (u8, usize) = (2, 100);
/// Written in two steps.
const FILM: (u8, usize) = (3, 9 * CHUNK_BYTES);
const NOTHING: (u8, usize) = (4, 0);

/// What is done, one after the other; each is all or nothing.
#[derive(Debug, Clone, Copy)]
enum Step {
    KeepRevisions,
    /// A document, and if there is one its attachment.
    Put(&'static str, &'static str, Option<(u8, usize)>),
    Attach(&'static str, &'static str, (u8, usize)),
    Detach(&'static str, &'static str),
    Copy((&'static str, &'static str), (&'static str, &'static str)),
    Move((&'static str, &'static str), (&'static str, &'static str)),
    Delete(&'static str),
    BreakOff,
    PassAnHour,
    SweepExpired,
    SweepContents,
}

const STEPS: [Step; 22] = [
    Step::KeepRevisions,
    Step::Put("a", "A", Some(NOTE)),
    Step::Put("lease", "A", Some(SCAN)),
    // The same content a second time: the copy is loose.
    Step::Attach("a", "scan", SCAN),
    Step::SweepContents,
    Step::Put("scan", "Scans", Some(SCAN)),
    Step::Put("film", "Scans", Some(FILM)),
    Step::BreakOff,
    Step::Attach("film", "part", NOTE),
    Step::Copy(("a", "part"), ("scan", "note")),
    Step::Move(("scan", "note"), ("a", "Note")),
    Step::Attach("a", "part", NOTHING),
    Step::PassAnHour,
    Step::SweepExpired,
    Step::Detach("a", "scan"),
    Step::Delete("scan"),
    Step::Delete("film"),
    Step::SweepContents,
    Step::Put("film", "Scans", Some(NOTE)),
    Step::Attach("film", "scan", SCAN),
    Step::Delete("a"),
    Step::SweepContents,
];

fn id(text: &str) -> DocumentId {
    DocumentId::new(text, 512).unwrap()
}

fn name(text: &str) -> AttachmentName {
    AttachmentName::new(text).unwrap()
}

async fn upload(
    database: &Database<TestStore>,
    (byte, size): (u8, usize),
) -> Result<AttachmentContent> {
    let mut upload = database.begin_upload()?;
    for piece in vec![byte; size].chunks(CHUNK_BYTES / 2) {
        upload.write(piece).await?;
    }
    upload.finish().await
}

async fn attach(
    database: &Database<TestStore>,
    to: &str,
    named: &str,
    content: (u8, usize),
) -> Result<BatchCommand> {
    Ok(BatchCommand::PutAttachment(PutAttachment {
        id: id(to),
        name: name(named),
        content_type: "text/plain".to_owned(),
        content: upload(database, content).await?,
        expected: ExpectedVersion::Any,
    }))
}

fn copy(from: (&str, &str), to: (&str, &str), is_move: bool) -> BatchCommand {
    BatchCommand::CopyAttachment(CopyAttachment {
        id: id(from.0),
        name: name(from.1),
        destination_id: id(to.0),
        destination_name: name(to.1),
        expected: ExpectedVersion::Any,
        is_move,
    })
}

fn keep_revisions() -> Configure {
    let nothing = CollectionRevisions {
        disabled: true,
        ..CollectionRevisions::default()
    };
    Configure::Revisions(RevisionsConfiguration {
        default: Some(CollectionRevisions::default()),
        collections: BTreeMap::from([("Scans".to_owned(), nothing)]),
    })
}

async fn perform(database: &Database<TestStore>, story: &Story, step: Step) -> Result<()> {
    let batch = match step {
        Step::KeepRevisions => return database.configure(keep_revisions()).await,
        Step::Put(to, collection, content) => {
            let expires = match to {
                "lease" => r#","@expires":"2026-01-01T00:30:00Z""#,
                _ => "",
            };
            let text = format!(r#"{{"@metadata":{{"@collection":"{collection}"{expires}}}}}"#);
            let mut batch = vec![put(to, &text)];
            if let Some(content) = content {
                batch.push(attach(database, to, "part", content).await?);
            }
            batch
        }
        Step::Attach(to, named, content) => vec![attach(database, to, named, content).await?],
        Step::Detach(from, named) => vec![BatchCommand::DeleteAttachment(DeleteAttachment {
            id: id(from),
            name: name(named),
            expected: ExpectedVersion::Any,
        })],
        Step::Copy(from, to) => vec![copy(from, to, false)],
        Step::Move(from, to) => vec![copy(from, to, true)],
        Step::Delete(from) => vec![delete(from)],
        Step::BreakOff => {
            let mut broken = database.begin_upload()?;
            return broken.write(&vec![9; 9 * CHUNK_BYTES]).await;
        }
        Step::PassAnHour => {
            story.clock.advance_ms(3_600_000);
            return Ok(());
        }
        Step::SweepExpired => return database.sweep_expired_step(10).await.map(|_| ()),
        Step::SweepContents => return sweep_contents(database, story).await,
    };
    database.write_batch(batch).await.map(|_| ())
}

async fn sweep_contents(database: &Database<TestStore>, story: &Story) -> Result<()> {
    let older_than = story.clock.now().plus_ms(1);
    while database.sweep_loose_contents_step(older_than, 7).await? > 0 {}
    Ok(())
}

/// Names, hashes and bytes of attachments.
type Listed = Vec<(String, String, u64)>;

fn listed(attachments: &str) -> Listed {
    let list = ListedAttachment::parse_list(attachments).unwrap();
    list.into_iter()
        .map(|it| (it.name, it.hash, it.size))
        .collect()
}

/// All that can be seen of a database, and the pieces of contents it holds after a sweep.
#[derive(Debug, PartialEq, Eq)]
struct Picture {
    documents: BTreeMap<String, Listed>,
    /// What each revision listed, newest first; `None` for a delete.
    revisions: BTreeMap<String, Vec<Option<Listed>>>,
    pieces: usize,
}

/// Checks that everything agrees, sweeps, and looks.
async fn picture(database: &Database<TestStore>, story: &Story) -> Picture {
    sweep_contents(database, story).await.unwrap();
    let read = database.read().await.unwrap();
    let report = verify(read.snapshot(), |_| {}).await;
    assert!(report.is_sound(), "{:?}", report.problems);
    assert_eq!(report.loose_contents, 0);
    let mut picture = Picture {
        documents: BTreeMap::new(),
        revisions: BTreeMap::new(),
        pieces: 0,
    };
    for doc in ["a", "film", "lease", "scan"] {
        let revisions = read.revisions(doc, 0, 1000).await.unwrap();
        let revisions = revisions.iter().map(|it| {
            let is_delete = it.flags().to_text().contains("DeleteRevision");
            (!is_delete).then(|| listed(it.attachments()))
        });
        picture
            .revisions
            .insert(doc.to_owned(), revisions.collect());
        let Some(document) = read.document(doc).await.unwrap() else {
            for named in ["part", "scan", "note"] {
                let left = read.attachment(doc, named).await.unwrap();
                assert_eq!(left, None, "an attachment of {doc}, which is gone");
            }
            continue;
        };
        let list = listed(document.attachments());
        for (named, hash, size) in &list {
            let found = read.attachment(doc, named).await.unwrap().unwrap();
            assert_eq!((hash_text(&found.hash), found.size), (hash.clone(), *size));
            let content = read.content(&found.hash).await.unwrap().unwrap();
            assert_eq!(content.size, *size);
        }
        picture.documents.insert(doc.to_owned(), list);
    }
    let limits = PageLimits {
        entries: 1000,
        bytes: usize::MAX,
    };
    let all = KeyRange::all();
    let snapshot = read.snapshot();
    let pieces = snapshot.scan(CHUNKS, &all, Direction::Forward, limits);
    picture.pieces = pieces.await.unwrap().entries.len();
    picture
}

/// What there is after the first so many steps, for each number of them.
fn pictures() -> Vec<Picture> {
    let after = |count: usize| {
        let story = Story::new();
        story.run(async |database| {
            for step in &STEPS[..count] {
                perform(&database, &story, *step).await.unwrap();
            }
            picture(&database, &story).await
        })
    };
    (0..=STEPS.len()).map(after).collect()
}

/// Steps from `first` on; where it stopped and why.
async fn perform_from(
    database: &Database<TestStore>,
    story: &Story,
    first: usize,
) -> (usize, Result<()>) {
    for (number, step) in STEPS.iter().enumerate().skip(first) {
        if let Err(error) = perform(database, story, *step).await {
            return (number, Err(error));
        }
    }
    (STEPS.len(), Ok(()))
}

#[test]
fn the_story_has_all_kinds_of_ends() {
    let pictures = pictures();
    let pieces: Vec<usize> = pictures.iter().map(|it| it.pieces).collect();
    let last = pictures.last().unwrap();
    assert!(last.documents.contains_key("film") && !last.documents.contains_key("lease"));
    assert!(last.revisions["lease"].contains(&None), "it expired");
    assert!(last.revisions["a"].len() > 5 && last.revisions["film"].is_empty());
    assert!(pieces.iter().max() > pieces.last(), "{pieces:?}");
    // The scan, which revisions list as well, and the note.
    assert_eq!(last.pieces, 3 + 1);
}

#[test]
fn a_failure_at_any_call_leaves_the_whole_step_or_nothing_of_it() {
    let pictures = pictures();
    let faults = [
        Fault::Error(ErrorKind::Closed),
        Fault::Error(ErrorKind::StorageFull),
        Fault::AppliedThenClosed,
    ];
    for fault in faults {
        let (mut nth, mut failures, mut applied) = (0, 0, 0);
        loop {
            nth += STRIDE;
            let story = Story::new();
            let (stopped, result) = story.run(async |database| {
                story.plan.fail_at(nth, fault);
                perform_from(&database, &story, 0).await
            });
            if result.is_ok() {
                break;
            }
            failures += 1;
            story.plan.heal();
            let next = story.run_seeded(100 + nth, async |database| {
                let found = picture(&database, &story).await;
                if found == pictures[stopped] {
                    return stopped;
                }
                let step = STEPS[stopped];
                assert_eq!(fault, Fault::AppliedThenClosed, "{step:?} at call {nth}");
                assert_eq!(found, pictures[stopped + 1], "{step:?} at call {nth}");
                applied += 1;
                stopped + 1
            });
            story.run_seeded(10_000 + nth, async |database| {
                let (_, result) = perform_from(&database, &story, next).await;
                result.unwrap();
                assert_eq!(picture(&database, &story).await, pictures[STEPS.len()]);
            });
        }
        assert!(
            failures * STRIDE > 2 * STEPS.len() as u64,
            "{failures} of {fault:?}"
        );
        let hides = fault == Fault::AppliedThenClosed;
        assert_eq!(applied * STRIDE > 10, hides, "{applied} of {fault:?}");
    }
}

#[test]
fn a_full_disk_refuses_whole_steps_and_goes_on_when_there_is_room() {
    let pictures = pictures();
    for (number, step) in STEPS.iter().enumerate() {
        let story = Story::new();
        story.run(async |database| {
            for step in &STEPS[..number] {
                perform(&database, &story, *step).await.unwrap();
            }
            story.plan.set_disk_full(true);
            if let Err(error) = perform(&database, &story, *step).await {
                assert_eq!(error.kind(), ErrorKind::StorageFull, "{step:?}");
                story.plan.set_disk_full(false);
                assert_eq!(
                    picture(&database, &story).await,
                    pictures[number],
                    "{step:?}"
                );
                perform(&database, &story, *step).await.unwrap();
            }
            story.plan.set_disk_full(false);
            let (_, result) = perform_from(&database, &story, number + 1).await;
            result.unwrap();
            assert_eq!(picture(&database, &story).await, pictures[STEPS.len()]);
        });
    }
}
