//! From the rules' `[notify.NAME]` to notifiers that deliver.

use super::delivery::{Notifier, RenderedNotice, outcome_of_status};
use crate::core::notice::{Notice, NoticeKind};
use crate::core::rule::{NotifierKind, NotifierRule, SentryApi};
use crate::core::time::Wall;
use crate::decode::settings::Secret;
use crate::format;
use crate::io::alertmanager::{self, Alertmanager};
use crate::io::http_client::Answer;
use crate::io::metrics::Outcome;
use crate::io::sentry::{self, Sentry, SentryResolver, rate_limit};
use crate::io::webhook::{Webhook, WebhookConfig};
use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use std::sync::Arc;
use std::time::Duration;

/// The name of the notifier that `SENTRY_DSN` makes; `[notify.sentry]` says more about it.
const SENTRY: &str = "sentry";

/// Makes notifiers of rules, with what the settings say.
#[derive(Clone, Debug, Default)]
pub struct NotifierFactory {
    /// `SENTRY_DSN`.
    pub dsn: Option<Secret>,
    /// Sentry's `environment`.
    pub environment: Option<String>,
    /// Who watches.
    pub server_name: String,
}

impl NotifierFactory {
    /// The notifier of `SENTRY_DSN`, which is called `sentry`; `None` without one.
    ///
    /// # Errors
    /// Why the DSN cannot be used, in words without it.
    pub fn sentry(&self) -> Result<Option<Sentry>, String> {
        let made = self.dsn.as_ref().map(|dsn| self.sentry_at(dsn));
        made.transpose().map_err(|why| format!("SENTRY_DSN: {why}"))
    }

    /// The notifiers of a rule, named as [`names`] says. The rule `sentry` makes those beside [`Self::sentry`].
    ///
    /// # Errors
    /// Why its address cannot be used, in words without it.
    pub fn make(&self, rule: &NotifierRule) -> Result<Vec<Arc<dyn Notifier>>, String> {
        let wrong = |why: String| format!("[notify.{}]: {why}", rule.name);
        match &rule.kind {
            NotifierKind::Webhook {
                url,
                secret,
                timeout,
                format,
                routing_key,
            } => {
                let setup = WebhookConfig {
                    url: Secret::new(url.as_str()),
                    format: *format,
                    secret: secret.as_deref().map(Secret::new),
                    routing_key: routing_key.as_deref().map(Secret::new),
                    timeout: *timeout,
                };
                let hook = Webhook::new(&rule.name, setup);
                let hook = hook.map_err(|fault| wrong(format::error_chain(&fault)))?;
                Ok(vec![Arc::new(hook)])
            }
            NotifierKind::Alertmanager { urls } => {
                let made = Alertmanager::new(&rule.name, urls);
                let made = made.map_err(|fault| wrong(format::error_chain(&fault)))?;
                Ok(vec![Arc::new(made)])
            }
            NotifierKind::Sentry { dsn, resolve } => self
                .of_sentry(&rule.name, dsn.as_deref(), resolve.as_ref())
                .map_err(wrong),
        }
    }

    fn of_sentry(
        &self,
        name: &str,
        dsn: Option<&str>,
        resolve: Option<&SentryApi>,
    ) -> Result<Vec<Arc<dyn Notifier>>, String> {
        let none = || "no dsn, and SENTRY_DSN is not set".to_owned();
        let dsn = dsn.map(Secret::new).or_else(|| self.dsn.clone());
        let dsn = dsn.ok_or_else(none)?;
        let mut made: Vec<Arc<dyn Notifier>> = Vec::new();
        if name != SENTRY {
            made.push(Arc::new(NamedSentry {
                name: name.to_owned(),
                sentry: self.sentry_at(&dsn)?,
            }));
        }
        if let Some(api) = resolve {
            let resolver = SentryResolver::new(name, &dsn, api);
            made.push(Arc::new(
                resolver.map_err(|fault| format::error_chain(&fault))?,
            ));
        }
        Ok(made)
    }

    fn sentry_at(&self, dsn: &Secret) -> Result<Sentry, String> {
        let release = format!("lastbeat@{}", env!("CARGO_PKG_VERSION"));
        let made = Sentry::new(
            dsn,
            self.environment.clone(),
            release,
            self.server_name.clone(),
        );
        made.map_err(|fault| format::error_chain(&fault))
    }
}

/// The names of the notifiers that [`NotifierFactory::make`] makes of a rule.
pub fn names(rule: &NotifierRule) -> Vec<String> {
    let resolves = matches!(
        &rule.kind,
        NotifierKind::Sentry {
            resolve: Some(_),
            ..
        }
    );
    let itself = (rule.name != SENTRY).then(|| rule.name.clone());
    let resolver = resolves.then(|| sentry::resolver_name(&rule.name));
    itself.into_iter().chain(resolver).collect()
}

