//! One downstream: the proofs that went into the stream, those that the sink has, and the state that follows.
//!
//! A mark is one entry that is known to be in the stream: a canary that came back, or the newest entry of an app. It
//! is evidence from then on, so a stream that lastbeat does not receive blames no shipper.

use crate::core::downstream::counters::{Counters, Hop, Readings};
use crate::core::downstream::missing::{Evidence, Missing};
use crate::core::downstream::rule::{DownstreamRule, Proof};
use crate::core::time::{Mono, Now, Wall};
use std::collections::VecDeque;
use std::time::Duration;

/// Time without an answer of the sink after which that is an incident.
pub const UNSEEN_AFTER: Duration = Duration::from_secs(600);
/// Marks remembered: a stall of an hour and a half at a canary each 10 s. Of a longer one the middle is thinned out.
const MAX_MARKS: usize = 500;
/// Answers with as many canaries may have been cut by the sink's own limit: of what is older than all of them nothing
/// is known.
const CUT_ANSWER: usize = 100;
/// A mark is lost where a later one arrived and it did not for this many `max_delay`.
const LOST_AFTER: u32 = 2;
/// Lost marks in [`LOSS_WINDOW`] that are an incident; one may be a restart of the shipper.
const LOSSES: usize = 2;
/// Window for lost marks, in units of `max_delay`.
const LOSS_WINDOW: u32 = 20;
/// Without a canary of its own for this many intervals of the queries, and a minute, lastbeat cannot judge.
const NO_CANARY: u32 = 5;
/// Seconds by which entry times of the sink may lie before the arrival here.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(2);
/// Queries reach back this much further than the oldest mark: the sink dates entries by other clocks.
const SINCE_MARGIN: Duration = Duration::from_secs(60);
/// Queries reach back this far at most: what is older is not cheap to search, and no longer of use.
const SINCE_MOST: Duration = Duration::from_secs(6 * 3600);

/// State of a downstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DownstreamState {
    /// Entries arrive in time.
    Ok,
    /// Entries arrive later than allowed.
    Lagging,
    /// Newer entries arrive, and some older ones do not.
    Losing,
    /// Entries do not arrive.
    Stalled,
    /// The sink does not answer queries.
    Unseen,
    /// Nothing can be known: lastbeat does not receive the stream itself, or has not yet proved anything.
    Blind,
}

impl DownstreamState {
    /// All states.
    pub const ALL: [DownstreamState; 6] = [
        DownstreamState::Ok,
        DownstreamState::Lagging,
        DownstreamState::Losing,
        DownstreamState::Stalled,
        DownstreamState::Unseen,
        DownstreamState::Blind,
    ];

    /// The word in labels and in the API.
    pub const fn label(self) -> &'static str {
        match self {
            DownstreamState::Ok => "ok",
            DownstreamState::Lagging => "lagging",
            DownstreamState::Losing => "losing",
            DownstreamState::Stalled => "stalled",
            DownstreamState::Unseen => "unseen",
            DownstreamState::Blind => "blind",
        }
    }
}

/// An entry that is in the stream.
#[derive(Clone, Copy, Debug)]
struct Mark {
    number: u64,
    /// Arrival clock: its arrival in the stream.
    at: Mono,
    /// Wall clock: its own time.
    wall: Wall,
    fate: Fate,
    /// It proves no loss: the shipper may have been cut off as lastbeat was.
    excused: bool,
}

/// Knowledge about a mark in the sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Not found yet.
    Waiting,
    /// Found.
    Found,
    /// Lost.
    Lost,
}

/// The outcome of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The numbers of the canaries in the answer; `whole`: nothing of it was cut off.
    Canaries {
        /// Their numbers, in any order.
        numbers: Vec<u64>,
        /// False if the answer was longer than is read.
        whole: bool,
    },
    /// The time of the newest entry; `None`: the sink has none.
    Newest(Option<Wall>),
    /// No answer, for the reason in words.
    Failed(String),
}

