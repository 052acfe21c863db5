//! Makes the notifiers of the rules' `[notify.NAME]`.

use crate::core::rule::{NotifierKind, NotifierRule, SentryApi};
use crate::decode::settings::Secret;
use crate::format;
use crate::io::alertmanager::Alertmanager;
use crate::io::email::{Email, EmailConfig};
use crate::io::notifier::{Notifier, PageLinks};
use crate::io::sentry::resolve::{SentryResolver, name_of as resolver_name};
use crate::io::sentry::{self, Sentry};
use crate::io::webhook::{Webhook, WebhookConfig};
use std::sync::Arc;

/// Makes notifiers, from rules and settings.
#[derive(Clone, Debug, Default)]
pub struct NotifierFactory {
    /// `SENTRY_DSN`.
    pub dsn: Option<Secret>,
    /// Sentry's `environment`.
    pub environment: Option<String>,
    /// The name of this host, on every event.
    pub server_name: String,
    /// Links to the page, in every notification.
    pub links: PageLinks,
}

impl NotifierFactory {
    /// The notifier of `SENTRY_DSN`, which is called `sentry`; `None` without one.
    ///
    /// # Errors
    /// The DSN is invalid; the text does not hold it.
    pub fn sentry(&self) -> Result<Option<Sentry>, String> {
        let made = self.dsn.as_ref().map(|dsn| self.sentry_at(dsn));
        made.transpose().map_err(|why| format!("SENTRY_DSN: {why}"))
    }

    /// The notifiers of a rule, named as [`names`] says. The rule `sentry` makes those beside [`Self::sentry`].
    ///
    /// # Errors
    /// Its address is invalid; the text does not hold it.
    pub fn make(&self, rule: &NotifierRule) -> Result<Vec<Arc<dyn Notifier>>, String> {
        let wrong = |why: String| format!("[notify.{}]: {why}", rule.name);
        match &rule.kind {
            NotifierKind::Webhook {
                url,
                secret,
                timeout,
                format,
                routing_key,
                chat_id,
            } => {
                let setup = WebhookConfig {
                    url: Secret::new(url.as_str()),
                    format: *format,
                    secret: secret.as_deref().map(Secret::new),
                    routing_key: routing_key.as_deref().map(Secret::new),
                    chat_id: chat_id.as_deref().map(Secret::new),
                    timeout: *timeout,
                    links: self.links.clone(),
                };
                let hook = Webhook::new(&rule.name, setup);
                let hook = hook.map_err(|fault| wrong(format::error_chain(&fault)))?;
                Ok(vec![Arc::new(hook)])
            }
            NotifierKind::Email {
                url,
                from,
                to,
                timeout,
            } => {
                let setup = EmailConfig {
                    url: Secret::new(url.as_str()),
                    from: from.clone(),
                    to: to.clone(),
                    links: self.links.clone(),
                    timeout: *timeout,
                };
                let made = Email::new(&rule.name, setup);
                let made = made.map_err(|fault| wrong(format::error_chain(&fault)))?;
                Ok(vec![Arc::new(made)])
            }
            NotifierKind::Alertmanager { urls } => {
                let made = Alertmanager::new(&rule.name, urls);
                let made = made.map_err(|fault| wrong(format::error_chain(&fault)))?;
                Ok(vec![Arc::new(made.linked(self.links.clone()))])
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
        let none = || "dsn is missing, and SENTRY_DSN is not set".to_owned();
        let dsn = dsn.map(Secret::new).or_else(|| self.dsn.clone());
        let dsn = dsn.ok_or_else(none)?;
        let mut made: Vec<Arc<dyn Notifier>> = Vec::new();
        if name != sentry::NAME {
            made.push(Arc::new(self.sentry_at(&dsn)?.named(name)));
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
        let made = made.map_err(|fault| format::error_chain(&fault))?;
        Ok(made.linked(self.links.clone()))
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
    let itself = (rule.name != sentry::NAME).then(|| rule.name.clone());
    let resolver = resolves.then(|| resolver_name(&rule.name));
    itself.into_iter().chain(resolver).collect()
}
