//! Queries: their language, and what answers them (decision 7).
//!
//! A query's text is parsed, lowered to sets of entries ([`PreparedQuery`]), planned
//! ([`Plan`]) and answered from one state of an index and one of the documents ([`Ready`]).

mod answer;
mod condition;
mod evaluate;
mod lower;
mod order;
mod plan;
mod prepared;
mod project;
pub mod rql;
mod search;
mod values;

pub use answer::{Answer, QueryResult, Ready};
pub use condition::{Condition, Conditions, Leaf, Search};
pub use lower::{Lowered, OnlyIds, Order, OrderKey};
pub use plan::{Considered, Plan};
pub use prepared::PreparedQuery;
pub use values::Parameters;
