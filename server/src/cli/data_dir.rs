//! A data directory that no server has open: its environment, catalog and databases.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use clap::{Args as _, FromArgMatches as _};
use pinyon_core::host::{Host, OsRandom, SystemClock};
use pinyon_core::schema::DATABASE;
use pinyon_core::schema::database_state::{DatabaseState, STATE_KEY};
use pinyon_core::storage::{Environment as _, Snapshot as _, Store as _, StoreName};
use pinyon_core::version::NodeTag;
use pinyon_core::{Database, DatabaseOptions, Error, ErrorKind, Limits, Result};
use pinyon_storage_native::{NativeEnvironment, NativeOptions, NativeStore};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::databases::{Catalog, DatabaseRecord};

/// The runtime of a command that works on files or talks to a server.
///
/// # Errors
/// `Internal` when the threads cannot be started.
pub fn runtime() -> Result<Runtime> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.enable_all().build().map_err(|reason| {
        Error::new(
            ErrorKind::Internal,
            format!("cannot start threads: {reason}"),
        )
    })
}

/// The server's configuration as the environment variables and the defaults have it, so that a
/// command accepts what the server accepts.
fn server_config() -> Result<Config> {
    let command = Config::augment_args(clap::Command::new("pinyon").no_binary_name(true));
    let matches = command
        .try_get_matches_from(Vec::<String>::new())
        .map_err(|reason| Error::invalid(reason.to_string()))?;
    let config = Config::from_arg_matches(&matches);
    let config = config.map_err(|reason| Error::invalid(reason.to_string()))?;
    config.check_bounds()?;
    Ok(config)
}

/// What databases accept, as the server is configured by environment variables.
///
/// # Errors
/// `InvalidRequest` that names the variable.
pub fn limits() -> Result<Limits> {
    Ok(server_config()?.database_limits())
}

/// What a command does to a data directory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Looks at it: no file changes.
    Read,
    /// Changes what is there.
    Write,
    /// Makes it, if it is not there.
    Create,
}

/// Opens the environment in a directory.
///
/// # Errors
/// `NotFound` when it is not there, `Unavailable` when another process has it.
pub fn open_environment(directory: &Path, access: Access) -> Result<NativeEnvironment> {
    let is_environment = directory.join("stores").is_dir();
    if access != Access::Create && !is_environment {
        return Err(Error::new(
            ErrorKind::NotFound,
            format!(
                "'{}' is no data directory of a Pinyon server",
                directory.display()
            ),
        ));
    }
    let options = NativeOptions::default();
    let environment = match access {
        Access::Read => NativeEnvironment::open_read_only(directory, options),
        Access::Write | Access::Create => NativeEnvironment::open(directory, options),
    };
    environment.map_err(explain_lock)
}

/// Whether another process has the directory: else it is there in another form, or forbidden.
pub fn is_in_use(error: &Error) -> bool {
    error.kind() == ErrorKind::Unavailable && error.details::<std::io::Error>().is_none()
}

fn explain_lock(error: Error) -> Error {
    if !is_in_use(&error) {
        return error;
    }
    let advice = "stop the server that has it open, or let it do the work: commands that take \
                  --data-dir or --url work through a running server with --url";
    Error::new(
        ErrorKind::Unavailable,
        format!("{}; {advice}", error.message()),
    )
}

/// A data directory, opened for this process alone.
pub struct DataDir {
    /// Its stores.
    pub environment: NativeEnvironment,
    /// Its databases.
    pub catalog: Catalog<NativeEnvironment>,
    host: Host,
}

