//! Batches: all or nothing, in order.

use pinyon_core::storage::{Durability, KeySpace, Store, WriteBatch};

use crate::Harness;
use crate::fixture::{SPACE, commit, get, open, put, puts, scan_all, snapshot};

/// A put replaces, a delete removes, a delete of nothing succeeds.
pub async fn overwrites_and_deletes(harness: &mut impl Harness) {
    let store = open(&harness.open().await, "s").await;
    put(&store, "a", "a longer first value").await;
    put(&store, "a", "2").await;
    assert_eq!(get(&store, "a").await, Some("2".into()));
    for _ in 0..2 {
        let mut batch = WriteBatch::default();
        batch.delete(SPACE, "a");
        batch.delete(SPACE, "never there");
        commit(&store, batch).await;
        assert_eq!(get(&store, "a").await, None);
        assert_eq!(scan_all(&snapshot(&store).await, SPACE).await, []);
    }
    put(&store, "a", "3").await;
    assert_eq!(get(&store, "a").await, Some("3".into()));
}

/// Later writes of a batch win over earlier ones.
pub async fn applies_the_writes_of_a_batch_in_order(harness: &mut impl Harness) {
    let store = open(&harness.open().await, "s").await;
    let mut batch = puts(&[
        ("put twice", "1"),
        ("put twice", "2"),
        ("put, deleted", "1"),
    ]);
    batch.delete(SPACE, "put, deleted");
    batch.delete(SPACE, "deleted, put");
    batch.put(SPACE, "deleted, put", "3");
    commit(&store, batch).await;
    assert_eq!(get(&store, "put twice").await, Some("2".into()));
    assert_eq!(get(&store, "put, deleted").await, None);
    assert_eq!(get(&store, "deleted, put").await, Some("3".into()));
}

/// An empty batch is a commit like any other.
pub async fn accepts_an_empty_batch(harness: &mut impl Harness) {
    let store = open(&harness.open().await, "s").await;
    commit(&store, WriteBatch::default()).await;
    put(&store, "a", "1").await;
    for durability in [Durability::Relaxed, Durability::Durable] {
        let done = store.commit(WriteBatch::default(), durability).await;
        done.expect("an empty commit succeeds");
    }
    assert_eq!(get(&store, "a").await, Some("1".into()));
}

/// Thousands of writes over several spaces become visible together.
pub async fn applies_all_of_a_large_batch(harness: &mut impl Harness) {
    let store = open(&harness.open().await, "s").await;
    let before = snapshot(&store).await;
    let spaces = [KeySpace::new(0), SPACE, KeySpace::new(9)];
    let mut batch = WriteBatch::default();
    for number in 0..2_000_u32 {
        for space in spaces {
            batch.put(space, number.to_be_bytes().to_vec(), vec![0x61; 300]);
        }
    }
    let byte_count = batch.byte_count();
    assert_eq!(byte_count, 3 * 2_000 * 304);
    commit(&store, batch).await;
    let after = snapshot(&store).await;
    for space in spaces {
        assert_eq!(scan_all(&before, space).await.len(), 0);
        let found = scan_all(&after, space).await;
        assert_eq!(found.len(), 2_000);
        for (number, (key, value)) in (0..2_000_u32).zip(&found) {
            assert_eq!(key[..], number.to_be_bytes());
            assert_eq!(value[..], [0x61; 300]);
        }
    }
}

/// Relaxed commits are visible like durable ones; the two kinds keep one order.
pub async fn shows_relaxed_and_durable_commits_in_order(harness: &mut impl Harness) {
    let store = open(&harness.open().await, "s").await;
    for round in 0..30 {
        let durability = match round % 3 {
            0 => Durability::Durable,
            _ => Durability::Relaxed,
        };
        let text = round.to_string();
        let batch = puts(&[("latest", &text), (&format!("{round:02}"), "own")]);
        let done = store.commit(batch, durability).await;
        done.expect("a commit on a healthy store succeeds");
        assert_eq!(get(&store, "latest").await, Some(text.into()));
    }
    let found = scan_all(&snapshot(&store).await, SPACE).await;
    assert_eq!(found.len(), 31);
}
