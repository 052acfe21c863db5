//! Starts that must fail, and say why.

use crate::support::lastbeat::Setup;
use crate::support::nats::{Nats, ORG, Peer};
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
