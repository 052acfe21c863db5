//! One line of a test, word by word, each with its place in the line.

use crate::decode::rules_file;
use std::time::Duration;

/// What is wrong at one place of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bad {
    /// Byte offset in the line.
    pub(super) at: usize,
    /// What is wrong.
    pub(super) what: String,
    /// What is allowed.
    pub(super) allowed: String,
}

/// A span of virtual time: from a moment to just before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its first moment.
    pub from: Duration,
    /// The first moment behind it.
    pub to: Duration,
}

impl Span {
    /// Whether a moment lies in it.
    pub fn holds(&self, at: Duration) -> bool {
        self.from <= at && at < self.to
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Word,
    Quoted,
    Comma,
}

#[derive(Clone, Copy, Debug)]
struct Token<'t> {
    at: usize,
    text: &'t str,
    kind: Kind,
}

/// The words of a line, and how many of them are read.
#[derive(Debug)]
pub(super) struct Words<'t> {
    tokens: Vec<Token<'t>>,
    next: usize,
    end: usize,
}

impl<'t> Words<'t> {
    /// Takes a line apart: words between spaces, texts in quotes, commas outside of brackets.
    pub(super) fn new(line: &'t str) -> Result<Self, Bad> {
        let mut tokens = Vec::new();
        let mut at = 0;
        while let Some(first) = line[at..].chars().next() {
            let (token, length) = match first {
                space if space.is_whitespace() => (None, space.len_utf8()),
                ',' => (Some((at, &line[at..at + 1], Kind::Comma)), 1),
                quote @ ('\'' | '"') => {
                    let text = &line[at + 1..];
                    let Some(end) = text.find(quote) else {
                        return Err(bad(at, "a quote that never ends", "write '...'"));
                    };
                    (Some((at, &text[..end], Kind::Quoted)), end + 2)
                }
                _ => {
                    let length = word_length(&line[at..]);
                    (Some((at, &line[at..at + length], Kind::Word)), length)
                }
            };
            tokens.extend(token.map(|(at, text, kind)| Token { at, text, kind }));
            at += length;
        }
        Ok(Words {
            tokens,
            next: 0,
            end: line.len(),
        })
    }

    fn peek(&self) -> Option<Token<'t>> {
        self.tokens.get(self.next).copied()
    }

    /// Where the next word stands.
    pub(super) fn at(&self) -> usize {
        self.peek().map_or(self.end, |token| token.at)
    }

    /// Whether all are read.
    pub(super) fn is_over(&self) -> bool {
        self.next == self.tokens.len()
    }

    /// The next word, left where it is.
    pub(super) fn next_word(&self) -> Option<&'t str> {
        self.peek()
            .filter(|token| token.kind == Kind::Word)
            .map(|token| token.text)
    }

    /// Reads these words where they stand next; else nothing.
    pub(super) fn accept(&mut self, words: &str) -> bool {
        let mut next = self.next;
        for word in words.split(' ') {
            let is = |token: &Token<'_>| token.kind == Kind::Word && token.text == word;
            if !self.tokens.get(next).is_some_and(is) {
                return false;
            }
            next += 1;
        }
        self.next = next;
        true
    }

    /// Reads a comma where one stands next.
    pub(super) fn comma(&mut self) -> bool {
        let is = self.peek().is_some_and(|token| token.kind == Kind::Comma);
        self.next += usize::from(is);
        is
    }

    /// Whether a comma and a number stand next: another moment of a list.
    pub(super) fn next_is_moment(&self) -> bool {
        let number = |token: &Token<'_>| token.text.starts_with(|char: char| char.is_ascii_digit());
        self.peek().is_some_and(|token| token.kind == Kind::Comma)
            && self.tokens.get(self.next + 1).is_some_and(number)
    }

    /// Reads the next word or quoted text.
    pub(super) fn take(&mut self, allowed: &str) -> Result<&'t str, Bad> {
        match self.peek() {
            Some(token) if token.kind != Kind::Comma => {
                self.next += 1;
                Ok(token.text)
            }
            _ => Err(self.wrong(allowed)),
        }
    }

    /// Reads a point in time or a length of it.
    pub(super) fn duration(&mut self) -> Result<Duration, Bad> {
        let at = self.at();
        let text = self.take("a time is like 90s, 5m30s or 2d")?;
        duration(at, text)
    }

    /// Reads `from A to B`.
    pub(super) fn span(&mut self) -> Result<Span, Bad> {
        if !self.accept("from") {
            return Err(self.wrong("from A to B"));
        }
        let from = self.duration()?;
        if !self.accept("to") {
            return Err(self.wrong("from A to B"));
        }
        let at = self.at();
        let to = self.duration()?;
        if to <= from {
            return Err(bad(at, "the span ends before it begins", "from A to B"));
        }
        Ok(Span { from, to })
    }

    /// What stands next is wrong.
    pub(super) fn wrong(&self, allowed: &str) -> Bad {
        let what = match self.peek() {
            Some(token) => format!("cannot read \"{}\"", token.text.escape_debug()),
            None => "the line ends too early".to_owned(),
        };
        Bad {
            at: self.at(),
            what,
            allowed: allowed.to_owned(),
        }
    }
}

/// A word ends at a space, or at a comma outside of brackets.
fn word_length(text: &str) -> usize {
    let mut depth = 0_u32;
    for (at, char) in text.char_indices() {
        match char {
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => return at,
            space if space.is_whitespace() => return at,
            _ => {}
        }
    }
    text.len()
}

/// A time in one word.
pub(super) fn duration(at: usize, text: &str) -> Result<Duration, Bad> {
    rules_file::duration(text).map_err(|what| Bad {
        at,
        what,
        allowed: "a time is like 90s, 5m30s or 2d".to_owned(),
    })
}

/// Something wrong at a place.
pub(super) fn bad(at: usize, what: &str, allowed: &str) -> Bad {
    Bad {
        at,
        what: what.to_owned(),
        allowed: allowed.to_owned(),
    }
}
