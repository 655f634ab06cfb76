//! Sorting: entries in the order that a query asks for.

use std::cmp::Ordering;

use bytes::Bytes;
use roaring::RoaringTreemap;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::condition::Found;
use super::entry_set::EntryBits;
use super::evaluate::Evaluation;
use super::lower::{Order, OrderKey};
use super::place::distance_km;
use super::rql::OrderType;
use crate::indexes::blocks::{self, Walk};
use crate::indexes::tables::{ENTRIES, Entry, POSTINGS, decode_posting, entry_key, posting_range};
use crate::indexes::{FieldKey, FieldKind, Number, Progress, Term, TermKinds};
use crate::storage::{Direction, Snapshot};
use crate::{Error, Result};

/// Below this many entries it is no use to look for a shorter way.
const FEW: u64 = 64;
/// Entries read at a time.
const CHUNK: usize = 512;
/// How many times longer it takes to read an entry than to walk over a posting.
const ENTRY_COST: u64 = 32;

/// The first `wanted` of the found entries, in order.
///
/// # Errors
/// Whatever the store reports.
pub async fn sorted<S: Snapshot>(
    evaluation: &Evaluation<'_, S>,
    found: &Found,
    orders: &[Order],
    wanted: usize,
    nonce: u64,
) -> Result<Vec<u64>> {
    let (snapshot, progress) = (evaluation.snapshot, evaluation.progress);
    if orders.is_empty() {
        if found.scores.is_empty() {
            return Ok(found.entries.iter().take(wanted).collect());
        }
        return Ok(by_score(found, wanted));
    }
    if let [order] = orders
        && let OrderKey::Field(field) = &order.by
        && let Some(number) = find_field(progress, field)
        && found.entries.len() > FEW
    {
        let scan = Scan {
            snapshot,
            progress,
            term_kinds: evaluation.term_kinds,
            field: number,
            order,
            entries: &found.entries,
        };
        if let Some(sorted) = scan.run(wanted).await? {
            return Ok(sorted);
        }
    }
    by_keys(snapshot, progress, found, orders, wanted, nonce).await
}

/// The best first, and of equals the older.
fn by_score(found: &Found, wanted: usize) -> Vec<u64> {
    if found.scores.len() as u64 == found.entries.len() {
        // Scores belong to found entries: each has one.
        let scored = found.scores.iter().map(|(entry, score)| (score, entry));
        return best_of(scored, wanted);
    }
    let mut scores = found.scores.iter().peekable();
    let scored = found.entries.iter().map(|entry| {
        while scores.next_if(|it| it.0 < entry).is_some() {}
        let score = scores.next_if(|it| it.0 == entry);
        (score.map_or(0.0, |it| it.1), entry)
    });
    best_of(scored, wanted)
}

/// The entries with the highest scores, which come in ascending order of entries.
fn best_of(scored: impl Iterator<Item = (f32, u64)>, wanted: usize) -> Vec<u64> {
    if wanted == 0 {
        return Vec::new();
    }
    let best = |a: &(f32, u64), b: &(f32, u64)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
    let mut kept: Vec<(f32, u64)> = Vec::new();
    // What does not beat this is none of the best: of equals the older one is better.
    let mut beaten = None::<f32>;
    for one in scored {
        if beaten.is_some_and(|least| one.0.total_cmp(&least).is_le()) {
            continue;
        }
        kept.push(one);
        if kept.len() >= wanted.saturating_mul(2).max(FEW as usize) && kept.len() > wanted {
            let (_, last, _) = kept.select_nth_unstable_by(wanted - 1, best);
            beaten = Some(last.0);
            kept.truncate(wanted);
        }
    }
    kept.sort_unstable_by(best);
    kept.truncate(wanted);
    kept.into_iter().map(|it| it.1).collect()
}

fn find_field(progress: &Progress, field: &FieldKey) -> Option<u16> {
    progress
        .find_field(&field.name, field.kind)
        .or_else(|| progress.find_field(&field.name, FieldKind::Default))
}

