//! Counting facets: how many of the found entries are in each group, and what they add up to.

use std::collections::HashMap;
use std::ops::Bound;

use roaring::RoaringTreemap;

use super::evaluate::{Evaluation, walk};
use super::facet::{Facet, FacetAggregation, FacetBy};
use crate::indexes::tables::{POSTINGS, decode_posting, posting_bound, posting_range};
use crate::indexes::{FieldKey, Number, Term};
use crate::storage::{KeyRange, Snapshot};
use crate::{Error, ErrorKind, Result};

/// The most terms that a facet groups by.
pub const MAX_FACET_TERMS: usize = 100_000;

/// What is known of some numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Numbers {
    count: u64,
    sum: f64,
    least: Option<Number>,
    greatest: Option<Number>,
}

impl Numbers {
    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        let least = |a: Number, b: Number| if b < a { b } else { a };
        let greatest = |a: Number, b: Number| if b > a { b } else { a };
        self.least = joined(self.least, other.least, least);
        self.greatest = joined(self.greatest, other.greatest, greatest);
    }
}

fn joined(
    a: Option<Number>,
    b: Option<Number>,
    choose: impl Fn(Number, Number) -> Number,
) -> Option<Number> {
    match (a, b) {
        (Some(a), Some(b)) => Some(choose(a, b)),
        (a, b) => a.or(b),
    }
}

/// A group and what is in it.
struct Group {
    label: String,
    count: u64,
    numbers: Vec<Numbers>,
}

impl Group {
    fn new(label: String, facet: &Facet) -> Self {
        Self {
            label,
            count: 0,
            numbers: vec![Numbers::default(); facet.aggregations.len()],
        }
    }

    fn add(&mut self, entry: u64, known: &[HashMap<u64, Numbers>]) {
        self.count += 1;
        for (numbers, known) in self.numbers.iter_mut().zip(known) {
            if let Some(other) = known.get(&entry) {
                numbers.add(other);
            }
        }
    }
}

/// The answer of a facet over `found`, as clients read it.
///
/// # Errors
/// `LimitExceeded` when there are too many terms; whatever the store reports.
pub(super) async fn facet_json<S: Snapshot>(
    evaluation: &Evaluation<'_, S>,
    facet: &Facet,
    found: &RoaringTreemap,
) -> Result<Vec<u8>> {
    let mut known = Vec::with_capacity(facet.aggregations.len());
    for aggregation in &facet.aggregations {
        known.push(numbers_of(evaluation, &aggregation.field, found).await?);
    }
    let groups = match &facet.by {
        FacetBy::All => {
            let mut group = Group::new("@AllResults".to_owned(), facet);
            found.iter().for_each(|entry| group.add(entry, &known));
            vec![group]
        }
        FacetBy::Terms(field) => {
            let mut groups = groups_of_terms(evaluation, facet, field, found, &known).await?;
            // They come by value already, and the sort keeps that order among equal counts.
            match (facet.options.by_count, facet.options.descending) {
                (false, false) => {}
                (false, true) => groups.reverse(),
                (true, false) => groups.sort_by_key(|it| it.count),
                (true, true) => groups.sort_by_key(|it| std::cmp::Reverse(it.count)),
            }
            groups
        }
        FacetBy::Ranges(ranges) => {
            let mut groups = Vec::with_capacity(ranges.len());
            for range in ranges {
                let mut group = Group::new(range.label.clone(), facet);
                let inside = evaluation.find(&range.conditions).await?.entries & found;
                inside.iter().for_each(|entry| group.add(entry, &known));
                groups.push(group);
            }
            groups
        }
    };
    Ok(to_json(facet, &groups))
}

/// The numbers of a field in each found entry.
async fn numbers_of<S: Snapshot>(
    evaluation: &Evaluation<'_, S>,
    field: &FieldKey,
    found: &RoaringTreemap,
) -> Result<HashMap<u64, Numbers>> {
    let mut numbers: HashMap<u64, Numbers> = HashMap::new();
    let Some((number, _)) = evaluation.field(field) else {
        return Ok(numbers);
    };
    let (from, to) = Term::number(Number::from_f64(0.0)).kind_bounds();
    let range = KeyRange {
        start: Bound::Included(posting_bound(number, &from)),
        end: Bound::Excluded(posting_bound(number, &to)),
    };
    let mut walk = walk(POSTINGS, range);
    while let Some(block) = walk.next(evaluation.snapshot).await? {
        let mut records = walk.read(&block);
        while records.advance()? {
            let (term, entry) = decode_posting(records.key())?;
            if !found.contains(entry) {
                continue;
            }
            let Some(value) = Term::from_bytes(term).to_number() else {
                continue;
            };
            numbers.entry(entry).or_default().add(&Numbers {
                count: 1,
                sum: value.to_f64(),
                least: Some(value),
                greatest: Some(value),
            });
        }
    }
    Ok(numbers)
}

