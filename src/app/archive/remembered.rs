//! The last words of earlier runs, read from the archive beside the thread that writes: they are not waited for.

use super::status::SharedWords;
use crate::core::last_words::LastWords;
use crate::core::time::Wall;
use crate::decode::archive_line::ArchivedEntry;
use crate::decode::redact::Redact;
use crate::io::archive::search::{Finds, Query, search};
use crate::io::archive::segment::{Form, Segment};
use std::ops::ControlFlow;
use tracing::warn;

/// Plain bytes of the archive that are read, from its end.
const BYTES: u64 = 64 << 20;
/// Plain bytes of a sealed byte.
const RATIO: u64 = 8;

/// Starts to read the words that arrived before `until`; once all are read, they stand before those that came meanwhile.
pub(super) fn start(words: &SharedWords, segments: &[Segment], until: Wall, redact: Vec<String>) {
    let mut plain = 0;
    let tail = segments.iter().rev().take_while(|segment| {
        let before = plain;
        plain += match segment.form {
            Form::Sealed => segment.bytes * RATIO,
            Form::Plain | Form::Sealing => segment.bytes,
        };
        before < BYTES
    });
    let first = segments.len() - tail.count();
    let (segments, words) = (segments[first..].to_vec(), words.clone());
    let thread = std::thread::Builder::new().name("last-words".to_owned());
    let started = thread.spawn(move || {
        let query = Query {
            until: Some(until),
            ..Query::default()
        };
        let mut found = Remembered {
            words: words.lock().like(),
            redact: Redact::new(&redact),
        };
        if let Err(fault) = search(&segments, &query, None, &mut found) {
            warn!(%fault, "the archive cannot be read: some last words of earlier runs are missing");
        }
        words.lock().put_before(found.words);
    });
    if let Err(fault) = started {
        warn!(%fault, "no thread can be started: the last words of earlier runs are missing");
    }
}

struct Remembered {
    words: LastWords,
    redact: Redact,
}

impl Finds for Remembered {
    fn entry(&mut self, entry: &ArchivedEntry<'_>) -> ControlFlow<()> {
        let payload = self.redact.apply(&entry.payload);
        self.words.push(entry.at, entry.subject, &payload);
        ControlFlow::Continue(())
    }
}
