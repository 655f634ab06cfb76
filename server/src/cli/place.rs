//! Where a command finds a database: on a running server, or in a data directory of its own.

use std::path::PathBuf;

use pinyon_core::{Error, Result};

/// The variable that names the data directory where no option says anything.
const VARIABLE: &str = "PINYON_DATA_DIR";

/// A running server or a data directory.
// The variable is not clap's: to it, a variable contradicts --url as an option does.
#[derive(clap::Args)]
#[group(multiple = false)]
pub struct Place {
    /// A running server, such as http://127.0.0.1:8080
    #[arg(long)]
    pub url: Option<String>,
    /// The data directory of a server that is not running [env: PINYON_DATA_DIR, unless --url is
    /// given]
    #[arg(long)]
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
    /// What was chosen on the command line, which allows one, or else by the variable.
    ///
    /// # Errors
    /// `InvalidRequest` when nothing was.
    pub fn choose(&self) -> Result<Chosen> {
        if let Some(url) = &self.url {
            return Ok(Chosen::Server(url.clone()));
        }
        let of_variable = || std::env::var_os(VARIABLE).filter(|it| !it.is_empty());
        let directory = self.data_dir.clone();
        let directory = directory.or_else(|| of_variable().map(PathBuf::from));
        directory.map(Chosen::Directory).ok_or_else(|| {
            Error::invalid(format!(
                "where is the database? Give --url, --data-dir or the variable {VARIABLE}"
            ))
        })
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
