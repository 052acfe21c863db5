//! Restarts: a core that is killed and restored from its store.

use crate::core::entry::Lifecycle;
use crate::core::persist::{Checkpoint, Decision, Saved, SavedIncident, SavedInstance, SavedLoss};
use crate::core::rule::{By, MaxGap, Rule, Watch};
use crate::core::tests::bench::{Bench, at, checkpoint, engine, rule, seconds};
use std::collections::BTreeMap;
use std::time::Duration;

/// A store in memory: everything it received, merged.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    saved: Saved,
    instances: BTreeMap<u32, SavedInstance>,
    incidents: BTreeMap<u64, SavedIncident>,
}

impl Disk {
    pub(super) fn decision(&mut self, decision: Decision) {
        self.take(decision.instances, decision.incidents);
    }

    pub(super) fn checkpoint(&mut self, checkpoint: Checkpoint) {
        if checkpoint.whole {
            self.instances.clear();
        }
        for slot in &checkpoint.forgotten {
            self.instances.remove(slot);
        }
        self.saved.clock = checkpoint.clock;
        self.saved.groups = checkpoint.groups;
        (self.saved.factors, self.saved.downstreams) = (checkpoint.factors, checkpoint.downstreams);
        let hour = |one: &SavedLoss| (one.app.clone(), one.counts.hour);
        let losses = &mut self.saved.losses;
        losses.retain(|old| !checkpoint.losses.iter().any(|new| hour(old) == hour(new)));
        losses.extend(checkpoint.losses);
        self.take(checkpoint.instances, checkpoint.incidents);
    }

    fn take(&mut self, instances: Vec<SavedInstance>, incidents: Vec<SavedIncident>) {
        self.instances
            .extend(instances.into_iter().map(|one| (one.slot, one)));
        self.incidents.extend(
            incidents
                .into_iter()
                .map(|one| (one.notice.incident.0, one)),
        );
    }

    pub(super) fn saved(&self) -> Saved {
        let open = |one: &&SavedIncident| one.closed.is_none();
        Saved {
            instances: self.instances.values().cloned().collect(),
            incidents: self.incidents.values().filter(open).cloned().collect(),
            ..self.saved.clone()
        }
    }
}

/// Another process takes over at `second`, with what this one knew at `saved`, and these rules.
pub(super) fn restarted(bench: &mut Bench, rules: Vec<Rule>, saved: f64, second: f64) {
    let mut disk = Disk::default();
    disk.checkpoint(checkpoint(&mut bench.engine, true, 1, at(saved)));
    bench.engine = engine(rules, second);
    bench.engine.restore(&disk.saved(), at(second));
}

/// A core whose process may be killed.
pub(super) struct Mortal {
    pub(super) bench: Bench,
    rules: Vec<Rule>,
    disk: Disk,
}

impl Mortal {
    pub(super) fn new(mut rules: Vec<Rule>) -> Self {
        rules
            .iter_mut()
            .for_each(|rule| rule.group_wait = Duration::ZERO);
        Mortal {
            bench: Bench::new(rules.clone()),
            rules,
            disk: Disk::default(),
        }
    }

    fn beats(&mut self, who: &[&str], at_seconds: impl IntoIterator<Item = u64>) {
        for second in at_seconds {
            self.bench.beats(who, [second]);
            self.keep_decisions();
        }
    }

    pub(super) fn keep_decisions(&mut self) {
        if let Some(decision) = self.bench.engine.decision() {
            self.disk.decision(decision);
        }
    }

    pub(super) fn checkpoint(&mut self, whole: bool, second: f64) {
        let kept = checkpoint(&mut self.bench.engine, whole, 1, at(second));
        self.disk.checkpoint(kept);
    }

    /// `kill -9`, and a new process at `second`.
    pub(super) fn restart(&mut self, second: f64) {
        self.bench.engine = engine(self.rules.clone(), second);
        let as_saved = self.bench.engine.restore(&self.disk.saved(), at(second));
        assert!(as_saved, "a core takes back what it gave");
        self.bench.keep();
        self.keep_decisions();
    }
}

const WEB: &str = "web.iad.a";
pub(super) const API: &str = "api.lhr.b";
pub(super) const LONE: &str = "lone.nrt.c";

