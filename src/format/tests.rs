use super::*;
use crate::core::notice::{CloseReason, Evidence, IncidentId, Missing, NoticeKind, TargetName};
use crate::core::rule::Severity;
use crate::core::time::{Mono, Wall};
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;
/// 2022-09-27T12:00:05Z
const SINCE: u64 = 1_664_280_005 * SECOND;

/// An opened notice about one instance, for this module's tests and those of the notifiers.
pub(crate) fn notice() -> Notice {
    Notice {
        incident: IncidentId(0x0183_7f2a_9c01),
        kind: NoticeKind::Opened,
        alarm: Alarm::Heartbeat,
        scope: Scope::Instance,
        rule: "sandwich beats".to_owned(),
        notify: None,
        affected: Vec::new(),
        affected_total: 1,
        severity: Severity::Error,
        who: TargetName {
            app: "sandwich".to_owned(),
            region: "iad".to_owned(),
            instance: "0e286551c30586".to_owned(),
            host: "0ad1".to_owned(),
            beat: String::new(),
        },
        since: Wall::from_nanos(SINCE),
        gap: Duration::from_millis(420_400),
        listened: Duration::from_secs(420),
        max_gap: Duration::from_secs(90),
        due: Wall::from_nanos(SINCE + 90 * SECOND),
        due_mono: Mono::from_nanos(90 * SECOND),
        decided: Wall::from_nanos(SINCE + 420 * SECOND),
        last_text: "HEARTBEAT 0e286551c30586 iad".to_owned(),
        last_words: Vec::new(),
        detail: String::new(),
        summary: None,
        runbook: None,
        labels: Default::default(),
        fingerprint: String::new(),
        between: Default::default(),
        is_first: false,
        acknowledged: None,
    }
}

/// The closing of [`notice`].
pub(crate) fn closed(reason: CloseReason) -> Notice {
    Notice {
        kind: NoticeKind::Closed(reason),
        ..notice()
    }
}

#[test]
fn a_title_says_what_who_and_since_when() {
    let mut notice = notice();
    assert_eq!(
        title(&notice),
        "HeartbeatMissed: sandwich/iad/0e286551c30586 is silent since 12:00:05Z"
    );
    notice.decided = Wall::from_nanos(SINCE + 13 * 3600 * SECOND);
    assert!(
        title(&notice).ends_with("is silent since 2022-09-27 12:00:05Z"),
        "{}",
        title(&notice)
    );
    notice.who.beat = "worker".to_owned();
    assert!(title(&notice).contains("0e286551c30586 beat worker is silent"));
}

#[test]
fn a_wide_incident_says_how_many_of_which_apps_are_silent() {
    let of = |scope, apps: &[&str], total| {
        let mut notice = Notice {
            scope,
            affected_total: 16,
            ..notice()
        };
        notice.between.apps = apps.iter().map(|app| (*app).to_owned()).collect();
        notice.between.apps_total = total;
        headline(&notice)
    };
    assert_eq!(
        of(Scope::Region, &["api", "db", "web"], 5),
        "region iad is silent since 12:00:05Z: 16 instances of 5 apps (api, db, web, ...)"
    );
    assert_eq!(
        of(Scope::Host, &["api", "db"], 2),
        "host 0ad1 is silent since 12:00:05Z: 16 instances of 2 apps (api, db)"
    );
    assert_eq!(
        of(Scope::Region, &["db"], 1),
        "region iad is silent since 12:00:05Z: 16 instances of db"
    );
    assert_eq!(
        of(Scope::App, &["sandwich"], 1),
        "app sandwich is silent since 12:00:05Z: 16 instances"
    );
    let part = Notice {
        who: TargetName {
            instance: String::new(),
            ..notice().who
        },
        affected_total: 2,
        ..notice()
    };
    assert_eq!(
        headline(&part),
        "2 instances of sandwich/iad are silent since 12:00:05Z"
    );
}

