//! Reading documents: by id, by prefix, or the newest.

use hyper::StatusCode;
use pinyon_core::Error;
use serde::Deserialize;

use super::{load, page};
use crate::http::{Call, JsonObject, Reply, as_text, empty, etag_value, not_modified};

/// `GET docs`.
pub async fn get(call: &mut Call<'_>) -> Reply {
    let query = load::LoadQuery::parse(call.query)?;
    if query.ids.is_empty() {
        return Box::pin(page::get(call)).await;
    }
    load::load(call, query).await
}

/// The body of `POST docs`: ids too many for a URL.
#[derive(Deserialize)]
struct LoadBody {
    #[serde(rename = "Ids", default)]
    ids: Vec<String>,
}

/// `POST docs`.
pub async fn post(call: &mut Call<'_>) -> Reply {
    let body = call.read_body().await?;
    let JsonObject(body): JsonObject<LoadBody> = serde_json::from_str(as_text(&body)?)
        .map_err(|reason| Error::invalid(format!("the list of ids: {reason}")))?;
    let mut query = load::LoadQuery::parse(call.query)?;
    query
        .ids
        .extend(body.ids.into_iter().map(std::borrow::Cow::Owned));
    load::load(call, query).await
}

/// `HEAD docs`: only whether the document is there, and which version.
pub async fn head(call: &mut Call<'_>) -> Reply {
    let id = call.query.require("id")?;
    let database = call.open_database().await?;
    let Some(document) = database.read().await?.served_document(&id).await? else {
        return Ok(empty(StatusCode::NOT_FOUND));
    };
    let etag = etag_value(document.change_vector())?;
    if call.has_already(document.change_vector()) {
        return Ok(not_modified(etag));
    }
    let mut response = empty(StatusCode::OK);
    response.headers_mut().insert(hyper::header::ETAG, etag);
    Ok(response)
}
