//! Short texts without an allocation each: names of machines, texts of beats.
//!
//! Up to 14 bytes are stored in the handle itself, enough for a machine's name on Fly. Longer ones have a slot of the
//! smallest size that holds them. Slots are reused, so a flood of texts uses no more memory than the texts that existed
//! at once.

use foldhash::quality::RandomState;
use hashbrown::HashTable;
use std::fmt::Write;
use std::hash::BuildHasher;

/// Number of bytes that a handle stores itself.
const INLINE: usize = 14;
/// Sizes of slots; the first byte of each is the text's length. The last size holds any text.
const SLOTS: [usize; 3] = [32, 64, 136];
/// Longer texts are cut: no token of a subject is longer, and no text of a beat.
pub const LONGEST: usize = SLOTS[SLOTS.len() - 1] - 1;
/// Placeholder for a beat's own counter in a phrase. Texts lose this character, which means nothing to people.
const COUNT: char = '\u{1a}';

/// Handle of a text, to be read with the [`Texts`] that made it and given back before it is dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// Its length if it is stored here, else [`INLINE`] plus the index of its slot size, from 1.
    form: u8,
    bytes: [u8; INLINE],
}

/// Slots of one size.
#[derive(Debug, Default)]
struct Slots {
    bytes: Vec<u8>,
    free: Vec<u32>,
}

/// The texts that do not fit into their handles.
#[derive(Debug, Default)]
pub struct Texts([Slots; SLOTS.len()]);

impl Texts {
    /// Stores a text.
    pub fn put(&mut self, text: &str) -> Text {
        let text = cut(text, LONGEST).as_bytes();
        let mut kept = Text::default();
        if text.len() <= INLINE {
            kept.form = text.len() as u8;
            kept.bytes[..text.len()].copy_from_slice(text);
            return kept;
        }
        let size = SLOTS.iter().position(|size| text.len() < *size);
        let size = size.unwrap_or(SLOTS.len() - 1);
        let slot = self.0[size].put(SLOTS[size], text);
        kept.form = (INLINE + 1 + size) as u8;
        kept.bytes[..4].copy_from_slice(&slot.to_le_bytes());
        kept
    }

    /// A text's bytes.
    #[inline]
    pub fn bytes<'a>(&'a self, text: &'a Text) -> &'a [u8] {
        match text.place() {
            None => &text.bytes[..text.form as usize],
            Some((size, slot)) => {
                let slot = &self.0[size].bytes[slot as usize * SLOTS[size]..][..SLOTS[size]];
                &slot[1..=slot[0] as usize]
            }
        }
    }

    /// A text.
    pub fn get<'a>(&'a self, text: &'a Text) -> &'a str {
        // Only whole texts are stored, cut between characters.
        std::str::from_utf8(self.bytes(text)).unwrap_or("")
    }

    /// Frees a text.
    pub fn drop(&mut self, text: Text) {
        if let Some((size, slot)) = text.place() {
            self.0[size].free.push(slot);
        }
    }
}

impl Text {
    /// Index of its slot size and number of its slot; `None` if it is stored in the handle.
    fn place(&self) -> Option<(usize, u32)> {
        let size = (self.form as usize).checked_sub(INLINE + 1)?;
        let [a, b, c, d, ..] = self.bytes;
        Some((size, u32::from_le_bytes([a, b, c, d])))
    }
}

impl Slots {
    fn put(&mut self, size: usize, text: &[u8]) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            let slot = self.bytes.len() / size;
            self.bytes.resize(self.bytes.len() + size, 0);
            slot as u32
        });
        let bytes = &mut self.bytes[slot as usize * size..][..size];
        bytes[0] = text.len() as u8;
        bytes[1..=text.len()].copy_from_slice(text);
        slot
    }
}

/// The first `most` bytes of a text, cut between characters.
pub fn cut(text: &str, most: usize) -> &str {
    if text.len() <= most {
        return text;
    }
    let end = (0..=most).rev().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or(0)]
}

/// True if a phrase, with the counter in place of its placeholder, is this text. Most beats repeat their text, so
/// nothing has to be written or searched.
fn says(phrase: &[u8], text: &[u8], count: Option<u64>) -> bool {
    const MARK: u8 = COUNT as u8;
    let same = |(a, b): &(&u8, &u8)| a == b && **a != MARK;
    let alike = phrase.iter().zip(text).take_while(same).count();
    match (&phrase[alike..], &text[alike..], count) {
        ([], [], _) => true,
        ([MARK, after @ ..], rest, Some(count)) => rest
            .strip_suffix(after)
            .is_some_and(|digits| are_of(digits, count)),
        _ => false,
    }
}