/// What an entry is compared by; the order of the variants is the order of what they hold.
#[derive(Debug, Clone, PartialEq)]
enum SortKey {
    Missing,
    Term(Vec<u8>),
    Number([u8; Number::KEY_BYTES]),
    Text(String),
    Runs(Vec<Run>),
    Hash(u64),
    Score(f32),
    Distance(f64),
}

/// A piece of an alphanumeric text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Run {
    /// Digits: as many without leading zeros, then themselves.
    Digits(usize, String),
    Letters(String),
}

impl SortKey {
    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Term(a), Self::Term(b)) => a.cmp(b),
            (Self::Number(a), Self::Number(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Runs(a), Self::Runs(b)) => a.cmp(b),
            (Self::Hash(a), Self::Hash(b)) => a.cmp(b),
            (Self::Distance(a), Self::Distance(b)) => a.total_cmp(b),
            // The best first.
            (Self::Score(a), Self::Score(b)) => b.total_cmp(a),
            _ => Ordering::Equal,
        }
    }
}

async fn by_keys<S: Snapshot>(
    snapshot: &S,
    progress: &Progress,
    found: &Found,
    orders: &[Order],
    wanted: usize,
    nonce: u64,
) -> Result<Vec<u64>> {
    let fields: Vec<Option<u16>> = orders
        .iter()
        .map(|order| match &order.by {
            OrderKey::Field(field) => find_field(progress, field),
            OrderKey::Distance { field, .. } => {
                progress.find_field(&field.name, FieldKind::Spatial)
            }
            _ => None,
        })
        .collect();
    let needs_entries = orders
        .iter()
        .any(|it| !matches!(it.by, OrderKey::Score | OrderKey::Random(_)));
    let mut keyed: Vec<(Vec<SortKey>, u64)> = Vec::with_capacity(found.entries.len() as usize);
    let numbers: Vec<u64> = found.entries.iter().collect();
    for chunk in numbers.chunks(CHUNK) {
        let entries = if needs_entries {
            let keys: Vec<Bytes> = chunk.iter().map(|it| entry_key(*it)).collect();
            blocks::get_many(snapshot, ENTRIES, &keys).await?
        } else {
            vec![None; chunk.len()]
        };
        for (number, entry) in chunk.iter().zip(entries) {
            let entry = match (needs_entries, entry) {
                (true, None) => return Err(Error::corrupted("an index entry is missing")),
                (_, Some(entry)) => Entry::decode_fields(&entry, |it| fields.contains(&Some(it)))?,
                (_, None) => Entry::default(),
            };
            let key = |(order, field): (&Order, &Option<u16>)| {
                Ok(match &order.by {
                    OrderKey::Field(_) => {
                        field.map_or(SortKey::Missing, |field| field_key(&entry, field, order))
                    }
                    OrderKey::Id => SortKey::Term(entry.source.to_vec()),
                    OrderKey::Score => SortKey::Score(found.scores.get(*number).unwrap_or(0.0)),
                    OrderKey::Random(seed) => {
                        let seed = seed
                            .as_ref()
                            .map_or(nonce, |seed| xxhash_rust::xxh3::xxh3_64(seed.as_bytes()));
                        SortKey::Hash(xxh3_64_with_seed(&number.to_le_bytes(), seed))
                    }
                    OrderKey::Distance { from, step_km, .. } => match field {
                        None => SortKey::Missing,
                        Some(field) => distance_km(&entry, *field, from, *step_km)?
                            .map_or(SortKey::Missing, SortKey::Distance),
                    },
                })
            };
            let keys: Result<_> = orders.iter().zip(&fields).map(key).collect();
            keyed.push((keys?, *number));
        }
    }
    let compare = |a: &(Vec<SortKey>, u64), b: &(Vec<SortKey>, u64)| compare(orders, a, b);
    if wanted < keyed.len() && wanted > 0 {
        keyed.select_nth_unstable_by(wanted - 1, compare);
        keyed.truncate(wanted);
    }
    keyed.sort_unstable_by(compare);
    keyed.truncate(wanted);
    Ok(keyed.into_iter().map(|(_, number)| number).collect())
}

