//! The walls that a machine can hold by reading: who may name whom, and what is not left in the code. Each rule
//! is a function of a file's name and text, and each has an example at which it must fail.

mod paths;

use crate::support::testbed::project;
use paths::{Path, paths};
use std::fs;

/// No file of the product is longer.
const MAX_LINES: usize = 500;

/// What `core` may not name: the world, and crates that bring it in.
const NOT_IN_CORE: [&str; 19] = [
    "async_nats",
    "clap",
    "hyper",
    "prometheus",
    "sentry",
    "serde",
    "serde_json",
    "tokio",
    "toml",
    "tracing",
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::process",
    "std::sync::Mutex",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
];

/// What `decode` may not name: it turns text into values and touches nothing.
const NOT_IN_DECODE: [&str; 18] = [
    "async_nats",
    "hyper",
    "prometheus",
    "sentry",
    "tokio",
    "std::env",
    "std::fs",
    "std::io",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::ToSocketAddrs",
    "std::net::UdpSocket",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime::now",
    "crate::clock",
    "crate::io",
];

/// Files of `io` that are no outside party but what several parties are written with.
const SHARED_IN_IO: [&str; 3] = ["feed", "http_client", "notifier"];

/// A file of the project: its path from the project's folder, and its text.
struct File {
    name: String,
    text: String,
}

#[test]
fn the_core_reaches_nowhere() {
    holds(&["src/core"], core_reaches_nowhere);
}

fn core_reaches_nowhere(name: &str, text: &str) -> Vec<String> {
    let outward = |path: &Path| {
        let leaves = path.starts_with("crate") && !path.starts_with("crate::core");
        leaves || NOT_IN_CORE.iter().any(|banned| path.starts_with(banned))
    };
    faults(name, text, outward)
}

#[test]
fn a_core_that_reaches_outward_is_found() {
    let bad = |line: &str| core_reaches_nowhere("src/core/x.rs", line);
    for line in [
        "use tokio::time::sleep;",
        "use std::{fmt, fs};",
        "use std::{collections::HashMap, time::{Duration, Instant}};",
        "fn f() -> u64 { std::time::SystemTime::now().into() }",
        "use crate::io::nats;",
        "use crate::{core::time::Mono, clock};",
        "use super::super::decode::beat;",
        "#[derive(serde::Serialize)] struct S;",
        "use ::tracing::info;",
    ] {
        assert_eq!(bad(line).len(), 1, "{line}");
    }
    assert_eq!(bad("a\nuse std::io;"), ["src/core/x.rs:2: names std::io"]);
}

#[test]
fn a_core_that_stays_inside_is_let_be() {
    for line in [
        "use super::time::Mono;",
        "use crate::core::entry::Subject;",
        "use std::{fmt, time::Duration};",
        "// use tokio::time::sleep;",
        "/// Knows no [`tokio::time`].",
        "let text = \"std::fs::File\";",
        "mod tests { use super::*; use super::super::time::Mono; }",
    ] {
        assert_eq!(
            core_reaches_nowhere("src/core/x.rs", line),
            [""; 0],
            "{line}"
        );
    }
}

#[test]
fn the_decoders_touch_nothing() {
    holds(&["src/decode"], decode_touches_nothing);
}

fn decode_touches_nothing(name: &str, text: &str) -> Vec<String> {
    let above = ["crate::app", "crate::commands"];
    let banned = |path: &Path| {
        NOT_IN_DECODE
            .iter()
            .chain(&above)
            .any(|banned| path.starts_with(banned))
    };
    faults(name, text, banned)
}

#[test]
fn a_decode_that_touches_something_is_found() {
    for line in [
        "use std::fs::read_to_string;",
        "use tokio::fs;",
        "use crate::{io, core};",
        "use super::super::clock::Clock;",
    ] {
        assert_eq!(
            decode_touches_nothing("src/decode/x.rs", line).len(),
            1,
            "{line}"
        );
    }
    assert_eq!(
        decode_touches_nothing(
            "src/decode/x.rs",
            "use super::beat; use crate::core::rule::Rule;"
        ),
        [""; 0]
    );
}

#[test]
fn the_parties_of_io_do_not_know_each_other() {
    holds(&["src/io"], party_knows_no_other);
}

