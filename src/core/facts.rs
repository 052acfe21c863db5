//! Facts: everything heard and handed in, and nothing that is concluded from it.
//!
//! The lowest layer. It knows no alerts, incidents or notifications; the layers above borrow it.

use crate::core::capacity::Capacity;
use crate::core::downstream::Downstreams;
use crate::core::entry::Reject;
use crate::core::inventory::listing::{Beating, Inventory};
use crate::core::inventory::{Candidate, Listed};
use crate::core::lag::Lags;
use crate::core::listening::Listening;
use crate::core::listening::messages::MessageLoss;
use crate::core::options::Options;
use crate::core::rule::{AUTO_FACTOR, MaxGap, RuleSet, STREAM_MAX_GAP};
use crate::core::time::{Listened, Mono, Now};
use crate::core::tracker::loss::Odds;
use crate::core::tracker::{InstanceId, NONE, Tracker, UNDECIDED};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// The facts, and the rules that apply to them.
#[derive(Debug)]
pub struct Facts {
    /// The clocks at the current turn.
    pub now: Now,
    /// The rules in force.
    pub rules: RuleSet,
    /// The names of the rules, by number.
    pub rule_names: Vec<Arc<str>>,
    /// Settings that the caller chooses once.
    pub options: Options,
    /// Instances and their beats, with their apps, regions, app-regions and hosts.
    pub tracker: Tracker,
    /// The listened clock.
    pub listening: Listening,
    /// Messages of the last quarter of an hour, and how many of them were lost on the way to lastbeat.
    pub messages: MessageLoss,
    /// Delays between the time of entries and their arrival.
    pub lags: Lags,
    /// The last answers of the inventory.
    pub inventory: Inventory,
    /// Slots of instances that changed in more than their last sign of life since the last checkpoint.
    pub touched: BTreeSet<u32>,
    /// Log shippers and their sinks.
    pub downstreams: Downstreams,
    /// Rejections by full tables.
    pub capacity: Capacity,
    /// The state of the feed in words, for the incidents of the stream; empty if nothing is known.
    pub feed_words: String,
    /// The reason why the archive cannot be written; empty: it can, or there is none.
    pub archive_problem: String,
    /// The last beat that the stream lost on its way, in words; empty where none is known.
    pub lost_words: String,
    /// The last cause of blindness that somebody else has to end, in words; empty if none is known.
    pub blind_cause: String,
    rejected: [u64; Reject::ALL.len()],
}

impl Facts {
    /// Facts of an engine that has heard nothing.
    pub fn new(rules: RuleSet, options: Options, now: Now) -> Self {
        Facts {
            now,
            rule_names: names(&rules),
            downstreams: Downstreams::new(&rules.downstreams, now.mono),
            rules,
            tracker: Tracker::new(options.limits),
            options,
            listening: Listening::new(now.mono),
            messages: MessageLoss::default(),
            lags: Lags::default(),
            inventory: Inventory::default(),
            touched: BTreeSet::new(),
            capacity: Capacity::default(),
            feed_words: String::new(),
            archive_problem: String::new(),
            lost_words: String::new(),
            blind_cause: String::new(),
            rejected: [0; Reject::ALL.len()],
        }
    }

    /// Replaces the rules.
    pub fn set_rules(&mut self, rules: RuleSet) {
        self.rule_names = names(&rules);
        self.rules = rules;
    }

    /// Longest allowed silence of the whole stream: the rule's, else a minute, or three times the longest usual
    /// silence.
    pub fn stream_max_gap(&self) -> Duration {
        match self.rules.stream.max_gap {
            MaxGap::Fixed(span) => span,
            MaxGap::Auto => {
                let usual = self.listening.usual_silence().unwrap_or_default();
                usual.saturating_mul(AUTO_FACTOR).max(STREAM_MAX_GAP)
            }
        }
    }

    /// The odds that a beat of an app is lost; of none (`u32::MAX`) what is assumed where nobody counts. Never less than
    /// the share of all messages that lastbeat lost in the last quarter of an hour.
    pub fn odds(&self, app: u32) -> Odds {
        let app = self.tracker.apps.get(app as usize);
        let loss = app.and_then(|app| app.loss.as_deref());
        let counted = loss.map(|loss| loss.odds(self.hour())).unwrap_or_default();
        counted.at_least(self.messages.share(self.now.mono))
    }

    /// Hours of the wall clock since the Unix epoch.
    #[inline]
    pub fn hour(&self) -> u32 {
        (self.now.wall.nanos() / 3_600_000_000_000) as u32
    }

    /// A beat of an app came after `hole` that were lost, in a time in which lastbeat listened.
    #[inline]
    pub fn count_loss(&mut self, app: u32, hole: u32) {
        let hour = self.hour();
        let loss = &mut self.tracker.apps[app as usize].loss;
        loss.get_or_insert_default().count(hour, hole);
    }

    /// A beat of an instance came that counts as lost.
    #[cold]
    pub fn came_after_all(&mut self, id: InstanceId) {
        let (app, hour) = (self.app_of(id), self.hour());
        if let Some(loss) = &mut self.tracker.apps[app as usize].loss {
            loss.came_after_all(hour);
        }
    }

    /// Counts a rejected entry or key.
    pub fn reject(&mut self, why: Reject) {
        self.rejected[why as usize] += 1;
    }

    /// Numbers of rejected entries and keys, by reason.
    pub fn rejected(&self) -> impl Iterator<Item = (Reject, u64)> {
        let all = Reject::ALL.into_iter();
        all.map(|why| (why, self.rejected[why as usize]))
    }

