//! A server's files are put back to an older state: what edges still have comes back.

use pinyon_core::commands::{Operation, Outcome};
use pinyon_core::replication::{
    MintIncarnation, RenameWrites, ReplicationCommand, ReplicationOutcome,
};
use pinyon_core::storage::{
    Direction, Durability, KeyRange, KeySpace, PageLimits, Snapshot, Store, WriteBatch,
};

use super::*;

/// Everything that is stored.
type Backup = Vec<(KeySpace, bytes::Bytes, bytes::Bytes)>;

async fn backup_of(database: &Memory) -> Backup {
    let read = database.read().await.unwrap();
    let mut backup = Backup::new();
    for space in KeySpace::all() {
        let range = KeyRange::all();
        let limits = PageLimits {
            entries: usize::MAX,
            bytes: usize::MAX,
        };
        let page = read
            .snapshot()
            .scan(space, &range, Direction::Forward, limits)
            .await
            .unwrap();
        let entries = page.entries.into_iter();
        backup.extend(entries.map(|(key, value)| (space, key, value)));
    }
    backup
}

impl World {
    async fn restore(&self, backup: &Backup) -> Memory {
        let environment = MemoryEnvironment::new();
        let name = StoreName::new("documents").unwrap();
        let store = environment.open(&name).await.unwrap();
        let mut batch = WriteBatch::default();
        for (space, key, value) in backup {
            batch.put(*space, key.clone(), value.clone());
        }
        store.commit(batch, Durability::Durable).await.unwrap();
        self.database_in(store).await
    }

    async fn join(&self, hub: &Memory, edge: &Memory) -> Line {
        self.connect(hub, edge, EdgeOptions::default()).await
    }
}

async fn is_in_conflict(database: &Memory, id: &str) -> bool {
    let read = database.read().await.unwrap();
    read.conflict(id).await.unwrap().is_some()
}

async fn assert_same(databases: &[&Memory], ids: &[&str]) {
    for id in ids {
        let first = seen(databases[0], id).await;
        for other in &databases[1..] {
            assert_eq!(seen(other, id).await, first, "{id}");
        }
    }
    assert_sound(databases).await;
}

/// A server that was backed up, and then went on with two edges that follow it.
struct Before {
    backup: Backup,
    eva: Memory,
    adam: Memory,
}

async fn go_on_after_a_backup(world: &World) -> Before {
    go_on(world, false).await
}

/// `reopens`: whether the server goes on after it was opened again.
async fn go_on(world: &World, reopens: bool) -> Before {
    let (mut hub, eva, adam) = (
        world.database().await,
        world.database().await,
        world.database().await,
    );
    let mut to_eva = world.join(&hub, &eva).await;
    let mut to_adam = world.join(&hub, &adam).await;
    put(&hub, "people/1", "One").await;
    put(&hub, "people/2", "Two").await;
    to_eva.sync().await;
    to_adam.sync().await;
    let backup = backup_of(&hub).await;
    if reopens {
        hub = world.restore(&backup).await;
        to_eva = world.join(&hub, &eva).await;
        to_adam = world.join(&hub, &adam).await;
        assert!(!to_eva.hub.has_minted());
    }
    put(&eva, "people/1", "One of Eva").await;
    delete(&eva, "people/2").await;
    put(&eva, "people/3", "Three of Eva").await;
    put(&hub, "people/4", "Four of the server").await;
    to_eva.sync().await;
    to_adam.sync().await;
    assert_eq!((pending(&eva).await, pending(&adam).await), (0, 0));
    assert_same(&[&hub, &eva, &adam], &["people/1", "people/3", "people/4"]).await;
    Before { backup, eva, adam }
}

const ALL: [&str; 4] = ["people/1", "people/2", "people/3", "people/4"];

