//! Searching words: phrases, wildcards, similar words, and how well an entry matches (BM25).

use std::collections::HashMap;
use std::ops::Bound;

use roaring::RoaringTreemap;

use super::condition::{Found, Search};
use super::evaluate::{Evaluation, pages};
use crate::Result;
use crate::indexes::tables::{POSTINGS, decode_posting, posting_bound, posting_range};
use crate::indexes::{Analyzer, FieldKind, Term, decode_positions, fold_case};
use crate::storage::{KeyRange, Snapshot};

/// How soon more of the same word counts for little.
const SATURATION: f32 = 1.2;
/// How much the length of the text counts.
const LENGTH_WEIGHT: f32 = 0.75;

/// A part of what was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// Words that stand one after the other; mostly one.
    Words(Vec<(String, u32)>),
    /// A word with `*` or `?` in it.
    Pattern(String),
}

/// Where a word stands: by entry, how many words the field has and the word's places.
pub(super) type Places = HashMap<u64, (u32, Vec<u32>)>;

/// The entries that a search finds.
pub(super) async fn find<S: Snapshot>(
    evaluation: &Evaluation<'_, S>,
    search: &Search,
) -> Result<Found> {
    let progress = evaluation.progress;
    let searched = progress
        .find_field(&search.name, FieldKind::Search)
        .filter(|_| search.fuzzy.is_none());
    let plain = progress.find_field(&search.name, FieldKind::Default);
    let Some(field) = searched.or(plain) else {
        return Ok(Found::default());
    };
    let analyzer = match searched {
        None => Analyzer::LowerCaseKeyword,
        Some(_) => analyzer_of(evaluation, &search.name),
    };
    let searcher = Searcher::of_field(evaluation, field);
    let parts = parts_of(&search.text, analyzer, search.proximity.is_some());
    let mut found: Option<Found> = None;
    for part in &parts {
        let one = match (part, search.fuzzy) {
            (Part::Words(words), Some(similarity)) => {
                searcher.similar(&joined(words), similarity).await?
            }
            (Part::Words(words), None) => searcher.words(words, search.proximity).await?,
            (Part::Pattern(pattern), _) => searcher.pattern(pattern).await?,
        };
        found = Some(match found {
            None => one,
            Some(before) => merged(before, one, search.all),
        });
    }
    Ok(found.unwrap_or_default())
}

fn analyzer_of<S: Snapshot>(evaluation: &Evaluation<'_, S>, name: &str) -> Analyzer {
    let forms = evaluation.forms.of(name);
    let searched = forms.iter().find(|it| it.kind == FieldKind::Search);
    searched.map_or(Analyzer::Standard, |it| it.analyzer)
}

fn joined(words: &[(String, u32)]) -> String {
    let words: Vec<&str> = words.iter().map(|(word, _)| word.as_str()).collect();
    words.join(" ")
}

fn merged(before: Found, one: Found, all: bool) -> Found {
    let entries = if all {
        before.entries & one.entries
    } else {
        before.entries | one.entries
    };
    let mut scores = before.scores;
    for (entry, score) in one.scores {
        *scores.entry(entry).or_default() += score;
    }
    scores.retain(|entry, _| entries.contains(*entry));
    Found { entries, scores }
}

/// Cuts what was typed into words, `"phrases"` and `pat*terns`.
pub(super) fn parts_of(text: &str, analyzer: Analyzer, as_phrase: bool) -> Vec<Part> {
    let mut parts = Vec::new();
    let words = |text: &str| -> Option<Part> {
        let words = analyzer.words(text, 0).into_iter();
        let words: Vec<(String, u32)> = words.map(|it| (it.text, it.position)).collect();
        (!words.is_empty()).then_some(Part::Words(words))
    };
    if as_phrase {
        return words(text).into_iter().collect();
    }
    for (number, piece) in text.split('"').enumerate() {
        if number % 2 == 1 {
            parts.extend(words(piece));
            continue;
        }
        for word in piece.split_whitespace() {
            if word.contains(['*', '?']) {
                parts.push(Part::Pattern(fold_case(word).into_owned()));
            } else {
                parts.extend(words(word));
            }
        }
    }
    parts
}

