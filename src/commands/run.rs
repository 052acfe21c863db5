//! `lastbeat run`: watches the stream.

use super::check;
use crate::app::delivery::Notifier;
use crate::app::logging;
use crate::app::service::Service;
use crate::decode::settings::{self, Flags, Settings};
use crate::io::nats;
use crate::io::sentry::Sentry;
use futures_util::FutureExt;
use std::process::ExitCode;
use std::sync::Arc;
use tracing::{error, info, warn};

/// Watch the stream, alert on silence, serve /metrics.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
On Fly.io two settings are enough: ORG (the organisation's slug) and ACCESS_TOKEN (fly tokens create readonly ORG).
SENTRY_DSN makes alerts go to Sentry; without it they go to the log only. RUST_LOG and LASTBEAT_LOG_FORMAT
(text, json) set the log.

  NATS_URL=nats://127.0.0.1:4222 lastbeat run
  ORG=acme ACCESS_TOKEN_FILE=/run/token lastbeat run --rules /etc/lastbeat/rules")]
pub struct RunArgs {
    #[command(flatten)]
    flags: Flags,
}

/// Runs until a signal asks to stop.
pub fn run(args: &RunArgs) -> ExitCode {
    let env = |name: &str| std::env::var(name).ok();
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
    logging::start(settings.log_format, "info,async_nats=warn");
    info!(path = %settings.rules.display(), rules = rules.rules.len(), "{}", String::from_utf8_lossy(&found).trim_end());
    let notifiers = match notifiers(&settings) {
        Ok(notifiers) => notifiers,
        Err(why) => {
            error!("{why}");
            return ExitCode::from(check::EXIT_BAD_RULES);
        }
    };
    warn!("state is kept in memory only: a restart forgets what was heard");
    let nats = settings.nats.clone();
    info!(servers = ?nats.servers, user = nats.user, subject = nats.subject, "connecting");
    super::serve(Service {
        rules,
        ignore: settings.ignore,
        listen: settings.listen,
        notifiers,
        max_series: settings.max_series,
        feeder: Box::new(move |clock, links| nats::keep(nats, clock, links).boxed()),
        listener: Box::new(|_| {}),
        on_listening: Box::new(|_| {}),
    })
}

fn notifiers(settings: &Settings) -> Result<Vec<Arc<dyn Notifier>>, String> {
    let Some(dsn) = &settings.sentry_dsn else {
        warn!("SENTRY_DSN is not set: alerts go to this log only");
        return Ok(Vec::new());
    };
    let release = format!("lastbeat@{}", env!("CARGO_PKG_VERSION"));
    let sentry = Sentry::new(
        dsn,
        settings.sentry_environment.clone(),
        release,
        server_name(),
    );
    let sentry = sentry.map_err(|fault| format!("SENTRY_DSN: {}", crate::words::chain(&fault)))?;
    info!("alerts go to Sentry at {}", sentry.place());
    Ok(vec![Arc::new(sentry)])
}

/// Who watches: the machine, or the host.
fn server_name() -> String {
    let from_kernel = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = std::env::var("FLY_MACHINE_ID").ok().or_else(from_kernel);
    name.map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "lastbeat".to_owned())
}
