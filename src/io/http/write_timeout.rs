//! A connection whose writes time out: hyper bounds the time for a request's head and none for its answer.
//!
//! Not `tokio-io-timeout`: the timeout depends on the response that is being written, and hyper owns the connection by
//! then, so it has to be read from outside at the start of each wait.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// Fails a write with `TimedOut` once the peer has taken nothing for the timeout.
pub(super) struct WriteTimeout<S> {
    stream: S,
    timeout: Duration,
    /// The timeout that holds instead while the flag is set.
    longer: Option<(Duration, Arc<AtomicBool>)>,
    /// Runs while a write waits for the peer.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> WriteTimeout<S> {
    /// Lets one write wait for `timeout`.
    pub(super) fn new(stream: S, timeout: Duration) -> Self {
        WriteTimeout {
            stream,
            timeout,
            longer: None,
            deadline: None,
        }
    }

    /// Sets another timeout for the writes that begin to wait while `while_set` is set.
    pub(super) fn with_longer(self, timeout: Duration, while_set: Arc<AtomicBool>) -> Self {
        WriteTimeout {
            longer: Some((timeout, while_set)),
            ..self
        }
    }

    fn bound<T>(&mut self, cx: &mut Context<'_>, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.deadline = None;
            return done;
        }
        let timeout = match &self.longer {
            Some((longer, is_set)) if is_set.load(Ordering::Relaxed) => *longer,
            _ => self.timeout,
        };
        let sleep = self
            .deadline
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        sleep.as_mut().poll(cx).map(|()| {
            self.deadline = None;
            Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the peer takes nothing of its answer",
            ))
        })
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteTimeout<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteTimeout<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.bound(cx, done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.bound(cx, done)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
