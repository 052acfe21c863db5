//! Circles of files: a file that names another one, which names the first, directly or by way of others. Where there is
//! one, neither file can be read or tested without the other.

use super::paths::{module, paths};
use super::{File, files};
use std::collections::{BTreeMap, BTreeSet};

/// The files that each file names.
type Graph = BTreeMap<String, BTreeSet<String>>;

#[test]
fn no_file_names_one_that_names_it() {
    let graph = graph(&files("src", &["rs"]), "src");
    assert!(graph.len() > 250, "{}", graph.len());
    let circle = circle(&graph);
    assert!(circle.is_none(), "{}", circle.unwrap_or_default());
}

/// The graph of a room's files, and of the file that declares it. Tests may name everything: they are left out.
fn graph(all: &[File], room: &str) -> Graph {
    let is_inside = |name: &str| {
        let rest = name.strip_prefix(room);
        rest.is_some_and(|rest| rest.starts_with('/') || rest == ".rs")
    };
    let is_test = |name: &str| name.contains("/tests/") || name.ends_with("/tests.rs");
    let inside: Vec<&File> = all
        .iter()
        .filter(|file| is_inside(&file.name) && !is_test(&file.name))
        .collect();
    let modules: BTreeMap<String, &str> = inside
        .iter()
        .map(|file| (module(&file.name).join("::"), &*file.name))
        .collect();
    let edges = |file: &File| {
        let text = file
            .text
            .split("#[cfg(test)]\nmod ")
            .next()
            .unwrap_or_default();
        let own = module(&file.name).join("::");
        let text = without_visibility(text);
        let named = paths(&file.name, &text).into_iter().filter_map(|path| {
            // A path that does not begin at the crate may begin with a module below this one.
            let full = match path.full.starts_with("crate::") {
                true => path.full,
                false => format!("{own}::{}", path.full),
            };
            let mut part = &*full;
            loop {
                match modules.get(part) {
                    Some(name) => return Some((*name).to_owned()),
                    None => part = part.rsplit_once("::")?.0,
                }
            }
        });
        named.filter(|name| *name != file.name).collect()
    };
    inside
        .iter()
        .map(|file| (file.name.clone(), edges(file)))
        .collect()
}

/// The text without the paths of `pub(in crate::core)`, which use nothing of what they name.
fn without_visibility(text: &str) -> String {
    let mut parts = text.split("(in crate::");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + part.split_once(')').map_or(part, |(_, rest)| rest)
    })
}

/// One circle, as its files in order; `None` where there is none.
fn circle(graph: &Graph) -> Option<String> {
    let mut left = graph.clone();
    // A file that names no other file that is left is in no circle.
    loop {
        let names: BTreeSet<String> = left.keys().cloned().collect();
        for named in left.values_mut() {
            named.retain(|name| names.contains(name));
        }
        let before = left.len();
        left.retain(|_, named| !named.is_empty());
        if left.len() == before {
            break;
        }
    }
    let mut walk: Vec<&String> = Vec::from_iter(left.keys().next());
    loop {
        // Every file that is left names one that is left, so the walk comes back to itself.
        let next = left.get(*walk.last()?)?.first()?;
        if let Some(start) = walk.iter().position(|name| *name == next) {
            let mut names: Vec<&str> = walk[start..].iter().map(|name| name.as_str()).collect();
            names.push(next);
            return Some(names.join(" -> "));
        }
        walk.push(next);
    }
}

#[test]
fn a_circle_of_files_is_found() {
    let file = |name: &str, text: &str| File {
        name: name.to_owned(),
        text: text.to_owned(),
    };
    let a = file("src/core/a.rs", "use super::b::B; use crate::core::c;");
    let b = file("src/core/b.rs", "use crate::core::c::C;");
    let outside = file("src/io/x.rs", "use crate::core::a::A;");
    let found = |c: &str| {
        let all = [
            file("src/core/a.rs", &a.text),
            file("src/core/b.rs", &b.text),
            file("src/core/c.rs", c),
            file("src/core/tests.rs", "use super::a;"),
            file("src/io/x.rs", &outside.text),
        ];
        circle(&graph(&all, "src/core"))
    };
    let by_three = "src/core/a.rs -> src/core/b.rs -> src/core/c.rs -> src/core/a.rs";
    assert_eq!(found("use crate::core::a::A;").as_deref(), Some(by_three));
    let by_two = "src/core/b.rs -> src/core/c.rs -> src/core/b.rs";
    assert_eq!(found("fn f() { super::b::f() }").as_deref(), Some(by_two));
    assert_eq!(found("use crate::io::x; use super::d::D;"), None);
    assert_eq!(
        found("#[cfg(test)]\nmod tests { use crate::core::a::A; }"),
        None
    );
    assert_eq!(found("pub(in crate::core::a) fn f() {}"), None);
    // The file that declares a module names it, and not the other way round.
    let declares = file("src/core.rs", "pub use a::A;");
    let child = file("src/core/a.rs", "use super::B;");
    let circle = circle(&graph(&[declares, child], "src/core"));
    assert_eq!(
        circle.as_deref(),
        Some("src/core.rs -> src/core/a.rs -> src/core.rs")
    );
}
