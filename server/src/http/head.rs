//! What a request's head must be beyond what hyper sees to.
//!
//! A proxy before this server, or a page's guard, may have looked at another `Host` than we do, and
//! cut a body another way: what can be read in two ways is refused.

use hyper::header::{HOST, HeaderMap, TRANSFER_ENCODING};
use hyper::{Method, Version};
use pinyon_core::{Error, ErrorKind, Result};

use crate::http_error;
use crate::routes::{self, Route};

/// Refuses a head that names no host or two, or a coding of its body that is not understood.
///
/// # Errors
/// `InvalidRequest` or `Unsupported`.
pub fn check_head(version: Version, headers: &HeaderMap) -> Result<()> {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if host.to_str().is_ok() => {}
        (None, None) if version == Version::HTTP_10 => {}
        (None, None) => return Err(Error::invalid("the request has no Host header")),
        (Some(_), None) => return Err(Error::invalid("the Host header is no ASCII text")),
        _ => return Err(Error::invalid("the request has several Host headers")),
    }
    // Hyper reads bodies whose last coding is `chunked`, whatever stands before that.
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(Error::new(
            ErrorKind::Unsupported,
            "the request has a Transfer-Encoding other than chunked",
        )),
    }
}

/// Where a request leads. What can be read can be asked for its head; hyper leaves out the body.
pub fn find_route<'a>(method: &Method, path: &'a str) -> Option<Route<'a>> {
    routes::find(method, path).or_else(|| match *method {
        Method::HEAD => routes::find(&Method::GET, path).filter(|it| !it.endpoint.uses_up()),
        _ => None,
    })
}

/// The answer where [`find_route`] finds nothing, and the methods that lead somewhere.
pub fn no_route(method: &Method, path: &str) -> (Error, String) {
    const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "RESET"];
    let allowed = METHODS.into_iter().filter(|name| {
        let method = Method::from_bytes(name.as_bytes()).expect("the methods are tokens");
        find_route(&method, path).is_some()
    });
    let allowed = allowed.collect::<Vec<_>>().join(", ");
    let error = match allowed.as_str() {
        "" => http_error::route_not_found(method.as_str(), path),
        _ => http_error::method_not_allowed(method.as_str(), path, &allowed),
    };
    (error, allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_that_can_be_read_in_two_ways_are_refused() {
        let checked = |version, lines: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(*name, value.parse().expect("a header"));
            }
            check_head(version, &headers).map_err(|error| error.kind())
        };
        let (new, old) = (Version::HTTP_11, Version::HTTP_10);
        let (one, chunked) = (("host", "a"), ("transfer-encoding", "Chunked"));
        let invalid = Err(ErrorKind::InvalidRequest);
        assert_eq!(checked(new, &[one, chunked]), Ok(()));
        assert_eq!(checked(old, &[]), Ok(()));
        assert_eq!(checked(new, &[]), invalid);
        assert_eq!(checked(new, &[one, one]), invalid);
        assert_eq!(checked(old, &[one, ("host", "b")]), invalid);
        assert_eq!(checked(new, &[("host", "\u{e9}")]), invalid);
        for coding in ["gzip, chunked", "identity", "chunked, chunked", ""] {
            let lines = [one, ("transfer-encoding", coding)];
            assert_eq!(
                checked(new, &lines),
                Err(ErrorKind::Unsupported),
                "{coding}"
            );
        }
        assert_eq!(
            checked(new, &[one, chunked, chunked]),
            Err(ErrorKind::Unsupported)
        );
    }

    #[test]
    fn a_path_tells_the_methods_that_it_has() {
        let allowed = |path| no_route(&Method::OPTIONS, path).1;
        assert_eq!(allowed("/build/version"), "GET, HEAD");
        assert_eq!(
            allowed("/databases/a/docs"),
            "GET, HEAD, POST, PUT, PATCH, DELETE"
        );
        // Asking for its head would use up what it hands out.
        assert_eq!(allowed("/databases/a/hilo/next"), "GET");
        assert_eq!(allowed("/databases/a/bulk_docs"), "POST");
        assert_eq!(allowed("/no/such/route"), "");
    }
}
