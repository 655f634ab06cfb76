//! What a history accepts after a crash, and what it names.

use super::*;
use crate::content::{Attached, Times};
use crate::state::{Attachments, Documents, Revision, Version};

fn at(second: u32) -> Timestamp {
    Timestamp::parse(&format!("2026-01-01T00:00:{second:02}Z")).unwrap()
}

fn put(id: &str) -> Change {
    Change::put(id.to_owned())
}

fn delete(id: &str) -> Change {
    Change::Delete { id: id.to_owned() }
}

fn etag(etag: u64) -> Answered {
    Answered::document(etag)
}

fn scan() -> Attached {
    Attached::of(b"a scan")
}

fn version(serial: u64, etag: u64) -> Version {
    Version {
        serial,
        etag: Some(etag),
        times: Times::default(),
        attachments: Attachments::new(),
    }
}

fn with_scan(mut version: Version) -> Version {
    version.attachments.insert("scan".to_owned(), scan());
    version
}

fn documents<const N: usize>(entries: [(&str, Version); N]) -> Documents {
    entries
        .into_iter()
        .map(|(id, version)| (id.to_owned(), version))
        .collect()
}

fn found(entries: &[(&str, u64, u64)]) -> Found {
    let entry = |(id, serial, etag): &(&str, u64, u64)| ((*id).to_owned(), version(*serial, *etag));
    Found {
        documents: entries.iter().map(entry).collect(),
        ..Found::default()
    }
}

fn stored(version: Version) -> Revision {
    Revision::Stored {
        serial: version.serial,
        etag: version.etag,
        attachments: version.attachments,
    }
}

fn with_revisions<const N: usize>(mut found: Found, id: &str, revisions: [Revision; N]) -> Found {
    found.revisions.insert(id.to_owned(), revisions.into());
    found
}

/// `a` is acknowledged; a batch of `a`, `b` and the delete of `c` is open.
fn interrupted() -> History {
    let mut history = History::new(1);
    history.begin(vec![put("a"), put("c")]);
    history.acknowledge(&[etag(7), etag(9)], at(1)).unwrap();
    history.begin(vec![put("a"), put("b"), delete("c")]);
    history
}

/// A document and its scan were stored in one batch.
fn with_attachment(open: Vec<Change>) -> History {
    let mut history = History::new(1);
    let attach = Change::Attach {
        id: "a".to_owned(),
        name: "scan",
        attached: scan(),
    };
    history.begin(vec![put("a"), attach]);
    let answered = Answered {
        attachment: Some(9),
        document: Some(10),
    };
    history.acknowledge(&[etag(7), answered], at(1)).unwrap();
    if !open.is_empty() {
        history.begin(open);
    }
    history
}

/// A lease until second 10, acknowledged in second 1.
fn leased(id: &str) -> History {
    let mut history = History::new(1);
    let lease = Change::Put {
        id: id.to_owned(),
        times: Times::expiring(Some(at(10))),
    };
    history.begin(vec![lease]);
    history.acknowledge(&[etag(7)], at(1)).unwrap();
    history
}

fn lease(serial: u64, etag: u64, until: u32) -> Version {
    Version {
        times: Times::expiring(Some(at(until))),
        ..version(serial, etag)
    }
}

#[test]
fn accepts_the_acknowledged_state_and_the_whole_open_operation() {
    let before = found(&[("a", 1, 7), ("c", 1, 9)]);
    assert!(!interrupted().settle(&before, at(2)).unwrap());
    let after = found(&[("a", 2, 11), ("b", 2, 13)]);
    assert!(interrupted().settle(&after, at(2)).unwrap());
}

#[test]
fn names_a_lost_write_a_half_batch_and_a_stranger() {
    for wrong in [
        found(&[("a", 1, 7)]),
        found(&[("a", 2, 11), ("c", 1, 9)]),
        found(&[("a", 2, 11), ("b", 2, 13), ("c", 1, 9)]),
        found(&[("a", 1, 7), ("c", 1, 9), ("d", 1, 11)]),
        found(&[("a", 1, 11), ("c", 1, 9)]),
    ] {
        assert!(interrupted().settle(&wrong, at(2)).is_err());
    }
}

