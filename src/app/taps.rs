//! The connections that messages are taken from: the present one, and for a moment the one before it.

use crate::io::feed::{Left, Source};
use futures_util::{Stream, StreamExt};
use std::pin::Pin;
use std::task::{Context, Poll};

/// One connection's messages, counted.
#[derive(Debug)]
struct Tap<S> {
    source: S,
    taken: u64,
    lost: u64,
}

impl<S: Source> Tap<S> {
    #[inline]
    fn show_waiting(&mut self, most: usize, mut each: impl FnMut(&S::Item)) -> Left {
        let taken = &mut self.taken;
        self.source.show_waiting(most, |message| {
            *taken += 1;
            each(message);
        })
    }
}

/// All connections that messages are taken from. As a stream it is pending where there is none, and says `None`
/// each time the present one ends.
#[derive(Debug)]
pub(super) struct Taps<S> {
    present: Option<Tap<S>>,
    leaving: Option<Tap<S>>,
}

impl<S: Source> Taps<S> {
    /// No connection yet.
    pub fn new() -> Self {
        Taps {
            present: None,
            leaving: None,
        }
    }

    /// Whether there is a present one.
    pub fn is_open(&self) -> bool {
        self.present.is_some()
    }

    /// Takes from `source` now, and from the one before until [`Self::leave`].
    pub fn open(&mut self, source: S) {
        let tap = Tap {
            source,
            taken: 0,
            lost: 0,
        };
        self.leaving = self.present.replace(tap);
    }

    /// Drops the connection before the present one.
    pub fn leave(&mut self) {
        self.leaving = None;
    }

    /// Drops all.
    pub fn close(&mut self) {
        (self.present, self.leaving) = (None, None);
    }

    /// As [`Source::show_waiting`], of all of them: the present one has its turn when the one before has nothing.
    #[inline]
    pub fn show_waiting(&mut self, most: usize, mut each: impl FnMut(&S::Item)) -> Left {
        let mut left = Left::Nothing;
        if let Some(tap) = &mut self.leaving {
            left = tap.show_waiting(most, &mut each);
            if left == Left::End {
                (self.leaving, left) = (None, Left::Nothing);
            }
        }
        if let Some(tap) = &mut self.present
            && left == Left::Nothing
        {
            left = tap.show_waiting(most, each);
            if left == Left::End {
                self.present = None;
            }
        }
        left
    }

    /// Messages lost in all of them that were not known to be, where nothing waits; `None` where nothing can be
    /// lost.
    pub fn newly_lost(&mut self) -> Option<u64> {
        let newly = |tap: &mut Tap<S>| {
            let lost = tap.source.received()?.saturating_sub(tap.taken);
            let more = lost.saturating_sub(tap.lost);
            tap.lost = tap.lost.max(lost);
            Some(more)
        };
        let taps = [self.present.as_mut(), self.leaving.as_mut()];
        taps.into_iter()
            .flatten()
            .filter_map(newly)
            .reduce(|one, other| one + other)
    }
}

impl<S: Source> Stream for Taps<S> {
    type Item = S::Item;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        if let Some(tap) = &mut self.leaving {
            match tap.source.poll_next_unpin(cx) {
                Poll::Ready(Some(message)) => {
                    tap.taken += 1;
                    return Poll::Ready(Some(message));
                }
                Poll::Ready(None) => self.leaving = None,
                Poll::Pending => {}
            }
        }
        let Some(tap) = &mut self.present else {
            return Poll::Pending;
        };
        let next = tap.source.poll_next_unpin(cx);
        match next {
            Poll::Ready(Some(_)) => tap.taken += 1,
            Poll::Ready(None) => self.present = None,
            Poll::Pending => {}
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::feed::Raw;
    use futures_util::FutureExt;
    use tokio::sync::mpsc;

    struct Said(&'static str);

    impl Raw for Said {
        fn subject(&self) -> &str {
            self.0
        }

        fn payload(&self) -> &[u8] {
            b""
        }
    }

    /// A source that received so many messages in all.
    struct Pipe(mpsc::Receiver<&'static str>, u64);

    impl Stream for Pipe {
        type Item = Said;

        fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Said>> {
            self.0.poll_recv(cx).map(|said| said.map(Said))
        }
    }

    impl Source for Pipe {
        fn received(&self) -> Option<u64> {
            Some(self.1)
        }
    }

    fn pipe(received: u64, said: &[&'static str]) -> (mpsc::Sender<&'static str>, Pipe) {
        let (into, pipe) = mpsc::channel(8);
        for &word in said {
            into.try_send(word).expect("eight words have room");
        }
        (into, Pipe(pipe, received))
    }

    fn next(taps: &mut Taps<Pipe>) -> Option<Option<&'static str>> {
        taps.next()
            .now_or_never()
            .map(|said| said.map(|said| said.0))
    }

    #[test]
    fn the_connection_before_is_heard_out_and_its_end_is_no_end() {
        let mut taps = Taps::new();
        assert_eq!(next(&mut taps), None, "without a connection it waits");
        let (old, pipe_before) = pipe(1, &["old"]);
        let (new, pipe_now) = pipe(1, &["new"]);
        taps.open(pipe_before);
        taps.open(pipe_now);
        assert_eq!(next(&mut taps), Some(Some("old")));
        assert_eq!(next(&mut taps), Some(Some("new")));
        drop(old);
        assert_eq!(next(&mut taps), None, "the one before ended");
        assert!(taps.is_open());
        drop(new);
        assert_eq!(next(&mut taps), Some(None));
        assert!(!taps.is_open());
    }

    #[test]
    fn what_waits_in_both_is_shown_that_of_the_one_before_first() {
        fn show(taps: &mut Taps<Pipe>, most: usize) -> (Left, Vec<&'static str>) {
            let mut shown = Vec::new();
            let left = taps.show_waiting(most, |said| shown.push(said.0));
            (left, shown)
        }
        let mut taps = Taps::new();
        assert_eq!(show(&mut taps, 9), (Left::Nothing, vec![]));
        let (old, pipe_before) = pipe(9, &["a", "b", "c"]);
        let (new, pipe_now) = pipe(3, &["d", "e"]);
        taps.open(pipe_before);
        taps.open(pipe_now);
        assert_eq!(show(&mut taps, 2), (Left::Perhaps, vec!["a", "b"]));
        drop(old);
        let rest = show(&mut taps, 9);
        assert_eq!(rest, (Left::Nothing, vec!["c", "d", "e"]));
        assert_eq!(
            taps.newly_lost(),
            Some(1),
            "the one before has gone, and the present one lost one of three"
        );
        drop(new);
        assert_eq!(
            (show(&mut taps, 9), taps.is_open()),
            ((Left::End, vec![]), false)
        );
    }

    #[test]
    fn what_was_received_and_not_taken_is_lost_once() {
        let mut taps = Taps::new();
        assert_eq!(taps.newly_lost(), None);
        let (_old, pipe) = pipe(5, &["one"]);
        taps.open(pipe);
        assert_eq!(next(&mut taps), Some(Some("one")));
        assert_eq!((taps.newly_lost(), taps.newly_lost()), (Some(4), Some(0)));
    }
}
