//! The command line's part of the settings.

use std::path::PathBuf;

/// What the command line says; `None` leaves it to the environment.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Flags {
    /// NATS servers, separated by commas [env: NATS_URL]
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// The organisation's slug, or the NATS user [env: ORG, FLY_ORG, NATS_USER]
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// File with the token, read again at each connect [env: ACCESS_TOKEN_FILE; the token itself: ACCESS_TOKEN, NATS_PASSWORD]
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// What to subscribe to, separated by commas or given again; no two may hear the same [env: SUBJECT; FLY_APP for apps by name] [default: logs.>]
    #[arg(long)]
    pub subject: Vec<String>,
    /// Folder of rule files, or one file [env: LASTBEAT_RULES] [default: rules]
    #[arg(long, value_name = "PATH")]
    pub rules: Option<PathBuf>,
    /// Where HTTP is served.
    #[arg(
        long,
        value_name = "ADDR",
        help = "Address for /metrics, /healthz and /readyz [env: LASTBEAT_LISTEN] [default: [::]:9090]"
    )]
    pub listen: Option<String>,
    /// Apps that only prove that the stream flows, globs separated by commas [env: LASTBEAT_IGNORE] [default: fly-builder-*]
    #[arg(long, value_name = "GLOBS")]
    pub ignore: Option<String>,
    /// Instances tracked at once; what is new beyond them is dropped, counted and told [env: LASTBEAT_MAX_INSTANCES] [default: 1000000]
    #[arg(long, value_name = "N")]
    pub max_instances: Option<String>,
    /// Apps known at once, as for instances [env: LASTBEAT_MAX_APPS] [default: 50000]
    #[arg(long, value_name = "N")]
    pub max_apps: Option<String>,
    /// Series of single instances and beats on /metrics at most [env: LASTBEAT_MAX_SERIES] [default: 20000]
    #[arg(long, value_name = "N")]
    pub max_series: Option<String>,
    /// End after this long without an entry, for the supervisor to start afresh; or never [env: LASTBEAT_GIVE_UP_AFTER] [default: 10m]
    #[arg(long, value_name = "DURATION")]
    pub give_up_after: Option<String>,
    /// Send a beat of our own into the stream this often, or off [env: LASTBEAT_CANARY] [default: 10s on Fly, else off]
    #[arg(long, value_name = "DURATION")]
    pub canary: Option<String>,
    /// Use servers too that the NATS cluster names [env: LASTBEAT_GOSSIP=1]
    #[arg(long)]
    pub gossip: bool,
    /// File in which what is known outlives a restart; `memory` or nothing: in memory only [env: LASTBEAT_STATE] [default: /data/lastbeat.db where /data is a folder, else memory]
    #[arg(long, value_name = "FILE")]
    pub state: Option<String>,
    /// File with the address that is pinged each minute while ready, in the way of healthchecks.io [env: LASTBEAT_WATCHDOG_URL_FILE; the address itself: LASTBEAT_WATCHDOG_URL]
    #[arg(long, value_name = "FILE")]
    pub watchdog_url_file: Option<PathBuf>,
    /// File with the token that opens /api and the page to others than this machine [env: LASTBEAT_TOKEN_FILE; the token itself: LASTBEAT_TOKEN]
    #[arg(long, value_name = "FILE")]
    pub web_token_file: Option<PathBuf>,
    /// Environment told to Sentry [env: SENTRY_ENVIRONMENT; its address: SENTRY_DSN]
    #[arg(long, value_name = "NAME")]
    pub sentry_environment: Option<String>,
}
