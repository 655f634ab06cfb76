//! Stores: opening, listing, deleting, closing, and names of any text.

use pinyon_core::ErrorKind;
use pinyon_core::storage::{Durability, Environment, Store, WriteBatch};

use crate::Harness;
use crate::fixture::{SPACE, commit, get, name, open, put, puts, scan_all, snapshot};

fn kind<T>(result: pinyon_core::Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

/// What one store holds does not show in another.
pub async fn keeps_stores_apart(harness: &mut impl Harness) {
    let environment = harness.open().await;
    let first = open(&environment, "first").await;
    let second = open(&environment, "second").await;
    put(&first, "a", "of first").await;
    assert_eq!(get(&second, "a").await, None);
    put(&second, "a", "of second").await;
    assert_eq!(get(&first, "a").await, Some("of first".into()));
}

/// A store is open at most once, until it is closed.
pub async fn refuses_to_open_a_store_twice(harness: &mut impl Harness) {
    let environment = harness.open().await;
    let store = open(&environment, "s").await;
    let again = environment.open(&name("s")).await;
    assert_eq!(kind(again), Some(ErrorKind::Unavailable));
    let again = environment.clone().open(&name("s")).await;
    assert_eq!(kind(again), Some(ErrorKind::Unavailable));
    // The refusal does no harm to the open one.
    put(&store, "a", "1").await;
    store.close().await.expect("an open store closes");
    let store = open(&environment, "s").await;
    assert_eq!(get(&store, "a").await, Some("1".into()));
}

/// Dropping the last clone releases a store as closing does.
pub async fn releases_a_store_dropped_without_close(harness: &mut impl Harness) {
    let environment = harness.open().await;
    let store = open(&environment, "s").await;
    let clone = store.clone();
    put(&store, "a", "1").await;
    drop(store);
    let again = environment.open(&name("s")).await;
    assert_eq!(kind(again), Some(ErrorKind::Unavailable));
    drop(clone);
    let store = open(&environment, "s").await;
    assert_eq!(get(&store, "a").await, Some("1".into()));
}

/// Listing names all stores, open or not, in byte order.
pub async fn lists_stores_in_byte_order(harness: &mut impl Harness) {
    let environment = harness.open().await;
    assert_eq!(environment.list().await.expect("listable"), []);
    for text in ["b", "a", "ä", "aa", "B", "10", "9"] {
        let store = open(&environment, text).await;
        if text.len() > 1 {
            store.close().await.expect("an open store closes");
        }
    }
    let expected = ["10", "9", "B", "a", "aa", "b", "ä"].map(name);
    assert_eq!(environment.list().await.expect("listable"), expected);
    drop(environment);
    let environment = harness.open().await;
    assert_eq!(environment.list().await.expect("listable"), expected);
}

/// A deleted store is gone with its content; an open one is not deleted; a missing one is fine.
pub async fn deletes_a_store_with_all_it_holds(harness: &mut impl Harness) {
    let environment = harness.open().await;
    let doomed = open(&environment, "doomed").await;
    put(&doomed, "a", "1").await;
    put(&open(&environment, "other").await, "a", "2").await;
    let refused = environment.delete(&name("doomed")).await;
    assert_eq!(kind(refused), Some(ErrorKind::Unavailable));
    assert_eq!(get(&doomed, "a").await, Some("1".into()));
    doomed.close().await.expect("an open store closes");
    for _ in 0..2 {
        let deleted = environment.delete(&name("doomed")).await;
        deleted.expect("a closed or missing store is deleted");
        assert_eq!(environment.list().await.expect("listable"), [name("other")]);
    }
    let anew = open(&environment, "doomed").await;
    assert_eq!(scan_all(&snapshot(&anew).await, SPACE).await, []);
    drop((anew, doomed));
    environment
        .delete(&name("doomed"))
        .await
        .expect("deletable");
    drop(environment);
    let environment = harness.open().await;
    assert_eq!(environment.list().await.expect("listable"), [name("other")]);
    let other = open(&environment, "other").await;
    assert_eq!(get(&other, "a").await, Some("2".into()));
}

/// Names that would be trouble as paths, or that differ only in case, are names like any other.
pub async fn keeps_odd_names_apart(harness: &mut impl Harness) {
    let (longest, almost) = ("n".repeat(128), "n".repeat(127));
    let wide = "\u{1f600}".repeat(32);
    let names = [
        "../x",
        "..",
        ".",
        "/",
        "/etc/passwd",
        "a/b",
        "a\\b",
        "C:\\x",
        "a\0b",
        "\0",
        "%2e%2e",
        "con",
        "NUL",
        "lock",
        "format",
        "stores",
        "Users",
        "users",
        "USERS",
        "\u{e9}",
        "e\u{301}",
        "\u{130}",
        "i",
        "I",
        " ",
        "a ",
        "a.",
        "a",
        "\n",
        "\u{202e}x",
        "000001",
        "s",
        &longest,
        &almost,
        &wide,
    ];
    let environment = harness.open().await;
    for text in names {
        let store = open(&environment, text).await;
        assert_eq!(get(&store, "name").await, None, "{text:?} is new");
        put(&store, "name", text).await;
        store.close().await.expect("an open store closes");
    }
    let mut expected = names.map(name);
    expected.sort();
    assert_eq!(environment.list().await.expect("listable"), expected);
    drop(environment);
    let environment = harness.open().await;
    assert_eq!(environment.list().await.expect("listable"), expected);
    for text in names {
        let store = open(&environment, text).await;
        let found = get(&store, "name").await;
        assert_eq!(found, Some(text.to_string().into()), "{text:?}");
        store.close().await.expect("an open store closes");
        environment.delete(&name(text)).await.expect("deletable");
    }
    assert_eq!(environment.list().await.expect("listable"), []);
}

/// After `close` every call fails as `Closed`, on every clone, and the store can be opened again.
pub async fn refuses_every_call_on_a_closed_store(harness: &mut impl Harness) {
    let environment = harness.open().await;
    let store = open(&environment, "s").await;
    let clone = store.clone();
    commit(&store, puts(&[("a", "1")])).await;
    store.close().await.expect("an open store closes");
    let anew = open(&environment, "s").await;
    for closed in [&store, &clone] {
        assert_eq!(kind(closed.snapshot().await), Some(ErrorKind::Closed));
        for durability in [Durability::Durable, Durability::Relaxed] {
            let refused = closed.commit(WriteBatch::default(), durability).await;
            assert_eq!(kind(refused), Some(ErrorKind::Closed));
            let refused = closed.commit(puts(&[("a", "2")]), durability).await;
            assert_eq!(kind(refused), Some(ErrorKind::Closed));
        }
        assert_eq!(kind(closed.close().await), Some(ErrorKind::Closed));
    }
    assert_eq!(get(&anew, "a").await, Some("1".into()));
}
