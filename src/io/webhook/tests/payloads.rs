//! Whole payloads of each format, as they go over the wire: the files beside this one. Where a change of them is meant, the test
//! prints what the file has to hold.

use super::{hook, rendered, sent};
use crate::core::notice::{Between, CloseReason, Notice, NoticeKind, Scope, TargetName};
use crate::core::rule::BodyFormat;
use crate::format::tests::notice;
use crate::io::notifier::Notifier;
use serde_json::Value;
use std::time::Duration;

/// A region that is silent, with a line that tries what receivers interpret.
fn region() -> Notice {
    let affected = (1..=4).map(|number| format!("db/lhr/0e28655{number}"));
    Notice {
        scope: Scope::Region,
        who: TargetName {
            region: "lhr".to_owned(),
            ..TargetName::default()
        },
        affected: affected.collect(),
        affected_total: 16,
        detail: "<!channel> @everyone & *b* [x](http://evil)".to_owned(),
        last_text: String::new(),
        runbook: Some("https://wiki.example.com/silent?a=1&b=2".to_owned()),
        labels: [("team".to_owned(), "core".to_owned())].into(),
        fingerprint: "RegionSilent:region:lhr".to_owned(),
        between: Between {
            rules: vec!["beats".to_owned(), "jobs".to_owned()],
            longest_max_gap: Duration::from_secs(600),
            apps: ["api", "db", "web"].map(str::to_owned).into(),
            apps_total: 5,
            ..Between::default()
        },
        ..notice()
    }
}

/// The bodies of the opening and the closing of [`region`], as one JSON list.
async fn bodies(format: BodyFormat) -> String {
    let closing = NoticeKind::Closed(CloseReason::Resolved);
    let mut all = Vec::new();
    for kind in [NoticeKind::Opened, closing] {
        let (_, body) = sent(format, &Notice { kind, ..region() }).await;
        let value: Value = match format {
            BodyFormat::Text => String::from_utf8(body.to_vec()).expect("text").into(),
            _ => serde_json::from_slice(&body).expect("JSON"),
        };
        all.push(value);
    }
    let mut text = serde_json::to_string_pretty(&all).expect("JSON");
    text.push('\n');
    text
}

#[tokio::test]
async fn each_payload_is_what_stands_in_its_file() {
    let files = [
        (BodyFormat::Json, include_str!("../payloads/json.json")),
        (BodyFormat::Slack, include_str!("../payloads/slack.json")),
        (
            BodyFormat::Discord,
            include_str!("../payloads/discord.json"),
        ),
        (
            BodyFormat::PagerDuty,
            include_str!("../payloads/pagerduty.json"),
        ),
        (BodyFormat::Text, include_str!("../payloads/text.json")),
        (BodyFormat::Ntfy, include_str!("../payloads/ntfy.json")),
        (
            BodyFormat::Telegram,
            include_str!("../payloads/telegram.json"),
        ),
        (BodyFormat::Teams, include_str!("../payloads/teams.json")),
    ];
    assert_eq!(files.map(|(format, _)| format), BodyFormat::ALL);
    let mut wrong = Vec::new();
    for (format, expected) in files {
        let found = bodies(format).await;
        if found != expected {
            wrong.push(format!("payloads/{}.json:\n{found}", format.label()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_waits_names_no_addressee_and_what_is_sent_does() {
    for (format, key, secret) in [
        (BodyFormat::Ntfy, "topic", "t0pic"),
        (BodyFormat::Telegram, "chat_id", "-100ch4t"),
        (BodyFormat::PagerDuty, "routing_key", "r0uting"),
    ] {
        let hook = hook(format);
        let waits = hook.render(&region());
        let text = String::from_utf8_lossy(&waits).into_owned();
        assert!(!text.contains(secret), "{text}");
        let request = hook.request(
            &rendered(region().incident, region().kind, waits),
            super::NOW,
        );
        assert!(!request.uri().to_string().contains("t0pic"));
        assert_eq!(
            hook.redact(&format!("no {key} {secret}")),
            format!("no {key} ***")
        );
    }
}

#[tokio::test]
async fn without_an_address_of_the_page_nothing_is_a_broken_link() {
    for format in BodyFormat::ALL {
        let mut hook = hook(format);
        hook.links.base = None;
        let body = hook.render(&Notice {
            runbook: None,
            ..region()
        });
        let text = String::from_utf8_lossy(&body).into_owned();
        assert!(!text.contains("Open the incident"), "{text}");
        assert!(!text.contains("/#/incident"), "{text}");
    }
}
