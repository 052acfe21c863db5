//! The second opinion: the platform's own logs are asked before a single silence is told.

use super::*;

fn with_logs(server: &MachinesServer) -> Setup {
    Setup::new()
        .env("LASTBEAT_SECOND_OPINION", &server.url)
        .env("LASTBEAT_INVENTORY_TOKEN", TOKEN)
}

fn opinions(stage: &Stage, outcome: &str) -> f64 {
    let metrics = stage.lastbeat.metrics();
    metrics.sum("lastbeat_second_opinions_total", &[("outcome", outcome)])
}

#[test]
fn a_beat_that_the_stream_lost_is_told_as_the_streams_fault_and_a_death_after_it_as_a_death() {
    let server = MachinesServer::start();
    let stage = Stage::new(with_logs(&server), RULE, &[]);
    let one = &stage.instances[0];
    let last = stage.feed.silence(one);
    // It beat on, and the stream brought none of it.
    server.logs(one, last + Duration::from_millis(2_500), "HEARTBEAT");
    let told = stage.hook.wait(2, SOON);
    let notices: Vec<Value> = told.iter().map(Taken::json).collect();
    assert_eq!(notices[0]["alarm"], "StreamLossy", "{}", notices[0]);
    let text = text(&notices[0]);
    let words = format!(
        "a heartbeat of web/sjc/{} is in the platform's own logs",
        one.id
    );
    assert!(text.contains(&words), "{text}");
    // Nothing newer than that beat is found: it is dead since then.
    assert_eq!(notices[1]["alarm"], "HeartbeatMissed", "{}", notices[1]);
    assert_eq!(notices[1]["target"]["instance"], json!(one.id));
    assert_eq!(opinions(&stage, "beat"), 2.0);
    let asked = server.requests();
    let path = format!("GET /api/v1/apps/web/logs?region=sjc&instance={}", one.id);
    assert_eq!(asked, [path.clone(), path]);
    stage.nothing_else(2);
}

#[test]
fn a_death_is_told_soon_where_the_logs_know_nothing_fail_or_do_not_answer() {
    let failures = [
        None,
        Some(Failing::Status(500, None, "oops".to_owned())),
        Some(Failing::Body("<html>".to_owned())),
        Some(Failing::Silence),
        Some(Failing::Endless),
    ];
    for failing in failures {
        let server = MachinesServer::start();
        if let Some(failing) = failing.clone() {
            server.fail("/logs", failing);
        }
        let stage = Stage::new(with_logs(&server), RULE, &[]);
        let one = &stage.instances[0];
        let last_beat = stage.feed.silence(one);
        stage.wait_alert(one, last_beat);
        let outcome = if failing.is_none() {
            "no_beat"
        } else {
            "unknown"
        };
        wait_until("its opinion is counted", SOON, || {
            opinions(&stage, outcome) == 1.0
        });
        stage.lastbeat.stop();
    }
}

#[test]
fn nobody_is_asked_about_a_silence_that_reaches_further_than_one_instance() {
    let server = MachinesServer::start();
    let stage = Stage::new(with_logs(&server), RULE, &[]);
    // All of one region.
    for one in stage.instances.iter().filter(|one| one.region == "sjc") {
        stage.feed.silence(one);
    }
    let told = stage.hook.wait(1, SOON);
    assert_eq!(
        told[0].json()["alarm"],
        "RegionSilent",
        "{}",
        told[0].json()
    );
    stage.nothing_else(1);
}
