//! The description of the API against the API: schemathesis (real, fetched by `tests/run`) asks all that it describes, and
//! much that it does not, and looks whether the answers are the ones described.

use crate::support::child::{Child, command};
use crate::support::feed::Feed;
use crate::support::folder::Folder;
use crate::support::http::Server;
use crate::support::lastbeat::{Lastbeat, Setup};
use crate::support::nats::{Nats, Peer};
use crate::support::org::org;
use crate::support::testbed::{fetched, script};
use crate::support::wait::wait_until;
use serde_json::Value;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);
/// One run takes some ten seconds of a machine's own time, and the tests run many at once.
const RUN: Duration = Duration::from_secs(900);
const TOKEN: &str = "s3cret-token-of-18";
const DESCRIPTION: &str = "/api/v1/openapi.json";
/// All that can be asked, with and without a token.
const OPERATIONS: usize = 23;
/// What goes on until the reader goes.
const LIVE: [&str; 2] = ["/api/logs", "/api/v1/events"];

/// A lastbeat with instances, of which one is silent and so an open incident.
struct Watched {
    _nats: Nats,
    _feed: Feed,
    lastbeat: Lastbeat,
    token: Option<&'static str>,
}

fn watched(token: Option<&'static str>) -> Watched {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let instances = org(&["api", "web"], &["sjc", "ams"]);
    feed.beat(&instances, Duration::from_millis(300));
    let rules = "[[rule]]\nname = 'beats'\nmax_gap = '2s'\n";
    // However full the disk of this machine is.
    let mut setup = Setup::new()
        .nats(&nats)
        .rules("archive.toml", "[archive]\nmin_free = '1%'\n")
        .rules("beats.toml", rules);
    let state = setup.rules_folder().with_file_name("state.db");
    setup = setup.env("LASTBEAT_STATE", &state.to_string_lossy());
    let archive = setup.rules_folder().with_file_name("archive");
    setup = setup.env("LASTBEAT_ARCHIVE", &archive.to_string_lossy());
    if let Some(token) = token {
        setup = setup.env("LASTBEAT_TOKEN", token);
    }
    let mut lastbeat = setup.start();
    if let Some(token) = token {
        lastbeat.server.token = Some(token.to_owned());
    }
    lastbeat.wait_live(4);
    lastbeat.wait_ready(200);
    feed.silence(&instances[3]);
    wait_until("an incident is open", SOON, || {
        json(&lastbeat.server, "/api/v1/status")["open_incidents"] == 1
    });
    Watched {
        _nats: nats,
        _feed: feed,
        lastbeat,
        token,
    }
}

fn json(server: &Server, path: &str) -> Value {
    let answer = server.get(path).expect("it answers");
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    serde_json::from_str(&answer.body).expect("JSON")
}

/// Runs schemathesis with all its checks. It has to find nothing; what it said.
fn fuzz(watched: &Watched, token: Option<&str>, arguments: &[&str]) -> String {
    let folder = Folder::new("schemathesis");
    let described = json(&watched.lastbeat.server, DESCRIPTION);
    folder.write("openapi.json", &described.to_string());
    let url = format!("http://{}", watched.lastbeat.server.address);
    let mut command = command(fetched("schemathesis/bin/schemathesis"));
    command
        .args(["run", "openapi.json", "--url", &url, "--checks", "all"])
        .args(["--seed", "7", "--generation-database", "none"])
        .args(["--no-color", "--continue-on-failure"])
        .args(arguments)
        .env("SCHEMATHESIS_HOOKS", script("schemathesis_hooks.py"))
        .env("HOME", folder.path())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(folder.path());
    if let Some(token) = token {
        command.args(["-H", &format!("Authorization: Bearer {token}")]);
    }
    let mut child = Child::start("schemathesis", &mut command);
    let code = child.wait_end(RUN);
    let said = child.lines().join("\n");
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("No issues found") || said.contains("warning"),
        "{said}"
    );
    // Refused for too many wrong tokens, it would have seen nothing.
    let answer = watched.lastbeat.get("/api/v1/status");
    assert_eq!(answer.status, 200, "after it: {}", answer.body);
    said
}