#[test]
fn refuses_etags_that_do_not_increase() {
    for answered in [[10, 10], [9, 10]] {
        let mut history = interrupted();
        let answered = [etag(answered[0]), etag(answered[1]), Answered::default()];
        assert!(history.acknowledge(&answered, at(2)).is_err());
    }
}

#[test]
fn names_a_document_without_its_attachment() {
    let whole = documents([("a", with_scan(version(1, 10)))]);
    let bare = documents([("a", version(1, 10))]);
    let of = |documents: &Documents| Found {
        documents: documents.clone(),
        ..Found::default()
    };
    assert!(!with_attachment(vec![]).settle(&of(&whole), at(2)).unwrap());
    assert!(with_attachment(vec![]).settle(&of(&bare), at(2)).is_err());
    let detach = Change::Detach {
        id: "a".to_owned(),
        name: "scan",
    };
    let open = vec![detach, put("b")];
    let done = documents([("a", version(1, 12)), ("b", version(2, 14))]);
    assert!(
        with_attachment(open.clone())
            .settle(&of(&done), at(2))
            .unwrap()
    );
    let half = documents([("a", with_scan(version(1, 10))), ("b", version(2, 14))]);
    assert!(with_attachment(open).settle(&of(&half), at(2)).is_err());
}

#[test]
fn names_revisions_that_are_missing_or_too_many() {
    let first = stored(version(1, 7));
    let second = stored(with_scan(version(1, 10)));
    let live = || Found {
        documents: documents([("a", with_scan(version(1, 10)))]),
        ..Found::default()
    };
    let right = with_revisions(live(), "a", [first.clone(), second.clone()]);
    assert!(!with_attachment(vec![]).settle(&right, at(2)).unwrap());
    for wrong in [
        with_revisions(live(), "a", [second.clone()]),
        with_revisions(live(), "a", [first.clone()]),
        with_revisions(live(), "a", []),
        with_revisions(
            live(),
            "a",
            [first.clone(), second.clone(), Revision::Deleted],
        ),
        with_revisions(live(), "a", [second, first]),
    ] {
        assert!(with_attachment(vec![]).settle(&wrong, at(2)).is_err());
    }
    let gone = || with_attachment(vec![delete("a")]);
    let first = stored(version(1, 7));
    let second = stored(with_scan(version(1, 10)));
    let deleted = [first.clone(), second.clone(), Revision::Deleted];
    let deleted = with_revisions(Found::default(), "a", deleted);
    assert!(gone().settle(&deleted, at(2)).unwrap());
    let unrecorded = with_revisions(Found::default(), "a", [first, second]);
    assert!(gone().settle(&unrecorded, at(2)).is_err());
}

#[test]
fn a_document_goes_by_itself_when_its_time_has_come_and_for_good() {
    let there = Found {
        documents: documents([("term-1", lease(1, 7, 10))]),
        ..Found::default()
    };
    let first = stored(version(1, 7));
    let gone = with_revisions(Found::default(), "term-1", [first, Revision::Deleted]);
    assert!(leased("term-1").settle(&gone, at(9)).is_err(), "too early");
    let mut history = leased("term-1");
    history.settle(&there, at(11)).unwrap();
    history.settle(&gone, at(12)).unwrap();
    assert!(history.settle(&there, at(13)).is_err(), "it was revived");
}

