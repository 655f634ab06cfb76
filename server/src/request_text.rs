//! What requests say, read without doing anything: the parsers that meet input of unknown shape,
//! for whoever tests them by themselves.

use pinyon_core::commands::BatchCommand;
use pinyon_core::{Limits, Result};

use crate::http::QueryString;
use crate::routes;

/// The commands in the body of `POST bulk_docs`.
///
/// # Errors
/// `InvalidRequest`, `Unsupported` or `LimitExceeded`, with the number of the command.
pub fn parse_bulk_docs(body: &str, limits: &Limits) -> Result<Vec<BatchCommand>> {
    Ok(routes::bulk_docs::parse(body, limits)?.into_sent_commands())
}

/// The ids in the query string of `GET docs`, once its other values have been read too.
///
/// # Errors
/// `InvalidRequest` or `Unsupported`.
pub fn parse_load_query(text: &str) -> Result<Vec<String>> {
    let query = QueryString::new(text);
    let page = routes::docs::page::PageQuery::parse(query).map(drop);
    let load = routes::docs::load::LoadQuery::parse(query)?;
    page.map(|()| load.ids.into_iter().map(Into::into).collect())
}
