//! What a client wants to be sure of before a batch is answered: that other nodes have it.
//!
//! Waiting for indexes is `index_wait`.

use pinyon_core::{Error, ErrorKind, Result};

use crate::http::QueryString;

/// Refuses a batch that must not be answered before other nodes have it, as there are none. A
/// majority of one node is that node.
///
/// # Errors
/// `Unsupported` when it asks for that; `InvalidRequest` for a malformed number.
pub fn check(query: QueryString<'_>) -> Result<()> {
    const THROWS: &str = "throwOnTimeoutInWaitForReplicas";
    const REPLICAS: &str = "numberOfReplicasToWaitFor";
    if query.get("waitForReplicasTimeout")?.is_none() {
        return Ok(());
    }
    // The client takes what there is when the time is over.
    if query.get(THROWS)?.is_some() && !query.flag(THROWS) {
        return Ok(());
    }
    let replicas = match query.get(REPLICAS)?.as_deref() {
        Some(text) if text.eq_ignore_ascii_case("majority") => 0,
        _ => query.number(REPLICAS, 1_u32)?,
    };
    if replicas == 0 {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Unsupported,
        format!(
            "the batch must not be answered before {replicas} other nodes have it, but this server \
             has none; nothing was stored"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_be_met_is_refused() {
        let check = |text: &str| check(QueryString::new(text)).map_err(|error| error.kind());
        let asks = "waitForReplicasTimeout=00:00:15";
        for (more, expected) in [
            ("", Err(ErrorKind::Unsupported)),
            ("&numberOfReplicasToWaitFor=2", Err(ErrorKind::Unsupported)),
            (
                "&throwOnTimeoutInWaitForReplicas=true",
                Err(ErrorKind::Unsupported),
            ),
            ("&throwOnTimeoutInWaitForReplicas=false", Ok(())),
            ("&numberOfReplicasToWaitFor=majority", Ok(())),
            ("&numberOfReplicasToWaitFor=0", Ok(())),
            (
                "&numberOfReplicasToWaitFor=many",
                Err(ErrorKind::InvalidRequest),
            ),
        ] {
            assert_eq!(check(&format!("{asks}{more}")), expected, "{more}");
        }
        assert_eq!(check("numberOfReplicasToWaitFor=2"), Ok(()));
    }
}
