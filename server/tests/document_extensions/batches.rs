//! Batches with attachments: all or nothing, whatever breaks.

use serde_json::{Value, json};

use crate::story::{Story, form};

fn put(id: &str) -> Value {
    json!({ "Type": "PUT", "Id": id, "ChangeVector": null, "Document": { "n": 1 } })
}

fn attach(id: &str, name: &str) -> Value {
    json!({ "Type": "AttachmentPUT", "Id": id, "Name": name, "ContentType": "text/plain",
            "ChangeVector": null })
}

fn statistics(story: &Story) -> Value {
    story.get("stats").expect(200).json()
}

#[test]
fn a_lease_and_its_scan_are_stored_together() {
    let story = Story::new(&[]);
    let scan: Vec<u8> = (0..900_000_u32).map(|n| (n % 253) as u8).collect();
    let commands = json!([
        put("leases/1"),
        attach("leases/1", "scan.pdf"),
        attach("leases/1", "note"),
        put("leases/2"),
        attach("leases/2", "note")
    ]);
    let answer = story
        .batch(commands, &[&scan, b"small", b"small"])
        .expect(201);
    let results = answer.json()["Results"].take();
    assert_eq!(results[0]["Type"], "PUT");
    let scanned = &results[1];
    assert_eq!(scanned["Type"], "AttachmentPUT");
    assert_eq!(scanned["Id"], "leases/1");
    assert_eq!(scanned["Name"], "scan.pdf");
    assert_eq!(scanned["ContentType"], "text/plain");
    assert_eq!(scanned["Size"], 900_000);
    let document = story.load("leases/1").unwrap();
    let metadata = &document["@metadata"];
    assert_eq!(
        results[2]["DocumentChangeVector"],
        metadata["@change-vector"]
    );
    assert_eq!(scanned["Hash"], metadata["@attachments"][1]["Hash"]);
    let path = "attachments?id=leases/1&name=scan.pdf";
    assert!(story.get(path).expect(200).bytes == scan);
    assert_eq!(
        story.get("attachments?id=leases/2&name=note").bytes,
        b"small"
    );
    let counted = statistics(&story);
    assert_eq!(counted["CountOfAttachments"], 3);
    assert_eq!(
        counted["CountOfUniqueAttachments"], 2,
        "the notes are one content"
    );
}

#[test]
fn a_failing_batch_leaves_neither() {
    let story = Story::new(&[]);
    let scan = vec![7_u8; 900_000];
    let failing = json!({ "Type": "PUT", "Id": "x", "ChangeVector": "A:99-AAAAAAAAAAAAAAAAAAAAAA",
        "Document": {} });
    let commands = json!([put("leases/1"), attach("leases/1", "scan"), failing]);
    story.batch(commands, &[&scan]).expect(409);
    let commands = json!([put("leases/1"), attach("nobody", "scan")]);
    story.batch(commands, &[&scan]).expect(400);
    let lonely = json!([put("leases/1"), attach("leases/1", "scan")]);
    story.batch(lonely.clone(), &[]).expect(400);
    story.batch(lonely.clone(), &[&scan, b"more"]).expect(400);
    let broken = form(&json!({ "Commands": lonely }).to_string(), &[&scan]);
    story
        .form("POST", "bulk_docs", &broken[..broken.len() - 100])
        .expect(400);
    story.form("POST", "bulk_docs", b"--line--\r\n").expect(400);
    story
        .form("POST", "bulk_docs", b"no form at all")
        .expect(400);
    story
        .post("bulk_docs", json!({ "Commands": lonely }))
        .expect(400);
    assert!(story.load("leases/1").is_none());
    let counted = statistics(&story);
    assert_eq!(counted["CountOfDocuments"], 0);
    assert_eq!(counted["CountOfAttachments"], 0);
    assert_eq!(counted["CountOfUniqueAttachments"], 0);
    story.batch(lonely, &[&scan]).expect(201);
    assert!(story.get("attachments?id=leases/1&name=scan").bytes == scan);
}

#[test]
fn endless_headers_of_a_part_are_refused() {
    let story = Story::new(&[]);
    let mut body = b"--line\r\nContent-Disposition: form-data; name=\"main\"\r\nX: ".to_vec();
    body.resize(2 << 20, b'x');
    story.form("POST", "bulk_docs", &body).expect(413);
}

