//! The engine over memory: what it keeps through crashes, compaction and damage.

use futures_executor::block_on;
use pinyon_conformance::Harness;
use pinyon_core::storage::{
    Direction, Durability, Environment, KeyRange, KeySpace, PageLimits, Snapshot, Store, StoreName,
    WriteBatch,
};
use pinyon_core::{ErrorKind, Result};

use super::simulated::{FileAccess, SimulatedTables};
use super::{EngineSnapshot, Opening, Stores};
use crate::journal::PROVEN_MS;
use crate::options::BrowserOptions;
use crate::tables::{Table, TableKey, Tables};

use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

const SPACE: KeySpace = KeySpace::new(1);

/// Small sizes, so that few writes meet every boundary.
const SMALL: BrowserOptions = BrowserOptions {
    max_cached_bytes: 4_000,
    page_bytes: 256,
    log_record_bytes: 60,
    max_log_bytes: 1_000,
    idle_log_bytes: 200,
    idle_ms: 0,
    max_log_commits: 7,
    lock_wait_ms: 0,
    has_journal_files: true,
    is_memory_allowed: false,
};

impl Environment for Stores<SimulatedTables> {
    type Store = SimulatedStore;

    async fn open(&self, name: &StoreName) -> Result<SimulatedStore> {
        Self::open(self, name)
            .await
            .map(Arc::new)
            .map(SimulatedStore)
    }

    async fn list(&self) -> Result<Vec<StoreName>> {
        Self::list(self).await
    }

    async fn delete(&self, name: &StoreName) -> Result<()> {
        Self::delete(self, name).await
    }
}

#[derive(Clone)]
pub(crate) struct SimulatedStore(Arc<Opening<SimulatedTables>>);

impl Store for SimulatedStore {
    type Snapshot = EngineSnapshot<SimulatedTables>;

    async fn snapshot(&self) -> Result<Self::Snapshot> {
        self.0.engine.snapshot()
    }

    async fn commit(&self, batch: WriteBatch, durability: Durability) -> Result<()> {
        self.0.engine.commit(batch, durability).await
    }

    async fn close(&self) -> Result<()> {
        self.0.close().await
    }
}

impl Snapshot for EngineSnapshot<SimulatedTables> {
    async fn get_many(&self, space: KeySpace, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>> {
        Self::get_many(self, space, keys).await
    }

    async fn scan(
        &self,
        space: KeySpace,
        range: &KeyRange,
        direction: Direction,
        limits: PageLimits,
    ) -> Result<pinyon_core::storage::Page> {
        Self::scan(self, space, range, direction, limits).await
    }
}

struct Simulated(SimulatedTables, BrowserOptions);

impl Harness for Simulated {
    type Environment = Stores<SimulatedTables>;

