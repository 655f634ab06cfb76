//! Suggestions: terms of a field that resemble what was typed.

use serde_json::Value;

use super::evaluate::{Evaluation, walk};
use super::facet::member;
use super::lower::Lowering;
use super::rql::{ExpressionKind, Method, SelectItem, Source};
use super::values;
use crate::indexes::tables::{POSTINGS, decode_posting, posting_bound};
use crate::indexes::{FieldKey, FieldKind, Term, fold_case};
use crate::storage::{KeyRange, Snapshot};
use crate::{Error, ErrorKind, Result};

/// The most suggestions for a term.
pub const MAX_SUGGESTIONS: usize = 1024;
/// The most terms that suggestions are asked for in a query.
pub const MAX_SUGGESTED_TERMS: usize = 64;
const DEFAULT_PAGE_SIZE: usize = 15;
const DEFAULT_ACCURACY: f64 = 0.5;

/// One `suggest(…)` of a `select`.
#[derive(Debug, Clone, PartialEq)]
pub struct Suggestion {
    /// Its name in the answer.
    pub name: String,
    /// Whose terms are suggested.
    pub field: FieldKey,
    /// Whether words of a searched field are better than whole values.
    pub prefers_words: bool,
    /// What was typed.
    pub terms: Vec<String>,
    /// How similar suggestions must be: 0 to 1.
    pub accuracy: f64,
    /// The most suggestions for each term.
    pub page_size: usize,
    /// What similar means.
    pub distance: Distance,
    /// Whether what more entries have comes first.
    pub by_popularity: bool,
}

/// What similar means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distance {
    /// As few edits as possible, in proportion to the length.
    Levenshtein,
    /// The same characters near each other, beginnings first.
    JaroWinkler,
    /// The same pairs of characters.
    NGram,
}

impl Distance {
    fn similarity(self, a: &str, b: &str) -> f64 {
        match self {
            Self::Levenshtein => strsim::normalized_levenshtein(a, b),
            Self::JaroWinkler => strsim::jaro_winkler(a, b),
            Self::NGram => strsim::sorensen_dice(a, b),
        }
    }
}

/// Whether `items` are suggestions.
///
/// # Errors
/// `InvalidRequest` when only some are.
pub(super) fn are_suggestions(items: &[SelectItem]) -> Result<bool> {
    let is_one = |it: &SelectItem| matches!(&it.value.kind, ExpressionKind::Call(call) if call.method == Method::Suggest);
    let count = items.iter().filter(|it| is_one(it)).count();
    if count > 0 && count < items.len() {
        return Err(Error::invalid(
            "suggestions stand alone in 'select': other items cannot stand beside them",
        ));
    }
    Ok(count > 0)
}

impl Lowering<'_> {
    /// Reads one `suggest(…)`.
    pub(super) fn suggestion(&mut self, item: &SelectItem, source: &Source) -> Result<Suggestion> {
        let ExpressionKind::Call(call) = &item.value.kind else {
            return Err(Error::invalid("suggest() must stand here"));
        };
        let [field, terms, options @ ..] = call.arguments.as_slice() else {
            return Err(Error::invalid("suggest() takes a field and a term"));
        };
        let ExpressionKind::Field(path) = &field.kind else {
            return Err(Error::invalid("suggest() takes a field"));
        };
        let terms: Vec<String> =
            values::field_values(std::slice::from_ref(terms), self.parameters)?
                .iter()
                .map(|it| it.to_text().into_owned())
                .collect();
        if terms.len() > MAX_SUGGESTED_TERMS {
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                format!("suggest() takes at most {MAX_SUGGESTED_TERMS} terms"),
            ));
        }
        let options = match options.first() {
            None => Value::Null,
            Some(options) => values::json_value(options, self.parameters)?,
        };
        let mut suggestion = Suggestion {
            name: item.alias.clone().unwrap_or_else(|| path.to_string()),
            field: self.field(path, FieldKind::Default),
            prefers_words: matches!(source, Source::Index(_)),
            terms,
            accuracy: DEFAULT_ACCURACY,
            page_size: DEFAULT_PAGE_SIZE,
            distance: Distance::Levenshtein,
            by_popularity: false,
        };
        suggestion.read_options(&options)?;
        Ok(suggestion)
    }
}

