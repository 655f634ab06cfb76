//! Searching words: phrases, wildcards, similar words, and how well an entry matches (BM25).

use std::ops::Bound;

use super::condition::{Found, Scores, Search};
use super::evaluate::{Evaluation, equal_terms, walk};
use crate::Result;
use crate::indexes::tables::{POSTINGS, decode_posting, posting_bound, posting_range};
use crate::indexes::{
    Analyzer, FieldKind, FieldValue, Term, decode_frequency, decode_positions, fold_case,
};
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

/// An entry that has a word.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hit {
    entry: u64,
    /// How many words the field has.
    words: u32,
    /// How often this one.
    frequency: u32,
}

/// An entry that has a word, with the word's places.
struct Placed {
    hit: Hit,
    places: Vec<u32>,
}

/// The entries that a search finds.
pub(super) async fn find<S: Snapshot>(
    evaluation: &Evaluation<'_, S>,
    search: &Search,
) -> Result<Found> {
    let progress = evaluation.progress;
    let searched = match search.fuzzy {
        Some(_) => evaluation.defined_words(&search.name),
        None => progress.find_field(&search.name, FieldKind::Search),
    };
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
    let mut found: Option<Scores> = None;
    for part in &parts {
        let one = match (part, search.fuzzy) {
            (Part::Words(words), Some(similarity)) => {
                searcher.similar(&joined(words), similarity).await?
            }
            (Part::Words(words), None) if searched.is_none() => {
                searcher.whole(&joined(words)).await?
            }
            (Part::Words(words), None) => searcher.words(words, search.proximity).await?,
            (Part::Pattern(pattern), _) => searcher.pattern(pattern).await?,
        };
        found = Some(match found {
            None => one,
            Some(before) if search.all => before.in_both(&one),
            Some(mut before) => {
                before.add(one);
                before
            }
        });
    }
    Ok(Found::scored(found.unwrap_or_default()))
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

    /// The entries that have a term, ascending.
    pub(super) async fn hits_of(&self, term: &Term) -> Result<Vec<Hit>> {
        self.hits_in(posting_range(self.field, term.as_bytes()), |_| true)
            .await
    }

    /// The entries that have any wanted term of a range, ascending.
    async fn hits_in(
        &self,
        range: KeyRange,
        mut is_wanted: impl FnMut(&[u8]) -> bool,
    ) -> Result<Vec<Hit>> {
        let mut hits: Vec<Hit> = Vec::new();
        let mut walk = walk(POSTINGS, range);
        while let Some(block) = walk.next(self.evaluation.snapshot).await? {
            let mut records = walk.read(&block);
            while records.advance()? {
                let (term, entry) = decode_posting(records.key())?;
                if is_wanted(term) {
                    let (words, frequency) = decode_frequency(records.value())?;
                    hits.push(Hit {
                        entry,
                        words,
                        frequency,
                    });
                }
            }
            if records.is_beyond() {
                break;
            }
        }
        if !hits.is_sorted_by(|a, b| a.entry < b.entry) {
            hits.sort_by_key(|it| it.entry);
            // An entry with several of the terms has them all together so often.
            hits.dedup_by(|next, kept| {
                let is_same = next.entry == kept.entry;
                if is_same {
                    kept.frequency = kept.frequency.saturating_add(next.frequency);
                }
                is_same
            });
        }
        Ok(hits)
    }

    async fn placed(&self, word: &str) -> Result<Vec<Placed>> {
        let term = Term::exact_text(word);
        let mut all = Vec::new();
        let mut walk = walk(POSTINGS, posting_range(self.field, term.as_bytes()));
        while let Some(block) = walk.next(self.evaluation.snapshot).await? {
            let mut records = walk.read(&block);
            while records.advance()? {
                let (_, entry) = decode_posting(records.key())?;
                let (words, places) = decode_positions(records.value())?;
                let hit = Hit {
                    entry,
                    words,
                    frequency: u32::try_from(places.len()).unwrap_or(u32::MAX),
                };
                all.push(Placed { hit, places });
            }
            if records.is_beyond() {
                break;
            }
        }
        Ok(all)
    }

    /// Of a field without words: its texts as a whole, and numbers that read so.
    async fn whole(&self, text: &str) -> Result<Scores> {
        let mut scores = Scores::default();
        for term in equal_terms(&FieldValue::Text(text.to_owned()), true) {
            scores.add(self.scores(&self.hits_of(&term).await?));
        }
        Ok(scores)
    }

    async fn words(&self, words: &[(String, u32)], proximity: Option<u32>) -> Result<Scores> {
        if let ([(word, _)], None) = (words, proximity) {
            let hits = self.hits_of(&Term::exact_text(word)).await?;
            return Ok(self.scores(&hits));
        }
        let mut placed = Vec::with_capacity(words.len());
        for (word, _) in words {
            placed.push(self.placed(word).await?);
        }
        let Some((first, others)) = placed.split_first() else {
            return Ok(Scores::default());
        };
        let mut scores = Vec::new();
        for one in first {
            let entry = one.hit.entry;
            let others: Option<Vec<&Vec<u32>>> = others
                .iter()
                .map(|it| {
                    let at = it.binary_search_by_key(&entry, |it| it.hit.entry).ok()?;
                    Some(&it[at].places)
                })
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
                    one.places.iter().filter(follows).count()
                }
                Some(distance) => usize::from(is_near(&one.places, &others, distance)),
            };
            if frequency > 0 {
                let score: f32 = placed
                    .iter()
                    .map(|it| self.score(frequency, one.hit.words, it.len()))
                    .sum();
                scores.push((entry, score));
            }
        }
        Ok(Scores::of_ascending(scores))
    }

    async fn pattern(&self, pattern: &str) -> Result<Scores> {
        let fixed = &pattern[..pattern.find(['*', '?']).unwrap_or(pattern.len())];
        let range = posting_range(self.field, &Term::text_prefix(fixed, true));
        if pattern.len() == fixed.len() + 1 && pattern.ends_with('*') {
            return Ok(self.scores(&self.hits_in(range, |_| true).await?));
        }
        self.of_terms(range, |text| matches(pattern, text)).await
    }

    async fn similar(&self, word: &str, similarity: f32) -> Result<Scores> {
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
            // Both are quotients, and equal ones may be rounded apart.
            similar + f32::EPSILON >= similarity
        })
        .await
    }

    async fn of_terms(&self, range: KeyRange, wanted: impl Fn(&str) -> bool) -> Result<Scores> {
        // Many entries share a term; it is looked at once.
        let (mut last, mut is_wanted) = (Vec::new(), false);
        let hits = self
            .hits_in(range, |term| {
                if term != last {
                    term.clone_into(&mut last);
                    is_wanted = wanted(&Term::from_bytes(term).to_text());
                }
                is_wanted
            })
            .await?;
        Ok(self.scores(&hits))
    }

    /// The scores of ascending hits, as those of one word.
    pub(super) fn scores(&self, hits: &[Hit]) -> Scores {
        let score = self.scoring(hits.len());
        let scores = hits
            .iter()
            .map(|it| (it.entry, score(it.frequency as usize, it.words)));
        Scores::of_ascending(scores.collect())
    }

    /// BM25 of one word: how often it is there, among how many words, in how many entries.
    pub(super) fn score(&self, frequency: usize, words: u32, entries_with: usize) -> f32 {
        self.scoring(entries_with)(frequency, words)
    }

    #[allow(clippy::cast_precision_loss)]
    fn scoring(&self, entries_with: usize) -> impl Fn(usize, u32) -> f32 {
        let (all, with) = (self.entries as f32, entries_with as f32);
        let rarity = (1.0 + (all - with + 0.5).max(0.0) / (with + 0.5)).ln();
        let average_words = self.average_words;
        move |frequency, words| {
            let frequency = frequency as f32;
            let length = words as f32 / average_words;
            let norm = SATURATION * (1.0 - LENGTH_WEIGHT + LENGTH_WEIGHT * length);
            rarity * frequency * (SATURATION + 1.0) / (frequency + norm)
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
