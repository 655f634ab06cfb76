//! Analyzers: how a text is cut into the words it is searched by.

use std::borrow::Cow;

use rust_stemmers::{Algorithm, Stemmer};
use unicode_normalization::char::{decompose_canonical, is_combining_mark};
use unicode_segmentation::UnicodeSegmentation as _;

use super::term::fold_case;
use crate::{Error, Result};

/// Words that the standard analyzer leaves out, in order.
const STOP_WORDS: [&str; 33] = [
    "a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is", "it",
    "no", "not", "of", "on", "or", "such", "that", "the", "their", "then", "there", "these",
    "they", "this", "to", "was", "will", "with",
];
const SHORTEST_GRAM: usize = 2;
const LONGEST_GRAM: usize = 6;

/// How a text is cut into words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Analyzer {
    /// Words by the Unicode standard, in lower case, without stop words.
    Standard,
    /// As standard, with stop words.
    Simple,
    /// The whole text.
    Keyword,
    /// The whole text in lower case.
    LowerCaseKeyword,
    /// What stands between white space.
    Whitespace,
    /// What stands between white space, in lower case.
    LowerCaseWhitespace,
    /// As standard, without accents: `café` is `cafe`.
    Folding,
    /// All pieces of words, of two to six characters.
    NGram,
    /// As standard, each word reduced to its stem.
    Stemming(Algorithm),
}

/// A word of a text and its place among the words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The word as it is indexed.
    pub text: String,
    /// Its place, counted from 0; left-out words count.
    pub position: u32,
}

impl Analyzer {
    /// The analyzer that a definition names; class names of RavenDB's are understood.
    ///
    /// # Errors
    /// `InvalidRequest` for an unknown name.
    pub fn parse(name: &str) -> Result<Self> {
        let short = name.split(',').next().unwrap_or_default().trim();
        let short = short.rsplit('.').next().unwrap_or_default();
        let lower = short.to_ascii_lowercase();
        let language = lower
            .strip_suffix("analyzer")
            .unwrap_or(&lower)
            .trim_start_matches("raven");
        Ok(match language {
            "standard" => Self::Standard,
            "simple" => Self::Simple,
            "stop" => Self::Standard,
            "keyword" => Self::Keyword,
            "lowercasekeyword" => Self::LowerCaseKeyword,
            "whitespace" => Self::Whitespace,
            "lowercasewhitespace" => Self::LowerCaseWhitespace,
            "asciifolding" | "folding" => Self::Folding,
            "ngram" => Self::NGram,
            "snowball" | "porterstem" | "english" => Self::Stemming(Algorithm::English),
            "german" => Self::Stemming(Algorithm::German),
            "french" => Self::Stemming(Algorithm::French),
            "spanish" => Self::Stemming(Algorithm::Spanish),
            "italian" => Self::Stemming(Algorithm::Italian),
            "portuguese" => Self::Stemming(Algorithm::Portuguese),
            "dutch" => Self::Stemming(Algorithm::Dutch),
            "swedish" => Self::Stemming(Algorithm::Swedish),
            "norwegian" => Self::Stemming(Algorithm::Norwegian),
            "danish" => Self::Stemming(Algorithm::Danish),
            "finnish" => Self::Stemming(Algorithm::Finnish),
            "russian" => Self::Stemming(Algorithm::Russian),
            "hungarian" => Self::Stemming(Algorithm::Hungarian),
            "romanian" => Self::Stemming(Algorithm::Romanian),
            "turkish" => Self::Stemming(Algorithm::Turkish),
            "arabic" => Self::Stemming(Algorithm::Arabic),
            "greek" => Self::Stemming(Algorithm::Greek),
            _ => {
                return Err(Error::invalid(format!(
                    "there is no analyzer '{}'",
                    name.escape_debug()
                )));
            }
        })
    }

    /// The words of `text`, with positions from `first` on.
    pub fn words(self, text: &str, first: u32) -> Vec<Word> {
        let mut words = Vec::new();
        let mut add = |text: String, position: usize| {
            let position = first.saturating_add(u32::try_from(position).unwrap_or(u32::MAX));
            words.push(Word { text, position });
        };
        match self {
            Self::Keyword => add(text.to_owned(), 0),
            Self::LowerCaseKeyword => add(fold_case(text).into_owned(), 0),
            Self::Whitespace => {
                for (position, word) in text.split_whitespace().enumerate() {
                    add(word.to_owned(), position);
                }
            }
            Self::LowerCaseWhitespace => {
                for (position, word) in text.split_whitespace().enumerate() {
                    add(fold_case(word).into_owned(), position);
                }
            }
            Self::Standard | Self::Simple | Self::Folding | Self::NGram | Self::Stemming(_) => {
                let stemmer = match self {
                    Self::Stemming(language) => Some(Stemmer::create(language)),
                    _ => None,
                };
                for (position, word) in text.unicode_words().enumerate() {
                    let mut word = fold_case(word);
                    if matches!(self, Self::Standard | Self::Folding)
                        && let Some(owner) = without_possessive(&word)
                    {
                        word = Cow::Owned(owner.to_owned());
                    }
                    let is_stop = self != Self::Simple && STOP_WORDS.binary_search(&&*word).is_ok();
                    if is_stop {
                        continue;
                    }
                    match (&stemmer, self) {
                        (Some(stemmer), _) => add(stemmer.stem(&word).into_owned(), position),
                        (None, Self::Folding) => add(without_accents(&word), position),
                        (None, Self::NGram) => {
                            for gram in grams(&word) {
                                add(gram.to_owned(), position);
                            }
                        }
                        (None, _) => add(word.into_owned(), position),
                    }
                }
            }
        }
        words
    }
}

