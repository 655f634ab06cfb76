//! Range reads: order, bounds, limits.

use std::ops::Bound;

use bytes::Bytes;
use pinyon_core::storage::{Direction, KeyRange, Page, PageLimits, Snapshot, Store, WriteBatch};

use crate::Harness;
use crate::fixture::{Numbers, SPACE, commit, open, scan_all, scan_pages, snapshot};

const BOTH: [Direction; 2] = [Direction::Forward, Direction::Backward];

fn range(start: Bound<&[u8]>, end: Bound<&[u8]>) -> KeyRange {
    KeyRange {
        start: start.map(Bytes::copy_from_slice),
        end: end.map(Bytes::copy_from_slice),
    }
}

async fn put_keys<S: Store>(store: &S, keys: &[Bytes]) {
    let mut batch = WriteBatch::default();
    for key in keys {
        batch.put(SPACE, key.clone(), key.clone());
    }
    commit(store, batch).await;
}

async fn keys_of<S: Snapshot>(snapshot: &S, range: &KeyRange, direction: Direction) -> Vec<Bytes> {
    let limits = PageLimits::default();
    let entries = scan_pages(snapshot, SPACE, range, direction, limits).await;
    entries.into_iter().map(|(key, _)| key).collect()
}

async fn page<S: Snapshot>(snapshot: &S, range: &KeyRange, limits: PageLimits) -> Page {
    snapshot
        .scan(SPACE, range, Direction::Forward, limits)
        .await
        .expect("readable")
}

/// Keys come in unsigned byte order, shorter before longer, however they were written.
pub async fn scans_in_byte_order(harness: &mut impl Harness) {
    let store = open(&harness.open().await, "s").await;
    let sorted: [&[u8]; 12] = [
        b"",
        b"\0",
        b"\0\0",
        b"\0\xff",
        b"\x01",
        b"A",
        b"a",
        b"a\0",
        b"aa",
        b"\x7f",
        b"\x80",
        b"\xff\xff",
    ];
    let sorted = sorted.map(Bytes::from_static);
    let mut shuffled = sorted.to_vec();
    shuffled.sort_by_key(|key| std::cmp::Reverse((key.len(), key.clone())));
    for key in shuffled {
        put_keys(&store, &[key]).await;
    }
    let snapshot = snapshot(&store).await;
    let all = KeyRange::all();
    assert_eq!(keys_of(&snapshot, &all, Direction::Forward).await, sorted);
    let mut reversed = sorted.to_vec();
    reversed.reverse();
    assert_eq!(
        keys_of(&snapshot, &all, Direction::Backward).await,
        reversed
    );
    let prefix = keys_of(&snapshot, &KeyRange::prefix(b"a"), Direction::Forward).await;
    assert_eq!(prefix, [&b"a"[..], b"a\0", b"aa"]);
    let last = keys_of(&snapshot, &KeyRange::prefix(b"\xff"), Direction::Forward).await;
    assert_eq!(last, [&b"\xff\xff"[..]]);
}

/// Each pair of bounds, on present and absent keys, in both directions, against the definition.
pub async fn honours_every_kind_of_bound(harness: &mut impl Harness) {
    let store = open(&harness.open().await, "s").await;
    let keys: Vec<Bytes> = [2_u8, 4, 6].map(|key| vec![key].into()).into();
    put_keys(&store, &keys).await;
    let snapshot = snapshot(&store).await;
    let points: Vec<[u8; 1]> = (1..8_u8).map(|point| [point]).collect();
    let mut bounds: Vec<Bound<&[u8]>> = vec![Bound::Unbounded];
    for point in &points {
        bounds.extend([Bound::Included(&point[..]), Bound::Excluded(&point[..])]);
    }
    for start in &bounds {
        for end in &bounds {
            let range = range(*start, *end);
            let mut expected: Vec<Bytes> = keys.clone();
            expected.retain(|key| range.contains(key));
            assert_eq!(
                keys_of(&snapshot, &range, Direction::Forward).await,
                expected,
                "{range:?} forward"
            );
            expected.reverse();
            assert_eq!(
                keys_of(&snapshot, &range, Direction::Backward).await,
                expected,
                "{range:?} backward"
            );
        }
    }
}

