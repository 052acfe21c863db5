//! A refill of a sink from the archive: everything, in order, and what the sink refuses is kept.

use crate::support::http::Server;
use crate::support::lastbeat::Setup;
use crate::support::nats::{Nats, Peer};
use crate::support::receiver::Receiver;
use crate::support::wait::{wait_until, wall};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);
const RANGE: [&str; 4] = [
    "--from",
    "2026-01-31T12:00:00Z",
    "--until",
    "2026-01-31T13:00:00Z",
];
/// Entries of an archive: with payloads of 1,200 bytes they are several batches.
const ENTRIES: usize = 3_000;

/// A setup whose archive holds that many entries of two apps within the range, and others before and after.
fn setup(sink: &str, entries: usize) -> (Setup, PathBuf) {
    let setup = Setup::new().rules("sinks.toml", sink);
    let folder = setup.rules_folder().with_file_name("archive");
    std::fs::create_dir(&folder).expect("the folder is fresh");
    let mut lines = String::from("# start 2026-01-31T11:59:00.000000Z 0.1.0\n");
    let mut line = |at: &str, number: usize| {
        let app = if number.is_multiple_of(2) {
            "web"
        } else {
            "api"
        };
        let payload = payload(number);
        writeln!(lines, "2026-01-31T{at}Z logs.{app}.sjc.1a {payload}").expect("memory");
    };
    line("11:59:59.999999", 900_000);
    for number in 0..entries {
        let (minute, micros) = (number / 100 % 60, number % 100);
        line(&format!("12:{minute:02}:00.{micros:06}"), number);
    }
    line("13:00:00.000000", 900_002);
    lines.push_str("# lost 2026-01-31T12:59:59.000000Z 42\n");
    let file = folder.join("2026-01-31T12-00-00Z.log");
    std::fs::write(file, lines).expect("it can be written");
    let archive = folder.to_string_lossy().into_owned();
    (setup.env("LASTBEAT_ARCHIVE", &archive), folder)
}

fn payload(number: usize) -> Value {
    let filling = "x".repeat(1_100);
    json!({"message": format!("number {number}"), "filling": filling})
}

/// Runs the command to its end: the exit code and the lines that it printed.
fn refill(setup: &Setup, more: &[&str]) -> (i32, String) {
    let arguments = [&["refill"], &RANGE[..], more].concat();
    let mut child = setup.command(&arguments);
    let code = child.wait_end(SOON);
    (code, child.lines().join("\n"))
}

/// The messages that the receiver took with 200, in order.
fn taken(receiver: &Receiver) -> Vec<String> {
    let bodies = receiver.taken().into_iter();
    let bodies = bodies.filter(|taken| taken.answered == 200);
    bodies
        .flat_map(|taken| {
            let lines = taken.body.lines().map(|line| {
                let entry: Value = serde_json::from_str(line).expect("a line of JSON");
                entry["message"].as_str().unwrap_or_default().to_owned()
            });
            lines.collect::<Vec<_>>()
        })
        .collect()
}

fn files(folder: &PathBuf, ending: &str) -> Vec<PathBuf> {
    let all = std::fs::read_dir(folder).expect("the folder is there");
    let paths = all.map(|entry| entry.expect("an entry").path());
    paths
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .collect()
}