    /// Records a rejection if the last admission failed on a full table; true if it did.
    /// `subject` gives the rejected subject.
    #[inline]
    pub fn record_rejection(&mut self, subject: impl FnOnce(&Tracker) -> String) -> bool {
        let Some(table) = self.tracker.take_full() else {
            return false;
        };
        let (at, tracker) = (self.listening.stamp(), &self.tracker);
        self.capacity.record(table, at, || subject(tracker));
        true
    }

    /// Describes the full table, the first rejected subject and the remedy; empty if nothing was rejected.
    pub fn capacity_words(&self) -> String {
        self.capacity.words(&self.tracker)
    }

    /// The number of an instance's app.
    pub fn app_of(&self, id: InstanceId) -> u32 {
        let app_region = self.tracker.instance(id).app_region;
        self.tracker.app_regions[app_region as usize].app
    }

    /// True if the options ignore an app.
    pub fn is_ignored(&self, app: &str) -> bool {
        let ignore = &self.options.ignore;
        !ignore.0.is_empty() && ignore.matches(app)
    }

    /// An instance, named as the inventory names it.
    pub fn candidate_of(&self, id: InstanceId) -> Candidate {
        let app_region = &self.tracker.app_regions[self.tracker.instance(id).app_region as usize];
        Candidate {
            app: Arc::clone(self.tracker.app_names.get(app_region.app)),
            region: Arc::clone(self.tracker.region_names.get(app_region.region)),
            id: Arc::from(self.tracker.name(id)),
        }
    }

    /// True if the platform stopped an instance.
    pub fn is_stopped(&self, id: InstanceId) -> bool {
        self.tracker.life(id).stop.is_some()
    }

    /// Arrival time of an instance's last beat, or of its last entry if it never sent a beat.
    pub fn heard_at(&self, id: InstanceId) -> Mono {
        let beats = self.tracker.beats_of(id);
        let last = beats.map(|beat| self.tracker.beat_row(beat).seen.at).max();
        last.unwrap_or(self.tracker.instance(id).seen.at)
    }

    /// True if an instance has ever sent a beat.
    pub fn has_beaten(&self, id: InstanceId) -> bool {
        let mut beats = self.tracker.beats_of(id);
        beats.any(|beat| self.tracker.beat_row(beat).is_heard())
    }

    /// True if an instance is watched and was never heard.
    pub fn is_never_seen(&self, id: InstanceId) -> bool {
        let instance = self.tracker.instance(id);
        let watched = instance.logs < UNDECIDED || instance.first_beat != NONE;
        watched && instance.spoke == Listened::NEVER && !self.has_beaten(id)
    }

    /// The number of a rule, by its name; `None` if no rule has that name.
    pub fn rule_named(&self, name: &str) -> Option<u32> {
        let at = self.rule_names.iter().position(|rule| **rule == *name);
        at.map(|at| at as u32)
    }

    /// The text of a marker; empty if no rule uses it any more.
    pub fn marker_text(&self, marker: u16) -> Arc<str> {
        let text = self.rules.markers.get(usize::from(marker));
        text.map(|text| Arc::from(text.as_str()))
            .unwrap_or_default()
    }

    /// Apps and process groups of which an instance has ever sent a beat.
    pub(in crate::core) fn beating(&self) -> Beating {
        let mut beating = Beating::default();
        for (id, instance) in self.tracker.iter() {
            if !self.has_beaten(id) {
                continue;
            }
            let app = self.tracker.app_regions[instance.app_region as usize].app;
            beating.apps.insert(app);
            let entry = self.inventory.entries.get(&id.0);
            if let Some(group) = entry.and_then(|entry| entry.group.clone()) {
                beating.groups.insert((app, group));
            }
        }
        beating
    }

    /// The inventory's description of the fault of an instance; empty if it reports none.
    pub(in crate::core) fn listed_wrong(&self, id: InstanceId) -> String {
        let entry = self.inventory.entries.get(&id.0);
        entry
            .map(|entry| entry.wrong(self.now.mono))
            .unwrap_or_default()
    }

    /// The known crash of an instance, in words; empty if none is known.
    fn crash_of(&self, id: InstanceId) -> &'static str {
        let crash = self.tracker.life(id).crash;
        crash.map(|(crash, _)| crash.label()).unwrap_or_default()
    }

    /// As [`Self::known_of`], for an alert whose deadline was at `due`: adds a failure to query the inventory.
    pub(in crate::core) fn known_at(&self, id: InstanceId, due: Mono) -> String {
        let known = self.known_of(id);
        let asked = self.options.inventory && self.crash_of(id).is_empty();
        if !asked || self.inventory.answered_since(due) {
            return known;
        }
        let unsaid = "the inventory does not answer: it may have been stopped on purpose";
        match known.as_str() {
            "" => unsaid.to_owned(),
            known => format!("{known}; {unsaid}"),
        }
    }

    /// Known reasons for an instance's silence, in words; empty if none is known.
    pub(in crate::core) fn known_of(&self, id: InstanceId) -> String {
        let entry = self.inventory.entries.get(&id.0);
        let started = entry.is_some_and(|entry| entry.listed == Listed::Started);
        let never = match (self.is_never_seen(id), started) {
            (true, true) => "the inventory lists it as started, and nothing of it was ever heard",
            (true, false) => "nothing of it was ever heard",
            (false, _) => "",
        };
        let all = [
            self.crash_of(id).to_owned(),
            self.listed_wrong(id),
            never.to_owned(),
        ];
        let known: Vec<String> = all.into_iter().filter(|what| !what.is_empty()).collect();
        known.join("; ")
    }
}

fn names(rules: &RuleSet) -> Vec<Arc<str>> {
    let names = rules.rules.iter().map(|rule| Arc::from(rule.name.as_str()));
    names.collect()
}
