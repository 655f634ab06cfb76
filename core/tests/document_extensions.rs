//! Random lives of a few documents with revisions, attachments and expiry, under configurations
//! and a clock that change: whatever happens, everything in the store fits together, and when all
//! is removed nothing is left.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod story;

use bytes::Bytes;
use pinyon_core::attachments::{AttachmentName, CopyAttachment, DeleteAttachment, PutAttachment};
use pinyon_core::commands::{BatchCommand, Configure, ExpectedVersion};
use pinyon_core::document::{DocumentId, parse_document};
use pinyon_core::host::{Clock as _, TimeSpan};
use pinyon_core::revisions::{
    AdoptRevisions, CollectionRevisions, DeleteRevisions, EnforceRevisions, ForceRevision,
    ImportRevision, RevertDatabase, RevertDocument, RevertTarget, RevisionSelection,
    RevisionsConfiguration, SweepRevisionBin,
};
use pinyon_core::schema::documents::DocumentFlags;
use pinyon_core::{Database, ErrorKind, Limits};
use story::{Story, TestStore, delete, put, write_one};

/// As many as a run of the tests has time for.
const LIVES: u64 = 60;
const STEPS: usize = 80;

/// Small numbers, the same ones for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn is_heads(&mut self) -> bool {
        self.roll(2) == 0
    }

    fn id(&mut self) -> DocumentId {
        let names = ["a", "A/1", "a/1/b", "Ö"];
        let name = names[self.roll(4) as usize];
        DocumentId::new(name, 512).unwrap()
    }

    fn name(&mut self) -> AttachmentName {
        let names = ["scan", "Scan", "other"];
        AttachmentName::new(names[self.roll(3) as usize]).unwrap()
    }
}

struct Life<'a> {
    dice: Dice,
    story: &'a Story,
    database: Database<TestStore>,
}

