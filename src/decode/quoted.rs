//! Texts of a user's own within a message: on one line, and cut where they are long.

/// Characters of a text that a message repeats: enough to find it by, and still one line.
const MAX_REPEATED: usize = 60;

/// A text within quotes, on one line, cut where it is long.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", shortened(text))
}

/// A text on one line, cut where it is long.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_REPEATED) {
        Some((end, _)) => format!("{}...", text[..end].escape_debug()),
        None => text.escape_debug().to_string(),
    }
}
