//! `expiration` and `refresh`: whether and how often due documents are dealt with.

use hyper::StatusCode;
use pinyon_core::commands::Configure;
use pinyon_core::expiration::{ExpirationConfiguration, RefreshConfiguration};
use serde_json::json;

use crate::http::{self, Call, Reply, as_text, empty};

/// `GET expiration/config`.
pub async fn get_expiration(call: &mut Call<'_>) -> Reply {
    let database = call.open_database().await?;
    let configuration = database.read().await?.expiration_configuration().await?;
    Ok(match configuration {
        Some(configuration) => http::json(StatusCode::OK, &configuration),
        None => empty(StatusCode::NOT_FOUND),
    })
}

/// `GET refresh/config`.
pub async fn get_refresh(call: &mut Call<'_>) -> Reply {
    let database = call.open_database().await?;
    let configuration = database.read().await?.refresh_configuration().await?;
    Ok(match configuration {
        Some(configuration) => http::json(StatusCode::OK, &configuration),
        None => empty(StatusCode::NOT_FOUND),
    })
}

/// `POST admin/expiration/config`.
pub async fn configure_expiration(call: &mut Call<'_>) -> Reply {
    let body = call.read_body().await?;
    let configuration = ExpirationConfiguration::parse(as_text(&body)?)?;
    configure(call, Configure::Expiration(configuration)).await
}

/// `POST admin/refresh/config`.
pub async fn configure_refresh(call: &mut Call<'_>) -> Reply {
    let body = call.read_body().await?;
    let configuration = RefreshConfiguration::parse(as_text(&body)?)?;
    configure(call, Configure::Refresh(configuration)).await
}

/// Replaces a configuration.
pub async fn configure(call: &Call<'_>, configure: Configure) -> Reply {
    let database = call.open_database().await?;
    let databases = &call.server.databases;
    let index = databases.configure(&database, configure).await?;
    Ok(http::json(
        StatusCode::OK,
        &json!({ "RaftCommandIndex": index }),
    ))
}