fn compare(orders: &[Order], a: &(Vec<SortKey>, u64), b: &(Vec<SortKey>, u64)) -> Ordering {
    for (order, (left, right)) in orders.iter().zip(a.0.iter().zip(&b.0)) {
        // What lies nowhere is near nothing.
        let is_distance = matches!(order.by, OrderKey::Distance { .. });
        let nulls_first = order
            .nulls_first
            .unwrap_or(!order.descending && !is_distance);
        let missing = |first: bool| {
            if first {
                Ordering::Less
            } else {
                Ordering::Greater
            }
        };
        let ordering = match (left, right) {
            (SortKey::Missing, SortKey::Missing) => Ordering::Equal,
            (SortKey::Missing, _) => missing(nulls_first),
            (_, SortKey::Missing) => missing(!nulls_first),
            (left, right) if order.descending => right.compare(left),
            (left, right) => left.compare(right),
        };
        if ordering != Ordering::Equal {
            return ordering;
        }
    }
    a.1.cmp(&b.1)
}

/// Of several values the least counts, or the greatest where the order descends.
fn field_key(entry: &Entry, field: u16, order: &Order) -> SortKey {
    let keys = entry
        .terms(field)
        .iter()
        .filter(|it| !it.term.is_null())
        .map(|it| term_key(&it.term, order.order_type));
    let least = |a: SortKey, b: SortKey| match (&a, &b) {
        (SortKey::Missing, _) => b,
        (_, SortKey::Missing) => a,
        _ if (a.compare(&b) == Ordering::Greater) != order.descending => b,
        _ => a,
    };
    keys.reduce(least).unwrap_or(SortKey::Missing)
}

fn term_key(term: &Term, order_type: Option<OrderType>) -> SortKey {
    match order_type {
        None => SortKey::Term(term.as_bytes().to_vec()),
        Some(OrderType::Long | OrderType::Double) => {
            let number = term.to_number().or_else(|| Number::parse(&term.to_text()));
            number.map_or(SortKey::Missing, |it| SortKey::Number(it.to_key()))
        }
        Some(_) if term.is_empty_list() => SortKey::Missing,
        Some(OrderType::Text) => SortKey::Text(term.to_text()),
        Some(OrderType::Alphanumeric) => SortKey::Runs(runs(&term.to_text())),
    }
}

fn runs(text: &str) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_digit = first.is_ascii_digit();
        let end = rest
            .find(|c: char| c.is_ascii_digit() != is_digit)
            .unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        runs.push(if is_digit {
            let digits = run.trim_start_matches('0');
            Run::Digits(digits.len(), digits.to_owned())
        } else {
            Run::Letters(run.to_owned())
        });
        rest = after;
    }
    runs
}

/// Walks the terms of the field that is sorted by, in order, and takes the entries that were
/// found: for a page of a large result that is far less than sorting it.
struct Scan<'a, S> {
    snapshot: &'a S,
    progress: &'a Progress,
    term_kinds: &'a TermKinds,
    field: u16,
    order: &'a Order,
    entries: &'a RoaringTreemap,
}

