//! `EXPIRATIONS` and `REFRESHES` against the documents that say when they are due.

use bytes::Bytes;

use super::etag_tables::LOOKED_UP;
use super::table_scan::{Reference, TableScan};
use super::{Verification, VerifyProgress};
use crate::document::Schedule;
use crate::schema::documents::{DocumentFlags, DocumentRecord};
use crate::schema::{DOCUMENTS, EXPIRATIONS, REFRESHES, schedules};
use crate::storage::{KeySpace, Snapshot};

impl<S: Snapshot, P: FnMut(&VerifyProgress)> Verification<'_, S, P> {
    /// Adds the entries that a document must have: expirations and refreshes.
    pub(super) fn list_schedules(
        &mut self,
        key: &Bytes,
        record: &DocumentRecord,
        (expirations, refreshes): &mut (Vec<Reference>, Vec<Reference>),
    ) {
        let schedule = match Schedule::of_metadata(record.metadata()) {
            Ok(schedule) => schedule,
            Err(error) => return self.add_problem(DOCUMENTS, key, error.message()),
        };
        if record.flags.contains(DocumentFlags::SCHEDULED) == schedule.is_empty() {
            let what = match schedule.is_empty() {
                true => "it is flagged to be due some time, but does not say when",
                false => "it says when it is due, but is not flagged so",
            };
            self.add_problem(DOCUMENTS, key, what);
        }
        for (references, at) in [
            (expirations, schedule.expires),
            (refreshes, schedule.refresh),
        ] {
            references.extend(at.map(|at| Reference {
                key: key.clone(),
                entry: schedules::key(at, key),
                expected: Some(Bytes::new()),
            }));
        }
    }

    pub(super) async fn check_schedules(&mut self) {
        for space in [EXPIRATIONS, REFRESHES] {
            self.walk(space).await;
            if !self.has_all_expected(space) {
                self.follow_schedule(space).await;
            }
        }
    }

    /// Reads a table to count its entries.
    pub(super) async fn walk(&mut self, space: KeySpace) {
        let mut scan = TableScan::new(space);
        while self.next_page(&mut scan).await.is_some() {}
    }

    async fn follow_schedule(&mut self, space: KeySpace) {
        let mut scan = TableScan::new(space);
        while let Some(page) = self.next_page(&mut scan).await {
            for entries in page.chunks(LOOKED_UP) {
                self.follow_due(space, entries).await;
            }
        }
    }

    async fn follow_due(&mut self, space: KeySpace, entries: &[(Bytes, Bytes)]) {
        let mut due = Vec::with_capacity(entries.len());
        for (key, _) in entries {
            match schedules::decode_key(key) {
                Ok((at, id_key)) => due.push((key, at, id_key)),
                Err(error) => self.add_problem(space, key, error.message()),
            }
        }
        let ids: Vec<Bytes> = due.iter().map(|(_, _, id_key)| id_key.clone()).collect();
        let records = self.get_many(DOCUMENTS, &ids).await;
        for ((key, at, _), record) in due.into_iter().zip(records) {
            let Some(record) = record else {
                self.add_problem(space, key, "its document is missing");
                continue;
            };
            // A record that does not decode has been told already.
            let Ok(record) = DocumentRecord::decode(record) else {
                continue;
            };
            let schedule = Schedule::of_metadata(record.metadata()).unwrap_or_default();
            let says = match space {
                EXPIRATIONS => schedule.expires,
                _ => schedule.refresh,
            };
            if says != Some(at) {
                self.add_problem(space, key, "its document is not due then");
            }
        }
    }
}