/// As much as ten seconds bring.
const MUCH: [&str; 4] = ["--max-examples", "30", "--request-timeout", "10"];

/// Paths of the history, which are tried apart.
const PAST: [&str; 3] = ["/api/v1/entries", "/api/v1/forgotten", "/api/v1/report"];

/// Asks, with the token, for all that is selected. Each operation is tried once with a wrong token too, and of those lastbeat
/// takes no more than ten a minute: so not all are tried at once.
fn with_the_token(selected: &[&str], operations: usize) {
    let watched = watched(Some(TOKEN));
    let said = fuzz(&watched, watched.token, &[selected, &MUCH].concat());
    let asked = format!("{operations} selected / {OPERATIONS} total");
    assert!(said.contains(&asked), "{said}");
    watched.lastbeat.stop();
}

#[test]
fn what_is_told_with_the_token_is_as_described() {
    let tags = ["--include-tag", "state", "--include-tag", "probes"];
    let others = PAST.map(|path| ["--exclude-path", path]);
    with_the_token(&[&tags[..], others.as_flattened()].concat(), 12);
}

#[test]
fn what_is_told_of_the_past_is_as_described() {
    let all = PAST.map(|path| ["--include-path", path]);
    with_the_token(all.as_flattened(), PAST.len());
}

#[test]
fn what_is_changed_with_the_token_is_as_described() {
    with_the_token(&["--include-tag", "change"], 6);
}

#[test]
fn nothing_is_told_without_the_token() {
    let watched = watched(Some(TOKEN));
    let few = ["--max-examples", "5", "--request-timeout", "5"];
    let bare = ["--generation-with-security-parameters", "false"];
    let said = fuzz(&watched, None, &[&few[..], &bare].concat());
    // All but the probes.
    let refused = format!("401 Unauthorized ({} operations)", OPERATIONS - 3);
    assert!(said.contains(&refused), "{said}");
    watched.lastbeat.stop();
}

#[test]
fn what_goes_on_for_ever_is_described_by_its_events() {
    let watched = watched(None);
    let live = ["--include-path", LIVE[0], "--include-path", LIVE[1]];
    // Without a token to ask for, this machine may see: there is no sign-in to be ignored.
    let few = [
        "--workers",
        "2",
        "--request-timeout",
        "1",
        "--phases",
        "examples",
        "--exclude-checks",
        "ignored_auth",
    ];
    fuzz(&watched, None, &[&live[..], &few].concat());
    watched.lastbeat.stop();
}

#[test]
fn other_methods_and_other_paths_are_refused_with_what_there_is() {
    let watched = watched(None);
    let server = &watched.lastbeat.server;
    let described = json(server, DESCRIPTION);
    let paths = described["paths"].as_object().expect("paths");
    assert_eq!(paths.len(), 22);
    for (path, operations) in paths {
        let asked = path.replace(['{', '}'], "");
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
            if operations.get(method.to_lowercase()).is_some() {
                continue;
            }
            let answer = server.ask_with(method, &asked).expect("it answers");
            assert_eq!(answer.status, 405, "{method} {path}: {}", answer.body);
            let allow = answer
                .head
                .lines()
                .find_map(|line| line.strip_prefix("allow: "));
            let allow: Vec<&str> = allow.unwrap_or_default().split(", ").collect();
            let allowed = |method: &str| operations.get(method.to_lowercase()).is_some();
            assert!(
                !allow.contains(&method) && allow.iter().all(|one| allowed(one) || *one == "HEAD"),
                "{method} {path}: {allow:?}"
            );
        }
        if path.starts_with("/api/") {
            let longer = server.get(&format!("{asked}/a/b/c/d")).expect("it answers");
            assert!(
                longer.status == 404 && longer.body.contains(DESCRIPTION),
                "{path}: {}",
                longer.body
            );
        }
    }
    watched.lastbeat.stop();
}
