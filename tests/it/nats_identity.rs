//! A server that asks for more than a password: nkeys, JWTs in a `.creds` file, client certificates.

use crate::support::folder::Folder;
use crate::support::lastbeat::{Lastbeat, Setup};
use crate::support::nats::{Nats, Peer};
use crate::support::wait::wait_until;
use data_encoding::BASE64URL_NOPAD;
use nkeys::{KeyPair, KeyPairType};
use serde_json::{Value, json};
use std::process::Command;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);
const CONF: &str = "listen: \"127.0.0.1:-1\"\nhttp: \"127.0.0.1:-1\"\nports_file_dir: \"{DIR}\"\n";

fn pair(kind: KeyPairType, number: u8) -> KeyPair {
    KeyPair::new_from_raw(kind, [number; 32]).expect("32 bytes are a key")
}

fn user(number: u8) -> KeyPair {
    pair(KeyPairType::User, number)
}

fn seed(pair: &KeyPair) -> String {
    pair.seed().expect("it was made from one")
}

/// A JWT about `subject`, signed by `issuer`, as nsc makes them.
fn jwt(issuer: &KeyPair, subject: &KeyPair, claims: Value) -> String {
    let (iss, sub) = (issuer.public_key(), subject.public_key());
    let claims = json!({"jti": "x", "iat": 1, "iss": iss, "sub": sub, "name": "x", "nats": claims});
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let signed = format!(
        "{}.{}",
        part(&json!({"typ": "JWT", "alg": "ed25519-nkey"})),
        part(&claims)
    );
    let signature = issuer.sign(signed.as_bytes()).expect("it has its seed");
    format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature))
}

/// A `.creds` file of a user of this account.
fn creds(account: &KeyPair, user: &KeyPair) -> String {
    let claims = json!({"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1});
    format!(
        "-----BEGIN NATS USER JWT-----\n{}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
        jwt(account, user, claims),
        seed(user)
    )
}

/// A server that takes the users of one account.
fn with_accounts(account: &KeyPair) -> Nats {
    let operator = pair(KeyPairType::Operator, 1);
    let every = json!({"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1,
        "wildcards": true, "conn": -1, "leaf": -1});
    let about = |kind: &str| json!({"type": kind, "version": 2, "limits": every});
    let known = jwt(&operator, account, about("account"));
    let operator = jwt(
        &operator,
        &operator,
        json!({"type": "operator", "version": 2}),
    );
    let conf = format!(
        "{CONF}operator: {operator}\nresolver: MEMORY\nresolver_preload: {{ {}: {known} }}\n",
        account.public_key()
    );
    Nats::with(Peer::Current, Folder::new("nats"), &conf)
}

fn setup(nats: &Nats) -> Setup {
    Setup::new()
        .env("NATS_URL", &nats.url())
        .env("LASTBEAT_CANARY", "1s")
}

/// Waits until its own canary has come back.
#[track_caller]
fn flows(lastbeat: &Lastbeat) {
    lastbeat.wait_metrics("the canary in the stream", SOON, |metrics| {
        metrics.sum("lastbeat_canary_round_trip_seconds_count", &[]) > 0.0
    });
}

/// Waits until its log has these words.
#[track_caller]
fn says(lastbeat: &Lastbeat, words: &str) {
    wait_until(words, SOON, || lastbeat.said(&[words]) > 0);
}

/// Its last words where it ends with this code, without any of `secrets`.
#[track_caller]
fn ends(setup: &Setup, expected: i32, words: &[&str], secrets: &[&str]) {
    let mut child = setup.command(&["run"]);
    let code = child.wait_end(SOON);
    let said = child.lines().join("\n");
    assert_eq!(code, expected, "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in {said}");
    }
    assert!(
        !secrets.iter().any(|secret| said.contains(secret)),
        "{said}"
    );
}

#[test]
fn an_nkey_is_taken_from_a_file_that_is_read_again() {
    let (old, new) = (user(1), user(2));
    let users = |user: &KeyPair| format!("users = [ {{ nkey: {} }} ]", user.public_key());
    let conf = format!("{CONF}authorization {{ {} }}\n", users(&old));
    let mut nats = Nats::with(Peer::Older, Folder::new("nats"), &conf);
    let file = nats
        .folder()
        .write("user.nk", &format!("# ours\n{}\n", seed(&old)));
    let by_file = || setup(&nats).env("NATS_NKEY_FILE", &file.to_string_lossy());
    let lastbeat = by_file().start();
    flows(&lastbeat);
    nats.reconfigure(&users(&old), &users(&new));
    nats.restart();
    says(&lastbeat, "refuses the credentials of NATS_NKEY_FILE");
    let before = lastbeat
        .metrics()
        .sum("lastbeat_canary_round_trip_seconds_count", &[]);
    nats.folder().write("user.nk", &seed(&new));
    lastbeat.wait_metrics("the canary once more", SOON, |metrics| {
        metrics.sum("lastbeat_canary_round_trip_seconds_count", &[]) > before
    });
    assert_eq!(
        lastbeat.said(&[&seed(&old)]) + lastbeat.said(&[&seed(&new)]),
        0
    );
    lastbeat.stop();

    let stranger = seed(&user(3));
    let by_value = setup(&nats).env("NATS_NKEY", &stranger);
    ends(
        &by_value,
        1,
        &[
            "refuses the credentials of NATS_NKEY",
            "is a user of the server",
        ],
        &[&stranger],
    );
    nats.folder().write("user.nk", &stranger[..50]);
    let by_file = setup(&nats).env("NATS_NKEY_FILE", &file.to_string_lossy());
    ends(
        &by_file,
        64,
        &["NATS_NKEY_FILE", "user.nk", "the seed is invalid"],
        &[&stranger[..50]],
    );
}

#[test]
fn a_creds_file_is_taken_and_that_of_another_account_is_refused() {
    let account = pair(KeyPairType::Account, 1);
    let nats = with_accounts(&account);
    let text = creds(&account, &user(1));
    let file = nats.folder().write("user.creds", &text);
    let path = file.to_string_lossy().into_owned();
    let lastbeat = setup(&nats).env("NATS_CREDS_FILE", &path).start();
    flows(&lastbeat);
    lastbeat.stop();
    let lastbeat = setup(&nats).env("NATS_CREDS", text.trim()).start();
    flows(&lastbeat);
    lastbeat.stop();

    let other = user(2);
    nats.folder()
        .write("user.creds", &creds(&pair(KeyPairType::Account, 2), &other));
    let from_file = || setup(&nats).env("NATS_CREDS_FILE", &path);
    let words = [
        "refuses the credentials of NATS_CREDS_FILE",
        "whose account the server knows",
    ];
    ends(&from_file(), 1, &words, &[&seed(&other)]);
    nats.folder().write("user.creds", &seed(&other));
    ends(
        &from_file(),
        64,
        &["NATS_CREDS_FILE", "no NATS USER JWT"],
        &[&seed(&other)],
    );
    let missing = setup(&nats).env("NATS_CREDS_FILE", "/nothing/user.creds");
    ends(
        &missing,
        64,
        &["NATS_CREDS_FILE", "/nothing/user.creds", "No such file"],
        &[],
    );
}

/// An authority, a certificate of the server, and one of a client with its key in the same file.
fn certificates() -> Folder {
    let folder = Folder::new("nats-tls");
    let openssl = |arguments: &str| {
        let output = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(folder.path())
            .output()
            .expect("openssl is missing: run `tests/run` once, it installs what the tests need");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "openssl {arguments}: {said}");
    };
    let new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
    openssl(&format!(
        "{new} -subj /CN=tests -keyout ca.key -out ca.pem -addext keyUsage=critical,keyCertSign"
    ));
    for (name, subject) in [("server", "localhost"), ("client", "lastbeat")] {
        openssl(&format!(
            "{new} -subj /CN={subject} -keyout {name}.key -out {name}.pem -CA ca.pem -CAkey ca.key \
             -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE"
        ));
    }
    folder
}

