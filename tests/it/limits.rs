//! Small limits of the machine: few file descriptors, certificates that cannot be read, files that others may read.

use crate::support::feed::Feed;
use crate::support::lastbeat::Setup;
use crate::support::nats::{Nats, Peer};
use crate::support::org::org;
use crate::support::receiver::Receiver;
use crate::support::wait::wait_until;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

#[test]
fn with_few_descriptors_a_flood_of_connections_keeps_no_notification_back() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let instances = org(&["web"], &["sjc", "ams"]);
    feed.beat(&instances, Duration::from_millis(300));
    let receiver = Receiver::start();
    let rules = format!(
        "[[rule]]\nname = 'beats'\nmax_gap = '2s'\nnotify = ['oncall']\n[notify.oncall]\ntype = 'webhook'\nurl = '{}'\n",
        receiver.url("/hook")
    );
    let setup = Setup::new().nats(&nats).rules("beats.toml", &rules);
    let state = setup.rules_folder().with_file_name("state.db");
    let mut lastbeat = setup
        .env("LASTBEAT_STATE", &state.to_string_lossy())
        .descriptors(140)
        .start();
    lastbeat.wait_live(2);
    assert_eq!(lastbeat.said(&["few file descriptors"]), 1);
    // Each asks for something now and then, so that none is idle.
    let ask = |stream: &mut TcpStream| {
        let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    };
    let connect = |_| TcpStream::connect(&lastbeat.server.address).ok();
    let mut open: Vec<TcpStream> = (0..300).filter_map(connect).collect();
    open.iter_mut().for_each(ask);
    feed.silence(&instances[0]);
    wait_until("the alert arrives", SOON, || {
        let more = TcpStream::connect(&lastbeat.server.address);
        open.extend(more.ok());
        open.iter_mut().for_each(ask);
        !receiver.taken().is_empty()
    });
    assert_eq!(lastbeat.said(&["Too many open files"]), 0);
    drop(open);
    assert_eq!(lastbeat.get("/healthz").status, 200);
    assert!(lastbeat.child.ended().is_none());
    lastbeat.stop();
}

#[test]
fn authorities_that_cannot_be_read_end_the_start() {
    for (name, value) in [
        ("SSL_CERT_FILE", "/nothing/authorities.pem"),
        ("SSL_CERT_DIR", "/nothing"),
    ] {
        let setup = Setup::new().env("NATS_URL", "127.0.0.1:1").env(name, value);
        for command in [&["run"][..], &["status"]] {
            let mut child = setup.command(command);
            assert_eq!(child.wait_end(SOON), 64, "{name} {command:?}");
            let said = child.lines().join("\n");
            assert!(said.contains(name) && said.contains(value), "{said}");
        }
    }
}

#[test]
fn nobody_else_reads_the_state_file() {
    let nats = Nats::start(Peer::Current);
    let setup = Setup::new().nats(&nats);
    let state = setup.rules_folder().with_file_name("state.db");
    // As an earlier version left it.
    std::fs::write(&state, "").expect("written");
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o644)).expect("set");
    let lastbeat = setup
        .env("LASTBEAT_STATE", &state.to_string_lossy())
        .start();
    wait_until("the log of the database is there", SOON, || {
        state.with_file_name("state.db-wal").exists()
    });
    let files = std::fs::read_dir(lastbeat.folder()).expect("its folder");
    let mut found = 0;
    for entry in files.flatten() {
        if !entry.file_name().to_string_lossy().starts_with("state.db") {
            continue;
        }
        found += 1;
        let mode = entry.metadata().expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", entry.file_name());
    }
    assert!(found >= 2, "{found} files");
    lastbeat.stop();
}
