//! The host ports: where the core gets time, randomness and the running of scripts from.
//!
//! Nothing else in core reads a clock or the operating system's randomness (architecture decision
//! 10), so a test that owns these owns every outcome.

mod carried_texts;
mod clock;
mod random;
mod script;
mod time_span;

pub(crate) use carried_texts::CarriedNumbers;
pub use carried_texts::{carries_all, restore_texts};
#[cfg(not(all(target_arch = "wasm32", target_os = "unknown")))]
pub use clock::SystemClock;
pub use clock::{Clock, ManualClock, Timestamp};
#[cfg(not(all(target_arch = "wasm32", target_os = "unknown")))]
pub use random::OsRandom;
pub use random::{Random, SeededRandom, random_uuid};
pub(crate) use script::check_program;
pub use script::{
    ScriptCall, ScriptEngine, ScriptFailure, ScriptFailureKind, ScriptFuture, ScriptPart,
    ScriptProgram,
};
pub use time_span::TimeSpan;

use std::sync::Arc;

/// What a host lends a database. Clones share the parts.
#[derive(Clone)]
pub struct Host {
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Unpredictable bytes, for identities.
    pub random: Arc<dyn Random>,
}
