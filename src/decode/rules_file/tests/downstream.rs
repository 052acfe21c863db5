//! `[[downstream]]`: presets in the shape of their services, and what is wrong with a query.

use super::super::{print, read, read_with_env};
use crate::core::downstream::rule::{DownstreamRule, Proof};
use crate::core::time::Wall;
use crate::decode::downstream::template::{Values, fill};

fn files(text: &str) -> Vec<(String, Vec<u8>)> {
    vec![("a.toml".to_owned(), text.as_bytes().to_vec())]
}

fn downstream(find: &str) -> DownstreamRule {
    let text = format!("[[downstream]]\nname = 'x'\n[downstream.find]\n{find}\n");
    let env = |name: &str| Some(format!("s3cret-{name}"));
    let reading = read_with_env(&files(&text), &env);
    assert_eq!(reading.faults, [], "{find}");
    let set = reading.set.expect("no fault");
    set.downstreams.into_iter().next().expect("one")
}

fn faults(text: &str) -> Vec<String> {
    let reading = read(&files(text));
    reading.faults.iter().map(ToString::to_string).collect()
}

/// URL, body and headers of a query in that preset, filled in.
fn query(find: &str) -> (String, String, Vec<String>) {
    let rule = downstream(find);
    let values = Values {
        nonce: "abc".to_owned(),
        since: Wall::from_nanos(1_700_000_000_000_000_000),
    };
    let headers = rule.find.headers.iter();
    let headers = headers.map(|(name, value)| format!("{name}: {value}"));
    let body = rule.find.body.as_deref().unwrap_or_default();
    (
        fill(&rule.find.url, &values),
        fill(body, &values),
        headers.collect(),
    )
}

#[test]
fn presets_ask_in_the_shape_of_their_services() {
    let (url, body, headers) = query(
        "preset = 'betterstack'\nurl = 'https://eu.example.com'\nuser = 'u'\npassword = '${P}'\nfrom = 't1_logs'",
    );
    assert_eq!(url, "https://eu.example.com");
    assert_eq!(
        body,
        "SELECT dt, raw FROM remote(t1_logs) WHERE dt >= toDateTime(1700000000) AND raw LIKE '%abc%' \
         ORDER BY dt DESC LIMIT 1000 FORMAT JSONEachRow"
    );
    assert_eq!(headers, ["Authorization: Basic dTpzM2NyZXQtUA=="]);

    let (url, body, headers) =
        query("preset = 'loki'\nurl = 'https://loki/'\nuser = '1'\npassword = '2'");
    assert_eq!(
        url,
        "https://loki/loki/api/v1/query_range?query=%7Bfly_app_name%3D%7E%22.%2B%22%7D+%7C%3D+%22abc%22\
         &start=1700000000000000000&limit=1000&direction=backward"
    );
    assert_eq!((body.as_str(), headers.len()), ("", 1));

    for (preset, scheme) in [("elasticsearch", "ApiKey"), ("opensearch", "Bearer")] {
        let (url, body, headers) = query(&format!(
            "preset = '{preset}'\nurl = 'https://es:9200'\ntoken = 'k'\nfrom = 'logs-*'"
        ));
        assert_eq!(url, "https://es:9200/logs-*/_search");
        let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(
            body["query"]["bool"]["filter"][1]["match_phrase"]["message"],
            "abc"
        );
        let since = &body["query"]["bool"]["filter"][0]["range"]["@timestamp"]["gte"];
        assert_eq!(since, "2023-11-14T22:13:20Z");
        assert_eq!(body["sort"][0]["@timestamp"]["order"], "desc");
        assert_eq!(headers, [format!("Authorization: {scheme} k")]);
    }

    let (url, body, headers) = query(
        "preset = 'clickhouse'\nurl = 'http://ch:8123'\nfrom = 'logs.entries'\nuser = 'u'\npassword = 'p'\ntime = 'at'",
    );
    assert_eq!(url, "http://ch:8123/");
    assert_eq!(
        body,
        "SELECT message FROM logs.entries WHERE at >= toDateTime(1700000000) AND position(message, 'abc') > 0 \
         ORDER BY at DESC LIMIT 1000 FORMAT JSONEachRow"
    );
    assert_eq!(headers, ["X-ClickHouse-Key: p", "X-ClickHouse-User: u"]);

    let (url, body, headers) = query("preset = 'datadog'\ntoken = '${A}'\napp_token = 'b'");
    assert_eq!(url, "https://api.datadoghq.com/api/v2/logs/events/search");
    let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(body["filter"]["query"], "abc");
    assert_eq!(
        (&body["sort"], &body["page"]["limit"]),
        (&"-timestamp".into(), &1000.into())
    );
    assert_eq!(headers, ["DD-API-KEY: s3cret-A", "DD-APPLICATION-KEY: b"]);

    let (url, body, headers) = query("preset = 'axiom'\ntoken = 't'\nfrom = 'fly'");
    assert_eq!(url, "https://api.axiom.co/v1/datasets/_apl?format=tabular");
    let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(
        body["apl"],
        "['fly'] | where ['message'] contains 'abc' | sort by _time desc | limit 1000"
    );
    assert_eq!(
        (&body["startTime"], headers),
        (
            &"2023-11-14T22:13:20Z".into(),
            vec!["Authorization: Bearer t".to_owned()]
        )
    );

    let (url, _, headers) = query("preset = 'papertrail'\ntoken = 't'");
    assert_eq!(
        url,
        "https://papertrailapp.com/api/v1/events/search.json?q=abc&min_time=1700000000&limit=1000"
    );
    assert_eq!(headers, ["X-Papertrail-Token: t"]);
}

