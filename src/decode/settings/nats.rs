//! The NATS connection: servers, credentials, subscriptions.

use super::declared::{
    ACCESS_TOKEN, FLY_APP, GOSSIP, NATS_CA, NATS_CERT, NATS_CREDS, NATS_KEY, NATS_NKEY, NATS_URL,
    SUBJECT, USER,
};
use super::given::Given;
use super::nats_url::{Login, Server};
use super::secret::TokenSource;
use std::path::PathBuf;

/// The log proxy of Fly.io's private networks.
pub(super) const FLY_SERVER: &str = "nats://[fdaa::3]:4223";
/// The organisation of every account on Fly.io.
const FLY_ORGANISATION: &str = "personal";
/// Every app, in the settings of log shippers.
const EVERY_APP: &str = "*";

/// The NATS connection.
#[derive(Clone, Debug)]
pub struct NatsSettings {
    /// The servers, at least one, each with the credentials of its URL.
    pub servers: Vec<Server>,
    /// The user, on Fly.io the organisation's slug; it comes before that of a server's URL.
    pub user: Option<String>,
    /// The token or password; it comes before that of a server's URL.
    pub token: Option<TokenSource>,
    /// The JWT or nkey that comes before user and token.
    pub identity: Option<NatsIdentity>,
    /// Files for TLS with the servers.
    pub tls: NatsTls,
    /// The subscriptions: at least one, none overlapping another.
    pub subjects: Vec<String>,
    /// Servers that the cluster announces are used too.
    pub gossip: bool,
}

/// Proof of identity by a signature. Each is checked where it is read: a file's content is unknown until then.
#[derive(Clone, Debug)]
pub enum NatsIdentity {
    /// The text of a `.creds` file: `NATS_CREDS`.
    Creds(TokenSource),
    /// The seed of a user's nkey: `NATS_NKEY`.
    Nkey(TokenSource),
}

impl NatsIdentity {
    /// The variable that sets it.
    pub fn setting(&self) -> &'static str {
        let source = |value: &'static str, file: &'static str, source: &TokenSource| match source {
            TokenSource::Given(_) => value,
            TokenSource::File(_) => file,
        };
        match self {
            NatsIdentity::Creds(from) => source("NATS_CREDS", "NATS_CREDS_FILE", from),
            NatsIdentity::Nkey(from) => source("NATS_NKEY", "NATS_NKEY_FILE", from),
        }
    }
}

/// Files for TLS, all PEM. Where one is set, no server is reached without TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NatsTls {
    /// Certificate authorities of the servers, in place of the system's.
    pub authorities: Option<PathBuf>,
    /// The client certificate.
    pub client: Option<ClientCertificate>,
}

/// A client certificate and its private key, which may be one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate and those between it and its authority.
    pub certificate: PathBuf,
    /// The private key, not encrypted.
    pub key: PathBuf,
}

impl NatsTls {
    /// True where a plaintext connection is out of the question.
    pub fn is_required(&self) -> bool {
        self.authorities.is_some() || self.client.is_some()
    }
}

impl NatsSettings {
    /// The user at a server: that of the settings, else that of the server's URL.
    pub fn user_at<'a>(&'a self, server: &'a Server) -> Option<&'a str> {
        let of_url = match &server.login {
            Some(Login::Password { user, .. }) => Some(user.as_str()),
            Some(Login::Token(_)) | None => None,
        };
        self.user.as_deref().or(of_url)
    }
}

/// Reads them.
pub(super) fn nats(given: &Given<'_>) -> NatsSettings {
    let on_fly = given.variable("FLY_APP_NAME").is_some();
    let default = if on_fly { FLY_SERVER } else { "" };
    let servers = given.text(&NATS_URL.about);
    let servers = given.parse(&NATS_URL, servers.as_deref().unwrap_or(default));
    let token = given.secret(&ACCESS_TOKEN);
    let of_account = || (on_fly && token.is_some()).then(|| FLY_ORGANISATION.to_owned());
    NatsSettings {
        user: given.optional(&USER).or_else(of_account),
        servers: servers.unwrap_or_default(),
        subjects: subjects(given),
        gossip: given.value(&GOSSIP),
        identity: identity(given),
        tls: tls(given),
        token,
    }
}

fn identity(given: &Given<'_>) -> Option<NatsIdentity> {
    let nkey = given.secret(&NATS_NKEY).map(NatsIdentity::Nkey);
    let creds = given.secret(&NATS_CREDS).map(NatsIdentity::Creds);
    if nkey.is_some() && creds.is_some() {
        let what = "NATS_CREDS is set too; set one of the two";
        given.fault(&NATS_NKEY.about, what.to_owned());
    }
    creds.or(nkey)
}

fn tls(given: &Given<'_>) -> NatsTls {
    let certificate = given.optional(&NATS_CERT);
    let key = given.optional(&NATS_KEY);
    if certificate.is_none() && key.is_some() {
        let what = "NATS_CERT is not set; set it to the certificate of this key";
        given.fault(&NATS_KEY.about, what.to_owned());
    }
    NatsTls {
        authorities: given.optional(&NATS_CA),
        client: certificate.map(|certificate| ClientCertificate {
            key: key.unwrap_or_else(|| certificate.clone()),
            certificate,
        }),
    }
}

/// The subscriptions: by subjects, else by apps.
fn subjects(given: &Given<'_>) -> Vec<String> {
    let by_subject = given.text(&SUBJECT.about).is_some();
    let apps = given.text(&FLY_APP.about);
    if by_subject || apps.is_none_or(|apps| apps.trim() == EVERY_APP) {
        return given.value(&SUBJECT);
    }
    given.optional(&FLY_APP).unwrap_or_default()
}
