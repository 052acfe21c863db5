//! `lastbeat run`: watches the stream.

use super::check;
use crate::app::canary::CanaryPlan;
use crate::app::inventory::Machines;
use crate::app::logging;
use crate::app::notifiers::NotifierFactory;
use crate::app::redact::Redactor;
use crate::app::reload::ReloadConfig;
use crate::app::self_report::SelfReporter;
use crate::app::service::Service;
use crate::app::watchdog;
use crate::clock;
use crate::core::rule::{Globs, RuleSet};
use crate::decode::canary::{CanarySettings, Way};
use crate::decode::inventory::settings::{InventorySettings, SourceSettings};
use crate::decode::settings::{self, Flags, Secret, Settings, TokenSource};
use crate::format;
use crate::io::feed::OutgoingMessage;
use crate::io::http_client::HttpClient;
use crate::io::inventory::InventorySource;
use crate::io::inventory::dns::Dns;
use crate::io::inventory::machines::MachinesApi;
use crate::io::notifier::Notifier;
use crate::io::{self, nats};
use futures_util::FutureExt;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::sync::mpsc;
use tracing::{error, info, warn};

/// Canaries that may wait to be published: one, since a second one would only tell how long the first has waited.
const WAITING_CANARIES: usize = 1;

/// Watch the stream, alert on silence, serve /metrics.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
On Fly.io two settings are enough: ORG (the organisation's slug) and ACCESS_TOKEN (fly tokens create readonly ORG).
SENTRY_DSN makes alerts go to Sentry; without it they go to the log only.

Set by environment alone:
  ACCESS_TOKEN, NATS_PASSWORD    the token of the stream; a flag would show it to everybody on the machine
  LASTBEAT_TOKEN                 the token of the page and the API
  SENTRY_DSN                     where alerts go
  LASTBEAT_WATCHDOG_URL          pinged each minute while all is well
  LASTBEAT_INVENTORY             where machines are looked up: dns, machines or none [default: dns on Fly, else none];
                                 with LASTBEAT_INVENTORY_DNS, LASTBEAT_INVENTORY_URL, LASTBEAT_INVENTORY_TOKEN and
                                 LASTBEAT_INVENTORY_TOKEN_FILE where they are elsewhere or ask for a token of their own
  RUST_LOG                       what is logged [default: info]
  LASTBEAT_LOG_FORMAT            text or json [default: text on a terminal, else json]

Exit codes: 0 asked to stop, and stopped; 1 could not start, a part died, or the stream is given up; 64 bad settings or
rules.

  NATS_URL=nats://127.0.0.1:4222 lastbeat run
  ORG=acme ACCESS_TOKEN_FILE=/run/token lastbeat run --rules /etc/lastbeat/rules")]
pub struct RunArgs {
    #[command(flatten)]
    flags: Flags,
}

/// Runs until a signal asks to stop.
pub fn run(args: &RunArgs) -> ExitCode {
    let settings = match settings::read(&args.flags, env) {
        Ok(settings) => settings,
        Err(faults) => {
            faults.iter().for_each(|fault| eprintln!("{fault}"));
            return ExitCode::from(check::EXIT_BAD_RULES);
        }
    };
    let mut found = Vec::new();
    let rules = check::rules(&settings.rules, false, &mut found);
    let Ok(Some(rules)) = rules else {
        eprint!("{}", String::from_utf8_lossy(&found));
        return ExitCode::from(check::EXIT_BAD_RULES);
    };
    let (own_faults, untold) = SelfReporter::new(mask(&settings, &rules));
    logging::start(
        settings.log_format,
        "info,async_nats=off",
        Some(own_faults.clone()),
    );
    own_faults.hook_panics();
    let _flushed = own_faults.flush_on_drop();
    info!(path = %settings.rules.display(), rules = rules.rules.len(), "{}", String::from_utf8_lossy(&found).trim_end());
    let maker = maker(&settings);
    let made = notifiers(&maker, &rules).and_then(|notifiers| {
        let web_token = secret(settings.web_token.as_ref(), "LASTBEAT_TOKEN_FILE")?;
        let url = secret(settings.watchdog.as_ref(), "LASTBEAT_WATCHDOG_URL_FILE")?;
        let watchdogs = watchdog::endpoints(url.as_ref(), maker.sentry()?, &settings.monitor)?;
        Ok((notifiers, web_token, watchdogs, maker.sentry()?))
    });
    let (notifiers, web_token, watchdogs, sentry) = match made {
        Ok(made) => made,
        Err(why) => {
            error!("{why}");
            return ExitCode::from(check::EXIT_BAD_RULES);
        }
    };
    let told = sentry.map_or(Ok(()), |sentry| {
        untold.tell(sentry, || HttpClient::new().into_send())
    });
    if let Err(why) = told {
        return super::failed(&format!("no thread for faults of our own: {why}"));
    }
    let state = match settings.state.clone().settle(|path| path.is_dir()) {
        Ok(path) => Some(path),
        Err(why) => {
            warn!("state is kept in memory only. {why}");
            None
        }
    };
    let machines = machines(settings.inventory.clone());
    let nats = settings.nats.clone();
    info!(servers = ?nats.servers, user = nats.user, subject = nats.subjects.join(","), "connecting");
    let (say, outbox) = mpsc::channel(WAITING_CANARIES);
    // The canary is nobody's target, and cannot feed on itself.
    let own = settings.canary.iter().map(|canary| canary.app.clone());
    let ignore = Globs(settings.ignore.0.into_iter().chain(own).collect());
    let canary = match settings.canary.map(|canary| plan(canary, say)).transpose() {
        Ok(canary) => canary,
        Err(why) => return super::failed(&format!("no thread for the canary: {why}")),
    };
    match &canary {
        Some(canary) => info!(subject = canary.subject, every = ?canary.every, "the canary flies"),
        None => info!("no canary (LASTBEAT_CANARY): only the stream's own entries prove it alive"),
    }
    let reload = ReloadConfig {
        path: settings.rules.clone(),
        env,
        notifiers: maker,
    };
    super::serve(Service {
        rules,
        reload: Some(reload),
        web_token,
        state,
        machines,
        watchdogs,
        ignore,
        limits: settings.limits,
        listen: settings.listen,
        notifiers,
        max_series: settings.max_series,
        give_up_after: settings.give_up_after,
        canary,
        feeder: Box::new(move |clock, line| nats::supervise(nats, clock, line, outbox).boxed()),
        listener: Box::new(|_| {}),
        on_listening: Box::new(|_| {}),
    })
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
        Some(source) => info!(source = source.label(), "machines are looked up"),
        None => info!(
            "no inventory of machines (LASTBEAT_INVENTORY): beats and the platform's lines decide alone"
        ),
    }
    Machines {
        source,
        restarts: settings.restarts.map(MachinesApi::new),
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

/// A variable of the environment.
pub(super) fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Makes notifiers as the settings say.
pub(super) fn maker(settings: &Settings) -> NotifierFactory {
    NotifierFactory {
        dsn: settings.sentry_dsn.clone(),
        environment: settings.sentry_environment.clone(),
        server_name: server_name(),
    }
}

/// Everyone who is told beside the log.
pub(super) fn notifiers(
    maker: &NotifierFactory,
    rules: &RuleSet,
) -> Result<Vec<Arc<dyn Notifier>>, String> {
    let mut all: Vec<Arc<dyn Notifier>> = Vec::new();
    match maker.sentry()? {
        Some(sentry) => {
            info!("alerts go to Sentry at {}", sentry.origin());
            all.push(Arc::new(sentry));
        }
        None if rules.notifiers.is_empty() => {
            warn!("SENTRY_DSN is not set: alerts go to this log only");
        }
        None => {}
    }
    for rule in &rules.notifiers {
        all.extend(maker.make(rule)?);
        info!(notifier = rule.name, "alerts go to a notifier of the rules");
    }
    Ok(all)
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

/// Takes every secret that is known at the start out of what panics and errors say.
fn mask(settings: &Settings, rules: &RuleSet) -> Redactor {
    let given = |source: &Option<TokenSource>| {
        // One in a file that cannot be read is told where it is used.
        secret(source.as_ref(), "").ok().flatten()
    };
    let sources = [
        &settings.nats.token,
        &settings.web_token,
        &settings.watchdog,
    ];
    let all = sources
        .into_iter()
        .filter_map(given)
        .chain(settings.sentry_dsn.clone());
    let all = all.map(|secret| secret.reveal().to_owned());
    Redactor::new(all.chain(rules.notifiers.iter().flat_map(|one| one.kind.secrets())))
}

/// Who watches: the machine, or the host.
fn server_name() -> String {
    let from_kernel = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = std::env::var("FLY_MACHINE_ID").ok().or_else(from_kernel);
    name.map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "lastbeat".to_owned())
}