#[test]
fn what_a_restored_server_lost_comes_back_from_its_edges() {
    story(async |world| {
        let Before { backup, eva, adam } = go_on_after_a_backup(&world).await;
        let hub = world.restore(&backup).await;
        // Adam comes first: he wrote nothing of it.
        let mut to_adam = world.join(&hub, &adam).await;
        to_adam.sync().await;
        let found = name(&hub, "people/1").await;
        assert_eq!(found.as_deref(), Some("One of Eva"));
        let mut to_eva = world.join(&hub, &eva).await;
        to_eva.sync().await;
        to_adam.sync().await;
        assert_eq!((pending(&eva).await, pending(&adam).await), (0, 0));
        assert_eq!(name(&hub, "people/2").await, None);
        let three = name(&hub, "people/3").await;
        assert_eq!(three.as_deref(), Some("Three of Eva"));
        let four = name(&hub, "people/4").await;
        assert_eq!(four.as_deref(), Some("Four of the server"));
        for id in ALL {
            assert!(!is_in_conflict(&hub, id).await, "{id}");
        }
        assert_same(&[&hub, &eva, &adam], &ALL).await;
        // And from there on all is as ever.
        put(&adam, "people/1", "One of Adam").await;
        to_adam.sync().await;
        to_eva.sync().await;
        assert_eq!(name(&eva, "people/1").await.as_deref(), Some("One of Adam"));
        assert_same(&[&hub, &eva, &adam], &ALL).await;
    });
}

#[test]
fn an_edge_that_comes_later_does_not_bring_back_what_was_replaced_since() {
    story(async |world| {
        let Before { backup, eva, adam } = go_on_after_a_backup(&world).await;
        let hub = world.restore(&backup).await;
        let mut to_adam = world.join(&hub, &adam).await;
        to_adam.sync().await;
        put(&adam, "people/1", "One of Adam").await;
        delete(&adam, "people/3").await;
        put(&adam, "people/2", "Two again").await;
        to_adam.sync().await;
        let mut to_eva = world.join(&hub, &eva).await;
        to_eva.sync().await;
        assert_eq!((pending(&eva).await, pending(&adam).await), (0, 0));
        for id in ALL {
            assert!(!is_in_conflict(&hub, id).await, "{id}");
        }
        let one = name(&eva, "people/1").await;
        assert_eq!(one.as_deref(), Some("One of Adam"));
        assert_eq!(name(&eva, "people/2").await.as_deref(), Some("Two again"));
        assert_eq!(name(&eva, "people/3").await, None);
        assert_same(&[&hub, &eva, &adam], &ALL).await;
    });
}

#[test]
fn an_edit_of_what_was_lost_replaces_it_whoever_comes_first() {
    for eva_first in [true, false] {
        story(async |world| {
            let Before { backup, eva, adam } = go_on_after_a_backup(&world).await;
            put(&eva, "people/1", "One, edited").await;
            put(&eva, "people/4", "Four, edited").await;
            let hub = world.restore(&backup).await;
            let order = match eva_first {
                true => [&eva, &adam, &eva],
                false => [&adam, &eva, &adam],
            };
            for edge in order {
                world.join(&hub, edge).await.sync().await;
            }
            assert_eq!((pending(&eva).await, pending(&adam).await), (0, 0));
            for id in ALL {
                assert!(!is_in_conflict(&hub, id).await, "{id}, {eva_first}");
            }
            assert_eq!(
                name(&adam, "people/1").await.as_deref(),
                Some("One, edited")
            );
            assert_eq!(
                name(&adam, "people/4").await.as_deref(),
                Some("Four, edited")
            );
            assert_same(&[&hub, &eva, &adam], &ALL).await;
        });
    }
}

