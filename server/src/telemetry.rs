//! Structured logs on standard error.

use std::io::IsTerminal as _;

use pinyon_core::{Error, Result};
use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat};

/// Sends this process's logs to standard error from now on.
///
/// # Errors
/// `InvalidRequest` for a filter that does not parse.
pub fn start(config: &Config) -> Result<()> {
    let filter = EnvFilter::try_new(&config.log)
        .map_err(|reason| Error::invalid(format!("--log '{}': {reason}", config.log)))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // Where the log has no room, neither has that it has none; saying so would panic.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal());
    match config.log_format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    Ok(())
}
