//! Attachments of documents that are synced.

use pinyon_core::attachments::{CopyAttachment, DeleteAttachment};

use super::*;

/// What one loses before another gets it, in one push and in one part of the stream.
#[test]
fn an_attachment_moves_from_one_document_to_another() {
    story(async |world| {
        let (hub, eva, adam) = (
            world.database().await,
            world.database().await,
            world.database().await,
        );
        let mut to_eva = world.connect(&hub, &eva, EdgeOptions::default()).await;
        let mut to_adam = world.connect(&hub, &adam, EdgeOptions::default()).await;
        put(&eva, "people/1", "first").await;
        put(&eva, "people/2", "second").await;
        attach(&eva, "people/1", "x", &vec![5; 50_000]).await;
        to_eva.sync().await;
        to_adam.sync().await;
        let moved = CopyAttachment {
            id: DocumentId::new("people/1", 512).unwrap(),
            name: AttachmentName::new("x").unwrap(),
            expected: ExpectedVersion::Any,
            destination_id: DocumentId::new("people/2", 512).unwrap(),
            destination_name: AttachmentName::new("y").unwrap(),
            is_move: true,
        };
        eva.write_batch(vec![BatchCommand::CopyAttachment(moved)])
            .await
            .unwrap();
        to_eva.sync().await;
        to_adam.sync().await;
        assert_eq!(pending(&eva).await, 0);
        for database in [&hub, &adam] {
            assert_eq!(attachment(database, "people/1", "x").await, None);
            let y = attachment(database, "people/2", "y").await;
            assert_eq!(y, Some(vec![5; 50_000]));
        }
        assert_sound(&[&hub, &eva, &adam]).await;
    });
}

#[test]
fn attachments_alone_are_deleted_and_replaced() {
    story(async |world| {
        let (hub, eva) = (world.database().await, world.database().await);
        put(&hub, "people/1", "Base").await;
        for name in ["a", "b", "c"] {
            attach(
                &hub,
                "people/1",
                name,
                format!("server's {name}").as_bytes(),
            )
            .await;
        }
        let mut line = world.connect(&hub, &eva, EdgeOptions::default()).await;
        let delete = |name: &str| {
            BatchCommand::DeleteAttachment(DeleteAttachment {
                id: DocumentId::new("people/1", 512).unwrap(),
                name: AttachmentName::new(name).unwrap(),
                expected: ExpectedVersion::Any,
            })
        };
        eva.write_batch(vec![delete("a")]).await.unwrap();
        line.sync().await;
        attach(&eva, "people/1", "b", b"another").await;
        line.sync().await;
        assert_eq!(attachment(&hub, "people/1", "a").await, None);
        let b = attachment(&hub, "people/1", "b").await;
        assert_eq!(b.as_deref(), Some(&b"another"[..]));
        // Given up, what was deleted is back.
        eva.write_batch(vec![delete("c")]).await.unwrap();
        eva.discard_pending("people/1").await.unwrap();
        let c = attachment(&eva, "people/1", "c").await;
        assert_eq!(c.as_deref(), Some(&b"server's c"[..]));
        line.sync().await;
        assert_sound(&[&hub, &eva]).await;
    });
}

/// A server may take smaller frames than the pieces that contents are stored in.
#[test]
fn contents_come_in_pieces_that_the_server_takes() {
    story(async |world| {
        let (hub, eva) = (world.database().await, world.database().await);
        let small = HubOptions {
            max_frame_bytes: 20_000,
            ..world.hub_options()
        };
        let mut line = world
            .connect_with(&hub, &eva, EdgeOptions::default(), small)
            .await;
        put(&eva, "people/1", "Eva").await;
        let photo: Vec<u8> = (0..600_000).map(|at| (at % 251) as u8).collect();
        attach(&eva, "people/1", "photo.png", &photo).await;
        line.sync().await;
        assert!(line.largest_to_hub <= 20_000, "{}", line.largest_to_hub);
        assert_eq!(pending(&eva).await, 0);
        assert_eq!(attachment(&hub, "people/1", "photo.png").await, Some(photo));
    });
}

#[test]
fn attachments_travel_with_their_documents_both_ways() {
    story(async |world| {
        let (hub, eva, adam) = (
            world.database().await,
            world.database().await,
            world.database().await,
        );
        let photo: Vec<u8> = (0..700_000u32).map(|it| (it % 251) as u8).collect();
        put(&eva, "people/1", "Eva").await;
        attach(&eva, "people/1", "photo.png", &photo).await;
        put(&hub, "people/2", "Adam").await;
        attach(&hub, "people/2", "note.txt", b"small").await;
        let mut to_eva = world.connect(&hub, &eva, EdgeOptions::default()).await;
        let mut to_adam = world.connect(&hub, &adam, EdgeOptions::default()).await;
        for database in [&hub, &eva, &adam] {
            assert_eq!(
                attachment(database, "people/1", "photo.png")
                    .await
                    .as_deref(),
                Some(&photo[..])
            );
            assert_eq!(
                attachment(database, "people/2", "note.txt")
                    .await
                    .as_deref(),
                Some(&b"small"[..])
            );
        }
        // In a conflict, too, nothing of it is lost.
        attach(&eva, "people/2", "eva.txt", b"of eva").await;
        attach(&adam, "people/2", "adam.txt", b"of adam").await;
        to_eva.sync().await;
        to_adam.sync().await;
        to_eva.sync().await;
        assert!(
            eva.read()
                .await
                .unwrap()
                .conflict("people/2")
                .await
                .unwrap()
                .is_some()
        );
        assert_sound(&[&hub, &eva, &adam]).await;
        put(&eva, "people/2", "settled").await;
        to_eva.sync().await;
        to_adam.sync().await;
        assert_eq!(name(&adam, "people/2").await.as_deref(), Some("settled"));
        for (file, content) in [
            ("note.txt", "small"),
            ("eva.txt", "of eva"),
            ("adam.txt", "of adam"),
        ] {
            let kept = attachment(&adam, "people/2", file).await.unwrap();
            assert_eq!(kept, content.as_bytes(), "{file}");
        }
        assert_sound(&[&hub, &eva, &adam]).await;
    });
}

/// What was here when a part of the stream came may be gone when its other contents are here.
#[test]
fn a_content_that_goes_while_others_come_is_fetched_too() {
    story(async |world| {
        let (hub, eva) = (world.database().await, world.database().await);
        let to_vecs = |frames: &[bytes::Bytes]| -> Vec<Vec<u8>> {
            frames.iter().map(|it| it.to_vec()).collect()
        };
        let mut line = world.connect(&hub, &eva, EdgeOptions::default()).await;
        put(&hub, "people/1", "Adam").await;
        attach(&hub, "people/1", "x", &vec![5; 50_000]).await;
        attach(&hub, "people/1", "y", &vec![6; 50_000]).await;
        put(&eva, "mine/1", "Eva").await;
        attach(&eva, "mine/1", "x", &vec![5; 50_000]).await;
        let part = line.hub.pump().await.unwrap().unwrap();
        let asked = to_vecs(&line.edge.on_frame(&part).await.unwrap());
        assert_eq!(asked.len(), 1, "for the one that is not here");
        delete(&eva, "mine/1").await;
        line.exchange(asked).await;
        line.sync().await;
        for (name, byte) in [("x", 5), ("y", 6)] {
            let here = attachment(&eva, "people/1", name).await;
            assert_eq!(here, Some(vec![byte; 50_000]), "{name}");
        }
        assert_sound(&[&hub, &eva]).await;
    });
}
