//! Settings: flags and environment in, one checked value or every fault at once out.

use super::canary::{self, CanarySettings};
use crate::core::rule::Globs;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The log proxy of Fly.io's private networks.
const FLY_SERVER: &str = "nats://[fdaa::3]:4223";
const DEFAULT_LISTEN: &str = "[::]:9090";
const DEFAULT_MAX_SERIES: usize = 20_000;
/// What a supervisor can do better than we: start afresh, maybe on another machine.
const DEFAULT_GIVE_UP_AFTER: Duration = Duration::from_secs(600);

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps it.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }

    /// The text itself: only for the peer it is meant for.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

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
    /// Series of instances and beats shown at most.
    pub max_series: usize,
    /// Without an entry for this long `run` ends; `None`: never.
    pub give_up_after: Option<Duration>,
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

/// Where the stream comes from, and who asks.
#[derive(Clone, Debug)]
pub struct NatsSettings {
    /// Addresses, at least one; without user and password.
    pub servers: Vec<String>,
    /// The organisation's slug on Fly.
    pub user: Option<String>,
    /// The token or password.
    pub token: Option<TokenSource>,
    /// What is subscribed to.
    pub subject: String,
    /// Whether servers that the cluster names are used too.
    pub gossip: bool,
}

/// Where the token is.
#[derive(Clone, Debug)]
pub enum TokenSource {
    /// Here.
    Given(Secret),
    /// In a file that is read again at each connect.
    File(PathBuf),
}

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
    /// What to subscribe to [env: SUBJECT; FLY_APP for one app] [default: logs.>]
    #[arg(long)]
    pub subject: Option<String>,
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
    /// File with the token that opens /api and the page to others than this machine [env: LASTBEAT_TOKEN_FILE; the token itself: LASTBEAT_TOKEN]
    #[arg(long, value_name = "FILE")]
    pub web_token_file: Option<PathBuf>,
    /// Environment told to Sentry [env: SENTRY_ENVIRONMENT; its address: SENTRY_DSN]
    #[arg(long, value_name = "NAME")]
    pub sentry_environment: Option<String>,
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
    let nats = nats(flags, &env, &mut faults);
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
    let give_up_after = give_up_after(flags, &env);
    let given = flags
        .canary
        .clone()
        .or_else(|| env.first(&["LASTBEAT_CANARY"]));
    let canary = canary::read(given.as_deref(), &nats.subject, |name| env.first(&[name]));
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
    let mut take = |fault: SettingFault| faults.push(fault);
    let listen = listen.map_err(&mut take).ok();
    let max_series = max_series.map_err(&mut take).ok();
    let log_format = log_format.transpose().map_err(&mut take).ok();
    // Where it is faulty, the fault is taken and nothing is returned.
    let give_up_after = give_up_after.map_err(&mut take).unwrap_or_default();
    let canary = canary.map_err(&mut take).unwrap_or_default();
    match (listen, max_series, log_format, faults.is_empty()) {
        (Some(listen), Some(max_series), Some(log_format), true) => Ok(Settings {
            nats,
            rules: rules.unwrap_or_else(|| PathBuf::from("rules")),
            listen,
            sentry_dsn: env.first(&["SENTRY_DSN"]).map(Secret::new),
            sentry_environment: flags
                .sentry_environment
                .clone()
                .or_else(|| env.first(&["SENTRY_ENVIRONMENT"])),
            ignore: ignore(flags, &env),
            max_series,
            give_up_after,
            canary,
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
}

fn nats(flags: &Flags, env: &Env<'_>, faults: &mut Vec<SettingFault>) -> NatsSettings {
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
        subject: subject(flags, env, faults),
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

fn web_token(flags: &Flags, env: &Env<'_>) -> Option<TokenSource> {
    let given = env.first(&["LASTBEAT_TOKEN"]);
    let file = flags
        .web_token_file
        .clone()
        .or_else(|| env.first(&["LASTBEAT_TOKEN_FILE"]).map(PathBuf::from));
    match (&flags.web_token_file, given, file) {
        (None, Some(token), _) => Some(TokenSource::Given(Secret::new(token.trim()))),
        (_, _, file) => file.map(TokenSource::File),
    }
}

fn subject(flags: &Flags, env: &Env<'_>, faults: &mut Vec<SettingFault>) -> String {
    let given = flags.subject.clone().or_else(|| env.first(&["SUBJECT"]));
    let subject = match (given, env.first(&["FLY_APP"])) {
        (Some(subject), _) => subject,
        (None, None) => "logs.>".to_owned(),
        (None, Some(app)) if app == "*" => "logs.>".to_owned(),
        (None, Some(app)) => format!("logs.{app}.>"),
    };
    let token_is_wrong = |token: &str| token.is_empty() || token.contains(char::is_whitespace);
    if subject.split('.').any(token_is_wrong) {
        let what =
            format!("{subject:?} is no NATS subject; give one such as logs.> or logs.myapp.>");
        faults.push(SettingFault {
            setting: "SUBJECT",
            what,
        });
    }
    subject
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

#[cfg(test)]
mod tests {
    use super::*;

    fn with(vars: &[(&str, &str)]) -> Result<Settings, Vec<SettingFault>> {
        read(&Flags::default(), |name| {
            vars.iter()
                .find(|var| var.0 == name)
                .map(|var| var.1.to_owned())
        })
    }

    #[test]
    fn on_fly_two_variables_are_enough() {
        let settings = with(&[
            ("FLY_APP_NAME", "lastbeat"),
            ("ORG", "acme"),
            ("ACCESS_TOKEN", "FlyV1 fm2_x"),
        ]);
        let settings = settings.expect("nothing is missing");
        assert_eq!(settings.nats.servers, [FLY_SERVER]);
        assert_eq!(
            (settings.nats.user.as_deref(), &*settings.nats.subject),
            (Some("acme"), "logs.>")
        );
        assert_eq!(settings.ignore.0, ["fly-builder-*", "lastbeat"]);
        assert!(
            !format!("{settings:?}").contains("fm2_x"),
            "a secret is printed"
        );
    }

    #[test]
    fn the_first_variable_set_wins() {
        let vars = [
            ("NATS_URL", "a:1, b:2"),
            ("NATS_USER", "n"),
            ("FLY_ORG", "f"),
            ("FLY_APP", "web"),
            ("ORG", " "),
        ];
        let nats = with(&vars).expect("whole").nats;
        assert_eq!(
            (nats.servers.len(), nats.user.as_deref(), &*nats.subject),
            (2, Some("f"), "logs.web.>")
        );
    }

    #[test]
    fn credentials_in_the_address_become_fields() {
        let nats = with(&[("NATS_URL", "nats://me:s3cret@host:4222")])
            .expect("whole")
            .nats;
        assert_eq!(
            (nats.servers, nats.user.as_deref()),
            (vec!["nats://host:4222".to_owned()], Some("me"))
        );
        assert!(
            matches!(nats.token, Some(TokenSource::Given(secret)) if secret.reveal() == "s3cret")
        );
    }

    #[test]
    fn the_webs_token_is_never_shown() {
        let settings = with(&[("NATS_URL", "a:1"), ("LASTBEAT_TOKEN", " t0p ")]).expect("whole");
        assert!(
            matches!(&settings.web_token, Some(TokenSource::Given(secret)) if secret.reveal() == "t0p")
        );
        assert!(!format!("{settings:?}").contains("t0p"));
        let file = with(&[("NATS_URL", "a:1"), ("LASTBEAT_TOKEN_FILE", "/run/t")]);
        let file = file.expect("whole").web_token;
        assert!(matches!(file, Some(TokenSource::File(path)) if path.ends_with("t")));
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let faults = with(&[
            ("LASTBEAT_LISTEN", "nowhere"),
            ("SUBJECT", "logs. x"),
            ("LASTBEAT_MAX_SERIES", "lots"),
            ("LASTBEAT_GIVE_UP_AFTER", "soon"),
        ]);
        let faults = faults.expect_err("five are wrong");
        let settings: Vec<_> = faults.iter().map(|fault| fault.setting).collect();
        assert_eq!(
            settings,
            [
                "SUBJECT",
                "NATS_URL",
                "LASTBEAT_LISTEN",
                "LASTBEAT_MAX_SERIES",
                "LASTBEAT_GIVE_UP_AFTER"
            ]
        );
    }
}
