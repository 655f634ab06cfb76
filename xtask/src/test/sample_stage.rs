//! The stage that does what a newcomer does first: `cargo xtask run`, twice, with pages to serve.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::process;
use crate::workspace::Workspace;

use super::rust_stages::build_server;
use super::tally::Tally;

/// The first run must load the sample, the second must find it; both must stop the server.
pub fn test_sample(workspace: &Workspace, limit: Duration) -> Result<Tally> {
    let server = build_server(workspace, limit)?;
    let data_dir = workspace.target("test-sample");
    if data_dir.exists() {
        fs::remove_dir_all(&data_dir).with_context(|| data_dir.display().to_string())?;
    }
    // As the server starts for the demonstration, whose files the browser stage builds and opens.
    let pages = workspace.target("test-sample-pages");
    fs::create_dir_all(&pages).with_context(|| pages.display().to_string())?;
    let page = pages.join("index.html");
    fs::write(&page, "<!doctype html>").with_context(|| page.display().to_string())?;
    let keys = data_dir.with_extension("keys.json");
    if keys.exists() {
        fs::remove_file(&keys).with_context(|| keys.display().to_string())?;
    }
    let first = start_and_stop(workspace, &server, &data_dir, "loading ", limit)?;
    let second = start_and_stop(workspace, &server, &data_dir, "there already", limit)?;
    Ok([first, second].map(Tally::of_check).into_iter().sum())
}

/// Whether `cargo xtask run` succeeded and said `expected`.
fn start_and_stop(
    workspace: &Workspace,
    server: &Path,
    data_dir: &Path,
    expected: &str,
    limit: Duration,
) -> Result<bool> {
    // Nothing else on this machine should take the port between here and the server's start.
    let free = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let mut command = workspace.program(std::env::current_exe()?);
    command.args(["run", "--load-only", "--listen", &free.to_string()]);
    command
        .arg("--server")
        .arg(server)
        .arg("--data-dir")
        .arg(data_dir)
        .arg("--pages")
        .arg(workspace.target("test-sample-pages"));
    let finished = process::run(&mut command, limit)?;
    let said_so = finished.output.contains(expected);
    if !said_so {
        println!("it did not say '{expected}'");
    }
    Ok(finished.success && said_so)
}
