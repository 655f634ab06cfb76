//! Where the `pinyon` binary is.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

/// The binary named by the variable `PINYON_BIN`, else the one beside the running program in
/// the same target directory.
///
/// # Errors
/// There is no such file; the message says how to build it.
pub fn find_binary() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("PINYON_BIN") {
        let path = PathBuf::from(named);
        if !path.is_file() {
            bail!("PINYON_BIN names {}, which is no file", path.display());
        }
        return Ok(path);
    }
    let program = std::env::current_exe().context("find the running program")?;
    // target/debug/program or target/debug/deps/test.
    for directory in program.ancestors().skip(1).take(2) {
        let path = directory.join("pinyon");
        if path.is_file() {
            return Ok(path);
        }
    }
    bail!("no pinyon binary: run `cargo build -p pinyon-server` or set PINYON_BIN");
}
