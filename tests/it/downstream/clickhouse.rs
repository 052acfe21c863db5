//! A real ClickHouse as the sink: its preset finds canaries, and a refill puts there what is missing.

use super::{SOON, downstreams, state};
use crate::support::clickhouse::ClickHouse;
use crate::support::feed::Feed;
use crate::support::lastbeat::Setup;
use crate::support::nats::{Nats, ORG, TOKEN};
use crate::support::org::org;
use crate::support::wait::wait_until;
use futures_util::StreamExt;
use lastbeat::clock;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// The table of the documentation.
const TABLE: &str = "CREATE TABLE logs (time_ms UInt64, timestamp DateTime MATERIALIZED toDateTime(intDiv(time_ms, 1000)), \
                     app String, region String, instance String, message String) \
                     ENGINE = MergeTree() PARTITION BY toYYYYMM(timestamp) ORDER BY timestamp";
/// Entries that the shipper does not see.
const MISSED: usize = 20;

/// Inserts what it receives, one entry after another, while `ships` is set; drops the rest.
fn ship(nats: &Nats, clickhouse: Arc<ClickHouse>, ships: Arc<AtomicBool>) {
    let url = nats.url();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build();
        let shipping = async {
            let options =
                async_nats::ConnectOptions::with_user_and_password(ORG.into(), TOKEN.into());
            let client = options.connect(&url).await.expect("it may connect");
            let messages = client.subscribe("logs.>").await;
            let mut messages = messages.expect("it may subscribe");
            while let Some(message) = messages.next().await {
                if !ships.load(Ordering::Relaxed) {
                    continue;
                }
                let entry: Value = serde_json::from_slice(&message.payload).expect("JSON");
                let now = clock::wall().nanos() / 1_000_000;
                clickhouse.insert(
                    "logs",
                    &json!({"time_ms": now, "message": entry["message"]}),
                );
            }
        };
        runtime.expect("a runtime").block_on(shipping);
    });
}

#[test]
fn clickhouse_is_searched_by_its_preset_and_refilled_over_http() {
    let nats = Nats::with_canaries();
    let feed = Feed::connect(&nats);
    let instances = org(&["web"], &["sjc"]);
    feed.beat(&instances, Duration::from_millis(500));
    let clickhouse = Arc::new(ClickHouse::start());
    clickhouse.run(TABLE);
    let ships = Arc::new(AtomicBool::new(true));
    ship(&nats, Arc::clone(&clickhouse), Arc::clone(&ships));
    let url = clickhouse.url();
    let rules = format!(
        "[[downstream]]\nname = 'clickhouse'\nmax_delay = '5s'\nevery = '1s'\n\
         [downstream.find]\npreset = 'clickhouse'\nurl = '{url}'\nfrom = 'logs'\n\
         [sink.clickhouse]\ntype = 'http'\n\
         url = '{url}/?query=INSERT%20INTO%20logs%20FORMAT%20JSONEachRow'\n\
         template = '{{\"time_ms\": {{time_ms}}, \"app\": {{app}}, \"region\": {{region}}, \
         \"instance\": {{instance}}, \"message\": {{message}}}}'\n\
         [archive]\nmin_free = '1%'\n"
    );
    let setup = Setup::new().nats(&nats).env("LASTBEAT_CANARY", "10s");
    let archive = setup.rules_folder().with_file_name("archive");
    let lastbeat = setup
        .env("LASTBEAT_ARCHIVE", &archive.to_string_lossy())
        .rules("downstream.toml", &rules)
        .start();
    let wait_state = |wanted: &str| {
        wait_until(&format!("it is {wanted}"), SOON, || {
            state(&lastbeat, "clickhouse").0 == wanted
        });
    };
    wait_state("ok");
    assert_ne!(downstreams(&lastbeat)[0]["found"], 0);

    ships.store(false, Ordering::Relaxed);
    wait_state("stalled");
    let missed: Vec<String> = (0..MISSED)
        .map(|number| format!("missed {number:02}, with 'quotes' and \u{e9}"))
        .collect();
    for text in &missed {
        feed.say(&instances[0], text);
    }
    wait_until("the last of them is received", SOON, || {
        lastbeat
            .get("/api/v1/entries?q=missed%2019")
            .body
            .contains("missed 19")
    });
    ships.store(true, Ordering::Relaxed);
    wait_until("the range is known", SOON, || {
        downstreams(&lastbeat)[0]["missing"].is_object()
    });
    let count = "SELECT count() FROM logs WHERE message LIKE 'missed %' FORMAT TabSeparated";
    assert_eq!(clickhouse.run(count).trim(), "0");
    let began = lastbeat
        .server
        .post("/api/v1/downstream/clickhouse/refill", &json!({}));
    assert_eq!(began.expect("it answers").status, 202);
    wait_until("the refill is done", SOON, || {
        let answer: Value =
            serde_json::from_str(&lastbeat.get("/api/v1/downstream").body).expect("JSON");
        answer["refill"]["state"] == "done"
    });
    let select = "SELECT message, app, region, instance FROM logs WHERE message LIKE 'missed %' \
                  ORDER BY time_ms, message FORMAT JSONEachRow";
    let rows = clickhouse.run(select);
    let rows: Vec<Value> = rows
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let one = &instances[0];
    let expected: Vec<Value> = missed
        .iter()
        .map(|text| json!({"message": text, "app": one.app, "region": one.region, "instance": one.id}))
        .collect();
    assert_eq!(rows, expected, "all of them, once, in order");
    lastbeat.stop();
}
