//! Looking into an index: the terms of a field, and forgetting errors.

use std::ops::Bound;

use super::blocks::Walk;
use super::index::Index;
use super::tables::{
    ERRORS, FieldState, POSTINGS, STATE, STATE_KEY, decode_posting, posting_bound, posting_range,
};
use super::{FieldKind, Number, Progress, Term};
use crate::reader::Pages;
use crate::storage::{Direction, Durability, KeyRange, Store, WriteBatch};
use crate::{Error, ErrorKind, Result};

impl<S: Store> Index<S> {
    /// The terms of a field as people read them, in order, from behind `after` on.
    ///
    /// # Errors
    /// `NotFound` when no entry ever had the field; whatever the store reports.
    pub async fn terms(
        &self,
        field: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>> {
        let view = self.view().await?;
        // Where the definition asks for words, they are the field's terms.
        let words = match self.forms().are_defined() {
            true => view.progress.find_field(field, FieldKind::Search),
            false => None,
        };
        let number = words
            .or_else(|| find_field(&view.progress, field))
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::NotFound,
                    format!("the index '{}' has no field '{field}'", self.name()),
                )
            })?;
        let mut range = posting_range(number, b"");
        if let Some(after) = after {
            let term = match Number::parse(after).filter(|it| it.to_text() == after) {
                Some(number) if words.is_none() => Term::number(number),
                _ => Term::exact_text(after),
            };
            range.start = KeyRange::prefix(&posting_bound(number, term.as_bytes())).end;
            range.start = match range.start {
                Bound::Excluded(end) => Bound::Included(end),
                other => other,
            };
        }
        let mut terms: Vec<String> = Vec::new();
        // Over all postings of a term at once.
        while terms.len() < limit
            && let Some(term) = first_term(&view.snapshot, range.clone()).await?
        {
            terms.push(Term::from_bytes(&term[..]).to_text());
            range.start = match KeyRange::prefix(&posting_bound(number, &term)).end {
                Bound::Excluded(end) => Bound::Included(end),
                _ => break,
            };
        }
        Ok(terms)
    }

    /// The fields that entries have.
    ///
    /// # Errors
    /// Whatever the store reports.
    pub async fn fields(&self) -> Result<Vec<FieldState>> {
        Ok(self.view().await?.progress.fields.clone())
    }

    /// Forgets the recorded errors.
    ///
    /// # Errors
    /// Whatever the store reports.
    pub async fn clear_errors(&self) -> Result<()> {
        let _alone = self.stop_stepping().await;
        let view = self.read_view().await?;
        let errors = Pages::new(ERRORS, KeyRange::all(), Direction::Forward, usize::MAX)
            .all(&view.snapshot)
            .await?;
        if errors.is_empty() {
            return Ok(());
        }
        let mut batch = WriteBatch::default();
        for (key, _) in errors {
            batch.delete(ERRORS, key);
        }
        let progress = Progress {
            batches: view.progress.batches + 1,
            ..(*view.progress).clone()
        };
        batch.put(STATE, STATE_KEY, progress.encode());
        self.set_view(None);
        let committed = self.store.commit(batch, Durability::Relaxed).await;
        if let Ok(view) = self.read_view().await {
            self.set_view(Some(view));
        }
        committed
    }
}

/// The term of the first posting in a range.
async fn first_term<S: crate::storage::Snapshot>(
    snapshot: &S,
    range: KeyRange,
) -> Result<Option<Vec<u8>>> {
    let mut walk = Walk::new(POSTINGS, range, Direction::Forward);
    while let Some(block) = walk.next(snapshot).await? {
        let mut records = walk.read(&block);
        if records.advance()? {
            return Ok(Some(decode_posting(records.key())?.0.to_vec()));
        }
        if records.is_beyond() {
            break;
        }
    }
    Ok(None)
}

/// By name, or as `search(Name)` and `exact(Name)`.
fn find_field(progress: &Progress, name: &str) -> Option<u16> {
    let lower = name.to_ascii_lowercase();
    for (start, kind) in [("search(", FieldKind::Search), ("exact(", FieldKind::Exact)] {
        if lower.starts_with(start) && name.ends_with(')') {
            return progress.find_field(&name[start.len()..name.len() - 1], kind);
        }
    }
    [
        FieldKind::Default,
        FieldKind::Exact,
        FieldKind::Search,
        FieldKind::Spatial,
    ]
    .into_iter()
    .find_map(|kind| progress.find_field(name, kind))
}
