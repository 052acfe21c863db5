//! Incidents as alerts of Prometheus' Alertmanager, by its API v2.
//!
//! An alert is identified by its labels: the silent target, the rule and the scope. Neither the incident's number nor the
//! watching machine is among them, so that two lastbeats on one stream raise one alert in one Alertmanager, or in a
//! cluster of them, and people are notified once.
//!
//! An alert fires until its `endsAt`, which is set a few minutes ahead (`ENDS_AFTER`) whenever it is sent, and it is
//! sent every minute (`REFRESH_EVERY`) while its incident is open: where lastbeat dies nothing is resolved at once,
//! and nothing fires for ever.
//!
//! An incident may change while it is open: its severity rises, its scope widens, a rule with other labels joins. Then
//! it is another alert, and the request that starts it ends the previous one, so that groups and routes see both at
//! once: an end in a request overrides the one that was set ahead.

use crate::core::notice::{Notice, NoticeKind, Scope};
use crate::core::time::Wall;
use crate::format;
use crate::io::http_client::{Address, AddressFault};
use crate::io::notifier::{Notifier, PageLinks, RenderedNotice};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Interval in which firing alerts are resent; Prometheus' own `resend_delay`.
const RESEND_INTERVAL: Duration = Duration::from_secs(60);
/// Time after which an alert that is not resent ends. Prometheus takes four times its interval; one more, since its
/// successor after a deployment may need a minute to be there.
const ENDS_AFTER: Duration = Duration::from_secs(5 * 60);
/// Where alerts go, below the address.
const PATH: &str = "/api/v2/alerts";
/// Alertmanager's word for when an alert starts.
const STARTS_AT: &str = "startsAt";
/// Alertmanager's word for when an alert ends.
const ENDS_AT: &str = "endsAt";

/// Alertmanager's word for the page that an alert comes from: its "Source" link.
const GENERATOR_URL: &str = "generatorURL";

/// Alertmanagers that know each other: each is sent everything, as Prometheus does.
pub struct Alertmanager {
    name: String,
    peers: Vec<Address>,
    links: PageLinks,
}

impl Alertmanager {
    /// The notifier of that name, at these addresses, each as in `http://alertmanager:9093`.
    ///
    /// # Errors
    /// [`AddressFault`] if one of them is invalid.
    pub fn new(name: &str, urls: &[String]) -> Result<Self, AddressFault> {
        let peers = urls.iter().map(|url| Address::new(url)?.below(PATH));
        Ok(Alertmanager {
            name: name.to_owned(),
            peers: peers.collect::<Result<_, _>>()?,
            links: PageLinks::default(),
        })
    }

    /// The same, whose alerts link to lastbeat's page.
    #[must_use]
    pub fn linked(self, links: PageLinks) -> Self {
        Alertmanager { links, ..self }
    }
}

impl Notifier for Alertmanager {
    fn name(&self) -> &str {
        &self.name
    }

    /// One alert, without the time of its end: that depends on when it is sent.
    fn render(&self, notice: &Notice) -> Bytes {
        let mut alert = json!({
            "labels": labels(notice),
            "annotations": annotations(notice),
            STARTS_AT: format::rfc3339(notice.since + notice.max_gap),
        });
        if let Some(link) = self.links.of(notice) {
            alert[GENERATOR_URL] = link.into();
        }
        alert.to_string().into()
    }

    fn requests(&self, rendered: &RenderedNotice, now: Wall) -> Vec<Request<Full<Bytes>>> {
        self.resend(&[rendered], now)
    }

    fn redact(&self, text: &str) -> String {
        let redact = |text: String, peer: &Address| peer.redact(&text);
        self.peers.iter().fold(text.to_owned(), redact)
    }

    fn tracks_open_alerts(&self) -> bool {
        true
    }

    /// The alert's labels, which are its identity.
    fn dedup_key(&self, rendered: &RenderedNotice) -> Option<Bytes> {
        let alert: Value = serde_json::from_slice(&rendered.body).ok()?;
        Some(alert.get("labels")?.to_string().into())
    }

