//! Texts in, exact faults out.

mod archive;
mod bounds;
mod defaults;
mod downstream;
mod notifiers;
mod routing;
mod silences;
mod sinks;
mod targets;
mod values;

use super::{Reading, read};
use crate::core::entry::MarkerId;
use crate::core::rule::{
    AUTO_LEARNING, By, FORGET_AFTER, FalseAlarms, GROUP_WAIT, Globs, MaxGap, Rule, RuleSet,
    Severity, StreamRule, Watch,
};
use std::time::Duration;

fn files(texts: &[&str]) -> Vec<(String, Vec<u8>)> {
    texts
        .iter()
        .zip('a'..)
        .map(|(text, name)| (format!("{name}.toml"), text.as_bytes().to_vec()))
        .collect()
}

fn lines(reading: &Reading) -> Vec<String> {
    assert_eq!(
        reading.set.is_some(),
        reading.faults.is_empty(),
        "a set exactly where nothing is at fault"
    );
    reading
        .faults
        .iter()
        .chain(&reading.warnings)
        .map(ToString::to_string)
        .collect()
}

#[track_caller]
fn expect(texts: &[&str], expected: &[&str]) {
    let found = lines(&read(&files(texts)));
    assert_eq!(found, expected, "\nof {texts:#?}");
}

#[track_caller]
fn set(texts: &[&str]) -> RuleSet {
    let reading = read(&files(texts));
    assert!(reading.faults.is_empty(), "{:#?}", lines(&reading));
    reading.set.expect("a set where nothing is at fault")
}

const HEAD: &str = "[[rule]]\nname = \"x\"\n";

/// The faults of a rule `x` with one more line, without their place.
#[track_caller]
fn expect_line(line: &str, expected: &str) {
    let found = lines(&read(&files(&[&format!("{HEAD}{line}\n")])));
    let found: Vec<&str> = found
        .iter()
        .filter_map(|found| found.split_once("rule \"x\": "))
        .map(|(_, f)| f)
        .collect();
    let expected: Vec<&str> = expected.split_terminator('\n').collect();
    assert_eq!(found, expected, "\nof {line}");
}

#[test]
fn defaults() {
    assert_eq!(set(&[]), RuleSet::default());
    assert_eq!(
        set(&["[[rule]]\nname = 'x'"]).rules,
        [Rule {
            name: "x".to_owned(),
            watch: Watch::Heartbeat {
                marker: MarkerId(0),
                beat: None
            },
            app: Globs::default(),
            region: Globs::default(),
            by: By::Instance,
            max_gap: MaxGap::Auto,
            false_alarms: FalseAlarms::default(),
            min_rate: None,
            hold: Duration::ZERO,
            recover: 1,
            severity: Severity::Error,
            summary: None,
            runbook: None,
            host: Globs::default(),
            expect: Vec::new(),
            at_least: None,
            remind: None,
            notify: None,
            group_wait: GROUP_WAIT,
            forget_after: FORGET_AFTER,
            on_crash: false,
            restart_silent: false,
            active: None,
            labels: Default::default(),
        }]
    );
    assert_eq!(MaxGap::auto(None, None), AUTO_LEARNING);
}

/// True where two values are the same, durations by their length.
fn same(declared: &toml::Value, printed: &toml::Value) -> bool {
    let span = |value: &toml::Value| {
        let text = value.as_str()?;
        super::duration(text.strip_prefix("1 per ").unwrap_or(text)).ok()
    };
    declared == printed || span(declared).is_some_and(|one| Some(one) == span(printed))
}

