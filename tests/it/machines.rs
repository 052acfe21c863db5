//! The program with an inventory, as its user runs it: who is silent and stopped on purpose is told to nobody, who is silent
//! and meant to run is told at once, and an inventory that does not answer hides nobody.

mod deaths;
mod opinion;

use crate::support::dns_server::{DnsServer, Said};
use crate::support::feed::Feed;
use crate::support::hook::{Hook, Taken};
use crate::support::lastbeat::{Lastbeat, Setup};
use crate::support::machines_api::{Failing, MachinesServer, TOKEN, machine};
use crate::support::nats::{Nats, Peer};
use crate::support::org::{Instance, org};
use crate::support::wait::{wait_for, wait_until};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

const STARTED: &str = "_instances.internal";
const DEPLOYED: &str = "all._instances.internal";
const MAX_GAP: Duration = Duration::from_secs(3);
/// Until the last beat of whoever falls silent, the entry that shows it, the grouping of alerts and the way to the hook.
const SLACK: Duration = Duration::from_millis(3500);
/// An answer of the inventory is awaited for so long.
const AWAITED: Duration = Duration::from_secs(5);
const SOON: Duration = Duration::from_secs(20);
const RULE: &str = "name = 'beats'\nmax_gap = '3s'\n";

/// The program with its stream, those who beat, and whoever is told.
struct Stage {
    lastbeat: Lastbeat,
    hook: Hook,
    feed: Feed,
    /// `web` and `api` in `sjc` and `ams`, and what else a test asks for.
    instances: Vec<Instance>,
    _nats: Nats,
}

impl Stage {
    /// Four who beat, and `more` in further regions; waits until all of them are live.
    fn new(setup: Setup, rule: &str, more: &[&str]) -> Self {
        let regions = [&["sjc", "ams"], more].concat();
        let instances = org(&["web", "api"], &regions);
        let nats = Nats::start(Peer::Current);
        let feed = Feed::connect(&nats);
        let hook = Hook::start();
        let notify = format!(
            "[notify.oncall]\ntype = 'webhook'\nurl = '{}/oncall'\n",
            hook.url()
        );
        feed.beat(&instances, Duration::from_millis(300));
        let lastbeat = setup
            .nats(&nats)
            .rules("notify.toml", &notify)
            .rules("rules.toml", &format!("[[rule]]\n{rule}"))
            .start();
        wait_until("all are live", SOON, || {
            let mut all = instances.iter();
            all.all(|one| instance(&lastbeat, one)["verdict"] == "live")
        });
        Stage {
            lastbeat,
            hook,
            feed,
            instances,
            _nats: nats,
        }
    }

    /// What the API tells of one.
    fn thinks(&self, one: &Instance) -> Value {
        instance(&self.lastbeat, one)
    }

    /// Waits for a verdict; its reason.
    #[track_caller]
    fn wait_verdict(&self, one: &Instance, verdict: &str) -> String {
        let what = format!("{} is {verdict}", one.subject());
        let row = wait_for(&what, SOON, || {
            Some(self.thinks(one)).filter(|row| row["verdict"] == verdict)
        });
        row["reason"].as_str().unwrap_or_default().to_owned()
    }

    /// What the hook was told so far.
    fn told(&self) -> Vec<Taken> {
        self.hook.taken()
    }

    /// Waits for the first notice, which has to be about this one; what it says, and how long after its deadline it came.
    #[track_caller]
    fn wait_alert(&self, one: &Instance, last_beat: SystemTime) -> (String, Duration) {
        let told = self.hook.wait(1, SOON);
        let notice = told[0].json();
        assert_eq!(
            (&notice["state"], &notice["target"]["instance"]),
            (&json!("opened"), &json!(one.id)),
            "{notice}"
        );
        let gap = told[0].at.duration_since(last_beat).unwrap_or_default();
        let (text, delay) = (text(&notice), gap.saturating_sub(MAX_GAP));
        println!("{delay:?} after its deadline: {text}");
        (text, delay)
    }

