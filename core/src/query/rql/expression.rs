//! Conditions and operands: a Pratt parser, and the check of what may stand where.

use std::str::FromStr;

use super::ast::{Call, Comparison, Expression, ExpressionKind, Literal};
use super::error::{Result, SyntaxError};
use super::lexer::TokenKind;
use super::method::{Argument, Method, Place, Signature, UNSUPPORTED, find, names_at};
use super::parser::{CLAUSE_WORDS, Parser};
use super::path::{Path, Segment};
use crate::document::nearest_double;

/// How tightly operators bind; comparisons are read together with their left side.
const OR: u8 = 1;
const AND: u8 = 2;
const NOT: u8 = 3;

impl Parser<'_> {
    pub(super) fn condition_clause(&mut self, clause: &'static str) -> Result<Expression> {
        if matches!(self.token.kind, TokenKind::End) {
            let error = self.unexpected(&format!("after '{clause}'"));
            return Err(error.expecting(&["a condition"]));
        }
        self.condition(0)
    }

    /// A condition whose operators bind tighter than `binding`.
    fn condition(&mut self, binding: u8) -> Result<Expression> {
        let mut left = self.nested(Self::condition_start)?;
        loop {
            let (own, is_and) = if self.is_word("and") {
                (AND, true)
            } else if self.is_word("or") {
                (OR, false)
            } else {
                return Ok(left);
            };
            if own <= binding {
                return Ok(left);
            }
            self.advance()?;
            let right = self.condition(own)?;
            left = join(left, right, is_and);
        }
    }

    fn condition_start(&mut self) -> Result<Expression> {
        let start = self.token.span.start;
        if self.skip_word("not")? {
            let inner = self.condition(NOT)?;
            return Ok(Expression {
                kind: ExpressionKind::Not(Box::new(inner)),
                span: self.span_from(start),
            });
        }
        if self.skip_sign("(")? {
            let inner = self.condition(0)?;
            self.expect_sign(")", "after the condition")?;
            return Ok(Expression {
                span: self.span_from(start),
                ..inner
            });
        }
        let left = self.any_operand(&[Place::Condition, Place::Operand])?;
        self.comparison(left)
    }

    /// What follows the left side of a comparison; a condition by itself is followed by nothing.
    fn comparison(&mut self, left: Expression) -> Result<Expression> {
        let start = left.span.start;
        let kind = if let Some(comparison) = self.comparison_sign() {
            self.advance()?;
            let right = self.any_operand(&[Place::Operand])?;
            compare(comparison, left, right)?
        } else if self.skip_word("between")? {
            let value = field_side(left)?;
            let from = self.value("after 'between'")?;
            self.expect_word("and", "after the smallest value of 'between'")?;
            let to = self.value("after 'and' of 'between'")?;
            ExpressionKind::Between {
                value: Box::new(value),
                from: Box::new(from),
                to: Box::new(to),
            }
        } else if self.is_word("in") || self.is_word("all") {
            let all = self.skip_word("all")?;
            self.expect_word("in", "after 'all'")?;
            ExpressionKind::In {
                value: Box::new(field_side(left)?),
                list: self.list()?,
                all,
            }
        } else {
            return self.lone_condition(left);
        };
        Ok(Expression {
            kind,
            span: self.span_from(start),
        })
    }

    fn comparison_sign(&self) -> Option<Comparison> {
        let TokenKind::Sign(sign) = self.token.kind else {
            return None;
        };
        Some(match sign {
            "=" | "==" => Comparison::Equal,
            "!=" | "<>" => Comparison::NotEqual,
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::Greater,
            ">=" => Comparison::GreaterOrEqual,
            _ => return None,
        })
    }

    /// `('a', $b, 3)`, or one value without parentheses.
    fn list(&mut self) -> Result<Vec<Expression>> {
        if !self.skip_sign("(")? {
            return Ok(vec![self.value("after 'in'")?]);
        }
        let mut list = Vec::new();
        if self.skip_sign(")")? {
            return Ok(list);
        }
        loop {
            list.push(self.value("in the list")?);
            if !self.skip_sign(",")? {
                self.expect_sign(")", "after the list")?;
                return Ok(list);
            }
        }
    }

    /// Checks that an operand without an operator after it is a condition by itself.
    fn lone_condition(&self, operand: Expression) -> Result<Expression> {
        let is_condition = match &operand.kind {
            ExpressionKind::Literal(Literal::Bool(_)) => true,
            ExpressionKind::Call(call) if call.method == Method::Declared => true,
            ExpressionKind::Call(call) => {
                find(&call.name).is_some_and(|it| it.places.contains(&Place::Condition))
            }
            _ => false,
        };
        if is_condition {
            return Ok(operand);
        }
        let expected = &["an operator such as '='", "'in'", "'between'"];
        let error = self
            .unexpected("after what is compared")
            .expecting(expected);
        Err(self.suggesting(error, &["between", "in", "all"]))
    }

    fn value(&mut self, place: &str) -> Result<Expression> {
        let is_value = match self.token.kind {
            TokenKind::Text(_) | TokenKind::Number(_) | TokenKind::Parameter(_) => true,
            TokenKind::Word(word) => constant(word).is_some(),
            _ => false,
        };
        if !is_value {
            return Err(self
                .unexpected(place)
                .expecting(&["a value", "a parameter"]));
        }
        self.any_operand(&[Place::Operand])
    }

    /// A field, value or call that may stand at `place`. Where no value can stand, text in quotes
    /// is a field.
    pub(super) fn operand(&mut self, place: Place) -> Result<Expression> {
        let operand = self.any_operand(&[place])?;
        let texts_are_fields = matches!(
            place,
            Place::OrderBy | Place::GroupBy | Place::Select | Place::Include
        );
        Ok(if texts_are_fields {
            self.text_as_field(operand)
        } else {
            operand
        })
    }

    fn text_as_field(&self, operand: Expression) -> Expression {
        match operand.kind {
            ExpressionKind::Literal(Literal::Text(name)) => Expression {
                kind: ExpressionKind::Field(quoted_path(&name)),
                span: operand.span,
            },
            _ => operand,
        }
    }

    fn any_operand(&mut self, places: &[Place]) -> Result<Expression> {
        let start = self.token.span.start;
        let kind = match self.token.kind.clone() {
            TokenKind::Number(number) => {
                self.advance()?;
                ExpressionKind::Literal(number_literal(number))
            }
            TokenKind::Parameter(name) => {
                self.advance()?;
                ExpressionKind::Parameter(name.to_owned())
            }
            TokenKind::Text(text) => {
                let goes_on = matches!(self.peek_second()?.kind, TokenKind::Sign("." | "["));
                if goes_on {
                    ExpressionKind::Field(self.path()?)
                } else {
                    self.advance()?;
                    ExpressionKind::Literal(Literal::Text(text.into_owned()))
                }
            }
            TokenKind::Word(word) => return self.word_operand(word, places),
            _ => return Err(self.nothing_to_compare()),
        };
        Ok(Expression {
            kind,
            span: self.span_from(start),
        })
    }

    fn word_operand(&mut self, word: &str, places: &[Place]) -> Result<Expression> {
        let start = self.token.span.start;
        let next = self.peek_second()?.kind;
        let kind = if let Some(constant) = constant(word)
            && !matches!(next, TokenKind::Sign("." | "[" | "("))
        {
            self.advance()?;
            ExpressionKind::Literal(constant)
        } else if CLAUSE_WORDS.iter().any(|it| word.eq_ignore_ascii_case(it))
            && !matches!(next, TokenKind::Sign(sign) if sign != ";")
        {
            return Err(self.nothing_to_compare());
        } else {
            let path = self.path()?;
            if self.is_sign("(") {
                let name = path.to_string();
                return self.call(&name, start, places);
            }
            ExpressionKind::Field(path)
        };
        Ok(Expression {
            kind,
            span: self.span_from(start),
        })
    }

    fn nothing_to_compare(&self) -> SyntaxError {
        self.unexpected("where a field, a value or a method should stand")
    }

    /// A path; the source's alias is taken off, a loaded document's noted.
    pub(super) fn path(&mut self) -> Result<Path> {
        let mut path = Path::default();
        let mut quoted = Vec::new();
        loop {
            quoted.push(matches!(self.token.kind, TokenKind::Text(_)));
            let name = self.name("a field's name", "where a field should stand")?;
            path.segments.push(Segment::Property(name));
            while self.skip_sign("[")? {
                path.segments.push(self.index()?);
                self.expect_sign("]", "after '['")?;
            }
            if !self.skip_sign(".")? {
                break;
            }
        }
        path.quoted = quoted == [true] && path.segments.len() == 1;
        if quoted[0] || self.is_sign("(") {
            return Ok(path);
        }
        if let Some(Segment::Property(first)) = path.segments.first() {
            if self.alias.as_ref() == Some(first) {
                path.segments.remove(0);
            } else if self.loaded.contains(first) {
                path.loaded = Some(first.clone());
                path.segments.remove(0);
            }
        }
        Ok(path)
    }

    fn index(&mut self) -> Result<Segment> {
        let TokenKind::Number(number) = self.token.kind else {
            return Ok(Segment::Each);
        };
        let Ok(index) = number.parse() else {
            return Err(self.error(format!("{number} is no position in an array")));
        };
        self.advance()?;
        Ok(Segment::At(index))
    }

    /// A call; its name has been taken and `(` is next.
    fn call(&mut self, name: &str, start: usize, places: &[Place]) -> Result<Expression> {
        let name_span = start..self.last_end;
        let may_be_declared =
            places == [Place::Select] || self.is_in_filter && places.contains(&Place::Condition);
        if may_be_declared && self.functions.iter().any(|it| it == name) {
            return self.declared_call(name, start);
        }
        let Some(signature) = find(name) else {
            return Err(self.unknown_method(name, name_span, places));
        };
        if !signature.places.iter().any(|it| places.contains(it)) {
            let place = places.last().map_or("here", |it| it.describe());
            let message = format!("{}() cannot stand {place}", signature.name);
            return Err(SyntaxError::new(name_span, message));
        }
        let arguments = self.nested(|parser| parser.arguments(signature))?;
        Ok(Expression {
            kind: ExpressionKind::Call(Call {
                method: signature.method,
                name: signature.name.to_owned(),
                arguments,
            }),
            span: self.span_from(start),
        })
    }

    fn unknown_method(&self, name: &str, span: super::Span, places: &[Place]) -> SyntaxError {
        if let Some(unsupported) = UNSUPPORTED.iter().find(|it| it.eq_ignore_ascii_case(name)) {
            return SyntaxError::new(span, format!("{unsupported}() is not supported"));
        }
        if self.functions.iter().any(|it| it == name) {
            let message = format!(
                "the declared function '{name}' can be called in 'select', and as a condition of \
                 'filter'"
            );
            return SyntaxError::new(span, message);
        }
        let mut known: Vec<&str> = self.functions.iter().map(String::as_str).collect();
        for name in places.iter().flat_map(|place| names_at(*place)) {
            known.push(name);
        }
        SyntaxError::new(span, format!("there is no method '{name}'")).suggest(name, known)
    }

    /// A call of a declared function: fields and values as they come, all JavaScript to it.
    fn declared_call(&mut self, name: &str, start: usize) -> Result<Expression> {
        self.expect_sign("(", "after the function's name")?;
        let mut arguments = Vec::new();
        while !self.is_sign(")") {
            arguments.push(self.nested(|parser| parser.any_operand(&[Place::Select]))?);
            if !self.skip_sign(",")? {
                break;
            }
        }
        self.expect_sign(")", "after the arguments")?;
        Ok(Expression {
            kind: ExpressionKind::Call(Call {
                method: Method::Declared,
                name: name.to_owned(),
                arguments,
            }),
            span: self.span_from(start),
        })
    }

    fn arguments(&mut self, signature: &Signature) -> Result<Vec<Expression>> {
        let name = signature.name;
        self.expect_sign("(", "after the method's name")?;
        let mut arguments = Vec::new();
        while !self.is_sign(")") {
            let kind = match signature.arguments.get(arguments.len()) {
                Some(kind) => *kind,
                None if signature.repeats => *signature.arguments.last().expect("it repeats"),
                None => return Err(self.error(format!("{name}() takes no argument here"))),
            };
            arguments.push(self.argument(kind, name)?);
            if !self.skip_sign(",")? {
                break;
            }
        }
        if arguments.len() < signature.required {
            let message = format!(
                "{name}() takes at least {} arguments, and here are {}",
                signature.required,
                arguments.len()
            );
            return Err(self.error(message));
        }
        self.expect_sign(")", &format!("in the arguments of {name}()"))?;
        Ok(arguments)
    }

    fn argument(&mut self, kind: Argument, name: &str) -> Result<Expression> {
        match kind {
            Argument::Condition => self.condition(0),
            Argument::ConditionOrValue => self.condition_or_value(),
            Argument::Operator => self.operator_word(name),
            Argument::Value => self.value(&format!("in the arguments of {name}()")),
            Argument::FieldOrValue => self.any_operand(&[]),
            Argument::FacetPart => self.facet_part(),
            Argument::Field | Argument::FieldOrId | Argument::Shape => {
                let places: &[Place] = match kind {
                    Argument::Field => &[],
                    Argument::FieldOrId => &[Place::Operand],
                    _ => &[Place::Shape],
                };
                let operand = self.any_operand(places)?;
                let operand = self.text_as_field(operand);
                let fits = match &operand.kind {
                    ExpressionKind::Field(_) => true,
                    ExpressionKind::Call(call) => {
                        kind == Argument::Shape || call.method == Method::Id
                    }
                    _ => false,
                };
                if fits {
                    return Ok(operand);
                }
                let expected: &[&str] = if kind == Argument::Shape {
                    &["a field", "a shape such as spatial.circle()"]
                } else {
                    &["a field"]
                };
                let message = format!("this cannot be an argument of {name}()");
                Err(SyntaxError::new(operand.span, message).expecting(expected))
            }
        }
    }

    fn condition_or_value(&mut self) -> Result<Expression> {
        let ends = matches!(self.peek_second()?.kind, TokenKind::Sign("," | ")"));
        let is_value = matches!(
            self.token.kind,
            TokenKind::Parameter(_) | TokenKind::Text(_)
        );
        if ends && is_value {
            return self.any_operand(&[]);
        }
        self.condition(0)
    }

    fn operator_word(&mut self, name: &str) -> Result<Expression> {
        let start = self.token.span.start;
        for word in ["and", "or"] {
            if self.skip_word(word)? {
                return Ok(Expression {
                    kind: ExpressionKind::Literal(Literal::Text(word.to_owned())),
                    span: self.span_from(start),
                });
            }
        }
        let place = format!("in the arguments of {name}()");
        Err(self.unexpected(&place).expecting(&["'and'", "'or'"]))
    }

    /// A field, a range, an aggregation with an optional name, options, or `id('setup')`.
    fn facet_part(&mut self) -> Result<Expression> {
        let start = self.token.span.start;
        let first = self.any_operand(&[Place::InFacet])?;
        let is_range = self.comparison_sign().is_some() || self.is_word("between");
        if is_range {
            let mut range = self.comparison(first)?;
            while self.skip_word("and")? {
                let right = self.nested(Self::condition_start)?;
                range = join(range, right, true);
            }
            // Clients find a range's values by its text.
            let span = range.span.clone();
            let name = self.text[span.clone()].to_owned();
            return Ok(Expression {
                kind: ExpressionKind::Named {
                    value: Box::new(range),
                    name,
                },
                span,
            });
        }
        let first = match &first.kind {
            ExpressionKind::Literal(Literal::Text(_)) => self.text_as_field(first),
            _ => first,
        };
        if !self.skip_word("as")? {
            return Ok(first);
        }
        let name = self.name("a name", "after 'as'")?;
        Ok(Expression {
            kind: ExpressionKind::Named {
                value: Box::new(first),
                name,
            },
            span: self.span_from(start),
        })
    }
}