#[test]
fn each_declared_default_is_the_one_in_force() {
    let printed = super::print(&set(&["[[rule]]\nname = 'x'"]));
    let printed: toml::Table = printed.parse().expect("TOML");
    for (table, keys) in [
        (&printed["stream"], super::stream::KEYS),
        (&printed["rule"][0], super::rule::KEYS),
        (&printed["rule"][0], super::defaults::KEYS),
    ] {
        for key in keys.iter().filter(|key| key.default != "required") {
            let declared: toml::Table = format!("x = {}", key.default).parse().unwrap_or_default();
            let (declared, printed) = (declared.get("x"), table.get(key.name));
            match (declared, printed) {
                (Some(declared), Some(printed)) => {
                    assert!(same(declared, printed), "{}: {printed:?}", key.name);
                }
                // A matcher that matches everything is not always printed.
                (Some(everything), None) => {
                    assert_eq!(everything.as_str(), Some("*"), "{}", key.name)
                }
                (None, printed) => assert_eq!(printed, None, "{}", key.name),
            }
        }
    }
}

#[test]
fn every_key() {
    let text = r#"
        [stream]
        max_gap = "2m"
        max_lag = "1h 30m"
        severity = "warning"
        summary = "nothing since {since}"
        runbook = "https://example.com/stream"

        [[rule]]
        name = "batch"
        watch = "heartbeat"
        app = ["batch-*", "cron"]
        region = "iad"
        by = "instance"
        marker = "PULSE"
        beat = "worker"
        max_gap = "90s"
        for = "30s"
        recover = 2
        severity = "info"
        summary = "{app} {instance} in {region}: {since} {\"json\": 1}"
        runbook = "http://example.com"
    "#;
    let set = set(&[
        text,
        "[[rule]]\nname = 'logs'\nwatch = 'logs'\nregion = ['lhr', '*']\nmax_gap = 'auto'",
    ]);
    let stream = StreamRule {
        max_gap: MaxGap::Fixed(Duration::from_secs(120)),
        max_lag: Duration::from_secs(5400),
        severity: Severity::Warning,
        summary: Some("nothing since {since}".to_owned()),
        runbook: Some("https://example.com/stream".to_owned()),
        ..StreamRule::default()
    };
    assert_eq!(set.stream, stream);
    assert_eq!(set.markers, ["HEARTBEAT", "PULSE"]);
    let [batch, logs] = set.rules.as_slice() else {
        panic!("two rules")
    };
    assert_eq!(
        batch.watch,
        Watch::Heartbeat {
            marker: MarkerId(1),
            beat: Some("worker".to_owned())
        }
    );
    assert_eq!(
        batch.app,
        Globs(vec!["batch-*".to_owned(), "cron".to_owned()])
    );
    assert_eq!(batch.region, Globs(vec!["iad".to_owned()]));
    assert_eq!(batch.max_gap, MaxGap::Fixed(Duration::from_secs(90)));
    assert_eq!((batch.hold, batch.recover), (Duration::from_secs(30), 2));
    assert_eq!(batch.severity, Severity::Info);
    assert_eq!(
        (&logs.watch, &logs.region),
        (&Watch::Logs, &Globs::default())
    );
}

#[test]
fn five_faults_of_two_files() {
    let first = "[stream]\nmax_gap = \"0s\"\n\n[[rule]]\nname = \"web\"\nmaxgap = \"90s\"\nseverity = \"eror\"\n";
    let second = "[[rule]]\nname = \"web\"\napp = \"[ab\"\n";
    expect(
        &[first, second],
        &[
            "a.toml:2:11: stream.max_gap: \"0s\" is zero; \"auto\", or a duration like \"90s\", \"5m\" or \"1h 30m\"",
            "a.toml:6:1: rule \"web\": maxgap: unknown key, nearest is max_gap; known are name, watch, app, region, \
             host, by, marker, beat, max_gap, min_rate, false_alarms, expect, at_least, for, recover, severity, summary, runbook, remind, \
             notify, active, labels, group_wait, forget_after, on_crash, on_silent",
            "a.toml:7:12: rule \"web\": severity: unknown value \"eror\", nearest is error; allowed are critical, \
             error, warning, info",
            "b.toml:2:8: rule \"web\": name: duplicate name; \"web\" is in a.toml:5; each rule has a name of its own",
            "b.toml:3:7: rule \"web\": app: \"[ab\" has a [ without its ]; a glob is like \"web\", \"batch-*\", \
             \"{iad,lhr}\" or \"!web-staging\", or a list of such",
        ],
    );
}

