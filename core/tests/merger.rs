//! Many writers through one merger: the same as one after another, whatever fails.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod story;

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;

use futures_util::FutureExt;
use futures_util::future::join_all;
use pinyon_core::commands::{BatchCommand, CommandOutcome, DeleteByPrefix, ExpectedVersion, Pause};
use pinyon_core::host::ManualClock;
use pinyon_core::storage::Fault;
use pinyon_core::version::Etag;
use pinyon_core::{Database, ErrorKind, Item};
use proptest::prelude::*;
use story::{Story, TestStore, delete, delete_expecting, put, put_expecting};

/// A batch in a form that can be generated, shown and repeated.
#[derive(Debug, Clone)]
enum Step {
    Put(u8, u8),
    PutNew(u8),
    PutStale(u8),
    Delete(u8),
    DeleteStale(u8),
    DeletePrefix(u8),
    ServerSide,
    Identity,
}

/// Lets everybody else of the same task go on once.
fn pause() -> Pin<Box<dyn Future<Output = ()> + Send>> {
    let mut was_polled = false;
    Box::pin(std::future::poll_fn(move |context| {
        if std::mem::replace(&mut was_polled, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }))
}

fn command(step: &Step) -> BatchCommand {
    let id = |n: &u8| format!("docs/{}/{n}", n % 2);
    let body = |n: &u8| format!(r#"{{"n":{n},"@metadata":{{"@collection":"C"}}}}"#);
    let stale = ExpectedVersion::Exactly("A:1-AAAAAAAAAAAAAAAAAAAAAA".to_owned());
    match step {
        Step::Put(n, value) => put(&id(n), &body(value)),
        Step::PutNew(n) => put_expecting(&id(n), &body(n), ExpectedVersion::Missing),
        Step::PutStale(n) => put_expecting(&id(n), &body(n), stale),
        Step::Delete(n) => delete(&id(n)),
        Step::DeleteStale(n) => delete_expecting(&id(n), stale),
        Step::DeletePrefix(n) => BatchCommand::DeleteByPrefix(DeleteByPrefix {
            prefix: format!("docs/{}", n % 2),
        }),
        Step::ServerSide => put("new/", &body(&0)),
        Step::Identity => put("numbered|", &body(&0)),
    }
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u8..8, any::<u8>()).prop_map(|(n, value)| Step::Put(n, value)),
        2 => (0u8..8).prop_map(Step::PutNew),
        1 => (0u8..8).prop_map(Step::PutStale),
        3 => (0u8..8).prop_map(Step::Delete),
        1 => (0u8..8).prop_map(Step::DeleteStale),
        1 => (0u8..2).prop_map(Step::DeletePrefix),
        1 => Just(Step::ServerSide),
        1 => Just(Step::Identity),
    ]
}

/// Everything that can be seen of a database.
async fn picture(database: &Database<TestStore>) -> Vec<String> {
    let read = database.read().await.unwrap();
    let items = read.items_after(Etag::ZERO, usize::MAX).await.unwrap();
    let mut lines: Vec<String> = items
        .into_iter()
        .map(|item| match item {
            Item::Document(it) => {
                let mut json = Vec::new();
                it.write_json(&mut json);
                format!("{} {}", it.etag(), String::from_utf8(json).unwrap())
            }
            Item::Tombstone(it) => format!("{it:?}"),
            Item::Revision(it) => format!("{it:?}"),
        })
        .collect();
    lines.push(format!("{:?}", read.collections().await.unwrap()));
    lines.push(format!("{:?}", read.statistics().await.unwrap()));
    lines.push(format!("{:?}", read.identities().await.unwrap()));
    lines
}

/// The change vectors that writes were answered with.
fn vectors(answers: &[pinyon_core::Result<Vec<CommandOutcome>>]) -> Vec<String> {
    let outcomes = answers.iter().flatten().flatten();
    let vector = |outcome: &CommandOutcome| match outcome {
        CommandOutcome::Written(written) => Some(written.change_vector.clone()),
        _ => None,
    };
    outcomes.filter_map(vector).collect()
}

