//! The journal: what is acknowledged is replayed, and damage is told from an end.

use pinyon_core::host::SeededRandom;

use super::*;
use crate::disk::{Fault, SimulatedDisk};
use crate::journals::{Journals, Notes};

const FILE: &str = "journal";
const SPACE: KeySpace = KeySpace::new(4);

fn batch(text: &str) -> WriteBatch {
    let mut batch = WriteBatch::default();
    batch.put(SPACE, text.to_string(), vec![7; text.len()]);
    batch.delete(KeySpace::new(31), "");
    batch.put(KeySpace::new(0), "", "");
    batch
}

fn open(disk: &SimulatedDisk) -> Journal {
    Journal::open(Arc::new(disk.clone()), FILE).unwrap()
}

fn open_both(disk: &SimulatedDisk) -> Journals {
    let directory: Arc<dyn Directory> = Arc::new(disk.clone());
    Journals::open(&directory).unwrap()
}

fn read(disk: &SimulatedDisk, applied: u64) -> Result<Vec<WriteBatch>> {
    open_both(disk).read(applied, Notes::default())
}

fn journal_with(disk: &SimulatedDisk, seed: u64, first: u64, texts: &[&str]) -> Journal {
    let random = SeededRandom::new(seed);
    let mut journal = open(disk);
    journal.read(first - 1, Note::default()).unwrap();
    journal.grow(256 << 10, &random).unwrap();
    for (sequence, text) in (first..).zip(texts) {
        assert!(journal.fits(&batch(text)));
        journal.append(sequence, &batch(text), &random).unwrap();
    }
    journal
}

fn damage(disk: &SimulatedDisk, at: usize) {
    disk.with_bytes(FILE, |bytes| bytes[at] ^= 1);
}

/// Where the `index`th record of one block each begins.
fn place(index: usize) -> usize {
    HEADER_BYTES + index * BLOCK
}

#[test]
fn batches_come_back_in_order_after_the_ones_applied() {
    let disk = SimulatedDisk::default();
    let long = "long ".repeat(3_000);
    let texts = ["a", &long, "", "c"];
    journal_with(&disk, 1, 5, &texts);
    for applied in 4..9 {
        let found = read(&disk, applied).unwrap();
        let expected = &texts[usize::try_from(applied).unwrap() - 4..];
        let expected: Vec<WriteBatch> = expected.iter().map(|text| batch(text)).collect();
        assert_eq!(found, expected);
    }
    assert!(read(&SimulatedDisk::default(), 0).unwrap().is_empty());
}

#[test]
fn a_torn_record_ends_the_journal() {
    let disk = SimulatedDisk::default();
    journal_with(&disk, 1, 1, &["a", "b", "c"]);
    damage(&disk, place(1) + 100);
    // Byte 100 is padding, which nobody reads.
    assert_eq!(read(&disk, 0).unwrap().len(), 3);
    damage(&disk, place(1) + 44);
    assert_eq!(read(&disk, 0).unwrap(), [batch("a")]);
}

#[test]
fn what_a_torn_journal_left_never_follows_newer_records() {
    let disk = SimulatedDisk::default();
    journal_with(&disk, 1, 1, &["a", "torn", "stale"]);
    damage(&disk, place(1) + 44);
    assert_eq!(read(&disk, 0).unwrap(), [batch("a")]);
    // After a checkpoint of commit 1, two others take the places before the stale one, whose
    // number continues theirs.
    journal_with(&disk, 2, 2, &["new"]);
    disk.with_bytes(FILE, |bytes| {
        bytes.copy_within(place(2)..place(3), place(1))
    });
    assert_eq!(read(&disk, 1).unwrap(), [batch("new")]);
    let disk = SimulatedDisk::default();
    journal_with(&disk, 1, 1, &["torn", "stale"]);
    damage(&disk, place(0) + 44);
    journal_with(&disk, 2, 1, &["new"]);
    assert_eq!(read(&disk, 0).unwrap(), [batch("new")]);
}

#[test]
fn damage_to_what_was_acknowledged_is_an_error() {
    let disk = SimulatedDisk::default();
    let random = SeededRandom::new(1);
    let mut journal = journal_with(&disk, 1, 1, &["a", "b"]);
    journal.sync(2).unwrap();
    journal.append(3, &batch("c"), &random).unwrap();
    damage(&disk, place(0) + 44);
    let error = read(&disk, 0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupted);
    assert!(error.message().contains("commit 1"), "{error}");
    // What a checkpoint holds may be damaged.
    assert!(read(&disk, 3).unwrap().is_empty());
}

#[test]
fn one_damaged_header_is_no_harm() {
    for at in [8, BLOCK + 8] {
        let disk = SimulatedDisk::default();
        journal_with(&disk, 1, 1, &["a"]);
        damage(&disk, at);
        assert_eq!(read(&disk, 0).unwrap(), [batch("a")]);
    }
}

/// Commits 1 and 2 in the first file, 3 and 4 in the second, the last two not synced.
fn both_with_two(disk: &SimulatedDisk) -> Journals {
    let random = SeededRandom::new(1);
    let mut journals = open_both(disk);
    journals.read(0, Notes::default()).unwrap();
    for sequence in 1..=4 {
        let batch = batch(&sequence.to_string());
        if !journals.fits(&batch) {
            journals.grow(64 << 10, &random).unwrap();
        }
        journals.append(sequence, &batch, &random).unwrap();
        if sequence == 2 {
            journals.switch(2).unwrap();
        }
    }
    journals
}

