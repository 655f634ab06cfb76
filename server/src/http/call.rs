//! A request as endpoints see it, whether it came alone or inside a multi_get.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::{HOST, HeaderName, IF_MATCH, IF_NONE_MATCH};
use percent_encoding::percent_decode_str;
use pinyon_core::{Error, Result};

use super::{QueryString, RequestBody};
use crate::databases::OpenDatabase;
use crate::server::Server;

/// One request on its way through an endpoint.
pub struct Call<'a> {
    pub server: &'a Arc<Server>,
    /// The database's name as it stands in the path, escapes and all; empty outside databases.
    pub database: &'a str,
    /// What the path has after the endpoint's own part.
    pub tail: &'a str,
    pub query: QueryString<'a>,
    pub headers: &'a HeaderMap,
    pub body: RequestBody,
}

impl Call<'_> {
    /// The database's name.
    ///
    /// # Errors
    /// `InvalidRequest` when its escapes do not make UTF-8.
    pub fn database_name(&self) -> Result<Cow<'_, str>> {
        percent_decode_str(self.database)
            .decode_utf8()
            .map_err(|_| Error::invalid("the database's name is not UTF-8 text"))
    }

    /// The database, opened if it is not open.
    ///
    /// # Errors
    /// `NotFound` when there is none, `Unavailable` when it is disabled; whatever opening reports.
    pub async fn open_database(&self) -> Result<Arc<OpenDatabase>> {
        self.server.databases.get(&self.database_name()?).await
    }

    /// The whole body.
    ///
    /// # Errors
    /// Those of [`RequestBody::read`].
    pub async fn read_body(&mut self) -> Result<Bytes> {
        self.body.read(self.server, self.headers).await
    }

    /// Whether the client has what bears `tag` already: it may name one tag with or without quotes,
    /// several in quotes, or any (RFC 9110, 13.1.2).
    pub fn has_already(&self, tag: &str) -> bool {
        let Some(given) = self.entity_tag(&IF_NONE_MATCH) else {
            return false;
        };
        // There are commas in change vectors, so that only quotes tell tags apart.
        given == tag || given == "*" || given.split('"').step_by(2).any(|given| given == tag)
    }

    /// The change vector the client expects, without its quotes.
    ///
    /// # Errors
    /// `InvalidRequest` when it is given but cannot be one: nobody's condition is passed over.
    pub fn if_match(&self) -> Result<Option<&str>> {
        match self.entity_tag(&IF_MATCH) {
            None if self.headers.contains_key(&IF_MATCH) => Err(Error::invalid(
                "the header If-Match holds no change vector, which is ASCII text",
            )),
            tag => Ok(tag),
        }
    }

    fn entity_tag(&self, name: &HeaderName) -> Option<&str> {
        let text = self.headers.get(name)?.to_str().ok()?.trim();
        let text = text.strip_prefix("W/").unwrap_or(text);
        let inner = text
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'));
        Some(inner.unwrap_or(text))
    }

    /// The URL by which this client reaches this server.
    pub fn base_url(&self) -> String {
        if let Some(url) = &self.server.config.public_url {
            return url.trim_end_matches('/').to_owned();
        }
        let local = self.server.local_address;
        // Listening everywhere has no address of its own; the client knows one that works.
        let host = self.headers.get(HOST).and_then(|host| host.to_str().ok());
        match host {
            Some(host) if local.ip().is_unspecified() => format!("http://{host}"),
            _ => format!("http://{local}"),
        }
    }
}

/// A body as text.
///
/// # Errors
/// `InvalidRequest` when it is not UTF-8.
pub fn as_text(body: &[u8]) -> Result<&str> {
    std::str::from_utf8(body)
        .map_err(|reason| Error::invalid(format!("the body is not UTF-8 text: {reason}")))
}

/// Runs work on a body; on a large one in such a way that the thread's other requests go on.
pub fn in_place<T>(byte_count: usize, work: impl FnOnce() -> T) -> T {
    const LARGE_BYTES: usize = 1 << 20;
    if byte_count < LARGE_BYTES {
        work()
    } else {
        tokio::task::block_in_place(work)
    }
}