#[test]
fn a_refill_that_was_ended_goes_on_and_ships_each_entry_once_in_order() {
    let receiver = Receiver::start();
    let url = receiver.url("/insert");
    let sink = format!("[sink.store]\ntype = 'http'\nurl = '{url}'\n");
    let (setup, folder) = setup(&sink, ENTRIES);
    // The second batch is taken late, and at the third the credentials are wrong.
    receiver.answer_next(&[200, 503, 200, 401]);
    let (code, said) = refill(&setup, &["--sink", "store"]);
    assert_eq!(code, 1, "{said}");
    for expected in [
        "503 Service Unavailable",
        "401 Unauthorized",
        "to go on: lastbeat refill --from 2026-01-31T12:00:00Z --until 2026-01-31T13:00:00Z --sink store",
    ] {
        assert!(said.contains(expected), "{expected} in {said}");
    }
    let first = taken(&receiver).len();
    assert!(0 < first && first < ENTRIES, "{first}");
    assert_eq!(files(&folder, ".cursor").len(), 1);

    let (code, said) = refill(&setup, &["--sink", "store"]);
    assert_eq!(code, 0, "{said}");
    let expected: Vec<String> = (0..ENTRIES)
        .map(|number| format!("number {number}"))
        .collect();
    assert!(taken(&receiver) == expected, "all of them, once, in order");
    for expected in [
        format!("goes on behind {first} entries"),
        format!("{ENTRIES} entries shipped to store"),
        "the archive itself lacks 42 entries".to_owned(),
    ] {
        assert!(said.contains(&expected), "{expected} in {said}");
    }
    assert_eq!(files(&folder, ".cursor"), [""; 0].map(PathBuf::from));
    assert_eq!(files(&folder, ".rejected"), [""; 0].map(PathBuf::from));
}

#[test]
fn entries_that_loki_refuses_are_kept_and_counted() {
    let receiver = Receiver::start();
    let url = receiver.url("");
    let sink = format!("[sink.loki]\ntype = 'loki'\nurl = '{url}'\nuser = '7'\npassword = 'k'\n");
    let (setup, folder) = setup(&sink, 100);
    receiver.answer_next(&[400]);
    let web = ["--sink", "loki", "--app", "w*"];
    let (code, said) = refill(&setup, &web);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("50 entries rejected, kept in"), "{said}");
    let rejected = files(&folder, ".rejected");
    let kept = std::fs::read_to_string(&rejected[0]).expect("it is there");
    let lines: Vec<&str> = kept.lines().collect();
    assert!(lines[0].starts_with("# rejected "), "{}", lines[0]);
    let first = format!("2026-01-31T12:00:00.000000Z logs.web.sjc.1a {}", payload(0));
    assert_eq!((lines.len(), lines[1]), (51, first.as_str()));

    let (code, said) = refill(&setup, &web);
    assert_eq!(code, 0, "{said}");
    let last = receiver.taken().pop().expect("it was asked");
    assert_eq!(last.path, "/loki/api/v1/push");
    assert!(
        last.head
            .to_lowercase()
            .contains("authorization: basic nzpr"),
        "{}",
        last.head
    );
    let pushed: Value = serde_json::from_str(&last.body).expect("JSON");
    let stream = &pushed["streams"][0];
    let labels = json!({
        "fly_app_instance": "1a", "fly_app_name": "web", "fly_region": "sjc", "refill": "2026-01-31T12:00:00Z",
    });
    assert_eq!(stream["stream"], labels);
    assert_eq!(stream["values"].as_array().map(Vec::len), Some(50));
}

#[test]
fn a_sink_that_is_not_there_and_a_range_without_length_are_bad_input() {
    let (setup, _folder) = setup("[sink.a]\ntype = 'otlp'\nurl = 'http://127.0.0.1:9'\n", 0);
    let (code, said) = refill(&setup, &["--sink", "b"]);
    assert_eq!(code, 64, "{said}");
    assert!(
        said.contains("no sink is named \"b\"; known are a"),
        "{said}"
    );
    let mut child = setup.command(&["refill", "--from", "1h", "--until", "2h", "--sink", "a"]);
    assert_eq!(child.wait_end(SOON), 64);
}

