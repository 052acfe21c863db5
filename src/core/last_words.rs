//! The last entries of each instance, for people: what it said before it fell silent.
//!
//! An entry costs a look-up of its subject, and a copy of its first kilobytes over the oldest of its instance. What it has in
//! common with the beginning of an earlier one is kept once: the entries of an instance differ little before their message.

use crate::core::time::Wall;
use foldhash::quality::RandomState;
use std::collections::{HashMap, VecDeque};

/// Entries kept of each instance.
pub const ENTRIES: usize = 50;
/// Bytes kept of an entry: beyond it a payload is a dump.
const ENTRY_BYTES: usize = 2048;
/// Bytes of the beginning that the entries of an instance share, at most.
const SHARED_BYTES: usize = 512;
/// Bytes that an entry takes beside its text.
const BESIDE_ENTRY: usize = 48;
/// Bytes that an instance takes beside its subject and entries.
const BESIDE_INSTANCE: usize = 192;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastWord {
    /// Wall clock: its arrival.
    pub at: Wall,
    /// The first bytes of its payload.
    pub payload: Box<[u8]>,
}

/// The last entries of each instance, in bounded memory: the instance that was heard longest ago gives way first.
#[derive(Debug)]
pub struct LastWords {
    instances: HashMap<Box<str>, Words, RandomState>,
    /// Bytes of all.
    bytes: usize,
    max_bytes: usize,
    /// Entries so far, which dates the last one of each instance.
    count: i64,
}

/// An entry in memory that the next ones of its instance take over.
#[derive(Debug)]
struct Kept {
    at: Wall,
    /// It begins as the instance's entries do, by so many bytes.
    shared: usize,
    /// The rest of it.
    text: Vec<u8>,
}

impl Kept {
    fn bytes(&self) -> usize {
        self.text.capacity() + BESIDE_ENTRY
    }
}

#[derive(Debug, Default)]
struct Words {
    /// The beginning that entries share.
    beginning: Box<[u8]>,
    /// Entries since that was chosen.
    since: usize,
    entries: VecDeque<Kept>,
    /// Bytes of the entries and of their beginning.
    bytes: usize,
    /// The count of entries at its last one; below zero: those of [`LastWords::put_before`].
    last: i64,
}

impl Words {
    /// Keeps an entry, in the place of the oldest where there are enough; gives the bytes before and after.
    fn push(&mut self, at: Wall, payload: &[u8], count: i64) -> (usize, usize) {
        self.last = count;
        let before = self.bytes;
        let oldest = match self.entries.len() >= ENTRIES {
            true => self.entries.pop_front(),
            false => None,
        };
        self.bytes -= oldest.as_ref().map_or(0, Kept::bytes);
        let mut text = oldest.map(|oldest| oldest.text).unwrap_or_default();
        let shared = self.share(payload);
        let rest = &payload[shared..];
        // The allocator is asked for another piece only where this one is too small, or far too large.
        if text.capacity() < rest.len() || text.capacity() / 2 > rest.len() + BESIDE_ENTRY {
            text = Vec::with_capacity(rest.len());
        }
        text.clear();
        text.extend_from_slice(rest);
        let entry = Kept { at, shared, text };
        self.bytes += entry.bytes();
        self.entries.push_back(entry);
        (before, self.bytes)
    }

    /// The bytes that a payload shares with the beginning of the instance's entries. Where that is little, its own becomes
    /// theirs: not more often than the entries are replaced, since those that are there become whole again.
    fn share(&mut self, payload: &[u8]) -> usize {
        self.since += 1;
        let shared = common(&self.beginning, payload);
        let is_little = shared < self.beginning.len() / 4 || self.beginning.is_empty();
        if !is_little || (self.since <= ENTRIES && !self.entries.is_empty()) {
            return shared;
        }
        self.make_whole();
        let beginning = &payload[..payload.len().min(SHARED_BYTES)];
        self.bytes += beginning.len();
        self.beginning = beginning.into();
        self.since = 0;
        beginning.len()
    }

    /// Gives each entry its whole text; none shares anything then.
    fn make_whole(&mut self) {
        let beginning = std::mem::take(&mut self.beginning);
        self.bytes -= beginning.len();
        for entry in &mut self.entries {
            let mut text = Vec::with_capacity(entry.shared + entry.text.len());
            text.extend_from_slice(&beginning[..entry.shared]);
            text.extend_from_slice(&entry.text);
            self.bytes -= entry.bytes();
            (entry.shared, entry.text) = (0, text);
            self.bytes += entry.bytes();
        }
    }

    /// Puts older entries before its own, as many as there is room for; gives the bytes that they take.
    fn put_before(&mut self, mut older: Words) -> usize {
        let before = self.bytes;
        older.make_whole();
        while self.entries.len() < ENTRIES
            && let Some(entry) = older.entries.pop_back()
        {
            self.bytes += entry.bytes();
            self.entries.push_front(entry);
        }
        self.bytes - before
    }

