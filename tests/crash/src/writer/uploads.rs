//! Attachments by themselves, and uploads that break off in the middle.

use std::sync::atomic::Ordering;

use anyhow::{Result, bail};

use super::batches::commands;
use super::{Done, Writer};
use crate::client::{Answer, etag_of, form};
use crate::content::{Attached, NAMES, attachment_bytes};
use crate::history::Answered;
use crate::state::{Attachments, Change};

impl Writer<'_> {
    pub(super) fn put_attachment(&mut self) -> Result<Done> {
        let Some(id) = self.any_id(|_| true) else {
            return self.put_new();
        };
        let bytes = attachment_bytes(self.random);
        let attached = Attached::of(&bytes);
        let document = self.history.state.documents.get(&id);
        let has = |name: &&&'static str| {
            document.is_some_and(|it| it.attachments.get(**name) == Some(&attached))
        };
        // The same again is no new version of the document.
        let names: Vec<&'static str> = NAMES.iter().filter(|it| !has(it)).copied().collect();
        let Some(name) = self.random.choice(names) else {
            return self.put_new();
        };
        self.history.begin(vec![Change::Attach {
            id: id.clone(),
            name,
            attached: attached.clone(),
        }]);
        let answer = self.client.put_attachment(&id, name, &bytes)?;
        if answer.status != 201 {
            return Ok(self.refused(answer));
        }
        if answer.body["Hash"] != *attached.hash || answer.body["Size"] != attached.size {
            bail!("{attached:?} was answered with {}", answer.body);
        }
        // The document's own etag is not answered.
        self.acknowledge(&[Answered {
            attachment: Some(etag_of(&answer.body["ChangeVector"])?),
            document: None,
        }])
    }

    /// Takes an attachment away, alone or together with a new document.
    pub(super) fn delete_attachment(&mut self) -> Result<Done> {
        let Some(id) = self.any_id(|version| !version.attachments.is_empty()) else {
            return self.write_with_attachments();
        };
        let document = self.history.state.documents.get(&id);
        let has =
            |name: &&'static str| document.is_some_and(|it| it.attachments.contains_key(*name));
        let names: Vec<&'static str> = NAMES.into_iter().filter(has).collect();
        let Some(name) = self.random.choice(names) else {
            bail!("{id} has attachments of other names: {document:?}");
        };
        let detach = Change::Detach {
            id: id.clone(),
            name,
        };
        if self.random.bool() {
            let note = self.new_id("note");
            return self.bulk(vec![Change::put(note), detach], &[]);
        }
        self.history.begin(vec![detach]);
        let answer = self.client.delete_attachment(&id, name)?;
        if answer.status != 204 {
            return Ok(Done::Refused(answer));
        }
        self.acknowledge(&[Answered::default()])
    }

    /// Copies, moves or renames an attachment: within its document, to another one, or to one that
    /// comes in the same batch.
    pub(super) fn transfer_attachment(&mut self) -> Result<Done> {
        let Some(id) = self.any_id(|version| !version.attachments.is_empty()) else {
            return self.write_with_attachments();
        };
        let source = self.history.state.documents[&id].attachments.clone();
        let listed = |name: &&'static str| source.contains_key(*name);
        let Some(name) = self.random.choice(names_where(listed)) else {
            bail!("{id} has attachments of other names: {source:?}");
        };
        let attached = source[name].clone();
        let mut changes = Vec::new();
        let (to, there) = match self.random.u32(0..3) {
            0 => (id.clone(), source),
            1 => {
                let kind = ["file", "scan"][self.random.usize(0..2)];
                let new = self.new_id(kind);
                changes.push(Change::put(new.clone()));
                (new, Attachments::new())
            }
            _ => {
                let other = self.any_id(|_| true).unwrap_or_else(|| id.clone());
                let there = self.history.state.documents[&other].attachments.clone();
                (other, there)
            }
        };
        // The same again is no new version of the document.
        let is_new = |it: &&'static str| there.get(*it) != Some(&attached);
        let Some(to_name) = self.random.choice(names_where(is_new)) else {
            return self.put_new();
        };
        changes.push(Change::Transfer {
            id,
            name,
            to,
            to_name,
            attached,
            is_move: self.random.bool(),
        });
        self.bulk(changes, &[])
    }

    /// Deletes all revisions of a document that is no more.
    pub(super) fn forget_one(&mut self) -> Result<Done> {
        let remembered = self.history.state.remembered();
        let remembered: Vec<_> = remembered.take(64).collect();
        let Some((id, count)) = self.random.choice(remembered) else {
            return self.delete_one();
        };
        let id = id.clone();
        self.history.begin(vec![Change::Forget { id: id.clone() }]);
        let answer = self.client.delete_revisions(&id)?;
        if answer.status != 200 {
            return Ok(Done::Refused(answer));
        }
        if answer.body["TotalDeletes"] != count {
            bail!("of {count} revisions of {id} were deleted: {}", answer.body);
        }
        self.acknowledge(&[Answered::default()])
    }

    /// Hangs up in the middle of an upload: nothing of it may ever be seen.
    pub(super) fn abandon_upload(&mut self) -> Result<Done> {
        self.shared.abandoned.fetch_add(1, Ordering::Relaxed);
        // The server stores what it has from about 2 MB on.
        let most = match self.random.u32(0..4) {
            0 => 4_000_000,
            _ => 300_000,
        };
        let length = self.random.usize(1..most);
        if self.random.bool()
            && let Some(id) = self.any_id(|_| true)
        {
            self.history.expect_attachments(&id);
            let sent = vec![7; self.random.usize(0..length)];
            self.client
                .abandon_attachment(&id, "broken", length, &sent)?;
            return Ok(Done::Answered);
        }
        let mut changes = Vec::new();
        let mut contents = Vec::new();
        let id = self.new_id("file");
        self.history.expect_attachments(&id);
        self.add_with_attachments(Change::put(id), &mut changes, &mut contents);
        contents[0] = vec![7; length];
        self.history.serial += 1;
        let commands = commands(self.history.writer, self.history.serial, &changes);
        let form = form(&commands, &contents);
        let sent = self.random.usize(0..form.len());
        self.client.abandon_bulk(&form, sent)?;
        Ok(Done::Answered)
    }

    /// What came too late, after its first pieces were swept, was not done and may be refused.
    pub(super) fn refused(&mut self, answer: Answer) -> Done {
        let message = answer.body["Message"].as_str().unwrap_or_default();
        if answer.status == 408 && message.contains("swept before its upload was done") {
            self.shared.swept.fetch_add(1, Ordering::Relaxed);
            self.history.refuse();
            return Done::Answered;
        }
        Done::Refused(answer)
    }
}

fn names_where(is_wanted: impl Fn(&&'static str) -> bool) -> Vec<&'static str> {
    NAMES.into_iter().filter(is_wanted).collect()
}
