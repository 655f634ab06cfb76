//! The database's own record, and tables that should not be.

use std::collections::BTreeSet;

use super::report::is_known;
use super::table_scan::TableScan;
use super::{Verification, VerifyProgress};
use crate::conflicts::ConflictsConfiguration;
use crate::expiration::{ExpirationConfiguration, RefreshConfiguration};
use crate::replication::{OPENINGS_KEY, RENAMING_KEY, Renaming, decode_openings};
use crate::revisions::{RevisionBinConfiguration, RevisionsConfiguration};
use crate::schema::DATABASE;
use crate::schema::attachment_counts::{self, ATTACHMENT_COUNTS_KEY};
use crate::schema::configuration::{
    CONFLICTS_KEY, EXPIRATION_KEY, PEER_POSITION_PREFIX, PURGED_KEY, REFRESH_KEY, REVISION_BIN_KEY,
    REVISIONS_KEY, VALIDATION_KEY,
};
use crate::schema::database_state::{DatabaseState, STATE_KEY};
use crate::schema::edge::{EDGE_KEY, EdgeRecord};
use crate::storage::{Direction, KeyRange, KeySpace, PageLimits, Snapshot};
use crate::validation::ValidationConfiguration;
use crate::version::{ChangeVector, Dot, Etag};

impl<S: Snapshot, P: FnMut(&VerifyProgress)> Verification<'_, S, P> {
    pub(super) async fn check_state(&mut self) {
        let mut scan = TableScan::new(DATABASE);
        let mut is_missing = true;
        while let Some(page) = self.next_page(&mut scan).await {
            for (key, value) in page {
                if key == ATTACHMENT_COUNTS_KEY {
                    match attachment_counts::decode(&value) {
                        Ok(counts) => self.attachment_counts = Some(counts),
                        Err(error) => {
                            self.attachment_counts = None;
                            self.add_problem(DATABASE, &key, error.message());
                        }
                    }
                    continue;
                }
                if key != STATE_KEY {
                    if let Some(problem) = configuration_problem(&key, &value) {
                        self.add_problem(DATABASE, &key, problem);
                    }
                    continue;
                }
                is_missing = false;
                match DatabaseState::decode(&value) {
                    Ok(state) => self.take_state(state),
                    Err(error) => self.add_problem(DATABASE, &key, error.message()),
                }
            }
        }
        if is_missing {
            self.add_problem(DATABASE, STATE_KEY, "it is missing");
        }
    }

    fn take_state(&mut self, state: DatabaseState) {
        let own = state.incarnations.own_row();
        if own.seen > state.last_etag {
            let what = format!(
                "it has seen {} of its own writes, but its last etag is {}",
                own.seen, state.last_etag
            );
            self.add_problem(DATABASE, STATE_KEY, what);
        }
        let rows = state.incarnations.rows();
        let ids: BTreeSet<_> = rows.iter().map(|row| row.id).collect();
        if ids.len() < rows.len() {
            self.add_problem(DATABASE, STATE_KEY, "an incarnation stands twice in it");
        }
        self.state = Some(state);
    }

    pub(super) async fn check_unknown_tables(&mut self) {
        for space in KeySpace::all().filter(|space| !is_known(*space)) {
            let limits = PageLimits {
                entries: 1,
                ..PageLimits::default()
            };
            let page = self
                .snapshot
                .scan(space, &KeyRange::all(), Direction::Forward, limits)
                .await;
            let number = space.number();
            match page {
                Ok(page) => {
                    if let Some((key, _)) = page.entries.first() {
                        let what = format!("table {number} is not of this version");
                        self.add_problem(space, key, what);
                    }
                }
                Err(error) => {
                    self.add_problem(space, b"", format!("table {number}: {error}"));
                }
            }
        }
    }
}

/// What is wrong with a record of `DATABASE` that is not the state.
fn configuration_problem(key: &[u8], value: &[u8]) -> Option<String> {
    let decoded = match key {
        EDGE_KEY => Some(EdgeRecord::decode(value).map(drop)),
        OPENINGS_KEY => Some(decode_openings(value).map(drop)),
        RENAMING_KEY => Some(Renaming::decode(value).map(drop)),
        _ => None,
    };
    if let Some(decoded) = decoded {
        return decoded.err().map(|error| error.to_string());
    }
    let Ok(text) = std::str::from_utf8(value) else {
        return Some("it is not UTF-8".to_owned());
    };
    let parsed = match key {
        REVISIONS_KEY => RevisionsConfiguration::parse(text).map(drop),
        REVISION_BIN_KEY => RevisionBinConfiguration::parse(text).map(drop),
        EXPIRATION_KEY => ExpirationConfiguration::parse(text).map(drop),
        CONFLICTS_KEY => ConflictsConfiguration::parse(text).map(drop),
        key if key.starts_with(PEER_POSITION_PREFIX) => {
            crate::replication::parse_purged(text).map(drop)
        }
        VALIDATION_KEY => ValidationConfiguration::parse(text).map(drop),
        PURGED_KEY => crate::replication::parse_purged(text).map(drop),
        REFRESH_KEY => RefreshConfiguration::parse(text).map(drop),
        _ => return Some("this version knows no such record".to_owned()),
    };
    parsed.err().map(|error| error.to_string())
}

/// What is wrong with a record's etag and version, as far as the database's state tells.
///
/// Records may name writes of other databases before all that these wrote was taken in: imported
/// revisions keep the change vector they had, and replicas get single documents.
pub(super) fn version_problems(
    state: Option<&DatabaseState>,
    etag: Etag,
    context: &ChangeVector,
    dot: Dot,
) -> Vec<String> {
    let mut problems = Vec::new();
    if etag == Etag::ZERO {
        problems.push("it has no etag".to_owned());
    }
    if !context.contains(dot) {
        problems.push(format!(
            "its change vector lacks its own write {} of incarnation {}",
            dot.etag,
            dot.incarnation.number()
        ));
    }
    let Some(state) = state else {
        return problems;
    };
    if etag > state.last_etag {
        problems.push(format!(
            "its etag {etag} is beyond the database's last, {}",
            state.last_etag
        ));
    }
    for entry in context.entries().iter().chain([&dot]) {
        match state.incarnations.row(entry.incarnation) {
            Err(error) => problems.push(error.message().to_owned()),
            // Of what others wrote, single documents may be here before everything else is.
            Ok(_) if entry.incarnation != state.incarnations.own() => {}
            Ok(row) if entry.etag > row.seen => problems.push(format!(
                "it has seen {} of {}, of which the database has seen {}",
                entry.etag, row.id, row.seen
            )),
            Ok(_) => {}
        }
    }
    problems.dedup();
    problems
}
