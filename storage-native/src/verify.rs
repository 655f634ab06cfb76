//! Verifying: reads every entry of a store, compares every checksum, and reports what is wrong.

use pinyon_core::storage::KeySpace;
use pinyon_core::{Error, ErrorKind, Result};

use crate::engine::Engine;
use crate::snapshot::Base;

/// Entries between two calls of a progress callback.
pub(crate) const PROGRESS_ENTRIES: u64 = 4_096;
/// Problems kept in a report; more are only counted.
const KEPT_PROBLEMS: usize = 1_000;

/// How far a long operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Entries done.
    pub done: u64,
    /// Entries in all.
    pub total: u64,
}

/// What verifying a store found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Entries read.
    pub entries: u64,
    /// Bytes of their keys and values as stored.
    pub bytes: u64,
    /// What is wrong, the first thousand findings; empty if nothing is.
    pub problems: Vec<String>,
    /// How many findings there were.
    pub problem_count: u64,
}

impl VerifyReport {
    /// The report on a store that is too damaged to be opened.
    pub(crate) fn unreadable(problem: &Error) -> Self {
        let mut report = Self::default();
        report.add(problem);
        report
    }

    fn add(&mut self, problem: &Error) {
        self.problem_count += 1;
        if self.problems.len() < KEPT_PROBLEMS {
            self.problems.push(problem.message().to_string());
        }
    }
}

/// Verifies an open store that nobody else uses: values first, since those findings name a key,
/// then the structure.
pub(crate) fn verify(
    engine: &mut Engine,
    progress: &mut dyn FnMut(Progress),
) -> Result<VerifyReport> {
    let mut report = VerifyReport::default();
    engine.checkpoint()?;
    match verify_values(&*engine.base()?, &mut report, progress) {
        Err(error) if error.kind() == ErrorKind::Corrupted => report.add(&error),
        result => result?,
    }
    match engine.check_integrity() {
        Err(error) if error.kind() == ErrorKind::Corrupted => report.add(&error),
        result => result?,
    }
    Ok(report)
}

fn verify_values(
    base: &Base,
    report: &mut VerifyReport,
    progress: &mut dyn FnMut(Progress),
) -> Result<()> {
    let total = base.total()?;
    for space in KeySpace::all() {
        let mut previous: Option<Vec<u8>> = None;
        base.visit(space, |key, stored| {
            report.entries += 1;
            report.bytes += (key.len() + stored.len()) as u64;
            // One damaged value does not end the search for others.
            if let Err(error) = base.decode(space, key, stored) {
                report.add(&error);
            }
            if previous.as_deref().is_some_and(|previous| previous >= key) {
                report.add(&base.out_of_order(space, key));
            }
            previous = Some(key.to_vec());
            if report.entries.is_multiple_of(PROGRESS_ENTRIES) {
                progress(Progress {
                    done: report.entries,
                    total,
                });
            }
            Ok(())
        })?;
    }
    progress(Progress {
        done: report.entries,
        total,
    });
    Ok(())
}
