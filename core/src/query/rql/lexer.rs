//! Cuts a query into tokens, one at a time, so that JavaScript can be taken out whole.

use std::borrow::Cow;

use super::Span;
use super::error::{Result, SyntaxError};

/// One token and its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token<'a> {
    pub(super) kind: TokenKind<'a>,
    pub(super) span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum TokenKind<'a> {
    /// A keyword, or a part of a name.
    Word(&'a str),
    /// A text in quotes, without them.
    Text(Cow<'a, str>),
    Number(&'a str),
    /// `$name`, without the dollar.
    Parameter(&'a str),
    /// Punctuation and operators.
    Sign(&'static str),
    End,
}

impl TokenKind<'_> {
    /// The token as error messages call it.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Word(word) => format!("'{word}'"),
            Self::Text(text) => format!("the text '{}'", shorten(text)),
            Self::Number(number) => format!("the number {}", shorten(number)),
            Self::Parameter(name) => format!("'${name}'"),
            Self::Sign(sign) => format!("'{sign}'"),
            Self::End => "the end of the query".to_owned(),
        }
    }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Longest first, so that `<=` is not read as `<`.
const SIGNS: [&str; 19] = [
    "==", "!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", "[", "]", "{", "}", ",", ".", ";", "-",
    "*",
];

#[derive(Debug, Clone)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Goes on from the byte `at`, which must be a boundary of characters.
    pub(super) fn seek(&mut self, at: usize) {
        self.at = at;
    }

    pub(super) fn next(&mut self) -> Result<Token<'a>> {
        self.skip_space()?;
        let start = self.at;
        let rest = &self.text[start..];
        let Some(first) = rest.chars().next() else {
            return Ok(self.token(TokenKind::End, start));
        };
        let kind = match first {
            '\'' | '"' => TokenKind::Text(self.read_text(first)?),
            '$' => TokenKind::Parameter(self.read_parameter()?),
            '0'..='9' => TokenKind::Number(self.read_number()),
            '-' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                TokenKind::Number(self.read_number())
            }
            _ if begins_word(first) => TokenKind::Word(self.read_word()),
            _ => TokenKind::Sign(self.read_sign(first)?),
        };
        Ok(self.token(kind, start))
    }

    fn token(&self, kind: TokenKind<'a>, start: usize) -> Token<'a> {
        Token {
            kind,
            span: start..self.at,
        }
    }

    /// Skips white space and comments: `-- …`, `// …` and `/* … */`.
    fn skip_space(&mut self) -> Result<()> {
        loop {
            let rest = &self.text[self.at..];
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if trimmed.starts_with("--") || trimmed.starts_with("//") {
                self.at += trimmed.find('\n').unwrap_or(trimmed.len());
            } else if trimmed.starts_with("/*") {
                let Some(end) = trimmed.find("*/") else {
                    let span = self.at..self.at + 2;
                    return Err(
                        SyntaxError::new(span, "the comment does not end").expecting(&["'*/'"])
                    );
                };
                self.at += end + 2;
            } else {
                return Ok(());
            }
        }
    }

    /// Reads a text in `quote`s. A quote inside is doubled or follows a backslash; a backslash
    /// before anything else is kept, as in regular expressions.
    fn read_text(&mut self, quote: char) -> Result<Cow<'a, str>> {
        let start = self.at;
        let inside = start + 1;
        let mut text = Cow::Borrowed("");
        let mut kept_from = inside;
        let mut characters = self.text[inside..].char_indices().peekable();
        while let Some((offset, c)) = characters.next() {
            let at = inside + offset;
            let next = characters.peek().map(|(_, c)| *c);
            if c == '\\' && matches!(next, Some('\\' | '\'' | '"'))
                || c == quote && next == Some(quote)
            {
                characters.next();
                text.to_mut().push_str(&self.text[kept_from..at]);
                kept_from = at + 1;
            } else if c == quote {
                self.at = at + 1;
                let tail = &self.text[kept_from..at];
                if text.is_empty() {
                    return Ok(Cow::Borrowed(tail));
                }
                text.to_mut().push_str(tail);
                return Ok(text);
            }
        }
        let span = start..start + 1;
        Err(SyntaxError::new(
            span,
            format!("the text does not end; expected {quote}"),
        ))
    }

    fn read_parameter(&mut self) -> Result<&'a str> {
        let start = self.at + 1;
        let rest = &self.text[start..];
        let length = rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_'))
            .unwrap_or(rest.len());
        if length == 0 {
            let span = self.at..start;
            return Err(SyntaxError::new(
                span,
                "'$' stands without a parameter's name",
            ));
        }
        self.at = start + length;
        Ok(&rest[..length])
    }

    fn read_number(&mut self) -> &'a str {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut at = start + usize::from(bytes[start] == b'-');
        let digits = |mut at: usize| {
            while bytes
                .get(at)
                .is_some_and(|b| b.is_ascii_digit() || *b == b'_')
            {
                at += 1;
            }
            at
        };
        at = digits(at);
        if bytes.get(at) == Some(&b'.') && bytes.get(at + 1).is_some_and(u8::is_ascii_digit) {
            at = digits(at + 1);
        }
        if matches!(bytes.get(at), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
            if bytes.get(at + 1 + sign).is_some_and(u8::is_ascii_digit) {
                at = digits(at + 1 + sign);
            }
        }
        self.at = at;
        &self.text[start..at]
    }

    /// A word goes on over hyphens between its parts, as clients leave such fields unquoted.
    fn read_word(&mut self) -> &'a str {
        let start = self.at;
        let rest = &self.text[start..];
        let mut end = rest.len();
        let mut characters = rest.char_indices().peekable();
        while let Some((offset, c)) = characters.next() {
            let next_goes_on = characters.peek().is_some_and(|(_, next)| in_word(*next));
            if !(in_word(c) || c == '-' && next_goes_on) {
                end = offset;
                break;
            }
        }
        self.at = start + end;
        &rest[..end]
    }

    fn read_sign(&mut self, first: char) -> Result<&'static str> {
        let rest = &self.text[self.at..];
        match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            Some(sign) => {
                self.at += sign.len();
                Ok(sign)
            }
            None => {
                let span = self.at..self.at + first.len_utf8();
                Err(SyntaxError::new(
                    span,
                    format!("'{first}' means nothing here"),
                ))
            }
        }
    }
}

fn begins_word(c: char) -> bool {
    c.is_alphabetic() || c == '_' || c == '@'
}

fn in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '@'
}