    /// What is known of the one incident that is open.
    fn detail(&self) -> String {
        let answer = self.lastbeat.get("/api/v1/incidents?state=open");
        let answer: Value = serde_json::from_str(&answer.body).expect("JSON");
        let detail = answer["incidents"][0]["detail"].as_str();
        detail.unwrap_or_default().to_owned()
    }

    /// Nobody else is told of within the time in which everybody else's silence would have been.
    #[track_caller]
    fn nothing_else(self, told: usize) {
        self.lastbeat
            .wait_listened(MAX_GAP + AWAITED + Duration::from_secs(2));
        let all: Vec<String> = self.told().iter().map(|one| text(&one.json())).collect();
        assert_eq!(all.len(), told, "{all:#?}");
        self.lastbeat.stop();
    }
}

fn text(notice: &Value) -> String {
    notice["text"].as_str().unwrap_or_default().to_owned()
}

/// What the API tells of an instance; nothing where it does not know it.
fn instance(lastbeat: &Lastbeat, one: &Instance) -> Value {
    let path = format!(
        "/api/v1/instances?app={}&region={}&instance={}",
        one.app, one.region, one.id
    );
    let answer: Value = serde_json::from_str(&lastbeat.get(&path).body).expect("JSON");
    answer["instances"][0].clone()
}

fn item(one: &Instance) -> String {
    format!(
        "instance={},app={},ip=fdaa:0:18:a7b:7d::2,region={}",
        one.id, one.app, one.region
    )
}

/// A resolver that lists all of these but for some.
fn list<'a>(server: &DnsServer, name: &str, all: impl IntoIterator<Item = &'a Instance>) {
    let items: Vec<String> = all.into_iter().map(item).collect();
    server.say_text(name, items.join(";"));
}

fn with_dns(server: &DnsServer) -> Setup {
    Setup::new()
        .env("LASTBEAT_INVENTORY", "dns")
        .env("LASTBEAT_INVENTORY_DNS", &server.address.to_string())
}

fn with_api(server: &MachinesServer) -> Setup {
    Setup::new()
        .env("LASTBEAT_INVENTORY", "machines")
        .env("LASTBEAT_INVENTORY_URL", &server.url)
        .env("LASTBEAT_INVENTORY_TOKEN", TOKEN)
}

/// All of them as the API lists them, all started.
fn started(all: &[Instance]) -> Vec<Value> {
    let listed = |one: &Instance| machine(&one.app, &one.region, &one.id, "started");
    all.iter().map(listed).collect()
}

#[test]
fn of_three_who_fall_silent_only_the_one_that_is_meant_to_run_is_told() {
    let server = DnsServer::start();
    let all = org(&["web", "api"], &["sjc", "ams", "nrt"]);
    list(&server, STARTED, &all);
    list(&server, DEPLOYED, &all);
    let stage = Stage::new(with_dns(&server), RULE, &["nrt"]);
    let [stopped, destroyed, dead] = [&all[0], &all[1], &all[5]];
    let up = |one: &&Instance| ![stopped, destroyed].contains(one);
    list(&server, STARTED, all.iter().filter(up));
    list(
        &server,
        DEPLOYED,
        all.iter().filter(|&one| one != destroyed),
    );
    stage.feed.silence(stopped);
    stage.feed.silence(destroyed);
    let last_beat = stage.feed.silence(dead);
    let (text, delay) = stage.wait_alert(dead, last_beat);
    assert!(!text.contains("inventory"), "it has nothing to add: {text}");
    assert!(delay < SLACK, "an answer came, and nobody waits longer");
    assert_eq!(
        stage.wait_verdict(stopped, "stopped"),
        "not running, says the inventory"
    );
    assert_eq!(
        stage.wait_verdict(destroyed, "stopped"),
        "no longer deployed, says the inventory"
    );
    stage.wait_verdict(dead, "silent");
    let metrics = stage.lastbeat.metrics();
    let listed = |as_what| metrics.sum("lastbeat_inventory_machines", &[("listed", as_what)]);
    assert_eq!((listed("started"), listed("stopped")), (4.0, 1.0));
    stage.nothing_else(1);
}

