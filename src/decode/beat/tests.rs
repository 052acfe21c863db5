//! The grammar as tables: what counts, what does not, and which keys are read.

mod loggers;
mod properties;

use super::{Found, Markers, Unrecognised, read};
use crate::core::entry::Reject;
use std::time::Duration;

/// The instance that speaks in these tests.
const SUBJECT: &str = "logs.web.iad.3287e2f4c04d18";

fn markers() -> Markers {
    Markers::new(&["HEARTBEAT".to_owned(), "PULSE".to_owned()])
}

/// A beat, without what its entry tells beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Heard {
    text: String,
    every: Option<Duration>,
    name: String,
    seq: Option<u64>,
    bye: bool,
}

/// Everything that is read of a payload.
#[derive(Debug, Default)]
struct Read {
    beats: Vec<Heard>,
    rejected: Vec<Reject>,
    unrecognised: Vec<Unrecognised>,
}

fn payload(payload: &[u8]) -> Read {
    let mut all = Read::default();
    read(payload, SUBJECT, &markers(), |found| match found {
        Found::Beat(beat) => all.beats.push(Heard {
            text: beat.text.to_owned(),
            every: beat.every,
            name: beat.name.to_owned(),
            seq: beat.seq,
            bye: beat.bye,
        }),
        Found::Rejected(why) => all.rejected.push(why),
        Found::Unrecognised(form) => all.unrecognised.push(form),
    });
    all
}

/// A message in the platform's envelope.
fn envelope(message: &str) -> Vec<u8> {
    let message = serde_json::Value::from(message);
    let head = r#"{"event":{"provider":"app"},"fly":{"app":{"instance":"3287e2f4c04d18","name":"web"},"region":"iad"},"host":"0ad1","log":{"level":"info"},"message":"#;
    format!("{head}{message},\"timestamp\":\"2026-03-02T12:00:01.120Z\"}}").into_bytes()
}

/// Everything that is read of a message, which is the same with and without the platform's envelope.
fn message(text: &str) -> Read {
    let wrapped = payload(&envelope(text));
    let alone = payload(text.as_bytes());
    // An object that does not end is a broken payload off the platform, and a broken message on it.
    if alone.rejected != [Reject::PayloadJson] {
        assert_eq!(wrapped.beats, alone.beats, "{text}");
        assert_eq!(wrapped.unrecognised, alone.unrecognised, "{text}");
    }
    wrapped
}

