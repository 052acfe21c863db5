//! The answers as documented, and as they should not be.

use super::machines::{Pages, last_exit};
use super::{Read, txt};
use crate::core::inventory::{Exit, Listed, Machine, Purpose};
use proptest::prelude::*;
use serde_json::{Value, json};

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn page(page: &Value) -> Read {
    let mut pages = Pages::default();
    let next = pages.add(page.to_string().as_bytes()).expect("a page");
    assert_eq!(next, None);
    pages.finish()
}

fn machine(over: Value) -> Machine {
    let mut machine =
        json!({"app_name": "web", "id": "3d8d9250a27de8", "region": "yyz", "state": "started"});
    let fields = machine.as_object_mut().expect("an object");
    fields.extend(over.as_object().cloned().expect("an object"));
    let read = page(&json!({"machines": [machine]}));
    assert_eq!((read.machines.len(), read.broken), (1, 0));
    read.machines.into_iter().next().expect("one")
}

fn states(read: &Read) -> Vec<(&str, &str, &str, Listed, &str)> {
    let machines = read.machines.iter();
    machines
        .map(|one| (&*one.app, &*one.region, &*one.id, one.listed, &*one.word))
        .collect()
}

#[test]
fn deployed_and_not_started_is_stopped() {
    let started = txt::instances(&texts(&[
        "instance=3d8d9250a27de8,app=web,ip=fdaa:0:18:a7b:7d:1,region=yyz;instance=a1,region=ams,app=db,new=x;",
    ]));
    let deployed = txt::instances(&texts(&[
        "instance=a1,app=db,region=ams;instance=b2,app=fly-builder-red,region=ams",
        "instance=c3,app=web,region=yyz",
    ]));
    let read = txt::machines(&started, &deployed);
    assert_eq!(
        states(&read),
        [
            ("web", "yyz", "3d8d9250a27de8", Listed::Started, "started"),
            ("db", "ams", "a1", Listed::Started, "started"),
            (
                "fly-builder-red",
                "ams",
                "b2",
                Listed::Stopped,
                "not started"
            ),
            ("web", "yyz", "c3", Listed::Stopped, "not started"),
        ]
    );
    assert_eq!(read.broken, 0);
    let purposes: Vec<Purpose> = read.machines.iter().map(|one| one.purpose).collect();
    assert_eq!(
        purposes,
        [
            Purpose::Unknown,
            Purpose::Unknown,
            Purpose::Ephemeral,
            Purpose::Unknown
        ]
    );
}

#[test]
fn an_unreadable_started_machine_makes_no_other_a_stopped_one() {
    let started = txt::instances(&texts(&["instance=a1,app=web,region=yyz;inst"]));
    let deployed = txt::instances(&texts(&[
        "instance=a1,app=web,region=yyz;instance=b2,app=web,region=yyz",
    ]));
    let read = txt::machines(&started, &deployed);
    let listed: Vec<Listed> = read.machines.iter().map(|one| one.listed).collect();
    assert_eq!(
        (listed, read.broken),
        (vec![Listed::Started, Listed::Unknown], 1)
    );
}

#[test]
fn broken_items_are_counted_and_the_others_read() {
    let found = txt::instances(&texts(&[
        "instance=,app=web,region=yyz;app=web;;instance=x y,app=a,region=b;instance=a/../b,app=a,region=b;\
         instance=a1,app=web,region=yyz;instance=\u{1F600},app=a,region=b",
    ]));
    assert_eq!((found.places.len(), found.broken), (1, 5));
    assert!(txt::instances(&texts(&["<html>"])).is_garbage());
    assert!(!txt::instances(&texts(&[""])).is_garbage());
    let vms = txt::vms("web", &texts(&["a1 yyz,b2  ams,c3,", "d4 nrt"]));
    let ids: Vec<&str> = vms.places.iter().map(|place| place.id.as_str()).collect();
    assert_eq!((ids, vms.broken), (vec!["a1", "b2", "d4"], 1));
    let (apps, broken) = txt::apps(&texts(&["web,my-db, x.y"]));
    assert_eq!(
        (apps, broken),
        (vec!["web".to_owned(), "my-db".to_owned()], 1)
    );
}

#[test]
fn every_documented_state_is_known_and_others_say_nothing() {
    let states = [
        ("created", Listed::Starting),
        ("starting", Listed::Starting),
        ("started", Listed::Started),
        ("stopping", Listed::Stopped),
        ("stopped", Listed::Stopped),
        ("restarting", Listed::Starting),
        ("suspending", Listed::Stopped),
        ("suspended", Listed::Stopped),
        ("updating", Listed::Starting),
        ("replacing", Listed::Starting),
        ("replaced", Listed::Gone),
        ("destroying", Listed::Gone),
        ("destroyed", Listed::Gone),
        ("migrated", Listed::Gone),
        ("failed", Listed::Failed),
        ("launch_failed", Listed::Failed),
        ("hibernating", Listed::Unknown),
    ];
    for (word, listed) in states {
        let machine = machine(json!({"state": word}));
        assert_eq!((&*machine.word, machine.listed), (word, listed));
    }
    let odd = machine(json!({"state": 7, "host_status": "ok", "config": "x"}));
    assert_eq!(
        (&*odd.word, odd.listed, odd.unreachable),
        ("unsaid", Listed::Unknown, false)
    );
    let lost = machine(json!({"host_status": "unreachable"}));
    assert_eq!((lost.listed, lost.unreachable), (Listed::Started, true));
}

