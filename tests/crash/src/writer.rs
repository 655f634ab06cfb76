//! One writer: a connection that changes documents of its own and a counter all writers share.

mod batches;
mod leases;
mod uploads;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::{Result, bail};
use fastrand::Rng;
use pinyon_core::host::{Clock as _, SystemClock};
use serde_json::json;

use crate::client::{Answer, Client, document_id, etag_of};
use crate::content::{Times, document, with_metadata};
use crate::history::{Answered, History};
use crate::state::{Change, Version};

/// The document all writers count up, each time on condition that nobody else did meanwhile.
pub const COUNTER: &str = "crash/counter";

/// From here on a writer deletes more than it adds, so that full reads stay quick.
const MANY_DOCUMENTS: usize = 300;
const DAY_MS: i64 = 24 * 3_600_000;

/// What the writers of one server share.
#[derive(Debug, Default)]
pub struct Shared {
    /// Set just before the crash: from then on requests may fail.
    pub crashed: AtomicBool,
    /// Increments of the counter that were acknowledged.
    pub increments: AtomicU64,
    /// Increments that were sent and not answered.
    pub open_increments: AtomicU64,
    /// Uploads that were broken off on purpose.
    pub abandoned: AtomicU64,
    /// Uploads that came after what they had sent was swept, and were refused.
    pub swept: AtomicU64,
}

impl Shared {
    /// Before the first write, with the counter as a check found it.
    pub fn counting_from(counter: u64) -> Self {
        Self {
            increments: AtomicU64::new(counter),
            ..Self::default()
        }
    }
}

/// The prefix of a writer's ids.
pub fn prefix(writer: usize) -> String {
    format!("crash/{writer}/")
}

/// A connection, what it did, and what decides what it does next.
struct Writer<'a> {
    client: &'a Client,
    history: &'a mut History,
    random: &'a mut Rng,
    shared: &'a Shared,
}

