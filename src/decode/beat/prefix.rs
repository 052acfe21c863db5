//! Prefixes that loggers, process managers and collectors put before a message.
//!
//! `2026-01-01T00:00:00Z INFO app::beat:`, `worker.1 |`, `[12:00:01 INF]`, `Jan  1 00:00:00 host app[123]:`. A sentence
//! is not a prefix: `Sending`, `cannot send:`.

/// Names under which loggers keep the message, in JSON objects and in `key=value` lines.
const MESSAGE_KEYS: [&str; 9] = [
    "message",
    "msg",
    "event",
    "@m",
    "@mt",
    "text",
    "log",
    "body",
    "short_message",
];

/// `key=value` pairs that stand before a message.
const FIELDS: &[&str] = &[
    "level",
    "lvl",
    "severity",
    "time",
    "ts",
    "timestamp",
    "t",
    "@t",
    "date",
    "caller",
    "source",
    "logger",
    "module",
    "component",
    "app",
    "service",
    "host",
    "hostname",
    "pid",
    "thread",
    "stream",
    "trace_id",
];

const LEVELS: &[&str] = &[
    "trace",
    "debug",
    "info",
    "information",
    "notice",
    "warn",
    "warning",
    "error",
    "err",
    "critical",
    "crit",
    "alert",
    "emerg",
    "fatal",
    "panic",
    "severe",
    "verbose",
    "trc",
    "dbg",
    "inf",
    "wrn",
    "ftl",
    "pnc",
    "vrb",
];

/// Words of dates and of collectors: `Mon Jan  1 12:00:00 PM UTC 2026`, `stdout F`.
const DATES: &[&str] = &[
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", "mon",
    "tue", "wed", "thu", "fri", "sat", "sun", "am", "pm", "utc", "gmt", "cet", "cest", "est",
    "edt", "pst", "pdt", "bst", "z", "stdout", "stderr",
];

/// Longest prefix, in bytes.
const MAX_PREFIX: usize = 512;
/// Longest bracket of a prefix, in bytes: a logger's name or a thread's.
const MAX_BRACKET: usize = 120;
/// Bare words that may stand together before a separator: host, program, id.
const MAX_BARE: usize = 3;

/// True if a key holds a logger's message.
pub(super) fn is_message_key(key: &str) -> bool {
    MESSAGE_KEYS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(key))
}

/// True if a text before a marker is a prefix of a logger, or nothing.
pub(super) fn is_prefix(text: &str) -> bool {
    if text.len() > MAX_PREFIX {
        return false;
    }
    let mut rest = text;
    // Words that are part of a prefix only if something behind them says so.
    let mut open = Open::default();
    // A timestamp, a level or a bracket stood before: what follows is likelier a name than a sentence.
    let mut strong = false;
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else {
            return open.is_closed();
        };
        if let Some(end) = bracket(rest) {
            rest = &rest[end..];
            open = Open::default();
            strong = true;
            continue;
        }
        if matches!(first, '"' | '\'' | '[' | '(' | '<' | '{') {
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (token, behind) = token(rest);
        // Container runtimes say `stdout F`, and P for a part of a line.
        if matches!(token, "F" | "P") && is_stream(&text[..text.len() - rest.len()]) {
            rest = behind;
            continue;
        }
        let is_column = behind.starts_with('\t');
        rest = behind;
        match kind(token) {
            Kind::Message(length) => {
                // The message itself begins here, whatever stood before.
                rest = &text[text.len() - behind.len() - token.len() + length..];
                open = Open::default();
                strong = false;
            }
            Kind::Strong => {
                if open.bare > usize::from(strong) {
                    return false;
                }
                open = Open::default();
                strong = true;
            }
            Kind::Bar if open.bare <= MAX_BARE => open = Open::default(),
            Kind::Dash if open.bare == 0 || (strong && open.bare <= MAX_BARE) => {
                open = Open::default();
            }
            Kind::Process if open.bare <= 1 => open = Open::default(),
            Kind::Name if open.bare == 0 => open = Open::default(),
            Kind::Name | Kind::Bar | Kind::Dash | Kind::Process => return false,
            Kind::Number => open.numbers += 1,
            Kind::Year => {
                if !strong {
                    open.numbers += 1;
                }
            }
            Kind::Bare if is_column && open.bare == 0 => {}
            Kind::Bare => {
                open.bare += 1;
                if open.bare > MAX_BARE {
                    return false;
                }
            }
        }
    }
}