#[test]
fn what_was_written_after_the_restore_meets_what_was_lost() {
    for reopens in [false, true] {
        story(async |world| {
            let Before { backup, eva, adam } = go_on(&world, reopens).await;
            let hub = world.restore(&backup).await;
            // So many that it is further than anybody has seen it.
            for number in 0..300 {
                put(&hub, &format!("others/{number}"), "Other").await;
            }
            put(&hub, "people/1", "One after the restore").await;
            put(&hub, "people/5", "Five after the restore").await;
            let mut to_eva = world.join(&hub, &eva).await;
            to_eva.sync().await;
            let mut to_adam = world.join(&hub, &adam).await;
            to_adam.sync().await;
            to_eva.sync().await;
            // Both were made without the other: a person decides.
            for database in [&hub, &eva, &adam] {
                let read = database.read().await.unwrap();
                let conflict = read.conflict("people/1").await.unwrap().unwrap();
                let mut names: Vec<_> =
                    conflict.set.live.iter().map(|it| &*it.value.body).collect();
                names.sort_unstable();
                let both = [
                    r#"{"Name":"One after the restore"}"#,
                    r#"{"Name":"One of Eva"}"#,
                ];
                assert_eq!(names, both);
            }
            let four = name(&hub, "people/4").await;
            assert_eq!(four.as_deref(), Some("Four of the server"));
            let ids = ["people/2", "people/3", "people/4", "people/5", "others/7"];
            assert_eq!((pending(&eva).await, pending(&adam).await), (0, 0));
            assert_same(&[&hub, &eva, &adam], &ids).await;
        });
    }
}

#[test]
fn a_server_that_only_opens_again_keeps_its_life() {
    story(async |world| {
        let Before { eva, .. } = go_on_after_a_backup(&world).await;
        let hub = world.database().await;
        let mut line = world.join(&hub, &eva).await;
        put(&hub, "people/9", "Nine").await;
        line.sync().await;
        for round in 0..3 {
            let again = world.restore(&backup_of(&hub).await).await;
            put(&again, "people/9", &format!("Nine {round}")).await;
            let edge = world.restore(&backup_of(&eva).await).await;
            let line = world.join(&again, &edge).await;
            assert!(!line.hub.has_minted());
            let nine = name(&edge, "people/9").await;
            assert_eq!(nine, Some(format!("Nine {round}")));
        }
    });
}

#[test]
fn who_may_not_write_follows_the_server() {
    story(async |world| {
        let Before { backup, eva, adam } = go_on_after_a_backup(&world).await;
        let reader = Grants {
            write: Scope::nothing(),
            ..Grants::everything()
        };
        let tokens = &world.grants;
        tokens.lock().unwrap().push(("reader".to_owned(), reader));
        let hub = world.restore(&backup).await;
        let token = |token: &str| EdgeOptions {
            token: token.to_owned(),
            ..EdgeOptions::default()
        };
        let mut line = world.connect(&hub, &adam, token("reader")).await;
        line.sync().await;
        let events = line.edge.take_events();
        let is_refused = |it: &EdgeEvent| matches!(it, EdgeEvent::Refused { .. });
        assert!(!events.iter().any(is_refused), "{events:?}");
        assert_eq!(pending(&adam).await, 0);
        assert_same(&[&hub, &adam], &ALL).await;
        assert_eq!(name(&adam, "people/1").await.as_deref(), Some("One"));
        assert_eq!(name(&adam, "people/4").await, None);
        // What she wrote herself stays with her, with the reason; what is not hers does not.
        world
            .connect(&hub, &eva, token("reader"))
            .await
            .sync()
            .await;
        let read = eva.read().await.unwrap();
        let refused = read.pending_documents(0, 10).await.unwrap();
        let ids: Vec<_> = refused
            .iter()
            .map(|it| (&*it.id, it.refusal.is_some()))
            .collect();
        assert_eq!(
            ids,
            [("people/1", true), ("people/2", true), ("people/3", true)]
        );
        assert_eq!(name(&eva, "people/4").await, None);
        // With the right to write they are taken.
        eva.retry_refused().await.unwrap();
        world.join(&hub, &eva).await.sync().await;
        world
            .connect(&hub, &adam, token("reader"))
            .await
            .sync()
            .await;
        assert_eq!(pending(&eva).await, 0);
        assert_eq!(name(&adam, "people/1").await.as_deref(), Some("One of Eva"));
        assert_same(&[&hub, &eva, &adam], &ALL).await;
    });
}

