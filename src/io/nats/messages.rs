//! The messages of one connection: of one subscription, or of several in turn.

use super::yield_waker::YieldWaker;
use crate::io::feed::{self, MessageSource, RawMessage, Remaining};
use async_nats::{Statistics, Subscriber};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use tokio::sync::Notify;

/// Messages of one subscription in a row before the next has its turn: some tens of microseconds of work, and
/// the turn's own cost is divided by it.
const TURN: u32 = 128;

/// Messages of one connection.
#[derive(Debug)]
pub struct Messages {
    yield_waker: YieldWaker,
    turns: Turns<Subscriber>,
    statistics: Arc<Statistics>,
    ended: Arc<Notify>,
}

impl Messages {
    /// Those of `first` and `others`; `ended` is notified when any of them ends.
    pub(super) fn new(
        first: Subscriber,
        others: VecDeque<Subscriber>,
        statistics: Arc<Statistics>,
        ended: Arc<Notify>,
    ) -> Messages {
        Messages {
            yield_waker: YieldWaker::default(),
            turns: Turns {
                now: first,
                others,
                left: TURN,
            },
            statistics,
            ended,
        }
    }
}

impl RawMessage for async_nats::Message {
    fn subject(&self) -> &str {
        self.subject.as_str()
    }

    fn payload(&self) -> &[u8] {
        &self.payload
    }

    fn shared(&self) -> Bytes {
        self.payload.clone()
    }
}

impl Stream for Messages {
    type Item = async_nats::Message;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let mut gives_way = Context::from_waker(this.yield_waker.waker(cx.waker()));
        this.turns.poll(&mut gives_way, || this.ended.notify_one())
    }
}

impl MessageSource for Messages {
    fn received(&self) -> Option<u64> {
        Some(self.statistics.in_messages.load(Ordering::Relaxed))
    }

    #[inline]
    fn visit_waiting(&mut self, most: usize, each: impl FnMut(&Self::Item)) -> Remaining {
        self.turns
            .visit_waiting(most, each, || self.ended.notify_one())
    }
}

/// One stream, or several that take turns; nothing is allocated for a message.
#[derive(Debug)]
struct Turns<S> {
    /// The stream whose turn it is.
    now: S,
    /// The others, in the order of their turns.
    others: VecDeque<S>,
    /// Messages that it may still hand out in a row.
    left: u32,
}

impl<S: Stream + Unpin> Turns<S> {
    /// The next item of any; `None` when all have ended. `ended` is called as each does.
    #[inline]
    fn poll(&mut self, cx: &mut Context<'_>, ended: impl Fn()) -> Poll<Option<S::Item>> {
        if !self.others.is_empty() {
            return self.poll_all(cx, ended);
        }
        let next = self.now.poll_next_unpin(cx);
        if matches!(next, Poll::Ready(None)) {
            ended();
        }
        next
    }

    /// As [`feed::visit_waiting`]; `ended` is called as each ends.
    #[inline]
    fn visit_waiting(
        &mut self,
        most: usize,
        each: impl FnMut(&S::Item),
        ended: impl Fn(),
    ) -> Remaining {
        if !self.others.is_empty() {
            return feed::visit_waiting(|waits| self.poll_all(waits, &ended), most, each);
        }
        // With a single stream a message stays where it was received, and is not handed on.
        let left = feed::visit_waiting(|waits| self.now.poll_next_unpin(waits), most, each);
        if left == Remaining::End {
            ended();
        }
        left
    }

    fn poll_all(&mut self, cx: &mut Context<'_>, ended: impl Fn()) -> Poll<Option<S::Item>> {
        for _ in 0..=self.others.len() {
            match self.now.poll_next_unpin(cx) {
                Poll::Ready(Some(item)) => {
                    self.left -= 1;
                    if self.left == 0 {
                        self.pass();
                    }
                    return Poll::Ready(Some(item));
                }
                Poll::Ready(None) => {
                    ended();
                    // What waits in the others is still to be had.
                    match self.others.pop_front() {
                        Some(next) => (self.now, self.left) = (next, TURN),
                        None => return Poll::Ready(None),
                    }
                }
                Poll::Pending => self.pass(),
            }
        }
        Poll::Pending
    }

