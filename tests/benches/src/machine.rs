//! What the figures were measured on.

use std::process::Command;

/// Prints machine, build profile and commit, so that a figure is never without them.
pub fn print_machine() {
    let cpu = first_value("/proc/cpuinfo", "model name");
    let memory = first_value("/proc/meminfo", "MemTotal");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("machine: {cores} × {cpu}, memory {memory}");
    println!("kernel: {}", read("/proc/sys/kernel/osrelease").trim());
    let profile = if cfg!(debug_assertions) {
        "debug — figures mean nothing, build with --release"
    } else {
        "release"
    };
    println!("build profile: {profile}");
    println!("commit: {}", commit());
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| format!("({path}: {error})"))
}

fn first_value(path: &str, name: &str) -> String {
    read(path)
        .lines()
        .find_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key.trim() == name).then(|| value.trim().to_owned())
        })
        .unwrap_or_else(|| "unknown".to_owned())
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(["-C", env!("CARGO_MANIFEST_DIR")])
            .args(arguments)
            .output()
            .ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    match (
        git(&["rev-parse", "--short=12", "HEAD"]),
        git(&["status", "--porcelain"]),
    ) {
        (Some(commit), Some(changes)) if changes.is_empty() => commit,
        (Some(commit), _) => format!("{commit} with local changes"),
        _ => "unknown".to_owned(),
    }
}
