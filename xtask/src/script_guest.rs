//! `cargo xtask script-guest`: builds the script engine's WebAssembly module from its source.
//!
//! The module is committed, so that nobody needs clang to build Pinyon. The same sources, compiler
//! and clang give the same bytes wherever they are: paths are taken out of them.

use std::fs;
use std::io::{Read as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use crate::workspace::Workspace;
use crate::{install, process};

const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);

/// Builds the module, puts it in its place, and says whether it differs from what was there.
pub fn build(workspace: &Workspace) -> Result<ExitCode> {
    process::stop_on_interrupt()?;
    install::require_program("clang", &["--version"], "apt-get install clang lld")?;
    let folder = workspace.path("server/script-guest");
    let target = workspace.target("script-guest");
    let home = std::env::var("CARGO_HOME")
        .or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")))
        .context("neither CARGO_HOME nor HOME is set")?;
    let flags = format!(
        "--remap-path-prefix={home}=/cargo --remap-path-prefix={}=/pinyon",
        workspace.path("").display()
    );
    let mut command = workspace.cargo(["build", "--release", "--locked"]);
    command.args(["--target", "wasm32-unknown-unknown", "--target-dir"]);
    command.arg(&target).current_dir(&folder);
    command.env("RUSTFLAGS", flags);
    let finished = process::run(&mut command, BUILD_LIMIT)?;
    if !finished.success {
        bail!("the module was not built: {}", finished.ending);
    }
    let built = target.join("wasm32-unknown-unknown/release/pinyon_script_guest.wasm");
    let module = fs::read(&built).with_context(|| built.display().to_string())?;
    let place = folder.join("quickjs.wasm.gz");
    let before = fs::read(&place).unwrap_or_default();
    let mut unpacked = Vec::new();
    let readable = GzDecoder::new(&before[..]).read_to_end(&mut unpacked);
    if readable.is_ok() && unpacked == module {
        println!("{} is what its source builds", place.display());
        return Ok(ExitCode::SUCCESS);
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(&module).context("packing the module")?;
    let packed = packed.finish().context("packing the module")?;
    fs::write(&place, &packed).with_context(|| place.display().to_string())?;
    println!(
        "{} was replaced: {} bytes, packed",
        place.display(),
        packed.len()
    );
    Ok(ExitCode::SUCCESS)
}
