//! `cargo xtask package`, and what the browser's tests and benches build.

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::workspace::Workspace;
use crate::{install, process};

const TARGET: &str = "wasm32-unknown-unknown";
const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);

/// The module with everything.
const WHOLE: Module<'_> = Module {
    package: "pinyon-bindings-js",
    features: &[],
    name: "pinyon",
};
/// The module that pages load first.
const SMALL: Module<'_> = Module {
    features: &["--no-default-features"],
    ..WHOLE
};
/// A module's place in the package, and the most it may have: what it has now and a little more, so
/// that growth is noticed. Whoever adds something worth its bytes raises them, and says so in
/// tests/benches/README.md.
struct Part {
    folder: &'static str,
    module: Module<'static>,
    /// Optimised, as gzip makes it.
    most_packed_kib: u64,
    /// Not optimised.
    most_dev_kib: u64,
}

const PARTS: &[Part] = &[
    Part {
        folder: "dist/wasm",
        module: SMALL,
        most_packed_kib: 559,
        most_dev_kib: 8_074,
    },
    // Last: its compilation is what `compile_package` finds done next time.
    Part {
        folder: "dist/whole",
        module: WHOLE,
        most_packed_kib: 968,
        most_dev_kib: 12_926,
    },
];

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
    build_bound_package(workspace, arguments.dev)?;
    println!("bindings-js/dist is the package");
    Ok(ExitCode::SUCCESS)
}

/// Puts the package into `bindings-js/dist`, and fails when one of its modules has grown.
pub fn build_bound_package(workspace: &Workspace, is_dev: bool) -> Result<()> {
    match build_package(workspace, is_dev)? {
        Some(grown) => bail!(grown),
        None => Ok(()),
    }
}

/// Puts the package into `bindings-js/dist`; says which module has outgrown its bound. That is for
/// developers to act on: who only wants to see it run has a package that works.
pub fn build_package(workspace: &Workspace, is_dev: bool) -> Result<Option<String>> {
    let folder = workspace.path("bindings-js");
    install::require_program("node", &["--version"], "apt-get install nodejs npm")?;
    install::npm_packages(&folder)?;
    let mut is_bound = true;
    for part in PARTS {
        let glue = folder.join(part.folder);
        is_bound &= build_module(workspace, &part.module, &glue, is_dev)?;
        if !is_dev {
            optimise(workspace, &folder, &glue.join("pinyon_bg.wasm"))?;
        }
    }
    let mut build = workspace.program("node");
    build.current_dir(&folder).arg("build.mjs");
    if !is_dev {
        build.arg("--minify");
    }
    process::run_required(&mut build, BUILD_LIMIT)?;
    check_sizes(&folder, is_dev, is_bound)
}

/// Prints how large the modules are; says which has grown, if they are bound.
fn check_sizes(folder: &Path, is_dev: bool, is_bound: bool) -> Result<Option<String>> {
    let mut grown = None;
    for part in PARTS {
        let path = folder.join(part.folder).join("pinyon_bg.wasm");
        let module = fs::read(&path).with_context(|| path.display().to_string())?;
        let (bytes, how, most_kib) = if is_dev {
            (module.len() as u64, "not optimised", part.most_dev_kib)
        } else {
            (compressed_bytes(&module)?, "gzip", part.most_packed_kib)
        };
        println!("{}: {} KiB {how}", path.display(), bytes.div_ceil(1024));
        if is_bound && bytes > most_kib * 1024 {
            let message = format!(
                "{} has more than the {most_kib} KiB ({how}) that PARTS in xtask/src/browser.rs \
                 allows: find what made it grow, or allow it",
                path.display()
            );
            grown.get_or_insert(message);
        }
    }
    Ok(grown)
}

fn compressed_bytes(content: &[u8]) -> Result<u64> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(content)?;
    Ok(packed.finish()?.len() as u64)
}

/// Compiles the package's whole module, unless that is done already; says where it is.
pub fn compile_package(workspace: &Workspace, is_dev: bool) -> Result<PathBuf> {
    Ok(compile(workspace, &WHOLE, is_dev)?.0)
}

