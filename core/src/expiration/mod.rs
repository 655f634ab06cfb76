//! Expiration and refresh: what happens to documents when their time has come.
//!
//! Both are soft: until a sweep comes by, a due document is an ordinary one. A sweep is an
//! explicit, bounded step that the host schedules; it decides by the host's clock at that moment
//! and by what the document says then, so a clock that jumps makes it late or early by the jump
//! and nothing else.

mod configuration;
mod read;
mod sweep;

pub use configuration::{DEFAULT_FREQUENCY_S, ExpirationConfiguration, RefreshConfiguration};
pub use sweep::{SweepExpired, SweepRefreshes};
