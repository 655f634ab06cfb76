//! Short ways to say what the cases do.

use bytes::Bytes;
use pinyon_core::storage::{
    Direction, Durability, Environment, KeyRange, KeySpace, PageLimits, Snapshot, Store, StoreName,
    WriteBatch,
};

/// The space of cases that need only one.
pub const SPACE: KeySpace = KeySpace::new(1);

pub fn name(text: &str) -> StoreName {
    StoreName::new(text).expect("cases use valid names")
}

pub async fn open<E: Environment>(environment: &E, store: &str) -> E::Store {
    environment
        .open(&name(store))
        .await
        .expect("a closed store opens")
}

/// A batch of puts into [`SPACE`].
pub fn puts(entries: &[(&str, &str)]) -> WriteBatch {
    let mut batch = WriteBatch::default();
    for (key, value) in entries {
        batch.put(SPACE, key.to_string(), value.to_string());
    }
    batch
}

/// Commits durably, expecting success.
pub async fn commit<S: Store>(store: &S, batch: WriteBatch) {
    store
        .commit(batch, Durability::Durable)
        .await
        .expect("a commit on a healthy store succeeds");
}

pub async fn put<S: Store>(store: &S, key: &str, value: &str) {
    commit(store, puts(&[(key, value)])).await;
}

pub async fn snapshot<S: Store>(store: &S) -> S::Snapshot {
    store.snapshot().await.expect("an open store has snapshots")
}

pub async fn get_from<S: Snapshot>(snapshot: &S, space: KeySpace, key: &[u8]) -> Option<Bytes> {
    let mut found = snapshot
        .get_many(space, &[Bytes::copy_from_slice(key)])
        .await
        .expect("a read of an open snapshot succeeds");
    assert_eq!(found.len(), 1, "get_many answers once per key");
    found.pop().expect("its length is one")
}

/// The value of `key` in [`SPACE`] now.
pub async fn get<S: Store>(store: &S, key: &str) -> Option<Bytes> {
    get_from(&snapshot(store).await, SPACE, key.as_bytes()).await
}

/// Everything in `range`, gathered in pages of at most `limits`.
pub async fn scan_pages<S: Snapshot>(
    snapshot: &S,
    space: KeySpace,
    range: &KeyRange,
    direction: Direction,
    limits: PageLimits,
) -> Vec<(Bytes, Bytes)> {
    let mut entries: Vec<(Bytes, Bytes)> = Vec::new();
    let mut rest = range.clone();
    loop {
        let page = snapshot
            .scan(space, &rest, direction, limits)
            .await
            .expect("a scan of an open snapshot succeeds");
        if page.has_more {
            assert!(!page.entries.is_empty(), "a page with a rest has entries");
        }
        entries.extend(page.entries);
        let Some((last, _)) = entries.last() else {
            return entries;
        };
        if !page.has_more {
            return entries;
        }
        rest = match direction {
            Direction::Forward => rest.after(last.clone()),
            Direction::Backward => rest.before(last.clone()),
        };
    }
}

/// Everything in `space`, ascending.
pub async fn scan_all<S: Snapshot>(snapshot: &S, space: KeySpace) -> Vec<(Bytes, Bytes)> {
    scan_pages(
        snapshot,
        space,
        &KeyRange::all(),
        Direction::Forward,
        PageLimits::default(),
    )
    .await
}

/// Reproducible numbers (SplitMix64).
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn bytes(&mut self, len: usize) -> Bytes {
        let mut bytes = Vec::with_capacity(len + 8);
        while bytes.len() < len {
            bytes.extend_from_slice(&self.next().to_le_bytes());
        }
        bytes.truncate(len);
        bytes.into()
    }
}
