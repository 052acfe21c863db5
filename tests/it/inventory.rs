//! The inventory against servers that speak DNS and the Machines API: what is read, what a fault says, and that no fault is
//! ever taken for "there are none".

mod loops;

use crate::support::dns_server::{DnsServer, Said};
use crate::support::machines_api::{Failing, MachinesServer, ORGANISATION, TOKEN, machine};
use lastbeat::core::inventory::{Candidate, Exit, Listed, Purpose};
use lastbeat::decode::inventory::Read;
use lastbeat::decode::settings::ApiSettings;
use lastbeat::decode::settings::{Secret, TokenSource};
use lastbeat::format;
use lastbeat::io::inventory::dns::Dns;
use lastbeat::io::inventory::machines::MachinesApi;
use lastbeat::io::inventory::{InventoryFault, InventoryFaultKind, InventorySource, POLL_WITHIN};
use std::sync::Arc;
use std::time::Duration;

const STARTED: &str = "_instances.internal";
const DEPLOYED: &str = "all._instances.internal";
const REGIONS: [&str; 4] = ["ams", "nrt", "sjc", "yyz"];

/// An item as Fly writes it.
fn item(number: usize) -> String {
    let region = REGIONS[number % REGIONS.len()];
    format!(
        "instance=3d8d{number:010x},app=app-{},ip=fdaa:0:18:a7b:7d:{number:x}:0:2,region={region}",
        number % 40
    )
}

fn items(numbers: impl Iterator<Item = usize>) -> String {
    numbers.map(item).collect::<Vec<String>>().join(";")
}

fn count(read: &Read, listed: Listed) -> usize {
    read.machines
        .iter()
        .filter(|machine| machine.listed == listed)
        .count()
}

async fn ask(server: &DnsServer) -> Result<Read, InventoryFault> {
    InventorySource::Dns(Dns::new(server.address))
        .poll(&[])
        .await
}

/// The poll's fault: its kind, and its words.
async fn fault(source: &InventorySource) -> (InventoryFaultKind, String) {
    let fault = source
        .poll(&[])
        .await
        .expect_err("a fault, and no machines");
    (fault.kind(), format::error_chain(&fault))
}

#[tokio::test]
async fn a_few_machines_are_read_over_udp() {
    let server = DnsServer::start();
    server.say_text(STARTED, items(0..5));
    server.say_text(DEPLOYED, items(0..8));
    let read = ask(&server).await.expect("read");
    assert_eq!(
        (count(&read, Listed::Started), count(&read, Listed::Stopped)),
        (5, 3)
    );
    assert_eq!(server.asked(), (2, 0));
}

#[tokio::test]
async fn what_does_not_fit_over_udp_is_read_over_tcp() {
    let server = DnsServer::start();
    server.say_text(STARTED, items(0..600));
    server.say(DEPLOYED, Said::Texts(vec![items(0..350), items(350..700)]));
    let read = ask(&server).await.expect("read");
    assert_eq!(
        (count(&read, Listed::Started), count(&read, Listed::Stopped)),
        (600, 100)
    );
    assert_eq!((read.machines.len(), read.broken), (700, 0));
    assert_eq!(server.asked(), (2, 2), "each of the two was cut over UDP");
}

#[tokio::test]
async fn two_thousand_machines_do_not_fit_and_are_read_app_by_app() {
    let server = DnsServer::start();
    server.say_text(STARTED, items(0..1500));
    server.say_text(DEPLOYED, items(0..2000));
    let apps: Vec<String> = (0..40).map(|app| format!("app-{app}")).collect();
    server.say_text("_apps.internal", format!("{},idle", apps.join(",")));
    let of = |app: usize, all: usize| -> String {
        let numbers = (0..all).filter(|number| number % 40 == app);
        let each = numbers.map(|number| format!("3d8d{number:010x} {}", REGIONS[number % 4]));
        each.collect::<Vec<String>>().join(",")
    };
    for app in 0..40 {
        server.say_text(&format!("vms.app-{app}.internal"), of(app, 1500));
        server.say_text(&format!("all.vms.app-{app}.internal"), of(app, 2000));
    }
    let read = ask(&server).await.expect("read");
    assert_eq!(
        (read.machines.len(), count(&read, Listed::Started)),
        (2000, 1500)
    );
    assert_eq!(count(&read, Listed::Stopped), 500);
    // One app that does not answer: nothing is known, not all but that.
    server.say("all.vms.app-7.internal", Said::Failed);
    let source = InventorySource::Dns(Dns::new(server.address));
    let (kind, said) = fault(&source).await;
    assert_eq!(kind, InventoryFaultKind::Failed);
    assert!(
        said.contains("SERVFAIL to all.vms.app-7.internal"),
        "{said}"
    );
}