/// One downstream.
#[derive(Debug)]
pub struct Watch {
    /// Its rule.
    pub rule: DownstreamRule,
    /// The state at the last evaluation.
    pub state: DownstreamState,
    /// Arrival clock: the start of that state.
    pub state_since: Mono,
    /// The hop of the present or last stall; `None` if it is not known.
    pub hop: Option<Hop>,
    /// The reason of the last failed query, in words; empty once one was answered.
    pub fault: String,
    /// Delay of the newest found mark, up to an interval of the queries too long; `None` before the first.
    pub delay: Option<Duration>,
    /// Wall clock: time of the newest found mark; `None` before the first.
    pub found: Option<Wall>,
    /// Number of found marks since the start.
    pub found_total: u64,
    /// Number of lost marks since the start.
    pub lost_total: u64,
    /// Range that is missing since [`Self::forget_missing`].
    pub missing: Option<Missing>,
    /// The last range that was reported.
    pub reported: Option<Missing>,
    /// Arrival clock: arrival of the first mark that the sink lacks; `None` unless it stalls.
    pub lacks_since: Option<Mono>,
    marks: VecDeque<Mark>,
    newest_found: Option<u64>,
    /// Arrival clock: the query that last found something new.
    progress: Option<Mono>,
    /// Arrival clock: the last query that was answered, and the one before.
    asked: Option<Mono>,
    asked_before: Option<Mono>,
    /// Arrival clock: the first failed query since the last answer.
    failing_since: Option<Mono>,
    /// Arrival clock: the answers since then found marks that were late when found.
    late: bool,
    readings: Readings,
    /// Arrival clock of each lost mark.
    losses: VecDeque<Mono>,
    /// Arrival clock: marks before are excused.
    excused_until: Mono,
    /// Arrival clock: the last canary that came back, or the start.
    entered: Mono,
    /// Arrival clock: a stall of which older marks may still arrive ended then.
    resumed: Option<Mono>,
    /// Number of the next mark of [`Proof::Newest`].
    next: u64,
    /// A stall of a previous process goes on: nothing arrived since.
    pub(super) continues: bool,
    /// Set: the archive deletes entries that are not forwarded; true once that was judged.
    pub(super) deletes: Option<bool>,
}

impl Watch {
    /// A downstream of which nothing is known.
    pub fn new(rule: DownstreamRule, now: Mono) -> Self {
        let excused_until = now + rule.max_delay;
        Watch {
            rule,
            state: DownstreamState::Blind,
            state_since: now,
            hop: None,
            fault: String::new(),
            delay: None,
            found: None,
            found_total: 0,
            lost_total: 0,
            missing: None,
            reported: None,
            lacks_since: None,
            marks: VecDeque::new(),
            newest_found: None,
            progress: None,
            asked: None,
            asked_before: None,
            failing_since: None,
            late: false,
            readings: Readings::default(),
            losses: VecDeque::new(),
            // The shipper may start along with lastbeat.
            excused_until,
            entered: now,
            resumed: None,
            next: 0,
            continues: false,
            deletes: None,
        }
    }

    /// A canary that departed at `sent` came back through the stream at `at`.
    pub fn entered(&mut self, number: u64, sent: Wall, at: Mono) {
        if self.rule.find.proof == Proof::Canary {
            self.entered = at;
            self.mark(number, sent, at);
        }
    }

    /// The newest entry of the app here, before a query of the sink's newest; an entry that was marked counts once.
    pub fn newest_here(&mut self, entry: Wall, at: Mono) {
        let known = self.marks.back().map(|mark| mark.wall).or(self.found);
        if known.is_none_or(|known| entry > known) {
            self.next += 1;
            self.mark(self.next, entry, at);
        }
    }

    fn mark(&mut self, number: u64, wall: Wall, at: Mono) {
        if self.marks.len() == MAX_MARKS {
            self.marks.remove(MAX_MARKS / 2);
        }
        self.marks.push_back(Mark {
            number,
            at,
            wall,
            fate: Fate::Waiting,
            excused: at < self.excused_until,
        });
    }

    /// lastbeat does not receive the stream: the marks on their way prove nothing, nor do those until the shipper
    /// had time to be back.
    pub fn blinded(&mut self, now: Mono) {
        self.excused_until = now + self.rule.max_delay;
        self.entered = now;
        if self.lacks_since.is_none() {
            self.marks.retain(|mark| mark.fate != Fate::Waiting);
        }
    }

    /// Wall clock: the time from which the sink is to be searched, before the oldest mark that is not found.
    pub fn since(&self, now: Now) -> Wall {
        let mut waiting = self.marks.iter().filter(|mark| mark.fate == Fate::Waiting);
        let oldest = waiting
            .next()
            .map_or(now.wall, |mark| mark.wall.min(now.wall));
        (oldest - SINCE_MARGIN).max(now.wall - SINCE_MOST)
    }