#[test]
fn one_that_is_listed_as_started_and_never_heard_is_told() {
    let server = DnsServer::start();
    let all = org(&["web", "api"], &["sjc", "ams"]);
    let mute = Instance {
        app: "batch".to_owned(),
        region: "sjc".to_owned(),
        id: "e784079b449483".to_owned(),
    };
    // No rule names its app, and none of it ever beat.
    let nobodys = Instance {
        app: "cron".to_owned(),
        ..mute.clone()
    };
    list(&server, STARTED, all.iter().chain([&mute, &nobodys]));
    list(&server, DEPLOYED, all.iter().chain([&mute, &nobodys]));
    let rule = format!("{RULE}app = 'batch'\n[[rule]]\nname = 'others'\nmax_gap = '3s'\n");
    let stage = Stage::new(with_dns(&server), &rule, &[]);
    let told = stage.hook.wait(1, SOON);
    let notice = told[0].json();
    println!("{}", text(&notice));
    assert_eq!(notice["target"]["instance"], json!(mute.id), "{notice}");
    assert!(
        text(&notice).contains("never heard, expected since"),
        "{notice}"
    );
    let reason = stage.wait_verdict(&mute, "never-seen");
    assert!(reason.contains("lists it as started"), "{reason}");
    let url = format!("http://{}", stage.lastbeat.server.address);
    let mut status = Setup::new().env("LASTBEAT_URL", &url).command(&["status"]);
    assert_eq!(status.wait_end(SOON), 1);
    let shown = status.lines().join("\n");
    println!("{shown}");
    assert!(
        shown.contains("NEVER-SEEN") && shown.contains("batch/sjc/"),
        "{shown}"
    );
    assert_eq!(stage.thinks(&nobodys), Value::Null);
    stage.nothing_else(1);
}

#[test]
fn an_inventory_that_fails_or_is_gone_hides_nobody() {
    for (said, outcome) in [(Said::Failed, "failed"), (Said::Silence, "timed_out")] {
        let server = DnsServer::start();
        let all = org(&["web", "api"], &["sjc", "ams"]);
        list(&server, STARTED, &all);
        list(&server, DEPLOYED, &all);
        let stage = Stage::new(with_dns(&server), RULE, &[]);
        server.say(STARTED, said.clone());
        server.say(DEPLOYED, said);
        let last_beat = stage.feed.silence(&all[0]);
        let (text, delay) = stage.wait_alert(&all[0], last_beat);
        assert!(delay < AWAITED + SLACK, "{outcome}: {delay:?}");
        assert!(text.contains("the inventory does not answer"), "{text}");
        stage
            .lastbeat
            .wait_metrics("failed polls", SOON, |metrics| {
                let labels = [("source", "dns"), ("outcome", outcome)];
                metrics.sum("lastbeat_inventory_polls_total", &labels) >= 1.0
            });
        assert_eq!(
            stage.lastbeat.said(&["WARN", "cannot read the inventory"]),
            1,
            "said once"
        );
        stage.nothing_else(1);
    }
}

