//! Lines of the archive: `ARRIVAL SUBJECT PAYLOAD`, and lines of lastbeat itself, which begin with `#`.
//!
//! A payload stands as it came, so that grep finds in it what was logged. Only one that holds a newline is escaped (`\n`
//! and `\\`), and a tab before it says so. Any payload comes back as it was.

use crate::core::time::Wall;
use memchr::{memchr, memchr2};
use std::borrow::Cow;
use std::time::{Duration, UNIX_EPOCH};

/// Bytes of an arrival: `2026-01-31T12:34:56.123456Z`.
pub const ARRIVAL: usize = 27;
/// Bytes of it up to the fractions of a second: `2026-01-31T12:34:56.`.
const WHOLE: usize = 20;
/// Stands before a payload that is as it came.
const PLAIN: u8 = b' ';
/// Stands before a payload that is escaped.
const ESCAPED: u8 = b'\t';

/// The text of an arrival, to the microsecond.
pub type ArrivalText = [u8; ARRIVAL];

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArchiveLine<'a> {
    /// An entry.
    Entry(ArchivedEntry<'a>),
    /// A line of lastbeat itself.
    Mark(Wall, Mark<'a>),
}

/// An entry of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchivedEntry<'a> {
    /// Wall clock: its arrival, to the microsecond.
    pub at: Wall,
    /// Its subject.
    pub subject: &'a str,
    /// Its payload, as it came.
    pub payload: Cow<'a, [u8]>,
}

/// A line of lastbeat itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark<'a> {
    /// lastbeat started; its version.
    Start(&'a str),
    /// lastbeat stopped in order.
    Stop,
    /// The connection to the stream was lost.
    Cut,
    /// A connection to the stream was made.
    Connected,
    /// Entries that lastbeat received and the archive did not: the queue was full, or the disk.
    Lost(u64),
    /// Entries that lastbeat itself lost.
    Dropped(u64),
    /// lastbeat stood still until now.
    Suspended,
    /// Other rules are in force from now on.
    Rules,
    /// An incident was notified of: its alert, and what became of it.
    Notified(&'a str, &'a str),
    /// A machine of the inventory is new, or in another state: its subject, and the state in the inventory's word.
    Machine(&'a str, &'a str),
}

/// The text of an arrival.
pub fn arrival_text(at: Wall) -> ArrivalText {
    let time = UNIX_EPOCH + Duration::from_nanos(at.nanos());
    let text = humantime::format_rfc3339_micros(time).to_string();
    // Nanoseconds of 64 bits end in the year 2554: every one is a year of four digits.
    text.as_bytes().try_into().unwrap_or([b'0'; ARRIVAL])
}

/// Rewrites the text of an arrival; within one second its last digits alone.
pub fn rewrite_arrival(text: &mut ArrivalText, before: Wall, at: Wall) {
    const SECOND: u64 = 1_000_000_000;
    if before.nanos() / SECOND != at.nanos() / SECOND {
        *text = arrival_text(at);
        return;
    }
    let mut micros = at.nanos() % SECOND / 1_000;
    for digit in text[WHOLE..WHOLE + 6].iter_mut().rev() {
        *digit = b'0' + (micros % 10) as u8;
        micros /= 10;
    }
}

/// Reads arrivals that are near each other: of one second only the last digits.
#[derive(Clone, Debug)]
pub struct Arrivals {
    /// The last text of a second, with its time.
    second: [u8; WHOLE],
    at: Wall,
}

impl Default for Arrivals {
    fn default() -> Self {
        Arrivals {
            second: [0; WHOLE],
            at: Wall::ZERO,
        }
    }
}

impl Arrivals {
    /// Reads the arrival at the beginning of a line, as [`arrival`] does.
    pub fn read(&mut self, line: &[u8]) -> Option<Wall> {
        let text = line.get(..ARRIVAL)?;
        if text[..WHOLE] != self.second {
            let at = arrival(text)?;
            self.second.copy_from_slice(&text[..WHOLE]);
            self.at = at - Duration::from_nanos(at.nanos() % 1_000_000_000);
            return Some(at);
        }
        let digits = &text[WHOLE..ARRIVAL - 1];
        if text[ARRIVAL - 1] != b'Z' || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let number = |micros: u64, digit: &u8| micros * 10 + u64::from(digit - b'0');
        Some(self.at + Duration::from_micros(digits.iter().fold(0, number)))
    }
}

/// Reads the arrival at the beginning of a line.
pub fn arrival(line: &[u8]) -> Option<Wall> {
    let text = std::str::from_utf8(line.get(..ARRIVAL)?).ok()?;
    if text.as_bytes()[ARRIVAL - 1] != b'Z' {
        return None;
    }
    let time = humantime::parse_rfc3339(text).ok()?;
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    Some(Wall::ZERO + since)
}

/// The text of the time of a line, of an entry or of lastbeat itself; some other text where there is none.
pub fn time_of(line: &[u8]) -> &[u8] {
    let begin = match line.strip_prefix(b"# ") {
        Some(rest) => 2 + memchr(b' ', rest).map_or(0, |end| end + 1),
        None => 0,
    };
    line.get(begin..begin + ARRIVAL).unwrap_or_default()
}

