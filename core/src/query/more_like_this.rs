//! Documents like another: those that share its telling words.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use roaring::RoaringTreemap;
use serde_json::Value;

use super::condition::{Condition, Conditions, Found, combine};
use super::evaluate::Evaluation;
use super::facet::member;
use super::lower::Lowering;
use super::rql::{Call, ExpressionKind, Literal};
use super::search::{Hit, Searcher};
use super::values;
use crate::document::StoredDocument;
use crate::indexes::blocks;
use crate::indexes::tables::{ENTRIES, Entry, entry_key};
use crate::indexes::{
    Analyzer, FieldKind, IndexRefusal, Object, Term, decode_positions, values_of_json,
};
use crate::storage::Snapshot;
use crate::{Error, Result};

/// The most words of a document that a search for similar ones is made of.
pub const MAX_LIKENESS_TERMS: usize = 1024;

/// A search for documents like another.
#[derive(Debug, Clone, PartialEq)]
pub struct MoreLikeThis {
    /// What they are to be like.
    pub base: LikenessBase,
    /// Which words count.
    pub options: LikenessOptions,
}

/// What documents are to be like.
#[derive(Debug, Clone, PartialEq)]
pub enum LikenessBase {
    /// The entries of the index that this finds; they are no answers themselves.
    Found(Box<Conditions>),
    /// A document that need not be stored.
    Document(Object),
}

/// Which words of a document are telling.
#[derive(Debug, Clone, PartialEq)]
pub struct LikenessOptions {
    /// How often a word stands in the document at least.
    pub min_term_frequency: usize,
    /// In how many entries it stands at least.
    pub min_document_frequency: u64,
    /// And at most.
    pub max_document_frequency: u64,
    /// The same, in percent of all entries.
    pub max_document_percent: Option<u64>,
    /// The most words that are searched for.
    pub max_query_terms: usize,
    /// The shortest word, in characters.
    pub min_word_length: usize,
    /// The longest; 0 for any.
    pub max_word_length: usize,
    /// How much a telling word counts more than others, if it does.
    pub boost: Option<f32>,
    /// The fields whose words count; all if empty.
    pub fields: Vec<String>,
    /// The document with words that do not count.
    pub stop_words_id: Option<String>,
    /// Those words.
    pub stop_words: HashSet<String>,
}

impl LikenessOptions {
    /// Reads options; clients write their names in either case.
    ///
    /// # Errors
    /// `InvalidRequest` for what is no option's value.
    pub fn of_json(json: &Value) -> Result<Self> {
        if !matches!(json, Value::Null | Value::Object(_)) {
            return Err(Error::invalid(
                "the options of moreLikeThis() are an object",
            ));
        }
        let given = |name: &str| member(json, name).filter(|it| !it.is_null());
        let count = |name: &str, default: u64| match given(name) {
            None => Ok(default),
            Some(value) => value
                .as_u64()
                .ok_or_else(|| Error::invalid(format!("'{name}' is a whole number, not {value}"))),
        };
        let size = |name: &str, default: u64| {
            count(name, default).map(|it| usize::try_from(it).unwrap_or(usize::MAX))
        };
        let max_query_terms = size("MaximumQueryTerms", 25)?;
        if max_query_terms > MAX_LIKENESS_TERMS {
            return Err(Error::invalid(format!(
                "'MaximumQueryTerms' is at most {MAX_LIKENESS_TERMS}"
            )));
        }
        let factor = match given("BoostFactor") {
            None => 1.0,
            Some(factor) => factor
                .as_f64()
                .ok_or_else(|| Error::invalid("'BoostFactor' is a number"))?,
        };
        #[allow(clippy::cast_possible_truncation)]
        let factor = factor as f32;
        let percent = given("MaximumDocumentFrequencyPercentage");
        let fields = given("Fields").and_then(Value::as_array);
        let fields = fields.map_or(&[][..], Vec::as_slice).iter();
        let stop_words_id = given("StopWordsDocumentId").and_then(Value::as_str);
        Ok(Self {
            min_term_frequency: size("MinimumTermFrequency", 2)?,
            min_document_frequency: count("MinimumDocumentFrequency", 5)?,
            max_document_frequency: count("MaximumDocumentFrequency", u64::MAX)?,
            max_document_percent: percent
                .map(|_| count("MaximumDocumentFrequencyPercentage", 100))
                .transpose()?,
            max_query_terms,
            min_word_length: size("MinimumWordLength", 0)?,
            max_word_length: size("MaximumWordLength", 0)?,
            boost: (given("Boost") == Some(&Value::Bool(true))).then_some(factor),
            fields: fields
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            stop_words_id: stop_words_id.filter(|it| !it.is_empty()).map(str::to_owned),
            stop_words: HashSet::new(),
        })
    }

