//! Settings: flags and environment in, one checked value or every fault at once out.

mod flags;
mod limits;
mod nats;
mod secret;
mod state;
mod subjects;

pub use flags::Flags;
pub use nats::NatsSettings;
pub use secret::{Secret, TokenSource};
pub use state::StatePlace;

use super::canary::{self, CanarySettings};
use super::inventory::settings::{self as inventory, InventorySettings};
use crate::core::rule::Globs;
use crate::core::tracker::Limits;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

const DEFAULT_LISTEN: &str = "[::]:9090";
const DEFAULT_MAX_SERIES: usize = 20_000;
/// What a supervisor can do better than we: start afresh, maybe on another machine.
const DEFAULT_GIVE_UP_AFTER: Duration = Duration::from_secs(600);

/// Characters of a monitor's slug; Sentry takes no more.
const SLUG_CHARS: usize = 50;

/// Everything that `run` needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the stream comes from.
    pub nats: NatsSettings,
    /// A folder of rule files, or one file.
    pub rules: PathBuf,
    /// Where HTTP is served.
    pub listen: SocketAddr,
    /// Sentry's address; `None`: alerts go to the log only.
    pub sentry_dsn: Option<Secret>,
    /// Sentry's `environment`.
    pub sentry_environment: Option<String>,
    /// Apps whose entries prove only that the stream flows.
    pub ignore: Globs,
    /// How many are tracked at once.
    pub limits: Limits,
    /// Series of instances and beats shown at most.
    pub max_series: usize,
    /// Without an entry for this long `run` ends; `None`: never.
    pub give_up_after: Option<Duration>,
    /// Where what is known outlives the process.
    pub state: StatePlace,
    /// The address that is pinged each minute; `None`: none.
    pub watchdog: Option<TokenSource>,
    /// Where machines are looked up.
    pub inventory: InventorySettings,
    /// Sentry's name of the monitor of our own check-ins: a slug.
    pub monitor: String,
    /// Opens what only this machine may see and change otherwise.
    pub web_token: Option<TokenSource>,
    /// Our own beats into the stream; `None`: none.
    pub canary: Option<CanarySettings>,
    /// How the log is written; `None`: text on a terminal, else JSON.
    pub log_format: Option<LogFormat>,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// An object a line.
    Json,
}

/// One setting that is wrong or missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingFault {
    /// The setting: its variable.
    pub setting: &'static str,
    /// What is wrong, and what to do; without secrets.
    pub what: String,
}

impl fmt::Display for SettingFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.what)
    }
}

/// Reads all settings. `env` looks a variable up; an empty one counts as unset.
///
/// # Errors
/// Every fault there is.
pub fn read(
    flags: &Flags,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Settings, Vec<SettingFault>> {
    let env = Env(&env);
    let mut faults = Vec::new();
    let nats = nats::nats(flags, &env, &mut faults);
    let listen = flags
        .listen
        .clone()
        .or_else(|| env.first(&["LASTBEAT_LISTEN"]));
    let listen = listen.unwrap_or_else(|| DEFAULT_LISTEN.to_owned());
    let listen = listen.parse().map_err(|_| SettingFault {
        setting: "LASTBEAT_LISTEN",
        what: format!("{listen:?} is no address; give one with its port, such as {DEFAULT_LISTEN} or 127.0.0.1:9090"),
    });
    let most = flags
        .max_series
        .clone()
        .or_else(|| env.first(&["LASTBEAT_MAX_SERIES"]));
    let max_series = most.map_or(Ok(DEFAULT_MAX_SERIES), |most| {
        most.parse().map_err(|_| SettingFault {
            setting: "LASTBEAT_MAX_SERIES",
            what: format!("{most:?} is no number; give one such as {DEFAULT_MAX_SERIES}"),
        })
    });
    let limits = limits::limits(flags, &env, &mut faults);
    let give_up_after = give_up_after(flags, &env);
    let given = flags
        .canary
        .clone()
        .or_else(|| env.first(&["LASTBEAT_CANARY"]));
    let canary = canary::read(given.as_deref(), &nats.subjects, |name| env.first(&[name]));
    let canary = canary.map_err(|what| SettingFault {
        setting: "LASTBEAT_CANARY",
        what,
    });
    let log_format = env
        .first(&["LASTBEAT_LOG_FORMAT"])
        .map(|format| match format.as_str() {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err(SettingFault {
                setting: "LASTBEAT_LOG_FORMAT",
                what: format!("{format:?} is none; give text or json"),
            }),
        });
    let rules = flags
        .rules
        .clone()
        .or_else(|| env.first(&["LASTBEAT_RULES"]).map(PathBuf::from));
    let watchdog = watchdog(flags, &env);
    let inventory = inventory::read(|name| env.first(&[name]));
    let mut take = |fault: SettingFault| faults.push(fault);
    let listen = listen.map_err(&mut take).ok();
    let max_series = max_series.map_err(&mut take).ok();
    let log_format = log_format.transpose().map_err(&mut take).ok();
    // Where it is faulty, the fault is taken and nothing is returned.
    let give_up_after = give_up_after.map_err(&mut take).unwrap_or_default();
    let canary = canary.map_err(&mut take).unwrap_or_default();
    let watchdog = watchdog.map_err(&mut take).unwrap_or_default();
    let inventory = inventory.map_err(|found| faults.extend(found)).ok();
    match (listen, max_series, log_format, inventory, faults.is_empty()) {
        (Some(listen), Some(max_series), Some(log_format), Some(inventory), true) => Ok(Settings {
            inventory,
            nats,
            rules: rules.unwrap_or_else(|| PathBuf::from("rules")),
            listen,
            sentry_dsn: env.first(&["SENTRY_DSN"]).map(Secret::new),
            sentry_environment: flags
                .sentry_environment
                .clone()
                .or_else(|| env.first(&["SENTRY_ENVIRONMENT"])),
            ignore: ignore(flags, &env),
            limits,
            max_series,
            give_up_after,
            canary,
            state: state::place(flags, &env),
            watchdog,
            monitor: monitor(&env),
            web_token: web_token(flags, &env),
            log_format,
        }),
        _ => Err(faults),
    }
}

struct Env<'a>(&'a dyn Fn(&str) -> Option<String>);

