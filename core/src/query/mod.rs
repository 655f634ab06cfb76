//! Queries: their language, and what answers them (decision 7).
//!
//! A query's text is parsed, lowered to sets of entries ([`PreparedQuery`]), planned
//! ([`Plan`]) and answered from one state of an index and one of the documents ([`Ready`]).

mod answer;
mod by_documents;
mod condition;
mod entries;
mod entry_set;
mod evaluate;
mod facet;
mod facet_values;
mod field_check;
mod filter;
mod found_change;
mod highlight;
mod keys;
mod lower;
mod lucene;
mod more_like_this;
mod order;
mod place;
mod plan;
mod prepared;
mod project;
mod remarks;
mod result;
mod row_script;
mod row_test;
mod rows;
pub mod rql;
mod search;
mod suggestion;
mod values;

pub use answer::{Answer, Ready};
pub use condition::{Condition, Conditions, Leaf, Search};
pub use facet::{
    Facet, FacetAggregation, FacetBy, FacetOptions, FacetRange, FacetSource, MAX_FACET_PARTS,
    MAX_FACETS,
};
pub use facet_values::MAX_FACET_TERMS;
pub use filter::Filter;
pub use found_change::{CHANGES_PER_TRANSACTION, FoundChange};
pub use highlight::{Highlight, MAX_FRAGMENT_CHARS, MAX_FRAGMENTS};
pub use lower::{Lowered, OnlyIds, Order, OrderKey, Output};
pub use more_like_this::{LikenessBase, LikenessOptions, MAX_LIKENESS_TERMS, MoreLikeThis};
pub use place::Place;
pub use plan::{Considered, Plan};
pub use prepared::PreparedQuery;
pub use project::ProjectionBehavior;
pub use result::QueryResult;
pub use rows::Rows;
pub use suggestion::{Distance, MAX_SUGGESTED_TERMS, MAX_SUGGESTIONS, Suggestion};
pub use values::Parameters;
