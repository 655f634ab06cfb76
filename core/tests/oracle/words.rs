//! Searches for words and their scores, against BM25 computed in a plain loop over the documents.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::order;
use super::super::story::indexes::{ask, ids, open, write};
use super::super::story::{Story, delete};

const WORDS: [&str; 6] = ["fox", "dog", "cat", "cab", "owl", "bee"];

/// The values of a field: each a list of words.
type Text = Vec<Vec<usize>>;

fn any_text() -> impl Strategy<Value = Option<Text>> {
    let value = proptest::collection::vec(0..WORDS.len(), 0..9);
    proptest::option::weighted(0.9, proptest::collection::vec(value, 0..3))
}

fn to_json(text: &Option<Text>) -> Value {
    let shown = |words: &Vec<usize>| {
        let words: Vec<&str> = words.iter().map(|it| WORDS[*it]).collect();
        words.join(" ")
    };
    match text {
        None => Value::Null,
        Some(values) => json!(values.iter().map(shown).collect::<Vec<_>>()),
    }
}

/// How often something stands in each text, and how long the texts are.
struct Counts {
    texts: BTreeMap<String, Text>,
}

impl Counts {
    fn length(&self, id: &str) -> usize {
        self.texts[id].iter().map(Vec::len).sum()
    }

    /// The texts that have words at all; the average takes no others in.
    fn lengths(&self) -> Vec<usize> {
        let all = self.texts.keys().map(|id| self.length(id));
        all.filter(|it| *it > 0).collect()
    }

    fn frequency(&self, id: &str, wanted: &dyn Fn(&str) -> bool) -> usize {
        let words = self.texts[id].iter().flatten();
        words.filter(|it| wanted(WORDS[**it])).count()
    }

    fn phrase_frequency(&self, id: &str, phrase: &[usize]) -> usize {
        let windows = self.texts[id]
            .iter()
            .flat_map(|it| it.windows(phrase.len()));
        windows.filter(|it| *it == phrase).count()
    }

    #[allow(clippy::cast_precision_loss)]
    fn bm25(&self, id: &str, frequency: usize, texts_with: usize) -> f64 {
        let lengths = self.lengths();
        let all = lengths.len() as f64;
        let average = lengths.iter().sum::<usize>() as f64 / all;
        let with = texts_with as f64;
        let rarity = (1.0 + (all - with + 0.5) / (with + 0.5)).ln();
        let frequency = frequency as f64;
        let norm = 1.2 * (0.25 + 0.75 * self.length(id) as f64 / average);
        rarity * frequency * 2.2 / (frequency + norm)
    }

    /// Scores of the texts with a word that is wanted.
    fn scores(&self, wanted: &dyn Fn(&str) -> bool) -> BTreeMap<String, f64> {
        let with: Vec<&String> = self
            .texts
            .keys()
            .filter(|id| self.frequency(id, wanted) > 0)
            .collect();
        let score = |id: &&String| self.bm25(id, self.frequency(id, wanted), with.len());
        with.iter().map(|id| ((*id).clone(), score(id))).collect()
    }

    fn of_word(&self, word: usize) -> BTreeMap<String, f64> {
        self.scores(&|it| it == WORDS[word])
    }

    fn of_phrase(&self, phrase: &[usize]) -> BTreeMap<String, f64> {
        let with = |word: usize| self.of_word(word).len();
        let found = self
            .texts
            .keys()
            .map(|id| (id, self.phrase_frequency(id, phrase)));
        let found = found.filter(|(_, frequency)| *frequency > 0);
        let score = |id: &str, frequency: usize| {
            phrase
                .iter()
                .map(|it| self.bm25(id, frequency, with(*it)))
                .sum()
        };
        found
            .map(|(id, frequency)| (id.clone(), score(id, frequency)))
            .collect()
    }
}

fn any_of(a: BTreeMap<String, f64>, b: BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    let mut all = a;
    for (id, score) in b {
        *all.entry(id).or_default() += score;
    }
    all
}

