//! Figures for Prometheus, kept in plain atomic counters: a request costs three additions.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use hyper::StatusCode;

use crate::routes::Endpoint;

/// The statuses told apart; the last row is for all others.
const STATUSES: [u16; 14] = [
    200, 201, 204, 304, 400, 404, 408, 409, 413, 500, 501, 503, 507, 0,
];

/// Upper bounds of the latency buckets, in microseconds.
const BUCKETS_US: [u64; 12] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 250_000, 1_000_000, 10_000_000,
];

/// One more than there are endpoints: the last is for paths that lead nowhere.
const ROWS: usize = Endpoint::COUNT + 1;

#[derive(Default)]
struct Row {
    statuses: [AtomicU64; STATUSES.len()],
    buckets: [AtomicU64; BUCKETS_US.len() + 1],
    total_us: AtomicU64,
}

/// The counters of a server.
pub struct Metrics {
    rows: Vec<Row>,
    /// Connections open now, those of edges among them.
    pub open_connections: AtomicUsize,
    open_sync_connections: Arc<AtomicUsize>,
}

/// A sync connection that is counted for as long as this lives.
#[derive(Debug)]
pub struct CountedSyncConnection(Arc<AtomicUsize>);

impl Drop for CountedSyncConnection {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            rows: (0..ROWS).map(|_| Row::default()).collect(),
            open_connections: AtomicUsize::new(0),
            open_sync_connections: Arc::default(),
        }
    }
}

impl Metrics {
    /// Counts one request.
    pub fn record(&self, endpoint: Option<Endpoint>, status: StatusCode, took: Duration) {
        let row = &self.rows[endpoint.map_or(Endpoint::COUNT, |endpoint| endpoint as usize)];
        let status = STATUSES
            .iter()
            .position(|known| *known == status.as_u16())
            .unwrap_or(STATUSES.len() - 1);
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BUCKETS_US
            .iter()
            .position(|bound| took_us <= *bound)
            .unwrap_or(BUCKETS_US.len());
        row.statuses[status].fetch_add(1, Ordering::Relaxed);
        row.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        row.total_us.fetch_add(took_us, Ordering::Relaxed);
    }

    /// Counts a sync connection that begins.
    pub fn count_sync_connection(&self) -> CountedSyncConnection {
        self.open_sync_connections.fetch_add(1, Ordering::Relaxed);
        CountedSyncConnection(Arc::clone(&self.open_sync_connections))
    }

    /// Appends the counters in Prometheus' text form.
    pub fn write_text(&self, text: &mut String) {
        text.push_str(
            "# HELP pinyon_requests_total Requests answered.\n# TYPE pinyon_requests_total counter\n",
        );
        for (route, row) in self.named_rows() {
            for (status, count) in STATUSES.iter().zip(&row.statuses) {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    let status = match status {
                        0 => "other".to_owned(),
                        status => status.to_string(),
                    };
                    line(
                        text,
                        format_args!(
                            "pinyon_requests_total{{route=\"{route}\",status=\"{status}\"}} {count}"
                        ),
                    );
                }
            }
        }
        text.push_str(
            "# HELP pinyon_request_seconds Time from a request's head to its response's.\n\
             # TYPE pinyon_request_seconds histogram\n",
        );
        for (route, row) in self.named_rows() {
            write_histogram(route, row, text);
        }
        let gauges = [
            (
                "pinyon_open_connections",
                "Connections open now, those of edges among them.",
                &self.open_connections,
            ),
            (
                "pinyon_open_sync_connections",
                "Connections of edges open now.",
                &*self.open_sync_connections,
            ),
        ];
        for (name, help, count) in gauges {
            let count = count.load(Ordering::Relaxed);
            let kind = format_args!("# HELP {name} {help}\n# TYPE {name} gauge\n{name} {count}");
            line(text, kind);
        }
    }

    fn named_rows(&self) -> impl Iterator<Item = (&'static str, &Row)> {
        let names = Endpoint::ALL.iter().map(|endpoint| endpoint.name());
        names.chain(["no_route"]).zip(&self.rows)
    }
}

fn write_histogram(route: &str, row: &Row, text: &mut String) {
    let mut count = 0;
    let buckets: Vec<u64> = row
        .buckets
        .iter()
        .map(|bucket| {
            count += bucket.load(Ordering::Relaxed);
            count
        })
        .collect();
    if count == 0 {
        return;
    }
    for (index, cumulated) in buckets.iter().enumerate() {
        let bound = BUCKETS_US
            .get(index)
            .map_or_else(|| "+Inf".to_owned(), |bound| seconds(*bound));
        line(
            text,
            format_args!(
                "pinyon_request_seconds_bucket{{route=\"{route}\",le=\"{bound}\"}} {cumulated}"
            ),
        );
    }
    let total = seconds(row.total_us.load(Ordering::Relaxed));
    line(
        text,
        format_args!("pinyon_request_seconds_sum{{route=\"{route}\"}} {total}"),
    );
    line(
        text,
        format_args!("pinyon_request_seconds_count{{route=\"{route}\"}} {count}"),
    );
}

fn seconds(microseconds: u64) -> String {
    format!(
        "{}.{:06}",
        microseconds / 1_000_000,
        microseconds % 1_000_000
    )
}

/// Appends one line.
pub fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    writeln!(text, "{content}").expect("a String takes any text");
}
