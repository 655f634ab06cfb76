//! The clock by which running scripts are interrupted: a thread that ticks while any runs.
//!
//! It is a thread and no task, since scripts may keep all the threads of the runtime busy.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pinyon_core::{Error, ErrorKind, Result};

/// How long a script runs before it gives way.
pub(super) const TICK_MS: u64 = 5;

#[derive(Default)]
struct Shared {
    running: Mutex<usize>,
    started: Condvar,
}

impl Shared {
    fn running(&self) -> MutexGuard<'_, usize> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ticks an engine.
pub(super) struct Ticker {
    shared: Arc<Shared>,
}

/// Says that a script runs, for as long as it lives.
pub(super) struct Running(Arc<Shared>);

impl Drop for Running {
    fn drop(&mut self) {
        *self.0.running() -= 1;
    }
}

impl Ticker {
    /// Starts the thread; it ends when nobody holds the engine any more.
    #[expect(
        clippy::disallowed_methods,
        reason = "the thread is there to keep time beside a runtime that scripts may keep busy"
    )]
    pub(super) fn start(engine: &wasmtime::Engine) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let engine = engine.weak();
        let seen = Arc::clone(&shared);
        let run = move || {
            loop {
                let mut running = seen.running();
                while *running == 0 {
                    let idle = Duration::from_secs(1);
                    let waited = seen.started.wait_timeout(running, idle);
                    running = waited.unwrap_or_else(PoisonError::into_inner).0;
                    if engine.upgrade().is_none() {
                        return;
                    }
                }
                drop(running);
                std::thread::sleep(Duration::from_millis(TICK_MS));
                match engine.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => return,
                }
            }
        };
        let thread = std::thread::Builder::new().name("script-ticker".to_owned());
        thread.spawn(run).map_err(|reason| {
            Error::new(
                ErrorKind::Internal,
                format!("no thread for scripts: {reason}"),
            )
        })?;
        Ok(Self { shared })
    }

    pub(super) fn run(&self) -> Running {
        *self.shared.running() += 1;
        self.shared.started.notify_one();
        Running(Arc::clone(&self.shared))
    }
}
