//! Requests that a web page of somebody else made a browser send.
//!
//! Whoever reaches an unauthenticated server on loopback may use it, but a browser on this machine
//! would carry requests of any page there: directly (`Origin` tells), or after a name was made to
//! point at loopback (`Host` tells). Programs send neither a foreign `Origin` nor a foreign `Host`.

use hyper::header::{HOST, HeaderMap, HeaderName, ORIGIN};
use hyper::http::uri::Authority;
use pinyon_core::{Error, ErrorKind, Result};

use crate::server::Server;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Refuses what another site's page asks for.
///
/// # Errors
/// `Unauthorized`.
pub fn check_origin(server: &Server, headers: &HeaderMap) -> Result<()> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    if let Some(host) = host
        && !is_own_host(server, host)
    {
        return Err(refused(&format!(
            "this server is not called '{}'; see --public-url",
            host.escape_debug()
        )));
    }
    let crosses = headers
        .get(&FETCH_SITE)
        .is_some_and(|site| !matches!(site.as_bytes(), b"same-origin" | b"none"));
    // Pages of other sites may point at the studio, but not act.
    if crosses && headers.get(ORIGIN).is_none() {
        return match headers.get("sec-fetch-mode").map(|mode| mode.as_bytes()) {
            Some(b"navigate") => Ok(()),
            _ => Err(refused("the request comes from another site's page")),
        };
    }
    match headers.get(ORIGIN) {
        None => Ok(()),
        Some(origin) if is_same(origin.as_bytes(), host) => Ok(()),
        Some(_) => Err(refused("the request comes from another site's page")),
    }
}

fn is_same(origin: &[u8], host: Option<&str>) -> bool {
    let origin = origin
        .strip_prefix(b"http://")
        .or_else(|| origin.strip_prefix(b"https://"));
    match (origin, host) {
        (Some(origin), Some(host)) => origin.eq_ignore_ascii_case(host.as_bytes()),
        _ => false,
    }
}

/// On loopback, only addresses and names that always mean loopback, and the name it was given.
fn is_own_host(server: &Server, host: &str) -> bool {
    if !server.local_address.ip().is_loopback() {
        return true;
    }
    // The usual case first, without parsing.
    if host.starts_with("127.0.0.1:") || host.starts_with("localhost:") {
        return true;
    }
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority.host().trim_matches(['[', ']']);
    let is_loopback_name = name.eq_ignore_ascii_case("localhost")
        || name.to_ascii_lowercase().ends_with(".localhost")
        || name.parse::<std::net::IpAddr>().is_ok();
    let public = server.config.public_url.as_deref();
    let is_public = public
        .and_then(|url| url.parse::<hyper::Uri>().ok())
        .and_then(|uri| Some(uri.host()?.eq_ignore_ascii_case(name)))
        .unwrap_or(false);
    is_loopback_name || is_public
}

fn refused(why: &str) -> Error {
    Error::new(ErrorKind::Unauthorized, why)
}
