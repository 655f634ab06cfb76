//! Which members of its document a JavaScript function asks for, when its text shows all of them.
//!
//! A script engine need not be handed what a function does not look at. Whatever is not plainly
//! the member of a name, `document.Name`, counts as a look at everything.

use std::collections::BTreeSet;

/// What every object has without being asked, through which a function may see the whole.
const OF_ALL_OBJECTS: [&str; 7] = [
    "constructor",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "toLocaleString",
    "toString",
    "valueOf",
];
/// Functions of indexes that look at nothing but a document's metadata.
const OF_METADATA: [&str; 2] = ["id", "getMetadata"];
const METADATA: &str = "@metadata";

/// The members of its only parameter that the function `text` can see; `None` when that may be any.
///
/// ```
/// use pinyon_core::formula::members_read;
/// let read = members_read("o => { for (const l of o.Lines) f(l); return { A: o.A?.B } }").unwrap();
/// assert_eq!(read.into_iter().collect::<Vec<_>>(), ["A", "Lines"]);
/// assert!(members_read("o => ({ ...o })").is_none());
/// ```
pub fn members_read(text: &str) -> Option<BTreeSet<String>> {
    let tokens = Scanner::new(text).tokens()?;
    let (parameter, first) = parameter_of(&tokens)?;
    if tokens[0] == Token::Word("function") && !is_one_block(&tokens[first..]) {
        return None;
    }
    let mut names = BTreeSet::new();
    for at in first..tokens.len() {
        let Token::Word(word) = tokens[at] else {
            continue;
        };
        let (before, after) = (tokens[at - 1], tokens.get(at + 1).copied());
        if is_member_sign(before) {
            continue;
        }
        if ["arguments", "eval", "with"].contains(&word) {
            return None;
        }
        if OF_METADATA.contains(&word) {
            let is_key = after == Some(Token::Sign(":"))
                && matches!(before, Token::Sign("{") | Token::Sign(","));
            let makes_function = matches!(before, Token::Word("function") | Token::Sign("*"));
            let is_call = after == Some(Token::Sign("(")) && !makes_function;
            // Else it may be another function of that name.
            if !is_key && !is_call {
                return None;
            }
        }
        if word != parameter {
            continue;
        }
        match (after?, tokens.get(at + 2)) {
            (sign, Some(Token::Word(name))) if is_member_sign(sign) => {
                if name.starts_with("__") || OF_ALL_OBJECTS.contains(name) {
                    return None;
                }
                names.insert((*name).to_owned());
            }
            (Token::Sign(")"), _) if before == Token::Sign("(") => match tokens[..at - 1] {
                [.., earlier, Token::Word(function)]
                    if OF_METADATA.contains(&function) && !is_member_sign(earlier) =>
                {
                    names.insert(METADATA.to_owned());
                }
                _ => return None,
            },
            _ => return None,
        }
    }
    Some(names)
}