    async fn open(&mut self) -> Self::Environment {
        // A journal is young, young still, and then proven.
        self.0.advance_ms(PROVEN_MS / 2);
        Stores::load(self.0.clone(), self.1).await.unwrap()
    }
}

mod with_default_sizes {
    use super::{BrowserOptions, Simulated, SimulatedTables};
    pinyon_conformance::for_each_case!(
        pinyon_conformance::block_on_tests,
        Simulated(SimulatedTables::new(), BrowserOptions::default())
    );
}

mod with_small_sizes {
    use super::{SMALL, Simulated, SimulatedTables};
    pinyon_conformance::for_each_case!(
        pinyon_conformance::block_on_tests,
        Simulated(SimulatedTables::new(), SMALL)
    );
}

mod with_a_journal {
    use super::{BrowserOptions, FileAccess, Simulated, SimulatedTables};
    pinyon_conformance::for_each_case!(
        pinyon_conformance::block_on_tests,
        Simulated(
            SimulatedTables::new().with_files(FileAccess::Open),
            BrowserOptions::default()
        )
    );
}

mod with_a_journal_and_small_sizes {
    use super::{FileAccess, SMALL, Simulated, SimulatedTables};
    pinyon_conformance::for_each_case!(
        pinyon_conformance::block_on_tests,
        Simulated(SimulatedTables::new().with_files(FileAccess::Open), SMALL)
    );
}

/// A disk on which the journal was founded long ago.
async fn with_proven_journal() -> SimulatedTables {
    let tables = SimulatedTables::new().with_files(FileAccess::Open);
    for _ in 0..2 {
        Stores::load(tables.clone(), SMALL).await.unwrap();
        tables.advance_ms(PROVEN_MS);
    }
    tables
}

async fn open<T: Tables>(tables: T) -> Result<Opening<T>> {
    let stores = Stores::load(tables, SMALL).await?;
    stores.open(&StoreName::new("s").unwrap()).await
}

/// Writes `count` commits of three keys from a small range, the third a delete.
async fn write(
    opening: &Opening<SimulatedTables>,
    model: &mut BTreeMap<Bytes, Bytes>,
    numbers: std::ops::Range<u32>,
) -> Result<()> {
    for number in numbers {
        let key = |salt: u32| Bytes::from(format!("key {:03}", number.wrapping_mul(salt) % 500));
        let value = Bytes::from(format!("{number}").repeat(20));
        let mut batch = WriteBatch::default();
        batch.put(SPACE, key(7), value.clone());
        batch.put(SPACE, key(31), value.clone());
        batch.delete(SPACE, key(13));
        opening.engine.commit(batch, Durability::Durable).await?;
        model.insert(key(7), value.clone());
        model.insert(key(31), value);
        model.remove(&key(13));
    }
    Ok(())
}

async fn check<T: Tables>(opening: &Opening<T>, model: &BTreeMap<Bytes, Bytes>) {
    let snapshot = opening.engine.snapshot().unwrap();
    let limits = PageLimits {
        entries: usize::MAX,
        bytes: usize::MAX,
    };
    for direction in [Direction::Forward, Direction::Backward] {
        let found = snapshot
            .scan(SPACE, &KeyRange::all(), direction, limits)
            .await
            .unwrap();
        let mut expected: Vec<_> = model.clone().into_iter().collect();
        if direction == Direction::Backward {
            expected.reverse();
        }
        assert_eq!(found.entries, expected);
    }
    let keys: Vec<Bytes> = model.keys().cloned().collect();
    let values = snapshot.get_many(SPACE, &keys).await.unwrap();
    let expected: Vec<_> = model.values().cloned().map(Some).collect();
    assert_eq!(values, expected);
}

#[test]
fn compactions_keep_everything_and_leave_nothing_behind() {
    block_on(async {
        let (tables, mut model) = (SimulatedTables::new(), BTreeMap::new());
        for life in 0..5 {
            let opening = open(tables.clone()).await.unwrap();
            check(&opening, &model).await;
            for part in 0..10 {
                let first = life * 1_000 + part * 100;
                write(&opening, &mut model, first..first + 40)
                    .await
                    .unwrap();
                check(&opening, &model).await;
            }
            opening.close().await.unwrap();
        }
        let opening = open(tables.clone()).await.unwrap();
        opening.engine.compact().await.unwrap();
        opening.engine.compact().await.unwrap();
        check(&opening, &model).await;
        assert!(tables.keys(Table::Log).is_empty(), "all is in pages");
        let named: usize = {
            let state = super::lock(&opening.engine.state);
            state.index.spaces.iter().map(|pages| pages.len()).sum()
        };
        assert!(named > 20, "{named}");
        // The second compaction replaced nothing, and deleted what the first one had replaced.
        assert_eq!(tables.keys(Table::Pages).len(), named);
    });
}

#[test]
fn a_log_is_compacted_when_nobody_reads_or_writes() {
    block_on(async {
        let (tables, mut model) = (SimulatedTables::new(), BTreeMap::new());
        let opening = open(tables.clone()).await.unwrap();
        write(&opening, &mut model, 0..4).await.unwrap();
        let (engine, length) = (&opening.engine, tables.keys(Table::Log).len());
        assert!(length > 4, "a commit is several records: {length}");
        assert!(super::lock(&engine.state).awaits_idleness);
        let seen = engine.look_for_idleness(None);
        write(&opening, &mut model, 4..5).await.unwrap();
        let seen_later = engine.look_for_idleness(seen);
        assert!(seen_later > seen, "somebody wrote meanwhile");
        check(&opening, &model).await;
        let seen_last = engine.look_for_idleness(seen_later);
        assert!(seen_last > seen_later, "somebody read meanwhile");
        assert!(super::lock(&engine.state).compaction.is_none());
        assert_eq!(engine.look_for_idleness(seen_last), None);
        engine.finish_compaction().await;
        assert!(tables.keys(Table::Log).is_empty(), "all is in pages");
        check(&opening, &model).await;
    });
}

#[test]
fn an_old_snapshot_outlives_compactions() {
    block_on(async {
        let (tables, mut model) = (SimulatedTables::new(), BTreeMap::new());
        let opening = open(tables.clone()).await.unwrap();
        write(&opening, &mut model, 0..100).await.unwrap();
        let (old, old_model) = (opening.engine.snapshot().unwrap(), model.clone());
        write(&opening, &mut model, 100..400).await.unwrap();
        opening.engine.compact().await.unwrap();
        let all = PageLimits {
            entries: usize::MAX,
            bytes: usize::MAX,
        };
        let found = old
            .scan(SPACE, &KeyRange::all(), Direction::Forward, all)
            .await
            .unwrap();
        assert_eq!(found.entries, old_model.into_iter().collect::<Vec<_>>());
        check(&opening, &model).await;
    });
}

/// A tab may die, or the quota end, after any transaction of commits and compactions.
#[test]
fn a_death_after_any_transaction_keeps_what_was_acknowledged() {
    block_on(async {
        let failures = [ErrorKind::Closed, ErrorKind::StorageFull];
        let accesses = [FileAccess::None, FileAccess::Open];
        for (failure, access) in failures
            .map(|it| accesses.map(|access| (it, access)))
            .concat()
        {
            let tables = SimulatedTables::new().with_files(access);
            let mut model = BTreeMap::new();
            for writes in 0..120 {
                tables.advance_ms(1_000);
                let failing = tables.failing_after(writes % 40, failure);
                // Opening writes too, the first time.
                if let Ok(opening) = open(failing.clone()).await {
                    let first = writes as u32 * 50;
                    let _ = write(&opening, &mut model, first..first + 50).await;
                    if failure == ErrorKind::StorageFull {
                        check(&opening, &model).await;
                        failing.heal();
                        write(&opening, &mut model, first + 50..first + 60)
                            .await
                            .unwrap();
                    }
                }
                check(&open(tables.clone()).await.unwrap(), &model).await;
            }
            let opening = open(tables.clone()).await.unwrap();
            opening.engine.compact().await.unwrap();
            opening.engine.compact().await.unwrap();
            let state = super::lock(&opening.engine.state);
            let named: usize = state.index.spaces.iter().map(|pages| pages.len()).sum();
            assert_eq!(
                tables.keys(Table::Pages).len(),
                named,
                "no page is left over"
            );
        }
    });
}

#[test]
fn damage_is_named_never_served() {
    for table in [Table::Roots, Table::Log, Table::Pages] {
        block_on(async {
            let (tables, mut model) = (SimulatedTables::new(), BTreeMap::new());
            let opening = open(tables.clone()).await.unwrap();
            write(&opening, &mut model, 0..100).await.unwrap();
            opening.engine.compact().await.unwrap();
            // Too few for another compaction.
            write(&opening, &mut model, 100..102).await.unwrap();
            opening.close().await.unwrap();
            let newest = tables.keys(table).pop().expect("there are some");
            tables.damage(table, newest);
            let failure = match open(tables.clone()).await {
                Err(reason) => reason,
                Ok(opening) => {
                    let snapshot = opening.engine.snapshot().unwrap();
                    let keys: Vec<Bytes> = model.keys().cloned().collect();
                    snapshot.get_many(SPACE, &keys).await.unwrap_err()
                }
            };
            assert_eq!(failure.kind(), ErrorKind::Corrupted);
            assert!(failure.message().contains(table.name()), "{failure}");
        });
    }
}

#[test]
fn a_missing_log_record_is_found() {
    block_on(async {
        let (tables, mut model) = (SimulatedTables::new(), BTreeMap::new());
        let opening = open(tables.clone()).await.unwrap();
        write(&opening, &mut model, 0..5).await.unwrap();
        opening.close().await.unwrap();
        tables.remove(Table::Log, TableKey::new(0, 2));
        let Err(failure) = open(tables).await else {
            panic!("a log with a gap opened");
        };
        assert_eq!(failure.kind(), ErrorKind::Corrupted);
    });
}

async fn open_store(
    stores: &Stores<SimulatedTables>,
    name: &str,
) -> Result<Opening<SimulatedTables>> {
    stores.open(&StoreName::new(name).unwrap()).await
}

/// Which of the numbers below `end` are there; they are written without gaps.
async fn count(opening: &Opening<SimulatedTables>, end: u32) -> u32 {
    let keys: Vec<Bytes> = (0..end).map(|it| format!("{it:06}").into()).collect();
    let snapshot = opening.engine.snapshot().unwrap();
    let values = snapshot.get_many(SPACE, &keys).await.unwrap();
    let found = values.iter().take_while(|it| it.is_some()).count();
    assert!(values[found..].iter().all(Option::is_none), "no gaps");
    u32::try_from(found).unwrap()
}

async fn put(
    opening: &Opening<SimulatedTables>,
    number: u32,
    durability: Durability,
) -> Result<()> {
    let mut batch = WriteBatch::default();
    batch.put(SPACE, format!("{number:06}"), vec![7; 50]);
    opening.engine.commit(batch, durability).await
}

#[test]
fn a_page_without_files_takes_over_what_the_journal_has() {
    block_on(async {
        let (tables, mut model) = (SimulatedTables::new(), BTreeMap::new());
        let mut next = 0..30;
        let accesses = [
            FileAccess::None,
            FileAccess::Open,
            FileAccess::Open,
            FileAccess::ReadOnly,
        ];
        for (round, access) in accesses.repeat(6).into_iter().enumerate() {
            tables.advance_ms(if round < 12 { 1_000 } else { PROVEN_MS });
            let opening = open(tables.with_files(access)).await.unwrap();
            check(&opening, &model).await;
            write(&opening, &mut model, next.clone()).await.unwrap();
            check(&opening, &model).await;
            next = next.end..next.end + 17;
        }
        // Not to be had now, with something in it.
        let opening = open(tables.with_files(FileAccess::Open)).await.unwrap();
        write(&opening, &mut model, next.clone()).await.unwrap();
        drop(opening);
        let Err(failure) = open(tables.with_files(FileAccess::None)).await else {
            panic!("it opened without what was committed");
        };
        assert_eq!(failure.kind(), ErrorKind::Unavailable);
        check(
            &open(tables.with_files(FileAccess::Open)).await.unwrap(),
            &model,
        )
        .await;
    });
}

#[test]
fn a_journal_of_cleared_tables_is_nobodys() {
    block_on(async {
        let (tables, mut model) = (SimulatedTables::new(), BTreeMap::new());
        for access in [FileAccess::Open, FileAccess::Open, FileAccess::ReadOnly] {
            let opening = open(tables.with_files(access)).await.unwrap();
            check(&opening, &model).await;
            write(&opening, &mut model, 0..3).await.unwrap();
            tables.clear_tables();
            model.clear();
        }
    });
}

/// Two stores write by turns, one of them rarely; the power goes at every point.
#[test]
fn a_power_cut_leaves_a_state_that_all_stores_had_together() {
    block_on(async {
        for (cut, is_proven) in (0..60).flat_map(|cut| [(cut, false), (cut, true)]) {
            let tables = match is_proven {
                true => with_proven_journal().await,
                false => SimulatedTables::new().with_files(FileAccess::Open),
            };
            let stores = Stores::load(tables.clone(), SMALL).await.unwrap();
            let much = open_store(&stores, "much").await.unwrap();
            let little = open_store(&stores, "little").await.unwrap();
            let (mut durable, mut rarely) = (0, 0);
            for number in 0..cut {
                let durability = match number % 5 {
                    3 => Durability::Durable,
                    _ => Durability::Relaxed,
                };
                put(&much, number, durability).await.unwrap();
                if number % 7 == 6 {
                    // It says how much the other one had.
                    put(&little, rarely, Durability::Relaxed).await.unwrap();
                    rarely += 1;
                }
                if durability == Durability::Durable {
                    durable = number + 1;
                }
            }
            tables.cut_power(|file| {
                if !is_proven && cut % 3 == 0 {
                    // The browser had not written down that there are such files.
                    return Vec::new();
                }
                let rest = file.bytes.len().saturating_sub(file.flushed.len());
                let kept = file.flushed.len() + rest * (cut as usize % 4) / 4;
                // What was emptied and not flushed is there as well.
                if rest == 0 {
                    file.flushed.clone()
                } else {
                    file.bytes[..kept].to_vec()
                }
            });
            let stores = Stores::load(tables.clone(), SMALL).await.unwrap();
            let much = open_store(&stores, "much").await.unwrap();
            let little = open_store(&stores, "little").await.unwrap();
            let (left, rarely_left) = (count(&much, cut).await, count(&little, rarely).await);
            assert!(left >= durable, "{left} left of {durable} durable");
            assert!(
                rarely_left * 7 <= left,
                "{rarely_left} follows what is gone after {left}"
            );
            assert!(
                left <= (rarely_left + 1) * 7,
                "{rarely_left} is gone before {left}"
            );
            for number in left..left + 20 {
                put(&much, number, Durability::Durable).await.unwrap();
            }
            drop((much, little, stores));
            let again = Stores::load(tables.clone(), SMALL).await.unwrap();
            let much = open_store(&again, "much").await.unwrap();
            assert_eq!(count(&much, cut + 40).await, left + 20);
        }
    });
}

#[test]
fn damage_in_the_journal_is_named_and_a_torn_end_is_not_damage() {
    const HEADER: usize = crate::journal::FILE_HEADER;
    block_on(async {
        let tables = with_proven_journal().await;
        let opening = open(tables.clone()).await.unwrap();
        for number in 0..5 {
            put(&opening, number, Durability::Durable).await.unwrap();
        }
        drop(opening);
        let whole = super::lock(&tables.files[0]).bytes.clone();
        let lengths = HEADER..whole.len();
        for length in lengths.clone() {
            super::lock(&tables.files[0]).bytes = whole[..length].to_vec();
            let opening = open(tables.clone()).await.unwrap();
            let expected = (length - HEADER) / ((whole.len() - HEADER) / 5);
            assert_eq!(count(&opening, 5).await as usize, expected, "{length}");
        }
        let mut named = 0;
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            super::lock(&tables.files[0]).bytes = damaged;
            match open(tables.clone()).await {
                Err(failure) => {
                    assert_eq!(failure.kind(), ErrorKind::Corrupted);
                    assert!(failure.message().contains("journal"), "{failure}");
                    named += 1;
                }
                // Of the last one nothing says that it was on the disk. The header says nothing that
                // the frames do not say as well.
                Ok(opening) => {
                    let expected = if at < HEADER { 5 } else { 4 };
                    assert_eq!(count(&opening, 5).await, expected, "{at}");
                }
            }
        }
        assert_eq!(named, (whole.len() - HEADER) / 5 * 4);
        // After an orderly end every bit is known to have been there, the last ones too.
        super::lock(&tables.files[0]).bytes.clone_from(&whole);
        let opening = open(tables.clone()).await.unwrap();
        put(&opening, 5, Durability::Relaxed).await.unwrap();
        opening.close().await.unwrap();
        drop(opening);
        let whole = super::lock(&tables.files[0]).bytes.clone();
        for length in 0..whole.len() {
            super::lock(&tables.files[0]).bytes = whole[..length].to_vec();
            let failure = open(tables.clone()).await.err();
            let kind = failure.map(|it| it.kind());
            assert_eq!(kind, Some(ErrorKind::Corrupted), "cut to {length}");
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            super::lock(&tables.files[0]).bytes = damaged;
            match open(tables.clone()).await {
                Err(failure) => assert_eq!(failure.kind(), ErrorKind::Corrupted),
                Ok(opening) => assert!(at < HEADER && count(&opening, 6).await == 6, "{at}"),
            }
        }
        super::lock(&tables.files[0]).bytes.clone_from(&whole);
        super::lock(&tables.files[1]).bytes.clear();
        let kind = open(tables.clone()).await.err().map(|it| it.kind());
        assert_eq!(kind, Some(ErrorKind::Corrupted), "the other one is missing");
    });
}