#[test]
fn broken_toml() {
    expect(
        &[
            "[stream]\nmax_gap = 60s\n[[rule]]\nname = \"x\nrecover = 0\n",
            "[[rule]\nname = 'y'\n",
        ],
        &[
            "a.toml:2:11: string values must be quoted; write \"...\"",
            "a.toml:4:10: invalid basic string; expected `\"`",
            "a.toml:5:11: rule \"x\": recover: 0 is out of range; a whole number from 1 to 100",
            "b.toml:1:8: unclosed array table; expected `]`",
        ],
    );
    expect(
        &["[stream]\nmax_gap = '1m'\nmax_gap = '2m'\n[stream]\n[[rule]]\nname =\n"],
        &[
            "a.toml:3:1: duplicate key",
            "a.toml:4:2: duplicate key",
            "a.toml:6:7: string values must be quoted; write \"...\"",
        ],
    );
    let nested = format!("{}x = 1", "a.".repeat(200));
    expect(&[&nested], &["a.toml:1:1: recursion limit"]);
}

#[test]
fn tables() {
    expect(
        &["max_gap = '1m'\nfoo = 1\n[rules]\n[[streams]]\n[notifier.oncall]\ntype = 'webhook'\n"],
        &[
            "a.toml:1:1: max_gap: a key outside of any table; move it below [stream] or a [[rule]]",
            "a.toml:2:1: foo: a key outside of any table; keys belong below [stream] or a [[rule]]",
            "a.toml:3:2: rules: unknown table, nearest is rule; tables are [stream], [defaults], [[rule]], [[silence]], [[downstream]], [sink.NAME], [[forward]], [notify.NAME] and [archive]",
            "a.toml:4:3: streams: unknown table, nearest is stream; tables are [stream], [defaults], [[rule]], [[silence]], [[downstream]], [sink.NAME], [[forward]], [notify.NAME] and [archive]",
            "a.toml:5:2: notifier: unknown table; tables are [stream], [defaults], [[rule]], [[silence]], [[downstream]], [sink.NAME], [[forward]], [notify.NAME] and [archive]",
        ],
    );
    expect(
        &["[[stream]]\n[rule]\nname = 'x'\n"],
        &[
            "a.toml:1:3: stream: the stream is one table; write [stream] and its keys below",
            "a.toml:2:2: rule: rules are a list of tables; write [[rule]], with two brackets, above each",
        ],
    );
    expect(
        &["# nothing\n\n[stream]\n", "[stream]\nmax_gap = '5m'\n"],
        &[
            "b.toml:1:2: stream: a second [stream]; the first is in a.toml:3; at most one in all files",
        ],
    );
    expect(
        &["rule = [{ name = 'x' }, 3, { app = 'y' }]"],
        &[
            "a.toml:1:25: rule: rules are a list of tables; write [[rule]], with two brackets, above each",
            "a.toml:1:28: name: missing; each [[rule]] has a name of its own",
        ],
    );
}

#[test]
fn markers_are_counted_over_all_files() {
    let rules = |from: usize, to: usize| -> String {
        (from..to)
            .map(|n| format!("[[rule]]\nname = '{n}'\nmarker = 'MARK{n}'\n"))
            .collect()
    };
    assert_eq!(set(&[&rules(0, 8), &rules(8, 15)]).markers.len(), 16);
    expect(
        &[&rules(0, 8), &rules(8, 16)],
        &[
            "b.toml:24:10: rule \"15\": marker: too many markers with \"MARK15\"; at most 16 in all files, HEARTBEAT among them",
        ],
    );
}

