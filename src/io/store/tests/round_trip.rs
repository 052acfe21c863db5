//! Everything that is written reads back.

use super::*;
use crate::core::listening::Blind;
use crate::core::persist::SavedStamp;
use crate::core::persist::{
    FactorInForce, LossHour, SavedBlind, SavedGroup, SavedLongest, SavedLoss,
};
use crate::core::rule::{Globs, Matchers};
use crate::core::time::Listened;
use crate::core::tracker::life::{Crash, StopWhy};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use rusqlite::Row;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Any text, and those that the beats' packing looks at: numbers, and the mark itself.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,20}",
        "[\u{1}0-9 a]{0,8}",
        "HEARTBEAT seq=[0-9]{1,2}",
        Just(String::new())
    ]
}

fn name() -> impl Strategy<Value = Arc<str>> {
    text().prop_map(Arc::from)
}

fn wall() -> impl Strategy<Value = Wall> {
    any::<u64>().prop_map(Wall::from_nanos)
}

fn stamp() -> impl Strategy<Value = SavedStamp> {
    (wall(), any::<u64>()).prop_map(|(at, listened)| SavedStamp {
        at,
        listened: Listened::from_nanos(listened),
    })
}

fn verdict() -> impl Strategy<Value = Verdict> {
    proptest::sample::select(&Verdict::ALL[..])
}

fn rhythm() -> impl Strategy<Value = SavedRhythm> {
    (any::<u32>(), any::<bool>(), any::<u32>()).prop_map(|(usual_ms, is_partial, long_ms)| {
        SavedRhythm {
            usual_ms,
            is_partial: is_partial && usual_ms > 0,
            long_ms,
        }
    })
}

fn longest() -> impl Strategy<Value = SavedLongest> {
    (any::<u64>(), any::<u64>(), wall()).prop_map(|(before, current, began)| SavedLongest {
        before: Duration::from_nanos(before),
        current: Duration::from_nanos(current),
        began,
    })
}

fn beat() -> impl Strategy<Value = SavedBeat> {
    let numbers = (
        any::<bool>(),
        any::<u32>(),
        option::of(prop_oneof![0..120_u64, any::<u64>()]),
        option::of(any::<i32>()),
    );
    (name(), name(), stamp(), numbers, rhythm(), text()).prop_map(
        |(marker, name, seen, (stopped, every_ms, seq, offset_ms), rhythm, text)| SavedBeat {
            marker,
            name,
            seen,
            stopped,
            every_ms,
            seq,
            offset_ms,
            rhythm,
            text,
        },
    )
}

fn any_instance() -> impl Strategy<Value = SavedInstance> {
    let why = prop_oneof![
        Just(StopWhy::Autostop),
        Just(StopWhy::Autosuspend),
        Just(StopWhy::Done)
    ];
    let crash = prop_oneof![
        Just(Crash::OutOfMemory),
        Just(Crash::GaveUp),
        Just(Crash::Failed)
    ];
    let life = (option::of((why, wall())), option::of(crash), any::<bool>());
    let heard = (stamp(), option::of(any::<u64>()), any::<bool>(), verdict());
    let beats = (rhythm(), vec(beat(), 0..4));
    (name(), option::of(name()), heard, life, beats).prop_map(
        |(
            subject,
            host,
            (seen, spoke, logs, verdict),
            (stop, crash, said_bye),
            (logs_rhythm, beats),
        )| {
            SavedInstance {
                slot: 0,
                subject,
                host,
                seen,
                spoke: spoke.map(Listened::from_nanos),
                logs,
                stop,
                crash,
                said_bye,
                verdict,
                logs_rhythm,
                beats,
            }
        },
    )
}

fn instances() -> impl Strategy<Value = BTreeMap<u32, SavedInstance>> {
    btree_map(0..30_u32, any_instance(), 0..12)
}

