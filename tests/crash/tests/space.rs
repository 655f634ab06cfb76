//! The disk space of attachments that are gone is used again, also when the server is killed
//! before it gave them back: the data directory does not grow with what went through it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

use pinyon_crash::check::Totals;
use pinyon_crash::client::Client;
use pinyon_crash::disk::{Disk, Fault};
use pinyon_crash::leftovers::sweep;
use pinyon_crash::server;
use pinyon_server_process::find_binary;
use serde_json::json;

const ROUNDS: usize = 9;
const ATTACHMENTS: usize = 12;
const ATTACHMENT_BYTES: usize = 1_000_000;
/// Long enough that no upload is swept on its way.
const RETENTION_S: u64 = 600;

fn size_of(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).unwrap();
    let sizes = entries.map(|entry| {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => size_of(&entry.path()),
            false => entry.metadata().unwrap().len(),
        }
    });
    sizes.sum()
}

/// Stores documents with attachments of their own, in one batch each.
fn store(client: &Client, round: usize) {
    for number in 0..ATTACHMENTS {
        let id = format!("space/{number}");
        let put = json!({ "Type": "PUT", "Id": id, "ChangeVector": null, "Document": {} });
        let attach = json!({ "Type": "AttachmentPUT", "Id": id, "Name": "scan",
            "ContentType": "", "ChangeVector": null });
        let mut content = vec![0; ATTACHMENT_BYTES];
        fastrand::Rng::with_seed((round * 1_000 + number) as u64).fill(&mut content);
        let answer = client.bulk_with(&[put, attach], &[content]).unwrap();
        assert_eq!(answer.status, 201, "{}", answer.body);
    }
}

#[test]
fn space_of_attachments_is_used_again_after_kills() {
    let binary = find_binary().unwrap();
    let mut disk = Disk::new(Fault::Kill).unwrap();
    let mut sizes = Vec::new();
    for round in 0..ROUNDS {
        let server = server::start(&binary, &disk, RETENTION_S).unwrap();
        let client = Client::new(server.url());
        if round == 0 {
            client.create_database().unwrap();
        }
        store(&client, round);
        for number in 0..ATTACHMENTS {
            let answer = client.delete(&format!("space/{number}")).unwrap();
            assert_eq!(answer.status, 204);
        }
        disk.go_down(server).unwrap();
        let left = sweep(&binary, &disk).unwrap();
        assert_eq!(left.totals, Totals::default());
        sizes.push(size_of(&disk.data_directory()));
    }
    let early = sizes[..3].iter().max().unwrap();
    let late = sizes[3..].iter().max().unwrap();
    let a_round = (ATTACHMENTS * ATTACHMENT_BYTES) as u64;
    assert!(*late < early + a_round, "it grows: {sizes:?}");
}