#[test]
fn a_rules_own_sentence_is_not_said_twice() {
    let of = |summary: &str| {
        description(&Notice {
            summary: Some(summary.to_owned()),
            last_text: String::new(),
            ..notice()
        })
    };
    assert_eq!(
        of("{app}: no heartbeat since {since}"),
        "HeartbeatMissed: sandwich: no heartbeat since 12:00:05Z (for 7m, limit 1m 30s); rule \"sandwich beats\""
    );
    assert_eq!(
        of("{app}: no heartbeat for {gap} (limit {max_gap})"),
        "HeartbeatMissed: sandwich: no heartbeat for 7m (limit 1m 30s); rule \"sandwich beats\""
    );
}

#[test]
fn every_scope_names_its_own_target() {
    let said = |scope, alarm| {
        let notice = Notice {
            scope,
            alarm,
            ..notice()
        };
        (
            title(&notice).replace(" since 12:00:05Z", ""),
            target_key(&notice),
        )
    };
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    let beat = Alarm::Heartbeat;
    assert_eq!(
        said(Scope::Stream, Alarm::Stalled),
        pair("StreamStalled: the stream is silent", "stream")
    );
    assert_eq!(
        said(Scope::Stream, Alarm::Lagging),
        pair(
            "StreamLagging: the stream is more than 1m 30s behind",
            "lag"
        )
    );
    assert_eq!(
        said(Scope::Stream, Alarm::Full),
        pair(
            "LastbeatFull: lastbeat is full: new targets are not watched",
            "room"
        )
    );
    assert_eq!(
        said(Scope::Region, beat),
        pair("RegionSilent: region iad is silent", "iad")
    );
    assert_eq!(
        said(Scope::App, beat),
        pair("AppSilent: app sandwich is silent", "sandwich")
    );
    assert_eq!(
        said(Scope::AppRegion, beat),
        pair("AppRegionSilent: sandwich in iad is silent", "sandwich.iad")
    );
    assert_eq!(
        said(Scope::Host, beat),
        pair("HostSilent: host 0ad1 is silent", "0ad1")
    );
    assert_eq!(
        said(Scope::Instance, Alarm::Logs),
        pair(
            "LogsMissed: sandwich/iad/0e286551c30586 is silent",
            "sandwich.iad.0e286551c30586"
        )
    );
}

#[test]
fn the_sentence_has_all_a_person_needs() {
    let mut notice = notice();
    notice.runbook = Some("https://example.org/run".to_owned());
    notice.detail = "out of memory".to_owned();
    assert_eq!(
        description(&notice),
        "HeartbeatMissed: sandwich/iad/0e286551c30586 is silent since 12:00:05Z: no heartbeat for 7m \
         (limit 1m 30s); out of memory; rule \"sandwich beats\"; \
         last beat: \"HEARTBEAT 0e286551c30586 iad\"; runbook: https://example.org/run"
    );
    assert_eq!(
        description(&closed(CloseReason::Resolved)),
        "HeartbeatMissed: sandwich/iad/0e286551c30586 heard again at 12:07:05Z, after 7m of silence \
         (since 12:00:05Z, limit 1m 30s); rule \"sandwich beats\"; last beat: \
         \"HEARTBEAT 0e286551c30586 iad\""
    );
}

#[test]
fn a_gap_says_how_much_of_it_was_listened_where_that_is_less() {
    let mut notice = notice();
    notice.listened = Duration::from_secs(300);
    let expected = ": no heartbeat for 7m, 5m of it listened (limit 1m 30s); rule";
    assert!(
        description(&notice).contains(expected),
        "{}",
        description(&notice)
    );
    notice.alarm = Alarm::Lagging;
    let expected = " since 12:00:05Z: 7m behind (limit 1m 30s); rule";
    assert!(
        description(&notice).contains(expected),
        "{}",
        description(&notice)
    );
}

#[test]
fn what_was_done_and_known_until_the_end_stands_in_the_end() {
    let mut notice = closed(CloseReason::Resolved);
    notice.detail = "lastbeat restarted it".to_owned();
    let said = "limit 1m 30s); until then: lastbeat restarted it; rule";
    assert!(
        description(&notice).contains(said),
        "{}",
        description(&notice)
    );
    notice.alarm = Alarm::Flapping;
    assert!(!description(&notice).contains("until then"));
}

