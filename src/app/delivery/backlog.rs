//! One notifier's pending deliveries: in order within each incident, limited in number and in age.
//!
//! Beyond the limit, the oldest reminder or update is dropped first, since the next one says the same. Without any, an
//! incident whose opening and closing are both pending is dropped whole: no notification of it was sent, and it is over.
//! Only then the oldest opening goes alone. Its closing stays: it says how long the incident was and that it is over. A
//! closing goes last of all, as it leaves an alert that never ends.

use crate::core::notice::{IncidentId, NoticeKind};
use crate::core::time::Wall;
use crate::io::notifier::Delivery;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// Limit of pending notices for one notifier. Some kilobytes each: tens of megabytes at the very most, after an
/// outage that fired ten thousand times.
pub(super) const WAITING_LIMIT: usize = 10_000;
/// Age limit of pending openings and closings: a notifier that was down over a week's holidays still gets all of them,
/// one that is down for longer has no reader.
pub(super) const ALERT_WAITS: Duration = Duration::from_secs(7 * 24 * 3600);
/// Age limit of pending reminders and updates: a day later they are wrong.
pub(super) const EXTRA_WAITS: Duration = Duration::from_secs(24 * 3600);

/// Pending deliveries.
#[derive(Default)]
pub(super) struct Backlog {
    deliveries: VecDeque<Delivery>,
}

impl Backlog {
    pub(super) fn is_empty(&self) -> bool {
        self.deliveries.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.deliveries.len()
    }

    /// The next one to send.
    pub(super) fn front(&self) -> Option<&Delivery> {
        self.deliveries.front()
    }

    /// Removes the next one.
    pub(super) fn pop(&mut self) -> Option<Delivery> {
        self.deliveries.pop_front()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Delivery> {
        self.deliveries.iter()
    }

    /// Wall clock: when the oldest one was queued.
    pub(super) fn oldest(&self) -> Option<Wall> {
        self.deliveries
            .iter()
            .map(|delivery| delivery.rendered.queued_at)
            .min()
    }

    /// Adds one; returns those dropped for it. The next one stays if it is `under_way`.
    pub(super) fn push(&mut self, delivery: Delivery, under_way: bool) -> Vec<Delivery> {
        self.deliveries.push_back(delivery);
        if self.deliveries.len() <= WAITING_LIMIT {
            return Vec::new();
        }
        let mut at = self.least(usize::from(under_way));
        at.sort_unstable();
        // From the back, so that the places before stay right.
        let mut gone: Vec<Delivery> = at
            .into_iter()
            .rev()
            .filter_map(|at| self.deliveries.remove(at))
            .collect();
        gone.reverse();
        gone
    }

    /// Indices of what is dropped first, from `from` on.
    fn least(&self, from: usize) -> Vec<usize> {
        let from_there = || self.deliveries.iter().enumerate().skip(from);
        if let Some((at, _)) = from_there().find(|(_, delivery)| is_extra(delivery.rendered.kind)) {
            return vec![at];
        }
        let mut opened: HashMap<IncidentId, usize> = HashMap::new();
        for (at, delivery) in from_there() {
            let incident = delivery.rendered.incident;
            match delivery.rendered.kind {
                NoticeKind::Opened => {
                    opened.insert(incident, at);
                }
                _ => {
                    if let Some(began) = opened.get(&incident) {
                        return vec![*began, at];
                    }
                }
            }
        }
        let oldest = opened.values().min().copied();
        vec![oldest.unwrap_or(from)]
    }

    /// Removes what is too old. The next one stays if it is `under_way`.
    pub(super) fn take_old(&mut self, now: Wall, under_way: bool) -> Vec<Delivery> {
        let is_old = |delivery: &Delivery| {
            let most = if is_extra(delivery.rendered.kind) {
                EXTRA_WAITS
            } else {
                ALERT_WAITS
            };
            now.since(delivery.rendered.queued_at) > most
        };
        let from = usize::from(under_way);
        if !self.deliveries.iter().skip(from).any(is_old) {
            return Vec::new();
        }
        let (mut kept, mut gone) = (VecDeque::new(), Vec::new());
        for (at, delivery) in self.deliveries.drain(..).enumerate() {
            if at >= from && is_old(&delivery) {
                gone.push(delivery);
            } else {
                kept.push_back(delivery);
            }
        }
        self.deliveries = kept;
        gone
    }

    /// Moves everything of the next one's incident behind the others, in its order.
    pub(super) fn yield_turn(&mut self) {
        let Some(incident) = self.deliveries.front().map(|one| one.rendered.incident) else {
            return;
        };
        let (last, first): (VecDeque<Delivery>, VecDeque<Delivery>) = self
            .deliveries
            .drain(..)
            .partition(|delivery| delivery.rendered.incident == incident);
        self.deliveries = first;
        self.deliveries.extend(last);
    }
}

fn is_extra(kind: NoticeKind) -> bool {
    matches!(kind, NoticeKind::Updated(_) | NoticeKind::Reminder(_))
}
