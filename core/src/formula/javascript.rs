//! JavaScript functions: their statements, and the calls that define maps and reduces.

use super::builtin::Builtin;
use super::lexer::TokenKind;
use super::parser::{Parser, Result};
use super::tree::Dialect;
use super::tree::{Argument, Block, Expression, Formula, Node, Statement};
use crate::query::rql::SyntaxError;

impl Parser<'_> {
    /// `{ … }` with declarations, `if` and `return`; everything else is for a script engine.
    pub(super) fn block(&mut self) -> Result<Block> {
        self.expect_sign("{")?;
        let known = self.scope.len();
        let mut block = Block::new();
        while !self.is_sign("}") {
            self.nested(|parser| parser.statement(&mut block))?;
        }
        self.expect_sign("}")?;
        self.scope.truncate(known);
        Ok(block)
    }

    fn statement(&mut self, block: &mut Block) -> Result<()> {
        if self.skip_sign(";") {
            return Ok(());
        }
        let TokenKind::Word(word) = self.token().kind else {
            return Err(self.error("expected a statement"));
        };
        match word {
            "var" if self.branches > 0 => {
                return Err(self.error("a 'var' of the whole function needs a script engine"));
            }
            "const" | "let" | "var" => {
                self.advance();
                loop {
                    let name = self.name()?;
                    self.expect_sign("=")?;
                    let value = self.expression()?;
                    let variable = self.declare(name);
                    block.push(Statement::Let(variable, value));
                    if !self.skip_sign(",") {
                        break;
                    }
                }
            }
            "return" => {
                let end = self.advance().span.end;
                let returns_nothing = self.is_sign(";") || self.is_sign("}");
                if !returns_nothing && self.text[end..self.token().span.start].contains('\n') {
                    return Err(self.error("'return' at a line's end returns nothing"));
                }
                let value = if returns_nothing {
                    self.undefined()
                } else {
                    self.expression()?
                };
                block.push(Statement::Return(value));
            }
            "if" => {
                self.advance();
                self.expect_sign("(")?;
                let condition = self.expression()?;
                self.expect_sign(")")?;
                let yes = self.branch()?;
                let no = if self.skip_word("else") {
                    self.branch()?
                } else {
                    Block::new()
                };
                block.push(Statement::If(condition, yes, no));
                return Ok(());
            }
            _ => return Err(self.error("this statement needs a script engine")),
        }
        if !self.is_sign("}") && !self.skip_sign(";") {
            // A line's end may stand for a semicolon where the next word begins a statement.
            let begins = ["const", "let", "var", "return", "if"];
            if !begins.iter().any(|word| self.is_word(word)) {
                return Err(self.error("expected ';'"));
            }
        }
        Ok(())
    }

    fn branch(&mut self) -> Result<Block> {
        // A lambda in it that does not parse leaves the count as it was inside.
        let open = self.branches;
        self.branches = open + 1;
        let mut block = Block::new();
        let result = if self.is_sign("{") {
            self.block().map(|it| block = it)
        } else {
            self.nested(|parser| parser.statement(&mut block))
        };
        self.branches = open;
        result.map(|()| block)
    }

    /// `target?.…` to the end of the members, which are all left out where the target is nothing.
    pub(super) fn optional(&mut self, target: Expression, steps: usize) -> Result<Expression> {
        self.expect_sign("?.")?;
        let start = target.span.start;
        let variable = self.variables;
        self.variables += 1;
        let held = Expression {
            node: Node::Variable(variable),
            span: target.span.clone(),
        };
        let first = if self.is_sign("[") {
            held
        } else {
            let name = self.name()?;
            let node = if self.is_sign("(") {
                self.method_call(held, name)?
            } else {
                self.member(held, name)?
            };
            let span = start..self.last_end();
            Expression { node, span }
        };
        let rest = self.nested(|parser| parser.members_after(first, steps))?;
        let span = start..self.last_end();
        let node = Node::Optional(Box::new(target), variable, Box::new(rest));
        Ok(Expression { node, span })
    }

    /// Refuses arguments that a JavaScript function is not known to take.
    pub(super) fn check_arguments(&self, builtin: Builtin, arguments: &[Argument]) -> Result<()> {
        if self.dialect == Dialect::CSharp {
            return Ok(());
        }
        let takes = builtin.takes();
        let (is_known, values) = match (arguments, takes.function) {
            ([Argument::Lambda(lambda), rest @ ..], Some(most)) => {
                (lambda.parameters.len() <= most, rest)
            }
            (values, None) => (true, values),
            _ => (false, arguments),
        };
        let are_values = values.iter().all(|it| matches!(it, Argument::Value(_)));
        if is_known && are_values && takes.values.contains(&values.len()) {
            return Ok(());
        }
        Err(SyntaxError::new(
            self.last_end() - 1..self.last_end(),
            "these arguments need a script engine",
        ))
    }

    fn undefined(&self) -> Expression {
        Expression {
            node: Node::Constant(super::Value::Undefined),
            span: self.last_end()..self.last_end(),
        }
    }
}

/// The function `text`, `x => …` or `function (x) { … }`, of one parameter.
pub(super) fn function(text: &str) -> Result<Formula> {
    let mut parser = Parser::new(text, 0..text.len(), Dialect::JavaScript)?;
    let formula = one_function(&mut parser)?;
    parser.skip_sign(";");
    if !parser.is_at_end() {
        return Err(parser.error("expected the end of the function"));
    }
    Ok(formula)
}

