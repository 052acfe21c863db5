//! Retention: which segments go, so that the archive keeps its limits and the volume its space.

use super::segment::{Form, HOUR, Segment};
use super::volume::Volume;
use crate::core::rule::ArchiveRule;
use crate::core::time::Wall;
use std::fs;
use std::io;

/// `max_size` where it is not set, at most.
const MAX_SIZE: u64 = 4_000_000_000;
/// Bytes of a plain segment at most: what is lost to a search without an index, and what sealing needs beside it.
const SEGMENT_BYTES: u64 = 256 << 20;
/// Of small archives a segment is this part, so that a few of them make up the archive.
const SEGMENTS: u64 = 16;
/// Bytes of a plain segment at least.
const LEAST_SEGMENT: u64 = 1 << 20;

/// Limits in bytes, of a rule on a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// All segments together.
    pub total: u64,
    /// A plain segment.
    pub segment: u64,
    /// Space that stays free on the volume.
    pub free: u64,
}

impl Limits {
    /// Those of a rule on a volume.
    pub fn of(rule: &ArchiveRule, volume: Volume) -> Self {
        let total = rule.max_size.unwrap_or((volume.size / 2).min(MAX_SIZE));
        Limits {
            total,
            segment: (total / SEGMENTS).clamp(LEAST_SEGMENT, SEGMENT_BYTES),
            free: volume.size / 100 * u64::from(rule.min_free),
        }
    }
}

/// Bytes that must go: those of all segments beyond the limit, and those that the volume lacks, once `more` are written.
pub fn excess(limits: &Limits, total: u64, volume: Volume, more: u64) -> u64 {
    let over = (total + more).saturating_sub(limits.total);
    let lacking = (limits.free + more).saturating_sub(volume.free);
    over.max(lacking)
}

/// The first segments that make up `excess` bytes or end before `oldest`. The last of all, which grows, is never among
/// them, nor is a file that is being written.
pub fn victims(segments: &[Segment], excess: u64, oldest: Wall) -> Vec<&Segment> {
    let Some((last, rest)) = segments.split_last() else {
        return Vec::new();
    };
    let mut freed = 0;
    let mut victims = Vec::new();
    let is_free = |segment: &&Segment| segment.form != Form::Sealing && segment.stem != last.stem;
    for segment in rest.iter().filter(is_free) {
        let is_old = segment.begin() + HOUR < oldest;
        if freed >= excess && !is_old {
            break;
        }
        freed += segment.bytes;
        victims.push(segment);
    }
    victims
}

/// Removes a segment's file; one that is gone already is no fault.
///
/// # Errors
/// It cannot be removed.
pub fn remove(segment: &Segment) -> io::Result<()> {
    match fs::remove_file(&segment.path) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => Err(fault),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::segment::Stem;
    use super::*;
    use std::path::PathBuf;
    use std::time::Duration;

    fn hours(count: u32) -> Wall {
        Wall::from_nanos(1_700_000_000_000_000_000) + HOUR * count
    }

    fn segments(bytes: &[u64]) -> Vec<Segment> {
        let one = |(hour, bytes): (u32, &u64)| Segment {
            stem: Stem::new(hours(hour)),
            form: Form::Sealed,
            path: PathBuf::new(),
            bytes: *bytes,
        };
        (0..).zip(bytes).map(one).collect()
    }

    fn gone(bytes: &[u64], excess: u64, oldest: Wall) -> usize {
        victims(&segments(bytes), excess, oldest).len()
    }

    #[test]
    fn the_oldest_go_until_there_is_room_and_the_one_that_grows_stays() {
        let bytes = [10, 10, 10, 10];
        for (excess, expected) in [(0, 0), (1, 1), (10, 1), (11, 2), (30, 3), (1000, 3)] {
            assert_eq!(gone(&bytes, excess, Wall::ZERO), expected, "{excess}");
        }
        assert_eq!(gone(&[10], 1000, Wall::NEVER), 0);
        assert_eq!(gone(&[], 1, Wall::NEVER), 0);
    }

    #[test]
    fn what_is_older_than_allowed_goes() {
        let bytes = [1, 1, 1, 1];
        assert_eq!(
            gone(&bytes, 0, hours(2)),
            1,
            "the first ended an hour before"
        );
        assert_eq!(gone(&bytes, 0, hours(1)), 0, "it just ended");
        assert_eq!(gone(&bytes, 0, hours(2) + Duration::from_secs(1)), 2);
    }

    #[test]
    fn limits_follow_from_the_volume() {
        let volume = Volume {
            size: 1_000_000_000,
            free: 400_000_000,
        };
        let limits = Limits::of(&ArchiveRule::default(), volume);
        assert_eq!((limits.total, limits.free), (500_000_000, 150_000_000));
        let large = Volume {
            size: 100_000_000_000,
            ..volume
        };
        assert_eq!(Limits::of(&ArchiveRule::default(), large).total, MAX_SIZE);
        assert_eq!(excess(&limits, 499, volume, 1), 0);
        assert_eq!(excess(&limits, 500_000_000, volume, 7), 7);
        let full = Volume {
            free: 149_000_000,
            ..volume
        };
        assert_eq!(excess(&limits, 0, full, 0), 1_000_000);
    }
}