    /// The counters of the shipper, read at `at`; `None`: it did not answer.
    pub fn counters(&mut self, at: Mono, counters: Option<Counters>) {
        self.readings.add(at, counters);
    }

    /// The outcome of a query that was sent at `asked`.
    pub fn answered(&mut self, asked: Mono, answer: Answer) {
        let (found, whole): (Vec<u64>, bool) = match answer {
            Answer::Failed(why) => {
                self.failing_since.get_or_insert(asked);
                self.fault = why;
                return;
            }
            Answer::Canaries { numbers, whole } => (numbers, whole),
            Answer::Newest(newest) => {
                let arrived = |mark: &&Mark| {
                    newest.is_some_and(|newest| newest + CLOCK_TOLERANCE >= mark.wall)
                };
                let found = self.marks.iter().filter(arrived).map(|mark| mark.number);
                (found.collect(), true)
            }
        };
        self.failing_since = None;
        self.fault.clear();
        self.deletes = self.deletes.filter(|is_judged| !is_judged);
        self.asked_before = self.asked;
        self.asked = Some(asked);
        self.find(asked, &found);
        if found.len() >= CUT_ANSWER {
            let oldest = found.iter().min().copied().unwrap_or_default();
            self.marks
                .retain(|mark| mark.fate != Fate::Waiting || mark.number > oldest);
        }
        self.lose(asked, whole);
        self.prune(asked);
    }

    fn find(&mut self, asked: Mono, found: &[u64]) {
        let mut newest: Option<Mark> = None;
        for mark in &mut self.marks {
            if mark.fate == Fate::Waiting && found.contains(&mark.number) {
                mark.fate = Fate::Found;
                self.found_total += 1;
                newest = Some(*mark);
            }
        }
        let Some(mark) = newest else {
            return;
        };
        self.progress = Some(asked);
        self.stall_ends(mark.wall);
        self.newest_found = self.newest_found.max(Some(mark.number));
        self.found = self.found.max(Some(mark.wall));
        self.delay = Some(asked.since(mark.at));
        // It was not there at the query before: so late it was at least.
        let least = self
            .asked_before
            .map_or(Duration::ZERO, |before| before.since(mark.at));
        self.late = least > self.rule.max_delay;
        if self.lacks_since.is_some() {
            self.resumed.get_or_insert(asked);
        }
    }

    /// Gives up the marks that did not arrive though later ones did.
    fn lose(&mut self, asked: Mono, may_judge: bool) {
        let Some(newest) = self.newest_found.filter(|_| may_judge) else {
            return;
        };
        let patience = self.rule.max_delay * LOST_AFTER;
        let resumed = self.resumed;
        let mut lost = Vec::new();
        for (index, mark) in self.marks.iter_mut().enumerate() {
            if mark.fate != Fate::Waiting || mark.number > newest {
                continue;
            }
            let from = resumed.map_or(mark.at, |resumed| mark.at.max(resumed));
            if asked.since(from) <= patience {
                continue;
            }
            mark.fate = Fate::Lost;
            if mark.excused {
                continue;
            }
            if resumed.is_none_or(|resumed| mark.at >= resumed) {
                self.losses.push_back(asked);
            }
            lost.push(index);
        }
        if let (Some(&first), Some(&last)) = (lost.first(), lost.last()) {
            self.lost_total += lost.len() as u64;
            let lacks = self.between(first, last, lost.len() as u64);
            self.missing = Some(lacks.widened(self.missing));
        }
    }

    /// The range of `count` marks from `first` to `last` that did not arrive.
    fn between(&self, first: usize, last: usize, count: u64) -> Missing {
        let before = first.checked_sub(1).and_then(|at| self.marks.get(at));
        Missing {
            from: before.unwrap_or(&self.marks[first]).wall,
            until: self.marks.get(last + 1).unwrap_or(&self.marks[last]).wall,
            marks: count,
            evidence: Evidence::Canaries,
        }
    }

    /// The range that is on its way, as far as it shows whether it arrives; `None`: nothing is.
    pub(super) fn pending(&self) -> Option<Missing> {
        let is_pending = |mark: &Mark| mark.fate == Fate::Waiting && !mark.excused;
        let first = self.marks.iter().position(is_pending)?;
        let last = self.marks.iter().rposition(is_pending)?;
        let count = self.marks.iter().filter(|mark| is_pending(mark)).count();
        Some(self.between(first, last, count as u64))
    }

