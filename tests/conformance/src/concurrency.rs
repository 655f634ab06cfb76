//! Readers beside a writer, without threads: futures polled side by side.

use futures_util::future::join;
use pinyon_core::storage::{Durability, Store, WriteBatch};

use crate::Harness;
use crate::fixture::{SPACE, commit, get, open, put, scan_all, snapshot};

fn all(value: u8) -> WriteBatch {
    let mut batch = WriteBatch::default();
    for number in 0..200_u8 {
        batch.put(SPACE, vec![number], vec![value; 100]);
    }
    batch
}

/// Reads during a commit are answered, and see all of it or nothing.
pub async fn reads_while_a_commit_is_in_flight(harness: &mut impl Harness) {
    let store = open(&harness.open().await, "s").await;
    commit(&store, all(0)).await;
    for round in 1..30_u8 {
        let before = snapshot(&store).await;
        let reading = async {
            let mut seen = Vec::new();
            for _ in 0..5 {
                let entries = scan_all(&snapshot(&store).await, SPACE).await;
                assert_eq!(entries.len(), 200);
                let first = entries[0].1[0];
                assert!(
                    entries.iter().all(|(_, value)| value[..] == [first; 100]),
                    "a snapshot saw a part of a commit"
                );
                seen.push(first);
                let old = scan_all(&before, SPACE).await;
                assert!(old.iter().all(|(_, value)| value[0] == round - 1));
            }
            seen
        };
        let (committed, seen) = join(store.commit(all(round), Durability::Durable), reading).await;
        committed.expect("a commit on a healthy store succeeds");
        assert!(
            seen.is_sorted() && seen.iter().all(|value| [round - 1, round].contains(value)),
            "states seen in round {round}: {seen:?}"
        );
    }
}

/// Clones are the same store.
pub async fn shares_one_store_among_clones(harness: &mut impl Harness) {
    let store = open(&harness.open().await, "s").await;
    let clone = store.clone();
    put(&store, "a", "1").await;
    assert_eq!(get(&clone, "a").await, Some("1".into()));
    put(&clone, "a", "2").await;
    assert_eq!(get(&store, "a").await, Some("2".into()));
}

/// A commit whose future is dropped after its first poll happens whole or not at all, and the
/// store goes on.
pub async fn finishes_a_commit_nobody_waits_for(harness: &mut impl Harness) {
    let store = open(&harness.open().await, "s").await;
    commit(&store, all(0)).await;
    {
        let mut abandoned = std::pin::pin!(store.commit(all(1), Durability::Durable));
        let _ = futures_util::poll!(abandoned.as_mut());
    }
    put(&store, "after", "1").await;
    let entries = scan_all(&snapshot(&store).await, SPACE).await;
    assert_eq!(entries.len(), 201);
    let first = entries[0].1[0];
    let values = entries.iter().filter(|(key, _)| key.len() == 1);
    assert!(values.into_iter().all(|(_, value)| value[0] == first));
}
