use super::*;

#[test]
fn what_a_million_are_held_of_is_small() {
    let sizes = [size_of::<Target>(), size_of::<Due>()];
    assert_eq!(sizes, [16, 4]);
    let sizes = [
        size_of::<crate::core::tracker::Instance>(),
        size_of::<crate::core::tracker::Beat>(),
    ];
    assert_eq!(sizes, [56, 56]);
}

#[test]
fn a_deadline_is_never_missed_nor_early_by_more_than_a_64th() {
    let day = 86_400_000_000_000;
    for start in [0, 7, day] {
        for after in [0, 1, 90_000_000_000, 90_000_000_001, 700 * day, 5000 * day] {
            let mut targets = Table::default();
            let heard = Stamp {
                listened: Listened::from_nanos(start),
                ..Stamp::default()
            };
            let due = Listened::from_nanos(start + after);
            targets.add(Watched::Beat(BeatId(0)), 0, heard, due);
            assert_eq!(targets.earliest(), due);
            let before = due - std::time::Duration::from_nanos(Due::UNIT_NANOS);
            // A deadline beyond the representable range comes due early.
            let passed = usize::from(after == 0 || after > 776 * day);
            let near = usize::from(after <= 1).max(passed);
            assert_eq!(targets.passed(before).len(), near, "{start} {after}");
            assert_eq!(targets.passed(due), [0], "{start} {after}");
            targets.set_due(0, Listened::NEVER);
            let end = Listened::from_nanos(u64::MAX - 1);
            assert_eq!(targets.passed(end).len(), 0);
        }
    }
}
