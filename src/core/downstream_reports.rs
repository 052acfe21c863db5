//! Reports about downstreams: what is to be asked next, the answers, and the incidents that follow.

use crate::core::downstream::counters::Counters;
use crate::core::downstream::rule::Proof;
use crate::core::downstream::watch::Answer;
use crate::core::engine::{Engine, Feed};
use crate::core::time::{Now, Wall};
use std::time::Duration;

/// The next query of a downstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DownstreamQuery {
    /// Wall clock: the time from which the sink is to be searched.
    pub since: Wall,
}

/// A report about a downstream.
#[derive(Clone, Debug)]
pub struct DownstreamReport {
    /// The downstream's name.
    pub name: String,
    /// Both clocks when the query was sent.
    pub asked: Now,
    /// The answer of the sink.
    pub answer: Answer,
    /// Wall clock: beginning and end of what the archive deleted before it was forwarded; `None`: nothing since the last
    /// report.
    pub deleted: Option<(Wall, Wall)>,
    /// The counters of the shipper, if they were asked for; `Some(None)`: it did not answer.
    pub counters: Option<Option<Counters>>,
}

impl Engine {
    /// A canary of lastbeat came back through the stream; `sent`: its departure.
    pub fn canary_back(&mut self, number: u64, sent: Wall) {
        let now = self.facts.now.mono;
        self.facts.downstreams.entered(number, sent, now);
    }

    /// The shortest interval at which a sink is asked for canaries; `None`: none is.
    pub fn canary_every(&self) -> Option<Duration> {
        let rules = self.facts.rules.downstreams.iter();
        let asked = rules.filter(|rule| rule.find.proof == Proof::Canary);
        asked.map(|rule| rule.every).min()
    }

    /// The next query of a downstream, about to be sent; `None`: no such downstream.
    pub fn downstream_query(&mut self, name: &str, now: Now) -> Option<DownstreamQuery> {
        self.facts.now = now;
        let id = self.facts.downstreams.find(name)?;
        let watch = self.facts.downstreams.get(id)?;
        if let Proof::Newest { app, .. } = &watch.rule.find.proof {
            let last = match app {
                Some(app) => {
                    let app = self.facts.tracker.app_names.find(app);
                    let app = app.map(|app| &self.facts.tracker.apps[app as usize]);
                    app.filter(|app| app.entries > 0).map(|app| app.seen.at)
                }
                None => self.facts.listening.last_arrival(),
            };
            let entry = last.map(|at| now.wall_of(at) - self.facts.lags.typical);
            if let (Some(entry), Some(watch)) = (entry, self.facts.downstreams.get_mut(id)) {
                watch.newest_here(entry, now.mono);
            }
        }
        let since = self.facts.downstreams.get(id)?.since(now);
        Some(DownstreamQuery { since })
    }

    /// Takes a report.
    pub fn downstream_report(&mut self, report: DownstreamReport, now: Now) {
        self.facts.now = now;
        let downstreams = &mut self.facts.downstreams;
        let id = downstreams.find(&report.name);
        let Some(watch) = id.and_then(|id| downstreams.get_mut(id)) else {
            return;
        };
        if let Some(counters) = report.counters {
            watch.counters(report.asked.mono, counters);
        }
        watch.deleted(report.deleted);
        watch.answered(report.asked.mono, report.answer);
        self.evaluate_downstreams();
        self.announce();
        self.notify();
    }

    /// The whole of this range was shipped to the sink of a downstream again.
    pub fn downstream_refilled(&mut self, name: &str, from: Wall, until: Wall) {
        self.facts.downstreams.refilled(name, from, until);
    }

    /// An event of the connection: all but one mean that lastbeat does not receive the stream, or lost some of it.
    pub(in crate::core) fn downstreams_fed(&mut self, feed: Feed) {
        let now = self.facts.now.mono;
        if feed != Feed::Intact {
            self.facts.downstreams.blinded(now);
        }
    }

    /// Evaluates all downstreams, and opens and closes their incidents.
    pub(in crate::core) fn evaluate_downstreams(&mut self) {
        let now = self.facts.now.mono;
        let sees = !self.is_stalled() && self.facts.listening.blind_now().is_none();
        if !sees {
            self.facts.downstreams.blinded(now);
        }
        self.facts.downstreams.evaluate(now, sees);
        let (incidents, view) = self.split();
        let reported = incidents.downstreams_are(view);
        for id in reported {
            if let Some(watch) = self.facts.downstreams.get_mut(id) {
                watch.forget_missing();
            }
        }
    }

    /// Puts the `[[downstream]]` of the rules in force; incidents of removed ones close.
    pub(in crate::core) fn downstreams_changed(&mut self) {
        let now = self.facts.now.mono;
        let rules = std::mem::take(&mut self.facts.rules.downstreams);
        let gone = self.facts.downstreams.set_rules(&rules, now);
        self.facts.rules.downstreams = rules;
        for id in gone {
            self.incidents.downstream_removed(id);
        }
    }
}
