//! Formulas: what maps, reduces and projections compute, run without a script engine.
//!
//! A formula is the common part of JavaScript functions and C# queries as definitions of indexes
//! hold them, translated into one tree. What the translation does not know is refused with its
//! place; JavaScript then goes to the host's script engine instead.
//!
//! Invariants:
//! - evaluating is pure: it reads the values it is given and the documents it asks for, and has a
//!   bounded number of steps;
//! - JavaScript means what it means to a script engine in which a member of nothing is null; what
//!   cannot be made the same is not translated;
//! - C# has rules of its own: a missing member is nothing, and so is what is computed with it.

mod arrays;
mod builtin;
mod csharp;
mod dates;
mod definition;
mod evaluate;
mod javascript;
mod javascript_calls;
mod javascript_values;
mod json;
mod lexer;
mod made;
mod members_read;
mod operators;
mod parser;
mod partial_reduce;
mod shape;
#[cfg(test)]
mod tests;
mod texts;
mod tree;
mod value;

pub use definition::{
    MapDefinition, MapFunction, MapSource, ReduceDefinition, ReduceFunction, is_javascript,
};
pub use evaluate::{Documents, Evaluation, Reference};
pub use members_read::members_read;
pub use shape::Shape;
pub use tree::Formula;
pub use value::{CreatedField, Number, Special, Text, Value};
