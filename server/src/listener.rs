//! The listening socket: accepts, serves, and ends in good order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::UPGRADE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use pinyon_core::host::Timestamp;
use pinyon_core::{Error, ErrorKind, Result};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use crate::cli::standard_output;
use crate::config::Config;
use crate::http::serve_request;
use crate::open_files::{connection_limit, raise_limit};
use crate::server::Server;
use crate::watched_io::{Activity, WatchedIo};

/// Connections the kernel keeps until they are accepted, if it may keep so many. With the usual
/// 128, clients that all connect at once are told to try again after a second.
const WAITING_CONNECTIONS: u32 = 4096;

/// Serves until SIGINT or SIGTERM, then finishes what runs and closes the databases.
///
/// # Errors
/// `Unavailable` when the address or the data directory is taken; whatever closing reports.
pub async fn serve(config: Config) -> Result<()> {
    let open_files = raise_limit();
    let listener = bind(&config)?;
    let address = listener
        .local_addr()
        .map_err(|reason| socket_error(&config, &reason))?;
    let mut signals = Signals::new()?;
    let server = Server::open(config, address).await?;
    let background = crate::databases::background::start(&server);
    let sweeps = crate::databases::sweeps::start(&server);
    announce(&server);
    let (stop, stopping) = watch::channel(false);
    let (alive, mut all_gone) = mpsc::channel::<()>(1);
    tokio::select! {
        () = accept(&server, listener, stopping, alive, open_files) => {}
        () = signals.recv() => {}
    }
    tracing::info!("stopping: no new requests, waiting for those that run");
    // Nobody is listening when there are no connections.
    let _ = stop.send(true);
    let patience = Duration::from_millis(server.config.shutdown_timeout_ms);
    tokio::select! {
        _ = all_gone.recv() => {}
        () = tokio::time::sleep(patience) => {
            tracing::warn!("some requests did not finish in time and are cut off");
        }
        () = signals.recv() => tracing::warn!("told to stop again: running requests are cut off"),
    }
    background.abort();
    sweeps.abort();
    server.databases.close_all().await?;
    tracing::info!("stopped");
    Ok(())
}

fn announce(server: &Server) {
    if !server.local_address.ip().is_loopback() {
        tracing::warn!("anybody who reaches this port may read and change all data");
    }
    tracing::info!(
        address = %server.local_address,
        data_dir = %server.config.data_dir.display(),
        "ready"
    );
    // Last: a rig that has read this line may look at the log.
    let line = format!("listening on http://{}\n", server.local_address);
    if let Err(error) = standard_output::print(&line) {
        // The database serves all the same.
        tracing::warn!(%error, "nobody was told where it listens");
    }
}

fn bind(config: &Config) -> Result<TcpListener> {
    let listen = || {
        let socket = match config.listen {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        // A server that starts again must not wait for what the one before it left in the kernel.
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        socket.bind(config.listen)?;
        socket.listen(WAITING_CONNECTIONS)
    };
    listen().map_err(|reason| socket_error(config, &reason))
}

fn socket_error(config: &Config, reason: &std::io::Error) -> Error {
    Error::new(
        ErrorKind::Internal,
        format!("cannot listen on {}: {reason}", config.listen),
    )
}

async fn accept(
    server: &Arc<Server>,
    listener: TcpListener,
    stopping: watch::Receiver<bool>,
    alive: mpsc::Sender<()>,
    open_files: Option<u64>,
) {
    let room = connection_limit(server.config.max_connections, open_files);
    let room = Arc::new(Semaphore::new(room));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let socket = match listener.accept().await {
            Ok((socket, _)) => socket,
            Err(reason) => {
                // Out of descriptors, or a client that left at once: others may still come.
                tracing::warn!(%reason, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let server = Arc::clone(server);
        let (stopping, alive) = (stopping.clone(), alive.clone());
        tokio::spawn(async move {
            let place = ConnectionPlace::new(Arc::clone(&server), permit);
            serve_connection(&server, socket, stopping, place).await;
            drop(alive);
        });
    }
}

/// A connection's place among those that are open at once. Whoever takes a connection over, takes its
/// place with it.
#[derive(Clone)]
pub struct ConnectionPlace {
    _place: Arc<Place>,
}

struct Place {
    server: Arc<Server>,
    _permit: OwnedSemaphorePermit,
}

impl ConnectionPlace {
    fn new(server: Arc<Server>, permit: OwnedSemaphorePermit) -> Self {
        let open_connections = &server.metrics.open_connections;
        open_connections.fetch_add(1, Ordering::Relaxed);
        let place = Place {
            server,
            _permit: permit,
        };
        Self {
            _place: Arc::new(place),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let open_connections = &self.server.metrics.open_connections;
        open_connections.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn serve_connection(
    server: &Arc<Server>,
    socket: TcpStream,
    mut stopping: watch::Receiver<bool>,
    place: ConnectionPlace,
) {
    // Small responses must not wait for an acknowledgement; without it they are only slower.
    let _ = socket.set_nodelay(true);
    let config = &server.config;
    let activity = Activity::default();
    let socket = WatchedIo::new(
        socket,
        activity.clone(),
        Duration::from_millis(config.head_timeout_ms),
        config.stall_timeout(),
    );
    let service = service_fn(|mut request: Request<Incoming>| {
        let (server, activity) = (Arc::clone(server), activity.clone());
        if request.headers().contains_key(UPGRADE) {
            request.extensions_mut().insert(place.clone());
        }
        async move {
            activity.set_running(true);
            let response = serve_request(server, request).await;
            // A connection that became another is watched by who has it then.
            let is_upgraded =
                |it: &hyper::Response<_>| it.status() == StatusCode::SWITCHING_PROTOCOLS;
            if !response.as_ref().is_ok_and(is_upgraded) {
                activity.set_running(false);
            }
            response
        }
    });
    let connection = http1::Builder::new()
        .max_headers(config.max_headers)
        .max_buf_size(config.max_head_bytes)
        .auto_date_header(has_http_date(server.host.clock.now()))
        .serve_connection(socket, service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = async { drop(stopping.wait_for(|stop| *stop).await) } => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(reason) = result {
        tracing::debug!(%reason, "a connection broke");
    }
}

/// Whether a moment can stand in a `Date` header: hyper ends a connection on one that cannot.
fn has_http_date(now: Timestamp) -> bool {
    const YEAR_10000_MS: i64 = 253_402_300_800_000;
    (0..YEAR_10000_MS).contains(&now.unix_ms())
}

/// SIGINT and SIGTERM, or Ctrl-C where there are no signals.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let failed = |reason: std::io::Error| {
            Error::new(
                ErrorKind::Internal,
                format!("cannot wait for signals: {reason}"),
            )
        };
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
        })
    }

    async fn recv(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    fn new() -> Result<Self> {
        Ok(Self {})
    }

    async fn recv(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_beyond_all_dates_leaves_the_date_out() {
        let has_date = |ms| has_http_date(Timestamp::from_unix_ms(ms));
        assert!(has_date(0) && has_date(253_402_300_799_999));
        assert!(!has_date(-1) && !has_date(253_402_300_800_000));
    }
}
