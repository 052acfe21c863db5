//! Output of the demo.

use crate::format;
use std::io::{IsTerminal, Write};

/// Prints a line that begins with the time.
pub(super) fn say(label: &str, text: &str) {
    let time = format::rfc3339_seconds(crate::clock::wall());
    let time = time.get(11..19).unwrap_or(&time);
    let mut out = std::io::stdout().lock();
    let colour = match label {
        "ALERT" => "\u{1b}[1;31m",
        "closed" => "\u{1b}[32m",
        "late" => "\u{1b}[33m",
        "pager" => "\u{1b}[35m",
        "tour" => "\u{1b}[1;36m",
        _ => "\u{1b}[2m",
    };
    let (on, off) = if out.is_terminal() {
        (colour, "\u{1b}[0m")
    } else {
        ("", "")
    };
    // A closed terminal is no reason to stop watching.
    let _ = writeln!(out, "{time}  {on}{label:<7}{off} {text}");
    let _ = out.flush();
}
