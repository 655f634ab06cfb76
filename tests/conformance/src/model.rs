//! Random commits and reads, compared with an ordered map in memory.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use pinyon_core::storage::{
    Direction, Durability, KeyRange, KeySpace, PageLimits, Snapshot, Store, WriteBatch,
};

use crate::Harness;
use crate::fixture::{Numbers, get_from, open, scan_all, scan_pages, snapshot};

type Model = BTreeMap<(u8, Bytes), Bytes>;

const SPACES: u64 = 3;

/// Few, short keys, so that operations meet.
fn key(numbers: &mut Numbers) -> Bytes {
    let len = numbers.below(3) as usize;
    let digits = (0..len).map(|_| b'a' + numbers.below(5) as u8);
    digits.collect::<Vec<u8>>().into()
}

fn change(numbers: &mut Numbers, model: &mut Model) -> WriteBatch {
    let mut batch = WriteBatch::default();
    for _ in 0..numbers.below(12) {
        let space = KeySpace::new(numbers.below(SPACES) as u8);
        let key = key(numbers);
        if numbers.below(3) == 0 {
            batch.delete(space, key.clone());
            model.remove(&(space.number(), key));
        } else {
            let len = match numbers.below(20) {
                0 => 20_000,
                _ => numbers.below(200),
            };
            let value = numbers.bytes(len as usize);
            batch.put(space, key.clone(), value.clone());
            model.insert((space.number(), key), value);
        }
    }
    batch
}

fn bound(numbers: &mut Numbers) -> Bound<Bytes> {
    match numbers.below(3) {
        0 => Bound::Unbounded,
        1 => Bound::Included(key(numbers)),
        _ => Bound::Excluded(key(numbers)),
    }
}

async fn compare<S: Snapshot>(numbers: &mut Numbers, snapshot: &S, model: &Model) {
    let space = KeySpace::new(numbers.below(SPACES) as u8);
    let wanted = key(numbers);
    let found = get_from(snapshot, space, &wanted).await;
    assert_eq!(found.as_ref(), model.get(&(space.number(), wanted)));
    let range = KeyRange {
        start: bound(numbers),
        end: bound(numbers),
    };
    let mut expected: Vec<(Bytes, Bytes)> = model
        .iter()
        .filter(|((number, key), _)| *number == space.number() && range.contains(key))
        .map(|((_, key), value)| (key.clone(), value.clone()))
        .collect();
    let direction = if numbers.below(2) == 0 {
        Direction::Forward
    } else {
        expected.reverse();
        Direction::Backward
    };
    let limits = PageLimits {
        entries: 1 + numbers.below(10) as usize,
        bytes: numbers.below(5_000) as usize,
    };
    let found = scan_pages(snapshot, space, &range, direction, limits).await;
    assert!(
        found == expected,
        "{range:?} {direction:?} of space {space:?}"
    );
}

async fn compare_all<S: Snapshot>(snapshot: &S, model: &Model) {
    let mut found = Model::new();
    for space in KeySpace::all() {
        for (key, value) in scan_all(snapshot, space).await {
            found.insert((space.number(), key), value);
        }
    }
    assert!(found == *model, "the store differs from the model");
}

async fn run<S: Store>(store: &S, numbers: &mut Numbers, model: &mut Model, rounds: u32) {
    let mut held: Vec<(S::Snapshot, Model)> = Vec::new();
    for _ in 0..rounds {
        let durability = match numbers.below(4) {
            0 => Durability::Relaxed,
            _ => Durability::Durable,
        };
        let batch = change(numbers, model);
        let done = store.commit(batch, durability).await;
        done.expect("a commit on a healthy store succeeds");
        let newest = snapshot(store).await;
        compare(numbers, &newest, model).await;
        if held.len() == 5 {
            let oldest = held.swap_remove(numbers.below(5) as usize);
            compare_all(&oldest.0, &oldest.1).await;
        }
        held.push((newest, model.clone()));
        let (old, state) = &held[numbers.below(held.len() as u64) as usize];
        compare(numbers, old, state).await;
    }
}

/// 300 random batches, read back through new and old snapshots.
pub async fn agrees_with_a_model(harness: &mut impl Harness) {
    let store = open(&harness.open().await, "s").await;
    let (mut numbers, mut model) = (Numbers(42), Model::new());
    run(&store, &mut numbers, &mut model, 300).await;
    compare_all(&snapshot(&store).await, &model).await;
}

/// The same with a restart after every 25 batches, closed properly so that relaxed ones count.
pub async fn agrees_with_a_model_over_restarts(harness: &mut impl Harness) {
    let (mut numbers, mut model) = (Numbers(43), Model::new());
    for _ in 0..8 {
        let environment = harness.open().await;
        let store = open(&environment, "s").await;
        compare_all(&snapshot(&store).await, &model).await;
        run(&store, &mut numbers, &mut model, 25).await;
        store.close().await.expect("an open store closes");
    }
}
