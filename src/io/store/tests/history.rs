//! Past incidents: filters, pages, bounds.

use super::*;

fn ids(store: &Store, query: &IncidentQuery) -> Vec<u64> {
    let found = store.history(query).expect("it can be read");
    found
        .iter()
        .map(|one| one.incident.notice.incident.0)
        .collect()
}

fn store() -> Store {
    let mut store = Store::open(None, NOW).expect("memory is there").store;
    let mut incidents: Vec<_> = (1..=9).map(|id| closed(id, "web", id + 100)).collect();
    incidents.push(incident(10, "api"));
    incidents[2].notice.who.region = "lhr".to_owned();
    incidents[3].notice.rule = "logs".to_owned();
    incidents[4].notice.scope = Scope::Region;
    incidents[5].notice.severity = Severity::Critical;
    let timeline = vec![
        (IncidentId(10), row(10, "opened")),
        (IncidentId(10), row(11, "told sentry after 1.2s: opened")),
    ];
    let batch = Batch {
        incidents,
        timeline,
        ..Batch::default()
    };
    store.save(&batch).expect("written");
    store
}

#[test]
fn filters_are_all_kept_to() {
    let store = store();
    let wanted = |query: IncidentQuery| {
        ids(
            &store,
            &IncidentQuery {
                limit: 100,
                ..query
            },
        )
    };
    let none = IncidentQuery::default;
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(wanted(none()), [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(
        wanted(IncidentQuery {
            open: Some(true),
            ..none()
        }),
        [10]
    );
    assert_eq!(
        wanted(IncidentQuery {
            open: Some(false),
            app: text("api"),
            ..none()
        }),
        [0; 0]
    );
    assert_eq!(
        wanted(IncidentQuery {
            app: text("api"),
            ..none()
        }),
        [10]
    );
    assert_eq!(
        wanted(IncidentQuery {
            region: text("lhr"),
            ..none()
        }),
        [3]
    );
    assert_eq!(
        wanted(IncidentQuery {
            instance: text("m7"),
            ..none()
        }),
        [7]
    );
    assert_eq!(
        wanted(IncidentQuery {
            rule: text("logs"),
            ..none()
        }),
        [4]
    );
    assert_eq!(
        wanted(IncidentQuery {
            scope: text("region"),
            ..none()
        }),
        [5]
    );
    assert_eq!(
        wanted(IncidentQuery {
            severity: text("critical"),
            ..none()
        }),
        [6]
    );
    assert_eq!(
        wanted(IncidentQuery {
            app: text("' OR 1 --"),
            ..none()
        }),
        [0; 0]
    );
    let from_to = IncidentQuery {
        from: Some(at(3)),
        until: Some(at(5)),
        ..none()
    };
    assert_eq!(wanted(from_to), [4, 3]);
    assert_eq!(
        wanted(IncidentQuery {
            until: Some(Wall::NEVER),
            before: Some(u64::MAX),
            ..none()
        })
        .len(),
        10
    );
}

#[test]
fn pages_follow_one_another() {
    let store = store();
    let page = |before| {
        ids(
            &store,
            &IncidentQuery {
                before,
                limit: 4,
                ..IncidentQuery::default()
            },
        )
    };
    assert_eq!(page(None), [10, 9, 8, 7]);
    assert_eq!(page(Some(7)), [6, 5, 4, 3]);
    assert_eq!(page(Some(3)), [2, 1]);
}

#[test]
fn the_timeline_comes_in_order() {
    let found = store().history(&everything()).expect("it can be read");
    let texts: Vec<_> = found[0].timeline.iter().map(|row| &row.what[..]).collect();
    assert_eq!(texts, ["opened", "told sentry after 1.2s: opened"]);
}

#[test]
fn a_timeline_that_is_too_long_keeps_its_beginning_and_its_end() {
    let mut store = store();
    let rows =
        (0..u64::from(MAX_TIMELINE) + 50).map(|n| (IncidentId(10), row(n, &format!("row {n}"))));
    let batch = Batch {
        timeline: rows.collect(),
        ..Batch::default()
    };
    store.save(&batch).expect("written");
    let timeline = store
        .history(&everything())
        .expect("it can be read")
        .remove(0)
        .timeline;
    assert_eq!(timeline.len(), MAX_TIMELINE as usize);
    assert_eq!(timeline[0].what, "opened");
    assert_eq!(
        timeline[MAX_TIMELINE as usize - 1].what,
        format!("row {}", MAX_TIMELINE + 49)
    );
}

#[test]
fn what_is_old_goes_with_its_timeline_and_what_is_open_stays() {
    let mut store = store();
    let later = at(105) + KEPT_FOR;
    assert_eq!(
        store.prune(later).expect("written"),
        4,
        "those closed before 105"
    );
    assert_eq!(ids(&store, &everything()), [10, 9, 8, 7, 6, 5]);
    assert_eq!(
        store.prune_to(later, 2).expect("written"),
        3,
        "and of the rest all but the last two"
    );
    assert_eq!(ids(&store, &everything()), [10, 9, 8]);
    store.prune(later + KEPT_FOR).expect("written");
    assert_eq!(ids(&store, &everything()), [10], "the open one stays");
    let rows: i64 = store
        .db
        .query_row("SELECT count(*) FROM timeline", [], |row| row.get(0))
        .expect("a count");
    assert_eq!(rows, 2);
}

#[test]
fn a_whole_checkpoint_closes_what_nobody_knows_any_more() {
    let mut store = store();
    let mut whole = checkpoint(true, Vec::new());
    whole.incidents = vec![incident(11, "web")];
    store.save(&whole).expect("written");
    let found = store.history(&everything()).expect("it can be read");
    let ends: Vec<_> = found[..2].iter().map(|one| one.incident.closed).collect();
    assert_eq!(ends, [None, Some((NOW, CloseReason::Forgotten))]);
}

#[test]
fn outages_are_those_that_were_open_and_it_is_known_since_when_all_are() {
    let mut store = store();
    assert_eq!(store.outages(at(0)).expect("readable").since, None);
    store.save(&checkpoint(false, Vec::new())).expect("written");
    let since = |store: &Store| store.outages(NOW - KEPT_FOR).expect("readable").since;
    assert_eq!(since(&store), Some(NOW));
    let mut later = checkpoint(false, Vec::new());
    if let Some(checkpoint) = &mut later.checkpoint {
        checkpoint.clock.taken_at = at(500);
    }
    store.save(&later).expect("written");
    assert_eq!(since(&store), Some(NOW), "it is told once");
    let found = store.outages(at(107)).expect("readable");
    assert_eq!(found.since, Some(at(107)));
    let closed: Vec<_> = found.all.iter().map(|one| one.closed_at).collect();
    assert_eq!(closed, [Some(at(108)), Some(at(109)), None]);
    assert_eq!(
        (&*found.all[2].app, found.all[2].scope),
        ("api", Scope::Instance)
    );
    let few = incidents::outages(&store.db, at(0), 9).expect("readable");
    assert_eq!(few.since, Some(at(101)), "what was before may have gone");
}

#[test]
fn forgotten_targets_are_kept_for_thirty_days_and_at_most_a_thousand() {
    let folder = Folder::new();
    let mut store = open(&folder.db()).store;
    let target = |hours: u64, instance: &str| ForgottenTarget {
        rule: "beats".into(),
        who: TargetName {
            app: "web".to_owned(),
            region: "iad".to_owned(),
            instance: instance.to_owned(),
            host: "0ad1".to_owned(),
            beat: "worker".to_owned(),
        },
        at: at(hours * 3600),
    };
    let forgotten = |targets: Vec<ForgottenTarget>| Batch {
        forgotten: targets,
        ..Batch::default()
    };
    let (old, new) = (target(1, "a"), target(2, "b"));
    store
        .save(&forgotten(vec![old.clone(), new.clone()]))
        .expect("saved");
    assert_eq!(store.forgotten(at(0)).expect("read"), [new.clone(), old]);
    assert_eq!(
        store.forgotten(at(7200)).expect("read"),
        std::slice::from_ref(&new)
    );
    store.prune(at(30 * 86_400 + 5400)).expect("pruned");
    drop(store);
    let mut store = open(&folder.db()).store;
    assert_eq!(store.forgotten(at(0)).expect("read"), [new]);
    let many = (0..1_200).map(|number| target(3, &format!("{number}")));
    store.save(&forgotten(many.collect())).expect("saved");
    store.prune(at(4 * 3600)).expect("pruned");
    let left = store.forgotten(at(0)).expect("read");
    assert_eq!(left.len(), 1_000);
    assert_eq!(left[0].who.instance, "1199");
}
