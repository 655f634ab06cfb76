//! What 20 indexes take from those who write: PUTs of new documents with none and with twenty of
//! them, in turn.

use anyhow::Result;
use serde_json::json;

use super::{IndexPlan, put_index};
use crate::document::Size;
use crate::load::{Measured, Times, run_load};
use crate::process::cpu_time_of_tree;
use crate::table::Table;
use crate::target::Target;
use crate::workload::Requests;

const INDEXES: usize = 20;
const CONNECTIONS: usize = 16;
const FIELDS: [&str; 4] = ["Company", "Employee", "OrderedAt", "ShipTo.City"];

pub(super) async fn run(plan: &IndexPlan, target: &Target) -> Result<()> {
    let mut table = Table::new(&[
        "PUT over 16 connections",
        "requests/s",
        "p50 µs",
        "p99 µs",
        "CPU µs/request",
    ]);
    println!("\n{}:", target.name);
    table.print_head();
    let mut rates = [Vec::new(), Vec::new()];
    for round in 0..plan.rounds.max(1) {
        for (which, indexes) in [(0, 0), (1, INDEXES)] {
            let measured = measure(plan, target, indexes, round).await?;
            table.print_row(&[
                format!("{indexes} indexes"),
                format!("{:.0}", measured.rate()),
                format!("{:.0}", measured.latency_us(50.0)),
                format!("{:.0}", measured.latency_us(99.0)),
                format!("{:.1}", measured.cpu_us()),
            ]);
            rates[which].push(measured.rate());
        }
    }
    for rates in &mut rates {
        rates.sort_by(f64::total_cmp);
    }
    let median = |rates: &[f64]| rates[rates.len() / 2];
    println!(
        "\nwrites with {INDEXES} indexes ÷ with none: {:.2} (aim: ≥ 0.80)",
        median(&rates[1]) / median(&rates[0])
    );
    Ok(())
}

async fn measure(
    plan: &IndexPlan,
    target: &Target,
    indexes: usize,
    round: usize,
) -> Result<Measured> {
    let database = format!("BenchIndexed{indexes}");
    target.create_database(&database).await?;
    for number in 0..indexes {
        let field = FIELDS[number % FIELDS.len()];
        let map = format!("map('Orders', o => ({{ F{number}: o.{field} }}))");
        let definition = json!({
            "Name": format!("Index{number}"), "Type": "JavaScriptMap", "Maps": [map],
        });
        put_index(target, &database, definition).await?;
    }
    let sources = (0..CONNECTIONS)
        .map(|connection| {
            // A collection comes from the documents themselves, so the ids may be any.
            let prefix = format!("orders/{round}-{connection}/");
            Requests::put_one(&database, Size::Small, &prefix)
        })
        .collect();
    let times = Times {
        warm_up: plan.measured / 10,
        measured: plan.measured,
    };
    let process = target.process;
    let cpu_time = || cpu_time_of_tree(process);
    let measured = run_load(target.address, 201, sources, times, cpu_time).await?;
    target.delete_database(&database).await?;
    Ok(measured)
}
