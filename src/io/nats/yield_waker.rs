//! A waker by which the NATS client yields to the event loop. Own code, kept for what it measured: in a blast a sixteenth less
//! CPU for an entry, and 17 MB of memory at the peak where it was 26; at the steady rate no difference.
//!
//! A tokio task ends its turn when its budget is spent, and the client's task spends one unit on a read of up to 64 KB: in a
//! flood it reads 8 MB, some 20,000 messages, before the event loop can take the first, and by then most have left the
//! processor's cache. So the wake of the loop by the first message spends most of what is left of the client's budget.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use tokio::task::coop;

/// Units of the client's budget that waking the reader spends. Of tokio's 128 it leaves fifteen more reads.
const SPENT: usize = 112;

/// The reader's waker, and one that also spends the budget of the task that calls it.
#[derive(Debug)]
pub(super) struct YieldWaker {
    reader: Waker,
    yielding: Waker,
}

impl Default for YieldWaker {
    fn default() -> Self {
        YieldWaker::to(Waker::noop())
    }
}

impl YieldWaker {
    fn to(reader: &Waker) -> YieldWaker {
        YieldWaker {
            reader: reader.clone(),
            yielding: Waker::from(Arc::new(YieldingWaker(reader.clone()))),
        }
    }

    /// Wakes the reader, and shortens the turn of the task that does.
    #[inline]
    pub fn waker(&mut self, reader: &Waker) -> &Waker {
        if !self.reader.will_wake(reader) {
            *self = YieldWaker::to(reader);
        }
        &self.yielding
    }
}

struct YieldingWaker(Waker);

impl Wake for YieldingWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.wake_by_ref();
        let mut nobody = Context::from_waker(Waker::noop());
        for _ in 0..SPENT {
            match coop::poll_proceed(&mut nobody) {
                Poll::Ready(unit) => unit.made_progress(),
                Poll::Pending => break,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::sync::mpsc;

    /// The largest backlog of a reader that spends a unit on each message of an endless writer.
    fn most_that_wait(gives_way: bool) -> usize {
        let flood = async {
            let (into, mut words) = mpsc::unbounded_channel();
            tokio::spawn(async move {
                for word in 0..1_000 {
                    into.send(word).expect("somebody reads");
                    tokio::task::consume_budget().await;
                }
            });
            let (mut way, mut most, mut all) = (YieldWaker::default(), 0, 0);
            poll_fn(|cx| {
                let own = cx.waker();
                let waker = if gives_way { way.waker(own) } else { own };
                let mut waits = Context::from_waker(waker);
                let mut waited = 0;
                while let Poll::Ready(word) = words.poll_recv(&mut waits) {
                    if word.is_none() {
                        return Poll::Ready(());
                    }
                    (waited, all) = (waited + 1, all + 1);
                    most = most.max(waited);
                }
                Poll::Pending
            })
            .await;
            assert_eq!(all, 1_000, "nobody is forgotten");
            most
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime
            .expect("a runtime")
            .block_on(tokio::task::unconstrained(flood))
    }

    #[test]
    fn who_floods_gives_way_soon() {
        assert_eq!((most_that_wait(true), most_that_wait(false)), (17, 129));
    }
}
