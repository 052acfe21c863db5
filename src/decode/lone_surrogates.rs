//! Halves of surrogate pairs in JSON, `\ud83d` alone: no text, and common where a logger cuts a line in an emoji.

/// The text with its lone surrogates replaced by the replacement character; `None` if there is none.
pub(super) fn mended(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(next) = memchr::memchr(b'\\', bytes.get(at..)?) {
        at += next;
        match (unit(bytes, at), unit(bytes, at + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => at += 12,
            (Some(0xd800..=0xdfff), _) => {
                found.push(at);
                at += 6;
            }
            // Also a backslash that is escaped itself.
            _ => at += 2,
        }
    }
    if found.is_empty() {
        return None;
    }
    let mut mended = text.to_owned();
    for at in found {
        mended.replace_range(at..at + 6, "\\ufffd");
    }
    Some(mended)
}

/// The number of the `\uXXXX` that begins at an offset.
fn unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::mended;

    #[test]
    fn a_half_is_replaced_and_a_pair_stays() {
        for (text, whole) in [
            (r#""\ud83d\ude00""#, None),
            (r#""\\ud83d""#, None),
            (r#""\ud83d""#, Some(r#""\ufffd""#)),
            (r#""\ude00\ud83d""#, Some(r#""\ufffd\ufffd""#)),
            (r#""\ud83dx\n\u00e9""#, Some(r#""\ufffdx\n\u00e9""#)),
            (r#""\ud8"#, None),
            ("plain", None),
        ] {
            assert_eq!(mended(text).as_deref(), whole, "{text}");
        }
    }
}
