//! A core in virtual time that remembers its output.

use crate::core::engine::{Engine, Feed, Options, Output};
use crate::core::entry::{BeatLine, Lifecycle, MarkerId, Provider, Subject};
use crate::core::notice::{Notice, NoticeKind};
use crate::core::persist::Checkpoint;
use crate::core::rule::{
    By, FORGET_AFTER, FalseAlarms, Globs, MaxGap, Rule, RuleSet, Severity, StreamRule, Watch,
};
use crate::core::time::{Mono, Now, Wall};
use crate::core::tracker::InstanceId;
use std::time::Duration;

/// Start of virtual time on the wall clock, in seconds.
const EPOCH: u64 = 1_700_000_000;

pub(in crate::core) fn seconds(count: f64) -> Duration {
    Duration::from_secs_f64(count)
}

pub(in crate::core) fn at(second: f64) -> Now {
    Now {
        mono: Mono::ZERO + seconds(second),
        wall: Wall::ZERO + Duration::from_secs(EPOCH) + seconds(second),
    }
}

pub(in crate::core) fn rule(name: &str, app: &str, max_gap: f64) -> Rule {
    Rule {
        name: name.to_owned(),
        watch: Watch::Heartbeat {
            marker: MarkerId(0),
            beat: None,
        },
        app: Globs(vec![app.to_owned()]),
        region: Globs::default(),
        host: Globs::default(),
        by: By::Instance,
        max_gap: MaxGap::Fixed(seconds(max_gap)),
        false_alarms: FalseAlarms::default(),
        min_rate: None,
        hold: Duration::ZERO,
        on_crash: false,
        restart_silent: false,
        active: None,
        labels: Default::default(),
        recover: 1,
        severity: Severity::Error,
        summary: None,
        runbook: None,
        expect: Vec::new(),
        at_least: None,
        remind: None,
        notify: None,
        group_wait: Duration::ZERO,
        forget_after: FORGET_AFTER,
    }
}

/// A core that starts at this second.
pub(in crate::core) fn engine(rules: Vec<Rule>, second: f64) -> Engine {
    let stream = StreamRule {
        max_gap: MaxGap::Fixed(seconds(60.0)),
        ..StreamRule::default()
    };
    let set = RuleSet {
        stream,
        rules,
        ..RuleSet::default()
    };
    let options = Options {
        ignore: Globs(vec!["fly-builder-*".to_owned()]),
        first_incident: 1,
        ..Options::default()
    };
    Engine::new(set, options, at(second))
}

/// Lets an entry of `app.region.instance` arrive; `None` where its app is ignored.
pub(in crate::core) fn hear(engine: &mut Engine, who: &str, second: f64) -> Option<InstanceId> {
    hear_of(engine, who, Provider::App, second)
}

/// As [`hear`], with an entry of this provider.
fn hear_of(engine: &mut Engine, who: &str, provider: Provider, second: f64) -> Option<InstanceId> {
    let raw = format!("logs.{who}");
    let mut tokens = who.split('.');
    let mut next = || tokens.next().expect("app.region.instance");
    let subject = Subject {
        raw: &raw,
        app: next(),
        region: next(),
        instance: next(),
    };
    engine.arrive(at(second));
    let id = match engine.find(&raw) {
        Some(id) => id,
        None => engine.admit(&subject, 100).expect("there is room")?,
    };
    engine.heard(id, provider, 100);
    Some(id)
}

/// A checkpoint of all that changed, or of the whole, read in steps of so many slots.
pub(in crate::core) fn checkpoint(
    engine: &mut Engine,
    whole: bool,
    slots: usize,
    now: Now,
) -> Checkpoint {
    let mut draft = engine.begin_checkpoint(whole, now);
    loop {
        match engine.read_on(draft, slots, now) {
            Ok(checkpoint) => return checkpoint,
            Err(more) => draft = more,
        }
    }
}

/// A core that remembers its output, each line `second what who why`.
pub(in crate::core) struct Bench {
    pub(in crate::core) engine: Engine,
    pub(in crate::core) said: Vec<String>,
    /// The notifications themselves.
    pub(in crate::core) notices: Vec<Notice>,
}

impl Bench {
    pub(in crate::core) fn new(rules: Vec<Rule>) -> Self {
        Bench {
            engine: engine(rules, 0.0),
            said: Vec::new(),
            notices: Vec::new(),
        }
    }

