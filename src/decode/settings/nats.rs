//! Where the stream comes from, and who asks for it.

use super::subjects::subjects;
use super::{Env, Flags, Secret, SettingFault, TokenSource};
use std::path::PathBuf;

/// The log proxy of Fly.io's private networks.
pub(super) const FLY_SERVER: &str = "nats://[fdaa::3]:4223";

/// Where the stream comes from, and who asks.
#[derive(Clone, Debug)]
pub struct NatsSettings {
    /// Addresses, at least one; without user and password.
    pub servers: Vec<String>,
    /// The organisation's slug on Fly.
    pub user: Option<String>,
    /// The token or password.
    pub token: Option<TokenSource>,
    /// What is subscribed to: one at least, and no two that hear the same.
    pub subjects: Vec<String>,
    /// Whether servers that the cluster names are used too.
    pub gossip: bool,
}

/// Reads it; what is wrong goes to `faults`.
pub(super) fn nats(flags: &Flags, env: &Env<'_>, faults: &mut Vec<SettingFault>) -> NatsSettings {
    let on_fly = env.first(&["FLY_APP_NAME"]).is_some();
    let given = flags.server.clone().or_else(|| env.first(&["NATS_URL"]));
    let list = given
        .or_else(|| on_fly.then(|| FLY_SERVER.to_owned()))
        .unwrap_or_default();
    let mut nats = NatsSettings {
        servers: Vec::new(),
        user: flags
            .user
            .clone()
            .or_else(|| env.first(&["ORG", "FLY_ORG", "NATS_USER"])),
        token: token(flags, env),
        subjects: subjects(flags, env, faults),
        gossip: flags.gossip
            || env
                .first(&["LASTBEAT_GOSSIP"])
                .is_some_and(|set| is_on(&set)),
    };
    for server in list
        .split(',')
        .map(str::trim)
        .filter(|server| !server.is_empty())
    {
        let (address, credentials) = without_credentials(server);
        if let Some((user, password)) = credentials {
            nats.user.get_or_insert(user);
            nats.token
                .get_or_insert(TokenSource::Given(Secret::new(password)));
        }
        nats.servers.push(address);
    }
    if nats.servers.is_empty() {
        let what = "no server is set; set it to the NATS server to watch, such as nats://127.0.0.1:4222 \
                    (or try `lastbeat demo`, which needs none)";
        faults.push(SettingFault {
            setting: "NATS_URL",
            what: what.to_owned(),
        });
    }
    if on_fly && nats.user.is_none() && nats.token.is_some() {
        nats.user = Some("personal".to_owned());
    }
    nats
}

/// Whether a switch of the environment is on.
fn is_on(value: &str) -> bool {
    !matches!(value.trim(), "0" | "false" | "no" | "off")
}

fn token(flags: &Flags, env: &Env<'_>) -> Option<TokenSource> {
    if let Some(file) = &flags.token_file {
        return Some(TokenSource::File(file.clone()));
    }
    if let Some(token) = env.first(&["ACCESS_TOKEN", "NATS_PASSWORD"]) {
        return Some(TokenSource::Given(Secret::new(token.trim())));
    }
    env.first(&["ACCESS_TOKEN_FILE"])
        .map(|file| TokenSource::File(PathBuf::from(file)))
}

/// Takes `user:password@` out of an address.
fn without_credentials(server: &str) -> (String, Option<(String, String)>) {
    let (scheme, rest) = server
        .split_once("://")
        .map_or(("nats", server), |(scheme, rest)| (scheme, rest));
    match rest.rsplit_once('@') {
        None => (server.to_owned(), None),
        Some((credentials, host)) => {
            let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
            (
                format!("{scheme}://{host}"),
                Some((user.to_owned(), password.to_owned())),
            )
        }
    }
}
