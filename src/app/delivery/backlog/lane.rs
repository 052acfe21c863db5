//! Deliveries that go in order, and their place among the others.

use crate::app::delivery::timer::timer;
use crate::core::notice::{IncidentId, NoticeKind};
use crate::core::rule::Severity;
use crate::core::time::Mono;
use crate::io::notifier::Delivery;
use bytes::Bytes;
use hyper::StatusCode;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// Identifies a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::app::delivery) struct LaneId(pub(super) u64);

/// Everything whose deliveries share a lane.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum LaneName {
    Incident(IncidentId),
    /// The identity at the receiver.
    Key(Bytes),
}

/// A lane's place: the lanes that gave their turn away last, then by severity, then by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    yielded: bool,
    severity: Severity,
    number: u64,
    pub(super) lane: LaneId,
}

/// A delivery that waits.
pub(in crate::app::delivery) struct Pending {
    pub(in crate::app::delivery) delivery: Delivery,
    /// Counts up: the order of arrival.
    pub(super) number: u64,
    /// Its age when it came here: of those of an earlier run.
    pub(super) age: Duration,
    /// Arrival clock: when it came here.
    pub(super) pushed: Mono,
    /// No attempt before this.
    pub(super) ready_at: Instant,
    /// True if nothing of its incident was delivered or waits before it.
    pub(super) begins: bool,
}

impl Pending {
    /// Its age, by the arrival clock.
    pub(in crate::app::delivery) fn age(&self, now: Mono) -> Duration {
        self.age + now.since(self.pushed)
    }

    /// Time from its deadline until now. The two wall clock times were taken in one moment.
    pub(in crate::app::delivery) fn delay(&self, now: Mono) -> Duration {
        let rendered = &self.delivery.rendered;
        self.age(now) + rendered.queued_at.since(rendered.due_at)
    }

    /// True if the next one of its incident says the same.
    pub(super) fn is_extra(&self) -> bool {
        let kind = self.delivery.rendered.kind;
        !self.begins && matches!(kind, NoticeKind::Updated(_) | NoticeKind::Reminder(_))
    }

    /// True while its send delay lasts.
    pub(in crate::app::delivery) fn is_held_back(&self, now: Instant) -> bool {
        self.ready_at > now
    }
}

/// A receiver's refusal of a delivery.
#[derive(Clone, Copy, Debug)]
pub(in crate::app::delivery) struct Refusal {
    /// Arrival clock: the first one.
    pub(in crate::app::delivery) since: Mono,
    /// The last answer.
    pub(in crate::app::delivery) status: StatusCode,
}

/// Deliveries that go in order.
pub(in crate::app::delivery) struct Lane {
    pub(super) pending: VecDeque<Pending>,
    pub(super) names: Vec<LaneName>,
    /// The highest of those that wait.
    pub(super) severity: Severity,
    pub(super) turn: u64,
    pub(super) yielded: bool,
    /// No attempt before this.
    pub(in crate::app::delivery) not_before: Instant,
    /// Failed attempts of the first delivery.
    pub(in crate::app::delivery) failed: u32,
    /// `None`: the first delivery was not refused.
    pub(in crate::app::delivery) refused: Option<Refusal>,
    /// The level to which the first delivery is shortened; 0: it is whole.
    pub(in crate::app::delivery) shortened: u8,
}

impl Lane {
    pub(super) fn new(id: LaneId) -> Self {
        Lane {
            pending: VecDeque::new(),
            names: Vec::new(),
            severity: Severity::Info,
            turn: id.0,
            yielded: false,
            not_before: timer(),
            failed: 0,
            refused: None,
            shortened: 0,
        }
    }

    pub(super) fn order(&self, lane: LaneId) -> Turn {
        Turn {
            yielded: self.yielded,
            severity: self.severity,
            number: self.turn,
            lane,
        }
    }

    /// When its first delivery may be sent.
    pub(super) fn ready_at(&self) -> Instant {
        let held = self.pending.front().map(|one| one.ready_at);
        held.map_or(self.not_before, |at| at.max(self.not_before))
    }

    /// True if a beginning of the incident waits.
    pub(super) fn begins(&self, incident: IncidentId) -> bool {
        let of = |one: &&Pending| one.delivery.rendered.incident == incident;
        self.pending.iter().filter(of).any(|one| one.begins)
    }

    /// True if another one of the first one's incident waits behind it.
    pub(in crate::app::delivery) fn has_newer(&self) -> bool {
        let incident = |one: &Pending| one.delivery.rendered.incident;
        let first = self.pending.front().map(incident);
        self.pending
            .iter()
            .skip(1)
            .any(|one| Some(incident(one)) == first)
    }

    /// True if the first one may be dropped for a newer one of its incident.
    pub(in crate::app::delivery) fn is_superseded(&self) -> bool {
        self.pending.front().is_some_and(Pending::is_extra) && self.has_newer()
    }

    /// Forgets what is known of the delivery that was first.
    pub(super) fn begin_anew(&mut self) {
        self.failed = 0;
        self.refused = None;
        self.shortened = 0;
        self.yielded = false;
        self.not_before = timer();
    }

    pub(super) fn least_severity(&self) -> Severity {
        let all = self
            .pending
            .iter()
            .map(|one| one.delivery.rendered.severity);
        all.min().unwrap_or(Severity::Info)
    }
}
