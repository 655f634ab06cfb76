//! `configuration/client`: what the server tells clients to do otherwise: nothing.

use hyper::StatusCode;
use serde_json::json;

use crate::http::{self, Call, Reply};

/// `GET configuration/client`, of a database or of the server: of the latter the configuration
/// itself is read, with all its members.
pub async fn client(call: &mut Call<'_>) -> Reply {
    let body = if call.database.is_empty() {
        json!({
            "Etag": 0,
            "Disabled": true,
            "IdentityPartsSeparator": null,
            "MaxNumberOfRequestsPerSession": null,
            "ReadBalanceBehavior": "None",
            "LoadBalanceBehavior": "None",
            "LoadBalancerContextSeed": null,
        })
    } else {
        call.open_database().await?;
        json!({ "Etag": 0, "Configuration": null })
    };
    Ok(http::json(StatusCode::OK, &body))
}