impl Life<'_> {
    /// Runs a command; what it may not do is refused for a reason that is its own.
    async fn write(&self, command: BatchCommand) {
        let written = write_one(&self.database, command.clone()).await;
        if let Err(error) = written {
            let is_refused = matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::InvalidRequest
            );
            assert!(is_refused, "{command:?}: {error}");
        }
    }

    async fn put(&mut self) {
        let expires = match self.dice.roll(3) {
            0 => String::new(),
            _ => {
                let ms = self.dice.roll(40_000) as i64 - 20_000;
                let at = self.story.clock.now().plus_ms(ms).to_text();
                let property = ["@expires", "@refresh"][self.dice.roll(2) as usize];
                format!(r#","{property}":"{at}""#)
            }
        };
        let n = self.dice.roll(4);
        let text = format!(r#"{{"n":{n},"@metadata":{{"@collection":"Cs"{expires}}}}}"#);
        let id = self.dice.id();
        self.write(put(id.as_str(), &text)).await;
    }

    async fn attach(&mut self) {
        // Some are small enough to stand in their record, some need pieces.
        let size = [0, 10, 70_000, 300_000][self.dice.roll(4) as usize];
        let mut upload = self.database.begin_upload().unwrap();
        upload.write(&vec![7; size]).await.unwrap();
        if self.dice.roll(8) == 0 {
            // The connection broke off.
            return;
        }
        let command = PutAttachment {
            id: self.dice.id(),
            name: self.dice.name(),
            content_type: String::new(),
            content: upload.finish().await.unwrap(),
            expected: ExpectedVersion::Any,
        };
        self.write(BatchCommand::PutAttachment(command)).await;
    }

    async fn change_attachment(&mut self) {
        let (id, name) = (self.dice.id(), self.dice.name());
        let expected = ExpectedVersion::Any;
        let command = match self.dice.roll(3) {
            0 => BatchCommand::DeleteAttachment(DeleteAttachment { id, name, expected }),
            kind => BatchCommand::CopyAttachment(CopyAttachment {
                id,
                name,
                destination_id: self.dice.id(),
                destination_name: self.dice.name(),
                expected,
                is_move: kind == 1,
            }),
        };
        self.write(command).await;
    }

    async fn configure(&mut self, kept: CollectionRevisions) {
        let configuration = RevisionsConfiguration {
            default: Some(kept),
            ..RevisionsConfiguration::default()
        };
        let configure = Configure::Revisions(configuration);
        self.database.configure(configure).await.unwrap();
    }

    async fn change_configuration(&mut self) {
        let count = [None, Some(0), Some(2)][self.dice.roll(3) as usize];
        let age = [None, Some(TimeSpan::from_seconds(5))][self.dice.roll(2) as usize];
        let kept = CollectionRevisions {
            disabled: self.dice.roll(4) == 0,
            minimum_revisions_to_keep: count,
            minimum_revision_age_to_keep: age,
            purge_on_delete: self.dice.roll(4) == 0,
            maximum_revisions_to_delete_upon_document_update: [None, Some(1)]
                [self.dice.roll(2) as usize],
        };
        self.configure(kept).await;
    }

    async fn change_revisions(&mut self) {
        let id = self.dice.id();
        let command = match self.dice.roll(4) {
            0 => BatchCommand::ForceRevision(ForceRevision {
                id,
                must_exist: self.dice.is_heads(),
            }),
            1 => BatchCommand::RevertDocument(RevertDocument {
                id,
                target: RevertTarget::LastLive,
            }),
            2 => {
                let now = self.story.clock.now();
                let from = now.plus_ms(-(self.dice.roll(20_000) as i64));
                BatchCommand::DeleteRevisions(DeleteRevisions {
                    id,
                    selection: RevisionSelection::Between(Some(from), None),
                    includes_forced: self.dice.is_heads(),
                    limit: 1 + self.dice.roll(5),
                })
            }
            _ => BatchCommand::ImportRevision(ImportRevision {
                id,
                document: parse_document(
                    r#"{"@metadata":{"@collection":"Cs"}}"#,
                    &Limits::default(),
                )
                .unwrap(),
                change_vector: None,
                last_modified: None,
                flags: match self.dice.roll(3) {
                    0 => DocumentFlags::DELETE_REVISION,
                    _ => DocumentFlags::NONE,
                },
                attachments: vec![],
            }),
        };
        self.write(command).await;
    }

    async fn walk(&mut self) {
        let (after, collections, limit) = (Bytes::new(), vec![], 3);
        let now = self.story.clock.now();
        let ms = -(self.dice.roll(20_000) as i64);
        match self.dice.roll(4) {
            0 => {
                let step = EnforceRevisions {
                    after,
                    limit,
                    collections,
                    includes_forced: self.dice.is_heads(),
                };
                self.database.enforce_revisions_step(step).await.unwrap();
            }
            1 => {
                let step = RevertDatabase {
                    to: now.plus_ms(ms),
                    window: [None, Some(TimeSpan::from_seconds(3))][self.dice.roll(2) as usize],
                    changed_until: None,
                    collections,
                    after,
                    limit,
                };
                self.database.revert_step(step).await.unwrap();
            }
            2 => {
                let step = SweepRevisionBin {
                    older_than: now.plus_ms(ms),
                    after,
                    limit,
                };
                self.database.sweep_revision_bin_step(step).await.unwrap();
            }
            _ => {
                let step = AdoptRevisions {
                    after,
                    limit,
                    collections,
                };
                self.database.adopt_revisions_step(step).await.unwrap();
            }
        }
    }

    async fn sweep(&mut self) {
        match self.dice.roll(3) {
            0 => drop(self.database.sweep_expired_step(2).await.unwrap()),
            1 => drop(self.database.sweep_refreshes_step(2).await.unwrap()),
            _ => {
                let older_than = self.story.clock.now().plus_ms(-5000);
                let swept = self.database.sweep_loose_contents_step(older_than, 3);
                swept.await.unwrap();
            }
        }
    }

    async fn step(&mut self) {
        match self.dice.roll(20) {
            0..5 => self.put().await,
            5..7 => {
                let id = self.dice.id();
                self.write(delete(id.as_str())).await;
            }
            7..11 => self.attach().await,
            11..13 => self.change_attachment().await,
            13 => self.change_configuration().await,
            14..16 => self.change_revisions().await,
            16..18 => self.walk().await,
            18 => self.sweep().await,
            _ => {
                let now = self.story.clock.now();
                // Clocks are set back, too.
                let ms = self.dice.roll(15_000) as i64 - 5000;
                self.story.clock.set(now.plus_ms(ms));
            }
        }
    }

    async fn check(&self, seed: u64, steps: usize) {
        let read = self.database.read().await.unwrap();
        let report = pinyon_core::verify::verify(read.snapshot(), |_| {}).await;
        assert!(
            report.is_sound(),
            "seed {seed}, after {steps} steps: {:#?}",
            report.problems
        );
        assert_eq!(
            read.attachment_statistics().await.unwrap(),
            read.count_attachments().await.unwrap()
        );
    }

    /// Removes everything, the way users would.
    async fn end(&mut self) {
        self.configure(CollectionRevisions::default()).await;
        for name in ["a", "a/1", "a/1/b", "ö"] {
            self.write(delete(name)).await;
            let selection = RevisionSelection::Between(None, None);
            let delete = DeleteRevisions {
                id: DocumentId::new(name, 512).unwrap(),
                selection,
                includes_forced: true,
                limit: u64::MAX,
            };
            self.write(BatchCommand::DeleteRevisions(delete)).await;
        }
        let later = self.story.clock.now().plus_ms(86_400_000);
        let database = &self.database;
        while database.sweep_loose_contents_step(later, 64).await.unwrap() > 0 {}
    }
}

#[test]
fn everything_fits_together_whatever_happens() {
    for seed in 1..=LIVES {
        let story = Story::new();
        story.run_seeded(seed, async |database| {
            let mut life = Life {
                dice: Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
                story: &story,
                database,
            };
            life.change_configuration().await;
            for step in 1..=STEPS {
                life.step().await;
                if step % 8 == 0 {
                    life.check(seed, step).await;
                }
            }
            life.end().await;
            life.check(seed, STEPS + 1).await;
            let read = life.database.read().await.unwrap();
            assert_eq!(read.statistics().await.unwrap().revision_count, 0);
            let left = read.attachment_statistics().await.unwrap();
            assert_eq!((left.attachment_count, left.content_count), (0, 0));
            assert_eq!(
                left,
                pinyon_core::attachments::AttachmentStatistics::default()
            );
        });
    }
}
