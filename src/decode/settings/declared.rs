//! Every setting, declared once. Flags, look-up, faults and the table of the guide follow from here. A new setting is a
//! declaration here, and a line where it is read.

use super::archive::ArchiveSetting;
use super::nats_url::{self, Server};
use super::secret::Secret;
use super::setting::Default::{Depends, Nothing, Text};
use super::setting::{About, Setting};
use super::state::StatePlace;
use super::{nats_identity, parse, subjects};
use crate::core::rule::Globs;
use crate::decode::nearest;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Name, type, parser; variables; flag with the name of its value; default; help. The first variable that is set applies,
/// and the first one names the setting in faults. One that ends in `_FILE` names a file with the value: such a setting is a
/// secret, and its flag takes a file too. A flag without a value is a switch, one that ends in `...` takes a list.
macro_rules! settings {
    ($($name:ident: $type:ty = $parse:expr, $variables:expr, $flag:expr, $default:expr, $help:expr;)*) => {
        $(
            #[doc = $help]
            pub static $name: Setting<$type> = Setting {
                about: About { variables: &$variables, flag: $flag, default: $default, help: $help },
                parse: $parse,
            };
        )*
        /// Every setting, in the order of help, faults and the guide.
        pub static ALL: &[&About] = &[$(&$name.about),*];
    };
}

