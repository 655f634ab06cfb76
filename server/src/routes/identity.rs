//! `identity`: counters for ids like `users/1`.

use hyper::StatusCode;
use pinyon_core::Error;
use pinyon_core::commands::SeedIdentity;
use serde_json::{Map, Value, json};

use crate::http::{self, Call, Reply};

/// `POST identity/next`.
pub async fn next(call: &mut Call<'_>) -> Reply {
    let database = call.open_database().await?;
    let name = call.query.require("name")?;
    let value = database.use_store(database.documents.next_identity(&name).await)?;
    Ok(http::json(
        StatusCode::OK,
        &json!({ "NewIdentityValue": value }),
    ))
}

/// `POST identity/seed`.
pub async fn seed(call: &mut Call<'_>) -> Reply {
    let database = call.open_database().await?;
    let seed = SeedIdentity {
        name: call.query.require("name")?.into_owned(),
        value: call
            .query
            .require("value")?
            .parse()
            .map_err(|_| Error::invalid("'value' must be a whole number"))?,
        force: call.query.flag("force"),
    };
    let value = database.use_store(database.documents.seed_identity(seed).await)?;
    Ok(http::json(
        StatusCode::OK,
        &json!({ "NewSeedValue": value }),
    ))
}

/// `GET debug/identities`.
pub async fn list(call: &mut Call<'_>) -> Reply {
    let database = call.open_database().await?;
    let identities = database.read().await?.identities().await?;
    let map: Map<String, Value> = identities
        .into_iter()
        .map(|identity| (identity.name, identity.value.into()))
        .collect();
    Ok(http::json(StatusCode::OK, &map))
}
