//! What many readers read at their own pace: one ring for all of them. Who is too slow finds that the oldest is gone and
//! learns how much; nobody waits for anybody, and a reader that stands still costs nothing.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// What is told to readers when the ring ends.
const ENDED: u64 = u64::MAX;

/// The last of what went by, within two bounds.
pub(super) struct Ring<T> {
    kept: Mutex<Kept<T>>,
    /// The number that the next will have; [`ENDED`] at the end.
    news: watch::Sender<u64>,
    most: usize,
    most_bytes: usize,
}

struct Kept<T> {
    /// The number of the oldest.
    first: u64,
    items: VecDeque<Held<T>>,
    bytes: usize,
    /// What all that were dropped count.
    gone: u64,
    /// What all that ever were in it count.
    total: u64,
}

struct Held<T> {
    item: Arc<T>,
    weight: Weight,
}

/// What one in the ring amounts to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weight {
    /// Its bytes.
    pub bytes: usize,
    /// For how many it counts with whoever loses it.
    pub counts: u64,
}

/// A reader's place in a ring.
pub(super) struct Place {
    /// The number of what it reads next.
    pub next: u64,
    /// What all count that it read or knows to be lost.
    seen: u64,
    news: watch::Receiver<u64>,
}

/// What a reader took.
pub(super) struct Taken<T> {
    /// What those count that went by and that it did not see.
    pub lost: u64,
    /// The next ones, with the first one's number.
    pub items: Vec<Arc<T>>,
}

impl<T> Ring<T> {
    /// A ring of at most so many, and so many bytes.
    pub fn new(most: usize, most_bytes: usize) -> Self {
        Ring {
            kept: Mutex::new(Kept {
                first: 1,
                items: VecDeque::new(),
                bytes: 0,
                gone: 0,
                total: 0,
            }),
            news: watch::Sender::new(1),
            most,
            most_bytes,
        }
    }

    /// Adds these, and wakes who waits.
    pub fn push(&self, items: impl IntoIterator<Item = (T, Weight)>) {
        let next = {
            let mut kept = self.kept();
            for (item, weight) in items {
                kept.bytes += weight.bytes;
                kept.total += weight.counts;
                let item = Arc::new(item);
                kept.items.push_back(Held { item, weight });
                while kept.items.len() > self.most || kept.bytes > self.most_bytes {
                    kept.drop_oldest();
                }
            }
            kept.next()
        };
        self.news.send_if_modified(|told| {
            let is_news = *told != ENDED && *told != next;
            if is_news {
                *told = next;
            }
            is_news
        });
    }

    /// Drops all that is kept; who has not read it has lost it.
    pub fn clear(&self) {
        let mut kept = self.kept();
        kept.first = kept.next();
        kept.gone = kept.total;
        (kept.items, kept.bytes) = (VecDeque::new(), 0);
    }

    /// Ends it: no reader waits any more.
    pub fn end(&self) {
        self.news.send_replace(ENDED);
    }

    /// The number that the next will have.
    pub fn next(&self) -> u64 {
        self.kept().next()
    }

    /// A reader's place, at what comes next.
    pub fn place(&self) -> Place {
        let news = self.news.subscribe();
        let kept = self.kept();
        Place {
            next: kept.next(),
            seen: kept.total,
            news,
        }
    }

    /// Puts a reader elsewhere: what was before is no loss of its own.
    pub fn seek(&self, place: &mut Place, next: u64) {
        let kept = self.kept();
        place.next = next.max(kept.first);
        let before = kept.items.iter().take(kept.at(place));
        place.seen = kept.gone + before.map(|held| held.weight.counts).sum::<u64>();
    }

    /// Takes at most so many from there on; none where nothing is new.
    pub fn take(&self, place: &mut Place, most: usize, most_bytes: usize) -> Taken<T> {
        let kept = self.kept();
        let mut lost = 0;
        if place.next < kept.first {
            lost = kept.gone - place.seen;
            (place.next, place.seen) = (kept.first, kept.gone);
        }
        let (mut items, mut bytes) = (Vec::new(), 0);
        for held in kept.items.range(kept.at(place)..).take(most) {
            bytes += held.weight.bytes;
            if bytes > most_bytes && !items.is_empty() {
                break;
            }
            items.push(Arc::clone(&held.item));
            place.seen += held.weight.counts;
        }
        place.next += items.len() as u64;
        Taken { lost, items }
    }

