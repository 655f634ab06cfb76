//! `cargo xtask script-guest`: builds the script engine's WebAssembly module from its source.
//!
//! The module is committed, so that nobody needs clang to build Pinyon. The same sources, compiler
//! and clang give the same bytes wherever they are: paths are taken out of them.
//!
//! The engine is changed in one thing: a member of nothing is nothing, as in formulas and as
//! indexes and patches of this protocol expect it, where JavaScript throws.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use crate::workspace::Workspace;
use crate::{install, process};

/// What is changed in the engine's source, each in one place.
const CHANGES: [(&str, &str); 4] = [
    (
        r#"            return JS_ThrowTypeErrorAtom(ctx, "cannot read property '%s' of null", prop);"#,
        "            return JS_NULL;",
    ),
    (
        r#"            return JS_ThrowTypeErrorAtom(ctx, "cannot read property '%s' of undefined", prop);"#,
        "            return JS_NULL;",
    ),
    // The same by index.
    (
        "    } else if (unlikely(tag == JS_TAG_NULL || tag == JS_TAG_UNDEFINED)) {
        // per spec: not allowed to call ToPropertyKey before ToObject",
        "    } else if (unlikely(tag == JS_TAG_NULL || tag == JS_TAG_UNDEFINED)) {
        JS_FreeValue(ctx, prop);
        return JS_NULL;",
    ),
    // And a method of nothing, which is null as of the above, gives null.
    (
        "        } else {
            goto not_a_function;
        }
    }
    p = JS_VALUE_GET_OBJ(func_obj);",
        "        } else {
            if (JS_IsNull(func_obj) && (JS_IsNull(this_obj) || JS_IsUndefined(this_obj)))
                return JS_NULL;
            goto not_a_function;
        }
    }
    p = JS_VALUE_GET_OBJ(func_obj);",
    ),
];

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
    let sources = changed_sources(workspace, &folder, &target.join("sources"))?;
    let mut command = workspace.cargo(["build", "--release", "--locked"]);
    command.args(["--config", r#"source.crates-io.replace-with="changed""#]);
    command.arg("--config");
    command.arg(format!(
        "source.changed.directory={:?}",
        sources.display().to_string()
    ));
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

/// Copies the sources of all dependencies to `place`, with the engine's changed.
fn changed_sources(workspace: &Workspace, folder: &Path, place: &Path) -> Result<PathBuf> {
    if place.exists() {
        fs::remove_dir_all(place).with_context(|| place.display().to_string())?;
    }
    let mut command = workspace.cargo(["vendor", "--locked", "--versioned-dirs"]);
    command.arg(place).current_dir(folder);
    let finished = process::run(&mut command, BUILD_LIMIT)?;
    if !finished.success {
        bail!("the sources were not copied: {}", finished.ending);
    }
    let engines = fs::read_dir(place)?.filter_map(|entry| entry.ok().map(|it| it.path()));
    let is_engine = |path: &PathBuf| {
        let name = path.file_name().and_then(|it| it.to_str());
        name.is_some_and(|it| it.starts_with("rquickjs-sys-"))
    };
    let [engine] = &engines.filter(is_engine).collect::<Vec<_>>()[..] else {
        bail!("{} does not hold one engine", place.display());
    };
    let source = engine.join("quickjs/quickjs.c");
    let mut text = fs::read_to_string(&source).with_context(|| source.display().to_string())?;
    for (from, to) in CHANGES {
        if text.matches(from).count() != 1 {
            bail!("{} does not have this once:\n{from}", source.display());
        }
        text = text.replace(from, to);
    }
    fs::write(&source, text).with_context(|| source.display().to_string())?;
    // cargo compares the files that are listed there.
    let sums = engine.join(".cargo-checksum.json");
    let mut listed: serde_json::Value = serde_json::from_slice(&fs::read(&sums)?)?;
    listed["files"] = serde_json::json!({});
    fs::write(&sums, listed.to_string()).with_context(|| sums.display().to_string())?;
    Ok(place.to_path_buf())
}
