//! The connections that messages are read from: the current one, and for a moment the previous one.

use crate::core::listening::messages::Messages;
use crate::io::feed::{MessageSource, Remaining};
use futures_util::{Stream, StreamExt};
use std::pin::Pin;
use std::task::{Context, Poll};

/// One connection's messages, counted.
#[derive(Debug)]
struct Connection<S> {
    source: S,
    taken: u64,
    /// Messages that are known to have come and to be lost.
    known: Messages,
}

impl<S: MessageSource> Connection<S> {
    #[inline]
    fn visit_waiting(&mut self, most: usize, mut each: impl FnMut(&S::Item)) -> Remaining {
        let taken = &mut self.taken;
        self.source.visit_waiting(most, |message| {
            *taken += 1;
            each(message);
        })
    }
}

/// All connections that messages are read from. As a stream it is pending while there is none, and yields `None`
/// each time the current one ends.
#[derive(Debug)]
pub(super) struct Connections<S> {
    present: Option<Connection<S>>,
    leaving: Option<Connection<S>>,
}

impl<S: MessageSource> Connections<S> {
    /// No connection yet.
    pub fn new() -> Self {
        Connections {
            present: None,
            leaving: None,
        }
    }

    /// True while there is a current connection.
    pub fn is_open(&self) -> bool {
        self.present.is_some()
    }

    /// Reads from `source` now, and from the previous one until [`Self::leave`].
    pub fn open(&mut self, source: S) {
        let connection = Connection {
            source,
            taken: 0,
            known: Messages::default(),
        };
        self.leaving = self.present.replace(connection);
    }

    /// Drops the previous connection.
    pub fn leave(&mut self) {
        self.leaving = None;
    }

    /// Drops all.
    pub fn close(&mut self) {
        (self.present, self.leaving) = (None, None);
    }

    /// As [`MessageSource::visit_waiting`], of all of them: the present one has its turn when the one before has nothing.
    #[inline]
    pub fn visit_waiting(&mut self, most: usize, mut each: impl FnMut(&S::Item)) -> Remaining {
        let mut left = Remaining::Nothing;
        if let Some(connection) = &mut self.leaving {
            left = connection.visit_waiting(most, &mut each);
            if left == Remaining::End {
                (self.leaving, left) = (None, Remaining::Nothing);
            }
        }
        if let Some(connection) = &mut self.present
            && left == Remaining::Nothing
        {
            left = connection.visit_waiting(most, each);
            if left == Remaining::End {
                self.present = None;
            }
        }
        left
    }

    /// Messages that came in all of them since the last call, and those of them that are lost, where nothing waits;
    /// `None` where nothing can be lost.
    pub fn newly_received(&mut self) -> Option<Messages> {
        let newly = |connection: &mut Connection<S>| {
            let received = connection.source.received()?;
            let known = connection.known;
            let lost = received.saturating_sub(connection.taken).max(known.lost);
            connection.known = Messages { received, lost };
            Some(Messages {
                received: received.saturating_sub(known.received),
                lost: lost - known.lost,
            })
        };
        let connections = [self.present.as_mut(), self.leaving.as_mut()];
        connections
            .into_iter()
            .flatten()
            .filter_map(newly)
            .reduce(|one, other| Messages {
                received: one.received + other.received,
                lost: one.lost + other.lost,
            })
    }
}

impl<S: MessageSource> Stream for Connections<S> {
    type Item = S::Item;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        if let Some(connection) = &mut self.leaving {
            match connection.source.poll_next_unpin(cx) {
                Poll::Ready(Some(message)) => {
                    connection.taken += 1;
                    return Poll::Ready(Some(message));
                }
                Poll::Ready(None) => self.leaving = None,
                Poll::Pending => {}
            }
        }
        let Some(connection) = &mut self.present else {
            return Poll::Pending;
        };
        let next = connection.source.poll_next_unpin(cx);
        match next {
            Poll::Ready(Some(_)) => connection.taken += 1,
            Poll::Ready(None) => self.present = None,
            Poll::Pending => {}
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::feed::RawMessage;
    use futures_util::FutureExt;
    use tokio::sync::mpsc;

    struct TestMessage(&'static str);

    impl RawMessage for TestMessage {
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
        type Item = TestMessage;

        fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<TestMessage>> {
            self.0.poll_recv(cx).map(|said| said.map(TestMessage))
        }
    }

    impl MessageSource for Pipe {
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

    fn next(connections: &mut Connections<Pipe>) -> Option<Option<&'static str>> {
        connections
            .next()
            .now_or_never()
            .map(|said| said.map(|said| said.0))
    }

    #[test]
    fn the_connection_before_is_heard_out_and_its_end_is_no_end() {
        let mut connections = Connections::new();
        assert_eq!(
            next(&mut connections),
            None,
            "without a connection it waits"
        );
        let (old, pipe_before) = pipe(1, &["old"]);
        let (new, pipe_now) = pipe(1, &["new"]);
        connections.open(pipe_before);
        connections.open(pipe_now);
        assert_eq!(next(&mut connections), Some(Some("old")));
        assert_eq!(next(&mut connections), Some(Some("new")));
        drop(old);
        assert_eq!(next(&mut connections), None, "the one before ended");
        assert!(connections.is_open());
        drop(new);
        assert_eq!(next(&mut connections), Some(None));
        assert!(!connections.is_open());
    }

    #[test]
    fn what_waits_in_both_is_shown_that_of_the_one_before_first() {
        fn show(
            connections: &mut Connections<Pipe>,
            most: usize,
        ) -> (Remaining, Vec<&'static str>) {
            let mut shown = Vec::new();
            let left = connections.visit_waiting(most, |said| shown.push(said.0));
            (left, shown)
        }
        let mut connections = Connections::new();
        assert_eq!(show(&mut connections, 9), (Remaining::Nothing, vec![]));
        let (old, pipe_before) = pipe(9, &["a", "b", "c"]);
        let (new, pipe_now) = pipe(3, &["d", "e"]);
        connections.open(pipe_before);
        connections.open(pipe_now);
        assert_eq!(
            show(&mut connections, 2),
            (Remaining::Maybe, vec!["a", "b"])
        );
        drop(old);
        let rest = show(&mut connections, 9);
        assert_eq!(rest, (Remaining::Nothing, vec!["c", "d", "e"]));
        assert_eq!(
            connections.newly_received().map(|came| came.lost),
            Some(1),
            "the one before has gone, and the present one lost one of three"
        );
        drop(new);
        assert_eq!(
            (show(&mut connections, 9), connections.is_open()),
            ((Remaining::End, vec![]), false)
        );
    }

    #[test]
    fn what_was_received_and_not_taken_is_lost_once() {
        let mut connections = Connections::new();
        assert_eq!(connections.newly_received(), None);
        let (_old, pipe) = pipe(5, &["one"]);
        connections.open(pipe);
        assert_eq!(next(&mut connections), Some(Some("one")));
        assert_eq!(
            [connections.newly_received(), connections.newly_received()],
            [
                Some(Messages {
                    received: 5,
                    lost: 4
                }),
                Some(Messages::default())
            ]
        );
    }
}