#[test]
fn what_stands_in_both_files_comes_back_in_order() {
    let disk = SimulatedDisk::default();
    let mut journals = both_with_two(&disk);
    for applied in 0..5 {
        let expected: Vec<WriteBatch> = (applied + 1..5).map(|it| batch(&it.to_string())).collect();
        assert_eq!(read(&disk, applied).unwrap(), expected);
    }
    // The first file takes commit 5 when redb holds the first two.
    journals.free_former(2);
    journals.switch(4).unwrap();
    let random = SeededRandom::new(2);
    journals.append(5, &batch("5"), &random).unwrap();
    let expected = ["3", "4", "5"].map(batch);
    assert_eq!(read(&disk, 2).unwrap(), expected);
}

#[test]
fn a_gap_between_the_files_is_damage() {
    for index in 0..2 {
        let disk = SimulatedDisk::default();
        both_with_two(&disk);
        damage(&disk, place(index) + 44);
        let error = read(&disk, 0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupted);
        let missing = format!("commit {} was acknowledged", index + 1);
        assert!(error.message().contains(&missing), "{error}");
        // Without the second file it is a torn end.
        disk.remove("journal-2").unwrap();
        assert_eq!(read(&disk, 0).unwrap().len(), index);
    }
    // What is torn at the end of the second one is nobody's loss.
    let disk = SimulatedDisk::default();
    both_with_two(&disk);
    disk.with_bytes("journal-2", |bytes| bytes[place(1) + 44] ^= 1);
    assert_eq!(read(&disk, 0).unwrap(), ["1", "2", "3"].map(batch));
}

#[test]
fn a_journal_behind_its_note_is_damage() {
    let disk = SimulatedDisk::default();
    let mut journal = journal_with(&disk, 1, 1, &["a", "b"]);
    assert_eq!(
        journal.note().generation,
        1,
        "only the first header is durable"
    );
    journal.sync(2).unwrap();
    let note = journal.note();
    assert_eq!((note.size, note.generation), (256 << 10, 2));
    let read = |disk: &SimulatedDisk| open(disk).read(0, note).map(|it| it.batches.len());
    assert_eq!(read(&disk).unwrap(), 2);
    let refused = |damage: &dyn Fn(&SimulatedDisk), why: &str| {
        let disk = disk.copy();
        damage(&disk);
        let error = read(&disk).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupted);
        assert!(error.message().contains(why), "{error}");
    };
    refused(&|disk| disk.remove(FILE).unwrap(), "'journal' is missing");
    refused(
        &|disk| disk.with_bytes(FILE, |bytes| bytes.clear()),
        "has 0 bytes",
    );
    refused(
        &|disk| disk.with_bytes(FILE, |bytes| bytes.truncate(128 << 10)),
        "'journal' has 131072 bytes and had 262144",
    );
    refused(
        &|disk| {
            disk.with_bytes(FILE, |bytes| {
                bytes[0] ^= 1;
                bytes[BLOCK] ^= 1;
            });
        },
        "'journal' has lost its header",
    );
    let older = SimulatedDisk::default();
    open(&older).grow(256 << 10, &SeededRandom::new(9)).unwrap();
    let error = read(&older).unwrap_err();
    assert!(
        error.message().contains("generation 1, and was 2"),
        "{error}"
    );
}

#[test]
fn a_journal_that_could_not_be_made_takes_nothing_and_is_made_later() {
    let random = SeededRandom::new(1);
    // Two writes of zeros, the header, and a sync of the file and of the directory.
    for nth in 1..=5 {
        let disk = SimulatedDisk::default();
        let mut journal = open(&disk);
        journal.read(0, Note::default()).unwrap();
        let fault = if nth < 4 {
            Fault::Full
        } else {
            Fault::SyncFails
        };
        disk.fail_at(nth, fault);
        let made = journal.grow(128 << 10, &random);
        disk.heal();
        // The header stands where zeros were written: that finds no disk full.
        if nth != 3 {
            assert!(made.is_err(), "operation {nth}");
            assert!(!journal.fits(&batch("a")), "operation {nth}");
            assert_eq!(journal.note(), Note::default());
            journal.grow(128 << 10, &random).unwrap();
        }
        journal.append(1, &batch("a"), &random).unwrap();
        assert_eq!(read(&disk, 0).unwrap(), [batch("a")]);
    }
}

/// What was killed while it made or grew a journal leaves one that is made or grown anew.
#[test]
fn a_journal_half_made_or_half_grown_is_not_relied_on() {
    let random = SeededRandom::new(1);
    let disk = SimulatedDisk::default();
    // Zeros, without a header.
    let file = disk.open(FILE).unwrap();
    file.write_at(0, &vec![0; 64 << 10]).unwrap();
    let mut journal = open(&disk);
    journal.read(0, Note::default()).unwrap();
    assert_eq!(journal.size(), 0);
    journal.grow(128 << 10, &random).unwrap();
    assert_eq!(journal.note().generation, 1);
    journal.append(1, &batch("a"), &random).unwrap();
    journal.sync(1).unwrap();
    let note = journal.note();
    // Longer than its header says, and not durably so.
    file.write_at(128 << 10, &vec![0; 64 << 10]).unwrap();
    let mut journal = open(&disk);
    journal.read(1, note).unwrap();
    assert_eq!(journal.size(), 128 << 10);
    journal.append(2, &batch("b"), &random).unwrap();
    // The power is cut when the header has reached the disk and the length has not.
    let cut = disk.copy();
    cut.with_bytes(FILE, |bytes| bytes.truncate(128 << 10));
    assert_eq!(open(&cut).read(1, note).unwrap().batches, [batch("b")]);
}
