//! The demonstration at `/kindergarten/`: its files, and the key that its pages' tokens are signed
//! with.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{browser, install, process};

const LIMIT: Duration = Duration::from_secs(60);

/// Builds the npm package, and puts what the server serves together.
pub fn build(workspace: &Workspace, is_dev: bool) -> Result<PathBuf> {
    browser::build_package(workspace, is_dev)?;
    assemble(workspace)
}

/// Puts the application and the npm package, as it is built, together.
pub fn assemble(workspace: &Workspace) -> Result<PathBuf> {
    let source = workspace.path("www/kindergarten");
    install::npm_packages(&source)?;
    let folder = workspace.target("browser/kindergarten");
    let mut build = workspace.program("node");
    build.current_dir(&source).arg("build.mjs").arg(&folder);
    process::run_required(&mut build, LIMIT)?;
    Ok(folder)
}

/// A key of this machine's own beside the databases, made by the server's program.
pub fn keys(workspace: &Workspace, program: &Path, data_dir: &Path) -> Result<PathBuf> {
    let keys = data_dir.join("development-keys.json");
    if !keys.exists() {
        let mut make = workspace.program(program);
        make.args(["edge-token", "--new-keys"]).arg(&keys);
        process::run_required(&mut make, LIMIT)?;
    }
    Ok(keys)
}