async fn groups_of_terms<S: Snapshot>(
    evaluation: &Evaluation<'_, S>,
    facet: &Facet,
    field: &FieldKey,
    found: &RoaringTreemap,
    known: &[HashMap<u64, Numbers>],
) -> Result<Vec<Group>> {
    let mut groups: Vec<Group> = Vec::new();
    let Some((number, _)) = evaluation.field(field) else {
        return Ok(groups);
    };
    let mut last = Vec::new();
    let mut walk = walk(POSTINGS, posting_range(number, b""));
    while let Some(block) = walk.next(evaluation.snapshot).await? {
        let mut records = walk.read(&block);
        while records.advance()? {
            let (term, entry) = decode_posting(records.key())?;
            if !found.contains(entry) {
                continue;
            }
            if term != last || groups.is_empty() {
                if groups.len() == MAX_FACET_TERMS {
                    return Err(Error::new(
                        ErrorKind::LimitExceeded,
                        format!(
                            "the field '{}' has more than {MAX_FACET_TERMS} terms, too many to \
                             be a facet's groups",
                            field.name
                        ),
                    ));
                }
                term.clone_into(&mut last);
                groups.push(Group::new(Term::from_bytes(term).to_text(), facet));
            }
            if let Some(group) = groups.last_mut() {
                group.add(entry, known);
            }
        }
    }
    Ok(groups)
}

fn to_json(facet: &Facet, groups: &[Group]) -> Vec<u8> {
    let options = &facet.options;
    let from = options.start.min(groups.len());
    let to = from.saturating_add(options.page_size).min(groups.len());
    let mut json = Vec::with_capacity(64 + 64 * (to - from));
    push(&mut json, "{\"Name\":");
    push_text(&mut json, &facet.name);
    push(&mut json, ",\"Values\":[");
    let mut is_first = true;
    for group in &groups[from..to] {
        let mut next = |json: &mut Vec<u8>| {
            push(
                json,
                if std::mem::take(&mut is_first) {
                    "{"
                } else {
                    ",{"
                },
            );
            push(json, "\"Range\":");
            push_text(json, &group.label);
            push(json, &format!(",\"Count\":{}", group.count));
        };
        if facet.aggregations.is_empty() {
            next(&mut json);
            push(&mut json, ",\"Name\":null}");
        }
        for (aggregation, numbers) in facet.aggregations.iter().zip(&group.numbers) {
            next(&mut json);
            push_numbers(&mut json, aggregation, numbers);
            push(&mut json, "}");
        }
    }
    let rest = &groups[to..];
    push(&mut json, "],\"RemainingTerms\":[");
    if options.include_remaining {
        for (at, group) in rest.iter().enumerate() {
            push(&mut json, if at > 0 { "," } else { "" });
            push_text(&mut json, &group.label);
        }
    }
    let hits: u64 = rest.iter().map(|it| it.count).sum();
    push(
        &mut json,
        &format!(
            "],\"RemainingTermsCount\":{},\"RemainingHits\":{hits}}}",
            rest.len()
        ),
    );
    json
}

#[allow(clippy::cast_precision_loss)]
fn push_numbers(json: &mut Vec<u8>, aggregation: &FacetAggregation, numbers: &Numbers) {
    push(json, ",\"Name\":");
    push_text(json, &aggregation.name);
    let mut member = |is_wanted: bool, name: &str, value: Option<Number>| {
        if is_wanted {
            let value = value.map_or_else(|| "null".to_owned(), Number::to_text);
            push(json, &format!(",\"{name}\":{value}"));
        }
    };
    let average = (numbers.count > 0).then(|| Number::from_f64(numbers.sum / numbers.count as f64));
    member(aggregation.sum, "Sum", Some(Number::from_f64(numbers.sum)));
    member(aggregation.min, "Min", numbers.least);
    member(aggregation.max, "Max", numbers.greatest);
    member(aggregation.average, "Average", average);
}

fn push(json: &mut Vec<u8>, text: &str) {
    json.extend_from_slice(text.as_bytes());
}

fn push_text(json: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(json, text).expect("a Vec takes any text");
}
