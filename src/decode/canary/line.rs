//! The canary's line: `lastbeat-canary nonce=0123456789abcdef seq=42`.
//!
//! It is searched for in entries and in the answers of sinks, which wrap and escape it in ways of their own.

use memchr::memmem;

/// First word of the line. No rule's marker, as no rule watches its app.
pub const WORD: &str = "lastbeat-canary";
/// Bytes between the nonce and the number at most: ` seq=`, or that with the `=` as an escape sequence.
const MAX_BETWEEN: usize = 24;

/// The line of a canary.
pub fn line(nonce: &str, number: u64) -> String {
    format!("{WORD} nonce={nonce} seq={number}")
}

/// The numbers of all canaries with this nonce in a text, in the order of the text.
pub fn numbers(text: &[u8], nonce: &str) -> Vec<u64> {
    let found = memmem::find_iter(text, nonce.as_bytes());
    found
        .filter_map(|at| number(&text[at + nonce.len()..]))
        .collect()
}

/// The number behind a nonce; `None`: none.
fn number(after: &[u8]) -> Option<u64> {
    let near = &after[..after.len().min(MAX_BETWEEN)];
    let at = memmem::find(near, b"seq")?;
    // Only blanks and what a nonce does not consist of may stand before it.
    let is_between = |byte: &u8| !byte.is_ascii_alphanumeric();
    if at == 0 || !after[..at].iter().all(is_between) {
        return None;
    }
    let rest = &after[at + 3..];
    let rest = [&b"="[..], b"\\u003d", b"\\u003D", b"%3D", b"&#61;"]
        .iter()
        .find_map(|equals| rest.strip_prefix(*equals))?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &str = "00ff00ff00ff00ff";

    #[test]
    fn all_canaries_of_an_answer_are_found_however_they_are_escaped() {
        let answer = format!(
            r#"[{{"m":"{}"}},{{"m":"{WORD} nonce\u003d{NONCE} seq\u003d12"}},"query {NONCE}","{}"]"#,
            line(NONCE, 1),
            line("11ff00ff00ff00ff", 7),
        );
        assert_eq!(numbers(answer.as_bytes(), NONCE), [1, 12]);
        let twelve = line(NONCE, 12);
        assert_eq!(numbers(twelve.as_bytes(), NONCE), [12], "not 1");
    }

    #[test]
    fn a_nonce_without_a_number_is_none() {
        for text in [
            String::new(),
            NONCE.to_owned(),
            format!("{NONCE} seq="),
            format!("{NONCE}seq=1"),
            format!("{NONCE}0 seq=1"),
            format!("{NONCE} seq=99999999999999999999999"),
        ] {
            assert_eq!(numbers(text.as_bytes(), NONCE), [0_u64; 0], "{text}");
        }
    }
}