#[test]
fn who_was_never_heard_is_not_said_to_be_heard_again() {
    let never = Notice {
        last_text: String::new(),
        last_words: Vec::new(),
        ..notice()
    };
    assert_eq!(
        headline(&never),
        "sandwich/iad/0e286551c30586 was never heard, expected since 12:00:05Z"
    );
    let heard = Notice {
        kind: NoticeKind::Closed(CloseReason::Resolved),
        ..never
    };
    assert_eq!(
        headline(&heard),
        "sandwich/iad/0e286551c30586 heard for the first time at 12:07:05Z, after 7m of silence"
    );
}

#[test]
fn every_end_reads_as_what_it_is() {
    let said = |reason| headline(&closed(reason));
    assert!(said(CloseReason::Stopped).contains("stopped on purpose"));
    assert!(said(CloseReason::Forgotten).contains("no longer watched: still silent after 7m"));
    assert!(said(CloseReason::Superseded).contains("part of a wider incident"));
    assert!(said(CloseReason::RuleRemoved).contains("its rule was removed"));
    let lag = Notice {
        alarm: Alarm::Lagging,
        scope: Scope::Stream,
        ..closed(CloseReason::Resolved)
    };
    assert_eq!(
        headline(&lag),
        "the stream caught up at 12:07:05Z, after 7m"
    );
}

#[test]
fn a_lack_of_room_is_no_silence() {
    let of = |notice: Notice| Notice {
        alarm: Alarm::Full,
        scope: Scope::Stream,
        rule: "stream".to_owned(),
        detail: "2 apps are tracked, 2 at most".to_owned(),
        last_text: String::new(),
        last_words: Vec::new(),
        ..notice
    };
    assert_eq!(
        description(&of(notice())),
        "LastbeatFull: lastbeat is full since 12:00:05Z: new targets are not watched; \
         2 apps are tracked, 2 at most; rule \"stream\""
    );
    assert_eq!(
        description(&of(closed(CloseReason::Resolved))),
        "LastbeatFull: lastbeat has capacity again at 12:07:05Z, after 7m (since 12:00:05Z); \
         until then: 2 apps are tracked, 2 at most; rule \"stream\""
    );
}

#[test]
fn a_summary_is_filled_and_unknown_braces_stay() {
    let mut notice = notice();
    let filled = fill_template(
        "{app} in {region} ({instance}, {host}) since {since}; {rule} {scope}{beat}",
        &notice,
    );
    assert_eq!(
        filled,
        "sandwich in iad (0e286551c30586, 0ad1) since 12:00:05Z; sandwich beats instance"
    );
    assert_eq!(
        fill_template("{what} {app {app} } {", &notice),
        "{what} {app sandwich } {"
    );
    notice.who.app = "{region}".to_owned();
    assert_eq!(
        fill_template("{app}!", &notice),
        "{region}!",
        "a name is not a template"
    );
    notice.summary = Some("{app} is down".to_owned());
    assert_eq!(title(&notice), "HeartbeatMissed: {region} is down");
    notice.kind = NoticeKind::Closed(CloseReason::Resolved);
    assert!(
        title(&notice).contains("heard again"),
        "a summary tells of the silence, not of its end"
    );
}

#[test]
fn hostile_texts_are_made_harmless() {
    assert_eq!(
        sanitize("\u{1b}[31;1mred\u{1b}[0m\tx\ny\r\0z", 99),
        "red x y z"
    );
    assert_eq!(
        sanitize("a\u{1b}]0;title\u{7}b\u{1b}]8;;http://x\u{1b}\\c", 99),
        "abc"
    );
    assert_eq!(
        sanitize("\u{1b}[", 99),
        "[",
        "a cut-off sequence swallows nothing"
    );
    assert_eq!(sanitize("\u{1b}]never ends", 99), "]never ends");
    assert_eq!(sanitize("\u{1b}[31\nnext", 99), " next");
    assert_eq!(sanitize("user\u{202e}txt.exe\u{200b}", 99), "usertxt.exe");
    assert_eq!(
        sanitize("a\u{e0068}\u{e0069}\u{fff9}\u{180e}\u{206f}b", 99),
        "ab",
        "tags are for programs, not for people"
    );
    assert_eq!(sanitize("größer", 4), "grö…");
    assert_eq!(sanitize("genau", 5), "genau");
    let mut notice = notice();
    notice.who.app = "x\n\u{1b}[2J".repeat(1000);
    notice.last_text = "y\u{7}".repeat(100_000);
    let said = description(&notice);
    assert!(
        said.chars().count() < 600 && !said.chars().any(char::is_control),
        "{said:?}"
    );
}

