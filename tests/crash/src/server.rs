//! The real server on a disk that may go down under it.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use pinyon_server_process::ServerProcess;

use crate::disk::Disk;

/// Spawns a server that looks every second for contents that nothing refers to, and sweeps those
/// that nobody touched for `retention_s`; without waiting for it.
///
/// # Errors
/// It cannot be run.
pub fn spawn(binary: &Path, disk: &Disk, retention_s: u64) -> Result<ServerProcess> {
    let mut command = Command::new(binary);
    command
        .arg("serve")
        .arg("--data-dir")
        .arg(disk.data_directory())
        .args(["--listen", "127.0.0.1:0"])
        .args(["--loose-content-sweep-interval-s", "1"])
        .args(["--loose-content-retention-s", &retention_s.to_string()]);
    ServerProcess::spawn_command(command, &disk.log())
}

/// As [`spawn`], and waits until it listens.
///
/// # Errors
/// It ends before it listens.
pub fn start(binary: &Path, disk: &Disk, retention_s: u64) -> Result<ServerProcess> {
    let mut server = spawn(binary, disk, retention_s)?;
    server.wait_until_listening()?;
    Ok(server)
}
