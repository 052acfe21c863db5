//! The tables of the guide are those that the declarations in the code give.

use crate::support::testbed::project;
use lastbeat::decode::{rules_file, settings};

const GUIDE: &str = "docs/guide.md";

#[test]
fn the_guide_lists_every_setting() {
    holds("settings", &settings::markdown());
}

#[test]
fn the_guide_lists_every_key_of_the_rules() {
    holds("rule keys", &rules_file::markdown());
}

#[track_caller]
fn holds(name: &str, table: &str) {
    let text = std::fs::read_to_string(project().join(GUIDE)).expect("the guide is there");
    if let Some(fault) = fault(&text, name, table) {
        panic!("{fault}");
    }
}

/// The fault of a guide whose part between `<!-- NAME -->` and `<!-- /NAME -->` is not the table.
fn fault(text: &str, name: &str, table: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let part = text
        .split_once(&begin)
        .and_then(|(_, rest)| rest.split_once(&end));
    let shown = |what: &str| format!("{GUIDE}: {what}; it is\n{begin}{table}{end}");
    match part {
        None => Some(shown("a table is missing")),
        Some((part, _)) if part != table => Some(shown("a table is not that of the code")),
        Some(_) => None,
    }
}

#[test]
fn a_guide_that_lags_behind_is_found() {
    let table = "| a |\n";
    assert_eq!(
        fault("x\n<!-- t -->\n| a |\n<!-- /t -->\n", "t", table),
        None
    );
    for text in [
        "",
        "<!-- t -->\n| b |\n<!-- /t -->\n",
        "<!-- t -->\n| a |\n",
    ] {
        assert!(fault(text, "t", table).is_some(), "{text:?}");
    }
}