/// Ranges that hold nothing answer an empty last page; inverted ones too, never a panic.
pub async fn answers_empty_and_inverted_ranges(harness: &mut impl Harness) {
    let store = open(&harness.open().await, "s").await;
    let nothing_written = snapshot(&store).await;
    assert_eq!(scan_all(&nothing_written, SPACE).await, []);
    put_keys(&store, &["a", "m", "z"].map(Bytes::from)).await;
    let snapshot = snapshot(&store).await;
    let ranges = [
        range(Bound::Included(b"z"), Bound::Included(b"a")),
        range(Bound::Excluded(b"m"), Bound::Excluded(b"m")),
        range(Bound::Included(b"m"), Bound::Excluded(b"m")),
        range(Bound::Excluded(b"m"), Bound::Included(b"m")),
        range(Bound::Excluded(b"a"), Bound::Excluded(b"m")),
        range(Bound::Unbounded, Bound::Excluded(b"a")),
        range(Bound::Unbounded, Bound::Excluded(b"")),
        range(Bound::Excluded(b"z"), Bound::Unbounded),
        KeyRange::prefix(b"b"),
        KeyRange::all().after("z"),
        KeyRange::all().before("a"),
        KeyRange::all().after("x").before("b"),
    ];
    for range in ranges {
        for direction in BOTH {
            let limits = PageLimits::default();
            let page = snapshot.scan(SPACE, &range, direction, limits).await;
            let page = page.expect("an empty range is no error");
            assert_eq!(page, Page::default(), "{range:?} {direction:?}");
        }
    }
}

/// A page holds at most the entries asked for and says whether there may be more.
pub async fn limits_the_entries_of_a_page(harness: &mut impl Harness) {
    let store = open(&harness.open().await, "s").await;
    let keys: Vec<Bytes> = (0..10_u8).map(|key| vec![key].into()).collect();
    put_keys(&store, &keys).await;
    let snapshot = snapshot(&store).await;
    for entries in [1, 3, 9, 10, 11, usize::MAX] {
        let limits = PageLimits {
            entries,
            ..PageLimits::default()
        };
        let page = page(&snapshot, &KeyRange::all(), limits).await;
        assert_eq!(page.entries.len(), entries.min(10));
        if entries < 10 {
            assert!(page.has_more, "with {entries} of 10 there is more");
        }
        if entries > 10 {
            assert!(!page.has_more, "a page that is not full is the last");
        }
    }
    // Zero is taken as one: a page holds an entry if the range has one.
    let limits = PageLimits {
        entries: 0,
        bytes: 0,
    };
    assert_eq!(
        page(&snapshot, &KeyRange::all(), limits)
            .await
            .entries
            .len(),
        1
    );
}

/// A page ends once it reaches the bytes asked for, but never before its first entry.
pub async fn limits_the_bytes_of_a_page(harness: &mut impl Harness) {
    let store = open(&harness.open().await, "s").await;
    let mut batch = WriteBatch::default();
    for key in 0..10_u8 {
        // 1 byte of key and 99 of value.
        batch.put(SPACE, vec![key], vec![key; 99]);
    }
    commit(&store, batch).await;
    let snapshot = snapshot(&store).await;
    for (bytes, expected) in [(0, 1), (1, 1), (100, 1), (101, 2), (350, 4), (5_000, 10)] {
        let limits = PageLimits {
            bytes,
            ..PageLimits::default()
        };
        let page = page(&snapshot, &KeyRange::all(), limits).await;
        assert_eq!(page.entries.len(), expected, "with {bytes} bytes");
        assert!(page.has_more || expected == 10);
        let all = KeyRange::all();
        let pages = scan_pages(&snapshot, SPACE, &all, Direction::Backward, limits).await;
        assert_eq!(pages.len(), 10);
    }
}

/// Page after page gives every key once, in both directions, for many page sizes.
pub async fn covers_a_range_page_by_page(harness: &mut impl Harness) {
    let store = open(&harness.open().await, "s").await;
    let mut numbers = Numbers(11);
    let mut keys: Vec<Bytes> = (0..300)
        .map(|_| {
            let len = 1 + numbers.below(6) as usize;
            numbers.bytes(len)
        })
        .collect();
    put_keys(&store, &keys).await;
    keys.sort();
    keys.dedup();
    let snapshot = snapshot(&store).await;
    let range = range(Bound::Included(&[10]), Bound::Excluded(&[240]));
    keys.retain(|key| range.contains(key));
    for entries in [1, 2, 7, 64, 1_000] {
        for direction in BOTH {
            let limits = PageLimits { entries, bytes: 40 };
            let found = scan_pages(&snapshot, SPACE, &range, direction, limits).await;
            let mut found: Vec<Bytes> = found.into_iter().map(|(key, _)| key).collect();
            if direction == Direction::Backward {
                found.reverse();
            }
            assert_eq!(found, keys, "{entries} per page, {direction:?}");
        }
    }
}
