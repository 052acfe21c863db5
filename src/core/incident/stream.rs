//! Incidents of the stream itself: silent, refused, late, losing messages, or full.

use crate::core::incident::Incidents;
use crate::core::incident::scope::Key;
use crate::core::incident::view::View;
use crate::core::listening::{Blind, Blindness};
use crate::core::notice::{Alarm, CloseReason, IncidentId, Notice, NoticeKind, Scope, Who};
use crate::core::output::STREAM_RULE;
use crate::core::rule::Severity;
use crate::core::time::Mono;
use std::collections::BTreeMap;
use std::time::Duration;

/// Which of them are open.
#[derive(Debug, Default)]
pub struct StreamIncidents {
    /// Nothing arrives.
    pub stalled: Option<IncidentId>,
    /// Whether that one says that the server refuses lastbeat.
    pub refused: bool,
    /// Entries arrive late.
    pub lagging: Option<IncidentId>,
    /// Entries of a region arrive late, by its number.
    pub lagging_regions: BTreeMap<u32, IncidentId>,
    /// Messages are lost without a pause.
    pub losing: Option<IncidentId>,
    /// lastbeat is blind too often.
    pub blind: Option<IncidentId>,
    /// There is no room for new instances.
    pub full: Option<IncidentId>,
}

impl Incidents {
    /// Opens an incident of the stream itself: silent since `since`, or as late as `gap` says.
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
        // The stream flows: what its rule says of its silence is not meant.
        let of_room = matches!(alarm, Alarm::Full | Alarm::Blind);
        let blind = view.facts.listening.blind_now();
        let detail = match (alarm, blind) {
            (Alarm::Lagging, _) => "entries arrive late, from everyone there".to_owned(),
            (Alarm::Losing, _) => {
                "messages come faster than they are taken, and are lost".to_owned()
            }
            (Alarm::Full, _) => view.facts.full_words(),
            (Alarm::Blind, _) => view.blind_words(),
            _ if !view.facts.feed_words.is_empty() => view.facts.feed_words.clone(),
            (_, None) => "connected, and nothing arrives".to_owned(),
            (_, Some(why)) => format!("lastbeat is blind: {}", why.label()),
        };
        let notice = Notice {
            incident: IncidentId(0),
            kind: NoticeKind::Opened,
            alarm,
            scope: if region.is_some() {
                Scope::Region
            } else {
                Scope::Stream
            },
            rule: STREAM_RULE.to_owned(),
            notify: None,
            affected: Vec::new(),
            affected_total: 0,
            severity: if of_room {
                Severity::Error
            } else {
                rule.severity
            },
            who: Who {
                region: region
                    .map(|id| view.facts.tracker.region_names.get(id).to_string())
                    .unwrap_or_default(),
                ..Who::default()
            },
            since: view.facts.now.wall_of(since),
            gap,
            listened: if blind.is_none() { gap } else { Duration::ZERO },
            max_gap: match alarm {
                Alarm::Full | Alarm::Blind => Duration::ZERO,
                Alarm::Lagging => rule.max_lag,
                _ => view.facts.stream_max_gap(),
            },
            due: view.facts.now.wall_of(due),
            due_mono: due,
            decided: view.facts.now.wall,
            last_text: String::new(),
            detail,
            summary: rule.summary.clone().filter(|_| !of_room),
            runbook: rule.runbook.clone().filter(|_| !of_room),
        };
        self.open(view, Key::Stream, notice)
    }

    /// An entry arrived while the stream's alert fired.
    pub(in crate::core) fn stream_resumed(&mut self, view: View<'_>) {
        self.stream.refused = false;
        if let Some(incident) = self.stream.stalled.take() {
            self.close(view, incident, CloseReason::Resolved);
        }
    }

    /// Entries of the stream, or of a region, are late by `slow`, or not late; `measured`: whether that is known.
    pub(in crate::core) fn lag_is(
        &mut self,
        view: View<'_>,
        region: Option<u32>,
        measured: bool,
        slow: Option<Duration>,
    ) {
        let open = match region {
            Some(region) => self.stream.lagging_regions.get(&region).copied(),
            None => self.stream.lagging,
        };
        let now = view.facts.now.mono;
        let then = match (open, slow) {
            (None, Some(lag)) => {
                Some(self.open_stream(view, Alarm::Lagging, now, lag, now, region))
            }
            (Some(incident), None) if measured => {
                self.close(view, incident, CloseReason::Resolved);
                None
            }
            _ => return,
        };
        match (region, then) {
            (None, then) => self.stream.lagging = then,
            (Some(region), Some(then)) => drop(self.stream.lagging_regions.insert(region, then)),
            (Some(region), None) => drop(self.stream.lagging_regions.remove(&region)),
        }
    }

    /// Messages are lost without a pause, or no more.
    pub(in crate::core) fn losses_are(&mut self, view: View<'_>) {
        let now = view.facts.now.mono;
        let max_gap = view.facts.stream_max_gap();
        match (self.stream.losing, view.facts.listening.losing_since()) {
            (None, Some(since)) if now.since(since) > max_gap => {
                let gap = now.since(since);
                let open = self.open_stream(view, Alarm::Losing, since, gap, since + max_gap, None);
                self.stream.losing = Some(open);
            }
            (Some(incident), None) => {
                self.stream.losing = None;
                self.close(view, incident, CloseReason::Resolved);
            }
            _ => {}
        }
    }
}

/// Blindness is looked at over so long.
pub(in crate::core) const BLIND_WINDOW: Duration = Duration::from_secs(900);
/// Stretches of blindness below which no incident tells of it.
const BLIND_STRETCHES: u32 = 3;

impl View<'_> {
    /// Blindness of the last quarter of an hour of which no other incident tells.
    pub(in crate::core) fn unreported_blindness(&self) -> Blindness {
        let listening = &self.facts.listening;
        listening.blindness(self.facts.now.mono, BLIND_WINDOW, true)
    }

    /// Whether lastbeat is blind too often: for more than a fifth of the window. Once it is, for more than a tenth.
    pub(in crate::core) fn is_blind_too_often(&self, was: bool) -> bool {
        let blind = self.unreported_blindness();
        let share = if was { 10 } else { 5 };
        (was || blind.stretches >= BLIND_STRETCHES) && blind.time * share > BLIND_WINDOW
    }

    /// Share and reasons of the blindness, and what to do.
    fn blind_words(&self) -> String {
        let blind = self.unreported_blindness();
        let share = 100.0 * blind.time.as_secs_f64() / BLIND_WINDOW.as_secs_f64();
        let reasons = Blind::ALL.into_iter().zip(blind.by_reason);
        let reasons = reasons.filter(|(_, time)| !time.is_zero());
        let reasons = reasons.map(|(why, time)| format!("{} s {}", time.as_secs(), why.label()));
        let reasons: Vec<String> = reasons.collect();
        format!(
            "lastbeat received nothing for {share:.0}% of the last {} minutes, in {} stretches ({}); silences are found \
             later meanwhile; check the network and the log server, and the load of this machine",
            BLIND_WINDOW.as_secs() / 60,
            blind.stretches,
            reasons.join(", ")
        )
    }
}
