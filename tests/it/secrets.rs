//! Secrets stand nowhere: each here holds one marked word, and everything that anybody can read is searched for it.

use crate::support::feed::Feed;
use crate::support::http::Server;
use crate::support::lastbeat::{Lastbeat, Setup};
use crate::support::nats::{Nats, Peer};
use crate::support::org::org;
use crate::support::receiver::Receiver;
use crate::support::wait::wait_until;
use serde_json::json;
use std::fs;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);
/// Part of every secret of these tests, and of nothing else.
const MARK: &str = "S3CRET";
const RULES: &str = "\
[[rule]]\nname = 'beats'\nmax_gap = '2s'\n
[notify.oncall]\ntype = 'webhook'\nurl = '${HOOK}'\n
[notify.literal]\ntype = 'webhook'\nurl = 'http://127.0.0.1:9/literalS3CRET'\n
[notify.other]\ntype = 'sentry'\ndsn = '${OTHER_DSN}'\n";

fn setup(receiver: &Receiver) -> Setup {
    let dsn = |key: &str| format!("http://{key}@127.0.0.1:{}/7", receiver.port);
    Setup::new()
        .env("SENTRY_DSN", &dsn("dsnS3CRETkey:dsnS3CRETpair"))
        .env("OTHER_DSN", &dsn("otherS3CRETkey"))
        .env("HOOK", &receiver.url("/hookS3CRETpath?key=hookS3CRETquery"))
        .env("LASTBEAT_WATCHDOG_URL", &receiver.url("/pingS3CRETuuid"))
        .env("LASTBEAT_TOKEN", "webS3CRETtoken-and-more")
        .env("RUST_LOG", "debug,lastbeat=trace")
        .env("RUST_BACKTRACE", "1")
        .rules("rules.toml", RULES)
}

#[track_caller]
fn clean(what: &str, text: &str) {
    let found: Vec<&str> = text.lines().filter(|line| line.contains(MARK)).collect();
    assert!(
        found.is_empty(),
        "{what} shows a secret:\n{}",
        found.join("\n")
    );
}

/// What a running lastbeat answers, to those who may and to those who may not.
fn search_answers(lastbeat: &Lastbeat) {
    let mut server = lastbeat.server.clone();
    let paths = [
        "/",
        "/metrics",
        "/healthz",
        "/readyz",
        "/nothing",
        "/api/v1/status",
        "/api/v1/instances",
        "/api/v1/incidents",
        "/api/v1/incidents?state=open",
        "/api/v1/incidents/1",
        "/api/v1/rules",
        "/api/v1/silences",
        "/api/v1/nothing",
    ];
    for token in [
        None,
        Some("webS3CRETtokeN"),
        Some("webS3CRETtoken-and-more"),
    ] {
        server.token = token.map(str::to_owned);
        for path in paths {
            let answer = server.get(path).expect("an answer");
            clean(path, &format!("{}\n{}", answer.head, answer.body));
        }
    }
    drill_by_api(&server);
}

fn drill_by_api(server: &Server) {
    let answer = server.post("/api/v1/drill", &json!({})).expect("an answer");
    assert!(
        answer.status == 200 && answer.body.contains("oncall"),
        "{} {}",
        answer.status,
        answer.body
    );
    clean("the drill", &answer.body);
}

/// Runs a command to its end; what it said.
fn said(setup: &Setup, arguments: &[&str]) -> (i32, String) {
    let mut child = setup.command(arguments);
    let code = child.wait_end(SOON);
    let said = child.lines().join("\n");
    clean(&arguments.join(" "), &said);
    (code, said)
}

