//! Attachments in and out, in megabytes a second, beside plain files of the same sizes.
//!
//! All contents differ, so that none is stored for an earlier one's sake.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::task::LocalSet;

use super::{DATABASE, ExtensionsPlan, Ratios};
use crate::connection::Connection;
use crate::document::Size;
use crate::process::cpu_time_of_tree;
use crate::table::Table;
use crate::target::Target;
use crate::workload::put_commands;

const MEGABYTE: usize = 1_000_000;
const SIZES: [usize; 2] = [MEGABYTE, 100 * MEGABYTE];
const CONNECTIONS: [usize; 2] = [1, 8];
/// Bytes at the beginning of each content that make it another than all others.
const STAMP_BYTES: usize = 16;

/// Contents that went one way.
#[derive(Debug, Clone, Copy)]
struct Transfer {
    bytes: usize,
    took: Duration,
    cpu: Duration,
}

impl Transfer {
    fn rate(&self) -> f64 {
        self.bytes as f64 / MEGABYTE as f64 / self.took.as_secs_f64()
    }

    fn cells(&self) -> [String; 2] {
        let megabytes = self.bytes as f64 / MEGABYTE as f64;
        let cpu_ms = self.cpu.as_secs_f64() * 1e3 / megabytes;
        [format!("{:.0}", self.rate()), format!("{cpu_ms:.2}")]
    }
}

