//! A socket with limits on silence: in both directions, and for a request's head as a whole.
//!
//! Without them a peer that sends a head byte by byte would hold a connection for ever, and a
//! reader that stops in the middle of a stream a snapshot, and with it disk space. While a request
//! runs, what it may take is the request's business, not the socket's.
//!
//! The timers are armed once and checked when they ring; a request costs no timer of its own.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// Whether a request of the connection is running.
#[derive(Debug, Default, Clone)]
pub struct Activity(Arc<AtomicBool>);

impl Activity {
    /// Marks the running of a request, from its head to the head of its response.
    pub fn set_running(&self, is_running: bool) {
        // Only the connection's own task reads and writes it.
        self.0.store(is_running, Ordering::Relaxed);
    }

    fn is_running(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A socket that gives up on silent peers.
pub struct WatchedIo {
    socket: TokioIo<TcpStream>,
    activity: Activity,
    reading: Watch,
    /// Whether the first bytes of a head have come, after which more bytes win no more time.
    has_begun: bool,
    was_running: bool,
    writing: Watch,
}

impl WatchedIo {
    /// Watches `socket`: heads may take `head_limit`, writes stand still for `stall_limit`.
    pub fn new(
        socket: TcpStream,
        activity: Activity,
        head_limit: Duration,
        stall_limit: Duration,
    ) -> Self {
        Self {
            socket: TokioIo::new(socket),
            activity,
            reading: Watch::new(head_limit),
            has_begun: false,
            was_running: false,
            writing: Watch::new(stall_limit),
        }
    }

    fn watch_read(&mut self, context: &mut Context<'_>, is_ready: bool) -> io::Result<()> {
        let is_running = self.activity.is_running();
        if is_running || self.was_running {
            // A request runs, or has just been answered: the next head's time begins.
            self.was_running = is_running;
            self.has_begun = false;
            self.reading.restart();
        } else if is_ready && !self.has_begun {
            self.has_begun = true;
            self.reading.restart();
        }
        // While the peer takes nothing, that is what counts.
        if is_ready || is_running || self.writing.is_waiting {
            return Ok(());
        }
        self.reading.check(context)
    }

    fn watch_write<T>(
        &mut self,
        context: &mut Context<'_>,
        progress: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if progress.is_ready() {
            self.writing.is_waiting = false;
            // What is still being sent is no silence of the peer's.
            self.reading.restart();
            return progress;
        }
        if !self.writing.is_waiting {
            self.writing.is_waiting = true;
            self.writing.restart();
        }
        match self.writing.check(context) {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

/// A limit on the time since its last restart.
struct Watch {
    limit: Duration,
    since: Instant,
    /// Set up when there is something to wait for.
    timer: Option<Pin<Box<Sleep>>>,
    is_waiting: bool,
}

impl Watch {
    fn new(limit: Duration) -> Self {
        Self {
            limit,
            since: Instant::now(),
            timer: None,
            is_waiting: false,
        }
    }

    fn restart(&mut self) {
        self.since = Instant::now();
    }

    /// Makes sure that the task is woken when the time is up; an error when it is.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let deadline = self.since + self.limit;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        while timer.as_mut().poll(context).is_ready() {
            if Instant::now() >= deadline {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the peer was silent for too long",
                ));
            }
            // It rang for an earlier wait.
            timer.as_mut().reset(deadline);
        }
        Ok(())
    }
}

impl Read for WatchedIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let progress = Pin::new(&mut self.socket).poll_read(context, buffer);
        match self.watch_read(context, progress.is_ready()) {
            Ok(()) => progress,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl Write for WatchedIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.watch_write(context, progress)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.socket).poll_write_vectored(context, slices);
        self.watch_write(context, progress)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
