//! Edges: browsers and others that keep a database of their own and follow this one.
//!
//! The rules are the core's (`pinyon_core::replication`); here are sockets, tokens and limits.

mod claims;
mod connection;
mod first_bytes;
mod keys;
mod limits;
mod signing;

pub use claims::{Access, Audience, Claims};
pub use connection::serve;
pub use first_bytes::{FirstBytes, ReadAllowance};
pub use keys::SyncKeys;
pub use limits::{ConnectionLimits, ConnectionPermit, SyncLimits};
pub use signing::SigningKey;
