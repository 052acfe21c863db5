//! Last words of an instance, for people.

use super::text::{TEXT_CHARS, sanitize};
use crate::core::last_words::LastWord;
use crate::decode::log_line;

/// The message of an entry in one line, without control characters.
pub fn message(word: &LastWord) -> String {
    match log_line::read(&word.payload) {
        Ok(line) => sanitize(&line.message, TEXT_CHARS),
        // Long payloads are cut off, and no JSON any more.
        Err(_) => sanitize(&String::from_utf8_lossy(&word.payload), TEXT_CHARS),
    }
}
