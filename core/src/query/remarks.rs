//! Remarks on results: which words were found where, and why a document is a result.

use bytes::Bytes;

use super::answer::{Answer, stored_of};
use super::condition::{Condition, Conditions, Found, Leaf};
use super::evaluate::Evaluation;
use super::highlight;
use super::prepared::PreparedQuery;
use crate::indexes::blocks;
use crate::indexes::tables::{ENTRIES, Entry, SOURCES, decode_numbers, entry_key};
use crate::indexes::{FieldValue, Object};
use crate::storage::Snapshot;
use crate::{Error, Result};

/// Adds the remarks that a query asks for.
///
/// # Errors
/// Whatever the store reports.
pub(super) async fn add<S: Snapshot>(
    evaluation: &Evaluation<'_, S>,
    query: &PreparedQuery,
    answer: &mut Answer,
) -> Result<()> {
    if query.highlights.is_empty() && !query.with_explanations {
        return Ok(());
    }
    let reasons = if query.with_explanations {
        reasons(evaluation, &query.lowered.conditions).await?
    } else {
        Vec::new()
    };
    for highlight in &query.highlights {
        answer
            .highlights
            .entry(highlight.field.clone())
            .or_default();
    }
    let Answer {
        results,
        highlights,
        explanations,
        ..
    } = answer;
    for result in results.iter() {
        let (Some(source), document) = (result.source(), result.document()) else {
            continue;
        };
        let entries = entries_of(evaluation, source).await?;
        let of_key = |key: Option<&str>| {
            let stored = entries.iter().find_map(|(_, stored)| stored.as_ref());
            key.and_then(|it| highlight::texts_of(it, document, stored).into_iter().next())
                .or_else(|| document.map(|it| it.id().to_owned()))
        };
        for highlight in &query.highlights {
            let stored = entries.iter().find_map(|(_, stored)| stored.as_ref());
            let conditions = &query.lowered.conditions;
            // No fragment runs from one value into the next.
            let texts = highlight::texts_of(&highlight.field, document, stored);
            let mut fragments: Vec<String> = texts
                .iter()
                .flat_map(|it| highlight.fragments(it, conditions, evaluation.forms))
                .collect();
            fragments.truncate(highlight.fragment_count);
            if fragments.is_empty() {
                continue;
            }
            let of_field = highlights.entry(highlight.field.clone()).or_default();
            let key =
                of_key(highlight.group_key.as_deref()).ok_or_else(|| needs_key("highlight"))?;
            of_field.entry(key).or_default().extend(fragments);
        }
        if query.with_explanations {
            let lines = entries
                .iter()
                .map(|(entry, _)| explanation(*entry, &reasons));
            let key = of_key(query.explanation_key.as_deref());
            let key = key.ok_or_else(|| needs_key("explanations"))?;
            explanations.insert(key, lines.collect());
        }
    }
    Ok(())
}

/// Groups have no id to list remarks under.
fn needs_key(name: &str) -> Error {
    Error::invalid(format!(
        "{name}() of groups needs an option, 'GroupKey', with the name of a field whose texts tell \
         them apart"
    ))
}

/// The entries of a document or group, with their stored values.
async fn entries_of<S: Snapshot>(
    evaluation: &Evaluation<'_, S>,
    source: &Bytes,
) -> Result<Vec<(u64, Option<Object>)>> {
    let key = std::slice::from_ref(source);
    let found = blocks::get_many(evaluation.snapshot, SOURCES, key).await?;
    let Some(numbers) = found.into_iter().next().flatten() else {
        return Ok(Vec::new());
    };
    let numbers = decode_numbers(&numbers)?;
    let keys: Vec<_> = numbers.iter().map(|it| entry_key(*it)).collect();
    let entries = blocks::get_many(evaluation.snapshot, ENTRIES, &keys).await?;
    let mut all = Vec::with_capacity(numbers.len());
    for (number, entry) in numbers.into_iter().zip(entries) {
        let stored = match entry {
            Some(entry) => stored_of(&Entry::decode(&entry)?)?,
            None => None,
        };
        all.push((number, stored));
    }
    Ok(all)
}

/// What each part of a condition finds by itself, the whole first.
async fn reasons<S: Snapshot>(
    evaluation: &Evaluation<'_, S>,
    conditions: &Conditions,
) -> Result<Vec<(String, Found)>> {
    let mut reasons = vec![(
        "all conditions".to_owned(),
        evaluation.find(conditions).await?,
    )];
    for leaf in &conditions.leaves {
        let alone = Conditions {
            root: Condition::Leaf(0),
            leaves: vec![leaf.clone()],
        };
        reasons.push((describe(leaf), evaluation.find(&alone).await?));
    }
    Ok(reasons)
}

fn explanation(entry: u64, reasons: &[(String, Found)]) -> String {
    let lines = reasons
        .iter()
        .enumerate()
        .filter_map(|(at, (reason, found))| {
            let indent = if at == 0 { "" } else { "  " };
            match found.scores.get(entry) {
                Some(score) => Some(format!("{indent}{score} = score of {reason}")),
                None if found.entries.contains(entry) => Some(format!("{indent}matches {reason}")),
                None => None,
            }
        });
    lines.collect::<Vec<String>>().join("\n")
}

fn describe(leaf: &Leaf) -> String {
    let shown = |values: &[FieldValue]| {
        let texts: Vec<String> = values
            .iter()
            .map(|it| format!("'{}'", it.to_text()))
            .collect();
        texts.join(", ")
    };
    match leaf {
        Leaf::AnyOf { field, values } => format!("{} in ({})", field.name, shown(values)),
        Leaf::Between { field, from, to } => {
            let bound = |bound: &Option<(FieldValue, bool)>, strict: &str, loose: &str| {
                bound
                    .as_ref()
                    .map_or_else(String::new, |(value, included)| {
                        format!(
                            " {} '{}'",
                            if *included { loose } else { strict },
                            value.to_text()
                        )
                    })
            };
            format!(
                "{}{}{}",
                field.name,
                bound(from, ">", ">="),
                bound(to, "<", "<=")
            )
        }
        Leaf::StartsWith { field, prefix } => format!("startsWith({}, '{prefix}')", field.name),
        Leaf::EndsWith { field, suffix } => format!("endsWith({}, '{suffix}')", field.name),
        Leaf::Matches { field, pattern } => format!("regex({}, '{pattern}')", field.name),
        Leaf::Exists { name } => format!("exists({name})"),
        Leaf::Search(search) => format!("search({}, '{}')", search.name, search.text),
        Leaf::Place(place) => format!("{:?} a shape: {}", place.relation, place.field.name),
        Leaf::MoreLikeThis(_) => "moreLikeThis()".to_owned(),
        Leaf::Function(_) => "a declared function".to_owned(),
        Leaf::Ids(_) | Leaf::IdBetween(_) | Leaf::IdStartsWith(_) | Leaf::IdEndsWith(_) => {
            "id()".to_owned()
        }
    }
}
