//! Every setting, declared once: its variables, parser, help, flag and default. Flags, look-up, faults and the table of the
//! guide follow from here. A new setting is a declaration, its line in [`ALL`], and a line where it is read.

use super::nats_url::Server;
use super::parse;
use super::secret::Secret;
use super::setting::{About, Setting};
use super::state::StatePlace;
use super::{nats_url, subjects};
use crate::core::rule::Globs;
use crate::decode::nearest;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Every setting, in the order of help, faults and the guide.
pub static ALL: [&About; 26] = [
    &NATS_URL.about,
    &USER.about,
    &ACCESS_TOKEN.about,
    &SUBJECT.about,
    &FLY_APP.about,
    &GOSSIP.about,
    &RULES.about,
    &LISTEN.about,
    &TOKEN.about,
    &STATE.about,
    &IGNORE.about,
    &CANARY.about,
    &GIVE_UP_AFTER.about,
    &SENTRY_DSN.about,
    &SENTRY_ENVIRONMENT.about,
    &WATCHDOG_URL.about,
    &INVENTORY.about,
    &INVENTORY_DNS.about,
    &INVENTORY_URL.about,
    &INVENTORY_TOKEN.about,
    &MAX_INSTANCES.about,
    &MAX_APPS.about,
    &MAX_SERIES.about,
    &LOG_FORMAT.about,
    &RUST_LOG.about,
    &URL.about,
];

/// The NATS servers.
pub static NATS_URL: Setting<Vec<Server>> = Setting::new(
    &["NATS_URL"],
    nats_url::servers,
    "NATS servers, separated by commas; nats://USER:PASSWORD@HOST and nats://TOKEN@HOST carry credentials for that server",
)
.flag("server", "URL")
.depends("nats://[fdaa::3]:4223 on Fly.io, else required");

/// The user.
pub static USER: Setting<String> = Setting::new(
    &["ORG", "FLY_ORG", "NATS_USER"],
    parse::text,
    "NATS user; on Fly.io the organisation's slug",
)
.flag("user", "NAME")
.depends("personal on Fly.io where a token is set");

/// The token or password.
pub static ACCESS_TOKEN: Setting<Secret> = Setting::new(
    &["ACCESS_TOKEN", "NATS_PASSWORD"],
    parse::secret,
    "Token or password of the NATS user; a file is read again at each connect",
)
.file("ACCESS_TOKEN_FILE")
.flag("token-file", "FILE");

/// The subscriptions.
pub static SUBJECT: Setting<Vec<String>> = Setting::new(
    &["SUBJECT"],
    subjects::list,
    "NATS subjects to subscribe to, separated by commas; no two may overlap",
)
.list_flag("subject", "SUBJECT")
.default("logs.>");

/// The subscriptions, by apps.
pub static FLY_APP: Setting<Vec<String>> = Setting::new(
    &["FLY_APP"],
    subjects::of_apps,
    "Apps to subscribe to, separated by commas, where SUBJECT is not set; * is every app",
);

/// Other servers of the cluster.
pub static GOSSIP: Setting<bool> = Setting::new(
    &["LASTBEAT_GOSSIP"],
    parse::switch,
    "Also connect to servers that the NATS cluster announces",
)
.switch("gossip")
.default("off");

/// The rules.
pub static RULES: Setting<PathBuf> = Setting::new(
    &["LASTBEAT_RULES"],
    parse::path,
    "Rule file, or folder of *.toml",
)
.flag("rules", "PATH")
.default("rules");

/// The HTTP server.
pub static LISTEN: Setting<SocketAddr> = Setting::new(
    &["LASTBEAT_LISTEN"],
    parse::address,
    "Address of the HTTP server: the page, the API, /metrics, /healthz and /readyz",
)
.flag("listen", "IP:PORT")
.default("[::]:9090");

/// The token of the page and the API.
pub static TOKEN: Setting<Secret> = Setting::new(
    &["LASTBEAT_TOKEN"],
    parse::secret,
    "Token that opens the page and the API to other machines; commands send it",
)
.file("LASTBEAT_TOKEN_FILE")
.flag("web-token-file", "FILE")
.depends("none: only this machine can use them");

/// The state file.
pub static STATE: Setting<StatePlace> = Setting::new(
    &["LASTBEAT_STATE"],
    parse::state,
    "File that keeps the state across restarts; memory or an empty value: keep none",
)
.flag("state", "FILE")
.depends("/data/lastbeat.db where /data is a folder, else memory");

/// Apps that are no targets.
pub static IGNORE: Setting<Globs> = Setting::new(
    &["LASTBEAT_IGNORE"],
    parse::globs,
    "Apps that only prove that the stream flows, as globs separated by commas",
)
.flag("ignore", "GLOBS")
.default("fly-builder-*");

/// The canary.
pub static CANARY: Setting<Option<Duration>> = Setting::new(
    &["LASTBEAT_CANARY"],
    parse::every_or_off,
    "Interval of lastbeat's own heartbeat in the stream, or off",
)
.flag("canary", "DURATION")
.depends("10s on Fly.io, else off");

