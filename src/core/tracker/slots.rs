//! Numbers of instances, beats and names: indices of slots, which are reused.

use std::collections::BTreeSet;
use std::sync::Arc;

/// "None" among the numbers of instances, beats, hosts and targets.
pub const NONE: u32 = u32::MAX;
/// In place of the target of an instance's logs: the instance has logged nothing yet, so no rule was searched for.
pub const UNDECIDED: u32 = u32::MAX - 1;

/// An instance: an index of the tracker's instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId(pub u32);

/// A beat of an instance: an index of the tracker's beats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BeatId(pub u32);

/// Numbers in use without any tracked instance: by groups and open incidents.
#[derive(Debug, Default)]
pub struct Needed {
    /// Apps.
    pub apps: BTreeSet<u32>,
    /// Regions.
    pub regions: BTreeSet<u32>,
    /// App-regions.
    pub app_regions: BTreeSet<u32>,
    /// Hosts.
    pub hosts: BTreeSet<u32>,
}

/// Numbers that are free from now on and will be reused.
#[derive(Debug, Default)]
pub struct Reclaimed {
    /// Apps, by number and name.
    pub apps: Vec<(u32, Arc<str>)>,
    /// Regions.
    pub regions: Vec<u32>,
    /// App-regions.
    pub app_regions: Vec<u32>,
}

pub(in crate::core) fn grow<T>(rows: &mut Vec<T>, id: u32, new: impl Fn() -> T) {
    while rows.len() <= id as usize {
        rows.push(new());
    }
}

pub(in crate::core) fn store<T>(rows: &mut Vec<T>, free: &mut Vec<u32>, row: T) -> u32 {
    if let Some(id) = free.pop() {
        rows[id as usize] = row;
        return id;
    }
    rows.push(row);
    (rows.len() - 1) as u32
}
