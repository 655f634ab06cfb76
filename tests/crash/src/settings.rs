//! Counts and seeds from environment variables, so that a test can be made a long run.

use std::env::VarError;

use anyhow::{Context, Result};

/// The number in the environment variable `name`, if it is set.
///
/// # Errors
/// It is set to something else than a number.
pub fn number(name: &str) -> Result<Option<u64>> {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .map(Some)
            .with_context(|| format!("{name} is '{text}', not a number")),
        Err(VarError::NotPresent) => Ok(None),
        Err(error) => Err(error).context(name.to_owned()),
    }
}

/// The seed in `PINYON_SEED`, else a new one.
///
/// # Errors
/// The variable is no number.
pub fn seed() -> Result<u64> {
    Ok(number("PINYON_SEED")?.unwrap_or_else(|| fastrand::u64(..)))
}