    fn resend_interval(&self) -> Option<Duration> {
        Some(RESEND_INTERVAL)
    }

    /// One request, which ends the alert of before.
    fn replace(
        &self,
        before: &RenderedNotice,
        rendered: &RenderedNotice,
        now: Wall,
    ) -> Vec<Request<Full<Bytes>>> {
        self.resend(&[before, rendered], now)
    }

    /// One request to each Alertmanager, with all of them.
    fn resend(&self, rendered: &[&RenderedNotice], now: Wall) -> Vec<Request<Full<Bytes>>> {
        let with_end = |one: &&RenderedNotice| {
            let over = matches!(one.kind, NoticeKind::Closed(_));
            ending(&one.body, over, now)
        };
        let alerts: Vec<Value> = rendered.iter().filter_map(with_end).collect();
        let body = Bytes::from(Value::from(alerts).to_string());
        let request = |peer: &Address| peer.request(Method::POST, body.clone(), "application/json");
        self.peers.iter().map(request).collect()
    }
}

/// An alert with its end.
fn ending(alert: &[u8], over: bool, now: Wall) -> Option<Value> {
    let mut alert: Value = serde_json::from_slice(alert).ok()?;
    let ends = if over { now } else { now + ENDS_AFTER };
    let ends = format::rfc3339(ends);
    let alert_map = alert.as_object_mut()?;
    // An alert that ends before it starts is refused; times of one length and zone sort as texts. A crash fires before its
    // deadline, and may be over before it.
    if alert_map
        .get(STARTS_AT)
        .and_then(Value::as_str)
        .is_some_and(|starts| starts > ends.as_str())
    {
        alert_map.insert(STARTS_AT.to_owned(), ends.as_str().into());
    }
    alert_map.insert(ENDS_AT.to_owned(), ends.into());
    Some(alert)
}

/// The labels, which are an alert's identity. Empty ones are left out: to Alertmanager that is the same.
fn labels(notice: &Notice) -> Map<String, Value> {
    let who = &notice.who;
    // A host is part of it where it is what is silent; an instance's own may change.
    let host = match notice.scope {
        Scope::Host => who.host.as_str(),
        _ => "",
    };
    let all = [
        ("alertname", notice.alarm.name(notice.scope)),
        ("rule", &notice.rule),
        ("scope", notice.scope.label()),
        ("severity", notice.severity.label()),
        ("target_app", &who.app),
        ("target_region", &who.region),
        ("target_instance", &who.instance),
        ("target_host", host),
        ("beat", &who.beat),
    ];
    // The rules' own, which are none of those of lastbeat.
    let given = notice.labels.iter();
    let mut labels: Map<String, Value> = given
        .map(|(name, value)| (name.clone(), format::key(value, format::TEXT_CHARS).into()))
        .collect();
    labels.extend(texts(
        all.map(|(name, text)| (name, format::key(text, format::NAME_CHARS))),
    ));
    labels
}

/// The annotations, which may change while it is one alert.
fn annotations(notice: &Notice) -> Map<String, Value> {
    let mut all = plain_annotations(notice);
    for value in all.values_mut() {
        if let Value::String(text) = value {
            *text = without_mentions(text);
        }
    }
    all
}

/// A text in which no chat that Alertmanager passes it on to finds a mention: log lines are anybody's.
fn without_mentions(text: &str) -> String {
    let mut text = text.replace("<!", "< !").replace("<@", "< @");
    for mention in ["@here", "@channel", "@everyone", "@all"] {
        text = text.replace(mention, &mention.replace('@', "@ "));
    }
    text
}

fn plain_annotations(notice: &Notice) -> Map<String, Value> {
    let text = |text: &str| format::sanitize(text, format::TEXT_CHARS);
    let affected = if notice.affected_total > 1 {
        format::affected(notice)
    } else {
        String::new()
    };
    let reason = match notice.kind {
        NoticeKind::Closed(reason) => reason.label(),
        _ => "",
    };
    texts([
        ("summary", format::title(notice)),
        ("description", format::description(notice)),
        ("rules", rules(notice)),
        (
            "runbook_url",
            text(notice.runbook.as_deref().unwrap_or_default()),
        ),
        ("incident", notice.incident.to_string()),
        ("since", format::rfc3339(notice.since)),
        ("max_gap", format::exact_duration(notice.max_gap)),
        ("affected", affected),
        ("last_beat", text(&notice.last_text)),
        ("detail", text(&notice.detail)),
        ("host", format::name(&notice.who.host)),
        ("reason", reason.to_owned()),
    ])
}