/// The answers of batches, by their texts.
fn told<T: std::fmt::Debug>(answers: Vec<pinyon_core::Result<T>>) -> Vec<String> {
    answers
        .into_iter()
        .map(|answer| format!("{answer:?}"))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// All batches queued at once end as the same batches one by one: same answers, same etags,
    /// same documents, same counts. No two writes get the same change vector.
    #[test]
    fn merged_equals_one_by_one(
        batches in proptest::collection::vec(proptest::collection::vec(any_step(), 1..5), 1..24),
        merged_operations in 1usize..12,
        commit_polls in 0u32..5,
        is_patient in any::<bool>(),
    ) {
        let commands =
            |batch: &Vec<Step>| batch.iter().map(command).collect::<Vec<BatchCommand>>();
        let one_by_one = Story::new().run(async |database| {
            let mut answers = Vec::new();
            for batch in &batches {
                answers.push(database.write_batch(commands(batch)).await);
            }
            let vectors = vectors(&answers);
            let distinct: HashSet<&String> = vectors.iter().collect();
            assert_eq!(distinct.len(), vectors.len(), "{vectors:?}");
            (told(answers), picture(&database).await, batches)
        });
        let (answers, seen, batches) = one_by_one;
        let mut story = Story::new();
        story.options.limits.max_merged_operations = merged_operations;
        story.plan.slow_commits(commit_polls);
        story.pause = is_patient.then_some(pause);
        let merged = story.run(async |database| {
            let all = batches.iter().map(|batch| database.write_batch(commands(batch)));
            (told(join_all(all).await), picture(&database).await)
        });
        prop_assert_eq!(answers, merged.0);
        prop_assert_eq!(seen, merged.1);
    }

    /// A fault at any call: what was acknowledged is there, nothing else is half there.
    #[test]
    fn a_fault_leaves_acknowledged_batches_and_nothing_half(
        at in 1u64..60,
        kind in 0usize..4,
        writers in 1usize..12,
        commit_polls in 0u32..5,
    ) {
        let fault = [
            Fault::Error(ErrorKind::StorageFull),
            Fault::Error(ErrorKind::Unavailable),
            Fault::Error(ErrorKind::Closed),
            Fault::AppliedThenClosed,
        ][kind];
        let story = Story::new();
        let acknowledged = story.run(async |database| {
            story.plan.slow_commits(commit_polls);
            story.plan.fail_at(at, fault);
            let pairs = (0..writers).map(|writer| {
                let database = database.clone();
                async move {
                    let mut acknowledged = Vec::new();
                    for n in 0..4 {
                        let pair = ["a", "b"].map(|half| put(&format!("{writer}/{n}/{half}"), "{}"));
                        if database.write_batch(pair.to_vec()).await.is_ok() {
                            acknowledged.push(format!("{writer}/{n}"));
                        }
                    }
                    acknowledged
                }
            });
            join_all(pairs).await.concat()
        });
        story.plan.heal();
        story.run(async |database| {
            let read = database.read().await.unwrap();
            let exists = async |id: String| read.document(&id).await.unwrap().is_some();
            for pair in &acknowledged {
                assert!(exists(format!("{pair}/a")).await, "{pair} was acknowledged");
            }
            for (writer, n) in (0..writers).flat_map(|writer| (0..4).map(move |n| (writer, n))) {
                let a = exists(format!("{writer}/{n}/a")).await;
                assert_eq!(a, exists(format!("{writer}/{n}/b")).await, "half of {writer}/{n}");
            }
            let statistics = read.statistics().await.unwrap();
            let items = read.items_after(Etag::ZERO, usize::MAX).await.unwrap();
            assert_eq!(statistics.document_count as usize, items.len());
            assert_eq!(statistics.last_etag.number() as usize, items.len(), "etags have no gaps");
        });
    }
}

/// While a commit is in flight the next transaction forms, so 200 writers need few commits.
#[test]
fn many_writers_share_commits() {
    let story = Story::new();
    let commits = story.run(async |database| {
        story.plan.slow_commits(3);
        let before = (story.plan.commits(), database.commit_count());
        let writes = (0..200).map(|n| {
            let database = database.clone();
            async move {
                for _ in 0..5 {
                    database
                        .write_batch(vec![put(&format!("d/{n}"), "{}")])
                        .await
                        .unwrap();
                }
            }
        });
        join_all(writes).await;
        let commits = story.plan.commits() - before.0;
        assert_eq!(database.commit_count() - before.1, commits);
        commits
    });
    assert!(commits <= 20, "1,000 writes took {commits} commits");
}

/// Of sixteen callers that write again as soon as they are answered, eight are in each commit: with
/// the first of them alone the others would have nothing to do while it syncs.
#[test]
fn a_commit_waits_for_half_of_those_who_write_again_and_again() {
    let commits = |callers: usize, lent: Option<Pause>| {
        let mut story = Story::new();
        story.pause = lent;
        story.run(async |database| {
            story.plan.slow_commits(2);
            let before = database.commit_count();
            let writes = (0..callers).map(|n| {
                let database = database.clone();
                async move {
                    for turn in 0..20 {
                        let id = format!("d/{n}-{turn}");
                        database.write_batch(vec![put(&id, "{}")]).await.unwrap();
                        // The next question comes over a network.
                        for _ in 0..=n % 4 {
                            pause().await;
                        }
                    }
                }
            });
            join_all(writes).await;
            database.commit_count() - before
        })
    };
    let (hasty, patient) = (commits(16, None), commits(16, Some(pause)));
    assert!(
        (40..=48).contains(&patient) && hasty > patient,
        "320 writes took {patient} commits, and {hasty} without waiting"
    );
}

