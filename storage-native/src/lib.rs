//! Native files behind the storage port (`pinyon_core::storage`).
//!
//! Invariants:
//! - one process owns an environment's directory at a time, by a lock file held while it is open;
//! - a store's name is never a path: stores live in numbered directories that hold their name;
//! - every value read is checked against a checksum over its space, key and bytes.

mod block_file;
mod compact;
mod disk;
mod engine;
mod environment;
mod error;
mod journal;
mod journals;
mod layers;
mod options;
mod overlay;
mod snapshot;
mod store;
mod store_name;
mod table;
mod value;
mod value_cache;
mod verify;
mod writer;

pub use compact::CompactReport;
pub use environment::NativeEnvironment;
pub use options::NativeOptions;
pub use snapshot::NativeSnapshot;
pub use store::{NativeStore, StoreInfo};
pub use verify::{Progress, VerifyReport};
