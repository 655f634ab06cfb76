//! Highlights: pieces of texts with the searched words marked.

use serde_json::Value;

use super::condition::{Conditions, Leaf};
use super::facet::member;
use super::rql::Call;
use super::rql::ExpressionKind;
use super::search::{Part, matches, parts_of};
use super::values::{self, Parameters};
use crate::document::StoredDocument;
use crate::indexes::{Analyzer, FieldForms, FieldKind, Object, fold_case};
use crate::{Error, Result};

/// The most fragments of a field, and the longest in characters.
pub const MAX_FRAGMENTS: usize = 1000;
/// The longest fragment, in characters.
pub const MAX_FRAGMENT_CHARS: usize = 100_000;
/// What stands around a found word, unless the query says otherwise.
const TAGS: (&str, &str) = ("<b style=\"background:yellow\">", "</b>");

/// One `highlight(…)` of an `include`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Highlight {
    /// The field whose text is shown.
    pub field: String,
    /// About how long a fragment is, in characters.
    pub fragment_chars: usize,
    /// The most fragments of a text.
    pub fragment_count: usize,
    /// What fragments are listed under, instead of the document's id.
    pub group_key: Option<String>,
    /// What stands around found words: each pair in turn for one word that was searched.
    pub tags: Vec<(String, String)>,
}

