//! `sync`: where edges connect with a WebSocket.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::ORIGIN;
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Request, Response};
use hyper_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use hyper_tungstenite::{WebSocketStream, is_upgrade_request};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use pinyon_core::{Error, ErrorKind, Result};

use super::{Endpoint, find};
use crate::http::{Body, Call, Reply, check_origin};
use crate::listener::ConnectionPlace;
use crate::server::Server;
use crate::sync::FirstBytes;

/// What each connection has for reading, and for writing.
const BUFFER_BYTES: usize = 8 << 10;
/// What an edge may say before its token is accepted: a greeting with its positions and all that it
/// asks for.
const GREETING_BYTES: usize = 256 << 10;

/// A plain `GET sync`.
pub fn get(_: &Call<'_>) -> Reply {
    Err(Error::invalid("edges connect here with a WebSocket"))
}

/// Whether a request wants to become a sync connection.
pub fn is_upgrade(request: &Request<Incoming>) -> bool {
    is_upgrade_request(request)
        && request.method() == Method::GET
        && find(request.method(), request.uri().path())
            .is_some_and(|route| route.endpoint == Endpoint::Sync)
}

/// Turns the request's connection into a sync connection.
///
/// # Errors
/// `Unauthorized` for a page of a site that is not allowed; `InvalidRequest` when the handshake is
/// wrong.
pub fn upgrade(server: &Arc<Server>, request: &mut Request<Incoming>) -> Result<Response<Body>> {
    check_allowed_origin(server, request)?;
    let path = request.uri().path().to_owned();
    let route = find(request.method(), &path).ok_or_else(|| Error::invalid("no such path"))?;
    let database = percent_decode_str(route.database)
        .decode_utf8()
        .map_err(|_| Error::invalid("the database's name is not UTF-8 text"))?
        .into_owned();
    let limit = server.config.max_sync_frame_bytes;
    // The library's own buffers are meant for few connections with much to say.
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_message_size(Some(limit))
        .max_frame_size(Some(limit));
    // The library would read as much of a stranger as of anybody else.
    let upgrade = hyper::upgrade::on(&mut *request);
    let (response, _) = hyper_tungstenite::upgrade(&mut *request, None)
        .map_err(|reason| Error::invalid(format!("the WebSocket handshake: {reason}")))?;
    let place = request.extensions_mut().remove::<ConnectionPlace>();
    let counted = server.metrics.count_sync_connection();
    let server = Arc::clone(server);
    tokio::spawn(async move {
        serve(server, database, upgrade, config).await;
        // It counts as a connection until here.
        drop((counted, place));
    });
    Ok(response.map(|_| Body::empty()))
}

async fn serve(server: Arc<Server>, database: String, upgrade: OnUpgrade, config: WebSocketConfig) {
    let upgraded = match upgrade.await {
        Ok(upgraded) => TokioIo::new(upgraded),
        Err(reason) => {
            tracing::debug!(%reason, "a sync connection was not completed");
            return;
        }
    };
    let (socket, allowance) = FirstBytes::new(upgraded, GREETING_BYTES);
    let socket = WebSocketStream::from_raw_socket(socket, Role::Server, Some(config)).await;
    crate::sync::serve(server, database, socket, allowance).await;
}

/// Pages of this server's own origin and of the allowed ones may connect; programs, which send no
/// origin, have their token.
fn check_allowed_origin(server: &Server, request: &Request<Incoming>) -> Result<()> {
    let origin = request.headers().get(ORIGIN).map(|it| it.as_bytes());
    let mut allowed = server.config.allowed_origins();
    if let Some(origin) = origin
        && allowed.any(|it| it.as_bytes().eq_ignore_ascii_case(origin))
    {
        return Ok(());
    }
    check_origin(server, request.headers()).map_err(|error| {
        Error::new(
            ErrorKind::Unauthorized,
            format!("{error}; see --sync-origin"),
        )
    })
}