#[test]
fn the_running_lastbeat_refills_in_the_background_and_goes_on_after_a_restart() {
    let nats = Nats::start(Peer::Current);
    let receiver = Receiver::start();
    let url = receiver.url("/insert");
    let rules = format!(
        "[sink.store]\ntype = 'http'\nurl = '{url}'\n[[forward]]\nsink = 'store'\n[archive]\nmin_free = '1%'\n"
    );
    let (setup, folder) = setup(&rules, ENTRIES);
    let setup = setup.nats(&nats);
    let day = moved_to_yesterday(&folder);
    let start = || {
        let (child, server) = setup.run(SOON);
        wait_until("its downstream is there", SOON, || {
            refilled(&server)["downstreams"][0]["name"] == "store"
        });
        (child, server)
    };
    let path = "/api/v1/downstream/store/refill";
    let [from, until] = [RANGE[1], RANGE[3]].map(|at| at.replace("2026-01-31", &day));
    let asked = json!({"from": from, "until": until});
    let post = |server: &Server, path: &str, asked: &Value| {
        let answer = server.post(path, asked).expect("it answers");
        (answer.status, answer.body)
    };
    let (mut lastbeat, server) = start();
    assert_eq!(refilled(&server)["refill"], Value::Null);
    assert_eq!(
        post(&server, "/api/v1/downstream/other/refill", &asked).0,
        404
    );
    let (status, said) = post(&server, path, &json!({}));
    assert!(
        status == 400 && said.contains("give from and until"),
        "{said}"
    );
    // It takes the first batch, and then nothing.
    receiver.answer(503);
    receiver.answer_next(&[200]);
    let (status, said) = post(&server, path, &asked);
    assert_eq!(status, 202, "{said}");
    wait_until("the sink is tried again", SOON, || {
        let refill = &refilled(&server)["refill"];
        let fault = refill["fault"].as_str().unwrap_or_default();
        refill["state"] == "running" && fault.contains("503") && refill["shipped"] != 0
    });
    assert_eq!(post(&server, path, &asked).0, 409);
    lastbeat.signal("TERM");
    assert_eq!(lastbeat.wait_end(SOON), 0);
    let first = taken(&receiver).len();
    assert!(0 < first && first < ENTRIES, "{first}");

    receiver.answer(200);
    let (mut lastbeat, server) = start();
    assert_eq!(post(&server, path, &asked).0, 202);
    wait_until("it is done", SOON, || {
        refilled(&server)["refill"]["state"] == "done"
    });
    let refill = &refilled(&server)["refill"];
    let counts = ["shipped", "rejected", "lost", "share", "sink"].map(|key| refill[key].clone());
    let wanted = [
        json!(ENTRIES),
        json!(0),
        json!(42),
        json!(1.0),
        json!("store"),
    ];
    assert_eq!(counts, wanted, "{refill}");
    let expected: Vec<String> = (0..ENTRIES)
        .map(|number| format!("number {number}"))
        .collect();
    assert!(taken(&receiver) == expected, "all of them, once, in order");
    assert_eq!(files(&folder, ".rejected"), [""; 0].map(PathBuf::from));
    lastbeat.signal("TERM");
    assert_eq!(lastbeat.wait_end(SOON), 0);
    let log = lastbeat.lines().join("\n");
    assert!(
        log.contains("a refill begins") && log.contains("a refill is done"),
        "{log}"
    );
}

fn refilled(server: &Server) -> Value {
    let answer = server.get("/api/v1/downstream").expect("it answers");
    serde_json::from_str(&answer.body).expect("JSON")
}

/// Moves an archive to yesterday, since lastbeat deletes what is older than a week; gives the date.
fn moved_to_yesterday(folder: &Path) -> String {
    let yesterday = wall() - Duration::from_secs(24 * 3600);
    let day = humantime::format_rfc3339_seconds(yesterday).to_string()[..10].to_owned();
    let [old, new] = ["2026-01-31", &day].map(|day| folder.join(format!("{day}T12-00-00Z.log")));
    let lines = std::fs::read_to_string(&old).expect("it is there");
    std::fs::remove_file(&old).expect("it can be removed");
    std::fs::write(new, lines.replace("2026-01-31", &day)).expect("it can be written");
    day
}
