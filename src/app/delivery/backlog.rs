//! One notifier's pending deliveries: in order within each incident, by severity between incidents, limited in number and
//! in age.
//!
//! Deliveries of one incident, and of incidents that are one alert at the receiver, share a lane. Within a lane they go in
//! order; a lane that has to wait holds up no other.
//!
//! Beyond the limit, the least severe and oldest reminder or update is dropped first, since the next one says the same. Without
//! any, an incident whose opening and closing are both pending is dropped whole: no notification of it was sent, and it
//! is over. Only then an opening goes alone, and its closing with it once it comes: no end is sent without its beginning.
//! An update or reminder that comes before takes the place of the opening.

mod bounds;
mod lane;
mod limits;

#[cfg(test)]
pub(super) use bounds::EXTRA_WAITS;
pub(super) use bounds::{ALERT_WAITS, WAITING_LIMIT};
pub(super) use lane::{LaneId, Pending, Refusal};

use crate::core::notice::{IncidentId, NoticeKind};
use crate::core::time::Mono;
use crate::io::notifier::Delivery;
use bytes::Bytes;
use lane::{Lane, LaneName, Turn};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;
use tokio::time::Instant;

/// Pending deliveries.
#[derive(Default)]
pub(super) struct Backlog {
    lanes: HashMap<LaneId, Lane>,
    names: HashMap<LaneName, LaneId>,
    /// All lanes, the next one first.
    order: BTreeSet<Turn>,
    length: usize,
    /// The next number, of a delivery or of a lane.
    next_number: u64,
    /// Incidents whose opening was dropped, with its number in the store.
    unopened: BTreeMap<IncidentId, u64>,
}

/// A delivery that was dropped.
pub(super) struct Dropped {
    pub(super) pending: Pending,
    pub(super) why: &'static str,
    /// True: its row in the store stays as a mark, so that the end of its incident is dropped after a restart too.
    pub(super) leaves_mark: bool,
    /// The number of the mark that goes with it; 0: none.
    pub(super) releases: u64,
}

/// A delivery that comes, with what the queue knows of it.
pub(super) struct Arrival {
    pub(super) delivery: Delivery,
    /// Its identity at the receiver.
    pub(super) key: Option<Bytes>,
    /// Arrival clock.
    pub(super) now: Mono,
    /// Its age on arrival.
    pub(super) age: Duration,
    /// No attempt before this.
    pub(super) ready_at: Instant,
}

const WITHOUT_OPENING: &str = "its opening was not delivered";

impl Backlog {
    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Pending> {
        self.lanes.values().flat_map(|lane| &lane.pending)
    }

    /// The most urgent lane whose first delivery may be sent now.
    pub(super) fn next(&self, now: Instant) -> Option<LaneId> {
        let mut order = self.order.iter();
        order
            .find(|turn| self.lanes[&turn.lane].ready_at() <= now)
            .map(|turn| turn.lane)
    }

    /// When the first lane becomes ready; in the past where one is.
    pub(super) fn ready_at(&self, now: Instant) -> Option<Instant> {
        if self.next(now).is_some() {
            return Some(now);
        }
        self.lanes.values().map(Lane::ready_at).min()
    }

    /// The first delivery of a lane.
    pub(super) fn head(&self, lane: LaneId) -> Option<&Pending> {
        self.lanes.get(&lane)?.pending.front()
    }

    pub(super) fn lane(&self, lane: LaneId) -> Option<&Lane> {
        self.lanes.get(&lane)
    }

    /// The refusals of deliveries that wait, each with its failed attempts.
    pub(super) fn refusals(&self) -> impl Iterator<Item = (u32, Refusal)> {
        let refused = |lane: &Lane| Some((lane.failed, lane.refused?));
        self.lanes.values().filter_map(refused)
    }

    /// Changes what a lane knows of its first delivery.
    pub(super) fn update(&mut self, id: LaneId, change: impl FnOnce(&mut Lane)) {
        if let Some(lane) = self.lanes.get_mut(&id) {
            change(lane);
        }
    }

    /// A mark that an earlier run left.
    pub(super) fn mark(&mut self, incident: IncidentId, number: u64) {
        self.unopened.insert(incident, number);
    }

    /// Adds one; returns those dropped for it. The first delivery of the lane `under_way` stays.
    pub(super) fn push(&mut self, arrival: Arrival, under_way: Option<LaneId>) -> Vec<Dropped> {
        let rendered = &arrival.delivery.rendered;
        let (incident, kind, severity) = (rendered.incident, rendered.kind, rendered.severity);
        let mut pending = Pending {
            number: self.number(),
            age: arrival.age,
            pushed: arrival.now,
            ready_at: arrival.ready_at,
            begins: kind == NoticeKind::Opened,
            delivery: arrival.delivery,
        };
        let name = LaneName::Incident(incident);
        let known = self.names.get(&name).copied();
        if let Some(mark) = self.unopened.get(&incident).copied()
            && !known.is_some_and(|lane| self.lanes[&lane].begins(incident))
        {
            if matches!(kind, NoticeKind::Closed(_)) {
                self.unopened.remove(&incident);
                return vec![Dropped {
                    pending,
                    why: WITHOUT_OPENING,
                    leaves_mark: false,
                    releases: mark,
                }];
            }
            pending.begins = true;
        }
        let key = arrival.key.map(LaneName::Key);
        let shared = || self.names.get(key.as_ref()?).copied();
        let id = known.or_else(shared).unwrap_or(LaneId(pending.number));
        for name in [Some(name), key].into_iter().flatten() {
            self.names.insert(name.clone(), id);
            let lane = self.lanes.entry(id).or_insert_with(|| Lane::new(id));
            if !lane.names.contains(&name) {
                lane.names.push(name);
            }
        }
        self.reorder(id, |lane| {
            lane.pending.push_back(pending);
            lane.severity = lane.severity.min(severity);
        });
        self.length += 1;
        if self.length <= WAITING_LIMIT {
            return Vec::new();
        }
        match self.least(under_way) {
            Some((lane, at)) => self.drop_at(lane, at, "the queue is full"),
            None => Vec::new(),
        }
    }

