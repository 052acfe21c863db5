//! The commands that need no server.

use crate::support::http::Server;
use crate::support::lastbeat::Setup;
use std::io::Write;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

#[test]
fn beats_are_counted_and_end_with_a_bye() {
    let mut child = Setup::new().command(&["beat", "--every", "100ms", "--name", "worker"]);
    let third = |line: &str| (line == "HEARTBEAT every=100ms name=worker seq=3").then_some(());
    child.wait_line("the third beat", SOON, third);
    child.signal("TERM");
    assert_eq!(child.wait_end(SOON), 0);
    let lines = child.lines();
    assert_eq!(lines[0], "HEARTBEAT every=100ms name=worker seq=1");
    assert_eq!(
        lines.last().map(String::as_str),
        Some("HEARTBEAT bye name=worker")
    );
}

#[test]
fn check_takes_a_path_and_needs_no_environment() {
    let setup = Setup::new().rules(
        "hook.toml",
        "[[rule]]\nname = 'x'\n[notify.x]\ntype = 'webhook'\nurl = '${UNSET}'\n",
    );
    let folder = setup.rules_folder();
    let folder = folder.to_string_lossy();
    for (arguments, code) in [
        (&["check", &*folder][..], 64),
        (&["check", &folder, "--no-env", "--strict"], 0),
        (&["check", &format!("{folder}/hook.toml"), "--no-env"], 0),
        (&["check", &folder, "--rules", &folder], 64),
    ] {
        let mut child = setup.command(arguments);
        assert_eq!(
            child.wait_end(SOON),
            code,
            "{arguments:?}: {:?}",
            child.lines()
        );
    }
}

#[test]
fn the_demo_shows_an_alert_a_bye_and_a_stalled_stream() {
    let mut child = Setup::new().command(&["demo", "--listen", "127.0.0.1:0"]);
    let port = child.wait_line("where to look", SOON, |line| {
        let (_, rest) = line.split_once("http://127.0.0.1:")?;
        rest.strip_suffix("/metrics")?.parse().ok()
    });
    let told = |label: &'static str, name: &'static str| {
        move |line: &str| (line.contains(label) && line.contains(name)).then_some(())
    };
    let within = Duration::from_secs(20);
    child.wait_line("an alert", within, told("ALERT", "HeartbeatMissed"));
    child.wait_line("its end", within, told("closed", "HeartbeatMissed"));
    child.wait_line("a bye", within, told("demo", "HEARTBEAT bye"));
    child.wait_line("a stalled stream", within, told("ALERT", "StreamStalled"));
    let metrics = Server::local(port)
        .get("/metrics")
        .expect("the demo serves its metrics");
    assert!(
        metrics.body.contains("lastbeat_alerts{"),
        "{}",
        metrics.body
    );
    child.wait_line("its end", within, told("closed", "StreamStalled"));
    let lines = child.lines();
    let alerts: Vec<&String> = lines.iter().filter(|line| line.contains("ALERT")).collect();
    assert_eq!(
        alerts.len(),
        2,
        "the bye and the stall blamed somebody: {lines:#?}"
    );
    child.signal("INT");
    assert_eq!(child.wait_end(SOON), 0);
}

#[test]
fn keys_of_the_tour_break_the_log_shipper_and_the_pager_and_mend_them() {
    let within = Duration::from_secs(90);
    let (mut child, mut input) = Setup::new().typed(&["demo", "--tour", "--listen", "127.0.0.1:0"]);
    let mut press = |keys: &[&str]| {
        let lines: String = keys.iter().flat_map(|key| [*key, "\n"]).collect();
        input.write_all(lines.as_bytes()).expect("it reads keys");
    };
    let told = |label: &'static str, name: &'static str| {
        move |line: &str| (line.contains(label) && line.contains(name)).then_some(())
    };
    // Its own steps would mend what is broken here.
    press(&["n"; 12]);
    child.wait_line("its last step", within, told("tour", "step 12 of 12"));
    press(&["d"]);
    let stalled = told("ALERT", "its subscription is stuck");
    child.wait_line("a log shipper that stalls", within, stalled);
    let received = told("pager", "received: ShipperStalled");
    child.wait_line("a notification of it", within, received);
    press(&["m", "p", "i"]);
    child.wait_line("a refusal", within, told("pager", "refused with 503: "));
    child.wait_line("a silence", within, told("ALERT", "HeartbeatMissed"));
    press(&["m"]);
    let received = told("pager", "received: HeartbeatMissed");
    child.wait_line("the notification that was refused", within, received);
    child.signal("INT");
    assert_eq!(child.wait_end(SOON), 0);
}