#[test]
fn a_new_life_that_a_crash_cut_off_is_finished_before_anybody_hears_of_it() {
    story(async |world| {
        let Before { backup, eva, adam } = go_on_after_a_backup(&world).await;
        let hub = world.restore(&backup).await;
        let restored_to = hub.read().await.unwrap().state().await.unwrap().last_etag;
        for number in 0..600 {
            put(&hub, &format!("others/{number}"), "Other").await;
        }
        put(&hub, "people/4", "Four after the restore").await;
        let replicate = async |command| {
            let operation = Operation::Replicate(Box::new(command));
            match hub.execute(operation).await.unwrap() {
                Outcome::Replicated(outcome) => outcome,
                other => panic!("{other:?}"),
            }
        };
        let mint = MintIncarnation {
            ending: None,
            restored_to: Some(restored_to),
        };
        replicate(ReplicationCommand::MintIncarnation(mint)).await;
        let step = replicate(ReplicationCommand::RenameWrites(RenameWrites)).await;
        assert_eq!(step, ReplicationOutcome::Continue(None));
        let hub = world.restore(&backup_of(&hub).await).await;
        for edge in [&eva, &adam, &eva] {
            world.join(&hub, edge).await.sync().await;
        }
        let read = hub.read().await.unwrap();
        let own = hub.incarnation().id.to_string();
        for id in ["others/0", "others/599", "people/1"] {
            let document = read.document(id).await.unwrap().unwrap();
            let vector = document.change_vector();
            assert!(vector.contains(&own), "{id}: {vector}");
        }
        assert!(is_in_conflict(&hub, "people/4").await);
        assert_eq!((pending(&eva).await, pending(&adam).await), (0, 0));
        assert_same(
            &[&hub, &eva, &adam],
            &["people/1", "people/3", "others/599"],
        )
        .await;
    });
}

#[test]
fn a_restore_is_noticed_though_the_server_was_opened_again_before_and_after() {
    story(async |world| {
        let Before { backup, eva, adam } = go_on(&world, true).await;
        let hub = world.restore(&backup).await;
        let stranger = world.database().await;
        world.join(&hub, &stranger).await;
        for number in 0..40 {
            put(&hub, &format!("others/{number}"), "Other").await;
        }
        let hub = world.restore(&backup_of(&hub).await).await;
        world.join(&hub, &stranger).await;
        for edge in [&eva, &adam, &stranger, &eva] {
            world.join(&hub, edge).await.sync().await;
        }
        let four = name(&hub, "people/4").await;
        assert_eq!(four.as_deref(), Some("Four of the server"));
        let ids = [&ALL[..], &["others/0", "others/39"]].concat();
        for id in &ids {
            assert!(!is_in_conflict(&hub, id).await, "{id}");
        }
        assert_same(&[&hub, &eva, &adam, &stranger], &ids).await;
    });
}

#[test]
fn what_an_edge_was_only_answered_counts_as_seen() {
    story(async |world| {
        let (hub, eva) = (world.database().await, world.database().await);
        let mut line = world.join(&hub, &eva).await;
        put(&hub, "people/1", "One").await;
        line.sync().await;
        let backup = backup_of(&hub).await;
        put(&eva, "people/1", "One of Eva").await;
        put(&eva, "people/2", "Two of Eva").await;
        line.sync().await;
        assert_eq!(pending(&eva).await, 0);
        let hub = world.restore(&backup).await;
        // As many as it had, so that numbers meet.
        put(&hub, "people/7", "Seven").await;
        put(&hub, "people/2", "Two of the server").await;
        world.join(&hub, &eva).await.sync().await;
        let found = name(&hub, "people/1").await;
        assert_eq!(found.as_deref(), Some("One of Eva"));
        assert!(is_in_conflict(&hub, "people/2").await);
        assert!(is_in_conflict(&eva, "people/2").await);
        assert_same(&[&hub, &eva], &["people/1", "people/7"]).await;
    });
}

