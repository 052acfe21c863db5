//! Rust files: their length, and marks of unfinished work.

use super::holds;

/// Lines of a file of the product at most.
const MAX_LINES: usize = 500;

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