/// A Sentry project beside that of `SENTRY_DSN`.
struct NamedSentry {
    name: String,
    sentry: Sentry,
}

impl Notifier for Sentry {
    fn name(&self) -> &str {
        SENTRY
    }

    fn render(&self, notice: &Notice) -> Bytes {
        self.envelope(notice)
    }

    fn requests(&self, waiting: &RenderedNotice, _now: Wall) -> Vec<Request<Full<Bytes>>> {
        vec![self.request(waiting.body.clone())]
    }

    fn redact(&self, text: &str) -> String {
        Sentry::redact(self, text)
    }

    fn retry_after(&self, answer: &Answer) -> Option<Duration> {
        let limit = answer.rate_limits.as_deref().and_then(rate_limit);
        limit.max(answer.retry_after)
    }
}

impl Notifier for NamedSentry {
    fn name(&self) -> &str {
        &self.name
    }

    fn render(&self, notice: &Notice) -> Bytes {
        self.sentry.render(notice)
    }

    fn requests(&self, waiting: &RenderedNotice, now: Wall) -> Vec<Request<Full<Bytes>>> {
        self.sentry.requests(waiting, now)
    }

    fn redact(&self, text: &str) -> String {
        self.sentry.redact(text)
    }

    fn retry_after(&self, answer: &Answer) -> Option<Duration> {
        self.sentry.retry_after(answer)
    }
}

/// It sends something at the end of an incident only. That one began it has to know: the end of another in the same
/// issue does not resolve it then.
impl Notifier for SentryResolver {
    fn name(&self) -> &str {
        SentryResolver::name(self)
    }

    fn route_name(&self) -> &str {
        SentryResolver::route_name(self)
    }

    fn accepts(&self, kind: NoticeKind) -> bool {
        matches!(kind, NoticeKind::Opened | NoticeKind::Closed(_))
    }

    fn render(&self, notice: &Notice) -> Bytes {
        SentryResolver::issue(notice)
    }

    fn requests(&self, waiting: &RenderedNotice, _now: Wall) -> Vec<Request<Full<Bytes>>> {
        match waiting.kind {
            NoticeKind::Closed(_) => self.request(waiting.incident).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    fn redact(&self, text: &str) -> String {
        SentryResolver::redact(self, text)
    }

    fn outcome(&self, answer: &Answer, failed: u32) -> Outcome {
        match outcome_of_status(answer.status) {
            Outcome::Delivered if SentryResolver::is_early(answer.status, failed) => {
                Outcome::Retried
            }
            outcome => outcome,
        }
    }

    fn send_delay(&self, kind: NoticeKind) -> Duration {
        match kind {
            NoticeKind::Closed(_) => sentry::RESOLVE_DELAY,
            _ => Duration::ZERO,
        }
    }

    fn tracks_open_alerts(&self) -> bool {
        true
    }

    fn dedup_key(&self, waiting: &RenderedNotice) -> Option<Bytes> {
        Some(waiting.body.clone())
    }
}

impl Notifier for Webhook {
    fn name(&self) -> &str {
        Webhook::name(self)
    }

    fn render(&self, notice: &Notice) -> Bytes {
        self.body(notice)
    }

    fn requests(&self, waiting: &RenderedNotice, now: Wall) -> Vec<Request<Full<Bytes>>> {
        let body = waiting.body.clone();
        vec![self.request(waiting.incident, waiting.kind, body, now)]
    }

    fn redact(&self, text: &str) -> String {
        Webhook::redact(self, text)
    }

    fn timeout(&self) -> Duration {
        self.timeout()
    }
}

impl Notifier for Alertmanager {
    fn name(&self) -> &str {
        Alertmanager::name(self)
    }

    fn render(&self, notice: &Notice) -> Bytes {
        self.alert(notice)
    }

    fn requests(&self, waiting: &RenderedNotice, now: Wall) -> Vec<Request<Full<Bytes>>> {
        self.resend(&[waiting], now)
    }

    fn redact(&self, text: &str) -> String {
        Alertmanager::redact(self, text)
    }

    fn tracks_open_alerts(&self) -> bool {
        true
    }

    fn dedup_key(&self, waiting: &RenderedNotice) -> Option<Bytes> {
        Alertmanager::labels(&waiting.body)
    }

    fn resend_interval(&self) -> Option<Duration> {
        Some(alertmanager::REFRESH_EVERY)
    }

    fn resend(&self, again: &[&RenderedNotice], now: Wall) -> Vec<Request<Full<Bytes>>> {
        let alerts: Vec<(&Bytes, bool)> = again
            .iter()
            .map(|one| (&one.body, matches!(one.kind, NoticeKind::Closed(_))))
            .collect();
        Alertmanager::requests(self, &alerts, now)
    }
}
