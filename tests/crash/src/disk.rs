//! Where a data directory lies, and how its machine goes down: the process alone is killed, or
//! the power of its file system is cut as well.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use pinyon_server_process::ServerProcess;
use tempfile::TempDir;

const IMAGE_BYTES: u64 = 512 << 20;
const POWER_CUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/power_cut.py");

/// What a crash takes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// `kill -9` of the server; the operating system keeps what it was given.
    Kill,
    /// The file system loses all that was not synced; then the server is killed.
    PowerCut,
}

/// A place for one data directory, removed with all it holds in the end.
#[derive(Debug)]
pub struct Disk {
    // Dropped first: what is mounted inside the directory cannot be removed with it.
    mount: Option<Mount>,
    directory: TempDir,
}

impl Disk {
    /// An empty disk that can suffer `fault`.
    ///
    /// # Errors
    /// There is no room, or a file system cannot be made and mounted.
    pub fn new(fault: Fault) -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("pinyon-crash-")
            .tempdir()
            .context("make a temporary directory")?;
        let mount = match fault {
            Fault::Kill => None,
            Fault::PowerCut => Some(Mount::new(directory.path())?),
        };
        Ok(Self { directory, mount })
    }

    /// What this disk suffers.
    pub fn fault(&self) -> Fault {
        match self.mount {
            None => Fault::Kill,
            Some(_) => Fault::PowerCut,
        }
    }

    /// The data directory.
    pub fn data_directory(&self) -> PathBuf {
        match &self.mount {
            None => self.directory.path().join("data"),
            Some(mount) => mount.point.join("data"),
        }
    }

    /// The server's log, outside of what the fault destroys.
    pub fn log(&self) -> PathBuf {
        self.directory.path().join("server.log")
    }

    /// Cuts the power if this disk's fault is that.
    ///
    /// # Errors
    /// The file system refuses to shut down.
    pub fn cut_power(&self) -> Result<()> {
        match &self.mount {
            None => Ok(()),
            Some(mount) => run("python3", &[Path::new(POWER_CUT), &mount.point]),
        }
    }

    /// Kills the server and, after a power cut, mounts what is left.
    ///
    /// # Errors
    /// The process or the mount resists.
    pub fn go_down(&mut self, server: ServerProcess) -> Result<()> {
        server.kill()?;
        match &mut self.mount {
            None => Ok(()),
            Some(mount) => {
                mount.unmount()?;
                mount.mount()
            }
        }
    }

    /// Leaves the directory behind for inspection and says where it is.
    pub fn keep(mut self) -> PathBuf {
        self.directory.disable_cleanup(true);
        let path = self.directory.path().to_path_buf();
        if let Some(mount) = &mut self.mount {
            mount.keep = true;
        }
        path
    }
}

/// An ext4 file system in a file.
#[derive(Debug)]
struct Mount {
    image: PathBuf,
    point: PathBuf,
    mounted: bool,
    keep: bool,
}

impl Mount {
    fn new(directory: &Path) -> Result<Self> {
        let image = directory.join("disk.ext4");
        File::create_new(&image)
            .and_then(|file| file.set_len(IMAGE_BYTES))
            .context("make the image of a disk")?;
        run("mkfs.ext4", &[Path::new("-q"), Path::new("-F"), &image])?;
        let point = directory.join("disk");
        std::fs::create_dir(&point).context("make the mount point")?;
        let mut mount = Self {
            image,
            point,
            mounted: false,
            keep: false,
        };
        mount.mount()?;
        Ok(mount)
    }

    fn mount(&mut self) -> Result<()> {
        let options = [Path::new("-o"), Path::new("loop")];
        run("mount", &[options[0], options[1], &self.image, &self.point])?;
        self.mounted = true;
        Ok(())
    }

    fn unmount(&mut self) -> Result<()> {
        run("umount", &[&self.point])?;
        self.mounted = false;
        Ok(())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if self.mounted && !self.keep {
            // On the way out of a failure that was reported already.
            let _ = self.unmount();
        }
    }
}

fn run(program: &str, arguments: &[&Path]) -> Result<()> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| format!("run {program}"))?;
    if !output.status.success() {
        bail!(
            "{program} {arguments:?} ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

/// Why power cannot be cut on this machine, if it cannot.
pub fn why_no_power_cut() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("only root can mount and shut down a file system".to_owned());
    }
    let tried = Disk::new(Fault::PowerCut).and_then(|disk| disk.cut_power());
    tried.err().map(|error| format!("{error:#}"))
}