fn is_stream(before: &str) -> bool {
    let before = before.trim_end();
    before.ends_with("stdout") || before.ends_with("stderr")
}

/// Words and numbers that wait for a separator behind them.
#[derive(Default)]
struct Open {
    bare: usize,
    numbers: usize,
}

impl Open {
    fn is_closed(&self) -> bool {
        self.bare == 0 && self.numbers == 0
    }
}

enum Kind {
    /// A timestamp, a level, a field: it can be nothing else.
    Strong,
    /// A message's key; the message begins at this offset of the token.
    Message(usize),
    /// `|`, or a word that ends with it.
    Bar,
    /// `-`, `--`, `:` alone, and other punctuation.
    Dash,
    /// `app[123]:`.
    Process,
    /// A word that ends with `:`, `>` or `]`.
    Name,
    /// A small number: a process id, a day, a thread.
    Number,
    /// Four digits, as of a year.
    Year,
    /// Any other word.
    Bare,
}

fn kind(token: &str) -> Kind {
    if !token.contains(char::is_alphanumeric) {
        return if token.contains('|') {
            Kind::Bar
        } else {
            Kind::Dash
        };
    }
    let word = token.trim_end_matches([',', ';']);
    if let Some((key, value)) = token.split_once('=') {
        if is_message_key(key) {
            let quote = value.starts_with(['"', '\'']);
            return Kind::Message(key.len() + 1 + usize::from(quote));
        }
        let is_field = FIELDS.iter().any(|field| field.eq_ignore_ascii_case(key));
        return if is_field { Kind::Strong } else { Kind::Bare };
    }
    if is_time(word) || is_level(word) || is_one_of(DATES, word) {
        return Kind::Strong;
    }
    if word.ends_with('|') {
        return Kind::Bar;
    }
    if word.ends_with("]:") {
        return Kind::Process;
    }
    if word.ends_with([':', '>', ']', '\u{bb}']) {
        return Kind::Name;
    }
    let digits = word.bytes().all(|byte| byte.is_ascii_digit());
    match word.len() {
        4 if digits => Kind::Year,
        1 => Kind::Number,
        _ if digits => Kind::Number,
        _ => Kind::Bare,
    }
}

/// The end of a bracket that a text begins with, and that closes.
fn bracket(text: &str) -> Option<usize> {
    let close = match text.as_bytes().first()? {
        b'[' => ']',
        b'(' => ')',
        b'<' => '>',
        _ => return None,
    };
    let end = text.find(close)?;
    (end <= MAX_BRACKET).then_some(end + 1)
}

/// The first word of a text, with a quoted value whole, and the rest.
fn token(text: &str) -> (&str, &str) {
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let word = &text[..end];
    if let Some((key, value)) = word.split_once('=')
        && let Some(quote @ (b'"' | b'\'')) = value.bytes().next()
        && !is_message_key(key)
    {
        let begin = key.len() + 2;
        if let Some(length) = text[begin..].find(char::from(quote)) {
            return text.split_at(begin + length + 1);
        }
    }
    text.split_at(end)
}

fn is_one_of(words: &[&str], word: &str) -> bool {
    words.iter().any(|known| known.eq_ignore_ascii_case(word))
}

/// A level: `INFO`, `warn:`, `INFO[0001]`.
fn is_level(word: &str) -> bool {
    let word = word.trim_end_matches(':');
    let plain = match word.split_once('[') {
        Some((level, number)) if number.ends_with(']') => level,
        _ => word,
    };
    is_one_of(LEVELS, plain) || is_short_date(word)
}

