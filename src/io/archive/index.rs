//! The index of a sealed segment: the place, the times and the apps of each frame.
//!
//! It stands in a skippable frame at the end of the file, which zstd passes over: compressed JSON, its length, and a magic
//! number, so that it is found from the end.

use serde::{Deserialize, Serialize};
use std::io;

/// Number of the skippable frame: 0x184D2A50 to 0x184D2A5F are skipped by every decoder.
const SKIPPABLE: u32 = 0x184D_2A5B;
/// End of the file.
const MAGIC: &[u8; 8] = b"lastbix1";
/// Bytes before the content: the number and the length.
const HEAD: usize = 8;
/// Bytes at the end of the content: the length and the magic number.
pub const TAIL: usize = 12;
/// Bytes of an index at most, read from a file: a damaged one may say anything.
pub const MAX_BYTES: usize = 64 << 20;

/// The index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// Names of apps, by number.
    pub apps: Vec<String>,
    /// The frames, in order.
    pub frames: Vec<Frame>,
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Its first byte in the file.
    pub at: u64,
    /// Its bytes in the file.
    pub bytes: u64,
    /// Its bytes once it is decompressed.
    pub plain: u64,
    /// Wall clock, microseconds since 1970: its earliest arrival.
    pub from: u64,
    /// Its latest arrival.
    pub to: u64,
    /// The numbers of the apps in it; `None`: not known.
    pub apps: Option<Vec<u32>>,
}

impl Index {
    /// The skippable frame.
    ///
    /// # Errors
    /// It is too long, or there is no memory to compress it.
    pub fn encode(&self) -> io::Result<Vec<u8>> {
        let json = serde_json::to_vec(self)?;
        let content = zstd::bulk::compress(&json, 1)?;
        let length = u32::try_from(content.len() + TAIL).map_err(io::Error::other)?;
        let mut frame = Vec::with_capacity(HEAD + content.len() + TAIL);
        frame.extend(SKIPPABLE.to_le_bytes());
        frame.extend(length.to_le_bytes());
        frame.extend(&content);
        frame.extend(length.to_le_bytes());
        frame.extend(MAGIC);
        Ok(frame)
    }

    /// Bytes of the whole skippable frame, by the last [`TAIL`] bytes of a file; `None` where it does not end with an index.
    pub fn length(tail: &[u8]) -> Option<usize> {
        let (length, magic) = tail.split_at_checked(4)?;
        let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
        (magic == MAGIC && (TAIL..=MAX_BYTES).contains(&length)).then_some(HEAD + length)
    }

    /// Bytes of the skippable frame of an index at the beginning of some bytes, damaged or not; `None` where there is none.
    pub fn skippable(bytes: &[u8]) -> Option<usize> {
        let (number, rest) = bytes.split_at_checked(4)?;
        let length = u32::from_le_bytes(rest.get(..4)?.try_into().ok()?) as usize;
        (number == SKIPPABLE.to_le_bytes()).then(|| HEAD.saturating_add(length).min(bytes.len()))
    }

    /// Reads the skippable frame of a file whose frames end where it begins, at `begin`; `None` where it is damaged.
    pub fn decode(frame: &[u8], begin: u64) -> Option<Self> {
        let content = frame.get(HEAD..frame.len().checked_sub(TAIL)?)?;
        if frame.get(..4)? != SKIPPABLE.to_le_bytes() {
            return None;
        }
        let json = zstd::bulk::decompress(content, MAX_BYTES).ok()?;
        let index: Index = serde_json::from_slice(&json).ok()?;
        index.is_sound(begin).then_some(index)
    }

    /// True where every frame follows the one before it, within the file.
    fn is_sound(&self, begin: u64) -> bool {
        let mut at = 0;
        for frame in &self.frames {
            let apps = frame.apps.iter().flatten();
            let known = |app: &u32| (*app as usize) < self.apps.len();
            if frame.at != at || frame.plain > MAX_BYTES as u64 * 4 || !apps.into_iter().all(known)
            {
                return false;
            }
            match at.checked_add(frame.bytes) {
                Some(end) => at = end,
                None => return false,
            }
        }
        at == begin
    }
}
