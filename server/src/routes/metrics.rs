//! `metrics`: figures in Prometheus' text form.

use crate::http::{self, Call, Reply};
use crate::metrics::line;

/// `GET metrics`.
pub async fn get(call: &mut Call<'_>) -> Reply {
    let mut text = String::with_capacity(4096);
    call.server.metrics.write_text(&mut text);
    let databases = call.server.databases.open_databases();
    let mut rows = Vec::with_capacity(databases.len());
    for database in &databases {
        let statistics = database.read().await?.statistics().await?;
        let queued = database.documents.queued_operations();
        rows.push((escape(&database.record.name), statistics, queued));
    }
    let mut gauge = |name: &str, help: &str, values: Vec<(&str, u64)>| {
        line(
            &mut text,
            format_args!("# HELP {name} {help}\n# TYPE {name} gauge"),
        );
        for (database, value) in values {
            line(
                &mut text,
                format_args!("{name}{{database=\"{database}\"}} {value}"),
            );
        }
    };
    gauge(
        "pinyon_documents",
        "Documents in open databases.",
        rows.iter()
            .map(|(name, it, _)| (name.as_str(), it.document_count))
            .collect(),
    );
    gauge(
        "pinyon_tombstones",
        "Tombstones in open databases.",
        rows.iter()
            .map(|(name, it, _)| (name.as_str(), it.tombstone_count))
            .collect(),
    );
    gauge(
        "pinyon_queued_operations",
        "Writes waiting in open databases.",
        rows.iter()
            .map(|(name, _, queued)| (name.as_str(), *queued as u64))
            .collect(),
    );
    Ok(http::plain(
        "text/plain; version=0.0.4; charset=utf-8",
        text,
    ))
}

fn escape(label: &str) -> String {
    label
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
