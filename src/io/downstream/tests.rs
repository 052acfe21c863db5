//! Presets against a server that answers as each service documents: what is asked, what is found in the answer, and that an
//! answer of another shape blames nobody.

use super::*;
use crate::core::downstream::rule::DownstreamRule;
use crate::core::downstream::watch::{DownstreamState, UNSEEN_AFTER, Watch};
use crate::core::time::{Mono, Wall};
use crate::decode::rules_file::read;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const NONCE: &str = "00ff00ff00ff00ff";
/// The canaries in an answer, as entries in JSON within JSON, which is how log shippers store them.
const STORED: &str = r#"{\"event\":{\"provider\":\"app\"},\"message\":\"lastbeat-canary nonce=00ff00ff00ff00ff seq=7\"}"#;
const PLAIN: &str = "lastbeat-canary nonce=00ff00ff00ff00ff seq=8";

/// A service, as it documents its search.
struct Service {
    preset: &'static str,
    /// Keys of the rule beside `preset` and `url`.
    keys: &'static str,
    /// Method and path.
    asked: &'static str,
    headers: &'static [&'static str],
    /// JSON pointers into the body with their values, or a text that is the body.
    body: Body,
    /// An answer with `STORED` and `PLAIN`.
    found: &'static str,
    /// An answer without entries.
    empty: &'static str,
    /// A search that the service gave up, with nothing found; empty: it says nothing of that kind.
    cut: &'static str,
}