#[tokio::test]
async fn none_started_is_believed_only_beside_what_is_deployed() {
    for none in [
        Said::NoSuchName,
        Said::Nothing,
        Said::Texts(vec![String::new()]),
    ] {
        let server = DnsServer::start();
        server.say(STARTED, none.clone());
        server.say_text(DEPLOYED, items(0..3));
        let read = ask(&server).await.expect("read");
        assert_eq!(
            (read.machines.len(), count(&read, Listed::Stopped)),
            (3, 3),
            "{none:?}"
        );
        server.say(DEPLOYED, none.clone());
        let source = InventorySource::Dns(Dns::new(server.address));
        let (kind, said) = fault(&source).await;
        assert_eq!(kind, InventoryFaultKind::Failed, "{none:?}");
        assert!(said.contains("knows no all._instances.internal"), "{said}");
    }
}

#[tokio::test]
async fn a_fault_of_either_question_is_a_fault_of_the_poll() {
    let cases = [
        (Said::Failed, InventoryFaultKind::Failed, "SERVFAIL"),
        (Said::Silence, InventoryFaultKind::TimedOut, "no answer"),
        (Said::Garbage, InventoryFaultKind::TimedOut, "no answer"),
        (
            Said::GarbageOverTcp,
            InventoryFaultKind::Unreadable,
            " is invalid",
        ),
        (
            Said::Texts(vec!["<html>".to_owned()]),
            InventoryFaultKind::Unreadable,
            " is invalid",
        ),
    ];
    for (said, kind, words) in cases {
        for name in [STARTED, DEPLOYED] {
            let server = DnsServer::start();
            server.say_text(STARTED, items(0..3));
            server.say_text(DEPLOYED, items(0..3));
            server.say(name, said.clone());
            let source = InventorySource::Dns(Dns::new(server.address));
            let found = fault(&source).await;
            assert_eq!(found.0, kind, "{said:?}: {}", found.1);
            assert!(
                found.1.contains(words) && found.1.contains(name),
                "{}",
                found.1
            );
        }
    }
}

#[tokio::test]
async fn a_resolver_that_is_not_there_is_a_fault_in_time() {
    let gone = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let address = gone.local_addr().expect("bound");
    drop(gone);
    let source = InventorySource::Dns(Dns::new(address));
    let (kind, said) = fault(&source).await;
    assert_eq!(
        kind,
        InventoryFaultKind::TimedOut,
        "UDP does not tell: {said}"
    );
}

fn settings(server: &MachinesServer, token: &str) -> ApiSettings {
    ApiSettings {
        url: server.url.clone(),
        token: TokenSource::Given(Secret::new(token)),
    }
}

fn source(server: &MachinesServer) -> InventorySource {
    InventorySource::Machines(MachinesApi::new(settings(server, TOKEN)).organisation(ORGANISATION))
}

fn candidate(id: &str) -> Candidate {
    Candidate {
        app: Arc::from("web"),
        region: Arc::from("yyz"),
        id: Arc::from(id),
    }
}

