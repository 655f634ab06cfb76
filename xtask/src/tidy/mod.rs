//! `cargo xtask tidy`: the house rules that compilers and clippy do not check.
//!
//! Each rule is a function from text to findings, with tests of its own; this module feeds them
//! the tree and prints what they find.

mod file_names;
mod file_sizes;
mod layers;
mod lock_files;
mod manifests;
mod rust_source;
mod tree;

use std::process::ExitCode;

use anyhow::Result;

use crate::workspace::Workspace;

/// One broken rule: where, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    /// A path in the project, with a line where there is one.
    pub place: String,
    /// What is wrong.
    pub message: String,
}

impl Finding {
    fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            message: message.into(),
        }
    }
}

/// Prints the findings; they decide the exit code.
pub fn run(workspace: &Workspace) -> Result<ExitCode> {
    Ok(ExitCode::from(u8::from(!check(workspace)?.is_empty())))
}

/// Applies all rules, prints what they find and returns it.
pub fn check(workspace: &Workspace) -> Result<Vec<Finding>> {
    let mut findings = layers::check(workspace.metadata());
    let files = tree::files(workspace)?;
    for file in &files {
        findings.extend(file_names::check(&file.path));
        findings.extend(file_sizes::check_bytes(&file.path, file.bytes));
        let Some(text) = &file.text else { continue };
        findings.extend(file_sizes::check_lines(&file.path, text));
        if file.path.ends_with(".rs") {
            findings.extend(rust_source::check(&file.path, text));
        }
        if file.path.ends_with("Cargo.toml") {
            findings.extend(manifests::check(&file.path, text)?);
        }
        if lock_files::is_lock(&file.path) {
            findings.extend(lock_files::check(&file.path, text)?);
        }
    }
    for Finding { place, message } in &findings {
        println!("{place}: {message}");
    }
    println!("tidy: {} files, {} findings", files.len(), findings.len());
    Ok(findings)
}
