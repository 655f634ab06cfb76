//! `sync`: where edges connect with a WebSocket.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::ORIGIN;
use hyper::{Method, Request, Response};
use hyper_tungstenite::tungstenite::protocol::WebSocketConfig;
use hyper_tungstenite::{HyperWebsocket, is_upgrade_request};
use percent_encoding::percent_decode_str;
use pinyon_core::{Error, ErrorKind, Result};

use super::{Endpoint, find};
use crate::http::{Body, Call, Reply, check_origin};
use crate::server::Server;

/// What each connection has for reading, and for writing.
const BUFFER_BYTES: usize = 8 << 10;

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
    let (response, socket) = hyper_tungstenite::upgrade(request, Some(config))
        .map_err(|reason| Error::invalid(format!("the WebSocket handshake: {reason}")))?;
    tokio::spawn(serve(Arc::clone(server), database, socket));
    Ok(response.map(|_| Body::empty()))
}

async fn serve(server: Arc<Server>, database: String, socket: HyperWebsocket) {
    match socket.await {
        Ok(socket) => crate::sync::serve(server, database, socket).await,
        Err(reason) => tracing::debug!(%reason, "a sync connection was not completed"),
    }
}

/// Pages of this server's own origin and of the allowed ones may connect; programs, which send no
/// origin, have their token.
fn check_allowed_origin(server: &Server, request: &Request<Incoming>) -> Result<()> {
    let origin = request.headers().get(ORIGIN).map(|it| it.as_bytes());
    let mut allowed = server.config.sync_origins.iter();
    if let Some(origin) = origin
        && allowed.any(|it| {
            it.trim_end_matches('/')
                .as_bytes()
                .eq_ignore_ascii_case(origin)
        })
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
