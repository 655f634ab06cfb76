//! The tree that both languages are translated into.

use super::builtin::Builtin;
use super::value::Value;
use crate::query::rql::Span;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    JavaScript,
    CSharp,
}

/// A translated function.
#[derive(Debug, Clone, PartialEq)]
pub struct Formula {
    /// How many variables it has, parameters first.
    pub(super) variables: usize,
    /// The body.
    pub(super) body: Block,
    /// It may ask for other documents.
    pub(super) loads: bool,
    /// Its language, whose rules it is evaluated by.
    pub(super) dialect: Dialect,
}

impl Formula {
    /// Whether it may ask for other documents.
    pub fn loads(&self) -> bool {
        self.loads
    }

    /// Whether its language tells integers from other numbers, so that its results must too.
    pub fn is_typed(&self) -> bool {
        self.dialect == Dialect::CSharp
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
    /// A member by a pattern, which nothing does not have.
    Part(Box<Expression>, String),
    Index(Box<Expression>, Box<Expression>),
    /// `a?.b.c`: the value `a`, the variable it becomes, and what follows unless it is nothing.
    Optional(Box<Expression>, usize, Box<Expression>),
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
    /// C#'s: whole numbers divide to whole numbers. This and the next are null where a side is.
    DivideWhole,
    /// C#'s, also of dates.
    Difference,
    /// C#'s.
    Product,
    /// C#'s.
    Rest,
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
