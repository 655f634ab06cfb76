//! The syntax tree of a query.

use super::{Method, Path, Span};

/// A whole query.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// `declare function …`, in the order they stand.
    pub functions: Vec<Function>,
    /// What is read.
    pub source: Source,
    /// The source's name in the query: `as o`.
    pub alias: Option<String>,
    /// `group by`; empty without one.
    pub group_by: Vec<GroupKey>,
    /// `where`.
    pub condition: Option<Expression>,
    /// `filter`: as `where`, but evaluated over documents that `where` found.
    pub filter: Option<Expression>,
    /// `order by`; empty without one.
    pub order_by: Vec<OrderBy>,
    /// `load`; empty without one.
    pub load: Vec<Load>,
    /// `select`.
    pub select: Option<Select>,
    /// `update { … }`: the script to run over each result.
    pub update: Option<Script>,
    /// `include`: paths and literals of ids, and calls such as `timings()`.
    pub include: Vec<Expression>,
    /// `limit`, `offset` and `filter_limit`.
    pub paging: Paging,
}

/// What a query reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The documents of a collection.
    Collection(String),
    /// `@all_docs`: every document.
    AllDocuments,
    /// The entries of an index.
    Index(String),
}

/// A declared JavaScript function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// All of its text, from `function` to the closing brace.
    pub script: Script,
}

/// JavaScript inside a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The text. Of `update` and of an object literal it includes the braces.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

/// One part of `group by`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupKey {
    /// What is grouped by.
    pub path: Path,
    /// `array(…)`: the whole array is the key, not each of its elements.
    pub whole_array: bool,
    /// Its name in the result.
    pub alias: Option<String>,
    /// Where it stands.
    pub span: Span,
}

/// One part of `order by`.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderBy {
    /// A field, or a call such as `score()`.
    pub value: Expression,
    /// How values compare; `None` when the query does not say.
    pub order_type: Option<OrderType>,
    /// `desc`.
    pub descending: bool,
    /// Where nulls go; `None` when the query does not say.
    pub nulls: Option<NullsOrder>,
}

/// How sorted values compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderType {
    /// As text.
    Text,
    /// As integers.
    Long,
    /// As floating-point numbers.
    Double,
    /// As text in which runs of digits are numbers.
    Alphanumeric,
}

/// Where nulls go in an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are their names")]
pub enum NullsOrder {
    First,
    Last,
}

/// One part of `load`.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    /// The id: a field that holds one or several, a literal or a parameter.
    pub id: Expression,
    /// The loaded document's name in `select`.
    pub alias: String,
    /// `as items[]`: the alias is the array of all documents referred to.
    pub many: bool,
}

/// What results look like.
#[derive(Debug, Clone, PartialEq)]
pub enum Select {
    /// Fields and calls, each under a name.
    Items {
        /// `distinct`.
        distinct: bool,
        /// The items; at least one.
        items: Vec<SelectItem>,
    },
    /// A JavaScript object literal.
    Object {
        /// `distinct`.
        distinct: bool,
        /// The literal with its braces.
        script: Script,
    },
}

/// One item of `select`.
#[derive(Debug, Clone, PartialEq)]
pub struct SelectItem {
    /// A field, a literal, a parameter or a call.
    pub value: Expression,
    /// `as name`.
    pub alias: Option<String>,
}

/// Which page of the results is wanted. Parts are whole numbers or parameters.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Paging {
    /// How many results to skip.
    pub skip: Option<Expression>,
    /// How many to return.
    pub take: Option<Expression>,
    /// After how many documents `filter` stops.
    pub filter_limit: Option<Expression>,
}

/// An expression and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    /// What it is.
    pub kind: ExpressionKind,
    /// Where it stands.
    pub span: Span,
}

/// What an expression is.
///
/// In `where` and `filter`, `And`, `Or`, `Not`, `Compare`, `Between`, `In`, calls of searching
/// methods and a boolean literal stand as conditions; the others as their operands.
#[derive(Debug, Clone, PartialEq)]
pub enum ExpressionKind {
    /// A constant.
    Literal(Literal),
    /// `$name`, without the dollar.
    Parameter(String),
    /// A path into the document, an index entry or a loaded document.
    Field(Path),
    /// A call.
    Call(Call),
    /// `not …`.
    Not(Box<Expression>),
    /// All of at least two.
    And(Vec<Expression>),
    /// Any of at least two.
    Or(Vec<Expression>),
    /// `left operator right`; the field or call stands left, the literal or parameter right.
    Compare {
        /// The operator.
        comparison: Comparison,
        /// A field or a call such as `id()`, `count()`.
        left: Box<Expression>,
        /// A literal or a parameter.
        right: Box<Expression>,
    },
    /// `value between from and to`, both included.
    Between {
        /// A field or call.
        value: Box<Expression>,
        /// The smallest match.
        from: Box<Expression>,
        /// The largest match.
        to: Box<Expression>,
    },
    /// `value in (…)` or `value all in (…)`. A parameter may hold an array.
    In {
        /// A field or call.
        value: Box<Expression>,
        /// Literals and parameters.
        list: Vec<Expression>,
        /// `all in`: the field's values include all of the list.
        all: bool,
    },
    /// Inside `facet(…)`: `sum(Price) as 'total'`, or a range such as `Price < 5`.
    Named {
        /// The aggregation or the range.
        value: Box<Expression>,
        /// Its name in the result; of a range its text.
        name: String,
    },
}

/// A comparison's operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are their names")]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    /// The operator that says the same with its sides exchanged.
    #[must_use]
    pub fn mirrored(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            Self::Equal | Self::NotEqual => self,
        }
    }
}

/// A call of a method.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Which one.
    pub method: Method,
    /// Its name: of a built-in the official spelling, of a declared function its own.
    pub name: String,
    /// Its arguments, of the kinds and number that the method takes. The `and`/`or` of `search` is
    /// a text literal.
    pub arguments: Vec<Expression>,
}

/// A constant.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number that 64 bits hold.
    Long(i64),
    /// Any other number.
    Double(f64),
    /// Text.
    Text(String),
}
