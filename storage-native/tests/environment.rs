//! The directory of an environment: one owner, one format, no leftovers.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::Command;

use futures_executor::block_on;
use pinyon_core::ErrorKind;
use pinyon_core::storage::{
    Durability, Environment, KeySpace, Snapshot, Store, StoreName, WriteBatch,
};
use pinyon_storage_native::{NativeEnvironment, NativeOptions, NativeStore};

const SPACE: KeySpace = KeySpace::new(3);
/// Tells the child process which directory to open.
const DIRECTORY: &str = "PINYON_TEST_DIRECTORY";

fn open(path: &Path) -> pinyon_core::Result<NativeEnvironment> {
    NativeEnvironment::open(path, NativeOptions::default())
}

fn refusal(path: &Path) -> ErrorKind {
    open(path)
        .map(|_| ())
        .expect_err("the environment cannot be opened")
        .kind()
}

fn name(text: &str) -> StoreName {
    StoreName::new(text).expect("a valid name")
}

fn put(store: &NativeStore, key: &str) {
    let mut batch = WriteBatch::default();
    batch.put(SPACE, key.to_string(), "value");
    block_on(store.commit(batch, Durability::Durable)).expect("a healthy store commits");
}

#[test]
fn one_owner_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let environment = open(directory.path()).unwrap();
    assert_eq!(refusal(directory.path()), ErrorKind::Unavailable);
    // An open store keeps the directory owned.
    let store = block_on(environment.open(&name("s"))).unwrap();
    drop(environment);
    assert_eq!(refusal(directory.path()), ErrorKind::Unavailable);
    drop(store);
    open(directory.path()).unwrap();
}

#[test]
fn another_process_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let child = || {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--ignored", "--nocapture"])
            .env(DIRECTORY, directory.path())
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let environment = open(directory.path()).unwrap();
    assert!(child().contains("refused: Unavailable"));
    drop(environment);
    assert!(child().contains("opened"));
}

#[test]
#[ignore = "runs in the child process of another test"]
fn child() {
    let directory = std::env::var(DIRECTORY).unwrap();
    match open(Path::new(&directory)) {
        Ok(_) => println!("opened"),
        Err(error) => println!("refused: {:?}", error.kind()),
    }
}

#[test]
fn other_formats_are_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let environment = open(directory.path()).unwrap();
    put(&block_on(environment.open(&name("s"))).unwrap(), "a");
    drop(environment);
    let format = directory.path().join("format");
    let ours = std::fs::read(&format).unwrap();
    for (text, kind) in [
        ("pinyon storage 3\n", ErrorKind::Unsupported),
        ("pinyon storage 4000000000\n", ErrorKind::Unsupported),
        ("something else", ErrorKind::Corrupted),
        ("", ErrorKind::Corrupted),
        ("pinyon storage 2", ErrorKind::Corrupted),
    ] {
        std::fs::write(&format, text).unwrap();
        assert_eq!(refusal(directory.path()), kind, "{text:?}");
        assert_eq!(std::fs::read_to_string(&format).unwrap(), text);
    }
    // What the version before wrote is read, and then belongs to this one.
    std::fs::write(&format, "pinyon storage 1\n").unwrap();
    let environment = open(directory.path()).unwrap();
    assert_eq!(block_on(environment.list()).unwrap(), [name("s")]);
    assert_eq!(std::fs::read(&format).unwrap(), ours);
}

#[test]
fn leftovers_of_a_crash_are_swept_and_damage_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let environment = open(directory.path()).unwrap();
    put(&block_on(environment.open(&name("s"))).unwrap(), "a");
    drop(environment);
    let stores = directory.path().join("stores");
    let leftover = stores.join("unfinished-000002");
    std::fs::create_dir(&leftover).unwrap();
    std::fs::write(leftover.join("data"), "half a store").unwrap();
    let environment = open(directory.path()).unwrap();
    assert!(!leftover.exists());
    assert_eq!(block_on(environment.list()).unwrap(), [name("s")]);
    drop(environment);

    // Two directories that claim one name.
    std::fs::create_dir(stores.join("000009")).unwrap();
    std::fs::copy(stores.join("000001/name"), stores.join("000009/name")).unwrap();
    assert_eq!(refusal(directory.path()), ErrorKind::Corrupted);
    std::fs::remove_dir_all(stores.join("000009")).unwrap();
    // Stores without a format.
    std::fs::rename(directory.path().join("format"), stores.join("kept")).unwrap();
    assert_eq!(refusal(directory.path()), ErrorKind::Corrupted);
}

