//! The stage that runs what is for browsers in a real one.

use std::time::Duration;

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{browser, install, kindergarten, process};

use super::rust_stages::build_server;
use super::stage::tests_of;
use super::tally::Tally;

/// Storage contract, faults, npm package, tabs and sync with the server, in Chromium.
pub fn test_in_chromium(workspace: &Workspace, limit: Duration) -> Result<Tally> {
    let chromium = install::chromium()?;
    install::other_browsers();
    let server = build_server(workspace, limit)?;
    browser::build_bound_package(workspace, true)?;
    kindergarten::assemble(workspace, &workspace.target("browser/kindergarten"))?;
    let module = browser::Module {
        package: "pinyon-browser-storage-tests",
        features: &[],
        name: "storage_tests",
    };
    let built = workspace.target("browser/storage-tests");
    browser::build_module(workspace, &module, &built, true)?;
    let folder = workspace.path("tests/browser");
    // Those of the clients: one test lets an official client look at what a browser wrote.
    let bundlers = ["packaging/vite", "packaging/vite7", "packaging/webpack"];
    for part in bundlers.into_iter().chain(["", "../clients/node"]) {
        install::npm_packages(&folder.join(part))?;
    }
    let mut command = workspace.program("node");
    command
        .current_dir(folder)
        // One browser at a time: they are heavier than the tests.
        .args([
            "--test",
            "--test-concurrency=1",
            "--test-reporter=spec",
            "tests/",
        ])
        .env("CHROMIUM_BIN", chromium)
        .env("PINYON_BIN", server)
        .env("PINYON_TARGET", workspace.target(""));
    let finished = process::run(&mut command, limit)?;
    Ok(tests_of(&finished, Tally::of_node_test(&finished.output)))
}
