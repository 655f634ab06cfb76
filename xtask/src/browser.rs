//! `cargo xtask package`, and what the browser's tests and benches build.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::workspace::Workspace;
use crate::{install, process};

const TARGET: &str = "wasm32-unknown-unknown";
const PACKAGE: &str = "pinyon-bindings-js";
const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);

/// How the package is built.
#[derive(Args)]
pub struct PackageArguments {
    /// Build quickly, without optimising: for tests
    #[arg(long)]
    dev: bool,
}

/// Builds the npm package.
pub fn package(workspace: &Workspace, arguments: &PackageArguments) -> Result<ExitCode> {
    build_package(workspace, arguments.dev)?;
    println!("bindings-js/dist is the package");
    Ok(ExitCode::SUCCESS)
}

/// Puts the package into `bindings-js/dist`.
pub fn build_package(workspace: &Workspace, is_dev: bool) -> Result<()> {
    let folder = workspace.path("bindings-js");
    let glue = folder.join("dist/wasm");
    build_module(workspace, PACKAGE, &glue, "pinyon", is_dev)?;
    install::require_program("node", &["--version"], "apt-get install nodejs npm")?;
    install::npm_packages(&folder)?;
    if !is_dev {
        optimise(workspace, &folder, &glue.join("pinyon_bg.wasm"))?;
    }
    let mut build = workspace.program("node");
    build.current_dir(&folder).arg("build.mjs");
    if !is_dev {
        build.arg("--minify");
    }
    process::run_required(&mut build, BUILD_LIMIT)
}

/// Compiles the npm package's module, unless it is compiled already; says where it is.
pub fn compile_package(workspace: &Workspace, is_dev: bool) -> Result<PathBuf> {
    compile(workspace, PACKAGE, is_dev)
}

fn compile(workspace: &Workspace, package: &str, is_dev: bool) -> Result<PathBuf> {
    install::rust_target(workspace, TARGET)?;
    let (profile, profile_folder) = if is_dev {
        ("dev", "debug")
    } else {
        ("wasm", "wasm")
    };
    let mut build = workspace.cargo(["build", "-p", package, "--target", TARGET]);
    process::run_required(build.args(["--profile", profile]), BUILD_LIMIT)?;
    let name = package.replace('-', "_");
    Ok(workspace.target(&format!("{TARGET}/{profile_folder}/{name}.wasm")))
}

/// Compiles `package` to WebAssembly, and writes it with its JavaScript into `folder` as `name`.
pub fn build_module(
    workspace: &Workspace,
    package: &str,
    folder: &Path,
    name: &str,
    is_dev: bool,
) -> Result<()> {
    let module = compile(workspace, package, is_dev)?;
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let mut glue = workspace.cargo([
        "run",
        "--quiet",
        "--profile",
        "tool",
        "-p",
        "wasm-glue",
        "--",
    ]);
    glue.arg(module).arg(folder).arg(name);
    process::run_required(&mut glue, BUILD_LIMIT)
}

/// Makes the module smaller and faster, with wasm-opt of the npm package binaryen.
fn optimise(workspace: &Workspace, folder: &Path, module: &Path) -> Result<()> {
    let program = folder.join("node_modules/.bin/wasm-opt");
    if !program.exists() {
        bail!(
            "{} is missing though npm installed the package's tools",
            program.display()
        );
    }
    let mut command = workspace.program(program);
    command.args([
        "-Os",
        "--enable-bulk-memory",
        "--enable-nontrapping-float-to-int",
    ]);
    command.args([
        "--enable-sign-ext",
        "--enable-mutable-globals",
        "--enable-reference-types",
    ]);
    command.args(["--enable-multivalue", "--strip-debug", "--strip-producers"]);
    process::run_required(command.arg(module).arg("-o").arg(module), BUILD_LIMIT)
}
