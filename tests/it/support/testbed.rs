//! Where the real servers are. A missing one is a failure that says how to get it, never a skipped test.

use std::path::{Path, PathBuf};

/// The project's own folder.
pub fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file that `tests/run` fetched, by its path inside the testbed.
#[track_caller]
pub fn fetched(inside: &str) -> PathBuf {
    let bed = std::env::var_os("LASTBEAT_TESTBED")
        .map_or_else(|| project().join("target/testbed"), PathBuf::from);
    let path = bed.join(inside);
    assert!(
        path.exists(),
        "{} is missing: run `tests/run` once, it fetches the servers that the tests talk to",
        path.display()
    );
    path
}

/// A file of `tests/testbed`.
pub fn script(name: &str) -> PathBuf {
    project().join("tests/testbed").join(name)
}

/// The text of a file of `tests/testbed`.
pub fn template(name: &str) -> String {
    let path = script(name);
    std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}
