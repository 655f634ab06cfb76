//! What was committed is there after the environment is opened again.

use bytes::Bytes;
use futures_executor::block_on;
use pinyon_core::storage::{
    Durability, Environment, KeySpace, Snapshot, Store, StoreName, WriteBatch,
};
use pinyon_storage_native::{NativeEnvironment, NativeOptions};

const SPACE: KeySpace = KeySpace::new(3);

#[test]
fn a_commit_survives_close_and_drop() {
    let directory = tempfile::tempdir().unwrap();
    let name = StoreName::new("documents").unwrap();
    for round in 0..3_u8 {
        let environment =
            NativeEnvironment::open(directory.path(), NativeOptions::default()).unwrap();
        let store = block_on(environment.open(&name)).unwrap();
        let snapshot = block_on(store.snapshot()).unwrap();
        for earlier in 0..round {
            let keys = [vec![earlier].into()];
            let found = block_on(snapshot.get_many(SPACE, &keys)).unwrap();
            assert_eq!(
                found,
                [Some("value".into())],
                "round {round}, key {earlier}"
            );
        }
        let mut batch = WriteBatch::default();
        batch.put(SPACE, vec![round], "value");
        block_on(store.commit(batch, Durability::Durable)).unwrap();
        if round == 1 {
            block_on(store.close()).unwrap();
        }
    }
}

/// The memory of what was read is shared by all stores of an environment, also those to come.
#[test]
fn a_store_made_anew_shows_nothing_of_the_one_before() {
    let directory = tempfile::tempdir().unwrap();
    let name = StoreName::new("documents").unwrap();
    let environment = NativeEnvironment::open(directory.path(), NativeOptions::default()).unwrap();
    let key = [b"key".as_slice().into()];
    let read = |expected: Option<&Bytes>| {
        let store = block_on(environment.open(&name)).unwrap();
        let snapshot = block_on(store.snapshot()).unwrap();
        for _ in 0..4 {
            let found = block_on(snapshot.get_many(SPACE, &key)).unwrap();
            assert_eq!(found, [expected.cloned()]);
        }
        block_on(store.close()).unwrap();
    };
    for round in 0..3_u8 {
        read(None);
        let store = block_on(environment.open(&name)).unwrap();
        for version in 0..2 {
            let value = Bytes::from(vec![2 * round + version; 20 << 10]);
            let mut batch = WriteBatch::default();
            batch.put(SPACE, key[0].clone(), value.clone());
            // Too large for the journal: what snapshots read from now on is in the file.
            batch.put(SPACE, "large", vec![0; 3 << 20]);
            block_on(store.commit(batch, Durability::Durable)).unwrap();
            let snapshot = block_on(store.snapshot()).unwrap();
            for _ in 0..4 {
                let found = block_on(snapshot.get_many(SPACE, &key)).unwrap();
                assert_eq!(found, [Some(value.clone())]);
            }
        }
        block_on(store.close()).unwrap();
        drop(store);
        read(Some(&Bytes::from(vec![2 * round + 1; 20 << 10])));
        block_on(environment.delete(&name)).unwrap();
    }
}