#[test]
fn a_query_of_ones_own_is_taken_whole_and_shown_without_secrets() {
    let rule = downstream(
        "url = 'https://x/?q={nonce}'\nbody = '{\"q\":\"{nonce}\"}'\nheaders = { X-Key = '${KEY}' }\ntoken = 't'",
    );
    assert_eq!(rule.find.headers.len(), 2);
    assert!(rule.secrets().contains(&"s3cret-KEY".to_owned()));
    let newest = downstream("url = 'http://p/api'\nnewest = '/data/0'\napp = 'web'");
    assert_eq!(
        newest.find.proof,
        Proof::Newest {
            pointer: "/data/0".to_owned(),
            app: Some("web".to_owned())
        }
    );
    let text = "[[downstream]]\nname = 'x'\n[downstream.find]\nurl = '${URL}'\ntoken = 'abcdef'\nbody = '{nonce}'\n\
        [downstream.shipper]\nmetrics = 'http://s/metrics'\nin = 'a{b=\"c\"}'\nout = 'd'\n";
    let set = read(&files(text)).set.expect("no fault");
    let shown = print(&set);
    assert!(!shown.contains("abcdef"), "{shown}");
    assert!(
        shown.contains("url          = \"${URL}\"")
            && shown.contains(r#"in           = "a{b=\"c\"}""#),
        "{shown}"
    );
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let head = "[[downstream]]\nname = 'x'\n";
    for (text, expected) in [
        ("[[downstream]]\n".to_owned(), "downstream.find: missing"),
        (
            format!("{head}[downstream.find]\n"),
            "downstream.find.url: missing",
        ),
        (
            format!("{head}[downstream.find]\nurl = 'http://x/'\n"),
            "neither url nor body has {nonce}",
        ),
        (
            format!("{head}[downstream.find]\nurl = 'http://x/{{nonc}}'\n"),
            "unknown placeholder \"{nonc}\", nearest is nonce",
        ),
        (
            format!("{head}[downstream.find]\npreset = 'loko'\n"),
            "nearest is loki",
        ),
        (
            format!("{head}[downstream.find]\npreset = 'loki'\n"),
            "downstream.find.url: missing; preset loki needs it",
        ),
        (
            format!(
                "{head}[downstream.find]\npreset = 'datadog'\ntoken = 'a'\napp_token = 'b'\nfrom = 'x'\n"
            ),
            "from: has no effect here",
        ),
        (
            format!("{head}[downstream.find]\nurl = 'http://x/{{nonce}}'\nuser = 'a'\n"),
            "password is missing",
        ),
        (
            format!("{head}[downstream.find]\nurl = 'http://x/'\nnewest = 'a'\n"),
            "invalid pointer",
        ),
        (
            format!("{head}on_stall = 'restart'\n[downstream.find]\nurl = 'http://x/{{nonce}}'\n"),
            "restart needs the shipper's app",
        ),
        (
            format!("{head}every = '100ms'\n[downstream.find]\nurl = 'http://x/{{nonce}}'\n"),
            "downstream.every: \"100ms\" is too short",
        ),
        (
            format!(
                "{head}[downstream.find]\nurl = 'http://x/{{nonce}}'\n[downstream.shipper]\nmetrics = 'http://x'\nin = 'a b'\nout = 'c'\n"
            ),
            "invalid counter \"a b\"",
        ),
        (
            format!("[[rule]]\nname = 'x'\n{head}[downstream.find]\nurl = 'http://x/{{nonce}}'\n"),
            "a [[rule]] is named \"x\" too",
        ),
        (
            "[downstream]\nname = 'x'\n".to_owned(),
            "downstreams are a list of tables",
        ),
    ] {
        let found = faults(&text);
        assert!(
            found.iter().any(|fault| fault.contains(expected)),
            "{expected}: {found:#?}"
        );
    }
}
