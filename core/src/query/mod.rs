//! Queries: their language, and what answers them.

pub mod rql;
