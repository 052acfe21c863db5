//! The naive model: every alert from the whole history, judged one by one, with nothing remembered but states.

use super::clock::{Clock, Heard};
use super::history::{Call, History, Step};
use super::world::{Actor, NAMES, SECOND, Says};
use lastbeat::core::rule::{FORGET_AFTER, MaxGap, Rule, RuleSet, Watch};
use lastbeat::core::targets::table::{Reason, State};
use lastbeat::core::tracker::usual::Usual;
use std::time::Duration;

/// Why a pending alert is relieved whose silence a long blindness explains.
const BLIND: &str = Reason::Blind.label();

/// A change as the model has it: who, what, why, and the moment it is dated by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expected {
    pub rule: String,
    pub who: String,
    pub from: &'static str,
    pub to: &'static str,
    pub reason: &'static str,
    pub at: u64,
}

/// What a rule watches of one.
#[derive(Clone, Debug)]
pub struct Target {
    pub who: usize,
    /// The beat's number; `None`: its logs.
    beat: Option<usize>,
    pub rule: usize,
    pub seen: Heard,
    pub state: State,
    good: u32,
    /// The intervals that it usually keeps, and a long one that may become its rhythm.
    usual: Usual,
    long: Option<u64>,
    pub stopped: bool,
    /// While pending: when it was to fire.
    fires: u64,
    /// While it fires: what the listened clock showed at its deadline.
    silent_since: u64,
}

/// One instance that was heard.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    pub seen: Heard,
    /// Whether a beat told its host.
    pub hosted: bool,
    /// Which of its beats were heard.
    beaten: [bool; NAMES.len()],
    /// Which of its beats said bye and nothing since.
    stopped: [bool; NAMES.len()],
    /// Whether it said bye as a whole, and no beat came since.
    said_bye: bool,
    /// Listened clock: when its app last said anything, but for last words.
    spoke: Option<u64>,
}

/// The whole model.
pub struct Model<'w> {
    rules: &'w RuleSet,
    cast: &'w [Actor],
    pub clock: Clock,
    pub known: Vec<Option<Known>>,
    pub targets: Vec<Target>,
    next_sweep: u64,
    changes: Vec<Expected>,
}

impl<'w> Model<'w> {
    pub fn new(rules: &'w RuleSet, history: &History<'w>) -> Self {
        Model {
            rules,
            cast: history.cast,
            clock: Clock::new(stream_max_gap(rules)),
            known: vec![None; history.cast.len()],
            targets: Vec::new(),
            next_sweep: 0,
            changes: Vec::new(),
        }
    }

    /// What must have changed in one step, in no order.
    pub fn step(&mut self, step: &Step) -> Vec<Expected> {
        match step.call {
            Call::Arrive => {
                let missed = self.clock.pause(step.at);
                let missed = missed.is_some_and(|from| self.were_due(from, step.at));
                self.clock.arrive(step.at, missed);
            }
            Call::Blinded(stood_still) => self.clock.blinded(step.at, stood_still),
            Call::Dropped => self.clock.dropped(),
            Call::Intact => self.clock.intact(),
            Call::Entry { who, says } => self.entry(step.at, who, says),
            Call::Evaluate => {
                self.clock.judged(step.at);
                (0..self.targets.len()).for_each(|target| self.judge(target));
                if step.at >= self.next_sweep {
                    self.next_sweep = step.at + 60 * SECOND;
                    self.forget(step.at);
                }
            }
        }
        let mut changes = std::mem::take(&mut self.changes);
        changes.sort();
        changes
    }

    /// Whether two live ones or more are a whole interval late.
    fn were_due(&self, from: u64, to: u64) -> bool {
        let missed = self.targets.iter().filter(|target| {
            let every = self.cast[target.who].every;
            let interval = every.or_else(|| target.usual.longest());
            let Some(interval) = interval.map(|interval| interval.as_nanos() as u64) else {
                return false;
            };
            let seen = target.seen.at;
            let lived = (from - seen.min(from)) * 2 <= interval * 3;
            target.beat.is_some() && !target.stopped && lived && to - seen >= interval * 2
        });
        let who: std::collections::BTreeSet<usize> = missed.map(|target| target.who).collect();
        who.len() > 1
    }

