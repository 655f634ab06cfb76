//! The files of the project: those git tracks, and new ones it does not ignore.

use std::fs;

use anyhow::{Context, Result};

use crate::process;
use crate::workspace::Workspace;

/// A file of the project.
pub struct File {
    /// Relative to the project's folder, with `/`.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its content, if that is text.
    pub text: Option<String>,
}

/// All files, in path order.
pub fn files(workspace: &Workspace) -> Result<Vec<File>> {
    let mut git = workspace.program("git");
    git.args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
        "--deduplicate",
    ]);
    let mut paths: Vec<String> = process::read(&mut git)?
        .split_terminator('\0')
        .map(str::to_owned)
        .collect();
    paths.sort_unstable();
    paths
        .into_iter()
        // A tracked file may be deleted, and a nested repository shows as a folder.
        .filter(|path| workspace.path(path).is_file())
        .map(|path| {
            let content = fs::read(workspace.path(&path)).with_context(|| path.clone())?;
            let bytes = content.len() as u64;
            Ok(File {
                path,
                bytes,
                text: String::from_utf8(content).ok(),
            })
        })
        .collect()
}
