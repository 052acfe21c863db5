//! One buffer that many readers read at their own pace. A reader that is too slow finds that the oldest items are gone and
//! learns how many; no reader waits for another, and one that stands still costs nothing.
//!
//! Not `tokio::sync::broadcast`: this one is bounded by bytes too, counts losses by weight, and lets a reader seek.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// The number that readers see at the end.
const ENDED: u64 = u64::MAX;

/// The latest items, within two bounds.
pub(super) struct Broadcast<T> {
    kept: Mutex<Kept<T>>,
    /// The number of the next item; [`ENDED`] at the end.
    news: watch::Sender<u64>,
    max_items: usize,
    max_bytes: usize,
}

struct Kept<T> {
    /// The number of the oldest item.
    first: u64,
    items: VecDeque<Held<T>>,
    bytes: usize,
    /// The counts of all items that were dropped.
    gone: u64,
    /// The counts of all items ever pushed.
    total: u64,
}

struct Held<T> {
    item: Arc<T>,
    weight: Weight,
}

/// The size of one item.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weight {
    /// Bytes of memory.
    pub bytes: usize,
    /// The number it adds to the losses of a reader that misses it.
    pub counts: u64,
}

/// A reader's position.
pub(super) struct Cursor {
    /// The number of the item that it reads next.
    pub next: u64,
    /// The counts of all items that it read or knows to be lost.
    seen: u64,
    news: watch::Receiver<u64>,
}

/// The items that a reader took.
pub(super) struct Taken<T> {
    /// The counts of the items that it missed.
    pub lost: u64,
    /// The next items, in order.
    pub items: Vec<Arc<T>>,
}

impl<T> Broadcast<T> {
    /// A buffer of at most so many items, and so many bytes.
    pub fn new(max_items: usize, max_bytes: usize) -> Self {
        Broadcast {
            kept: Mutex::new(Kept {
                first: 1,
                items: VecDeque::new(),
                bytes: 0,
                gone: 0,
                total: 0,
            }),
            news: watch::Sender::new(1),
            max_items,
            max_bytes,
        }
    }

    /// Adds these items, and wakes the readers that wait.
    pub fn push(&self, items: impl IntoIterator<Item = (T, Weight)>) {
        let next = {
            let mut kept = self.kept();
            for (item, weight) in items {
                kept.bytes += weight.bytes;
                kept.total += weight.counts;
                let item = Arc::new(item);
                kept.items.push_back(Held { item, weight });
                while kept.items.len() > self.max_items || kept.bytes > self.max_bytes {
                    kept.drop_oldest();
                }
            }
            kept.next()
        };
        self.news.send_if_modified(|latest| {
            let is_news = *latest != ENDED && *latest != next;
            if is_news {
                *latest = next;
            }
            is_news
        });
    }

    /// Drops all items; a reader that has not read them has lost them.
    pub fn clear(&self) {
        let mut kept = self.kept();
        kept.first = kept.next();
        kept.gone = kept.total;
        (kept.items, kept.bytes) = (VecDeque::new(), 0);
    }

    /// Ends the broadcast: no reader waits any more.
    pub fn end(&self) {
        self.news.send_replace(ENDED);
    }

    /// The number of the next item.
    pub fn next(&self) -> u64 {
        self.kept().next()
    }

    /// A reader's cursor, at the next item.
    pub fn cursor(&self) -> Cursor {
        let news = self.news.subscribe();
        let kept = self.kept();
        Cursor {
            next: kept.next(),
            seen: kept.total,
            news,
        }
    }

    /// Moves a reader: what lies before is no loss of its own.
    pub fn seek(&self, cursor: &mut Cursor, next: u64) {
        let kept = self.kept();
        cursor.next = next.max(kept.first);
        let before = kept.items.iter().take(kept.at(cursor));
        cursor.seen = kept.gone + before.map(|held| held.weight.counts).sum::<u64>();
    }

    /// Takes at most so many items, and so many bytes but at least one item; none where nothing is new.
    pub fn take(&self, cursor: &mut Cursor, max_items: usize, max_bytes: usize) -> Taken<T> {
        let kept = self.kept();
        let mut lost = 0;
        if cursor.next < kept.first {
            lost = kept.gone - cursor.seen;
            (cursor.next, cursor.seen) = (kept.first, kept.gone);
        }
        let (mut items, mut bytes) = (Vec::new(), 0);
        for held in kept.items.range(kept.at(cursor)..).take(max_items) {
            bytes += held.weight.bytes;
            if bytes > max_bytes && !items.is_empty() {
                break;
            }
            items.push(Arc::clone(&held.item));
            cursor.seen += held.weight.counts;
        }
        cursor.next += items.len() as u64;
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

    /// The index of a cursor among the items.
    fn at(&self, cursor: &Cursor) -> usize {
        let at = cursor.next.saturating_sub(self.first);
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

impl Cursor {
    /// Waits for an item that was not read yet; `false` once the broadcast has ended.
    pub async fn wait(&mut self) -> bool {
        let next = self.next;
        let latest = self.news.wait_for(|latest| *latest > next).await;
        latest.is_ok_and(|latest| *latest != ENDED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    /// Items with their bytes, each counting for two.
    fn push(ring: &Broadcast<u32>, items: &[(u32, usize)]) {
        let weight = |bytes| Weight { bytes, counts: 2 };
        ring.push(items.iter().map(|(item, bytes)| (*item, weight(*bytes))));
    }

    fn read(ring: &Broadcast<u32>, cursor: &mut Cursor) -> (u64, Vec<u32>) {
        let taken = ring.take(cursor, 10, 100);
        (taken.lost, taken.items.iter().map(|item| **item).collect())
    }

    #[test]
    fn each_reads_at_its_pace_and_who_is_too_slow_learns_how_much_it_lost() {
        let ring = Broadcast::new(3, 100);
        push(&ring, &[(0, 1)]);
        let (mut quick, mut slow) = (ring.cursor(), ring.cursor());
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
        let few = |slow: &mut Cursor| ring.take(slow, 10, 90).items.len();
        assert_eq!(
            (few(&mut slow), few(&mut slow), few(&mut slow)),
            (1, 1, 1),
            "a turn has its bytes"
        );
    }

    #[tokio::test]
    async fn who_waits_is_woken_by_more_and_by_the_end() {
        let ring = Broadcast::new(3, 100);
        let mut cursor = ring.cursor();
        assert_eq!(cursor.wait().now_or_never(), None);
        push(&ring, &[(1, 1)]);
        assert!(cursor.wait().await);
        read(&ring, &mut cursor);
        assert_eq!(cursor.wait().now_or_never(), None);
        ring.end();
        assert!(!cursor.wait().await);
        push(&ring, &[(2, 1)]);
        assert!(!cursor.wait().await, "an end is for ever");
    }
}
