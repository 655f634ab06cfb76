//! C# index texts: query syntax (`from … select`), method syntax (`docs.C.Select(…)`), and the
//! anonymous objects in both.

use super::builtin::Builtin;
use super::definition::MapSource;
use super::lexer::TokenKind;
use super::parser::{Binding, Parser, Result};
use super::partial_reduce;
use super::tree::Dialect;
use super::tree::{Argument, Block, Expression, Formula, Lambda, Member, Node, Statement};
use crate::query::rql::SyntaxError;

fn variable(variable: usize, at: usize) -> Expression {
    Expression {
        node: Node::Variable(variable),
        span: at..at,
    }
}

impl Parser<'_> {
    /// `new { a.B, C = d }`, `new[] { … }`, `new object[] { … }`; `new` is next.
    pub(super) fn csharp_new(&mut self) -> Result<Node> {
        self.expect_word("new")?;
        let is_typed = matches!(self.token().kind, TokenKind::Word(_));
        if is_typed {
            self.name()?;
            while self.skip_sign(".") {
                self.name()?;
            }
            self.skip_sign("?");
            if self.is_sign("(") && self.is_sign_at(1, ")") {
                self.advance();
                self.advance();
            }
        }
        if self.skip_sign("[") {
            self.expect_sign("]")?;
            self.expect_sign("{")?;
            return Ok(Node::Array(self.items("}")?));
        }
        self.expect_sign("{")?;
        let mut members = Vec::new();
        while !self.is_sign("}") {
            members.push(self.anonymous_member()?);
            if !self.skip_sign(",") {
                break;
            }
        }
        self.expect_sign("}")?;
        Ok(Node::Object(members))
    }

    fn anonymous_member(&mut self) -> Result<Member> {
        if let TokenKind::Word(name) = self.token().kind
            && self.is_sign_at(1, "=")
        {
            self.advance();
            self.advance();
            return Ok(Member::Named(name.to_owned(), self.expression()?));
        }
        let start = self.token().clone();
        let value = self.expression()?;
        let name = match (&value.node, &start.kind) {
            (Node::Member(_, name), _) => name.clone(),
            (Node::Variable(_), TokenKind::Word(word)) => {
                // `g.Key` is a variable too.
                let text = &self.text[value.span.clone()];
                text.rsplit('.').next().unwrap_or(word).trim().to_owned()
            }
            _ => {
                return Err(SyntaxError::new(
                    value.span,
                    "this member needs a name: Name = …",
                ));
            }
        };
        Ok(Member::Named(name, value))
    }

    /// `docs`, `docs.Collection` or `docs["Collection"]`.
    fn source(&mut self) -> Result<MapSource> {
        for word in ["timeSeries", "counters"] {
            if self.is_word(word) {
                return Err(self.error(format!("indexes over {word} are not supported")));
            }
        }
        if self.skip_word("this") {
            self.expect_sign(".")?;
        }
        self.expect_word("docs")?;
        if self.skip_sign("[") {
            let TokenKind::Text(name) = self.token().kind.clone() else {
                return Err(self.error("expected a collection's name in quotes"));
            };
            self.advance();
            self.expect_sign("]")?;
            return Ok(MapSource::Collection(name));
        }
        let names_collection = self.is_sign(".") && !self.is_sign_at(2, "(");
        if !names_collection {
            return Ok(MapSource::AllDocuments);
        }
        self.advance();
        Ok(MapSource::Collection(self.name()?.to_owned()))
    }

    fn end(&mut self) -> Result<()> {
        self.skip_sign(";");
        if self.is_at_end() {
            return Ok(());
        }
        Err(self.error("expected the end of the text"))
    }

    /// What follows the first `from … in …` of a query, to the end; its value is an array.
    fn query_rest(&mut self, in_reduce: bool) -> Result<Block> {
        let at = self.token().span.start;
        if self.skip_word("from") {
            if matches!(self.kind_at(1), TokenKind::Word(word) if *word != "in") {
                // A type stands before the name.
                self.advance();
            }
            let name = self.name()?;
            self.expect_word("in")?;
            let items = self.expression()?;
            let item = self.declare(name);
            let body = self.nested(|parser| parser.query_rest(in_reduce))?;
            let lambda = Lambda {
                parameters: vec![item],
                body,
            };
            let arguments = vec![Argument::Value(items), Argument::Lambda(lambda)];
            return Ok(vec![Statement::Return(Expression {
                node: Node::Call(Builtin::FlatMap, arguments),
                span: at..self.last_end(),
            })]);
        }
        if self.skip_word("let") {
            let name = self.name()?;
            self.expect_sign("=")?;
            let value = self.expression()?;
            let variable = self.declare(name);
            let mut block = vec![Statement::Let(variable, value)];
            block.extend(self.nested(|parser| parser.query_rest(in_reduce))?);
            return Ok(block);
        }
        if self.skip_word("where") {
            let condition = self.expression()?;
            let rest = self.nested(|parser| parser.query_rest(in_reduce))?;
            return Ok(vec![
                Statement::If(condition, rest, Block::new()),
                Statement::Return(Expression {
                    node: Node::Array(Vec::new()),
                    span: at..at,
                }),
            ]);
        }
        if self.skip_word("select") {
            let value = self.expression()?;
            let span = value.span.clone();
            let node = Node::Array(vec![(value, false)]);
            return Ok(vec![Statement::Return(Expression { node, span })]);
        }
        let expected = if in_reduce {
            "expected 'let', 'where' or 'select'"
        } else {
            "expected 'from', 'let', 'where' or 'select'"
        };
        Err(self.error(expected))
    }

    fn formula(&self, body: Block) -> Formula {
        Formula {
            variables: self.variables,
            body,
            loads: self.loads,
            dialect: Dialect::CSharp,
        }
    }
}

