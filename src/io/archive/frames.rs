//! Frames of a sealed segment: made of plain lines, and found again where an index is damaged.

use super::index::{Frame, Index};
use crate::core::time::Wall;
use crate::decode::archive_line::{self, ARRIVAL, Arrivals};
use foldhash::quality::RandomState;
use memchr::memmem;
use std::collections::{BTreeSet, HashMap};
use std::io;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::{self, CParameter};

/// Plain bytes of a frame: as much as a search reads at once, and enough to compress well.
pub const FRAME_BYTES: usize = 1 << 20;
/// Plain bytes of one frame at most, when it is read: a line may be longer than a usual frame.
const MAX_PLAIN: u64 = 256 << 20;
/// Beginning of every frame.
const MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();
/// Compression: 8 times at 900 MB/s; higher levels cost several times as much for a tenth less.
const LEVEL: i32 = 1;

/// Makes frames, and the index of them.
pub struct FrameMaker {
    compressor: Compressor<'static>,
    numbers: HashMap<String, u32, RandomState>,
    arrivals: Arrivals,
    index: Index,
    at: u64,
    frame: Vec<u8>,
}

impl FrameMaker {
    /// No frame yet.
    ///
    /// # Errors
    /// There is no memory.
    pub fn new() -> io::Result<Self> {
        let mut compressor = Compressor::new(LEVEL)?;
        compressor.set_parameter(CParameter::ChecksumFlag(true))?;
        Ok(FrameMaker {
            compressor,
            numbers: HashMap::default(),
            arrivals: Arrivals::default(),
            index: Index::default(),
            at: 0,
            frame: Vec::new(),
        })
    }

    /// The frame of some whole lines.
    ///
    /// # Errors
    /// There is no memory.
    pub fn frame(&mut self, lines: &[u8]) -> io::Result<&[u8]> {
        let (from, to, apps) = self.content(lines);
        self.frame.clear();
        self.frame.reserve(zstd_safe::compress_bound(lines.len()));
        self.compressor.compress_to_buffer(lines, &mut self.frame)?;
        let bytes = self.frame.len() as u64;
        self.index.frames.push(Frame {
            at: self.at,
            bytes,
            plain: lines.len() as u64,
            from: micros(from),
            to: micros(to),
            apps: Some(apps.into_iter().collect()),
        });
        self.at += bytes;
        Ok(&self.frame)
    }

    /// The index of all frames.
    ///
    /// # Errors
    /// As [`Index::encode`].
    pub fn finish(self) -> io::Result<Vec<u8>> {
        self.index.encode()
    }

    /// The earliest and the latest arrival, and the apps.
    fn content(&mut self, lines: &[u8]) -> (Wall, Wall, BTreeSet<u32>) {
        let (mut from, mut to) = (Wall::NEVER, Wall::ZERO);
        let mut apps = BTreeSet::new();
        let (mut last_arrival, mut last_app) = (&[][..], None);
        for line in archive_line::lines(lines) {
            let text = archive_line::time_of(line);
            // Entries of a batch share their arrival, and its text.
            if text != last_arrival || from > to {
                last_arrival = text;
                if let Some(at) = self.arrivals.read(text) {
                    from = from.min(at);
                    to = to.max(at);
                }
            }
            let app = app(line);
            if last_app != Some(app) {
                last_app = Some(app);
                apps.insert(self.number(app));
            }
        }
        (from.min(to), to, apps)
    }

    /// The number of an app.
    fn number(&mut self, app: &[u8]) -> u32 {
        let name = String::from_utf8_lossy(app);
        if let Some(number) = self.numbers.get(&*name) {
            return *number;
        }
        let next = self.index.apps.len() as u32;
        self.numbers.insert(name.clone().into_owned(), next);
        self.index.apps.push(name.into_owned());
        next
    }
}

/// The app in a line; of a line of lastbeat itself the empty one, so that no frame with one is passed over.
fn app(line: &[u8]) -> &[u8] {
    if line.first() == Some(&b'#') {
        return &[];
    }
    // The subject begins behind the arrival and a space.
    let subject = line.get(ARRIVAL + 1..).unwrap_or_default();
    let rest = match memchr::memchr(b'.', subject) {
        Some(dot) => &subject[dot + 1..],
        None => return &[],
    };
    &rest[..memchr::memchr(b'.', rest).unwrap_or(0)]
}

fn micros(at: Wall) -> u64 {
    at.nanos() / 1_000
}

/// Decompresses a frame into an empty buffer.
///
/// # Errors
/// It is damaged.
pub fn decompress(
    decompressor: &mut Decompressor<'static>,
    frame: &[u8],
    plain: u64,
    into: &mut Vec<u8>,
) -> io::Result<()> {
    into.clear();
    let plain = usize::try_from(plain.min(MAX_PLAIN)).unwrap_or(0);
    into.reserve(plain);
    decompressor.decompress_to_buffer(frame, into)?;
    if into.len() != plain {
        return Err(io::Error::other("a frame of another length"));
    }
    Ok(())
}

/// Finds the frames of a file whose index is damaged. Bytes that are no frame are left out, and counted as one damaged frame
/// for each run of them.
pub fn scan(file: &[u8]) -> (Index, u64) {
    let (mut index, mut damaged) = (Index::default(), 0);
    let mut plain = Vec::new();
    let Ok(mut decompressor) = Decompressor::new() else {
        return (index, damaged);
    };
    let (mut at, mut in_damage) = (0, false);
    while at < file.len() {
        if let Some(length) = Index::skippable(&file[at..]) {
            damaged += 1;
            at += length;
            continue;
        }
        let found = memmem::find(&file[at..], &MAGIC);
        let begin = found.map_or(file.len(), |found| at + found);
        let frame = whole_frame(&file[begin..]).map(|size| &file[begin..begin + size]);
        let length =
            frame.and_then(|frame| zstd_safe::get_frame_content_size(frame).ok().flatten());
        let is_whole = frame.zip(length).is_some_and(|(frame, length)| {
            length <= MAX_PLAIN && decompress(&mut decompressor, frame, length, &mut plain).is_ok()
        });
        if (begin > at || !is_whole) && !in_damage {
            damaged += 1;
            in_damage = true;
        }
        match frame.zip(length).filter(|_| is_whole) {
            Some((frame, length)) => {
                index.frames.push(Frame {
                    at: begin as u64,
                    bytes: frame.len() as u64,
                    plain: length,
                    from: 0,
                    to: u64::MAX,
                    apps: None,
                });
                at = begin + frame.len();
                in_damage = false;
            }
            None => at = begin + 1,
        }
    }
    (index, damaged)
}

fn whole_frame(bytes: &[u8]) -> Option<usize> {
    if !bytes.starts_with(&MAGIC) {
        return None;
    }
    let size = zstd_safe::find_frame_compressed_size(bytes).ok()?;
    (size > 0 && size <= bytes.len()).then_some(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_app_of_a_line_is_found_without_reading_it() {
        let line = b"2026-01-31T12:34:56.123456Z logs.web.iad.a {\"message\":\"a.b\"}";
        assert_eq!(app(line), b"web");
        assert_eq!(app(b"# cut 2026-01-31T12:34:56.123456Z"), b"");
        assert_eq!(app(b"..."), b"");
        assert_eq!(app(b""), b"");
    }
}