pub(super) struct Searcher<'a, S> {
    evaluation: &'a Evaluation<'a, S>,
    field: u16,
    entries: u64,
    average_words: f32,
}

impl<'a, S: Snapshot> Searcher<'a, S> {
    /// Searches a field by its number.
    pub(super) fn of_field(evaluation: &'a Evaluation<'a, S>, field: u16) -> Self {
        let state = evaluation.progress.fields.get(usize::from(field));
        let words = state.map_or(0, |it| it.words);
        let entries = state.map_or(0, |it| it.entries);
        Self {
            evaluation,
            field,
            entries,
            #[allow(clippy::cast_precision_loss)]
            average_words: words.max(1) as f32 / entries.max(1) as f32,
        }
    }

    /// How many entries have the field.
    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    /// Where a term stands.
    pub(super) async fn places_of(&self, term: &Term) -> Result<Places> {
        self.places_in(posting_range(self.field, term.as_bytes()))
            .await
    }

    async fn places(&self, word: &str) -> Result<Places> {
        let term = Term::exact_text(word);
        self.places_in(posting_range(self.field, term.as_bytes()))
            .await
    }

    async fn places_in(&self, range: KeyRange) -> Result<Places> {
        let mut places = Places::new();
        let mut pages = pages(POSTINGS, range);
        while let Some(postings) = pages.next(self.evaluation.snapshot).await? {
            for (key, value) in postings {
                let (_, entry) = decode_posting(&key)?;
                add_places(&mut places, entry, decode_positions(&value)?);
            }
        }
        Ok(places)
    }

    async fn words(&self, words: &[(String, u32)], proximity: Option<u32>) -> Result<Found> {
        let mut places = Vec::with_capacity(words.len());
        for (word, _) in words {
            places.push(self.places(word).await?);
        }
        let Some((first, others)) = places.split_first() else {
            return Ok(Found::default());
        };
        let mut found = Found::default();
        for (entry, (length, at)) in first {
            let others: Option<Vec<&Vec<u32>>> = others
                .iter()
                .map(|it| it.get(entry).map(|(_, at)| at))
                .collect();
            let Some(others) = others else {
                continue;
            };
            let frequency = match proximity {
                None => {
                    let follows = |at: &&u32| {
                        others.iter().zip(&words[1..]).all(|(others, (_, place))| {
                            others.contains(&(**at + place - words[0].1))
                        })
                    };
                    at.iter().filter(follows).count()
                }
                Some(distance) => usize::from(is_near(at, &others, distance)),
            };
            if frequency > 0 {
                let score: f32 = places
                    .iter()
                    .map(|it| self.score(frequency, *length, it.len()))
                    .sum();
                found.entries.insert(*entry);
                found.scores.insert(*entry, score);
            }
        }
        Ok(found)
    }

    async fn pattern(&self, pattern: &str) -> Result<Found> {
        let fixed = &pattern[..pattern.find(['*', '?']).unwrap_or(pattern.len())];
        let range = posting_range(self.field, &Term::text_prefix(fixed, true));
        if pattern.len() == fixed.len() + 1 && pattern.ends_with('*') {
            return Ok(self.scored(&self.places_in(range).await?));
        }
        self.of_terms(range, |text| matches(pattern, text)).await
    }

    async fn similar(&self, word: &str, similarity: f32) -> Result<Found> {
        let (from, to) = Term::text_bounds();
        let range = KeyRange {
            start: Bound::Included(posting_bound(self.field, &from)),
            end: Bound::Excluded(posting_bound(self.field, &to)),
        };
        let wanted = word.chars().count();
        self.of_terms(range, |text| {
            let longest = wanted.max(text.chars().count()).max(1);
            let distance = strsim::osa_distance(word, text);
            #[allow(clippy::cast_precision_loss)]
            let similar = 1.0 - distance as f32 / longest as f32;
            similar >= similarity
        })
        .await
    }