enum Body {
    None,
    Text(&'static str),
    Json(&'static [(&'static str, &'static str)]),
}

const ELASTIC: Body = Body::Json(&[
    ("/size", "1000"),
    ("/sort/0/@timestamp/order", r#""desc""#),
    (
        "/query/bool/filter/0/range/@timestamp/gte",
        r#""2023-11-14T22:13:20Z""#,
    ),
    (
        "/query/bool/filter/1/match_phrase/message",
        r#""00ff00ff00ff00ff""#,
    ),
]);
const ELASTIC_FOUND: &str = r#"{"took":5,"timed_out":false,"_shards":{"total":1,"successful":1,"skipped":0,"failed":0},"hits":{"total":{"value":2,"relation":"eq"},"max_score":null,"hits":[{"_index":"logs-1","_id":"a","_score":null,"_source":{"message":"PLAIN"},"sort":[1700000001000]},{"_index":"logs-1","_id":"b","_score":null,"_source":{"message":"STORED"},"sort":[1700000000000]}]}}"#;
const ELASTIC_EMPTY: &str = r#"{"took":1,"timed_out":false,"_shards":{"total":1,"successful":1,"skipped":0,"failed":0},"hits":{"total":{"value":0,"relation":"eq"},"max_score":null,"hits":[]}}"#;
const ROWS_FOUND: &str = "{\"dt\":\"2023-11-14 22:13:21\",\"raw\":\"PLAIN\"}\n{\"dt\":\"2023-11-14 22:13:20\",\"raw\":\"STORED\"}\n";

const SERVICES: &[Service] = &[
    Service {
        preset: "loki",
        keys: "user = '7'\npassword = 'k'\nfrom = '{fly_app_name=\"web\"}'",
        asked: "GET /loki/api/v1/query_range?query=%7Bfly_app_name%3D%22web%22%7D+%7C%3D+%2200ff00ff00ff00ff%22&start=1700000000000000000&limit=1000&direction=backward",
        headers: &["authorization: Basic Nzpr"],
        body: Body::None,
        found: r#"{"status":"success","data":{"resultType":"streams","result":[{"stream":{"fly_app_name":"web"},"values":[["1700000001000000000","PLAIN"],["1700000000000000000","STORED"]]}],"stats":{"summary":{"bytesProcessedPerSecond":1}}}}"#,
        empty: r#"{"status":"success","data":{"resultType":"streams","result":[],"stats":{}}}"#,
        cut: r#"{"status":"error","data":{"result":[]}}"#,
    },
    Service {
        preset: "betterstack",
        keys: "user = 'u'\npassword = 'p'\nfrom = 't1_logs'",
        asked: "POST /",
        headers: &["authorization: Basic dTpw", "content-type: text/plain"],
        body: Body::Text(
            "SELECT dt, raw FROM remote(t1_logs) WHERE dt >= toDateTime(1700000000) AND raw LIKE '%00ff00ff00ff00ff%' \
             ORDER BY dt DESC LIMIT 1000 FORMAT JSONEachRow",
        ),
        found: ROWS_FOUND,
        empty: "",
        cut: "{\"exception\": \"Code: 159. DB::Exception: Timeout exceeded. (TIMEOUT_EXCEEDED)\"}\n",
    },
    Service {
        preset: "clickhouse",
        keys: "user = 'u'\npassword = 'p'\nfrom = 'logs'",
        asked: "POST /",
        headers: &[
            "x-clickhouse-user: u",
            "x-clickhouse-key: p",
            "content-type: text/plain",
        ],
        body: Body::Text(
            "SELECT message FROM logs WHERE timestamp >= toDateTime(1700000000) AND position(message, '00ff00ff00ff00ff') > 0 \
             ORDER BY timestamp DESC LIMIT 1000 FORMAT JSONEachRow",
        ),
        found: ROWS_FOUND,
        empty: "\n",
        cut: "Code: 241. DB::Exception: Memory limit (for query) exceeded. (MEMORY_LIMIT_EXCEEDED)\n",
    },
    Service {
        preset: "elasticsearch",
        keys: "token = 'k'\nfrom = 'logs-*'",
        asked: "POST /logs-*/_search",
        headers: &["authorization: ApiKey k", "content-type: application/json"],
        body: ELASTIC,
        found: ELASTIC_FOUND,
        empty: ELASTIC_EMPTY,
        cut: r#"{"took":1,"timed_out":true,"_shards":{"total":1,"failed":0},"hits":{"hits":[]}}"#,
    },
    Service {
        preset: "opensearch",
        keys: "user = 'u'\npassword = 'p'\nfrom = 'logs-*'",
        asked: "POST /logs-*/_search",
        headers: &[
            "authorization: Basic dTpw",
            "content-type: application/json",
        ],
        body: ELASTIC,
        found: ELASTIC_FOUND,
        empty: ELASTIC_EMPTY,
        cut: r#"{"took":1,"timed_out":false,"_shards":{"total":2,"failed":1},"hits":{"hits":[]}}"#,
    },
    Service {
        preset: "datadog",
        keys: "token = 'a'\napp_token = 'b'",
        asked: "POST /api/v2/logs/events/search",
        headers: &[
            "dd-api-key: a",
            "dd-application-key: b",
            "content-type: application/json",
        ],
        body: Body::Json(&[
            ("/filter/query", r#""00ff00ff00ff00ff""#),
            ("/filter/from", r#""2023-11-14T22:13:20Z""#),
            ("/filter/to", r#""now""#),
            ("/sort", r#""-timestamp""#),
            ("/page/limit", "1000"),
        ]),
        found: r#"{"data":[{"id":"A","type":"log","attributes":{"service":"web","message":"PLAIN","timestamp":"2023-11-14T22:13:21Z"}},{"id":"B","type":"log","attributes":{"message":"STORED"}}],"meta":{"elapsed":132,"request_id":"r","status":"done"}}"#,
        empty: r#"{"data":[],"meta":{"elapsed":13,"request_id":"r","status":"done"}}"#,
        cut: r#"{"data":[],"meta":{"elapsed":9000,"request_id":"r","status":"timeout"}}"#,
    },
    Service {
        preset: "axiom",
        keys: "token = 't'\nfrom = 'fly'",
        asked: "POST /v1/datasets/_apl?format=tabular",
        headers: &["authorization: Bearer t", "content-type: application/json"],
        body: Body::Json(&[
            (
                "/apl",
                r#""['fly'] | where ['message'] contains '00ff00ff00ff00ff' | sort by _time desc | limit 1000""#,
            ),
            ("/startTime", r#""2023-11-14T22:13:20Z""#),
        ]),
        found: r#"{"format":"tabular","status":{"elapsedTime":260650,"rowsMatched":2,"isPartial":false},"tables":[{"name":"0","sources":[{"name":"fly"}],"fields":[{"name":"_time","type":"datetime"},{"name":"message","type":"string"}],"order":[{"field":"_time","desc":true}],"columns":[["2023-11-14T22:13:21Z","2023-11-14T22:13:20Z"],["PLAIN","STORED"]]}]}"#,
        empty: r#"{"format":"tabular","status":{"elapsedTime":2,"rowsMatched":0,"isPartial":false},"tables":[{"name":"0","fields":[],"columns":[]}]}"#,
        cut: r#"{"format":"tabular","status":{"isPartial":true},"tables":[]}"#,
    },
    Service {
        preset: "papertrail",
        keys: "token = 't'",
        asked: "GET /api/v1/events/search.json?q=00ff00ff00ff00ff&min_time=1700000000&limit=1000",
        headers: &["x-papertrail-token: t"],
        body: Body::None,
        found: r#"{"min_id":"7711561783320576","max_id":"7711582041804800","events":[{"id":"7711561783320576","received_at":"2023-11-14T22:13:20Z","hostname":"web","program":"app","message":"STORED"},{"id":"7711582041804800","message":"PLAIN"}],"reached_beginning":true}"#,
        empty: r#"{"min_id":"0","max_id":"1","events":[],"reached_beginning":true}"#,
        cut: r#"{"min_id":"0","max_id":"1","events":[],"reached_time_limit":true}"#,
    },
];
/// Answers with 200 that are none of any service: of a gateway's sign-in page, of an error in JSON that repeats the query,
/// and of half a body.
const FOREIGN: &[&str] = &[
    "<!doctype html><title>Sign in</title><p>00ff00ff00ff00ff",
    r#"{"error":{"type":"parse_error","query":"00ff00ff00ff00ff"}}"#,
    r#"{"data":{"result":[{"#,
];

/// Answers each of these once, in order; gives the address, and the requests as they are to come.
async fn server(answers: Vec<String>) -> (String, tokio::task::JoinHandle<Vec<(String, String)>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let served = tokio::spawn(async move {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut peer, _) = listener.accept().await.expect("a connection");
            asked.push(request_of(&mut peer).await);
            let length = answer.len();
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
            let answer = format!("{head}{answer}");
            peer.write_all(answer.as_bytes()).await.expect("it reads");
        }
        asked
    });
    (url, served)
}

/// Head and body of a request.
async fn request_of(peer: &mut tokio::net::TcpStream) -> (String, String) {
    let mut read = Vec::new();
    loop {
        assert_ne!(peer.read_buf(&mut read).await.expect("a request"), 0);
        let text = String::from_utf8_lossy(&read);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let mut lines = head.lines();
        let length = lines.find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.parse().expect("a number"));
        if body.len() >= length {
            return (head.to_owned(), body.to_owned());
        }
    }
}

fn rule(service: &Service, url: &str) -> DownstreamRule {
    let Service { preset, keys, .. } = service;
    let text = format!(
        "[[downstream]]\nname = 'x'\nmax_delay = '5s'\nevery = '1s'\n[downstream.find]\npreset = '{preset}'\nurl = '{url}'\n{keys}\n"
    );
    let reading = read(&[("a.toml".to_owned(), text.into_bytes())]);
    assert_eq!(reading.faults, [], "{preset}");
    let set = reading.set.expect("no fault");
    set.downstreams.into_iter().next().expect("one")
}

fn values() -> Values {
    Values {
        nonce: NONCE.to_owned(),
        since: Wall::from_nanos(1_700_000_000_000_000_000),
    }
}

fn check_request(service: &Service, head: &str, body: &str) {
    let preset = service.preset;
    let mut lines = head.lines();
    let line = lines.next().unwrap_or_default();
    assert_eq!(line, format!("{} HTTP/1.1", service.asked), "{preset}");
    for header in service.headers {
        assert!(
            lines.clone().any(|line| line == *header),
            "{preset}: {head}"
        );
    }
    match service.body {
        Body::None => assert_eq!(body, "", "{preset}"),
        Body::Text(text) => assert_eq!(body, text, "{preset}"),
        Body::Json(parts) => {
            let body: Value = serde_json::from_str(body).expect(preset);
            for (pointer, wanted) in parts {
                let wanted: Value = serde_json::from_str(wanted).expect(pointer);
                assert_eq!(body.pointer(pointer), Some(&wanted), "{preset} {pointer}");
            }
        }
    }
}

#[tokio::test]
async fn each_preset_asks_and_reads_as_its_service_documents() {
    let client = DownstreamClient::default();
    for service in SERVICES {
        let preset = service.preset;
        let found = service.found.replace("STORED", STORED);
        let found = found.replace("PLAIN", PLAIN);
        let (url, served) = server(vec![found, service.empty.to_owned()]).await;
        let rule = rule(service, &url);
        let answer = client.query(&rule.find, &values()).await;
        let Ok(Answer::Canaries { mut numbers, whole }) = answer else {
            panic!("{preset}: {answer:?}");
        };
        numbers.sort_unstable();
        assert_eq!((numbers, whole), (vec![7, 8], true), "{preset}");
        let answer = client.query(&rule.find, &values()).await;
        assert!(
            matches!(&answer, Ok(Answer::Canaries { numbers, whole: true }) if numbers.is_empty()),
            "{preset}: {answer:?}"
        );
        for (head, body) in served.await.expect("no panic") {
            check_request(service, &head, &body);
        }
    }
}

#[tokio::test]
async fn an_answer_of_another_shape_is_unseen_and_never_a_stall() {
    let client = DownstreamClient::default();
    for service in SERVICES {
        let preset = service.preset;
        let mut answers: Vec<String> = FOREIGN.iter().map(|text| (*text).to_owned()).collect();
        answers.push(service.cut.to_owned());
        // The start of an answer that is longer than what is read of it.
        answers.push(" ".repeat(MAX_ANSWER + 1));
        let (url, served) = server(answers.clone()).await;
        let rule = rule(service, &url);
        for body in answers {
            let start: String = body.chars().take(99).collect();
            let mut watch = Watch::new(rule.clone(), Mono::from_nanos(0));
            // One canary arrived, and none of those that follow.
            let mut states = Vec::new();
            let answer = client.query(&rule.find, &values()).await;
            let fault = answer.expect_err(preset);
            assert_eq!(fault.label(), "unreadable", "{preset}: {fault} {start}");
            for second in 0..UNSEEN_AFTER.as_secs() + 9 {
                let at = Mono::from_nanos(second * 1_000_000_000);
                let sent = Wall::from_nanos(second * 1_000_000_000);
                watch.entered(second, sent, at);
                watch.answered(
                    at,
                    match second {
                        0..3 => Answer::Canaries {
                            numbers: (0..=second).collect(),
                            whole: true,
                        },
                        _ => Answer::Failed(fault.to_string()),
                    },
                );
                watch.evaluate(at, true);
                if states.last() != Some(&watch.state) {
                    states.push(watch.state);
                }
            }
            let wanted = [DownstreamState::Ok, DownstreamState::Unseen];
            assert_eq!(states, wanted, "{preset}: {start}");
        }
        served.await.expect("no panic");
    }
}
