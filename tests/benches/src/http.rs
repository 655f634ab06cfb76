//! The HTTP part: six workloads, three numbers of connections, two sizes of documents; our server
//! beside bare axum and, if named, a peer.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::document::Size;
use crate::engine::Merged;
use crate::load::{Measured, Times, run_load};
use crate::process::{Cores, cpu_time_of_tree};
use crate::table::Table;
use crate::target::{ReadRequests, Target};
use crate::workload::{BATCH, Requests, Workload};

/// What is measured and how long.
#[derive(Debug, Clone)]
pub struct HttpPlan {
    /// Which workloads.
    pub workloads: Vec<Workload>,
    /// Which numbers of connections.
    pub connections: Vec<usize>,
    /// Which sizes.
    pub sizes: Vec<Size>,
    /// The time of one measurement.
    pub measured: Duration,
    /// How often each is measured, in turn with its peers; the median by rate counts.
    pub rounds: usize,
}

/// A row of results for one target.
#[derive(Debug, Clone)]
pub struct Cell {
    /// What was asked.
    pub workload: Workload,
    /// Over how many connections.
    pub connections: usize,
    /// With documents of which size.
    pub size: Size,
    /// Our server's figures.
    pub ours: Measured,
    /// The peer's, if one was named.
    pub peer: Option<Measured>,
    /// Bare axum's, answering the same bytes.
    pub bare: Option<Measured>,
    /// Documents in one of our server's commits, if it writes and says so.
    pub documents_per_commit: Option<f64>,
}

/// What our server merged where it stored one document with each request.
pub fn merged(cells: &[Cell]) -> Vec<Merged> {
    let puts = cells.iter().filter(|it| it.workload == Workload::PutOne);
    puts.filter_map(|cell| {
        Some(Merged {
            connections: cell.connections,
            size: cell.size,
            documents_per_commit: cell.documents_per_commit?,
        })
    })
    .collect()
}

const SMALL_COUNT: usize = 10_000;
const LARGE_COUNT: usize = 2_000;
const READ_DATABASE: &str = "BenchReads";
const WRITE_DATABASE: &str = "BenchWrites";

struct Prepared<'a> {
    target: &'a Target,
    reads: Option<ReadRequests>,
}

/// Runs the plan and prints each line as soon as it is known.
///
/// # Errors
/// Any wrong answer, or a target that cannot be reached.
pub async fn run(
    plan: &HttpPlan,
    cores: Cores,
    ours: &Target,
    peer: Option<&Target>,
    bare: Option<&Target>,
) -> Result<Vec<Cell>> {
    for target in [Some(ours), peer, bare].into_iter().flatten() {
        cores.move_to_measured(target.process)?;
    }
    let ours = prepare(plan, ours).await?;
    let peer = match peer {
        Some(peer) => Some(prepare(plan, peer).await?),
        None => None,
    };
    let mut table = Table::new(&[
        "workload",
        "documents",
        "connections",
        "requests/s",
        "p50 µs",
        "p99 µs",
        "CPU µs/request",
        "bare axum requests/s (CPU µs)",
        "÷ bare axum",
        "peer requests/s (CPU µs)",
        "÷ peer",
        "documents/commit",
    ]);
    table.print_head();
    let mut cells = Vec::new();
    for size in &plan.sizes {
        for workload in &plan.workloads {
            for connections in &plan.connections {
                let cell = measure_cell(
                    plan,
                    &ours,
                    peer.as_ref(),
                    bare,
                    *workload,
                    *connections,
                    *size,
                )
                .await
                .with_context(|| {
                    format!(
                        "{}, {}, {connections} connections",
                        workload.label(),
                        size.label()
                    )
                })?;
                table.print_row(&row(&cell));
                cells.push(cell);
            }
        }
    }
    for prepared in [Some(&ours), peer.as_ref()].into_iter().flatten() {
        if prepared.reads.is_some() {
            prepared.target.delete_database(READ_DATABASE).await?;
        }
    }
    Ok(cells)
}

async fn prepare<'a>(plan: &HttpPlan, target: &'a Target) -> Result<Prepared<'a>> {
    let mut reads = None;
    if plan.workloads.iter().any(|workload| !workload.writes()) {
        let counts: Vec<(Size, usize)> = plan
            .sizes
            .iter()
            .map(|size| match size {
                Size::Small => (*size, SMALL_COUNT),
                Size::Large => (*size, LARGE_COUNT),
            })
            .collect();
        target.create_database(READ_DATABASE).await?;
        for (size, count) in &counts {
            target.fill(READ_DATABASE, *size, *count).await?;
        }
        reads = Some(target.learn(READ_DATABASE, &counts).await?);
    }
    Ok(Prepared { target, reads })
}