fn clock() -> impl Strategy<Value = SavedClock> {
    let reason = proptest::sample::select(&Blind::ALL[..]);
    let blind = (wall(), wall(), reason, any::<u64>()).prop_map(|(from, to, reason, listened)| {
        SavedBlind {
            from,
            to,
            reason,
            listened: Listened::from_nanos(listened),
        }
    });
    let row = (any::<u8>(), wall());
    let usual = (longest(), option::of(any::<u64>()), longest(), row);
    (
        wall(),
        any::<u64>(),
        option::of(wall()),
        vec(blind, 0..4),
        usual,
    )
        .prop_map(
            |(taken_at, listened, last_arrival, blind, (silences, long, pauses, row))| SavedClock {
                taken_at,
                listened: Listened::from_nanos(listened),
                last_arrival,
                blind,
                silences,
                long_silence: long.map(Duration::from_nanos),
                pauses,
                pauses_in_a_row: row.0,
                last_pause: row.1,
            },
        )
}

fn group() -> impl Strategy<Value = SavedGroup> {
    let place = (option::of(name()), option::of(name()));
    (name(), place, stamp(), any::<u32>(), rhythm()).prop_map(
        |(rule, (app, region), since, every_ms, rhythm)| SavedGroup {
            rule,
            app,
            region,
            since,
            every_ms,
            rhythm,
        },
    )
}

/// One step of a run: what is forgotten, and what is heard.
type Step = (
    Vec<u32>,
    BTreeMap<u32, SavedInstance>,
    SavedClock,
    Vec<SavedGroup>,
);

fn step() -> impl Strategy<Value = Step> {
    (
        vec(0..30_u32, 0..4),
        instances(),
        clock(),
        vec(group(), 0..3),
    )
}

fn numbered(instances: BTreeMap<u32, SavedInstance>) -> Vec<SavedInstance> {
    let number = |(slot, one)| SavedInstance { slot, ..one };
    instances.into_iter().map(number).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn checkpoints_fold_to_what_the_core_has(steps in vec((any::<bool>(), step()), 1..6)) {
        let folder = Folder::new();
        let mut store = open(&folder.db()).store;
        let mut known: BTreeMap<u32, SavedInstance> = BTreeMap::new();
        let mut last = (SavedClock::default(), Vec::new());
        for (whole, (forgotten, heard, clock, groups)) in steps {
            if whole {
                known.clear();
            }
            forgotten.iter().for_each(|slot| { known.remove(slot); });
            let instances = numbered(heard);
            known.extend(instances.iter().map(|one| (one.slot, one.clone())));
            last = (clock.clone(), groups.clone());
            let checkpoint = Checkpoint { whole, clock, forgotten, instances, groups, ..Checkpoint::default() };
            store.save(&Batch { checkpoint: Some(checkpoint), ..Batch::default() }).expect("it can be written");
        }
        drop(store);
        let opened = open(&folder.db());
        prop_assert_eq!(opened.skipped, 0);
        prop_assert_eq!(opened.saved.instances, known.into_values().collect::<Vec<_>>());
        prop_assert_eq!(opened.saved.clock, last.0);
        prop_assert_eq!(opened.saved.groups, last.1);
    }
}

#[test]
fn lost_beats_and_factors_come_back_and_those_of_yesterday_go() {
    let folder = Folder::new();
    let mut store = open(&folder.db()).store;
    let loss = |app: &str, hour: u32, lost: u32| SavedLoss {
        app: app.into(),
        counts: LossHour {
            hour,
            counted: 100,
            lost,
            after_lost: lost / 2,
            longest: 2,
        },
    };
    let factor = |app: &str, factor: u32| FactorInForce {
        rule: "beats".into(),
        app: app.into(),
        every_ms: 30_000,
        factor,
    };
    let steps = [
        (
            vec![loss("web", 100, 1), loss("api", 100, 3)],
            vec![factor("web", 4), factor("api", 5)],
        ),
        (
            vec![loss("web", 100, 2), loss("web", 101, 0)],
            vec![factor("web", 4)],
        ),
        (vec![loss("web", 125, 7)], vec![factor("web", 4)]),
    ];
    for (losses, factors) in steps {
        let checkpoint = Checkpoint {
            losses,
            factors,
            ..Checkpoint::default()
        };
        let batch = Batch {
            checkpoint: Some(checkpoint),
            ..Batch::default()
        };
        store.save(&batch).expect("it can be written");
    }
    drop(store);
    let saved = open(&folder.db()).saved;
    assert_eq!(saved.losses, [loss("web", 101, 0), loss("web", 125, 7)]);
    assert_eq!(saved.factors, [factor("web", 4)]);
}

