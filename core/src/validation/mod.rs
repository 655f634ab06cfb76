//! Validation: an application's own rules for what edges may write, as JavaScript.
//!
//! Invariants:
//! - a function runs outside the merger, over versions that were read; its judgement counts only
//!   where those versions are still what lives, and else it runs again;
//! - a write that is refused, or whose function fails, is refused alone;
//! - a function that does not end costs one push its time, and others nothing.

mod configuration;
mod judge;

pub use configuration::{ValidationConfiguration, Validator};
pub use judge::Judgement;
pub(crate) use judge::{FAILED, Judge, json_of};
