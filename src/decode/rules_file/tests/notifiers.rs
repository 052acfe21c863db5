//! `[notify.NAME]`, its variables, and the rules that name one.

use super::super::{print, read, read_with_env};
use super::{expect, files, lines};
use crate::core::rule::{BodyFormat, NotifierKind, SentryApi};
use std::time::Duration;

const SECRET: &str = "https://hooks.example.com/s3cret?key=s3cret";

fn env(name: &str) -> Option<String> {
    match name {
        "ONCALL_URL" => Some(SECRET.to_owned()),
        "KEY" => Some("s3cret".to_owned()),
        "BROKEN" => Some("s3cret but no address".to_owned()),
        "AM" => Some("http://u:s3cret@am:9093".to_owned()),
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
        secret: None,
        timeout: Duration::from_secs(10),
        format: BodyFormat::Json,
        routing_key: None,
        chat_id: None,
    };
    let sentry = |dsn: Option<&str>| NotifierKind::Sentry {
        dsn: dsn.map(str::to_owned),
        resolve: None,
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
            &format!("a.toml:6:7: notify.b.url: invalid value in ${{BROKEN}}; {URL}"),
            &format!("a.toml:9:7: notify.c.dsn: invalid value; {DSN}"),
            "a.toml:11:8: notify.d.type: unknown value \"webhok\", nearest is webhook; allowed are sentry, webhook, email, alertmanager",
            "a.toml:12:9: notify.e.type: missing; sentry, webhook, email or alertmanager",
            &format!("a.toml:14:9: notify.f.url: missing; {URL}"),
            "a.toml:16:7: notify.f.dsn: does not go with this type; type webhook has url, secret, timeout, format, \
             routing_key, chat_id",
            "a.toml:19:9: notify.a b: invalid name \"a b\"; a name is letters, digits, - and _, of 1 to 40 \
             characters",
            "a.toml:23:7: notify.g.url: a ${ without its }; a variable is written ${NAME}, its name of A-Z a-z 0-9 _",
            "a.toml:24:1: notify.g.uri: unknown key, nearest is url; known are type, severity, dsn, resolve, api_token, \
             organization, api_url, url, secret, timeout, format, routing_key, chat_id, from, to, urls",
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
fn a_mail_server_gets_no_password_in_the_clear() {
    const SERVER: &str = "a mail server is like smtps://USER:PASSWORD@HOST, with %40 for an @ in the user, or ${VARIABLE}";
    const MAILBOX: &str = "an address is like oncall@example.com, or ${VARIABLE}";
    let good = "[notify.mail]\ntype = 'email'\nurl = 'smtp://me:${KEY}@mail.example.com'\nfrom = 'lastbeat <l@example.com>'\n\
                to = ['a@example.com', 'b@example.com']\n[[rule]]\nname = 'beats'\n";
    expect_in_env(good, &[]);
    let set = read_with_env(&files(&[good]), &env).set.expect("a set");
    assert!(print(&set).contains("url          = \"***\"\n"));
    expect_in_env(
        "[notify.a]\ntype = 'email'\nurl = 'smtp://me:s3cret@x?tls=off'\nfrom = 'nobody'\nto = []\n[notify.b]\ntype = 'email'\n",
        &[
            &format!("a.toml:3:7: notify.a.url: invalid value; {SERVER}"),
            &format!("a.toml:4:8: notify.a.from: invalid value; {MAILBOX}"),
            &format!("a.toml:5:6: notify.a.to: 0 addresses; a list of 1 to 20; {MAILBOX}"),
            &format!("a.toml:6:9: notify.b.url: missing; {SERVER}"),
            &format!("a.toml:6:9: notify.b.from: missing; {MAILBOX}"),
            &format!("a.toml:6:9: notify.b.to: missing; {MAILBOX}"),
        ],
    );
}

const MORE: &str = "
    [notify.sentry]
    resolve = true
    api_token = '${KEY}'
    organization = 'acme'
    [notify.other]
    type = 'sentry'
    dsn = 'https://${KEY}@sentry.example.com/2'
    resolve = true
    api_token = '${KEY}'
    organization = 'acme'
    api_url = 'https://sentry.example.com'
    [notify.cluster]
    type = 'alertmanager'
    urls = ['${AM}', 'http://other:9093']
    [notify.one]
    type = 'alertmanager'
    url = '${AM}'
    [notify.page]
    type = 'webhook'
    format = 'pagerduty'
    routing_key = '${KEY}'
    timeout = '30s'
    secret = 'signs s3cret'
    [[rule]]
    name = 'x'
    notify = ['sentry', 'cluster']
";

#[test]
fn every_kind_of_notifier_is_read_and_printed() {
    expect_in_env(MORE, &[]);
    let set = read_with_env(&files(&[MORE]), &env).set.expect("a set");
    let kind = |name: &str| {
        let found = set.notifiers.iter().find(|one| one.name == name);
        found.expect("it is there").kind.clone()
    };
    let api = |url: Option<&str>| {
        Some(SentryApi {
            url: url.map(str::to_owned),
            organization: "acme".to_owned(),
            token: "s3cret".to_owned(),
        })
    };
    assert!(
        kind("sentry")
            == NotifierKind::Sentry {
                dsn: None,
                resolve: api(None)
            }
    );
    let other = NotifierKind::Sentry {
        dsn: Some("https://s3cret@sentry.example.com/2".to_owned()),
        resolve: api(Some("https://sentry.example.com")),
    };
    assert!(kind("other") == other);
    let am = "http://u:s3cret@am:9093".to_owned();
    let cluster = vec![am.clone(), "http://other:9093".to_owned()];
    assert!(kind("cluster") == NotifierKind::Alertmanager { urls: cluster });
    assert!(kind("one") == NotifierKind::Alertmanager { urls: vec![am] });
    let page = NotifierKind::Webhook {
        url: "https://events.pagerduty.com/v2/enqueue".to_owned(),
        secret: Some("signs s3cret".to_owned()),
        timeout: Duration::from_secs(30),
        format: BodyFormat::PagerDuty,
        routing_key: Some("s3cret".to_owned()),
        chat_id: None,
    };
    assert!(kind("page") == page);
    let printed = print(&set);
    assert!(!printed.contains("s3cret"), "{printed}");
    let unfilled = print(&read(&files(&[MORE])).set.expect("a set"));
    for part in [
        "[notify.cluster]\ntype         = \"alertmanager\"\nurls         = [\"${AM}\", \"***\"]\n",
        "[notify.sentry]\ntype         = \"sentry\"\nresolve      = true\napi_token    = \"${KEY}\"\n\
         organization = \"acme\"\n",
        "secret       = \"***\"\ntimeout      = \"30s\"\nformat       = \"pagerduty\"\n\
         routing_key  = \"${KEY}\"\n",
    ] {
        assert!(unfilled.contains(part), "{part}\nof {unfilled}");
    }
    let again = read(&files(&[&unfilled]));
    assert_eq!(
        lines(&again).len(),
        4,
        "but for what is not shown, it is read again: {:?}",
        lines(&again)
    );
}

#[test]
fn keys_that_do_not_belong_together_are_told() {
    const SLUG: &str = "the organisation's slug, as in https://SLUG.sentry.io, or ${VARIABLE}";
    const AM: &str = "an address is like http://alertmanager:9093, or ${VARIABLE}";
    expect_in_env(
        "[notify.sentry]\ntype = 'webhook'\n",
        &["a.toml:2:8: notify.sentry.type: unknown value \"webhook\"; allowed is sentry"],
    );
    expect_in_env(
        "[notify.sentry]\ndsn = 'https://s3cret@x/1'\nresolve = true\napi_token = '${KEY}'\n\
         [notify.a]\ntype = 'sentry'\norganization = 'acme'\nresolve = 'yes'\n\
         [notify.b]\ntype = 'webhook'\nurl = 'https://x'\nrouting_key = 's3cret'\ntimeout = '2m'\n\
         [notify.c]\ntype = 'webhook'\nformat = 'pagerduty'\n\
         [notify.d]\ntype = 'alertmanager'\n[notify.e]\ntype = 'alertmanager'\nurls = ['http://s3cret', 's3cret']\n\
         [notify.f]\ntype = 'alertmanager'\nurls = ['http://s3cret', 'http://s3cret']\nurl = 'http://x'\n\
         [notify.x-resolve]\ntype = 'sentry'\n",
        &[
            &format!("a.toml:1:9: notify.sentry.organization: missing; {SLUG}"),
            "a.toml:2:7: notify.sentry.dsn: \"sentry\" is the notifier of SENTRY_DSN; remove the key, or \
             choose another name",
            "a.toml:7:16: notify.a.organization: has no effect here; it belongs to resolve = true",
            "a.toml:8:11: notify.a.resolve: invalid flag; true or false",
            "a.toml:12:15: notify.b.routing_key: has no effect here; it belongs to format = \"pagerduty\"",
            "a.toml:13:11: notify.b.timeout: \"2m\" is too long; a duration from 1s to 1m",
            "a.toml:14:9: notify.c.routing_key: missing; the integration key of PagerDuty's Events API v2, or ${VARIABLE}",
            &format!("a.toml:17:9: notify.d.url: missing; {AM}"),
            &format!("a.toml:21:8: notify.e.urls: number 2: invalid value; {AM}"),
            "a.toml:24:8: notify.f.urls: duplicates url; one of the two",
            "a.toml:24:8: notify.f.urls: number 2 is listed twice; once is enough",
            "a.toml:26:9: notify.x-resolve: names that end in -resolve are reserved; choose another name",
        ],
    );
    let alone = "[notify.sentry]\nresolve = true\napi_token = 'x'\norganization = 'acme'\n";
    let reading = read_with_env(&files(&[alone]), &|_| None);
    assert_eq!(
        lines(&reading),
        ["a.toml:1:9: notify.sentry.dsn: missing; set SENTRY_DSN"]
    );
}

#[test]
fn rules_name_notifiers_of_any_file() {
    let oncall = "[notify.oncall]\ntype = 'webhook'\nurl = 'https://x'\n";
    let rule = "[[rule]]\nname = 'x'\nnotify = 'oncal'\nmax_gap = '90'\n";
    expect(
        &[rule, oncall, oncall],
        &[
            "a.toml:3:10: rule \"x\": notify: no notifier is named \"oncal\", nearest is oncall; known are sentry, oncall",
            "a.toml:4:11: rule \"x\": max_gap: \"90\" has a number without a unit; \"auto\", or a duration like \"90s\", \
             \"5m\" or \"1h 30m\"",
            "c.toml:1:9: notify.oncall: duplicate name; the first is in b.toml:1; each notifier has a name of its own",
        ],
    );
    let reading = read_with_env(
        &files(&["[[rule]]\nname = 'x'\nnotify = 'sentry'\n"]),
        &|_| None,
    );
    assert_eq!(
        lines(&reading),
        [
            "a.toml:3:10: rule \"x\": notify: SENTRY_DSN is not set: \"sentry\" sends nothing; set it in the environment \
             of lastbeat"
        ]
    );
}

#[test]
fn a_phone_needs_a_chat_or_a_topic() {
    let text = "[notify.a]\ntype = 'webhook'\nurl = 'https://x/t'\nformat = 'telegram'\n\
                [notify.b]\ntype = 'webhook'\nurl = 'https://ntfy.sh'\nformat = 'ntfy'\n\
                [notify.c]\ntype = 'webhook'\nurl = 'https://ntfy.sh/t0pic'\nformat = 'ntfy'\nchat_id = '1'\n\
                [notify.d]\ntype = 'webhook'\nurl = 'https://ntfy.sh/t0pic'\nformat = 'ntfy'\n";
    expect_in_env(
        text,
        &[
            "a.toml:1:9: notify.a.chat_id: missing; a chat's number or @channel, or ${VARIABLE}",
            "a.toml:7:7: notify.b.url: invalid value; ntfy's address ends in a topic, as in https://ntfy.sh/TOPIC, or \
             ${VARIABLE}",
            "a.toml:13:11: notify.c.chat_id: has no effect here; it belongs to format = \"telegram\"",
        ],
    );
}
