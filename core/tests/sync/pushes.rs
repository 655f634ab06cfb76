//! What an edge sends, when, and under which ids.

use super::*;

#[test]
fn what_was_saved_again_and_again_while_a_push_was_under_way_goes_out_with_the_answer() {
    story(async |world| {
        let (hub, eva) = (world.database().await, world.database().await);
        let mut line = world.connect(&hub, &eva, EdgeOptions::default()).await;
        put(&eva, "people/1", "first").await;
        let unanswered = line.edge.on_local_write().await.unwrap();
        for at in 0..1_000 {
            put(&eva, "people/1", &format!("save {at}")).await;
            assert!(line.edge.on_local_write().await.unwrap().is_empty());
        }
        assert_eq!(line.edge.status().waiting, 1, "one document");
        line.exchange(unanswered.iter().map(|it| it.to_vec()).collect())
            .await;
        assert_eq!(line.edge.status().waiting, 0);
        assert_eq!(name(&hub, "people/1").await.as_deref(), Some("save 999"));
        assert_eq!(seen(&eva, "people/1").await, seen(&hub, "people/1").await);
        assert_eq!(pending(&eva).await, 0);
        assert_sound(&[&hub, &eva]).await;
    });
}

#[test]
fn writes_that_are_refused_do_not_hold_up_those_behind_them() {
    story(async |world| {
        let (hub, eva) = (world.database().await, world.database().await);
        let allowed = grants(Scope::everything(), scope(&["good/"], &[]));
        *world.grants.lock().unwrap() = vec![(String::new(), allowed)];
        for at in 0..1_500 {
            put(&eva, &format!("bad/{at}"), "Eva").await;
        }
        drop(world.connect(&hub, &eva, EdgeOptions::default()).await);
        put(&eva, "good/1", "Eva").await;
        let line = world.connect(&hub, &eva, EdgeOptions::default()).await;
        assert_eq!(name(&hub, "good/1").await.as_deref(), Some("Eva"));
        assert_eq!(line.edge.status().waiting, 0);
    });
}

#[test]
fn a_device_that_syncs_gives_out_no_numbers_that_others_take() {
    story(async |world| {
        let (hub, eva) = (world.database().await, world.database().await);
        put(&eva, "nums|", "before it met a server").await;
        drop(world.connect(&hub, &eva, EdgeOptions::default()).await);
        assert_eq!(
            name(&hub, "nums/1").await.as_deref(),
            Some("before it met a server")
        );
        let refused = PutDocument {
            id: IdRequest::parse("nums|", 512).unwrap(),
            expected: ExpectedVersion::Any,
            document: parse_document("{}", &Limits::default()).unwrap(),
        };
        let refused = eva.write_batch(vec![BatchCommand::Put(refused)]).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unsupported);
        put(&hub, "nums|", "the server knows").await;
        assert_eq!(
            name(&hub, "nums/2").await.as_deref(),
            Some("the server knows")
        );
    });
}
