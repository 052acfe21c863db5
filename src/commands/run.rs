//! `lastbeat run`: watches the stream.

use super::exit::Stop;
use super::{environment, notifiers, rules, runtime};
use crate::app::canary::{self, CanaryPlan};
use crate::app::inventory::Machines;
use crate::app::logging;
use crate::app::notifiers::NotifierFactory;
use crate::app::redact::Redactor;
use crate::app::reload::ReloadConfig;
use crate::app::self_report::{PendingReports, SelfReporter};
use crate::app::service::Service;
use crate::app::watchdog;
use crate::app::web_token::ReadToken;
use crate::clock;
use crate::core::rule::RuleSet;
use crate::decode::canary::{CanarySettings, Way};
use crate::decode::globs;
use crate::decode::settings::{
    self, Flags, InventorySettings, Login, MemorySetting, NatsIdentity, Secret, Settings,
    SourceSettings, TokenSource, token_files,
};
use crate::format;
use crate::io::feed::OutgoingMessage;
use crate::io::http::WebAccess;
use crate::io::http_client::HttpClient;
use crate::io::inventory::InventorySource;
use crate::io::inventory::dns::Dns;
use crate::io::inventory::logs::FlyLogs;
use crate::io::inventory::machines::MachinesApi;
use crate::io::notifier::Notifier;
use crate::io::{self, memory, nats, token_file};
use futures_util::FutureExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::sync::mpsc;
use tracing::{info, warn};

/// The shortest part of NATS credentials: a seed.
const SEED_CHARS: usize = 58;
/// Canaries that may wait to be published: one, since a second one would only tell how long the first has waited.
const WAITING_CANARIES: usize = 1;

/// Watch the stream, alert on silence, serve the page, the API and /metrics
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help())]
pub struct RunArgs {
    #[command(flatten)]
    flags: Flags,
}

fn help() -> String {
    format!(
        "\
On Fly.io two settings are enough: ORG (the organisation's slug) and ACCESS_TOKEN (fly tokens create readonly ORG).

Set by environment alone:
{}

Exit codes: 0 stopped by a signal; 1 could not start, a part died, or the stream is given up; 64 bad settings or rules.

  NATS_URL=nats://127.0.0.1:4222 lastbeat run
  ORG=acme ACCESS_TOKEN_FILE=/run/token lastbeat run --rules rules.toml",
        settings::environment_help()
    )
}

/// Runs until a signal asks to stop.
pub fn run(args: &RunArgs) -> ExitCode {
    let (settings, rules, messages) = match input(args) {
        Ok(input) => input,
        Err(stop) => return stop.print(),
    };
    let (reporter, pending) = SelfReporter::new(redactor(&settings, &rules));
    logging::start(
        settings.log_format,
        "info,async_nats=off",
        Some(reporter.clone()),
    );
    reporter.hook_panics();
    let _flushed = reporter.flush_on_drop();
    info!(path = %settings.rules.display(), rules = rules.rules.len(), "{}", messages.trim_end());
    for unknown in settings::unknown(environment::names()) {
        warn!("{unknown}");
    }
    watch(settings, rules, pending).unwrap_or_else(|stop| stop.log())
}

/// Settings and rules, with the messages about the rules.
fn input(args: &RunArgs) -> Result<(Settings, RuleSet, String), Stop> {
    let settings = settings::read(&args.flags, environment::variable);
    let settings = settings.map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        Stop::bad_input(lines.join("\n"))
    })?;
    environment::trusted_roots()?;
    nats::check(&settings.nats).map_err(|faults| Stop::bad_input(faults.join("\n")))?;
    let (rules, messages) = rules::usable(&settings.rules).map_err(Stop::bad_input)?;
    Ok((settings, rules, messages))
}

/// Connects everything and serves to the end.
fn watch(settings: Settings, rules: RuleSet, pending: PendingReports) -> Result<ExitCode, Stop> {
    let maker = notifiers::maker(&settings);
    let peers = peers(&maker, &settings, &rules).map_err(Stop::bad_input)?;
    report_own_errors(&maker, pending)?;
    let (say, outbox) = mpsc::channel(WAITING_CANARIES);
    let canary = canary(settings.canary.clone(), say)?;
    // The canary is not a target, and its own entries do not count.
    let own = settings.canary.iter().map(|canary| canary.app.clone());
    let nats = settings.nats;
    let addresses: Vec<&str> = nats
        .servers
        .iter()
        .map(|server| server.address.as_str())
        .collect();
    info!(servers = ?addresses, user = nats.user, subject = nats.subjects.join(","), "connecting");
    let state_file = state(settings.state);
    let (web_access, read_token) = access(peers.web_token, settings.anonymous_read, &state_file)?;
    runtime::serve(Service {
        reload: Some(ReloadConfig {
            path: settings.rules,
            env: environment::variable,
            notifiers: maker,
        }),
        rules,
        web_access,
        read_token,
        state: state_file,
        archive: settings.archive,
        machines: machines(settings.inventory),
        watchdogs: peers.watchdogs,
        ignore: globs::with_names(settings.ignore, own),
        limits: settings.limits,
        listen: settings.listen,
        notifiers: peers.notifiers,
        max_series: settings.max_series,
        max_memory: match settings.max_memory {
            MemorySetting::OfTheMachine => memory::default_limit(),
            MemorySetting::Bytes(bytes) => Some(bytes),
            MemorySetting::Off => None,
        },
        give_up_after: settings.give_up_after,
        canary,
        feeder: Box::new(move |clock, line| nats::supervise(nats, clock, line, outbox).boxed()),
        listener: Box::new(|_| {}),
        on_listening: Box::new(|_| {}),
    })
}

