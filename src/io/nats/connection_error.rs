//! Errors that the client reports, each with its kind and a text that says what to do.

use super::{credentials, tls_files};
use crate::decode::settings::{NatsIdentity, NatsSettings, Server};
use crate::io::feed::{ConnectionError, ConnectionErrorKind};
use async_nats::{ConnectError, ConnectErrorKind, Event, ServerError};

/// Characters of a server's words.
const WORDS_CHARS: usize = 500;

/// The meaning of a client's event for the connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Nothing.
    Stays,
    /// The server is about to leave.
    LameDuck,
    /// It does not let us publish.
    MayNotPublish,
    /// The connection is no longer usable.
    Over(ConnectionErrorKind, String),
}

/// Reads an event. `probe` is the subject of our round trips, which need not be permitted.
pub(super) fn meaning(event: &Event, probe: &str) -> Meaning {
    match event {
        Event::Disconnected => Meaning::Over(
            ConnectionErrorKind::Disconnected,
            "the connection broke, or three pings were not answered".to_owned(),
        ),
        Event::Closed => Meaning::Over(ConnectionErrorKind::Ended, "the client closed".to_owned()),
        Event::ServerError(error) => of_server_error(error, probe),
        Event::LameDuckMode => Meaning::LameDuck,
        Event::Connected | Event::Draining | Event::SlowConsumer(_) | Event::ClientError(_) => {
            Meaning::Stays
        }
    }
}

fn of_server_error(error: &ServerError, probe: &str) -> Meaning {
    let text = error.to_string();
    let said = text.to_lowercase();
    if said.contains("permissions violation") {
        return if said.contains("for publish") {
            Meaning::MayNotPublish
        } else if said.contains(&probe.to_lowercase()) {
            Meaning::Stays
        } else {
            Meaning::Over(ConnectionErrorKind::Permission, text)
        };
    }
    if is_about_auth(&said) {
        return Meaning::Over(ConnectionErrorKind::Auth, text);
    }
    Meaning::Stays
}

/// Words of nats-server for a user or token that it does not take, or no longer.
fn is_about_auth(said: &str) -> bool {
    said.contains("authorization violation")
        || said.contains("authentication expired")
        || said.contains("authentication revoked")
}

/// The error of a failed attempt to connect.
pub(super) fn of_connect(
    settings: &NatsSettings,
    server: &Server,
    err: &ConnectError,
) -> ConnectionError {
    let text = err.to_string();
    let kind = match err.kind() {
        ConnectErrorKind::ServerParse | ConnectErrorKind::Dns => ConnectionErrorKind::Unresolvable,
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
            ConnectionErrorKind::Auth
        }
        ConnectErrorKind::TimedOut => ConnectionErrorKind::Timeout,
        ConnectErrorKind::Tls => ConnectionErrorKind::Tls,
        ConnectErrorKind::Io | ConnectErrorKind::MaxReconnects => of_text(&text),
    };
    connection_error(settings, server, kind, &text)
}

/// Words of TLS faults, which reach us as I/O errors. The last is the answer of a server without TLS.
const TLS_FAULTS: [&str; 3] = ["fatal alert", "peer certificate", "corrupt message"];

fn of_text(text: &str) -> ConnectionErrorKind {
    let said = text.to_lowercase();
    let not_nats = [
        "expected info",
        "invalid server operation",
        "expected value",
        "missing field",
    ];
    if is_about_auth(&said) {
        ConnectionErrorKind::Auth
    } else if TLS_FAULTS.iter().any(|words| said.contains(words)) {
        ConnectionErrorKind::Tls
    } else if said.contains("got nothing") {
        ConnectionErrorKind::Unreachable
    } else if not_nats.iter().any(|words| said.contains(words)) {
        ConnectionErrorKind::Garbage
    } else {
        ConnectionErrorKind::Unreachable
    }
}

/// The beginning of addresses in Fly's private network.
const FLYS_NETWORK: &str = "[fdaa:";

/// An error as text, with what to do; without secrets.
pub(super) fn connection_error(
    settings: &NatsSettings,
    server: &Server,
    kind: ConnectionErrorKind,
    text: &str,
) -> ConnectionError {
    // A server's words keep to one line of the log.
    let text = &crate::format::sanitize(text, WORDS_CHARS);
    let user = settings.user_at(server).unwrap_or("(none)");
    // Credentials that cannot be read have no form: their own error says so.
    let forms = credentials::read(settings, server.login.as_ref()).map(credentials::forms);
    let is_flys = server.address.contains(FLYS_NETWORK) || forms.is_ok_and(|all| all.len() > 1);
    let server = &server.address;
    let message = match kind {
        ConnectionErrorKind::Auth if settings.identity.is_some() => {
            refused_identity(settings, server, text)
        }
        ConnectionErrorKind::Auth if is_flys => format!(
            "{server} refuses user {user}: {text}. Set ORG to the organisation's slug and ACCESS_TOKEN to a token \
             of it (fly tokens create readonly {user})"
        ),
        ConnectionErrorKind::Auth => format!(
            "{server} refuses user {user}: {text}. Set NATS_USER and NATS_PASSWORD, or give them in NATS_URL, as in \
             nats://USER:PASSWORD@HOST"
        ),
        ConnectionErrorKind::Permission => format!(
            "{server} does not let user {user} subscribe to {}: {text}. Give the user that permission, or \
             set SUBJECT to what it may read",
            refused(&settings.subjects, text)
        ),
        ConnectionErrorKind::Unresolvable => {
            format!("{server} has no address: {text}. Check NATS_URL and the resolver")
        }
        ConnectionErrorKind::Timeout => format!(
            "{server} did not finish the handshake: {text}. Check NATS_URL and the network between"
        ),
        ConnectionErrorKind::Unreachable => {
            format!("{server} does not answer: {text}. Check NATS_URL and the network between")
        }
        ConnectionErrorKind::Garbage => {
            format!("{server} does not speak NATS: {text}. Check that NATS_URL is a NATS server")
        }
        ConnectionErrorKind::Malformed => format!(
            "a publisher sends messages that cannot be read: {text}. Find it by its connection on the server, and let only \
             the log shippers publish below the subscribed subjects"
        ),
        ConnectionErrorKind::Tls => {
            format!("TLS with {server} failed: {text}{}", tls_files::hint(text))
        }
        ConnectionErrorKind::Disconnected | ConnectionErrorKind::Ended => {
            format!("{server}: {text}")
        }
    };
    ConnectionError { kind, message }
}

