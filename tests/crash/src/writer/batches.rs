//! Batches: all or nothing, with attachments or without.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::{Done, Writer};
use crate::client::etag_of;
use crate::content::{Attached, CONTENT_TYPE, NAMES, attachment_bytes, document, with_metadata};
use crate::history::Answered;
use crate::state::Change;

const SLOTS: u32 = 6;
const SLOT_DOCUMENTS: u32 = 8;

impl Writer<'_> {
    /// Stores all documents of a slot anew, or deletes them all: a half batch shows at once.
    pub(super) fn write_slot(&mut self) -> Result<Done> {
        let slot = self.random.u32(0..SLOTS);
        let deletes = self.random.u32(0..5) == 0;
        let writer = self.history.writer;
        let ids = (0..SLOT_DOCUMENTS).map(|n| format!("crash/{writer}/slot-{slot}-{n}"));
        let changes = ids.map(|id| match deletes {
            true => Change::Delete { id },
            false => Change::put(id),
        });
        self.bulk(changes.collect(), &[])
    }

    pub(super) fn write_mixed_batch(&mut self) -> Result<Done> {
        let mut changes: Vec<Change> = (0..self.random.u32(1..12))
            .map(|_| Change::put(self.new_id("note")))
            .collect();
        if let Some(id) = self.any_id(|_| true) {
            changes.push(Change::Delete { id });
        }
        self.random.shuffle(&mut changes);
        self.bulk(changes, &[])
    }

    /// New documents, each with its attachments; now and then an older one goes with its own.
    pub(super) fn write_with_attachments(&mut self) -> Result<Done> {
        let mut changes = Vec::new();
        let mut contents = Vec::new();
        for _ in 0..self.random.u32(1..3) {
            let kind = if self.random.bool() { "file" } else { "scan" };
            let id = self.new_id(kind);
            self.add_with_attachments(Change::put(id), &mut changes, &mut contents);
        }
        if self.random.u32(0..3) == 0
            && let Some(id) = self.any_id(|version| !version.attachments.is_empty())
        {
            changes.push(Change::Delete { id });
        }
        self.bulk(changes, &contents)
    }

    /// Adds a put, and one or two attachments of its document, to a batch.
    pub(super) fn add_with_attachments(
        &mut self,
        put: Change,
        changes: &mut Vec<Change>,
        contents: &mut Vec<Vec<u8>>,
    ) {
        let id = put.id().to_owned();
        changes.push(put);
        let count = self.random.usize(1..3);
        for name in self.random.choose_multiple(NAMES, count) {
            let bytes = attachment_bytes(self.random);
            changes.push(Change::Attach {
                id: id.clone(),
                name,
                attached: Attached::of(&bytes),
            });
            contents.push(bytes);
        }
    }

    /// A batch whose last command expects a document that is not there: it must leave no trace.
    pub(super) fn write_refused_batch(&mut self) -> Result<Done> {
        let mut changes = Vec::new();
        let mut contents = Vec::new();
        if self.random.bool() {
            let id = self.new_id("file");
            self.history.expect_attachments(&id);
            self.add_with_attachments(Change::put(id), &mut changes, &mut contents);
        }
        changes.extend((0..3).map(|_| Change::put(self.new_id("note"))));
        // Nothing is noted as open: a crash must not bring any of it about.
        self.history.serial += 1;
        let mut commands = commands(self.history.writer, self.history.serial, &changes);
        if let Some(last) = commands.last_mut() {
            last["ChangeVector"] = json!("A:1-AAAAAAAAAAAAAAAAAAAAAA");
        }
        let answer = self.client.bulk_with(&commands, &contents)?;
        match answer.status {
            409 => Ok(Done::Answered),
            _ => Ok(self.refused(answer)),
        }
    }

    /// Sends a batch and notes what was answered to each of its commands.
    pub(super) fn bulk(&mut self, changes: Vec<Change>, contents: &[Vec<u8>]) -> Result<Done> {
        let operation = self.history.begin(changes);
        let commands = commands(self.history.writer, operation.serial, &operation.changes);
        let answer = self.client.bulk_with(&commands, contents)?;
        if answer.status != 201 {
            return Ok(self.refused(answer));
        }
        let results = match answer.body["Results"].as_array() {
            Some(results) if results.len() == commands.len() => results,
            _ => bail!(
                "{} commands were answered with {}",
                commands.len(),
                answer.body
            ),
        };
        let answered: Vec<Answered> = operation
            .changes
            .iter()
            .zip(results)
            .map(|(change, result)| {
                answered(change, result)
                    .with_context(|| format!("{change:?} was answered with {result}"))
            })
            .collect::<Result<_>>()?;
        self.acknowledge(&answered)
    }
}

fn answered(change: &Change, result: &Value) -> Result<Answered> {
    match change {
        Change::Put { id, .. } if result["@id"] == **id => {
            Ok(Answered::document(etag_of(&result["@change-vector"])?))
        }
        Change::Delete { id } if result["Id"] == **id => Ok(Answered::default()),
        Change::Attach { id, name, attached }
            if result["Id"] == **id
                && result["Name"] == **name
                && result["Hash"] == *attached.hash
                && result["Size"] == attached.size =>
        {
            Ok(Answered {
                attachment: Some(etag_of(&result["ChangeVector"])?),
                document: Some(etag_of(&result["DocumentChangeVector"])?),
            })
        }
        Change::Detach { id, name } if result["@id"] == **id && result["Name"] == **name => Ok(
            Answered::document(etag_of(&result["DocumentChangeVector"])?),
        ),
        Change::Transfer {
            id,
            name,
            to,
            to_name,
            attached,
            ..
        } if result["Id"] == **id
            && result["Name"] == **name
            && result["DestinationId"] == **to
            && result["DestinationName"] == **to_name
            && result["Hash"] == *attached.hash
            && result["Size"] == attached.size =>
        {
            Ok(Answered {
                attachment: Some(etag_of(&result["ChangeVector"])?),
                document: Some(etag_of(&result["DocumentChangeVector"])?),
            })
        }
        _ => bail!("that is the answer to something else"),
    }
}

pub(super) fn commands(writer: usize, serial: u64, changes: &[Change]) -> Vec<Value> {
    let command = |change: &Change| match change {
        Change::Put { id, times } => json!({
            "Type": "PUT",
            "Id": id,
            "ChangeVector": null,
            "Document": with_metadata(document(writer, id, serial), id, *times),
        }),
        Change::Delete { id } => json!({ "Type": "DELETE", "Id": id, "ChangeVector": null }),
        Change::Attach { id, name, .. } => json!({
            "Type": "AttachmentPUT",
            "Id": id,
            "Name": name,
            "ContentType": CONTENT_TYPE,
            "ChangeVector": null,
        }),
        Change::Detach { id, name } => json!({
            "Type": "AttachmentDELETE",
            "Id": id,
            "Name": name,
            "ChangeVector": null,
        }),
        Change::Transfer {
            id,
            name,
            to,
            to_name,
            is_move,
            ..
        } => json!({
            "Type": if *is_move { "AttachmentMOVE" } else { "AttachmentCOPY" },
            "Id": id,
            "Name": name,
            "DestinationId": to,
            "DestinationName": to_name,
            "ChangeVector": null,
        }),
        Change::Forget { .. } => unreachable!("revisions are not deleted in batches"),
    };
    changes.iter().map(command).collect()
}
