//! What is a URL of a server, and what an origin of pages.

use hyper::Uri;
use hyper::http::uri::Authority;
use pinyon_core::{Error, Result};

/// Refuses a URL by which no client can reach a server.
///
/// # Errors
/// `InvalidRequest` that names the option.
pub fn check_public_url(url: &str) -> Result<()> {
    // What follows a # is no part of a `Uri`, and passed over.
    let uri = url.parse::<Uri>().ok().filter(|_| !url.contains('#'));
    let is_url = uri.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.authority().is_some_and(is_host)
            && uri.query().is_none()
    });
    if is_url {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "--public-url '{url}': it must be http:// or https:// and a host, as in \
         https://data.example"
    )))
}

/// Refuses what no browser sends as an origin: it would look like a server that cannot be reached.
///
/// # Errors
/// `InvalidRequest` that names the option.
pub fn check_origin(origin: &str) -> Result<()> {
    let refused = |why| Err(Error::invalid(format!("--sync-origin '{origin}': {why}")));
    if origin == "*" {
        return refused("each origin must be named, as in https://app.example");
    }
    let Some((scheme, authority)) = split(origin) else {
        return refused(
            "it must be scheme://host or scheme://host:port, as in https://app.example",
        );
    };
    // Browsers leave it out, so it would never be the same.
    match (scheme.to_ascii_lowercase().as_str(), authority.port_u16()) {
        ("http", Some(80)) | ("https", Some(443)) => {
            refused("the port is the usual one and must be left out")
        }
        _ => Ok(()),
    }
}

fn split(origin: &str) -> Option<(&str, Authority)> {
    let (scheme, authority) = origin.split_once("://")?;
    let is_scheme = scheme.starts_with(|it: char| it.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|it| it.is_ascii_alphanumeric() || "+-.".contains(it));
    let authority = authority.parse::<Authority>().ok().filter(is_host)?;
    is_scheme.then_some((scheme, authority))
}

/// Whether it is a host, and perhaps a port, and nothing else.
fn is_host(authority: &Authority) -> bool {
    let host = authority.host();
    let is_name = !host.is_empty()
        && host
            .chars()
            .all(|it| it.is_ascii_alphanumeric() || "-._".contains(it));
    let in_brackets = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let is_address = in_brackets.is_some_and(|it| it.parse::<std::net::Ipv6Addr>().is_ok());
    // Nothing before the host, and after it a port that there is.
    let rest = authority.as_str().strip_prefix(host);
    let is_rest = match rest.map(|rest| rest.strip_prefix(':').ok_or(rest)) {
        Some(Ok(port)) => port.parse::<u16>().is_ok(),
        Some(Err(rest)) => rest.is_empty(),
        None => false,
    };
    (is_name || is_address) && is_rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_has_a_host_and_nothing_that_clients_cannot_follow() {
        for url in [
            "http://data.example",
            "https://data.example/",
            "https://data.example:8443/base",
            "http://[::1]:8080",
        ] {
            assert!(check_public_url(url).is_ok(), "{url}");
        }
        for url in [
            "",
            "data.example",
            "ftp://data.example",
            "http://",
            "https://:8080",
            "https://data example",
            " https://data.example",
            "https://data.example ",
            "https://eva@data.example",
            "https://data.example:99999",
            "https://data.example/?a=b",
            "https://data.example/#a",
            "https://*",
        ] {
            assert!(check_public_url(url).is_err(), "{url}");
        }
    }

    #[test]
    fn an_origin_is_what_browsers_send() {
        for origin in [
            "https://app.example",
            "HTTPS://App.example",
            "http://localhost:5173",
            "http://[::1]:5173",
            "capacitor://localhost",
            "chrome-extension://abcdef",
        ] {
            assert!(check_origin(origin).is_ok(), "{origin}");
        }
        for origin in [
            "*",
            "null",
            "app.example",
            "https://",
            "https://*.app.example",
            "https://app.example/app",
            "https://app.example:443",
            "http://app.example:80",
            "https://app.example:",
            "https://app.example:99999",
            "https://eva@app.example",
            "https://bücher.example",
            "https://app example",
            "ht tps://app.example",
        ] {
            assert!(check_origin(origin).is_err(), "{origin}");
        }
    }
}
