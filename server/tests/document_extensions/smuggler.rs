//! Whole databases out of a running server and into it, with everything that belongs to them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::story::{Answer, Sent, Story};

/// A database with a history, an attachment in each of two versions, a configuration of each kind,
/// a deletion and an identity.
fn fill(story: &Story) {
    let configure = |path: &str, body| story.post(path, body).expect(200);
    configure(
        "admin/revisions/config",
        json!({ "Default": { "MinimumRevisionsToKeep": 9 } }),
    );
    configure(
        "admin/expiration/config",
        json!({ "Disabled": false, "DeleteFrequencyInSec": 77 }),
    );
    configure("admin/refresh/config", json!({ "Disabled": true }));
    configure(
        "admin/revisions/bin-cleaner/config",
        json!({ "Disabled": true, "MinimumEntriesAgeToKeepInMin": 5, "CleanerFrequencyInSec": 7 }),
    );
    story.put(
        "leases/1",
        json!({ "n": 1, "@metadata": { "@collection": "Leases" } }),
    );
    for content in ["first scan", "second scan"] {
        let path = "attachments?id=leases/1&name=scan&contentType=text/plain";
        story
            .send("PUT", path, Sent::Bytes(content.as_bytes()))
            .expect(201);
    }
    let expired = json!({ "@metadata": { "@collection": "Tokens", "@expires": "2999-01-01T00:00:00.0000000Z" } });
    story.put("tokens/1", expired);
    story.put("gone", json!({ "n": 7 }));
    story
        .send("DELETE", "docs?id=gone", Sent::Nothing)
        .expect(204);
    story
        .send("POST", "identity/seed?name=users|&value=41", Sent::Nothing)
        .expect(200);
}

/// What a dump must carry, of whichever database.
fn seen(story: &Story, database: &str) -> Value {
    let get = |path: &str| {
        story.ask(
            "GET",
            &format!("/databases/{database}/{path}"),
            &[],
            Sent::Nothing,
        )
    };
    let history = |id: &str| {
        let revisions = get(&format!("revisions?id={id}")).expect(200).json()["Results"].take();
        let revisions = revisions.as_array().unwrap().iter();
        revisions
            .map(|revision| {
                let metadata = &revision["@metadata"];
                json!([
                    revision["n"],
                    metadata["@flags"],
                    metadata["@change-vector"],
                    metadata["@last-modified"],
                    metadata["@attachments"]
                ])
            })
            .collect::<Vec<_>>()
    };
    let old = history("leases/1")[1][2].clone();
    let source = Sent::Json(json!({ "Type": "Revision", "ChangeVector": old }));
    let path = format!("/databases/{database}/attachments?id=leases/1&name=scan");
    let old = story.ask("POST", &path, &[], source).expect(200).bytes;
    let record = get("admin/record").json();
    let configured =
        ["Revisions", "Expiration", "Refresh", "RevisionsBin"].map(|it| record[it].clone());
    let documents = get("docs?id=leases/1&id=tokens/1&id=gone").json()["Results"].take();
    let mut documents = documents.as_array().unwrap().clone();
    for document in &mut documents {
        if let Some(metadata) = document["@metadata"].as_object_mut() {
            // Imported documents are new writes.
            metadata.remove("@change-vector");
            metadata.remove("@last-modified");
        }
    }
    json!({
        "documents": documents,
        "histories": [history("leases/1"), history("gone")],
        "scan": String::from_utf8_lossy(&get("attachments?id=leases/1&name=scan").expect(200).bytes),
        "old scan": String::from_utf8_lossy(&old),
        "bin": get("revisions/bin").json()["Results"][0]["@metadata"]["@id"],
        "identities": get("debug/identities").json(),
        "configured": configured,
        "swept by": [get("expiration/config").json(), get("revisions/bin-cleaner/config").json()],
    })
}

fn unzipped(dump: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    MultiGzDecoder::new(dump).read_to_end(&mut text).unwrap();
    text
}

