//! Documents that several wrote without having seen each other's.

use pinyon_core::attachments::ListedAttachment;
use pinyon_core::commands::JsonPatchDocument;
use pinyon_core::document::JsonPatch;
use pinyon_core::revisions::{
    AdoptRevisions, CollectionRevisions, DeleteRevisions, RevisionSelection, RevisionsConfiguration,
};
use pinyon_core::smuggler::{ExportFormat, Exporter};
use pinyon_core::version::Etag;

use super::*;

#[test]
fn concurrent_edits_are_a_conflict_that_everybody_sees_and_one_settles() {
    story(async |world| {
        let (hub, eva, adam) = (
            world.database().await,
            world.database().await,
            world.database().await,
        );
        put(&hub, "people/1", "Base").await;
        let mut to_eva = world.connect(&hub, &eva, EdgeOptions::default()).await;
        let mut to_adam = world.connect(&hub, &adam, EdgeOptions::default()).await;
        put(&eva, "people/1", "Eva").await;
        put(&adam, "people/1", "Adam").await;
        to_eva.sync().await;
        to_adam.sync().await;
        to_eva.sync().await;
        for database in [&hub, &eva, &adam] {
            let read = database.read().await.unwrap();
            let error = read.document("people/1").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::DocumentConflict);
            let conflict = read.conflict("People/1").await.unwrap().unwrap();
            let mut bodies: Vec<_> = conflict
                .set
                .live
                .iter()
                .map(|it| &it.value.body[..])
                .collect();
            bodies.sort_unstable();
            assert_eq!(bodies, [r#"{"Name":"Adam"}"#, r#"{"Name":"Eva"}"#]);
            assert_eq!(read.conflicts("", 10).await.unwrap().len(), 1);
        }
        // Who made the second version knows what it was based on, as long as there is a conflict.
        let base = async |database| {
            let read = pinyon_core::Database::read(database).await.unwrap();
            let base = read.conflict_base("People/1").await.unwrap();
            base.map(|it| it.body)
        };
        assert_eq!(base(&adam).await.as_deref(), Some(r#"{"Name":"Base"}"#));
        assert_eq!(base(&hub).await, None);
        put(&adam, "people/1", "Both").await;
        assert_eq!(base(&adam).await, None);
        to_adam.sync().await;
        to_eva.sync().await;
        assert_eq!(seen(&eva, "people/1").await, seen(&hub, "people/1").await);
        assert_eq!(name(&eva, "people/1").await.as_deref(), Some("Both"));
        // Both parents stay.
        let read = hub.read().await.unwrap();
        let revisions = read.revisions("people/1", 0, 10).await.unwrap();
        let bodies: Vec<_> = revisions.iter().map(|it| it.body().to_owned()).collect();
        assert!(bodies.iter().any(|it| it.contains("Adam")), "{bodies:?}");
        assert!(bodies.iter().any(|it| it.contains("Eva")), "{bodies:?}");
        assert_sound(&[&hub, &eva, &adam]).await;
    });
}

#[test]
fn ids_that_are_made_never_meet_a_document_in_conflict() {
    story(async |world| {
        let (hub, eva) = (world.database().await, world.database().await);
        let mut line = world.connect(&hub, &eva, EdgeOptions::default()).await;
        let ids = ["nums/1".to_owned(), format!("nums/{:019}-A", 40)];
        for id in &ids {
            put(&eva, id, "Eva").await;
            put(&hub, id, "Hub").await;
        }
        line.sync().await;
        let state = hub.read().await.unwrap().state().await.unwrap();
        for next in state.last_etag.number() + 1..40 {
            put(&hub, "filler", &next.to_string()).await;
        }
        put(&hub, "nums/", "Server-side").await;
        put(&hub, "nums|", "Identity").await;
        let read = hub.read().await.unwrap();
        assert!(read.conflict(&ids[0]).await.unwrap().is_some());
        assert!(read.conflict(&ids[1]).await.unwrap().is_some());
        assert_eq!(name(&hub, "nums/2").await.as_deref(), Some("Identity"));
        let after = format!("nums/{:019}-A", 41);
        assert_eq!(name(&hub, &after).await.as_deref(), Some("Server-side"));
    });
}

#[test]
fn an_edit_against_a_deletion_is_a_conflict_too() {
    story(async |world| {
        let (hub, eva) = (world.database().await, world.database().await);
        put(&hub, "people/1", "Base").await;
        let mut to_eva = world.connect(&hub, &eva, EdgeOptions::default()).await;
        put(&eva, "people/1", "Eva").await;
        delete(&hub, "people/1").await;
        to_eva.sync().await;
        let read = hub.read().await.unwrap();
        let conflict = read.conflict("people/1").await.unwrap().unwrap();
        assert_eq!(
            conflict
                .set
                .live
                .iter()
                .filter(|it| it.value.is_deletion)
                .count(),
            1
        );
        delete(&eva, "people/1").await;
        to_eva.sync().await;
        let read = hub.read().await.unwrap();
        assert!(read.conflict("people/1").await.unwrap().is_none());
        assert!(read.document("people/1").await.unwrap().is_none());
        assert_eq!(pending(&eva).await, 0);
        assert_sound(&[&hub, &eva]).await;
    });
}

#[test]
fn a_server_told_to_takes_the_latest_and_keeps_the_other_as_revision() {
    story(async |world| {
        let (hub, eva, adam) = (
            world.database().await,
            world.database().await,
            world.database().await,
        );
        let latest = ConflictsConfiguration {
            resolve_to_latest: true,
            ..ConflictsConfiguration::default()
        };
        hub.configure(Configure::Conflicts(latest)).await.unwrap();
        put(&hub, "people/1", "Base").await;
        let mut to_eva = world.connect(&hub, &eva, EdgeOptions::default()).await;
        let mut to_adam = world.connect(&hub, &adam, EdgeOptions::default()).await;
        put(&eva, "people/1", "Eva").await;
        put(&adam, "people/1", "Adam").await;
        to_eva.sync().await;
        world.clock.advance_ms(1000);
        to_adam.sync().await;
        to_eva.sync().await;
        assert_eq!(name(&hub, "people/1").await.as_deref(), Some("Adam"));
        assert_eq!(seen(&eva, "people/1").await, seen(&hub, "people/1").await);
        let read = hub.read().await.unwrap();
        let revisions = read.revisions("people/1", 0, 10).await.unwrap();
        assert!(revisions.iter().any(|it| it.body().contains("Eva")));
        assert_sound(&[&hub, &eva, &adam]).await;
    });
}

#[test]
fn what_is_in_conflict_is_neither_deleted_nor_left_out_of_dumps() {
    story(async |world| {
        let (hub, eva) = (world.database().await, world.database().await);
        let kept = RevisionsConfiguration {
            default: Some(CollectionRevisions::default()),
            ..RevisionsConfiguration::default()
        };
        hub.configure(Configure::Revisions(kept)).await.unwrap();
        put(&hub, "people/1", "First").await;
        delete(&hub, "people/1").await;
        put(&hub, "people/1", "Base").await;
        let mut to_eva = world.connect(&hub, &eva, EdgeOptions::default()).await;
        to_eva.sync().await;
        put(&eva, "people/1", "Eva").await;
        put(&hub, "people/1", "Hub").await;
        to_eva.sync().await;
        let read = hub.read().await.unwrap();
        assert!(read.conflict("people/1").await.unwrap().is_some());

        // An old deletion is not what the document is now.
        let read = hub.read().await.unwrap();
        let oldest = read.revisions("people/1", 0, 10).await.unwrap().pop();
        let vectors = vec![oldest.unwrap().change_vector().to_owned()];
        let deletion = BatchCommand::DeleteRevisions(DeleteRevisions {
            id: DocumentId::new("people/1", 512).unwrap(),
            selection: RevisionSelection::ChangeVectors(vectors),
            includes_forced: true,
            limit: 1,
        });
        hub.write_batch(vec![deletion]).await.unwrap();
        let adopt = AdoptRevisions {
            after: Default::default(),
            limit: 10,
            collections: vec![],
        };
        hub.adopt_revisions_step(adopt).await.unwrap();
        let read = hub.read().await.unwrap();
        let listed = read.revision_bin(Etag::ZERO, 0, 10).await.unwrap();
        assert_eq!(listed.len(), 0);
        assert_sound(&[&hub, &eva]).await;

        let format = ExportFormat::Dump { build_version: 1 };
        let mut exporter = Exporter::new(read, format);
        let mut text = Vec::new();
        while exporter.write_next(&mut text).await.unwrap() {}
        let dump: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let names = |section: &str| -> Vec<&str> {
            let items = dump[section].as_array().unwrap().iter();
            items.filter_map(|it| it["Name"].as_str()).collect()
        };
        assert_eq!(names("Docs").len(), 1);
        for name in ["Eva", "Hub"] {
            assert!(names("RevisionDocuments").contains(&name), "{dump}");
        }
        assert_eq!(dump["Tombstones"], serde_json::json!([]));
    });
}

#[test]
fn who_settles_a_conflict_has_the_attachments_of_all_versions() {
    story(async |world| {
        let (hub, eva, adam) = (
            world.database().await,
            world.database().await,
            world.database().await,
        );
        put(&hub, "people/1", "Base").await;
        let mut to_eva = world.connect(&hub, &eva, EdgeOptions::default()).await;
        let mut to_adam = world.connect(&hub, &adam, EdgeOptions::default()).await;
        for (database, who) in [(&eva, "eva"), (&adam, "adam")] {
            attach(database, "people/1", "Photo.png", who.as_bytes()).await;
            attach(database, "people/1", "same", b"the same").await;
            attach(database, "people/1", who, b"one's own").await;
        }
        to_eva.sync().await;
        to_adam.sync().await;
        to_eva.sync().await;
        put(&eva, "people/1", "Both").await;
        to_eva.sync().await;
        to_adam.sync().await;
        for database in [&hub, &eva, &adam] {
            let read = database.read().await.unwrap();
            let names = read.document("people/1").await.unwrap().unwrap();
            let names = ListedAttachment::parse_list(names.attachments()).unwrap();
            let names: Vec<&str> = names.iter().map(|it| &it.name[..]).collect();
            let expected = ["adam", "eva", "Photo.png", "RESOLVED_#1_Photo.png", "same"];
            assert_eq!(names, expected);
            let mut photos = Vec::new();
            for name in ["Photo.png", "RESOLVED_#1_Photo.png"] {
                photos.push(attachment(database, "people/1", name).await.unwrap());
            }
            photos.sort();
            assert_eq!(photos, [b"adam".to_vec(), b"eva".to_vec()]);
        }
        assert_sound(&[&hub, &eva, &adam]).await;
    });
}

#[test]
fn a_patch_of_a_document_in_conflict_changes_nothing_and_says_so() {
    story(async |world| {
        let (hub, eva) = (world.database().await, world.database().await);
        let mut to_eva = world.connect(&hub, &eva, EdgeOptions::default()).await;
        put(&eva, "people/1", "Eva").await;
        put(&hub, "people/1", "Hub").await;
        to_eva.sync().await;
        for database in [&hub, &eva] {
            for create_if_missing in [None, Some(r#"{"n":500}"#)] {
                let patch = JsonPatchDocument {
                    id: DocumentId::new("people/1", 512).unwrap(),
                    expected: ExpectedVersion::Any,
                    patch: JsonPatch::parse(r#"[{"op":"add","path":"/n","value":1}]"#).unwrap(),
                    create_if_missing: create_if_missing
                        .map(|text| parse_document(text, &Limits::default()).unwrap()),
                };
                let refused = database
                    .write_batch(vec![BatchCommand::JsonPatch(patch)])
                    .await
                    .unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::DocumentConflict);
            }
            let read = database.read().await.unwrap();
            let conflict = read.conflict("people/1").await.unwrap().unwrap();
            assert_eq!(conflict.set.live.len(), 2);
        }
        assert_sound(&[&hub, &eva]).await;
    });
}
