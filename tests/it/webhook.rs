//! Webhooks on an https server whose certificate is a private authority's, signed, and in each format.

use crate::support::child::{Child, command};
use crate::support::feed::Feed;
use crate::support::folder::Folder;
use crate::support::hook::Hook;
use crate::support::lastbeat::Setup;
use crate::support::nats::{Nats, Peer};
use crate::support::org::org;
use crate::support::testbed::script;
use crate::support::wait::{wait_for, wait_until};
use ring::hmac;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

/// An authority, and an https server with a certificate of it.
struct Secure {
    child: Child,
    folder: Folder,
    port: u16,
}

impl Secure {
    fn start() -> Self {
        let folder = Folder::new("https");
        let openssl = |arguments: &str| {
            let output = Command::new("openssl")
                .args(arguments.split(' '))
                .current_dir(folder.path())
                .output()
                .expect(
                    "openssl is missing: run `tests/run` once, it installs what the tests need",
                );
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "openssl {arguments}: {said}");
        };
        let new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
        openssl(&format!(
            "{new} -subj /CN=tests -keyout ca.key -out ca.pem -addext keyUsage=critical,keyCertSign"
        ));
        openssl(&format!(
            "{new} -subj /CN=localhost -keyout key.pem -out cert.pem -CA ca.pem -CAkey ca.key \
             -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE"
        ));
        let mut command = command("python3");
        command
            .arg(script("https.py"))
            .args(["cert.pem", "key.pem"])
            .current_dir(folder.path());
        let mut child = Child::start("https", &mut command);
        let port = child.wait_line("its port", SOON, |line| {
            line.strip_prefix("port ")?.parse().ok()
        });
        Secure {
            child,
            folder,
            port,
        }
    }

    fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn taken(&self) -> Vec<Value> {
        let lines = self.child.lines();
        let json = lines.iter().filter(|line| line.starts_with('{'));
        json.map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }
}

#[test]
fn a_private_authority_is_trusted_where_it_is_named_and_the_signature_is_right() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let secure = Secure::start();
    let instances = org(&["sandwich", "batch"], &["sjc", "ams"]);
    feed.beat(&instances, Duration::from_millis(500));
    let start = || {
        Setup::new()
            .nats(&nats)
            .env("HOOK", &format!("https://localhost:{}/p4th", secure.port))
            .env("SIGN", "s3cret")
            .rules(
                "rules.toml",
                "[notify.oncall]\ntype = 'webhook'\nurl = '${HOOK}'\nsecret = '${SIGN}'\n\
                 [[rule]]\nname = 'beats'\nmax_gap = '2s'\n",
            )
    };
    let trusts = start().env("SSL_CERT_FILE", &secure.authority().to_string_lossy());
    let trusts = trusts.start();
    let doubts = start().start();
    trusts.wait_live(4);
    doubts.wait_live(4);
    feed.silence(&instances[0]);
    let taken = wait_for("a request", SOON, || secure.taken().into_iter().next());
    wait_until("a refusal", SOON, || {
        doubts.said(&["notification failed", "no connection to https://localhost"]) > 0
    });
    assert!(doubts.said(&["invalid peer certificate"]) > 0);
    assert_eq!(secure.taken().len(), 1, "only whom it may trust");

    assert_eq!(taken["path"], "/p4th");
    let text = |key: &str| {
        taken["headers"][key]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let body = taken["body"].as_str().expect("a body");
    let signed = format!("{}.{body}", text("x-lastbeat-timestamp"));
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"s3cret");
    let tag = hmac::sign(&key, signed.as_bytes());
    let hex: String = tag
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(text("x-lastbeat-signature"), format!("sha256={hex}"));
    for lastbeat in [trusts, doubts] {
        assert_eq!(lastbeat.said(&["p4th"]), 0, "an address is in the log");
        assert_eq!(lastbeat.said(&["s3cret"]), 0, "a secret is in the log");
        lastbeat.stop();
    }
}