/// Appends the line of an entry; false where its subject is none that NATS can carry, and the entry is left out.
#[inline]
pub fn write_entry(out: &mut Vec<u8>, at: &ArrivalText, subject: &str, payload: &[u8]) -> bool {
    // All bytes are looked at, many at once.
    let has_space = subject
        .bytes()
        .fold(false, |any, byte| any | (byte <= b' '));
    if subject.is_empty() || has_space {
        return false;
    }
    out.reserve(ARRIVAL + subject.len() + payload.len() + 3);
    out.extend_from_slice(at);
    out.push(b' ');
    out.extend_from_slice(subject.as_bytes());
    if memchr(b'\n', payload).is_none() {
        out.push(PLAIN);
        out.extend_from_slice(payload);
    } else {
        out.push(ESCAPED);
        write_escaped(out, payload);
    }
    out.push(b'\n');
    true
}

#[cold]
fn write_escaped(out: &mut Vec<u8>, mut payload: &[u8]) {
    while let Some(at) = memchr2(b'\n', b'\\', payload) {
        out.extend_from_slice(&payload[..at]);
        out.extend_from_slice(if payload[at] == b'\n' {
            b"\\n"
        } else {
            b"\\\\"
        });
        payload = &payload[at + 1..];
    }
    out.extend_from_slice(payload);
}

fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr(b'\\', rest) {
        payload.extend_from_slice(&rest[..at]);
        match rest.get(at + 1) {
            Some(b'n') => payload.push(b'\n'),
            Some(&other) => payload.push(other),
            None => payload.push(b'\\'),
        }
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    payload.extend_from_slice(rest);
    payload
}

/// Appends a line of lastbeat itself.
pub fn write_mark(out: &mut Vec<u8>, at: Wall, mark: &Mark<'_>) {
    let at = arrival_text(at);
    let at = std::str::from_utf8(&at).unwrap_or_default();
    let word = |text: &str| text.replace(|char: char| char.is_whitespace(), "_");
    let line = match mark {
        Mark::Start(version) => format!("# start {at} {}", word(version)),
        Mark::Stop => format!("# stop {at}"),
        Mark::Cut => format!("# cut {at}"),
        Mark::Connected => format!("# connected {at}"),
        Mark::Lost(count) => format!("# lost {at} {count}"),
        Mark::Dropped(count) => format!("# dropped {at} {count}"),
        Mark::Suspended => format!("# suspended {at}"),
        Mark::Rules => format!("# rules {at}"),
        Mark::Notified(alert, what) => format!("# notified {at} {} {}", word(alert), word(what)),
        Mark::Machine(subject, state) => {
            format!("# machine {at} {} {}", word(subject), word(state))
        }
    };
    out.extend_from_slice(line.as_bytes());
    out.push(b'\n');
}

/// Reads a line, without its newline; `None` where it is none of the archive's.
#[inline]
pub fn read(line: &[u8]) -> Option<ArchiveLine<'_>> {
    if line.first() == Some(&b'#') {
        return read_mark(line);
    }
    let at = arrival(line)?;
    let (subject, payload) = parts(line)?;
    Some(ArchiveLine::Entry(ArchivedEntry {
        at,
        subject,
        payload,
    }))
}

/// The subject and the payload of an entry's line, without a look at its arrival.
#[inline]
pub fn parts(line: &[u8]) -> Option<(&str, Cow<'_, [u8]>)> {
    if line.get(ARRIVAL) != Some(&b' ') || line[0] == b'#' {
        return None;
    }
    let rest = &line[ARRIVAL + 1..];
    let end = memchr2(PLAIN, ESCAPED, rest)?;
    let subject = std::str::from_utf8(&rest[..end]).ok()?;
    if subject.is_empty() {
        return None;
    }
    let payload = &rest[end + 1..];
    let payload = match rest[end] {
        PLAIN => Cow::Borrowed(payload),
        _ => Cow::Owned(unescaped(payload)),
    };
    Some((subject, payload))
}

/// True where the payload of a line is escaped, so that a search has to read it.
pub fn is_escaped(line: &[u8]) -> bool {
    let rest = line.get(ARRIVAL + 1..).unwrap_or_default();
    memchr2(PLAIN, ESCAPED, rest).is_some_and(|end| rest[end] == ESCAPED)
}

#[cold]
fn read_mark(line: &[u8]) -> Option<ArchiveLine<'_>> {
    let text = std::str::from_utf8(line).ok()?;
    let mut words = text.strip_prefix("# ")?.split(' ');
    let kind = words.next()?;
    let at = arrival(words.next()?.as_bytes())?;
    let mut word = || words.next();
    let mark = match kind {
        "start" => Mark::Start(word()?),
        "stop" => Mark::Stop,
        "cut" => Mark::Cut,
        "connected" => Mark::Connected,
        "lost" => Mark::Lost(word()?.parse().ok()?),
        "dropped" => Mark::Dropped(word()?.parse().ok()?),
        "suspended" => Mark::Suspended,
        "rules" => Mark::Rules,
        "notified" => Mark::Notified(word()?, word()?),
        "machine" => Mark::Machine(word()?, word()?),
        _ => return None,
    };
    Some(ArchiveLine::Mark(at, mark))
}

