//! `lucene(field, 'text')`: the common part of Lucene's query syntax.
//!
//! Known are words, `"phrases"`, `wild*cards`, `fuzzy~0.7`, `"near by"~5`, `[a TO b]`, `{a TO b}`,
//! `boost^2`, `other:field`, parentheses, `AND`, `OR`, `NOT`, `&&`, `||`, `!`, `+` and `-`.
//! Without a word between them, any of two will do.

use super::condition::{Condition, Leaf, Search};
use super::lower::Lowering;
use super::rql::Path;
use crate::document::nearest_double;
use crate::indexes::{FieldKind, FieldValue, Number};
use crate::{Error, Result};

/// How deep parentheses nest.
const MAX_NESTING: usize = 32;
/// The most clauses of a text.
const MAX_CLAUSES: usize = 1024;

/// Whether a clause must, may or must not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Occurrence {
    Must,
    May,
    MustNot,
}

/// Reads the text of a `lucene(…)`.
pub(super) struct Reader<'l, 'a, 't> {
    lowering: &'l mut Lowering<'a>,
    text: &'t str,
    at: usize,
    nesting: usize,
    clauses: usize,
}

impl<'l, 'a, 't> Reader<'l, 'a, 't> {
    pub(super) fn new(lowering: &'l mut Lowering<'a>, text: &'t str) -> Self {
        Self {
            lowering,
            text,
            at: 0,
            nesting: 0,
            clauses: 0,
        }
    }

    /// The condition that all of the text says of `field`.
    ///
    /// # Errors
    /// `InvalidRequest` with the place of what is malformed.
    pub(super) fn read(mut self, field: &Path) -> Result<Condition> {
        let condition = self.clauses(field)?;
        match self.peek() {
            None => Ok(condition),
            Some(found) => Err(self.wrong(&format!("'{found}' closes nothing"))),
        }
    }

