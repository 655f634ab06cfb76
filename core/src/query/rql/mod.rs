//! RQL, the query language: lexer, Pratt parser and syntax tree.
//!
//! Invariants:
//! - parsing never panics, and nesting is bounded, so no query overflows the stack;
//! - what a parsed query holds is well-formed: a condition stands where one must, a method has the
//!   arguments it takes, and only in clauses that allow it. What an index can answer is not known
//!   here;
//! - an error knows its place and what was expected there.

mod ast;
mod clauses;
mod error;
mod expression;
mod lexer;
mod method;
mod parser;
mod path;
mod script_text;
#[cfg(test)]
mod tests;

pub use ast::{
    Call, Comparison, Expression, ExpressionKind, Function, GroupKey, Literal, Load, NullsOrder,
    OrderBy, OrderType, Paging, Query, Script, Select, SelectItem, Source,
};
pub use error::{Position, SyntaxError, render_at};
pub use method::Method;
pub use parser::parse;
pub use path::{Path, Segment};
pub use script_text::end_of_block;

/// Where something stands in a query's text, in bytes.
pub type Span = std::ops::Range<usize>;
