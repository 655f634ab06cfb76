//! What is left on the disk in the end: exactly what is referred to, and nothing else.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::check::Totals;
use crate::client::{Client, DATABASE};
use crate::disk::Disk;
use crate::run::wait;
use crate::server;

/// Only a guard: contents go within a sweep or two.
const TRIES: usize = 240;
/// A server looks for the first time half a second after its start.
const PAUSE: Duration = Duration::from_millis(700);

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
pub fn verify(binary: &Path, disk: &Disk) -> Result<Verified> {
    let output = Command::new(binary)
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

/// Lets servers sweep until no content is loose; what is there then.
///
/// # Errors
/// Those of [`verify`], or the sweeps never take all.
pub fn sweep(binary: &Path, disk: &Disk) -> Result<Verified> {
    for _ in 0..TRIES {
        let verified = verify(binary, disk)?;
        if verified.loose_contents == 0 {
            return Ok(verified);
        }
        let server = server::start(binary, disk, 0)?;
        // The database opens when it is asked for something.
        Client::new(server.url()).statistics()?;
        wait(PAUSE);
        server.stop()?;
    }
    bail!("contents that nothing refers to are still there after {TRIES} sweeps");
}
