//! The layers of the product: which room may name which other.

use super::holds;
use super::paths::{Path, paths};

/// What `core` may not name: the world, and crates that bring it in.
const NOT_IN_CORE: [&str; 21] = [
    "async_nats",
    "axum",
    "clap",
    "hyper",
    "prometheus",
    "sentry",
    "serde",
    "serde_json",
    "tokio",
    "toml",
    "tower_http",
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
const NOT_IN_DECODE: [&str; 19] = [
    "async_nats",
    "axum",
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
const SHARED_IN_IO: [&str; 4] = ["feed", "http_client", "notifier", "post"];

/// Plain values that a store writes and reads, though the core declares them beside its state.
const VALUES_OF_THE_STATE: [&str; 2] = [
    "crate::core::tracker::life::Crash",
    "crate::core::tracker::life::StopWhy",
];

/// The layers of the core from below, each with those above it, which it may not name.
const ABOVE_IN_CORE: [(&str, &[&str]); 6] = [
    (
        "tracker",
        &[
            "facts", "targets", "incident", "notice", "output", "persist", "snapshot", "evaluate",
            "engine",
        ],
    ),
    (
        "lag",
        &[
            "targets", "incident", "output", "persist", "snapshot", "evaluate", "engine",
        ],
    ),
    (
        "inventory",
        &[
            "targets", "incident", "output", "persist", "snapshot", "evaluate", "engine",
        ],
    ),
    (
        "facts",
        &[
            "targets", "incident", "output", "persist", "snapshot", "evaluate", "engine",
        ],
    ),
    (
        "targets",
        &[
            "incident", "output", "persist", "snapshot", "evaluate", "engine",
        ],
    ),
    ("incident", &["snapshot", "evaluate", "engine"]),
];

#[test]
fn no_layer_of_the_core_names_one_above_it() {
    for (layer, _) in ABOVE_IN_CORE {
        holds(&[&format!("src/core/{layer}")], names_no_layer_above);
    }
}

fn names_no_layer_above(name: &str, text: &str) -> Vec<String> {
    let inside = name.trim_start_matches("src/core/").trim_end_matches(".rs");
    let own = inside.split('/').next().unwrap_or(inside);
    let above = ABOVE_IN_CORE.iter().find(|(layer, _)| *layer == own);
    let above = above.map_or(&[][..], |(_, above)| above);
    faults(name, text, |path| {
        let named = path.segment_after("crate::core");
        named.is_some_and(|named| above.contains(&named))
    })
}

#[test]
fn a_layer_that_names_one_above_it_is_found() {
    for (name, line) in [
        ("src/core/tracker/life.rs", "use crate::core::facts::Facts;"),
        ("src/core/tracker.rs", "use super::notice::Scope;"),
        (
            "src/core/targets/groups.rs",
            "use super::super::incident::Incidents;",
        ),
        (
            "src/core/incident.rs",
            "use crate::core::{engine::Engine, rule::Rule};",
        ),
    ] {
        assert_eq!(names_no_layer_above(name, line).len(), 1, "{name}: {line}");
    }
    for (name, line) in [
        (
            "src/core/targets.rs",
            "use crate::core::{facts::Facts, tracker::Tracker};",
        ),
        ("src/core/incident.rs", "use crate::core::targets::Targets;"),
        (
            "src/core/engine.rs",
            "use crate::core::incident::Incidents;",
        ),
    ] {
        assert_eq!(names_no_layer_above(name, line), [""; 0], "{name}: {line}");
    }
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
    // The file that declares the room names its files.
    if own == "mod" || name == "src/io.rs" {
        return Vec::new();
    }
    let above = [
        "crate::app",
        "crate::commands",
        "crate::core::engine",
        "crate::core::tracker",
    ];
    let banned = |path: &Path| {
        let party = path.segment_after("crate::io");
        let other = party.is_some_and(|party| party != own && !SHARED_IN_IO.contains(&party));
        let is_value = VALUES_OF_THE_STATE.contains(&&*path.full);
        other || (!is_value && above.iter().any(|above| path.starts_with(above)))
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
        ("src/io/store.rs", "use crate::core::tracker::life::Life;"),
        ("src/io/http/mod.rs", "use crate::app::App;"),
    ] {
        assert_eq!(party_knows_no_other(name, line).len(), 1, "{name}: {line}");
    }
    for (name, line) in [
        ("src/io/nats.rs", "use super::feed::Link;"),
        (
            "src/io/store.rs",
            "use crate::core::tracker::life::StopWhy;",
        ),
        ("src/io/http/site.rs", "use super::readiness::Readiness;"),
        (
            "src/io/http/mod.rs",
            "use site::Site; use self::site::Other;",
        ),
        (
            "src/io/sentry.rs",
            "use crate::io::post::Post; use crate::core::notice::Notice; use crate::words;",
        ),
        ("src/io/mod.rs", "pub use nats::Nats;"),
    ] {
        assert_eq!(party_knows_no_other(name, line), [""; 0], "{name}: {line}");
    }
}

/// Each path of the text at which `banned` nods.
fn faults(name: &str, text: &str, banned: impl Fn(&Path) -> bool) -> Vec<String> {
    let found = paths(name, text).into_iter().filter(banned);
    found
        .map(|path| format!("{name}:{}: names {}", path.line, path.full))
        .collect()
}
