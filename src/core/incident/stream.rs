//! Incidents of the stream itself: stalled, rejected, late, losing messages, at a limit.

use crate::core::incident::flapping::{DEAD_AFTER, Flapper};
use crate::core::incident::key::Key;
use crate::core::incident::kind::{Alarm, CloseReason, IncidentId};
use crate::core::incident::stream_state::StreamFacts;
use crate::core::incident::view::View;
use crate::core::incident::{Incident, Incidents, MAX_OPEN};
use crate::core::listening::{Blind, Blindness};
use crate::core::rule::Severity;
use crate::core::time::Mono;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

impl Incidents {
    /// Opens an incident of the stream itself, silent since `since`, or late by `gap`.
    pub(in crate::core) fn open_stream(
        &mut self,
        view: View<'_>,
        alarm: Alarm,
        since: Mono,
        gap: Duration,
        due: Mono,
        region: Option<u32>,
    ) -> IncidentId {
        let rule = &view.facts.rules.stream;
        let blind = view.facts.listening.blind_now();
        let detail = match (alarm, blind) {
            (Alarm::Lagging, _) if region.is_some() => {
                "entries arrive late, from everyone there".to_owned()
            }
            (Alarm::Lagging, _) => {
                "entries arrive late, from everyone, or the clock of lastbeat's machine is ahead"
                    .to_owned()
            }
            (Alarm::Losing, _) if view.facts.listening.losing_since().is_none() => {
                view.facts.lost_words.clone()
            }
            (Alarm::Losing, _) => {
                "messages come faster than they are taken, and are lost".to_owned()
            }
            (Alarm::Full, _) => view.facts.capacity_words(),
            (Alarm::Blind, _) => view.blind_words(),
            (Alarm::Archive, _) => view.facts.archive_problem.clone(),
            (Alarm::Flapping, _) => String::new(),
            _ if !view.facts.feed_words.is_empty() => view.facts.feed_words.clone(),
            (_, None) => "connected, and nothing arrives".to_owned(),
            (_, Some(why)) => format!("lastbeat is blind: {}", why.label()),
        };
        let facts = StreamFacts {
            gap,
            listened: if blind.is_none() { gap } else { Duration::ZERO },
            max_gap: match alarm {
                Alarm::Full | Alarm::Blind | Alarm::Archive => Duration::ZERO,
                Alarm::Lagging => rule.max_lag,
                _ => view.facts.stream_max_gap(),
            },
            region,
            missing: None,
        };
        let severity = match alarm {
            Alarm::Full | Alarm::Blind | Alarm::Archive => Severity::Error,
            _ => rule.severity,
        };
        let key = Key::Stream;
        self.open_of_flow(view, (key, alarm), (since, due), facts, severity, detail)
    }

    /// Opens an incident of the stream or of a downstream, which has no members.
    pub(super) fn open_of_flow(
        &mut self,
        view: View<'_>,
        (key, alarm): (Key, Alarm),
        (since, due): (Mono, Mono),
        facts: StreamFacts,
        severity: Severity,
        detail: String,
    ) -> IncidentId {
        let now = view.facts.now;
        self.open(
            view,
            Incident {
                key,
                regions: BTreeSet::new(),
                alarm,
                members: BTreeMap::new(),
                firing: 0,
                severity,
                since: now.wall_of(since),
                since_mono: since,
                since_listened: view.facts.listening.listened(),
                due,
                due_at: now.wall_of(due),
                opened_at: now.wall,
                joined_at: now.mono,
                looked_at: Mono::ZERO,
                detail,
                causes: 0,
                restart_considered: false,
                stream: Some(facts),
            },
        )
    }

    /// Opens the overflow incident, which holds all further silences.
    pub(super) fn overflow(&mut self, view: View<'_>) -> IncidentId {
        if let Some(open) = self.stream.overflow {
            return open;
        }
        let facts = StreamFacts {
            gap: Duration::ZERO,
            listened: Duration::ZERO,
            max_gap: Duration::ZERO,
            region: None,
            missing: None,
        };
        let detail = format!(
            "{MAX_OPEN} incidents are open, and there are no more than that; what else falls silent is part of this one"
        );
        let now = view.facts.now.mono;
        let times = (now, now);
        let what = (Key::Stream, Alarm::Full);
        let open = self.open_of_flow(view, what, times, facts, Severity::Critical, detail);
        self.stream.overflow = Some(open);
        open
    }

    /// Records that nothing arrived for longer than allowed.
    pub(in crate::core) fn stream_stalls(&mut self, view: View<'_>, since: Mono, deadline: Mono) {
        let gap = view.facts.now.mono.since(since);
        let max_gap = view.facts.stream_max_gap();
        self.stream.is_stalled = true;
        let listened = view.facts.listening.listened();
        let who = Flapper::Scope(Key::Stream);
        let flaps = self.flaps.fired(who, listened, max_gap);
        if self.stream.flapping.is_some() {
            return;
        }
        let alarm = if flaps {
            Alarm::Flapping
        } else {
            Alarm::Stalled
        };
        let open = self.open_stream(view, alarm, since, gap, deadline, None);
        if flaps {
            self.stream.flapping = Some(open);
        } else {
            self.stream.stalled = Some(open);
        }
    }