fn flip_first_bit(file: &Path) {
    let mut bytes = std::fs::read(file).unwrap();
    bytes[0] ^= 1;
    std::fs::write(file, bytes).unwrap();
}

#[test]
fn a_damaged_name_is_told_and_written_anew_from_the_other_copy() {
    let directory = tempfile::tempdir().unwrap();
    let environment = open(directory.path()).unwrap();
    put(&block_on(environment.open(&name("s"))).unwrap(), "a");
    drop(environment);
    let files = ["name", "name-2"].map(|file| directory.path().join("stores/000001").join(file));
    let content = std::fs::read(&files[0]).unwrap();
    let harms: [fn(&Path); 2] = [flip_first_bit, |file| std::fs::remove_file(file).unwrap()];
    for (index, harm) in [(0, harms[0]), (0, harms[1]), (1, harms[0])] {
        harm(&files[index]);
        let environment = open(directory.path()).unwrap();
        assert_eq!(block_on(environment.list()).unwrap(), [name("s")]);
        let [problem] = environment.problems() else {
            panic!("{:?}", environment.problems());
        };
        assert!(
            problem.contains(files[index].to_str().unwrap()),
            "{problem}"
        );
        environment.repair_names().unwrap();
        assert_eq!(std::fs::read(&files[index]).unwrap(), content);
    }
    // Stores of older versions have one file and get the other.
    std::fs::remove_file(&files[1]).unwrap();
    let environment = open(directory.path()).unwrap();
    assert!(environment.problems().is_empty());
    environment.repair_names().unwrap();
    assert_eq!(std::fs::read(&files[1]).unwrap(), content);
    drop(environment);
    // Without a name it is not taken for another store, and no new one takes its place.
    files.iter().for_each(|file| flip_first_bit(file));
    let environment = open(directory.path()).unwrap();
    assert_eq!(environment.problems().len(), 2);
    assert!(block_on(environment.list()).unwrap().is_empty());
    let error = block_on(environment.open(&name("s"))).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Corrupted);
    assert!(error.message().contains("stores/000001"), "{error}");
    // Unless it is known that there never was one of that name.
    put(&block_on(environment.create(&name("fresh"))).unwrap(), "b");
    drop(environment);
    let environment = open(directory.path()).unwrap();
    assert_eq!(block_on(environment.list()).unwrap(), [name("fresh")]);
    assert_eq!(environment.problems().len(), 2);
    let file = directory.path().join("stores/000001/data");
    assert!(file.exists(), "{}", file.display());
}

#[test]
fn somebody_elses_directory_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("lost+found")).unwrap();
    std::fs::write(directory.path().join("letter.txt"), "dear").unwrap();
    let error = open(directory.path()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert!(error.message().contains("letter.txt"), "{error}");
    assert!(!directory.path().join("stores").exists());
    std::fs::remove_file(directory.path().join("letter.txt")).unwrap();
    open(directory.path()).unwrap();
}

fn contents(directory: &Path) -> std::collections::BTreeMap<std::path::PathBuf, Vec<u8>> {
    let mut found = std::collections::BTreeMap::new();
    for item in std::fs::read_dir(directory).unwrap() {
        let path = item.unwrap().path();
        match path.is_dir() {
            true => found.extend(contents(&path)),
            false => drop(found.insert(path.clone(), std::fs::read(&path).unwrap())),
        }
    }
    found
}

