//! The peer "bare axum": the same HTTP stack as the server's, answering every request with the
//! bytes the real server answered, and doing nothing else.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{CONTENT_TYPE, ETAG};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{any, put};

/// Where the answer is set: status in the query, headers and body as they are to be returned.
pub const SET_ANSWER: &str = "/answer";
/// The header that carries the status to answer with.
pub const STATUS_HEADER: &str = "x-answer-status";

#[derive(Debug, Clone)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

type Shared = Arc<RwLock<Arc<Answer>>>;

/// Serves on a free port of loopback, says where on standard output, and never ends.
///
/// # Errors
/// No port is free.
pub fn serve() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let shared: Shared = Arc::new(RwLock::new(Arc::new(Answer {
            status: StatusCode::NOT_FOUND,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        })));
        let router = Router::new()
            .route("/databases/{database}/docs", any(answer))
            .route("/databases/{database}/bulk_docs", any(answer))
            .route(SET_ANSWER, put(set_answer))
            .layer(DefaultBodyLimit::disable())
            .with_state(shared);
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = tokio::net::TcpListener::bind(any_port).await?;
        println!("listening on http://{}", listener.local_addr()?);
        std::io::stdout().flush()?;
        let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
            // As the real server does; failing to set it only costs speed.
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, router).await.context("serve")
    })
}

async fn answer(State(shared): State<Shared>, _body: Bytes) -> impl IntoResponse {
    let answer = Arc::clone(&shared.read().unwrap_or_else(PoisonError::into_inner));
    (answer.status, answer.headers.clone(), answer.body.clone())
}

async fn set_answer(
    State(shared): State<Shared>,
    request_headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let status = request_headers
        .get(STATUS_HEADER)
        .and_then(|value| StatusCode::from_bytes(value.as_bytes()).ok());
    let Some(status) = status else {
        return StatusCode::BAD_REQUEST;
    };
    let mut headers = HeaderMap::new();
    for name in [CONTENT_TYPE, ETAG] {
        if let Some(value) = request_headers.get(&name) {
            let value: HeaderValue = value.clone();
            headers.insert(name, value);
        }
    }
    let answer = Answer {
        status,
        headers,
        body,
    };
    *shared.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(answer);
    StatusCode::NO_CONTENT
}
