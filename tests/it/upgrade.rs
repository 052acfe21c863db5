//! A state file that the version before left: what was open is still open, and whoever was notified of it is notified of
//! its end, once.

use crate::support::feed::Feed;
use crate::support::hook::Hook;
use crate::support::lastbeat::Setup;
use crate::support::nats::{Nats, Peer};
use crate::support::org::Instance;
use crate::support::testbed::project;
use crate::support::wait::{wait_until, wall};
use std::time::{Duration, UNIX_EPOCH};

const SOON: Duration = Duration::from_secs(60);
/// When the file was written, in nanoseconds of the Unix epoch.
const WRITTEN_AT: u64 = 1_795_861_163_625_986_404;
/// Digits of a time in nanoseconds.
const DIGITS: usize = 19;

/// The rules under which the file was written.
const RULES: &str = "
[stream]
max_gap = '30s'

[[rule]]
name = 'web'
app = 'web'
max_gap = '3s'
severity = 'warning'
remind = '1h'

[[rule]]
name = 'db'
app = 'db'
max_gap = '3s'
severity = 'critical'
runbook = 'https://wiki.example.com/db'

[[rule]]
name = 'rest'
max_gap = '3s'

[notify.hook]
type = 'webhook'
url = '${HOOK}/hook'

[notify.dead]
type = 'webhook'
url = '${HOOK}/dead'
";

/// The file's SQL, as if it had been written a minute ago.
fn written_a_minute_ago() -> String {
    let path = project().join("tests/fixtures/state-0.1.0.sql");
    let text = std::fs::read_to_string(path).expect("the fixture is there");
    let now = wall().duration_since(UNIX_EPOCH).expect("after 1970");
    let now = u64::try_from(now.as_nanos()).expect("before 2500");
    let moved = now - Duration::from_secs(60).as_nanos() as u64 - WRITTEN_AT;
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    // Words are what stands between other characters: hexadecimal bodies are one, and none of the times.
    while let Some(at) = rest.find(|char: char| char.is_ascii_alphanumeric()) {
        out.push_str(&rest[..at]);
        let word = &rest[at..];
        let end = word.find(|char: char| !char.is_ascii_alphanumeric());
        let (word, after) = word.split_at(end.unwrap_or(word.len()));
        match word.parse::<u64>() {
            Ok(nanos) if word.len() == DIGITS => out.push_str(&(nanos + moved).to_string()),
            _ => out.push_str(word),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Everyone in the file.
fn instances() -> Vec<Instance> {
    let all = "web/iad/webiad1 web/fra/webfra1 db/iad/dbiad1 db/fra/dbfra1 api/iad/apiiad1 api/fra/apifra1 \
        solo/fra/solo1 solo/fra/solo2 solo/lhr/solo3";
    all.split_whitespace()
        .map(|name| {
            let mut parts = name.split('/').map(str::to_owned);
            let mut next = || parts.next().expect("three parts");
            Instance {
                app: next(),
                region: next(),
                id: next(),
            }
        })
        .collect()
}

/// `state scope incident` of each request to a path, in order.
fn told(hook: &Hook, path: &str) -> Vec<String> {
    let taken = hook.taken();
    let own = taken.iter().filter(|one| one.path == path);
    own.map(|one| {
        let body = one.json();
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        format!("{} {} {}", text("state"), text("scope"), text("incident"))
    })
    .collect()
}

#[test]
fn what_is_open_in_a_file_of_the_version_before_is_closed_once_to_everyone_notified() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let hook = Hook::start();
    let setup = Setup::new()
        .nats(&nats)
        .env("HOOK", &hook.url())
        .env("LASTBEAT_STATE", "state.db")
        .rules("rules.toml", RULES);
    let rules = setup.rules_folder();
    let folder = rules.parent().expect("it is within a folder");
    let db = rusqlite::Connection::open(folder.join("state.db")).expect("a new file");
    db.execute_batch(&written_a_minute_ago())
        .expect("it is SQL");
    drop(db);

    // Those that were silent stay so at first.
    let all = instances();
    let was_silent = |one: &&Instance| one.region == "iad" || one.id == "solo1";
    let (silent, live): (Vec<&Instance>, Vec<&Instance>) = all.iter().partition(was_silent);
    let owned = |some: &[&Instance]| some.iter().map(|one| (*one).clone()).collect::<Vec<_>>();
    feed.beat(&owned(&live), Duration::from_secs(1));
    let lastbeat = setup.start();
    let (region, alone) = ("region 1a221aa559200", "instance 1a221aa559201");
    let opened = [format!("opened {region}"), format!("opened {alone}")];
    wait_until("what waited is sent", SOON, || {
        told(&hook, "/dead").len() == 2
    });
    assert_eq!(told(&hook, "/dead"), opened);
    let open = lastbeat.get("/api/v1/incidents?state=open");
    for incident in ["1a221aa559200", "1a221aa559201"] {
        assert!(open.body.contains(incident), "{}", open.body);
    }

    feed.beat(&owned(&silent), Duration::from_secs(1));
    let closed = |path: &str| {
        let mut closed: Vec<String> = told(&hook, path);
        closed.retain(|one| one.starts_with("closed"));
        closed.sort();
        closed
    };
    let ends = [format!("closed {alone}"), format!("closed {region}")];
    wait_until("both ends at both", SOON, || {
        closed("/hook") == ends && closed("/dead") == ends
    });
    lastbeat.wait_metrics("nothing pending", SOON, |metrics| {
        metrics.sum("lastbeat_notices_pending", &[]) == 0.0
    });
    let openings = |path: &str| {
        let told = told(&hook, path).into_iter();
        told.filter(|one| one.starts_with("opened")).count()
    };
    assert_eq!(openings("/hook"), 0, "it was notified before");
    assert_eq!(openings("/dead"), 2);
    lastbeat.stop();
}
