//! Knowledge of downstreams reads back.

use super::*;
use crate::core::notice::{Evidence, Missing};
use crate::core::persist::SavedDownstream;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

fn wall() -> impl Strategy<Value = Wall> {
    any::<u64>().prop_map(Wall::from_nanos)
}

fn missing() -> impl Strategy<Value = Missing> {
    let evidence = prop_oneof![
        Just(Evidence::Canaries),
        Just(Evidence::Restart),
        Just(Evidence::Deleted)
    ];
    (wall(), wall(), any::<u64>(), evidence).prop_map(|(from, until, marks, evidence)| Missing {
        from,
        until,
        marks,
        evidence,
    })
}

fn downstream() -> impl Strategy<Value = SavedDownstream> {
    let known = (option::of(missing()), option::of(missing()));
    (".{0,20}", known, option::of(wall())).prop_map(|(name, (missing, reported), stalls_since)| {
        SavedDownstream {
            name: name.into(),
            missing,
            reported,
            stalls_since,
        }
    })
}

fn with(downstreams: Vec<SavedDownstream>) -> Batch {
    let mut batch = checkpoint(false, Vec::new());
    if let Some(checkpoint) = &mut batch.checkpoint {
        checkpoint.downstreams = downstreams;
    }
    batch
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_last_checkpoint_says_what_is_known(
        before in vec(downstream(), 0..3),
        last in vec(downstream(), 0..3),
        range in missing(),
    ) {
        let folder = Folder::new();
        let mut store = open(&folder.db()).store;
        store.save(&with(before)).expect("it can be written");
        store.save(&with(last.clone())).expect("it can be written");
        let mut open_one = incident(7, "web");
        open_one.notice.between.missing = Some(range);
        let batch = Batch { incidents: vec![open_one], ..Batch::default() };
        store.save(&batch).expect("it can be written");
        drop(store);
        let opened = open(&folder.db());
        prop_assert_eq!(opened.skipped, 0);
        prop_assert_eq!(opened.saved.downstreams, last);
        prop_assert_eq!(opened.saved.incidents[0].notice.between.missing, Some(range));
    }
}

#[test]
fn a_file_of_an_earlier_version_knows_nothing_of_them() {
    let folder = Folder::new();
    let mut store = open(&folder.db()).store;
    store
        .save(&checkpoint(true, Vec::new()))
        .expect("it can be written");
    let usual = r#"{"silences":[1,2,3],"long_silence_ns":4,"pauses":[5,6,7]}"#;
    store
        .db
        .execute("UPDATE clock SET usual = ?", [usual])
        .expect("it can be written");
    drop(store);
    let opened = open(&folder.db());
    assert_eq!((opened.skipped, opened.saved.downstreams), (0, vec![]));
    assert_eq!(
        opened.saved.clock.long_silence,
        Some(Duration::from_nanos(4))
    );
}