/// A level and a date in one word: `I0102`.
fn is_short_date(word: &str) -> bool {
    let digits = word.strip_prefix(['I', 'W', 'E', 'F', 'D']);
    digits.is_some_and(|digits| digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// A date, a time, both, an offset of a zone, or seconds since 1970.
fn is_time(word: &str) -> bool {
    let word = word.trim_end_matches(':');
    let signed = word.strip_prefix(['+', '-']);
    let text = signed.unwrap_or(word);
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return false;
    }
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let marks = text
        .bytes()
        .filter(|byte| matches!(byte, b':' | b'-' | b'/'))
        .count();
    let letters =
        text.trim_start_matches(|c: char| !c.is_ascii_alphabetic() || c == 'T' || c == 't');
    let plain = text.bytes().all(|byte| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b':' | b'-' | b'/' | b'.' | b',' | b'+' | b'_')
    });
    // `Z`, `PM`, `UTC` and the month of `02/Jan/2006`.
    let is_suffix = letters.bytes().filter(u8::is_ascii_alphabetic).count() <= 4;
    let is_epoch = digits >= 9 && marks == 0 && letters.is_empty();
    let is_clock = text
        .match_indices(':')
        .any(|(at, _)| is_clock(&text[..at], &text[at + 1..]));
    let is_date = marks >= 2 && digits >= 6;
    plain && is_suffix && (signed.is_some_and(|_| digits == 4) || is_epoch || is_clock || is_date)
}

/// `12` and `00` of `12:00`, but not `7` and `8080` of `10.0.0.7:8080`.
fn is_clock(before: &str, after: &str) -> bool {
    let hours = before.trim_end_matches(|c: char| c.is_ascii_digit());
    let minutes = after.bytes().take_while(u8::is_ascii_digit).count();
    let begins = hours.is_empty() || hours.ends_with(['T', 't', '-', '/', '_', ':']);
    begins && (1..=2).contains(&(before.len() - hours.len())) && minutes == 2
}

#[cfg(test)]
mod tests {
    use super::is_prefix;

    #[test]
    fn prefixes_of_loggers_and_process_managers() {
        for prefix in [
            "",
            "2026-01-01T00:00:00Z INFO ",
            "2026-01-01 00:00:00,123 - root - INFO - ",
            "2026-01-01 00:00:00.123 | INFO     | __main__:beat:12 - ",
            "2026/01/01 00:00:00 INFO ",
            "2026-01-01T00:00:00.000000Z  INFO app::beat: ",
            "INFO:root:",
            "12:00:01 heartbeat.1   | ",
            "web-1  | ",
            "0|app  | ",
            "worker.1 | ",
            "app[worker.1]: ",
            "2026-01-01T00:00:00+00:00 app[worker.1]: ",
            "Jan  1 00:00:00 host app[123]: ",
            "Mon Jan  1 00:00:00 UTC 2026 ",
            "<14>1 2026-01-01T00:00:00Z host app 123 - - ",
            "[worker] ",
            "[12:00:01 INF] ",
            "[2026-01-01T00:00:00Z INFO  app] ",
            "[2026-01-01T00:00:00+00:00] app.INFO: ",
            "I, [2026-01-01T00:00:00.123456 #1234]  INFO -- : ",
            "I, [2026-01-01T00:00:00.123456 #1234]  INFO -- worker: ",
            "00:00:00.123 [info] ",
            "12:00:01.123 [main] INFO  com.acme.Worker - ",
            "2026-01-01T00:00:00.123Z  INFO 1 --- [           main] c.a.Worker      : ",
            "I0102 15:04:05.000000       1 main.go:12] ",
            "2026-01-01T00:00:00.000Z\tINFO\tbeat\tmain.go:12\t",
            "12:00PM INF ",
            "INFO[0001] ",
            "info: ",
            "app: ",
            "1767225600.123 ",
            "2026-01-01T00:00:00.000000000Z stdout F ",
            "level=info msg=\"worker: ",
            "time=\"2026-01-01 00:00:00\" level=info msg=",
            "[2026-01-01 00:00:00 INFO ",
            "* ",
            "02/Jan/2026:15:04:05 +0000 ",
        ] {
            assert!(is_prefix(prefix), "{prefix}");
        }
    }

    #[test]
    fn a_sentence_is_no_prefix() {
        for text in [
            "Sending ",
            "cannot send: ",
            "10.0.0.7 ",
            "10.0.0.7:8080 ",
            "3 ",
            "INFO 3 ",
            "12:00:01 the next ",
            "2026-01-01T00:00:00Z INFO missed a ",
            "no ",
            "I ",
            "note - we sent a ",
            "sending header apiVersion=4 ",
            "worker - ",
        ] {
            assert!(!is_prefix(text), "{text}");
        }
    }
}
