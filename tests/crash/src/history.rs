//! What one writer did, what of it was acknowledged, and what must be there after a crash.
//!
//! A writer waits for each answer, so at any moment at most one of its operations is open. After
//! a crash its documents must be in exactly one of two states: all acknowledged operations, or
//! these and the whole of the open one. Anything else is a lost write, a half batch or a
//! document out of nowhere.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

/// What a document holds now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// The operation that stored it.
    pub serial: u64,
    /// Its etag, if an answer or a read told it.
    pub etag: Option<u64>,
}

/// A change of one document: stored by the operation, or deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Stored under this id.
    Put(String),
    /// Deleted, if it was there.
    Delete(String),
}

/// Changes that must happen together or not at all.
#[derive(Debug, Clone)]
pub struct Operation {
    /// The writer's number for it, counted up.
    pub serial: u64,
    /// What it changes.
    pub changes: Vec<Change>,
}

/// The live documents of a writer.
pub type Documents = BTreeMap<String, Version>;

/// The record one writer keeps in the memory of the test.
#[derive(Debug)]
pub struct History {
    /// The writer's number.
    pub writer: usize,
    /// The state after all acknowledged operations.
    pub documents: Documents,
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
}

impl History {
    /// A writer that has written nothing.
    pub fn new(writer: usize) -> Self {
        Self {
            writer,
            documents: Documents::new(),
            open: None,
            serial: 0,
            highest_etag: 0,
            etags: Vec::new(),
            acknowledged: 0,
        }
    }

    /// Notes an operation before it is sent.
    pub fn begin(&mut self, changes: Vec<Change>) -> Operation {
        self.serial += 1;
        let operation = Operation {
            serial: self.serial,
            changes,
        };
        self.open = Some(operation.clone());
        operation
    }

    /// Notes that the open operation was acknowledged, with the etags of its puts in order.
    ///
    /// # Errors
    /// The etags are not strictly increasing, or not one for each put.
    pub fn acknowledge(&mut self, etags: &[u64]) -> Result<()> {
        let Some(operation) = self.open.take() else {
            bail!("nothing to acknowledge");
        };
        for etag in etags {
            if *etag <= self.highest_etag {
                bail!(
                    "writer {}: etag {etag} was answered after etag {}",
                    self.writer,
                    self.highest_etag
                );
            }
            self.highest_etag = *etag;
            self.etags.push(*etag);
        }
        let mut etags = etags.iter();
        for change in &operation.changes {
            match change {
                Change::Put(id) => {
                    let Some(etag) = etags.next() else {
                        bail!("no etag was answered for {id}");
                    };
                    let version = Version {
                        serial: operation.serial,
                        etag: Some(*etag),
                    };
                    self.documents.insert(id.clone(), version);
                }
                Change::Delete(id) => {
                    self.documents.remove(id);
                }
            }
        }
        if let Some(etag) = etags.next() {
            bail!("etag {etag} was answered for no put");
        }
        self.acknowledged += 1;
        Ok(())
    }

    /// The open operation was refused and must have left no trace.
    pub fn refuse(&mut self) {
        self.open = None;
    }

    /// Takes what a full read found as the new state if it is one of the two allowed; says
    /// whether the open operation had been done.
    ///
    /// # Errors
    /// It is neither; the message names the first differences from the nearer one.
    pub fn settle(&mut self, found: Documents) -> Result<bool> {
        let without_open = differences(&self.documents, &found);
        if without_open.is_empty() {
            self.open = None;
            self.documents = found;
            return Ok(false);
        }
        let Some(open) = self.open.take() else {
            bail!(
                "writer {}, no operation open: {}",
                self.writer,
                list(&without_open)
            );
        };
        let mut with_open = self.documents.clone();
        for change in &open.changes {
            match change {
                Change::Put(id) => {
                    let version = Version {
                        serial: open.serial,
                        etag: None,
                    };
                    with_open.insert(id.clone(), version);
                }
                Change::Delete(id) => {
                    with_open.remove(id);
                }
            }
        }
        let after_open = differences(&with_open, &found);
        if after_open.is_empty() {
            self.documents = found;
            return Ok(true);
        }
        bail!(
            "writer {}: neither the acknowledged state ({}) nor that with the whole open \
             operation {} of {} changes ({})",
            self.writer,
            list(&without_open),
            open.serial,
            open.changes.len(),
            list(&after_open)
        );
    }
}

fn differences(expected: &Documents, found: &Documents) -> Vec<String> {
    let mut differences = Vec::new();
    for (id, version) in expected {
        match found.get(id) {
            None => differences.push(format!("{id} of operation {} is missing", version.serial)),
            Some(there)
                if there.serial != version.serial
                    || (version.etag.is_some() && there.etag != version.etag) =>
            {
                differences.push(format!("{id} should be {version:?} and is {there:?}"));
            }
            Some(_) => {}
        }
    }
    for (id, there) in found {
        if !expected.contains_key(id) {
            differences.push(format!("{id} of operation {} is there", there.serial));
        }
    }
    differences
}

fn list(differences: &[String]) -> String {
    let shown = differences[..differences.len().min(5)].join("; ");
    format!("{} differences: {shown}", differences.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(id: &str) -> Change {
        Change::Put(id.to_owned())
    }

    fn found(entries: &[(&str, u64, u64)]) -> Documents {
        let version = |serial, etag| Version {
            serial,
            etag: Some(etag),
        };
        let entry =
            |(id, serial, etag): &(&str, u64, u64)| ((*id).to_owned(), version(*serial, *etag));
        entries.iter().map(entry).collect()
    }

    /// `a` is acknowledged; a batch of `a`, `b` and the delete of `c` is open.
    fn interrupted() -> History {
        let mut history = History::new(1);
        history.begin(vec![put("a"), put("c")]);
        history.acknowledge(&[7, 8]).unwrap();
        history.begin(vec![put("a"), put("b"), Change::Delete("c".to_owned())]);
        history
    }

    #[test]
    fn accepts_the_acknowledged_state_and_the_whole_open_operation() {
        let before = found(&[("a", 1, 7), ("c", 1, 8)]);
        assert!(!interrupted().settle(before).unwrap());
        let after = found(&[("a", 2, 9), ("b", 2, 10)]);
        assert!(interrupted().settle(after).unwrap());
    }

    #[test]
    fn names_a_lost_write_a_half_batch_and_a_stranger() {
        for wrong in [
            found(&[("a", 1, 7)]),
            found(&[("a", 2, 9), ("c", 1, 8)]),
            found(&[("a", 2, 9), ("b", 2, 10), ("c", 1, 8)]),
            found(&[("a", 1, 7), ("c", 1, 8), ("d", 1, 9)]),
            found(&[("a", 1, 11), ("c", 1, 8)]),
        ] {
            assert!(interrupted().settle(wrong).is_err());
        }
    }

    #[test]
    fn refuses_etags_that_do_not_increase() {
        let mut history = interrupted();
        assert!(history.acknowledge(&[9, 9]).is_err());
        let mut history = interrupted();
        assert!(history.acknowledge(&[8, 9]).is_err());
    }
}