fn one_function(parser: &mut Parser<'_>) -> Result<Formula> {
    // The input is variable 0 of every formula.
    parser.variables = 1;
    parser.loads = false;
    let Some(lambda) = parser.lambda_ahead()? else {
        return Err(parser.error("expected a function"));
    };
    let mut body = Block::new();
    if let Some(parameter) = lambda.parameters.first() {
        let span = 0..0;
        let node = Node::Variable(0);
        body.push(Statement::Let(*parameter, Expression { node, span }));
    }
    if lambda.parameters.len() > 1 {
        return Err(parser.error("expected a function of one parameter"));
    }
    body.extend(lambda.body);
    Ok(Formula {
        variables: parser.variables,
        body,
        loads: parser.loads,
        dialect: Dialect::JavaScript,
    })
}

/// Whether a text begins with something else and may still call the function `name`.
pub(super) fn calls_later(text: &str, name: &str) -> bool {
    let begin = beginning(text);
    let mut places = text.match_indices(name);
    places.any(|(at, _)| {
        if at <= begin {
            return false;
        }
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '.');
        let rest = &text[at + name.len()..];
        !text[..at].ends_with(is_part) && rest.trim_start().starts_with('(')
    })
}

/// Where a text begins behind white space and comments.
fn beginning(text: &str) -> usize {
    let mut at = 0;
    loop {
        let rest = &text[at..];
        let comment = rest.trim_start();
        let length = if comment.starts_with("//") {
            comment.find('\n')
        } else if comment.starts_with("/*") {
            comment.find("*/").map(|end| end + 2)
        } else {
            None
        };
        let space = rest.len() - comment.len();
        match length {
            Some(length) => at += space + length,
            None => return at + space,
        }
    }
}

/// What stands in `map('Collection', function)`: the collection, and the function's text.
pub(super) fn map_call(text: &str) -> Result<(String, &str)> {
    let begin = beginning(text);
    let Some(arguments) = text[begin..].strip_prefix("map") else {
        return Err(SyntaxError::new(
            begin..text.len().min(begin + 1),
            "a map begins with map('Collection', …)",
        ));
    };
    let arguments = arguments.trim_start();
    let start = text.len() - arguments.len();
    let quote_at = 1 + arguments
        .get(1..)
        .map_or(0, |it| it.len() - it.trim_start().len());
    let quote = arguments.get(quote_at..).and_then(|it| it.chars().next());
    let Some(quote @ ('\'' | '"' | '`')) = quote.filter(|_| arguments.starts_with('(')) else {
        return Err(SyntaxError::new(
            start..start + 1,
            "map takes a collection's name in quotes",
        ));
    };
    let name = &arguments[quote_at + 1..];
    let Some((name, rest)) = name.split_once(quote) else {
        let at = start + quote_at;
        return Err(SyntaxError::new(
            at..at + 1,
            "the collection's name does not end",
        ));
    };
    let Some(function) = rest.trim_start().strip_prefix(',') else {
        let at = text.len() - rest.len();
        return Err(SyntaxError::new(at..at + 1, "expected ',' and a function"));
    };
    let function = function.trim_end().trim_end_matches(';').trim_end();
    let Some(function) = function.strip_suffix(')') else {
        return Err(SyntaxError::new(
            text.len()..text.len(),
            "expected ')' after the function",
        ));
    };
    Ok((name.to_owned(), function.trim()))
}

/// `groupBy(key).aggregate(function)`: both functions, the second if it is known.
pub(super) fn group_call(text: &str) -> Result<(Formula, Result<Formula>)> {
    let mut parser = Parser::new(text, 0..text.len(), Dialect::JavaScript)?;
    parser.expect_word("groupBy")?;
    parser.expect_sign("(")?;
    let key = one_function(&mut parser)?;
    parser.expect_sign(")")?;
    parser.expect_sign(".")?;
    parser.expect_word("aggregate")?;
    parser.expect_sign("(")?;
    Ok((key, aggregate(&mut parser)))
}

fn aggregate(parser: &mut Parser<'_>) -> Result<Formula> {
    let aggregate = one_function(parser)?;
    parser.expect_sign(")")?;
    parser.skip_sign(";");
    if !parser.is_at_end() {
        return Err(parser.error("expected the end of the reduce"));
    }
    Ok(aggregate)
}

impl Parser<'_> {
    /// C#'s `SelectMany(x => x.Items, (x, item) => …)` as a `SelectMany` of one function.
    pub(super) fn select_many(&mut self, arguments: Vec<Argument>) -> Result<Vec<Argument>> {
        use super::tree::Lambda;
        let error = self.error("expected SelectMany(x => items, (x, item) => value)");
        let mut arguments = arguments.into_iter();
        let (Some(target), Some(Argument::Lambda(items)), Some(Argument::Lambda(value))) =
            (arguments.next(), arguments.next(), arguments.next())
        else {
            return Err(error);
        };
        let ([outer], [outer_again, item], [Statement::Return(list)]) = (
            items.parameters.as_slice(),
            value.parameters.as_slice(),
            items.body.as_slice(),
        ) else {
            return Err(error);
        };
        let span = list.span.clone();
        let node = Node::Variable(*outer);
        let copy = Statement::Let(
            *outer_again,
            Expression {
                node,
                span: span.clone(),
            },
        );
        let inner = Lambda {
            parameters: vec![*item],
            body: value.body,
        };
        let call = Node::Call(
            Builtin::Map,
            vec![Argument::Value(list.clone()), Argument::Lambda(inner)],
        );
        let body = vec![copy, Statement::Return(Expression { node: call, span })];
        let parameters = vec![*outer];
        Ok(vec![target, Argument::Lambda(Lambda { parameters, body })])
    }
}
