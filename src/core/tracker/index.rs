//! Index of instances by subject, which grows step by step: rehashing a million subjects at once would delay entries
//! for too long.

use hashbrown::HashTable;

/// Buckets that are moved with each admission, in eight microseconds with a million instances. Half as many would keep
/// both tables for twice as long.
const AT_AN_ADMISSION: usize = 16;
/// Buckets that are moved in each turn, in a millisecond or two: a million within five minutes, without any admission.
const AT_A_TURN: usize = 4_096;

/// Numbers of instances by the hash of their subject. Each is in one of the two tables.
#[derive(Debug, Default)]
pub(in crate::core) struct Index {
    now: HashTable<u32>,
    /// The smaller table, until all of it has moved.
    before: Option<Leaving>,
}

/// A table that is being emptied.
#[derive(Debug)]
struct Leaving {
    table: HashTable<u32>,
    /// The first bucket that has not moved yet.
    next: usize,
}

impl Index {
    /// The number with this hash for which `is` holds, in the current table; [`Self::find_before`] searches the other
    /// one.
    #[inline]
    pub(in crate::core) fn find(&self, hash: u64, is: impl Fn(u32) -> bool) -> Option<u32> {
        self.now.find(hash, |id| is(*id)).copied()
    }

    /// As [`Self::find`], among those that have not moved yet.
    pub(in crate::core) fn find_before(&self, hash: u64, is: impl Fn(u32) -> bool) -> Option<u32> {
        let before = self.before.as_ref()?;
        before.table.find(hash, |id| is(*id)).copied()
    }

    /// Inserts a number that is not in the index. `hash_of` gives the hash of any number in it.
    pub(in crate::core) fn insert(&mut self, hash: u64, id: u32, hash_of: impl Fn(u32) -> u64) {
        // Not while it moves: the new table has room for all of the old one and half as many as that has buckets, and
        // each insertion meanwhile moves sixteen buckets. So the table never grows by itself.
        if self.before.is_none() && self.now.len() == self.now.capacity() {
            let room = self.now.len() + self.now.num_buckets() / 2 + 1;
            let table = std::mem::replace(&mut self.now, HashTable::with_capacity(room));
            self.before = Some(Leaving { table, next: 0 });
        }
        self.clear(AT_AN_ADMISSION, &hash_of);
        self.now.insert_unique(hash, id, |&id| hash_of(id));
    }

    /// Removes a number, if it is in the index.
    pub(in crate::core) fn remove(&mut self, hash: u64, id: u32) {
        let before = self.before.as_mut().map(|before| &mut before.table);
        for table in [Some(&mut self.now), before].into_iter().flatten() {
            if let Ok(entry) = table.find_entry(hash, |&other| other == id) {
                entry.remove();
            }
        }
    }

    /// Moves some buckets without an insertion.
    pub(in crate::core) fn move_some(&mut self, hash_of: impl Fn(u32) -> u64) {
        self.clear(AT_A_TURN, hash_of);
    }

    /// True while some numbers are still in the old table.
    #[inline]
    pub(in crate::core) fn is_moving(&self) -> bool {
        self.before.is_some()
    }

    /// Number of entries.
    pub(in crate::core) fn len(&self) -> usize {
        let before = self.before.as_ref().map_or(0, |before| before.table.len());
        self.now.len() + before
    }

    fn clear(&mut self, buckets: usize, hash_of: impl Fn(u32) -> u64) {
        let Some(before) = &mut self.before else {
            return;
        };
        for bucket in before.next..before.next + buckets {
            // There is no entry after the last bucket.
            if let Ok(entry) = before.table.get_bucket_entry(bucket) {
                let (id, _) = entry.remove();
                self.now.insert_unique(hash_of(id), id, |&id| hash_of(id));
            }
        }
        before.next += buckets;
        if before.table.is_empty() {
            self.before = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{AT_A_TURN, AT_AN_ADMISSION, Index};
    use std::cell::Cell;

    /// An index that counts the hashes it asks for: one for each number that it moves.
    #[derive(Default)]
    struct Counted {
        index: Index,
        moved: Cell<usize>,
    }

    /// Equal for many in a row: a removal from a crowded group leaves a tombstone in the table, which takes space as
    /// well.
    fn hash(id: u32) -> u64 {
        u64::from(id / 64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    impl Counted {
        fn hash_of(moved: &Cell<usize>) -> impl Fn(u32) -> u64 {
            |id| {
                moved.set(moved.get() + 1);
                hash(id)
            }
        }

        /// Number of entries moved by this insertion.
        fn insert(&mut self, id: u32) -> usize {
            self.index.insert(hash(id), id, Self::hash_of(&self.moved));
            self.moved.take()
        }

        fn move_some(&mut self) -> usize {
            self.index.move_some(Self::hash_of(&self.moved));
            self.moved.take()
        }

        fn knows(&self, id: u32) -> bool {
            let [now, before] = [
                self.index.find(hash(id), |other| other == id),
                self.index.find_before(hash(id), |other| other == id),
            ];
            assert!(now.is_none() || before.is_none(), "{id} is there twice");
            now.or(before) == Some(id)
        }
    }

    #[test]
    fn no_admission_moves_more_than_sixteen_however_many_are_known() {
        let mut counted = Counted::default();
        let (mut most, mut moved, mut growths) = (0, 0, 0);
        for id in 0..300_000 {
            let was_moving = counted.index.is_moving();
            let now = counted.insert(id);
            growths += usize::from(counted.index.is_moving() && !was_moving);
            (most, moved) = (most.max(now), moved + now);
        }
        assert_eq!(most, AT_AN_ADMISSION);
        assert!(growths > 12 && moved > 300_000 / 2, "{growths}, {moved}");
        assert_eq!(counted.index.len(), 300_000);
        assert!((0..300_000).all(|id| counted.knows(id)));
    }

    #[test]
    fn nor_where_others_left_and_it_grows_no_larger_for_them() {
        // Two fewer than fill a table of 2,048 buckets.
        const KNOWN: u32 = 1_790;
        let mut counted = Counted::default();
        let (mut moved, mut growths) = (0, 0);
        for id in 0..200_000 {
            let was_moving = counted.index.is_moving();
            let now = counted.insert(id);
            assert!(now <= AT_AN_ADMISSION, "{now} for {id}");
            growths += usize::from(counted.index.is_moving() && !was_moving);
            moved += now;
            if let Some(old) = id.checked_sub(KNOWN) {
                counted.index.remove(hash(old), old);
                assert!(!counted.knows(old));
            }
        }
        assert!(growths > 12, "{growths}");
        assert!(moved > growths, "{moved}");
        assert_eq!(counted.index.len(), KNOWN as usize);
        assert_eq!(counted.index.now.num_buckets(), 8_192);
    }

    #[test]
    fn a_move_ends_though_nobody_comes_any_more() {
        let mut counted = Counted::default();
        let full = 57_344;
        (0..=full).for_each(|id| {
            counted.insert(id);
        });
        assert!(counted.index.is_moving());
        let mut turns = 0;
        while counted.index.is_moving() {
            let moved = counted.move_some();
            assert!((1..=AT_A_TURN).contains(&moved), "{moved}");
            turns += 1;
        }
        assert_eq!(turns, 65_536 / AT_A_TURN);
        assert!((0..=full).all(|id| counted.knows(id)));
    }
}
