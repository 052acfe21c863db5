mod words;

use super::*;
use std::time::Duration;

/// The fault of one line of a test; empty where it has none.
fn fault(key: &str, line: &str) -> String {
    let (mut lines, mut expect) = ("stream cut from 1m to 2m", "nothing told");
    match key {
        "lines" => lines = line,
        _ => expect = line,
    }
    let text = format!(
        "rules = \"x\"\n[[test]]\nname = \"t\"\nlines = [\n\"{lines}\"]\nexpect = [\n\"{expect}\"]\n"
    );
    match read("t.toml", text.as_bytes()) {
        Ok(_) => String::new(),
        Err(faults) => faults[0].to_string(),
    }
}

fn case(lines: &str) -> Case {
    let text = format!(
        "rules = \"x\"\n[[test]]\nname = \"t\"\nexpect = [\"nothing told\"]\nlines = [{lines}]\n"
    );
    let mut file = read("t.toml", text.as_bytes()).expect("it is whole");
    file.cases.remove(0)
}

#[test]
fn a_line_that_cannot_be_read_is_told_with_its_place_and_the_rest_is_read() {
    for (key, line, place, what) in [
        ("lines", "web/iad beats every 5s", "5:2", "is no instance"),
        (
            "lines",
            "web/iad/a beats evry 5s",
            "5:18",
            "cannot read \\\"evry\\\"",
        ),
        (
            "lines",
            "web/iad/a beats every 5s from 2m to 1m",
            "5:38",
            "ends before it begins",
        ),
        ("lines", "web/iad/a beats every 0s", "5:24", "too often"),
        (
            "lines",
            "web/iad/a sings at 5m",
            "5:12",
            "beats, logs, says 'TEXT' or silent",
        ),
        (
            "lines",
            "web/iad/a says 'x at 5m",
            "5:17",
            "a quote that never ends",
        ),
        (
            "lines",
            "web/iad/i{1..99999} logs at 5m",
            "5:2",
            "is no range",
        ),
        (
            "lines",
            "stream cut from 4m",
            "5:20",
            "the line ends too early",
        ),
        (
            "lines",
            "silence ap=web from 4m to 5m",
            "5:10",
            "unknown matcher",
        ),
        (
            "expect",
            "at 5 firing web/iad/a",
            "7:5",
            "number without a unit",
        ),
        ("expect", "at 5m frying web/iad/a", "7:8", "cannot read"),
        (
            "expect",
            "told HeartbeatMised web/iad/a",
            "7:7",
            "is no alert, nearest is HeartbeatMissed; alerts are AppRegionSilent",
        ),
        ("expect", "told web/iad/a opend", "7:17", "then may stand"),
        (
            "lines",
            "stream cut every 2m for 3m",
            "5:26",
            "the pieces leave nothing between them",
        ),
        (
            "lines",
            "web/iad/a beats counting at 5m",
            "5:32",
            "beats counting every D",
        ),
        (
            "lines",
            "web/iad/a logs every 5s, losing 101%",
            "5:34",
            "is no share",
        ),
        ("lines", "web/iad/a's clock ticks", "5:14", "clock off by D"),
        (
            "lines",
            "inventory lists web/iad/a as begun",
            "5:31",
            "unknown state \\\"begun\\\"",
        ),
        (
            "lines",
            "lastbeat runs as web/iad/[ab]",
            "5:19",
            "lastbeat is one instance",
        ),
        (
            "lines",
            "web/iad/{20..01} silent from 1m to 2m",
            "5:2",
            "is no range",
        ),
        (
            "lines",
            "web/iad/a late by 1s..5m from 1m",
            "5:34",
            "a lag that grows has an end",
        ),
        (
            "expect",
            "at 5m 2 incidents shut",
            "7:10",
            "N incidents open",
        ),
        (
            "expect",
            "at 5m incident of app web has many members",
            "7:32",
            "has 7 members",
        ),
        ("expect", "told 3..1 times opened", "7:7", "then may stand"),
        (
            "expect",
            "told app web affecting few",
            "7:25",
            "affecting N",
        ),
        (
            "expect",
            "told web/iad/a at 5m..4m",
            "7:20",
            "ends before it begins",
        ),
    ] {
        let said = fault(key, line).replace('"', "\\\"");
        assert!(
            said.starts_with(&format!("t.toml:{place}: {key}: ")),
            "{line}\n{said}"
        );
        assert!(said.contains(what), "{line}\n{said}");
    }
    let two = "rules = 'x'\n[[test]]\nname = 't'\nlines = ['x', 'y']\nexpect = ['z']\nmore = 1\n";
    let faults = read("t.toml", two.as_bytes()).expect_err("four faults");
    assert_eq!(faults.len(), 4, "{faults:?}");
}

#[test]
fn one_line_may_be_many_and_go_on() {
    let case = case(
        "\"{web,api}/iad/i{08..10} beats every 30s from 1m to 5m, not from 2m to 3m, all at once\"",
    );
    let Event::Speech(speech) = &case.lines[0].what else {
        panic!("{:?}", case.lines)
    };
    let names: Vec<String> = speech.who.iter().map(Name::path).collect();
    assert_eq!(names.len(), 6);
    assert_eq!(
        (names[0].as_str(), names[5].as_str()),
        ("web/iad/i08", "api/iad/i10")
    );
    assert_eq!(speech.not[0].span.from, Duration::from_secs(120));
    assert_eq!(
        (speech.start, case.end),
        (Start::Together, Duration::from_secs(300))
    );
}

#[test]
fn rules_within_the_file_know_their_line() {
    let text = "[[test]]\nname = 't'\nrules = '''\n[[rule]]\nname = 'x'\n'''\nlines = ['a/b/c logs at 1s']\nexpect = ['nothing told']\n";
    let file = read("t.toml", text.as_bytes()).expect("it is whole");
    let RulesFrom::Text { lines_before, text } = &file.cases[0].rules else {
        panic!("{file:?}")
    };
    assert_eq!(
        (*lines_before, text.as_str()),
        (3, "[[rule]]\nname = 'x'\n")
    );
}

proptest::proptest! {
    #[test]
    fn any_line_is_read_or_told(line in "[ -~]{0,60}|((web/iad/[a-d]|web/iad/a's|stream|told|at|from|to|5m|beats|counting|every|for|cut|down|lastbeat|late|by|clock|off|held|inventory|lists|as|incident|of|has|most|least|times|only|opened|3|1..2|,) ){0,9}") {
        let bad = event::read(&line).err();
        proptest::prop_assert!(bad.is_none_or(|bad| bad.at <= line.len()));
        let bad = expect::read(&line).err();
        proptest::prop_assert!(bad.is_none_or(|bad| bad.at <= line.len()));
    }
}
