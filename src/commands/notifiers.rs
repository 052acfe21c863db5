//! The notifiers of settings and rules.

use crate::app::notifiers::NotifierFactory;
use crate::core::rule::RuleSet;
use crate::decode::settings::Settings;
use crate::io::notifier::{Notifier, PageLinks};
use std::sync::Arc;
use tracing::{info, warn};

/// Makes notifiers as the settings say.
pub(super) fn maker(settings: &Settings) -> NotifierFactory {
    NotifierFactory {
        dsn: settings.sentry_dsn.clone(),
        environment: settings.sentry_environment.clone(),
        server_name: server_name(),
        links: PageLinks {
            base: settings.public_url.clone(),
        },
    }
}

/// Every notifier beside the log.
///
/// # Errors
/// The setting or rule that is wrong, without its secrets.
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

/// The name of this machine: that of the platform, else the host's.
fn server_name() -> String {
    let from_kernel = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = std::env::var("FLY_MACHINE_ID").ok().or_else(from_kernel);
    name.map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "lastbeat".to_owned())
}