/// Where the module is, and whether it is as small as it can be made.
fn compile(workspace: &Workspace, module: &Module<'_>, is_dev: bool) -> Result<(PathBuf, bool)> {
    install::rust_target(workspace, TARGET)?;
    let (profile, profile_folder) = if is_dev {
        ("dev", "debug")
    } else {
        ("wasm", "wasm")
    };
    let build = || {
        let mut build = workspace.cargo(["build", "-p", module.package, "--target", TARGET]);
        build.args(module.features).args(["--profile", profile]);
        as_one_piece(&mut build);
        build
    };
    let is_small = !is_dev && compile_for_size(workspace, build())?;
    if !is_small {
        process::run_required(&mut build(), BUILD_LIMIT)?;
    }
    let name = module.package.replace('-', "_");
    let path = workspace.target(&format!("{TARGET}/{profile_folder}/{name}.wasm"));
    Ok((path, is_dev || is_small))
}

/// Compiled in pieces a module has constants several times, more or fewer with each change and each
/// machine, and its bound would say little.
pub fn as_one_piece(build: &mut Command) {
    build.env("CARGO_INCREMENTAL", "0");
    build.env("CARGO_PROFILE_DEV_CODEGEN_UNITS", "1");
}

/// Compiles the module with a standard library made for size, which is not there where neither
/// rustup nor cargo can fetch what that needs.
fn compile_for_size(workspace: &Workspace, mut build: Command) -> Result<bool> {
    if !install::rust_source(workspace)? {
        return Ok(false);
    }
    build.args(["-Z", "build-std=std,panic_abort"]);
    build.args(["-Z", "build-std-features=optimize_for_size"]);
    // The compiler is one fixed release, of which these options are known to work.
    build.env("RUSTC_BOOTSTRAP", "1");
    // A panic is a trap without a text: `*.symbols` name the functions of its stack.
    build.env("RUSTFLAGS", "-Zunstable-options -Cpanic=immediate-abort");
    let built = process::run_required(&mut build, BUILD_LIMIT);
    if let Err(reason) = &built {
        println!("the standard library was not made for size, which goes on without: {reason:#}");
    }
    Ok(built.is_ok())
}

/// Compiles a module to WebAssembly, and writes it with its JavaScript into `folder`; whether it is
/// as small as it can be made.
pub fn build_module(
    workspace: &Workspace,
    module: &Module<'_>,
    folder: &Path,
    is_dev: bool,
) -> Result<bool> {
    let (compiled, is_smallest) = compile(workspace, module, is_dev)?;
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let mut glue = wasm_glue(workspace);
    glue.arg(compiled).arg(folder).arg(module.name);
    process::run_required(&mut glue, BUILD_LIMIT)?;
    Ok(is_smallest)
}

/// Makes the module smaller and faster, with wasm-opt of the npm package binaryen. What its
/// functions are called stands beside it, for whoever reads the stack of a trap.
fn optimise(workspace: &Workspace, folder: &Path, module: &Path) -> Result<()> {
    let mut optimise = wasm_opt(workspace, folder, module)?;
    // The stack's last bytes are at the lowest addresses, and nothing that has a name.
    optimise.arg("--low-memory-unused");
    // Control flow made anew comes out smaller than what the compiler makes of it.
    optimise.args(["--flatten", "--rereloop", "-Oz", "-Oz", "--debuginfo"]);
    process::run_required(&mut optimise, BUILD_LIMIT)?;
    // Functions that are alike lie together, where gzip finds what they share.
    let mut order = wasm_glue(workspace);
    process::run_required(order.arg("order").arg(module), BUILD_LIMIT)?;
    let mut finish = wasm_opt(workspace, folder, module)?;
    let mut symbols = OsString::from("--symbolmap=");
    symbols.push(module.with_extension("symbols"));
    finish.arg("--reorder-functions-by-name").arg(symbols);
    finish.args(["--strip-debug", "--strip-producers"]);
    process::run_required(&mut finish, BUILD_LIMIT)
}

fn wasm_opt(workspace: &Workspace, folder: &Path, module: &Path) -> Result<Command> {
    let program = folder.join("node_modules/.bin/wasm-opt");
    if !program.exists() {
        bail!(
            "{} is missing though npm installed the package's tools",
            program.display()
        );
    }
    let mut command = workspace.program(program);
    command.args([
        "--enable-bulk-memory",
        "--enable-nontrapping-float-to-int",
        "--enable-sign-ext",
        "--enable-mutable-globals",
        "--enable-reference-types",
        "--enable-multivalue",
    ]);
    command.arg(module).arg("-o").arg(module);
    Ok(command)
}

fn wasm_glue(workspace: &Workspace) -> Command {
    let run = ["run", "--quiet", "--profile", "tool", "-p", "wasm-glue"];
    let mut command = workspace.cargo(run);
    command.arg("--");
    command
}
