//! Ships a batch until the sink has taken it, or has refused it for good: at least once, and nothing is lost in silence.

use crate::backoff::Backoff;
use crate::core::time::Wall;
use crate::decode::archive_line::{ArchivedEntry, Mark};
use crate::io::archive::search::{Finds, Place, Query, Searched, search};
use crate::io::archive::segment::Segment;
use crate::io::sink::{Batch, Outcome, Sink};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::collections::VecDeque;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::sleep;

/// Waits between attempts where the sink names none: a sink that restarts is back within seconds.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(500),
    longest: Duration::from_secs(30),
};
/// Longest wait that a sink may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// Ships a batch once: a [`Sink`] in the program, a script in tests.
pub trait Ships {
    /// One attempt.
    fn ship<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Outcome>;
    /// Does what all attempts share, on a blocking thread.
    fn prepare(&self, _: &mut Batch) {}
}

impl Ships for Sink {
    fn ship<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Outcome> {
        self.ship(batch).boxed()
    }

    fn prepare(&self, batch: &mut Batch) {
        self.encode(batch);
    }
}

/// The entries that one search of the archive found for a sink: as many as a batch holds.
#[derive(Default)]
pub struct Found {
    /// The entries.
    pub batch: Batch,
    /// Entries that lastbeat received and the archive lacks, as its own lines say.
    pub lost: u64,
    /// Entries that lastbeat itself lost, as its own lines say.
    pub dropped: u64,
    /// Set where nobody waits for the entries any more.
    pub is_cancelled: Arc<AtomicBool>,
}

impl Found {
    /// Searches for the next entries of a batch, and prepares it for its sink. For a blocking thread.
    ///
    /// # Errors
    /// A segment cannot be read.
    pub fn next(
        mut self,
        segments: &[Segment],
        query: &Query,
        from: Option<&Place>,
        sink: &impl Ships,
    ) -> io::Result<(Self, Searched)> {
        let searched = search(segments, query, from, &mut self)?;
        if !self.batch.is_empty() {
            sink.prepare(&mut self.batch);
        }
        Ok((self, searched))
    }
}

