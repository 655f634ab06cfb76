//! What was committed is there after the environment is opened again.

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