#[test]
fn texts_come_back_whatever_stands_where_the_number_does() {
    let texts = [
        "HEARTBEAT seq=7",
        "HEARTBEAT 17 seq=7",
        "7",
        "HEARTBEAT 77",
        "7 HEARTBEAT",
        "",
        "HEARTBEAT \u{1} seq=7",
        "\u{1}",
        "HEARTBEAT seq=7 \u{1}",
        "a7a7a",
    ];
    let folder = Folder::new();
    let mut store = open(&folder.db()).store;
    let instances: Vec<_> = (0..)
        .zip(texts)
        .map(|(slot, text)| {
            let mut one = instance(slot, 7);
            one.beats[0].text = text.to_owned();
            one
        })
        .collect();
    store
        .save(&checkpoint(true, instances.clone()))
        .expect("written");
    drop(store);
    assert_eq!(open(&folder.db()).saved.instances, instances);
}

#[test]
fn a_slot_that_is_taken_again_holds_only_the_new_instance() {
    let folder = Folder::new();
    let mut store = open(&folder.db()).store;
    store
        .save(&checkpoint(false, vec![instance(7, 1)]))
        .expect("written");
    let mut same = checkpoint(false, vec![instance(7, 2)]);
    if let Some(checkpoint) = &mut same.checkpoint {
        checkpoint.forgotten = vec![7];
    }
    store.save(&same).expect("written");
    drop(store);
    assert_eq!(open(&folder.db()).saved.instances, [instance(7, 2)]);
}

#[test]
fn what_a_failed_transaction_changed_is_written_by_the_next() {
    let folder = Folder::new();
    let mut store = open(&folder.db()).store;
    store.db.execute_batch("CREATE TEMP TRIGGER refuse BEFORE INSERT ON main.parcel BEGIN SELECT RAISE(ABORT, 'no'); END")
        .expect("triggers can be made");
    let mut batch = checkpoint(false, vec![instance(1, 1)]);
    batch.deliveries.push(delivery(1));
    store.save(&batch).expect_err("refused");
    store
        .db
        .execute_batch("DROP TRIGGER refuse")
        .expect("it was made");
    store.save(&batch).expect("written");
    drop(store);
    assert_eq!(open(&folder.db()).saved.instances, [instance(1, 1)]);
}