impl Env<'_> {
    /// The first variable that is set.
    fn first(&self, names: &[&str]) -> Option<String> {
        names
            .iter()
            .find_map(|name| (self.0)(name).filter(|value| !value.trim().is_empty()))
    }

    /// A variable as it is, empty or not.
    fn raw(&self, name: &str) -> Option<String> {
        (self.0)(name)
    }

    /// A secret: in the flag's file, else in a variable, else in the file that a variable names.
    fn secret(&self, flag: Option<&PathBuf>, given: &str, file: &str) -> Option<TokenSource> {
        if let Some(file) = flag {
            return Some(TokenSource::File(file.clone()));
        }
        let given = self.first(&[given]);
        let given = given.map(|text| TokenSource::Given(Secret::new(text.trim())));
        let file = || self.first(&[file]).map(PathBuf::from);
        given.or_else(|| file().map(TokenSource::File))
    }
}

fn give_up_after(flags: &Flags, env: &Env<'_>) -> Result<Option<Duration>, SettingFault> {
    let given = flags
        .give_up_after
        .clone()
        .or_else(|| env.first(&["LASTBEAT_GIVE_UP_AFTER"]));
    match given.as_deref() {
        None => Ok(Some(DEFAULT_GIVE_UP_AFTER)),
        Some("never") => Ok(None),
        Some(text) => match humantime::parse_duration(text) {
            Ok(after) if after >= Duration::from_secs(1) => Ok(Some(after)),
            _ => Err(SettingFault {
                setting: "LASTBEAT_GIVE_UP_AFTER",
                what: format!(
                    "{text:?} is no duration of a second or more; give one such as 10m, or never"
                ),
            }),
        },
    }
}

fn web_token(flags: &Flags, env: &Env<'_>) -> Option<TokenSource> {
    let file = flags.web_token_file.as_ref();
    env.secret(file, "LASTBEAT_TOKEN", "LASTBEAT_TOKEN_FILE")
}

fn watchdog(flags: &Flags, env: &Env<'_>) -> Result<Option<TokenSource>, SettingFault> {
    let file = flags.watchdog_url_file.as_ref();
    let given = env.secret(file, "LASTBEAT_WATCHDOG_URL", "LASTBEAT_WATCHDOG_URL_FILE");
    let is_url = |text: &str| text.starts_with("https://") || text.starts_with("http://");
    match given {
        Some(TokenSource::Given(url)) if !is_url(url.reveal()) => Err(SettingFault {
            setting: "LASTBEAT_WATCHDOG_URL",
            what: "this is no address; give one such as https://hc-ping.com/UUID".to_owned(),
        }),
        given => Ok(given),
    }
}

/// The same for every machine of an app, so that a machine that is replaced leaves no monitor that misses it for ever.
fn monitor(env: &Env<'_>) -> String {
    let name = match env.first(&["FLY_APP_NAME"]) {
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
fn ignore(flags: &Flags, env: &Env<'_>) -> Globs {
    let list = flags
        .ignore
        .clone()
        .or_else(|| env.first(&["LASTBEAT_IGNORE"]));
    let list = list.unwrap_or_else(|| "fly-builder-*".to_owned());
    let globs = list
        .split(',')
        .map(str::trim)
        .filter(|glob| !glob.is_empty())
        .map(str::to_owned);
    Globs(globs.chain(env.first(&["FLY_APP_NAME"])).collect())
}

#[cfg(test)]
mod tests;