#[test]
fn attachments_are_copied_moved_and_deleted() {
    let story = Story::new(&[]);
    story
        .batch(json!([put("a"), put("b"), attach("a", "x")]), &[b"content"])
        .expect(201);
    let to = |kind: &str, id: &str, name: &str, to_id: &str, to_name: &str| {
        json!({ "Type": kind, "Id": id, "Name": name, "DestinationId": to_id,
                "DestinationName": to_name, "ChangeVector": null })
    };
    let commands = json!([
        to("AttachmentCOPY", "a", "x", "b", "y"),
        to("AttachmentMOVE", "a", "x", "a", "z"),
        { "Type": "AttachmentDELETE", "Id": "b", "Name": "y", "ChangeVector": null },
    ]);
    let results = story
        .post("bulk_docs", json!({ "Commands": commands }))
        .expect(201);
    let results = results.json()["Results"].take();
    let copied = &results[0];
    let shown =
        ["Type", "Id", "Name", "DestinationId", "DestinationName"].map(|it| copied[it].clone());
    assert_eq!(json!(shown), json!(["AttachmentCOPY", "a", "x", "b", "y"]));
    for member in [
        "ChangeVector",
        "Hash",
        "ContentType",
        "DocumentChangeVector",
    ] {
        assert!(copied[member].is_string(), "{member}");
    }
    assert_eq!(results[1]["Type"], "AttachmentMOVE");
    assert_eq!(results[2]["@id"], "b");
    assert_eq!(results[2]["Name"], "y");
    assert!(results[2]["DocumentChangeVector"].is_string());
    assert_eq!(story.get("attachments?id=a&name=z").bytes, b"content");
    // Onto itself neither goes, and nothing is lost by it; another spelling is another name.
    for kind in ["AttachmentCOPY", "AttachmentMOVE"] {
        let onto_itself = json!([to(kind, "A", "z", "a", "z")]);
        story
            .post("bulk_docs", json!({ "Commands": onto_itself }))
            .expect(400);
    }
    let respelled = json!([
        to("AttachmentMOVE", "a", "z", "a", "Z"),
        to("AttachmentMOVE", "a", "Z", "a", "z")
    ]);
    story
        .post("bulk_docs", json!({ "Commands": respelled }))
        .expect(201);
    assert_eq!(story.get("attachments?id=a&name=z").bytes, b"content");
    story.get("attachments?id=a&name=x").expect(404);
    story.get("attachments?id=b&name=y").expect(404);
    let missing = json!([to("AttachmentMOVE", "a", "none", "b", "y")]);
    story
        .post("bulk_docs", json!({ "Commands": missing }))
        .expect(400);
}

#[test]
fn a_revision_is_forced() {
    let story = Story::new(&[]);
    let first = story.put("a", json!({ "n": 1 }));
    let force = json!([{ "Type": "ForceRevisionCreation", "Id": "a" }]);
    let forced = story
        .post("bulk_docs", json!({ "Commands": force }))
        .expect(201);
    let forced = forced.json()["Results"][0].take();
    assert_eq!(forced["Type"], "ForceRevisionCreation");
    assert_eq!(forced["RevisionCreated"], true);
    assert_eq!(forced["@id"], "a");
    assert_eq!(forced["@change-vector"], first.as_str());
    assert_eq!(forced["@flags"], "HasRevisions");
    let again = story
        .post("bulk_docs", json!({ "Commands": force }))
        .expect(201);
    assert_eq!(again.json()["Results"][0]["RevisionCreated"], false);
    // A put that wants the version before it kept; of what is new there is none.
    let put = |id, n| {
        json!({ "Type": "PUT", "Id": id, "ChangeVector": null, "Document": { "n": n },
                "ForceRevisionCreationStrategy": "Before" })
    };
    let commands = json!([put("a", 2), put("a", 3), put("new", 1)]);
    let results = story
        .post("bulk_docs", json!({ "Commands": commands }))
        .expect(201);
    assert_eq!(results.json()["Results"].as_array().unwrap().len(), 3);
    let count =
        |id| story.get(&format!("revisions/count?id={id}")).json()["RevisionsCount"].clone();
    assert_eq!(count("a"), 2, "that of 1 was there, that of 2 is new");
    assert_eq!(count("new"), 0);
    let nobody = json!([{ "Type": "ForceRevisionCreation", "Id": "nobody" }]);
    story
        .post("bulk_docs", json!({ "Commands": nobody }))
        .expect(400);
}
