//! Blocks of whole lines of a segment, plain or sealed.

use super::frames::{FRAME_BYTES, decompress, scan};
use super::index::{Frame, Index, TAIL};
use super::segment::{Form, Segment};
use memchr::memrchr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use zstd::bulk::Decompressor;

/// Bytes of a line at most: a longer one is passed over.
const MAX_LINE: usize = 128 << 20;

/// A segment, open for reading.
pub struct SegmentReader {
    file: File,
    content: Content,
    /// Plain bytes before the next block.
    offset: u64,
    damaged: u64,
}

enum Content {
    Plain {
        /// Bytes of the file when it was opened.
        length: u64,
    },
    Sealed {
        index: Index,
        next: usize,
        decompressor: Decompressor<'static>,
        compressed: Vec<u8>,
    },
}

/// The apps and the times of a block, where they are known without reading it.
pub struct BlockFacts<'a> {
    frame: &'a Frame,
    apps: &'a [String],
}

impl BlockFacts<'_> {
    /// Wall clock, microseconds: the earliest and the latest arrival.
    pub fn span(&self) -> (u64, u64) {
        (self.frame.from, self.frame.to)
    }

    /// True where an app in it is one of those, or its apps are not known.
    pub fn has_app(&self, mut is_one: impl FnMut(&str) -> bool) -> bool {
        let Some(apps) = &self.frame.apps else {
            return true;
        };
        let name = |app: &u32| self.apps.get(*app as usize);
        apps.iter().filter_map(name).any(|app| is_one(app))
    }
}

impl SegmentReader {
    /// Opens a segment. A damaged index is rebuilt by a search for frames.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open(segment: &Segment) -> io::Result<Self> {
        let mut file = File::open(&segment.path)?;
        let length = file.metadata()?.len();
        let mut damaged = 0;
        let content = match segment.form {
            Form::Plain | Form::Sealing => Content::Plain { length },
            Form::Sealed => {
                let index = match read_index(&file, length)? {
                    Some(index) => index,
                    None => {
                        let mut bytes = Vec::new();
                        file.read_to_end(&mut bytes)?;
                        let (index, found) = scan(&bytes);
                        damaged = found;
                        index
                    }
                };
                Content::Sealed {
                    index,
                    next: 0,
                    decompressor: Decompressor::new()?,
                    compressed: Vec::new(),
                }
            }
        };
        Ok(SegmentReader {
            file,
            content,
            offset: 0,
            damaged,
        })
    }

    /// Plain bytes of the whole segment.
    pub fn plain_bytes(&self) -> u64 {
        match &self.content {
            Content::Plain { length } => *length,
            Content::Sealed { index, .. } => index.frames.iter().map(|frame| frame.plain).sum(),
        }
    }

    /// Frames that were damaged and left out so far.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Goes to a place, in plain bytes from the beginning of the segment.
    pub fn seek(&mut self, offset: u64) {
        self.offset = offset;
        if let Content::Sealed { index, next, .. } = &mut self.content {
            let mut begin = 0;
            *next = index.frames.len();
            for (number, frame) in index.frames.iter().enumerate() {
                if begin + frame.plain > offset {
                    *next = number;
                    self.offset = begin;
                    break;
                }
                begin += frame.plain;
            }
        }
    }

    /// Reads the next block of whole lines that `wants`, into `block`. Gives its place in plain bytes; `None` at the end. A
    /// plain segment's lines are whole up to its last newline; that is its end.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn next_block(
        &mut self,
        block: &mut Vec<u8>,
        mut wants: impl FnMut(&BlockFacts<'_>) -> bool,
    ) -> io::Result<Option<u64>> {
        let Content::Sealed {
            index,
            next,
            decompressor,
            compressed,
        } = &mut self.content
        else {
            return self.next_plain(block);
        };
        while let Some(frame) = index.frames.get(*next) {
            *next += 1;
            let begin = self.offset;
            self.offset += frame.plain;
            let facts = BlockFacts {
                frame,
                apps: &index.apps,
            };
            if !wants(&facts) {
                continue;
            }
            compressed.resize(usize::try_from(frame.bytes).unwrap_or(0), 0);
            let read = self.file.read_exact_at(compressed, frame.at);
            let read = read.and_then(|()| decompress(decompressor, compressed, frame.plain, block));
            if read.is_ok() {
                return Ok(Some(begin));
            }
            self.damaged += 1;
        }
        Ok(None)
    }

    fn next_plain(&mut self, block: &mut Vec<u8>) -> io::Result<Option<u64>> {
        let Content::Plain { length } = self.content else {
            return Ok(None);
        };
        let begin = self.offset;
        let mut wanted = FRAME_BYTES;
        loop {
            let left = usize::try_from(length.saturating_sub(begin)).unwrap_or(usize::MAX);
            block.resize(left.min(wanted), 0);
            self.file.read_exact_at(block, begin)?;
            if let Some(end) = memrchr(b'\n', block) {
                block.truncate(end + 1);
                self.offset = begin + block.len() as u64;
                return Ok(Some(begin));
            }
            if wanted >= left || wanted >= MAX_LINE {
                return Ok(None);
            }
            wanted *= 2;
        }
    }
}

/// The index of a sealed file; `None` where it is damaged.
fn read_index(file: &File, length: u64) -> io::Result<Option<Index>> {
    let mut tail = [0; TAIL];
    let Some(at) = length.checked_sub(TAIL as u64) else {
        return Ok(None);
    };
    file.read_exact_at(&mut tail, at)?;
    let Some(bytes) = Index::length(&tail) else {
        return Ok(None);
    };
    let Some(begin) = length.checked_sub(bytes as u64) else {
        return Ok(None);
    };
    let mut frame = vec![0; bytes];
    file.read_exact_at(&mut frame, begin)?;
    Ok(Index::decode(&frame, begin))
}
