//! `${VAR}` in the texts of `[notify.NAME]`: secrets come from the environment, and are never repeated.

use super::fault::{Wrong, shortened};

/// Looks a variable up; `None`: nothing is looked up, and variables stay as they are written.
pub(super) type Lookup<'e> = Option<&'e dyn Fn(&str) -> Option<String>>;

const ALLOWED: &str = "a variable is written ${NAME}, its name of A-Z a-z 0-9 _";

/// A text with its variables filled in.
///
/// # Errors
/// A variable that is not set (an empty one counts as that), by its name; or one that does not end. No value is
/// ever in it.
pub(super) fn fill(text: &str, lookup: Lookup<'_>) -> Result<String, Wrong> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        filled.push_str(&rest[..at]);
        let inside = &rest[at + 2..];
        let Some((name, after)) = inside.split_once('}') else {
            return Err(Wrong::new("a ${ without its }", ALLOWED));
        };
        if !is_name(name) {
            let what = format!("invalid variable ${{{}}}", shortened(name));
            return Err(Wrong::new(what, ALLOWED));
        }
        match lookup {
            None => filled.push_str(&rest[at..at + name.len() + 3]),
            Some(lookup) => {
                let value = lookup(name).filter(|value| !value.trim().is_empty());
                let value = value.ok_or_else(|| unset(name))?;
                filled.push_str(value.trim());
            }
        }
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// A secret text with its variables filled in, which fits once that is done; one whose variables stay as they are written
/// is taken for good.
///
/// # Errors
/// As [`fill`], and a text that does not fit; what is wrong never repeats it.
pub(super) fn secret(
    text: &str,
    lookup: Lookup<'_>,
    allowed: &str,
    fits: impl Fn(&str) -> bool,
) -> Result<String, Wrong> {
    let filled = fill(text, lookup)?;
    let unread = lookup.is_none() && filled.contains("${");
    if unread || fits(&filled) {
        return Ok(filled);
    }
    let what = if is_variable(text) {
        format!("invalid value in {text}")
    } else {
        "invalid value".to_owned()
    };
    Err(Wrong::new(what, allowed))
}

/// True where a text is one variable and nothing else.
pub(super) fn is_variable(text: &str) -> bool {
    text.strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'))
        .is_some_and(is_name)
}

fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let digit_first = name.starts_with(|first: char| first.is_ascii_digit());
    !name.is_empty() && !digit_first && name.bytes().all(fits)
}

fn unset(name: &str) -> Wrong {
    Wrong::new(
        format!("the variable {} is not set", shortened(name)),
        "set it in the environment of lastbeat",
    )
}

#[cfg(test)]
mod tests {
    use super::{fill, is_variable};

    fn env(name: &str) -> Option<String> {
        match name {
            "KEY" => Some("s3cret".to_owned()),
            "NESTED" => Some("${KEY}".to_owned()),
            "EMPTY" => Some(" ".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn variables_are_filled_in_once() {
        let cases = [
            ("plain", Ok("plain")),
            ("${KEY}", Ok("s3cret")),
            ("https://x/${KEY}?${KEY}$", Ok("https://x/s3cret?s3cret$")),
            ("${NESTED}", Ok("${KEY}")),
            ("$KEY {KEY}", Ok("$KEY {KEY}")),
            ("${KEY} ${NONE}", Err("the variable NONE is not set")),
            ("${EMPTY}", Err("the variable EMPTY is not set")),
            ("${KEY", Err("a ${ without its }")),
            ("${a b}", Err("invalid variable ${a b}")),
            ("${}", Err("invalid variable ${}")),
        ];
        for (text, expected) in cases {
            let found = fill(text, Some(&env)).map_err(|wrong| wrong.what);
            let found = found.as_deref().map_err(String::as_str);
            assert_eq!(found, expected, "{text}");
        }
        assert_eq!(fill("a${NONE}b", None).ok().as_deref(), Some("a${NONE}b"));
        assert!(is_variable("${A_1}") && !is_variable("x${A}") && !is_variable("${1}"));
    }
}
