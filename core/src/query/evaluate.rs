//! From the leaves of a condition to sets of entries, by the postings of an index.

use std::ops::Bound;

use bytes::Bytes;
use roaring::RoaringTreemap;

use super::condition::{Condition, Conditions, Found, Leaf, combine, needs_all};
use super::{entry_set, more_like_this, place, search};
use crate::indexes::blocks::{self, Walk};
use crate::indexes::tables::{
    ENTRIES, POSTINGS, SOURCES, decode_number, decode_numbers, decode_posting, posting_bound,
    posting_range,
};
use crate::indexes::{
    FieldForms, FieldKey, FieldKind, FieldValue, FoundSets, Number, Progress, Term, TermKinds,
};
use crate::storage::{Direction, KeyRange, Snapshot};
use crate::{Error, Result};

/// What leaves are evaluated against.
pub struct Evaluation<'a, S> {
    /// The index's state.
    pub snapshot: &'a S,
    /// What is known of it.
    pub progress: &'a Progress,
    /// How its fields are made into terms.
    pub forms: &'a FieldForms,
    /// Which kinds of terms they have.
    pub term_kinds: &'a TermKinds,
    /// What was found in it lately.
    pub found_sets: &'a FoundSets,
}

impl<S: Snapshot> Evaluation<'_, S> {
    /// The entries that `conditions` find.
    ///
    /// # Errors
    /// `InvalidRequest` for a malformed pattern; whatever the store reports.
    pub async fn find(&self, conditions: &Conditions) -> Result<Found> {
        let mut root = conditions.root.clone();
        let mut sets = Vec::with_capacity(conditions.leaves.len());
        for (at, leaf) in conditions.leaves.iter().enumerate() {
            #[cfg(feature = "whole")]
            if let Leaf::MoreLikeThis(wanted) = leaf {
                sets.push(more_like_this::find(self, wanted).await?);
                continue;
            }
            if self.is_everywhere(leaf) {
                replace_leaf(&mut root, at);
                sets.push(Found::default());
            } else {
                sets.push(self.leaf(leaf).await?);
            }
        }
        let all = if needs_all(&root) {
            self.all_entries().await?
        } else {
            RoaringTreemap::new()
        };
        Ok(combine(&root, sets, &all))
    }

    /// Whether every entry is found, as the counts tell.
    fn is_everywhere(&self, leaf: &Leaf) -> bool {
        let Leaf::Exists { name } = leaf else {
            return false;
        };
        self.kinds_of(name).iter().any(|number| {
            let field = self.progress.fields.get(usize::from(*number));
            field.is_some_and(|it| it.entries == self.progress.entry_count)
        })
    }

    pub(super) async fn all_entries(&self) -> Result<RoaringTreemap> {
        let mut all = RoaringTreemap::new();
        if self.progress.entry_count == self.progress.next_entry {
            all.insert_range(0..self.progress.next_entry);
            return Ok(all);
        }
        let mut walk = walk(ENTRIES, KeyRange::all());
        while let Some(block) = walk.next(self.snapshot).await? {
            let mut records = walk.read(&block);
            while records.advance()? {
                all.insert(decode_number(records.key())?);
            }
        }
        Ok(all)
    }

    /// The numbers of a field in its kinds.
    fn kinds_of(&self, name: &str) -> Vec<u16> {
        let kinds = [
            FieldKind::Default,
            FieldKind::Exact,
            FieldKind::Search,
            FieldKind::Spatial,
        ];
        kinds
            .into_iter()
            .filter_map(|kind| self.progress.find_field(name, kind))
            .collect()
    }

    /// The number of a field, and whether its terms keep their case. An index that has the field
    /// in another kind only answers from that.
    pub(super) fn field(&self, key: &FieldKey) -> Option<(u16, bool)> {
        let number = self.progress.find_field(&key.name, key.kind);
        if let Some(number) = number {
            let keeps_case = key.kind == FieldKind::Exact || self.keeps_case(&key.name);
            return Some((number, keeps_case));
        }
        if let Some(number) = self.progress.find_field(&key.name, FieldKind::Default) {
            return Some((number, self.keeps_case(&key.name)));
        }
        let exact = self.progress.find_field(&key.name, FieldKind::Exact)?;
        Some((exact, true))
    }

    /// As [`Self::field`], with the field's words where its definition says that it has them:
    /// conditions find the words as well as the text that they stand in.
    fn fields(&self, key: &FieldKey) -> Vec<(u16, bool)> {
        let words = match key.kind {
            FieldKind::Default => self.defined_words(&key.name),
            _ => None,
        };
        let words = words.map(|number| (number, false));
        self.field(key).into_iter().chain(words).collect()
    }

    /// The number of a field's words, where the index's definition says that it has them: other
    /// indexes have words only beside the values, for what asks for words.
    pub(super) fn defined_words(&self, name: &str) -> Option<u16> {
        if !self.forms.are_defined() {
            return None;
        }
        self.progress.find_field(name, FieldKind::Search)
    }

    fn keeps_case(&self, name: &str) -> bool {
        let forms = self.forms.of(name);
        forms
            .iter()
            .any(|it| it.kind == FieldKind::Default && it.keeps_case)
    }

    pub(super) async fn leaf(&self, leaf: &Leaf) -> Result<Found> {
        let entries = match leaf {
            Leaf::AnyOf { field, values } => self.any_of(field, values).await?,
            Leaf::Between { field, from, to } => self.between(field, from, to).await?,
            Leaf::StartsWith { field, prefix } => {
                let mut entries = RoaringTreemap::new();
                for (number, keeps_case) in self.fields(field) {
                    let prefix = Term::text_prefix(prefix, keeps_case);
                    entries |= self.in_range(posting_range(number, &prefix)).await?;
                }
                entries
            }
            Leaf::EndsWith { field, suffix } => {
                let keeps_case = self.field(field).is_some_and(|it| it.1);
                let suffix = if keeps_case {
                    suffix.as_str().into()
                } else {
                    crate::indexes::fold_case(suffix)
                };
                self.of_texts(field, |text| text.ends_with(&*suffix))
                    .await?
            }
            #[cfg(feature = "whole")]
            Leaf::Matches { field, pattern } => {
                let keeps_case = self.field(field).is_some_and(|it| it.1);
                let pattern = compiled_pattern(pattern, keeps_case)?;
                self.of_texts(field, |text| pattern.is_match(text)).await?
            }
            Leaf::Exists { name } => {
                let mut entries = RoaringTreemap::new();
                for number in self.kinds_of(name) {
                    entries |= self.in_range(posting_range(number, b"")).await?;
                }
                entries
            }
            #[cfg(feature = "whole")]
            Leaf::Place(wanted) => place::find(self, wanted).await?,
            #[cfg(feature = "whole")]
            Leaf::Search(wanted) => return search::find(self, wanted).await,
            #[cfg(not(feature = "whole"))]
            Leaf::Matches { .. } | Leaf::Place(_) | Leaf::Search(_) => {
                return Err(crate::parts::not_loaded("this condition"));
            }
            Leaf::Ids(keys) => {
                let found = blocks::get_many(self.snapshot, SOURCES, keys).await?;
                let mut entries = RoaringTreemap::new();
                for numbers in found.into_iter().flatten() {
                    entries.extend(decode_numbers(&numbers)?);
                }
                entries
            }
            Leaf::IdBetween(range) => self.of_sources(range.clone(), b"").await?,
            Leaf::Function(_) => {
                return Err(Error::invalid(
                    "no index knows what declared functions say: they stand in 'filter'",
                ));
            }
            // Only at the top: what a document is like cannot depend on what is like it.
            Leaf::MoreLikeThis(_) => {
                return Err(Error::invalid(
                    "moreLikeThis() cannot stand in what another one is to be like",
                ));
            }
            Leaf::IdStartsWith(prefix) => self.of_sources(KeyRange::prefix(prefix), b"").await?,
            Leaf::IdEndsWith(suffix) => self.of_sources(KeyRange::all(), suffix).await?,
        };
        Ok(Found::unscored(entries))
    }

    async fn any_of(&self, field: &FieldKey, values: &[FieldValue]) -> Result<RoaringTreemap> {
        let mut entries = RoaringTreemap::new();
        for (number, keeps_case) in self.fields(field) {
            let found = self.any_in(number, keeps_case, values).await?;
            if entries.is_empty() {
                entries = found;
            } else {
                entries |= found;
            }
        }
        Ok(entries)
    }

    async fn any_in(
        &self,
        number: u16,
        keeps_case: bool,
        values: &[FieldValue],
    ) -> Result<RoaringTreemap> {
        let mut entries = RoaringTreemap::new();
        for value in values {
            for (at, term) in equal_terms(value, keeps_case).into_iter().enumerate() {
                let ([from], [to]) = term.kind_bounds();
                let kinds = self.term_kinds;
                if at > 0 && !kinds.has(self.snapshot, number, (from, to)).await? {
                    continue;
                }
                let range = posting_range(number, term.as_bytes());
                let found = self.in_range(range).await?;
                if entries.is_empty() {
                    entries = found;
                } else {
                    entries |= found;
                }
            }
        }
        Ok(entries)
    }

    async fn between(
        &self,
        field: &FieldKey,
        from: &Option<(FieldValue, bool)>,
        to: &Option<(FieldValue, bool)>,
    ) -> Result<RoaringTreemap> {
        let mut entries = RoaringTreemap::new();
        for (number, keeps_case) in self.fields(field) {
            if let Some(range) = range_between(number, keeps_case, from, to) {
                entries |= self.in_range(range).await?;
            }
        }
        Ok(entries)
    }

    /// The entries of all postings in a range.
    pub(super) async fn in_range(&self, range: KeyRange) -> Result<RoaringTreemap> {
        if let Some(found) = self.found_sets.get(&range) {
            return Ok(found);
        }
        let mut found = Vec::new();
        let mut walk = walk(POSTINGS, range.clone());
        while let Some(block) = walk.next(self.snapshot).await? {
            let mut records = walk.read(&block);
            while records.advance()? {
                found.push(decode_number(records.key())?);
            }
            if records.is_beyond() {
                break;
            }
        }
        // Those of one term ascend, and those of several mostly do in part.
        if !found.is_sorted() {
            found.sort_unstable();
        }
        found.dedup();
        let entries = entry_set::of_ascending(&found);
        self.found_sets.put(&range, &entries);
        Ok(entries)
    }

    async fn of_texts(
        &self,
        field: &FieldKey,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<RoaringTreemap> {
        let mut found = RoaringTreemap::new();
        for (number, _) in self.fields(field) {
            self.add_texts(number, &wanted, &mut found).await?;
        }
        Ok(found)
    }

    async fn add_texts(
        &self,
        number: u16,
        wanted: &impl Fn(&str) -> bool,
        found: &mut RoaringTreemap,
    ) -> Result<()> {
        let (from, to) = Term::text_bounds();
        let range = KeyRange {
            start: Bound::Included(posting_bound(number, &from)),
            end: Bound::Excluded(posting_bound(number, &to)),
        };
        let mut walk = walk(POSTINGS, range);
        // Many entries share a term; it is looked at once.
        let (mut last, mut is_wanted) = (Vec::new(), false);
        while let Some(block) = walk.next(self.snapshot).await? {
            let mut records = walk.read(&block);
            while records.advance()? {
                let (term, entry) = decode_posting(records.key())?;
                if term != last {
                    term.clone_into(&mut last);
                    is_wanted = wanted(&Term::from_bytes(term).to_text());
                }
                if is_wanted {
                    found.insert(entry);
                }
            }
        }
        Ok(())
    }

    async fn of_sources(&self, range: KeyRange, suffix: &[u8]) -> Result<RoaringTreemap> {
        let mut found = RoaringTreemap::new();
        let mut walk = walk(SOURCES, range);
        while let Some(block) = walk.next(self.snapshot).await? {
            let mut records = walk.read(&block);
            while records.advance()? {
                if records.key().ends_with(suffix) {
                    found.extend(decode_numbers(records.value())?);
                }
            }
            if records.is_beyond() {
                break;
            }
        }
        Ok(found)
    }
}

