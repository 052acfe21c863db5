//! Bodies in the documented shapes, and answers by what follows from them.

use super::*;
use crate::core::sink_rule::HttpBody;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read;

const AT: u64 = 1_700_000_000_000_000_000;

fn batch(payloads: &[(&str, &str)]) -> Batch {
    let mut batch = Batch::default();
    for (number, (subject, payload)) in (0..).zip(payloads) {
        batch.push(&ArchivedEntry {
            at: Wall::from_nanos(AT + number),
            subject,
            payload: Cow::Borrowed(payload.as_bytes()),
        });
    }
    batch
}

fn sink(kind: SinkKind, url: &str) -> Sink {
    let headers = [("authorization".to_owned(), "Bearer s3cret-token".to_owned())];
    let rule = SinkRule {
        name: "a".to_owned(),
        kind,
        url: url.to_owned(),
        headers: BTreeMap::from(headers),
    };
    Sink::new(&rule, Some("one".to_owned())).expect("it is valid")
}

fn http_sink() -> Sink {
    let kind = SinkKind::Http {
        body: HttpBody::Array,
        template: "{message}".to_owned(),
    };
    sink(kind, "http://sink.example/k3y-path")
}

fn body(sink: &Sink, batch: &Batch) -> Vec<u8> {
    let body = sink.request(batch).into_body();
    let collected = futures_util::FutureExt::now_or_never(http_body_util::BodyExt::collect(body));
    let collected = collected.expect("it is there").expect("no fault");
    collected.to_bytes().to_vec()
}

const WEB: &str = r#"{"event":{"provider":"app"},"fly":{"n":3,"f":1.5,"l":[1],"no":null},"log":{"level":"info"},"message":"hi","ok":true,"timestamp":"2023-11-14T22:13:21Z"}"#;

#[test]
fn otlp_has_a_resource_for_each_instance_and_every_field() {
    let sink = sink(SinkKind::Otlp, "https://otel.example:4318");
    let batch = batch(&[
        ("logs.web.sjc.1", WEB),
        ("logs.api.ams.2", "plain"),
        ("logs.web.sjc.1", "later"),
    ]);
    let request = sink.request(&batch);
    assert_eq!(request.uri(), "https://otel.example:4318/v1/logs");
    assert_eq!(request.headers()["content-encoding"], "gzip");
    let mut plain = String::new();
    let packed = body(&sink, &batch);
    let read = flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut plain);
    read.expect("gzip");
    let made: Value = serde_json::from_str(&plain).expect("JSON");
    let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let resources = made["resourceLogs"].as_array().expect("a list");
    assert_eq!(resources.len(), 2);
    assert_eq!(
        resources[0]["resource"]["attributes"],
        json!([
            text("service.name", "web"),
            text("cloud.region", "sjc"),
            text("service.instance.id", "1")
        ])
    );
    let records = &resources[0]["scopeLogs"][0]["logRecords"];
    assert_eq!(records[1]["body"], json!({"stringValue": "later"}));
    assert_eq!(
        records[0],
        json!({
            "timeUnixNano": "1700000001000000000",
            "observedTimeUnixNano": AT.to_string(),
            "severityNumber": 9,
            "severityText": "info",
            "body": {"stringValue": "hi"},
            "attributes": [
                text("event.provider", "app"),
                {"key": "fly.f", "value": {"doubleValue": 1.5}},
                text("fly.l", "[1]"),
                {"key": "fly.n", "value": {"intValue": "3"}},
                text("log.level", "info"),
                {"key": "ok", "value": {"boolValue": true}},
            ],
        })
    );
    let other = &resources[1]["scopeLogs"][0]["logRecords"][0];
    assert_eq!(other["body"], json!({"stringValue": "plain"}));
    assert_eq!(other.get("severityNumber"), None);
}

#[test]
fn loki_has_the_labels_of_fly_log_shipper_and_one_of_the_refill() {
    let sink = sink(SinkKind::Loki, "http://loki.example/");
    let batch = batch(&[
        ("logs.web.sjc.1", WEB),
        ("logs.api.ams.2", "plain"),
        ("logs.web.sjc.1", WEB),
    ]);
    assert_eq!(
        sink.request(&batch).uri(),
        "http://loki.example/loki/api/v1/push"
    );
    let made: Value = serde_json::from_slice(&body(&sink, &batch)).expect("JSON");
    let value = ["1700000001000000000", WEB];
    assert_eq!(
        made,
        json!({"streams": [
            {
                "stream": {
                    "event_provider": "app", "fly_app_instance": "1", "fly_app_name": "web",
                    "fly_region": "sjc", "level": "info", "refill": "one",
                },
                "values": [value, value],
            },
            {
                "stream": {
                    "fly_app_instance": "2", "fly_app_name": "api", "fly_region": "ams", "refill": "one",
                },
                "values": [[(AT + 1).to_string(), "plain"]],
            },
        ]})
    );
}