#[test]
fn a_client_certificate_is_shown_and_no_server_is_reached_without_tls() {
    let conf = format!(
        "{CONF}tls {{ cert_file: \"{{DIR}}/server.pem\", key_file: \"{{DIR}}/server.key\", \
         ca_file: \"{{DIR}}/ca.pem\", verify: true }}\n"
    );
    let nats = Nats::with(Peer::Current, certificates(), &conf);
    let file = |name: &str| {
        nats.folder()
            .path()
            .join(name)
            .to_string_lossy()
            .into_owned()
    };
    let with = |settings: &[(&str, &str)]| {
        let all = settings.iter();
        all.fold(setup(&nats), |setup, (key, name)| {
            setup.env(key, &file(name))
        })
    };
    let whole = [
        ("NATS_CA", "ca.pem"),
        ("NATS_CERT", "client.pem"),
        ("NATS_KEY", "client.key"),
    ];
    let lastbeat = with(&whole).start();
    flows(&lastbeat);
    lastbeat.stop();

    let lastbeat = with(&whole[..1]).start();
    says(
        &lastbeat,
        "Set NATS_CERT and NATS_KEY to a client certificate",
    );
    lastbeat.stop();
    let lastbeat = with(&whole[1..]).start();
    says(&lastbeat, "Set NATS_CA to the authority of its certificate");
    lastbeat.stop();
    let key = std::fs::read_to_string(file("client.key")).expect("it was made");
    let secret = key.lines().nth(1).expect("a line of the key");
    ends(
        &with(&whole[1..2]),
        64,
        &["NATS_KEY", "client.pem", "no private key"],
        &[secret],
    );
    let other = [("NATS_CERT", "client.pem"), ("NATS_KEY", "server.key")];
    ends(
        &with(&other),
        64,
        &["NATS_KEY", "server.key", "does not fit the certificate"],
        &[secret],
    );
    ends(
        &with(&[("NATS_CA", "client.key")]),
        64,
        &["NATS_CA", "no certificate"],
        &[secret],
    );

    // Without TLS, as someone between the two would have it.
    let plain = Nats::start(Peer::Current);
    let lastbeat = with(&whole).env("NATS_URL", &plain.url()).start();
    says(&lastbeat, "The server answers without TLS");
    lastbeat.stop();
}
