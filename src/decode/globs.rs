//! Globs of names, one by one and as lists. One that begins with `!` takes out what it matches; a list of such alone
//! matches everything else.

use super::quoted::quoted;
use crate::core::rule::Globs;

/// Bytes of a glob: the longest names of apps have 63, and a match takes longer with every `*` and brace.
const MAX_GLOB: usize = 200;
/// Globs in one list: each is tried for every new target.
pub const MAX_GLOBS: usize = 100;
/// Texts that the braces of a glob stand for: each may be tried at each place of a name, and ten pairs of
/// braces with eight words each would take a minute.
pub(super) const MAX_WAYS: usize = 256;

/// Checks one glob: that it is one, can match something, and is none of the kind that explodes.
///
/// # Errors
/// The fault, for people, without what is allowed.
pub fn check(glob: &str) -> Result<(), String> {
    let bare = glob.strip_prefix('!').unwrap_or(glob);
    let what = if glob.is_empty() {
        "an empty glob matches nothing".to_owned()
    } else if glob.len() > MAX_GLOB {
        format!("the glob is longer than {MAX_GLOB} bytes")
    } else if glob.chars().any(char::is_control) {
        format!("{} holds a control character", quoted(glob))
    } else if bare.is_empty() {
        format!("{} has nothing to take out", quoted(glob))
    } else if bare.starts_with('!') {
        format!("{} begins with more than one !", quoted(glob))
    } else if let Err(error) = fast_glob::validate(bare) {
        format!("{} {}", quoted(glob), fault_of(error.kind))
    } else if ways(bare) > MAX_WAYS {
        format!(
            "the braces of {} stand for more than {MAX_WAYS} texts",
            quoted(glob)
        )
    } else {
        return Ok(());
    };
    Err(what)
}

/// Checks that a list of globs, each checked by itself, can match something, and that each of them does something in it.
///
/// # Errors
/// The number of the glob that is wrong, from 0, and the fault.
pub fn check_list(globs: &[String]) -> Result<(), (usize, String)> {
    let (ins, outs) = (of_kind(globs, false), of_kind(globs, true));
    for (at, out) in &outs {
        if is_everything(out) {
            let what = format!("{} takes out everything", quoted(&globs[*at]));
            return Err((*at, what));
        }
        if !ins.is_empty() && ins.iter().all(|(_, name)| is_left(name, out)) {
            let what = format!(
                "{} takes out nothing that the list names",
                quoted(&globs[*at])
            );
            return Err((*at, what));
        }
    }
    for (at, glob) in &ins {
        if let Some((by, _)) = outs.iter().find(|(_, out)| covers(out, glob)) {
            let what = format!(
                "{} never matches: {} takes it out",
                quoted(glob),
                quoted(&globs[*by])
            );
            return Err((*at, what));
        }
    }
    Ok(())
}

/// Those that take out, without their `!`, or those that take in; with their places in the list.
fn of_kind(globs: &[String], takes_out: bool) -> Vec<(usize, &str)> {
    let numbered = globs.iter().enumerate();
    let kind = numbered.map(|(at, glob)| match glob.strip_prefix('!') {
        Some(out) => (at, out, true),
        None => (at, glob.as_str(), false),
    });
    kind.filter(|(_, _, out)| *out == takes_out)
        .map(|(at, glob, _)| (at, glob))
        .collect()
}

/// The globs that take in, and those that take out, without their `!`.
pub(super) fn parts(globs: &Globs) -> (Vec<&str>, Vec<&str>) {
    let texts = |takes_out| {
        of_kind(&globs.0, takes_out)
            .into_iter()
            .map(|(_, glob)| glob)
    };
    (texts(false).collect(), texts(true).collect())
}

/// Checked globs as the core takes them: without those that take in where one of them matches every name, since an
/// empty list matches everything.
pub fn simplified(globs: Vec<String>) -> Globs {
    let all = globs.iter().any(|glob| is_everything(glob));
    let kept = globs
        .into_iter()
        .filter(|glob| !all || glob.starts_with('!'));
    Globs(kept.collect())
}

/// The same globs, and these names beside. A list of `!` alone goes on to match everything else.
pub fn with_names(globs: Globs, names: impl IntoIterator<Item = String>) -> Globs {
    let Globs(mut all) = globs;
    if !all.is_empty() && all.iter().all(|glob| glob.starts_with('!')) {
        all.push("*".to_owned());
    }
    all.extend(names);
    Globs(all)
}

