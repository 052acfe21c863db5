//! Texts of the stream, made harmless: names, log lines, and keys that stay apart.

use data_encoding::HEXLOWER;
use ring::digest;

/// Characters of one name (app, region, instance, host, beat, rule) that are shown. Fly's names have 63 at most.
pub const NAME_CHARS: usize = 80;
/// Characters of a log line that are shown: enough to recognise it, short enough for a phone.
pub const TEXT_CHARS: usize = 240;
/// Characters of a filled `summary`: what one title of Sentry's keeps.
pub const SUMMARY_CHARS: usize = 500;

/// Bytes of the hash in a [`key`]: two of a million names are alike once in a thousand organisations.
const HASH_BYTES: usize = 6;

/// A number of things: `1 fault`, `2 faults`.
pub fn counted(count: u64, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

/// A name of the stream's, cleaned and capped at [`NAME_CHARS`].
pub fn name(text: &str) -> String {
    sanitize(text, NAME_CHARS).trim().to_owned()
}

/// A text of at most `chars` characters that is an identity: cleaned as [`sanitize`] does, and, where anything of it is
/// lost by that, with a hash of all of it at its end, so that two that differ stay two.
pub fn key(text: &str, chars: usize) -> String {
    let whole = sanitize(text, text.len());
    if whole.trim() == text && text.chars().count() <= chars {
        return whole;
    }
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    let hash = HEXLOWER.encode(&digest.as_ref()[..HASH_BYTES]);
    let kept = chars.saturating_sub(hash.len() + 1);
    let head: String = whole.trim().chars().take(kept).collect();
    format!("{head}~{hash}")
}

/// A text without escape sequences, control characters and invisible marks that turn the reading direction,
/// on one line, of at most `chars` characters; what was cut shows as `…`.
pub fn sanitize(text: &str, chars: usize) -> String {
    let mut out = String::with_capacity(text.len().min(chars.saturating_mul(4)));
    let mut shown = 0;
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        let keep = match next {
            '\u{1b}' => {
                skip_escape(&mut rest);
                continue;
            }
            '\t' | '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => ' ',
            mark if mark.is_control() || is_invisible(mark) => continue,
            plain => plain,
        };
        if shown == chars {
            out.pop();
            out.push('…');
            break;
        }
        out.push(keep);
        shown += 1;
    }
    out
}

/// True if a character has no width, turns the reading direction, breaks a line or tags what follows: such make a text look
/// like another, or say to programs what no person sees.
pub fn is_invisible(mark: char) -> bool {
    matches!(mark, '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(mark, '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Skips the characters that belong to an ESC: a whole CSI sequence (`[` up to its final byte), a whole OSC one (`]` up to BEL
/// or ESC `\`), or nothing where neither begins.
fn skip_escape(rest: &mut std::str::Chars<'_>) {
    let mut ahead = rest.clone();
    match ahead.next() {
        Some('[') => {
            // A cut-off sequence must not swallow the line: parameters only, then one final byte.
            let parameters = ahead.as_str().find(|c| !matches!(c, '\u{20}'..='\u{3f}'));
            let Some(at) = parameters else { return };
            *rest = ahead.as_str()[at..].chars();
            if rest
                .clone()
                .next()
                .is_some_and(|c| matches!(c, '\u{40}'..='\u{7e}'))
            {
                rest.next();
            }
        }
        Some(']') => {
            let end = ahead.as_str().find(['\u{7}', '\u{1b}']);
            let Some(at) = end else { return };
            *rest = ahead.as_str()[at..].chars();
            if rest.next() == Some('\u{1b}') && rest.as_str().starts_with('\\') {
                rest.next();
            }
        }
        _ => {}
    }
}
