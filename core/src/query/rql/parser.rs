//! The parser's position in the text, and the order of a query's clauses.

use super::ast::{Paging, Query, Source};
use super::error::{Result, SyntaxError};
use super::lexer::{Lexer, Token, TokenKind};
use super::script_text::end_of_block;
use super::{Script, Span};

/// How deep parentheses and calls may nest.
const MAX_NESTING: usize = 128;

/// Words that begin or join clauses, and so cannot be aliases without `as`.
pub(super) const CLAUSE_WORDS: [&str; 14] = [
    "from",
    "as",
    "group",
    "where",
    "filter",
    "order",
    "load",
    "select",
    "update",
    "include",
    "limit",
    "offset",
    "filter_limit",
    "declare",
];

/// Parses a query.
///
/// # Errors
/// The first thing that is wrong, with its place.
///
/// ```
/// let query = pinyon_core::query::rql::parse("from Orders where Freight > $f").unwrap();
/// assert!(query.condition.is_some());
/// let error = pinyon_core::query::rql::parse("from Orders wher Freight > 1").unwrap_err();
/// assert_eq!(error.suggestion.as_deref(), Some("where"));
/// ```
pub fn parse(text: &str) -> Result<Query> {
    let mut parser = Parser::new(text)?;
    let query = parser.query()?;
    parser.skip_sign(";")?;
    match parser.token.kind {
        TokenKind::End => Ok(query),
        _ => Err(parser.unexpected("after the query")),
    }
}

pub(super) struct Parser<'a> {
    pub(super) text: &'a str,
    lexer: Lexer<'a>,
    /// The next token, not yet taken.
    pub(super) token: Token<'a>,
    /// Where the last token that was taken ended.
    pub(super) last_end: usize,
    nesting: usize,
    /// The source's alias, once it is known.
    pub(super) alias: Option<String>,
    /// The aliases of loaded documents, once they are known.
    pub(super) loaded: Vec<String>,
    /// The declared functions' names.
    pub(super) functions: Vec<String>,
    /// Whether conditions may call them.
    pub(super) is_in_filter: bool,
}

