//! What a build fetches from others is named by what it is, a digest or a commit, and not by a name that can be moved.

use super::{files, read, without_faults};

#[test]
fn what_a_build_fetches_cannot_be_moved() {
    let mut all = files(".github", &["yml"]);
    all.push(read("Dockerfile"));
    without_faults(&all, is_pinned);
}

/// Actions by their commit, base images by their digest. A stage of the same file is no base image.
fn is_pinned(name: &str, text: &str) -> Vec<String> {
    let mut stages = vec!["scratch"];
    let mut faults = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let words: Vec<&str> = line
            .trim_start()
            .trim_start_matches("- ")
            .split_whitespace()
            .collect();
        let (what, mark, digits) = match *words {
            ["uses:", what, ..] => (what, "@", 40),
            ["FROM", what, ..] if !stages.contains(&what) => (what, "@sha256:", 64),
            _ => continue,
        };
        if let [.., "AS", stage] = *words {
            stages.push(stage);
        }
        let pin = what.rsplit_once(mark).map_or("", |(_, pin)| pin);
        if pin.len() != digits || !pin.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            faults.push(format!(
                "{name}:{number}: {what} can be moved: add {mark} and {digits} digits"
            ));
        }
    }
    faults
}

#[test]
fn what_can_be_moved_is_found() {
    let digest = "0123456789abcdef".repeat(4);
    for pinned in [
        &format!(
            "FROM rust:1@sha256:{digest} AS build\nFROM build\nFROM scratch\nCOPY --from=build / /"
        ),
        &format!("      - uses: actions/checkout@{} # v4", &digest[..40]),
    ] {
        assert!(is_pinned("x", pinned).is_empty(), "{pinned}");
    }
    for moving in [
        "FROM rust:1 AS build",
        "FROM rust@sha256:12",
        "      - uses: actions/checkout@v4",
        "uses: a/b",
    ] {
        assert_eq!(is_pinned("x", moving).len(), 1, "{moving}");
    }
}