/// A pattern, ready to be matched.
///
/// # Errors
/// `InvalidRequest` when it is malformed.
pub(super) fn compiled_pattern(pattern: &str, keeps_case: bool) -> Result<regex_lite::Regex> {
    regex_lite::RegexBuilder::new(pattern)
        .case_insensitive(!keeps_case)
        .build()
        .map_err(|reason| {
            Error::invalid(format!(
                "the pattern '{pattern:.200}' is malformed: {reason:.500}"
            ))
        })
}

pub(super) fn walk(space: crate::storage::KeySpace, range: KeyRange) -> Walk {
    Walk::new(space, range, Direction::Forward)
}

/// The postings of a field between two values of one kind.
fn range_between(
    number: u16,
    keeps_case: bool,
    from: &Option<(FieldValue, bool)>,
    to: &Option<(FieldValue, bool)>,
) -> Option<KeyRange> {
    let term = |bound: &Option<(FieldValue, bool)>| {
        let (value, included) = bound.as_ref()?;
        Some((Term::of_value(value, keeps_case), *included))
    };
    let (from, to) = (term(from), term(to));
    let kind = from.as_ref().or(to.as_ref())?;
    let (least, beyond) = kind.0.kind_bounds();
    let start = match &from {
        None => posting_bound(number, &least),
        Some((term, true)) => posting_bound(number, term.as_bytes()),
        Some((term, false)) => after_term(number, term),
    };
    let end = match &to {
        None => posting_bound(number, &beyond),
        Some((term, false)) => posting_bound(number, term.as_bytes()),
        Some((term, true)) => after_term(number, term),
    };
    Some(KeyRange {
        start: Bound::Included(start),
        end: Bound::Excluded(end),
    })
}