fn zipped(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn create(story: &Story, database: &str) {
    let record = Sent::Json(json!({ "DatabaseName": database }));
    let path = format!("/admin/databases?name={database}");
    story.ask("PUT", &path, &[], record).expect(201);
}

/// As the official clients send it.
fn import(story: &Story, database: &str, query: &str, options: &Value, dump: &[u8]) -> Answer {
    let mut body = format!(
        "--line\r\nContent-Disposition: form-data; name=\"importOptions\"\r\n\r\n{options}\r\n\
         --line\r\nContent-Disposition: form-data; name=\"file\"; filename=\"name\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(dump);
    body.extend_from_slice(b"\r\n--line--\r\n");
    send_form(story, database, query, &body)
}

fn send_form(story: &Story, database: &str, query: &str, body: &[u8]) -> Answer {
    let headers = [("Content-Type", "multipart/form-data; boundary=line")];
    let path = format!("/databases/{database}/smuggler/import?{query}");
    story.ask("POST", &path, &headers, Sent::Bytes(body))
}

const ALL: &str =
    "Indexes,Documents,RevisionDocuments,DatabaseRecord,Identities,Attachments,Tombstones";

#[test]
fn everything_goes_through_a_dump() {
    let story = Story::new(&[]);
    fill(&story);
    let id = story.get("operations/next-operation-id").json()["Id"].clone();
    let dump = story.post(
        &format!("smuggler/export?operationId={id}"),
        json!({ "OperateOnTypes": ALL }),
    );
    let dump = dump.expect(200).bytes;
    story.wait_until("the end of the export", |_| {
        story.get(&format!("operations/state?id={id}")).json()["Status"] == "Completed"
    });
    let state = story.get(&format!("operations/state?id={id}")).json();
    assert_eq!(state["Result"]["Documents"]["ReadCount"], 2);
    assert_eq!(state["Result"]["RevisionDocuments"]["ReadCount"], 6);
    create(&story, "copy");
    let told = import(&story, "copy", "", &json!({ "OperateOnTypes": ALL }), &dump)
        .expect(200)
        .json();
    assert_eq!(told["Documents"]["ReadCount"], 2);
    assert_eq!(told["RevisionDocuments"]["ReadCount"], 6);
    assert_eq!(told["Identities"]["ReadCount"], 1);
    assert_eq!(told["Messages"], json!([]));
    assert_eq!(seen(&story, "copy"), seen(&story, "db"));
    // Once more, plain: nothing is there twice.
    let id = story.get("operations/next-operation-id").json()["Id"].clone();
    let query = format!("operationId={id}");
    // The number is one of the other database's too.
    import(
        &story,
        "copy",
        &query,
        &json!({ "OperateOnTypes": ALL }),
        &unzipped(&dump),
    )
    .expect(200);
    let state = format!("/databases/copy/operations/state?id={id}");
    story.wait_until("the end of the import", |_| {
        story.ask("GET", &state, &[], Sent::Nothing).json()["Status"] == "Completed"
    });
    assert_eq!(
        seen(&story, "copy")["histories"][1],
        seen(&story, "db")["histories"][1]
    );
}

#[test]
fn only_what_is_asked_for_goes() {
    let story = Story::new(&[]);
    fill(&story);
    let export = |options| {
        let dump = story.post("smuggler/export", options).expect(200).bytes;
        serde_json::from_slice::<Value>(&unzipped(&dump))
    };
    let count = |dump: &Value, section: &str| dump[section].as_array().map_or(0, Vec::len);
    // Attachments' contents stand between the items of the others.
    let tokens = json!({ "OperateOnTypes": "Documents, RevisionDocuments, Tombstones", "Collections": ["tokens"] });
    let dump = export(tokens).unwrap();
    assert_eq!(
        (
            count(&dump, "Docs"),
            count(&dump, "RevisionDocuments"),
            count(&dump, "Tombstones")
        ),
        (1, 1, 0)
    );
    assert_eq!(dump["DatabaseRecord"], Value::Null);
    let dump = export(json!({ "OperateOnTypes": "Identities,DatabaseRecord" })).unwrap();
    assert_eq!((count(&dump, "Docs"), count(&dump, "Identities")), (0, 1));
    assert_eq!(
        dump["DatabaseRecord"]["RevisionsBin"]["CleanerFrequencyInSec"],
        7
    );
    let path = "docs?id=tokens/old";
    let old = json!({ "@metadata": { "@collection": "Tokens", "@expires": "2001-01-01T00:00:00.0000000Z" } });
    story
        .post("admin/expiration/config", json!({ "Disabled": true }))
        .expect(200);
    story.send("PUT", path, Sent::Json(old)).expect(201);
    let living = json!({ "OperateOnTypes": "Documents", "Collections": ["Tokens"], "IncludeExpired": false });
    let dump = export(living).unwrap();
    assert_eq!(count(&dump, "Docs"), 1);
    assert_eq!(dump["Docs"][0]["@metadata"]["@id"], "tokens/1");

    create(&story, "part");
    let whole = story
        .post("smuggler/export", json!({ "OperateOnTypes": ALL }))
        .expect(200)
        .bytes;
    let options = json!({ "OperateOnTypes": "Documents", "Collections": ["Leases"] });
    let told = import(&story, "part", "", &options, &whole)
        .expect(200)
        .json();
    assert_eq!(told["Documents"]["ReadCount"], 1);
    assert_eq!(told["RevisionDocuments"]["ReadCount"], 0);
    let get = |path: &str| {
        story.ask(
            "GET",
            &format!("/databases/part/{path}"),
            &[],
            Sent::Nothing,
        )
    };
    assert_eq!(
        get("attachments?id=leases/1&name=scan").bytes,
        b"second scan"
    );
    assert_eq!(
        get("revisions/count?id=leases/1").json()["RevisionsCount"],
        0
    );
    get("revisions/config").expect(404);
    get("docs?id=tokens/1").expect(404);
}

#[test]
fn what_cannot_be_read_is_refused_and_told() {
    let story = Story::new(&[]);
    let none = json!({});
    for options in [
        json!([]),
        json!({ "TransformScript": "x" }),
        json!({ "EncryptionKey": "k" }),
    ] {
        let status = import(&story, "db", "", &options, b"{}").status;
        assert!((400..=501).contains(&status), "{options}: {status}");
        let status = story.post("smuggler/export", options.clone()).status;
        assert!((400..=501).contains(&status), "{options}: {status}");
    }
    let dump =
        zipped(br#"{"BuildVersion":72051,"Docs":[{"n":1,"@metadata":{"@id":"a"}},{"n":2}]}"#);
    let refused = import(&story, "db", "", &none, &dump).expect(400).json();
    assert!(
        refused["Message"].as_str().unwrap().contains("@id"),
        "{refused}"
    );
    let skipping = json!({ "SkipCorruptedData": true });
    let told = import(&story, "db", "", &skipping, &dump)
        .expect(200)
        .json();
    assert_eq!(told["Documents"]["ReadCount"], 1);
    assert_eq!(told["Documents"]["ErroredCount"], 1);
    assert!(
        told["Messages"][0].as_str().unwrap().contains("@id"),
        "{told}"
    );
    // A file that ends early, and one that is none.
    import(&story, "db", "", &none, &dump[..dump.len() - 9]).expect(400);
    import(
        &story,
        "db",
        "",
        &none,
        b"{\"BuildVersion\":72051,\"Docs\":[",
    )
    .expect(400);
    import(&story, "db", "", &none, b"\x1f\x8bnonsense").expect(400);
    // Not the form that it should be.
    story.post("smuggler/import", none.clone()).expect(400);
    send_form(&story, "db", "", b"--line--\r\n").expect(400);
    send_form(
        &story,
        "db",
        "",
        b"--line\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n{}\r\n--line--\r\n",
    )
    .expect(400);
    send_form(&story, "db", "", b"--line\r\nContent-Disposition: form-data; name=\"importOptions\"\r\n\r\n{}\r\n--line--\r\n").expect(400);
    let id = story.get("operations/next-operation-id").json()["Id"].clone();
    import(
        &story,
        "db",
        &format!("operationId={id}"),
        &none,
        &zipped(b"{\"BuildVersion\":72051,\"Docs\":[7]}"),
    )
    .expect(400);
    story.wait_until("the fault", |_| {
        story.get(&format!("operations/state?id={id}")).json()["Status"] == "Faulted"
    });
    assert_eq!(story.load("a").unwrap()["n"], 1);
}

#[test]
fn the_commands_carry_everything_between_servers() {
    let story = Story::new(&[]);
    fill(&story);
    let file = story.path("shop.ravendbdump");
    let pinyon = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pinyon"));
        let output = command.args(arguments).output().unwrap();
        let text =
            [output.stdout, output.stderr].map(|it| String::from_utf8_lossy(&it).into_owned());
        (output.status.code(), text.concat())
    };
    let url = story.server().url().to_owned();
    let (code, told) = pinyon(&["export", "--url", &url, "--database", "db", &file]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("exported 2 documents, 6 revisions"), "{told}");
    let import = ["import", "--url", &url, "--database", "copy", "--create"];
    let (code, told) = pinyon(&[&import[..], &[&file]].concat());
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("imported 2 documents, 6 revisions"), "{told}");
    assert!(told.contains("4 configurations"), "{told}");
    assert_eq!(seen(&story, "copy"), seen(&story, "db"));
    // Errors come from the server with their place, and bad items can be left out there too.
    let broken = story.path("broken.json");
    let text = r#"{"BuildVersion":72051,"Docs":[{"n":1,"@metadata":{"@id":"x"}},{"n":2}]}"#;
    std::fs::write(&broken, text).unwrap();
    let (code, told) = pinyon(&[&import[..], &[&broken]].concat());
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("@metadata.@id is missing"), "{told}");
    let (code, told) = pinyon(&[&import[..], &["--skip-errors", &broken]].concat());
    assert_eq!(code, Some(5), "{told}");
    assert!(told.contains("1 items left out"), "{told}");
    let cut = story.path("cut.ravendbdump");
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    let (code, told) = pinyon(&[&import[..], &[&cut]].concat());
    assert_ne!(code, Some(0), "{told}");
    assert!(told.contains("cut.ravendbdump"), "{told}");
}