    fn wrong(&self, why: &str) -> Error {
        let column = self.text[..self.at].chars().count() + 1;
        Error::invalid(format!(
            "the text of lucene() is malformed at character {column}: {why}"
        ))
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn skip(&mut self, sign: &str) -> bool {
        let is_there = self.rest().starts_with(sign);
        if is_there {
            self.at += sign.len();
        }
        is_there
    }

    /// Takes a word that stands by itself, such as `AND`.
    fn skip_word(&mut self, word: &str) -> bool {
        let Some(after) = self.rest().strip_prefix(word) else {
            return false;
        };
        let ends = after.is_empty() || after.starts_with([' ', '\t', '\n', '\r', '(', '"']);
        if ends {
            self.at += word.len();
        }
        ends
    }

    fn clauses(&mut self, field: &Path) -> Result<Condition> {
        let mut parts: Vec<(Occurrence, Condition)> = Vec::new();
        loop {
            self.skip_space();
            let joins = if self.skip_word("AND") || self.skip("&&") {
                Some(Occurrence::Must)
            } else if self.skip_word("OR") || self.skip("||") {
                Some(Occurrence::May)
            } else {
                None
            };
            if joins.is_some() && parts.is_empty() {
                return Err(self.wrong("nothing stands before the operator"));
            }
            self.skip_space();
            if matches!(self.peek(), None | Some(')')) {
                if joins.is_some() {
                    return Err(self.wrong("nothing stands after the operator"));
                }
                return Ok(joined(parts));
            }
            let mut occurrence = joins.unwrap_or(Occurrence::May);
            if self.skip_word("NOT") || self.skip("!") || self.skip("-") {
                occurrence = Occurrence::MustNot;
            } else if self.skip("+") {
                occurrence = Occurrence::Must;
            }
            self.skip_space();
            let is_required = joins == Some(Occurrence::Must);
            if is_required
                && let Some((before, _)) = parts.last_mut()
                && *before == Occurrence::May
            {
                *before = Occurrence::Must;
            }
            self.clauses += 1;
            if self.clauses > MAX_CLAUSES {
                return Err(self.wrong(&format!("there are more than {MAX_CLAUSES} clauses")));
            }
            let clause = self.clause(field)?;
            parts.push((occurrence, self.boosted(clause)?));
        }
    }

    fn boosted(&mut self, clause: Condition) -> Result<Condition> {
        if !self.skip("^") {
            return Ok(clause);
        }
        #[allow(clippy::cast_possible_truncation)]
        let factor = self
            .number()?
            .ok_or_else(|| self.wrong("'^' needs a number"))? as f32;
        Ok(Condition::Boost(Box::new(clause), factor))
    }

    fn number(&mut self) -> Result<Option<f64>> {
        let rest = self.rest();
        let length = rest
            .find(|it: char| !(it.is_ascii_digit() || it == '.'))
            .unwrap_or(rest.len());
        if length == 0 {
            return Ok(None);
        }
        let number = nearest_double(&rest[..length]);
        let number = number.ok_or_else(|| self.wrong("a number must stand here"))?;
        self.at += length;
        Ok(Some(number))
    }

    fn clause(&mut self, field: &Path) -> Result<Condition> {
        if self.skip("*:*") {
            return Ok(Condition::All);
        }
        match self.peek() {
            Some('(') => self.group(field),
            Some('"') => self.phrase(field),
            Some('[' | '{') => self.range(field),
            _ => self.word(field),
        }
    }

    fn group(&mut self, field: &Path) -> Result<Condition> {
        if self.nesting == MAX_NESTING {
            return Err(self.wrong(&format!("it nests deeper than {MAX_NESTING} levels")));
        }
        self.at += 1;
        self.nesting += 1;
        let inner = self.clauses(field)?;
        self.nesting -= 1;
        if !self.skip(")") {
            return Err(self.wrong("a parenthesis is not closed"));
        }
        Ok(inner)
    }

    fn phrase(&mut self, field: &Path) -> Result<Condition> {
        self.at += 1;
        let text = self.until('"')?;
        let proximity = if self.skip("~") {
            let distance = self.number()?.unwrap_or(0.0);
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            Some(distance as u32)
        } else {
            None
        };
        let shown = if proximity.is_some() {
            text
        } else {
            format!("\"{text}\"")
        };
        Ok(self.search(field, shown, None, proximity))
    }

    fn until(&mut self, end: char) -> Result<String> {
        let rest = self.rest();
        let Some(length) = rest.find(end) else {
            return Err(self.wrong(&format!("expected {end}")));
        };
        self.at += length + end.len_utf8();
        Ok(rest[..length].to_owned())
    }

    /// `[a TO b]` with its ends, `{a TO b}` without; `*` for none.
    fn range(&mut self, field: &Path) -> Result<Condition> {
        let from_included = self.peek() == Some('[');
        self.at += 1;
        let rest = self.rest();
        let Some(length) = rest.find([']', '}']) else {
            return Err(self.wrong("a range is not closed"));
        };
        let to_included = rest[length..].starts_with(']');
        let Some((from, to)) = rest[..length].split_once(" TO ") else {
            return Err(self.wrong("a range is written [from TO to]"));
        };
        self.at += length + 1;
        let bound = |text: &str, included: bool| {
            let text = text.trim().trim_matches('"');
            let value = match Number::parse(text) {
                Some(number) => FieldValue::Number(number),
                None => FieldValue::Text(text.to_owned()),
            };
            (text != "*").then_some((value, included))
        };
        let (from, to) = (bound(from, from_included), bound(to, to_included));
        let field = self.lowering.field(field, FieldKind::Default);
        Ok(self.lowering.leaf(match (&from, &to) {
            (None, None) => Leaf::Exists { name: field.name },
            _ => Leaf::Between { field, from, to },
        }))
    }

    fn word(&mut self, field: &Path) -> Result<Condition> {
        const ENDS: &str = " \t\r\n()\"[]{}^~:";
        let mut word = String::new();
        let mut characters = self.rest().char_indices();
        let mut length = self.rest().len();
        while let Some((at, c)) = characters.next() {
            if c == '\\' {
                word.extend(characters.next().map(|(_, escaped)| escaped));
            } else if ENDS.contains(c) {
                length = at;
                break;
            } else {
                word.push(c);
            }
        }
        self.at += length;
        if word.is_empty() {
            return Err(self.wrong("a word must stand here"));
        }
        if self.skip(":") {
            let other = Path::property(word);
            return self.clause(&other);
        }
        if word == "*" {
            let name = self.lowering.field(field, FieldKind::Default).name;
            return Ok(self.lowering.leaf(Leaf::Exists { name }));
        }
        let mut fuzzy = None;
        if self.skip("~") {
            let given = self.number()?.unwrap_or(0.5);
            // A whole number says how many characters may differ.
            #[allow(clippy::cast_precision_loss)]
            let similarity = if given >= 1.0 {
                1.0 - given / word.chars().count().max(1) as f64
            } else {
                given
            };
            #[allow(clippy::cast_possible_truncation)]
            let similarity = similarity.clamp(0.0, 1.0) as f32;
            fuzzy = Some(similarity);
        }
        Ok(self.search(field, word, fuzzy, None))
    }

    fn search(
        &mut self,
        field: &Path,
        text: String,
        fuzzy: Option<f32>,
        proximity: Option<u32>,
    ) -> Condition {
        let kind = if fuzzy.is_some() {
            FieldKind::Default
        } else {
            FieldKind::Search
        };
        let name = self.lowering.field(field, kind).name;
        self.lowering.leaf(Leaf::Search(Search {
            name,
            text,
            all: true,
            fuzzy,
            proximity,
        }))
    }
}

fn joined(parts: Vec<(Occurrence, Condition)>) -> Condition {
    let (mut must, mut may, mut not) = (Vec::new(), Vec::new(), Vec::new());
    for (occurrence, condition) in parts {
        match occurrence {
            Occurrence::Must => must.push(condition),
            Occurrence::May => may.push(condition),
            Occurrence::MustNot => not.push(Condition::Not(Box::new(condition))),
        }
    }
    // Where something must hold, what may hold changes nothing.
    let mut all = match (must.is_empty(), may.is_empty()) {
        (false, _) => must,
        (true, false) => vec![Condition::Or(may)],
        // What only says what is not wanted finds nothing.
        (true, true) => return Condition::Nothing,
    };
    all.extend(not);
    match all.len() {
        1 => all.remove(0),
        _ => Condition::And(all),
    }
}
