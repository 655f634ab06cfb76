//! Compaction: a copy is the same and smaller, and a failed one changes nothing.

use pinyon_core::host::SeededRandom;
use pinyon_core::storage::{Durability, WriteBatch};

use super::*;
use crate::disk::{Fault, SimulatedDisk};

const SPACE: KeySpace = KeySpace::new(2);

fn name() -> StoreName {
    StoreName::new("compacted").unwrap()
}

fn open(disk: &SimulatedDisk) -> Engine {
    let random = Arc::new(SeededRandom::new(1));
    let directory = Arc::new(disk.clone());
    Engine::open(
        name(),
        directory,
        NativeOptions::default(),
        random,
        &ValueCache::new(0),
    )
    .unwrap()
}

fn compact_now(disk: &SimulatedDisk) -> Result<CompactReport> {
    let directory: Arc<dyn Directory> = Arc::new(disk.clone());
    let random: Arc<dyn Random> = Arc::new(SeededRandom::new(9));
    compact(
        &name(),
        &directory,
        &NativeOptions::default(),
        &random,
        &mut |_| {},
    )
}

/// A store with every tenth of 500 entries left, the last commit in the journal only.
fn sparse_store() -> SimulatedDisk {
    let disk = SimulatedDisk::default();
    let directory: Arc<dyn Directory> = Arc::new(disk.clone());
    let options = NativeOptions::default();
    engine::create(&name(), &directory, &options, &SeededRandom::new(5)).unwrap();
    let mut engine = open(&disk);
    let mut puts = WriteBatch::default();
    let mut deletes = WriteBatch::default();
    for number in 0..500_u32 {
        let key = number.to_be_bytes().to_vec();
        puts.put(SPACE, key.clone(), vec![number as u8; 700]);
        if number % 10 != 0 {
            deletes.delete(SPACE, key);
        }
    }
    for batch in [puts, deletes] {
        engine.commit(&batch, Durability::Durable).unwrap();
    }
    drop(engine);
    disk
}

fn contents(disk: &SimulatedDisk) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut engine = open(disk);
    let state = engine.base().unwrap();
    let mut entries = Vec::new();
    let visited = state.visit(SPACE, |key, stored| {
        let value = state.decode(SPACE, key, stored)?;
        entries.push((key.to_vec(), value.to_vec()));
        Ok(())
    });
    visited.unwrap();
    entries
}

#[test]
fn content_stays_and_commits_go_on() {
    let disk = sparse_store();
    let before = contents(&disk.copy());
    assert_eq!(before.len(), 50);
    compact_now(&disk).unwrap();
    assert_eq!(contents(&disk), before);
    let mut engine = open(&disk);
    let mut batch = WriteBatch::default();
    batch.put(SPACE, "after", "1");
    engine.commit(&batch, Durability::Durable).unwrap();
    drop(engine);
    assert_eq!(contents(&disk).len(), 51);
}

#[test]
fn a_store_without_free_space_does_not_grow() {
    const ENTRIES: u32 = 6_000;
    const VALUE_BYTES: usize = 700;
    let disk = SimulatedDisk::default();
    let directory: Arc<dyn Directory> = Arc::new(disk.clone());
    let options = NativeOptions::default();
    engine::create(&name(), &directory, &options, &SeededRandom::new(5)).unwrap();
    let mut engine = open(&disk);
    for first in (0..ENTRIES).step_by(500) {
        let mut puts = WriteBatch::default();
        for number in first..first + 500 {
            // Not in the order of the keys, as documents come in.
            let key = number.wrapping_mul(2_654_435_761).to_be_bytes();
            puts.put(SPACE, key.to_vec(), vec![1; VALUE_BYTES]);
        }
        engine.commit(&puts, Durability::Durable).unwrap();
    }
    engine.close().unwrap();
    drop(engine);
    let first = compact_now(&disk).unwrap();
    assert!(first.after_bytes <= first.before_bytes, "{first:?}");
    let content = u64::from(ENTRIES) * VALUE_BYTES as u64;
    assert!(
        first.after_bytes < content + content / 3,
        "{first:?} for {content} bytes"
    );
    assert_eq!(contents(&disk).len(), ENTRIES as usize);
}

#[test]
fn a_power_cut_at_any_moment_leaves_the_store_whole() {
    let whole = sparse_store();
    let before = contents(&whole.copy());
    let mut seed = 1_u64;
    let mut random = |bound: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) % bound
    };
    let mut cuts = 0;
    for nth in 1.. {
        let disk = whole.copy();
        disk.fail_at(nth, Fault::Dead);
        let compacted = compact_now(&disk);
        let found = disk.after_power_cut(&mut random);
        assert_eq!(contents(&found), before, "after a cut at operation {nth}");
        assert!(!found.exists(COPY_FILE).unwrap());
        if compacted.is_ok() {
            break;
        }
        cuts += 1;
    }
    assert!(cuts > 20, "only {cuts} operations failed");
}

#[test]
fn a_full_disk_or_damage_leaves_the_store_as_it_was() {
    let disk = sparse_store();
    open(&disk).close().unwrap();
    let before = contents(&disk.copy());
    disk.fail_at(1, Fault::Full);
    let error = compact_now(&disk).unwrap_err();
    assert_eq!(error.kind(), pinyon_core::ErrorKind::StorageFull, "{error}");
    disk.heal();
    assert!(!disk.exists(COPY_FILE).unwrap());
    assert_eq!(contents(&disk), before);
}
