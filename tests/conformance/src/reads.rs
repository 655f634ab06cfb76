//! Reading what was written, byte for byte.

use bytes::Bytes;
use pinyon_core::storage::{KeySpace, Snapshot, WriteBatch};

use crate::Harness;
use crate::fixture::{Numbers, SPACE, commit, get, get_from, open, put, puts, scan_all, snapshot};

/// A snapshot taken after a commit sees it.
pub async fn reads_its_own_writes(harness: &mut impl Harness) {
    let store = open(&harness.open().await, "s").await;
    assert_eq!(get(&store, "a").await, None);
    put(&store, "a", "1").await;
    assert_eq!(get(&store, "a").await, Some("1".into()));
    put(&store, "b", "2").await;
    assert_eq!(get(&store, "a").await, Some("1".into()));
    assert_eq!(get(&store, "b").await, Some("2".into()));
    assert_eq!(get(&store, "c").await, None);
}

/// `get_many` answers in the order of its keys, repeated and missing ones included.
pub async fn answers_in_the_order_of_the_keys(harness: &mut impl Harness) {
    let store = open(&harness.open().await, "s").await;
    commit(&store, puts(&[("a", "1"), ("b", "2"), ("c", "3")])).await;
    let snapshot = snapshot(&store).await;
    let keys: Vec<Bytes> = ["c", "missing", "a", "c", "", "b"].map(Bytes::from).into();
    let found = snapshot.get_many(SPACE, &keys).await.expect("readable");
    let expected = [Some("3"), None, Some("1"), Some("3"), None, Some("2")];
    assert_eq!(found, expected.map(|value| value.map(Bytes::from)));
    let nothing = snapshot.get_many(SPACE, &[]).await.expect("readable");
    assert!(nothing.is_empty());
}

/// Keys and values may be empty; an empty value is not a missing one.
pub async fn keeps_empty_keys_and_values(harness: &mut impl Harness) {
    let store = open(&harness.open().await, "s").await;
    commit(&store, puts(&[("", "of the empty key"), ("empty", "")])).await;
    assert_eq!(get(&store, "").await, Some("of the empty key".into()));
    assert_eq!(get(&store, "empty").await, Some(Bytes::new()));
    let found = scan_all(&snapshot(&store).await, SPACE).await;
    let expected = [("", "of the empty key"), ("empty", "")];
    assert_eq!(found, expected.map(|(k, v)| (k.into(), v.into())));
    let mut batch = WriteBatch::default();
    batch.delete(SPACE, "");
    commit(&store, batch).await;
    assert_eq!(get(&store, "").await, None);
}

/// Values of several megabytes and keys of two kilobytes come back unchanged.
pub async fn keeps_large_values_and_long_keys(harness: &mut impl Harness) {
    let store = open(&harness.open().await, "s").await;
    let mut numbers = Numbers(7);
    let sizes = [
        4_000, 4_096, 65_528, 65_536, 1_000_000, 5_000_000, 16_777_216,
    ];
    let entries: Vec<(Bytes, Bytes)> = sizes
        .iter()
        .map(|size| (numbers.bytes(2_000), numbers.bytes(*size)))
        .collect();
    let mut batch = WriteBatch::default();
    for (key, value) in &entries {
        batch.put(SPACE, key.clone(), value.clone());
    }
    commit(&store, batch).await;
    let snapshot = snapshot(&store).await;
    for (key, value) in &entries {
        let found = get_from(&snapshot, SPACE, key).await;
        // Not assert_eq: nobody wants to read five megabytes.
        assert!(
            found.as_ref() == Some(value),
            "value of {} bytes",
            value.len()
        );
    }
}

/// The same key in two spaces is two keys, in every space there is.
pub async fn keeps_key_spaces_apart(harness: &mut impl Harness) {
    let store = open(&harness.open().await, "s").await;
    let mut batch = WriteBatch::default();
    for space in KeySpace::all() {
        batch.put(space, "same", format!("in {}", space.number()));
        batch.put(space, vec![space.number()], "own");
    }
    commit(&store, batch).await;
    let deleted = KeySpace::new(5);
    let mut batch = WriteBatch::default();
    batch.delete(deleted, "same");
    commit(&store, batch).await;
    let snapshot = snapshot(&store).await;
    for space in KeySpace::all() {
        let same = (space != deleted).then(|| format!("in {}", space.number()).into());
        assert_eq!(get_from(&snapshot, space, b"same").await, same);
        let expected = 1 + usize::from(space != deleted);
        assert_eq!(scan_all(&snapshot, space).await.len(), expected);
    }
}

/// A space that was never written reads as empty, before and after others were written.
pub async fn reads_nothing_from_an_unwritten_space(harness: &mut impl Harness) {
    let store = open(&harness.open().await, "s").await;
    let unwritten = KeySpace::new(KeySpace::COUNT - 1);
    for _ in 0..2 {
        let snapshot = snapshot(&store).await;
        assert_eq!(get_from(&snapshot, unwritten, b"a").await, None);
        assert_eq!(scan_all(&snapshot, unwritten).await, []);
        put(&store, "a", "1").await;
    }
    // A delete alone does not make anything appear either.
    let mut batch = WriteBatch::default();
    batch.delete(unwritten, "a");
    commit(&store, batch).await;
    assert_eq!(scan_all(&snapshot(&store).await, unwritten).await, []);
}
