//! A message as a reader of a terminal sees it: without escape sequences and characters that have no width.

use std::borrow::Cow;

const ESC: char = '\u{1b}';
/// Spellings of the escape character in text that was escaped once too often.
const SPELLED: [&str; 6] = ["\\u001b", "\\u001B", "\\x1b", "\\x1B", "\\033", "^["];

/// A message without its escape sequences; all other characters stay.
pub fn without_escapes(text: &str) -> Cow<'_, str> {
    let begins = |c: char| c == ESC || introducer(c).is_some();
    let Some(first) = text.find(begins) else {
        return Cow::Borrowed(text);
    };
    let mut plain = String::with_capacity(text.len());
    plain.push_str(&text[..first]);
    let mut rest = &text[first..];
    while let Some(c) = rest.chars().next() {
        let behind = &rest[c.len_utf8()..];
        rest = match introducer(c) {
            _ if c == ESC => after_escape(behind),
            Some(sequence) => after_sequence(sequence, behind),
            None => {
                plain.push(c);
                behind
            }
        };
    }
    Cow::Owned(plain)
}

/// The kinds of bytes in a text, as bits of [`HOLDS`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Holds(u8);

const HIDDEN: u8 = 1;
const BREAK: u8 = 2;
const BRACE: u8 = 4;

/// For each byte: may it be part of something that is not shown, does it end a line, does it open an object.
const HOLDS: [u8; 256] = {
    let mut holds = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        holds[byte] = match byte as u8 {
            b'\n' | b'\r' => BREAK,
            b'{' => BRACE,
            b'\\' | b'^' => HIDDEN,
            b'\t' | b' '..=b'~' => 0,
            _ => HIDDEN,
        };
        byte += 1;
    }
    holds
};

impl Holds {
    /// Looks at each byte once: most messages are short and plain.
    #[inline]
    pub(super) fn of(text: &str) -> Self {
        Holds(
            text.bytes()
                .fold(0, |all, byte| all | HOLDS[usize::from(byte)]),
        )
    }

    /// True if the text has more than one line.
    #[inline]
    pub(super) fn breaks(self) -> bool {
        self.0 & BREAK != 0
    }

    /// True if a JSON object may begin in it.
    #[inline]
    pub(super) fn braces(self) -> bool {
        self.0 & BRACE != 0
    }

    /// True if not all of it may be shown: [`visible`] tells.
    #[inline]
    pub(super) fn hides(self) -> bool {
        self.0 & HIDDEN != 0
    }
}

/// A message without escape sequences (also spelled ones, `\u001b[0m`), NUL and other controls, byte order marks and
/// characters without width. Line breaks and blanks stay. Borrowed where nothing is to be removed.
#[cold]
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    let spelled = SPELLED.iter().any(|spelled| text.contains(spelled));
    if !spelled && !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut text = text.to_owned();
    if spelled {
        for spelling in SPELLED {
            text = text.replace(spelling, "\u{1b}");
        }
    }
    let mut plain = without_escapes(&text).into_owned();
    plain.retain(|c| !is_hidden(c));
    Cow::Owned(plain)
}

/// Characters that a terminal does not show, blanks and line breaks apart.
fn is_hidden(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' => false,
        '\u{ad}' | '\u{180e}' | '\u{feff}' => true,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' => true,
        '\u{fe00}'..='\u{fe0f}' => true,
        c => c.is_control(),
    }
}

/// The second byte of the seven-bit form of an eight-bit introducer of a sequence.
fn introducer(c: char) -> Option<char> {
    match c {
        '\u{9b}' => Some('['),
        '\u{9d}' => Some(']'),
        '\u{90}' => Some('P'),
        '\u{98}' => Some('X'),
        '\u{9e}' => Some('^'),
        '\u{9f}' => Some('_'),
        _ => None,
    }
}

/// The text behind an escape sequence whose ESC is removed already. A sequence that never ends takes only its
/// introducer with it.
fn after_escape(rest: &str) -> &str {
    let Some(first) = rest.chars().next() else {
        return rest;
    };
    let behind = &rest[first.len_utf8()..];
    match first {
        '[' | ']' | 'P' | 'X' | '^' | '_' => after_sequence(first, behind),
        // `ESC ( B` and its like: intermediate bytes, then one final byte.
        ' '..='/' => {
            let end = behind.trim_start_matches(|c| (' '..='/').contains(&c));
            match end.chars().next() {
                Some('0'..='~') => &end[1..],
                _ => rest,
            }
        }
        // Sets a tab stop; but a lone ESC before a marker that begins with H is likelier.
        'H' if behind.starts_with(|c: char| c.is_ascii_alphanumeric()) => rest,
        '0'..='~' => behind,
        _ => rest,
    }
}

/// The text behind a sequence whose introducer is removed already.
fn after_sequence(introducer: char, rest: &str) -> &str {
    if introducer == '[' {
        let end = rest.trim_start_matches(|c| ('0'..='?').contains(&c));
        let end = end.trim_start_matches(|c| (' '..='/').contains(&c));
        return match end.chars().next() {
            Some('@'..='~') => &end[1..],
            _ => rest,
        };
    }
    // A string, up to BEL or ST, on one line.
    match rest.find(['\u{7}', '\u{9c}', ESC, '\n']) {
        Some(end) if rest[end..].starts_with("\u{1b}\\") => &rest[end + 2..],
        Some(end) if rest[end..].starts_with('\u{7}') => &rest[end + 1..],
        Some(end) if rest[end..].starts_with('\u{9c}') => &rest[end + 2..],
        _ => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::{visible, without_escapes};

    #[test]
    fn escape_sequences_of_every_kind_are_removed() {
        for (text, plain) in [
            ("\u{1b}[1;38;5;12mX\u{1b}[0m", "X"),
            ("\u{1b}(BX\u{1b}[m", "X"),
            ("\u{1b}cX\u{1b}7\u{1b}8", "X"),
            ("\u{1b}]0;a title\u{7}X", "X"),
            ("\u{1b}]8;;http://x\u{1b}\\X\u{1b}]8;;\u{1b}\\", "X"),
            ("\u{1b}P1$r\u{1b}\\X", "X"),
            ("\u{9b}32mX\u{9b}0m", "X"),
            ("\u{1b}[?25lX\u{1b}[2K", "X"),
            ("\u{1b}HEARTBEAT", "HEARTBEAT"),
            ("\u{1b}MX", "X"),
            // One that never ends takes nothing with it.
            ("\u{1b}[12;\u{e9}\u{1b}", "12;\u{e9}"),
            ("\u{1b}]0;X", "0;X"),
            ("\u{1b}\u{e9}", "\u{e9}"),
        ] {
            assert_eq!(without_escapes(text), plain, "{}", text.escape_debug());
            assert_eq!(visible(text), plain, "{}", text.escape_debug());
        }
    }

    #[test]
    fn what_nobody_sees_is_removed_and_the_rest_stays() {
        for (text, plain) in [
            ("\0X\0", "X"),
            ("\u{feff}X", "X"),
            ("a\u{200b}\u{ad}b", "ab"),
            ("\\u001b[32mX\\u001b[0m", "X"),
            ("\\x1b[32mX\\033[0m", "X"),
            ("^[[32mX^[[0m", "X"),
            ("C:\\users ^ 2", "C:\\users ^ 2"),
            ("a\tb\r\nc \u{a0}\u{e9}", "a\tb\r\nc \u{a0}\u{e9}"),
        ] {
            assert_eq!(visible(text), plain, "{}", text.escape_debug());
        }
        assert_eq!(without_escapes("\0X"), "\0X");
    }
}
