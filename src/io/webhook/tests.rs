mod payloads;

use super::*;
use crate::core::notice::CloseReason;
use crate::format::tests::{closed, notice};
use http_body_util::BodyExt;
use serde_json::{Value, json};

const NOW: Wall = Wall::from_nanos(1_700_000_000_900_000_000);
/// A log line that tries what each of them interprets.
const NASTY: &str = "<!channel> @everyone & *b* _i_ `c` [x](http://evil) \\ >";

fn hook(format: BodyFormat) -> Webhook {
    let setup = WebhookConfig {
        url: Secret::new(match format {
            BodyFormat::Ntfy => "https://ntfy.example.com/t0pic",
            _ => "https://hooks.example.com/s3cret?key=t0ken",
        }),
        format,
        secret: Some(Secret::new("It's a Secret")),
        routing_key: (format == BodyFormat::PagerDuty).then(|| Secret::new("r0uting")),
        chat_id: (format == BodyFormat::Telegram).then(|| Secret::new("-100ch4t")),
        links: PageLinks {
            base: Some("https://lastbeat.example.com".to_owned()),
        },
        timeout: Duration::from_secs(10),
    };
    Webhook::new("oncall", setup).expect("an address")
}

fn nasty() -> Notice {
    Notice {
        last_text: NASTY.to_owned(),
        last_words: Vec::new(),
        runbook: Some("https://wiki.example.com/a?b=1&c=2".to_owned()),
        ..notice()
    }
}

fn value(format: BodyFormat, notice: &Notice) -> Value {
    serde_json::from_slice(&hook(format).render(notice)).expect("JSON")
}

/// The request's headers and its body.
async fn sent(format: BodyFormat, notice: &Notice) -> (hyper::HeaderMap, Bytes) {
    let hook = hook(format);
    let request = hook.request(
        &rendered(notice.incident, notice.kind, hook.render(notice)),
        NOW,
    );
    let (head, body) = request.into_parts();
    let body = body.collect().await.expect("bytes").to_bytes();
    (head.headers, body)
}

fn rendered(incident: IncidentId, kind: NoticeKind, body: Bytes) -> RenderedNotice {
    RenderedNotice {
        incident,
        kind,
        severity: Default::default(),
        body,
        due_at: NOW,
        queued_at: NOW,
    }
}

#[tokio::test]
async fn the_signature_is_that_of_time_and_body() {
    let (headers, body) = sent(BodyFormat::Json, &notice()).await;
    assert_eq!(headers[TIMESTAMP], "1700000000");
    let signature = headers[SIGNATURE].to_str().expect("text");
    let hex = signature.strip_prefix("sha256=").expect("its kind");
    let tag: Vec<u8> = (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex"))
        .collect();
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"It's a Secret");
    let signed = [b"1700000000.".as_slice(), &body].concat();
    assert!(hmac::verify(&key, &signed, &tag).is_ok());
    assert!(
        hmac::verify(&key, &body, &tag).is_err(),
        "the time is in it"
    );
}

#[test]
fn the_signature_is_what_others_work_out() {
    // printf '1700000000.{}' | openssl dgst -sha256 -hmac "It's a Secret"
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"It's a Secret");
    let (at, signature) = sign(&key, b"{}", NOW);
    assert_eq!(at, 1_700_000_000);
    assert_eq!(
        signature,
        "sha256=83e479f1730a48fc8892de8f4a3d901b5529f2b452badda7bc7f506c39721b8f"
    );
}

#[test]
fn a_notice_sent_twice_has_one_key_and_two_notices_have_two() {
    let key = |kind| {
        let request =
            hook(BodyFormat::Json).request(&rendered(IncidentId(0x2a), kind, Bytes::new()), NOW);
        request.headers()[IDEMPOTENCY_KEY]
            .to_str()
            .expect("text")
            .to_owned()
    };
    assert_eq!(key(NoticeKind::Opened), "00000000002a-opened");
    assert_eq!(key(NoticeKind::Reminder(2)), "00000000002a-reminder-2");
    assert_eq!(key(NoticeKind::Updated(3)), "00000000002a-updated-3");
    let closed = NoticeKind::Closed(CloseReason::RuleRemoved);
    assert_eq!(key(closed), "00000000002a-closed");
    assert_eq!(key(closed), key(NoticeKind::Closed(CloseReason::Resolved)));
}

#[test]
fn the_address_and_the_secrets_are_no_ones_business() {
    let said = "no route /s3cret for key=t0ken, It's a Secret, r0uting at hooks.example.com";
    let hidden = "no route *** for ***, ***, *** at hooks.example.com";
    assert_eq!(hook(BodyFormat::PagerDuty).redact(said), hidden);
}

#[test]
fn slack_interprets_nothing_of_a_log_line() {
    let body = value(BodyFormat::Slack, &nasty());
    let text = body.to_string();
    for live in ["<!channel>", "& "] {
        assert!(!text.contains(live), "{live}: {text}");
    }
    assert_eq!(
        body["text"],
        "[error] sandwich/iad/0e286551c30586 is silent since 12:00:05Z"
    );
    let attachment = &body["attachments"][0];
    assert_eq!(attachment["color"], "#e8590c");
    let said = attachment["blocks"][0]["text"]["text"]
        .as_str()
        .expect("text");
    assert!(
        said.contains("&lt;!channel&gt; @everyone &amp; *b*"),
        "{said}"
    );
    let context = &attachment["blocks"][2]["elements"][0]["text"];
    let link = "<https://wiki.example.com/a?b=1&amp;c=2|Runbook>";
    assert!(context.as_str().expect("text").ends_with(link), "{context}");
    let over = value(BodyFormat::Slack, &closed(CloseReason::Resolved));
    assert_eq!(over["attachments"][0]["color"], "#2eb67d");
    assert!(
        over["text"]
            .as_str()
            .expect("text")
            .starts_with("[resolved] ")
    );
}

