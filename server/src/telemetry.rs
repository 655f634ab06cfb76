//! Structured logs on standard error.

use std::io::IsTerminal as _;

use pinyon_core::{Error, Result};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::config::{Config, LogFormat};

/// Sends this process's logs to standard error from now on.
///
/// # Errors
/// `InvalidRequest` for a filter that does not parse.
pub fn start(config: &Config) -> Result<()> {
    let filter = parse(&config.log)?;
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

/// The levels by name; the library knows them by number, too.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// A filter that may let something through.
fn parse(text: &str) -> Result<EnvFilter> {
    let refused = |why: String| Error::invalid(format!("--log '{text}': {why}"));
    let filter = EnvFilter::try_new(text).map_err(|reason| refused(reason.to_string()))?;
    // Fields of spans have commas of their own; who writes such a filter knows what it says.
    if text.contains('[') {
        return Ok(filter);
    }
    let directives = || text.split(',').filter(|it| !it.is_empty());
    let is_level = |it: &str| it.parse::<LevelFilter>().is_ok();
    // To the library a lone word is the name of a module, whatever it is.
    if let Some(word) = directives().find(|it| !it.contains('=') && !is_level(it)) {
        let levels = LEVELS.join(", ");
        return Err(refused(format!(
            "'{word}' is no level; they are {levels}, and pinyon_server=debug is one for a module"
        )));
    }
    let is_ours = |it: &str| it.starts_with("pinyon");
    if directives().next().is_some() && !directives().any(|it| is_level(it) || is_ours(it)) {
        return Err(refused(
            "no module of that name logs anything; they begin with pinyon_".to_owned(),
        ));
    }
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_filter_that_lets_nothing_through_by_mistake_is_refused() {
        for text in [
            "",
            "info",
            "WARN",
            "off",
            "pinyon_server=debug",
            "warn,hyper=debug",
            "info,pinyon_core::merger=trace",
            "[sync{database=a}]=debug",
        ] {
            assert!(parse(text).is_ok(), "{text}");
        }
        for text in [
            "garbage",
            "inf",
            "garbage=info",
            "info,debgu",
            "pinyon_server=loud",
            "==",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