impl Suggestion {
    fn read_options(&mut self, options: &Value) -> Result<()> {
        if !matches!(options, Value::Null | Value::Object(_)) {
            return Err(Error::invalid("the options of suggest() are an object"));
        }
        let given = |name: &str| member(options, name).filter(|it| !it.is_null());
        if let Some(accuracy) = given("Accuracy") {
            let accuracy = accuracy.as_f64().filter(|it| (0.0..=1.0).contains(it));
            self.accuracy =
                accuracy.ok_or_else(|| Error::invalid("'Accuracy' is a number from 0 to 1"))?;
        }
        if let Some(size) = given("PageSize") {
            let size = size.as_u64().and_then(|it| usize::try_from(it).ok());
            let size = size.filter(|it| *it <= MAX_SUGGESTIONS);
            self.page_size = size.ok_or_else(|| {
                Error::invalid(format!(
                    "'PageSize' of suggestions is a whole number up to {MAX_SUGGESTIONS}"
                ))
            })?;
        }
        let unknown = |name: &str, value: &Value, known: &str| {
            Err(Error::invalid(format!(
                "{value} is no '{name}' of suggestions; expected {known}"
            )))
        };
        if let Some(distance) = given("Distance") {
            self.distance = match distance.as_str() {
                Some("Levenshtein" | "Default" | "None") => Distance::Levenshtein,
                Some("JaroWinkler") => Distance::JaroWinkler,
                Some("NGram") => Distance::NGram,
                _ => {
                    let known = "Levenshtein, JaroWinkler or NGram";
                    return unknown("Distance", distance, known);
                }
            };
        }
        if let Some(mode) = given("SortMode") {
            self.by_popularity = match mode.as_str() {
                Some("Popularity") => true,
                Some("None") => false,
                _ => return unknown("SortMode", mode, "None or Popularity"),
            };
        }
        Ok(())
    }
}

/// A term that was found, with how similar it is and how many entries have it.
struct Candidate {
    text: String,
    similarity: f64,
    entries: u64,
}

/// The answer of a suggestion, as clients read it.
///
/// # Errors
/// Whatever the store reports.
pub(super) async fn suggestion_json<S: Snapshot>(
    evaluation: &Evaluation<'_, S>,
    suggestion: &Suggestion,
) -> Result<Vec<u8>> {
    let progress = evaluation.progress;
    let name = &suggestion.field.name;
    let words = progress
        .find_field(name, FieldKind::Search)
        .filter(|_| suggestion.prefers_words);
    let field = words.or_else(|| evaluation.field(&suggestion.field).map(|it| it.0));
    let mut suggested: Vec<String> = Vec::new();
    for term in &suggestion.terms {
        let Some(field) = field else {
            break;
        };
        for candidate in candidates(evaluation, suggestion, field, &fold_case(term)).await? {
            if !suggested.contains(&candidate.text) {
                suggested.push(candidate.text);
            }
        }
    }
    let json = serde_json::json!({ "Name": suggestion.name, "Suggestions": suggested });
    Ok(json.to_string().into_bytes())
}

async fn candidates<S: Snapshot>(
    evaluation: &Evaluation<'_, S>,
    suggestion: &Suggestion,
    field: u16,
    typed: &str,
) -> Result<Vec<Candidate>> {
    let (from, to) = Term::text_bounds();
    let range = KeyRange {
        start: std::ops::Bound::Included(posting_bound(field, &from)),
        end: std::ops::Bound::Excluded(posting_bound(field, &to)),
    };
    let mut found: Vec<Candidate> = Vec::new();
    // Beyond this many the worst half is dropped, so that memory is bounded by the page.
    let most = 4 * suggestion.page_size.max(64);
    let (mut last, mut is_similar) = (Vec::new(), false);
    let mut walk = walk(POSTINGS, range);
    while let Some(block) = walk.next(evaluation.snapshot).await? {
        let mut records = walk.read(&block);
        while records.advance()? {
            let (term, _) = decode_posting(records.key())?;
            if term == last {
                if is_similar && let Some(candidate) = found.last_mut() {
                    candidate.entries += 1;
                }
                continue;
            }
            if found.len() >= most {
                best_first(&mut found, suggestion);
                found.truncate(suggestion.page_size);
            }
            term.clone_into(&mut last);
            let text = Term::from_bytes(term).to_text();
            let similarity = suggestion.distance.similarity(typed, &text);
            is_similar = similarity >= suggestion.accuracy && text != typed;
            if is_similar {
                found.push(Candidate {
                    text,
                    similarity,
                    entries: 1,
                });
            }
        }
    }
    best_first(&mut found, suggestion);
    found.truncate(suggestion.page_size);
    Ok(found)
}

fn best_first(found: &mut [Candidate], suggestion: &Suggestion) {
    found.sort_by(|a, b| {
        let by_popularity = if suggestion.by_popularity {
            b.entries.cmp(&a.entries)
        } else {
            std::cmp::Ordering::Equal
        };
        by_popularity
            .then(b.similarity.total_cmp(&a.similarity))
            .then_with(|| b.entries.cmp(&a.entries))
            .then_with(|| a.text.cmp(&b.text))
    });
}
