//! `validation/config`: functions that say what edges may write.

use hyper::StatusCode;
use pinyon_core::commands::Configure;
use pinyon_core::validation::ValidationConfiguration;

use crate::http::{self, Call, Reply, as_text, empty};

/// `GET validation/config`.
pub async fn get(call: &mut Call<'_>) -> Reply {
    let database = call.open_database().await?;
    let configuration = database.read().await?.validation_configuration().await?;
    Ok(match configuration {
        Some(configuration) => http::json(StatusCode::OK, &configuration),
        None => empty(StatusCode::NOT_FOUND),
    })
}

/// `POST admin/validation/config`.
pub async fn configure(call: &mut Call<'_>) -> Reply {
    let body = call.read_body().await?;
    let configuration = ValidationConfiguration::parse(as_text(&body)?)?;
    let database = call.open_database().await?;
    let now = call.server.host.clock.now();
    configuration.check(&*database.scripts, now).await?;
    super::expiration::configure(call, Configure::Validation(configuration)).await
}
