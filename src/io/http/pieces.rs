//! Long answers that anybody may ask for, held in pieces. Who asks for a hundred of them and takes none must not fill the
//! memory: of more than a few the one longest on its way is cut off, and its asker sees that it is not whole.

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};

/// Answers on their way at once: more Prometheus servers than anybody has, and some 100 MB at 20,000 instances.
const ON_THE_WAY: usize = 12;
/// Bytes of a piece: what a connection holds of an answer whose rest was taken away.
const PIECE: usize = 64 * 1024;

/// What is left of an answer; `None` once it is cut off.
type Rest = Mutex<Option<VecDeque<Bytes>>>;

/// The answers on their way, the oldest first.
#[derive(Debug, Default)]
pub(super) struct OnTheWay(Mutex<VecDeque<Weak<Rest>>>);

/// The body of one.
#[derive(Debug)]
pub(super) struct Pieces {
    rest: Arc<Rest>,
    left: u64,
}

/// Takes a text apart as it is written.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    done: Vec<Bytes>,
    open: Vec<u8>,
}

impl OnTheWay {
    /// Sends these pieces on their way.
    pub fn send(&self, pieces: Vec<Bytes>) -> Pieces {
        let left = pieces.iter().map(|piece| piece.len() as u64).sum();
        let rest = Arc::new(Mutex::new(Some(VecDeque::from(pieces))));
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|one| one.strong_count() > 0);
        while all.len() >= ON_THE_WAY {
            if let Some(oldest) = all.pop_front().and_then(|oldest| oldest.upgrade()) {
                held(&oldest).take();
            }
        }
        all.push_back(Arc::downgrade(&rest));
        Pieces { rest, left }
    }
}

fn held(rest: &Rest) -> MutexGuard<'_, Option<VecDeque<Bytes>>> {
    // Every change of it is whole at each point at which it could panic.
    rest.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Body for Pieces {
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
                let what = "cut off, as too many answers are on their way";
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

impl Chunks {
    /// All of them.
    pub fn done(mut self) -> Vec<Bytes> {
        self.cut();
        self.done
    }

    fn cut(&mut self) {
        if !self.open.is_empty() {
            self.done.push(std::mem::take(&mut self.open).into());
        }
    }
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.open.capacity() == 0 {
            self.open.reserve_exact(PIECE);
        }
        let taken = bytes.len().min(PIECE - self.open.len());
        self.open.extend_from_slice(&bytes[..taken]);
        if self.open.len() == PIECE {
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
        let mut chunks = Chunks::default();
        chunks
            .write_all(of.as_bytes())
            .expect("memory takes every write");
        chunks.done()
    }

    #[test]
    fn a_text_comes_out_as_it_went_in_and_knows_its_length() {
        let text = "abc".repeat(PIECE);
        let on_the_way = OnTheWay::default();
        let body = on_the_way.send(pieces(&text));
        assert_eq!(body.size_hint().exact(), Some(text.len() as u64));
        let whole = body.collect().now_or_never().expect("all is there");
        assert!(whole.expect("whole").to_bytes() == text.as_bytes());
        assert!(on_the_way.send(Vec::new()).is_end_stream());
    }

    #[test]
    fn who_takes_nothing_of_many_loses_the_oldest() {
        let on_the_way = OnTheWay::default();
        let send = |_| on_the_way.send(pieces("text"));
        drop((0..100).map(send).collect::<Vec<_>>());
        let all: Vec<Pieces> = (0..ON_THE_WAY + 2).map(send).collect();
        let read = all.into_iter().map(|body| {
            let whole = body.collect().now_or_never().expect("all is there");
            whole.is_ok()
        });
        let read: Vec<bool> = read.collect();
        let expected = [vec![false; 2], vec![true; ON_THE_WAY]].concat();
        assert_eq!(read, expected);
        let of_many_instances = 8 << 20;
        let asked: Vec<Pieces> = (0..100).map(send).collect();
        let waiting = asked.iter().filter(|body| held(&body.rest).is_some());
        let bytes = waiting.count() * of_many_instances;
        assert!(bytes <= 100 << 20, "{bytes} bytes for who takes nothing");
    }
}