/// A map's text: where its documents come from, and what it makes of one: an array of entries.
pub(super) fn map(text: &str) -> Result<(MapSource, Formula)> {
    let mut parser = Parser::new(text, 0..text.len(), Dialect::CSharp)?;
    let (source, body) = if parser.skip_word("from") {
        if matches!(parser.kind_at(1), TokenKind::Word(word) if *word != "in") {
            parser.advance();
        }
        let name = parser.name()?.to_owned();
        parser.expect_word("in")?;
        let source = parser.source()?;
        let input = parser.declare(&name);
        debug_assert_eq!(input, 0, "the input is variable 0");
        if parser.is_sign(".") {
            return Err(parser.error("mixing method calls into the source is not supported"));
        }
        (source, parser.query_rest(false)?)
    } else {
        let source = parser.source()?;
        let input = parser.declare("");
        let at = parser.last_end();
        let one = Expression {
            node: Node::Array(vec![(variable(input, at), false)]),
            span: 0..at,
        };
        if !parser.is_sign(".") {
            return Err(parser.error("expected '.Select(…)'"));
        }
        let value = parser.members_of(one)?;
        refuse_ordered_source(&value)?;
        (source, vec![Statement::Return(value)])
    };
    parser.end()?;
    Ok((source, parser.formula(body)))
}

/// Documents come one by one, so an order or a part of them means nothing.
fn refuse_ordered_source(value: &Expression) -> Result<()> {
    let mut value = value;
    while let Node::Call(builtin, arguments) = &value.node {
        let is_about_all = matches!(
            builtin,
            Builtin::OrderBy | Builtin::OrderByDescending | Builtin::Take | Builtin::Skip
        );
        if is_about_all {
            return Err(SyntaxError::new(
                value.span.clone(),
                "a map sees one document at a time: order and number of documents mean nothing",
            ));
        }
        match arguments.first() {
            Some(Argument::Value(target)) => value = target,
            _ => return Ok(()),
        }
    }
    Ok(())
}

/// A reduce's text: the key of an entry, and what a key's entries become. The aggregate's input
/// is an object with `key` and `values`.
pub(super) fn reduce(text: &str) -> Result<(Formula, Formula)> {
    let mut parser = Parser::new(text, 0..text.len(), Dialect::CSharp)?;
    if parser.skip_word("from") {
        let name = parser.name()?.to_owned();
        parser.expect_word("in")?;
        parser.expect_word("results")?;
        let input = parser.declare(&name);
        parser.expect_word("group")?;
        if !(parser.is_word(&name) && matches!(parser.kind_at(1), TokenKind::Word("by"))) {
            return Err(parser.error(format!("expected '{name} by'")));
        }
        parser.advance();
        parser.expect_word("by")?;
        let key = parser.expression()?;
        debug_assert_eq!(input, 0, "the input is variable 0");
        let key = parser.formula(vec![Statement::Return(key)]);
        parser.expect_word("into")?;
        let group = parser.name()?.to_owned();
        let (values, mut body) = open_group(&mut parser, &group);
        body.extend(parser.query_rest(true)?);
        parser.end()?;
        partial_reduce::check(&body, values)?;
        return Ok((key, parser.formula(body)));
    }
    parser.expect_word("results")?;
    parser.expect_sign(".")?;
    parser.expect_word("GroupBy")?;
    parser.expect_sign("(")?;
    let name = parser.name()?.to_owned();
    parser.expect_sign("=>")?;
    parser.declare(&name);
    let key = parser.expression()?;
    let key = parser.formula(vec![Statement::Return(key)]);
    for sign in [")", "."] {
        parser.expect_sign(sign)?;
    }
    parser.expect_word("Select")?;
    parser.expect_sign("(")?;
    let group = parser.name()?.to_owned();
    parser.expect_sign("=>")?;
    let (values, mut body) = open_group(&mut parser, &group);
    body.push(Statement::Return(parser.expression()?));
    parser.expect_sign(")")?;
    parser.end()?;
    partial_reduce::check(&body, values)?;
    Ok((key, parser.formula(body)))
}

/// Binds `group` to the input of an aggregate; answers the variable of its entries.
fn open_group(parser: &mut Parser<'_>, group: &str) -> (usize, Block) {
    parser.scope.clear();
    let at = parser.last_end();
    let (key, values) = (parser.declare(""), parser.declare(""));
    let binding = Binding::Group { key, values };
    parser.scope.push((group.to_owned(), binding));
    let body = [(key, "key"), (values, "values")].into_iter();
    let body = body
        .map(|(slot, name)| {
            let node = Node::Member(Box::new(variable(0, at)), name.to_owned());
            Statement::Let(slot, Expression { node, span: at..at })
        })
        .collect();
    (values, body)
}