impl Prepared<'_> {
    fn sources(&self, workload: Workload, size: Size, count: usize) -> Result<Vec<Requests>> {
        (0..count)
            .map(|connection| match workload {
                Workload::PutOne => Ok(Requests::put_one(
                    WRITE_DATABASE,
                    size,
                    &format!("orders/{connection}/"),
                )),
                Workload::PutBatch => Ok(Requests::put_batch(
                    WRITE_DATABASE,
                    size,
                    &format!("orders/{connection}/"),
                )),
                _ => self
                    .reads
                    .as_ref()
                    .and_then(|reads| reads.source(workload, size, connection as u64))
                    .context("the reads were prepared"),
            })
            .collect()
    }

    async fn measure(
        &self,
        plan: &HttpPlan,
        workload: Workload,
        connections: usize,
        size: Size,
    ) -> Result<(Measured, Option<f64>)> {
        // Each measurement of writes begins with an empty database.
        if workload.writes() {
            self.target.create_database(WRITE_DATABASE).await?;
        }
        let sources = self.sources(workload, size, connections)?;
        let measured = load(plan, self.target, workload, sources).await?;
        let mut per_commit = None;
        if workload.writes() {
            per_commit = self.target.documents_per_commit(WRITE_DATABASE).await?;
            self.target.delete_database(WRITE_DATABASE).await?;
        }
        Ok((measured, per_commit))
    }
}

async fn load(
    plan: &HttpPlan,
    target: &Target,
    workload: Workload,
    sources: Vec<Requests>,
) -> Result<Measured> {
    let times = Times {
        warm_up: plan.measured.min(Duration::from_millis(300)),
        measured: plan.measured,
    };
    let process = target.process;
    run_load(target.address, workload.status(), sources, times, || {
        cpu_time_of_tree(process)
    })
    .await
}

async fn measure_cell(
    plan: &HttpPlan,
    ours: &Prepared<'_>,
    peer: Option<&Prepared<'_>>,
    bare: Option<&Target>,
    workload: Workload,
    connections: usize,
    size: Size,
) -> Result<Cell> {
    let mut our_rounds = Vec::new();
    let mut documents_per_commit = None;
    let mut peer_rounds = Vec::new();
    let mut bare_rounds = Vec::new();
    let mut sample = None;
    for _ in 0..plan.rounds.max(1) {
        let (measured, per_commit) = ours.measure(plan, workload, connections, size).await?;
        our_rounds.push(measured);
        documents_per_commit = per_commit;
        if let Some(peer) = peer {
            let (measured, _) = peer.measure(plan, workload, connections, size).await?;
            peer_rounds.push(measured);
        }
        let Some(bare) = bare else { continue };
        let sample = match &sample {
            Some(sample) => sample,
            None => {
                if workload.writes() {
                    ours.target.create_database(WRITE_DATABASE).await?;
                }
                let one = ours.sources(workload, size, 1)?.remove(0);
                let taken = ours.target.sample(workload, one).await?;
                if workload.writes() {
                    ours.target.delete_database(WRITE_DATABASE).await?;
                }
                sample.insert(taken)
            }
        };
        bare.answer_with(sample).await?;
        let sources = ours.sources(workload, size, connections)?;
        let sources = sources
            .into_iter()
            .map(|source| sample.expect_from(source))
            .collect();
        bare_rounds.push(load(plan, bare, workload, sources).await?);
    }
    Ok(Cell {
        workload,
        connections,
        size,
        ours: median(our_rounds).context("at least one round")?,
        peer: median(peer_rounds),
        bare: median(bare_rounds),
        documents_per_commit,
    })
}

/// The measurement in the middle by rate.
pub fn median(mut rounds: Vec<Measured>) -> Option<Measured> {
    rounds.sort_by(|one, other| one.rate().total_cmp(&other.rate()));
    let middle = rounds.len() / 2;
    (!rounds.is_empty()).then(|| rounds.swap_remove(middle))
}

fn row(cell: &Cell) -> Vec<String> {
    let other = |measured: &Option<Measured>| match measured {
        Some(measured) => (
            format!("{:.0} ({:.1})", measured.rate(), measured.cpu_us()),
            format!("{:.2}", cell.ours.rate() / measured.rate()),
        ),
        None => ("–".to_owned(), "–".to_owned()),
    };
    let (bare, by_bare) = other(&cell.bare);
    let (peer, by_peer) = other(&cell.peer);
    let mut rate = format!("{:.0}", cell.ours.rate());
    if cell.workload == Workload::PutBatch {
        rate = format!("{rate} ({:.0} documents)", cell.ours.rate() * BATCH as f64);
    }
    vec![
        cell.workload.label().to_owned(),
        cell.size.label().to_owned(),
        cell.connections.to_string(),
        rate,
        format!("{:.0}", cell.ours.latency_us(50.0)),
        format!("{:.0}", cell.ours.latency_us(99.0)),
        format!("{:.1}", cell.ours.cpu_us()),
        bare,
        by_bare,
        peer,
        by_peer,
        match cell.documents_per_commit {
            Some(count) => format!("{count:.1}"),
            None => "–".to_owned(),
        },
    ]
}
