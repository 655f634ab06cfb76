//! Installs what a task needs and the machine lacks, or says precisely what to install.
//!
//! Everything lands in rustup's own folder, in a `node_modules` beside a lock file, or under
//! `target/`. Of system packages only Chromium is installed, by root on Debian; others are named for
//! the reader to install. What is there already costs one look.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::workspace::Workspace;

/// Registries may be slow; a hang must not last for ever.
const INSTALL_LIMIT: Duration = Duration::from_secs(15 * 60);

/// Makes sure that rustc can build for `target`.
pub fn rust_target(workspace: &Workspace, target: &str) -> Result<()> {
    let print = ["--print", "target-libdir", "--target", target];
    let library = process::read(workspace.program("rustc").args(print))?;
    if Path::new(library.trim()).is_dir() {
        return Ok(());
    }
    println!("installing the Rust target {target}");
    let mut command = workspace.program("rustup");
    process::run_required(command.args(["target", "add", target]), INSTALL_LIMIT).with_context(|| {
        format!("Rust's standard library for {target} is missing; install rustup (https://rustup.rs) and run: rustup target add {target}")
    })
}

/// Installs the source of Rust's standard library, unless it is here; whether it is here then. The
/// package's modules are a tenth smaller with a library compiled from it for size.
pub fn rust_source(workspace: &Workspace) -> Result<bool> {
    if has_rust_source(workspace)? {
        return Ok(true);
    }
    println!("installing the source of Rust's standard library");
    let mut add = workspace.program("rustup");
    let added = process::run_required(add.args(["component", "add", "rust-src"]), INSTALL_LIMIT);
    if let Err(reason) = added {
        println!("without it the modules are a tenth larger: {reason:#}");
    }
    has_rust_source(workspace)
}

/// Whether the source of Rust's standard library is here.
fn has_rust_source(workspace: &Workspace) -> Result<bool> {
    let mut print = workspace.program("rustc");
    let sysroot = process::read(print.args(["--print", "sysroot"]))?;
    let library = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library");
    Ok(library.join("Cargo.lock").is_file())
}

/// Installs the npm packages that `folder/package-lock.json` names, unless they are there.
pub fn npm_packages(folder: &Path) -> Result<()> {
    let lock_path = folder.join("package-lock.json");
    let lock =
        fs::read(&lock_path).with_context(|| format!("could not read {}", lock_path.display()))?;
    // npm leaves no trace of which lock file it installed, so a copy stands beside its result.
    let installed_lock = folder.join("node_modules/.installed-package-lock.json");
    if fs::read(&installed_lock).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    require_program("npm", &["--version"], "apt-get install nodejs npm")?;
    println!("installing npm packages in {}", folder.display());
    let mut command = Command::new("npm");
    command
        .current_dir(folder)
        .args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
    process::run_required(&mut command, INSTALL_LIMIT)?;
    fs::write(&installed_lock, lock)
        .with_context(|| format!("could not write {}", installed_lock.display()))
}

/// A Python interpreter that has the packages of `requirements`, in an environment of its own
/// under `target/`.
pub fn python_environment(workspace: &Workspace, requirements: &Path) -> Result<PathBuf> {
    let wanted = fs::read(requirements)
        .with_context(|| format!("could not read {}", requirements.display()))?;
    let folder = workspace.target("python");
    let python = folder.join("bin/python");
    let installed_list = folder.join("installed-requirements.txt");
    if python.exists() && fs::read(&installed_list).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    require_program(
        "python3",
        &["-c", "import ensurepip, venv"],
        "apt-get install python3 python3-venv",
    )?;
    println!("installing Python packages in {}", folder.display());
    let mut create = workspace.program("python3");
    process::run_required(
        create.args(["-m", "venv", "--clear"]).arg(&folder),
        INSTALL_LIMIT,
    )?;
    let mut install = workspace.program(&python);
    install.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--requirement",
    ]);
    process::run_required(install.arg(requirements), INSTALL_LIMIT)?;
    fs::write(&installed_list, wanted)
        .with_context(|| format!("could not write {}", installed_list.display()))?;
    Ok(python)
}

/// The program `name` of the crate of the same name, built by cargo under `target/tools`.
pub fn cargo_tool(workspace: &Workspace, name: &str, version: &str) -> Result<PathBuf> {
    let folder = workspace.target("tools").join(format!("{name}-{version}"));
    let program = folder.join("bin").join(name);
    if program.exists() {
        return Ok(program);
    }
    println!("installing {name} {version} in {}", folder.display());
    let mut command =
        workspace.cargo(["install", "--locked", name, "--version", version, "--root"]);
    process::run_required(command.arg(&folder), INSTALL_LIMIT)?;
    Ok(program)
}

/// Debian's Chromium, installed if this is a machine where that can be done without asking.
pub fn chromium() -> Result<PathBuf> {
    const PACKAGE: &str = "apt-get install chromium";
    let program =
        std::env::var_os("CHROMIUM_BIN").map_or_else(|| "/usr/bin/chromium".into(), PathBuf::from);
    if !program.exists() && can_install_packages() {
        debian_packages(&["chromium"])?;
    }
    if !program.exists() {
        bail!(
            "{} is missing; install it with: {PACKAGE} (or name another Chromium in CHROMIUM_BIN)",
            program.display()
        );
    }
    Ok(program)
}

/// Debian's Firefox and WebKit, and a screen for the latter. Where they cannot be had their tests are
/// left out, and say so: Chromium has most of them.
pub fn other_browsers() {
    const PACKAGES: [(&str, &str); 3] = [
        ("/usr/bin/firefox-esr", "firefox-esr"),
        ("/usr/bin/WebKitWebDriver", "webkit2gtk-driver"),
        ("/usr/bin/Xvfb", "xvfb"),
    ];
    let missing: Vec<&str> = PACKAGES
        .into_iter()
        .filter(|(program, _)| !Path::new(program).exists())
        .map(|(_, package)| package)
        .collect();
    if missing.is_empty() {
        return;
    }
    if !can_install_packages() {
        println!("without tests in: {}", missing.join(", "));
    } else if let Err(reason) = debian_packages(&missing) {
        println!("without tests in: {} ({reason:#})", missing.join(", "));
    }
}

/// Whether this is Debian, and the user may do everything.
fn can_install_packages() -> bool {
    let is_root = process::read(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    is_root && Path::new("/usr/bin/apt-get").exists()
}

fn debian_packages(names: &[&str]) -> Result<()> {
    println!("installing {}", names.join(", "));
    let mut update = Command::new("apt-get");
    process::run_required(update.args(["update", "--quiet"]), INSTALL_LIMIT)?;
    let mut install = Command::new("apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive");
    install.args(["install", "--yes", "--quiet", "--no-install-recommends"]);
    process::run_required(install.args(names), INSTALL_LIMIT)
}

/// Fails with the command that installs `program` if it does not answer to `arguments`.
pub fn require_program(program: &str, arguments: &[&str], how_to_install: &str) -> Result<()> {
    match process::read(Command::new(program).args(arguments)) {
        Ok(_) => Ok(()),
        Err(reason) => bail!(
            "{program} is missing or incomplete; install it with: {how_to_install}\n({reason:#})"
        ),
    }
}
