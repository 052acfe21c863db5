//! `[sink.NAME]`.

use super::{expect, files, set};
use crate::core::sink_rule::{HttpBody, SinkKind};
use crate::decode::rules_file::{print, read_with_env};

#[test]
fn sinks_are_read_with_their_secrets_and_printed_without() {
    let text = "[sink.loki]\ntype = 'loki'\nurl = 'https://logs.example'\nuser = '7'\npassword = '${KEY}'\n\
        [sink.ch]\ntype = 'http'\nurl = 'http://ch:8123/?query=x'\nbody = 'array'\n\
        template = '{\"t\": {time_ms}, \"m\": {message}}'\nheaders = { X-Key = '${KEY}' }\n\
        [sink.otel]\ntype = 'otlp'\nurl = '${KEY}'\n";
    let env = |name: &str| (name == "KEY").then(|| "http://s3cret".to_owned());
    let reading = read_with_env(&files(&[text]), &env);
    assert_eq!(reading.faults, []);
    let set = reading.set.expect("no fault");
    let names: Vec<&str> = set.sinks.iter().map(|sink| sink.name.as_str()).collect();
    assert_eq!(names, ["ch", "loki", "otel"]);
    let template = "{\"t\": {time_ms}, \"m\": {message}}".to_owned();
    let body = HttpBody::Array;
    assert_eq!(set.sinks[0].kind, SinkKind::Http { body, template });
    assert_eq!(set.sinks[0].headers["X-Key"], "http://s3cret");
    assert_eq!(
        set.sinks[1].headers["Authorization"],
        "Basic NzpodHRwOi8vczNjcmV0"
    );
    assert_eq!(set.sinks[2].url, "http://s3cret");
    let printed = print(&set);
    assert!(!printed.contains("s3cret"), "{printed}");
    assert!(!format!("{set:?}").contains("s3cret"));
}

#[test]
fn a_sink_is_printed_as_it_is_read() {
    let text = "[sink.a]\ntype = 'http'\nurl = '${URL}'\nheaders = { k = '${KEY}' }\n[sink.b]\ntype = 'otlp'\nurl = '${URL}'\n";
    let first = set(&[text]);
    let printed = print(&first);
    assert_eq!(set(&[&printed]), first, "{printed}");
}

#[test]
fn a_forward_is_a_downstream_and_printed_as_it_is_read() {
    let text = "[[forward]]\nsink = 'b'\napp = ['web-*', '!web-x']\nmax_delay = '10m'\n[sink.b]\ntype = 'otlp'\nurl = '${URL}'\n\
        [[downstream]]\nname = 'a'\n[downstream.find]\nurl = '${URL}'\nnewest = '/0'\n";
    let first = set(&[text]);
    let names: Vec<&str> = first
        .downstreams
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(names, ["a", "b"]);
    let forward = first.downstreams[1].forward.as_ref().expect("it forwards");
    assert_eq!((forward.sink.as_str(), forward.app.0.len()), ("b", 2));
    let printed = print(&first);
    assert_eq!(set(&[&printed]), first, "{printed}");
}

#[test]
fn faults_of_forwards() {
    expect(
        &[
            "[[forward]]\nsink = 'lokki'\n[[forward]]\nmax_delay = '1s'\n[sink.loki]\ntype = 'otlp'\nurl = 'http://x'\n\
             [[forward]]\nsink = 'loki'\n[[forward]]\nsink = 'loki'\n",
            "forward = 1\n",
        ],
        &[
            "a.toml:2:8: forward.sink: no sink is named \"lokki\", nearest is loki; known are loki",
            "a.toml:3:1: forward.sink: missing; the NAME of a [sink.NAME]",
            "a.toml:4:13: forward.max_delay: \"1s\" is too short; a duration from 10s to 1day",
            "a.toml:11:8: forward.sink: a [[forward]] or [[downstream]] is named \"loki\" already; one forward for each sink",
            "b.toml:1:1: forward: forwards are a list of tables; write [[forward]], with two brackets, above each",
        ],
    );
}

#[test]
fn faults_of_sinks() {
    const URL: &str = "an address is like https://example.com/insert, or ${VARIABLE}";
    const JSON: &str = "JSON in which a placeholder stands for a value, as {\"dt\": {time}, \"message\": {message}}";
    let known = "{payload}, {message}, {level}, {time}, {time_ms}, {arrival}, {subject}, {app}, {region}, {instance}";
    expect(
        &[
            "[sink.a]\n[sink.b]\ntype = 'kafka'\nurl = 'x'\n[sink.'c d']\n[sink.e]\ntype = 'loki'\nurl = 'http://x'\nuser = 'u'\n\
             body = 'array'\n[sink.f]\ntype = 'http'\nurl = 'http://x'\ntemplate = '{mesage}'\n[sink.g]\ntype = 'http'\nurl = 'http://x'\n\
             template = '{\"a\": \"{app}\"}'\nname = 'x'\n",
            "[sink.a]\ntype = 'otlp'\nurl = 'http://x'\n[sink]\nh = 1\n",
            "sink = 3\n",
        ],
        &[
            "a.toml:1:7: sink.a.type: missing; otlp, loki or http",
            &format!("a.toml:1:7: sink.a.url: missing; {URL}"),
            "a.toml:3:8: sink.b.type: unknown value \"kafka\"; allowed are otlp, loki, http",
            &format!("a.toml:4:7: sink.b.url: invalid value; {URL}"),
            "a.toml:5:7: sink.c d: invalid name \"c d\"; a name is letters, digits, - and _, of 1 to 40 characters",
            "a.toml:9:8: sink.e.user: password is missing; both or none",
            "a.toml:10:8: sink.e.body: does not go with this type; it belongs to type = \"http\"",
            &format!(
                "a.toml:14:12: sink.f.template: unknown placeholder \"{{mesage}}\", nearest is message; known are {known}"
            ),
            &format!(
                "a.toml:18:12: sink.g.template: no JSON once it is filled in: expected `,` or `}}` at line 1 column 9; {JSON}"
            ),
            "a.toml:19:1: sink.g.name: unknown key; known are type, url, user, password, headers, body, template",
            "b.toml:1:7: sink.a: duplicate name; the first is in a.toml:1; each sink has a name of its own",
            "b.toml:5:1: sink.h: a sink is a table; write [sink.NAME] and its keys below",
            "c.toml:1:1: sink: a sink is a table; write [sink.NAME] and its keys below",
        ],
    );
}
