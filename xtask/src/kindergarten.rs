//! The demonstration at `/kindergarten/`: its files, and the key that its pages' tokens are signed
//! with.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};

use crate::workspace::Workspace;
use crate::{browser, install, process};

const LIMIT: Duration = Duration::from_secs(60);
/// Written last, so that its time is that of the whole.
const LAST_FILE: &str = "service-worker.js";

/// Whether it was ever built, though something may have changed since.
pub fn is_built(workspace: &Workspace) -> bool {
    workspace.target("kindergarten").join(LAST_FILE).exists()
}

/// For `run`: with the optimised package, built anew only when something of it changed.
pub fn build(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.target("kindergarten");
    let module = browser::compile_package(workspace, false)?;
    let sources = [
        module,
        workspace.path("bindings-js/js"),
        workspace.path("bindings-js/build.mjs"),
        workspace.path("bindings-js/package-lock.json"),
        workspace.path("www/kindergarten"),
    ];
    if is_newer(&folder.join(LAST_FILE), &sources)? {
        return Ok(folder);
    }
    if let Some(grown) = browser::build_package(workspace, false)? {
        println!("note: {grown}");
    }
    assemble(workspace, &folder)?;
    Ok(folder)
}

/// Puts the application and the npm package, as it is built, together.
pub fn assemble(workspace: &Workspace, folder: &Path) -> Result<()> {
    let source = workspace.path("www/kindergarten");
    install::npm_packages(&source)?;
    let mut build = workspace.program("node");
    build.current_dir(&source).arg("build.mjs").arg(folder);
    process::run_required(&mut build, LIMIT)
}

/// A key of this machine's own beside the databases, made by the server's program. Not among them:
/// a server founds them in an empty folder only.
pub fn keys(workspace: &Workspace, program: &Path, data_dir: &Path) -> Result<PathBuf> {
    let mut name = data_dir.as_os_str().to_owned();
    name.push(".keys.json");
    let keys = PathBuf::from(name);
    let keys_of_before = data_dir.join("development-keys.json");
    if keys_of_before.exists() {
        fs::rename(&keys_of_before, &keys).with_context(|| keys.display().to_string())?;
    }
    if !keys.exists() {
        let mut make = workspace.program(program);
        make.args(["edge-token", "--new-keys"]).arg(&keys);
        process::run_required(&mut make, LIMIT)?;
    }
    Ok(keys)
}

/// Whether `built` is there and newer than every file of `sources`.
fn is_newer(built: &Path, sources: &[PathBuf]) -> Result<bool> {
    let Ok(built_at) = fs::metadata(built).and_then(|it| it.modified()) else {
        return Ok(false);
    };
    for source in sources {
        if newest(source)? >= built_at {
            return Ok(false);
        }
    }
    Ok(true)
}

/// When something in a file or folder changed last; what npm installs does not count.
fn newest(path: &Path) -> Result<SystemTime> {
    let broken = || path.display().to_string();
    let metadata = fs::metadata(path).with_context(broken)?;
    let mut newest = metadata.modified().with_context(broken)?;
    if metadata.is_dir() {
        for entry in fs::read_dir(path).with_context(broken)? {
            let entry = entry.with_context(broken)?;
            if entry.file_name() != "node_modules" {
                newest = newest.max(self::newest(&entry.path())?);
            }
        }
    }
    Ok(newest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_is_newer_until_a_source_changes() {
        let folder = std::env::temp_dir().join(format!("pinyon-newer-{}", std::process::id()));
        let source = folder.join("source/deep");
        fs::create_dir_all(&source).unwrap();
        let built = folder.join("built");
        let sources = [folder.join("source")];
        assert!(!is_newer(&built, &sources).unwrap());
        let at = |path: &Path, seconds: u64| {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            let file = fs::File::options().create(true).append(true).open(path);
            file.unwrap().set_modified(time).unwrap();
        };
        let late = 4_000_000_000;
        at(&built, late);
        at(&source.join("a.js"), 1000);
        assert!(is_newer(&built, &sources).unwrap());
        at(&source.join("a.js"), late + 1);
        assert!(!is_newer(&built, &sources).unwrap());
        fs::remove_dir_all(&folder).unwrap();
    }
}
