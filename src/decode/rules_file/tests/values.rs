//! Single values: a rule `x` with one more line, and what is said of it.

use super::{expect, expect_line};

#[test]
fn durations() {
    const ALLOWED: &str = "\"auto\", or a duration like \"90s\", \"5m\" or \"1h 30m\"";
    let cases = [
        ("90", "this is an integer"),
        ("true", "this is a boolean"),
        ("\"\"", "empty"),
        ("\"90\"", "\"90\" has a number without a unit"),
        (
            "\"5 apples\"",
            "\"5 apples\" has the unknown unit \"apples\"",
        ),
        ("\"-5s\"", "invalid duration \"-5s\""),
        ("\"soon\"", "invalid duration \"soon\""),
        ("\"0s\"", "\"0s\" is zero"),
        ("\"367d\"", "\"367d\" is longer than 366 days"),
        (
            "\"99999999999s\"",
            "a number in \"99999999999s\" is too long",
        ),
        (
            "\"18446744073709551615s 1000ms\"",
            "a number in \"18446744073709551615s 1000ms\" is too long",
        ),
        (
            "\"9 9 9 9 9 9 9 9 9 9 9s\"",
            "a number in \"9 9 9 9 9 9 9 9 9 9 9s\" is too long",
        ),
    ];
    for (value, what) in cases {
        expect_line(
            &format!("max_gap = {value}"),
            &format!("max_gap: {what}; {ALLOWED}"),
        );
    }
    expect_line("max_gap = 'auto'", "");
    expect_line("max_gap = '366d'", "");
    expect_line("max_gap = '250ms'", "");
    expect_line("for = '0s'", "");
    expect_line(
        "for = 'auto'",
        "for: invalid duration \"auto\"; a duration is like \"90s\", \"5m\" or \"1h 30m\"",
    );
    expect_line(
        &format!("for = '{}'", "1s ".repeat(30)),
        &format!(
            "for: \"{}...\" is too long for a duration; a duration is like \"90s\", \"5m\" or \"1h 30m\"",
            "1s ".repeat(20)
        ),
    );
    expect(
        &["[stream]\nmax_lag = 'auto'\n"],
        &[
            "a.toml:2:11: stream.max_lag: invalid duration \"auto\"; a duration is like \"90s\", \"5m\" or \"1h 30m\"",
        ],
    );
}

#[test]
fn globs() {
    const ALLOWED: &str =
        "a glob is like \"web\", \"batch-*\", \"{iad,lhr}\" or \"!web-staging\", or a list of such";
    let long = "a".repeat(201);
    let ways = "{a,b,c,d,e,f,g,h}".repeat(3);
    let cases = [
        ("app = ''", "app: an empty glob matches nothing"),
        ("app = 7", "app: this is an integer"),
        ("app = ['web', 7]", "app: this is an integer"),
        (
            "region = 'a b'",
            "region: \"a b\" holds a space, which no name has",
        ),
        ("app = '{a,b'", "app: \"{a,b\" has a { without its }"),
        ("app = 'a\\'", "app: \"a\\\\\" ends with a lone \\"),
        (
            "app = '{{{{{{{{{{{a}}}}}}}}}}}'",
            "app: \"{{{{{{{{{{{a}}}}}}}}}}}\" has more than 10 pairs of braces",
        ),
        (
            &format!("app = '{long}'"),
            "app: the glob is longer than 200 bytes",
        ),
        (
            &format!("app = '{ways}'"),
            &format!("app: the braces of \"{ways}\" stand for more than 256 texts"),
        ),
    ];
    for (line, what) in cases {
        expect_line(line, &format!("{what}; {ALLOWED}"));
    }
    expect_line(
        "app = ['', '[']",
        &format!(
            "app: an empty glob matches nothing; {ALLOWED}\napp: \"[\" has a [ without its ]; {ALLOWED}"
        ),
    );
    expect_line(
        "app = []",
        "app: an empty list matches nothing; remove the key to match everything",
    );
    expect_line(
        &format!("app = [{}]", "'a',".repeat(101)),
        "app: 101 globs; a list may have 100",
    );
    expect_line("app = ['{a,b}-*', '!c', 'x[0-9]?']", "");
}

#[test]
fn words() {
    const MARKER: &str = "a marker is a word of 3 to 64 of A-Z a-z 0-9 _";
    expect_line("marker = ''", &format!("marker: empty; {MARKER}"));
    expect_line(
        "marker = 'AB'",
        &format!("marker: \"AB\" has 2 characters; {MARKER}"),
    );
    expect_line(
        "marker = 'ALIVE!'",
        &format!("marker: \"ALIVE!\" is not one word; {MARKER}"),
    );
    expect_line("marker = 'I_AM_1'", "");
    const BEAT: &str = "the name= of a beat is one word of 1 to 64 characters";
    expect_line("beat = ''", &format!("beat: empty; {BEAT}"));
    expect_line(
        "beat = 'a b'",
        &format!("beat: \"a b\" is not one word; {BEAT}"),
    );
    expect_line(&format!("beat = '{}'", "b".repeat(64)), "");
    expect_line(
        "watch = 'log'",
        "watch: unknown value \"log\", nearest is logs; allowed are heartbeat, logs",
    );
    expect_line(
        "by = 'apps'",
        "by: unknown value \"apps\", nearest is app; allowed are instance, app-region, app, region",
    );
    expect_line(
        "severity = 3",
        "severity: this is an integer; allowed are critical, error, warning, info",
    );
    for value in ["0", "101", "-1", "99999999999999999999"] {
        expect_line(
            &format!("recover = {value}"),
            &format!("recover: {value} is out of range; a whole number from 1 to 100"),
        );
    }
    expect_line(
        "recover = 2.0",
        "recover: this is a float; a whole number from 1 to 100",
    );
    expect_line("recover = 0x10", "");
    expect_line(
        "watch = 'logs'\nmarker = 'ABC'\nbeat = 'b'",
        "marker: watch = \"logs\" accepts any entry, with or without a marker; remove it, or set watch = \"heartbeat\"\n\
         beat: watch = \"logs\" accepts any entry, with or without a beat; remove it, or set watch = \"heartbeat\"",
    );
    expect_line(
        "summary = '{apps} is silent'",
        "summary: unknown placeholder {apps}, nearest is app; allowed are {app}, {region}, {instance}, {host}, \
         {beat}, {since}, {gap}, {max_gap}, {rule}, {scope}",
    );
    expect_line(
        "summary = \"a\\nb\"",
        "summary: \"a\\nb\" holds a control character; a summary is one line of 1 to 500 characters",
    );
    expect_line(
        "runbook = 'wiki'",
        "runbook: invalid address \"wiki\"; an address is like \"https://example.com/runbook\"",
    );
    expect(
        &[
            "[[rule]]\nname = 'stream'\n[[rule]]\nname = ''\n[[rule]]\n[[rule]]\nname = 5\n[stream]\nsummary = '{app}'",
        ],
        &[
            "a.toml:2:8: rule \"stream\": name: \"stream\" is the name of the stream's own rule; choose another",
            "a.toml:4:8: name: empty; a name is text of 1 to 100 characters",
            "a.toml:5:1: name: missing; each [[rule]] has a name of its own",
            "a.toml:7:8: name: this is an integer; a name is text of 1 to 100 characters",
            "a.toml:9:11: stream.summary: unknown placeholder {app}; allowed are {since}, {gap}, {max_gap}, {rule}, {scope}",
        ],
    );
}