#[test]
fn after_a_failed_flush_nothing_is_said_to_be_on_the_disk() {
    block_on(async {
        let tables = with_proven_journal().await;
        let stores = Stores::load(tables.clone(), SMALL).await.unwrap();
        let failing = open_store(&stores, "failing").await.unwrap();
        let other = open_store(&stores, "other").await.unwrap();
        put(&failing, 0, Durability::Durable).await.unwrap();
        put(&failing, 1, Durability::Relaxed).await.unwrap();
        super::lock(&tables.files[0]).failing_flushes = 1;
        let flushed = super::lock(&tables.files[0]).flushed.clone();
        for number in 2..4 {
            let failure = put(&failing, number, Durability::Durable).await.err();
            assert_eq!(failure.map(|it| it.kind()), Some(ErrorKind::Closed));
        }
        // The end is not orderly, of no store: the header would say that all is on the disk.
        for opening in [&other, &failing] {
            let failure = opening.close().await.err();
            assert_eq!(failure.map(|it| it.kind()), Some(ErrorKind::Closed));
        }
        drop((failing, other, stores));
        tables.cut_power(|file| file.flushed.clone());
        assert_eq!(super::lock(&tables.files[0]).bytes, flushed);
        let stores = Stores::load(tables, SMALL).await.unwrap();
        let failing = open_store(&stores, "failing").await.unwrap();
        assert_eq!(count(&failing, 4).await, 1);
    });
}