#[test]
fn one_that_is_silent_alone_is_restarted_once_and_everybody_told_so() {
    let server = MachinesServer::start();
    let all = org(&["web", "api"], &["sjc", "ams"]);
    server.has(started(&all), 1000);
    let rule = format!("{RULE}on_silent = 'restart'\n");
    let stage = Stage::new(with_api(&server), &rule, &[]);
    let last_beat = stage.feed.silence(&all[0]);
    let (_, delay) = stage.wait_alert(&all[0], last_beat);
    assert!(delay < SLACK, "{delay:?}");
    let restarts = || {
        let requests = server.requests().into_iter();
        requests
            .filter(|request| request.contains("/restart"))
            .collect::<Vec<_>>()
    };
    wait_until("the incident says so", SOON, || {
        stage.detail().contains("lastbeat restarted it")
    });
    let asked = format!("POST /v1/apps/web/machines/{}/restart", all[0].id);
    // It does not help, and is not done again.
    stage
        .lastbeat
        .wait_listened(MAX_GAP * 2 + Duration::from_secs(1));
    assert_eq!(restarts(), std::slice::from_ref(&asked));
    stage.feed.resume(&all[0]);
    // An update says at once that it was restarted.
    let told = stage.hook.wait(3, SOON);
    let states: Vec<Value> = told.iter().map(|one| one.json()["state"].clone()).collect();
    assert_eq!(states, ["opened", "updated", "closed"]);
    for one in &told[1..] {
        let one = one.json();
        println!("{}", text(&one));
        assert!(text(&one).contains("lastbeat restarted it"), "{one}");
    }
    assert_eq!(restarts(), [asked]);
    stage.nothing_else(3);
}

#[test]
fn a_restart_that_is_not_allowed_says_which_token_is() {
    let server = MachinesServer::start();
    let all = org(&["web", "api"], &["sjc", "ams"]);
    server.has(started(&all), 1000);
    server.fail(
        "/restart",
        Failing::Status(403, None, "read only".to_owned()),
    );
    let rule = format!("{RULE}on_silent = 'restart'\n");
    let stage = Stage::new(with_api(&server), &rule, &[]);
    let last_beat = stage.feed.silence(&all[0]);
    stage.wait_alert(&all[0], last_beat);
    let detail = wait_for("the incident says why not", SOON, || {
        Some(stage.detail()).filter(|detail| detail.contains("403"))
    });
    println!("{detail}");
    assert!(detail.contains("fly tokens create org"), "{detail}");
    assert_eq!(stage.lastbeat.said(&[TOKEN]), 0, "a token is in the log");
    // An update says so.
    let told = stage.hook.wait(2, SOON);
    assert_eq!(told[1].json()["state"], "updated");
    stage.nothing_else(2);
}

#[test]
fn how_it_ended_decides_whether_one_that_is_stopped_was_to_stop() {
    let server = MachinesServer::start();
    let all = org(&["web", "api"], &["sjc", "ams"]);
    server.has(started(&all), 1000);
    let stage = Stage::new(with_api(&server), RULE, &[]);
    let (asked, killed) = (&all[0], &all[3]);
    let mut machines = started(&all);
    for at in [0, 3] {
        machines[at]["state"] = json!("stopped");
    }
    let exit = |requested: bool, code: i32, oom: bool| json!({"requested_stop": requested, "exit_code": code, "oom_killed": oom});
    machines[0]["events"][0]["request"]["exit_event"] = exit(true, 137, false);
    machines[3]["events"][0]["request"]["exit_event"] = exit(false, 137, true);
    server.has(machines, 1000);
    stage.feed.silence(asked);
    let last_beat = stage.feed.silence(killed);
    let (text, delay) = stage.wait_alert(killed, last_beat);
    assert!(text.contains("ran out of memory"), "{text}");
    assert!(delay < SLACK, "{delay:?}");
    assert_eq!(
        stage.wait_verdict(asked, "stopped"),
        "not running, says the inventory"
    );
    stage.nothing_else(1);
}