#[test]
fn what_a_machine_is_for_is_told_by_its_config() {
    let config = |config: Value| {
        let machine = machine(json!({"config": config}));
        (machine.purpose, machine.group)
    };
    let group = |group: &str| json!({"metadata": {"fly_process_group": group}});
    let (purpose, name) = config(group("worker"));
    assert_eq!(
        (purpose, name.as_deref()),
        (Purpose::Service, Some("worker"))
    );
    assert_eq!(
        config(group("fly_app_release_command")).0,
        Purpose::Ephemeral
    );
    assert_eq!(config(group("fly_app_console")).0, Purpose::Ephemeral);
    assert_eq!(
        config(json!({"schedule": "hourly", "metadata": null})).0,
        Purpose::Ephemeral
    );
    let mut own_end = group("worker");
    own_end["auto_destroy"] = json!(true);
    assert_eq!(config(own_end).0, Purpose::Ephemeral);
    assert_eq!(
        config(json!({"schedule": "", "auto_destroy": false})).0,
        Purpose::Unknown
    );
    let standby = json!({"standbys": ["a1"], "metadata": {"fly_process_group": "app"}});
    assert_eq!(config(standby).0, Purpose::Service);
    let builder = json!({"app_name": "fly-builder-x", "config": group("app")});
    assert_eq!(machine(builder).purpose, Purpose::Ephemeral);
}

#[test]
fn pages_add_up_and_name_what_they_leave_out() {
    let one = |id: &str, state: &str| json!({"app_name": "web", "id": id, "region": "yyz", "state": state});
    let mut pages = Pages::default();
    let mut add = |page: Value| pages.add(page.to_string().as_bytes());
    let first = json!({"machines": [one("a1", "started"), {"id": "nothing else"}], "next_cursor": "n1",
                       "error_regions": ["ams"]});
    assert_eq!(add(first).expect("a page").as_deref(), Some("n1"));
    let second = json!({"machines": [one("b2", "stopped"), one("a1", "stopped")], "next_cursor": "",
                        "error_regions": ["ams", "nrt"]});
    assert_eq!(add(second).expect("a page"), None);
    assert_eq!(add(json!({"machines": null})).expect("an empty page"), None);
    let read = pages.finish();
    let ids: Vec<(&str, Listed)> = read
        .machines
        .iter()
        .map(|one| (&*one.id, one.listed))
        .collect();
    assert_eq!(ids, [("a1", Listed::Stopped), ("b2", Listed::Stopped)]);
    assert_eq!((read.broken, read.unread_regions.len()), (1, 2));
}

#[test]
fn a_page_of_another_shape_is_no_empty_page() {
    for page in [
        "",
        "[]",
        "{}",
        "{\"machines\": 3}",
        "{\"machines\": [",
        "{\"error\": \"x\"}",
        "{\"machines\": [], \"error_regions\": [{\"region\": \"ams\"}]}",
        "{\"machines\": [], \"error_regions\": \"ams\"}",
        "{\"machines\": [], \"next_cursor\": 7}",
    ] {
        assert!(Pages::default().add(page.as_bytes()).is_err(), "{page}");
    }
}

#[test]
fn the_newest_exit_counts() {
    let exit = |at: i64, requested: bool, code: Value| {
        json!({"type": "exit", "timestamp": at,
               "request": {"exit_event": {"requested_stop": requested, "exit_code": code, "oom_killed": !requested}}})
    };
    let events = json!([{"type": "start", "timestamp": 9}, exit(5, true, json!(0)), exit(7, false, json!(137)), 3]);
    let read =
        |events: Value| last_exit(json!({"events": events}).to_string().as_bytes()).expect("JSON");
    let died = Exit {
        requested: false,
        code: Some(137),
        oom: true,
    };
    assert_eq!(read(events), Some(died));
    let newest_first = json!([exit(5, true, Value::Null), exit(5, false, json!(1))]);
    let asked = Exit {
        requested: true,
        code: None,
        oom: false,
    };
    assert_eq!(read(newest_first), Some(asked));
    assert_eq!(read(json!([{"type": "exit"}])), None);
    assert_eq!(read(Value::Null), None);
    assert!(last_exit(b"oops").is_err());
}

proptest! {
    #[test]
    fn no_bytes_make_a_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let texts = [bytes.clone(), bytes.clone()];
        let found = txt::instances(&texts);
        let read = txt::machines(&found, &txt::vms("web", &texts));
        prop_assert!(read.machines.len() <= found.places.len() + bytes.len() * 2);
        let _ = (txt::apps(&texts), Pages::default().add(&bytes).is_ok(), last_exit(&bytes).is_ok());
    }

    #[test]
    fn a_cut_or_spoilt_page_makes_no_panic_and_no_machine_without_a_name(
        cut in 0_usize..200, at in 0_usize..200, byte in any::<u8>(),
    ) {
        let page = json!({"machines": [{"app_name": "web", "id": "a1", "region": "yyz", "state": "started",
            "config": {"metadata": {"fly_process_group": "app"}}}], "error_regions": ["ams"], "next_cursor": null});
        let mut bytes = page.to_string().into_bytes();
        let length = bytes.len();
        bytes[at % length] = byte;
        bytes.truncate(length - cut % 3);
        let mut pages = Pages::default();
        if pages.add(&bytes).is_ok() {
            for machine in pages.finish().machines {
                prop_assert!(super::is_name(&machine.id) && super::is_name(&machine.app));
            }
        }
    }

    #[test]
    fn what_was_written_is_read(ids in prop::collection::hash_set("[0-9a-f]{1,16}", 0..60)) {
        let text: Vec<String> = ids.iter().map(|id| format!("instance={id},app=web,ip=::1,region=yyz")).collect();
        let found = txt::instances(&[text.join(";").into_bytes()]);
        prop_assert_eq!((found.places.len(), found.broken), (ids.len(), 0));
        prop_assert!(found.places.iter().all(|place| ids.contains(&place.id)));
    }
}
