//! Lines as loggers and collectors write them by their own defaults.

use super::{envelope, payload};
use std::time::Duration;

/// `HEARTBEAT every=30s name=w seq=7`, as each writes it, its keys in the text.
const TEXT: [(&str, &str); 33] = [
    ("echo", "@"),
    ("systemd", "Jan  1 00:00:00 host app[123]: @"),
    (
        "syslog, RFC 5424",
        "<14>1 2026-01-01T00:00:00Z host app 123 - - @",
    ),
    ("foreman", "12:00:01 heartbeat.1   | @"),
    ("Docker Compose", "web-1  | @"),
    ("PM2", "0|app  | @"),
    (
        "Heroku",
        "2026-01-01T00:00:00.000000+00:00 app[worker.1]: @",
    ),
    (
        "Kubernetes CRI",
        "2026-01-01T00:00:00.000000000Z stdout F @",
    ),
    ("Python logging", "INFO:root:@"),
    (
        "Python logging, with time",
        "2026-01-01 00:00:00,123 - root - INFO - @",
    ),
    (
        "loguru",
        "2026-01-01 00:00:00.123 | INFO     | __main__:beat:12 - @",
    ),
    ("structlog", "2026-01-01 00:00:00 [info     ] @"),
    ("Go log", "2026/01/01 00:00:00 @"),
    ("Go slog", "2026/01/01 00:00:00 INFO @"),
    (
        "Go slog text",
        "time=2026-01-01T00:00:00Z level=INFO msg=\"@\"",
    ),
    ("logrus on a terminal", "INFO[0001] @"),
    (
        "zap console",
        "2026-01-01T00:00:00.000Z\tINFO\tbeat\tmain.go:12\t@",
    ),
    ("zerolog console", "12:00PM INF @"),
    ("glog", "I0102 15:04:05.000000       1 main.go:12] @"),
    ("env_logger", "[2026-01-01T00:00:00Z INFO  app] @"),
    ("tracing", "2026-01-01T00:00:00.000000Z  INFO app::beat: @"),
    ("Log4j", "12:00:01.123 [main] INFO  com.acme.Worker - @"),
    (
        "Spring Boot",
        "2026-01-01T00:00:00.123Z  INFO 1 --- [           main] c.a.Worker      : @",
    ),
    ("SLF4J simple", "[main] INFO com.acme.Worker - @"),
    (
        "Ruby Logger",
        "I, [2026-01-01T00:00:00.123456 #1234]  INFO -- : @",
    ),
    ("Elixir Logger", "00:00:00.123 [info] @"),
    ("Serilog console", "[12:00:01 INF] @"),
    (".NET console", "info: Worker[0]\n      @"),
    ("Monolog", "[2026-01-01T00:00:00+00:00] app.INFO: @ [] []"),
    ("winston simple", "info: @"),
    ("pino-pretty", "[12:00:01.123] INFO (1234): @"),
    ("debug", "  app:beat @ +0ms"),
    (
        "Docker",
        "{\"log\":\"@\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-01T00:00:00Z\"}",
    ),
];