#[test]
fn a_lease_renewed_when_it_was_due_has_two_possible_pasts() {
    let renewed = || {
        let mut history = leased("crash/1/term-1");
        let put = Change::Put {
            id: "crash/1/term-1".to_owned(),
            times: Times::expiring(Some(at(30))),
        };
        history.begin(vec![put]);
        history.acknowledge(&[etag(12)], at(11)).unwrap();
        history
    };
    let live = || Found {
        documents: documents([("crash/1/term-1", lease(2, 12, 30))]),
        ..Found::default()
    };
    let (first, second) = (stored(version(1, 7)), stored(version(2, 12)));
    let swept = [first.clone(), Revision::Deleted, second.clone()];
    let possible = [
        with_revisions(live(), "crash/1/term-1", [first, second.clone()]),
        with_revisions(live(), "crash/1/term-1", swept),
    ];
    for possible in &possible {
        assert!(!renewed().settle(possible, at(12)).unwrap());
    }
    let lost = with_revisions(live(), "crash/1/term-1", [second]);
    assert!(renewed().settle(&lost, at(12)).is_err());
    let mut history = renewed();
    history.settle(&possible[0], at(12)).unwrap();
    assert!(
        history.settle(&possible[1], at(12)).is_err(),
        "it is known now"
    );
}

/// A document to be refreshed from second 10 on.
fn refreshing(serial: u64, etag: u64) -> Version {
    let mut version = version(serial, etag);
    version.times.refresh = Some(at(10));
    version
}

fn waiting(id: &str) -> History {
    let mut history = History::new(1);
    let times = refreshing(1, 7).times;
    let id = id.to_owned();
    history.begin(vec![Change::Put { id, times }]);
    history.acknowledge(&[etag(7)], at(1)).unwrap();
    history
}

#[test]
fn a_document_is_refreshed_when_its_time_has_come_and_its_revision_is_there() {
    const ID: &str = "crash/1/note-1";
    let of = |version: Version, revisions: &[Revision]| {
        let mut found = Found {
            documents: documents([(ID, version)]),
            ..Found::default()
        };
        found.revisions.insert(ID.to_owned(), revisions.to_vec());
        found
    };
    let (first, again) = (stored(version(1, 7)), stored(version(1, 12)));
    let before = of(refreshing(1, 7), std::slice::from_ref(&first));
    let after = of(version(1, 12), &[first.clone(), again.clone()]);
    assert!(waiting(ID).settle(&after, at(9)).is_err(), "too early");
    let mut history = waiting(ID);
    assert!(!history.settle(&before, at(11)).unwrap(), "it may be late");
    assert!(!history.settle(&after, at(12)).unwrap());
    assert!(history.settle(&before, at(13)).is_err(), "it was undone");
    for wrong in [
        of(version(1, 7), std::slice::from_ref(&first)),
        of(version(1, 12), std::slice::from_ref(&first)),
        of(version(1, 12), &[again]),
        with_revisions(Found::default(), ID, [first]),
    ] {
        assert!(waiting(ID).settle(&wrong, at(12)).is_err());
    }
}

#[test]
fn a_moved_attachment_is_at_one_end_of_its_way() {
    let moved = || {
        let mut history = with_attachment(vec![]);
        history.begin(vec![put("b")]);
        history.acknowledge(&[etag(20)], at(1)).unwrap();
        history.begin(vec![Change::Transfer {
            id: "a".to_owned(),
            name: "scan",
            to: "b".to_owned(),
            to_name: "photo",
            attached: scan(),
            is_move: true,
        }]);
        history
    };
    let with_photo = |mut version: Version| {
        version.attachments.insert("photo".to_owned(), scan());
        version
    };
    let of = |a: Version, b: Version| Found {
        documents: documents([("a", a), ("b", b)]),
        ..Found::default()
    };
    let before = of(with_scan(version(1, 10)), version(2, 20));
    assert!(!moved().settle(&before, at(2)).unwrap());
    let after = of(version(1, 21), with_photo(version(2, 23)));
    assert!(moved().settle(&after, at(2)).unwrap());
    for wrong in [
        of(version(1, 21), version(2, 20)),
        of(with_scan(version(1, 10)), with_photo(version(2, 23))),
    ] {
        assert!(moved().settle(&wrong, at(2)).is_err());
    }
}
