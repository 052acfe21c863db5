//! A stream whose writes must get on: hyper bounds the time for a request's head and none for its answer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// Fails a write with `TimedOut` once the peer has taken nothing for as long as it may.
pub(super) struct Patience<S> {
    stream: S,
    within: Duration,
    /// The bound that holds instead while this is set.
    longer: Option<(Duration, Arc<AtomicBool>)>,
    /// Runs while a write waits for the peer.
    running_out: Option<Pin<Box<Sleep>>>,
}

impl<S> Patience<S> {
    /// `within` is how long one write may wait.
    pub(super) fn new(stream: S, within: Duration) -> Self {
        Patience {
            stream,
            within,
            longer: None,
            running_out: None,
        }
    }

    /// With another bound for the writes that begin to wait while this is set.
    pub(super) fn longer(self, within: Duration, while_set: Arc<AtomicBool>) -> Self {
        Patience {
            longer: Some((within, while_set)),
            ..self
        }
    }

    fn watch<T>(&mut self, cx: &mut Context<'_>, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.running_out = None;
            return done;
        }
        let within = match &self.longer {
            Some((longer, is_set)) if is_set.load(Ordering::Relaxed) => *longer,
            _ => self.within,
        };
        let sleep = self
            .running_out
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(within)));
        sleep.as_mut().poll(cx).map(|()| {
            self.running_out = None;
            Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the peer takes nothing of its answer",
            ))
        })
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patience<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patience<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.watch(cx, done)
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
