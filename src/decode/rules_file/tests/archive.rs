use super::*;
use crate::core::rule::{ArchiveRule, DropRule, Globs, Keep};
use crate::decode::rules_file::print;
use std::time::Duration;

#[test]
fn an_archive_is_read_and_printed_as_it_is() {
    let set = set(&[r#"
        [archive]
        keep = "beats"
        max_size = "2GB"
        max_age = "3d"
        min_free = "20%"
        drop = [{ app = ["web", "api"], contains = "GET /health" }, { app = "noise-*" }]
        redact = ['token=\w+', "secret"]
    "#]);
    let globs = |names: &[&str]| Globs(names.iter().map(|name| (*name).to_owned()).collect());
    let expected = ArchiveRule {
        keep: Keep::Beats,
        max_size: Some(2_000_000_000),
        max_age: Duration::from_secs(3 * 24 * 3600),
        min_free: 20,
        drop: vec![
            DropRule {
                app: globs(&["web", "api"]),
                contains: "GET /health".to_owned(),
            },
            DropRule {
                app: globs(&["noise-*"]),
                contains: String::new(),
            },
        ],
        redact: vec![r"token=\w+".to_owned(), "secret".to_owned()],
    };
    assert_eq!(set.archive, expected);
    let printed = print(&set);
    assert_eq!(super::set(&[&printed]).archive, expected, "{printed}");
}

#[test]
fn sizes_have_units_and_every_fault_its_place() {
    for (text, bytes) in [
        ("16MB", 16_000_000),
        ("16MiB", 16 << 20),
        ("500 MB", 500_000_000),
        ("1TiB", 1 << 40),
    ] {
        let set = set(&[&format!("[archive]\nmax_size = '{text}'")]);
        assert_eq!(set.archive.max_size, Some(bytes), "{text}");
    }
    for (line, fault) in [
        (
            "max_size = '15MB'",
            "archive.max_size: \"15MB\" is too small",
        ),
        ("max_size = '2'", "archive.max_size: invalid size \"2\""),
        (
            "max_size = '99999999999TB'",
            "archive.max_size: invalid size",
        ),
        (
            "min_free = '91%'",
            "archive.min_free: invalid percentage \"91%\"",
        ),
        ("min_free = 15", "archive.min_free: this is an integer"),
        ("keep = 'none'", "archive.keep: unknown value \"none\""),
        ("max_age = '1m'", "archive.max_age: \"1m\" is too short"),
        (
            "redact = ['(']",
            "archive.redact: invalid regular expression",
        ),
        (
            "redact = ['x*']",
            "archive.redact: \"x*\" matches the empty text",
        ),
        ("drop = 'web'", "archive.drop: not a list"),
        ("drop = ['web']", "archive.drop: not a table"),
        ("drop = [{}]", "archive.drop.app: missing"),
        ("drop = [{ text = 'x' }]", "archive.drop.text: unknown key"),
        ("size = '1GB'", "archive.size: unknown key"),
    ] {
        let found = lines(&read(&files(&[&format!("[archive]\n{line}")])));
        assert!(
            found.iter().any(|found| found.contains(fault)),
            "{line}: {found:?}"
        );
    }
    let twice = lines(&read(&files(&["[archive]", "[archive]"])));
    assert!(twice[0].contains("a second [archive]"), "{twice:?}");
    let list = lines(&read(&files(&["[[archive]]"])));
    assert!(list[0].contains("the archive is one table"), "{list:?}");
}
