//! Starts that must fail, and say why.

use crate::support::lastbeat::Setup;
use crate::support::nats::{Nats, ORG, Peer, TOKEN};
use crate::support::wait::wait_until;
use std::time::Duration;

const WRONG: &str = "FlyV1 fm2_somebody_elses";

#[test]
fn a_wrong_password_ends_the_start() {
    wrong_password(Peer::Current);
}

#[test]
fn a_wrong_password_ends_the_start_with_the_older_server() {
    wrong_password(Peer::Older);
}

fn wrong_password(peer: Peer) {
    let nats = Nats::start(peer);
    let setup = Setup::new().nats(&nats).env("ACCESS_TOKEN", WRONG);
    let mut child = setup.command(&["run"]);
    assert_eq!(child.wait_end(Duration::from_secs(10)), 1);
    let said = child.lines().join("\n");
    for word in [ORG, &nats.url().replace("nats://", ""), "ACCESS_TOKEN"] {
        assert!(
            said.contains(word),
            "{word:?} is not in what it said:\n{said}"
        );
    }
    for secret in [WRONG, "somebody_elses"] {
        assert!(
            !said.contains(secret),
            "the password is in what it said:\n{said}"
        );
    }
}

#[test]
fn a_start_without_a_server_says_what_to_set() {
    let mut child = Setup::new().command(&["run"]);
    assert_eq!(child.wait_end(Duration::from_secs(10)), 64);
    let said = child.lines().join("\n");
    assert!(said.contains("NATS_URL"), "{said}");
}

#[test]
fn an_invalid_server_keeps_check_and_run_from_succeeding() {
    for url in [
        "nope://x",
        "http://x",
        "nats://s3cret:word@",
        "good:4222,nope://s3cret@x",
    ] {
        for command in ["check", "run"] {
            let mut child = Setup::new().env("NATS_URL", url).command(&[command]);
            let code = child.wait_end(Duration::from_secs(10));
            let said = child.lines().join("\n");
            assert_eq!(code, 64, "{command} {url}: {said}");
            assert!(said.contains("NATS_URL: invalid server"), "{said}");
            assert!(!said.contains("s3cret"), "{said}");
        }
    }
}

#[test]
fn credentials_of_an_url_are_percent_decoded_and_belong_to_its_server() {
    let nats = Nats::start(Peer::Current);
    let bare = nats.url().replace("nats://", "");
    let encode =
        |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02x}")).collect() };
    // Nothing answers at the first, whose credentials are not those of the second.
    let url = format!(
        "nats://other:wrong@127.0.0.1:1,nats://{}:{}@{bare}",
        encode(ORG),
        encode(TOKEN)
    );
    let lastbeat = Setup::new().env("NATS_URL", &url).start();
    let connected = "connected with the second server's credentials";
    wait_until(connected, Duration::from_secs(20), || {
        lastbeat.metrics().sum("lastbeat_nats_connected", &[]) == 1.0
    });
    lastbeat.stop();
}

#[test]
fn a_variable_that_is_no_setting_is_a_warning() {
    for command in ["check", "run"] {
        let setup = Setup::new()
            .env("LASTBEAT_LISTNE", "127.0.0.1:1")
            .env("NATS_URL", "127.0.0.1:1")
            .env("LASTBEAT_GIVE_UP_AFTER", "1s");
        let mut child = setup.command(&[command]);
        child.wait_end(Duration::from_secs(20));
        let said = child.lines().join("\n");
        assert!(
            said.contains("LASTBEAT_LISTNE: unknown setting, nearest is LASTBEAT_LISTEN"),
            "{said}"
        );
    }
}

/// Two files, five faults, in the order in which they are told.
const FAULTY: [(&str, &str); 2] = [
    (
        "10-stream.toml",
        "[stream]\nmax_gap = 'sixty'\nseverity = 'fatal'\n",
    ),
    (
        "20-beats.toml",
        "[[rule]]\nname = 'beats'\nmax_gap = 90\nseverty = 'error'\n\n\
         [[rule]]\nname = 'logs'\nwatch = 'metrics'\nmax_gap = '90s'\n",
    ),
];

/// Where each of them is, and words that must stand beside it.
const FAULTS: [(&str, &[&str]); 5] = [
    ("10-stream.toml:2:11: ", &["max_gap", "sixty"]),
    ("10-stream.toml:3:12: ", &["severity", "fatal", "critical"]),
    ("20-beats.toml:3:11: ", &["rule \"beats\"", "max_gap"]),
    (
        "20-beats.toml:4:1: ",
        &["rule \"beats\"", "severty", "severity"],
    ),
    (
        "20-beats.toml:8:9: ",
        &["rule \"logs\"", "watch", "metrics", "heartbeat", "logs"],
    ),
];

#[test]
fn faulty_rules_are_told_all_at_once_by_check() {
    let setup = faulty();
    let folder = setup.rules_folder();
    tells_the_faults(&setup, &["check", "--rules", &folder.to_string_lossy()]);
}

#[test]
fn faulty_rules_keep_run_from_starting() {
    let nats = Nats::start(Peer::Current);
    tells_the_faults(&faulty().nats(&nats), &["run"]);
}

fn faulty() -> Setup {
    FAULTY
        .iter()
        .fold(Setup::new(), |setup, (name, text)| setup.rules(name, text))
}

#[track_caller]
fn tells_the_faults(setup: &Setup, arguments: &[&str]) {
    let mut child = setup.command(arguments);
    assert_eq!(child.wait_end(Duration::from_secs(10)), 64);
    let said = child.lines();
    let told: Vec<&String> = said.iter().filter(|line| line.contains(".toml:")).collect();
    assert_eq!(told.len(), FAULTS.len(), "{said:#?}");
    for (line, (place, words)) in told.iter().zip(FAULTS) {
        assert!(line.contains(place), "{place:?} is not in {line:?}");
        for word in words {
            assert!(line.contains(word), "{word:?} is not in {line:?}");
        }
    }
}

#[test]
fn sound_rules_pass_the_check() {
    let setup = Setup::new().rules("beats.toml", "[[rule]]\nname = 'beats'\nmax_gap = '90s'\n");
    let folder = setup.rules_folder();
    let mut child = setup.command(&["check", "--rules", &folder.to_string_lossy()]);
    assert_eq!(child.wait_end(Duration::from_secs(10)), 0);
}
