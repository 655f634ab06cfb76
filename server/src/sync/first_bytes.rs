//! A socket from which only so much is read until its peer has shown who it is.
//!
//! Without that every stranger could make the server hold a frame of the largest size.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much may be read still.
#[derive(Debug, Clone)]
pub struct ReadAllowance(Arc<AtomicUsize>);

impl ReadAllowance {
    /// Lets everything be read from now on.
    pub fn lift(&self) {
        self.0.store(usize::MAX, Ordering::Relaxed);
    }

    fn take(&self, bytes: usize) -> io::Result<()> {
        // Only the connection's own task reads and writes it.
        let left = self.0.load(Ordering::Relaxed);
        if left == usize::MAX {
            return Ok(());
        }
        let left = left.checked_sub(bytes).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "too much came before a token was accepted",
            )
        })?;
        self.0.store(left, Ordering::Relaxed);
        Ok(())
    }
}

/// The socket.
#[derive(Debug)]
pub struct FirstBytes<I> {
    socket: I,
    allowance: ReadAllowance,
}

impl<I> FirstBytes<I> {
    /// Lets `bytes` be read of `socket`, and more once the allowance is lifted.
    pub fn new(socket: I, bytes: usize) -> (Self, ReadAllowance) {
        let allowance = ReadAllowance(Arc::new(AtomicUsize::new(bytes)));
        let limited = Self {
            socket,
            allowance: allowance.clone(),
        };
        (limited, allowance)
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for FirstBytes<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let progress = Pin::new(&mut self.socket).poll_read(context, buffer);
        let read = buffer.filled().len() - before;
        match self.allowance.take(read) {
            Ok(()) => progress,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for FirstBytes<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
