//! Which instance speaks under a subject. It grows step by step: as many at once as are known would take longer than
//! entries can wait.

use hashbrown::HashTable;

/// Buckets that are cleared when somebody is taken in, in eight microseconds where a million are known. Half as many
/// keep both tables for twice as long.
const AT_AN_ADMISSION: usize = 16;
/// Buckets that are cleared at a turn, in a millisecond or two: of a million all within five minutes, though nobody
/// comes any more.
const AT_A_TURN: usize = 4_096;

/// Numbers of instances by the hash of their subject. Each stands in one of two tables.
#[derive(Debug, Default)]
pub(in crate::core) struct Index {
    now: HashTable<u32>,
    /// What was too small, until all of it has moved.
    before: Option<Leaving>,
}

/// A table that is being left.
#[derive(Debug)]
struct Leaving {
    table: HashTable<u32>,
    /// The first bucket that is not cleared yet.
    next: usize,
}

impl Index {
    /// The number that has this hash and is the one. Whom it does not find [`Self::find_before`] may.
    #[inline]
    pub(in crate::core) fn find(&self, hash: u64, is: impl Fn(u32) -> bool) -> Option<u32> {
        self.now.find(hash, |id| is(*id)).copied()
    }

    /// As [`Self::find`], of those who have not moved yet.
    pub(in crate::core) fn find_before(&self, hash: u64, is: impl Fn(u32) -> bool) -> Option<u32> {
        let before = self.before.as_ref()?;
        before.table.find(hash, |id| is(*id)).copied()
    }

    /// Takes in a number that is not there. `hash_of` gives the hash of each that is.
    pub(in crate::core) fn insert(&mut self, hash: u64, id: u32, hash_of: impl Fn(u32) -> u64) {
        // Never while it moves: room for all of the old table and half as many as it has buckets, of which each of those
        // who come meanwhile clears sixteen. So the table has no cause to grow by itself.
        if self.before.is_none() && self.now.len() == self.now.capacity() {
            let room = self.now.len() + self.now.num_buckets() / 2 + 1;
            let table = std::mem::replace(&mut self.now, HashTable::with_capacity(room));
            self.before = Some(Leaving { table, next: 0 });
        }
        self.clear(AT_AN_ADMISSION, &hash_of);
        self.now.insert_unique(hash, id, |&id| hash_of(id));
    }

    /// Takes out a number, where it is there.
    pub(in crate::core) fn remove(&mut self, hash: u64, id: u32) {
        let before = self.before.as_mut().map(|before| &mut before.table);
        for table in [Some(&mut self.now), before].into_iter().flatten() {
            if let Ok(entry) = table.find_entry(hash, |&other| other == id) {
                entry.remove();
            }
        }
    }

    /// Moves some, though nobody is taken in.
    pub(in crate::core) fn move_some(&mut self, hash_of: impl Fn(u32) -> u64) {
        self.clear(AT_A_TURN, hash_of);
    }

    /// Whether some stand in the old table still.
    #[inline]
    pub(in crate::core) fn is_moving(&self) -> bool {
        self.before.is_some()
    }

    /// How many there are.
    pub(in crate::core) fn len(&self) -> usize {
        let before = self.before.as_ref().map_or(0, |before| before.table.len());
        self.now.len() + before
    }

    fn clear(&mut self, buckets: usize, hash_of: impl Fn(u32) -> u64) {
        let Some(before) = &mut self.before else {
            return;
        };
        for bucket in before.next..before.next + buckets {
            // Past the last one there is nobody.
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

    /// An index that counts how often it asks for a hash: once for each that it moves.
    #[derive(Default)]
    struct Counted {
        index: Index,
        moved: Cell<usize>,
    }

    /// The same for many in a row: whoever of a crowd leaves leaves a mark in the table, which takes room as well.
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

        /// How many it moved for this one.
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
        // Two less than fill a table of 2,048 buckets.
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
