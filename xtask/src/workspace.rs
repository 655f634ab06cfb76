//! Where the project lies, and the commands that work on it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use cargo_metadata::{Metadata, MetadataCommand};

/// The workspace that this program was built from.
pub struct Workspace {
    root: PathBuf,
    metadata: Metadata,
}

impl Workspace {
    /// Asks cargo for the workspace.
    pub fn find() -> Result<Self> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
        let metadata = MetadataCommand::new()
            .manifest_path(&manifest)
            .no_deps()
            .exec()
            .with_context(|| format!("cargo metadata of {}", manifest.display()))?;
        Ok(Self {
            root: metadata.workspace_root.clone().into_std_path_buf(),
            metadata,
        })
    }

    /// A path inside the project.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// A path inside the build folder, where everything generated goes.
    pub fn target(&self, relative: &str) -> PathBuf {
        self.metadata
            .target_directory
            .join(relative)
            .into_std_path_buf()
    }

    /// What cargo knows of the workspace's own packages.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Whether the workspace has a package of this name.
    pub fn has_package(&self, name: &str) -> bool {
        self.metadata
            .packages
            .iter()
            .any(|package| package.name == name)
    }

    /// `cargo` with these arguments, in the project's folder.
    pub fn cargo<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = self.program(cargo);
        command.args(arguments);
        command
    }

    /// Any other program, started in the project's folder.
    pub fn program(&self, name: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(name);
        command.current_dir(&self.root);
        command
    }
}