    /// An entry, whole.
    fn word(&self, kept: &Kept) -> LastWord {
        let payload = [&self.beginning[..kept.shared], &kept.text].concat();
        LastWord {
            at: kept.at,
            payload: payload.into_boxed_slice(),
        }
    }
}

/// Length of the beginning that both share.
fn common(one: &[u8], other: &[u8]) -> usize {
    const STEP: usize = 16;
    let ((left, _), (right, _)) = (one.as_chunks::<STEP>(), other.as_chunks::<STEP>());
    let steps = left.iter().zip(right);
    let same = steps.take_while(|(one, other)| one == other).count() * STEP;
    let rest = one[same..].iter().zip(&other[same..]);
    same + rest.take_while(|(one, other)| one == other).count()
}

impl LastWords {
    /// None yet; at most so many bytes.
    pub fn new(max_bytes: usize) -> Self {
        LastWords {
            instances: HashMap::default(),
            bytes: 0,
            max_bytes,
            count: 0,
        }
    }

    /// None yet, with the same bound.
    pub fn like(&self) -> Self {
        LastWords::new(self.max_bytes)
    }

    /// Keeps an entry.
    pub fn push(&mut self, at: Wall, subject: &str, payload: &[u8]) {
        self.count += 1;
        let payload = &payload[..payload.len().min(ENTRY_BYTES)];
        let (before, after) = match self.instances.get_mut(subject) {
            Some(words) => words.push(at, payload, self.count),
            None => {
                let mut words = Words::default();
                let (_, after) = words.push(at, payload, self.count);
                self.instances.insert(subject.into(), words);
                (0, after + subject.len() + BESIDE_INSTANCE)
            }
        };
        self.bytes = self.bytes + after - before;
        if self.bytes > self.max_bytes {
            self.make_room();
        }
    }

    /// Adds entries that are older than all that are kept, which were found later.
    pub fn put_before(&mut self, earlier: LastWords) {
        for (subject, older) in earlier.instances {
            match self.instances.get_mut(&subject) {
                Some(words) => self.bytes += words.put_before(older),
                None => {
                    self.bytes += older.bytes + subject.len() + BESIDE_INSTANCE;
                    let last = older.last - earlier.count;
                    self.instances.insert(subject, Words { last, ..older });
                }
            }
        }
        if self.bytes > self.max_bytes {
            self.make_room();
        }
    }

    /// The last entries of an instance, the oldest first; at most `most`.
    pub fn of(&self, subject: &str, most: usize) -> Vec<LastWord> {
        let Some(words) = self.instances.get(subject) else {
            return Vec::new();
        };
        let skip = words.entries.len().saturating_sub(most);
        let kept = words.entries.iter().skip(skip);
        kept.map(|kept| words.word(kept)).collect()
    }