#[test]
fn incidents_parcels_and_silences_come_back_as_they_were() {
    let folder = Folder::new();
    let mut store = open(&folder.db()).store;
    let mut rich = incident(3, "api");
    rich.remind = Some(Duration::from_secs(4 * 3600));
    rich.notice.kind = NoticeKind::Reminder(2);
    rich.notice.notify = Some(vec!["oncall".to_owned()]);
    rich.notice.affected = vec!["api/iad/\"1\"".to_owned()];
    rich.notice.summary = Some("{app}\n is gone".to_owned());
    rich.members = vec![
        SavedTarget {
            rule: "beats".into(),
            watched: SavedWatched::Beat {
                subject: "logs.api.iad.1".into(),
                marker: "HEARTBEAT".into(),
                name: "worker".into(),
            },
            recovered: 2,
        },
        SavedTarget {
            rule: "regions".into(),
            watched: SavedWatched::Group {
                app: None,
                region: Some("iad".into()),
            },
            recovered: 0,
        },
    ];
    let silence = Silence {
        id: "18c".to_owned(),
        matchers: Matchers {
            app: Globs(vec!["api".to_owned(), "web-*".to_owned()]),
            ..Matchers::default()
        },
        windows: vec![(at(1), Wall::NEVER)],
        reason: "deploy".to_owned(),
        author: "ada".to_owned(),
    };
    let keys = [
        SavedKey::Stream,
        SavedKey::Region("iad".into()),
        SavedKey::App("api".into()),
        SavedKey::AppRegion("api".into(), "iad".into()),
        SavedKey::Host("b1c2".into()),
        SavedKey::Alone("beats".into()),
    ];
    let others = (10..).zip(keys).map(|(id, key)| SavedIncident {
        key,
        ..incident(id, "web")
    });
    let incidents: Vec<_> = std::iter::once(rich).chain(others).collect();
    let batch = Batch {
        incidents: incidents.clone(),
        deliveries: vec![delivery(1), delivery(2)],
        silences: Some(vec![silence.clone()]),
        ..Batch::default()
    };
    store.save(&batch).expect("written");
    let done = Batch {
        done: vec![1],
        ..Batch::default()
    };
    store.save(&done).expect("written");
    drop(store);
    let opened = open(&folder.db());
    assert_eq!(opened.saved.incidents, incidents);
    assert_eq!(opened.deliveries, [delivery(2)]);
    assert_eq!(opened.silences, [silence]);
}

#[test]
fn rows_that_make_no_sense_are_left_out_and_counted() {
    let folder = Folder::new();
    let mut store = open(&folder.db()).store;
    let instances = (1..=6).map(|slot| instance(slot, 1)).collect();
    store.save(&checkpoint(false, instances)).expect("written");
    store.save(&opened_incident(1)).expect("written");
    store.save(&opened_incident(2)).expect("written");
    store
        .db
        .execute_batch(
            "UPDATE seen SET verdict = 'cheerful' WHERE slot = 1;
         UPDATE seen SET beats = '[[' WHERE slot = 2;
         UPDATE instance SET subject = x'ff' WHERE slot = 3;
         UPDATE seen SET slot = 4000000000000 WHERE slot = 4;
         DELETE FROM instance WHERE slot = 5;
         UPDATE incident SET notice = '{}' WHERE id = 1;
         UPDATE parcel SET kind = 'sung' WHERE id = 2;",
        )
        .expect("the tables are there");
    drop(store);
    let mut opened = open(&folder.db());
    assert_eq!(opened.skipped, 7);
    assert_eq!(opened.saved.instances, [instance(6, 1)]);
    assert_eq!(opened.saved.incidents, [incident(2, "web")]);
    assert_eq!(opened.deliveries, [delivery(1)]);
    let mut whole = checkpoint(true, vec![instance(6, 1)]);
    if let Some(checkpoint) = &mut whole.checkpoint {
        checkpoint.incidents = vec![incident(2, "web")];
    }
    opened.store.save(&whole).expect("written");
    drop(opened);
    assert_eq!(
        open(&folder.db()).skipped,
        1,
        "the parcel alone: a whole checkpoint clears the rest"
    );
}

#[test]
fn people_can_read_who_was_seen_when() {
    let mut opened = Store::open(None, NOW).expect("memory is there");
    opened
        .store
        .save(&checkpoint(false, vec![instance(3, 5)]))
        .expect("written");
    let read = |sql: &str| -> (String, String, String) {
        let all = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        opened.store.db.query_row(sql, [], all).expect("one row")
    };
    let texts =
        |one: &str, two: &str, three: &str| (one.to_owned(), two.to_owned(), three.to_owned());
    assert_eq!(
        read("SELECT subject, verdict, seen_utc FROM last_seen"),
        texts("logs.web.iad.0003", "live", "2026-11-21 13:55:07")
    );
    assert_eq!(
        read("SELECT marker, text, seen_utc FROM last_beat"),
        texts(
            "HEARTBEAT",
            "HEARTBEAT every=30s seq=5 from 3",
            "2026-11-21 13:55:07"
        )
    );
}