impl World {
    /// A connection that breaks when what the edge had to send is answered: nothing of the stream
    /// came. Whether the server began a new life.
    async fn be_answered(&self, hub: &Memory, edge: &Memory) -> bool {
        let edge = EdgeSession::begin(edge.clone(), EdgeOptions::default());
        let (mut edge, mut to_hub) = edge.await.unwrap();
        let mut session = HubSession::new(hub.clone(), self.hub_options());
        while !to_hub.is_empty() {
            let mut answers = Vec::new();
            for frame in to_hub.drain(..) {
                for answer in session.on_frame(&frame).await.unwrap() {
                    answers.extend(edge.on_frame(&answer).await.unwrap());
                }
            }
            to_hub = answers;
        }
        session.has_minted()
    }
}

/// The simulation found it: seed 5033 with one server whose restores nobody tells.
#[test]
fn an_answer_proves_a_restore_to_whoever_never_had_anything_else_of_the_server() {
    story(async |world| {
        let (hub, eva, adam) = (
            world.database().await,
            world.database().await,
            world.database().await,
        );
        put(&hub, "people/1", "One").await;
        drop(world.join(&hub, &adam).await);
        let backup = backup_of(&hub).await;
        put(&hub, "people/2", "Two").await;
        put(&eva, "people/2", "Two of Eva").await;
        assert!(!world.be_answered(&hub, &eva).await);
        let hub = world.restore(&backup).await;
        // Beyond the number that the answer named.
        for id in ["people/2", "people/3", "people/4"] {
            put(&hub, id, "of the server").await;
        }
        let mut line = world.join(&hub, &eva).await;
        assert!(line.hub.has_minted());
        line.sync().await;
        assert_eq!(pending(&eva).await, 0);
        assert!(is_in_conflict(&hub, "people/2").await);
        assert!(is_in_conflict(&eva, "people/2").await);
        assert_sound(&[&hub, &eva]).await;
    });
}

/// The simulation found it: seed 10997 with one restore that nobody tells.
#[test]
fn what_a_restored_server_wrote_before_it_was_opened_again_is_no_common_history() {
    story(async |world| {
        let (hub, eva) = (world.database().await, world.database().await);
        put(&hub, "people/1", "One").await;
        let mut line = world.join(&hub, &eva).await;
        let backup = backup_of(&hub).await;
        put(&hub, "people/1", "One, lost").await;
        put(&hub, "people/2", "Two, lost").await;
        line.sync().await;
        let hub = world.restore(&backup).await;
        put(&hub, "people/1", "One again").await;
        // Nobody came. It was stopped and started.
        let hub = world.restore(&backup_of(&hub).await).await;
        let mut line = world.join(&hub, &eva).await;
        assert!(line.hub.has_minted());
        line.sync().await;
        assert!(is_in_conflict(&hub, "people/1").await);
        assert!(is_in_conflict(&eva, "people/1").await);
        let found = name(&hub, "people/2").await;
        assert_eq!(found.as_deref(), Some("Two, lost"));
        assert_sound(&[&hub, &eva]).await;
    });
}

#[test]
fn an_answer_of_a_later_opening_proves_nothing() {
    story(async |world| {
        let (mut hub, eva) = (world.database().await, world.database().await);
        put(&hub, "people/1", "One").await;
        drop(world.join(&hub, &eva).await);
        for at in 0..3 {
            // It was only stopped and started.
            hub = world.restore(&backup_of(&hub).await).await;
            put(&eva, &format!("people/{at}"), "of Eva").await;
            assert!(!world.be_answered(&hub, &eva).await);
            assert!(!world.be_answered(&hub, &eva).await);
        }
        let line = world.join(&hub, &eva).await;
        assert!(!line.hub.has_minted());
        assert_same(&[&hub, &eva], &["people/0", "people/1", "people/2"]).await;
    });
}

