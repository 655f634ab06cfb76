//! Expressions of both languages: one Pratt parser, since they differ in words more than in form.
//!
//! Whatever is not understood is an error with its place; nothing is guessed.

use super::builtin::{self, Builtin};
use super::dates;
use super::lexer::{Token, TokenKind, tokens};
use super::tree::{Argument, Binary, Dialect, Expression, Lambda, Member, Node, Statement, Unary};
use super::value::{Number, Value};
use crate::query::rql::{Span, SyntaxError};

pub(super) type Result<T, E = SyntaxError> = std::result::Result<T, E>;

/// How deep expressions may nest.
const MAX_NESTING: usize = 100;

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binding {
    Variable(usize),
    /// A C# group: `g.Key` is one variable, `g` itself another.
    Group {
        key: usize,
        values: usize,
    },
}

pub(super) struct Parser<'a> {
    pub(super) text: &'a str,
    tokens: Vec<Token<'a>>,
    at: usize,
    pub(super) dialect: Dialect,
    pub(super) scope: Vec<(String, Binding)>,
    pub(super) variables: usize,
    pub(super) loads: bool,
    /// How many branches of a statement are open in the innermost function.
    pub(super) branches: usize,
    nesting: usize,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str, part: Span, dialect: Dialect) -> Result<Self> {
        Ok(Self {
            text,
            tokens: tokens(text, part, dialect)?,
            at: 0,
            dialect,
            scope: Vec::new(),
            variables: 0,
            loads: false,
            branches: 0,
            nesting: 0,
        })
    }

    pub(super) fn token(&self) -> &Token<'a> {
        &self.tokens[self.at]
    }

    pub(super) fn kind_at(&self, ahead: usize) -> &TokenKind<'a> {
        let last = self.tokens.len() - 1;
        &self.tokens[(self.at + ahead).min(last)].kind
    }

    pub(super) fn advance(&mut self) -> Token<'a> {
        let token = self.tokens[self.at].clone();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    pub(super) fn last_end(&self) -> usize {
        self.at
            .checked_sub(1)
            .map_or(0, |last| self.tokens[last].span.end)
    }

    pub(super) fn is_sign(&self, sign: &str) -> bool {
        matches!(self.token().kind, TokenKind::Sign(it) if it == sign)
    }

    pub(super) fn is_sign_at(&self, ahead: usize, sign: &str) -> bool {
        matches!(self.kind_at(ahead), TokenKind::Sign(it) if *it == sign)
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        matches!(self.token().kind, TokenKind::Word(it) if it == word)
    }

    pub(super) fn skip_sign(&mut self, sign: &str) -> bool {
        let found = self.is_sign(sign);
        if found {
            self.advance();
        }
        found
    }

    pub(super) fn skip_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.advance();
        }
        found
    }

    pub(super) fn expect_sign(&mut self, sign: &'static str) -> Result<()> {
        if self.skip_sign(sign) {
            return Ok(());
        }
        Err(self.error(format!("expected '{sign}'")))
    }

    pub(super) fn expect_word(&mut self, word: &'static str) -> Result<()> {
        if self.skip_word(word) {
            return Ok(());
        }
        Err(self.error(format!("expected '{word}'")))
    }

    pub(super) fn name(&mut self) -> Result<&'a str> {
        match self.token().kind {
            TokenKind::Word(word) => {
                self.advance();
                Ok(word)
            }
            _ => Err(self.error("expected a name")),
        }
    }

    /// An error at the next token.
    pub(super) fn error(&self, message: impl Into<String>) -> SyntaxError {
        let token = self.token();
        let found = match &token.kind {
            TokenKind::End => ", but the text ends here".to_owned(),
            _ => format!(", found '{}'", &self.text[token.span.clone()]),
        };
        SyntaxError::new(token.span.clone(), message.into() + &found)
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.token().kind == TokenKind::End
    }

    pub(super) fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.nesting == MAX_NESTING {
            return Err(self.error(format!("nested deeper than {MAX_NESTING} levels")));
        }
        self.nesting += 1;
        let result = inner(self);
        self.nesting -= 1;
        result
    }

    pub(super) fn declare(&mut self, name: &str) -> usize {
        let variable = self.variables;
        self.variables += 1;
        self.scope
            .push((name.to_owned(), Binding::Variable(variable)));
        variable
    }

    pub(super) fn lookup(&self, name: &str) -> Option<Binding> {
        let found = self.scope.iter().rev().find(|(it, _)| it == name);
        found.map(|(_, binding)| *binding)
    }

    pub(super) fn expression(&mut self) -> Result<Expression> {
        self.nested(Self::conditional)
    }

    fn conditional(&mut self) -> Result<Expression> {
        let condition = self.binary(0)?;
        if !self.skip_sign("?") {
            return Ok(condition);
        }
        let yes = self.expression()?;
        self.expect_sign(":")?;
        let no = self.expression()?;
        let span = condition.span.start..no.span.end;
        let node = Node::Conditional(Box::new(condition), Box::new(yes), Box::new(no));
        Ok(Expression { node, span })
    }

    fn binary(&mut self, binding: u8) -> Result<Expression> {
        let mut left = self.nested(Self::unary)?;
        let mut joined = 0;
        while let Some((own, operator)) = self.operator_ahead() {
            if own <= binding {
                break;
            }
            // Each operator of a chain makes the tree one deeper.
            joined += 1;
            if operator == "**" && matches!(left.node, Node::Unary(..)) {
                return Err(self.error("a sign before a power needs a script engine"));
            }
            if joined > MAX_NESTING {
                return Err(self.error(format!("more than {MAX_NESTING} operators in a row")));
            }
            self.advance();
            // `**` binds to the right.
            let right = self.binary(if own == POWER { own - 1 } else { own })?;
            let span = left.span.start..right.span.end;
            let (left_box, right_box) = (Box::new(left), Box::new(right));
            let node = match operator {
                "&&" => Node::And(left_box, right_box),
                "||" => Node::Or(left_box, right_box),
                "??" => Node::Coalesce(left_box, right_box),
                sign => Node::Binary(self.binary_operator(sign), left_box, right_box),
            };
            left = Expression { node, span };
        }
        Ok(left)
    }

    fn operator_ahead(&self) -> Option<(u8, &'static str)> {
        let TokenKind::Sign(sign) = self.token().kind else {
            return None;
        };
        let binding = match sign {
            "??" => 1,
            "||" => 2,
            "&&" => 3,
            "==" | "!=" => 4,
            "===" | "!==" if self.dialect == Dialect::JavaScript => 4,
            "<" | "<=" | ">" | ">=" => 5,
            "+" | "-" => 6,
            "*" | "/" | "%" => 7,
            "**" if self.dialect == Dialect::JavaScript => POWER,
            _ => return None,
        };
        Some((binding, sign))
    }

    fn binary_operator(&self, sign: &str) -> Binary {
        let is_csharp = self.dialect == Dialect::CSharp;
        match sign {
            "+" => Binary::Add,
            "-" if is_csharp => Binary::Difference,
            "-" => Binary::Subtract,
            "*" if is_csharp => Binary::Product,
            "*" => Binary::Multiply,
            "/" if is_csharp => Binary::DivideWhole,
            "/" => Binary::Divide,
            "%" if is_csharp => Binary::Rest,
            "%" => Binary::Remainder,
            "**" => Binary::Power,
            "==" => Binary::Equal,
            "!=" => Binary::NotEqual,
            "===" => Binary::SameAs,
            "!==" => Binary::NotSameAs,
            "<" => Binary::Less,
            "<=" => Binary::LessOrEqual,
            ">" => Binary::Greater,
            _ => Binary::GreaterOrEqual,
        }
    }

    fn unary(&mut self) -> Result<Expression> {
        let start = self.token().span.start;
        let is_javascript = self.dialect == Dialect::JavaScript;
        let operator = match self.token().kind {
            TokenKind::Sign("!") => Unary::Not,
            TokenKind::Sign("-") => Unary::Minus,
            TokenKind::Sign("+") => Unary::Plus,
            TokenKind::Word("typeof") if is_javascript => Unary::TypeOf,
            _ => {
                if !is_javascript && let Some(cast) = self.cast()? {
                    return Ok(cast);
                }
                return self.postfix();
            }
        };
        self.advance();
        let inner = self.nested(Self::unary)?;
        Ok(Expression {
            span: start..inner.span.end,
            node: Node::Unary(operator, Box::new(inner)),
        })
    }

    /// C#'s `(double?)value`.
    fn cast(&mut self) -> Result<Option<Expression>> {
        const TYPES: [(&str, Builtin); 14] = [
            ("double", Builtin::ToDouble),
            ("decimal", Builtin::ToDouble),
            ("float", Builtin::ToDouble),
            ("int", Builtin::ToInteger),
            ("long", Builtin::ToInteger),
            ("short", Builtin::ToInteger),
            ("byte", Builtin::ToInteger),
            ("string", Builtin::Same),
            ("bool", Builtin::Same),
            ("object", Builtin::Same),
            ("dynamic", Builtin::Same),
            ("DateTime", Builtin::Same),
            ("DateTimeOffset", Builtin::Same),
            ("Guid", Builtin::Same),
        ];
        let TokenKind::Word(word) = self.kind_at(1) else {
            return Ok(None);
        };
        let Some((_, builtin)) = TYPES.iter().find(|(name, _)| name == word) else {
            return Ok(None);
        };
        let optional = usize::from(self.is_sign_at(2, "?"));
        if !self.is_sign("(") || !self.is_sign_at(2 + optional, ")") {
            return Ok(None);
        }
        let start = self.token().span.start;
        for _ in 0..3 + optional {
            self.advance();
        }
        let inner = self.nested(Self::unary)?;
        let span = start..inner.span.end;
        let node = Node::Call(*builtin, vec![Argument::Value(inner)]);
        Ok(Some(Expression { node, span }))
    }

    fn postfix(&mut self) -> Result<Expression> {
        let target = self.primary()?;
        self.members_of(target)
    }

    /// The members, indexes and calls that follow `target`.
    pub(super) fn members_of(&mut self, target: Expression) -> Result<Expression> {
        self.members_after(target, 0)
    }

    /// The same, after so many members.
    pub(super) fn members_after(
        &mut self,
        mut target: Expression,
        mut steps: usize,
    ) -> Result<Expression> {
        loop {
            steps += 1;
            if steps > MAX_NESTING {
                return Err(self.error(format!("more than {MAX_NESTING} members in a row")));
            }
            let start = target.span.start;
            let node = if self.skip_sign("[") {
                let index = self.expression()?;
                self.expect_sign("]")?;
                match index.node {
                    Node::Constant(Value::Text(name)) => self.member(target, name.as_str())?,
                    _ => Node::Index(Box::new(target), Box::new(index)),
                }
            } else if self.is_sign("?.") && self.dialect == Dialect::JavaScript {
                return self.optional(target, steps);
            } else if self.is_sign(".") || self.is_sign("?.") {
                self.advance();
                if self.is_sign("[") || self.is_sign("(") {
                    continue;
                }
                let name = self.name()?;
                self.skip_type_arguments();
                if self.is_sign("(") {
                    self.method_call(target, name)?
                } else {
                    self.member(target, name)?
                }
            } else {
                return Ok(target);
            };
            let span = start..self.last_end();
            target = Expression { node, span };
        }
    }

    pub(super) fn member(&self, target: Expression, name: &str) -> Result<Node> {
        if self.dialect == Dialect::JavaScript && builtin::is_javascript_member(name) {
            return Err(SyntaxError::new(
                self.last_end() - 1..self.last_end(),
                format!("'{name}' as a value needs a script engine"),
            ));
        }
        Ok(Node::Member(Box::new(target), name.to_owned()))
    }

    pub(super) fn method_call(&mut self, target: Expression, name: &str) -> Result<Node> {
        let Some(method) = builtin::method(self.dialect, name) else {
            let error = SyntaxError::new(
                self.last_end() - name.len()..self.last_end(),
                format!("the method {name}() is not known here"),
            );
            let known = builtin::methods(self.dialect);
            return Err(error.suggest(name, known.iter().map(|(name, _)| *name)));
        };
        let mut arguments = vec![Argument::Value(target)];
        arguments.extend(self.arguments()?);
        self.check_arguments(method, &arguments[1..])?;
        if method == Builtin::ToText
            && self.dialect == Dialect::CSharp
            && let [_, Argument::Value(format)] = arguments.as_slice()
        {
            check_format(format)?;
            return Ok(Node::Call(Builtin::FormatOne, arguments));
        }
        if method == Builtin::FlatMap && arguments.len() == 3 {
            arguments = self.select_many(arguments)?;
        }
        Ok(Node::Call(method, arguments))
    }

    /// Skips `<Type>` before a call's parenthesis.
    fn skip_type_arguments(&mut self) {
        if self.dialect != Dialect::CSharp || !self.is_sign("<") {
            return;
        }
        let mut ahead = 1;
        while matches!(
            self.kind_at(ahead),
            TokenKind::Word(_) | TokenKind::Sign("." | "," | "?")
        ) {
            ahead += 1;
        }
        if self.is_sign_at(ahead, ">") && self.is_sign_at(ahead + 1, "(") {
            for _ in 0..=ahead {
                self.advance();
            }
        }
    }

    pub(super) fn arguments(&mut self) -> Result<Vec<Argument>> {
        self.expect_sign("(")?;
        let mut arguments = Vec::new();
        while !self.is_sign(")") {
            arguments.push(self.argument()?);
            if !self.skip_sign(",") {
                break;
            }
        }
        self.expect_sign(")")?;
        Ok(arguments)
    }

    fn argument(&mut self) -> Result<Argument> {
        if let Some(lambda) = self.nested(Self::lambda_ahead)? {
            return Ok(Argument::Lambda(lambda));
        }
        if self.dialect == Dialect::CSharp
            && let Some(lambda) = self.cast_lambda()?
        {
            return Ok(Argument::Lambda(lambda));
        }
        self.expression().map(Argument::Value)
    }

    /// C#'s `(Func<dynamic, dynamic>)(x => …)`, alone or in parentheses of its own, as clients
    /// write typed lambdas.
    fn cast_lambda(&mut self) -> Result<Option<Lambda>> {
        let is_wrapped = self.is_sign("(") && self.is_sign_at(1, "(");
        let depth = 1 + usize::from(is_wrapped);
        let is_cast = self.is_sign("(") && *self.kind_at(depth) == TokenKind::Word("Func");
        if !is_cast {
            return Ok(None);
        }
        for _ in 0..depth {
            self.advance();
        }
        while !self.is_sign(")") {
            if self.is_at_end() {
                return Err(self.error("expected ')'"));
            }
            self.advance();
        }
        self.advance();
        self.expect_sign("(")?;
        let lambda = self.nested(Self::lambda_ahead)?;
        for _ in 0..depth {
            self.expect_sign(")")?;
        }
        lambda
            .map(Some)
            .ok_or_else(|| self.error("expected a lambda"))
    }

    /// A lambda, if one is next.
    pub(super) fn lambda_ahead(&mut self) -> Result<Option<Lambda>> {
        let is_single = matches!(self.kind_at(0), TokenKind::Word(_)) && self.is_sign_at(1, "=>");
        let is_function = self.dialect == Dialect::JavaScript && self.is_word("function");
        if !(is_single || is_function || self.is_arrow_in_parentheses()) {
            return Ok(None);
        }
        let known = self.scope.len();
        let branches = std::mem::take(&mut self.branches);
        let lambda = if is_function {
            self.advance();
            if !self.is_sign("(") {
                self.name()?;
            }
            let (parameters, mut body) = self.parameters()?;
            body.extend(self.block()?);
            Lambda { parameters, body }
        } else {
            let (parameters, mut body) = if is_single {
                let name = self.name()?;
                (vec![self.declare(name)], Vec::new())
            } else {
                self.parameters()?
            };
            self.expect_sign("=>")?;
            if self.is_sign("{") && self.dialect == Dialect::JavaScript {
                body.extend(self.block()?);
            } else {
                body.push(Statement::Return(self.expression()?));
            }
            Lambda { parameters, body }
        };
        self.scope.truncate(known);
        self.branches = branches;
        Ok(Some(lambda))
    }

    fn is_arrow_in_parentheses(&self) -> bool {
        if !self.is_sign("(") {
            return false;
        }
        let mut open = 0;
        let mut ahead = 0;
        loop {
            match self.kind_at(ahead) {
                TokenKind::Sign("(") => open += 1,
                TokenKind::Sign(")") => open -= 1,
                TokenKind::Word(_) | TokenKind::Sign("," | "{" | "}") => {}
                _ => return false,
            }
            ahead += 1;
            if open == 0 {
                return self.is_sign_at(ahead, "=>");
            }
        }
    }

    /// `(a, { b, c })`; what a pattern takes apart becomes statements.
    fn parameters(&mut self) -> Result<(Vec<usize>, Vec<Statement>)> {
        self.expect_sign("(")?;
        let (mut parameters, mut taken_apart) = (Vec::new(), Vec::new());
        while !self.is_sign(")") {
            let start = self.token().span.start;
            if self.skip_sign("{") {
                let whole = self.declare("");
                parameters.push(whole);
                while !self.is_sign("}") {
                    let name = self.name()?;
                    let variable = self.declare(name);
                    let span = start..self.last_end();
                    let target = Expression {
                        node: Node::Variable(whole),
                        span: span.clone(),
                    };
                    let node = Node::Part(Box::new(target), name.to_owned());
                    taken_apart.push(Statement::Let(variable, Expression { node, span }));
                    if !self.skip_sign(",") {
                        break;
                    }
                }
                self.expect_sign("}")?;
            } else {
                let name = self.name()?;
                parameters.push(self.declare(name));
            }
            if !self.skip_sign(",") {
                break;
            }
        }
        self.expect_sign(")")?;
        Ok((parameters, taken_apart))
    }

    fn primary(&mut self) -> Result<Expression> {
        let token = self.token().clone();
        let start = token.span.start;
        let node = match token.kind {
            TokenKind::Number(number) => {
                self.advance();
                Node::Constant(Value::Number(number))
            }
            TokenKind::Text(text) => {
                self.advance();
                Node::Constant(Value::text(text))
            }
            TokenKind::Template(texts, holes) => {
                self.advance();
                self.template(texts, holes)?
            }
            TokenKind::Sign("(") => {
                self.advance();
                let inner = self.expression()?;
                self.expect_sign(")")?;
                return Ok(inner);
            }
            TokenKind::Sign("[") if self.dialect == Dialect::JavaScript => {
                self.advance();
                Node::Array(self.items("]")?)
            }
            TokenKind::Sign("{") if self.dialect == Dialect::JavaScript => self.object_literal()?,
            TokenKind::Word(word) => self.word(word)?,
            _ => return Err(self.error("expected an expression")),
        };
        let span = start..self.last_end();
        Ok(Expression { node, span })
    }

    fn template(&mut self, texts: Vec<String>, holes: Vec<Span>) -> Result<Node> {
        let mut parts = Vec::new();
        let mut holes = holes.into_iter();
        for text in texts {
            let span = self.last_end()..self.last_end();
            let node = Node::Constant(Value::text(text));
            parts.push(Expression { node, span });
            let Some(hole) = holes.next() else { break };
            // The same parser goes on inside, so that its scope holds there.
            let outer = std::mem::replace(&mut self.tokens, tokens(self.text, hole, self.dialect)?);
            let outer_at = std::mem::take(&mut self.at);
            let inner = self.expression();
            let ends = self.is_at_end();
            let error = self.error("expected the end of the expression");
            self.tokens = outer;
            self.at = outer_at;
            parts.push(inner?);
            if !ends {
                return Err(error);
            }
        }
        Ok(Node::Join(parts))
    }

    pub(super) fn items(&mut self, end: &'static str) -> Result<Vec<(Expression, bool)>> {
        let mut items = Vec::new();
        while !self.is_sign(end) {
            let is_spread = self.dialect == Dialect::JavaScript && self.skip_sign("...");
            items.push((self.expression()?, is_spread));
            if !self.skip_sign(",") {
                break;
            }
        }
        self.expect_sign(end)?;
        Ok(items)
    }

    fn object_literal(&mut self) -> Result<Node> {
        self.expect_sign("{")?;
        let mut members = Vec::new();
        while !self.is_sign("}") {
            members.push(self.object_member()?);
            if !self.skip_sign(",") {
                break;
            }
        }
        self.expect_sign("}")?;
        Ok(Node::Object(members))
    }

    fn object_member(&mut self) -> Result<Member> {
        if self.skip_sign("...") {
            return self.expression().map(Member::Spread);
        }
        if self.skip_sign("[") {
            let name = self.expression()?;
            self.expect_sign("]")?;
            self.expect_sign(":")?;
            return Ok(Member::Computed(name, self.expression()?));
        }
        let token = self.token().clone();
        let name = match token.kind {
            TokenKind::Word(word) => word.to_owned(),
            TokenKind::Text(text) => text,
            TokenKind::Number(number) => super::json::number_text(number),
            _ => return Err(self.error("expected a member's name")),
        };
        if name == "__proto__" {
            return Err(self.error("this member needs a script engine"));
        }
        self.advance();
        if self.skip_sign(":") {
            return Ok(Member::Named(name, self.expression()?));
        }
        let Some(Binding::Variable(variable)) = self.lookup(&name) else {
            return Err(self.error("expected ':'"));
        };
        let node = Node::Variable(variable);
        let span = token.span;
        Ok(Member::Named(name, Expression { node, span }))
    }

    fn word(&mut self, word: &'a str) -> Result<Node> {
        if let Some(binding) = self.lookup(word) {
            self.advance();
            return Ok(self.bound(binding));
        }
        let constant = match word {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            "null" => Some(Value::Null),
            "undefined" if self.dialect == Dialect::JavaScript => Some(Value::Undefined),
            "NaN" if self.dialect == Dialect::JavaScript => {
                Some(Value::Number(Number::Double(f64::NAN)))
            }
            _ => None,
        };
        if let Some(constant) = constant {
            self.advance();
            return Ok(Node::Constant(constant));
        }
        if word == "new" && self.dialect == Dialect::CSharp {
            return self.csharp_new();
        }
        self.function_call()
    }

    fn bound(&mut self, binding: Binding) -> Node {
        match binding {
            Binding::Variable(variable) => Node::Variable(variable),
            Binding::Group { key, values } => {
                let is_key = self.is_sign(".") && matches!(self.kind_at(1), TokenKind::Word("Key"));
                if !is_key {
                    return Node::Variable(values);
                }
                self.advance();
                self.advance();
                Node::Variable(key)
            }
        }
    }

    /// `name(…)` or `Math.name(…)`.
    fn function_call(&mut self) -> Result<Node> {
        let start = self.token().span.start;
        let mut name = self.name()?.to_owned();
        while self.is_sign(".") && matches!(self.kind_at(1), TokenKind::Word(_)) {
            self.advance();
            name.push('.');
            name.push_str(self.name()?);
        }
        self.skip_type_arguments();
        let span = start..self.last_end();
        if self.dialect == Dialect::CSharp
            && matches!(name.as_str(), "string.Empty" | "String.Empty")
        {
            return Ok(Node::Constant(Value::text("")));
        }
        let Some(builtin) = builtin::function(self.dialect, &name) else {
            return Err(SyntaxError::new(
                span,
                format!("'{name}' is not known here"),
            ));
        };
        if !self.is_sign("(") {
            return Err(self.error(format!("expected '(' after '{name}'")));
        }
        self.loads |= matches!(builtin, Builtin::Load | Builtin::LoadUntracked);
        let arguments = self.arguments()?;
        self.check_arguments(builtin, &arguments)?;
        Ok(Node::Call(builtin, arguments))
    }
}

const POWER: u8 = 8;

/// A format must be known before the first value is written in it.
fn check_format(format: &Expression) -> Result<()> {
    let is_known = match &format.node {
        Node::Constant(Value::Text(text)) => dates::Format::parse(text.as_str()).is_some(),
        _ => false,
    };
    if is_known {
        return Ok(());
    }
    Err(SyntaxError::new(
        format.span.clone(),
        "this format is not supported: formats are like \"0.00\", \"F2\", \"D5\" or \"yyyy-MM-dd HH:mm\"",
    ))
}