#[test]
fn discord_pings_nobody_and_takes_every_length() {
    let body = value(BodyFormat::Discord, &nasty());
    assert_eq!(body["allowed_mentions"], json!({"parse": []}));
    assert!(body.get("content").is_none());
    let embed = &body["embeds"][0];
    let said = embed["description"].as_str().expect("text");
    assert!(
        said.contains(
            "\\<!channel\\> \\@everyone & \\*b\\* \\_i\\_ \\`c\\` \\[x\\]\\(http://evil\\) \\\\ \\>"
        ),
        "{said}"
    );
    assert_eq!(
        embed["url"],
        "https://lastbeat.example.com/#/incident/01837f2a9c01"
    );
    let runbook = embed["fields"].as_array().and_then(|fields| fields.last());
    assert_eq!(
        runbook.map(|field| &field["value"]),
        Some(&json!("https://wiki.example.com/a?b=1&c=2"))
    );
    assert_eq!(embed["timestamp"], "2022-09-27T12:07:05.000Z");
    let long = Notice {
        summary: Some("_".repeat(500)),
        affected: vec!["*".repeat(80); 100],
        affected_total: 100,
        ..nasty()
    };
    let body = value(BodyFormat::Discord, &long);
    let chars = |key: &str| {
        body["embeds"][0][key]
            .as_str()
            .expect("text")
            .chars()
            .count()
    };
    assert!((200..=256).contains(&chars("title")), "{}", chars("title"));
    assert!((4_000..=4_096).contains(&chars("description")));
    let title = body["embeds"][0]["title"].as_str().expect("text");
    assert!(title.ends_with("\\_…"), "no half an escape: {title}");
}

#[tokio::test]
async fn pagerduty_knows_an_incident_again() {
    let kinds = [
        (NoticeKind::Opened, "trigger"),
        (NoticeKind::Updated(1), "trigger"),
        (NoticeKind::Reminder(1), "trigger"),
        (NoticeKind::Closed(CloseReason::Resolved), "resolve"),
    ];
    for (kind, action) in kinds {
        let (_, body) = sent(BodyFormat::PagerDuty, &Notice { kind, ..notice() }).await;
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(body["event_action"], action);
        assert_eq!(body["dedup_key"], "lastbeat-01837f2a9c01");
        assert_eq!(body["routing_key"], "r0uting");
    }
    let waits = hook(BodyFormat::PagerDuty).render(&nasty());
    let waits = String::from_utf8(waits.to_vec()).expect("text");
    assert!(!waits.contains("r0uting"), "what waits may be in a file");
    let payload = &value(BodyFormat::PagerDuty, &nasty())["payload"];
    assert_eq!(payload["severity"], "error");
    assert_eq!(payload["source"], "sandwich/iad/0e286551c30586");
    assert_eq!(payload["class"], "HeartbeatMissed");
    assert_eq!(payload["custom_details"]["rule"], "sandwich beats");
}

#[tokio::test]
async fn labels_and_what_it_is_about_reach_every_receiver() {
    let notice = Notice {
        labels: [("team".to_owned(), "core,data".to_owned())].into(),
        fingerprint: "RegionSilent:region:iad".to_owned(),
        ..nasty()
    };
    let json = value(BodyFormat::Json, &notice);
    assert_eq!(json["labels"], json!({"team": "core,data"}));
    assert_eq!(json["fingerprint"], "RegionSilent:region:iad");
    let pagerduty = value(BodyFormat::PagerDuty, &notice);
    assert_eq!(pagerduty["dedup_key"], "lastbeat-RegionSilent:region:iad");
    let details = &pagerduty["payload"]["custom_details"];
    assert_eq!(details["labels"]["team"], "core,data");
    let slack = value(BodyFormat::Slack, &notice);
    let has = |all: &Value, one: Value| {
        let all = all.as_array().expect("a list");
        assert!(all.contains(&one), "{one} is not in {all:?}");
    };
    let fields = &slack["attachments"][0]["blocks"][1]["fields"];
    has(
        fields,
        json!({"type": "mrkdwn", "verbatim": true, "text": "*team*\ncore,data"}),
    );
    let discord = value(BodyFormat::Discord, &notice);
    has(
        &discord["embeds"][0]["fields"],
        json!({"name": "team", "value": "core,data", "inline": true}),
    );
    let teams = value(BodyFormat::Teams, &notice);
    has(
        &teams["attachments"][0]["content"]["body"][2]["facts"],
        json!({"title": "team", "value": "core,data"}),
    );
    let over = Notice {
        kind: NoticeKind::Closed(CloseReason::Resolved),
        ..notice
    };
    assert_eq!(
        value(BodyFormat::PagerDuty, &over)["dedup_key"],
        pagerduty["dedup_key"]
    );
}

#[tokio::test]
async fn text_is_what_a_person_reads() {
    let (headers, body) = sent(BodyFormat::Text, &nasty()).await;
    assert_eq!(headers["content-type"], "text/plain; charset=utf-8");
    let text = String::from_utf8(body.to_vec()).expect("text");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines[0].starts_with("[error] sandwich/iad/"), "{text}");
    assert!(lines[1].starts_with("HeartbeatMissed: "), "{text}");
    assert_eq!(
        lines[2],
        "https://lastbeat.example.com/#/incident/01837f2a9c01"
    );
    assert!(
        lines[1].ends_with("runbook: https://wiki.example.com/a?b=1&c=2"),
        "{text}"
    );
}