/// The same, its keys in JSON.
const JSON: [(&str, &str); 22] = [
    (
        "pino",
        r#"{"level":30,"time":1,"pid":1,"hostname":"h","every":"30s","name":"w","seq":7,"msg":"HEARTBEAT"}"#,
    ),
    (
        "bunyan",
        r#"{"name":"w","hostname":"h","pid":1,"level":30,"every":"30s","seq":7,"msg":"HEARTBEAT","v":0}"#,
    ),
    (
        "winston",
        r#"{"every":"30s","level":"info","message":"HEARTBEAT","name":"w","seq":7}"#,
    ),
    (
        "zap",
        r#"{"level":"info","ts":1.5,"caller":"a/b.go:1","msg":"HEARTBEAT","every":"30s","name":"w","seq":7}"#,
    ),
    (
        "zap console",
        "2026-01-01T00:00:00.000Z\tINFO\tmain.go:12\tHEARTBEAT\t{\"every\": \"30s\", \"name\": \"w\", \"seq\": 7}",
    ),
    (
        "zerolog",
        r#"{"level":"info","every":"30s","name":"w","seq":7,"message":"HEARTBEAT"}"#,
    ),
    (
        "slog",
        r#"{"time":"2026-01-01T00:00:00Z","level":"INFO","msg":"HEARTBEAT","every":"30s","name":"w","seq":7}"#,
    ),
    (
        "structlog",
        r#"{"every":"30s","name":"w","seq":7,"event":"HEARTBEAT","level":"info"}"#,
    ),
    (
        "structlog, key=value",
        "every='30s' name='w' seq=7 event='HEARTBEAT'",
    ),
    (
        "structlog, logfmt",
        "every=30s name=w seq=7 event=HEARTBEAT",
    ),
    (
        "loguru",
        r#"{"text":"2026-01-01 00:00:00.123 | INFO     | __main__:beat:12 - HEARTBEAT every=30s name=w seq=7\n","record":{"message":"HEARTBEAT every=30s name=w seq=7","name":"__main__","extra":{}}}"#,
    ),
    (
        "loguru, extra",
        r#"{"record":{"message":"HEARTBEAT","name":"__main__","extra":{"every":"30s","name":"w","seq":7}}}"#,
    ),
    (
        "tracing",
        r#"{"timestamp":"2026-01-01T00:00:00Z","level":"INFO","fields":{"message":"HEARTBEAT","every":"30s","name":"w","seq":7},"target":"app"}"#,
    ),
    (
        "Serilog",
        r#"{"@t":"2026-01-01T00:00:00Z","@mt":"HEARTBEAT every={Every} name={Name} seq={Seq}","Every":"30s","Name":"w","Seq":7}"#,
    ),
    (
        "Serilog, rendered",
        r#"{"@t":"2026-01-01T00:00:00Z","@m":"HEARTBEAT","Every":"30s","Name":"w","Seq":7}"#,
    ),
    (
        ".NET",
        r#"{"EventId":0,"LogLevel":"Information","Category":"app","Message":"HEARTBEAT every=30s name=w seq=7","State":{"Message":"x"}}"#,
    ),
    (
        "Monolog",
        r#"{"message":"HEARTBEAT","context":{"every":"30s","name":"w","seq":7},"level":200,"extra":{}}"#,
    ),
    (
        "GELF",
        r#"{"version":"1.1","host":"h","short_message":"HEARTBEAT","_every":"30s","_name":"w","_seq":7}"#,
    ),
    (
        "OpenTelemetry",
        r#"{"body":"HEARTBEAT","attributes":{"every":"30s","name":"w","seq":7}}"#,
    ),
    (
        "logstash",
        r#"{"@timestamp":"2026-01-01T00:00:00Z","message":"HEARTBEAT","every":"30s","name":"w","seq":7}"#,
    ),
    (
        "Docker around pino",
        r#"{"log":"{\"msg\":\"HEARTBEAT\",\"every\":\"30s\",\"name\":\"w\",\"seq\":7}\n","stream":"stdout"}"#,
    ),
    (
        "foreman around pino",
        r#"12:00:01 web.1 | {"msg":"HEARTBEAT","every":"30s","name":"w","seq":7}"#,
    ),
];

#[test]
fn a_beat_of_each_known_logger_is_found_with_its_keys() {
    let beat = "HEARTBEAT every=30s name=w seq=7";
    let texts = TEXT.map(|(logger, line)| (logger, line.replace('@', beat)));
    // Prefixes count by themselves, also where no key follows.
    let bare = TEXT.map(|(logger, line)| (logger, line.replace('@', "HEARTBEAT of a worker")));
    let json = JSON.map(|(logger, line)| (logger, line.to_owned()));
    for (logger, line) in texts.iter().chain(&json) {
        for bytes in [envelope(line), line.clone().into_bytes()] {
            let read = payload(&bytes);
            let [beat] = read.beats.as_slice() else {
                panic!("{logger}: {line}: {read:?}")
            };
            let keys = (beat.every, &*beat.name, beat.seq, beat.bye);
            let expected = (Some(Duration::from_secs(30)), "w", Some(7), false);
            assert_eq!(keys, expected, "{logger}: {line}");
            assert_eq!(read.rejected, [], "{logger}: {line}");
        }
    }
    for (logger, line) in bare {
        let counts = logger != "debug";
        let read = payload(&envelope(&line));
        assert_eq!(read.beats.len(), usize::from(counts), "{logger}: {line}");
    }
}

#[test]
fn a_bye_of_each_known_logger_is_found() {
    for (logger, line) in TEXT {
        if logger == "debug" {
            continue;
        }
        let read = payload(&envelope(&line.replace('@', "HEARTBEAT name=w bye")));
        assert!(
            read.beats.len() == 1 && read.beats[0].bye,
            "{logger}: {read:?}"
        );
    }
}
