//! `topology`: which nodes have a database. There is one node.

use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};
use serde_json::json;

use crate::http::{self, Call, Reply};
use crate::server::PROTOCOL_VERSION;

/// `GET topology?name=`.
pub async fn get(call: &mut Call<'_>) -> Reply {
    let name = call.query.require("name")?;
    let Some(record) = call.server.databases.record(&name) else {
        return Ok(missing(&name));
    };
    Ok(http::json(
        StatusCode::OK,
        &json!({
            "Promotables": [],
            "Nodes": [{
                "Url": call.base_url(),
                "ClusterTag": call.server.databases.node_tag(),
                "ServerRole": "Member",
                "Database": record.name,
                "ServerVersion": PROTOCOL_VERSION,
            }],
            "Etag": record.index,
        }),
    ))
}

fn missing(name: &str) -> hyper::Response<http::Body> {
    let mut response = http::json(
        StatusCode::SERVICE_UNAVAILABLE,
        &json!({ "Type": "Error", "Message": format!("There is no database '{name}'") }),
    );
    // Names that cannot stand in a header cannot be databases either.
    let value = HeaderValue::from_bytes(name.as_bytes()).unwrap_or(HeaderValue::from_static("?"));
    response
        .headers_mut()
        .insert(HeaderName::from_static("database-missing"), value);
    response
}