fn up_to(last: u64) -> impl Iterator<Item = u64> {
    (0..=last).step_by(10)
}

fn from(first: u64, last: u64) -> impl Iterator<Item = u64> {
    (first..=last).step_by(10)
}

#[test]
fn who_died_while_lastbeat_was_down_fires_after_max_gap_of_listening_and_the_living_do_not() {
    let mut mortal = Mortal::new(vec![rule("r", "*", 30.0)]);
    mortal.beats(&[WEB, API, LONE], up_to(50));
    mortal.checkpoint(false, 51.0);
    mortal.restart(400.0);
    mortal.beats(&[WEB, API], from(400, 500));
    assert_eq!(mortal.bench.told(), ["440 HeartbeatMissed c opened"]);
    let down = mortal.bench.engine.facts.listening.ledger().next_back();
    let down = down.map(|blind| (blind.from, blind.to, blind.reason.label()));
    assert_eq!(down, Some((at(50.0).mono, at(400.0).mono, "down")));
}

#[test]
fn who_is_taken_back_late_and_lives_is_no_part_of_a_large_silent_region() {
    let mut earlier = Mortal::new(vec![rule("r", "*", 30.0)]);
    earlier.beats(&["api.iad.alive"], [108, 118, 128]);
    earlier.checkpoint(true, 128.0);

    let all: Vec<String> = (0..80).map(|n| format!("web.iad.{n}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let (first, last) = all.split_at(40);
    let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
    for second in (0..=100).step_by(10) {
        bench.beats(&["web.lhr.x"], [second]);
        bench.beats(first, [second]);
    }
    bench.beats(last, [102]);
    bench.beats(&["web.lhr.x"], 103..=131);
    assert_eq!(bench.told(), ["130 RegionSilent  opened"]);
    bench.engine.restore(&earlier.disk.saved(), at(131.0));
    bench.beats(&["web.lhr.x"], 132..=134);
    assert_eq!(bench.told()[1..], [""; 0], "it is one incident still");
    let notice = bench.engine.open_incidents().next().expect("it is open");
    assert_eq!(notice.affected_total, 80, "{notice:?}");
}

#[test]
fn a_short_restart_keeps_the_gap() {
    let mut mortal = Mortal::new(vec![rule("r", "*", 60.0)]);
    mortal.beats(&[WEB, API, LONE], up_to(20));
    mortal.beats(&[WEB, API], from(30, 60));
    mortal.checkpoint(false, 60.0);
    mortal.restart(70.0);
    mortal.beats(&[WEB, API], from(70, 200));
    // Heard at 20; ten seconds of the restart are blind, and may have hidden its beat of 60.
    assert_eq!(mortal.bench.told(), ["100 HeartbeatMissed c opened"]);
}

#[test]
fn beats_in_a_row_are_counted_across_a_restart() {
    let recover = 3;
    let mut mortal = Mortal::new(vec![Rule {
        recover,
        ..rule("r", "*", 30.0)
    }]);
    mortal.beats(&[WEB, API, LONE], up_to(20));
    mortal.beats(&[WEB, API], from(30, 60));
    mortal.beats(&[WEB, API, LONE], from(70, 80));
    mortal.checkpoint(false, 81.0);
    mortal.restart(85.0);
    mortal.beats(&[WEB, API, LONE], from(90, 160));
    let told = mortal.bench.told();
    assert_eq!(told.last(), Some(&"90 HeartbeatMissed c closed resolved"));
}

#[test]
fn what_is_open_stays_open_is_not_told_again_and_closes_once() {
    let mut mortal = Mortal::new(vec![rule("r", "*", 30.0)]);
    mortal.beats(&[WEB, API, LONE], up_to(20));
    mortal.checkpoint(false, 20.0);
    // Fires at 50, after the last checkpoint.
    mortal.beats(&[WEB, API], from(30, 60));
    mortal.restart(62.0);
    mortal.beats(&[WEB, API], from(70, 200));
    mortal.beats(&[WEB, API, LONE], from(210, 250));
    let told = [
        "50 HeartbeatMissed c opened",
        "210 HeartbeatMissed c closed resolved",
    ];
    assert_eq!(mortal.bench.told(), told);
    // Closed after the last checkpoint, in which it was silent: it must not fire again.
    mortal.restart(253.0);
    mortal.beats(&[WEB, API, LONE], from(260, 290));
    assert_eq!(mortal.bench.told(), told);
}

#[test]
fn an_incident_of_several_goes_on_and_reminds_in_its_rhythm() {
    let mut rules = vec![rule("r", "web", 30.0), rule("s", "*", 30.0)];
    rules[0].remind = Some(seconds(100.0));
    let mut mortal = Mortal::new(rules);
    let both = ["web.iad.a", "web.iad.d", API, LONE];
    mortal.beats(&both, up_to(20));
    mortal.beats(&both[2..], from(30, 100));
    mortal.checkpoint(true, 100.0);
    mortal.restart(101.0);
    mortal.beats(&both[2..], from(110, 170));
    mortal.restart(175.0);
    mortal.beats(&both[2..], from(180, 200));
    mortal.beats(&both, from(210, 250));
    assert_eq!(
        mortal.bench.told(),
        [
            "50 AppSilent  opened",
            "160 AppSilent  reminder 1",
            "210 AppSilent  closed resolved"
        ]
    );
}

#[test]
fn a_checkpoint_that_was_begun_before_a_decision_does_not_undo_it() {
    for whole in [false, true] {
        let mut mortal = Mortal::new(vec![rule("r", "*", 30.0)]);
        // The one that falls silent has the first slot.
        mortal.beats(&[LONE, WEB, API], up_to(20));
        mortal.beats(&[WEB, API], from(30, 60));
        let slots = mortal.bench.engine.instances();
        let draft = mortal.bench.engine.begin_checkpoint(whole, at(60.0));
        let draft = mortal.bench.engine.read_on(draft, slots - 1, at(60.0));
        let draft = draft.expect_err("one slot is left to read");
        mortal.beats(&[WEB, API, LONE], [61]);
        let checkpoint = mortal.bench.engine.read_on(draft, slots, at(61.0));
        mortal.disk.checkpoint(checkpoint.expect("all is read"));
        mortal.restart(62.0);
        mortal.beats(&[WEB, API, LONE], from(65, 125));
        let told = [
            "50 HeartbeatMissed c opened",
            "61 HeartbeatMissed c closed resolved",
        ];
        assert_eq!(mortal.bench.told(), told, "{whole}");
    }
}

#[test]
fn a_stall_that_is_open_stays_open_until_an_entry_comes() {
    let mut mortal = Mortal::new(vec![rule("r", "*", 30.0)]);
    mortal.beats(&[WEB, API], up_to(20));
    mortal.checkpoint(false, 20.0);
    mortal.beats(&[], from(30, 100));
    mortal.restart(110.0);
    mortal.beats(&[], from(120, 300));
    mortal.beats(&[WEB, API], from(310, 350));
    assert_eq!(
        mortal.bench.told(),
        [
            "80 StreamStalled  opened",
            "310 StreamStalled  closed resolved"
        ]
    );
}

#[test]
fn stops_are_remembered_and_so_is_who_was_expected_and_never_heard() {
    let mut rules = vec![rule("r", "*", 30.0), rule("g", "web", 100.0)];
    rules[1].by = By::Region;
    rules[1].expect = vec!["syd".to_owned()];
    let mut mortal = Mortal::new(rules);
    mortal.beats(&[WEB, API, LONE], up_to(20));
    let id = mortal.bench.engine.find("logs.lone.nrt.c").expect("known");
    mortal.bench.engine.lifecycle(id, Lifecycle::Autosuspend);
    mortal.bench.say(API, "bye", 21.0);
    mortal.checkpoint(false, 22.0);
    for second in [30, 60, 90] {
        mortal.restart(second as f64);
        mortal.beats(&[WEB], from(second, second + 20));
        mortal.checkpoint(second == 60, second as f64 + 21.0);
    }
    mortal.beats(&[WEB], from(120, 200));
    // 100 seconds listened since the start; three restarts took 9, 10 and 10 of them.
    assert_eq!(mortal.bench.told(), ["129 RegionSilent  opened"]);
}

#[test]
fn an_alert_whose_rule_left_while_lastbeat_was_down_is_closed() {
    let mut mortal = Mortal::new(vec![rule("r", "lone", 30.0), rule("s", "*", 30.0)]);
    mortal.beats(&[WEB, API, LONE], up_to(20));
    mortal.checkpoint(false, 20.0);
    mortal.beats(&[WEB, API], from(30, 60));
    mortal.rules.remove(0);
    mortal.restart(62.0);
    mortal.beats(&[WEB, API], from(70, 120));
    // The other rule applies now, and has not learned its interval yet.
    assert_eq!(
        mortal.bench.told(),
        [
            "50 HeartbeatMissed c opened",
            "62 HeartbeatMissed c closed rule removed",
            "110 HeartbeatMissed c opened"
        ]
    );
}

fn auto(name: &str, app: &str) -> Rule {
    Rule {
        max_gap: MaxGap::Auto,
        ..rule(name, app, 0.0)
    }
}

/// Beats of one every so many seconds beside one that proves the stream alive, with a restart between any two of them.
fn slow_beats(rule: Rule, who: &str, logs: bool, at_seconds: &[u64]) -> Mortal {
    let mut mortal = Mortal::new(vec![rule]);
    let mut now = 0;
    for &second in at_seconds {
        while now < second {
            mortal.bench.entry(LONE, now as f64);
            mortal.bench.tick(now as f64);
            mortal.keep_decisions();
            now += 50;
        }
        if logs {
            mortal.bench.entry(who, second as f64);
        } else {
            mortal.bench.say(who, "", second as f64);
        }
        mortal.bench.tick(second as f64);
        mortal.keep_decisions();
        mortal.checkpoint(false, second as f64);
        mortal.restart(second as f64 + 2.0);
        now = second + 10;
    }
    mortal
}

const HOUR: u64 = 3600;

#[test]
fn a_slow_rhythm_is_learned_across_restarts() {
    let at_hours: Vec<u64> = (0..8).map(|beat| beat * 4 * HOUR).collect();
    let logs = Rule {
        watch: Watch::Logs,
        ..auto("logs", "web")
    };
    let group = Rule {
        by: By::App,
        ..logs.clone()
    };
    for (rule, logs) in [(auto("beats", "web"), false), (logs, true), (group, true)] {
        let mortal = slow_beats(rule.clone(), WEB, logs, &at_hours);
        let told = mortal.bench.told();
        let opened = told.iter().filter(|line| line.contains("opened")).count();
        assert_eq!(opened, 2, "{rule:?} {told:?}");
    }
}

#[test]
fn one_interval_that_is_known_is_known_after_a_restart() {
    let mortal = slow_beats(auto("beats", "web"), WEB, false, &[0, 1000, 2000, 4900]);
    assert_eq!(
        mortal.bench.told(),
        [""; 0],
        "three times 1,000 s is allowed"
    );
    let mortal = slow_beats(auto("beats", "web"), WEB, false, &[0, 1000, 2000, 8000]);
    let told = mortal.bench.told();
    // What is learned is kept to a hundredth.
    assert!(
        told[0].starts_with("50") && told[0].ends_with("HeartbeatMissed a opened"),
        "{told:?}"
    );
}

#[test]
fn a_sparse_stream_stays_known_across_restarts() {
    let mut mortal = Mortal::new(vec![rule("r", "web", 86_400.0)]);
    let mut rules = mortal.bench.engine.facts.rules.clone();
    rules.stream.max_gap = MaxGap::Auto;
    mortal.bench.engine.facts.set_rules(rules);
    for second in (0..=6_000).step_by(600) {
        mortal.bench.say(WEB, "", f64::from(second));
        mortal.bench.tick(f64::from(second));
    }
    let before = mortal.bench.engine.facts.listening.clone();
    assert!(before.usual_silence().is_some());
    mortal.checkpoint(true, 6_000.0);
    mortal.restart(6_001.0);
    let listening = &mortal.bench.engine.facts.listening;
    assert_eq!(listening.usual_silence(), before.usual_silence());
    let (pauses, silences) = listening.usual();
    assert_eq!(pauses.saved(), before.usual().0.saved());
    assert_eq!(silences.saved(), before.usual().1.saved());
}
