//! How long a write is not yet in the index: from its acknowledgement to the first answer of a
//! query that has it, one after the other on a server that does nothing else.

use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::json;

use super::DATABASE;
use crate::connection::Connection;
use crate::load::percentile;
use crate::table::Table;
use crate::target::Target;
use crate::workload::request;

const WRITES: usize = 300;
const MOST_QUERIES: usize = 100_000;

pub(super) async fn run(target: &Target) -> Result<()> {
    let mut connection = Connection::open(target.address).await?;
    let mut lags_ns = Vec::with_capacity(WRITES);
    let mut at_once = 0;
    for number in 0..WRITES {
        let company = format!("companies/lag-{number}");
        let body = json!({
            "Company": company, "City": "none", "Number": -2 - (number as i64),
            "@metadata": { "@collection": "Orders" },
        });
        let put = format!("/databases/{DATABASE}/docs?id=lag/{number}");
        let put = request("PUT", &put, None, &body.to_string());
        let text = format!("from Orders where Company = '{company}' and City = 'none' limit 1");
        let query = json!({ "Query": text }).to_string();
        let query = request(
            "POST",
            &format!("/databases/{DATABASE}/queries"),
            None,
            &query,
        );
        let answer = connection.exchange(&put).await?;
        ensure!(
            answer.status == 201,
            "the PUT was answered {}",
            answer.status
        );
        let written = Instant::now();
        let mut asked = 0;
        loop {
            let (status, _, body) = connection.exchange_whole(&query).await?;
            ensure!(status == 200, "a query was answered {status}");
            if memchr::memmem::find(&body, b"companies/lag-").is_some() {
                break;
            }
            asked += 1;
            ensure!(
                asked < MOST_QUERIES,
                "'{company}' does not come into the index"
            );
        }
        at_once += usize::from(asked == 0);
        lags_ns.push(written.elapsed().as_nanos() as u64);
    }
    lags_ns.sort_unstable();
    let mut table = Table::new(&[
        "from PUT's answer to found",
        "writes",
        "p50 ms",
        "p99 ms",
        "found at once",
    ]);
    table.print_head();
    table.print_row(&[
        "auto index".to_owned(),
        WRITES.to_string(),
        format!("{:.2}", percentile(&lags_ns, 50.0) as f64 / 1e6),
        format!("{:.2}", percentile(&lags_ns, 99.0) as f64 / 1e6),
        at_once.to_string(),
    ]);
    Ok(())
}