#[test]
fn http_has_a_line_or_an_item_for_each_entry() {
    let batch = batch(&[("logs.web.sjc.1", WEB), ("logs.api.ams.2", "a\nb")]);
    let array = http_sink();
    assert_eq!(body(&array, &batch), br#"["hi","a\nb"]"#);
    let kind = SinkKind::Http {
        body: HttpBody::Ndjson,
        template: "{payload}".to_owned(),
    };
    let lines = sink(kind, "http://sink.example/x?y=1");
    let request = lines.request(&batch);
    assert_eq!(request.uri(), "http://sink.example/x?y=1");
    assert_eq!(request.headers()["content-type"], "application/x-ndjson");
    assert_eq!(request.headers()["authorization"], "Bearer s3cret-token");
    let expected = format!("{WEB}\n\"a\\nb\"\n");
    assert_eq!(String::from_utf8(body(&lines, &batch)), Ok(expected));
}

fn answer(status: u16, body: &str) -> Answer {
    Answer {
        status: StatusCode::from_u16(status).expect("a status"),
        retry_after: Some(Duration::from_secs(7)),
        location: None,
        rate_limits: None,
        body: body.to_owned().into(),
    }
}

#[test]
fn each_answer_has_an_outcome_and_no_secret() {
    let sink = http_sink();
    let of = |status| sink.outcome(&answer(status, "no: s3cret-token at /k3y-path"));
    assert_eq!(of(204), Outcome::Taken);
    let said = |status: &str| format!("http://sink.example answered {status}: no: *** at ***");
    let wait = Some(Duration::from_secs(7));
    let later = |status| Outcome::Later(wait, said(status));
    assert_eq!(of(429), later("429 Too Many Requests"));
    assert_eq!(of(408), later("408 Request Timeout"));
    assert_eq!(of(500), later("500 Internal Server Error"));
    assert_eq!(of(503), later("503 Service Unavailable"));
    assert_eq!(of(400), Outcome::Refused(said("400 Bad Request")));
    assert_eq!(of(422), Outcome::Refused(said("422 Unprocessable Entity")));
    assert_eq!(of(413), Outcome::TooLong(said("413 Payload Too Large")));
    for status in [301, 401, 403, 404, 405] {
        assert!(matches!(of(status), Outcome::Wrong(_)), "{status}");
    }
}

#[test]
fn otlp_says_in_a_200_that_entries_were_rejected() {
    let sink = sink(SinkKind::Otlp, "http://otel.example");
    let of = |body: &str| sink.outcome(&answer(200, body));
    for taken in [
        "",
        "{}",
        "no JSON",
        r#"{"partialSuccess":{}}"#,
        r#"{"partialSuccess":{"errorMessage":"a warning","rejectedLogRecords":"0"}}"#,
    ] {
        assert_eq!(of(taken), Outcome::Taken, "{taken}");
    }
    for count in ["\"2\"", "2"] {
        let body = format!(
            r#"{{"partialSuccess":{{"rejectedLogRecords":{count},"errorMessage":"too old"}}}}"#
        );
        let why = "http://otel.example rejected some: too old".to_owned();
        assert_eq!(of(&body), Outcome::Partly(2, why));
    }
}

#[test]
fn a_batch_is_full_at_a_megabyte_and_is_halved() {
    let long = "x".repeat(400_000);
    let mut batch = batch(&[("logs.a.b.c", &*long), ("logs.a.b.c", "second")]);
    assert!(!batch.is_full());
    for _ in 0..2 {
        batch.push(&ArchivedEntry {
            at: Wall::from_nanos(AT + 9),
            subject: "logs.a.b.c",
            payload: Cow::Borrowed(long.as_bytes()),
        });
    }
    assert!(batch.is_full());
    assert_eq!(batch.last_arrival(), Some(Wall::from_nanos(AT + 9)));
    let (first, second) = batch.halves().expect("four entries");
    assert_eq!((first.len(), second.len()), (2, 2));
    let (one, _) = second.halves().expect("two entries");
    assert!(one.halves().is_none(), "a single entry is not halved");
}

#[test]
fn a_body_is_made_once_for_all_attempts_and_anew_for_other_entries() {
    let sink = sink(SinkKind::Otlp, "http://otel.example");
    let mut batch = batch(&[("logs.a.b.c", "first"), ("logs.a.b.c", "second")]);
    sink.encode(&mut batch);
    let made = batch.body.clone().expect("it is made");
    assert_eq!(sink.body(&batch), made);
    let again = batch.clone();
    assert!(std::ptr::eq(
        &*made,
        &**again.body.as_ref().expect("it is kept")
    ));
    let (first, _) = again.halves().expect("two entries");
    assert!(first.body.is_none() && sink.body(&first) != made);
    batch.push(&ArchivedEntry {
        at: Wall::from_nanos(AT),
        subject: "logs.a.b.c",
        payload: Cow::Borrowed(b"third"),
    });
    assert!(batch.body.is_none());
}