/// The end of a process without a stream.
pub static GIVE_UP_AFTER: Setting<Option<Duration>> = Setting::new(
    &["LASTBEAT_GIVE_UP_AFTER"],
    parse::span_or_never,
    "Exit after this long without an entry, so that the supervisor restarts it; or never",
)
.flag("give-up-after", "DURATION")
.default("10m");

/// Sentry.
pub static SENTRY_DSN: Setting<Secret> = Setting::new(
    &["SENTRY_DSN"],
    parse::secret,
    "DSN of the Sentry project that is notified",
)
.depends("none: alerts go to the log, and to the notifiers of the rules");

/// Sentry's environment.
pub static SENTRY_ENVIRONMENT: Setting<String> = Setting::new(
    &["SENTRY_ENVIRONMENT"],
    parse::text,
    "Environment of Sentry events",
)
.flag("sentry-environment", "NAME");

/// The watchdog.
pub static WATCHDOG_URL: Setting<Secret> = Setting::new(
    &["LASTBEAT_WATCHDOG_URL"],
    parse::secret_url,
    "URL that is pinged each minute while lastbeat is ready, in the way of healthchecks.io",
)
.file("LASTBEAT_WATCHDOG_URL_FILE")
.flag("watchdog-url-file", "FILE");

/// The inventory.
pub static INVENTORY: Setting<InventoryKind> = Setting::new(
    &["LASTBEAT_INVENTORY"],
    InventoryKind::parse,
    "Inventory that lists the machines: dns, machines or none",
)
.depends("dns on Fly.io, else none");

/// The DNS server of the inventory.
pub static INVENTORY_DNS: Setting<SocketAddr> = Setting::new(
    &["LASTBEAT_INVENTORY_DNS"],
    parse::address,
    "DNS server of the inventory dns",
)
.default("[fdaa::3]:53");

/// The API of the inventory.
pub static INVENTORY_URL: Setting<String> = Setting::new(
    &["LASTBEAT_INVENTORY_URL"],
    parse::origin,
    "Machines API of the inventory machines, and of restarts",
)
.default("https://api.machines.dev");

/// The token for that API.
pub static INVENTORY_TOKEN: Setting<Secret> = Setting::new(
    &["LASTBEAT_INVENTORY_TOKEN"],
    parse::secret,
    "Token for the Machines API; on_silent = \"restart\" needs one that may restart machines",
)
.file("LASTBEAT_INVENTORY_TOKEN_FILE")
.depends("ACCESS_TOKEN for the inventory machines");

/// Instances at once.
pub static MAX_INSTANCES: Setting<usize> = Setting::new(
    &["LASTBEAT_MAX_INSTANCES"],
    parse::instances,
    "Most instances tracked at once; new ones beyond are dropped, counted and reported",
)
.flag("max-instances", "N")
.default("1000000");

/// Apps at once.
pub static MAX_APPS: Setting<usize> = Setting::new(
    &["LASTBEAT_MAX_APPS"],
    parse::apps,
    "Most apps tracked at once; new ones beyond are dropped, counted and reported",
)
.flag("max-apps", "N")
.default("50000");

/// Series of a scrape.
pub static MAX_SERIES: Setting<usize> = Setting::new(
    &["LASTBEAT_MAX_SERIES"],
    parse::number,
    "Most series of single instances and beats on /metrics",
)
.flag("max-series", "N")
.default("20000");

/// The format of the log.
pub static LOG_FORMAT: Setting<LogFormat> = Setting::new(
    &["LASTBEAT_LOG_FORMAT"],
    LogFormat::parse,
    "Format of the log: text or json",
)
.depends("text on a terminal, else json");

/// The levels of the log; read where the log starts.
pub static RUST_LOG: Setting<String> = Setting::new(
    &["RUST_LOG"],
    parse::text,
    "Levels of the log: error, warn, info, debug or trace, also for single modules",
)
.default("info");

/// The running lastbeat that commands ask.
pub static URL: Setting<String> = Setting::new(
    &["LASTBEAT_URL"],
    parse::text,
    "Address of the running lastbeat, for status, tail, silence and drill",
)
.client_flag("url", "URL")
.default("http://127.0.0.1:9090");

/// The format of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// An object a line.
    Json,
}

impl LogFormat {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err(format!("unknown format {text:?}: expected text or json")),
        }
    }
}

/// A word of `LASTBEAT_INVENTORY`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InventoryKind {
    /// Fly's private DNS.
    Dns,
    /// Fly's Machines API.
    Machines,
    /// No inventory.
    None,
}

impl InventoryKind {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "dns" => Ok(InventoryKind::Dns),
            "machines" => Ok(InventoryKind::Machines),
            "none" => Ok(InventoryKind::None),
            other => {
                let known = ["dns", "machines", "none"];
                let hint = nearest::hint(other, &known);
                Err(format!(
                    "unknown inventory {other:?}{hint}; known are {}",
                    known.join(", ")
                ))
            }
        }
    }
}