/// The least key behind all postings of a term.
fn after_term(field: u16, term: &Term) -> Bytes {
    match KeyRange::prefix(&posting_bound(field, term.as_bytes())).end {
        Bound::Excluded(end) | Bound::Included(end) => end,
        Bound::Unbounded => Bytes::from_static(&[0xff; 3]),
    }
}

/// The terms of what equals a value: a number is found as a text that reads so, and the reverse.
pub(super) fn equal_terms(value: &FieldValue, keeps_case: bool) -> Vec<Term> {
    let mut terms = vec![Term::of_value(value, keeps_case)];
    match value {
        FieldValue::Number(number) => terms.push(Term::text(&number.to_text())),
        FieldValue::Text(text) => {
            let number = Number::parse(text).filter(|it| it.to_text() == *text);
            terms.extend(number.map(Term::number));
        }
        _ => {}
    }
    terms
}

fn replace_leaf(condition: &mut Condition, leaf: usize) {
    match condition {
        Condition::Leaf(at) if *at == leaf => *condition = Condition::All,
        Condition::And(parts) | Condition::Or(parts) => {
            parts.iter_mut().for_each(|it| replace_leaf(it, leaf));
        }
        Condition::Not(inner) | Condition::Boost(inner, _) => replace_leaf(inner, leaf),
        _ => {}
    }
}
