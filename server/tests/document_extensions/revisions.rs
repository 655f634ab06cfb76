//! Revisions over HTTP, and the operations on them.

use pinyon_core::host::Timestamp;
use serde_json::{Value, json};

use crate::story::{Sent, Story};

/// As clients write it in a URL, where a plus sign is a space.
fn escaped(change_vector: &str) -> String {
    change_vector.replace('+', "%2B")
}

fn configure(story: &Story, configuration: Value) -> Value {
    story
        .post("admin/revisions/config", configuration)
        .expect(200)
        .json()
}

fn keep_all(story: &Story) {
    configure(
        story,
        json!({ "Default": { "Disabled": false }, "Collections": null }),
    );
}

fn revisions(story: &Story, query: &str) -> Vec<Value> {
    let answer = story.get(&format!("revisions?{query}")).expect(200).json();
    answer["Results"].as_array().unwrap().clone()
}

#[test]
fn the_configuration_is_kept() {
    let story = Story::new(&[]);
    story.get("revisions/config").expect(404);
    let companies =
        json!({ "Disabled": false, "PurgeOnDelete": false, "MinimumRevisionsToKeep": 2 });
    let answer = configure(
        &story,
        json!({ "Default": null, "Collections": { "Companies": companies } }),
    );
    assert!(answer["RaftCommandIndex"].as_u64().unwrap() > 0);
    let kept = story.get("revisions/config").expect(200).json();
    let wanted = json!({ "Default": null, "Collections": { "Companies": {
        "Disabled": false, "MinimumRevisionsToKeep": 2, "MinimumRevisionAgeToKeep": null,
        "PurgeOnDelete": false, "MaximumRevisionsToDeleteUponDocumentUpdate": null } } });
    assert_eq!(kept, wanted);
    let record = story.ask("GET", "/admin/databases?name=db", &[], Sent::Nothing);
    assert_eq!(record.json()["Revisions"], wanted);
    story
        .post("admin/revisions/config", json!({ "Default": 7 }))
        .expect(400);
    story.get("revisions/conflicts/config").expect(404);
    let conflicts = json!({ "Disabled": true });
    story
        .post("admin/revisions/conflicts/config", conflicts.clone())
        .expect(200);
    assert_eq!(story.get("revisions/conflicts/config").json(), conflicts);
}

