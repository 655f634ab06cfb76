//! How long it takes to index all documents, one index after the other.

use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{DATABASE, IndexPlan, ask, index_of, put_index, wait_until_ready};
use crate::process::{cpu_time_of_tree, memory};
use crate::table::Table;
use crate::target::Target;

/// What groups orders by company.
pub(super) fn by_company() -> Value {
    json!({
        "Name": "OrdersByCompany",
        "Type": "JavaScriptMapReduce",
        "Maps": ["map('Orders', o => ({ Company: o.Company, Count: 1, Total: o.Total }))"],
        "Reduce": "groupBy(x => ({ Company: x.Company })).aggregate(g => ({ Company: g.key.Company, \
                   Count: g.values.reduce((sum, it) => sum + it.Count, 0), \
                   Total: g.values.reduce((sum, it) => sum + it.Total, 0) }))",
    })
}

/// Measures each kind of index.
pub(super) async fn run(plan: &IndexPlan, target: &Target) -> Result<()> {
    let mut table = Table::new(&[
        "index",
        "documents",
        "seconds",
        "documents/s",
        "CPU µs/document",
        "memory MB",
        "at most MB",
        "aim",
    ]);
    println!("\n{}:", target.name);
    table.print_head();
    let auto = "from Orders where Company = 'none' and City = 'none' and Number = -1";
    let label = ("auto, 3 fields", "≥ 143,000/s: 0.2 × RavenDB's time");
    measure(plan, target, &mut table, label, async || {
        index_of(&ask(target, auto).await?)
    })
    .await?;
    let text = "from Orders where search(Notes, 'none')";
    measure(
        plan,
        target,
        &mut table,
        ("auto, full text", ""),
        async || index_of(&ask(target, text).await?),
    )
    .await?;
    let translated = "map('Orders', o => ({ Company: o.Company, City: o.City, Total: o.Total }))";
    // A loop and a regular expression are not translated.
    let engine = "map('Orders', o => { let most = 0; for (const line of o.Lines) { \
                  if (/^products/.test(line.Product)) most = Math.max(most, line.Quantity); } \
                  return { Company: o.Company, Most: most }; })";
    for (label, name, map) in [
        ("JavaScript map, translated", "Translated", translated),
        ("JavaScript map, in the engine", "Engine", engine),
    ] {
        measure(plan, target, &mut table, (label, ""), async || {
            let definition = json!({ "Name": name, "Type": "JavaScriptMap", "Maps": [map] });
            put_index(target, DATABASE, definition).await?;
            Ok(name.to_owned())
        })
        .await?;
    }
    let label = format!("map-reduce, {} keys", plan.keys);
    measure(plan, target, &mut table, (&label, ""), async || {
        put_index(target, DATABASE, by_company()).await?;
        Ok("OrdersByCompany".to_owned())
    })
    .await?;
    measure_lines(plan, target, &mut table).await?;
    check(plan, target).await
}

/// Sums over lines by product, of which there are a thousand: translated, and in parts or all in the engine.
async fn measure_lines(plan: &IndexPlan, target: &Target, table: &mut Table) -> Result<()> {
    let reduce = "groupBy(x => ({ Product: x.Product })).aggregate(g => ({ \
                  Product: g.key.Product, \
                  Quantity: g.values.reduce((sum, it) => sum + it.Quantity, 0) }))";
    let translated = "map('Orders', o => o.Lines.map(l => \
                      ({ Product: l.Product, Quantity: l.Quantity })))";
    let engine = "map('Orders', o => { const made = []; for (const l of o.Lines) \
                  made.push({ Product: l.Product, Quantity: l.Quantity }); return made; })";
    // Loops are not translated.
    let reduce_in_engine = "groupBy(x => ({ Product: x.Product })).aggregate(g => { let sum = 0; \
                            for (const it of g.values) sum += it.Quantity; \
                            return { Product: g.key.Product, Quantity: sum }; })";
    for (name, map, reduce, label) in [
        (
            "Lines",
            translated,
            reduce,
            (
                "lines by 1,000 products, translated",
                "≥ 59,000/s: 0.3 × RavenDB's time",
            ),
        ),
        (
            "LinesEngine",
            engine,
            reduce,
            (
                "lines by 1,000 products, map in the engine",
                "≥ 17,500/s: RavenDB's time",
            ),
        ),
        (
            "LinesAllEngine",
            engine,
            reduce_in_engine,
            (
                "lines by 1,000 products, map and reduce in the engine",
                "≥ 17,500/s: RavenDB's time",
            ),
        ),
    ] {
        measure(plan, target, table, label, async || {
            let definition = json!({
                "Name": name, "Type": "JavaScriptMapReduce", "Maps": [map], "Reduce": reduce,
            });
            put_index(target, DATABASE, definition).await?;
            Ok(name.to_owned())
        })
        .await?;
    }
    let query = |name| format!("from index '{name}' order by Product");
    let one = ask(target, &query("Lines")).await?;
    for name in ["LinesEngine", "LinesAllEngine"] {
        let other = ask(target, &query(name)).await?;
        ensure!(
            one["TotalResults"].as_u64() > Some(0) && one["Results"] == other["Results"],
            "the sums differ: {one} {other}"
        );
    }
    Ok(())
}

async fn measure(
    plan: &IndexPlan,
    target: &Target,
    table: &mut Table,
    (label, aim): (&str, &str),
    make: impl AsyncFnOnce() -> Result<String>,
) -> Result<()> {
    let cpu = cpu_time_of_tree(target.process)?;
    let began = Instant::now();
    let name = make().await?;
    wait_until_ready(target, DATABASE, &name).await?;
    let took = began.elapsed().as_secs_f64();
    let cpu = cpu_time_of_tree(target.process)?.saturating_sub(cpu);
    let megabytes =
        |name| -> Result<String> { Ok(format!("{}", memory(target.process, name)? >> 20)) };
    table.print_row(&[
        label.to_owned(),
        plan.documents.to_string(),
        format!("{took:.1}"),
        format!("{:.0}", plan.documents as f64 / took),
        format!("{:.1}", cpu.as_secs_f64() * 1e6 / plan.documents as f64),
        megabytes("VmRSS")?,
        megabytes("VmHWM")?,
        aim.to_owned(),
    ]);
    Ok(())
}

/// A figure for an index that is wrong is none.
async fn check(plan: &IndexPlan, target: &Target) -> Result<()> {
    let answer = ask(
        target,
        "from index 'Translated' where Company != null limit 0",
    )
    .await?;
    ensure!(answer["TotalResults"] == plan.documents, "{answer}");
    let answer = ask(target, "from index 'Engine' where Most > 0 limit 0").await?;
    ensure!(answer["TotalResults"] == plan.documents, "{answer}");
    let answer = ask(
        target,
        "from index 'OrdersByCompany' where Company = 'companies/0-A'",
    )
    .await?;
    let expected = plan.documents.div_ceil(plan.keys);
    ensure!(answer["Results"][0]["Count"] == expected, "{answer}");
    Ok(())
}
