//! The commands, as processes on real directories and a real server.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::io::{BufRead, BufReader, Read as _, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tempfile::TempDir;

fn pinyon(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pinyon"));
    command.args(arguments).env_remove("PINYON_DATA_DIR");
    command
}

/// Runs a command; its exit code, standard output and standard error.
fn run(arguments: &[&str]) -> (i32, String, String) {
    let output = pinyon(arguments).output().unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// Runs a command that must succeed; its standard output.
fn done(arguments: &[&str]) -> String {
    let (code, output, errors) = run(arguments);
    assert_eq!(code, 0, "{arguments:?}: {output}{errors}");
    output
}

struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn data(&self) -> String {
        self.path("data")
    }

    fn import(&self, database: &str, file: &str) -> String {
        let data = self.data();
        let arguments = ["import", "--data-dir", &data, "--database", database];
        done(&[&arguments[..], &["--create", file]].concat())
    }

    fn lines_of(&self, database: &str) -> Vec<Value> {
        let data = self.data();
        let arguments = ["export", "--data-dir", &data, "--database", database];
        let lines = done(&[&arguments[..], &["--format", "jsonl", "-"]].concat());
        lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

fn people(count: usize) -> String {
    let line = |number: usize| {
        format!(
            "{{\"Name\":\"P{number}\",\"N\":1.50,\"@metadata\":{{\"@collection\":\"People\",\
             \"@id\":\"People/{number}\"}}}}\n"
        )
    };
    (0..count).map(line).collect()
}

/// A server that ends with the test.
struct Server {
    process: Child,
    url: String,
    _output: BufReader<ChildStdout>,
}

impl Server {
    fn start(data: &str) -> Self {
        let mut process = pinyon(&["serve", "--data-dir", data, "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let url = line
            .trim()
            .strip_prefix("listening on ")
            .unwrap()
            .to_owned();
        Self {
            process,
            url,
            _output: output,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The parts of documents that an export and import keep, by id.
fn kept(mut documents: Vec<Value>) -> Vec<Value> {
    for document in &mut documents {
        let metadata = document["@metadata"].as_object_mut().unwrap();
        assert!(metadata.remove("@change-vector").is_some());
        assert!(metadata.remove("@last-modified").is_some());
    }
    documents.sort_by_key(|document| document["@metadata"]["@id"].to_string());
    documents
}

#[test]
fn what_is_imported_is_shown_verified_and_exported() {
    let place = Place::new();
    let told = place.import("people", &place.file("people.jsonl", people(5000)));
    assert!(told.starts_with("imported 5000 documents from "), "{told}");
    let data = place.data();
    let info: Value =
        serde_json::from_str(&done(&["info", "--data-dir", &data, "--json"])).unwrap();
    let database = &info["databases"][0];
    assert_eq!(database["name"], "people");
    assert_eq!(database["documents"], 5000);
    assert_eq!(database["collections"][0]["name"], "People");
    let verified = done(&["verify", "--data-dir", &data, "--json"]);
    let verified: Value = serde_json::from_str(&verified).unwrap();
    assert_eq!(verified["sound"], true);
    assert_eq!(verified["stores"][1]["documents"], 5000);

    let dump = place.path("people.ravendbdump");
    done(&["export", "--data-dir", &data, "--database", "PEOPLE", &dump]);
    assert_eq!(
        fs::read(&dump).unwrap()[..2],
        [0x1f, 0x8b],
        "dumps are gzipped"
    );
    place.import("copy", &dump);
    assert_eq!(kept(place.lines_of("copy")), kept(place.lines_of("people")));
    done(&["compact", "--data-dir", &data, "--database", "copy"]);
    done(&["verify", "--data-dir", &data]);
    assert_eq!(place.lines_of("copy").len(), 5000);
}

#[test]
fn compressed_and_piped_inputs_are_read() {
    let place = Place::new();
    let text = people(3000);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    place.import("gzip", &place.file("people.gz", gzip.finish().unwrap()));
    // Two frames, as a stream that was flushed may have.
    let level = ruzstd::encoding::CompressionLevel::Fastest;
    let (first, second) = text.split_at(text.len() / 2);
    let mut frames = ruzstd::encoding::compress_to_vec(first.as_bytes(), level);
    frames.extend(ruzstd::encoding::compress_to_vec(second.as_bytes(), level));
    place.import("zstandard", &place.file("people.zst", &frames));
    let data = place.data();
    let mut piped = pinyon(&["import", "--data-dir", &data, "--database", "piped"]);
    let piped = piped.args(["--create", "-"]).stdin(Stdio::piped());
    let mut piped = piped.stdout(Stdio::null()).spawn().unwrap();
    piped
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    assert!(piped.wait().unwrap().success());
    let expected = kept(place.lines_of("gzip"));
    assert_eq!(expected.len(), 3000);
    assert_eq!(kept(place.lines_of("zstandard")), expected);
    assert_eq!(kept(place.lines_of("piped")), expected);

    frames.truncate(frames.len() - 10);
    let broken = place.file("broken.zst", frames);
    let arguments = ["import", "--data-dir", &data, "--database", "gzip", &broken];
    let (code, _, errors) = run(&arguments);
    assert_ne!(code, 0);
    assert!(errors.contains("broken.zst"), "{errors}");
}

#[test]
fn a_running_server_is_imported_into_and_exported_from() {
    let place = Place::new();
    let data = place.data();
    let server = Server::start(&data);
    let documents = people(3000).trim_end().replace('\n', ",");
    let dump = format!(
        "{{\"BuildVersion\":72051,\"Docs\":[{documents}],\
         \"Tombstones\":[{{\"Key\":\"old\",\"Type\":\"Document\"}}],\
         \"Identities\":[{{\"Key\":\"people|\",\"Value\":\"7\"}}]}}"
    );
    let file = place.file("shop.json", dump);
    let old = place.file("old.json", r#"{"@metadata":{"@id":"old"}}"#);
    let at = ["--url", &server.url, "--database", "shop"];
    done(&[&["import"], &at[..], &["--create", &old]].concat());
    let told = done(&[&["import"], &at[..], &["--create", &file]].concat());
    let expected = "imported 3000 documents, 1 deletions, 1 identities from ";
    assert!(told.starts_with(expected), "{told}");
    let dump = place.path("shop.ravendbdump");
    done(&[&["export"], &at[..], &[&dump]].concat());
    let arguments = ["import", "--data-dir", &data, "--database", "shop", &file];
    let (code, _, errors) = run(&arguments);
    assert_eq!(code, 3, "{errors}");
    assert!(errors.contains("--url"), "{errors}");
    drop(server);
    place.import("copy", &dump);
    assert_eq!(kept(place.lines_of("copy")), kept(place.lines_of("shop")));
    let info = done(&["info", "--data-dir", &data, "--json"]);
    let info: Value = serde_json::from_str(&info).unwrap();
    for database in info["databases"].as_array().unwrap() {
        assert_eq!(database["documents"], 3000);
        assert_eq!(database["identities"], 1);
    }
    done(&["verify", "--data-dir", &data]);
}

#[test]
fn a_bad_item_is_named_and_can_be_left_out() {
    let place = Place::new();
    let file = place.file("bad.jsonl", people(10) + "{\"a\":\n" + &people(12));
    let data = place.data();
    let arguments = ["import", "--data-dir", &data, "--database", "d", "--create"];
    let (code, output, errors) = run(&[&arguments[..], &[&file]].concat());
    assert_eq!(code, 2);
    assert!(output.starts_with("broke off after "), "{output}");
    assert!(errors.contains("Docs item 11 (line 11, byte "), "{errors}");
    let (code, output, errors) = run(&[&arguments[..], &["--skip-errors", &file]].concat());
    assert_eq!(code, 5, "{errors}");
    let expected = "imported 22 documents, 1 items left out";
    assert!(output.contains(expected), "{output}");
    assert!(errors.contains("left out: Docs item 11 "), "{errors}");
    // Through a server it is the same, also when only the server can tell.
    let server = Server::start(&data);
    let moved = place.file(
        "moved.jsonl",
        people(3) + r#"{"@metadata":{"@collection":"Others","@id":"people/4"}}"#,
    );
    for (file, place) in [(&file, "item 11 (line 11, "), (&moved, "item 4 (line 4, ")] {
        let arguments = ["import", "--url", &server.url, "--database", "d", file];
        let (code, _, errors) = run(&arguments);
        assert_eq!(code, 2, "{errors}");
        assert!(errors.contains(place), "{errors}");
    }
}

#[test]
fn exports_replace_a_file_only_when_told_and_leave_nothing_half_done() {
    let place = Place::new();
    place.import("people", &place.file("people.jsonl", people(3)));
    let data = place.data();
    let file = place.file("out.jsonl", "mine");
    let arguments = ["export", "--data-dir", &data, "--database", "people", &file];
    let (code, _, errors) = run(&arguments);
    assert_eq!(code, 2);
    assert!(errors.contains("--force"), "{errors}");
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    done(&[&arguments[..], &["--force"]].concat());
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 3);
    let missing = place.path("missing.jsonl");
    let arguments = ["export", "--data-dir", &data, "--database", "x", &missing];
    let (code, _, errors) = run(&arguments);
    assert_eq!(code, 1);
    assert!(errors.contains("there are: people"), "{errors}");
    assert!(!Path::new(&missing).exists());
    assert!(!Path::new(&format!("{missing}.unfinished")).exists());
}

#[test]
fn readers_of_an_output_may_stop_early() {
    let files = Place::new();
    files.import("shop", &files.file("one.jsonl", "{}\n"));
    for command in ["info", "verify", "compact"] {
        let mut process = pinyon(&[command, "--data-dir", &files.data()])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(process.stdout.take());
        let ended = process.wait_with_output().unwrap();
        let errors = String::from_utf8(ended.stderr).unwrap();
        assert!(ended.status.success(), "{command}: {errors}");
    }
    // Standard error may be closed, too: the exit code is the same.
    let missing = files.path("missing");
    let bad = files.file("bad.jsonl", "not JSON\n{}\n");
    let data = files.data();
    let import = ["import", "--data-dir", &data, "--database", "shop"];
    for (arguments, expected) in [
        (vec!["info", "--data-dir", &missing], 1),
        (
            ["export", "--data-dir", &data, "--database", "shop", "-"].to_vec(),
            0,
        ),
        ([&import[..], &[&bad]].concat(), 2),
        ([&import[..], &["--skip-errors", &bad]].concat(), 5),
    ] {
        let mut process = pinyon(&arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(process.stderr.take());
        let code = process.wait().unwrap().code();
        assert_eq!(code, Some(expected), "{arguments:?}");
    }
}

#[test]
fn damage_is_found_and_named() {
    let place = Place::new();
    place.import("people", &place.file("people.jsonl", people(20_000)));
    let data = place.data();
    let largest = files_under(Path::new(&data))
        .into_iter()
        .max_by_key(|path| fs::metadata(path).unwrap().len())
        .unwrap();
    let mut bytes = fs::read(&largest).unwrap();
    // Pages are copied when they change and the old ones stay in the file until they are used
    // again: which of several copies is the live one depends on when checkpoints came, so that
    // each of them is damaged.
    let name = b"{\"Name\":\"P7712\"";
    let places: Vec<usize> = bytes
        .windows(name.len())
        .enumerate()
        .filter_map(|(at, window)| (window == name).then_some(at))
        .collect();
    assert!(!places.is_empty(), "documents are stored as they are");
    for at in places {
        bytes[at + 10] ^= 1;
    }
    fs::write(&largest, bytes).unwrap();
    let (code, output, errors) = run(&["verify", "--data-dir", &data]);
    assert_eq!(code, 4, "{output}{errors}");
    let (code, output, _) = run(&["verify", "--data-dir", &data, "--json"]);
    assert_eq!(code, 4);
    let verified: Value = serde_json::from_str(&output).unwrap();
    assert_eq!(verified["sound"], false);
    let people = &verified["stores"][1];
    assert_eq!(people["database"], "people");
    assert!(people["problem_count"].as_u64().unwrap() > 0);
    assert!(!people["problems"].as_array().unwrap().is_empty());
}

/// The directory of the store called something that begins with `prefix`.
fn store_of(data: &str, prefix: &str) -> PathBuf {
    let stores = fs::read_dir(Path::new(data).join("stores")).unwrap();
    let mut paths = stores.map(|it| it.unwrap().path());
    let is_wanted = |path: &PathBuf| {
        let name = fs::read_to_string(path.join("name")).unwrap();
        name.split_once(' ').unwrap().1.starts_with(prefix)
    };
    paths.find(is_wanted).unwrap()
}

#[test]
fn a_store_or_a_name_that_is_gone_is_named_and_nothing_takes_its_place() {
    let place = Place::new();
    place.import("people", &place.file("people.json", people(3)));
    let data = place.data();
    let store = store_of(&data, "database-");
    fs::remove_file(store.join("name")).unwrap();
    let (code, output, _) = run(&["verify", "--data-dir", &data]);
    assert_eq!(code, 4, "{output}");
    assert!(output.contains("name' is missing"), "{output}");
    assert!(output.contains("people: 3 documents"), "{output}");
    assert!(!store.join("name").exists(), "a check repairs nothing");

    fs::remove_dir_all(&store).unwrap();
    let (code, output, _) = run(&["verify", "--data-dir", &data]);
    assert_eq!(code, 4, "{output}");
    assert!(
        output.contains("'people' is missing from the data directory"),
        "{output}"
    );
    for arguments in [
        vec!["info", "--data-dir", &data],
        vec!["export", "--data-dir", &data, "--database", "people", "-"],
        vec![
            "import",
            "--data-dir",
            &data,
            "--database",
            "people",
            &place.path("people.json"),
        ],
    ] {
        let (code, output, errors) = run(&arguments);
        assert_eq!(code, 4, "{arguments:?}: {output}{errors}");
        assert!(
            errors.contains("is missing from the data directory"),
            "{errors}"
        );
    }

    // It does not hide the databases that are sound.
    place.import("sound", &place.file("sound.json", people(2)));
    let (code, output, errors) = run(&["info", "--data-dir", &data]);
    assert_eq!(code, 4, "{output}{errors}");
    assert!(output.contains("cannot be read"), "{output}");
    assert!(output.contains("documents      2"), "{output}");
    let server = Server::start(&data);
    let mut socket = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).unwrap();
    socket
        .write_all(b"GET /databases HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{answer}");
    let listed: Value = serde_json::from_str(body).unwrap();
    let [lost, sound] = &listed["Databases"].as_array().unwrap()[..] else {
        panic!("{listed}");
    };
    assert!(
        lost["LoadError"].as_str().unwrap().contains("missing"),
        "{lost}"
    );
    assert_eq!(
        (&sound["LoadError"], &sound["DocumentsCount"]),
        (&Value::Null, &json!(2))
    );
}

#[test]
fn a_directory_in_which_nothing_was_stored_is_sound() {
    let place = Place::new();
    let data = place.data();
    fs::create_dir_all(Path::new(&data).join("stores")).unwrap();
    let output = done(&["verify", "--data-dir", &data]);
    assert!(output.contains("nothing was stored here yet"), "{output}");
    let (code, _, errors) = run(&["info", "--data-dir", &data]);
    assert_eq!(code, 1);
    assert!(errors.contains("nothing was stored in"), "{errors}");
    // A name that cannot be read is something.
    fs::create_dir(Path::new(&data).join("stores/000001")).unwrap();
    fs::write(Path::new(&data).join("format"), "pinyon storage 2\n").unwrap();
    let (code, output, _) = run(&["verify", "--data-dir", &data]);
    assert_eq!(code, 4, "{output}");
}

#[test]
fn a_look_changes_no_file() {
    let place = Place::new();
    place.import("people", &place.file("people.json", people(3)));
    let data = place.data();
    let contents = || -> Vec<Vec<u8>> {
        let files = files_under(Path::new(&data)).into_iter();
        files.map(|file| fs::read(file).unwrap()).collect()
    };
    let before = contents();
    done(&["verify", "--data-dir", &data]);
    done(&["info", "--data-dir", &data]);
    place.lines_of("people");
    assert!(contents() == before);
}

fn files_under(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_under(&path));
        } else {
            files.push(path);
        }
    }
    files
}

#[test]
fn wrong_usage_is_told_from_failure() {
    let place = Place::new();
    let missing = place.path("nothing");
    let import = ["import", "--data-dir", &missing, "--database", "d"];
    // A data directory that is a file is not in use by anybody.
    let file = place.file("a-file", "{}");
    let into_file = ["import", "--data-dir", &file, "--database", "d", "--create"];
    for (arguments, expected) in [
        (vec!["import", "--database", "d", "f"], 2),
        (vec!["verify"], 2),
        (vec!["info", "--data-dir", &missing], 1),
        (vec!["verify", "--data-dir", &missing], 1),
        ([&into_file[..], &[&file]].concat(), 1),
        (
            [&import[..], &["--batch-documents", "0", &file]].concat(),
            2,
        ),
        (
            [&import[..], &["--batches-in-flight", "0", &file]].concat(),
            2,
        ),
        ([&import[..], &["--create", &missing]].concat(), 1),
        (
            vec!["export", "--url", "https://x", "--database", "d", &missing],
            2,
        ),
    ] {
        let (code, _, errors) = run(&arguments);
        assert_eq!(code, expected, "{arguments:?}: {errors}");
    }
    // A file that is not there must not leave a database behind.
    assert!(!Path::new(&missing).exists());
}

#[test]
fn a_url_wins_over_the_variable_of_the_data_directory() {
    let place = Place::new();
    let file = place.file("people.jsonl", people(3));
    let server = Server::start(&place.data());
    let elsewhere = place.path("elsewhere");
    let run_with = |arguments: &[&str]| {
        let mut command = pinyon(arguments);
        command.env("PINYON_DATA_DIR", &elsewhere).output().unwrap()
    };
    let with_url = [
        "import",
        "--url",
        &server.url,
        "--database",
        "d",
        "--create",
    ];
    let output = run_with(&[&with_url[..], &[&file]].concat());
    assert!(output.status.success(), "{output:?}");
    assert!(!Path::new(&elsewhere).exists());
    let export = ["export", "--url", &server.url, "--database", "d", "-"];
    let output = run_with(&[&export[..], &["--format", "jsonl"]].concat());
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stdout.iter().filter(|it| **it == b'\n').count(), 3);
    // Without a URL the variable holds, and an option wins over it.
    let there = ["import", "--database", "e", "--create"];
    let output = run_with(&[&there[..], &[&file]].concat());
    assert!(output.status.success(), "{output:?}");
    assert!(Path::new(&elsewhere).exists());
    let third = place.path("third");
    let output = run_with(&[&there[..], &["--data-dir", &third, &file]].concat());
    assert!(output.status.success(), "{output:?}");
    assert!(Path::new(&third).exists());
    // Who types both is told.
    let both = run_with(&[&with_url[..], &["--data-dir", &third, &file]].concat());
    assert_eq!(both.status.code(), Some(2), "{both:?}");
}

#[test]
fn an_import_into_nothing_says_what_makes_it() {
    let place = Place::new();
    let data = place.data();
    let file = place.file("people.jsonl", people(1));
    place.import("there", &file);
    let dump = place.path("d.ravendbdump");
    done(&["export", "--data-dir", &data, "--database", "there", &dump]);
    assert!(done(&["info", "--data-dir", &data]).contains(": 1 database\n"));
    let to_data = ["import", "--data-dir", &data];
    let (code, _, errors) = run(&[&to_data[..], &["--database", "gone", &file]].concat());
    assert_eq!(code, 1, "{errors}");
    assert!(
        errors.contains("'gone'") && errors.contains("--create"),
        "{errors}"
    );
    let server = Server::start(&data);
    let to_server = ["import", "--url", &server.url, "--database", "gone"];
    for file in [&file, &dump] {
        let (code, _, errors) = run(&[&to_server[..], &[file]].concat());
        assert_eq!(code, 1, "{errors}");
        assert!(
            errors.contains("'gone'") && errors.contains("--create"),
            "{errors}"
        );
    }
}

#[test]
fn variables_of_the_server_have_their_bounds_in_commands_too() {
    let place = Place::new();
    let (data, file) = (place.data(), place.file("people.jsonl", people(1)));
    let arguments = ["import", "--data-dir", &data, "--database", "d", "--create"];
    let mut command = pinyon(&[&arguments[..], &[&file]].concat());
    let most = u64::MAX.to_string();
    let output = command.env("PINYON_MAX_QUEUED_OPERATIONS", most).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("--max-queued-operations"));
}

#[test]
fn no_token_is_over_when_it_is_made() {
    let place = Place::new();
    let keys = place.path("keys.json");
    done(&["edge-token", "--new-keys", &keys]);
    let token = [
        "edge-token",
        "--keys",
        &keys,
        "--user",
        "eva",
        "--database",
        "d",
    ];
    let (code, output, errors) = run(&[&token[..], &["--expires-h", "0"]].concat());
    assert_eq!((code, output.as_str()), (2, ""));
    assert!(errors.contains("--expires-h"), "{errors}");
    done(&[&token[..], &["--expires-h", "1"]].concat());
}

#[test]
fn an_import_that_fails_does_not_wait_for_the_rest_of_a_pipe() {
    let place = Place::new();
    let data = place.data();
    let mut piped = pinyon(&["import", "--data-dir", &data, "--database", "d"]);
    let piped = piped.args(["--create", "-"]).stdin(Stdio::piped());
    let mut piped = piped
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = piped.stdin.take().unwrap();
    // More than one chunk, so that the import begins; and the pipe stays open.
    let bad = "not a document\n".repeat(30_000);
    let sent = input.write_all(bad.as_bytes());
    let status = piped.wait().unwrap();
    assert_eq!(status.code(), Some(2), "{sent:?}");
}