    fn kept(&self) -> MutexGuard<'_, Kept<T>> {
        // Every change of it is whole at each point at which it could panic.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Kept<T> {
    fn next(&self) -> u64 {
        self.first + self.items.len() as u64
    }

    /// Where that place is among the items.
    fn at(&self, place: &Place) -> usize {
        let at = place.next.saturating_sub(self.first);
        usize::try_from(at).map_or(self.items.len(), |at| at.min(self.items.len()))
    }

    fn drop_oldest(&mut self) {
        if let Some(held) = self.items.pop_front() {
            self.first += 1;
            self.bytes -= held.weight.bytes;
            self.gone += held.weight.counts;
        }
    }
}

impl Place {
    /// Waits until there is more than was read; `false` once the ring has ended.
    pub async fn wait(&mut self) -> bool {
        let next = self.next;
        let told = self.news.wait_for(|told| *told > next).await;
        told.is_ok_and(|told| *told != ENDED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    /// Items with their bytes, each counting for two.
    fn push(ring: &Ring<u32>, items: &[(u32, usize)]) {
        let weight = |bytes| Weight { bytes, counts: 2 };
        ring.push(items.iter().map(|(item, bytes)| (*item, weight(*bytes))));
    }

    fn read(ring: &Ring<u32>, place: &mut Place) -> (u64, Vec<u32>) {
        let taken = ring.take(place, 10, 100);
        (taken.lost, taken.items.iter().map(|item| **item).collect())
    }

    #[test]
    fn each_reads_at_its_pace_and_who_is_too_slow_learns_how_much_it_lost() {
        let ring = Ring::new(3, 100);
        push(&ring, &[(0, 1)]);
        let (mut quick, mut slow) = (ring.place(), ring.place());
        push(&ring, &[(1, 1), (2, 1)]);
        assert_eq!(
            read(&ring, &mut quick),
            (0, vec![1, 2]),
            "what came before it is not its own"
        );
        assert_eq!(read(&ring, &mut quick), (0, vec![]));
        push(&ring, &[(3, 1), (4, 1), (5, 1)]);
        assert_eq!(read(&ring, &mut quick), (0, vec![3, 4, 5]));
        assert_eq!(read(&ring, &mut slow), (4, vec![3, 4, 5]));
        push(&ring, &[(6, 60), (7, 60)]);
        assert_eq!(read(&ring, &mut slow), (2, vec![7]), "bytes bound it too");
        push(&ring, &[(8, 200)]);
        assert_eq!(read(&ring, &mut slow), (2, vec![]), "one alone is too long");
        push(&ring, &[(9, 1)]);
        ring.clear();
        assert_eq!(read(&ring, &mut slow), (2, vec![]));
        push(&ring, &[(10, 1), (11, 1)]);
        ring.seek(&mut slow, ring.next() - 1);
        assert_eq!(read(&ring, &mut slow), (0, vec![11]));
        ring.seek(&mut slow, 0);
        assert_eq!(read(&ring, &mut slow), (0, vec![10, 11]));
        push(&ring, &[(12, 1), (13, 90), (14, 1)]);
        let few = |slow: &mut Place| ring.take(slow, 10, 90).items.len();
        assert_eq!(
            (few(&mut slow), few(&mut slow), few(&mut slow)),
            (1, 1, 1),
            "a turn has its bytes"
        );
    }

    #[tokio::test]
    async fn who_waits_is_woken_by_more_and_by_the_end() {
        let ring = Ring::new(3, 100);
        let mut place = ring.place();
        assert_eq!(place.wait().now_or_never(), None);
        push(&ring, &[(1, 1)]);
        assert!(place.wait().await);
        read(&ring, &mut place);
        assert_eq!(place.wait().now_or_never(), None);
        ring.end();
        assert!(!place.wait().await);
        push(&ring, &[(2, 1)]);
        assert!(!place.wait().await, "an end is for ever");
    }
}
