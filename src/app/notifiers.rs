//! From the rules' `[notify.NAME]` to notifiers that deliver.

use super::delivery::{Notifier, Waiting};
use crate::core::notice::Notice;
use crate::core::rule::{NotifierKind, NotifierRule};
use crate::decode::settings::Secret;
use crate::io::post::Answer;
use crate::io::sentry::Sentry;
use crate::io::webhook::Webhook;
use crate::words;
use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use std::sync::Arc;
use std::time::Duration;

/// Makes notifiers of rules, with what the settings say.
#[derive(Clone, Debug, Default)]
pub struct Maker {
    /// `SENTRY_DSN`.
    pub dsn: Option<Secret>,
    /// Sentry's `environment`.
    pub environment: Option<String>,
    /// Who watches.
    pub server_name: String,
}

impl Maker {
    /// The notifier of `SENTRY_DSN`, which is called `sentry`; `None` without one.
    ///
    /// # Errors
    /// Why the DSN cannot be used, in words without it.
    pub fn sentry(&self) -> Result<Option<Sentry>, String> {
        let made = self.dsn.as_ref().map(|dsn| self.sentry_at(dsn));
        made.transpose().map_err(|why| format!("SENTRY_DSN: {why}"))
    }

    /// The notifier of a rule.
    ///
    /// # Errors
    /// Why its address cannot be used, in words without it.
    pub fn make(&self, rule: &NotifierRule) -> Result<Arc<dyn Notifier>, String> {
        let wrong = |why: String| format!("[notify.{}]: {why}", rule.name);
        match &rule.kind {
            NotifierKind::Webhook { url } => {
                let hook = Webhook::new(&rule.name, url);
                let hook = hook.map_err(|fault| wrong(words::chain(&fault)))?;
                Ok(Arc::new(hook))
            }
            NotifierKind::Sentry { dsn } => {
                let given = dsn.as_ref().map(Secret::new);
                let none = || wrong("no dsn, and SENTRY_DSN is not set".to_owned());
                let dsn = given.or_else(|| self.dsn.clone()).ok_or_else(none)?;
                Ok(Arc::new(NamedSentry {
                    name: rule.name.clone(),
                    sentry: self.sentry_at(&dsn).map_err(wrong)?,
                }))
            }
        }
    }

    fn sentry_at(&self, dsn: &Secret) -> Result<Sentry, String> {
        let release = format!("lastbeat@{}", env!("CARGO_PKG_VERSION"));
        let made = Sentry::new(
            dsn,
            self.environment.clone(),
            release,
            self.server_name.clone(),
        );
        made.map_err(|fault| words::chain(&fault))
    }
}

/// A Sentry project beside that of `SENTRY_DSN`.
struct NamedSentry {
    name: String,
    sentry: Sentry,
}

impl Notifier for NamedSentry {
    fn name(&self) -> &str {
        &self.name
    }

    fn render(&self, notice: &Notice) -> Bytes {
        self.sentry.envelope(notice)
    }

    fn request(&self, waiting: &Waiting) -> Request<Full<Bytes>> {
        Notifier::request(&self.sentry, waiting)
    }

    fn hide(&self, text: &str) -> String {
        self.sentry.hide(text)
    }

    fn pause(&self, answer: &Answer) -> Option<Duration> {
        self.sentry.pause(answer)
    }
}

impl Notifier for Webhook {
    fn name(&self) -> &str {
        Webhook::name(self)
    }

    fn render(&self, notice: &Notice) -> Bytes {
        self.body(notice)
    }

    fn request(&self, waiting: &Waiting) -> Request<Full<Bytes>> {
        Webhook::request(self, waiting.incident, waiting.kind, waiting.body.clone())
    }

    fn hide(&self, text: &str) -> String {
        Webhook::hide(self, text)
    }
}