impl DataDir {
    /// Opens a data directory.
    ///
    /// # Errors
    /// As [`open_environment`]; `Corrupted` when the catalog does not fit.
    pub async fn open(directory: &Path, access: Access) -> Result<Self> {
        let environment = open_environment(directory, access)?;
        let is_empty = environment.list().await?.is_empty() && environment.problems().is_empty();
        if access == Access::Read && is_empty {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("nothing was stored in '{}' yet", directory.display()),
            ));
        }
        let host = Host {
            clock: Arc::new(SystemClock),
            random: Arc::new(OsRandom),
        };
        let catalog = Catalog::open(environment.clone(), host.clone()).await?;
        Ok(Self {
            environment,
            catalog,
            host,
        })
    }

    /// The record of a database.
    ///
    /// # Errors
    /// `NotFound` that names those there are.
    pub fn find(&self, name: &str) -> Result<DatabaseRecord> {
        if let Some(record) = self.catalog.find(name) {
            return Ok(record.clone());
        }
        let names: Vec<&str> = self.catalog.records().map(|it| it.name.as_str()).collect();
        let there_are = if names.is_empty() {
            "there are none".to_owned()
        } else {
            format!("there are: {}", names.join(", "))
        };
        Err(Error::new(
            ErrorKind::NotFound,
            format!("There is no database '{name}'; {there_are}"),
        ))
    }

    /// The records of one database, or of all of them.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub fn chosen(&self, name: Option<&str>) -> Result<Vec<DatabaseRecord>> {
        match name {
            Some(name) => Ok(vec![self.find(name)?]),
            None => Ok(self.catalog.records().cloned().collect()),
        }
    }

    /// Whether a database has a store yet: with older versions it got one when it was first used.
    ///
    /// # Errors
    /// `Corrupted` when it had one that is not there.
    pub async fn has_store(&self, record: &DatabaseRecord) -> Result<bool> {
        let stores = self.environment.list().await?;
        record.check_store(&stores)?;
        Ok(stores.contains(&record.store_name()?))
    }

    /// Opens a database, with the label that its node has had so far.
    ///
    /// # Errors
    /// Those of [`Database::open`].
    pub async fn open_database(&self, record: &DatabaseRecord) -> Result<OpenDatabase> {
        let config = server_config()?;
        self.has_store(record).await?;
        let store = self.open_store(&record.store_name()?).await?;
        let node_tag = match stored_tag(&store).await? {
            Some(tag) => tag,
            None => NodeTag::new(config.node_tag.as_str())?,
        };
        let options = DatabaseOptions {
            node_tag,
            limits: config.database_limits(),
            ..DatabaseOptions::default()
        };
        let (database, merger) = Database::open(store, self.host.clone(), options).await?;
        let merger = tokio::spawn(merger.run());
        Ok(OpenDatabase { database, merger })
    }

    /// Opens one store.
    ///
    /// # Errors
    /// Whatever the storage reports.
    pub async fn open_store(&self, name: &StoreName) -> Result<NativeStore> {
        self.environment.open(name).await
    }

    /// Closes the catalog, and with it the directory.
    ///
    /// # Errors
    /// Whatever the storage reports.
    pub async fn close(self) -> Result<()> {
        self.catalog.close().await
    }
}

/// The label under which a store's database has written so far.
async fn stored_tag(store: &NativeStore) -> Result<Option<NodeTag>> {
    let key = Bytes::from_static(STATE_KEY);
    let snapshot = store.snapshot().await?;
    let found = snapshot.get_many(DATABASE, &[key]).await?.pop().flatten();
    found
        .map(|state| {
            Ok(DatabaseState::decode(&state)?
                .incarnations
                .own_row()
                .tag
                .clone())
        })
        .transpose()
}

/// A database and its merger.
pub struct OpenDatabase {
    /// The database.
    pub database: Database<NativeStore>,
    merger: JoinHandle<()>,
}

impl OpenDatabase {
    /// Finishes the queued writes, makes them durable, and closes the store.
    ///
    /// # Errors
    /// Whatever the store reports.
    pub async fn close(self) -> Result<()> {
        let closed = self.database.close().await;
        self.merger.await.map_err(|reason| {
            Error::new(
                ErrorKind::Internal,
                format!("the merger broke off: {reason}"),
            )
        })?;
        closed
    }
}