/// True where a glob matches every name.
fn is_everything(glob: &str) -> bool {
    matches!(glob, "*" | "**")
}

/// True where a glob surely matches all that another one, which takes in, does.
pub(super) fn covers(wide: &str, glob: &str) -> bool {
    wide == glob || (is_plain(glob) && fast_glob::glob_match(wide, glob))
}

/// True where `out` surely takes nothing that a glob matches.
pub(super) fn is_left(glob: &str, out: &str) -> bool {
    is_plain(glob) && !fast_glob::glob_match(out, glob)
}

/// True where a glob is a name and nothing else.
pub(super) fn is_plain(glob: &str) -> bool {
    !glob.contains(['*', '?', '[', ']', '{', '}', '!', '\\'])
}

/// True where all names that a glob matches hold a character: it stands outside of braces and brackets.
pub(super) fn needs(glob: &str, wanted: char) -> bool {
    let mut depth = 0_usize;
    glob.chars().any(|char| {
        match char {
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        let same = char == wanted || (wanted == ' ' && char.is_whitespace());
        same && depth == 0
    })
}

fn fault_of(kind: fast_glob::ErrorKind) -> &'static str {
    use fast_glob::ErrorKind as K;
    match kind {
        K::UnclosedBrace => "has a { without its }",
        K::UnclosedBracket => "has a [ without its ]",
        K::TrailingBackslash => "ends with a lone \\",
        K::BraceNestingTooDeep | K::TooManyBraceGroups => "has more than 10 pairs of braces",
        _ => "is not a glob",
    }
}

/// The number of texts that the braces of a checked glob stand for, or more: commas are counted wherever they stand.
fn ways(glob: &str) -> usize {
    let mut open = Vec::new();
    let mut ways = 1_usize;
    for byte in glob.bytes() {
        match (byte, open.last_mut()) {
            (b'{', _) => open.push(1),
            (b',', Some(words)) => *words += 1,
            (b'}', Some(_)) => ways = ways.saturating_mul(open.pop().unwrap_or(1)),
            _ => {}
        }
    }
    open.into_iter().fold(ways, usize::saturating_mul)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(globs: &[&str]) -> Vec<String> {
        globs.iter().map(|glob| (*glob).to_owned()).collect()
    }

    #[test]
    fn a_glob_that_never_matches_is_a_fault() {
        let cases = [
            ("", "an empty glob matches nothing"),
            ("!", "\"!\" has nothing to take out"),
            ("!!web", "\"!!web\" begins with more than one !"),
            ("![a", "\"![a\" has a [ without its ]"),
        ];
        for (glob, what) in cases {
            assert_eq!(check(glob), Err(what.to_owned()), "{glob}");
        }
        for glob in ["!web", "![!a]*", "[!a]", "!{a,b}", "*"] {
            assert_eq!(check(glob), Ok(()), "{glob}");
        }
    }

    #[test]
    fn a_list_that_contradicts_itself_is_a_fault() {
        let cases: &[(&[&str], usize, &str)] = &[
            (&["!*"], 0, "\"!*\" takes out everything"),
            (&["web", "!**"], 1, "\"!**\" takes out everything"),
            (
                &["api", "web-1", "!web-*"],
                1,
                "\"web-1\" never matches: \"!web-*\" takes it out",
            ),
            (
                &["!web-*", "web-*"],
                1,
                "\"web-*\" never matches: \"!web-*\" takes it out",
            ),
            (
                &["web", "api", "!apii"],
                2,
                "\"!apii\" takes out nothing that the list names",
            ),
        ];
        for (globs, at, what) in cases {
            let found = check_list(&owned(globs));
            assert_eq!(found, Err((*at, (*what).to_owned())), "{globs:?}");
        }
        let good: [&[&str]; 5] = [
            &["web-*", "!web-staging"],
            &["!web-staging", "web-*"],
            &["*", "!web"],
            &["!web", "!api"],
            &["web", "api-*", "!api-1"],
        ];
        for globs in good {
            assert_eq!(check_list(&owned(globs)), Ok(()), "{globs:?}");
        }
    }

    #[test]
    fn names_beside_a_list_of_marks_alone_change_nothing_else() {
        let globs = with_names(Globs(owned(&["!web"])), ["own".to_owned()]);
        let matching = |name: &str| globs.matches(name);
        assert!(matching("own") && matching("api") && !matching("web"));
        assert_eq!(
            with_names(Globs::default(), ["own".to_owned()]),
            Globs(owned(&["own"]))
        );
    }
}
