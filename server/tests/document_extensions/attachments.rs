//! Attachments over HTTP: whole, in parts, as downloads, of documents and of revisions.

use serde_json::json;

use crate::story::{Answer, Sent, Story, form};

const AT: &str = "attachments?id=a&name=note.txt";

fn put(story: &Story, path: &str, bytes: &[u8]) -> Answer {
    story.send("PUT", path, Sent::Bytes(bytes))
}

fn with(story: &Story, method: &str, path: &str, header: (&str, &str)) -> Answer {
    story.ask(
        method,
        &format!("/databases/db/{path}"),
        &[header],
        Sent::Nothing,
    )
}

#[test]
fn an_attachment_comes_back_as_it_went() {
    let story = Story::new(&[]);
    let before = story.put("a", json!({ "n": 1 }));
    let bytes = b"hello attachment";
    let put = put(&story, &format!("{AT}&contentType=text%2Fplain"), bytes);
    let put = put.expect(201).json();
    assert_eq!(put["Name"], "note.txt");
    assert_eq!(put["DocumentId"], "a");
    assert_eq!(put["Size"], 16);
    // The hash that RavenDB gives for the same bytes.
    let hash = "eLWgy4X4MphOJVfXMjVnPCd1IkMns7pKDjEIzzE6v3o=";
    assert_eq!(put["Hash"], hash);
    let got = story.get("attachments?id=A&name=NOTE.txt").expect(200);
    assert_eq!(got.bytes, bytes);
    assert_eq!(got.header("Content-Type"), "text/plain");
    assert_eq!(got.header("Content-Length"), "16");
    assert_eq!(got.header("Attachment-Hash"), hash);
    assert_eq!(got.header("Attachment-Size"), "16");
    assert_eq!(got.header("Accept-Ranges"), "bytes");
    let tag = format!("\"{}\"", put["ChangeVector"].as_str().unwrap());
    assert_eq!(got.header("ETag"), tag);
    let head = story.send("HEAD", AT, Sent::Nothing).expect(200);
    assert_eq!(head.header("ETag"), tag);
    assert_eq!(head.header("Content-Length"), "16");
    with(&story, "GET", AT, ("If-None-Match", &tag)).expect(304);
    let document = story.load("a").unwrap();
    let metadata = &document["@metadata"];
    assert_eq!(metadata["@attachments"][0]["Name"], "note.txt");
    assert_eq!(metadata["@flags"], "HasAttachments");
    assert_ne!(metadata["@change-vector"], before.as_str());
    assert_eq!(document["n"], 1);
    story.get("attachments?id=a&name=other").expect(404);
    story.send("DELETE", AT, Sent::Nothing).expect(204);
    story.get(AT).expect(404);
    assert_eq!(
        story.load("a").unwrap()["@metadata"]["@attachments"],
        json!(null)
    );
}

#[test]
fn parts_are_served() {
    let story = Story::new(&[]);
    story.put("a", json!({}));
    let bytes: Vec<u8> = (0..700_000_u32).map(|n| (n % 251) as u8).collect();
    put(&story, AT, &bytes).expect(201);
    let part = |range| with(&story, "GET", AT, ("Range", range));
    for (range, from, to) in [
        ("bytes=0-0", 0, 1),
        ("bytes=258040-258060", 258_040, 258_061),
        ("bytes=-5", 699_995, 700_000),
        ("bytes=600000-", 600_000, 700_000),
    ] {
        let answer = part(range).expect(206);
        assert!(answer.bytes == bytes[from..to], "{range}");
        let said = format!("bytes {from}-{}/700000", to - 1);
        assert_eq!(answer.header("Content-Range"), said);
    }
    let beyond = part("bytes=700000-").expect(416);
    assert_eq!(beyond.header("Content-Range"), "bytes */700000");
    assert!(part("bytes=0-1,5-6").expect(200).bytes == bytes);
    // A part of another version is not a part of this one.
    let stale = [("Range", "bytes=0-0"), ("If-Range", "\"A:999-x\"")];
    let path = format!("/databases/db/{AT}");
    let whole = story.ask("GET", &path, &stale, Sent::Nothing).expect(200);
    assert!(whole.bytes == bytes);
}

#[test]
fn pages_and_pictures_with_scripts_are_downloads() {
    let story = Story::new(&[]);
    story.put("a", json!({}));
    for content_type in ["text/html", "image/svg%2Bxml", "application/javascript", ""] {
        let path = format!("{AT}&contentType={content_type}");
        put(&story, &path, b"<script>alert(1)</script>").expect(201);
        let got = with(&story, "GET", AT, ("Accept-Encoding", "gzip")).expect(200);
        assert!(got.header("Content-Disposition").starts_with("attachment;"));
        assert_eq!(got.header("X-Content-Type-Options"), "nosniff");
        assert!(got.header("Content-Security-Policy").contains("sandbox"));
        assert_eq!(got.header("Content-Encoding"), "");
    }
    // Large enough for compression, were it not an attachment.
    put(
        &story,
        &format!("{AT}&contentType=text/plain"),
        &[b'x'; 20_000],
    )
    .expect(201);
    let got = with(&story, "GET", AT, ("Accept-Encoding", "gzip")).expect(200);
    assert_eq!(got.bytes.len(), 20_000);
}