#[test]
fn lengths_of_time_are_rounded_to_what_matters() {
    let said = |millis| duration(Duration::from_millis(millis));
    assert_eq!(said(0), "0s");
    assert_eq!(said(250), "250ms");
    assert_eq!(said(1_540), "2s");
    assert_eq!(said(90_400), "1m 30s");
    assert_eq!(said(3_599_600), "1h");
    assert_eq!(said(7_265_000), "2h 1m");
    assert_eq!(said(200_000_000), "2days 8h");
    assert!(!duration(Duration::from_nanos(u64::MAX)).is_empty());
}

#[test]
fn wall_times_are_rfc_3339() {
    let at = Wall::from_nanos(SINCE + 252_022_967);
    assert_eq!(rfc3339(at), "2022-09-27T12:00:05.252Z");
    assert_eq!(rfc3339_seconds(at), "2022-09-27T12:00:05Z");
    assert_eq!(rfc3339_seconds(Wall::NEVER), "2554-07-21T23:34:33Z");
}

#[test]
fn a_chain_says_each_thing_once() {
    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Layer(&'static str, #[source] Option<Box<Layer>>);
    let fault = Layer(
        "a",
        Some(Box::new(Layer("b", Some(Box::new(Layer("b", None)))))),
    );
    assert_eq!(error_chain(&fault), "a: b");
}

#[test]
fn a_key_that_is_cut_or_cleaned_keeps_what_makes_it_another() {
    assert_eq!(key("web", 80), "web");
    assert_eq!(key(&"a".repeat(80), 80), "a".repeat(80));
    let (one, other) = (
        format!("{}b", "a".repeat(80)),
        format!("{}c", "a".repeat(80)),
    );
    assert_ne!(key(&one, 80), key(&other, 80));
    assert_eq!(key(&one, 80), key(&one, 80));
    assert_eq!(key(&one, 80).chars().count(), 80);
    assert_ne!(
        key("web\u{200b}", 80),
        key("web", 80),
        "nobody sees it, and it is another"
    );
    assert_ne!(key(" web", 80), key("web", 80));
}

#[test]
fn a_missing_range_says_how_sure_it_is_and_what_to_do() {
    let of = |evidence, marks| {
        let mut notice = closed(CloseReason::Resolved);
        (notice.scope, notice.alarm) = (Scope::Downstream, Alarm::Stalled);
        notice.between.missing = Some(Missing {
            from: Wall::from_nanos(SINCE),
            until: Wall::from_nanos(SINCE + 3600 * SECOND),
            marks,
            evidence,
        });
        notice.between.sink = "loki".to_owned();
        description(&notice)
    };
    let range = "between 2022-09-27T12:00:04Z and 2022-09-27T13:00:06Z";
    let refill =
        "lastbeat refill --from 2022-09-27T12:00:04Z --until 2022-09-27T13:00:06Z --sink loki";
    let sure = of(Evidence::Canaries, 3);
    let expected =
        format!("3 canaries are missing: the sink lacks entries {range}; refill it: {refill}");
    assert!(sure.contains(&expected), "{sure}");
    let unsure = of(Evidence::Restart, 3);
    assert!(
        unsure.contains(&format!(
            "the sink may lack entries {range}: lastbeat was restarted"
        )) && unsure.contains(refill),
        "{unsure}"
    );
    let gone = of(Evidence::Deleted, 0);
    assert!(
        gone.contains(&format!("the archive has no entries {range} any more"))
            && gone.contains("raise max_size or lower min_free")
            && !gone.contains("refill"),
        "{gone}"
    );
}