    pub fn rule(&self, target: &Target) -> &'w Rule {
        &self.rules.rules[target.rule]
    }

    pub fn max_gap(&self, target: &Target) -> u64 {
        let span = match self.rule(target).max_gap {
            MaxGap::Fixed(span) => span,
            MaxGap::Auto => {
                let (every, usual) = self.rhythm(target);
                MaxGap::auto(every, usual)
            }
        };
        span.as_nanos() as u64
    }

    /// What it declares, and what it usually keeps; where neither is known, what others of its app do.
    fn rhythm(&self, target: &Target) -> (Option<Duration>, Option<Duration>) {
        let own = |one: &Target| {
            let every = self.cast[one.who].every.filter(|_| one.beat.is_some());
            (every, one.usual.longest())
        };
        let sibling = |one: &&Target| {
            let same = one.beat == target.beat && one.beat.is_some() && !one.stopped;
            same && self.cast[one.who].app == self.cast[target.who].app
        };
        match own(target) {
            (None, None) => {
                let others = self.targets.iter().filter(sibling).map(own);
                (
                    None,
                    others.filter_map(|(every, usual)| every.or(usual)).max(),
                )
            }
            known => known,
        }
    }

    /// How often it is to be heard, and whether that is known.
    fn interval(&self, target: &Target) -> (u64, bool) {
        let every = self.cast[target.who]
            .every
            .filter(|_| target.beat.is_some());
        let usual = target.usual.longest();
        let half = Duration::from_nanos(self.max_gap(target) / 2);
        let guess = half.max(target.usual.longest_so_far());
        let known = every.or(usual);
        (known.unwrap_or(guess).as_nanos() as u64, known.is_some())
    }

    /// How long nothing was heard of one, in listened time.
    fn quiet(&self, who: usize) -> u64 {
        let seen = self.known[who].map_or(0, |known| known.seen.listened);
        self.clock.listened().saturating_sub(seen)
    }

    /// What of one is expected to speak: where any of its beats said bye, its logs are not.
    fn live(&self, who: usize) -> impl Iterator<Item = &Target> {
        let stopped = self.has_stopped(who);
        let live = move |target: &&Target| !target.stopped && (target.beat.is_some() || !stopped);
        self.targets
            .iter()
            .filter(move |target| target.who == who)
            .filter(live)
    }

    fn has_stopped(&self, who: usize) -> bool {
        self.known[who].is_some_and(|known| known.stopped.contains(&true))
    }

    /// True if one was heard for certain when these fell silent: a beat of it that is expected came after the deadlines of
    /// all of them that fire. Entries are no beats, and an earlier beat may only mean that it is not due yet.
    pub fn is_surely_heard(&self, who: usize, members: &[usize]) -> bool {
        let fire = self
            .targets
            .iter()
            .filter(|target| members.contains(&target.who) && target.state == State::Firing);
        let deadline = fire
            .map(|target| target.seen.listened + self.max_gap(target))
            .max();
        let beats = || self.live(who).filter(|target| target.beat.is_some());
        let Some(last) = beats().map(|target| target.seen.listened).max() else {
            return false;
        };
        let patience = beats().map(|target| {
            let max_gap = self.max_gap(target);
            match self.interval(target) {
                (interval, true) => (interval * 3 / 2).min(max_gap),
                (_, false) => max_gap / 2,
            }
        });
        let quiet = self.clock.listened().saturating_sub(last);
        let is_silent = patience.min().is_some_and(|patience| quiet >= patience);
        !is_silent && deadline.is_some_and(|deadline| last > deadline)
    }

    /// Whether its silence is one of those that count.
    pub fn counts(&self, who: usize) -> bool {
        self.known[who].is_some() && self.live(who).next().is_some()
    }

    /// Whether its silence or its voice says anything: not that of one that stopped, is forgotten, or is watched by
    /// nobody and said nothing for long.
    pub fn matters(&self, who: usize) -> bool {
        let watched = self.live(who).next().is_some();
        let heard = !self.has_stopped(who) && self.quiet(who) < self.stream_patience();
        self.known[who].is_some() && (watched || heard)
    }

    /// Whether one that did not stop was heard after another.
    pub fn was_heard_since(&self, who: usize, other: usize) -> bool {
        let known = self.known[who].is_some() && !self.has_stopped(who);
        known && self.quiet(who) < self.quiet(other)
    }

    /// One in words, for a failure.
    pub fn describe(&self, who: usize) -> String {
        let beats = self.targets.iter().filter(|target| target.who == who);
        let beats: Vec<String> = beats
            .map(|target| {
                let what = target.beat.map_or("logs", |name| NAMES[name]);
                format!("{what:?} {} {}", target.state.label(), target.stopped)
            })
            .collect();
        let (actor, quiet) = (&self.cast[who], self.quiet(who) / SECOND);
        format!(
            "{} on {} quiet for {quiet}s: {}",
            actor.subject,
            actor.host,
            beats.join(", ")
        )
    }

    fn stream_patience(&self) -> u64 {
        stream_max_gap(self.rules).as_nanos() as u64 / 2
    }

    /// Whether it is silent by any measure: longer than its longest `max_gap` and thrice the longest interval of
    /// ordinary life, and expected to speak.
    pub fn is_surely_silent(&self, who: usize) -> bool {
        let longest = self.live(who).map(|target| self.max_gap(target)).max();
        let longest = longest.filter(|_| !self.has_stopped(who));
        longest.is_some_and(|longest| self.quiet(who) > longest.max(90 * SECOND))
    }

    fn change(&mut self, target: usize, to: State, reason: &'static str, at: u64) {
        let target = &mut self.targets[target];
        let from = std::mem::replace(&mut target.state, to);
        self.changes.push(Expected {
            rule: self.rules.rules[target.rule].name.clone(),
            who: name(self.cast, target.who, target.beat),
            from: from.label(),
            to: to.label(),
            reason,
            at,
        });
    }

    fn entry(&mut self, at: u64, who: usize, says: Says) {
        let seen = self.clock.heard();
        let known = self.known[who].get_or_insert(Known {
            seen,
            hosted: false,
            beaten: [false; NAMES.len()],
            stopped: [false; NAMES.len()],
            said_bye: false,
            spoke: None,
        });
        known.seen = seen;
        if let Says::Beat(_) | Says::Bye(_) = says {
            known.hosted = true;
        }
        if let Says::Beat(name) = says {
            known.stopped[name] = false;
            known.beaten[name] = true;
        }
        let had_left = known.said_bye;
        known.said_bye &= !matches!(says, Says::Beat(_));
        // Last words in the log are no sign of life, until it beats again.
        if says != Says::Platform && !had_left {
            known.spoke = Some(seen.listened);
            self.sign(at, who, None);
        }
        match says {
            Says::Beat(name) => {
                if had_left {
                    self.start(who, name);
                    self.sign(at, who, None);
                }
                self.sign(at, who, Some(name));
            }
            Says::Bye(name) if NAMES[name].is_empty() => {
                self.bye(at, who, None);
                (0..NAMES.len()).for_each(|name| self.bye(at, who, Some(name)));
                if let Some(id) = self.target(who, Some(name)) {
                    self.targets[id].seen = seen;
                }
                if let Some(known) = &mut self.known[who] {
                    known.said_bye = true;
                }
            }
            Says::Bye(name) => {
                self.bye(at, who, Some(name));
                if let Some(id) = self.target(who, Some(name)) {
                    self.targets[id].seen = seen;
                }
            }
            Says::Log | Says::Platform => {}
        }
    }

    /// A beat after a bye of all: whatever was live within one `max_gap` of the last word is waited for again.
    fn start(&mut self, who: usize, name: usize) {
        let now = self.clock.heard();
        let own = |target: &&Target| target.who == who && target.beat.is_some();
        let beats = self.targets.iter().filter(own);
        let spoke = self.known[who].and_then(|known| known.spoke);
        let last_word = beats.map(|target| target.seen.listened).chain(spoke).max();
        for id in 0..self.targets.len() {
            let target = &self.targets[id];
            let max_gap = self.max_gap(target);
            let was_live = target.seen.listened + max_gap >= last_word.unwrap_or_default();
            let other = target.who == who && target.beat.is_some_and(|beat| beat != name);
            if other && target.stopped && was_live {
                let beat = target.beat.unwrap_or_default();
                (self.targets[id].stopped, self.targets[id].seen) = (false, now);
                if let Some(known) = &mut self.known[who] {
                    known.stopped[beat] = false;
                }
            }
        }
    }

    fn target(&self, who: usize, beat: Option<usize>) -> Option<usize> {
        let is = |target: &Target| target.who == who && target.beat == beat;
        self.targets.iter().position(is)
    }

    /// The first rule that matches has it.
    fn watch(&mut self, who: usize, beat: Option<usize>) {
        let has = |rule: &Rule| {
            let watches = match (&rule.watch, beat) {
                (Watch::Logs, None) => true,
                (Watch::Heartbeat { beat: wanted, .. }, Some(name)) => {
                    wanted.as_deref().is_none_or(|wanted| wanted == NAMES[name])
                }
                _ => false,
            };
            watches && rule.app.matches(&self.cast[who].app)
        };
        if let Some(rule) = self.rules.rules.iter().position(has) {
            self.targets.push(Target {
                who,
                beat,
                rule,
                seen: self.clock.heard(),
                state: State::Ok,
                good: 0,
                usual: Usual::default(),
                long: None,
                stopped: false,
                fires: 0,
                silent_since: 0,
            });
        }
    }

    fn sign(&mut self, at: u64, who: usize, beat: Option<usize>) {
        let Some(id) = self.target(who, beat) else {
            return self.watch(who, beat);
        };
        let now = self.clock.heard();
        self.learn(id, now);
        let max_gap = self.max_gap(&self.targets[id]);
        let recover = self.rule(&self.targets[id]).recover;
        let target = &mut self.targets[id];
        let gap = now.listened.saturating_sub(target.seen.listened);
        target.seen = now;
        target.stopped = false;
        match target.state {
            State::Ok => {}
            State::Pending => self.change(id, State::Ok, Reason::Heard.label(), at),
            State::Firing => {
                target.good = if gap > max_gap { 1 } else { target.good + 1 };
                if target.good >= recover {
                    target.good = 0;
                    self.change(id, State::Ok, Reason::Heard.label(), at);
                }
            }
        }
    }

    /// An interval within what is allowed is usual; a longer one where the next is as long, within a half.
    fn learn(&mut self, id: usize, now: Heard) {
        let limit = self.max_gap(&self.targets[id]);
        let follows = self.rule(&self.targets[id]).max_gap == MaxGap::Auto;
        let target = &mut self.targets[id];
        let interval = now.at - target.seen.at;
        let blind = interval - (now.listened.saturating_sub(target.seen.listened)).min(interval);
        if target.stopped || interval == 0 || blind * 10 > interval {
            return;
        }
        let long = target.long.take();
        if interval <= limit {
            // Beats that were lost on the way are no lateness of the next one.
            let every = self.cast[target.who]
                .every
                .filter(|_| target.beat.is_some());
            let mut one = Duration::from_nanos(interval);
            while let Some(every) = every.filter(|every| one > *every + *every / 2) {
                one -= every;
            }
            return target.usual.learn(one);
        }
        if !follows {
            return;
        }
        let ms = interval / 1_000_000;
        match long.filter(|long| (*long).max(ms) * 2 <= (*long).min(ms) * 3) {
            Some(long) => {
                let longest = Duration::from_nanos(interval).max(Duration::from_millis(long));
                target.usual = Usual::learned(longest);
            }
            None => target.long = Some(ms),
        }
    }

    fn bye(&mut self, at: u64, who: usize, beat: Option<usize>) {
        if let (Some(known), Some(name)) = (&mut self.known[who], beat) {
            known.stopped[name] |= known.beaten[name];
        }
        let Some(id) = self.target(who, beat) else {
            return;
        };
        self.targets[id].stopped = true;
        self.targets[id].good = 0;
        if self.targets[id].state != State::Ok {
            self.change(id, State::Ok, Reason::Bye.label(), at);
        }
    }

    fn judge(&mut self, id: usize) {
        let target = &self.targets[id];
        let listened = self.clock.listened();
        let max_gap = self.max_gap(target);
        if target.stopped || target.state == State::Firing {
            return;
        }
        if listened.saturating_sub(target.seen.listened) <= max_gap {
            // However blind we were, that is allowed.
            return;
        }
        let (late, hidden_until) = self
            .clock
            .late_at(target.seen, self.interval(target), max_gap);
        let deadline = late + self.rule(target).hold.as_nanos() as u64;
        if target.state == State::Pending && target.fires >= listened {
            return;
        }
        if late >= listened {
            // A blindness made its silence say nothing.
            if target.state == State::Pending {
                let at = hidden_until.expect("nothing else puts a deadline off");
                self.change(id, State::Ok, BLIND, at);
            }
            return;
        }
        if target.state == State::Pending {
            // A blindness put its deadline off.
            self.targets[id].fires = deadline;
        }
        let target = &self.targets[id];
        if target.state == State::Ok && (late < deadline || deadline >= listened) {
            self.targets[id].fires = deadline;
            let at = self.clock.first_showed(late);
            self.change(id, State::Pending, Reason::GapExceeded.label(), at);
        }
        if deadline < listened {
            let held = self.targets[id].state == State::Pending;
            let reason = if held {
                Reason::Held.label()
            } else {
                Reason::GapExceeded.label()
            };
            let at = self.clock.first_showed(deadline);
            self.targets[id].silent_since = deadline;
            self.change(id, State::Firing, reason, at);
        }
    }

    /// Nothing that is waited for is forgotten; what fires, `forget_after` after it was found silent.
    fn forget(&mut self, at: u64) {
        let listened = self.clock.listened();
        let spans = self.rules.rules.iter().map(|rule| rule.forget_after);
        let shortest = spans.fold(FORGET_AFTER, |one, other| one.min(other));
        if listened < shortest.as_nanos() as u64 {
            return;
        }
        for who in 0..self.cast.len() {
            let Some(known) = self.known[who] else {
                continue;
            };
            let own = || self.targets.iter().filter(|target| target.who == who);
            let longest = own().map(|target| self.rule(target).forget_after).max();
            let after = longest.unwrap_or(FORGET_AFTER).as_nanos() as u64;
            let unwatched = (0..NAMES.len())
                .any(|name| known.beaten[name] && self.target(who, Some(name)).is_none());
            let silent = listened.saturating_sub(known.seen.listened) > after;
            if silent && !unwatched && own().all(|target| self.is_over(target)) {
                self.drop(at, |target| target.who == who);
                self.known[who] = None;
            }
        }
        let over: Vec<(usize, Option<usize>)> = self
            .targets
            .iter()
            .filter(|target| self.is_over(target))
            .map(|target| (target.who, target.beat))
            .collect();
        for (who, beat) in over {
            self.drop(at, |target| (target.who, target.beat) == (who, beat));
            if let (Some(known), Some(name)) = (&mut self.known[who], beat) {
                known.beaten[name] = false;
            }
        }
    }

    /// Whether a target was found silent so long ago that it is forgotten.
    fn is_over(&self, target: &Target) -> bool {
        let after = self.rule(target).forget_after.as_nanos() as u64;
        let silent_for = self.clock.listened().saturating_sub(target.silent_since);
        target.state == State::Firing && silent_for > after
    }

    fn drop(&mut self, at: u64, is: impl Fn(&Target) -> bool) {
        for id in 0..self.targets.len() {
            if is(&self.targets[id]) && self.targets[id].state != State::Ok {
                self.change(id, State::Ok, Reason::Forgotten.label(), at);
            }
        }
        self.targets.retain(|target| !is(target));
    }
}

/// `app/region/instance beat`, with `logs` in place of the beat's name for logs.
fn name(cast: &[Actor], who: usize, beat: Option<usize>) -> String {
    let subject = cast[who].subject.strip_prefix("logs.").unwrap_or_default();
    format!("{subject} {}", beat.map_or("", |name| NAMES[name]))
}

fn stream_max_gap(rules: &RuleSet) -> Duration {
    match rules.stream.max_gap {
        MaxGap::Fixed(span) => span,
        MaxGap::Auto => panic!("the simulation's stream has a limit of its own"),
    }
}
