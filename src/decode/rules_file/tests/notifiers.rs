//! `[notify.NAME]`, its variables, and the rules that name one.

use super::super::{print, read, read_with_env};
use super::{expect, files, lines};
use crate::core::rule::NotifierKind;

const SECRET: &str = "https://hooks.example.com/s3cret?key=s3cret";

fn env(name: &str) -> Option<String> {
    match name {
        "ONCALL_URL" => Some(SECRET.to_owned()),
        "KEY" => Some("s3cret".to_owned()),
        "BROKEN" => Some("s3cret but no address".to_owned()),
        "SENTRY_DSN" => Some("https://s3cret@example.com/1".to_owned()),
        _ => None,
    }
}

#[track_caller]
fn expect_in_env(text: &str, expected: &[&str]) {
    let reading = read_with_env(&files(&[text]), &env);
    assert_eq!(lines(&reading), expected, "\nof {text}");
    assert!(!format!("{reading:?}").contains("s3cret"), "{reading:?}");
}

const ALL: &str = "
    [notify.oncall]
    type = 'webhook'
    url = '${ONCALL_URL}'
    [notify.other]
    type = 'webhook'
    url = 'https://example.com/${KEY}'
    [notify.second]
    type = 'sentry'
    dsn = 'https://${KEY}@sentry.example.com/2'
    [notify.third]
    type = 'sentry'
    [[rule]]
    name = 'x'
    notify = ['sentry', 'oncall', 'other', 'second', 'third']
";

#[test]
fn secrets_are_filled_in_and_never_shown() {
    expect_in_env(ALL, &[]);
    let set = read_with_env(&files(&[ALL]), &env).set.expect("a set");
    let kinds: Vec<&NotifierKind> = set.notifiers.iter().map(|one| &one.kind).collect();
    let url = |url: &str| NotifierKind::Webhook {
        url: url.to_owned(),
    };
    let sentry = |dsn: Option<&str>| NotifierKind::Sentry {
        dsn: dsn.map(str::to_owned),
    };
    assert_eq!(
        kinds,
        [
            &url(SECRET),
            &url("https://example.com/s3cret"),
            &sentry(Some("https://s3cret@sentry.example.com/2")),
            &sentry(None),
        ]
    );
    let printed = print(&set);
    assert!(!printed.contains("s3cret"), "{printed}");
    assert!(
        printed.contains("[notify.oncall]\ntype         = \"webhook\"\nurl          = \"***\"\n"),
        "{printed}"
    );
    // As it is written in the files, a variable that stands alone is shown.
    let unfilled = print(&read(&files(&[ALL])).set.expect("a set"));
    assert!(
        unfilled.contains("\"${ONCALL_URL}\"") && !unfilled.contains("example.com"),
        "{unfilled}"
    );
}

#[test]
fn what_is_wrong_with_a_notifier_names_no_value() {
    const URL: &str = "an address is like https://example.com/hook, or ${VARIABLE}";
    const DSN: &str = "a DSN is like https://KEY@HOST/PROJECT, or ${VARIABLE}";
    expect_in_env(
        "[notify.a]\ntype = 'webhook'\nurl = '${NONE}'\n[notify.b]\ntype = 'webhook'\nurl = '${BROKEN}'\n\
         [notify.c]\ntype = 'sentry'\ndsn = 'https://s3cret'\n[notify.d]\ntype = 'webhok'\n[notify.e]\nurl = 's3cret'\n\
         [notify.f]\ntype = 'webhook'\ndsn = 'https://s3cret@x/1'\n[notify.sentry]\ntype = 'sentry'\n\
         [notify.'a b']\ntype = 'sentry'\n[notify.g]\ntype = 'webhook'\nurl = '${KEY'\nuri = 1\n",
        &[
            "a.toml:3:7: notify.a.url: the variable NONE is not set; set it in the environment of lastbeat",
            &format!("a.toml:6:7: notify.b.url: what stands in ${{BROKEN}} is none; {URL}"),
            &format!("a.toml:9:7: notify.c.dsn: this is none; {DSN}"),
            "a.toml:11:8: notify.d.type: unknown value \"webhok\", nearest is webhook; allowed are sentry, webhook",
            "a.toml:12:9: notify.e.type: missing; sentry or webhook",
            &format!("a.toml:14:9: notify.f.url: missing; {URL}"),
            "a.toml:16:7: notify.f.dsn: does not go with this type; a notifier of type webhook has a url",
            "a.toml:17:9: notify.sentry: \"sentry\" is the notifier of SENTRY_DSN; take another name",
            "a.toml:19:9: notify.a b: \"a b\" is no notifier's name; a name is letters, digits, - and _, of 1 to 40 \
             characters",
            "a.toml:23:7: notify.g.url: a ${ without its }; a variable is written ${NAME}, its name of A-Z a-z 0-9 _",
            "a.toml:24:1: notify.g.uri: unknown key, nearest is url; known are type, dsn, url",
        ],
    );
    expect(
        &["notify = 1\n", "[notify]\noncall = 1\n"],
        &[
            "a.toml:1:1: notify: a notifier is a table; write [notify.NAME] and its keys below",
            "b.toml:2:1: notify.oncall: a notifier is a table; write [notify.NAME] and its keys below",
        ],
    );
}

#[test]
fn rules_name_notifiers_of_any_file() {
    let oncall = "[notify.oncall]\ntype = 'webhook'\nurl = 'https://x'\n";
    let rule = "[[rule]]\nname = 'x'\nnotify = 'oncal'\nmax_gap = '90'\n";
    expect(
        &[rule, oncall, oncall],
        &[
            "a.toml:3:10: rule \"x\": notify: no notifier is called \"oncal\", nearest is oncall; known are sentry, oncall",
            "a.toml:4:11: rule \"x\": max_gap: \"90\" has a number without a unit; \"auto\", or a duration like \"90s\", \
             \"5m\" or \"1h 30m\"",
            "c.toml:1:9: notify.oncall: the name is taken; the first stands in b.toml:1; each notifier has a name of its own",
        ],
    );
    let reading = read_with_env(
        &files(&["[[rule]]\nname = 'x'\nnotify = 'sentry'\n"]),
        &|_| None,
    );
    assert_eq!(
        lines(&reading),
        [
            "a.toml:3:10: rule \"x\": notify: SENTRY_DSN is not set: \"sentry\" tells nobody; set it in the environment of \
             lastbeat"
        ]
    );
}