#[test]
fn looking_changes_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let environment = open(directory.path()).unwrap();
    let store = block_on(environment.open(&name("s"))).unwrap();
    (0..50).for_each(|it| put(&store, &it.to_string()));
    // As a crash leaves it, with a journal to replay.
    let copy = tempfile::tempdir().unwrap();
    for (path, content) in contents(directory.path()) {
        let path = copy
            .path()
            .join(path.strip_prefix(directory.path()).unwrap());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let before = contents(copy.path());
    let environment =
        NativeEnvironment::open_read_only(copy.path(), NativeOptions::default()).unwrap();
    let report = environment.verify(&name("s"), &mut |_| ()).unwrap();
    assert_eq!((report.entries, report.problem_count), (50, 0));
    let store = block_on(environment.open(&name("s"))).unwrap();
    put(&store, "gone");
    block_on(store.close()).unwrap();
    let error = block_on(environment.open(&name("t"))).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Corrupted);
    block_on(environment.delete(&name("s"))).unwrap();
    drop((environment, store));
    assert!(contents(copy.path()) == before);
}

#[test]
fn a_store_without_its_data_is_corrupt_not_empty() {
    let directory = tempfile::tempdir().unwrap();
    let environment = open(directory.path()).unwrap();
    put(&block_on(environment.open(&name("s"))).unwrap(), "a");
    std::fs::remove_file(directory.path().join("stores/000001/data")).unwrap();
    let error = block_on(environment.open(&name("s"))).map(|_| ());
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Corrupted);
}

/// Threads read while one writes: each snapshot sees one commit, and none goes backwards.
#[test]
fn threads_read_whole_commits_while_one_writes() {
    let directory = tempfile::tempdir().unwrap();
    let environment = open(directory.path()).unwrap();
    let store = block_on(environment.open(&name("s"))).unwrap();
    let commit = |round: u32| {
        let mut batch = WriteBatch::default();
        for key in 0..20_u8 {
            batch.put(SPACE, vec![key], round.to_be_bytes().to_vec());
        }
        let durability = match round % 2 {
            0 => Durability::Durable,
            _ => Durability::Relaxed,
        };
        block_on(store.commit(batch, durability)).unwrap();
    };
    commit(0);
    let last = 300_u32;
    std::thread::scope(|scope| {
        for _ in 0..3 {
            let store = store.clone();
            scope.spawn(move || {
                let keys: Vec<bytes::Bytes> = (0..20_u8).map(|key| vec![key].into()).collect();
                let mut newest = 0;
                while newest < last {
                    let snapshot = block_on(store.snapshot()).unwrap();
                    let found = block_on(snapshot.get_many(SPACE, &keys)).unwrap();
                    let first = found[0].clone().unwrap();
                    assert!(found.iter().all(|value| value.as_ref() == Some(&first)));
                    let round = u32::from_be_bytes(first[..].try_into().unwrap());
                    assert!(round >= newest, "a later snapshot was older");
                    newest = round;
                }
            });
        }
        (1..=last).for_each(commit);
    });
}

/// A snapshot held for long neither blocks commits nor loses its state to checkpoints.
#[test]
fn a_held_snapshot_does_not_block_commits() {
    let directory = tempfile::tempdir().unwrap();
    let options = NativeOptions {
        checkpoint_batches: 5,
        ..NativeOptions::default()
    };
    let environment = NativeEnvironment::open(directory.path(), options).unwrap();
    let store = block_on(environment.open(&name("s"))).unwrap();
    put(&store, "kept");
    let held = block_on(store.snapshot()).unwrap();
    for round in 0..200 {
        let mut batch = WriteBatch::default();
        batch.put(SPACE, "kept", vec![round as u8; 2_000]);
        batch.put(SPACE, format!("{round}"), vec![0; 2_000]);
        block_on(store.commit(batch, Durability::Durable)).unwrap();
    }
    let found = block_on(held.get_many(SPACE, &["kept".into()])).unwrap();
    assert_eq!(found, [Some("value".into())]);
}