#[test]
fn places_in_texts_of_other_editors() {
    expect(
        &["\u{feff}[stream]\r\nmax_gap = \"0s\"\r\n[[rule]]\r\nname = 'Größe' # ö\r\nfür = 1\r\n"],
        &[
            "a.toml:2:11: stream.max_gap: \"0s\" is zero; \"auto\", or a duration like \"90s\", \"5m\" or \"1h 30m\"",
            "a.toml:5:2: invalid unquoted key; expected letters, numbers, `-`, `_`",
        ],
    );
    expect(
        &["[[rule]]\nname = 'x'\nsummary = 'ünï' # ö\n'ü' = { a = 1 }"],
        &[
            "a.toml:4:1: rule \"x\": ü: unknown key; known are name, watch, app, region, host, by, marker, beat, \
           max_gap, min_rate, false_alarms, expect, at_least, for, recover, severity, summary, runbook, remind, notify, active, labels, group_wait, forget_after, on_crash, on_silent",
        ],
    );
}

#[test]
fn no_text() {
    let reading = read(&[(
        "a.toml".to_owned(),
        b"[stream]\nmax_gap = '\xff'\n[x".to_vec(),
    )]);
    assert_eq!(
        lines(&reading),
        ["a.toml:2:12: these bytes are not UTF-8; rule files are UTF-8 text"]
    );
}

#[test]
fn what_the_file_says_stays_on_one_line() {
    let name = "n\\n\\\"".repeat(40);
    let reading = read(&files(&[&format!(
        "[[rule]]\nname = \"{name}\"\n\"k\\ney\" = 1\n"
    )]));
    for line in lines(&reading) {
        assert!(!line.contains('\n') && line.len() < 400, "{line}");
    }
}

#[test]
fn the_rules_that_are_shipped() {
    let examples = include_str!("../../../rules/10-examples.toml");
    let default = include_str!("../../../rules/90-default.toml");
    expect(&[examples, default], &[]);
    let set = set(&[examples, default]);
    assert_eq!(set.stream, StreamRule::default());
    assert_eq!(
        set.markers.len(),
        1,
        "a second marker is one more search in each entry"
    );
    let others = set.rules.iter().filter(|rule| rule.app.matches("web"));
    assert_eq!(
        others.map(|rule| rule.name.as_str()).collect::<Vec<_>>(),
        ["heartbeats"]
    );
}

#[test]
fn rules_that_never_match() {
    let all = "[[rule]]\nname = 'all'\n";
    let never = |place: &str, rule: &str, earlier: &str| {
        format!(
            "{place}: rule \"{rule}\": never matches: \"{earlier}\" in a.toml:2 has all of its targets; the first \
             matching rule applies, so put specific ones first"
        )
    };
    let after = |rule: &str| format!("[[rule]]\nname = 'late'\n{rule}\n");
    let cases = [
        ("", "", true),
        ("", "app = 'web'", true),
        ("app = '*'", "app = ['web', 'api-*']", true),
        ("app = 'web-*'", "app = 'web-1'", true),
        ("app = '{web,api}'", "app = ['web', 'api']", true),
        ("app = ['a*', 'b*']", "app = ['b*']\nregion = 'iad'", true),
        ("", "beat = 'worker'", true),
        ("app = 'web-*'", "app = 'web-1*'", false),
        ("app = 'web'", "", false),
        ("region = 'iad'", "app = 'web'", false),
        ("beat = 'worker'", "", false),
        ("", "watch = 'logs'", false),
        ("", "marker = 'PULSE'", false),
        ("app = 'web-*'", "app = '!web-1'", false),
        ("host = '0ad1'", "app = 'web'", false),
        ("", "host = '0ad1'", true),
        ("", "by = 'app'", false),
        ("by = 'app'", "by = 'app'\nexpect = ['web']", true),
    ];
    for (first, second, is_never) in cases {
        let expected = if is_never {
            vec![never("b.toml:2:8", "late", "all")]
        } else {
            Vec::new()
        };
        let texts = [format!("{all}{first}\n"), after(second)];
        let reading = read(&files(&[&texts[0], &texts[1]]));
        assert!(reading.set.is_some());
        assert_eq!(lines(&reading), expected, "{first} then {second}");
    }
    expect(
        &["[stream]"],
        &[
            "a.toml:1:1: no [[rule]] in any file: only the stream as a whole is watched; a [[rule]] with only a name \
           watches every heartbeat",
        ],
    );
}