impl Finds for Found {
    fn entry(&mut self, entry: &ArchivedEntry<'_>) -> ControlFlow<()> {
        self.batch.push(entry);
        match self.batch.is_full() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn mark(&mut self, _: Wall, mark: &Mark<'_>) -> ControlFlow<()> {
        match mark {
            Mark::Lost(count) => self.lost += count,
            Mark::Dropped(count) => self.dropped += count,
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn go_on(&mut self, _: f64) -> ControlFlow<()> {
        match self.is_cancelled.load(Ordering::Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}

/// Sees what becomes of a batch.
pub trait Hears {
    /// Entries that the sink refused for good, which are to be kept elsewhere.
    ///
    /// # Errors
    /// They cannot be kept: shipping ends, and they are shipped again later.
    fn rejected(&mut self, batch: &Batch, why: &str) -> io::Result<()>;
    /// An attempt failed, and there will be another after the wait.
    fn waits(&mut self, why: &str, wait: Duration);
}

/// The entries of a batch by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shipped {
    /// Taken by the sink.
    pub taken: u64,
    /// Refused by the sink.
    pub rejected: u64,
}

/// A batch of which some was neither taken nor refused.
#[derive(Debug, thiserror::Error)]
pub enum ShipFault {
    /// The sink takes nothing before its rule is changed.
    #[error("{0}")]
    Wrong(String),
    /// No attempt succeeded for too long.
    #[error("not shipped within {within:?}: {why}")]
    GaveUp {
        /// The waits between the attempts.
        within: Duration,
        /// The last fault.
        why: String,
    },
    /// Refused entries could not be kept.
    #[error("cannot keep what the sink rejected")]
    Kept(#[source] io::Error),
}

/// Ships a batch to `sink`, in order. A batch that is too long is halved; a part that fails is tried again until the waits
/// since the last success add up to `give_up`.
///
/// # Errors
/// [`ShipFault`]: some of it may have been taken.
pub async fn ship_all(
    batch: Batch,
    sink: &impl Ships,
    hears: &mut impl Hears,
    give_up: Duration,
) -> Result<Shipped, ShipFault> {
    let mut waiting = VecDeque::from([batch]);
    let mut shipped = Shipped::default();
    let (mut waited, mut failures) = (Duration::ZERO, 0);
    while let Some(part) = waiting.pop_front() {
        let count = part.len() as u64;
        match sink.ship(&part).await {
            Outcome::Taken => shipped.taken += count,
            Outcome::Partly(rejected, why) => {
                let rejected = rejected.min(count);
                shipped.taken += count - rejected;
                shipped.rejected += rejected;
                hears.rejected(&part, &why).map_err(ShipFault::Kept)?;
            }
            Outcome::TooLong(why) => {
                if part.len() < 2 {
                    shipped.rejected += count;
                    hears.rejected(&part, &why).map_err(ShipFault::Kept)?;
                } else if let Some((first, second)) = part.halves() {
                    waiting.push_front(second);
                    waiting.push_front(first);
                }
            }
            Outcome::Refused(why) => {
                shipped.rejected += count;
                hears.rejected(&part, &why).map_err(ShipFault::Kept)?;
            }
            Outcome::Wrong(why) => return Err(ShipFault::Wrong(why)),
            Outcome::Later(asked, why) => {
                if waited >= give_up {
                    return Err(ShipFault::GaveUp {
                        within: waited,
                        why,
                    });
                }
                failures += 1;
                let own = BACKOFF.delay(failures);
                let wait = asked.map_or(own, |asked| asked.min(LONGEST_WAIT));
                waited = waited.saturating_add(wait);
                hears.waits(&why, wait);
                sleep(wait).await;
                waiting.push_front(part);
                continue;
            }
        }
        (waited, failures) = (Duration::ZERO, 0);
    }
    Ok(shipped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::time::Wall;
    use crate::decode::archive_line::ArchivedEntry;
    use std::borrow::Cow;
    use std::cell::RefCell;

    const GIVE_UP: Duration = Duration::from_secs(600);

    #[derive(Default)]
    struct Heard {
        rejected: Vec<usize>,
        waits: Vec<Duration>,
        is_full: bool,
    }

    impl Hears for Heard {
        fn rejected(&mut self, batch: &Batch, _: &str) -> io::Result<()> {
            if self.is_full {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.rejected.push(batch.len());
            Ok(())
        }

        fn waits(&mut self, _: &str, wait: Duration) {
            self.waits.push(wait);
        }
    }

    fn batch(count: u64) -> Batch {
        let mut batch = Batch::default();
        for at in 0..count {
            batch.push(&ArchivedEntry {
                at: Wall::from_nanos(at),
                subject: "logs.a.b.c",
                payload: Cow::Borrowed(b"x"),
            });
        }
        batch
    }

    /// Answers in order, and then takes everything; the arrivals that it took.
    #[derive(Default)]
    struct Script {
        answers: RefCell<VecDeque<Outcome>>,
        taken: RefCell<Vec<u64>>,
    }

    impl Ships for Script {
        fn ship<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Outcome> {
            let answer = self.answers.borrow_mut().pop_front();
            let answer = answer.unwrap_or(Outcome::Taken);
            if answer == Outcome::Taken {
                let all = batch.iter().map(|(at, _, _)| at.nanos());
                self.taken.borrow_mut().extend(all);
            }
            std::future::ready(answer).boxed()
        }
    }

    /// Ships eight entries to a sink that answers so, and afterwards takes everything: the result, what was heard, and the
    /// arrivals that the sink took.
    async fn shipped(
        answers: Vec<Outcome>,
        heard: &mut Heard,
    ) -> (Result<Shipped, ShipFault>, Vec<u64>) {
        let script = Script {
            answers: RefCell::new(answers.into()),
            ..Script::default()
        };
        let result = ship_all(batch(8), &script, heard, GIVE_UP).await;
        (result, script.taken.into_inner())
    }

    fn why() -> String {
        "why".to_owned()
    }

    fn counts(taken: u64, rejected: u64) -> Shipped {
        Shipped { taken, rejected }
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_tried_again_after_the_wait_that_the_sink_asks_for() {
        let mut heard = Heard::default();
        let wait = Duration::from_secs(7);
        let day = Duration::from_secs(86_400);
        let later = |wait| Outcome::Later(wait, why());
        let answers = vec![later(None), later(Some(wait)), later(Some(day))];
        let (result, taken) = shipped(answers, &mut heard).await;
        assert_eq!(result.ok(), Some(counts(8, 0)));
        assert_eq!(taken, (0..8).collect::<Vec<_>>());
        assert!(heard.waits[0] <= BACKOFF.first);
        assert_eq!(heard.waits[1..], [wait, LONGEST_WAIT]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sink_that_never_takes_it_is_given_up() {
        let mut heard = Heard::default();
        let answers = vec![Outcome::Later(Some(GIVE_UP), why()); 9];
        let (result, _) = shipped(answers, &mut heard).await;
        assert!(
            matches!(result, Err(ShipFault::GaveUp { within, .. }) if within == GIVE_UP),
            "{result:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_that_is_too_long_is_halved_in_order() {
        let mut heard = Heard::default();
        let too_long = || Outcome::TooLong(why());
        // Eight, four, two and one are too long.
        let answers = vec![too_long(), too_long(), too_long(), too_long()];
        let (result, taken) = shipped(answers, &mut heard).await;
        assert_eq!(result.ok(), Some(counts(7, 1)));
        assert_eq!(taken, (1..8).collect::<Vec<_>>());
        assert_eq!(heard.rejected, [1]);
    }

    #[tokio::test(start_paused = true)]
    async fn refused_entries_are_kept_and_counted() {
        let mut heard = Heard::default();
        let (result, _) = shipped(vec![Outcome::Refused(why())], &mut heard).await;
        assert_eq!(result.ok(), Some(counts(0, 8)));
        let (result, _) = shipped(vec![Outcome::Partly(3, why())], &mut heard).await;
        assert_eq!(result.ok(), Some(counts(5, 3)));
        assert_eq!(heard.rejected, [8, 8]);
    }

    #[tokio::test(start_paused = true)]
    async fn wrong_credentials_and_a_full_disk_end_it() {
        let mut heard = Heard::default();
        let (result, _) = shipped(vec![Outcome::Wrong(why())], &mut heard).await;
        assert!(matches!(result, Err(ShipFault::Wrong(_))), "{result:?}");
        heard.is_full = true;
        let (result, _) = shipped(vec![Outcome::Refused(why())], &mut heard).await;
        assert!(matches!(result, Err(ShipFault::Kept(_))), "{result:?}");
    }
}
