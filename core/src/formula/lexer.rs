//! Cuts JavaScript and C# into tokens, as far as formulas need them.

use super::javascript_values;
use super::tree::Dialect;
use super::value::Number;
use crate::query::rql::{Span, SyntaxError};

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token<'a> {
    pub(super) kind: TokenKind<'a>,
    pub(super) span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum TokenKind<'a> {
    Word(&'a str),
    Text(String),
    /// The texts of a template and, between them, where its expressions stand.
    Template(Vec<String>, Vec<Span>),
    Number(Number),
    Sign(&'static str),
    End,
}

/// Longest first.
const SIGNS: [&str; 50] = [
    ">>>=", "...", "===", "!==", "**=", "<<=", ">>=", ">>>", "&&=", "||=", "??=", "=>", "==", "!=",
    "<=", ">=", "&&", "||", "??", "?.", "**", "++", "--", "+=", "-=", "*=", "/=", "%=", "<<", ">>",
    "(", ")", "[", "]", "{", "}", ",", ";", ":", "?", ".", "+", "-", "*", "/", "%", "<", ">", "=",
    "!",
];

pub(super) fn tokens(
    text: &str,
    from: Span,
    dialect: Dialect,
) -> Result<Vec<Token<'_>>, SyntaxError> {
    let mut lexer = Lexer {
        text: &text[..from.end],
        at: from.start,
        dialect,
    };
    let mut tokens = Vec::new();
    loop {
        let token = lexer.next()?;
        let ends = token.kind == TokenKind::End;
        tokens.push(token);
        if ends {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    dialect: Dialect,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn error(&self, start: usize, message: &str) -> SyntaxError {
        SyntaxError::new(start..self.text.len().min(start + 1), message)
    }

    fn next(&mut self) -> Result<Token<'a>, SyntaxError> {
        self.skip_space()?;
        let start = self.at;
        let rest = self.rest();
        let kind = match rest.chars().next() {
            None => TokenKind::End,
            Some('@') if self.dialect == Dialect::CSharp && rest[1..].starts_with('"') => {
                self.at += 1;
                TokenKind::Text(self.read_verbatim(start)?)
            }
            Some('@') if self.dialect == Dialect::CSharp => {
                self.at += 1;
                TokenKind::Word(self.read_word(start)?)
            }
            Some(quote @ ('"' | '\'')) => TokenKind::Text(self.read_text(quote)?),
            Some('`') if self.dialect == Dialect::JavaScript => self.read_template()?,
            Some('0'..='9') => TokenKind::Number(self.read_number()?),
            Some('.') if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                TokenKind::Number(self.read_number()?)
            }
            Some(c) if c.is_alphabetic() || c == '_' || c == '$' => {
                TokenKind::Word(self.read_word(start)?)
            }
            Some(_) => match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
                Some(sign) => {
                    self.at += sign.len();
                    TokenKind::Sign(sign)
                }
                None => return Err(self.error(start, "this character is not understood")),
            },
        };
        Ok(Token {
            kind,
            span: start..self.at,
        })
    }

    fn skip_space(&mut self) -> Result<(), SyntaxError> {
        loop {
            self.at += self.rest().len() - self.rest().trim_start().len();
            let rest = self.rest();
            if rest.starts_with("//") {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else if rest.starts_with("/*") {
                match rest.find("*/") {
                    Some(end) => self.at += end + 2,
                    None => return Err(self.error(self.at, "the comment does not end")),
                }
            } else {
                return Ok(());
            }
        }
    }

    fn read_word(&mut self, start: usize) -> Result<&'a str, SyntaxError> {
        let rest = self.rest();
        let end = rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'))
            .unwrap_or(rest.len());
        if end == 0 {
            return Err(self.error(start, "this character is not understood"));
        }
        self.at += end;
        Ok(&rest[..end])
    }

    fn read_number(&mut self) -> Result<Number, SyntaxError> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let digits = |mut at: usize| {
            while bytes
                .get(at)
                .is_some_and(|b| b.is_ascii_digit() || *b == b'_')
            {
                at += 1;
            }
            at
        };
        let mut at = digits(start);
        if bytes.get(at) == Some(&b'.') && bytes.get(at + 1).is_some_and(u8::is_ascii_digit) {
            at = digits(at + 1);
        }
        if matches!(bytes.get(at), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
            if bytes.get(at + 1 + sign).is_some_and(u8::is_ascii_digit) {
                at = digits(at + 1 + sign);
            }
        }
        let text = self.text[start..at].replace('_', "");
        if self.dialect == Dialect::CSharp {
            let suffix = matches!(
                bytes.get(at),
                Some(b'd' | b'D' | b'f' | b'F' | b'm' | b'M' | b'l' | b'L')
            );
            at += usize::from(suffix);
        }
        self.at = at;
        let goes_on = self
            .rest()
            .starts_with(|c: char| c.is_alphanumeric() || c == '_');
        let is_javascript = self.dialect == Dialect::JavaScript;
        let is_octal =
            text.len() > 1 && text.starts_with('0') && text.as_bytes()[1].is_ascii_digit();
        match Number::parse(&text) {
            Some(_) if is_javascript && is_octal => {
                Err(self.error(start, "this number is not understood"))
            }
            Some(number) if !goes_on && is_javascript => Ok(javascript_values::known(number)),
            Some(number) if !goes_on => Ok(number),
            _ => Err(self.error(start, "this number is not understood")),
        }
    }

    fn read_text(&mut self, quote: char) -> Result<String, SyntaxError> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            let rest = self.rest();
            let Some(c) = rest.chars().next().filter(|c| *c != '\n') else {
                return Err(self.error(start, "the text does not end"));
            };
            self.at += c.len_utf8();
            match c {
                '\\' => self.read_escape(&mut text)?,
                c if c == quote => return Ok(text),
                c => text.push(c),
            }
        }
    }

    fn is_octal(&self, first: char) -> bool {
        first != '0' || self.rest().starts_with(|c: char| c.is_ascii_digit())
    }

    /// What follows a backslash, which has been taken.
    fn read_escape(&mut self, text: &mut String) -> Result<(), SyntaxError> {
        let start = self.at;
        let Some(c) = self.rest().chars().next() else {
            return Err(self.error(start.saturating_sub(1), "the text does not end"));
        };
        self.at += c.len_utf8();
        match c {
            'n' => text.push('\n'),
            'r' => text.push('\r'),
            't' => text.push('\t'),
            'b' => text.push('\u{8}'),
            'f' => text.push('\u{c}'),
            'v' => text.push('\u{b}'),
            '0'..='9' if self.dialect == Dialect::JavaScript && self.is_octal(c) => {
                return Err(self.error(start, "this escape is not understood"));
            }
            '0' => text.push('\0'),
            '\n' => {}
            'u' | 'x' => {
                let length = if c == 'u' { 4 } else { 2 };
                let code = self
                    .rest()
                    .get(..length)
                    .filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
                let code = code.and_then(|hex| u32::from_str_radix(hex, 16).ok());
                match code.and_then(char::from_u32) {
                    Some(c) => text.push(c),
                    None => return Err(self.error(start, "this escape is not understood")),
                }
                self.at += length;
            }
            c => text.push(c),
        }
        Ok(())
    }

    /// C#'s `@"…"`; the `@` has been taken.
    fn read_verbatim(&mut self, start: usize) -> Result<String, SyntaxError> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let rest = self.rest();
            let Some(end) = rest.find('"') else {
                return Err(self.error(start, "the text does not end"));
            };
            text.push_str(&rest[..end]);
            self.at += end + 1;
            if !self.rest().starts_with('"') {
                return Ok(text);
            }
            text.push('"');
            self.at += 1;
        }
    }

    fn read_template(&mut self) -> Result<TokenKind<'a>, SyntaxError> {
        let start = self.at;
        self.at += 1;
        let (mut texts, mut holes) = (vec![String::new()], Vec::new());
        loop {
            let rest = self.rest();
            let Some(c) = rest.chars().next() else {
                return Err(self.error(start, "the template does not end"));
            };
            let text = texts.last_mut().expect("it begins with one");
            if rest.starts_with("${") {
                let end = crate::query::rql::end_of_block(self.text, self.at + 1)?;
                holes.push(self.at + 2..end - 1);
                texts.push(String::new());
                self.at = end;
                continue;
            }
            self.at += c.len_utf8();
            match c {
                '`' => return Ok(TokenKind::Template(texts, holes)),
                '\\' => {
                    let mut escaped = String::new();
                    self.read_escape(&mut escaped)?;
                    texts
                        .last_mut()
                        .expect("it begins with one")
                        .push_str(&escaped);
                }
                c => text.push(c),
            }
        }
    }
}