#[tokio::test]
async fn every_page_is_read_and_what_it_leaves_out_is_named() {
    let server = MachinesServer::start();
    let id = |number: usize| format!("3d8d{number:010x}");
    let all = (0..2000).map(|number| machine("web", REGIONS[number % 4], &id(number), "started"));
    server.has(all.collect(), 700);
    server.cannot_read(&["gru"]);
    let read = source(&server).poll(&[]).await.expect("read");
    assert_eq!(
        (
            read.machines.len(),
            count(&read, Listed::Started),
            read.broken
        ),
        (2000, 2000, 0)
    );
    assert_eq!(read.unread_regions, [Arc::from("gru")]);
    assert_eq!(
        (read.machines[0].purpose, read.machines[0].group.as_deref()),
        (Purpose::Service, Some("app"))
    );
    assert_eq!(
        server.requests(),
        [
            "GET /v1/orgs/acme/machines",
            "GET /v1/orgs/acme/machines?cursor=from%3D%2B700",
            "GET /v1/orgs/acme/machines?cursor=from%3D%2B1400",
        ]
    );
}

#[tokio::test]
async fn how_a_suspect_ended_is_asked_where_it_ended() {
    let server = MachinesServer::start();
    let states = [
        "stopped",
        "started",
        "failed",
        "stopped",
        "suspended",
        "stopped",
        "stopped",
    ];
    let all = states.iter().enumerate();
    server.has(
        all.map(|(at, state)| machine("web", "yyz", &format!("m{at}"), state))
            .collect(),
        1000,
    );
    let candidates: Vec<Candidate> = ["m0", "m1", "m2", "m4", "m5", "m6"].map(candidate).to_vec();
    let read = source(&server).poll(&candidates).await.expect("read");
    let killed = Exit {
        requested: false,
        code: Some(137),
        oom: true,
    };
    let exits: Vec<Option<Exit>> = read.machines.iter().map(|machine| machine.exit).collect();
    assert_eq!(
        exits,
        [
            Some(killed),
            None,
            Some(killed),
            None,
            None,
            Some(killed),
            None
        ],
        "three at most, and of a suspended one it would be of another time"
    );
    server.fail("/apps/", Failing::Status(500, None, String::new()));
    let read = source(&server)
        .poll(&candidates)
        .await
        .expect("read nonetheless");
    assert!(read.machines.iter().all(|machine| machine.exit.is_none()));
    server.fail("/apps/", Failing::Silence);
    let read = source(&server)
        .poll(&candidates)
        .await
        .expect("read in time");
    assert_eq!(read.machines.len(), 7);
}

#[tokio::test]
async fn each_fault_of_the_api_has_its_name() {
    let server = MachinesServer::start();
    server.has(vec![machine("web", "yyz", "m0", "started")], 1000);
    let status = |status: u16, body: &str| Failing::Status(status, None, body.to_owned());
    let cases = [
        (
            status(401, "who"),
            InventoryFaultKind::Refused,
            "rejects the token (401)",
        ),
        (
            status(403, "no"),
            InventoryFaultKind::Refused,
            "lacks a permission (403); reading needs a token of the whole organisation",
        ),
        (
            Failing::Status(429, Some(7), String::new()),
            InventoryFaultKind::RateLimited,
            "limits requests (429)",
        ),
        (
            status(500, "oops"),
            InventoryFaultKind::Failed,
            "500 Internal Server Error to GET /v1/orgs/acme/machines: oops",
        ),
        (status(302, ""), InventoryFaultKind::Failed, "302"),
        (
            Failing::Body("{\"machines\": [".to_owned()),
            InventoryFaultKind::Unreadable,
            "is invalid: it is not JSON",
        ),
        (
            Failing::Body("{\"error\": 1}".to_owned()),
            InventoryFaultKind::Unreadable,
            "no array \"machines\"",
        ),
        (
            Failing::Body("{\"machines\": [], \"next_cursor\": \"same\"}".to_owned()),
            InventoryFaultKind::TooLarge,
            "8 pages",
        ),
        (
            Failing::Endless,
            InventoryFaultKind::TooLarge,
            "more than 16777216 bytes",
        ),
        (Failing::Silence, InventoryFaultKind::TimedOut, "within 3s"),
    ];
    for (failing, kind, words) in cases {
        server.fail("/orgs/", failing.clone());
        let (found, said) = fault(&source(&server)).await;
        assert_eq!(found, kind, "{failing:?}: {said}");
        assert!(said.contains(words), "{failing:?}: {said}");
    }
    server.fail("/orgs/", Failing::Status(429, Some(7), String::new()));
    let limited = source(&server).poll(&[]).await.expect_err("too often");
    assert_eq!(limited.retry_after(), Some(Duration::from_secs(7)));
    server.recover();
    assert_eq!(
        source(&server)
            .poll(&[])
            .await
            .expect("read")
            .machines
            .len(),
        1
    );
}