/// The token that was given, and its file.
struct WebToken {
    token: Secret,
    file: Option<PathBuf>,
}

fn web_token(source: &TokenSource) -> Result<WebToken, String> {
    match source {
        TokenSource::Given(token) => Ok(WebToken {
            token: token.clone(),
            file: None,
        }),
        TokenSource::File(path) => Ok(WebToken {
            token: read_token(path)?,
            file: Some(path.clone()),
        }),
    }
}

fn read_token(path: &Path) -> Result<Secret, String> {
    let read = token_file::read(path);
    read.map_err(|fault| format!("LASTBEAT_TOKEN_FILE: {}", format::error_chain(&fault)))
}

/// Access to the page and the API: by the token that was given, else by one that is made at the first start.
fn access(
    given: Option<WebToken>,
    anonymous_read: bool,
    state: &Option<PathBuf>,
) -> Result<(WebAccess, Option<ReadToken>), Stop> {
    let WebToken { token, file } = match given {
        Some(given) => given,
        None => own_token(state)?,
    };
    if anonymous_read {
        info!("the page and the API may be read without the token (LASTBEAT_ANONYMOUS)");
    }
    let reread = |file: PathBuf| Box::new(move || read_token(&file)) as ReadToken;
    Ok((
        WebAccess::new(Some(token), anonymous_read),
        file.map(reread),
    ))
}

/// A token of lastbeat's own, in the first file that can hold it.
fn own_token(state: &Option<PathBuf>) -> Result<WebToken, Stop> {
    let files = token_files(state.as_deref(), environment::set);
    let mut faults = Vec::new();
    for file in files {
        match token_file::read_or_make(&file) {
            Ok(token) => {
                info!(file = %file.display(), "LASTBEAT_TOKEN is not set: the token of the page and the API is in this file");
                return Ok(WebToken {
                    token,
                    file: Some(file),
                });
            }
            Err(fault) => faults.push(format::error_chain(&fault)),
        }
    }
    warn!(
        faults = faults.join("; "),
        "LASTBEAT_TOKEN is not set, and no file can hold a token: the page and the API stay closed; set LASTBEAT_TOKEN"
    );
    let token = token_file::random().map_err(|fault| Stop::failed(fault.to_string()))?;
    Ok(WebToken { token, file: None })
}

/// Outside parties that are known by their secrets.
struct Peers {
    notifiers: Vec<Arc<dyn Notifier>>,
    web_token: Option<WebToken>,
    watchdogs: Vec<watchdog::Endpoint>,
}

fn peers(maker: &NotifierFactory, settings: &Settings, rules: &RuleSet) -> Result<Peers, String> {
    let notifiers = notifiers::notifiers(maker, rules)?;
    let web_token = settings.web_token.as_ref().map(web_token).transpose()?;
    let url = secret(settings.watchdog.as_ref(), "LASTBEAT_WATCHDOG_URL_FILE")?;
    let watchdogs = watchdog::endpoints(url.as_ref(), maker.sentry()?, &settings.monitor)?;
    Ok(Peers {
        notifiers,
        web_token,
        watchdogs,
    })
}

/// Sends lastbeat's own panics and errors to Sentry, where it is set.
fn report_own_errors(maker: &NotifierFactory, pending: PendingReports) -> Result<(), Stop> {
    let Some(sentry) = maker.sentry().map_err(Stop::bad_input)? else {
        return Ok(());
    };
    let started = pending.tell(sentry, || HttpClient::new().into_send());
    started.map_err(|why| Stop::failed(format!("no thread for lastbeat's own errors: {why}")))
}

/// The file that keeps the state; `None`: memory only.
fn state(place: settings::StatePlace) -> Option<PathBuf> {
    place
        .settle(|path| path.is_dir())
        .inspect_err(|why| warn!("state is kept in memory only: {why}"))
        .ok()
}

/// The canary, where it is on.
fn canary(
    settings: Option<CanarySettings>,
    say: mpsc::Sender<OutgoingMessage>,
) -> Result<Option<CanaryPlan>, Stop> {
    let canary = settings.map(|canary| plan(canary, say)).transpose();
    let canary = canary.map_err(|why| Stop::failed(format!("no thread for the canary: {why}")))?;
    match &canary {
        Some(canary) => info!(subject = canary.subject, every = ?canary.every, "the canary is on"),
        None => info!("no canary (LASTBEAT_CANARY): only the stream's own entries prove it alive"),
    }
    Ok(canary)
}