#[test]
fn who_followed_the_restored_files_meets_nothing_twice() {
    story(async |world| {
        let Before { backup, eva, .. } = go_on_after_a_backup(&world).await;
        let hub = world.restore(&backup).await;
        put(&hub, "people/7", "Seven").await;
        let carl = world.database().await;
        let mut to_carl = world.join(&hub, &carl).await;
        assert_eq!(name(&carl, "people/7").await.as_deref(), Some("Seven"));
        // The first who proves the restore.
        world.join(&hub, &eva).await.sync().await;
        put(&carl, "people/8", "Eight of Carl").await;
        let refused = to_carl.hub.pump().await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unavailable);
        for edge in [&carl, &eva] {
            world.join(&hub, edge).await.sync().await;
        }
        let ids = [&ALL[..], &["people/7", "people/8"]].concat();
        for id in &ids {
            assert!(!is_in_conflict(&hub, id).await, "{id}");
        }
        assert_eq!((pending(&carl).await, pending(&eva).await), (0, 0));
        let eight = name(&eva, "people/8").await;
        assert_eq!(eight.as_deref(), Some("Eight of Carl"));
        assert_same(&[&hub, &eva, &carl], &ids).await;
    });
}

#[test]
fn what_was_written_between_two_restores_of_one_backup_comes_back() {
    story(async |world| {
        let Before { backup, eva, adam } = go_on_after_a_backup(&world).await;
        let hub = world.restore(&backup).await;
        for edge in [&adam, &eva, &adam] {
            world.join(&hub, edge).await.sync().await;
        }
        // The life that began with the restore is nowhere but here and on the edges.
        put(&hub, "people/5", "Five of the server").await;
        put(&eva, "people/6", "Six of Eva").await;
        delete(&adam, "people/4").await;
        // Who comes then knows no other life.
        let seth = world.database().await;
        put(&seth, "people/7", "Seven of Seth").await;
        for edge in [&adam, &eva, &adam, &seth] {
            world.join(&hub, edge).await.sync().await;
        }
        let hub = world.restore(&backup).await;
        for edge in [&adam, &seth, &eva, &adam, &seth] {
            world.join(&hub, edge).await.sync().await;
        }
        let names = async |id| name(&hub, id).await;
        assert_eq!(names("people/1").await.as_deref(), Some("One of Eva"));
        assert_eq!(names("people/2").await, None);
        assert_eq!(names("people/3").await.as_deref(), Some("Three of Eva"));
        assert_eq!(names("people/4").await, None);
        assert_eq!(
            names("people/5").await.as_deref(),
            Some("Five of the server")
        );
        assert_eq!(names("people/6").await.as_deref(), Some("Six of Eva"));
        assert_eq!(names("people/7").await.as_deref(), Some("Seven of Seth"));
        let all = [&hub, &eva, &adam, &seth];
        assert_same(&all, &ALL).await;
        assert_same(&all, &["people/5", "people/6"]).await;
        for edge in &all[1..] {
            assert_eq!(pending(edge).await, 0);
        }
    });
}

#[test]
fn who_comes_from_another_server_brings_nothing_of_it() {
    story(async |world| {
        let (first, second) = (world.database().await, world.database().await);
        let edge = world.database().await;
        put(&first, "people/1", "One").await;
        world.join(&first, &edge).await.sync().await;
        world.join(&second, &edge).await.sync().await;
        assert_eq!(name(&second, "people/1").await, None);
        assert_eq!(pending(&edge).await, 0);
    });
}

#[test]
fn a_life_ends_once() {
    story(async |world| {
        let hub = world.database().await;
        put(&hub, "people/1", "One").await;
        let mint = async |ending| {
            let mint = MintIncarnation {
                ending: Some(ending),
                restored_to: None,
            };
            let command = ReplicationCommand::MintIncarnation(mint);
            let operation = Operation::Replicate(Box::new(command));
            hub.execute(operation).await.unwrap()
        };
        let first = hub.incarnation().id;
        mint(first).await;
        let second = hub.incarnation().id;
        assert_ne!(first, second);
        mint(first).await;
        assert_eq!(hub.incarnation().id, second);
    });
}