    /// Removes the first delivery of a lane, which was delivered; with the number of the mark that goes with it, or 0.
    pub(super) fn deliver(&mut self, lane: LaneId) -> Option<(Pending, u64)> {
        let done = self.remove(lane, 0)?;
        let mark = done
            .begins
            .then(|| self.unopened.remove(&done.delivery.rendered.incident));
        Some((done, mark.flatten().unwrap_or(0)))
    }

    /// Drops the first delivery of a lane, and with an opening the closing of its incident.
    pub(super) fn drop_head(&mut self, lane: LaneId, why: &'static str) -> Vec<Dropped> {
        self.drop_at(lane, 0, why)
    }

    /// Drops everything.
    pub(super) fn drop_all(&mut self, why: &'static str) -> Vec<Dropped> {
        let mut lanes: Vec<LaneId> = self.lanes.keys().copied().collect();
        lanes.sort_unstable();
        let mut all = Vec::new();
        for lane in lanes {
            while let Some(pending) = self.remove(lane, 0) {
                all.push(Dropped {
                    pending,
                    why,
                    leaves_mark: false,
                    releases: 0,
                });
            }
        }
        all
    }

    /// Puts a lane behind all others.
    pub(super) fn yield_turn(&mut self, lane: LaneId) {
        let number = self.number();
        self.reorder(lane, |lane| {
            lane.yielded = true;
            lane.turn = number;
        });
    }

    /// Ends the waits: at stop. What no store keeps is sent at once.
    pub(super) fn release(&mut self, now: Instant) {
        for lane in self.lanes.values_mut() {
            lane.not_before = now;
            let unkept = |one: &&mut Pending| one.delivery.id == 0;
            lane.pending
                .iter_mut()
                .filter(unkept)
                .for_each(|one| one.ready_at = now);
        }
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    /// Changes a lane, and its place in the order with it.
    fn reorder(&mut self, id: LaneId, change: impl FnOnce(&mut Lane)) {
        let Some(lane) = self.lanes.get_mut(&id) else {
            return;
        };
        self.order.remove(&lane.order(id));
        change(lane);
        self.order.insert(lane.order(id));
    }

    fn remove(&mut self, id: LaneId, at: usize) -> Option<Pending> {
        let lane = self.lanes.get_mut(&id)?;
        let before = lane.order(id);
        let gone = lane.pending.remove(at)?;
        self.length -= 1;
        if at == 0 {
            lane.begin_anew();
        }
        lane.severity = lane.least_severity();
        self.order.remove(&before);
        if lane.pending.is_empty() {
            let names = std::mem::take(&mut lane.names);
            names.iter().for_each(|name| {
                self.names.remove(name);
            });
            self.lanes.remove(&id);
        } else {
            self.order.insert(lane.order(id));
        }
        Some(gone)
    }

    /// Drops one. After a beginning, the next of its incident takes its place; its closing goes with it.
    fn drop_at(&mut self, id: LaneId, at: usize, why: &'static str) -> Vec<Dropped> {
        let Some(gone) = self.remove(id, at) else {
            return Vec::new();
        };
        let incident = gone.delivery.rendered.incident;
        let mut all = vec![Dropped {
            leaves_mark: false,
            releases: 0,
            why,
            pending: gone,
        }];
        if !all[0].pending.begins {
            return all;
        }
        let next = self.lanes.get_mut(&id).and_then(|lane| {
            let mut pending = lane.pending.iter_mut().enumerate();
            pending.find(|(_, one)| one.delivery.rendered.incident == incident)
        });
        match next {
            Some((_, next)) if !matches!(next.delivery.rendered.kind, NoticeKind::Closed(_)) => {
                next.begins = true;
            }
            Some((at, _)) => {
                let releases = self.unopened.remove(&incident).unwrap_or(0);
                all.extend(self.remove(id, at).map(|pending| Dropped {
                    pending,
                    why: WITHOUT_OPENING,
                    leaves_mark: false,
                    releases,
                }));
            }
            None => {
                let number = all[0].pending.delivery.id;
                // The mark of an earlier one stands for it.
                all[0].leaves_mark = !self.unopened.contains_key(&incident);
                self.unopened.entry(incident).or_insert(number);
                if self.unopened.len() > WAITING_LIMIT {
                    self.unopened.pop_first();
                }
            }
        }
        all
    }
}
