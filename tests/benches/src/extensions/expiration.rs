//! How quickly expired documents go: stored in batches with a time that is past, then the sweeping
//! is switched on, and the counts are watched until none is left.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::{DATABASE, ExtensionsPlan, Ratios};
use crate::document::{Size, order};
use crate::process::cpu_time_of_tree;
use crate::table::Table;
use crate::target::Target;

/// Documents of a batch while the database is filled.
const FILL_BATCH: usize = 1_000;
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Only a guard against a server that never sweeps.
const SWEEP_LIMIT: Duration = Duration::from_secs(300);

/// Measures each target.
pub(super) async fn run(
    plan: &ExtensionsPlan,
    targets: &[&Target],
    ratios: &mut Ratios,
) -> Result<()> {
    let mut table = Table::new(&[
        "expired documents",
        "number",
        "until the first went, s",
        "from then on documents/s",
        "CPU µs/document",
    ]);
    table.print_head();
    let mut rates = Vec::new();
    for target in targets {
        target.create_database(DATABASE).await?;
        fill(target, plan.expiring).await?;
        let swept = watch(target, plan.expiring).await?;
        target.delete_database(DATABASE).await?;
        table.print_row(&[
            target.name.clone(),
            plan.expiring.to_string(),
            format!("{:.2}", swept.until_first.as_secs_f64()),
            format!("{:.0}", swept.rate),
            format!(
                "{:.1}",
                swept.cpu.as_secs_f64() * 1e6 / plan.expiring as f64
            ),
        ]);
        rates.push(swept.rate);
    }
    ratios.add_peer("sweep of expired documents", &rates);
    Ok(())
}

async fn fill(target: &Target, count: usize) -> Result<()> {
    let metadata = r#""@metadata":{"@expires":"2020-01-01T00:00:00.0000000Z","#;
    for first in (0..count).step_by(FILL_BATCH) {
        let commands: Vec<String> = (first..count.min(first + FILL_BATCH))
            .map(|number| {
                let order = order(Size::Small, number as u64);
                let order = order.replace(r#""@metadata":{"#, metadata);
                format!(
                    r#"{{"Type":"PUT","Id":"orders/{number}","ChangeVector":null,"Document":{order}}}"#
                )
            })
            .collect();
        let body = format!(r#"{{"Commands":[{}]}}"#, commands.join(","));
        target
            .ask("POST", DATABASE, "bulk_docs", &body, 201)
            .await?;
    }
    Ok(())
}

struct Swept {
    until_first: Duration,
    rate: f64,
    cpu: Duration,
}

/// From the first look that finds some gone to the first that finds none.
async fn watch(target: &Target, count: usize) -> Result<Swept> {
    let configuration = json!({ "Disabled": false, "DeleteFrequencyInSec": 1 }).to_string();
    let path = "admin/expiration/config";
    let cpu = cpu_time_of_tree(target.process)?;
    let began = Instant::now();
    target
        .ask("POST", DATABASE, path, &configuration, 200)
        .await?;
    let mut first = None;
    while began.elapsed() < SWEEP_LIMIT {
        let counts = target
            .ask("GET", DATABASE, "collections/stats", "", 200)
            .await?;
        let left = counts["CountOfDocuments"].as_u64().context("a count")?;
        if left < count as u64 && first.is_none() {
            first = Some((Instant::now(), left));
        }
        if let (0, Some((at, then))) = (left, first) {
            // All at once, between two looks: then the whole wait is the best that is known.
            let (took, swept) = match then {
                0 => (began.elapsed(), count as u64),
                _ => (at.elapsed(), then),
            };
            return Ok(Swept {
                until_first: at.duration_since(began),
                rate: swept as f64 / took.as_secs_f64(),
                cpu: cpu_time_of_tree(target.process)?.saturating_sub(cpu),
            });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    bail!("{} has not swept {count} expired documents", target.name);
}
