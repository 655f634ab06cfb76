//! Verify, compact and info on real files.

use std::path::Path;

use futures_executor::block_on;
use pinyon_core::ErrorKind;
use pinyon_core::storage::{
    Durability, Environment, KeySpace, Snapshot, Store, StoreName, WriteBatch,
};
use pinyon_storage_native::{NativeEnvironment, NativeOptions, Progress};

const SPACE: KeySpace = KeySpace::new(3);

fn name() -> StoreName {
    StoreName::new("documents").expect("a valid name")
}

fn open(path: &Path) -> NativeEnvironment {
    NativeEnvironment::open(path, NativeOptions::default()).expect("nobody else has it open")
}

/// Fills the store with `count` values of 1,000 bytes, then deletes all but every tenth.
fn fill(environment: &NativeEnvironment, count: u32, delete: bool) {
    let store = block_on(environment.open(&name())).expect("it opens");
    let mut puts = WriteBatch::default();
    let mut deletes = WriteBatch::default();
    for number in 0..count {
        let key = number.wrapping_mul(2_654_435_761).to_be_bytes().to_vec();
        puts.put(SPACE, key.clone(), vec![number as u8; 1_000]);
        if delete && number % 10 != 0 {
            deletes.delete(SPACE, key);
        }
    }
    for batch in [puts, deletes] {
        block_on(store.commit(batch, Durability::Durable)).expect("a healthy store commits");
    }
    block_on(store.close()).expect("a healthy store closes");
}

#[test]
fn a_healthy_store_verifies() {
    let directory = tempfile::tempdir().unwrap();
    let environment = open(directory.path());
    fill(&environment, 10_000, false);
    let mut seen: Vec<Progress> = Vec::new();
    let report = environment
        .verify(&name(), &mut |progress| seen.push(progress))
        .unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
    assert_eq!((report.entries, report.problem_count), (10_000, 0));
    let last = Progress {
        done: 10_000,
        total: 10_000,
    };
    assert_eq!(seen.last(), Some(&last));
    assert!(seen.len() > 2 && seen.is_sorted_by_key(|progress| progress.done));
    // It is there to be used afterwards.
    let store = block_on(environment.open(&name())).unwrap();
    let busy = environment.verify(&name(), &mut |_| {}).unwrap_err();
    assert_eq!(busy.kind(), ErrorKind::Unavailable);
    assert_eq!(store.info().unwrap().entries, [(SPACE, 10_000)]);
    let missing = StoreName::new("missing").unwrap();
    let error = environment.verify(&missing, &mut |_| {}).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(block_on(environment.list()).unwrap(), [name()]);
}

#[test]
fn damage_is_found_and_named() {
    let directory = tempfile::tempdir().unwrap();
    let environment = open(directory.path());
    fill(&environment, 2_000, false);
    let path = directory.path().join("stores/000001/data");
    let mut bytes = std::fs::read(&path).unwrap();
    // The middle of a run of value bytes, wherever the file keeps it.
    let at = bytes
        .windows(200)
        .position(|window| window.iter().all(|byte| *byte == 77))
        .unwrap();
    bytes[at + 100] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let report = environment.verify(&name(), &mut |_| {}).unwrap();
    assert!(report.problem_count > 0);
    assert!(report.problems[0].contains("documents"), "{report:?}");
    assert!(report.problems[0].contains("checksum"), "{report:?}");
    let error = environment.compact(&name(), &mut |_| {}).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupted);
}

#[test]
fn compaction_shrinks_and_keeps_everything() {
    let directory = tempfile::tempdir().unwrap();
    let environment = open(directory.path());
    fill(&environment, 20_000, true);
    let report = environment.compact(&name(), &mut |_| {}).unwrap();
    assert!(
        report.after_bytes * 4 < report.before_bytes,
        "nine of ten entries are gone: {report:?}"
    );
    let store = block_on(environment.open(&name())).unwrap();
    assert_eq!(store.info().unwrap().entries, [(SPACE, 2_000)]);
    let snapshot = block_on(store.snapshot()).unwrap();
    for number in (0..20_000_u32).step_by(10) {
        let key = number.wrapping_mul(2_654_435_761).to_be_bytes().to_vec();
        let found = block_on(snapshot.get_many(SPACE, &[key.into()])).unwrap();
        assert_eq!(found, [Some(vec![number as u8; 1_000].into())]);
    }
    drop((snapshot, store));
    let report = environment.verify(&name(), &mut |_| {}).unwrap();
    assert_eq!((report.entries, report.problem_count), (2_000, 0));
}