impl Highlight {
    /// Reads `highlight(field, length, count, $options)`.
    ///
    /// # Errors
    /// `InvalidRequest` for impossible arguments.
    pub fn of_call(call: &Call, parameters: &Parameters) -> Result<Self> {
        let [field, chars, count, options @ ..] = call.arguments.as_slice() else {
            return Err(Error::invalid(
                "highlight() takes a field, a length and a count",
            ));
        };
        let ExpressionKind::Field(path) = &field.kind else {
            return Err(Error::invalid("highlight() takes a field"));
        };
        let options = match options.first() {
            None => Value::Null,
            Some(options) => values::json_value(options, parameters)?,
        };
        let texts = |name: &str| -> Vec<String> {
            let list = member(&options, name).and_then(Value::as_array);
            let list = list.map_or(&[][..], Vec::as_slice).iter();
            list.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let (before, after) = (texts("PreTags"), texts("PostTags"));
        if before.len() != after.len() {
            return Err(Error::invalid(
                "highlight() takes as many 'PreTags' as 'PostTags'",
            ));
        }
        let mut tags: Vec<(String, String)> = before.into_iter().zip(after).collect();
        if tags.is_empty() {
            tags.push((TAGS.0.to_owned(), TAGS.1.to_owned()));
        }
        let bounded = |value, most: usize, what: &str| {
            let count = values::count(value, parameters)?;
            if count > most {
                return Err(Error::invalid(format!(
                    "highlight() takes a {what} up to {most}"
                )));
            }
            Ok(count)
        };
        Ok(Self {
            field: path.to_string(),
            fragment_chars: bounded(chars, MAX_FRAGMENT_CHARS, "length")?,
            fragment_count: bounded(count, MAX_FRAGMENTS, "count")?,
            group_key: member(&options, "GroupKey")
                .and_then(Value::as_str)
                .filter(|it| !it.is_empty())
                .map(str::to_owned),
            tags,
        })
    }

    /// The fragments of one result.
    pub(super) fn fragments(
        &self,
        text: &str,
        conditions: &Conditions,
        forms: &FieldForms,
    ) -> Vec<String> {
        let form = forms
            .of(&self.field)
            .iter()
            .find(|it| it.kind == FieldKind::Search);
        let analyzer = form.map_or(Analyzer::Standard, |it| it.analyzer);
        let searched = searched_words(&self.field, conditions, analyzer);
        let mut marks = Vec::new();
        for (start, end) in words_with_places(text) {
            let word = &text[start..end];
            let found = searched.iter().position(|it| it.is_in(word, analyzer));
            marks.extend(found.map(|at| (start, end, at)));
        }
        self.cut(text, &marks)
    }

    /// Cuts pieces with marks out of a text, around the first mark that is not in the last piece.
    fn cut(&self, text: &str, marks: &[(usize, usize, usize)]) -> Vec<String> {
        let mut fragments = Vec::new();
        let mut rest = marks;
        let mut cut_until = 0;
        while let Some((start, end, _)) = rest.first()
            && fragments.len() < self.fragment_count
        {
            let length = end - start;
            let around = self.fragment_chars.saturating_sub(length);
            let from = start.saturating_sub(around / 2).max(cut_until);
            let from = word_start(text, text.floor_char_boundary(from), *start);
            let to = (from + self.fragment_chars).max(*end).min(text.len());
            let to = word_end(text, text.floor_char_boundary(to), *end);
            let inside = rest.iter().take_while(|(_, end, _)| *end <= to).count();
            fragments.push(self.marked(text, from, to, &rest[..inside]));
            rest = &rest[inside..];
            cut_until = to;
        }
        fragments
    }

    fn marked(
        &self,
        text: &str,
        from: usize,
        to: usize,
        marks: &[(usize, usize, usize)],
    ) -> String {
        let mut fragment = String::with_capacity(to - from + 32 * marks.len());
        let mut at = from;
        for (start, end, word) in marks {
            let (before, after) = &self.tags[word % self.tags.len()];
            fragment.push_str(&text[at..*start]);
            fragment.push_str(before);
            fragment.push_str(&text[*start..*end]);
            fragment.push_str(after);
            at = *end;
        }
        fragment.push_str(&text[at..to]);
        fragment
    }
}

/// The texts of a field: properties of the document, or stored values.
pub(super) fn texts_of(
    field: &str,
    document: Option<&StoredDocument>,
    stored: Option<&Object>,
) -> Vec<String> {
    match stored.and_then(|it| it.get(field)) {
        Some(Value::String(text)) => return vec![text.clone()],
        Some(number @ Value::Number(_)) => return vec![number.to_string()],
        Some(Value::Array(items)) => {
            let texts = items.iter().filter_map(Value::as_str);
            return texts.map(str::to_owned).collect();
        }
        _ => {}
    }
    let (Some(document), Ok(path)) = (document, crate::indexes::FieldPath::parse(field)) else {
        return Vec::new();
    };
    let reader = crate::indexes::FieldReader::new([&path]);
    let values = reader.read(document.body()).unwrap_or_default();
    let texts = values.into_iter().flatten().filter_map(|it| match it {
        crate::indexes::FieldValue::Text(text) => Some(text),
        _ => None,
    });
    texts.collect()
}

/// What a word of a text is compared with.
enum Searched {
    Word(String),
    Pattern(String),
}

impl Searched {
    fn is_in(&self, word: &str, analyzer: Analyzer) -> bool {
        match self {
            Self::Word(searched) => analyzer
                .words(word, 0)
                .iter()
                .any(|it| it.text == *searched),
            Self::Pattern(pattern) => matches(pattern, &fold_case(word)),
        }
    }
}

fn searched_words(field: &str, conditions: &Conditions, analyzer: Analyzer) -> Vec<Searched> {
    let mut searched = Vec::new();
    for leaf in &conditions.leaves {
        let Leaf::Search(search) = leaf else {
            continue;
        };
        if search.name != field {
            continue;
        }
        for part in parts_of(&search.text, analyzer, search.proximity.is_some()) {
            match part {
                Part::Words(words) => {
                    searched.extend(words.into_iter().map(|(word, _)| Searched::Word(word)));
                }
                Part::Pattern(pattern) => searched.push(Searched::Pattern(pattern)),
            }
        }
    }
    searched
}

/// Where the words of a text stand.
fn words_with_places(text: &str) -> impl Iterator<Item = (usize, usize)> + '_ {
    use unicode_segmentation::UnicodeSegmentation as _;
    text.unicode_word_indices()
        .map(|(at, word)| (at, at + word.len()))
}

/// Where a fragment may begin: not within a word.
fn word_start(text: &str, from: usize, first_mark: usize) -> usize {
    if from == 0 || text[..from].ends_with(char::is_whitespace) {
        return from;
    }
    let space = text[from..first_mark].find(char::is_whitespace);
    space.map_or(first_mark, |at| {
        let rest = &text[from + at..first_mark];
        first_mark - rest.trim_start().len()
    })
}

/// Where a fragment may end.
fn word_end(text: &str, to: usize, last_mark: usize) -> usize {
    if to == text.len() || text[to..].starts_with(char::is_whitespace) {
        return to;
    }
    let space = text[last_mark..to].rfind(char::is_whitespace);
    space.map_or(last_mark, |at| last_mark + at)
}
