//! The stage that runs the official clients against the real server.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::workspace::Workspace;
use crate::{install, process};

use super::rust_stages::build_server;
use super::stage::tests_of;
use super::tally::Tally;

/// The stories of both clients; a client that cannot be installed fails the stage.
pub fn test_clients(workspace: &Workspace, limit: Duration) -> Result<Tally> {
    let clients = workspace.path("tests/clients");
    if !clients.is_dir() {
        bail!("{} is missing", clients.display());
    }
    let server = build_server(workspace, limit)?;
    let outcomes = [
        test_node(&clients.join("node"), &server, limit),
        test_python(workspace, &clients.join("python"), &server, limit),
    ];
    Ok(outcomes
        .into_iter()
        .map(|outcome| {
            outcome.unwrap_or_else(|reason| {
                println!("{reason:#}");
                Tally::of_check(false)
            })
        })
        .sum())
}

fn test_node(folder: &Path, server: &Path, limit: Duration) -> Result<Tally> {
    install::require_program("node", &["--version"], "apt-get install nodejs npm")?;
    install::npm_packages(folder)?;
    let mut command = std::process::Command::new("node");
    command
        .current_dir(folder)
        .args(["--test", "--test-reporter=spec"])
        .env("PINYON_BIN", server);
    let finished = process::run(&mut command, limit)?;
    Ok(tests_of(&finished, Tally::of_node_test(&finished.output)))
}

fn test_python(
    workspace: &Workspace,
    folder: &Path,
    server: &Path,
    limit: Duration,
) -> Result<Tally> {
    let python = install::python_environment(workspace, &folder.join("requirements.txt"))?;
    let mut command = std::process::Command::new(python);
    command
        .current_dir(folder)
        .args(["-m", "unittest", "--verbose"])
        .env("PINYON_BIN", server);
    let finished = process::run(&mut command, limit)?;
    Ok(tests_of(&finished, Tally::of_unittest(&finished.output)))
}