/// Joins two conditions; chains of one operator stay flat.
fn join(left: Expression, right: Expression, is_and: bool) -> Expression {
    let span = left.span.start..right.span.end;
    let flat = |side: Expression| match (side.kind, is_and) {
        (ExpressionKind::And(inner), true) | (ExpressionKind::Or(inner), false) => inner,
        (kind, _) => vec![Expression {
            kind,
            span: side.span,
        }],
    };
    let mut all = flat(left);
    all.extend(flat(right));
    let kind = if is_and {
        ExpressionKind::And(all)
    } else {
        ExpressionKind::Or(all)
    };
    Expression { kind, span }
}

fn compare(comparison: Comparison, left: Expression, right: Expression) -> Result<ExpressionKind> {
    let has_value = |it: &Expression| {
        matches!(
            it.kind,
            ExpressionKind::Literal(_) | ExpressionKind::Parameter(_)
        )
    };
    let (comparison, left, right) = match (has_value(&left), has_value(&right)) {
        (_, true) => (comparison, left, right),
        (true, false) => (comparison.mirrored(), right, left),
        (false, false) => {
            let message = "a field is compared with a value, not with another field";
            return Err(
                SyntaxError::new(right.span, message).expecting(&["a value", "a parameter"])
            );
        }
    };
    Ok(ExpressionKind::Compare {
        comparison,
        left: Box::new(field_side(left)?),
        right: Box::new(right),
    })
}