#[test]
fn writers_do_not_overwrite_each_other() {
    let story = Story::new(&[]);
    story.put("a", json!({}));
    let first = put(&story, AT, b"1").expect(201).json();
    let path = format!("/databases/db/{AT}");
    let guarded = |method, tag: &str, bytes: &[u8]| {
        story.ask(method, &path, &[("If-Match", tag)], Sent::Bytes(bytes))
    };
    let tag = format!("\"{}\"", first["ChangeVector"].as_str().unwrap());
    guarded("PUT", &tag, b"2").expect(201);
    guarded("PUT", &tag, b"3").expect(409);
    guarded("DELETE", &tag, b"").expect(409);
    assert_eq!(story.get(AT).bytes, b"2");
    let missing = put(&story, "attachments?id=nobody&name=x", b"1")
        .expect(400)
        .json();
    let kind = missing["Type"].as_str().unwrap();
    assert!(kind.ends_with("DocumentDoesNotExistException"), "{kind}");
    put(&story, "attachments?id=a&name=", b"1").expect(400);
}

#[test]
fn a_revision_keeps_its_attachments() {
    let story = Story::new(&[]);
    let kept = json!({ "Default": { "Disabled": false }, "Collections": null });
    story.post("admin/revisions/config", kept).expect(200);
    story.put("a", json!({}));
    put(&story, &format!("{AT}&contentType=text/plain"), b"old").expect(201);
    let old = story.load("a").unwrap()["@metadata"]["@change-vector"].clone();
    put(&story, AT, b"new").expect(201);
    let source = json!({ "Type": "Revision", "ChangeVector": old });
    let got = story.post(AT, source).expect(200);
    assert_eq!(got.bytes, b"old");
    assert_eq!(got.header("Content-Type"), "text/plain");
    assert_eq!(story.post(AT, json!({ "Type": "Document" })).bytes, b"new");
    for nothing in [json!("A:99-AAAAAAAAAAAAAAAAAAAAAA"), json!("nonsense")] {
        let source = json!({ "Type": "Revision", "ChangeVector": nothing });
        story.post(AT, source).expect(404);
    }
    story.post(AT, json!({ "Type": "Revision" })).expect(400);
    // Another document's version is not this one's.
    story.put("b", json!({}));
    let source = json!({ "Type": "Revision", "ChangeVector": old });
    story
        .post("attachments?id=b&name=note.txt", source)
        .expect(404);
}

#[test]
fn a_form_with_one_part_is_its_content() {
    let story = Story::new(&[]);
    story.put("a", json!({}));
    let body = b"--line\r\nContent-Disposition: form-data; name=\"note.txt\"; \
        filename=\"note.txt\"\r\nContent-Type: text/plain\r\n\r\nfrom python\r\n--line--\r\n";
    story.form("PUT", AT, body).expect(201);
    assert_eq!(story.get(AT).bytes, b"from python");
    story.form("PUT", AT, &form("one", &[b"two"])).expect(400);
    story.form("PUT", AT, b"--line--\r\n").expect(400);
    assert_eq!(story.get(AT).bytes, b"from python");
}

#[test]
fn who_sends_a_large_one_in_vain_reads_why() {
    let story = Story::new(&["--max-attachment-bytes", "100000"]);
    story.put("a", json!({}));
    let large = vec![7; 40_000_000];
    let answer = put(&story, "attachments?id=nobody&name=x", &large).expect(400);
    let kind = answer.json()["Type"].take();
    assert!(
        kind.as_str()
            .unwrap()
            .ends_with("DocumentDoesNotExistException"),
        "{kind}"
    );
    let answer = put(&story, AT, &large).expect(413);
    assert_eq!(
        answer.json()["Message"],
        "'a/note.txt': the attachment has more than 100000 bytes"
    );
    let commands = json!([{ "Type": "AttachmentPUT", "Id": "a", "Name": "x" }]);
    story.batch(commands, &[&large]).expect(413);
    story.get(AT).expect(404);
}

#[test]
fn several_go_at_once() {
    let story = Story::new(&[]);
    story.put("a", json!({}));
    for name in ["x", "y", "z"] {
        put(
            &story,
            &format!("attachments?id=a&name={name}"),
            name.as_bytes(),
        )
        .expect(201);
    }
    let named = |name| json!({ "DocumentId": "a", "Name": name });
    let body = json!({ "Attachments": [named("x"), named("Z"), named("none")] });
    // What serde takes for the fields of a struct.
    let nameless = json!({ "Attachments": [["a", "x"]] });
    for bad in [
        json!([[]]),
        nameless,
        json!({}),
        json!({ "Attachments": [{ "DocumentId": "a" }] }),
    ] {
        let bad = story.send("DELETE", "attachments/bulk", Sent::Json(bad));
        bad.expect(400);
    }
    story
        .post("attachments?id=a&name=x", json!(["Document"]))
        .expect(400);
    story
        .send("DELETE", "attachments/bulk", Sent::Json(body))
        .expect(204);
    let left = &story.load("a").unwrap()["@metadata"]["@attachments"];
    assert_eq!(left.as_array().unwrap().len(), 1);
    assert_eq!(left[0]["Name"], "y");
}