/// A request for a dump that is far too large for what lies between server and client.
fn begin_large_export(story: &Story) -> (TcpStream, Value) {
    let id = story.get("operations/next-operation-id").json()["Id"].clone();
    let address = story
        .server()
        .url()
        .trim_start_matches("http://")
        .to_owned();
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!(
        "POST /databases/db/smuggler/export?operationId={id} HTTP/1.1\r\nHost: localhost\r\n\
         Content-Length: 0\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    (stream, id)
}

#[test]
fn an_export_is_stopped_or_given_up() {
    let story = Story::new(&[]);
    story.put("a", json!({}));
    // Nothing that compresses.
    let mut word = 7_u64;
    let mut random = || {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        word.to_le_bytes()
    };
    let noise: Vec<u8> = (0..5_000_000).flat_map(|_| random()).collect();
    story
        .send("PUT", "attachments?id=a&name=noise", Sent::Bytes(&noise))
        .expect(201);
    let status =
        |id: &Value| story.get(&format!("operations/state?id={id}")).json()["Status"].clone();

    let (mut stream, id) = begin_large_export(&story);
    assert_eq!(status(&id), "InProgress");
    let kill = format!("operations/kill?id={id}");
    story.send("POST", &kill, Sent::Nothing).expect(204);
    // What was under way comes, and then an end that nobody takes for a good one.
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(rest.len() < noise.len() && !rest.ends_with(b"0\r\n\r\n"));
    story.wait_until("the cancelled end", |_| status(&id) == "Canceled");

    let (stream, id) = begin_large_export(&story);
    drop(stream);
    story.wait_until("the end without a client", |_| status(&id) == "Faulted");
}
