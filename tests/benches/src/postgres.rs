//! PostgreSQL's durable insert of one row, by its own pgbench over loopback, with the settings it
//! comes with.

use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::document::{Size, order};
use crate::process::{Cores, cpu_time_of_tree};

/// Rows inserted a second, and what they cost.
#[derive(Debug, Clone, Copy)]
pub struct Inserts {
    /// Clients at the same time.
    pub connections: usize,
    /// Rows a second.
    pub rate: f64,
    /// Processor time of all server processes for one row, in microseconds.
    pub cpu_us: f64,
}

/// Measures `connections` clients that insert orders of `size`, each row in a transaction of its
/// own; `None` if the server's programs are not installed.
///
/// # Errors
/// They are installed and do not work.
pub fn measure_inserts(
    cores: Cores,
    directory: &Path,
    connections: usize,
    size: Size,
    measured: Duration,
) -> Result<Option<Inserts>> {
    let Some(programs) = find_programs() else {
        return Ok(None);
    };
    let cluster = Cluster::start(cores, programs, directory)?;
    cluster
        .measure(cores, connections, size, measured)
        .map(Some)
}

fn find_programs() -> Option<PathBuf> {
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .flatten()
        .map(|version| version.path().join("bin"))
        .filter(|programs| programs.join("pgbench").is_file() && programs.join("initdb").is_file())
        .collect();
    versions.sort();
    versions.pop()
}

struct Cluster {
    programs: PathBuf,
    directory: TempDir,
    port: u16,
}

impl Cluster {
    fn start(cores: Cores, programs: PathBuf, directory: &Path) -> Result<Self> {
        let directory = tempfile::tempdir_in(directory).context("make a directory")?;
        // The cluster belongs to the user postgres; initdb refuses to run as root.
        std::fs::set_permissions(directory.path(), Permissions::from_mode(0o777))?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let cluster = Self {
            programs,
            directory,
            port,
        };
        let data = cluster.data();
        let data = data.to_string_lossy();
        cluster.run("initdb", &["-D", &data, "-A", "trust", "-U", "postgres"])?;
        // What it starts inherits the cores.
        cores.enter_measured()?;
        let options = format!("-p {port} -k /tmp -c listen_addresses=127.0.0.1");
        let log = cluster.directory.path().join("log");
        let log = log.to_string_lossy();
        let started = cluster.run(
            "pg_ctl",
            &["-D", &data, "-o", &options, "-l", &log, "-w", "start"],
        );
        cores.enter_generator()?;
        started?;
        Ok(cluster)
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let program = self.programs.join(program);
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(&program);
            command
        } else {
            Command::new(&program)
        };
        let output = command
            .args(arguments)
            .current_dir(self.directory.path())
            .output()
            .with_context(|| format!("run {}", program.display()))?;
        if !output.status.success() {
            bail!(
                "{} ended with {}: {}",
                program.display(),
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn measure(
        &self,
        cores: Cores,
        clients: usize,
        size: Size,
        measured: Duration,
    ) -> Result<Inserts> {
        let port = self.port.to_string();
        let host = ["-h", "127.0.0.1", "-p", &port, "-U", "postgres"];
        let table = "create table docs (id text primary key, body jsonb not null)";
        self.run("psql", &[&host[..], &["-c", table, "postgres"]].concat())?;
        let script = self.directory.path().join("insert.sql");
        // What our PUT does: an id the client chose, and a body that is sent, read and checked.
        let insert = "\\set number random(1, 1000000000000000)\n\
            insert into docs (id, body) values ('orders/' || :client_id || '/' || :number, :body);\n";
        std::fs::write(&script, insert).context("write the script")?;
        let script = script.to_string_lossy();
        let body = format!("body={}", order(size, 1));
        let connections = clients.to_string();
        let seconds = measured.as_secs().max(1).to_string();
        let arguments = [
            "-n",
            "-M",
            "prepared",
            "-D",
            &body,
            "-f",
            &script,
            "-c",
            &connections,
            "-j",
            "1",
            "-T",
            &seconds,
            "postgres",
        ];
        let postmaster = self.postmaster()?;
        cores.enter_generator()?;
        let cpu = cpu_time_of_tree_and_dead(postmaster)?;
        let output = self.run("pgbench", &[&host[..], &arguments].concat())?;
        let cpu = cpu_time_of_tree_and_dead(postmaster)?.saturating_sub(cpu);
        let value = |name: &str| {
            output
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .and_then(|rest| rest.trim().split(' ').next()?.parse::<f64>().ok())
                .with_context(|| format!("no '{name}' in {output}"))
        };
        let rate = value("tps =")?;
        let rows = value("number of transactions actually processed:")?;
        if value("number of failed transactions:")? > 0.0 {
            bail!("inserts failed: {output}");
        }
        Ok(Inserts {
            connections: clients,
            rate,
            cpu_us: cpu.as_secs_f64() * 1e6 / rows,
        })
    }

    fn postmaster(&self) -> Result<u32> {
        let path = self.data().join("postmaster.pid");
        let text = std::fs::read_to_string(&path).context("read postmaster.pid")?;
        text.lines()
            .next()
            .and_then(|line| line.trim().parse().ok())
            .context("postmaster.pid holds no number")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let data = self.data();
        let data = data.to_string_lossy();
        // Nothing to stop if it never started.
        let _ = self.run("pg_ctl", &["-D", &data, "-m", "immediate", "-w", "stop"]);
    }
}

/// pgbench's server processes end with it, but the postmaster remembers their time.
fn cpu_time_of_tree_and_dead(postmaster: u32) -> Result<Duration> {
    let path = format!("/proc/{postmaster}/stat");
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let fields = text.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = fields
        .split_whitespace()
        .skip(13)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    let per_second = rustix::param::clock_ticks_per_second();
    let dead = Duration::from_micros(ticks * 1_000_000 / per_second);
    Ok(cpu_time_of_tree(postmaster)? + dead)
}
