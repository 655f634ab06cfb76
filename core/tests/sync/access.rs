//! Who may see and write what, and what becomes of what an edge no longer sees.

use pinyon_core::revisions::{CollectionRevisions, RevisionsConfiguration};

use super::*;

#[test]
fn a_write_of_what_is_not_seen_ends_though_it_is_in_conflict() {
    story(async |world| {
        let (hub, eva) = (world.database().await, world.database().await);
        let (read, write) = (scope(&["in/"], &[]), scope(&[], &[]));
        *world.grants.lock().unwrap() = vec![("eva".to_owned(), grants(read, write))];
        put(&hub, "out/1", "Hub").await;
        put(&hub, "in/1", "Hub").await;
        let mut line = world.connect(&hub, &eva, with_token("eva")).await;
        put(&eva, "out/1", "Eva").await;
        line.sync().await;
        assert_eq!(pending(&eva).await, 0);
        assert_eq!(name(&eva, "out/1").await.as_deref(), Some("Eva"));
        let conflict = hub.read().await.unwrap().conflict("out/1").await.unwrap();
        assert_eq!(conflict.unwrap().set.live.len(), 2);
        // It goes on from its own version: there are still two.
        put(&eva, "out/1", "Eva again").await;
        line.sync().await;
        assert_eq!(pending(&eva).await, 0);
        let conflict = hub.read().await.unwrap().conflict("out/1").await.unwrap();
        let mut bodies: Vec<String> = conflict
            .unwrap()
            .set
            .live
            .into_iter()
            .map(|it| it.value.body)
            .collect();
        bodies.sort();
        assert_eq!(bodies, [r#"{"Name":"Eva again"}"#, r#"{"Name":"Hub"}"#]);
        // What it sees comes as ever.
        put(&eva, "in/1", "Eva").await;
        line.sync().await;
        assert_eq!(name(&eva, "in/1").await.as_deref(), Some("Eva"));
        assert_sound(&[&hub, &eva]).await;
    });
}

#[test]
fn nobody_sees_or_writes_what_is_not_granted() {
    story(async |world| {
        let (hub, eva) = (world.database().await, world.database().await);
        let grants = grants(
            scope(&["groups/", "users/eva/"], &[]),
            scope(&["users/eva/"], &["Notes"]),
        );
        *world.grants.lock().unwrap() = vec![("eva".to_owned(), grants)];
        put(&hub, "groups/1", "Bees").await;
        put(&hub, "users/adam/1", "secret").await;
        put(&hub, "users/eva/7", "a person's record").await;
        put_in(&eva, "users/eva/1", "mine", "Notes").await;
        put_in(&eva, "users/adam/2", "not mine", "Notes").await;
        put(&eva, "users/eva/2", "wrong collection").await;
        put_in(&eva, "users/eva/7", "not a note before", "Notes").await;
        let line = world.connect(&hub, &eva, with_token("eva")).await;
        assert!(line.refused.is_none());
        assert_eq!(name(&hub, "users/eva/1").await.as_deref(), Some("mine"));
        assert_eq!(name(&hub, "users/adam/2").await, None);
        assert_eq!(name(&hub, "users/eva/2").await, None);
        assert_eq!(
            name(&hub, "users/eva/7").await.as_deref(),
            Some("a person's record")
        );
        assert_eq!(name(&eva, "groups/1").await.as_deref(), Some("Bees"));
        assert_eq!(name(&eva, "users/adam/1").await, None);
        assert_eq!(pending(&eva).await, 3);
        let stranger = world
            .connect(&hub, &world.database().await, with_token("x"))
            .await;
        assert_eq!(stranger.refused.unwrap().kind(), ErrorKind::Unauthorized);
        assert_eq!(stranger.edge.status().phase, EdgePhase::Refused);
        assert_sound(&[&hub, &eva]).await;
    });
}

#[test]
fn access_withdrawn_purges_and_access_granted_backfills() {
    story(async |world| {
        let (hub, eva) = (world.database().await, world.database().await);
        let reads = |prefix: &str| {
            let read = scope(&[prefix], &[]);
            let write = scope(&[], &[]);
            vec![("eva".to_owned(), grants(read, write))]
        };
        for group in 1..=5 {
            put(&hub, &format!("a/{group}"), "A").await;
            put(&hub, &format!("b/{group}"), "B").await;
        }
        *world.grants.lock().unwrap() = reads("a/");
        drop(world.connect(&hub, &eva, with_token("eva")).await);
        assert_eq!(
            (name(&eva, "a/5").await.is_some(), name(&eva, "b/5").await),
            (true, None)
        );
        put(&eva, "a/1", "changed while away").await;
        *world.grants.lock().unwrap() = reads("b/");
        let mut line = world.connect(&hub, &eva, with_token("eva")).await;
        assert!(line.edge.take_events().contains(&EdgeEvent::Resynced));
        assert_eq!(
            (name(&eva, "a/5").await, name(&eva, "b/5").await.is_some()),
            (None, true)
        );
        // What was written was not lost by it.
        assert_eq!(
            name(&hub, "a/1").await.as_deref(),
            Some("changed while away")
        );
        assert_sound(&[&hub, &eva]).await;
    });
}

/// Whoever writes anew under the id did not see what stood there: it must not be replaced by that.
#[test]
fn what_an_edge_has_forgotten_is_not_replaced_by_what_it_writes_next() {
    story(async |world| {
        let (hub, eva, adam) = (
            world.database().await,
            world.database().await,
            world.database().await,
        );
        let reads = |prefixes: &[&str]| {
            let (read, write) = (scope(prefixes, &[]), scope(&[], &[]));
            vec![("eva".to_owned(), grants(read, write))]
        };
        *world.grants.lock().unwrap() = reads(&["open/", "secret/"]);
        put(&adam, "secret/1", "Adam").await;
        drop(world.connect(&hub, &adam, with_token("eva")).await);
        drop(world.connect(&hub, &eva, with_token("eva")).await);
        assert_eq!(name(&eva, "secret/1").await.as_deref(), Some("Adam"));
        *world.grants.lock().unwrap() = reads(&["open/"]);
        let mut line = world.connect(&hub, &eva, with_token("eva")).await;
        assert_eq!(name(&eva, "secret/1").await, None);
        put(&eva, "secret/1", "Eva").await;
        line.sync().await;
        assert_eq!(pending(&eva).await, 0);
        let conflict = hub
            .read()
            .await
            .unwrap()
            .conflict("secret/1")
            .await
            .unwrap();
        assert_eq!(conflict.map(|it| it.set.live.len()), Some(2));
        assert_sound(&[&hub, &eva]).await;
    });
}

/// Parents of a conflict are kept without any configuration, deleted documents by one.
#[test]
fn access_withdrawn_leaves_nothing_of_what_documents_were() {
    story(async |world| {
        let (hub, eva, adam) = (
            world.database().await,
            world.database().await,
            world.database().await,
        );
        let all = CollectionRevisions::default();
        let kept = RevisionsConfiguration {
            default: Some(all),
            ..RevisionsConfiguration::default()
        };
        eva.configure(Configure::Revisions(kept)).await.unwrap();
        let reads = |prefixes: &[&str]| {
            let (read, write) = (scope(prefixes, &[]), scope(&[], &[]));
            vec![("eva".to_owned(), grants(read, write))]
        };
        *world.grants.lock().unwrap() = reads(&["open/", "secret/"]);
        let mut to_eva = world.connect(&hub, &eva, with_token("eva")).await;
        let mut to_adam = world.connect(&hub, &adam, with_token("eva")).await;
        for id in ["open/1", "secret/1", "secret/2"] {
            put(&adam, id, "Adam").await;
            put(&eva, id, "Eva").await;
            attach(&eva, id, "photo.png", &vec![7; 100_000]).await;
        }
        to_adam.sync().await;
        to_eva.sync().await;
        put(&eva, "open/1", "Both").await;
        put(&eva, "secret/1", "Both").await;
        delete(&eva, "secret/2").await;
        to_eva.sync().await;
        let revisions = async |id: &str| {
            let read = eva.read().await.unwrap();
            read.revisions(id, 0, 10).await.unwrap().len()
        };
        let before = [revisions("open/1").await, revisions("secret/1").await];
        assert!(before.iter().all(|it| *it >= 3), "{before:?}");
        assert!(revisions("secret/2").await > 0);
        *world.grants.lock().unwrap() = reads(&["open/"]);
        let mut again = world.connect(&hub, &eva, with_token("eva")).await;
        assert!(again.edge.take_events().contains(&EdgeEvent::Resynced));
        assert_eq!(name(&eva, "secret/1").await, None);
        assert_eq!(
            [revisions("secret/1").await, revisions("secret/2").await],
            [0, 0]
        );
        assert_eq!(revisions("open/1").await, before[0]);
        let read = eva.read().await.unwrap();
        assert!(
            read.revision_bin(pinyon_core::version::Etag::ZERO, 0, 10)
                .await
                .unwrap()
                .is_empty()
        );
        drop(read);
        assert_sound(&[&hub, &eva]).await;
        // And back: nothing of before is in the way.
        *world.grants.lock().unwrap() = reads(&["open/", "secret/"]);
        drop(world.connect(&hub, &eva, with_token("eva")).await);
        assert_eq!(name(&eva, "secret/1").await.as_deref(), Some("Both"));
        assert_eq!(name(&eva, "secret/2").await, None);
        assert_sound(&[&hub, &eva]).await;
    });
}

#[test]
fn who_was_away_for_longer_than_deletions_are_remembered_revives_nothing() {
    story(async |world| {
        let (hub, eva) = (world.database().await, world.database().await);
        for id in ["people/1", "people/2", "people/3"] {
            put(&hub, id, "Base").await;
        }
        drop(world.connect(&hub, &eva, EdgeOptions::default()).await);
        put(&eva, "people/2", "edited offline").await;
        delete(&hub, "people/1").await;
        delete(&hub, "people/2").await;
        world.clock.advance_ms(1000 * 3600 * 24 * 30);
        let state = hub.read().await.unwrap().state().await.unwrap();
        let now = Timestamp::parse("2026-01-31T00:00:00Z").unwrap();
        let cleaned = hub
            .clean_tombstones_step(state.last_etag, now, 100)
            .await
            .unwrap();
        assert_eq!(cleaned, 2);
        let mut line = world.connect(&hub, &eva, EdgeOptions::default()).await;
        assert!(line.edge.take_events().contains(&EdgeEvent::Resynced));
        assert_eq!(
            (name(&eva, "people/1").await, name(&hub, "people/1").await),
            (None, None)
        );
        assert_eq!(seen(&eva, "people/3").await, seen(&hub, "people/3").await);
        // What was edited meanwhile is not revived without a word.
        let conflict = hub
            .read()
            .await
            .unwrap()
            .conflict("people/2")
            .await
            .unwrap()
            .unwrap();
        assert_eq!(conflict.set.live.len(), 2);
        assert_eq!(pending(&eva).await, 0);
        assert_sound(&[&hub, &eva]).await;
    });
}
