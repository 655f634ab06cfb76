//! What every request of this process shares.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use pinyon_core::host::{Host, OsRandom, SystemClock, Timestamp};
use pinyon_core::{Error, ErrorKind, Result};
use pinyon_storage_native::{NativeEnvironment, NativeOptions};
use tokio::sync::Semaphore;

use crate::config::Config;
use crate::databases::Databases;
use crate::kindergarten::Kindergarten;
use crate::metrics::Metrics;
use crate::operations::Operations;
use crate::sync::{ConnectionLimits, SyncKeys};

/// The version of RavenDB's protocol that clients are told.
pub const PROTOCOL_VERSION: &str = "7.2.7.72051";

/// The running server.
pub struct Server {
    pub config: Config,
    pub databases: Databases,
    pub metrics: Metrics,
    pub host: Host,
    pub started_at: Timestamp,
    pub local_address: SocketAddr,
    /// Room for request bodies, in KiB.
    pub body_room: Arc<Semaphore>,
    pub operations: Operations,
    /// What tokens of edges are checked with, if they need one.
    pub sync_keys: Option<SyncKeys>,
    pub sync_connections: Arc<ConnectionLimits>,
    /// The demonstration, if it is served.
    pub kindergarten: Option<Kindergarten>,
}

impl Server {
    /// Opens the data directory.
    ///
    /// # Errors
    /// `Unavailable` when another process has it; whatever the storage reports.
    pub async fn open(config: Config, local_address: SocketAddr) -> Result<Arc<Self>> {
        let sync_keys = match &config.sync_keys {
            None => None,
            Some(path) => Some(SyncKeys::read(
                path,
                config.sync_issuer.clone(),
                config.sync_audience.clone(),
            )?),
        };
        let kindergarten = Kindergarten::read(&config)?;
        let host = Host {
            clock: Arc::new(SystemClock),
            random: Arc::new(OsRandom),
        };
        let options = NativeOptions {
            cache_bytes: config.cache_bytes,
            value_cache_bytes: config.value_cache_bytes,
            ..NativeOptions::default()
        };
        let directory = config.data_dir.clone();
        let environment = tokio::task::spawn_blocking(move || open_environment(directory, options))
            .await
            .map_err(|reason| Error::new(ErrorKind::Internal, reason.to_string()))??;
        let databases = Databases::open(environment, host.clone(), &config).await?;
        let room_kib = (config.max_buffered_bytes >> 10).clamp(1, Semaphore::MAX_PERMITS);
        let started_at = host.clock.now();
        Ok(Arc::new(Self {
            started_at,
            body_room: Arc::new(Semaphore::new(room_kib)),
            config,
            databases,
            metrics: Metrics::default(),
            host,
            local_address,
            operations: Operations::of_server_started_at(started_at),
            sync_keys,
            sync_connections: Arc::default(),
            kindergarten,
        }))
    }

    /// Refuses a response that would take too much memory.
    ///
    /// # Errors
    /// `LimitExceeded`.
    pub fn check_response_bytes(&self, byte_count: usize) -> Result<()> {
        let limit = self.config.max_response_bytes;
        if byte_count <= limit {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::LimitExceeded,
            format!(
                "the response would be larger than {limit} bytes; ask for a smaller page, or for \
                 a stream"
            ),
        ))
    }
}

/// Opens the environment and writes damaged names of stores anew where another copy has them.
fn open_environment(directory: PathBuf, options: NativeOptions) -> Result<NativeEnvironment> {
    let environment = NativeEnvironment::open(directory, options)?;
    for problem in environment.problems() {
        tracing::warn!(problem, "the name of a store is damaged");
    }
    match environment.repair_names() {
        // What is stored can be read all the same.
        Err(error) if error.kind() == ErrorKind::StorageFull => {
            tracing::warn!(?error, "names of stores are not written anew");
        }
        repaired => repaired?,
    }
    Ok(environment)
}