/// How far a query has come; no clause may stand before one of a lower rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Source,
    Condition,
    Shape,
    Page,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Result<Self> {
        let mut lexer = Lexer::new(text);
        let token = lexer.next()?;
        Ok(Self {
            text,
            lexer,
            token,
            last_end: 0,
            nesting: 0,
            alias: None,
            loaded: Vec::new(),
            functions: Vec::new(),
            is_in_filter: false,
        })
    }

    fn query(&mut self) -> Result<Query> {
        let functions = self.declared_functions()?;
        let source = self.source_clause()?;
        let mut query = Query {
            functions,
            source,
            alias: self.alias.clone(),
            group_by: Vec::new(),
            condition: None,
            filter: None,
            order_by: Vec::new(),
            load: Vec::new(),
            select: None,
            update: None,
            include: Vec::new(),
            paging: Paging::default(),
        };
        let mut rank = Rank::Source;
        let mut seen: Vec<&'static str> = Vec::new();
        while let Some((word, clause_rank)) = self.clause_ahead() {
            if seen.contains(&word) {
                return Err(self.error(format!("'{word}' stands twice")));
            }
            // Both orders of these two are found in the wild.
            let is_late_filter = word == "filter" && seen.last() == Some(&"include");
            if clause_rank < rank && !is_late_filter {
                let last = seen.last().copied().unwrap_or("from");
                return Err(self.error(format!("'{word}' must stand before '{last}'")));
            }
            seen.push(word);
            rank = rank.max(clause_rank);
            self.clause(word, &mut query)?;
        }
        self.refuse_contradictions(&query)?;
        Ok(query)
    }

    /// The clause that the next token begins.
    fn clause_ahead(&self) -> Option<(&'static str, Rank)> {
        const CLAUSES: [(&str, Rank); 11] = [
            ("group", Rank::Source),
            ("where", Rank::Condition),
            ("filter", Rank::Condition),
            ("order", Rank::Condition),
            ("load", Rank::Condition),
            ("select", Rank::Shape),
            ("update", Rank::Shape),
            ("include", Rank::Shape),
            ("limit", Rank::Page),
            ("offset", Rank::Page),
            ("filter_limit", Rank::Page),
        ];
        let (word, rank) = *CLAUSES.iter().find(|(word, _)| self.is_word(word))?;
        Some((word, rank))
    }

    fn clause(&mut self, word: &'static str, query: &mut Query) -> Result<()> {
        self.advance()?;
        match word {
            "group" => query.group_by = self.group_by_clause()?,
            "where" => query.condition = Some(self.condition_clause("where")?),
            "filter" => {
                self.is_in_filter = true;
                query.filter = Some(self.condition_clause("filter")?);
                self.is_in_filter = false;
            }
            "order" => query.order_by = self.order_by_clause()?,
            "load" => query.load = self.load_clause()?,
            "select" => query.select = Some(self.select_clause()?),
            "update" => query.update = Some(self.script("after 'update'")?),
            "include" => query.include = self.include_clause()?,
            "limit" => self.limit_clause(&mut query.paging)?,
            "offset" => {
                if query.paging.skip.is_some() {
                    return Err(self.error("'limit' already says how many to skip"));
                }
                query.paging.skip = Some(self.page_number("after 'offset'")?);
            }
            _ => query.paging.filter_limit = Some(self.page_number("after 'filter_limit'")?),
        }
        Ok(())
    }

    fn refuse_contradictions(&self, query: &Query) -> Result<()> {
        let whole = 0..self.text.len().min(1);
        if query.update.is_some() && query.select.is_some() {
            return Err(SyntaxError::new(
                whole,
                "a query has 'select' or 'update', not both",
            ));
        }
        let grouped = !query.group_by.is_empty();
        if grouped && query.update.is_some() {
            return Err(SyntaxError::new(
                whole,
                "the results of 'group by' are no documents: they cannot be updated",
            ));
        }
        if grouped && matches!(query.source, Source::Index(_)) {
            return Err(SyntaxError::new(
                whole,
                "'group by' needs a collection; an index groups in its own reduce",
            ));
        }
        Ok(())
    }

    /// Takes the next token.
    pub(super) fn advance(&mut self) -> Result<Token<'a>> {
        self.last_end = self.token.span.end;
        let next = self.lexer.next()?;
        Ok(std::mem::replace(&mut self.token, next))
    }

    /// The token after the next one.
    pub(super) fn peek_second(&self) -> Result<Token<'a>> {
        self.lexer.clone().next()
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        matches!(self.token.kind, TokenKind::Word(it) if it.eq_ignore_ascii_case(word))
    }

    pub(super) fn is_sign(&self, sign: &str) -> bool {
        matches!(self.token.kind, TokenKind::Sign(it) if it == sign)
    }

    pub(super) fn skip_word(&mut self, word: &str) -> Result<bool> {
        let found = self.is_word(word);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    pub(super) fn skip_sign(&mut self, sign: &str) -> Result<bool> {
        let found = self.is_sign(sign);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    pub(super) fn expect_word(&mut self, word: &'static str, place: &str) -> Result<()> {
        if self.skip_word(word)? {
            return Ok(());
        }
        let quoted: &'static [&'static str] = match word {
            "by" => &["'by'"],
            "and" => &["'and'"],
            "in" => &["'in'"],
            "function" => &["'function'"],
            _ => &["'from'"],
        };
        let error = self.unexpected(place).expecting(quoted);
        Err(self.suggesting(error, &[word]))
    }

    pub(super) fn expect_sign(&mut self, sign: &'static str, place: &str) -> Result<()> {
        if self.skip_sign(sign)? {
            return Ok(());
        }
        let quoted: &'static [&'static str] = match sign {
            "(" => &["'('"],
            ")" => &["')'"],
            "]" => &["']'"],
            _ => &["'{'"],
        };
        Err(self.unexpected(place).expecting(quoted))
    }

    /// Takes a name, quoted or not.
    pub(super) fn name(&mut self, what: &'static str, place: &str) -> Result<String> {
        let name = match &self.token.kind {
            TokenKind::Word(word) => (*word).to_owned(),
            TokenKind::Text(text) if !text.is_empty() => text.clone().into_owned(),
            _ => {
                return Err(self
                    .unexpected(place)
                    .expecting(std::slice::from_ref(&what)));
            }
        };
        self.advance()?;
        Ok(name)
    }

    /// Takes a `{ … }` of JavaScript whole.
    pub(super) fn script(&mut self, place: &str) -> Result<Script> {
        if !self.is_sign("{") {
            return Err(self.unexpected(place).expecting(&["'{'"]));
        }
        let start = self.token.span.start;
        let end = end_of_block(self.text, start)?;
        self.go_to(end)?;
        Ok(Script {
            text: self.text[start..end].to_owned(),
            span: start..end,
        })
    }

    /// Goes on after the byte `end`, whatever stood before it.
    pub(super) fn go_to(&mut self, end: usize) -> Result<()> {
        self.lexer.seek(end);
        self.token = self.lexer.next()?;
        self.last_end = end;
        Ok(())
    }

    /// Runs `inner` one level deeper.
    pub(super) fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.nesting == MAX_NESTING {
            return Err(self.error(format!("nested deeper than {MAX_NESTING} levels")));
        }
        self.nesting += 1;
        let result = inner(self);
        self.nesting -= 1;
        result
    }

    pub(super) fn span_from(&self, start: usize) -> Span {
        start..self.last_end.max(start)
    }

    /// An error at the next token.
    pub(super) fn error(&self, message: impl Into<String>) -> SyntaxError {
        SyntaxError::new(self.token.span.clone(), message)
    }

    pub(super) fn unexpected(&self, place: &str) -> SyntaxError {
        self.error(format!("{} {place}", self.token.kind.describe()))
    }

    /// Adds the one of `words` that the next token resembles.
    pub(super) fn suggesting(&self, error: SyntaxError, words: &[&str]) -> SyntaxError {
        match self.token.kind {
            TokenKind::Word(found) => error.suggest(found, words.iter().copied()),
            _ => error,
        }
    }
}