    /// Takes the words of a document with `StopWords`.
    pub fn take_stop_words(&mut self, document: &StoredDocument) {
        let words: Option<Value> = serde_json::from_str(document.body()).ok();
        let words = words.as_ref().and_then(|it| member(it, "StopWords"));
        if let Some(Value::Array(words)) = words {
            let words = words.iter().filter_map(Value::as_str);
            self.stop_words = words.map(str::to_lowercase).collect();
        }
    }

    fn allows(&self, word: &str) -> bool {
        let length = word.chars().count();
        length >= self.min_word_length
            && (self.max_word_length == 0 || length <= self.max_word_length)
            && !self.stop_words.contains(word)
    }
}

impl Lowering<'_> {
    /// `moreLikeThis(id() = 'x', $options)` or `moreLikeThis($document, $options)`.
    pub(super) fn more_like_this(&mut self, call: &Call) -> Result<MoreLikeThis> {
        if !self.is_of_index() {
            return Err(Error::invalid(
                "moreLikeThis() needs an index: 'from index …' must name one",
            ));
        }
        let (base, options) = match call.arguments.as_slice() {
            [base] => (base, None),
            [base, options] => (base, Some(options)),
            _ => {
                return Err(Error::invalid(
                    "moreLikeThis() takes a condition or a document",
                ));
            }
        };
        let options = match options {
            None => Value::Null,
            // Clients send the options as an object or as its text.
            Some(options) => object_of(values::json_value(options, self.parameters)?)?,
        };
        let is_value = matches!(
            base.kind,
            ExpressionKind::Parameter(_) | ExpressionKind::Literal(Literal::Text(_))
        );
        let base = if is_value {
            match object_of(values::json_value(base, self.parameters)?)? {
                Value::Object(document) => LikenessBase::Document(document),
                _ => return Err(Error::invalid("moreLikeThis() takes a document")),
            }
        } else {
            let others = std::mem::take(&mut self.leaves);
            let root = self.condition(base, false);
            let leaves = std::mem::replace(&mut self.leaves, others);
            LikenessBase::Found(Box::new(Conditions {
                root: root?,
                leaves,
            }))
        };
        Ok(MoreLikeThis {
            base,
            options: LikenessOptions::of_json(&options)?,
        })
    }
}

/// An object, or the one that a text holds.
fn object_of(value: Value) -> Result<Value> {
    match value {
        Value::String(text) => serde_json::from_str(&text)
            .map_err(|reason| Error::invalid(format!("moreLikeThis() takes JSON: {reason}"))),
        other => Ok(other),
    }
}

/// A word of the document and how telling it is.
struct Telling {
    field: u16,
    term: Term,
    places: Vec<Hit>,
    weight: f32,
}

/// The entries that share telling words, with scores.
///
/// # Errors
/// Whatever the store reports.
pub(super) async fn find<S: Snapshot>(
    evaluation: &Evaluation<'_, S>,
    wanted: &MoreLikeThis,
) -> Result<Found> {
    let (base, words) = match &wanted.base {
        LikenessBase::Document(document) => (
            RoaringTreemap::new(),
            words_of_document(evaluation, wanted, document),
        ),
        LikenessBase::Found(conditions) => {
            let base = base_of(evaluation, conditions).await?;
            let words = words_of_entry(evaluation, wanted, &base).await?;
            (base, words)
        }
    };
    let mut telling = Vec::new();
    for ((field, term), frequency) in words {
        let options = &wanted.options;
        if frequency < options.min_term_frequency || !options.allows(&term.to_text()) {
            continue;
        }
        let searcher = Searcher::of_field(evaluation, field);
        let places = searcher.hits_of(&term).await?;
        let entries = places.len() as u64;
        let percent = options.max_document_percent.unwrap_or(100);
        let most = options
            .max_document_frequency
            .min(searcher.entries().saturating_mul(percent) / 100);
        if entries < options.min_document_frequency || entries > most {
            continue;
        }
        let weight = searcher.score(frequency, 1, places.len());
        telling.push(Telling {
            field,
            term,
            places,
            weight,
        });
    }
    telling.sort_by(|a, b| {
        let by_weight = b.weight.total_cmp(&a.weight);
        by_weight.then_with(|| (a.field, &a.term).cmp(&(b.field, &b.term)))
    });
    telling.truncate(wanted.options.max_query_terms);
    let best = telling
        .first()
        .map_or(1.0, |it| it.weight)
        .max(f32::MIN_POSITIVE);
    let mut found = Found::default();
    for one in &telling {
        let searcher = Searcher::of_field(evaluation, one.field);
        let boost = wanted
            .options
            .boost
            .map_or(1.0, |factor| factor * one.weight / best);
        let mut scored = Found::scored(searcher.scores(&one.places));
        scored.entries -= &base;
        scored.scores.multiply(boost);
        scored.scores.retain(&scored.entries);
        found.entries |= scored.entries;
        found.scores.add(scored.scores);
    }
    Ok(found)
}

