//! Faults of the TOML itself, as the parser tells them.

use super::fault::Wrong;
use super::report::Report;
use toml::de::Error;

/// Passes on every error of the parser; it goes on behind most.
pub(super) fn report(errors: &[Error], text: &str, report: &mut Report<'_>) {
    for error in errors {
        // The one error without a place is that of keys like a.a.a.a... in their hundreds.
        let at = error.span().map_or(0, |span| span.start.min(text.len()));
        report.broken(at, wrong(error.message()));
    }
}

fn wrong(message: &str) -> Wrong {
    let (what, expected) = message.split_once(", expected ").unwrap_or((message, ""));
    let allowed = match expected {
        "" | "nothing" => String::new(),
        "literal string" => "write \"...\"".to_owned(),
        expected => format!("expected {expected}"),
    };
    Wrong {
        what: what.to_owned(),
        allowed,
    }
}
