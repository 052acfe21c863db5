//! Core values to words for people. Pure functions, the way back from `decode`.
//!
//! Names and log lines come from the stream, where anyone may write anything. They are shown through [`sanitize`] alone:
//! no control characters, no escape sequences, no endless texts.

mod description;
mod downstream;
mod headline;
pub mod last_word;
mod summary;
mod text;
pub mod threshold;
mod times;

pub use description::{affected, description, explanation};
pub use headline::{headline, marked_headline, target_name, title};
pub use summary::fill_template;
pub use text::{NAME_CHARS, SUMMARY_CHARS, TEXT_CHARS, counted, is_invisible, key, name, sanitize};
pub use times::{duration, exact_duration, rfc3339, rfc3339_seconds, since};

use crate::core::notice::{Alarm, Notice, Scope};
use std::error::Error;
use std::fmt::Write;

/// The incident's target as a key, which does not change with the numbers in the text: the parts of [`target_name`]
/// joined by dots, which no name of the stream can hold.
pub fn target_key(notice: &Notice) -> String {
    let who = &notice.who;
    let parts = match notice.scope {
        Scope::Stream if notice.alarm == Alarm::Lagging => vec!["lag"],
        Scope::Stream if notice.alarm == Alarm::Full => vec!["room"],
        Scope::Stream if notice.alarm == Alarm::Blind => vec!["sight"],
        Scope::Stream if notice.alarm == Alarm::Archive => vec!["archive"],
        Scope::Stream if notice.alarm == Alarm::Drill => vec!["drill"],
        Scope::Instance if notice.alarm == Alarm::Flapping => {
            vec!["flapping", who.app.as_str(), &who.region, &who.instance]
        }
        Scope::Stream => vec!["stream"],
        Scope::Downstream => vec!["downstream", notice.rule.as_str()],
        Scope::Regions => vec!["regions"],
        Scope::Region => vec![who.region.as_str()],
        Scope::App => vec![who.app.as_str()],
        Scope::AppRegion => vec![who.app.as_str(), &who.region],
        Scope::Host => vec![who.host.as_str()],
        Scope::Instance => vec![who.app.as_str(), &who.region, &who.instance],
    };
    let beat = (!who.beat.is_empty()).then_some(who.beat.as_str());
    let parts = parts.into_iter().chain(beat);
    let parts: Vec<String> = parts.map(|part| key(part, NAME_CHARS)).collect();
    parts.join(".")
}

/// An error with its sources, from the outermost in: `could not connect to x: tcp connect error: refused`.
/// A source that only repeats the one before is left out.
pub fn error_chain(fault: &dyn Error) -> String {
    let mut last = fault.to_string();
    let mut text = last.clone();
    let mut next = fault.source();
    while let Some(source) = next {
        let said = source.to_string();
        if said != last {
            let _ = write!(text, ": {said}");
        }
        last = said;
        next = source.source();
    }
    sanitize(&text, SUMMARY_CHARS)
}

#[cfg(test)]
pub(crate) mod tests;
