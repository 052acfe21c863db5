//! The paths that a Rust file names (`std::fs::File`), groups of `use` spread out, `super` and `self` resolved.

use std::iter::Peekable;
use std::vec::IntoIter;

/// One path and where it stands.
#[derive(Debug, PartialEq, Eq)]
pub struct Path {
    /// From 1.
    pub line: usize,
    /// Its parts, joined by `::`.
    pub full: String,
}

impl Path {
    /// Whether it is `prefix` or lies below it, by whole parts.
    pub fn starts_with(&self, prefix: &str) -> bool {
        self.full
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    }

    /// The part that follows `prefix`.
    pub fn segment_after(&self, prefix: &str) -> Option<&str> {
        self.full
            .strip_prefix(prefix)?
            .strip_prefix("::")?
            .split("::")
            .next()
    }
}

/// Every path of two parts or more, and every single word after `use`. `name` is the file's path.
pub fn paths(name: &str, text: &str) -> Vec<Path> {
    let mut tokens = tokens(text).into_iter().peekable();
    let mut module = module(name);
    // How many braces are open, and at which count each inline module began.
    let (mut depth, mut inline) = (0_usize, Vec::new());
    let mut before = String::new();
    let mut found = Vec::new();
    while let Some(token) = tokens.next() {
        let word = match token.kind {
            Kind::Word(word) => word,
            kind => {
                match kind {
                    Kind::Open => depth += 1,
                    Kind::Close => depth = depth.saturating_sub(1),
                    _ => {}
                }
                if inline.last() == Some(&depth) {
                    inline.pop();
                    module.pop();
                }
                if kind != Kind::Join {
                    before.clear();
                }
                continue;
            }
        };
        if before == "mod" && tokens.next_if(|next| next.kind == Kind::Open).is_some() {
            module.push(word);
            inline.push(depth);
            depth += 1;
            continue;
        }
        let in_use = before == "use";
        before.clone_from(&word);
        if word == "use" {
            continue;
        }
        let mut ends = Vec::new();
        follow(vec![word], token.line, &mut tokens, &mut ends);
        let told = ends
            .into_iter()
            .filter(|(_, parts)| parts.len() > 1 || in_use);
        found.extend(told.map(|(line, parts)| Path {
            line,
            full: resolve(&module, parts).join("::"),
        }));
    }
    found
}

type Tokens = Peekable<IntoIter<Token>>;

/// Reads on behind `parts` and adds each full path that begins with them.
fn follow(
    mut parts: Vec<String>,
    line: usize,
    tokens: &mut Tokens,
    found: &mut Vec<(usize, Vec<String>)>,
) {
    while tokens.next_if(|token| token.kind == Kind::Join).is_some() {
        match tokens.next_if(|token| matches!(token.kind, Kind::Word(_) | Kind::Open)) {
            Some(Token {
                kind: Kind::Word(word),
                ..
            }) => parts.push(word),
            Some(Token {
                kind: Kind::Open, ..
            }) => return group(&parts, tokens, found),
            _ => break,
        }
    }
    found.push((line, parts));
}

/// Reads a group up to its closing brace.
fn group(parts: &[String], tokens: &mut Tokens, found: &mut Vec<(usize, Vec<String>)>) {
    while let Some(token) = tokens.next() {
        match token.kind {
            Kind::Word(word) => {
                let mut longer = parts.to_vec();
                // `a::{self}` is `a`.
                if word != "self" {
                    longer.push(word);
                }
                follow(longer, token.line, tokens, found);
            }
            Kind::Close => return,
            _ => {}
        }
    }
}

/// The module that a file holds: `src/io/http/mod.rs` is `crate::io::http`.
pub fn module(name: &str) -> Vec<String> {
    let inside = name
        .trim_start_matches("src/")
        .trim_end_matches(".rs")
        .trim_end_matches("/mod");
    ["crate"]
        .into_iter()
        .chain(inside.split('/'))
        .map(str::to_owned)
        .collect()
}

/// Turns a path that begins with `self` or `super` into one that begins with `crate`.
fn resolve(module: &[String], parts: Vec<String>) -> Vec<String> {
    if !matches!(parts[0].as_str(), "self" | "super") {
        return parts;
    }
    let mut from = module.to_vec();
    let steps = parts
        .iter()
        .take_while(|part| matches!(part.as_str(), "self" | "super"))
        .count();
    for part in &parts[..steps] {
        // Never above the crate.
        if part == "super" && from.len() > 1 {
            from.pop();
        }
    }
    from.extend_from_slice(&parts[steps..]);
    from
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Word(String),
    /// `::`
    Join,
    Open,
    Close,
    Other,
}

struct Token {
    line: usize,
    kind: Kind,
}

/// The words and the marks between them, without comments and without what stands in quotes.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    for (line, text) in (1..).zip(quoteless(text).lines()) {
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let word = rest
                .find(|char: char| !char.is_alphanumeric() && char != '_')
                .unwrap_or(rest.len());
            let (kind, length) = match first {
                _ if rest.starts_with("//") => break,
                _ if word > 0 => (Kind::Word(rest[..word].to_owned()), word),
                _ if rest.starts_with("::") => (Kind::Join, 2),
                '{' => (Kind::Open, 1),
                '}' => (Kind::Close, 1),
                _ => (Kind::Other, first.len_utf8()),
            };
            if !first.is_whitespace() {
                tokens.push(Token { line, kind });
            }
            rest = &rest[length..];
        }
    }
    tokens
}

/// The text with what stands between double quotes blanked out, lines kept. A quote inside a comment is no
/// quote; a raw string with quotes of its own may be blanked too far or too little, never across its line's end.
fn quoteless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let mut quoted = false;
        let mut chars = line.chars().peekable();
        while let Some(char) = chars.next() {
            match char {
                '/' if !quoted && chars.peek() == Some(&'/') => break,
                '\\' if quoted => drop(chars.next()),
                // A quote as a character is no quote.
                '\'' if !quoted && chars.peek() == Some(&'"') => drop(chars.next()),
                '"' => quoted = !quoted,
                other if !quoted => out.push(other),
                _ => {}
            }
        }
        out.push('\n');
    }
    out
}

#[test]
fn groups_are_spread_out_and_relatives_resolved() {
    let text =
        "use std::{fmt, time::{self, Duration}};\nuse super::{a, b::C};\nlet x = crate::io::y();";
    let found: Vec<(usize, String)> = paths("src/io/x.rs", text)
        .into_iter()
        .map(|p| (p.line, p.full))
        .collect();
    let expected = [
        (1, "std::fmt"),
        (1, "std::time"),
        (1, "std::time::Duration"),
        (2, "crate::io::a"),
        (2, "crate::io::b::C"),
        (3, "crate::io::y"),
    ];
    assert_eq!(found, expected.map(|(line, path)| (line, path.to_owned())));
}

#[test]
fn an_inline_module_is_one_step_further_down() {
    let text = "mod tests { use super::super::x; fn f() { {} } }\nuse super::y;";
    let found: Vec<String> = paths("src/io/z.rs", text)
        .into_iter()
        .map(|path| path.full)
        .collect();
    assert_eq!(found, ["crate::io::x", "crate::io::y"]);
}

#[test]
fn quotes_and_comments_hide_paths() {
    let text = "let a = \"std::fs\"; // std::io\nlet q = '\"'; std::env::args();";
    let found: Vec<String> = paths("src/x.rs", text)
        .into_iter()
        .map(|path| path.full)
        .collect();
    assert_eq!(found, ["std::env::args"]);
}
