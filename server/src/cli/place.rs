//! Where a command finds a database: on a running server, or in a data directory of its own.

use std::path::PathBuf;

/// A running server or a data directory.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
pub struct Place {
    /// A running server, such as http://127.0.0.1:8080
    #[arg(long)]
    pub url: Option<String>,
    /// The data directory of a server that is not running
    #[arg(long, env = "PINYON_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
}

/// The two places, once one has been chosen.
pub enum Chosen {
    /// Through this server.
    Server(String),
    /// In this directory.
    Directory(PathBuf),
}

impl Place {
    /// What was chosen; the command line allows one, and demands it.
    pub fn choose(self) -> Chosen {
        match (self.url, self.data_dir) {
            (Some(url), _) => Chosen::Server(url),
            (None, directory) => Chosen::Directory(directory.expect("clap demands one of both")),
        }
    }
}

/// Databases in a data directory.
#[derive(clap::Args)]
pub struct Stored {
    /// The data directory of a server that is not running
    #[arg(long, env = "PINYON_DATA_DIR")]
    pub data_dir: PathBuf,
    /// Only this database
    #[arg(long)]
    pub database: Option<String>,
}