#[test]
fn a_marker_counts_by_its_position() {
    use Unrecognised::{JsonField, OtherCase, Sentence, Value};
    for (text, expected) in [
        ("HEARTBEAT", Ok(())),
        ("PULSE", Ok(())),
        ("  HEARTBEAT", Ok(())),
        ("\"HEARTBEAT\"", Ok(())),
        ("[HEARTBEAT] all is well", Ok(())),
        ("HEARTBEAT: all is well", Ok(())),
        ("HEARTBEAT request sent", Ok(())),
        ("\u{1f493} HEARTBEAT of a worker", Ok(())),
        (
            "12:00:01 heartbeat.1   | HEARTBEAT 3287e2f4c04d18 iad",
            Ok(()),
        ),
        ("2026-01-01T00:00:00Z INFO HEARTBEAT of a worker", Ok(())),
        ("INFO:root:HEARTBEAT of a worker", Ok(())),
        ("app: HEARTBEAT of a worker", Ok(())),
        ("level=info msg=HEARTBEAT", Ok(())),
        ("level=info msg=\"HEARTBEAT of a worker\" n=3", Ok(())),
        ("ts=1 event='HEARTBEAT'", Ok(())),
        // In mid-sentence only before the end, a key, or the instance's own names.
        ("HEARTBEATS HEARTBEAT", Ok(())),
        ("worker sends HEARTBEAT", Ok(())),
        ("worker sends HEARTBEAT every=30s to us", Ok(())),
        ("only a message, HEARTBEAT seq=9", Ok(())),
        ("we are HEARTBEAT iad", Ok(())),
        ("we are HEARTBEAT 3287e2f4c04d18, still", Ok(())),
        ("said HEARTBEAT bye", Ok(())),
        ("Sending HEARTBEAT request with header", Err(Some(Sentence))),
        ("no HEARTBEAT from peer 3", Err(Some(Sentence))),
        (
            "Sending HEARTBEAT request, apiKey=HEARTBEAT",
            Err(Some(Sentence)),
        ),
        ("cannot send: HEARTBEAT dropped", Err(Some(Sentence))),
        ("said HEARTBEAT bye and left", Err(Some(Sentence))),
        (
            "sending header apiKey=HEARTBEAT apiVersion=4",
            Err(Some(Value)),
        ),
        ("sending header apiKey=HEARTBEAT", Err(Some(Value))),
        ("apiKey=HEARTBEAT", Err(Some(Value))),
        ("apiKey=\"HEARTBEAT\"", Err(Some(Value))),
        ("apiKey:HEARTBEAT sent", Ok(())),
        ("a header with apiKey:HEARTBEAT", Err(Some(Value))),
        ("10.0.0.7 GET /HEARTBEAT 200", Err(Some(Value))),
        ("GET http://web/HEARTBEAT", Err(Some(Value))),
        ("/HEARTBEAT", Err(Some(Value))),
        ("{type=HEARTBEAT, seq=3}", Err(Some(Value))),
        ("GET /HEARTBEAT/7", Err(None)),
        ("HEARTBEAT.md was read", Err(None)),
        ("com.acme.HEARTBEAT", Err(Some(Value))),
        ("\u{1b}[32mINFO\u{1b}[0mHEARTBEAT", Err(None)),
        ("\u{e9}HEARTBEAT", Err(None)),
        ("NOHEARTBEAT_MODE=1 HEARTBEATS disabled", Err(None)),
        ("NO-HEARTBEAT", Err(None)),
        ("HEARTBEAT=off", Err(None)),
        ("heartbeat", Err(Some(OtherCase))),
        ("Heartbeat sent", Err(Some(OtherCase))),
        (
            "2026-01-01T00:00:00Z INFO heartbeat ok",
            Err(Some(OtherCase)),
        ),
        ("no heartbeat from peer 3 within 500ms", Err(None)),
        ("", Err(None)),
        // JSON: the message's own keys, in any case only as the whole message.
        (r#"{"msg":"heartbeat"}"#, Ok(())),
        (r#"{"message":"Heartbeat every=5s"}"#, Ok(())),
        (
            r#"{"msg":"failed to send out heartbeat on time"}"#,
            Err(None),
        ),
        (r#"{"msg":"GET /heartbeat 200"}"#, Err(None)),
        (r#"{"msg":"Heartbeat sent"}"#, Err(Some(OtherCase))),
        (
            r#"{"msg":"Sending HEARTBEAT request"}"#,
            Err(Some(Sentence)),
        ),
        (
            r#"{"type":"HEARTBEAT","msg":"request"}"#,
            Err(Some(JsonField)),
        ),
        (r#"{"msg":5,"message":"HEARTBEAT"}"#, Ok(())),
        (r#"{"msg":"x","text":"HEARTBEAT"}"#, Ok(())),
        (
            r#"received {"msg":"HEARTBEAT"} from a peer"#,
            Err(Some(Sentence)),
        ),
    ] {
        let read = message(text);
        assert_eq!(
            read.beats.len(),
            usize::from(expected.is_ok()),
            "{text}: {read:?}"
        );
        let form = expected.err().flatten();
        assert_eq!(read.unrecognised, Vec::from_iter(form), "{text}");
        assert_eq!(read.rejected, [], "{text}");
        assert!(
            markers().in_bytes(text.as_bytes()) || expected.is_err(),
            "the byte search misses a beat: {text}"
        );
    }
}

#[test]
fn what_nobody_sees_does_not_hide_a_beat() {
    for text in [
        "\u{1b}[36mweb.1 | \u{1b}(B\u{1b}[mHEARTBEAT every=30s",
        "\u{1b}cHEARTBEAT every=30s\u{1b}7",
        "\u{1b}]0;web\u{7}HEARTBEAT every=30s",
        "\0HEARTBEAT every=30s\0",
        "\u{feff}HEARTBEAT every=30s",
        "\u{a0}HEARTBEAT\u{a0}every=30s\u{a0}",
        "\u{200b}HEARTBEAT\u{200b} every=30s",
        "\\u001b[32mHEARTBEAT\\u001b[0m every=30s",
        "web.1 |\u{a0}HEARTBEAT every=30s\r",
        "\r\u{1b}[2KHEARTBEAT every=30s",
        "INFO Worker[0]\n      HEARTBEAT every=30s",
        "{\"msg\":\"\\u001b[32mHEARTBEAT\\u001b[0m every=30s\"}",
        "{\"msg\":\"\\u0000HEARTBEAT\\u00a0every=30s\\ufeff\"}",
        "{\"msg\":\"\u{1b}(BHEARTBEAT every=30s\"}",
        "\u{1b}[1mHEARTBEAT                     \u{1b}[0m \u{1b}[36mevery\u{1b}[0m=\u{1b}[35m30s\u{1b}[0m",
    ] {
        let wrapped = payload(&envelope(text));
        let every = Some(Duration::from_secs(30));
        assert_eq!(wrapped.beats.len(), 1, "{}", text.escape_debug());
        assert_eq!(wrapped.beats[0].every, every, "{}", text.escape_debug());
    }
    for bytes in [
        &b"HEARTBEAT\xa0every=30s"[..],
        b"caf\xe9: HEARTBEAT every=30s",
        b"{\"host\":\"caf\xe9\",\"message\":\"HEARTBEAT every=30s\"}",
        b"{\"message\":\"HEARTBEAT every=30s\",\"user\":\"\\ud83d\"}",
        b"{\"message\":\"HEARTBEAT every=30s \\ud83d\"}",
        b"{\"msg\":\"HEARTBEAT every=30s\",\"x\":\"\\udc00\"}",
        b"{\"message\":\"HEARTBEAT every=30s\",\"host\":\"a\",\"host\":\"b\"}",
        b"{\"message\":\"HEARTBEAT every=30s\",\"message\":\"x\"}",
        b"{\"msg\":\"HEARTBEAT\",\"every\":\"1s\",\"every\":\"30s\"}",
    ] {
        let read = payload(bytes);
        assert_eq!(read.beats.len(), 1, "{}", bytes.escape_ascii());
        assert_eq!(read.beats[0].every, Some(Duration::from_secs(30)));
        assert_eq!(read.rejected, []);
    }
}

#[test]
fn keys_are_read_from_text_and_from_json() {
    let seconds = |count| Some(Duration::from_secs(count));
    for (text, every, name, seq, bye) in [
        (
            "HEARTBEAT every=30s name=worker seq=1042",
            seconds(30),
            "worker",
            Some(1042),
            false,
        ),
        (
            r#"level=info msg="HEARTBEAT every=30s seq=7""#,
            seconds(30),
            "",
            Some(7),
            false,
        ),
        (
            r#"level=info msg=HEARTBEAT every=30s name="w" seq=7"#,
            seconds(30),
            "w",
            Some(7),
            false,
        ),
        (
            "every=30s seq=7 event=HEARTBEAT level=info",
            seconds(30),
            "",
            Some(7),
            false,
        ),
        (
            r#"{"msg":"HEARTBEAT seq=1","every":"2m","name":"w"}"#,
            seconds(120),
            "w",
            Some(1),
            false,
        ),
        (
            r#"{"msg":"HEARTBEAT","seq":"12","bye":true}"#,
            None,
            "",
            Some(12),
            true,
        ),
        (
            r#"{"message":"HEARTBEAT","every":"30s","name":"w"}"#,
            seconds(30),
            "w",
            None,
            false,
        ),
        (
            r#"web.1 | {"msg":"HEARTBEAT","every":"30s","name":"w"}"#,
            seconds(30),
            "w",
            None,
            false,
        ),
        (
            r#"web.1 | {"msg":"HEARTBEAT","bye":true}"#,
            None,
            "",
            None,
            true,
        ),
        (
            r#"{"msg":"HEARTBEAT"} every=30s name=w"#,
            seconds(30),
            "w",
            None,
            false,
        ),
        (r#"{"msg":"HEARTBEAT"} bye"#, None, "", None, true),
        (
            r#"HEARTBEAT {"every":"30s","name":"w","seq":3}"#,
            seconds(30),
            "w",
            Some(3),
            false,
        ),
        (
            "HEARTBEAT (every=30s, name=w, seq=3)",
            seconds(30),
            "w",
            Some(3),
            false,
        ),
        (
            "HEARTBEAT [every=30s name=w[1]]",
            seconds(30),
            "w[1]",
            None,
            false,
        ),
        (
            "HEARTBEAT every='30s', name='a b'",
            seconds(30),
            "a b",
            None,
            false,
        ),
        ("HEARTBEAT every=30s.", seconds(30), "", None, false),
        (
            r#""{\"msg\":\"HEARTBEAT\",\"every\":\"30s\"}""#,
            seconds(30),
            "",
            None,
            false,
        ),
    ] {
        let read = message(text);
        let [beat] = read.beats.as_slice() else {
            panic!("{text}: {read:?}")
        };
        assert_eq!(
            (beat.every, &*beat.name, beat.seq, beat.bye),
            (every, name, seq, bye),
            "{text}"
        );
        assert_eq!(read.rejected, [], "{text}");
    }
}

#[test]
fn bye_counts_behind_keys_and_own_names_alone() {
    for (text, bye) in [
        ("HEARTBEAT bye", true),
        ("HEARTBEAT bye.", true),
        ("HEARTBEAT, bye!", true),
        ("HEARTBEAT name=worker bye", true),
        ("HEARTBEAT bye name=worker", true),
        ("HEARTBEAT 3287e2f4c04d18 iad bye", true),
        ("HEARTBEAT web every=30s pid=7 bye", true),
        ("HEARTBEAT bye\u{1b}(B\u{1b}[m", true),
        ("HEARTBEAT bye=true", true),
        ("HEARTBEAT bye on SIGTERM", true),
        (r#"{"msg":"HEARTBEAT","bye":"true"}"#, true),
        (r#"{"msg":"HEARTBEAT","bye":1}"#, true),
        (r#"{"msg":"HEARTBEAT stops","bye":true}"#, true),
        ("HEARTBEAT goodbye bye=no", false),
        ("HEARTBEAT thread says bye", false),
        ("HEARTBEAT worker bye", false),
        ("HEARTBEAT lost, will retry, bye", false),
        ("HEARTBEAT bye=false", false),
        (r#"{"msg":"HEARTBEAT","bye":"false"}"#, false),
        (r#"{"msg":"HEARTBEAT","bye":null}"#, false),
        (r#"{"msg":"HEARTBEAT","bye":0}"#, false),
        (r#"{"msg":"HEARTBEAT"} and so he says bye"#, false),
    ] {
        let read = message(text);
        let byes: Vec<bool> = read.beats.iter().map(|beat| beat.bye).collect();
        assert_eq!(byes, [bye], "{text}");
    }
}

#[test]
fn a_broken_key_costs_only_itself() {
    let long = format!("HEARTBEAT name={}", "x".repeat(65));
    for (text, why) in [
        ("HEARTBEAT every=0s", Reject::BeatEvery),
        ("HEARTBEAT every=900y", Reject::BeatEvery),
        // Overflows inside the duration crate.
        (
            "HEARTBEAT every=18446744073709551615s1000ms",
            Reject::BeatEvery,
        ),
        ("HEARTBEAT seq=18446744073709551616", Reject::BeatSeq),
        (r#"{"msg":"HEARTBEAT","every":30}"#, Reject::BeatEvery),
        (long.as_str(), Reject::BeatName),
    ] {
        let read = message(text);
        let bare =
            |beat: &Heard| beat.every.is_none() && beat.seq.is_none() && beat.name.is_empty();
        assert!(
            read.beats.len() == 1 && read.beats.iter().all(bare),
            "{text}"
        );
        assert_eq!(read.rejected, [why], "{text}");
    }
}

#[test]
fn one_entry_may_hold_several_beats() {
    let lines = "{\"msg\":\"start\"}\n{\"msg\":\"HEARTBEAT\",\"name\":\"a\"}\n{\"msg\":\"HEARTBEAT\",\"name\":\"b\"}\n";
    let broken = "{\"msg\":\"HEARTBEAT\",\"name\":\"a\"}\n{\"msg\":\"HEART\nHEARTBEAT name=b";
    let pretty = "{\n  \"msg\": \"HEARTBEAT\",\n  \"name\": \"a\"\n}\nHEARTBEAT name=b";
    let text = "HEARTBEAT name=a\r\nmore\r\nHEARTBEAT name=b";
    let joined = "{\"msg\":\"HEARTBEAT\",\"name\":\"a\"}{\"msg\":\"HEARTBEAT\",\"name\":\"b\"}";
    for (text, alone) in [
        (lines, true),
        (broken, true),
        (text, true),
        (joined, true),
        (pretty, false),
    ] {
        let names = |read: &Read| {
            read.beats
                .iter()
                .map(|beat| beat.name.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&payload(&envelope(text))), ["a", "b"], "{text}");
        if alone {
            assert_eq!(names(&payload(text.as_bytes())), ["a", "b"], "{text}");
        }
    }
    // Envelopes, of which one is the platform's own.
    let own = [envelope("HEARTBEAT name=a"), envelope("HEARTBEAT name=b")].concat();
    let proxy = String::from_utf8(envelope("HEARTBEAT name=c")).expect("text");
    let proxy = proxy.replace("\"provider\":\"app\"", "\"provider\":\"proxy\"");
    let own = String::from_utf8(own)
        .expect("text")
        .replace("}{\"event", "}\n{\"event");
    let read = payload(format!("{own}\n{proxy}").as_bytes());
    assert_eq!(read.beats.len(), 2, "{read:?}");

    let many = payload(&envelope(&"HEARTBEAT\n".repeat(1000)));
    assert_eq!(many.beats.len(), 64);
    assert_eq!(many.unrecognised, [Unrecognised::TooMany]);
}

#[test]
fn broken_json_is_rejected_or_shown_as_a_form_that_does_not_count() {
    let read = payload(br#"{"message":"HEARTBEAT"#);
    assert_eq!(
        (read.beats.len(), read.rejected),
        (0, vec![Reject::PayloadJson])
    );
    let read = payload(&envelope(r#"{"msg":"HEARTBEAT","every":"30"#));
    assert_eq!(
        (read.beats.len(), read.unrecognised),
        (0, vec![Unrecognised::BrokenJson])
    );
}
