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
const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);

/// The module of the package.
const FULL: Module<'_> = Module {
    package: "pinyon-bindings-js",
    features: &[],
    name: "pinyon",
};
/// The module behind `pinyon/slim`.
const SLIM: Module<'_> = Module {
    features: &["--no-default-features"],
    ..FULL
};

/// A module to compile.
pub struct Module<'a> {
    /// The crate.
    pub package: &'a str,
    /// Cargo's arguments that choose its features.
    pub features: &'a [&'a str],
    /// What its files are called.
    pub name: &'a str,
}

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
    build_parts(
        workspace,
        &[("dist/wasm", FULL), ("dist/slim/wasm", SLIM)],
        is_dev,
    )
}

/// As [`build_package`], without `pinyon/slim`, which takes as long again.
pub fn build_package_without_slim(workspace: &Workspace, is_dev: bool) -> Result<()> {
    let slim = workspace.path("bindings-js/dist/slim");
    if slim.exists() {
        fs::remove_dir_all(&slim).with_context(|| slim.display().to_string())?;
    }
    build_parts(workspace, &[("dist/wasm", FULL)], is_dev)
}

/// Compiles the package's module, unless that is done already; says where it is.
pub fn compile_package(workspace: &Workspace, is_dev: bool) -> Result<PathBuf> {
    compile(workspace, &FULL, is_dev)
}

fn build_parts(workspace: &Workspace, parts: &[(&str, Module<'_>)], is_dev: bool) -> Result<()> {
    let folder = workspace.path("bindings-js");
    install::require_program("node", &["--version"], "apt-get install nodejs npm")?;
    install::npm_packages(&folder)?;
    for (part, module) in parts {
        let glue = folder.join(part);
        build_module(workspace, module, &glue, is_dev)?;
        if !is_dev {
            optimise(workspace, &folder, &glue.join("pinyon_bg.wasm"))?;
        }
    }
    let mut build = workspace.program("node");
    build.current_dir(&folder).arg("build.mjs");
    if !is_dev {
        build.arg("--minify");
    }
    process::run_required(&mut build, BUILD_LIMIT)
}

fn compile(workspace: &Workspace, module: &Module<'_>, is_dev: bool) -> Result<PathBuf> {
    install::rust_target(workspace, TARGET)?;
    let (profile, profile_folder) = if is_dev {
        ("dev", "debug")
    } else {
        ("wasm", "wasm")
    };
    let mut build = workspace.cargo(["build", "-p", module.package, "--target", TARGET]);
    build.args(module.features);
    process::run_required(build.args(["--profile", profile]), BUILD_LIMIT)?;
    let name = module.package.replace('-', "_");
    Ok(workspace.target(&format!("{TARGET}/{profile_folder}/{name}.wasm")))
}

/// Compiles a module to WebAssembly, and writes it with its JavaScript into `folder`.
pub fn build_module(
    workspace: &Workspace,
    module: &Module<'_>,
    folder: &Path,
    is_dev: bool,
) -> Result<()> {
    let compiled = compile(workspace, module, is_dev)?;
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
    glue.arg(compiled).arg(folder).arg(module.name);
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
        "-Oz",
        "--enable-bulk-memory",
        "--enable-nontrapping-float-to-int",
    ]);
    command.args([
        "--enable-sign-ext",
        "--enable-mutable-globals",
        "--enable-reference-types",
    ]);
    // By their names, functions that are alike lie together, where gzip finds what they share.
    command.args(["--enable-multivalue", "--reorder-functions-by-name"]);
    command.args(["--strip-debug", "--strip-producers"]);
    process::run_required(command.arg(module).arg("-o").arg(module), BUILD_LIMIT)
}
