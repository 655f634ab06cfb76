//! `hilo`: ranges of numbers from which clients make ids.

use hyper::StatusCode;
use pinyon_core::commands::{NextHiloRange, ReturnHiloRange};
use pinyon_core::host::Timestamp;
use serde_json::json;

use crate::http::{self, Call, Reply, empty};

/// `GET hilo/next`.
pub async fn next(call: &mut Call<'_>) -> Reply {
    let database = call.open_database().await?;
    let query = call.query;
    let last_range_at = query.get("lastRangeAt")?;
    let next = NextHiloRange {
        tag: query.require("tag")?.into_owned(),
        last_size: query.number("lastBatchSize", 0)?,
        // A date that says nothing only costs the adjustment of the size.
        last_range_at: last_range_at.and_then(|text| Timestamp::parse(&text).ok()),
        separator: query
            .get("identityPartsSeparator")?
            .unwrap_or_default()
            .into_owned(),
        last_max: query.number("lastMax", 0)?,
    };
    let range = database.use_store(database.documents.next_hilo_range(next).await)?;
    Ok(http::json(
        StatusCode::CREATED,
        &json!({
            "Prefix": range.prefix,
            "Low": range.low,
            "High": range.high,
            "LastSize": range.size,
            "ServerTag": range.server_tag,
            "LastRangeAt": range.leased_at.to_text(),
        }),
    ))
}

/// `PUT hilo/return`.
pub async fn give_back(call: &mut Call<'_>) -> Reply {
    let database = call.open_database().await?;
    let unused = ReturnHiloRange {
        tag: call.query.require("tag")?.into_owned(),
        end: call.query.number("end", 0)?,
        last: call.query.number("last", 0)?,
    };
    database.use_store(database.documents.return_hilo_range(unused).await)?;
    Ok(empty(StatusCode::NO_CONTENT))
}