/// Nor for anybody after an answer to one alone.
#[test]
fn one_caller_alone_waits_for_nobody() {
    fn never() -> Pin<Box<dyn Future<Output = ()> + Send>> {
        panic!("a commit waits");
    }
    let mut story = Story::new();
    story.pause = Some(never);
    story.run(async |database| {
        for n in 0..20 {
            let id = format!("d/{n}");
            database.write_batch(vec![put(&id, "{}")]).await.unwrap();
        }
    });
}

/// A host that has so much else to do that a round takes a millisecond is not asked for a second one.
#[test]
fn a_long_pause_is_the_last() {
    static PAUSES: AtomicUsize = AtomicUsize::new(0);
    static CLOCK: OnceLock<Arc<ManualClock>> = OnceLock::new();
    fn long() -> Pin<Box<dyn Future<Output = ()> + Send>> {
        PAUSES.fetch_add(1, Ordering::Relaxed);
        CLOCK.get().expect("set before").advance_ms(1);
        pause()
    }
    let mut story = Story::new();
    story.pause = Some(long);
    assert!(CLOCK.set(Arc::clone(&story.clock)).is_ok());
    story.run(async |database| {
        let all = (0..8).map(|n| database.write_batch(vec![put(&format!("d/{n}"), "{}")]));
        for answer in join_all(all).await {
            answer.unwrap();
        }
        let before = PAUSES.load(Ordering::Relaxed);
        database.write_batch(vec![put("late", "{}")]).await.unwrap();
        assert_eq!(PAUSES.load(Ordering::Relaxed), before + 1);
    });
}

#[test]
fn a_full_disk_refuses_writes_and_recovers() {
    let story = Story::new();
    story.run(async |database| {
        story.plan.set_disk_full(true);
        let refused = database
            .write_batch(vec![put("a", "{}")])
            .await
            .unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::StorageFull);
        assert!(
            database
                .read()
                .await
                .unwrap()
                .document("a")
                .await
                .unwrap()
                .is_none()
        );
        story.plan.set_disk_full(false);
        database.write_batch(vec![put("a", "{}")]).await.unwrap();
    });
}

#[test]
fn a_queue_smaller_than_the_load_makes_callers_wait() {
    let mut story = Story::new();
    story.options.limits.max_queued_operations = 2;
    story.options.limits.max_queued_bytes = 1_000;
    story.options.limits.max_merged_bytes = 500;
    story.run(async |database| {
        let large = format!(r#"{{"text":"{}"}}"#, "x".repeat(2_000));
        let writes = (0..50).map(|n| database.write_batch(vec![put(&format!("d/{n}"), &large)]));
        for answer in join_all(writes).await {
            answer.unwrap();
        }
        assert_eq!(
            database
                .read()
                .await
                .unwrap()
                .statistics()
                .await
                .unwrap()
                .document_count,
            50
        );
    });
}

/// Callers that give up, in the queue or before it, leave no bytes behind in its budget.
#[test]
fn callers_that_give_up_free_their_room() {
    let mut story = Story::new();
    story.options.limits.max_queued_operations = 1;
    story.options.limits.max_queued_bytes = 1_000;
    story.run(async |database| {
        for n in 0..50 {
            let given_up = (0..4).map(|half| {
                let write = database.write_batch(vec![put(&format!("d/{n}/{half}"), "{}")]);
                Box::pin(async move { write.now_or_never().is_some() })
            });
            join_all(given_up).await;
        }
        database.write_batch(vec![put("last", "{}")]).await.unwrap();
    });
}

#[test]
fn a_closed_database_refuses_writes() {
    Story::new().run(async |database| {
        database.write_batch(vec![put("a", "{}")]).await.unwrap();
        let (late, closed) =
            futures_util::join!(database.write_batch(vec![put("b", "{}")]), database.close());
        late.unwrap();
        closed.unwrap();
        let refused = database
            .write_batch(vec![put("c", "{}")])
            .await
            .unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Closed);
    });
}

#[test]
fn a_batch_over_the_limit_is_refused_whole() {
    let mut story = Story::new();
    story.options.limits.max_batch_commands = 2;
    story.run(async |database| {
        let batch = (0..3).map(|n| put(&format!("d/{n}"), "{}")).collect();
        let refused = database.write_batch(batch).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::LimitExceeded);
        assert_eq!(
            database
                .read()
                .await
                .unwrap()
                .statistics()
                .await
                .unwrap()
                .document_count,
            0
        );
    });
}
