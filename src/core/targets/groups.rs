//! Groups: targets of several instances, which are an app-region, an app or a region.

use crate::core::rule::{By, Rule};
use crate::core::time::Stamp;
use crate::core::tracker::store;
use std::collections::BTreeMap;

/// A group: an index of [`Groups`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct GroupId(pub u32);

/// One group of one rule.
#[derive(Clone, Debug)]
pub struct Group {
    /// The rule's index in the set.
    pub rule: u32,
    /// Its kind.
    pub by: By,
    /// The app; [`NONE`](crate::core::tracker::NONE) if it is a region.
    pub app: u32,
    /// The region; [`NONE`](crate::core::tracker::NONE) if it is an app.
    pub region: u32,
    /// Its target.
    pub target: u32,
    /// Start of its watch.
    pub since: Stamp,
    /// True if the rule expects it, heard or not.
    pub expected: bool,
    /// The longest interval that a beat in it declares, in milliseconds; 0 if none does.
    pub every_ms: u32,
}

/// Link of an app-region to a rule that watches it as a part of a group.
#[derive(Clone, Copy, Debug)]
pub struct GroupLink {
    /// The rule.
    pub rule: u32,
    /// Kind of the rule's groups.
    pub by: By,
    /// The group; `None` until one of its members is heard.
    pub group: Option<GroupId>,
}

/// All groups.
#[derive(Debug, Default)]
pub struct Groups {
    pub(in crate::core) rows: Vec<Group>,
    ids: BTreeMap<(u32, u32, u32), GroupId>,
    free: Vec<u32>,
    /// The group whose interval was recomputed last.
    pub(in crate::core) refreshed: GroupId,
}

impl Groups {
    /// A group.
    pub fn get(&self, id: GroupId) -> &Group {
        &self.rows[id.0 as usize]
    }

    /// Renumbers the rules; groups of removed rules were dropped before.
    pub(in crate::core) fn renumber(&mut self, number: impl Fn(u32) -> u32) {
        let ids = std::mem::take(&mut self.ids);
        for ((rule, app, region), id) in ids {
            self.rows[id.0 as usize].rule = number(rule);
            self.ids.insert((number(rule), app, region), id);
        }
    }

    /// Marks all groups as not expected, before the expected ones are marked again.
    pub(in crate::core) fn clear_expected(&mut self) {
        self.rows
            .iter_mut()
            .for_each(|group| group.expected = false);
    }

    /// The group of a rule; `None` if it does not exist.
    pub(in crate::core) fn find(&self, rule: u32, app: u32, region: u32) -> Option<GroupId> {
        self.ids.get(&(rule, app, region)).copied()
    }

    /// Restarts the grace period of all groups with `at_least`, since the rules changed.
    pub(in crate::core) fn count_anew(&mut self, rules: &[Rule], now: Stamp) {
        let counting = |group: &&mut Group| {
            let rule = rules.get(group.rule as usize);
            rule.is_some_and(|rule| rule.at_least.is_some())
        };
        self.rows
            .iter_mut()
            .filter(counting)
            .for_each(|group| group.since = now);
    }

    /// Restores a group of a previous run. `since`: the start of its watch; `None` if it is evaluated from the start.
    pub(in crate::core) fn restored(&mut self, id: GroupId, since: Option<Stamp>, every_ms: u32) {
        let row = &mut self.rows[id.0 as usize];
        row.since = since.unwrap_or(row.since);
        row.every_ms = row.every_ms.max(every_ms);
    }

    /// The number that the next new group gets.
    pub(in crate::core) fn next_id(&self) -> GroupId {
        let free = self.free.last().copied();
        GroupId(free.unwrap_or(self.rows.len() as u32))
    }

    /// Adds a new group under [`Self::next_id`].
    pub(in crate::core) fn add(&mut self, group: Group) -> GroupId {
        let key = (group.rule, group.app, group.region);
        let id = GroupId(store(&mut self.rows, &mut self.free, group));
        self.ids.insert(key, id);
        id
    }

    /// Removes a group.
    pub(in crate::core) fn remove(&mut self, id: GroupId) {
        let group = self.get(id);
        let key = (group.rule, group.app, group.region);
        self.ids.remove(&key);
        self.free.push(id.0);
    }

    /// Every group.
    pub fn iter(&self) -> impl Iterator<Item = (GroupId, &Group)> {
        self.ids.values().map(|&id| (id, self.get(id)))
    }
}
