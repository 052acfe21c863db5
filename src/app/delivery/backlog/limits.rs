//! The deliveries that go first where a backlog is too long or too old.

use super::bounds::{ALERT_WAITS, EXTRA_WAITS};
use super::lane::{LaneId, Pending};
use super::{Backlog, Dropped};
use crate::core::notice::NoticeKind;
use crate::core::time::Mono;
use std::cmp::Reverse;
use std::collections::HashMap;

impl Backlog {
    /// Drops what is too old. The first delivery of the lane `under_way` stays.
    pub(in crate::app::delivery) fn take_old(
        &mut self,
        now: Mono,
        under_way: Option<LaneId>,
    ) -> Vec<Dropped> {
        let limit = |one: &Pending| {
            if one.is_extra() {
                EXTRA_WAITS
            } else {
                ALERT_WAITS
            }
        };
        let mut old: Vec<(u64, LaneId)> = self
            .droppable(under_way)
            .filter(|(_, _, one)| one.age(now) > limit(one))
            .map(|(lane, _, one)| (one.number, lane))
            .collect();
        old.sort_unstable();
        let mut all = Vec::new();
        for (number, id) in old {
            // One that was dropped before may have taken it along.
            let lane = self.lanes.get(&id);
            let at = lane.and_then(|lane| lane.pending.iter().position(|one| one.number == number));
            if let Some(at) = at {
                all.extend(self.drop_at(id, at, "it waited too long"));
            }
        }
        all
    }

    /// The delivery that is dropped first; `None`: nothing may be dropped.
    pub(super) fn least(&self, under_way: Option<LaneId>) -> Option<(LaneId, usize)> {
        let severity = |one: &Pending| Reverse(one.delivery.rendered.severity);
        let place = |(_, _, lane, at): (_, u64, LaneId, usize)| (lane, at);
        let first = |wanted: &dyn Fn(&Pending) -> bool| {
            self.droppable(under_way)
                .filter(|(_, _, one)| wanted(one))
                .map(|(lane, at, one)| (severity(one), one.number, lane, at))
                .min()
                .map(place)
        };
        first(&Pending::is_extra)
            .or_else(|| self.least_over(under_way))
            .or_else(|| first(&|one| one.begins))
            .or_else(|| first(&|_| true))
    }

    /// A beginning whose closing waits too.
    fn least_over(&self, under_way: Option<LaneId>) -> Option<(LaneId, usize)> {
        let mut begun = HashMap::new();
        let mut over = Vec::new();
        for (lane, at, one) in self.droppable(under_way) {
            let rendered = &one.delivery.rendered;
            if one.begins {
                let rank = (Reverse(rendered.severity), one.number, lane, at);
                begun.insert(rendered.incident, rank);
            } else if matches!(rendered.kind, NoticeKind::Closed(_)) {
                over.extend(begun.get(&rendered.incident).copied());
            }
        }
        over.into_iter().min().map(|(_, _, lane, at)| (lane, at))
    }

    /// All but the delivery under way, in the order of each lane.
    fn droppable(
        &self,
        under_way: Option<LaneId>,
    ) -> impl Iterator<Item = (LaneId, usize, &Pending)> {
        self.lanes.iter().flat_map(move |(id, lane)| {
            let from = usize::from(under_way == Some(*id));
            let pending = lane.pending.iter().enumerate().skip(from);
            pending.map(move |(at, one)| (*id, at, one))
        })
    }
}
