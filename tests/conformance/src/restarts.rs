//! Restarts: what was promised is there again.

use pinyon_core::storage::{Durability, KeySpace, Store, WriteBatch};

use crate::Harness;
use crate::fixture::{Numbers, SPACE, commit, get, get_from, open, puts, scan_all, snapshot};

/// Generations of writers, each restarted, closed or not, find all that came before.
pub async fn keeps_everything_over_restarts(harness: &mut impl Harness) {
    let spaces = [SPACE, KeySpace::new(31)];
    for generation in 0..8_u8 {
        let environment = harness.open().await;
        let store = open(&environment, "s").await;
        for space in spaces {
            let found = scan_all(&snapshot(&store).await, space).await;
            assert_eq!(found.len(), usize::from(generation) * 20);
            for (key, value) in found {
                assert_eq!(value, Numbers(u64::from(key[0])).bytes(200));
            }
        }
        for number in 0..20_u8 {
            let mut batch = WriteBatch::default();
            for space in spaces {
                let value = Numbers(u64::from(generation)).bytes(200);
                batch.put(space, vec![generation, number], value);
            }
            commit(&store, batch).await;
        }
        if generation % 2 == 0 {
            store.close().await.expect("an open store closes");
        }
    }
}

/// Durable commits need no close.
pub async fn keeps_durable_commits_of_a_dropped_store(harness: &mut impl Harness) {
    let environment = harness.open().await;
    let store = open(&environment, "s").await;
    let held = snapshot(&store).await;
    commit(&store, puts(&[("a", "1"), ("b", "1")])).await;
    let mut batch = puts(&[("a", "2")]);
    batch.delete(SPACE, "b");
    commit(&store, batch).await;
    drop((held, store, environment));
    let environment = harness.open().await;
    let store = open(&environment, "s").await;
    assert_eq!(get(&store, "a").await, Some("2".into()));
    assert_eq!(get(&store, "b").await, None);
}

/// Of relaxed commits a restart keeps a beginning: no gaps, no halves. After `close` it keeps all.
pub async fn keeps_relaxed_commits_in_order_over_a_restart(harness: &mut impl Harness) {
    let mut kept = 0;
    for round in 0..4_u8 {
        let environment = harness.open().await;
        let store = open(&environment, "s").await;
        let found = snapshot(&store).await;
        let count = scan_all(&found, SPACE).await.len();
        assert!(
            count >= kept,
            "closed with {kept} commits, opened with {count}"
        );
        for number in 0..count {
            for space in [SPACE, KeySpace::new(2)] {
                let key = (number as u32).to_be_bytes();
                let value = get_from(&found, space, &key).await;
                assert_eq!(value, Some("whole".into()), "commit {number} of {count}");
            }
        }
        assert_eq!(scan_all(&found, KeySpace::new(2)).await.len(), count);
        for number in count..count + 30 {
            let mut batch = WriteBatch::default();
            for space in [SPACE, KeySpace::new(2)] {
                batch.put(space, (number as u32).to_be_bytes().to_vec(), "whole");
            }
            let done = store.commit(batch, Durability::Relaxed).await;
            done.expect("a commit on a healthy store succeeds");
        }
        kept = count;
        if round % 2 == 0 {
            store.close().await.expect("an open store closes");
            kept = count + 30;
        }
    }
}

/// A durable commit, even an empty one, makes the relaxed ones before it durable.
pub async fn makes_earlier_relaxed_commits_durable(harness: &mut impl Harness) {
    for (round, last) in [puts(&[("last", "1")]), WriteBatch::default()]
        .into_iter()
        .enumerate()
    {
        let key = format!("relaxed {round}");
        let environment = harness.open().await;
        let store = open(&environment, "s").await;
        let relaxed = store
            .commit(puts(&[(&key, "1")]), Durability::Relaxed)
            .await;
        relaxed.expect("a commit on a healthy store succeeds");
        commit(&store, last).await;
        drop((store, environment));
        let environment = harness.open().await;
        let store = open(&environment, "s").await;
        assert_eq!(get(&store, &key).await, Some("1".into()));
        assert_eq!(get(&store, "last").await, Some("1".into()));
    }
}