/// The side of a comparison that is no value: a field, also one in quotes, or a call.
fn field_side(side: Expression) -> Result<Expression> {
    match side.kind {
        ExpressionKind::Literal(Literal::Text(name)) => Ok(Expression {
            kind: ExpressionKind::Field(quoted_path(&name)),
            span: side.span,
        }),
        ExpressionKind::Field(_) => Ok(side),
        ExpressionKind::Call(ref call)
            if find(&call.name).is_some_and(|it| it.places.contains(&Place::Operand)) =>
        {
            Ok(side)
        }
        _ => {
            Err(SyntaxError::new(side.span, "this cannot be compared")
                .expecting(&["a field", "id()"]))
        }
    }
}

fn quoted_path(name: &str) -> Path {
    Path {
        quoted: true,
        ..Path::property(name)
    }
}

fn constant(word: &str) -> Option<Literal> {
    if word.eq_ignore_ascii_case("true") {
        Some(Literal::Bool(true))
    } else if word.eq_ignore_ascii_case("false") {
        Some(Literal::Bool(false))
    } else if word.eq_ignore_ascii_case("null") {
        Some(Literal::Null)
    } else {
        None
    }
}

fn number_literal(text: &str) -> Literal {
    let digits = text.replace('_', "");
    match i64::from_str(&digits) {
        Ok(whole) => Literal::Long(whole),
        // The lexer lets only numbers through, and every one of them has a nearest double.
        Err(_) => Literal::Double(nearest_double(&digits).expect("the lexer checked the form")),
    }
}
