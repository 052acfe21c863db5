//! Names of instances in tests: `web/iad/a`, and many at once, `web/{iad,lhr}/i{01..20}`.

use super::words::{Bad, bad};
use crate::core::rule::Globs;

/// Instances that one name may stand for.
const MAX_NAMES: usize = 10_000;
/// Levels of braces: each is a step of a recursion.
const MAX_BRACES: usize = 8;

/// One instance.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    /// The app.
    pub app: String,
    /// The region.
    pub region: String,
    /// The instance.
    pub instance: String,
}

impl Name {
    /// `app/region/instance`.
    pub fn path(&self) -> String {
        format!("{}/{}/{}", self.app, self.region, self.instance)
    }

    /// Its subject.
    pub fn subject(&self) -> String {
        format!("logs.{}.{}.{}", self.app, self.region, self.instance)
    }
}

/// A set of instances: globs for each part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    app: Globs,
    region: Globs,
    instance: Globs,
}

impl Pattern {
    /// True if an instance is one of them.
    pub fn matches(&self, name: &Name) -> bool {
        self.app.matches(&name.app)
            && self.region.matches(&name.region)
            && self.instance.matches(&name.instance)
    }
}

const ALLOWED: &str = "an instance is app/region/instance; web/iad/[a-d], web/{iad,lhr}/a and \
    web/iad/i{01..20} are several";

/// Every instance that a name stands for.
pub(super) fn names(at: usize, text: &str) -> Result<Vec<Name>, Bad> {
    let [app, region, instance] = parts(at, text)?;
    let mut names = Vec::new();
    for app in expand(at, app)? {
        for region in expand(at, region)? {
            for instance in expand(at, instance)? {
                if names.len() == MAX_NAMES {
                    return Err(too_many(at));
                }
                names.push(Name {
                    app: app.clone(),
                    region: region.clone(),
                    instance,
                });
            }
        }
    }
    Ok(names)
}

/// The instances that match: globs, in which `{01..20}` is a range as in names.
pub(super) fn pattern(at: usize, text: &str) -> Result<Pattern, Bad> {
    let [app, region, instance] = parts(at, text)?;
    let globs = |text: &str| ranges(at, text, MAX_BRACES).map(Globs);
    Ok(Pattern {
        app: globs(app)?,
        region: globs(region)?,
        instance: globs(instance)?,
    })
}

/// A glob for each number of each range in a text; the rest is left to the globs.
fn ranges(at: usize, text: &str, deep: usize) -> Result<Vec<String>, Bad> {
    let range = text.match_indices('{').find_map(|(open, _)| {
        let length = text[open..].find('}')?;
        let inside = &text[open + 1..open + length];
        inside.contains("..").then_some((open, length, inside))
    });
    let Some((open, length, inside)) = range else {
        return Ok(vec![text.to_owned()]);
    };
    if deep == 0 {
        return Err(bad(at, "too many brackets", ALLOWED));
    }
    let tails = ranges(at, &text[open + length + 1..], deep - 1)?;
    let numbers = braces(at, inside)?;
    if numbers.len() * tails.len() > MAX_NAMES {
        return Err(too_many(at));
    }
    let head = &text[..open];
    let join = |number: &String| {
        let start = format!("{head}{number}");
        tails
            .iter()
            .map(move |tail| format!("{start}{tail}"))
            .collect::<Vec<_>>()
    };
    Ok(numbers.iter().flat_map(join).collect())
}

fn parts(at: usize, text: &str) -> Result<[&str; 3], Bad> {
    let parts: Vec<&str> = text.split('/').collect();
    match parts.as_slice() {
        &[app, region, instance] if parts.iter().all(|part| is_name(part)) => {
            Ok([app, region, instance])
        }
        _ => Err(bad(at, &format!("\"{text}\" is no instance"), ALLOWED)),
    }
}

/// No name on the stream holds a dot: it would be two tokens of the subject.
fn is_name(text: &str) -> bool {
    let plain = text.replace("..", "");
    !text.is_empty() && !plain.contains('.')
}

fn too_many(at: usize) -> Bad {
    let what = format!("more than {MAX_NAMES} instances");
    bad(at, &what, "a test of rules needs few")
}

/// The texts that one part stands for, in order.
fn expand(at: usize, text: &str) -> Result<Vec<String>, Bad> {
    if text.matches(['{', '[']).count() > MAX_BRACES {
        return Err(bad(at, "too many brackets", ALLOWED));
    }
    let Some(open) = text.find(['{', '[']) else {
        return match text.find(['}', ']', '*', '?']) {
            Some(_) => Err(bad(at, &format!("\"{text}\" is no name"), ALLOWED)),
            None => Ok(vec![text.to_owned()]),
        };
    };
    let close = if text[open..].starts_with('{') {
        '}'
    } else {
        ']'
    };
    let Some(length) = text[open..].find(close) else {
        return Err(bad(
            at,
            &format!("\"{text}\" has a bracket without its end"),
            ALLOWED,
        ));
    };
    let inside = &text[open + 1..open + length];
    let middles = if close == '}' {
        braces(at, inside)?
    } else {
        class(at, inside)?
    };
    let tails = expand(at, &text[open + length + 1..])?;
    if middles.len() * tails.len() > MAX_NAMES {
        return Err(too_many(at));
    }
    let head = &text[..open];
    let join = |middle: &String| {
        let start = format!("{head}{middle}");
        tails
            .iter()
            .map(move |tail| format!("{start}{tail}"))
            .collect::<Vec<_>>()
    };
    Ok(middles.iter().flat_map(join).collect())
}

/// `a,b` or `01..20`.
fn braces(at: usize, inside: &str) -> Result<Vec<String>, Bad> {
    let Some((first, last)) = inside.split_once("..") else {
        return Ok(inside.split(',').map(str::to_owned).collect());
    };
    let number = |text: &str| text.parse::<usize>().ok().filter(|_| text.len() < 7);
    match (number(first), number(last)) {
        (Some(from), Some(to)) if from <= to && to - from < MAX_NAMES => Ok((from..=to)
            .map(|count| format!("{count:0width$}", width = first.len()))
            .collect()),
        _ => Err(bad(at, &format!("{{{inside}}} is no range"), ALLOWED)),
    }
}

/// `a-d` or `abd`.
fn class(at: usize, inside: &str) -> Result<Vec<String>, Bad> {
    let chars: Vec<char> = inside.chars().collect();
    match chars.as_slice() {
        [first, '-', last] if first <= last && *last as u32 - (*first as u32) < 64 => {
            Ok((*first..=*last).map(String::from).collect())
        }
        [] => Err(bad(at, "nothing stands in the brackets", ALLOWED)),
        some if !some.contains(&'-') => Ok(some.iter().map(char::to_string).collect()),
        _ => Err(bad(at, &format!("[{inside}] is no range"), ALLOWED)),
    }
}
