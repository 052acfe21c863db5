//! The NATS connection: servers, credentials, subscriptions.

use super::declared::{ACCESS_TOKEN, FLY_APP, GOSSIP, NATS_URL, SUBJECT, USER};
use super::given::Given;
use super::nats_url::{Login, Server};
use super::secret::TokenSource;

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
    /// The subscriptions: at least one, none overlapping another.
    pub subjects: Vec<String>,
    /// Servers that the cluster announces are used too.
    pub gossip: bool,
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
        token,
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
