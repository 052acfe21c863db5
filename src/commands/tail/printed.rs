//! The entries that a tail prints: in lines for people, as JSON, or as they came; so many, or without an end.

use super::line::Style;
use serde_json::Value;
use std::io::{self, Write};

/// Prints entries to standard output.
pub(super) struct Printed {
    style: Style,
    /// Payloads alone, as they came.
    raw: bool,
    /// Entries until the end; `None`: there is none.
    left: Option<u64>,
    waiting: Vec<u8>,
}

impl Printed {
    /// One that ends after `count` entries.
    pub fn new(style: Style, raw: bool, count: Option<u64>) -> Self {
        Printed {
            style,
            raw,
            left: count,
            waiting: Vec::new(),
        }
    }

    /// Adds an entry, unless it has as many as were asked for.
    pub fn entry(&mut self, frame: &Value, payload: &[u8]) {
        if self.is_over() {
            return;
        }
        self.left = self.left.map(|left| left - 1);
        if self.raw {
            self.waiting.extend_from_slice(payload);
            self.waiting.push(b'\n');
        } else {
            let mut line = String::new();
            self.style.write(frame, &mut line);
            self.waiting.extend_from_slice(line.as_bytes());
        }
    }

    /// True where it has as many as were asked for.
    pub fn is_over(&self) -> bool {
        self.left == Some(0)
    }

    /// Bytes that wait to be written.
    pub fn bytes(&self) -> usize {
        self.waiting.len()
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// The reader has gone ([`io::ErrorKind::BrokenPipe`]), or the output fails.
    pub fn flush(&mut self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(&self.waiting)?;
        self.waiting.clear();
        out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn so_many_entries_are_printed_and_raw_ones_as_they_came() {
        let style = || Style {
            json: false,
            dated: false,
            colour: false,
        };
        let frame = json!({"subject": "logs.web.iad.1", "message": "a\u{7}b", "timestamp": 0});
        let mut raw = Printed::new(style(), true, Some(2));
        for _ in 0..3 {
            raw.entry(&frame, b"a\x1bb\xff");
        }
        assert!(raw.is_over());
        assert_eq!(raw.waiting, b"a\x1bb\xff\na\x1bb\xff\n");
        let mut lines = Printed::new(style(), false, None);
        lines.entry(&frame, b"");
        assert!(!lines.is_over());
        let line = String::from_utf8(lines.waiting.clone()).expect("text");
        assert!(line.ends_with(" web/iad/1 a\u{2407}b\n"), "{line}");
    }
}
