//! Reading tables page by page, around what is damaged.

use std::ops::Bound;

use bytes::Bytes;

use super::report::{show_key, table_name};
use super::{Verification, VerifyProgress};
use crate::schema::{ETAGS, etags};
use crate::storage::{Direction, KeyRange, KeySpace, PageLimits, Snapshot};

/// A walk over one table.
pub(super) struct TableScan {
    pub(super) space: KeySpace,
    rest: Option<KeyRange>,
}

impl TableScan {
    pub(super) fn new(space: KeySpace) -> Self {
        Self {
            space,
            rest: Some(KeyRange::all()),
        }
    }

    pub(super) fn of_range(space: KeySpace, range: KeyRange) -> Self {
        Self {
            space,
            rest: Some(range),
        }
    }
}

/// An entry that a record must have in another table.
pub(super) struct Reference {
    /// The record.
    pub(super) key: Bytes,
    /// The entry.
    pub(super) entry: Bytes,
    /// What the entry must hold; `None` when there must be none.
    pub(super) expected: Option<Bytes>,
}

/// An entry that must be in another table, whatever it holds.
pub(super) struct Presence {
    /// The record.
    pub(super) key: Bytes,
    /// The entry.
    pub(super) entry: Bytes,
}

impl<S: Snapshot, P: FnMut(&VerifyProgress)> Verification<'_, S, P> {
    /// The next page, or `None` at the end. What cannot be read is told and ends the walk.
    pub(super) async fn next_page(&mut self, scan: &mut TableScan) -> Option<Vec<(Bytes, Bytes)>> {
        let range = scan.rest.take()?;
        let limits = PageLimits {
            entries: 512,
            ..PageLimits::default()
        };
        let page = self
            .snapshot
            .scan(scan.space, &range, Direction::Forward, limits)
            .await;
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                let (key, place) = match &range.start {
                    Bound::Excluded(key) | Bound::Included(key) => (key.clone(), "after this key"),
                    Bound::Unbounded => (Bytes::new(), "from the beginning"),
                };
                self.add_problem(
                    scan.space,
                    &key,
                    format!("the table cannot be read {place}: {error}"),
                );
                self.records_are_complete &= !super::records::is_record_table(scan.space);
                return None;
            }
        };
        if let (true, Some((last, _))) = (page.has_more, page.entries.last()) {
            scan.rest = Some(range.after(last.clone()));
        }
        let byte_count = page.entries.iter().map(|(k, v)| k.len() + v.len()).sum();
        self.progress
            .add_page(scan.space, page.entries.len(), byte_count);
        (self.on_progress)(&self.progress);
        (!page.entries.is_empty()).then_some(page.entries)
    }

    /// The values of `keys`; when they cannot be read together, one by one, so that the damaged
    /// ones are named. Those count as missing.
    pub(super) async fn get_many(&mut self, space: KeySpace, keys: &[Bytes]) -> Vec<Option<Bytes>> {
        let together = match self.snapshot.get_many(space, keys).await {
            Ok(values) => return values,
            Err(error) => error,
        };
        let mut values = Vec::with_capacity(keys.len());
        let problems_before = self.report.problem_count;
        for key in keys {
            let read = self.snapshot.get_many(space, std::slice::from_ref(key));
            match read.await {
                Ok(mut value) => values.push(value.pop().flatten()),
                Err(error) => {
                    self.add_problem(space, key, format!("it cannot be read: {error}"));
                    values.push(None);
                }
            }
        }
        if let (true, Some(first)) = (problems_before == self.report.problem_count, keys.first()) {
            let what = format!("reading it with others failed once: {together}");
            self.add_problem(space, first, what);
        }
        values
    }

    /// Checks the entries that records of the table `from` must have, or must not have, in `to`.
    pub(super) async fn check_references(
        &mut self,
        from: KeySpace,
        to: KeySpace,
        references: Vec<Reference>,
    ) {
        if references.is_empty() {
            return;
        }
        let entries: Vec<Bytes> = references.iter().map(|it| it.entry.clone()).collect();
        let values = self.get_many(to, &entries).await;
        for (reference, value) in references.into_iter().zip(values) {
            self.expected_entries[usize::from(to.number())] +=
                u64::from(reference.expected.is_some());
            let table = table_name(to);
            let entry = show_key(to, &reference.entry);
            let value = match value {
                // Where it stood in its operation is nothing that a record knows.
                Some(value) if to == ETAGS => Some(etags::without_offset(value)),
                value => value,
            };
            let what = match (value, reference.expected) {
                (value, expected) if value == expected => continue,
                (None, _) => format!("its entry '{entry}' in {table} is missing"),
                (Some(_), None) => format!("it must not be in {table} too"),
                (Some(_), Some(_)) => {
                    format!("its entry '{entry}' in {table} belongs to something else")
                }
            };
            self.has_stray_reference = true;
            self.add_problem(from, &reference.key, what);
        }
    }

    /// Checks that entries of records of the table `from` are in `to`.
    pub(super) async fn check_presence(
        &mut self,
        from: KeySpace,
        to: KeySpace,
        presences: Vec<Presence>,
    ) {
        let entries: Vec<Bytes> = presences.iter().map(|it| it.entry.clone()).collect();
        if entries.is_empty() {
            return;
        }
        let values = self.get_many(to, &entries).await;
        for (presence, _) in presences.iter().zip(values).filter(|(_, it)| it.is_none()) {
            let (table, entry) = (table_name(to), show_key(to, &presence.entry));
            let what = format!("its entry '{entry}' in {table} is missing");
            self.add_problem(from, &presence.key, what);
        }
    }

    /// Whether the walk over `space` met exactly the entries that records must have in it.
    pub(super) fn has_all_expected(&self, space: KeySpace) -> bool {
        let expected = self.expected_entries[usize::from(space.number())];
        !self.has_stray_reference
            && self.records_are_complete
            && self.progress.entries_of(space) == expected
    }

    pub(super) fn add_problem(&mut self, space: KeySpace, key: &[u8], what: impl Into<String>) {
        self.report.add(space, key, what.into());
    }
}