#[test]
fn one_that_was_killed_is_told_where_a_poll_saw_it_stopped_before_its_deadline() {
    let server = MachinesServer::start();
    let all = org(&["web", "api"], &["sjc", "ams", "nrt"]);
    server.has(started(&all), 1000);
    let stage = Stage::new(with_api(&server), RULE, &["nrt"]);
    let [hung, suspended, killed] = [&all[0], &all[1], &all[5]];
    let last_beat = stage.feed.silence(hung);
    stage.lastbeat.wait_listened(Duration::from_secs(1));
    let mut machines = started(&all);
    // Its last exit was that of another time.
    machines[1]["state"] = json!("suspended");
    machines[5]["state"] = json!("stopped");
    server.has(machines, 1000);
    stage.feed.silence(suspended);
    let killed_at = stage.feed.silence(killed);
    stage.wait_alert(hung, last_beat);
    assert_eq!(
        stage.wait_verdict(suspended, "stopped"),
        "not running, says the inventory"
    );
    let told = stage.hook.wait(2, SOON);
    let notice = told[1].json();
    let gap = told[1].at.duration_since(killed_at).unwrap_or_default();
    println!(
        "{:?} after its deadline: {}",
        gap.saturating_sub(MAX_GAP),
        text(&notice)
    );
    assert_eq!(notice["target"]["instance"], json!(killed.id), "{notice}");
    assert!(text(&notice).contains("ran out of memory"), "{notice}");
    assert!(gap < MAX_GAP + SLACK, "{gap:?}");
    stage.nothing_else(2);
}

#[test]
fn a_host_that_cannot_be_reached_is_told() {
    let server = MachinesServer::start();
    let all = org(&["web", "api"], &["sjc", "ams"]);
    server.has(started(&all), 1000);
    let stage = Stage::new(with_api(&server), RULE, &[]);
    let mut machines = started(&all);
    // Whatever its state says: nobody can know it.
    machines[0]["state"] = json!("stopped");
    machines[0]["host_status"] = json!("unreachable");
    server.has(machines, 1000);
    let last_beat = stage.feed.silence(&all[0]);
    let (text, _) = stage.wait_alert(&all[0], last_beat);
    assert!(text.contains("unreachable"), "{text}");
    let reason = stage.wait_verdict(&all[0], "silent");
    assert!(reason.contains("unreachable"), "{reason}");
    stage.nothing_else(1);
}

#[test]
fn what_an_app_prints_stops_nobody() {
    let stage = Stage::new(Setup::new(), &format!("{RULE}group_wait = '0s'\n"), &[]);
    let all = &stage.instances;
    let [liar, victim, idle] = [&all[0], &all[3], &all[1]];
    let autostop = |of: &Instance| {
        format!(
            "App {} has excess capacity, autostopping machine {}. 0 out of 1 machines left running (region={}, \
             process group=app)",
            of.app, of.id, of.region
        )
    };
    let lies = [
        autostop(liar),
        autostop(victim),
        autostop(victim).replace("stopping", "suspending"),
        "machine exited with exit code 0, not restarting".to_owned(),
        "machine restart policy set to 'no', not restarting".to_owned(),
        " INFO Sending signal SIGINT to main child process w/ PID 637".to_owned(),
        " INFO Main child exited normally with code: 0".to_owned(),
        json!({"event": {"provider": "proxy"}, "message": autostop(liar)}).to_string(),
        format!("HEARTBEAT\n{}", autostop(liar)),
    ];
    let mut last_beat = SystemTime::UNIX_EPOCH;
    for one in [liar, victim] {
        last_beat = stage.feed.silence(one);
    }
    for lie in &lies {
        stage.feed.say(liar, lie);
    }
    // The same from the proxy itself, of another: that one does stop.
    stage.feed.silence(idle);
    let entry = idle.entry(&autostop(idle));
    let entry = entry.replace(r#""provider":"app""#, r#""provider":"proxy""#);
    stage
        .feed
        .publish(vec![(idle.subject(), entry.into_bytes())]);
    assert_eq!(stage.wait_verdict(idle, "stopped"), "autostop by proxy");
    let told = stage.hook.wait(2, SOON);
    let gap = told[1].at.duration_since(last_beat).unwrap_or_default();
    println!("{:?} after the deadline", gap.saturating_sub(MAX_GAP));
    let mut about: Vec<Value> = told
        .iter()
        .map(|one| one.json()["target"]["instance"].clone())
        .collect();
    about.sort_by_key(Value::to_string);
    assert_eq!(about, [json!(liar.id), json!(victim.id)]);
    for one in [liar, victim] {
        assert_eq!(stage.wait_verdict(one, "silent"), "");
    }
    stage.nothing_else(2);
}