#[test]
fn no_secret_is_in_any_output_where_everybody_refuses_and_repeats_what_it_was_sent() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let instances = org(&["web"], &["sjc", "ams"]);
    feed.beat(&instances, Duration::from_millis(300));
    let receiver = Receiver::start();
    let asked = || setup(&receiver).nats(&nats);
    for status in [403, 500] {
        receiver.answer(status);
        let started = asked();
        let state = started.rules_folder().with_file_name("state.db");
        let lastbeat = started
            .env("LASTBEAT_STATE", &state.to_string_lossy())
            .start();
        lastbeat.wait_live(2);
        feed.silence(&instances[0]);
        wait_until("alert and ping are told in vain", SOON, || {
            let metrics = lastbeat.metrics();
            let tries = |outcome| {
                metrics.sum(
                    "lastbeat_notices_total",
                    &[("notifier", "oncall"), ("outcome", outcome)],
                )
            };
            let ping = [("way", "ping"), ("outcome", "failed")];
            tries("rejected") + tries("retried") >= 1.0
                && metrics.sum("lastbeat_watchdog_pings_total", &ping) >= 1.0
        });
        search_answers(&lastbeat);
        feed.resume(&instances[0]);
        let url = format!("http://{}", lastbeat.server.address);
        for arguments in [
            &["status"][..],
            &["status", "--json"],
            &["drill"],
            &["silence", "list"],
        ] {
            let (_, shown) = said(&asked().env("LASTBEAT_URL", &url), arguments);
            assert!(!shown.is_empty());
            said(
                &asked()
                    .env("LASTBEAT_URL", &url)
                    .env("LASTBEAT_TOKEN", "wrongS3CRET"),
                arguments,
            );
        }
        for entry in fs::read_dir(lastbeat.folder())
            .expect("its folder")
            .flatten()
        {
            if entry.path().is_file() {
                let bytes = fs::read(entry.path()).expect("a file of its own");
                clean(
                    &entry.path().display().to_string(),
                    &String::from_utf8_lossy(&bytes),
                );
            }
        }
        let Lastbeat { mut child, .. } = lastbeat;
        child.signal("TERM");
        child.wait_end(SOON);
        clean("the log", &child.lines().join("\n"));
    }
    // The search itself finds what is there.
    assert!(
        receiver
            .taken()
            .iter()
            .any(|taken| taken.head.contains(MARK)),
        "the peers were told the secrets"
    );
}

#[test]
fn no_secret_is_in_what_is_said_of_bad_settings() {
    let receiver = Receiver::start();
    let (code, shown) = said(&setup(&receiver), &["check", "--print"]);
    assert!(code == 0 && shown.contains("[notify.literal]"), "{shown}");
    for (variable, value, named) in [
        ("SENTRY_DSN", "dsnS3CRET", "SENTRY_DSN"),
        ("SENTRY_DSN", "https://S3CRET@/x", "SENTRY_DSN"),
        (
            "LASTBEAT_WATCHDOG_URL",
            "pingS3CRET",
            "LASTBEAT_WATCHDOG_URL",
        ),
        (
            "LASTBEAT_WATCHDOG_URL",
            "https://h/S3CRET key",
            "LASTBEAT_WATCHDOG_URL",
        ),
        ("HOOK", "no addressS3CRET", "notify.oncall"),
        ("OTHER_DSN", "S3CRET", "notify.other"),
    ] {
        let started = setup(&receiver)
            .env("NATS_URL", "nats://me:passS3CRET@127.0.0.1:9")
            .env(variable, value);
        let (code, shown) = said(&started, &["run"]);
        assert!(
            code == 64 && shown.contains(named),
            "{variable}: {code} {shown}"
        );
        said(&started, &["check"]);
        let (code, _) = said(&started, &["drill", "--direct"]);
        assert!(
            code == 64 || variable == "LASTBEAT_WATCHDOG_URL",
            "{variable}: {code}"
        );
    }
    // Nobody there, and somebody who refuses: the token goes into no text.
    let nats = Nats::start(Peer::Current);
    let in_url = format!(
        "nats://urlS3CRETtoken@{}",
        nats.url().replace("nats://", "")
    );
    for address in ["nats://me:passS3CRET@127.0.0.1:9", &in_url, &nats.url()] {
        let started = setup(&receiver)
            .env("NATS_URL", address)
            .env("ACCESS_TOKEN", "natsS3CRETtoken")
            .env("LASTBEAT_GIVE_UP_AFTER", "2s");
        assert_eq!(said(&started, &["run"]).0, 1, "{address}");
    }
}
