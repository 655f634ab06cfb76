//! Threads that get what others leave of the processors: on them indexes follow crowds of writers.
//!
//! Invariants:
//! - only what nobody waits for runs here; as soon as somebody does, it goes on where it was begun;
//! - a thread is of low priority from its start to its end: without a privilege no process may take
//!   that back.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use pinyon_core::{Error, ErrorKind, Result};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// Work that one thread can begin and another one end.
pub type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The threads of a server. They start when they are first used.
pub struct LowThreads {
    count: usize,
    niceness: u8,
    /// Nothing in it where there can be none.
    runtime: OnceLock<Option<Runtime>>,
}

/// Done, or what is left.
enum Outcome<T> {
    Done(T),
    Left(Work<T>),
}

impl LowThreads {
    /// So many threads, nicer by so much than the others.
    pub fn new(count: usize, niceness: u8) -> Arc<Self> {
        Arc::new(Self {
            count: count.max(1),
            niceness,
            runtime: OnceLock::new(),
        })
    }

    /// Whether there are any: not with a niceness of 0, nor where threads have no priorities.
    pub fn exist(&self) -> bool {
        self.runtime().is_some()
    }

    /// Does `work` on one of the threads until somebody waits for it, and the rest here.
    ///
    /// # Errors
    /// `Closed` when the server ends meanwhile.
    pub async fn run<T: Send + 'static>(
        &self,
        work: Work<T>,
        is_awaited: impl Fn() -> bool + Send + 'static,
    ) -> Result<T> {
        let Some(runtime) = self.runtime() else {
            return Ok(work.await);
        };
        // Ends the work when this future is dropped.
        let mut tasks = JoinSet::new();
        tasks.spawn_on(run_unless(work, is_awaited), runtime.handle());
        match tasks.join_next().await {
            Some(Ok(Outcome::Done(done))) => Ok(done),
            Some(Ok(Outcome::Left(work))) => Ok(work.await),
            Some(Err(ended)) if ended.is_panic() => {
                std::panic::resume_unwind(ended.into_panic());
            }
            _ => Err(Error::new(ErrorKind::Closed, "the server ends")),
        }
    }

    fn runtime(&self) -> Option<&Runtime> {
        let runtime = self.runtime.get_or_init(|| {
            if self.niceness == 0 || !cfg!(target_os = "linux") {
                return None;
            }
            let niceness = own_niceness() + i32::from(self.niceness);
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            builder
                .worker_threads(self.count)
                .thread_name("indexing")
                .on_thread_start(move || make_low(niceness))
                .enable_all();
            let started = builder.build();
            started
                .inspect_err(|reason| tracing::warn!(%reason, "no threads of low priority"))
                .ok()
        });
        runtime.as_ref()
    }
}

impl Drop for LowThreads {
    fn drop(&mut self) {
        if let Some(Some(runtime)) = self.runtime.take() {
            // What it does is over or cut off by whoever asked for it, and this thread may be one
            // that must not wait.
            runtime.shutdown_background();
        }
    }
}

async fn run_unless<T>(work: Work<T>, is_awaited: impl Fn() -> bool) -> Outcome<T> {
    let mut work = Some(work);
    std::future::poll_fn(move |context: &mut Context<'_>| {
        let mut doing = work.take().expect("not polled after its end");
        if is_awaited() {
            return Poll::Ready(Outcome::Left(doing));
        }
        match doing.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Outcome::Done(done)),
            Poll::Pending => {
                work = Some(doing);
                Poll::Pending
            }
        }
    })
    .await
}

/// The niceness of this thread. A thread has that of the one that started it, which among the low
/// ones may be one of them, so it has to be asked for in time.
#[cfg(target_os = "linux")]
fn own_niceness() -> i32 {
    // No process: to Linux that is the calling thread, and no other one of its process.
    rustix::process::getpriority_process(None).unwrap_or(0)
}

/// Gives this thread what others leave.
#[cfg(target_os = "linux")]
fn make_low(niceness: i32) {
    if let Err(reason) = rustix::process::setpriority_process(None, niceness) {
        tracing::warn!(%reason, "an indexing thread has the priority of the others");
    }
}

#[cfg(not(target_os = "linux"))]
fn own_niceness() -> i32 {
    0
}

#[cfg(not(target_os = "linux"))]
fn make_low(_: i32) {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};
    use tokio::sync::oneshot;

    fn name_of_thread() -> String {
        std::thread::current().name().unwrap_or_default().to_owned()
    }

    /// The niceness as the kernel has it: the 17th word after the name, in parentheses.
    #[cfg(target_os = "linux")]
    fn niceness_of_thread() -> i32 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let behind_name = stat.rsplit_once(')').unwrap().1;
        let niceness = behind_name.split_whitespace().nth(16).unwrap();
        niceness.parse().unwrap()
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn only_its_threads_are_low() {
        let before = niceness_of_thread();
        let threads = LowThreads::new(1, 15);
        for _ in 0..2 {
            let work = Box::pin(async {
                // Another thread takes the place of this one meanwhile.
                tokio::task::block_in_place(|| (name_of_thread(), niceness_of_thread()))
            });
            let (name, niceness) = threads.run(work, || false).await.unwrap();
            assert_eq!(name, "indexing");
            // 19 is the highest there is.
            assert_eq!(niceness, (before + 15).min(19));
        }
        assert_eq!(niceness_of_thread(), before);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn awaited_work_goes_on_here() {
        let threads = LowThreads::new(1, 15);
        let (began, begun) = oneshot::channel();
        let mut began = Some(began);
        // Its first turn ends without a result, whatever happens meanwhile.
        let turns = std::future::poll_fn(move |context| match began.take() {
            Some(began) => {
                let waker = context.waker().clone();
                began.send((name_of_thread(), waker)).unwrap();
                Poll::Pending
            }
            None => Poll::Ready(()),
        });
        let work = Box::pin(async move {
            turns.await;
            name_of_thread()
        });
        let awaited = Arc::new(AtomicBool::new(false));
        let is_awaited = Arc::clone(&awaited);
        let running = threads.run(work, move || is_awaited.load(Ordering::SeqCst));
        let waiting = async {
            let (name, waker) = begun.await.unwrap();
            assert_eq!(name, "indexing");
            awaited.store(true, Ordering::SeqCst);
            waker.wake();
        };
        let (ended, ()) = tokio::join!(running, waiting);
        assert_ne!(ended.unwrap(), "indexing");
    }

    #[tokio::test]
    async fn without_niceness_all_runs_here() {
        let threads = LowThreads::new(1, 0);
        assert!(!threads.exist());
        let here = name_of_thread();
        let work = Box::pin(async { name_of_thread() });
        assert_eq!(threads.run(work, || false).await.unwrap(), here);
    }
}