/// One measurement: so many contents of a size over so many connections.
#[derive(Debug, Clone, Copy)]
struct Shape {
    size: usize,
    connections: usize,
    /// For each connection.
    count: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

/// Measures each target and a plain file.
pub(super) async fn run(
    plan: &ExtensionsPlan,
    targets: &[&Target],
    directory: &Path,
    ratios: &mut Ratios,
) -> Result<()> {
    let mut table = Table::new(&[
        "attachments",
        "size",
        "connections",
        "way",
        "MB/s",
        "CPU ms/MB",
        "÷ plain file",
    ]);
    table.print_head();
    for size in SIZES {
        let mut content = vec![0; size];
        fastrand::Rng::with_seed(7).fill(&mut content);
        let content: Arc<[u8]> = content.into();
        for connections in CONNECTIONS {
            let shape = Shape {
                size,
                connections,
                count: (plan.megabytes * MEGABYTE / size)
                    .div_ceil(connections)
                    .max(1),
            };
            let mut rates = [Vec::new(), Vec::new()];
            let plain = plain_file(directory, shape, &content)?;
            for target in targets {
                let both = median(plan, target, shape, &content).await?;
                for (index, transfer) in both.iter().enumerate() {
                    let way = ["up", "down"][index];
                    print(&mut table, &target.name, shape, way, transfer, plain[index]);
                    rates[index].push(transfer.rate());
                }
            }
            for (way, rates) in ["in", "out"].iter().zip(&rates) {
                let label = format!("attachments of {} {way}", label(shape));
                ratios.add_peer(&label, rates);
            }
        }
    }
    Ok(())
}

fn label(shape: Shape) -> String {
    let (size, connections) = (shape.size / MEGABYTE, shape.connections);
    format!("{size} MB, {connections} connections")
}

fn print(table: &mut Table, name: &str, shape: Shape, way: &str, transfer: &Transfer, plain: f64) {
    let [rate, cpu] = transfer.cells();
    table.print_row(&[
        name.to_owned(),
        format!("{} MB", shape.size / MEGABYTE),
        shape.connections.to_string(),
        way.to_owned(),
        rate,
        cpu,
        format!("{:.2}", transfer.rate() / plain),
    ]);
}

/// In and out, the medians of the rounds.
async fn median(
    plan: &ExtensionsPlan,
    target: &Target,
    shape: Shape,
    content: &Arc<[u8]>,
) -> Result<[Transfer; 2]> {
    let mut rounds = [Vec::new(), Vec::new()];
    for round in 0..plan.rounds.max(1) {
        target.create_database(DATABASE).await?;
        fill(target, shape).await?;
        check_one(target, shape, content).await?;
        let first = round * shape.connections * shape.count;
        for (index, way) in [Way::Up, Way::Down].into_iter().enumerate() {
            rounds[index].push(transfer(target, shape, content, way, first).await?);
        }
        target.delete_database(DATABASE).await?;
    }
    Ok(rounds.map(|mut rounds| {
        rounds.sort_by(|one, other| one.rate().total_cmp(&other.rate()));
        rounds[rounds.len() / 2]
    }))
}

fn document(connection: usize, number: usize) -> String {
    format!("files/{connection}/{number}")
}

/// The documents that get the attachments.
async fn fill(target: &Target, shape: Shape) -> Result<()> {
    for connection in 0..shape.connections {
        let ids: Vec<String> = (0..shape.count)
            .map(|number| document(connection, number))
            .collect();
        for ids in ids.chunks(100) {
            let body = put_commands(ids, Size::Small, 1);
            target
                .ask("POST", DATABASE, "bulk_docs", &body, 201)
                .await?;
        }
    }
    Ok(())
}

fn head(method: &str, id: &str, length: Option<usize>) -> Vec<u8> {
    let mut head = format!(
        "{method} /databases/{DATABASE}/attachments?id={id}&name=content HTTP/1.1\r\n\
         Host: 127.0.0.1\r\n"
    );
    if let Some(length) = length {
        head.push_str(&format!(
            "Content-Type: application/octet-stream\r\nContent-Length: {length}\r\n"
        ));
    }
    head.push_str("\r\n");
    head.into_bytes()
}

fn stamp(number: usize) -> [u8; STAMP_BYTES] {
    (number as u128 + 1).to_be_bytes()
}

/// Sends one and compares every byte that comes back.
async fn check_one(target: &Target, shape: Shape, content: &[u8]) -> Result<()> {
    let mut connection = Connection::open(target.address).await?;
    let id = document(0, 0);
    let stamp = stamp(usize::MAX);
    let head_in = head("PUT", &id, Some(shape.size));
    let parts: [&[u8]; 3] = [&head_in, &stamp, &content[STAMP_BYTES..]];
    let answer = connection.exchange_parts(&parts).await?;
    ensure!(answer.status == 201, "an upload: {}", answer.status);
    let (status, _, body) = connection.exchange_whole(&head("GET", &id, None)).await?;
    ensure!(
        status == 200
            && body[..STAMP_BYTES] == stamp
            && body[STAMP_BYTES..] == content[STAMP_BYTES..],
        "{} does not give back what it was given: {status}, {} bytes",
        target.name,
        body.len()
    );
    Ok(())
}

/// Moves all contents, each connection its own, from the first request to the last answer.
async fn transfer(
    target: &Target,
    shape: Shape,
    content: &Arc<[u8]>,
    way: Way,
    first: usize,
) -> Result<Transfer> {
    let local = LocalSet::new();
    let work = async {
        let mut connections = Vec::new();
        for _ in 0..shape.connections {
            connections.push(Connection::open(target.address).await?);
        }
        let cpu = cpu_time_of_tree(target.process)?;
        let began = Instant::now();
        let tasks: Vec<_> = connections
            .into_iter()
            .enumerate()
            .map(|(index, connection)| {
                let content = Arc::clone(content);
                tokio::task::spawn_local(drive(connection, index, shape, content, way, first))
            })
            .collect();
        for task in tasks {
            task.await.context("a connection's task")??;
        }
        Ok(Transfer {
            bytes: shape.size * shape.count * shape.connections,
            took: began.elapsed(),
            cpu: cpu_time_of_tree(target.process)?.saturating_sub(cpu),
        })
    };
    local.run_until(work).await
}

async fn drive(
    mut connection: Connection,
    index: usize,
    shape: Shape,
    content: Arc<[u8]>,
    way: Way,
    first: usize,
) -> Result<()> {
    for number in 0..shape.count {
        let id = document(index, number);
        let (answer, right) = if way == Way::Up {
            let stamp = stamp(first + index * shape.count + number);
            let head = head("PUT", &id, Some(shape.size));
            let parts: [&[u8]; 3] = [&head, &stamp, &content[STAMP_BYTES..]];
            (connection.exchange_parts(&parts).await?, 201)
        } else {
            (connection.exchange(&head("GET", &id, None)).await?, 200)
        };
        ensure!(
            answer.status == right && (way == Way::Up || answer.length == shape.size),
            "the attachment of {id} was answered {} with {} bytes",
            answer.status,
            answer.length
        );
    }
    Ok(())
}

/// The same contents into new files, each synced, and out again; one after the other. Megabytes a
/// second.
fn plain_file(directory: &Path, shape: Shape, content: &[u8]) -> Result<[f64; 2]> {
    let place = tempfile::tempdir_in(directory).context("make a directory")?;
    let count = shape.count * shape.connections;
    let path = |number: usize| place.path().join(number.to_string());
    let began = Instant::now();
    for number in 0..count {
        let mut file = File::create_new(path(number)).context("create a file")?;
        file.write_all(content)?;
        file.sync_all()?;
    }
    let up = began.elapsed();
    let began = Instant::now();
    let mut read = vec![0; 1 << 16];
    for number in 0..count {
        let mut file = File::open(path(number)).context("open a file")?;
        while file.read(&mut read)? > 0 {}
    }
    let down = began.elapsed();
    let megabytes = (count * shape.size / MEGABYTE) as f64;
    Ok([up, down].map(|took| megabytes / took.as_secs_f64()))
}
