//! Settings: flags and environment in, one checked value or every fault at once out.

mod archive;
mod declared;
mod flags;
mod given;
mod inventory;
mod nats;
mod nats_identity;
mod nats_url;
mod parse;
mod secret;
mod setting;
mod state;
mod subjects;
mod table;
mod token_place;

pub use archive::ArchiveSetting;
pub use declared::{ARCHIVE, LogFormat, NATS_URL, RULES, STATE, TOKEN, URL};
pub use flags::Flags;
pub use inventory::{ApiSettings, InventorySettings, SourceSettings};
pub use nats::{ClientCertificate, NatsIdentity, NatsSettings, NatsTls};
pub use nats_identity::{creds, nkey};
pub use nats_url::{Login, Server};
pub use secret::{Secret, TokenSource};
pub use setting::{About, SettingFault};
pub use state::{StatePlace, state_file};
pub use table::{environment_help, markdown, unknown};
pub use token_place::{MIN_TOKEN_CHARS, WEAK_TOKEN, token_files};

use super::canary::{self, CanarySettings};
use super::globs;
use crate::core::rule::Globs;
use crate::core::tracker::Limits;
use given::Given;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Limit of characters in a monitor's slug, as at Sentry.
const SLUG_CHARS: usize = 50;

/// Everything that `run` needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The NATS connection.
    pub nats: NatsSettings,
    /// A folder of rule files, or one file.
    pub rules: PathBuf,
    /// Address of the HTTP server.
    pub listen: SocketAddr,
    /// Address of the page for people, without a slash at its end; `None`: notifications have no links.
    pub public_url: Option<String>,
    /// Sentry's DSN; `None`: Sentry is not notified.
    pub sentry_dsn: Option<Secret>,
    /// Sentry's `environment`.
    pub sentry_environment: Option<String>,
    /// Apps whose entries prove only that the stream flows.
    pub ignore: Globs,
    /// Most instances and apps tracked at once.
    pub limits: Limits,
    /// Most series of single instances and beats.
    pub max_series: usize,
    /// Memory at which `run` ends.
    pub max_memory: MemorySetting,
    /// Without an entry for this long `run` ends; `None`: never.
    pub give_up_after: Option<Duration>,
    /// Where the state outlives the process.
    pub state: StatePlace,
    /// The place of the archive.
    pub archive: ArchiveSetting,
    /// The URL that is pinged each minute.
    pub watchdog: Option<TokenSource>,
    /// The inventory of machines.
    pub inventory: InventorySettings,
    /// Sentry's name of the monitor of our own check-ins: a slug.
    pub monitor: String,
    /// Token of the page and the API; `None`: one is made at the first start.
    pub web_token: Option<TokenSource>,
    /// True: the page and the API may be read without the token.
    pub anonymous_read: bool,
    /// lastbeat's own heartbeat in the stream; `None`: off.
    pub canary: Option<CanarySettings>,
    /// Format of the log; `None`: text on a terminal, else JSON.
    pub log_format: Option<LogFormat>,
}

/// Limit of the process's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemorySetting {
    /// A share of what the container or the machine has.
    OfTheMachine,
    /// This many bytes.
    Bytes(u64),
    /// None.
    Off,
}

/// Reads all settings. `env` looks a variable up; an empty one counts as unset.
///
/// # Errors
/// Every fault there is.
pub fn read(
    flags: &Flags,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Settings, Vec<SettingFault>> {
    let given = Given::new(flags, &env);
    let nats = nats::nats(&given);
    let settings = Settings {
        canary: canary(&given, &nats.subjects),
        nats,
        rules: given.value(&declared::RULES),
        listen: given.value(&declared::LISTEN),
        web_token: given.secret(&declared::TOKEN),
        public_url: given.optional(&declared::PUBLIC_URL),
        anonymous_read: given.value(&declared::ANONYMOUS),
        state: state(&given),
        archive: given.value(&declared::ARCHIVE),
        ignore: ignore(&given),
        give_up_after: given.value(&declared::GIVE_UP_AFTER),
        sentry_dsn: given.optional(&declared::SENTRY_DSN),
        sentry_environment: given.optional(&declared::SENTRY_ENVIRONMENT),
        watchdog: given.secret(&declared::WATCHDOG_URL),
        monitor: monitor(&given),
        inventory: inventory::inventory(&given),
        limits: Limits {
            instances: given.value(&declared::MAX_INSTANCES),
            apps: given.value(&declared::MAX_APPS),
        },
        max_series: given.value(&declared::MAX_SERIES),
        max_memory: match given.optional(&declared::MAX_MEMORY) {
            None => MemorySetting::OfTheMachine,
            Some(None) => MemorySetting::Off,
            Some(Some(bytes)) => MemorySetting::Bytes(bytes),
        },
        log_format: given.optional(&declared::LOG_FORMAT),
    };
    given.finish(settings)
}

/// Reads the settings of the NATS connection alone, of the environment: as [`read`].
///
/// # Errors
/// Every fault of them.
pub fn read_nats(env: impl Fn(&str) -> Option<String>) -> Result<NatsSettings, Vec<SettingFault>> {
    let flags = Flags::default();
    let given = Given::new(&flags, &env);
    let nats = nats::nats(&given);
    given.finish(nats)
}

/// An empty variable has a meaning of its own here.
fn state(given: &Given<'_>) -> StatePlace {
    let text = given.raw(&declared::STATE.about);
    let state = text.and_then(|text| given.parse(&declared::STATE, &text));
    state.unwrap_or(StatePlace::Unset)
}

fn canary(given: &Given<'_>, subjects: &[String]) -> Option<CanarySettings> {
    let every = given.optional(&declared::CANARY);
    let canary = canary::read(every, subjects, |name| given.variable(name));
    let canary = canary.map_err(|what| given.fault(&declared::CANARY.about, what));
    canary.unwrap_or_default()
}

/// The same for every machine of an app, so that a machine that is replaced leaves no monitor that misses it for ever.
fn monitor(given: &Given<'_>) -> String {
    let name = match given.variable("FLY_APP_NAME") {
        Some(app) if app.contains("lastbeat") => app,
        Some(app) => format!("lastbeat-{app}"),
        None => "lastbeat".to_owned(),
    };
    let plain = |c: char| {
        let c = c.to_ascii_lowercase();
        if c.is_ascii_alphanumeric() { c } else { '-' }
    };
    name.chars().map(plain).take(SLUG_CHARS).collect()
}

/// Apps that are no targets: the given ones, and our own, whose entries would be our own echo.
fn ignore(given: &Given<'_>) -> Globs {
    globs::with_names(
        given.value(&declared::IGNORE),
        given.variable("FLY_APP_NAME"),
    )
}

#[cfg(test)]
mod tests;
