//! Snapshots: one state, for as long as they live.

use bytes::Bytes;
use pinyon_core::storage::{Direction, KeyRange, PageLimits, WriteBatch};

use crate::Harness;
use crate::fixture::{
    SPACE, commit, get, get_from, open, put, puts, scan_all, scan_pages, snapshot,
};

/// Later puts, overwrites and deletes do not show in an older snapshot.
pub async fn freezes_a_snapshot_during_later_commits(harness: &mut impl Harness) {
    let store = open(&harness.open().await, "s").await;
    commit(
        &store,
        puts(&[("kept", "1"), ("changed", "1"), ("gone", "1")]),
    )
    .await;
    let old = snapshot(&store).await;
    let mut batch = puts(&[("changed", "2"), ("new", "2")]);
    batch.delete(SPACE, "gone");
    commit(&store, batch).await;
    for round in 0..50 {
        put(&store, "new", &round.to_string()).await;
    }
    let expected: [(Bytes, Bytes); 3] =
        [("changed", "1"), ("gone", "1"), ("kept", "1")].map(|(k, v)| (k.into(), v.into()));
    assert_eq!(scan_all(&old, SPACE).await, expected);
    assert_eq!(get_from(&old, SPACE, b"gone").await, Some("1".into()));
    assert_eq!(get_from(&old, SPACE, b"new").await, None);
    drop(old);
    assert_eq!(get(&store, "new").await, Some("49".into()));
}

/// A scan that pauses between pages while everything is rewritten still sees one state.
pub async fn reads_all_pages_from_one_state(harness: &mut impl Harness) {
    let store = open(&harness.open().await, "s").await;
    let all = |value: &str| {
        let mut batch = WriteBatch::default();
        for number in 0..100_u8 {
            batch.put(SPACE, vec![number], value.to_string());
        }
        batch
    };
    commit(&store, all("old")).await;
    let old = snapshot(&store).await;
    let mut rest = KeyRange::all();
    let mut seen = 0;
    let limits = PageLimits {
        entries: 7,
        ..PageLimits::default()
    };
    loop {
        let page = {
            use pinyon_core::storage::Snapshot;
            old.scan(SPACE, &rest, Direction::Forward, limits)
                .await
                .expect("readable")
        };
        assert!(page.entries.iter().all(|(_, value)| value == "old"));
        seen += page.entries.len();
        if seen % 2 == 0 {
            commit(&store, all("new")).await;
        } else {
            let mut batch = WriteBatch::default();
            (0..100_u8).for_each(|number| batch.delete(SPACE, vec![number]));
            commit(&store, batch).await;
        }
        match page.entries.last() {
            Some((last, _)) if page.has_more => rest = rest.after(last.clone()),
            _ => break,
        }
    }
    assert_eq!(seen, 100);
}

/// Many snapshots of many states live side by side and can be dropped in any order.
pub async fn keeps_many_old_snapshots_readable(harness: &mut impl Harness) {
    let store = open(&harness.open().await, "s").await;
    let mut snapshots = Vec::new();
    for round in 0..40_u8 {
        let mut batch = WriteBatch::default();
        batch.put(SPACE, "round", vec![round; 1_000]);
        batch.put(SPACE, vec![round], "");
        if round >= 10 {
            batch.delete(SPACE, vec![round - 10]);
        }
        commit(&store, batch).await;
        snapshots.push((round, snapshot(&store).await));
    }
    // Every third goes first; the others must not notice.
    snapshots.retain(|(round, _)| round % 3 != 0);
    for (round, snapshot) in snapshots.iter().rev() {
        let value = get_from(snapshot, SPACE, b"round").await;
        assert_eq!(value, Some(vec![*round; 1_000].into()));
        let limits = PageLimits {
            entries: 4,
            ..PageLimits::default()
        };
        let all = KeyRange::all();
        let found = scan_pages(snapshot, SPACE, &all, Direction::Backward, limits).await;
        assert_eq!(found.len(), usize::from(*round).min(9) + 2);
    }
}