/// A word in lower case without the `'s` at its end, if it has one.
fn without_possessive(word: &str) -> Option<&str> {
    let owner = word.strip_suffix('s')?.strip_suffix(['\'', '\u{2019}'])?;
    (!owner.is_empty()).then_some(owner)
}

/// A word in lower case without what Unicode takes for marks on letters; letters that are no others
/// with a mark, such as `ø`, are written as is usual where they are missing.
fn without_accents(word: &str) -> String {
    if word.is_ascii() {
        return word.to_owned();
    }
    let mut plain = String::with_capacity(word.len());
    // Character by character: the crate's iterators bring 60 KiB of tables for compatible forms into
    // the modules of pages, and put only marks in order, of which none stays.
    for composed in word.chars() {
        decompose_canonical(composed, |letter| match letter {
            'ø' => plain.push('o'),
            'ł' => plain.push('l'),
            'đ' | 'ð' => plain.push('d'),
            'ħ' => plain.push('h'),
            'ı' => plain.push('i'),
            'ß' => plain.push_str("ss"),
            'æ' => plain.push_str("ae"),
            'œ' => plain.push_str("oe"),
            'þ' => plain.push_str("th"),
            _ if is_combining_mark(letter) => {}
            _ => plain.push(letter),
        });
    }
    plain
}

/// The pieces of a word; a word that is too short for one is a piece itself.
fn grams(word: &str) -> Vec<&str> {
    let starts: Vec<usize> = word
        .char_indices()
        .map(|(at, _)| at)
        .chain([word.len()])
        .collect();
    let length = starts.len() - 1;
    if length < SHORTEST_GRAM {
        return vec![word];
    }
    let mut grams = Vec::new();
    for from in 0..length {
        for to in from + SHORTEST_GRAM..=length.min(from + LONGEST_GRAM) {
            grams.push(&word[starts[from]..starts[to]]);
        }
    }
    grams
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(analyzer: Analyzer, text: &str) -> Vec<String> {
        analyzer
            .words(text, 0)
            .into_iter()
            .map(|it| it.text)
            .collect()
    }

    #[test]
    fn texts_are_cut_into_words() {
        assert!(STOP_WORDS.is_sorted());
        let text = "The Quick-brown FOX's run, by 3.5 metres";
        assert_eq!(
            words(Analyzer::Standard, text),
            ["quick", "brown", "fox", "run", "3.5", "metres"]
        );
        assert_eq!(
            words(Analyzer::Standard, "O'Brien\u{2019}s 'S Foxs' boss"),
            ["o'brien", "s", "foxs", "boss"]
        );
        assert_eq!(words(Analyzer::Simple, "Fox's"), ["fox's"]);
        assert_eq!(words(Analyzer::Whitespace, "A b  C"), ["A", "b", "C"]);
        assert_eq!(words(Analyzer::LowerCaseKeyword, "A b"), ["a b"]);
        assert_eq!(
            words(Analyzer::parse("EnglishAnalyzer").unwrap(), "running runs"),
            ["run", "run"]
        );
        assert_eq!(words(Analyzer::NGram, "abc"), ["ab", "abc", "bc"]);
        let folding = Analyzer::parse("ASCIIFoldingAnalyzer").unwrap();
        for accented in [
            "The Café crème, Ångström",
            "cafe\u{301} cre\u{300}me A\u{30a}ngstro\u{308}m",
        ] {
            assert_eq!(words(folding, accented), ["cafe", "creme", "angstrom"]);
        }
        assert_eq!(
            words(folding, "Łódź straße Ærø ÞÓR İstanbul Việt"),
            ["lodz", "strasse", "aero", "thor", "istanbul", "viet"]
        );
        assert_eq!(
            words(folding, "Москва"),
            words(Analyzer::Standard, "москва")
        );
        let positions: Vec<u32> = Analyzer::Standard
            .words("the fox and hound", 10)
            .iter()
            .map(|it| it.position)
            .collect();
        assert_eq!(positions, [11, 13]);
    }

    #[test]
    fn marks_go_from_every_letter_as_from_its_normal_form() {
        use unicode_normalization::UnicodeNormalization as _;
        for letter in '\0'..='\u{2ffff}' {
            let word = format!("{letter}\u{301}\u{323}");
            let normal: String = word.nfd().filter(|it| !is_combining_mark(*it)).collect();
            if !normal.contains(['ø', 'ł', 'đ', 'ð', 'ħ', 'ı', 'ß', 'æ', 'œ', 'þ']) {
                assert_eq!(without_accents(&word), normal, "{letter:?}");
            }
        }
    }

    #[test]
    fn names_of_classes_are_understood() {
        let name = "Lucene.Net.Analysis.Standard.StandardAnalyzer, Lucene.Net";
        assert_eq!(Analyzer::parse(name).unwrap(), Analyzer::Standard);
        assert_eq!(
            Analyzer::parse("WhitespaceAnalyzer").unwrap(),
            Analyzer::Whitespace
        );
        assert!(Analyzer::parse("Nonsense").is_err());
    }
}