/// Where machines are looked up.
fn machines(settings: InventorySettings) -> Machines {
    let source = settings.source.map(|source| match source {
        SourceSettings::Dns(server) => InventorySource::Dns(Dns::new(server)),
        SourceSettings::Machines { api, organisation } => {
            InventorySource::Machines(MachinesApi::new(api).organisation(&organisation))
        }
    });
    match &source {
        Some(source) => info!(source = source.label(), "polling the inventory of machines"),
        None => info!(
            "no inventory of machines (LASTBEAT_INVENTORY): only beats and the platform's log lines decide"
        ),
    }
    Machines {
        source,
        restarts: settings.restarts.map(MachinesApi::new),
        logs: settings.logs.map(FlyLogs::new),
    }
}

/// The canary's way out: standard output, which the platform carries, or the connection itself.
fn plan(canary: CanarySettings, say: mpsc::Sender<OutgoingMessage>) -> std::io::Result<CanaryPlan> {
    let subject = canary.subject();
    Ok(CanaryPlan {
        every: canary.every,
        say: match canary.way {
            Way::Stdout => Box::new(io::canary::stdout()?),
            Way::Publish => {
                let subject = subject.clone();
                Box::new(move |line| {
                    let payload = entry(&canary, &line);
                    let subject = subject.clone();
                    // Where one waits already, this one is lost, and counted by that.
                    let _ = say.try_send(OutgoingMessage { subject, payload });
                })
            }
        },
        subject,
        nonce: canary::nonce(),
    })
}

/// A line of the canary's as an entry of its app.
fn entry(canary: &CanarySettings, line: &str) -> String {
    let timestamp = format::rfc3339(clock::wall());
    serde_json::json!({
        "event": {"provider": "app"},
        "fly": {"app": {"instance": canary.instance, "name": canary.app}, "region": canary.region},
        "message": line,
        "timestamp": timestamp,
    })
    .to_string()
}

/// A secret, out of its file where it is in one; `setting` is the variable that names the file.
fn secret(source: Option<&TokenSource>, setting: &str) -> Result<Option<Secret>, String> {
    let path = match source {
        None => return Ok(None),
        Some(TokenSource::Given(secret)) => return Ok(Some(secret.clone())),
        Some(TokenSource::File(path)) => path,
    };
    let wrong = |why: &str| format!("{setting}: {}: {why}", path.display());
    let text = std::fs::read_to_string(path).map_err(|fault| wrong(&fault.to_string()))?;
    match text.trim() {
        "" => Err(wrong("the file is empty; put the secret into it")),
        text => Ok(Some(Secret::new(text))),
    }
}

/// The JWT and the seed of the NATS user, each on its own, as the file has them.
fn identity_secrets(settings: &Settings) -> Vec<String> {
    let source = settings
        .nats
        .identity
        .as_ref()
        .map(|identity| match identity {
            NatsIdentity::Creds(source) | NatsIdentity::Nkey(source) => source,
        });
    let text = secret(source, "").ok().flatten();
    let text = text.as_ref().map_or("", Secret::reveal);
    // Neither the marks around them nor words of a comment.
    let is_one = |line: &&str| line.len() >= SEED_CHARS && !line.contains([' ', '*']);
    let lines = text.lines().map(str::trim);
    let secrets = lines.filter(|line| !line.starts_with('-')).filter(is_one);
    secrets.map(str::to_owned).collect()
}

/// Takes every secret that is known at the start out of what panics and errors say.
fn redactor(settings: &Settings, rules: &RuleSet) -> Redactor {
    let restarts = settings.inventory.restarts.as_ref();
    let sources = [
        settings.nats.token.as_ref(),
        settings.web_token.as_ref(),
        settings.watchdog.as_ref(),
        restarts.map(|api| &api.token),
    ];
    // One in a file that cannot be read is reported where it is used.
    let sources = sources
        .into_iter()
        .filter_map(|source| secret(source, "").ok().flatten());
    let logins = settings
        .nats
        .servers
        .iter()
        .filter_map(|server| match &server.login {
            Some(
                Login::Token(secret)
                | Login::Password {
                    password: secret, ..
                },
            ) => Some(secret.clone()),
            None => None,
        });
    let all = sources.chain(logins).chain(settings.sentry_dsn.clone());
    let all = all.map(|secret| secret.reveal().to_owned());
    let all = all.chain(identity_secrets(settings));
    let all = all.chain(rules.notifiers.iter().flat_map(|one| one.kind.secrets()));
    Redactor::new(
        all.chain(rules.downstreams.iter().flat_map(|one| one.secrets()))
            .chain(rules.sinks.iter().flat_map(|one| one.secrets())),
    )
}
