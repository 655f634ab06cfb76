//! What is left on the disk in the end: exactly what is referred to, and nothing else.

use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::check::Totals;
use crate::client::DATABASE;
use crate::disk::Disk;
use crate::run::Plan;

/// What `pinyon verify` counts, and how many contents nothing refers to any more.
#[derive(Debug)]
pub struct Verified {
    /// What is there.
    pub totals: Totals,
    /// Contents that wait for the sweep.
    pub loose_contents: u64,
}

/// Reads everything that is stored, with all that must agree, and counts it.
///
/// # Errors
/// `pinyon verify` finds a problem: among others an attachment without its document, a content
/// that is not counted right, a piece of one that belongs to none.
pub fn verify(plan: &Plan, disk: &Disk) -> Result<Verified> {
    let output = Command::new(&plan.binary)
        .arg("verify")
        .arg("--data-dir")
        .arg(disk.data_directory())
        .arg("--json")
        .output()
        .context("start pinyon verify")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!(
            "pinyon verify ended with {}:\n{text}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let report: Value = serde_json::from_str(&text).context("what pinyon verify prints")?;
    let stores = report["stores"].as_array();
    let store = stores
        .into_iter()
        .flatten()
        .find(|store| store["database"] == DATABASE)
        .with_context(|| format!("pinyon verify says nothing of {DATABASE}: {report}"))?;
    let number = |name: &str| {
        let number = store[name].as_u64();
        number.with_context(|| format!("no number {name} in {store}"))
    };
    Ok(Verified {
        totals: Totals {
            documents: number("documents")?,
            revisions: number("revisions")?,
            attachments: number("attachments")?,
            contents: number("contents")?,
        },
        loose_contents: number("loose_contents")?,
    })
}