/// The entries that others are compared with.
async fn base_of<S: Snapshot>(
    evaluation: &Evaluation<'_, S>,
    conditions: &Conditions,
) -> Result<RoaringTreemap> {
    if evaluation.progress.entry_count == 0 {
        return Ok(RoaringTreemap::new());
    }
    let base: RoaringTreemap = if conditions.root == Condition::All {
        // Any document will do.
        let first = evaluation.all_entries().await?.min();
        first.into_iter().collect()
    } else {
        let mut sets = Vec::with_capacity(conditions.leaves.len());
        for leaf in &conditions.leaves {
            sets.push(evaluation.leaf(leaf).await?);
        }
        // A condition that only says what is not wanted names no document.
        combine(&conditions.root, sets, &RoaringTreemap::new()).entries
    };
    if base.is_empty() {
        return Err(IndexRefusal::NothingToCompare.because(
            "Given filtering expression did not yield any documents that could be used as a base \
             of comparison"
                .to_owned(),
        ));
    }
    Ok(base)
}

type Words = BTreeMap<(u16, Term), usize>;

/// The fields of the index whose words count, by number: of each name the searched one, or else
/// whole values.
fn fields_of<S: Snapshot>(
    evaluation: &Evaluation<'_, S>,
    wanted: &MoreLikeThis,
) -> Vec<(u16, String, FieldKind)> {
    let names: BTreeSet<&String> = evaluation
        .progress
        .fields
        .iter()
        .map(|it| &it.key.name)
        .collect();
    let wanted = |it: &&String| {
        let fields = &wanted.options.fields;
        fields.is_empty() || fields.contains(it)
    };
    let field = |name: &String| {
        [FieldKind::Search, FieldKind::Default]
            .into_iter()
            .find_map(|kind| {
                let number = evaluation.progress.find_field(name, kind)?;
                Some((number, name.clone(), kind))
            })
    };
    names.into_iter().filter(wanted).filter_map(field).collect()
}

/// How often each word stands in the first of some entries.
async fn words_of_entry<S: Snapshot>(
    evaluation: &Evaluation<'_, S>,
    wanted: &MoreLikeThis,
    base: &RoaringTreemap,
) -> Result<Words> {
    let mut words = Words::new();
    let Some(first) = base.min() else {
        return Ok(words);
    };
    let found = blocks::get_many(evaluation.snapshot, ENTRIES, &[entry_key(first)]).await?;
    let Some(entry) = found.into_iter().next().flatten() else {
        return Err(Error::corrupted("an index entry is missing"));
    };
    let entry = Entry::decode(&entry)?;
    for (field, ..) in fields_of(evaluation, wanted) {
        for posted in entry.terms(field) {
            let frequency = decode_positions(&posted.positions)?.1.len();
            words.insert((field, posted.term.clone()), frequency);
        }
    }
    Ok(words)
}

/// How often each word would stand in the entry of a document whose properties are fields.
fn words_of_document<S: Snapshot>(
    evaluation: &Evaluation<'_, S>,
    wanted: &MoreLikeThis,
    document: &Object,
) -> Words {
    let mut words = Words::new();
    for (field, name, kind) in fields_of(evaluation, wanted) {
        let Some(value) = document.get(&name) else {
            continue;
        };
        let mut values = Vec::new();
        values_of_json(value, &mut values);
        let forms = evaluation.forms.of(&name);
        let form = forms.iter().find(|it| it.kind == kind);
        for value in &values {
            if kind != FieldKind::Search {
                let keeps_case = form.is_some_and(|it| it.keeps_case);
                *words
                    .entry((field, Term::of_value(value, keeps_case)))
                    .or_default() += 1;
                continue;
            }
            let analyzer = form.map_or(Analyzer::Standard, |it| it.analyzer);
            for word in analyzer.words(&value.to_text(), 0) {
                *words
                    .entry((field, Term::exact_text(&word.text)))
                    .or_default() += 1;
            }
        }
    }
    words
}
