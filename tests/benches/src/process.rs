//! Processes as the kernel shows them: who listens on a port, processor time, memory, and the
//! cores they may use.

use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Who runs where: on two or more cores the generator has the last one, the measured process all
/// others, so that neither takes the other's time.
#[derive(Debug, Clone, Copy)]
pub struct Cores {
    count: usize,
    are_assigned: bool,
}

/// The cores that the program had when it began: a thread that chose some sees only those.
static ALLOWED: OnceLock<CpuSet> = OnceLock::new();

fn allowed() -> CpuSet {
    *ALLOWED.get_or_init(|| sched_getaffinity(None).unwrap_or_default())
}

impl Cores {
    /// The cores of this machine; none are assigned if there is one only, or if `pin` is false.
    pub fn new(pin: bool) -> Self {
        let count = allowed().count() as usize;
        Self {
            count,
            are_assigned: pin && count > 1,
        }
    }

    fn set(self, measured: bool) -> CpuSet {
        if !self.are_assigned {
            return allowed();
        }
        let mut set = CpuSet::new();
        if measured {
            (0..self.count - 1).for_each(|core| set.set(core));
        } else {
            set.set(self.count - 1);
        }
        set
    }

    /// Moves the calling thread, and what it starts from now on, to the generator's core.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn enter_generator(self) -> Result<()> {
        self.enter(false)
    }

    /// Moves the calling thread, and what it starts from now on, to the measured cores.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn enter_measured(self) -> Result<()> {
        self.enter(true)
    }

    fn enter(self, measured: bool) -> Result<()> {
        sched_setaffinity(None, &self.set(measured)).context("choose cores")
    }

    /// Moves all threads of a process to the measured cores.
    ///
    /// # Errors
    /// The process is gone or belongs to somebody else.
    pub fn move_to_measured(self, process: u32) -> Result<()> {
        if !self.are_assigned {
            return Ok(());
        }
        let set = self.set(true);
        for task in std::fs::read_dir(format!("/proc/{process}/task"))? {
            let task: i32 = task?.file_name().to_string_lossy().parse()?;
            let pid = Pid::from_raw(task).context("a thread has a number")?;
            sched_setaffinity(Some(pid), &set)
                .with_context(|| format!("choose cores for thread {task}"))?;
        }
        Ok(())
    }

    /// In words, for the head of the output.
    pub fn describe(self) -> String {
        match self.count {
            _ if !self.are_assigned => "nothing is pinned".to_owned(),
            2 => "generator on core 1, measured process on core 0".to_owned(),
            count => format!(
                "generator on core {}, measured process on cores 0 to {}",
                count - 1,
                count - 2
            ),
        }
    }
}

/// The process that listens on `port`.
///
/// # Errors
/// Nobody does, or it belongs to somebody else.
pub fn listener_of(port: u16) -> Result<u32> {
    let wanted = format!(":{port:04X}");
    let mut sockets = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = std::fs::read_to_string(table).unwrap_or_default();
        sockets.extend(text.lines().filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let listens = fields.get(3) == Some(&"0A") && fields.get(1)?.ends_with(&wanted);
            listens.then(|| format!("socket:[{}]", fields.get(9).unwrap_or(&"")))
        }));
    }
    for entry in std::fs::read_dir("/proc")? {
        let Ok(process) = entry?.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        // Processes come and go, and some are not ours to look into.
        let Ok(files) = std::fs::read_dir(format!("/proc/{process}/fd")) else {
            continue;
        };
        for file in files.flatten() {
            if let Ok(target) = std::fs::read_link(file.path())
                && sockets
                    .iter()
                    .any(|socket| *socket == target.to_string_lossy())
            {
                return Ok(process);
            }
        }
    }
    bail!("no process found that listens on port {port}; name it with --pid");
}

/// Processor time a process used so far, all its threads together, in steps of the clock tick.
///
/// # Errors
/// The process is gone.
pub fn cpu_time(process: u32) -> Result<Duration> {
    let path = format!("/proc/{process}/stat");
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    // The program's name stands in brackets and may hold anything.
    let fields = text.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    let per_second = rustix::param::clock_ticks_per_second();
    Ok(Duration::from_micros(ticks * 1_000_000 / per_second))
}

/// Processor time of a process and of all those it started that still run.
///
/// # Errors
/// The process is gone.
pub fn cpu_time_of_tree(process: u32) -> Result<Duration> {
    let mut total = cpu_time(process)?;
    for entry in std::fs::read_dir("/proc")? {
        let Ok(child) = entry?.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        let Ok(text) = std::fs::read_to_string(format!("/proc/{child}/stat")) else {
            continue;
        };
        let parent = text
            .rsplit(')')
            .next()
            .and_then(|fields| fields.split_whitespace().nth(1))
            .and_then(|parent| parent.parse::<u32>().ok());
        if parent == Some(process) {
            total += cpu_time(child).unwrap_or_default();
        }
    }
    Ok(total)
}

/// A memory figure of a process in bytes: `VmRSS` now, `VmHWM` at its highest.
///
/// # Errors
/// The process is gone.
pub fn memory(process: u32, name: &str) -> Result<u64> {
    let path = format!("/proc/{process}/status");
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .and_then(|value| value.trim().strip_suffix(" kB"))
        .and_then(|kilobytes| kilobytes.trim().parse::<u64>().ok())
        .map(|kilobytes| kilobytes << 10)
        .with_context(|| format!("{path} shows no {name}"))
}
