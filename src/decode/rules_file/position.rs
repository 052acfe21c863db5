//! Positions in rule files: from byte offsets to lines and columns.

/// Bytes of a line that are counted for a column: a rule set on one line must not be read once per rule.
const MAX_COUNTED: usize = 10_000;

/// A position in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// The file's name.
    pub(super) file: String,
    /// Line, from 1.
    pub(super) line: usize,
    /// Column in characters, from 1.
    pub(super) col: usize,
}

/// The beginnings of the lines of a text.
pub(super) struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    /// Finds the lines.
    pub(super) fn new(text: &'t str) -> Self {
        let ends = memchr::memchr_iter(b'\n', text.as_bytes());
        let starts = std::iter::once(0).chain(ends.map(|end| end + 1)).collect();
        Lines { text, starts }
    }

    /// The line of a byte offset, from 1. Offsets behind the end are the end.
    pub(super) fn line(&self, at: usize) -> usize {
        self.starts
            .partition_point(|start| *start <= at.min(self.text.len()))
    }

    /// Line and column of a byte offset, each from 1. The column counts characters, of the line's first
    /// [`MAX_COUNTED`] bytes.
    pub(super) fn position(&self, at: usize) -> (usize, usize) {
        let line = self.line(at);
        let start = self.starts[line - 1];
        let before =
            &self.text.as_bytes()[start..at.clamp(start, self.text.len().min(start + MAX_COUNTED))];
        // A byte that is no continuation begins a character.
        let chars = before.iter().filter(|byte| (**byte & 0xc0) != 0x80).count();
        (line, chars + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::Lines;

    #[test]
    fn positions() {
        let text = "ab\r\nü=1\n\nx";
        let cases = [
            (0, (1, 1)),
            (2, (1, 3)),
            (4, (2, 1)),
            (6, (2, 2)),
            (9, (3, 1)),
            (10, (4, 1)),
            (11, (4, 2)),
            (99, (4, 2)),
        ];
        for (at, position) in cases {
            assert_eq!(Lines::new(text).position(at), position, "offset {at}");
        }
        assert_eq!(Lines::new("").position(0), (1, 1));
    }
}
