//! `kindergarten`: the demonstration of an offline-first application.
//!
//! Its pages may load and ask this server only; WebAssembly is what the database in them is.

use hyper::header::{CACHE_CONTROL, HeaderValue, LOCATION};
use hyper::{Response, StatusCode};

use crate::http::{Body, Call, Reply, empty, plain, serve_file};
use crate::http_error;

const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; \
    worker-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; \
    manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `GET kindergarten/…`.
pub fn file(call: &mut Call<'_>) -> Reply {
    let Some(kindergarten) = &call.server.kindergarten else {
        return Err(not_there(call.tail));
    };
    match call.tail {
        "" => Ok(redirect()),
        "/token" => {
            let user = call.query.require("user")?;
            let token = kindergarten.token(&call.server.config, &user)?;
            let mut response = plain("text/plain; charset=utf-8", token);
            let headers = response.headers_mut();
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            Ok(response)
        }
        tail => {
            let path = match tail.trim_start_matches('/') {
                "" => "index.html",
                path => path,
            };
            let file = kindergarten.file(path).ok_or_else(|| not_there(tail))?;
            serve_file(call, file, POLICY)
        }
    }
}

/// Relative addresses of the page need the slash.
fn redirect() -> Response<Body> {
    let mut response = empty(StatusCode::FOUND);
    let location = HeaderValue::from_static("/kindergarten/");
    response.headers_mut().insert(LOCATION, location);
    response
}

fn not_there(tail: &str) -> pinyon_core::Error {
    http_error::route_not_found("GET", &format!("/kindergarten{tail}"))
}