impl<S: Snapshot> Scan<'_, S> {
    /// `None` when it is not the shorter way, or would miss entries.
    async fn run(&self, wanted: usize) -> Result<Option<Vec<u64>>> {
        let state = self.progress.fields.get(usize::from(self.field));
        let with_field = state.map_or(0, |it| it.entries);
        let found = self.entries.len();
        let expected = (wanted as u64).saturating_mul(with_field / found.max(1) + 1);
        if expected > found.saturating_mul(ENTRY_COST) || self.order.nulls_first.is_some() {
            return Ok(None);
        }
        let is_numeric = match self.order.order_type {
            None => false,
            Some(OrderType::Long | OrderType::Double) => true,
            Some(_) => return Ok(None),
        };
        let ([text], [beyond]) = Term::text_bounds();
        if is_numeric && self.has((text, beyond)).await? {
            return Ok(None);
        }
        // What has no value comes first in ascending order, and is not met here.
        let ([list], _) = Term::empty_list().kind_bounds();
        let ([number], _) = Term::number(Number::from_f64(0.0)).kind_bounds();
        let has_missing = with_field < self.progress.entry_count
            || self.has((0, list)).await?
            || (is_numeric && self.has((0, number)).await?);
        if has_missing && !self.order.descending {
            return Ok(None);
        }
        let wants = self.wants(expected);
        self.walk(&wants, wanted, is_numeric).await
    }

    /// The found entries in the form that is asked fastest, when about `postings` of them are.
    fn wants(&self, postings: u64) -> Wants<'_> {
        let found = self.entries.len();
        if found == self.progress.entry_count {
            return Wants::All;
        }
        if found > postings.saturating_mul(4) {
            return Wants::Set(self.entries);
        }
        let mut bits = EntryBits::new(self.progress.next_entry, found);
        for entry in self.entries {
            bits.insert(entry);
        }
        Wants::Bits(bits)
    }

    async fn has(&self, kinds: (u8, u8)) -> Result<bool> {
        self.term_kinds.has(self.snapshot, self.field, kinds).await
    }

    async fn walk(
        &self,
        wants: &Wants<'_>,
        wanted: usize,
        is_numeric: bool,
    ) -> Result<Option<Vec<u64>>> {
        let direction = if self.order.descending {
            Direction::Backward
        } else {
            Direction::Forward
        };
        let mut walk = Walk::new(POSTINGS, posting_range(self.field, b""), direction);
        let mut sorted = Vec::with_capacity(wanted);
        let mut seen = EntryBits::new(self.progress.next_entry, wanted as u64);
        // Entries of one term are taken in ascending order, whichever way the terms are walked.
        let (mut term, mut of_term) = (Vec::new(), Vec::new());
        'blocks: while let Some(block) = walk.next(self.snapshot).await? {
            let mut postings = Postings::read(&walk, &block, wants)?;
            if self.order.descending {
                postings.list.reverse();
            }
            for (place, entry) in &postings.list {
                let (next, entry) = (&postings.terms[place.clone()], *entry);
                if next != term {
                    of_term.sort_unstable();
                    sorted.append(&mut of_term);
                    next.clone_into(&mut term);
                    let next = Term::from_bytes(next);
                    let is_missing = if is_numeric {
                        next.to_number().is_none()
                    } else {
                        next.is_null()
                    };
                    if sorted.len() >= wanted || is_missing {
                        break 'blocks;
                    }
                }
                if seen.insert(entry) {
                    of_term.push(entry);
                }
            }
        }
        of_term.sort_unstable();
        sorted.append(&mut of_term);
        if sorted.len() < wanted {
            let rest = self.entries.iter().filter(|it| !seen.contains(*it));
            sorted.extend(rest.take(wanted - sorted.len()));
        }
        sorted.truncate(wanted);
        Ok(Some(sorted))
    }
}

/// Which entries were found.
enum Wants<'a> {
    /// As many as there are.
    All,
    Set(&'a RoaringTreemap),
    Bits(EntryBits),
}

impl Wants<'_> {
    fn contain(&self, entry: u64) -> bool {
        match self {
            Self::All => true,
            Self::Set(entries) => entries.contains(entry),
            Self::Bits(entries) => entries.contains(entry),
        }
    }
}

/// The postings of a block that are of found entries.
struct Postings {
    terms: Vec<u8>,
    /// Where the term stands, and the entry.
    list: Vec<(std::ops::Range<usize>, u64)>,
}

impl Postings {
    fn read(walk: &Walk, block: &[u8], wants: &Wants<'_>) -> Result<Self> {
        let (mut terms, mut list) = (Vec::new(), Vec::<(std::ops::Range<usize>, u64)>::new());
        let mut records = walk.read(block);
        while records.advance()? {
            let (term, entry) = decode_posting(records.key())?;
            if !wants.contain(entry) {
                continue;
            }
            let place = match list.last() {
                Some((place, _)) if terms[place.clone()] == *term => place.clone(),
                _ => {
                    terms.extend_from_slice(term);
                    terms.len() - term.len()..terms.len()
                }
            };
            list.push((place, entry));
        }
        Ok(Self { terms, list })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_digits_are_numbers() {
        let mut texts = ["a10", "a9", "a010b", "10", "9", "b"];
        texts.sort_by_key(|it| runs(it));
        assert_eq!(texts, ["9", "10", "a9", "a10", "a010b", "b"]);
    }
}
