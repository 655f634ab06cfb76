//! Blocks against a plain map.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::ops::Bound;

use futures_executor::block_on;
use proptest::prelude::*;

use super::*;
use crate::storage::{
    Durability, Environment, MemoryEnvironment, MemoryStore, Store, StoreName, WriteBatch,
};

const SPACE: KeySpace = KeySpace::new(3);

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn store() -> MemoryStore {
    block_on(MemoryEnvironment::new().open(&StoreName::new("blocks").unwrap())).unwrap()
}

/// Applies changes to the store and the model; puts where there is a value.
fn change(store: &MemoryStore, model: &mut Model, list: &[(Vec<u8>, Option<Vec<u8>>)]) {
    let mut changes = Changes::default();
    for (key, value) in list {
        let (start, end) = key.split_at(key.len() / 2);
        match value {
            Some(value) => {
                changes.put(&[start, end], value);
                model.insert(key.clone(), value.clone());
            }
            None => {
                changes.delete(&[start, end]);
                model.remove(key);
            }
        }
    }
    let snapshot = block_on(store.snapshot()).unwrap();
    let mut batch = WriteBatch::default();
    block_on(merge(&snapshot, SPACE, &mut changes, &mut batch)).unwrap();
    block_on(store.commit(batch, Durability::Durable)).unwrap();
}

fn scan(store: &MemoryStore, range: KeyRange, direction: Direction) -> Vec<(Vec<u8>, Vec<u8>)> {
    let snapshot = block_on(store.snapshot()).unwrap();
    let mut walk = Walk::new(SPACE, range, direction);
    let mut all = Vec::new();
    while let Some(block) = block_on(walk.next(&snapshot)).unwrap() {
        let mut of_block = Vec::new();
        let mut records = walk.read(&block);
        while records.advance().unwrap() {
            of_block.push((records.key().to_vec(), records.value().to_vec()));
        }
        if direction == Direction::Backward {
            of_block.reverse();
        }
        all.extend(of_block);
    }
    all
}

/// How many blocks there are, each of which must be as long as it may be.
fn count_blocks(store: &MemoryStore) -> usize {
    let snapshot = block_on(store.snapshot()).unwrap();
    let limits = PageLimits {
        entries: usize::MAX,
        bytes: usize::MAX,
    };
    let all = KeyRange::all();
    let page = block_on(snapshot.scan(SPACE, &all, Direction::Forward, limits)).unwrap();
    let mut last: Option<Vec<u8>> = None;
    for (key, block) in &page.entries {
        let mut records = BlockReader::new(block);
        assert!(records.advance().unwrap(), "a block is empty");
        assert_eq!(records.key(), &key[..]);
        assert!(last.as_deref() < Some(records.key()), "blocks overlap");
        while records.advance().unwrap() {}
        last = Some(records.key().to_vec());
    }
    page.entries.len()
}

fn any_key() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(prop_oneof![Just(0), Just(1), Just(255), any::<u8>()], 1..5)
}

fn any_changes() -> impl Strategy<Value = Vec<(Vec<u8>, Option<Vec<u8>>)>> {
    let value = proptest::option::weighted(0.7, proptest::collection::vec(any::<u8>(), 0..60));
    proptest::collection::vec((any_key(), value), 1..200)
}

fn bound(kind: u8, key: &[u8]) -> Bound<Bytes> {
    match kind % 3 {
        0 => Bound::Unbounded,
        1 => Bound::Included(Bytes::copy_from_slice(key)),
        _ => Bound::Excluded(Bytes::copy_from_slice(key)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn blocks_hold_what_a_map_holds(
        rounds in proptest::collection::vec(any_changes(), 1..6),
        ranges in proptest::collection::vec((any_key(), 0u8..3, any_key(), 0u8..3), 8),
    ) {
        let (store, mut model) = (store(), Model::new());
        for list in &rounds {
            change(&store, &mut model, list);
            count_blocks(&store);
        }
        let keys: Vec<Bytes> = rounds.iter().flatten().map(|it| it.0.clone().into()).collect();
        let snapshot = block_on(store.snapshot()).unwrap();
        let found = block_on(get_many(&snapshot, SPACE, &keys)).unwrap();
        for (key, found) in keys.iter().zip(found) {
            prop_assert_eq!(found.as_deref(), model.get(&key[..]).map(|it| &it[..]));
        }
        for (from, from_kind, to, to_kind) in &ranges {
            let range = KeyRange { start: bound(*from_kind, from), end: bound(*to_kind, to) };
            let inside = model.iter().filter(|it| range.contains(it.0));
            let mut expected: Vec<_> = inside.map(|(a, b)| (a.clone(), b.clone())).collect();
            prop_assert_eq!(&scan(&store, range.clone(), Direction::Forward), &expected);
            expected.reverse();
            prop_assert_eq!(&scan(&store, range, Direction::Backward), &expected);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        let mut records = BlockReader::new(&bytes);
        while let Ok(true) = records.advance() {
            let _ = (records.key(), records.value());
        }
    }
}

#[test]
fn ascending_keys_fill_their_blocks() {
    let (store, mut model) = (store(), Model::new());
    for number in 0..2_000u32 {
        let record = (number.to_be_bytes().to_vec(), Some(vec![7; 10]));
        change(&store, &mut model, &[record]);
    }
    // A record takes 14 bytes, a full block 1,400.
    assert!(count_blocks(&store) <= 21, "{}", count_blocks(&store));
    let expected: Vec<_> = model.into_iter().collect();
    assert_eq!(scan(&store, KeyRange::all(), Direction::Forward), expected);
}

#[test]
fn many_at_once_are_cut_into_blocks() {
    let (store, mut model) = (store(), Model::new());
    let record = |number: u32| (number.to_be_bytes().to_vec(), Some(vec![7; 10]));
    let odd: Vec<_> = (0..20_000).map(|it| record(2 * it + 1)).collect();
    let even: Vec<_> = (0..20_000).map(|it| record(2 * it)).collect();
    change(&store, &mut model, &odd);
    change(&store, &mut model, &even);
    let blocks = count_blocks(&store);
    assert!((300..800).contains(&blocks), "{blocks}");
    let expected: Vec<_> = model.iter().map(|(a, b)| (a.clone(), b.clone())).collect();
    assert_eq!(scan(&store, KeyRange::all(), Direction::Forward), expected);
    let gone: Vec<_> = model.keys().map(|key| (key.clone(), None)).collect();
    change(&store, &mut model, &gone);
    assert_eq!(count_blocks(&store), 0);
}