/// The names of all rules by which members fire, where it is more than one.
fn rules(notice: &Notice) -> String {
    let rules = notice.between.rules.iter().map(|rule| format::name(rule));
    rules.collect::<Vec<_>>().join(", ")
}

fn texts<const N: usize>(all: [(&str, String); N]) -> Map<String, Value> {
    let given = all.into_iter().filter(|(_, text)| !text.is_empty());
    given
        .map(|(key, text)| (key.to_owned(), Value::from(text)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::notice::{CloseReason, IncidentId, TargetName};
    use crate::format::tests::{closed, notice};
    use futures_util::FutureExt;
    use http_body_util::BodyExt;

    const NOW: Wall = Wall::from_nanos(1_700_000_000_000_000_000);

    fn cluster() -> Alertmanager {
        let urls = [
            "http://one:9093/".to_owned(),
            "http://u:p4ss@two:9093/alerts".to_owned(),
        ];
        Alertmanager::new("am", &urls).expect("addresses")
    }

    fn rendered(kind: NoticeKind, notice: &Notice) -> RenderedNotice {
        RenderedNotice {
            incident: notice.incident,
            kind,
            severity: notice.severity,
            body: cluster().render(notice),
            due_at: notice.due,
            queued_at: notice.decided,
        }
    }

    fn sent(notice: &Notice, over: bool) -> Value {
        ending(&cluster().render(notice), over, NOW).expect("an alert")
    }

    #[test]
    fn two_who_watch_the_same_tell_of_one_alert() {
        let labels = |notice: &Notice| sent(notice, false)["labels"].clone();
        let mine = labels(&notice());
        assert_eq!(
            mine,
            json!({
                "alertname": "HeartbeatMissed", "rule": "sandwich beats", "scope": "instance", "severity": "error",
                "target_app": "sandwich", "target_region": "iad", "target_instance": "0e286551c30586",
            })
        );
        let theirs = Notice {
            incident: IncidentId(99),
            kind: NoticeKind::Reminder(2),
            gap: Duration::from_secs(7),
            decided: NOW,
            last_text: "HEARTBEAT seq=9".to_owned(),
            last_words: Vec::new(),
            ..notice()
        };
        assert_eq!(labels(&theirs), mine);
        assert_eq!(labels(&closed(CloseReason::Resolved)), mine);
        let alert = |notice: &Notice| cluster().dedup_key(&rendered(notice.kind, notice));
        assert_eq!(alert(&theirs), alert(&notice()));
        let host = |host: &str| Notice {
            scope: Scope::Host,
            who: TargetName {
                host: host.to_owned(),
                ..TargetName::default()
            },
            ..notice()
        };
        assert_ne!(alert(&host("a")), alert(&host("b")));
    }

    #[test]
    fn labels_of_rules_are_part_of_the_alert_and_long_names_stay_apart() {
        let labelled = Notice {
            labels: [("team".to_owned(), "core".to_owned())].into(),
            ..notice()
        };
        assert_eq!(sent(&labelled, false)["labels"]["team"], "core");
        let alert = |notice: &Notice| cluster().dedup_key(&rendered(notice.kind, notice));
        assert_ne!(alert(&labelled), alert(&notice()));
        let long = |end: &str| Notice {
            who: TargetName {
                app: format!("{}{end}", "a".repeat(79)),
                ..notice().who
            },
            ..notice()
        };
        assert_ne!(alert(&long("bb")), alert(&long("cc")));
        let app = sent(&long("bb"), false)["labels"]["target_app"].clone();
        assert_eq!(app.as_str().expect("text").chars().count(), 80);
    }

    #[test]
    fn a_log_line_mentions_nobody() {
        let hostile = Notice {
            last_text: "<!channel> <@U1> @everyone @here ada@example.com".to_owned(),
            ..notice()
        };
        assert_eq!(
            annotations(&hostile)["last_beat"],
            "< !channel> < @U1> @ everyone @ here ada@example.com"
        );
    }

    #[test]
    fn a_severity_that_grows_ends_the_old_alert_in_the_same_request() {
        let before = rendered(NoticeKind::Opened, &notice());
        let worse = Notice {
            severity: crate::core::rule::Severity::Critical,
            kind: NoticeKind::Updated(1),
            ..notice()
        };
        let ended = RenderedNotice {
            kind: NoticeKind::Closed(CloseReason::Superseded),
            ..before
        };
        let requests = cluster().replace(&ended, &rendered(worse.kind, &worse), NOW);
        assert_eq!(requests.len(), 2, "one to each of the cluster");
        let body = requests.into_iter().next().expect("a request").into_body();
        let body = body
            .collect()
            .now_or_never()
            .expect("at once")
            .expect("bytes");
        let alerts: Value = serde_json::from_slice(&body.to_bytes()).expect("JSON");
        let shown = |at: usize| {
            let alert = &alerts[at];
            (alert["labels"]["severity"].clone(), alert["endsAt"].clone())
        };
        assert_eq!(
            shown(0),
            (json!("error"), json!("2023-11-14T22:13:20.000Z"))
        );
        assert_eq!(
            shown(1),
            (json!("critical"), json!("2023-11-14T22:18:20.000Z"))
        );
    }

    #[test]
    fn an_alert_that_is_over_before_its_deadline_does_not_start_after_its_end() {
        let crashed = Notice {
            since: NOW,
            max_gap: Duration::from_secs(60),
            ..closed(CloseReason::Resolved)
        };
        let over = sent(&crashed, true);
        assert_eq!(
            (&over["startsAt"], &over["endsAt"]),
            (&over["endsAt"], &json!("2023-11-14T22:13:20.000Z"))
        );
    }

    #[test]
    fn it_fires_from_its_deadline_to_a_few_minutes_ahead() {
        let fires = sent(&notice(), false);
        assert_eq!(fires["startsAt"], "2022-09-27T12:01:35.000Z");
        assert_eq!(fires["endsAt"], "2023-11-14T22:18:20.000Z");
        assert_eq!(fires["annotations"]["incident"], "01837f2a9c01");
        let over = sent(&closed(CloseReason::Stopped), true);
        assert_eq!(over["endsAt"], "2023-11-14T22:13:20.000Z");
        assert_eq!(over["startsAt"], fires["startsAt"]);
        assert_eq!(over["annotations"]["reason"], "stopped");
    }

    #[test]
    fn an_alert_names_the_page_that_it_comes_from() {
        assert!(sent(&notice(), false).get(GENERATOR_URL).is_none());
        let linked = cluster().linked(PageLinks {
            base: Some("https://lastbeat.example.com".to_owned()),
        });
        let alert = ending(&linked.render(&notice()), false, NOW).expect("an alert");
        assert_eq!(
            alert[GENERATOR_URL],
            "https://lastbeat.example.com/#/incident/01837f2a9c01"
        );
    }

    #[test]
    fn each_of_a_cluster_is_sent_everything() {
        let open = rendered(NoticeKind::Opened, &notice());
        let over = rendered(NoticeKind::Closed(CloseReason::Resolved), &notice());
        let requests = cluster().resend(&[&open, &over], NOW);
        let uris: Vec<String> = requests.iter().map(|one| one.uri().to_string()).collect();
        assert_eq!(
            uris,
            [
                "http://one:9093/api/v2/alerts",
                "http://two:9093/alerts/api/v2/alerts"
            ]
        );
        assert!(!requests[0].headers().contains_key("authorization"));
        assert!(requests[1].headers().contains_key("authorization"));
        assert_eq!(cluster().redact("u:p4ss at two"), "*** at two");
    }
}