/// A file of `io` names of `io` itself and what is shared, and nothing of who wires it or of the core's state.
fn party_knows_no_other(name: &str, text: &str) -> Vec<String> {
    let inside = name.trim_start_matches("src/io/").trim_end_matches(".rs");
    let own = inside.split('/').next().unwrap_or(inside);
    let above = [
        "crate::app",
        "crate::commands",
        "crate::core::engine",
        "crate::core::tracker",
    ];
    let banned = |path: &Path| {
        let party = path.segment_after("crate::io");
        let other = party.is_some_and(|party| party != own && !SHARED_IN_IO.contains(&party));
        other || above.iter().any(|above| path.starts_with(above))
    };
    faults(name, text, banned)
}

#[test]
fn a_party_that_knows_another_is_found() {
    for (name, line) in [
        ("src/io/nats.rs", "use crate::io::sentry::Outbox;"),
        ("src/io/nats.rs", "use super::sentry;"),
        (
            "src/io/http/site.rs",
            "use crate::{core, io::{metrics::Metrics, http}};",
        ),
        ("src/io/http/site.rs", "use super::super::metrics::Metrics;"),
        ("src/io/nats.rs", "use crate::core::engine::Engine;"),
        ("src/io/http/mod.rs", "use crate::app::App;"),
    ] {
        assert_eq!(party_knows_no_other(name, line).len(), 1, "{name}: {line}");
    }
    for (name, line) in [
        ("src/io/nats.rs", "use super::feed::ConnectionEvent;"),
        ("src/io/http/site.rs", "use super::readiness::Readiness;"),
        (
            "src/io/http/mod.rs",
            "use site::Site; use self::site::Other;",
        ),
        (
            "src/io/sentry.rs",
            "use crate::io::http_client::Post; use crate::core::notice::Notice; use crate::format;",
        ),
    ] {
        assert_eq!(party_knows_no_other(name, line), [""; 0], "{name}: {line}");
    }
}

#[test]
fn no_file_is_too_long() {
    holds(&["src"], not_too_long);
}

fn not_too_long(name: &str, text: &str) -> Vec<String> {
    let lines = text.lines().count();
    let fault = || {
        format!("{name}: {lines} lines, at most {MAX_LINES}: it has two subjects, make two files")
    };
    (lines > MAX_LINES).then(fault).into_iter().collect()
}

#[test]
fn a_file_that_is_too_long_is_found() {
    assert_eq!(not_too_long("src/x.rs", &"\n".repeat(501)).len(), 1);
    assert_eq!(not_too_long("src/x.rs", &"\n".repeat(500)), [""; 0]);
}

#[test]
fn nothing_is_left_for_later() {
    holds(&["src", "tests", "benches"], nothing_for_later);
}

/// Spelled so that this file does not find itself.
const FOR_LATER: [&str; 6] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("to", "do!"),
    concat!("unimpl", "emented!"),
    concat!("db", "g!("),
    concat!("#[ig", "nore"),
];

fn nothing_for_later(name: &str, text: &str) -> Vec<String> {
    let found = |line: &str| FOR_LATER.iter().find(|mark| line.contains(**mark)).copied();
    let lines = (1..).zip(text.lines());
    lines
        .filter_map(|(number, line)| Some(format!("{name}:{number}: {} is left", found(line)?)))
        .collect()
}

#[test]
fn what_is_left_for_later_is_found() {
    for mark in FOR_LATER {
        assert_eq!(
            nothing_for_later("src/x.rs", &format!("a\n  {mark} b")).len(),
            1,
            "{mark}"
        );
    }
    assert_eq!(nothing_for_later("src/x.rs", "ignored, later"), [""; 0]);
}

/// Fails with every fault of every file of these folders.
#[track_caller]
fn holds(folders: &[&str], rule: fn(&str, &str) -> Vec<String>) {
    let files: Vec<File> = folders.iter().flat_map(|folder| files(folder)).collect();
    assert!(
        !files.is_empty(),
        "no files in {folders:?}: has the layout changed?"
    );
    let faults: Vec<String> = files
        .iter()
        .flat_map(|file| rule(&file.name, &file.text))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Each path of the text at which `banned` nods.
fn faults(name: &str, text: &str, banned: impl Fn(&Path) -> bool) -> Vec<String> {
    let found = paths(name, text).into_iter().filter(banned);
    found
        .map(|path| format!("{name}:{}: names {}", path.line, path.full))
        .collect()
}

/// Every Rust file below a folder of the project.
fn files(folder: &str) -> Vec<File> {
    let Ok(entries) = fs::read_dir(project().join(folder)) else {
        return Vec::new();
    };
    let mut files = Vec::new();
    for entry in entries.flatten() {
        let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            files.extend(self::files(&name));
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(entry.path())
                .unwrap_or_else(|error| panic!("cannot read {name}: {error}"));
            files.push(File { name, text });
        }
    }
    files
}