/// True if these are exactly the digits of a counter.
fn are_of(digits: &[u8], count: u64) -> bool {
    let mut left = count;
    for (place, digit) in digits.iter().rev().enumerate() {
        if (left == 0 && place > 0) || *digit != b'0' + (left % 10) as u8 {
            return false;
        }
        left /= 10;
    }
    left == 0 && !digits.is_empty()
}

/// The last text of a beat: a number of [`Phrases`]; 0 if it has none yet.
pub type PhraseId = u32;

#[derive(Debug)]
struct Phrase {
    text: Text,
    /// Number of beats whose last text it is.
    uses: u32,
}

/// The last texts of all beats. Most are equal except for `seq=`, which the beat stores itself: each such text is
/// stored once, with a placeholder for the counter.
#[derive(Debug)]
pub struct Phrases {
    rows: Vec<Phrase>,
    free: Vec<PhraseId>,
    texts: Texts,
    table: HashTable<PhraseId>,
    hash: RandomState,
    /// The phrase to search for, and a counter in digits: allocations that are reused from beat to beat.
    sought: String,
    digits: String,
}

impl Default for Phrases {
    fn default() -> Self {
        Phrases {
            // Number 0 is the empty phrase.
            rows: vec![Phrase {
                text: Text::default(),
                uses: 1,
            }],
            free: Vec::new(),
            texts: Texts::default(),
            table: HashTable::new(),
            hash: RandomState::default(),
            sought: String::new(),
            digits: String::new(),
        }
    }
}

impl Phrases {
    /// Replaces a beat's phrase `before` by that of `text`, which may contain the beat's counter.
    pub fn say(&mut self, before: PhraseId, text: &str, count: Option<u64>) -> PhraseId {
        let known = self.texts.bytes(&self.rows[before as usize].text);
        if says(known, text.as_bytes(), count) {
            return before;
        }
        self.unsay(before);
        self.seek(text, count);
        if self.sought.is_empty() {
            return 0;
        }
        let (rows, texts, hash) = (&self.rows, &self.texts, &self.hash);
        let sought = self.sought.as_bytes();
        let is = |&id: &PhraseId| texts.bytes(&rows[id as usize].text) == sought;
        if let Some(&id) = self.table.find(hash.hash_one(sought), is) {
            self.rows[id as usize].uses += 1;
            return id;
        }
        self.keep()
    }

    /// Releases the phrase of a beat that is gone.
    pub fn unsay(&mut self, id: PhraseId) {
        let row = &mut self.rows[id as usize];
        if id == 0 || row.uses > 1 {
            row.uses -= u32::from(id != 0);
            return;
        }
        let hash = self.hash.hash_one(self.texts.bytes(&row.text));
        if let Ok(entry) = self.table.find_entry(hash, |&other| other == id) {
            entry.remove();
        }
        self.texts.drop(row.text);
        self.free.push(id);
    }

    /// The text of a beat with this counter.
    pub fn text(&self, id: PhraseId, count: Option<u64>) -> String {
        let phrase = self.texts.get(&self.rows[id as usize].text);
        match count {
            Some(count) => phrase.replace(COUNT, &count.to_string()),
            None => phrase.to_owned(),
        }
    }

    /// Makes the phrase of a text: the counter is replaced by the placeholder.
    fn seek(&mut self, text: &str, count: Option<u64>) {
        self.sought.clear();
        self.digits.clear();
        text.split(COUNT)
            .for_each(|part| self.sought.push_str(part));
        let Some(count) = count else {
            return;
        };
        // Writing to a string never fails.
        let _ = write!(self.digits, "seq={count}");
        if let Some(at) = self.sought.find(&self.digits) {
            let (from, to) = (at + "seq=".len(), at + self.digits.len());
            let mut mark = [0; COUNT.len_utf8()];
            self.sought
                .replace_range(from..to, COUNT.encode_utf8(&mut mark));
        }
    }

    fn keep(&mut self) -> PhraseId {
        let row = Phrase {
            text: self.texts.put(&self.sought),
            uses: 1,
        };
        let id = match self.free.pop() {
            Some(id) => {
                self.rows[id as usize] = row;
                id
            }
            None => {
                self.rows.push(row);
                (self.rows.len() - 1) as PhraseId
            }
        };
        let (rows, texts, hash) = (&self.rows, &self.texts, &self.hash);
        let hash_of = |&id: &PhraseId| hash.hash_one(texts.bytes(&rows[id as usize].text));
        self.table
            .insert_unique(hash.hash_one(self.sought.as_bytes()), id, hash_of);
        id
    }
}

#[cfg(test)]
mod tests;
