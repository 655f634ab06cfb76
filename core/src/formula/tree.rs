//! The tree that both languages are translated into.

use super::builtin::Builtin;
use super::value::Value;
use crate::query::rql::Span;

/// A translated function.
#[derive(Debug, Clone, PartialEq)]
pub struct Formula {
    /// How many variables it has, parameters first.
    pub(super) variables: usize,
    /// The body.
    pub(super) body: Block,
    /// It may ask for other documents.
    pub(super) loads: bool,
}

impl Formula {
    /// Whether it may ask for other documents.
    pub fn loads(&self) -> bool {
        self.loads
    }
}

/// Statements in order; without a `return` the result is undefined.
pub(super) type Block = Vec<Statement>;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Statement {
    Let(usize, Expression),
    If(Expression, Block, Block),
    Return(Expression),
}

/// A function as an argument.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lambda {
    /// The variable of each parameter.
    pub(super) parameters: Vec<usize>,
    pub(super) body: Block,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Expression {
    pub(super) node: Node,
    pub(super) span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Constant(Value<'static>),
    Variable(usize),
    Member(Box<Expression>, String),
    Index(Box<Expression>, Box<Expression>),
    Unary(Unary, Box<Expression>),
    Binary(Binary, Box<Expression>, Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    Coalesce(Box<Expression>, Box<Expression>),
    Conditional(Box<Expression>, Box<Expression>, Box<Expression>),
    /// Items; `true` for those that are spread.
    Array(Vec<(Expression, bool)>),
    Object(Vec<Member>),
    /// Texts joined: of a template.
    Join(Vec<Expression>),
    Call(Builtin, Vec<Argument>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Member {
    Named(String, Expression),
    Computed(Expression, Expression),
    Spread(Expression),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Argument {
    Value(Expression),
    Lambda(Lambda),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unary {
    Not,
    Minus,
    Plus,
    TypeOf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    /// C#'s: whole numbers divide to whole numbers.
    DivideWhole,
    Remainder,
    Power,
    Equal,
    NotEqual,
    SameAs,
    NotSameAs,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Calls `found` with every call in a block, wherever it stands.
fn calls_in<'t>(block: &'t Block, found: &mut dyn FnMut(Builtin, &'t [Argument])) {
    for statement in block {
        match statement {
            Statement::Let(_, value) | Statement::Return(value) => calls_of(value, found),
            Statement::If(condition, yes, no) => {
                calls_of(condition, found);
                calls_in(yes, found);
                calls_in(no, found);
            }
        }
    }
}

fn calls_of<'t>(expression: &'t Expression, found: &mut dyn FnMut(Builtin, &'t [Argument])) {
    match &expression.node {
        Node::Constant(_) | Node::Variable(_) => {}
        Node::Member(inner, _) | Node::Unary(_, inner) => calls_of(inner, found),
        Node::Index(a, b)
        | Node::Binary(_, a, b)
        | Node::And(a, b)
        | Node::Or(a, b)
        | Node::Coalesce(a, b) => {
            calls_of(a, found);
            calls_of(b, found);
        }
        Node::Conditional(a, b, c) => [a, b, c].into_iter().for_each(|it| calls_of(it, found)),
        Node::Array(items) => items.iter().for_each(|(it, _)| calls_of(it, found)),
        Node::Join(parts) => parts.iter().for_each(|it| calls_of(it, found)),
        Node::Object(members) => {
            for member in members {
                match member {
                    Member::Named(_, value) | Member::Spread(value) => calls_of(value, found),
                    Member::Computed(name, value) => {
                        calls_of(name, found);
                        calls_of(value, found);
                    }
                }
            }
        }
        Node::Call(builtin, arguments) => {
            found(*builtin, arguments);
            for argument in arguments {
                match argument {
                    Argument::Value(value) => calls_of(value, found),
                    Argument::Lambda(lambda) => calls_in(&lambda.body, found),
                }
            }
        }
    }
}

impl Formula {
    /// The collections that documents are loaded from; `None` when the text does not name one.
    pub fn loaded_collections(&self) -> Option<Vec<String>> {
        let mut collections = Some(Vec::new());
        calls_in(&self.body, &mut |builtin, arguments| {
            if !matches!(builtin, Builtin::Load | Builtin::LoadUntracked) {
                return;
            }
            let named = match arguments.get(1) {
                Some(Argument::Value(Expression {
                    node: Node::Constant(Value::Text(name)),
                    ..
                })) => Some(name.as_str().to_owned()),
                _ => None,
            };
            match (&mut collections, named) {
                (Some(all), Some(name)) if !all.contains(&name) => all.push(name),
                (Some(_), Some(_)) => {}
                _ => collections = None,
            }
        });
        collections
    }

    /// Whether it makes spatial fields.
    pub fn makes_shapes(&self) -> bool {
        let mut makes = false;
        calls_in(&self.body, &mut |builtin, _| {
            makes |= builtin == Builtin::CreateSpatialField
        });
        makes
    }
}