#[test]
fn many_stores_that_close_say_once_that_the_journal_is_whole() {
    block_on(async {
        let tables = with_proven_journal().await;
        let stores = Stores::load(tables.clone(), SMALL).await.unwrap();
        let mut openings = Vec::new();
        for name in ["one", "other", "third"] {
            openings.push(open_store(&stores, name).await.unwrap());
        }
        for opening in &openings {
            put(opening, 0, Durability::Durable).await.unwrap();
        }
        let flushes = || super::lock(&tables.files[0]).flushes;
        let before = flushes();
        openings[0].close().await.unwrap();
        let closed_one = flushes();
        assert!(closed_one > before, "the header is");
        openings[1].close().await.unwrap();
        assert_eq!(flushes(), closed_one, "nothing was appended since");
        put(&openings[2], 1, Durability::Relaxed).await.unwrap();
        openings[2].close().await.unwrap();
        assert!(flushes() > closed_one, "what came since is flushed");
    });
}

#[test]
fn a_store_that_writes_little_keeps_no_file_and_loses_nothing() {
    block_on(async {
        let tables = SimulatedTables::new().with_files(FileAccess::Open);
        let stores = Stores::load(tables.clone(), SMALL).await.unwrap();
        let little = open_store(&stores, "little").await.unwrap();
        let gone = open_store(&stores, "gone").await.unwrap();
        let much = open_store(&stores, "much").await.unwrap();
        put(&little, 0, Durability::Relaxed).await.unwrap();
        put(&gone, 0, Durability::Relaxed).await.unwrap();
        drop(gone);
        stores
            .delete(&StoreName::new("gone").unwrap())
            .await
            .unwrap();
        let mut longest = 0;
        for number in 0..500 {
            put(&much, number, Durability::Relaxed).await.unwrap();
            if number == 250 {
                put(&little, 1, Durability::Relaxed).await.unwrap();
            }
            much.engine.finish_compaction().await;
            for file in &tables.files {
                longest = super::lock(file).bytes.len().max(longest);
            }
        }
        assert!(longest < 4_000, "{longest}");
        little.close().await.unwrap();
        drop(little);
        let little = open_store(&stores, "little").await.unwrap();
        assert_eq!(count(&little, 9).await, 2);
        drop((little, much, stores));
        let stores = Stores::load(tables.clone(), SMALL).await.unwrap();
        assert_eq!(
            count(&open_store(&stores, "little").await.unwrap(), 9).await,
            2
        );
        assert_eq!(
            count(&open_store(&stores, "much").await.unwrap(), 600).await,
            500
        );
    });
}

#[test]
fn records_that_a_root_had_cut_off_already_are_passed_over() {
    block_on(async {
        let (tables, mut model) = (SimulatedTables::new(), BTreeMap::new());
        let opening = open(tables.clone()).await.unwrap();
        write(&opening, &mut model, 0..20).await.unwrap();
        opening.engine.compact().await.unwrap();
        opening.engine.compact().await.unwrap();
        assert!(tables.keys(Table::Log).is_empty());
        let late = super::put_record(0, 3, vec![0]);
        tables.apply(vec![late], Durability::Durable).await.unwrap();
        write(&opening, &mut model, 20..22).await.unwrap();
        drop(opening);
        check(&open(tables).await.unwrap(), &model).await;
    });
}
