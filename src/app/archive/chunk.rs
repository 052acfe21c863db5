//! Chunks: what arrived, on its way from the event loop to the archive's thread, which makes lines of it.
//!
//! The event loop copies each entry as it came and looks at no byte of it: that is the thread's work.

use crate::core::time::Wall;
use crate::decode::archive_line::{Mark, write_mark};

/// Bytes before an entry: its arrival, and the lengths of its subject and its payload.
const HEAD: usize = 16;
/// Stands in place of a subject's length before a line of lastbeat itself.
const MARK: u32 = u32::MAX;

/// Entries, and lines of lastbeat itself, in the order in which they came.
#[derive(Debug, Default)]
pub struct Chunk {
    bytes: Vec<u8>,
    entries: u64,
}

/// One of them.
#[derive(Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// An entry.
    Entry {
        /// Wall clock: its arrival.
        at: Wall,
        /// Its subject.
        subject: &'a str,
        /// Its payload, as it came.
        payload: &'a [u8],
    },
    /// A whole line of lastbeat itself.
    Mark(&'a [u8]),
}

impl Chunk {
    /// An empty one, with room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Chunk {
            bytes: Vec::with_capacity(bytes),
            entries: 0,
        }
    }

    /// Copies an entry.
    #[inline]
    pub fn entry(&mut self, at: Wall, subject: &str, payload: &[u8]) {
        // A server takes no payload of 4 GB.
        let (Ok(of_subject), Ok(of_payload)) =
            (u32::try_from(subject.len()), u32::try_from(payload.len()))
        else {
            return;
        };
        self.bytes.reserve(HEAD + subject.len() + payload.len());
        self.bytes
            .extend_from_slice(&head(at, of_subject, of_payload));
        self.bytes.extend_from_slice(subject.as_bytes());
        self.bytes.extend_from_slice(payload);
        self.entries += 1;
    }

    /// Adds a line of lastbeat itself.
    pub fn mark(&mut self, at: Wall, mark: &Mark<'_>) {
        let mut line = Vec::new();
        write_mark(&mut line, at, mark);
        let length = u32::try_from(line.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&head(at, MARK, length));
        self.bytes.extend_from_slice(&line);
    }

    /// Number of entries.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// True if there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes that it has room for.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Removes all, and makes room for so many bytes.
    pub fn clear(&mut self, room: usize) {
        self.bytes.clear();
        self.bytes.reserve_exact(room);
        self.entries = 0;
    }

    /// All records, in their order.
    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        let mut rest = self.bytes.as_slice();
        std::iter::from_fn(move || {
            let (record, after) = first(rest)?;
            rest = after;
            Some(record)
        })
    }
}

fn head(at: Wall, of_subject: u32, of_payload: u32) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..8].copy_from_slice(&at.nanos().to_le_bytes());
    head[8..12].copy_from_slice(&of_subject.to_le_bytes());
    head[12..].copy_from_slice(&of_payload.to_le_bytes());
    head
}

/// The first record, and what follows it.
fn first(bytes: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let (at, rest) = bytes.split_first_chunk()?;
    let (of_subject, rest) = rest.split_first_chunk()?;
    let (of_payload, rest) = rest.split_first_chunk()?;
    let of_subject = u32::from_le_bytes(*of_subject);
    let of_payload = u32::from_le_bytes(*of_payload) as usize;
    if of_subject == MARK {
        let (line, rest) = rest.split_at_checked(of_payload)?;
        return Some((Record::Mark(line), rest));
    }
    let (subject, rest) = rest.split_at_checked(of_subject as usize)?;
    let (payload, rest) = rest.split_at_checked(of_payload)?;
    let record = Record::Entry {
        at: Wall::from_nanos(u64::from_le_bytes(*at)),
        // It was a text when it was copied.
        subject: std::str::from_utf8(subject).unwrap_or_default(),
        payload,
    };
    Some((record, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_copied_comes_back_as_it_was_and_in_its_order() {
        let mut chunk = Chunk::with_capacity(10);
        let at = Wall::from_nanos(1_769_860_800_000_000_000);
        chunk.mark(at, &Mark::Connected);
        chunk.entry(at, "logs.web.iad.a", b"one\nline and\0 another");
        chunk.entry(Wall::from_nanos(7), "", b"");
        chunk.mark(at, &Mark::Lost(3));
        let entry = |at, subject, payload| Record::Entry {
            at,
            subject,
            payload,
        };
        let expected = [
            Record::Mark(b"# connected 2026-01-31T12:00:00.000000Z\n".as_slice()),
            entry(at, "logs.web.iad.a", b"one\nline and\0 another".as_slice()),
            entry(Wall::from_nanos(7), "", b"".as_slice()),
            Record::Mark(b"# lost 2026-01-31T12:00:00.000000Z 3\n".as_slice()),
        ];
        assert_eq!(chunk.records().collect::<Vec<_>>(), expected);
        assert_eq!(chunk.entries(), 2);
        chunk.clear(100);
        assert_eq!((chunk.records().count(), chunk.entries()), (0, 0));
        assert!(chunk.capacity() >= 100);
    }
}