fn both(a: &BTreeMap<String, f64>, b: &BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    let shared = a
        .iter()
        .filter_map(|(id, score)| Some((id.clone(), score + b.get(id)?)));
    shared.collect()
}

fn times(scores: BTreeMap<String, f64>, factor: f64) -> BTreeMap<String, f64> {
    scores
        .into_iter()
        .map(|(id, score)| (id, score * factor))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn words_are_found_and_ranked_as_a_loop_does(
        texts in proptest::collection::vec(any_text(), 0..40),
        changes in proptest::collection::vec((0..40usize, proptest::option::of(any_text())), 0..12),
        (a, b) in (0..WORDS.len(), 0..WORDS.len()),
        phrase in proptest::collection::vec(0..WORDS.len(), 2..4),
    ) {
        let story = Story::new();
        story.run(async |database| {
            let indexes = open(&story, &database).await;
            let put = |at: usize, text: &Option<Text>| {
                order(&format!("items/{at:02}"), &json!({ "Text": to_json(text) }).to_string())
            };
            write(&database, texts.iter().enumerate().map(|(at, it)| put(at, it)).collect()).await;
            // What is there before the index, and what is changed under it.
            ask(&indexes, "from Orders where search(Text, 'fox')").await.unwrap();
            let mut known: BTreeMap<usize, Option<Text>> = texts.iter().cloned().enumerate().collect();
            for (at, change) in &changes {
                match change {
                    Some(text) => {
                        known.insert(*at, text.clone());
                        write(&database, vec![put(*at, text)]).await;
                    }
                    None if known.remove(at).is_some() => {
                        write(&database, vec![delete(&format!("items/{at:02}"))]).await;
                    }
                    None => {}
                }
            }
            let counts = Counts {
                texts: known.iter().map(|(at, it)| (format!("items/{at:02}"), it.clone().unwrap_or_default())).collect(),
            };
            let (word, other) = (WORDS[a], WORDS[b]);
            let quoted: Vec<&str> = phrase.iter().map(|it| WORDS[*it]).collect();
            let quoted = quoted.join(" ");
            for (condition, expected) in [
                (format!("search(Text, '{word}')"), counts.of_word(a)),
                (format!("search(Text, '{} {other}')", word.to_uppercase()), any_of(counts.of_word(a), counts.of_word(b))),
                (format!("search(Text, '{word} {other}', and)"), both(&counts.of_word(a), &counts.of_word(b))),
                (format!("search(Text, '\"{quoted}\"')"), counts.of_phrase(&phrase)),
                ("search(Text, 'ca*')".to_owned(), counts.scores(&|it| it.starts_with("ca"))),
                ("search(Text, '*o?')".to_owned(), counts.scores(&|it| it[..it.len() - 1].ends_with('o'))),
                (
                    format!("boost(search(Text, '{word}'), 3) or search(Text, '{other}')"),
                    any_of(times(counts.of_word(a), 3.0), counts.of_word(b)),
                ),
                (format!("lucene(Text, '+{word} +{other}')"), both(&counts.of_word(a), &counts.of_word(b))),
            ] {
                let (found, total, _) = ask(&indexes, &format!("from Orders where {condition}")).await.unwrap();
                assert_eq!(total, expected.len() as u64, "{condition}");
                let mut least = f64::INFINITY;
                for (id, result) in ids(&found).into_iter().zip(&found) {
                    let score = result["@metadata"]["@index-score"].as_f64().unwrap();
                    let wanted = expected.get(&id).copied().unwrap_or(f64::NAN);
                    assert!((score - wanted).abs() <= 1e-4 * wanted, "{condition}: {id} has {score}, not {wanted}");
                    assert!(score <= least, "{condition}: {id} stands after what matches less");
                    least = score;
                }
            }
            let unwanted = counts.of_word(a);
            let (rest, ..) = ask(&indexes, &format!("from Orders where exists(Text) and not search(Text, '{word}')")).await.unwrap();
            let mut rest = ids(&rest);
            rest.sort();
            let without = counts.texts.keys().filter(|it| !unwanted.contains_key(*it));
            assert_eq!(rest, without.cloned().collect::<Vec<_>>());
        });
    }
}
