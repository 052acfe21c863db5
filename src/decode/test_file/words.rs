//! The words of one line of a test, each with its place in the line.

use crate::decode::rules_file;
use std::fmt;
use std::time::Duration;

/// A fault at one place of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bad {
    /// Byte offset in the line.
    pub(super) at: usize,
    /// The fault in words.
    pub(super) what: String,
    /// The words that are allowed there.
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
    /// All of the test, and beyond.
    pub(super) const ALL: Span = Span {
        from: Duration::ZERO,
        to: Duration::MAX,
    };

    /// True if a moment lies in it.
    pub fn holds(&self, at: Duration) -> bool {
        self.from <= at && at < self.to
    }
}

/// A span, or pieces of it at even distances: `every 2m for 46s from 5m to 40m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// The whole of it.
    pub span: Span,
    /// The distance of the pieces from begin to begin, and their length; `None` where it is one piece.
    pub repeat: Option<(Duration, Duration)>,
}

impl Times {
    /// One span.
    pub const fn once(span: Span) -> Self {
        Times { span, repeat: None }
    }

    /// True if a moment lies in one of the pieces.
    pub fn holds(&self, at: Duration) -> bool {
        let in_piece = |(every, length): (Duration, Duration)| {
            let since = at.saturating_sub(self.span.from).as_nanos();
            since % every.as_nanos().max(1) < length.as_nanos()
        };
        self.span.holds(at) && self.repeat.is_none_or(in_piece)
    }

    /// The pieces that begin before `end`, in order.
    pub fn pieces(&self, end: Duration) -> impl Iterator<Item = Span> {
        let Times { span, repeat } = *self;
        let (every, length) = repeat.unwrap_or((Duration::MAX, Duration::MAX));
        let last = span.to.min(end);
        let next = move |from: &Duration| from.checked_add(every).filter(|from| *from < last);
        let first = (span.from <= end).then_some(span.from);
        std::iter::successors(first, next).map(move |from| Span {
            from,
            to: from.saturating_add(length).min(span.to),
        })
    }
}

/// An expected number, both bounds included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// At least so many.
    pub least: usize,
    /// At most so many.
    pub most: usize,
}

impl Count {
    /// True if a number lies within the bounds.
    pub fn holds(&self, count: usize) -> bool {
        (self.least..=self.most).contains(&count)
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.least, self.most) {
            (least, most) if least == most => write!(f, "{least}"),
            (0, most) => write!(f, "at most {most}"),
            (least, usize::MAX) => write!(f, "at least {least}"),
            (least, most) => write!(f, "{least} to {most}"),
        }
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

    /// The offset of the next word.
    pub(super) fn at(&self) -> usize {
        self.peek().map_or(self.end, |token| token.at)
    }

    /// True if all are read.
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

    /// True if a comma and a number stand next: another moment of a list.
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

    /// Reads `at T`.
    pub(super) fn moment(&mut self) -> Result<Duration, Bad> {
        if self.accept("at") {
            self.duration()
        } else {
            Err(self.wrong("at T"))
        }
    }

    /// Reads a length of time, or two: `5m`, `10s..5m`.
    pub(super) fn durations(&mut self) -> Result<(Duration, Duration), Bad> {
        let at = self.at();
        let text = self.take("a time is like 90s, 5m30s or 2d")?;
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        Ok((duration(at, first)?, duration(at, last)?))
    }

    /// Reads a share in percent, as parts of a million.
    pub(super) fn percent(&mut self) -> Result<u32, Bad> {
        const ALLOWED: &str = "losing 5%; from 0% to 100%";
        let at = self.at();
        let text = self.take(ALLOWED)?;
        let share = text
            .strip_suffix('%')
            .and_then(|text| text.parse::<f64>().ok());
        match share {
            Some(share) if (0.0..=100.0).contains(&share) => Ok((share * 10_000.0).round() as u32),
            _ => Err(bad(at, &format!("\"{text}\" is no share"), ALLOWED)),
        }
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

    /// Reads `from A to B`, or `from A` to the end of the test.
    pub(super) fn open_span(&mut self) -> Result<Span, Bad> {
        let next = self.next;
        if !self.accept("from") {
            return Err(self.wrong("from A to B, or from A"));
        }
        let from = self.duration()?;
        if self.next_word() == Some("to") {
            self.next = next;
            return self.span();
        }
        Ok(Span {
            from,
            to: Duration::MAX,
        })
    }

    /// Reads `from A to B`, `every D for D`, or both in any order.
    pub(super) fn times(&mut self) -> Result<Times, Bad> {
        const ALLOWED: &str = "from A to B, every D for D, or both";
        let (mut span, mut repeat) = (None, None);
        loop {
            match self.next_word() {
                Some("from") if span.is_none() => span = Some(self.span()?),
                Some("every") if repeat.is_none() => repeat = Some(self.repeat()?),
                _ if span.is_none() && repeat.is_none() => return Err(self.wrong(ALLOWED)),
                _ => break,
            }
        }
        Ok(Times {
            span: span.unwrap_or(Span::ALL),
            repeat,
        })
    }

    fn repeat(&mut self) -> Result<(Duration, Duration), Bad> {
        self.accept("every");
        let every = self.duration()?;
        if !self.accept("for") {
            return Err(self.wrong("every D for D"));
        }
        let at = self.at();
        let length = self.duration()?;
        if length.is_zero() || length >= every {
            let allowed = "every D for D, the second shorter than the first";
            return Err(bad(at, "the pieces leave nothing between them", allowed));
        }
        Ok((every, length))
    }

    /// Reads a count where one stands next: `3`, `1..3`, `at most 2`, `at least 2`.
    pub(super) fn count(&mut self) -> Option<Count> {
        const MOST: usize = usize::MAX;
        let next = self.next;
        let bound = match (self.accept("at most"), self.accept("at least")) {
            (false, false) => None,
            (is_most, _) => Some(is_most),
        };
        let count = self
            .next_word()
            .and_then(|word| match word.split_once("..") {
                Some((least, most)) => Some((least.parse().ok()?, most.parse().ok()?)),
                None => word.parse().ok().map(|count| (count, count)),
            });
        let count = match (bound, count) {
            (_, None) => None,
            (None, Some((least, most))) if least <= most => Some(Count { least, most }),
            (Some(true), Some((least, most))) if least == most => Some(Count { least: 0, most }),
            (Some(false), Some((least, most))) if least == most => {
                Some(Count { least, most: MOST })
            }
            _ => None,
        };
        match count {
            Some(_) => self.next += 1,
            None => self.next = next,
        }
        count
    }

    /// A fault of the word that stands next.
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