    /// Beats of all these instances at each of the seconds; evaluates at each.
    pub(in crate::core) fn beats(
        &mut self,
        who: &[&str],
        at_seconds: impl IntoIterator<Item = u64>,
    ) {
        for second in at_seconds {
            for who in who {
                self.say(who, "", second as f64);
            }
            self.tick(second as f64);
        }
    }

    pub(in crate::core) fn say(&mut self, who: &str, words: &str, second: f64) -> Option<Duration> {
        self.beat(who, words, "", None, second)
    }

    /// A plain beat that was sent at another time than it arrived.
    pub(in crate::core) fn say_late(&mut self, who: &str, said: f64, second: f64) {
        self.beat(who, "", "", Some(said), second);
    }

    /// A plain beat from a physical host.
    pub(in crate::core) fn say_from(&mut self, who: &str, host: &str, second: f64) {
        self.beat(who, "", host, None, second);
    }

    fn beat(
        &mut self,
        who: &str,
        words: &str,
        host: &str,
        said: Option<f64>,
        second: f64,
    ) -> Option<Duration> {
        let id = self.entry(who, second)?;
        let every = words
            .strip_prefix("every=")
            .map(|every| seconds(every.parse().expect("seconds")));
        let line = BeatLine {
            marker: MarkerId(0),
            text: "HEARTBEAT",
            name: words
                .strip_prefix("name=")
                .map_or("", |name| name.trim_end_matches(" bye")),
            every,
            seq: words
                .strip_prefix("seq=")
                .map(|seq| seq.parse().expect("a number")),
            bye: words == "bye" || words.ends_with(" bye"),
            host,
            entry_time: said.map(|said| Wall::ZERO + Duration::from_secs_f64(EPOCH as f64 + said)),
        };
        let interval = self.engine.beat(id, &line).expect("there is room");
        self.keep();
        interval
    }

    pub(in crate::core) fn entry(&mut self, who: &str, second: f64) -> Option<InstanceId> {
        let id = hear(&mut self.engine, who, second)?;
        self.keep();
        Some(id)
    }

    /// The platform logs about an instance, which says nothing itself.
    pub(in crate::core) fn logged_about(&mut self, who: &str, second: f64) {
        hear_of(&mut self.engine, who, Provider::Runner, second);
        self.keep();
    }

    /// The platform reports something of an instance that is known.
    pub(in crate::core) fn report(&mut self, who: &str, what: Lifecycle, second: f64) {
        let id = self.engine.find(&format!("logs.{who}"));
        self.engine.arrive(at(second));
        self.engine.lifecycle(id.expect("it is known"), what);
        self.keep();
    }

    pub(in crate::core) fn tick(&mut self, second: f64) -> Mono {
        let wake = self.engine.evaluate(at(second));
        self.keep();
        wake
    }

    pub(in crate::core) fn feed(&mut self, feed: Feed, second: f64) {
        self.engine.feed(feed, at(second));
    }

    pub(in crate::core) fn keep(&mut self) {
        let second = |wall: Wall| wall.seconds() - EPOCH as f64;
        for output in self.engine.drain() {
            self.said.push(match output {
                Output::Restart(_, candidate) => format!("restart {}", candidate.id),
                Output::Changed(change) => {
                    let who = format!(
                        "{}.{}.{}",
                        change.who.app, change.who.region, change.who.instance
                    );
                    format!(
                        "{:.0} {} -> {} {who}",
                        second(change.at),
                        change.from.label(),
                        change.to.label()
                    )
                }
                Output::Notify(notice) => {
                    let why = match notice.kind {
                        NoticeKind::Opened => "opened".to_owned(),
                        NoticeKind::Updated(count) => format!("update {count}"),
                        NoticeKind::Reminder(count) => format!("reminder {count}"),
                        NoticeKind::Closed(why) => format!("closed {}", why.label()),
                    };
                    let name = notice.alarm.name(notice.scope);
                    let at = if notice.kind == NoticeKind::Opened {
                        notice.due
                    } else {
                        notice.decided
                    };
                    let line = format!("{:.0} {name} {} {why}", second(at), notice.who.instance);
                    self.notices.push(*notice);
                    line
                }
            });
        }
    }

    /// The notifications, without the changes of state.
    pub(in crate::core) fn told(&self) -> Vec<&str> {
        self.said
            .iter()
            .map(String::as_str)
            .filter(|line| !line.contains("->"))
            .collect()
    }
}
