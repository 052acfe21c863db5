//! The server refuses: the token, the subscription.

use super::{RULES, SOON, Scene, wait_reason, wait_state};
use crate::support::bugsink::Project;
use crate::support::feed::Feed;
use crate::support::folder::Folder;
use crate::support::lastbeat::Setup;
use crate::support::nats::{Nats, ORG, Peer, TOKEN};
use crate::support::org::org;
use std::time::Duration;

const OTHER: &str = "FlyV1 fm2_another_one";

#[test]
fn a_token_that_is_refused_later_is_an_incident_of_its_own_until_its_file_holds_a_better_one() {
    let folder = Folder::new("token");
    let file = folder.write("token", TOKEN);
    let mut scene = Scene::with("token changed", Peer::Current, |setup| {
        setup
            .env("ACCESS_TOKEN", "")
            .env("ACCESS_TOKEN_FILE", &file.to_string_lossy())
    });
    scene.nats.reconfigure(TOKEN, OTHER);
    scene.nats.restart();
    let opened = scene.alert("StreamAuthFailed");
    for words in [ORG, "ACCESS_TOKEN", "fly tokens create readonly"] {
        let told = opened.data.to_string();
        assert!(told.contains(words), "{words:?} is not in {told}");
    }
    scene.wait_state("auth_failed");
    wait_reason(&scene.lastbeat, "refuses user acme");
    folder.write("token", OTHER);
    scene.closes(&opened);
}

#[test]
fn a_token_is_taken_with_and_without_its_scheme() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    feed.beat(&org(&["sandwich"], &["ams"]), Duration::from_millis(200));
    let bare = TOKEN.trim_start_matches("FlyV1 ");
    let lastbeat = Setup::new().nats(&nats).env("ACCESS_TOKEN", bare).start();
    wait_state(&lastbeat, "flowing");
    lastbeat.stop();

    nats.reconfigure(TOKEN, bare);
    nats.signal("HUP");
    let lastbeat = wait_taken(&nats);
    lastbeat.stop();
}

/// The server takes its new configuration a moment after the signal.
fn wait_taken(nats: &Nats) -> crate::support::lastbeat::Lastbeat {
    crate::support::wait::wait_for("a server that takes the bare token", SOON, || {
        let setup = Setup::new().nats(nats);
        let mut probe = setup.command(&["run"]);
        let ended = crate::support::wait::wait_for("its word", SOON, || {
            let lines = probe.lines();
            let connected = lines
                .iter()
                .any(|line| line.contains("connected and subscribed"));
            (connected || probe.ended().is_some()).then_some(connected)
        });
        ended.then(|| Setup::new().nats(nats).start())
    })
}

#[test]
fn a_permission_that_is_revoked_and_given_back() {
    permission(Peer::Current);
}

#[test]
fn a_permission_that_is_revoked_and_given_back_by_the_older_server() {
    permission(Peer::Older);
}

fn permission(peer: Peer) {
    let scene = Scene::new("permission", peer);
    scene
        .nats
        .reconfigure(r#"allow: ["logs.>", "#, r#"allow: ["none.>", "#);
    scene.nats.signal("HUP");
    scene.wait_state("permission_denied");
    wait_reason(
        &scene.lastbeat,
        "does not let user acme subscribe to logs.>",
    );
    let opened = scene.alert("StreamStalled");
    assert!(
        opened
            .data
            .to_string()
            .contains("does not let user acme subscribe"),
        "the alert says why: {}",
        opened.data
    );
    scene
        .nats
        .reconfigure(r#"allow: ["none.>", "#, r#"allow: ["logs.>", "#);
    scene.nats.signal("HUP");
    scene.closes(&opened);
}

#[test]
fn a_subscription_that_is_forbidden_ends_the_start() {
    let nats = Nats::start(Peer::Current);
    let project = Project::new("forbidden");
    let setup = Setup::new()
        .nats(&nats)
        .env("SUBJECT", "orders.>")
        .sentry(project.dsn())
        .rules("beats.toml", RULES);
    let mut child = setup.command(&["run"]);
    assert_eq!(child.wait_end(SOON), 1);
    let said = child.lines().join("\n");
    assert!(said.contains("subscribe to orders.>"), "{said}");
    project.only(0);
}