/// Whether nothing stands behind the block that `tokens` begin with: a function that is called at once
/// makes another one.
fn is_one_block(tokens: &[Token<'_>]) -> bool {
    let mut depth = 0;
    let end = tokens.iter().position(|token| {
        match token {
            Token::Sign("{") => depth += 1,
            Token::Sign("}") => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    end.is_some_and(|end| end + 1 == tokens.len())
}

fn is_member_sign(token: Token<'_>) -> bool {
    matches!(token, Token::Sign("." | "?."))
}

/// The name of the only parameter, and where its scope begins.
fn parameter_of<'a>(tokens: &[Token<'a>]) -> Option<(&'a str, usize)> {
    use Token::{Sign, Word};
    match tokens {
        [Word(name), Sign("="), Sign(">"), ..] => Some((name, 3)),
        [Sign("("), Word(name), Sign(")"), Sign("="), Sign(">"), ..] => Some((name, 5)),
        [Word("function"), Sign("("), Word(name), Sign(")"), ..] => Some((name, 4)),
        [
            Word("function"),
            Word(_),
            Sign("("),
            Word(name),
            Sign(")"),
            ..,
        ] => Some((name, 5)),
        _ => None,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Sign(&'a str),
    /// A text, number or regular expression.
    Value,
}

/// Cuts JavaScript into tokens, or gives up.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
    tokens: Vec<Token<'a>>,
    /// Open braces; whether each is one of a template.
    braces: Vec<bool>,
}

fn is_word_part(c: char) -> bool {
    let is_space = c.is_whitespace() || c == '\u{feff}';
    c.is_alphanumeric() || matches!(c, '_' | '$') || !c.is_ascii() && !is_space
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            tokens: Vec::new(),
            braces: Vec::new(),
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn tokens(mut self) -> Option<Vec<Token<'a>>> {
        // Comments of pages, which scripts have too.
        if self.text.contains("<!--") || self.text.contains("-->") {
            return None;
        }
        while let Some(c) = self.rest().chars().next() {
            match c {
                c if c.is_whitespace() || c == '\u{feff}' => self.at += c.len_utf8(),
                '/' if self.rest().starts_with("//") => {
                    let line = |c| matches!(c, '\n' | '\r' | '\u{2028}' | '\u{2029}');
                    self.at += self.rest().find(line).unwrap_or(self.rest().len());
                }
                '/' if self.rest().starts_with("/*") => {
                    self.at += 2 + self.rest()[2..].find("*/")? + 2;
                }
                '/' if self.begins_expression()? => self.skip_expression()?,
                '"' | '\'' => self.skip_text(c)?,
                '`' => {
                    self.at += 1;
                    self.tokens.push(Token::Value);
                    self.skip_template()?;
                }
                c if c.is_ascii_digit() => {
                    let is_part = |c: char| is_word_part(c) || c == '.';
                    self.at += self
                        .rest()
                        .find(|c| !is_part(c))
                        .unwrap_or(self.rest().len());
                    self.tokens.push(Token::Value);
                }
                c if is_word_part(c) => {
                    let rest = self.rest();
                    let length = rest.find(|c| !is_word_part(c)).unwrap_or(rest.len());
                    self.at += length;
                    self.tokens.push(Token::Word(&rest[..length]));
                }
                // Words may be written with escapes, and names may be private.
                '\\' | '#' => return None,
                _ => self.push_sign(c)?,
            }
        }
        Some(self.tokens)
    }

    fn push_sign(&mut self, c: char) -> Option<()> {
        let rest = self.rest();
        let length = if rest.starts_with("...") {
            3
        } else if rest.starts_with("?.") && !rest[2..].starts_with(|c: char| c.is_ascii_digit()) {
            2
        } else {
            c.len_utf8()
        };
        self.at += length;
        self.tokens.push(Token::Sign(&rest[..length]));
        match c {
            '{' => self.braces.push(false),
            '}' if self.braces.pop()? => self.skip_template()?,
            _ => {}
        }
        Some(())
    }

    /// Whether a `/` begins a regular expression; `None` where that is not plain to see.
    fn begins_expression(&self) -> Option<bool> {
        match self.tokens.last()? {
            Token::Value | Token::Sign("]") => Some(false),
            // A member may have any name.
            Token::Word("return") => match self.tokens[..self.tokens.len() - 1].last() {
                Some(before) if is_member_sign(*before) => None,
                _ => Some(true),
            },
            Token::Word(word) => {
                const BEFORE: [&str; 13] = [
                    "await",
                    "case",
                    "delete",
                    "do",
                    "else",
                    "in",
                    "instanceof",
                    "new",
                    "of",
                    "throw",
                    "typeof",
                    "void",
                    "yield",
                ];
                (!BEFORE.contains(word)).then_some(false)
            }
            Token::Sign(")" | "}" | "+" | "-") => None,
            Token::Sign(_) => Some(true),
        }
    }

    fn skip_expression(&mut self) -> Option<()> {
        let mut is_class = false;
        let mut places = self.rest().char_indices().skip(1);
        let end = loop {
            match places.next()? {
                (_, '\\') => drop(places.next()?),
                (_, '\n' | '\r' | '\u{2028}' | '\u{2029}') => return None,
                (_, '[') => is_class = true,
                (_, ']') => is_class = false,
                (place, '/') if !is_class => break place + 1,
                _ => {}
            }
        };
        self.at += end;
        let flags = self.rest();
        self.at += flags.find(|c| !is_word_part(c)).unwrap_or(flags.len());
        self.tokens.push(Token::Value);
        Some(())
    }

    fn skip_text(&mut self, quote: char) -> Option<()> {
        let mut places = self.rest().char_indices().skip(1);
        loop {
            match places.next()? {
                (_, '\\') => drop(places.next()?),
                (_, '\n' | '\r') => return None,
                (place, c) if c == quote => {
                    self.at += place + 1;
                    self.tokens.push(Token::Value);
                    return Some(());
                }
                _ => {}
            }
        }
    }

    /// Skips the text of a template up to its end or the next expression in it.
    fn skip_template(&mut self) -> Option<()> {
        let rest = self.rest();
        let mut places = rest.char_indices();
        loop {
            match places.next()? {
                (_, '\\') => drop(places.next()?),
                (place, '`') => {
                    self.at += place + 1;
                    // What follows a template follows a value.
                    self.tokens.push(Token::Value);
                    return Some(());
                }
                (place, '$') if rest[place + 1..].starts_with('{') => {
                    self.at += place + 2;
                    self.tokens.push(Token::Sign("{"));
                    self.braces.push(true);
                    return Some(());
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::members_read;

    fn read(text: &str) -> Option<Vec<String>> {
        members_read(text).map(|names| names.into_iter().collect())
    }

    #[test]
    fn members_are_found_where_they_are_all_that_is_seen() {
        for (text, names) in [
            ("o => 1", vec![]),
            ("o => ({ A: o.A, B: o . B.C[o.D] })", vec!["A", "B", "D"]),
            ("function (o) { return o?.A }", vec!["A"]),
            ("function map(o) { return x.o.B + map(o.A) }", vec!["A"]),
            ("(o) => { o.A = 1; delete o.B; return o.A }", vec!["A", "B"]),
            (
                "o => `${ o.A } o ${ `${o.B}` } o` + 'o' + /* o */ o.C // o",
                vec!["A", "B", "C"],
            ),
            (r#"o => [/["'`o/]o\//g, o.A / 2 / o.B]"#, vec!["A", "B"]),
            (
                "o => ({ id: id(o), m: getMetadata(o).x, o2: o.A })",
                vec!["@metadata", "A"],
            ),
            ("o => ({ 'o': 1.5e3, ä: o.ä })", vec!["ä"]),
            ("o => o\u{feff}.A", vec!["A"]),
            (
                "function (o) { if (o.A) { return /o/.test(o.B) } }",
                vec!["A", "B"],
            ),
        ] {
            let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
            assert_eq!(read(text), Some(names), "{text}");
        }
    }

    #[test]
    fn anything_else_may_see_all() {
        for text in [
            "",
            "f",
            "({ A }) => A",
            "(o, i) => o.A",
            "async o => o.A",
            "async (o) => o.A",
            "function* (o) { yield o.A }",
            "function (o) { return d => ({ V: d.A }) }({})",
            "function (o) { return o.return / o.price / 100 }",
            "o => { function* id(x) { yield x.A } return [...id(o)] }",
            "(o = 1) => o.A",
            "(...o) => o.A",
            "o => o",
            "o => ({ o })",
            "o => ({ ...o })",
            "o => o['A']",
            "o => o?.['A']",
            "o => f(o)",
            "o => x.id(o)",
            "o => { const id = x => x.A; return id(o) }",
            "o => { function id(x) { return x.A } return id(o) }",
            "o => [o].map(id => id(o.A))",
            "o => { for (const n in o) f(n) }",
            "o => { o = 1; return o.A }",
            "o => o.valueOf()",
            "o => o.__proto__",
            "o => o.constructor.keys",
            "function (o) { return arguments[0] }",
            "o => eval('o')",
            "o => `${o}`",
            r#"o => { if (1) /"/.test(f(o)) ; return /"/ }"#,
            r"o => \u006f",
            "o => 'unfinished",
            "o => (o.A) /2/ o",
            "o => o.#A",
            "o => { <!-- o\n }",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