#[test]
fn two_blind_writes_leave_two_revisions() {
    let story = Story::new(&[]);
    keep_all(&story);
    let first = story.put("a", json!({ "n": 1, "@metadata": { "@collection": "As" } }));
    let between = story.load("a").unwrap()["@metadata"]["@last-modified"].clone();
    std::thread::sleep(std::time::Duration::from_millis(2));
    let second = story.put("a", json!({ "n": 2, "@metadata": { "@collection": "As" } }));
    let answer = story.get("revisions?id=A&start=0&pageSize=10").expect(200);
    let etag = answer.header("ETag").to_owned();
    let body = answer.json();
    assert_eq!(body["TotalResults"], 2);
    assert_eq!(body["Results"][0]["n"], 2);
    let metadata = &body["Results"][1]["@metadata"];
    assert_eq!(metadata["@change-vector"], first.as_str());
    assert_eq!(metadata["@flags"], "HasRevisions, Revision");
    assert_eq!(metadata["@id"], "a");
    let cached = [("If-None-Match", etag.as_str())];
    let path = "/databases/db/revisions?id=A&start=0&pageSize=10";
    story.ask("GET", path, &cached, Sent::Nothing).expect(304);
    let paged = story.get("revisions?id=a&start=1&pageSize=1").json();
    assert_eq!(
        (&paged["TotalResults"], &paged["Results"][0]["n"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(paged["Results"].as_array().unwrap().len(), 1);
    assert_eq!(
        revisions(&story, "id=a&metadataOnly=true")[0]["n"],
        Value::Null
    );
    assert_eq!(
        story.get("revisions/count?id=a").json(),
        json!({ "RevisionsCount": 2 })
    );

    assert_eq!(
        revisions(&story, &format!("changeVector={}", escaped(&second)))[0]["n"],
        2
    );
    let several = format!(
        "changeVector={}&changeVector=nonsense&changeVector={}",
        escaped(&second),
        escaped(&first)
    );
    let several = revisions(&story, &several);
    assert_eq!(
        (&several[0]["n"], &several[1], &several[2]["n"]),
        (&json!(2), &Value::Null, &json!(1))
    );
    story.get("revisions?changeVector=nonsense").expect(404);

    let at = between.as_str().unwrap();
    assert_eq!(revisions(&story, &format!("id=a&before={at}"))[0]["n"], 1);
    // As one of the official clients writes it.
    assert_eq!(revisions(&story, &format!("&id=a&before{at}"))[0]["n"], 1);
    assert!(revisions(&story, "id=a&before=2001-01-01T00:00:00Z").is_empty());
    story.get("revisions?id=a&before=nonsense").expect(400);
    story.get("revisions").expect(400);
    let counted = story.get("stats").json();
    assert_eq!(counted["CountOfRevisionDocuments"], 2);
    let detailed = story.get("collections/stats/detailed").json();
    assert_eq!(detailed["Collections"]["As"]["CountOfRevisions"], 2);
}

#[test]
fn revisions_come_along_with_documents() {
    let story = Story::new(&[]);
    keep_all(&story);
    let terms = story.put("terms", json!({ "rate": 3 }));
    let at = story.load("terms").unwrap()["@metadata"]["@last-modified"].clone();
    std::thread::sleep(std::time::Duration::from_millis(2));
    story.put("terms", json!({ "rate": 4 }));
    story.put(
        "contract",
        json!({ "signed": terms, "also": ["none", terms] }),
    );
    for path in ["signed", "also", terms.as_str()] {
        let body = story
            .get(&format!("docs?id=contract&revisions={}", escaped(path)))
            .expect(200)
            .json();
        let included = body["RevisionIncludes"].as_array().unwrap();
        assert_eq!(included.len(), 1, "{path}");
        assert_eq!(included[0]["Id"], "terms");
        assert_eq!(included[0]["ChangeVector"], terms.as_str());
        assert_eq!(included[0]["Revision"]["rate"], 3);
    }
    let at = at.as_str().unwrap();
    let body = story
        .get(&format!("docs?id=terms&revisionsBefore={at}"))
        .expect(200)
        .json();
    assert_eq!(body["Results"][0]["rate"], 4);
    let included = &body["RevisionIncludes"][0];
    assert_eq!(included["Revision"]["rate"], 3);
    assert_eq!(included["Before"], at);
}

#[test]
fn a_deleted_document_is_restored_from_the_bin() {
    let story = Story::new(&[]);
    keep_all(&story);
    let living = story.put("a", json!({ "n": 1 }));
    story.send("DELETE", "docs?id=a", Sent::Nothing).expect(204);
    let bin = |query: &str| {
        let answer = story
            .get(&format!("revisions/bin?{query}"))
            .expect(200)
            .json();
        answer["Results"].as_array().unwrap().clone()
    };
    let binned = bin("start=0&pageSize=20");
    assert_eq!(binned.len(), 1);
    assert_eq!(binned[0]["@metadata"]["@id"], "a");
    assert_eq!(
        binned[0]["@metadata"]["@flags"],
        "HasRevisions, DeleteRevision"
    );
    // As the official clients write it.
    assert_eq!(bin("start=0&pageSize=undefined").len(), 1);
    assert!(bin("start=1").is_empty());
    let revert = json!({ "IdToChangeVector": { "a": living } });
    story.post("revisions/revert/docs", revert).expect(204);
    assert_eq!(story.load("a").unwrap()["n"], 1);
    assert!(bin("start=0").is_empty());
    story.put("b", json!({}));
    let wrong = json!({ "IdToChangeVector": { "b": living, "a": living } });
    story.post("revisions/revert/docs", wrong).expect(400);
}

#[test]
fn a_database_is_reverted_to_a_moment() {
    let story = Story::new(&[]);
    keep_all(&story);
    let in_collection = |n, name: &str| json!({ "n": n, "@metadata": { "@collection": name } });
    for n in 0..150 {
        story.put(&format!("as/{n}"), in_collection(1, "As"));
    }
    story.put("b", in_collection(1, "Bs"));
    let moment = story.load("b").unwrap()["@metadata"]["@last-modified"].clone();
    std::thread::sleep(std::time::Duration::from_millis(2));
    for n in 0..150 {
        story.put(&format!("as/{n}"), in_collection(2, "As"));
    }
    story.put("b", in_collection(2, "Bs"));
    story.put("as/late", in_collection(2, "As"));
    let revert = |body| story.post("revisions/revert", body);
    let state = story.finish(revert(
        json!({ "Time": moment, "WindowInSec": 0, "Collections": ["As"] }),
    ));
    assert_eq!(state["Status"], "Completed", "{state}");
    assert_eq!(state["Result"]["RevertedDocuments"], 151);
    assert_eq!(story.load("as/7").unwrap()["n"], 1);
    assert_eq!(story.load("b").unwrap()["n"], 2);
    assert!(story.load("as/late").is_none());
    let state = story.finish(revert(json!({ "Time": moment, "WindowInSec": 0 })));
    assert_eq!(state["Result"]["RevertedDocuments"], 1);
    assert_eq!(story.load("b").unwrap()["n"], 1);
    let future = Timestamp::parse("2999-01-01T00:00:00Z").unwrap().to_text();
    revert(json!({ "Time": future })).expect(400);
    revert(json!({ "Time": "nonsense" })).expect(400);
}

#[test]
fn a_configuration_is_enforced_and_can_be_stopped() {
    let story = Story::new(&[]);
    keep_all(&story);
    for n in 0..200 {
        story.put(&format!("a/{n}"), json!({ "n": 1 }));
        story.put(&format!("a/{n}"), json!({ "n": 2 }));
    }
    configure(
        &story,
        json!({ "Default": { "MinimumRevisionsToKeep": 1 } }),
    );
    let slowly = json!({ "MaxOpsPerSecond": 1, "Collections": null });
    let started = story
        .post("admin/revisions/config/enforce", slowly)
        .expect(200)
        .json();
    assert_eq!(started["OperationNodeTag"], "A");
    let id = started["OperationId"].as_u64().unwrap();
    let state = || {
        story
            .get(&format!("operations/state?id={id}"))
            .expect(200)
            .json()
    };
    story.wait_until("progress", |_| {
        state()["Progress"]["RemovedRevisions"] == 64
    });
    assert_eq!(state()["Status"], "InProgress");
    let kill = format!("operations/kill?id={id}");
    story.send("POST", &kill, Sent::Nothing).expect(204);
    story.wait_until("the end", |_| state()["Status"] != "InProgress");
    assert_eq!(state()["Status"], "Canceled");
    let removed = state()["Result"]["RemovedRevisions"].as_u64().unwrap();
    assert!(removed < 200, "{removed}");
    let all = story.finish(story.post("admin/revisions/config/enforce", json!({})));
    assert_eq!(all["Status"], "Completed");
    assert_eq!(all["Result"]["RemovedRevisions"], 200 - removed);
    assert_eq!(story.get("stats").json()["CountOfRevisionDocuments"], 200);
}

#[test]
fn operations_have_numbers_of_their_own() {
    let story = Story::new(&[]);
    let next = || story.get("operations/next-operation-id").expect(200).json();
    let (first, second) = (next(), next());
    assert_eq!(first["NodeTag"], "A");
    assert!(second["Id"].as_u64() > first["Id"].as_u64());
    let id = second["Id"].as_u64().unwrap();
    story.get(&format!("operations/state?id={id}")).expect(404);
    let started = story.post(
        &format!("admin/revisions/config/enforce?operationId={id}"),
        json!({}),
    );
    assert_eq!(started.json()["OperationId"], id);
    story.get("operations/state?id=999").expect(404);
    story.get("operations/state?id=x").expect(400);
    story
        .send("POST", "operations/kill?id=999", Sent::Nothing)
        .expect(404);
    // Another database knows nothing of it, nor does the server as such.
    let record = Sent::Json(json!({ "DatabaseName": "other" }));
    story
        .ask("PUT", "/admin/databases?name=other", &[], record)
        .expect(201);
    for path in ["/databases/other/operations", "/operations"] {
        let path = format!("{path}/state?id={id}");
        story.ask("GET", &path, &[], Sent::Nothing).expect(404);
    }
}

#[test]
fn who_follows_an_operation_into_a_restart_is_not_told_of_another_one() {
    let mut story = Story::new(&[]);
    keep_all(&story);
    for n in 0..100 {
        story.put(&format!("a/{n}"), json!({}));
    }
    let slowly = || json!({ "MaxOpsPerSecond": 1 });
    let started = story.post("admin/revisions/config/enforce", slowly());
    let id = started.json()["OperationId"].as_u64().unwrap();
    story.restart(&[]);
    let again = story.post("admin/revisions/config/enforce", slowly());
    assert!(again.json()["OperationId"].as_u64() > Some(id));
    story.get(&format!("operations/state?id={id}")).expect(404);
}

#[test]
fn revisions_are_deleted_on_request() {
    let story = Story::new(&[]);
    keep_all(&story);
    let vectors: Vec<String> = (0..4).map(|n| story.put("a", json!({ "n": n }))).collect();
    story.put("b", json!({}));
    let delete = |body| story.send("DELETE", "admin/revisions", Sent::Json(body));
    for bad in [
        json!({}),
        json!([["a"]]),
        json!({ "DocumentIds": [] }),
        json!({ "DocumentIds": [""] }),
        json!({ "DocumentIds": "a" }),
        json!({ "DocumentIds": ["a", "b"], "RevisionsChangeVectors": [vectors[0]] }),
        json!({ "DocumentIds": ["b"], "RevisionsChangeVectors": [vectors[0]] }),
        json!({ "DocumentIds": ["a"], "RevisionsChangeVectors": ["nonsense"] }),
        json!({ "DocumentIds": ["a"], "RevisionsChangeVectors": [vectors[0]], "From": "2026-01-01T00:00:00Z" }),
        json!({ "DocumentIds": ["a"], "From": "yesterday" }),
        json!({ "DocumentIds": ["a"], "From": "2026-01-02T00:00:00Z", "To": "2026-01-01T00:00:00Z" }),
    ] {
        delete(bad.clone()).expect(400);
    }
    let count =
        |id| story.get(&format!("revisions/count?id={id}")).json()["RevisionsCount"].clone();
    assert_eq!((count("a"), count("b")), (json!(4), json!(1)));
    let one = json!({ "DocumentIds": ["A"], "RevisionsChangeVectors": [vectors[1]], "From": null });
    assert_eq!(delete(one.clone()).expect(200).json()["TotalDeletes"], 1);
    assert_eq!(delete(one).expect(200).json()["TotalDeletes"], 0);
    let early = json!({ "DocumentIds": ["a", "b"], "To": "2001-01-01T00:00:00Z" });
    assert_eq!(delete(early).expect(200).json()["TotalDeletes"], 0);
    let all = json!({ "DocumentIds": ["a", "b", "nobody"], "RevisionsChangeVectors": [] });
    assert_eq!(delete(all).expect(200).json()["TotalDeletes"], 4);
    assert_eq!(story.load("a").unwrap()["n"], 3);
    assert_eq!(story.load("a").unwrap()["@metadata"]["@flags"], Value::Null);
    let force = json!([{ "Type": "ForceRevisionCreation", "Id": "a" }]);
    story
        .post("bulk_docs", json!({ "Commands": force }))
        .expect(201);
    let forced = &revisions(&story, "id=a")[0]["@metadata"]["@flags"];
    assert_eq!(forced, "HasRevisions, Revision, ForceCreated");
    let spared = json!({ "DocumentIds": ["a"] });
    assert_eq!(delete(spared).expect(200).json()["TotalDeletes"], 0);
    let meant = json!({ "DocumentIds": ["a"], "RemoveForceCreatedRevisions": true });
    assert_eq!(delete(meant).expect(200).json()["TotalDeletes"], 1);
}

#[test]
fn a_long_history_is_deleted_whole() {
    let story = Story::new(&[]);
    keep_all(&story);
    let puts: Vec<Value> = (0..1100)
        .map(|n| json!({ "Type": "PUT", "Id": "a", "ChangeVector": null, "Document": { "n": n } }))
        .collect();
    story
        .post("bulk_docs", json!({ "Commands": puts }))
        .expect(201);
    let all = Sent::Json(json!({ "DocumentIds": ["a"] }));
    let deleted = story.send("DELETE", "admin/revisions", all).expect(200);
    assert_eq!(deleted.json()["TotalDeletes"], 1100);
}

#[test]
fn what_was_made_on_request_is_enforced_away_on_request() {
    let story = Story::new(&[]);
    story.put("a", json!({}));
    let force = json!([{ "Type": "ForceRevisionCreation", "Id": "a" }]);
    story
        .post("bulk_docs", json!({ "Commands": force }))
        .expect(201);
    let enforce = |body| {
        let state = story.finish(story.post("admin/revisions/config/enforce", body));
        state["Result"]["RemovedRevisions"].clone()
    };
    assert_eq!(enforce(json!({ "IncludeForceCreated": false })), 0);
    assert_eq!(enforce(json!({ "IncludeForceCreated": true })), 1);
    for bad in [
        json!([]),
        json!({ "MaxOpsPerSecond": 0 }),
        json!({ "Collections": "As" }),
    ] {
        story
            .post("admin/revisions/config/enforce", bad)
            .expect(400);
    }
}

#[test]
fn the_bin_is_emptied_as_configured() {
    let story = Story::new(&[]);
    keep_all(&story);
    let configuration = "revisions/bin-cleaner/config";
    story.get(configuration).expect(404);
    story.put("a", json!({}));
    story.put("lives", json!({}));
    story.send("DELETE", "docs?id=a", Sent::Nothing).expect(204);
    let configure = |body| story.post("admin/revisions/bin-cleaner/config", body);
    configure(json!({ "CleanerFrequencyInSec": 0 })).expect(400);
    configure(json!([])).expect(400);
    let keep = json!({ "Disabled": false, "MinimumEntriesAgeToKeepInMin": 600,
        "CleanerFrequencyInSec": 1 });
    configure(keep.clone()).expect(200);
    assert_eq!(story.get(configuration).expect(200).json(), keep);
    let bin = || {
        story.get("revisions/bin").json()["Results"]
            .as_array()
            .unwrap()
            .len()
    };
    // Another database that keeps nothing is swept meanwhile.
    let record = json!({ "DatabaseName": "other",
        "Revisions": { "Default": {} },
        "RevisionsBin": { "Disabled": false, "MinimumEntriesAgeToKeepInMin": 0, "CleanerFrequencyInSec": 1 } });
    story
        .ask(
            "PUT",
            "/admin/databases?name=other",
            &[],
            Sent::Json(record),
        )
        .expect(201);
    let other = |method, path: &str, sent| {
        story.ask(method, &format!("/databases/other/{path}"), &[], sent)
    };
    for round in ["first", "second"] {
        other("PUT", "docs?id=x", Sent::Json(json!({}))).expect(201);
        other("DELETE", "docs?id=x", Sent::Nothing).expect(204);
        story.wait_until(round, |_| {
            other("GET", "revisions/count?id=x", Sent::Nothing).json()["RevisionsCount"] == 0
        });
    }
    assert_eq!(bin(), 1, "it is not old enough");
    let now =
        json!({ "Disabled": false, "MinimumEntriesAgeToKeepInMin": 0, "CleanerFrequencyInSec": 1 });
    configure(now).expect(200);
    story.wait_until("an empty bin", |_| bin() == 0);
    let count =
        |id: &str| story.get(&format!("revisions/count?id={id}")).json()["RevisionsCount"].clone();
    assert_eq!((count("a"), count("lives")), (json!(0), json!(1)));
}

#[test]
fn lost_revisions_are_adopted() {
    let story = Story::new(&[]);
    keep_all(&story);
    story.put("a", json!({ "n": 1 }));
    story.send("DELETE", "docs?id=a", Sent::Nothing).expect(204);
    let deletion =
        story.get("revisions/bin").json()["Results"][0]["@metadata"]["@change-vector"].clone();
    let body = json!({ "DocumentIds": ["a"], "RevisionsChangeVectors": [deletion] });
    story
        .send("DELETE", "admin/revisions", Sent::Json(body))
        .expect(200);
    let bin = || {
        story.get("revisions/bin").json()["Results"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(bin(), 0);
    let adopt = |body| story.finish(story.post("admin/revisions/orphaned/adopt", body));
    let none = adopt(json!({ "Collections": ["Others"], "ContinuationParameters": null }));
    assert_eq!(none["Result"]["AdoptedCount"], 0);
    let all = adopt(json!({ "Collections": null }));
    assert_eq!(all["Status"], "Completed");
    assert_eq!(all["Result"]["AdoptedCount"], 1);
    assert_eq!(bin(), 1);
}