/// Writes until a request fails.
///
/// # Errors
/// A request failed before the crash, or an answer is wrong.
pub fn write_until_crash(
    client: &Client,
    history: &mut History,
    random: &mut Rng,
    shared: &Shared,
) -> Result<()> {
    let mut writer = Writer {
        client,
        history,
        random,
        shared,
    };
    loop {
        match writer.step() {
            Ok(Done::Answered) => {}
            Ok(Done::Refused(answer)) => {
                // A file system that is gone makes the server refuse; a healthy one must not.
                if shared.crashed.load(Ordering::SeqCst) {
                    return Ok(());
                }
                bail!(
                    "writer {} was answered {}: {}",
                    writer.history.writer,
                    answer.status,
                    answer.body
                );
            }
            Err(error) if is_broken(&error) && shared.crashed.load(Ordering::SeqCst) => {
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whether a connection failed.
fn is_broken(error: &anyhow::Error) -> bool {
    error.is::<ureq::Error>() || error.is::<io::Error>()
}

enum Done {
    Answered,
    /// With a status that says the operation was not done, or not known to be.
    Refused(Answer),
}

impl Writer<'_> {
    fn step(&mut self) -> Result<Done> {
        if self.history.state.documents.len() > MANY_DOCUMENTS && self.random.bool() {
            return self.delete_one();
        }
        match self.random.u32(0..100) {
            0..18 => self.put_new(),
            18..28 => self.put_again(),
            28..31 => self.put_refreshing(),
            31..34 => self.change_refreshing(),
            34..38 => self.transfer_attachment(),
            38..46 => self.write_slot(),
            46..52 => self.delete_one(),
            52..54 => self.forget_one(),
            54..59 => self.write_mixed_batch(),
            59..64 => self.write_refused_batch(),
            64..74 => self.write_with_attachments(),
            74..80 => self.put_attachment(),
            80..84 => self.delete_attachment(),
            84..87 => self.abandon_upload(),
            87..92 => self.put_lease(),
            92..94 => self.renew_lease(),
            94..97 => self.look_at_lease(),
            _ => self.increment(),
        }
    }

    fn put_new(&mut self) -> Result<Done> {
        let id = self.new_id("note");
        self.put(Change::put(id))
    }

    fn put_again(&mut self) -> Result<Done> {
        let Some(id) = self.any_id(|_| true) else {
            return self.put_new();
        };
        // Some have a time that does not come while the test runs.
        let expires = match self.random.u32(0..10) {
            0 => Some(SystemClock.now().plus_ms(DAY_MS)),
            _ => None,
        };
        let times = Times::expiring(expires);
        self.put(Change::Put { id, times })
    }

    /// Stores one document by itself.
    fn put(&mut self, change: Change) -> Result<Done> {
        let operation = self.history.begin(vec![change]);
        let Some(Change::Put { id, times }) = operation.changes.first() else {
            bail!("{operation:?} is no put");
        };
        let document = document(self.history.writer, id, operation.serial);
        let document = with_metadata(document, id, *times);
        let answer = self.client.put(id, &document, None)?;
        if answer.status != 201 {
            return Ok(Done::Refused(answer));
        }
        let etag = etag_of(&answer.body["ChangeVector"])?;
        self.acknowledge(&[Answered::document(etag)])
    }

    fn acknowledge(&mut self, answered: &[Answered]) -> Result<Done> {
        self.history.acknowledge(answered, SystemClock.now())?;
        Ok(Done::Answered)
    }

    fn delete_one(&mut self) -> Result<Done> {
        let Some(id) = self.any_id(|_| true) else {
            return self.put_new();
        };
        self.history.begin(vec![Change::Delete { id: id.clone() }]);
        let answer = self.client.delete(&id)?;
        if answer.status != 204 {
            return Ok(Done::Refused(answer));
        }
        self.acknowledge(&[Answered::default()])
    }

    /// Counts the shared counter up by one, unless another writer is quicker.
    fn increment(&mut self) -> Result<Done> {
        let read = self.client.get(COUNTER)?;
        if read.status != 200 {
            return Ok(Done::Refused(read));
        }
        let counter = &read.body["Results"][0];
        document_id(counter)?;
        let Some(vector) = counter["@metadata"]["@change-vector"].as_str() else {
            bail!("the counter has no change vector: {counter}");
        };
        let Some(value) = counter["Value"].as_u64() else {
            bail!("the counter has no value: {counter}");
        };
        let next = with_metadata(json!({ "Value": value + 1 }), COUNTER, Times::default());
        self.shared.open_increments.fetch_add(1, Ordering::SeqCst);
        let answer = self.client.put(COUNTER, &next, Some(vector))?;
        match answer.status {
            201 => {
                self.shared.increments.fetch_add(1, Ordering::SeqCst);
            }
            409 => {}
            // Whether it was done is not known: it stays open.
            _ => return Ok(Done::Refused(answer)),
        }
        self.shared.open_increments.fetch_sub(1, Ordering::SeqCst);
        Ok(Done::Answered)
    }

    fn new_id(&mut self, kind: &str) -> String {
        // Random, so that pages all over the tree change; the serial number makes it new.
        let spread = self.random.u32(..);
        let (writer, serial) = (self.history.writer, self.history.serial + 1);
        format!("crash/{writer}/{kind}-{spread:08x}-{serial}")
    }

    /// Some document to which nothing happens by itself while the test runs.
    fn any_id(&mut self, is_wanted: impl Fn(&Version) -> bool) -> Option<String> {
        let soon = SystemClock.now().plus_ms(DAY_MS / 2);
        self.any_document(|version| {
            !version.is_due(soon) && version.times.refresh.is_none() && is_wanted(version)
        })
    }

    fn any_document(&mut self, is_wanted: impl Fn(&Version) -> bool) -> Option<String> {
        let documents = &self.history.state.documents;
        if documents.is_empty() {
            return None;
        }
        // From a random one on, the first that fits.
        let start = self.random.usize(0..documents.len());
        let from_there = documents.iter().skip(start).chain(documents);
        let mut wanted = from_there.filter(|(_, version)| is_wanted(version));
        wanted.next().map(|(id, _)| id.clone())
    }
}
