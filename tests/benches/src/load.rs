//! The load generator: a number of connections, each with one request open at a time, all on one
//! thread. It counts what ends within the measured time, in which as many are open at the beginning
//! as at the end: to leave out those that began earlier would count slow ones too low.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::task::LocalSet;

use crate::connection::Connection;
use crate::workload::Requests;

/// What one measurement found.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Requests answered rightly.
    pub requests: u64,
    /// How long was measured.
    pub elapsed: Duration,
    /// Processor time of the measured process meanwhile.
    pub cpu: Duration,
    /// Latencies in nanoseconds, sorted.
    pub latencies_ns: Vec<u64>,
}

impl Measured {
    /// Requests a second.
    pub fn rate(&self) -> f64 {
        self.requests as f64 / self.elapsed.as_secs_f64()
    }

    /// Processor time for one request, in microseconds.
    pub fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / (self.requests.max(1) as f64)
    }

    /// A latency that `percent` of the requests do not exceed, in microseconds.
    pub fn latency_us(&self, percent: f64) -> f64 {
        percentile(&self.latencies_ns, percent) as f64 / 1e3
    }
}

/// The value that `percent` of the sorted values do not exceed; 0 if there are none.
pub fn percentile(sorted: &[u64], percent: f64) -> u64 {
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    let index = rank.clamp(1, sorted.len().max(1)) - 1;
    sorted.get(index).copied().unwrap_or(0)
}

/// How long a measurement takes.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Load before anything is counted.
    pub warm_up: Duration,
    /// The measured time.
    pub measured: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    WarmUp,
    Measured,
    Over,
}

/// Drives `sources`, one connection for each, and asks `cpu_time` at both ends.
///
/// # Errors
/// Any answer of a wrong status or length, any connection that fails: a figure with errors in it
/// is none.
pub async fn run_load(
    address: SocketAddr,
    status: u16,
    sources: Vec<Requests>,
    times: Times,
    cpu_time: impl Fn() -> Result<Duration>,
) -> Result<Measured> {
    let local = LocalSet::new();
    local
        .run_until(async move {
            let phase = Rc::new(Cell::new(Phase::WarmUp));
            let mut tasks = Vec::new();
            for source in sources {
                let phase = Rc::clone(&phase);
                tasks.push(tokio::task::spawn_local(drive(
                    address, status, source, phase,
                )));
            }
            tokio::time::sleep(times.warm_up).await;
            let cpu_before = cpu_time()?;
            phase.set(Phase::Measured);
            let started = Instant::now();
            tokio::time::sleep(times.measured).await;
            let elapsed = started.elapsed();
            phase.set(Phase::Over);
            let cpu = cpu_time()?.saturating_sub(cpu_before);
            let mut latencies_ns = Vec::new();
            for task in tasks {
                latencies_ns.extend(task.await.context("a connection's task")??);
            }
            latencies_ns.sort_unstable();
            Ok(Measured {
                requests: latencies_ns.len() as u64,
                elapsed,
                cpu,
                latencies_ns,
            })
        })
        .await
}

async fn drive(
    address: SocketAddr,
    status: u16,
    mut source: Requests,
    phase: Rc<Cell<Phase>>,
) -> Result<Vec<u64>> {
    let mut connection = Connection::open(address).await?;
    let mut latencies_ns = Vec::new();
    while phase.get() != Phase::Over {
        let (request, length) = source.take();
        let began = Instant::now();
        let answer = connection.exchange(request).await?;
        let took = began.elapsed();
        if answer.status != status || !length.accepts(answer.length) {
            let line = request
                .split(|byte| *byte == b'\r')
                .next()
                .unwrap_or(request);
            bail!(
                "{} was answered {} with {} bytes; right is {status} with {length:?}",
                String::from_utf8_lossy(line),
                answer.status,
                answer.length
            );
        }
        if phase.get() == Phase::Measured {
            latencies_ns.push(took.as_nanos() as u64);
        }
    }
    Ok(latencies_ns)
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn percentiles_are_values_that_occurred() {
        assert_eq!(percentile(&[], 50.0), 0);
        assert_eq!(percentile(&[7], 99.0), 7);
        let values: Vec<u64> = (1..=100).collect();
        assert_eq!(percentile(&values, 50.0), 50);
        assert_eq!(percentile(&values, 99.0), 99);
    }
}