/// The refusal of a JWT or an nkey.
fn refused_identity(settings: &NatsSettings, server: &str, text: &str) -> String {
    let (setting, advice) = match &settings.identity {
        Some(identity @ NatsIdentity::Creds(_)) => (
            identity.setting(),
            "Give it those of a user whose account the server knows, neither expired nor revoked",
        ),
        Some(identity @ NatsIdentity::Nkey(_)) => (
            identity.setting(),
            "Give it the seed of an nkey that is a user of the server",
        ),
        None => ("", ""),
    };
    format!("{server} refuses the credentials of {setting}: {text}. {advice}")
}

/// Which of the subjects the server's words name; all of them where it names none.
fn refused(subjects: &[String], text: &str) -> String {
    let named = |subject: &&String| text.contains(&format!("\"{subject}\""));
    match subjects.iter().find(named) {
        Some(subject) => subject.clone(),
        None => subjects.join(","),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::settings::NatsTls;

    fn said(text: &str) -> Meaning {
        meaning(
            &Event::ServerError(ServerError::Other(text.to_owned())),
            "logs.lastbeat-probe",
        )
    }

    #[test]
    fn only_a_subscription_that_is_refused_is_a_permission_trouble() {
        let refused = r#"Permissions Violation for Subscription to "logs.>""#;
        assert!(matches!(
            said(refused),
            Meaning::Over(ConnectionErrorKind::Permission, _)
        ));
        let probe = r#"Permissions Violation for Subscription to "logs.lastbeat-probe""#;
        assert_eq!(said(probe), Meaning::Stays);
        let canary = r#"Permissions Violation for Publish to "logs.lastbeat.x.y""#;
        assert_eq!(said(canary), Meaning::MayNotPublish);
    }

    #[test]
    fn the_words_of_a_server_keep_to_one_line() {
        let words = format!("no\nINFO all is well\u{1b}[2J {}", "x".repeat(9_000));
        let settings = NatsSettings {
            servers: Vec::new(),
            user: None,
            token: None,
            identity: None,
            tls: NatsTls::default(),
            subjects: Vec::new(),
            gossip: false,
        };
        let error = connection_error(
            &settings,
            &Server::default(),
            ConnectionErrorKind::Tls,
            &words,
        );
        assert!(
            error.message.contains("no INFO all is well x"),
            "{}",
            error.message
        );
        assert!(error.message.len() < 600 && !error.message.contains(char::is_control));
    }

    #[test]
    fn of_several_subjects_the_one_that_is_refused_is_named() {
        let subjects = ["logs.web.>", "logs.api.>"].map(str::to_owned);
        let what = r#"Permissions Violation for Subscription to "logs.api.>""#;
        assert_eq!(refused(&subjects, what), "logs.api.>");
        assert_eq!(refused(&subjects, "no"), "logs.web.>,logs.api.>");
    }

    #[test]
    fn an_expired_token_is_an_auth_trouble_and_other_words_are_none() {
        let expired = said("User Authentication Expired");
        assert!(matches!(
            expired,
            Meaning::Over(ConnectionErrorKind::Auth, _)
        ));
        assert_eq!(said("maximum subscriptions exceeded"), Meaning::Stays);
    }

    #[test]
    fn a_server_that_is_none_is_named() {
        assert_eq!(
            of_text("IO error: expected INFO, got Ping"),
            ConnectionErrorKind::Garbage
        );
        assert_eq!(
            of_text("IO error: Connection refused"),
            ConnectionErrorKind::Unreachable
        );
        let alert = "IO error: received fatal alert: CertificateRequired";
        assert_eq!(of_text(alert), ConnectionErrorKind::Tls);
        let unknown = "IO error: invalid peer certificate: UnknownIssuer";
        assert_eq!(of_text(unknown), ConnectionErrorKind::Tls);
        assert!(tls_files::hint(unknown).contains("NATS_CA"));
        let plain = "IO error: received corrupt message of type InvalidContentType";
        assert_eq!(of_text(plain), ConnectionErrorKind::Tls);
        assert!(tls_files::hint(plain).contains("without TLS"));
        assert!(tls_files::hint(alert).contains("NATS_CERT"));
        assert_eq!(
            of_text("IO error: nats: User Authentication Expired"),
            ConnectionErrorKind::Auth
        );
    }
}