    /// The next one's turn.
    fn pass(&mut self) {
        self.left = TURN;
        if let Some(next) = self.others.pop_front() {
            self.others
                .push_back(std::mem::replace(&mut self.now, next));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use futures_util::stream::{self, BoxStream};
    use std::cell::Cell;
    use std::future::poll_fn;

    fn turns(streams: Vec<BoxStream<'static, u32>>) -> Turns<BoxStream<'static, u32>> {
        let mut others = VecDeque::from(streams);
        let now = others.pop_front().expect("there is one");
        Turns {
            now,
            others,
            left: TURN,
        }
    }

    /// Items that come without waiting, and true if all streams have ended then.
    fn taken(turns: &mut Turns<BoxStream<'static, u32>>, ends: &Cell<u32>) -> (Vec<u32>, bool) {
        let mut items = Vec::new();
        loop {
            let ended = || ends.set(ends.get() + 1);
            match poll_fn(|cx| turns.poll(cx, ended)).now_or_never() {
                Some(Some(item)) => items.push(item),
                Some(None) => return (items, true),
                None => return (items, false),
            }
            assert!(items.len() < 10_000, "it never ends");
        }
    }

    #[test]
    fn a_busy_one_keeps_nobody_waiting_for_longer_than_its_turn() {
        let one = |number| stream::iter(vec![number; 1_000]).boxed();
        let (mut turns, ends) = (turns(vec![one(1), one(2), one(3)]), Cell::new(0));
        let (items, ended) = taken(&mut turns, &ends);
        assert_eq!((items.len(), ended, ends.get()), (3_000, true, 3));
        let first = |number| items.iter().position(|item| *item == number);
        assert_eq!(first(2), Some(TURN as usize));
        assert_eq!(first(3), Some(2 * TURN as usize));
    }

    #[test]
    fn one_that_waits_or_ends_holds_nobody_up() {
        let (quiet, ends) = (stream::pending().boxed(), Cell::new(0));
        let ended = stream::empty().boxed();
        let busy = stream::iter([7, 8]).chain(stream::pending()).boxed();
        let mut turns = turns(vec![quiet, ended, busy]);
        assert_eq!(taken(&mut turns, &ends), (vec![7, 8], false));
        assert_eq!(ends.get(), 1, "the session is told of the one that ended");
    }

    #[test]
    fn all_that_wait_are_shown_and_each_end_is_told_of() {
        let one = |number: u32| stream::iter(vec![number; 300]);
        for streams in [vec![one(1)], vec![one(1), one(2), one(3)]] {
            let (count, ends) = (streams.len() as u32, Cell::new(0));
            let quiet = |one| StreamExt::boxed(one);
            let mut turns = turns(streams.into_iter().map(quiet).collect());
            let mut shown = Vec::new();
            let mut show = |most| {
                turns.visit_waiting(most, |item| shown.push(*item), || ends.set(ends.get() + 1))
            };
            assert_eq!((show(0), show(299)), (Remaining::Maybe, Remaining::Maybe));
            assert_eq!((show(1_000), ends.get()), (Remaining::End, count));
            let sum: u32 = (1..=count).map(|number| 300 * number).sum();
            assert_eq!(shown.iter().sum::<u32>(), sum, "{count}");
        }
        let (mut turns, ends) = (turns(vec![stream::pending().boxed()]), Cell::new(0));
        let left = turns.visit_waiting(9, |item| panic!("{item}"), || ends.set(1));
        assert_eq!((left, ends.get()), (Remaining::Nothing, 0));
    }

    #[test]
    fn each_that_waits_wakes_the_reader() {
        let (first, second) = (
            tokio::sync::mpsc::unbounded_channel(),
            tokio::sync::mpsc::unbounded_channel(),
        );
        let of = |mut inbox: tokio::sync::mpsc::UnboundedReceiver<u32>| {
            stream::poll_fn(move |cx| inbox.poll_recv(cx)).boxed()
        };
        let mut turns = turns(vec![of(first.1), of(second.1)]);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            for sender in [&first.0, &second.0, &second.0, &first.0] {
                let next = poll_fn(|cx| turns.poll(cx, || ()));
                let say = async {
                    // The reader waits already.
                    tokio::task::yield_now().await;
                    sender.send(5).expect("it is read");
                };
                assert_eq!(tokio::join!(next, say).0, Some(5));
            }
        });
    }
}
