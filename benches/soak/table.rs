//! One row for each fault, all faults at the same time.

use super::alerts::Alerts;
use super::support::feed::Feed;
use super::support::folder::Folder;
use super::support::lastbeat::{Lastbeat, Setup};
use super::support::nats::{Nats, Peer, TOKEN};
use super::support::org::org;
use super::support::proxy::{Fate, Proxy};
use super::support::wait::{since, wait_for, wait_until, wall};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

/// Longer than the longest backoff after the longest fault.
const LONG: Duration = Duration::from_secs(400);
const RULES: &str = "[stream]\nmax_gap = '2s'\n[[rule]]\nname = 'beats'\nmax_gap = '2s'\n";
/// Entries said once it flows again.
const AFTER: usize = 500;
const OTHER: &str = "FlyV1 fm2_another_one";

struct Scene {
    nats: Nats,
    proxy: Proxy,
    feed: Feed,
    lastbeat: Lastbeat,
    folder: Folder,
}

/// A fault: begins at its call, and returns when it is over; what heals while it lasts returns at once.
type Fault = fn(&mut Scene);

const FAULTS: [(&str, Fault); 15] = [
    ("killed, back after 2 s", |scene| killed(scene, 2)),
    ("killed, back after 60 s", |scene| killed(scene, 60)),
    ("server stopped for 5 s", |scene| stopped(scene, 5)),
    ("server stopped for 20 s", |scene| stopped(scene, 20)),
    ("server stopped for 60 s", |scene| stopped(scene, 60)),
    ("half-open connection", |scene| scene.proxy.open(Fate::Hole)),
    ("stuck subscription", |scene| scene.proxy.open(Fate::Mute)),
    ("black hole for 60 s", |scene| {
        scene.proxy.all(Fate::Hole);
        pass(60);
        scene.proxy.all(Fate::Pass);
    }),
    ("reset each second for 60 s", |scene| {
        for _ in 0..60 {
            pass(1);
            scene.proxy.open(Fate::Cut);
        }
        pass(1);
    }),
    ("handshake never answered for 60 s", |scene| {
        scene.proxy.all(Fate::Hole);
        scene.proxy.open(Fate::Cut);
        pass(60);
        scene.proxy.all(Fate::Pass);
    }),
    ("token refused for 20 s, put right by file", |scene| {
        scene.nats.reconfigure(TOKEN, OTHER);
        scene.nats.restart();
        pass(20);
        scene.folder.write("token", OTHER);
    }),
    ("token refused for 20 s, put right by server", |scene| {
        scene.nats.reconfigure(TOKEN, OTHER);
        scene.nats.restart();
        pass(20);
        scene.nats.reconfigure(OTHER, TOKEN);
        scene.nats.restart();
    }),
    ("permission revoked for 20 s", |scene| {
        scene.nats.reconfigure(r#"["logs.>", "#, r#"["none.>", "#);
        scene.nats.signal("HUP");
        pass(20);
        scene.nats.reconfigure(r#"["none.>", "#, r#"["logs.>", "#);
        scene.nats.signal("HUP");
    }),
    ("lastbeat stopped for 10 s under load", |scene| {
        scene.lastbeat.child.signal("STOP");
        let loud = &org(&["loud"], &["ams"])[0];
        let from = wall();
        while since(from) < Duration::from_secs(10) {
            let entry = (loud.subject(), loud.entry("x").into_bytes());
            scene.feed.publish(vec![entry; 2_000]);
        }
        scene.lastbeat.child.signal("CONT");
    }),
    ("lastbeat stopped for 5 minutes", |scene| {
        scene.lastbeat.child.signal("STOP");
        pass(300);
        scene.lastbeat.child.signal("CONT");
    }),
];

fn killed(scene: &mut Scene, seconds: u64) {
    scene.nats.kill();
    pass(seconds);
    scene.nats.restart();
}

fn stopped(scene: &mut Scene, seconds: u64) {
    scene.nats.signal("STOP");
    pass(seconds);
    scene.nats.signal("CONT");
}

fn pass(seconds: u64) {
    let from = wall();
    let span = Duration::from_secs(seconds);
    wait_until("time to pass", span * 2 + LONG, || since(from) >= span);
}

/// Shows the rows of the faults that have `only` in their name.
pub fn run(only: &str) {
    println!(
        "| server | fault | noticed after | healed after its end | lost after healing | alerts |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    std::thread::scope(|scope| {
        for peer in [Peer::Current, Peer::Older] {
            for (name, fault) in FAULTS.iter().filter(|(name, _)| name.contains(only)) {
                scope.spawn(move || row(peer, name, *fault));
            }
        }
    });
}

fn row(peer: Peer, name: &str, fault: Fault) {
    let mut scene = scene(peer);
    let began = wall();
    let watched = scene.lastbeat.server.clone();
    let over = Arc::new(Mutex::new(None));
    let (until, shows) = (
        Arc::clone(&over),
        "lastbeat_nats_state{state=\"flowing\"} 1",
    );
    let noticed = std::thread::spawn(move || {
        wait_for("a sign of the fault", LONG, || {
            let answer = watched.get("/metrics");
            // A lastbeat that is stopped does not answer.
            if answer.is_ok_and(|answer| !answer.body.contains(shows)) {
                return Some(Some(since(began)));
            }
            let over: Option<SystemTime> = *until.lock().expect("nobody panics with it");
            let in_vain = over.is_some_and(|over| since(over) > Duration::from_secs(5));
            in_vain.then_some(None)
        })
    });
    fault(&mut scene);
    let ended = wall();
    *over.lock().expect("nobody panics with it") = Some(ended);
    let noticed = noticed.join().expect("the wait is longer than any fault");
    let healed = healed(&scene, ended);
    let lost = lost(&scene);
    scene.lastbeat.wait_listened(Duration::from_secs(4));
    let alerts = Alerts::of(&scene.lastbeat.child.lines());
    let verdict = if alerts.only_the_streams() {
        ""
    } else {
        " (WRONG)"
    };
    // What never showed as a state had nothing to heal from.
    let healed = noticed.map_or_else(|| "at once".to_owned(), |_| seconds(healed));
    let noticed = noticed.map_or_else(|| "no state".to_owned(), seconds);
    println!(
        "| {peer:?} | {name} | {noticed} | {healed} | {lost} | {}{verdict} |",
        alerts.text()
    );
    scene.lastbeat.stop();
}

fn scene(peer: Peer) -> Scene {
    let nats = Nats::start(peer);
    let proxy = Proxy::before(&nats.address());
    let feed = Feed::connect(&nats);
    feed.beat(
        &org(&["sandwich", "batch"], &["sjc", "ams", "nrt"]),
        Duration::from_millis(500),
    );
    let folder = Folder::new("soak");
    let file = folder.write("token", TOKEN);
    let setup = Setup::new().nats(&nats).env("NATS_URL", &proxy.url());
    let setup = setup
        .env("ACCESS_TOKEN", "")
        .env("ACCESS_TOKEN_FILE", &file.to_string_lossy())
        .env("RUST_LOG", "info,async_nats=off");
    let lastbeat = setup.rules("beats.toml", RULES).start();
    lastbeat.wait_live(6);
    lastbeat.wait_metrics("the flow", LONG, |metrics| {
        metrics.sum("lastbeat_nats_state", &[("state", "flowing")]) == 1.0
    });
    Scene {
        nats,
        proxy,
        feed,
        lastbeat,
        folder,
    }
}

/// How long after the fault's end everything was as before.
fn healed(scene: &Scene, over: SystemTime) -> Duration {
    scene.lastbeat.wait_metrics("the flow", LONG, |metrics| {
        metrics.sum("lastbeat_nats_state", &[("state", "flowing")]) == 1.0
            && metrics.sum("lastbeat_instances", &[("verdict", "live")]) >= 6.0
    });
    since(over)
}

/// How many entries of those said from now on do not arrive.
fn lost(scene: &Scene) -> usize {
    // A token or permission that changed is no trouble of the feeder's: it has a user of its own.
    let teller = &org(&["teller"], &["ams"])[0];
    for _ in 0..AFTER {
        scene.feed.say(teller, "still here");
    }
    let told = || {
        let metrics = scene.lastbeat.metrics();
        metrics.sum("lastbeat_entries_total", &[("target_app", "teller")]) as usize
    };
    let from = wall();
    wait_until("what was said, or ten seconds", LONG, || {
        told() >= AFTER || since(from) > Duration::from_secs(10)
    });
    AFTER.saturating_sub(told())
}

fn seconds(span: Duration) -> String {
    format!("{:.1} s", span.as_secs_f64())
}