#[tokio::test]
async fn no_fault_shows_the_token() {
    let server = MachinesServer::start();
    let token = "fm2_unheard_of";
    let api = MachinesApi::new(settings(&server, token));
    let source = InventorySource::Machines(api.clone().organisation(ORGANISATION));
    let fault = source.poll(&[]).await.expect_err("401");
    let said = format!("{} {fault:?}", format::error_chain(&fault));
    assert!(
        said.contains("token validation error: ***") && !said.contains(token),
        "{said}"
    );
    let unsendable = MachinesApi::new(settings(&server, "two\nlines")).organisation(ORGANISATION);
    let fault = unsendable.poll(&[]).await.expect_err("no header");
    assert!(!format!("{fault} {fault:?}").contains("lines"), "{fault:?}");
}

#[tokio::test]
async fn a_token_is_read_from_its_file_each_time() {
    let server = MachinesServer::start();
    server.has(vec![machine("web", "yyz", "m0", "started")], 1000);
    let folder = crate::support::folder::Folder::new("token");
    let path = folder.path().join("token");
    let api = ApiSettings {
        url: server.url.clone(),
        token: TokenSource::File(path.clone()),
    };
    let source = InventorySource::Machines(MachinesApi::new(api).organisation(ORGANISATION));
    let (kind, said) = fault(&source).await;
    assert!(
        kind == InventoryFaultKind::Refused
            && said.contains("cannot read the token file ")
            && said.contains(": No such file"),
        "{said}"
    );
    std::fs::write(&path, "old\n").expect("written");
    assert_eq!(fault(&source).await.0, InventoryFaultKind::Refused);
    std::fs::write(&path, format!("{TOKEN}\n")).expect("written");
    assert_eq!(source.poll(&[]).await.expect("read").machines.len(), 1);
}

#[tokio::test]
async fn a_machine_is_restarted_or_it_is_said_why_not() {
    let server = MachinesServer::start();
    server.has(vec![machine("web", "yyz", "m0", "started")], 1000);
    let api = MachinesApi::new(settings(&server, TOKEN));
    api.restart(&candidate("m0")).await.expect("restarted");
    assert_eq!(server.requests(), ["POST /v1/apps/web/machines/m0/restart"]);
    let gone = api
        .restart(&candidate("m1"))
        .await
        .expect_err("404")
        .to_string();
    assert!(
        gone.contains("404 Not Found to POST /v1/apps/web/machines/m1/restart"),
        "{gone}"
    );
    let trick = api
        .restart(&candidate("m0/../m1"))
        .await
        .expect_err("no name")
        .to_string();
    assert!(trick.contains("invalid name"), "{trick}");
    assert_eq!(server.requests().len(), 2, "a trick never leaves");
    server.fail(
        "/restart",
        Failing::Status(403, None, "read only".to_owned()),
    );
    let refused = api
        .restart(&candidate("m0"))
        .await
        .expect_err("403")
        .to_string();
    assert!(
        refused.contains(
            "fly tokens create org ORG: read only"
                .replace("ORG:", "ORG`:")
                .as_str()
        ),
        "{refused}"
    );
}

#[test]
fn a_poll_ends_before_a_silence_that_waits_for_it_is_told() {
    assert!(POLL_WITHIN < Duration::from_secs(5));
}
