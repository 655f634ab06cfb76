//! `smuggler`: whole databases out of the server and into it, as dumps.
//!
//! The work is done while the request lasts; an operation tells how far it is, and can stop it.

mod export;
mod import;
mod options;
mod result;

pub use export::export;
pub use import::import;
pub use options::Options;

/// The build whose dumps ours look like: RavenDB reads a dump by the build that wrote it.
pub const BUILD_VERSION: u64 = 72_051;
