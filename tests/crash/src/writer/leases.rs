//! Documents whose time comes while the test runs.

use anyhow::{Result, bail};
use pinyon_core::host::{Clock as _, SystemClock, Timestamp};

use super::{DAY_MS, Done, Writer};
use crate::content::Times;
use crate::state::{Change, Version};

impl Writer<'_> {
    fn soon(&mut self) -> Timestamp {
        SystemClock.now().plus_ms(self.random.i64(200..1_500))
    }

    /// Stores a document that expires soon, sometimes with attachments.
    pub(super) fn put_lease(&mut self) -> Result<Done> {
        let kind = if self.random.bool() { "lease" } else { "term" };
        let mut times = Times::expiring(Some(self.soon()));
        if self.random.u32(0..4) == 0 {
            // Either may come first.
            times.refresh = Some(self.soon());
        }
        let id = self.new_id(kind);
        let put = Change::Put { id, times };
        if self.random.u32(0..3) > 0 {
            return self.put(put);
        }
        let mut changes = Vec::new();
        let mut contents = Vec::new();
        self.add_with_attachments(put, &mut changes, &mut contents);
        self.bulk(changes, &contents)
    }

    /// Gives a document more time, or all. One that may be swept at that moment would lose its
    /// attachments or keep them, so it is one without.
    pub(super) fn renew_lease(&mut self) -> Result<Done> {
        let tomorrow = SystemClock.now().plus_ms(DAY_MS / 2);
        let expires_soon = |version: &Version| version.is_due(tomorrow);
        let lease = self.any_document(|it| expires_soon(it) && it.attachments.is_empty());
        let Some(id) = lease else {
            return self.put_lease();
        };
        let expires = match self.random.u32(0..10) {
            0 => None,
            1..3 => Some(SystemClock.now().plus_ms(DAY_MS)),
            _ => Some(self.soon()),
        };
        let times = Times::expiring(expires);
        self.put(Change::Put { id, times })
    }

    /// Stores a document that the server is to write anew soon, sometimes with attachments.
    pub(super) fn put_refreshing(&mut self) -> Result<Done> {
        let kind = ["note", "file", "scan"][self.random.usize(0..3)];
        let times = Times {
            expires: None,
            refresh: Some(self.soon()),
        };
        let id = self.new_id(kind);
        let put = Change::Put { id, times };
        if self.random.u32(0..3) > 0 {
            return self.put(put);
        }
        let mut changes = Vec::new();
        let mut contents = Vec::new();
        self.add_with_attachments(put, &mut changes, &mut contents);
        self.bulk(changes, &contents)
    }

    /// Writes or deletes one that waits for that, perhaps at the very moment.
    pub(super) fn change_refreshing(&mut self) -> Result<Done> {
        let tomorrow = SystemClock.now().plus_ms(DAY_MS / 2);
        let waits = |it: &Version| it.times.refresh.is_some() && !it.is_due(tomorrow);
        let Some(id) = self.any_document(waits) else {
            return self.put_refreshing();
        };
        match self.random.u32(0..3) {
            0 => self.bulk(vec![Change::Delete { id }], &[]),
            1 => self.put(Change::put(id)),
            _ => {
                let times = Times {
                    expires: None,
                    refresh: Some(self.soon()),
                };
                self.put(Change::Put { id, times })
            }
        }
    }

    /// Reads one: it may only be gone when its time has come, and then must never come back.
    pub(super) fn look_at_lease(&mut self) -> Result<Done> {
        let tomorrow = SystemClock.now().plus_ms(DAY_MS / 2);
        let Some(id) = self.any_document(|version| version.is_due(tomorrow)) else {
            return self.put_lease();
        };
        let answer = self.client.get(&id)?;
        // Read after the answer, so that it is no earlier than when the document went.
        let now = SystemClock.now();
        let Some(version) = self.history.state.documents.get(&id) else {
            bail!("{id} is not known any more");
        };
        match answer.status {
            200 if answer.body["Results"][0]["Serial"] == version.serial => {}
            200 => bail!("{id} should be {version:?} and is {}", answer.body),
            404 if version.is_due(now) => {
                self.history.touched.insert(id.clone());
                self.history.state.delete(&id, now);
            }
            404 => bail!("{id} was gone at {}: {version:?}", now.to_text()),
            _ => return Ok(Done::Refused(answer)),
        }
        Ok(Done::Answered)
    }
}