    /// True if a stall ended, and entries of it may still come.
    pub(super) fn has_resumed(&self) -> bool {
        self.resumed.is_some()
    }

    /// The missing range was reported: what is missing later begins another.
    pub fn forget_missing(&mut self) {
        self.reported = self.missing.take().or(self.reported);
    }

    /// Drops the marks whose fate is known, but for the last of them before one that waits, or will: it begins a missing range.
    fn prune(&mut self, asked: Mono) {
        let known = |mark: Option<&Mark>| mark.is_some_and(|mark| mark.fate != Fate::Waiting);
        while known(self.marks.front()) && known(self.marks.get(1)) {
            self.marks.pop_front();
        }
        let window = self.rule.max_delay * LOSS_WINDOW;
        while self
            .losses
            .front()
            .is_some_and(|&at| asked.since(at) > window)
        {
            self.losses.pop_front();
        }
        // Of a stall that ended all marks are judged after this.
        let judged = |resumed: Mono| asked.since(resumed) > self.rule.max_delay * LOST_AFTER;
        if self.resumed.is_some_and(judged) {
            self.resumed = None;
        }
    }

    /// Evaluates the state; `sees`: lastbeat receives the stream.
    pub fn evaluate(&mut self, now: Mono, sees: bool) {
        let state = self.judged(now, sees);
        if matches!(state, DownstreamState::Losing | DownstreamState::Stalled) {
            self.deletes = self.deletes.map(|_| true);
        }
        if state == DownstreamState::Stalled {
            let first = self.overdue().map(|mark| mark.at);
            self.lacks_since = self.lacks_since.or(first);
            if let (None, Some(since)) = (self.hop, self.lacks_since) {
                self.hop = self.readings.hop(since, self.rule.max_delay);
            }
        } else if state == DownstreamState::Ok {
            (self.lacks_since, self.hop) = (None, None);
        }
        if state != self.state {
            (self.state, self.state_since) = (state, now);
        }
    }

    /// The first mark after all that are found that should have been found by the last answer.
    fn overdue(&self) -> Option<&Mark> {
        let asked = self.asked?;
        let mut ahead = self.waiting().filter(|mark| !self.is_passed(mark));
        ahead.find(|mark| !mark.excused && asked.since(mark.at) > self.rule.max_delay)
    }

    fn waiting(&self) -> impl Iterator<Item = &Mark> {
        self.marks.iter().filter(|mark| mark.fate == Fate::Waiting)
    }

    /// True if a later mark was found.
    fn is_passed(&self, mark: &Mark) -> bool {
        self.newest_found.is_some_and(|newest| newest > mark.number)
    }

    fn judged(&self, now: Mono, sees: bool) -> DownstreamState {
        if !sees {
            return DownstreamState::Blind;
        }
        if let Some(since) = self.failing_since {
            return match now.since(since) >= UNSEEN_AFTER {
                true => DownstreamState::Unseen,
                // A query that fails now and then proves nothing.
                false if self.asked.is_none() => DownstreamState::Blind,
                false => self.state,
            };
        }
        if self.lacks_canaries(now) {
            return match now.since(self.entered) >= UNSEEN_AFTER {
                true => DownstreamState::Unseen,
                false => DownstreamState::Blind,
            };
        }
        let Some(asked) = self.asked else {
            return DownstreamState::Blind;
        };
        let stuck = self
            .progress
            .is_none_or(|at| asked.since(at) > self.rule.max_delay);
        if stuck && self.overdue().is_some() {
            return DownstreamState::Stalled;
        }
        if self.deletes.is_some() {
            return DownstreamState::Losing;
        }
        let was_stalled = self.lacks_since.is_some();
        if self.late || (was_stalled && self.waiting().any(|mark| self.is_passed(mark))) {
            // After a stall older entries may still come; the lost ones are known soon.
            DownstreamState::Lagging
        } else if self.losses.len() >= LOSSES {
            DownstreamState::Losing
        } else if self.newest_found.is_none() || (was_stalled && self.resumed.is_none() && stuck) {
            DownstreamState::Blind
        } else {
            DownstreamState::Ok
        }
    }

    /// True if lastbeat's own canaries do not come back.
    fn lacks_canaries(&self, now: Mono) -> bool {
        let longest = (self.rule.every * NO_CANARY).max(Duration::from_secs(60));
        self.rule.find.proof == Proof::Canary && now.since(self.entered) > longest
    }
}
