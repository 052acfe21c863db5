//! The limit of long response bodies in memory. They are held in pieces, and of more than a few the oldest is cut off, so
//! a client that asks for a hundred scrapes and takes none cannot fill the memory; it sees that the body is not whole.

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};

/// Limit of bodies in flight: enough for any number of Prometheus servers, and some 100 MB at 20,000 instances.
const MAX_BODIES: usize = 12;
/// Bytes of a piece: what a connection still holds of a body that was cut off.
const PIECE_BYTES: usize = 64 * 1024;

/// The pieces not sent yet; `None` once the body is cut off.
type Rest = Mutex<Option<VecDeque<Bytes>>>;

/// The bodies in flight, the oldest first.
#[derive(Debug, Default)]
pub(super) struct BodyLimit(Mutex<VecDeque<Weak<Rest>>>);

/// One body in pieces.
#[derive(Debug)]
pub(super) struct PiecesBody {
    rest: Arc<Rest>,
    left: u64,
}

/// Cuts a text into pieces as it is written.
#[derive(Debug, Default)]
pub(super) struct PieceWriter {
    done: Vec<Bytes>,
    open: Vec<u8>,
}

impl BodyLimit {
    /// A body of these pieces; the oldest body in flight is cut off at the limit.
    pub fn body(&self, pieces: Vec<Bytes>) -> PiecesBody {
        let left = pieces.iter().map(|piece| piece.len() as u64).sum();
        let rest = Arc::new(Mutex::new(Some(VecDeque::from(pieces))));
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|one| one.strong_count() > 0);
        while all.len() >= MAX_BODIES {
            if let Some(oldest) = all.pop_front().and_then(|oldest| oldest.upgrade()) {
                held(&oldest).take();
            }
        }
        all.push_back(Arc::downgrade(&rest));
        PiecesBody { rest, left }
    }
}

fn held(rest: &Rest) -> MutexGuard<'_, Option<VecDeque<Bytes>>> {
    // Every change of it is whole at each point at which it could panic.
    rest.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Body for PiecesBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let next = held(&self.rest).as_mut().map(VecDeque::pop_front);
        Poll::Ready(match next {
            None => {
                self.left = 0;
                let what = "cut off: too many responses are in flight";
                Some(Err(io::Error::new(io::ErrorKind::ConnectionAborted, what)))
            }
            Some(None) => None,
            Some(Some(piece)) => {
                self.left -= piece.len() as u64;
                Some(Ok(Frame::data(piece)))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl PieceWriter {
    /// All pieces.
    pub fn finish(mut self) -> Vec<Bytes> {
        self.cut();
        self.done
    }

    fn cut(&mut self) {
        if !self.open.is_empty() {
            self.done.push(std::mem::take(&mut self.open).into());
        }
    }
}

impl Write for PieceWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.open.capacity() == 0 {
            self.open.reserve_exact(PIECE_BYTES);
        }
        let taken = bytes.len().min(PIECE_BYTES - self.open.len());
        self.open.extend_from_slice(&bytes[..taken]);
        if self.open.len() == PIECE_BYTES {
            self.cut();
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use http_body_util::BodyExt;

    fn pieces(of: &str) -> Vec<Bytes> {
        let mut writer = PieceWriter::default();
        writer
            .write_all(of.as_bytes())
            .expect("memory takes every write");
        writer.finish()
    }

    #[test]
    fn a_text_comes_out_as_it_went_in_and_knows_its_length() {
        let text = "abc".repeat(PIECE_BYTES);
        let limit = BodyLimit::default();
        let body = limit.body(pieces(&text));
        assert_eq!(body.size_hint().exact(), Some(text.len() as u64));
        let whole = body.collect().now_or_never().expect("all is there");
        assert!(whole.expect("whole").to_bytes() == text.as_bytes());
        assert!(limit.body(Vec::new()).is_end_stream());
    }

    #[test]
    fn who_takes_nothing_of_many_loses_the_oldest() {
        let limit = BodyLimit::default();
        let send = |_| limit.body(pieces("text"));
        drop((0..100).map(send).collect::<Vec<_>>());
        let all: Vec<PiecesBody> = (0..MAX_BODIES + 2).map(send).collect();
        let read = all.into_iter().map(|body| {
            let whole = body.collect().now_or_never().expect("all is there");
            whole.is_ok()
        });
        let read: Vec<bool> = read.collect();
        let expected = [vec![false; 2], vec![true; MAX_BODIES]].concat();
        assert_eq!(read, expected);
        let of_many_instances = 8 << 20;
        let asked: Vec<PiecesBody> = (0..100).map(send).collect();
        let waiting = asked.iter().filter(|body| held(&body.rest).is_some());
        let bytes = waiting.count() * of_many_instances;
        assert!(bytes <= 100 << 20, "{bytes} bytes for who takes nothing");
    }
}
