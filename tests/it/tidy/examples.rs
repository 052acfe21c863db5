//! Rules and tests of rules that the pages show: `check` and `test` accept them as they stand.

use super::holds_of_pages;
use super::markdown::{Block, parse};
use super::read;
use crate::support::folder::Folder;
use crate::support::lastbeat::Setup;
use std::time::Duration;

/// Variables of secrets in the examples.
const SECRETS: [&str; 11] = [
    "BETTERSTACK_USER",
    "BETTERSTACK_PASSWORD",
    "LOKI_USER",
    "LOKI_TOKEN",
    "LOKI_WRITE_TOKEN",
    "OTLP_TOKEN",
    "BETTERSTACK_SOURCE_TOKEN",
    "CLICKHOUSE_PASSWORD",
    "DD_API_KEY",
    "DD_APP_KEY",
    "SEARCH_TOKEN",
];
const SOON: Duration = Duration::from_secs(60);
/// The rule for everything, which applies behind those of a page.
const DEFAULT: &str = "rules/90-default.toml";

#[test]
fn every_example_of_rules_is_accepted() {
    holds_of_pages(examples_are_accepted);
}

fn examples_are_accepted(name: &str, text: &str) -> Vec<String> {
    let blocks = parse(text).blocks.into_iter();
    let blocks: Vec<Block> = blocks.filter(|block| block.language == "toml").collect();
    let (tests, rules): (Vec<&Block>, Vec<&Block>) = blocks
        .iter()
        .partition(|block| block.text.contains("[[test]]"));
    if blocks.is_empty() {
        return Vec::new();
    }
    let folder = Folder::new("examples");
    std::fs::create_dir(folder.path().join("tests")).expect("the folder is fresh");
    let page: String = rules
        .iter()
        .map(|block| format!("{}\n", block.text))
        .collect();
    // A set has one [stream], and the page's own says it.
    let default = read(DEFAULT).text;
    let default = default.split_once("[[rule]]").map_or("", |(_, rule)| rule);
    folder.write("10-page.toml", &page);
    folder.write("90-default.toml", &format!("[[rule]]{default}"));
    let folder_name = folder.path().to_string_lossy().into_owned();
    let mut faults = Vec::from_iter(said(name, &["check", "--strict", "--rules", &folder_name]));
    for test in tests {
        let rules = if test.text.contains("rules = ") {
            ""
        } else {
            "rules = \"..\"\n"
        };
        folder.write("tests/page.toml", &format!("{rules}{}", test.text));
        faults.extend(said(name, &["test", &folder_name]));
    }
    faults
}

/// What lastbeat prints where it does not accept something.
fn said(name: &str, arguments: &[&str]) -> Option<String> {
    // Addresses and secrets in an example come from the environment.
    let setup = Setup::new().env("ONCALL_URL", "https://example.com/hook");
    let setup = SECRETS
        .iter()
        .fold(setup, |setup, name| setup.env(name, "s3cret"));
    let mut child = setup.command(arguments);
    let code = child.wait_end(SOON);
    (code != 0).then(|| format!("{name}: {}: {}", arguments[0], child.lines().join("\n")))
}

#[test]
fn an_example_that_is_not_accepted_is_found() {
    let faults = |blocks: &[&str]| {
        let fenced = blocks
            .iter()
            .map(|block| format!("```toml\n{block}\n```\n"));
        examples_are_accepted("x.md", &fenced.collect::<String>()).len()
    };
    let test = |expect: &str| {
        format!(
            "[[test]]\nname = \"x\"\nlines = [\"web/iad/a beats every 30s from 0s to 5m\", \
             \"api/iad/a logs every 10s from 0s to 30m\"]\nexpect = [\"{expect}\"]"
        )
    };
    let rule = "[[rule]]\nname = \"x\"\napp = \"web\"\nmax_gap = \"2m\"";
    let (good, bad) = (
        test("told web/iad/a opened at 6m30s..7m"),
        test("nothing told"),
    );
    assert_eq!(faults(&[rule, &good]), 0);
    assert_eq!(faults(&[rule, &bad]), 1);
    assert_eq!(faults(&["[[rule]]\nname = \"x\"\nmax_gapp = \"2m\""]), 1);
    assert_eq!(faults(&[]), 0);
}
