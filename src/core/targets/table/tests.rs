use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

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

#[test]
fn a_table_is_empty_until_its_first_target_and_keeps_the_slot_of_one_that_is_gone() {
    let mut targets = Table::default();
    assert!(targets.is_empty());
    let id = targets.add(
        Watched::Beat(BeatId(0)),
        0,
        Stamp::default(),
        Listened::ZERO,
    );
    assert_eq!((targets.len(), targets.in_use()), (1, 1));
    assert!(!targets.is_empty());
    targets.remove(id);
    assert_eq!((targets.len(), targets.in_use()), (1, 0));
    assert!(!targets.is_empty());
}

#[test]
fn each_reason_has_words_of_its_own() {
    let all = [
        Reason::GapExceeded,
        Reason::Held,
        Reason::Crashed,
        Reason::Relaxed,
        Reason::Heard,
        Reason::Blind,
        Reason::Bye,
        Reason::Forgotten,
        Reason::RuleRemoved,
    ];
    let words: BTreeSet<&str> = all.iter().map(|reason| reason.label()).collect();
    assert_eq!(words.len(), all.len(), "{words:?}");
    assert!(!words.contains(""));
    assert_eq!(Reason::Bye.label(), "said bye");
}

proptest! {
    #[test]
    fn an_alert_ends_with_the_signs_in_a_row_that_are_at_most_max_gap_apart(
        gaps in proptest::collection::vec(27..33_u64, 1..20),
        recover in 1..6_u32,
    ) {
        let max_gap = Duration::from_secs(30);
        let mut targets = Table::default();
        let id = targets.add(Watched::Beat(BeatId(0)), 0, Stamp::default(), Listened::ZERO);
        let target = targets.get_mut(id);
        target.state = State::Firing;
        // The first sign follows the silence itself.
        let mut in_a_row = 0;
        for (number, gap) in gaps.iter().enumerate() {
            in_a_row = if number > 0 && *gap > 30 { 1 } else { in_a_row + 1 };
            let sign = target.sign(Duration::from_secs(*gap), max_gap, recover);
            let expected = if in_a_row < recover {
                OnSign::Recovering
            } else {
                OnSign::Resolved
            };
            prop_assert_eq!(sign, expected, "{} of {:?}", number, gaps);
            if sign == OnSign::Resolved {
                prop_assert_eq!(target.sign(max_gap, max_gap, recover), OnSign::Well);
                break;
            }
        }
    }
}