#[test]
fn each_format_is_what_its_receiver_takes() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let hook = Hook::start();
    let instances = org(&["sandwich", "batch"], &["sjc", "ams"]);
    feed.beat(&instances, Duration::from_millis(500));
    let formats = [
        "json",
        "slack",
        "discord",
        "pagerduty",
        "text",
        "ntfy",
        "telegram",
        "teams",
    ];
    let notifiers = formats.map(|format| {
        let key = match format {
            "pagerduty" => "routing_key = '${KEY}'\n",
            "telegram" => "chat_id = '${KEY}'\n",
            _ => "",
        };
        let url = format!("{}/{format}", hook.url());
        format!("[notify.{format}]\ntype = 'webhook'\nurl = '{url}'\nformat = '{format}'\n{key}")
    });
    let lastbeat = Setup::new()
        .nats(&nats)
        .env("KEY", "r0uting")
        .env("LASTBEAT_PUBLIC_URL", "https://lastbeat.example/")
        .rules("notify.toml", &notifiers.concat())
        .rules("rules.toml", "[[rule]]\nname = 'beats'\nmax_gap = '2s'\n")
        .start();
    lastbeat.wait_live(4);
    feed.silence(&instances[0]);
    hook.wait(8, SOON);
    feed.resume(&instances[0]);
    let taken = hook.wait(16, SOON);
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for one in taken {
        told.entry(one.path.clone()).or_default().push(one.body);
    }
    let values = |path: &str| {
        let bodies = told[path].iter();
        let value = |body: &String| serde_json::from_str::<Value>(body).expect("JSON");
        bodies.map(value).collect::<Vec<_>>()
    };
    let page = values("/pagerduty");
    assert_eq!(page[0]["event_action"], "trigger");
    assert_eq!(page[1]["event_action"], "resolve");
    assert_eq!(page[0]["dedup_key"], page[1]["dedup_key"]);
    assert_eq!(page[1]["routing_key"], "r0uting");
    let title = format!("sandwich/sjc/{}", instances[0].id);
    for (path, at) in [
        ("/json", "/title"),
        ("/slack", "/text"),
        ("/discord", "/embeds/0/title"),
        // ntfy is asked at the address above its topic.
        ("/", "/title"),
        ("/telegram", "/text"),
        ("/teams", "/attachments/0/content/body/0/text"),
    ] {
        let values = values(path);
        let opened = values[0].pointer(at).and_then(Value::as_str);
        assert!(
            opened.is_some_and(|text| text.contains(&title)),
            "{path}: {values:?}"
        );
        let closed = values[1].pointer(at).and_then(Value::as_str);
        assert!(
            closed.is_some_and(|text| text.contains("heard again")),
            "{path}: {values:?}"
        );
    }
    assert_eq!(values("/")[0]["topic"], "ntfy");
    assert_eq!(values("/telegram")[1]["chat_id"], "r0uting");
    let page = |path: &str, at: &str| {
        let link = values(path)[0]
            .pointer(at)
            .and_then(Value::as_str)
            .map(str::to_owned);
        link.unwrap_or_else(|| panic!("{path} has no {at}"))
    };
    let id = values("/json")[0]["incident"].clone();
    let id = id.as_str().expect("an id");
    for (path, at) in [
        ("/json", "/link"),
        ("/discord", "/embeds/0/url"),
        ("/pagerduty", "/client_url"),
        ("/", "/click"),
        ("/teams", "/attachments/0/content/actions/0/url"),
    ] {
        assert_eq!(
            page(path, at),
            format!("https://lastbeat.example/#/incident/{id}")
        );
    }
    assert!(told["/text"][0].starts_with(&format!("[error] {title}")));
    assert!(told["/text"][1].starts_with(&format!("[resolved] {title}")));
    assert_eq!(lastbeat.said(&["r0uting"]), 0, "a key is in the log");
    lastbeat.stop();
}
