//! `pinyon serve`: the server until a signal ends it.

use std::process::ExitCode;

use pinyon_core::{Error, ErrorKind};

use super::CommandResult;
use crate::config::{Config, environment};
use crate::{listener, telemetry};

/// The arguments of `pinyon serve`.
#[derive(clap::Args)]
#[command(after_help = crate::config::HELP)]
pub struct Args {
    #[command(flatten)]
    config: Config,
}

/// Serves until SIGINT or SIGTERM.
pub fn run(args: Args) -> CommandResult {
    let config = args.config;
    config.check()?;
    telemetry::start(&config)?;
    let variables = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for told in environment::unknown_settings(variables) {
        tracing::warn!("{told}");
    }
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(count) = config.worker_threads {
        runtime.worker_threads(count.get());
    }
    let runtime = runtime.enable_all().build().map_err(|reason| {
        Error::new(
            ErrorKind::Internal,
            format!("cannot start threads: {reason}"),
        )
    })?;
    runtime.block_on(listener::serve(config))?;
    Ok(ExitCode::SUCCESS)
}