    /// Bytes of all, by estimate.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Removes the instances that were heard longest ago, an eighth of the limit at once.
    #[cold]
    fn make_room(&mut self) {
        let mut ages: Vec<(i64, Box<str>)> = self
            .instances
            .iter()
            .map(|(subject, words)| (words.last, subject.clone()))
            .collect();
        ages.sort_unstable();
        let enough = self.max_bytes / 8 * 7;
        for (_, subject) in ages {
            if self.bytes <= enough {
                break;
            }
            if let Some(words) = self.instances.remove(&*subject) {
                self.bytes -= words.bytes + subject.len() + BESIDE_INSTANCE;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(second: u64) -> Wall {
        Wall::from_nanos(second * 1_000_000_000)
    }

    fn texts(words: &LastWords, subject: &str, most: usize) -> Vec<String> {
        let text = |word: LastWord| String::from_utf8_lossy(&word.payload).into_owned();
        words.of(subject, most).into_iter().map(text).collect()
    }

    #[test]
    fn the_last_fifty_of_each_instance_are_kept_in_their_order() {
        let mut words = LastWords::new(1 << 20);
        for number in 0..120 {
            words.push(at(number), "logs.web.iad.a", number.to_string().as_bytes());
        }
        words.push(at(1), "logs.web.iad.b", b"other");
        let expected: Vec<String> = (70..120).map(|number: u64| number.to_string()).collect();
        assert_eq!(texts(&words, "logs.web.iad.a", ENTRIES), expected);
        assert_eq!(texts(&words, "logs.web.iad.a", 5), expected[45..]);
        assert_eq!(texts(&words, "logs.web.iad.b", 5), ["other"]);
        assert_eq!(texts(&words, "logs.web.iad.c", 5), [""; 0]);
        assert_eq!(words.of("logs.web.iad.b", 1)[0].at, at(1));
    }

    fn counted(words: &LastWords) -> usize {
        let of_words = |words: &Words| {
            let entries: usize = words.entries.iter().map(Kept::bytes).sum();
            assert_eq!(words.bytes, words.beginning.len() + entries);
            words.bytes
        };
        let instances = words.instances.iter();
        instances
            .map(|(subject, words)| subject.len() + BESIDE_INSTANCE + of_words(words))
            .sum()
    }

    proptest! {
        #[test]
        fn words_come_back_as_they_were_whatever_they_share(
            pieces in proptest::collection::vec((0..4_usize, 0..700_usize, 0..5_u8), 1..200)
        ) {
            const FORMS: [&str; 4] = ["", "{\"app\":\"web\",\"message\":\"", "{\"app\":\"web", "level=info "];
            let mut words = LastWords::new(1 << 20);
            let mut all = Vec::new();
            for (form, length, letter) in pieces {
                let text = FORMS[form].repeat(3) + &char::from(b'a' + letter).to_string().repeat(length);
                words.push(at(1), "logs.web.iad.a", text.as_bytes());
                prop_assert_eq!(words.bytes(), counted(&words));
                all.push(text);
            }
            let first = all.len().saturating_sub(ENTRIES);
            prop_assert_eq!(texts(&words, "logs.web.iad.a", ENTRIES), &all[first..]);
        }
    }

    #[test]
    fn the_beginning_that_entries_share_is_kept_once() {
        let envelope = "{\"provider\":\"app\",\"region\":\"iad\",".repeat(6);
        let (mut words, mut apart) = (LastWords::new(1 << 20), LastWords::new(1 << 20));
        for number in 0..200 {
            let text = format!("{envelope}{number:050}");
            words.push(at(1), "logs.web.iad.a", text.as_bytes());
            let text = format!("{number:050}{envelope}");
            apart.push(at(1), "logs.web.iad.a", text.as_bytes());
        }
        assert!(
            words.bytes() * 2 < apart.bytes(),
            "{} of {}",
            words.bytes(),
            apart.bytes()
        );
        // From now on its entries begin otherwise: one generation later they share that.
        for number in 0..120 {
            words.push(
                at(2),
                "logs.web.iad.a",
                format!("{{}}{envelope}{number:050}").as_bytes(),
            );
        }
        assert!(
            words.bytes() * 2 < apart.bytes(),
            "{} of {}",
            words.bytes(),
            apart.bytes()
        );
    }

    #[test]
    fn what_is_found_late_stands_before_what_came_meanwhile() {
        let (mut words, mut earlier) = (LastWords::new(1 << 20), LastWords::new(1 << 20));
        for number in 0..40 {
            earlier.push(at(number), "logs.web.iad.a", number.to_string().as_bytes());
            words.push(
                at(40),
                "logs.web.iad.a",
                (number + 40).to_string().as_bytes(),
            );
        }
        earlier.push(at(1), "logs.web.iad.b", b"earlier");
        words.push(at(40), "logs.web.iad.c", b"later");
        words.put_before(earlier);
        let expected: Vec<String> = (30..80).map(|number: u64| number.to_string()).collect();
        assert_eq!(texts(&words, "logs.web.iad.a", ENTRIES), expected);
        assert_eq!(texts(&words, "logs.web.iad.b", 5), ["earlier"]);
        assert_eq!(texts(&words, "logs.web.iad.c", 5), ["later"]);
        assert_eq!(words.bytes(), counted(&words));
    }

    #[test]
    fn those_of_whom_only_earlier_words_are_known_give_way_first() {
        let (mut words, mut earlier) = (LastWords::new(100_000), LastWords::new(100_000));
        for number in 0..30 {
            earlier.push(at(number), &format!("logs.old.iad.{number}"), &[b'x'; 2000]);
            words.push(at(40), &format!("logs.new.iad.{number}"), &[b'x'; 2000]);
        }
        words.put_before(earlier);
        assert!(words.bytes() <= 100_000);
        assert_eq!(words.of("logs.old.iad.0", 1), []);
        for number in 0..30 {
            assert_eq!(words.of(&format!("logs.new.iad.{number}"), 1).len(), 1);
        }
    }

    #[test]
    fn memory_is_bounded_and_the_instance_heard_longest_ago_gives_way() {
        let mut words = LastWords::new(100_000);
        for number in 0..10_000u64 {
            let subject = format!("logs.web.iad.{number}");
            words.push(at(number), &subject, &[b'x'; 5000]);
            assert!(words.bytes() <= 100_000);
        }
        assert_eq!(words.of("logs.web.iad.0", 1), []);
        let last = words.of("logs.web.iad.9999", 1);
        assert_eq!(last[0].payload.len(), ENTRY_BYTES);
        assert_eq!(words.bytes(), counted(&words));
    }
}