/// The lines of a block, without their newlines; what follows the last newline is none.
pub fn lines(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = block;
    std::iter::from_fn(move || {
        let end = memchr(b'\n', rest)?;
        let line = &rest[..end];
        rest = &rest[end + 1..];
        Some(line)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Wall = Wall::from_nanos(1_769_862_896_123_456_000);

    fn written(subject: &str, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        assert!(write_entry(&mut out, &arrival_text(AT), subject, payload));
        out
    }

    #[test]
    fn an_entry_reads_as_it_was_logged() {
        let line = written("logs.web.iad.a", br#"{"message":"a \"b\" \\ c"}"#);
        let text = String::from_utf8(line).expect("it is text");
        let expected =
            "2026-01-31T12:34:56.123456Z logs.web.iad.a {\"message\":\"a \\\"b\\\" \\\\ c\"}\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn arrivals_near_each_other_are_written_and_read_as_any_are() {
        let (mut text, mut before, mut arrivals) = (arrival_text(AT), AT, Arrivals::default());
        for nanos in [
            0,
            999,
            1_000,
            543_210_000,
            999_999_000,
            876_544_000,
            70_000_000_000,
            5,
        ] {
            let at = AT + Duration::from_nanos(nanos);
            rewrite_arrival(&mut text, before, at);
            before = at;
            assert_eq!(text, arrival_text(at), "{nanos}");
            assert_eq!(arrivals.read(&text), arrival(&text), "{nanos}");
        }
        for bad in [
            "2026-01-31T12:34:56.12345xZ",
            "2026-01-31T12:34:56.123456z",
            "2026",
        ] {
            assert_eq!(arrivals.read(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn a_newline_is_escaped_and_no_other_byte_where_there_is_none() {
        let line = written("logs.web.iad.a", b"a\nb\\n");
        assert!(line.ends_with(b"logs.web.iad.a\ta\\nb\\\\n\n"));
        assert!(is_escaped(&line));
        assert!(!is_escaped(&written("logs.web.iad.a", b"a\tb\\n")));
    }

    #[test]
    fn a_subject_that_would_break_a_line_is_left_out() {
        for subject in ["", "logs.a b.c.d", "logs.a\n.b.c", "logs.a\t.b.c"] {
            let mut out = Vec::new();
            assert!(!write_entry(&mut out, &arrival_text(AT), subject, b"x"));
            assert_eq!(out, b"", "{subject:?}");
        }
    }

    #[test]
    fn every_mark_is_read_as_it_was_written() {
        for mark in [
            Mark::Start("0.1.0"),
            Mark::Stop,
            Mark::Cut,
            Mark::Connected,
            Mark::Lost(42),
            Mark::Dropped(u64::MAX),
            Mark::Suspended,
            Mark::Rules,
            Mark::Notified("HeartbeatMissed", "opened"),
            Mark::Machine("logs.web.iad.a", "started"),
        ] {
            let mut out = Vec::new();
            write_mark(&mut out, AT, &mark);
            let line = out.strip_suffix(b"\n").expect("a line ends");
            assert_eq!(read(line), Some(ArchiveLine::Mark(AT, mark)));
        }
    }

    #[test]
    fn arrivals_are_kept_to_the_microsecond_over_the_whole_clock() {
        for nanos in [0, 999, 1_000, u64::MAX / 1_000 * 1_000, u64::MAX] {
            let at = Wall::from_nanos(nanos);
            let expected = Wall::from_nanos(nanos / 1_000 * 1_000);
            assert_eq!(arrival(&arrival_text(at)), Some(expected), "{nanos}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_payload_comes_back_as_it_was(
            payload in proptest::collection::vec(proptest::num::u8::ANY, 0..300),
            breaks in proptest::collection::vec((0usize..300, proptest::sample::select(vec![b'\n', b'\\', b'\t', b' ', b'\r', 0])), 0..8),
        ) {
            let mut payload = payload;
            for (at, byte) in breaks {
                if let Some(place) = payload.get_mut(at) {
                    *place = byte;
                }
            }
            let block = written("logs.web.iad.a", &payload);
            let all: Vec<&[u8]> = lines(&block).collect();
            proptest::prop_assert_eq!(all.len(), 1, "one line");
            let entry = ArchivedEntry { at: AT, subject: "logs.web.iad.a", payload: Cow::Borrowed(&payload) };
            proptest::prop_assert_eq!(read(all[0]), Some(ArchiveLine::Entry(entry)));
        }

        #[test]
        fn any_bytes_are_read_or_refused(line in proptest::collection::vec(proptest::num::u8::ANY, 0..80)) {
            read(&line);
            let mut beside = arrival_text(AT).to_vec();
            beside.extend(&line);
            read(&beside);
            is_escaped(&beside);
            let mut mark = b"# ".to_vec();
            mark.extend(&line);
            read(&mark);
        }
    }
}
