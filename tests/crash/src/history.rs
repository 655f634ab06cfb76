//! What one writer did, what of it was acknowledged, and what must be there after a crash.
//!
//! A writer waits for each answer, so at any moment at most one of its operations is open. After
//! a crash its documents must be in exactly one of two states: all acknowledged operations, or
//! these and the whole of the open one. Anything else is a lost write, a half batch or a
//! document out of nowhere. Only documents whose time has come may be gone by themselves, and for
//! good.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use pinyon_core::host::Timestamp;

use crate::state::{Change, Found, State};

/// Changes that must happen together or not at all.
#[derive(Debug, Clone)]
pub struct Operation {
    /// The writer's number for it, counted up.
    pub serial: u64,
    /// What it changes.
    pub changes: Vec<Change>,
}

/// The etags that were answered to a change.
#[derive(Debug, Clone, Copy, Default)]
pub struct Answered {
    /// That of the attachment, which comes first.
    pub attachment: Option<u64>,
    /// That of the document.
    pub document: Option<u64>,
}

impl Answered {
    /// The answer to a change of a document alone.
    pub fn document(etag: u64) -> Self {
        Self {
            document: Some(etag),
            ..Self::default()
        }
    }
}

/// The record one writer keeps in the memory of the test.
#[derive(Debug)]
pub struct History {
    /// The writer's number.
    pub writer: usize,
    /// The state after all acknowledged operations.
    pub state: State,
    /// The operation that was sent and not answered.
    pub open: Option<Operation>,
    /// The last serial number given out.
    pub serial: u64,
    /// The highest etag seen; every later answer must show a higher one.
    pub highest_etag: u64,
    /// All etags of answers since the last crash, for the check across writers.
    pub etags: Vec<u64>,
    /// How many operations were acknowledged since the last crash.
    pub acknowledged: u64,
    /// The documents that were changed, or seen to be gone, since the last crash.
    pub touched: BTreeSet<String>,
    /// The documents to which attachments were ever sent.
    attached: BTreeSet<String>,
}

impl History {
    /// A writer that has written nothing.
    pub fn new(writer: usize) -> Self {
        Self {
            writer,
            state: State::default(),
            open: None,
            serial: 0,
            highest_etag: 0,
            etags: Vec::new(),
            acknowledged: 0,
            touched: BTreeSet::new(),
            attached: BTreeSet::new(),
        }
    }

    /// Notes an operation before it is sent.
    pub fn begin(&mut self, changes: Vec<Change>) -> Operation {
        self.serial += 1;
        for change in &changes {
            if let Some(id) = change.receiver() {
                self.expect_attachments(id);
            }
        }
        self.touched
            .extend(changes.iter().map(|change| change.id().to_owned()));
        let operation = Operation {
            serial: self.serial,
            changes,
        };
        self.open = Some(operation.clone());
        operation
    }

    /// Notes that attachments of a document were sent, to whatever end.
    pub fn expect_attachments(&mut self, id: &str) {
        self.attached.insert(id.to_owned());
        self.touched.insert(id.to_owned());
    }

    /// Whether attachments of a document were ever sent.
    pub fn had_attachments(&self, id: &str) -> bool {
        self.attached.contains(id)
    }

    /// Notes that the open operation was acknowledged before `now`, with the etags that were
    /// answered to its changes.
    ///
    /// # Errors
    /// The etags are not strictly increasing, or there is none for a put.
    pub fn acknowledge(&mut self, answered: &[Answered], now: Timestamp) -> Result<()> {
        let Some(operation) = self.open.take() else {
            bail!("nothing to acknowledge");
        };
        if answered.len() != operation.changes.len() {
            bail!("{operation:?} was answered with {answered:?}");
        }
        let etags = answered.iter().flat_map(|it| [it.attachment, it.document]);
        for etag in etags.flatten() {
            if etag <= self.highest_etag {
                bail!(
                    "writer {}: etag {etag} was answered after etag {}",
                    self.writer,
                    self.highest_etag
                );
            }
            self.highest_etag = etag;
            self.etags.push(etag);
        }
        for (change, answered) in operation.changes.iter().zip(answered) {
            if matches!(change, Change::Put { .. }) && answered.document.is_none() {
                bail!("no etag was answered for {}", change.id());
            }
            self.state
                .apply(change, operation.serial, answered.document, now);
        }
        self.acknowledged += 1;
        Ok(())
    }

    /// The open operation was refused and must have left no trace.
    pub fn refuse(&mut self) {
        self.open = None;
    }

    /// Takes what a full read found, done at `now`, as the new state if it is one of the two
    /// allowed; says whether the open operation had been done.
    ///
    /// # Errors
    /// It is neither; the message names the first differences from both.
    pub fn settle(&mut self, found: &Found, now: Timestamp) -> Result<bool> {
        let open = self.open.take();
        let mut without_open = self.state.clone();
        let differences = without_open.settle(found, now);
        if differences.is_empty() {
            self.state = without_open;
            self.touched.clear();
            return Ok(false);
        }
        let Some(open) = open else {
            bail!(
                "writer {}, no operation open: {}",
                self.writer,
                list(&differences)
            );
        };
        let mut with_open = self.state.clone();
        for change in &open.changes {
            with_open.apply(change, open.serial, None, now);
        }
        let after_open = with_open.settle(found, now);
        if after_open.is_empty() {
            self.state = with_open;
            self.touched.clear();
            return Ok(true);
        }
        bail!(
            "writer {}: neither the acknowledged state ({}) nor that with the whole open \
             operation {} of {} changes ({})",
            self.writer,
            list(&differences),
            open.serial,
            open.changes.len(),
            list(&after_open)
        );
    }
}

fn list(differences: &[String]) -> String {
    let shown = differences[..differences.len().min(5)].join("; ");
    format!("{} differences: {shown}", differences.len())
}

#[cfg(test)]
mod tests;