settings! {
    NATS_URL: Vec<Server> = nats_url::servers, ["NATS_URL"], "--server URL",
        Depends("nats://[fdaa::3]:4223 on Fly.io, else required"),
        "NATS servers, separated by commas; nats://USER:PASSWORD@HOST and nats://TOKEN@HOST carry credentials for that server";
    USER: String = parse::text, ["ORG", "FLY_ORG", "NATS_USER"], "--user NAME",
        Depends("personal on Fly.io where a token is set"),
        "NATS user; on Fly.io the organisation's slug";
    ACCESS_TOKEN: Secret = parse::secret, ["ACCESS_TOKEN", "NATS_PASSWORD", "ACCESS_TOKEN_FILE"], "--token-file FILE",
        Nothing,
        "Token or password of the NATS user; a file is read again at each connect";
    NATS_CREDS: Secret = nats_identity::creds, ["NATS_CREDS", "NATS_CREDS_FILE"], "--creds FILE",
        Nothing,
        "Credentials as in a .creds file, a JWT and the seed of its nkey, in place of user and token; a file is read again at each connect";
    NATS_NKEY: Secret = nats_identity::nkey, ["NATS_NKEY", "NATS_NKEY_FILE"], "--nkey FILE",
        Nothing,
        "Seed of the NATS user's nkey (SU...), in place of user and token; a file is read again at each connect";
    NATS_CERT: PathBuf = parse::path, ["NATS_CERT"], "--tls-cert FILE",
        Nothing,
        "Client certificate for NATS (PEM); the connection is by TLS alone then";
    NATS_KEY: PathBuf = parse::path, ["NATS_KEY"], "--tls-key FILE",
        Depends("the file of NATS_CERT"),
        "Private key of the client certificate (PEM, not encrypted)";
    NATS_CA: PathBuf = parse::path, ["NATS_CA"], "--tls-ca FILE",
        Depends("the system's"),
        "Certificate authorities of the NATS servers (PEM); the connection is by TLS alone then";
    SUBJECT: Vec<String> = subjects::list, ["SUBJECT"], "--subject SUBJECT...",
        Text("logs.>"),
        "NATS subjects to subscribe to, separated by commas; no two may overlap";
    FLY_APP: Vec<String> = subjects::of_apps, ["FLY_APP"], "",
        Nothing,
        "Apps to subscribe to, separated by commas, where SUBJECT is not set; * is every app";
    GOSSIP: bool = parse::switch, ["LASTBEAT_GOSSIP"], "--gossip",
        Text("off"),
        "Also connect to servers that the NATS cluster announces";
    RULES: PathBuf = parse::path, ["LASTBEAT_RULES"], "--rules PATH",
        Text("rules"),
        "Rule file, or folder of *.toml";
    LISTEN: SocketAddr = parse::address, ["LASTBEAT_LISTEN"], "--listen IP:PORT",
        Text("[::]:9090"),
        "Address of the HTTP server: the page, the API, /metrics, /healthz and /readyz";
    PUBLIC_URL: String = parse::page_url, ["LASTBEAT_PUBLIC_URL"], "--public-url URL",
        Depends("none; notifications have no links"),
        "Address of the page for people, which every notification links to";
    TOKEN: Secret = parse::web_token, ["LASTBEAT_TOKEN", "LASTBEAT_TOKEN_FILE"], "--web-token-file FILE",
        Depends("made at the first start, in a file beside the state that the log names"),
        "Token that opens the page and the API, of 16 characters or more; commands send it; a file is read again on SIGHUP";
    ANONYMOUS: bool = parse::anonymous, ["LASTBEAT_ANONYMOUS"], "",
        Text("off"),
        "read: the page and the API may be read without the token; changes still need it";
    STATE: StatePlace = parse::state, ["LASTBEAT_STATE"], "--state FILE",
        Depends("/data/lastbeat.db where /data is a folder, else memory"),
        "File that keeps the state across restarts; memory or an empty value: keep none";
    ARCHIVE: ArchiveSetting = parse::archive, ["LASTBEAT_ARCHIVE"], "--archive DIR",
        Text("memory"),
        "Folder of the archive, a redundant copy of the stream; memory: only the last entries of each instance; off: nothing";
    IGNORE: Globs = parse::glob_list, ["LASTBEAT_IGNORE"], "--ignore GLOBS",
        Text("fly-builder-*"),
        "Apps that only prove that the stream flows, as globs separated by commas";
    CANARY: Option<Duration> = parse::every_or_off, ["LASTBEAT_CANARY"], "--canary DURATION",
        Depends("10s on Fly.io, else off"),
        "Interval of lastbeat's own heartbeat in the stream, or off";
    GIVE_UP_AFTER: Option<Duration> = parse::span_or_never, ["LASTBEAT_GIVE_UP_AFTER"], "--give-up-after DURATION",
        Text("10m"),
        "Exit after this long without an entry, so that the supervisor restarts it; or never";
    SENTRY_DSN: Secret = parse::secret, ["SENTRY_DSN"], "",
        Depends("none; alerts go to the log and the notifiers of the rules"),
        "DSN of the Sentry project that is notified";
    SENTRY_ENVIRONMENT: String = parse::text, ["SENTRY_ENVIRONMENT"], "--sentry-environment NAME",
        Nothing,
        "Environment of Sentry events";
    WATCHDOG_URL: Secret = parse::secret_url, ["LASTBEAT_WATCHDOG_URL", "LASTBEAT_WATCHDOG_URL_FILE"],
        "--watchdog-url-file FILE", Nothing,
        "URL that is pinged each minute while lastbeat is ready, in the way of healthchecks.io";
    INVENTORY: InventoryKind = InventoryKind::parse, ["LASTBEAT_INVENTORY"], "",
        Depends("dns on Fly.io, else none"),
        "Inventory that lists the machines: dns, machines or none";
    INVENTORY_DNS: SocketAddr = parse::address, ["LASTBEAT_INVENTORY_DNS"], "",
        Text("[fdaa::3]:53"),
        "DNS server of the inventory dns";
    INVENTORY_URL: String = parse::origin, ["LASTBEAT_INVENTORY_URL"], "",
        Text("https://api.machines.dev"),
        "Machines API of the inventory machines, and of restarts";
    INVENTORY_TOKEN: Secret = parse::secret, ["LASTBEAT_INVENTORY_TOKEN", "LASTBEAT_INVENTORY_TOKEN_FILE"], "",
        Depends("ACCESS_TOKEN for the inventory machines"),
        "Token for the Machines API; on_silent = \"restart\" needs one that may restart machines";
    SECOND_OPINION: Option<String> = parse::second_opinion, ["LASTBEAT_SECOND_OPINION"], "",
        Text("off"),
        "Where the platform's own logs are asked before a single silence becomes an alert: fly, an address of that API, or off; the token is LASTBEAT_INVENTORY_TOKEN";
    MAX_INSTANCES: usize = parse::instances, ["LASTBEAT_MAX_INSTANCES"], "--max-instances N",
        Text("100000"),
        "Most instances tracked at once; new ones beyond are dropped, counted and reported";
    MAX_APPS: usize = parse::apps, ["LASTBEAT_MAX_APPS"], "--max-apps N",
        Text("50000"),
        "Most apps tracked at once; new ones beyond are dropped, counted and reported";
    MAX_SERIES: usize = parse::number, ["LASTBEAT_MAX_SERIES"], "--max-series N",
        Text("20000"),
        "Most series of single instances and beats on /metrics";
    MAX_MEMORY: Option<u64> = parse::memory, ["LASTBEAT_MAX_MEMORY"], "--max-memory SIZE",
        Depends("nine tenths of the container's or machine's memory"),
        "Memory at which lastbeat stops in order and exits, so that the supervisor restarts it; or off";
    LOG_FORMAT: LogFormat = LogFormat::parse, ["LASTBEAT_LOG_FORMAT"], "",
        Depends("text on a terminal, else json"),
        "Format of the log: text or json";
    RUST_LOG: String = parse::text, ["RUST_LOG"], "",
        Text("info"),
        "Levels of the log: error, warn, info, debug or trace, also for single modules";
    URL: String = parse::text, ["LASTBEAT_URL"], "",
        Text("http://127.0.0.1:9090"),
        "Address of the running lastbeat, for status, tail, silence and drill, which take it as --url too";
}

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
