//! The backend behind the fault-injecting wrapper: failures leave a commit boundary.

use pinyon_core::storage::{
    Durability, Environment, Fault, FaultEnvironment, FaultPlan, KeySpace, Store, WriteBatch,
};
use pinyon_core::{ErrorKind, Result};

use crate::Harness;
use crate::fixture::{SPACE, get, name, open, put, puts, scan_all, snapshot};

const MIRROR: KeySpace = KeySpace::new(2);
const ROUNDS: u8 = 4;

/// One commit per round, the same in both spaces; stops at the first error. Returns the commits
/// acknowledged, and the error.
async fn work<E: Environment>(environment: &E, first: u8) -> (u8, Result<()>) {
    let mut acknowledged = first;
    let result = async {
        let store = environment.open(&name("s")).await?;
        for round in first..first + ROUNDS {
            // Reads are among the calls that fail.
            let now = store.snapshot().await?;
            let keys = [vec![round].into()];
            let found = pinyon_core::storage::Snapshot::get_many(&now, SPACE, &keys).await?;
            assert_eq!(found, [None]);
            let mut batch = WriteBatch::default();
            batch.put(SPACE, vec![round], "1");
            batch.put(MIRROR, vec![round], "1");
            store.commit(batch, Durability::Durable).await?;
            acknowledged = round + 1;
        }
        store.close().await
    };
    let result = result.await;
    (acknowledged, result)
}

/// The commits in the store, which must be whole and without gaps.
async fn count<E: Environment>(environment: &E) -> u8 {
    let store = open(environment, "s").await;
    let snapshot = snapshot(&store).await;
    let found = scan_all(&snapshot, SPACE).await;
    assert_eq!(found, scan_all(&snapshot, MIRROR).await);
    for (number, (key, _)) in found.iter().enumerate() {
        assert_eq!(usize::from(key[0]), number);
    }
    store.close().await.expect("an open store closes");
    u8::try_from(found.len()).expect("the cases make few commits")
}

/// Fails at the first, second, ... last call, with each kind; after a restart the store holds
/// exactly the acknowledged commits and works on.
pub async fn survives_a_failure_at_every_call(harness: &mut impl Harness) {
    let mut present = 0;
    for kind in [
        ErrorKind::Closed,
        ErrorKind::StorageFull,
        ErrorKind::Unavailable,
    ] {
        let mut nth = 0;
        loop {
            nth += 1;
            assert!(nth < 50, "the work makes fewer calls");
            let plan = FaultPlan::new();
            let environment = FaultEnvironment::new(harness.open().await, plan.clone());
            plan.fail_at(nth, Fault::Error(kind));
            let (acknowledged, result) = work(&environment, present).await;
            plan.heal();
            drop(environment);
            let environment = harness.open().await;
            assert_eq!(count(&environment).await, acknowledged, "{kind:?} at {nth}");
            // Start afresh, so that few key bytes do for all calls.
            environment.delete(&name("s")).await.expect("deletable");
            present = 0;
            match result {
                Ok(()) => break,
                Err(error) => assert_eq!(error.kind(), kind),
            }
        }
        assert!(nth > u64::from(ROUNDS), "each commit failed once");
    }
}

/// A commit whose acknowledgement is lost closes the store and may be found after a restart.
pub async fn may_have_applied_what_a_lost_acknowledgement_hides(harness: &mut impl Harness) {
    let plan = FaultPlan::new();
    let environment = FaultEnvironment::new(harness.open().await, plan.clone());
    let store = open(&environment, "s").await;
    put(&store, "before", "1").await;
    plan.fail_at(1, Fault::AppliedThenClosed);
    let lost = store
        .commit(puts(&[("lost", "1")]), Durability::Durable)
        .await;
    assert_eq!(lost.expect_err("it fails").kind(), ErrorKind::Closed);
    let after = store.snapshot().await.map(|_| ());
    assert_eq!(after.expect_err("it is closed").kind(), ErrorKind::Closed);
    drop((store, environment));
    let environment = harness.open().await;
    let store = open(&environment, "s").await;
    assert_eq!(get(&store, "before").await, Some("1".into()));
    assert_eq!(get(&store, "lost").await, Some("1".into()));
    put(&store, "after", "1").await;
}

/// While the disk is full puts are refused without a trace and reads go on; later all works.
pub async fn works_again_after_the_disk_was_full(harness: &mut impl Harness) {
    let plan = FaultPlan::new();
    let environment = FaultEnvironment::new(harness.open().await, plan.clone());
    let store = open(&environment, "s").await;
    put(&store, "before", "1").await;
    plan.set_disk_full(true);
    for _ in 0..3 {
        let refused = store
            .commit(puts(&[("during", "1")]), Durability::Durable)
            .await;
        let error = refused.expect_err("the disk is full");
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        assert_eq!(get(&store, "before").await, Some("1".into()));
        assert_eq!(get(&store, "during").await, None);
    }
    plan.set_disk_full(false);
    put(&store, "after", "1").await;
    drop((store, environment));
    let environment = harness.open().await;
    let store = open(&environment, "s").await;
    let found = scan_all(&snapshot(&store).await, SPACE).await;
    let expected = [("after", "1"), ("before", "1")];
    assert_eq!(found, expected.map(|(k, v)| (k.into(), v.into())));
}
