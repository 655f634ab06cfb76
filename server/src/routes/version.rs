//! `build/version`.

use hyper::StatusCode;
use serde_json::json;

use crate::http::{self, Call, Reply};

/// `GET build/version`: the version of the protocol, and our own.
pub async fn get(_: &mut Call<'_>) -> Reply {
    Ok(http::json(
        StatusCode::OK,
        &json!({
            "BuildVersion": 72051,
            "ProductVersion": "7.2",
            "CommitHash": "",
            "FullVersion": "7.2.7",
            "Pinyon": env!("CARGO_PKG_VERSION"),
        }),
    ))
}
