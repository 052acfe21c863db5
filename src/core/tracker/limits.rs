//! Limits on everything that is tracked.

use crate::core::tracker::record::BEAT_NAMES_END;
use crate::core::tracker::slots::InstanceId;

/// Limit on the named beats of one instance: the list is walked at each beat.
pub(in crate::core) const MAX_BEATS_OF_INSTANCE: usize = 64;
/// Limit on regions: thirty times as many as Fly has.
pub(in crate::core) const MAX_REGIONS: usize = 1_000;
/// Limit on hosts: one per five instances of the default limit.
pub(in crate::core) const MAX_HOSTS: usize = 200_000;
/// Limit on names of beats: twice the number of apps of a large organisation.
pub(in crate::core) const MAX_BEAT_NAMES: usize = 30_000;
const _: () = assert!(MAX_BEAT_NAMES < BEAT_NAMES_END);

/// Result of admitting a new subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// It is tracked from now on, under this number.
    New(InstanceId),
    /// Its app, which has this number, is ignored: the entry proves only that the stream flows.
    Ignored(u32),
}

/// Limits on the numbers of instances and apps that are tracked at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Instances.
    pub instances: usize,
    /// Apps.
    pub apps: usize,
}

impl Limits {
    /// The largest permitted limits: what a state file may hold, and as many apps as a page of totals can show.
    pub const MOST: Limits = Limits {
        instances: 2_000_000,
        apps: 1_000_000,
    };
    /// Limit on app-regions per app. An app has at most all regions; invented app-regions have few instances each.
    const APP_REGIONS_PER_APP: usize = 4;
    /// Least limit on the beats of all instances, as some have several. One instance has a limit of its own.
    const MIN_BEATS: usize = 2_000_000;

    /// Limit on app-regions.
    pub fn app_regions(self) -> usize {
        self.apps.saturating_mul(Limits::APP_REGIONS_PER_APP)
    }

    /// Limit on beats.
    pub(in crate::core) fn beats(self) -> usize {
        (2 * self.instances).max(Limits::MIN_BEATS)
    }
}

impl Default for Limits {
    /// Many more instances than most organisations have, and few enough to bound the memory that invented names take.
    fn default() -> Self {
        Limits {
            instances: 100_000,
            apps: 50_000,
        }
    }
}

/// Tables that can be full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Instances.
    Instances,
    /// Names of apps.
    Apps,
    /// App-regions.
    AppRegions,
    /// Names of regions.
    Regions,
    /// Names of physical hosts.
    Hosts,
    /// Beats, or those of one instance.
    Beats,
    /// Names of beats.
    BeatNames,
}
