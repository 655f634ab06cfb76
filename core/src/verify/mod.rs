//! Checks a whole database for contradictions, from one snapshot, and names what is wrong.
//!
//! Invariants:
//! - everything a write keeps in step is compared both ways: records, etag tables, counts;
//! - damage never stops the check: what cannot be read is a problem like any other, and the rest
//!   is looked at;
//! - memory is bounded by one page, the list of collections and [`OWNERS_AT_ONCE`].

mod attachments;
mod contents;
mod counts;
mod etag_tables;
mod records;
mod replication;
mod report;
mod revisions;
mod schedules;
mod state;
mod table_scan;

use std::collections::BTreeMap;

use crate::schema::attachment_counts::AttachmentStatistics;
use crate::schema::database_state::DatabaseState;
use crate::storage::{KeySpace, Snapshot};

pub use report::{Problem, VerifyProgress, VerifyReport};

use attachments::References;
use counts::Counts;

/// How many contents are remembered at once; a database with more of them is walked through
/// several times, and only when something is wrong with its counts.
const OWNERS_AT_ONCE: u64 = 1 << 16;

/// Checks everything that `snapshot` holds of a database. `on_progress` is called for every page.
///
/// ```
/// # use std::sync::Arc;
/// # use pinyon_core::host::{Host, OsRandom, SystemClock};
/// # use pinyon_core::storage::{Environment, MemoryEnvironment, StoreName};
/// # use pinyon_core::{Database, DatabaseOptions};
/// use pinyon_core::verify::verify;
/// # futures_executor::block_on(async {
/// # let store = MemoryEnvironment::new().open(&StoreName::new("documents")?).await?;
/// # let host = Host { clock: Arc::new(SystemClock), random: Arc::new(OsRandom) };
/// # let (database, _merger) = Database::open(store, host, DatabaseOptions::default()).await?;
/// let report = verify(database.read().await?.snapshot(), |_| {}).await;
/// assert!(report.is_sound());
/// # Ok::<(), pinyon_core::Error>(())
/// # }).unwrap();
/// ```
pub async fn verify<S: Snapshot>(
    snapshot: &S,
    on_progress: impl FnMut(&VerifyProgress),
) -> VerifyReport {
    let mut verification = Verification {
        snapshot,
        on_progress,
        progress: VerifyProgress::default(),
        report: VerifyReport::default(),
        state: None,
        counts: BTreeMap::new(),
        expected_entries: [0; KeySpace::COUNT as usize],
        references: References::default(),
        attachment_counts: Some(AttachmentStatistics::default()),
        records_are_complete: true,
        has_stray_reference: false,
    };
    verification.check_state().await;
    verification.check_records().await;
    verification.check_revisions().await;
    verification.check_replication().await;
    verification.check_etag_tables().await;
    verification.check_schedules().await;
    verification.check_attachments().await;
    verification.check_contents().await;
    verification.check_collections().await;
    verification.check_identities().await;
    verification.check_unknown_tables().await;
    verification.report.bytes = verification.progress.bytes;
    verification.report
}

struct Verification<'a, S, P> {
    snapshot: &'a S,
    on_progress: P,
    progress: VerifyProgress,
    report: VerifyReport,
    /// `None` when the record is damaged; then nothing is compared with it.
    state: Option<DatabaseState>,
    /// What was counted, by lower-cased collection.
    counts: BTreeMap<String, Counts>,
    /// How many entries records must have in each table, as far as that is looked up.
    expected_entries: [u64; KeySpace::COUNT as usize],
    /// What attachments and revisions were seen to refer to.
    references: References,
    /// What the database counts of its attachments; `None` when the record is damaged.
    attachment_counts: Option<AttachmentStatistics>,
    /// Whether every document, tombstone and revision could be read; else counts prove nothing.
    records_are_complete: bool,
    /// Whether some record lacks its entry in an etag table.
    has_stray_reference: bool,
}