    async fn of_terms(&self, range: KeyRange, wanted: impl Fn(&str) -> bool) -> Result<Found> {
        let mut places = Places::new();
        let mut pages = pages(POSTINGS, range);
        let (mut last, mut is_wanted) = (Vec::new(), false);
        while let Some(postings) = pages.next(self.evaluation.snapshot).await? {
            for (key, value) in postings {
                let (term, entry) = decode_posting(&key)?;
                if term != last {
                    term.clone_into(&mut last);
                    is_wanted = wanted(&Term::from_bytes(term).to_text());
                }
                if is_wanted {
                    add_places(&mut places, entry, decode_positions(&value)?);
                }
            }
        }
        Ok(self.scored(&places))
    }

    pub(super) fn scored(&self, places: &Places) -> Found {
        let entries: RoaringTreemap = places.keys().copied().collect();
        let scores = places
            .iter()
            .map(|(entry, (words, at))| (*entry, self.score(at.len(), *words, places.len())))
            .collect();
        Found { entries, scores }
    }

    /// BM25 of one word: how often it is there, among how many words, in how many entries.
    #[allow(clippy::cast_precision_loss)]
    pub(super) fn score(&self, frequency: usize, words: u32, entries_with: usize) -> f32 {
        let (all, with) = (self.entries as f32, entries_with as f32);
        let rarity = (1.0 + (all - with + 0.5).max(0.0) / (with + 0.5)).ln();
        let frequency = frequency as f32;
        let length = words as f32 / self.average_words;
        let norm = SATURATION * (1.0 - LENGTH_WEIGHT + LENGTH_WEIGHT * length);
        rarity * frequency * (SATURATION + 1.0) / (frequency + norm)
    }
}

/// Adds where one more term of an entry stands.
fn add_places(places: &mut Places, entry: u64, (words, at): (u32, Vec<u32>)) {
    match places.get_mut(&entry) {
        Some(known) => known.1.extend(at),
        None => {
            places.insert(entry, (words, at));
        }
    }
}

/// Whether one place of each list lies in a window that allows `distance` words in between.
fn is_near(first: &[u32], others: &[&Vec<u32>], distance: u32) -> bool {
    let mut all: Vec<(u32, usize)> = first.iter().map(|at| (*at, 0)).collect();
    for (number, places) in others.iter().enumerate() {
        all.extend(places.iter().map(|at| (*at, number + 1)));
    }
    all.sort_unstable();
    let count = others.len() + 1;
    let width = distance.saturating_add(u32::try_from(count).unwrap_or(u32::MAX) - 1);
    let mut newest: Vec<Option<u32>> = vec![None; count];
    for (at, number) in all {
        newest[number] = Some(at);
        let least = newest.iter().copied().collect::<Option<Vec<u32>>>();
        if let Some(least) = least.and_then(|it| it.into_iter().min())
            && at - least <= width
        {
            return true;
        }
    }
    false
}

/// Whether `text` fits a pattern of `*` and `?`, in linear time for each star.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == '?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                None => return false,
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match() {
        for (pattern, text, expected) in [
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a?c", "abc", true),
            ("a*d", "abc", false),
            ("*b*", "abc", true),
            ("", "", true),
            ("*", "", true),
            ("?", "", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn near_words_are_found() {
        assert!(is_near(&[1], &[&vec![3]], 1));
        assert!(!is_near(&[1], &[&vec![4]], 1));
        assert!(is_near(&[1, 10], &[&vec![4, 11]], 0));
    }

    #[test]
    fn what_is_typed_is_cut() {
        let parts = parts_of(r#"quick "Brown fox" ju*"#, Analyzer::Standard, false);
        assert_eq!(
            parts,
            [
                Part::Words(vec![("quick".into(), 0)]),
                Part::Words(vec![("brown".into(), 0), ("fox".into(), 1)]),
                Part::Pattern("ju*".into()),
            ]
        );
    }
}