    /// Checks a flapping stream: it may be steady by now, or dead.
    pub(in crate::core) fn stream_steadies(&mut self, view: View<'_>, since: Mono) {
        let Some(flapping) = self.stream.flapping else {
            return;
        };
        let max_gap = view.facts.stream_max_gap();
        let gap = view.facts.now.mono.since(since);
        let who = Flapper::Scope(Key::Stream);
        if self.stream.is_stalled {
            if self.stream.stalled.is_none() && gap >= max_gap.saturating_mul(DEAD_AFTER) {
                let due = since + max_gap;
                let open = self.open_stream(view, Alarm::Stalled, since, gap, due, None);
                self.stream.stalled = Some(open);
                self.close(flapping, CloseReason::Superseded);
            }
        } else if self.flaps.take_steady(who, view.facts.listening.listened()) {
            self.close(flapping, CloseReason::Resolved);
        }
    }

    /// Records an entry while the stream's alert fires.
    pub(in crate::core) fn stream_resumed(&mut self, view: View<'_>) {
        self.stream.refused = false;
        self.stream.is_stalled = false;
        let listened = view.facts.listening.listened();
        self.flaps.changed_scope(Key::Stream, listened);
        if let Some(incident) = self.stream.stalled.take() {
            self.close(incident, CloseReason::Resolved);
        }
    }

    /// Opens or closes the incident of a lag. `slow`: the lag, if it is too large; `measured`: the lag is known.
    pub(in crate::core) fn lag_is(
        &mut self,
        view: View<'_>,
        region: Option<u32>,
        measured: bool,
        slow: Option<Duration>,
    ) {
        let now = view.facts.now.mono;
        let open = match region {
            Some(region) => self.stream.lagging_regions.get(&region).copied(),
            None => self.stream.lagging,
        };
        match (open, slow) {
            (None, Some(lag)) => {
                let open = self.open_stream(view, Alarm::Lagging, now, lag, now, region);
                match region {
                    Some(region) => drop(self.stream.lagging_regions.insert(region, open)),
                    None => {
                        self.stream.lagging = Some(open);
                        let regions = std::mem::take(&mut self.stream.lagging_regions);
                        for region in regions.into_values() {
                            self.close(region, CloseReason::Superseded);
                        }
                    }
                }
            }
            (Some(incident), None) if measured => self.close(incident, CloseReason::Resolved),
            _ => {}
        }
    }

    /// Opens or closes the incident of messages that lastbeat itself or the stream before it loses.
    pub(in crate::core) fn losses_are(&mut self, view: View<'_>) {
        let now = view.facts.now.mono;
        let max_gap = view.facts.stream_max_gap();
        let lost = self.stream.lost_at;
        self.stream.lost_at = lost.filter(|at| now.since(*at) < LOSSY_FOR);
        let here = view.facts.listening.losing_since();
        match (self.stream.losing, here, self.stream.lost_at) {
            (None, Some(since), _) if now.since(since) > max_gap => {
                let gap = now.since(since);
                let open = self.open_stream(view, Alarm::Losing, since, gap, since + max_gap, None);
                self.stream.losing = Some(open);
            }
            (None, None, Some(at)) => {
                let none = Duration::ZERO;
                let open = self.open_stream(view, Alarm::Losing, at, none, at, None);
                self.stream.losing = Some(open);
            }
            (Some(incident), None, None) => self.close(incident, CloseReason::Resolved),
            _ => {}
        }
    }
}

/// A beat that the stream lost on its way tells of the stream for this long.
const LOSSY_FOR: Duration = Duration::from_secs(900);
/// Window in which blindness is measured.
pub(in crate::core) const BLIND_WINDOW: Duration = Duration::from_secs(900);
/// Fewer blind stretches than this are not reported.
const BLIND_STRETCHES: u32 = 3;

impl View<'_> {
    /// Blindness of the last quarter of an hour that no other incident reports.
    pub(in crate::core) fn unreported_blindness(&self) -> Blindness {
        let listening = &self.facts.listening;
        listening.blindness(self.facts.now.mono, BLIND_WINDOW, true)
    }

    /// True if lastbeat is blind too often: for more than a fifth of the window, or a tenth if it `was` before.
    pub(in crate::core) fn is_blind_too_often(&self, was: bool) -> bool {
        let blind = self.unreported_blindness();
        let share = if was { 10 } else { 5 };
        (was || blind.stretches >= BLIND_STRETCHES) && blind.time * share > BLIND_WINDOW
    }

    /// Share and reasons of the blindness, and the remedy.
    fn blind_words(&self) -> String {
        let blind = self.unreported_blindness();
        let share = 100.0 * blind.time.as_secs_f64() / BLIND_WINDOW.as_secs_f64();
        let reasons = Blind::ALL.into_iter().zip(blind.by_reason);
        let reasons = reasons.filter(|(_, time)| !time.is_zero());
        let reasons = reasons.map(|(why, time)| format!("{} s {}", time.as_secs(), why.label()));
        let reasons: Vec<String> = reasons.collect();
        let cause = match self.facts.blind_cause.as_str() {
            "" => "check the network and the log server, and the load of this machine",
            known => known,
        };
        format!(
            "lastbeat received nothing for {share:.0}% of the last {} minutes, in {} stretches ({}); silences are found \
             later meanwhile; {cause}",
            BLIND_WINDOW.as_secs() / 60,
            blind.stretches,
            reasons.join(", ")
        )
    }
}
