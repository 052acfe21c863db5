//! Types of notifiers, and the keys of each type.

use super::super::fault::Wrong;
use super::super::fields::Fields;
use super::super::key::{self, Key, keys};
use super::super::value;
use super::super::variables::{self, Lookup};
use crate::core::rule::{BodyFormat, NotifierKind, SentryApi};
use crate::decode::http_url::request_url;
use crate::decode::smtp_url::smtp_url;
use std::time::Duration;
use toml::de::DeValue;
use url::Url;

/// The keys that every `[notify.NAME]` has.
pub(in super::super) const TYPE: &[Key] = keys! {
    "type": "word", "required", "sentry, webhook, email or alertmanager; `[notify.sentry]`, about the project of `SENTRY_DSN`, needs none";
    "severity": "list of words", "", "Severities of the rules that it is notified of: critical, error, warning, info; without it all";
};
/// Keys of type sentry.
pub(in super::super) const SENTRY: &[Key] = keys! {
    "dsn": "secret", "", "DSN of the project; without it that of `SENTRY_DSN`";
    "resolve": "flag", "false", "Also resolve the issue when the incident closes";
    "api_token": "secret", "", "Token of Sentry's API with the scope event:write, for resolve";
    "organization": "secret", "", "Slug of Sentry's organisation, for resolve";
    "api_url": "secret", "", "Address of Sentry's API, for resolve; without it that of the DSN";
};
/// Keys of type webhook.
pub(in super::super) const WEBHOOK: &[Key] = keys! {
    "url": "secret", "", "Address of the receiver; required but for pagerduty";
    "secret": "secret", "", "Secret that signs the body (HMAC-SHA256)";
    "timeout": "duration", "\"10s\"", "Longest attempt";
    "format": "word", "\"json\"", "json, slack, discord, teams, telegram, ntfy, pagerduty or text";
    "routing_key": "secret", "", "Integration key of PagerDuty's Events API v2, for pagerduty";
    "chat_id": "secret", "", "Chat that a Telegram bot writes to, for telegram";
};
/// Keys of type email.
pub(in super::super) const EMAIL: &[Key] = keys! {
    "url": "secret", "required", "Mail server: smtps://USER:PASSWORD@HOST, smtp://USER:PASSWORD@HOST (STARTTLS), or smtp://HOST?tls=off";
    "from": "text", "required", "Sender";
    "to": "list of texts", "required", "Receivers";
    "timeout": "duration", "\"10s\"", "Longest attempt";
};
/// Keys of type alertmanager.
pub(in super::super) const ALERTMANAGER: &[Key] = keys! {
    "url": "secret", "", "Address of the Alertmanager";
    "urls": "list of secrets", "", "Addresses of a cluster, in place of url";
};

/// The names of all of them.
pub(in super::super) fn names() -> Vec<&'static str> {
    let mut all: Vec<&str> = Vec::new();
    for name in [TYPE, SENTRY, WEBHOOK, EMAIL, ALERTMANAGER]
        .into_iter()
        .flat_map(key::names)
    {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}

/// The name of the notifier that `SENTRY_DSN` makes.
pub(super) const OF_SETTINGS: &str = "sentry";
/// The variable of that notifier's address.
pub(super) const SENTRY_DSN: &str = "SENTRY_DSN";

/// True where a variable is not blank.
pub(super) fn is_set(lookup: &dyn Fn(&str) -> Option<String>, name: &str) -> bool {
    lookup(name).is_some_and(|value| !value.trim().is_empty())
}

/// Bytes of an address or a secret.
const MAX_SECRET: usize = 2_000;
/// Characters of an organisation's slug; Sentry's have 50 at most.
const MAX_SLUG: usize = 64;
/// Alertmanagers of one cluster: each is sent everything.
const MAX_URLS: usize = 8;
/// Receivers of one notifier; a list of the mail server's own takes more.
const MAX_RECEIVERS: usize = 20;
/// Bounds of an attempt: the next notification waits for it.
const TIMEOUT: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(60);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// PagerDuty's address for events, where `url` names no other.
const PAGERDUTY: &str = "https://events.pagerduty.com/v2/enqueue";

const DSN: &str = "a DSN is like https://KEY@HOST/PROJECT, or ${VARIABLE}";
const URL: &str = "an address is like https://example.com/hook, or ${VARIABLE}";
const AN_API: &str = "an address is like https://sentry.io, or ${VARIABLE}";
const AN_ALERTMANAGER: &str = "an address is like http://alertmanager:9093, or ${VARIABLE}";
const A_MAIL_SERVER: &str = "a mail server is like smtps://USER:PASSWORD@HOST, with %40 for an @ in the user, or ${VARIABLE}";
const A_MAILBOX: &str = "an address is like oncall@example.com, or ${VARIABLE}";
const A_TOKEN: &str = "a token of Sentry's with the scope event:write, or ${VARIABLE}";
const A_SLUG: &str = "the organisation's slug, as in https://SLUG.sentry.io, or ${VARIABLE}";
const A_CHAT: &str = "a chat's number or @channel, or ${VARIABLE}";
const A_TOPIC: &str = "ntfy's address ends in a topic, as in https://ntfy.sh/TOPIC, or ${VARIABLE}";
const A_SECRET: &str = "a text that is shared with the receiver, or ${VARIABLE}";
const A_KEY: &str = "the integration key of PagerDuty's Events API v2, or ${VARIABLE}";

const TYPES: &[(&str, Type)] = &[
    ("sentry", Type::Sentry),
    ("webhook", Type::Webhook),
    ("email", Type::Email),
    ("alertmanager", Type::Alertmanager),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Sentry,
    Webhook,
    Email,
    Alertmanager,
}

impl Type {
    const fn label(self) -> &'static str {
        match self {
            Type::Sentry => "sentry",
            Type::Webhook => "webhook",
            Type::Email => "email",
            Type::Alertmanager => "alertmanager",
        }
    }

    fn keys(self) -> Vec<&'static str> {
        key::names(match self {
            Type::Sentry => SENTRY,
            Type::Webhook => WEBHOOK,
            Type::Email => EMAIL,
            Type::Alertmanager => ALERTMANAGER,
        })
    }
}

/// Reads a notifier; `None` where something is wrong with it, which is then reported.
pub(super) fn read(
    name: &str,
    fields: &mut Fields<'_, '_, '_>,
    lookup: Lookup<'_>,
) -> Option<NotifierKind> {
    let known = names();
    fields.deny_unknown(&known);
    let kind = if name == OF_SETTINGS {
        of_the_settings(fields)?
    } else {
        if !fields.has("type") {
            fields.missing("type", "sentry, webhook, email or alertmanager");
        }
        fields.take("type", |v| value::choice(v, TYPES))?
    };
    let own = kind.keys();
    for key in known
        .iter()
        .filter(|key| !own.contains(key) && !key::has(TYPE, key))
    {
        if fields.has(key) {
            let allowed = format!("type {} has {}", kind.label(), own.join(", "));
            fields.fault(key, Wrong::new("does not go with this type", allowed));
        }
    }
    let read = match kind {
        Type::Sentry => sentry(name, fields, lookup),
        Type::Webhook => webhook(fields, lookup),
        Type::Email => email(fields, lookup),
        Type::Alertmanager => alertmanager(fields, lookup),
    };
    fields.is_clean().then_some(read)
}

/// `[notify.sentry]`: more about the notifier of `SENTRY_DSN`.
fn of_the_settings(fields: &mut Fields<'_, '_, '_>) -> Option<Type> {
    if fields.has("type") {
        fields.take("type", |v| value::choice(v, &TYPES[..1]))?;
    }
    if fields.has("dsn") {
        let what = format!("\"{OF_SETTINGS}\" is the notifier of {SENTRY_DSN}");
        fields.fault(
            "dsn",
            Wrong::new(what, "remove the key, or choose another name"),
        );
    }
    Some(Type::Sentry)
}

fn sentry(name: &str, fields: &mut Fields<'_, '_, '_>, lookup: Lookup<'_>) -> NotifierKind {
    let dsn = fields.take("dsn", |v| secret(v, lookup, DSN, is_dsn));
    if !fields.has("dsn") && lookup.is_some_and(|lookup| !is_set(lookup, SENTRY_DSN)) {
        let allowed = if name == OF_SETTINGS {
            format!("set {SENTRY_DSN}")
        } else {
            format!("give a dsn, or set {SENTRY_DSN}")
        };
        fields.missing("dsn", &allowed);
    }
    let resolve = fields.take("resolve", value::flag).unwrap_or_default();
    let token = fields.take("api_token", |v| {
        secret(v, lookup, A_TOKEN, value::is_header)
    });
    let organization = fields.take("organization", |v| secret(v, lookup, A_SLUG, is_slug));
    let url = fields.take("api_url", |v| secret(v, lookup, AN_API, is_url));
    for (key, allowed) in [("api_token", A_TOKEN), ("organization", A_SLUG)] {
        match (resolve, fields.has(key)) {
            (true, false) => fields.missing(key, allowed),
            (false, true) => idle(fields, key, "it belongs to resolve = true"),
            _ => {}
        }
    }
    if !resolve && fields.has("api_url") {
        idle(fields, "api_url", "it belongs to resolve = true");
    }
    let api = SentryApi {
        url,
        organization: organization.unwrap_or_default(),
        token: token.unwrap_or_default(),
    };
    NotifierKind::Sentry {
        dsn,
        resolve: resolve.then_some(api),
    }
}

fn webhook(fields: &mut Fields<'_, '_, '_>, lookup: Lookup<'_>) -> NotifierKind {
    let formats = BodyFormat::ALL.map(|format| (format.label(), format));
    let format = fields.take("format", |v| value::choice(v, &formats));
    let format = format.unwrap_or_default();
    let pagerduty = format == BodyFormat::PagerDuty;
    if !fields.has("url") && !pagerduty {
        fields.missing("url", URL);
    }
    let url = fields.take("url", |v| match format {
        BodyFormat::Ntfy => secret(v, lookup, A_TOPIC, is_topic),
        _ => secret(v, lookup, URL, is_url),
    });
    let timeout = fields.take("timeout", |v| value::span_within(v, &TIMEOUT));
    let routing_key = fields.take("routing_key", |v| {
        secret(v, lookup, A_KEY, value::is_header)
    });
    let chat_id = fields.take("chat_id", |v| secret(v, lookup, A_CHAT, value::is_header));
    for (key, owner, allowed) in [
        ("routing_key", BodyFormat::PagerDuty, A_KEY),
        ("chat_id", BodyFormat::Telegram, A_CHAT),
    ] {
        match (format == owner, fields.has(key)) {
            (true, false) => fields.missing(key, allowed),
            (false, true) => {
                let why = format!("it belongs to format = \"{}\"", owner.label());
                idle(fields, key, &why);
            }
            _ => {}
        }
    }
    NotifierKind::Webhook {
        url: url.unwrap_or_else(|| PAGERDUTY.to_owned()),
        secret: fields.take("secret", |v| secret(v, lookup, A_SECRET, value::is_header)),
        timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
        format,
        routing_key,
        chat_id,
    }
}

fn email(fields: &mut Fields<'_, '_, '_>, lookup: Lookup<'_>) -> NotifierKind {
    for (key, allowed) in [
        ("url", A_MAIL_SERVER),
        ("from", A_MAILBOX),
        ("to", A_MAILBOX),
    ] {
        if !fields.has(key) {
            fields.missing(key, allowed);
        }
    }
    let url = fields.take("url", |v| secret(v, lookup, A_MAIL_SERVER, is_mail_server));
    let from = fields.take("from", |v| secret(v, lookup, A_MAILBOX, is_mailbox));
    let to = fields.take("to", |v| {
        several(v, MAX_RECEIVERS, lookup, A_MAILBOX, is_mailbox)
    });
    let timeout = fields.take("timeout", |v| value::span_within(v, &TIMEOUT));
    NotifierKind::Email {
        url: url.unwrap_or_default(),
        from: from.unwrap_or_default(),
        to: to.unwrap_or_default(),
        timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
    }
}

fn alertmanager(fields: &mut Fields<'_, '_, '_>, lookup: Lookup<'_>) -> NotifierKind {
    match (fields.has("url"), fields.has("urls")) {
        (false, false) => fields.missing("url", AN_ALERTMANAGER),
        (true, true) => {
            fields.fault("urls", Wrong::new("duplicates url", "one of the two"));
        }
        _ => {}
    }
    let one = fields.take("url", |v| secret(v, lookup, AN_ALERTMANAGER, is_url));
    let many = fields.take("urls", |v| {
        several(v, MAX_URLS, lookup, AN_ALERTMANAGER, is_url)
    });
    NotifierKind::Alertmanager {
        urls: one.into_iter().chain(many.into_iter().flatten()).collect(),
    }
}

/// A list of addresses. What is wrong with one says where it stands, and never repeats it.
fn several(
    value: &DeValue<'_>,
    most: usize,
    lookup: Lookup<'_>,
    one_of_them: &str,
    fits: fn(&str) -> bool,
) -> Result<Vec<String>, Wrong> {
    let DeValue::Array(list) = value else {
        return secret(value, lookup, one_of_them, fits).map(|one| vec![one]);
    };
    if !(1..=most).contains(&list.len()) {
        let what = format!("{} addresses", list.len());
        let allowed = format!("a list of 1 to {most}; {one_of_them}");
        return Err(Wrong::new(what, allowed));
    }
    let mut urls = Vec::with_capacity(list.len());
    for (number, one) in (1..).zip(list) {
        let numbered = |wrong: Wrong| Wrong {
            what: format!("number {number}: {}", wrong.what),
            ..wrong
        };
        let url = secret(one.get_ref(), lookup, one_of_them, fits).map_err(numbered)?;
        if urls.contains(&url) {
            let what = format!("number {number} is listed twice");
            return Err(Wrong::new(what, "once is enough"));
        }
        urls.push(url);
    }
    Ok(urls)
}

fn idle(fields: &mut Fields<'_, '_, '_>, key: &str, why: &str) {
    fields.fault(key, Wrong::new("has no effect here", why));
}

/// A text that may hold secrets: what is wrong with it never repeats it.
fn secret(
    value: &DeValue<'_>,
    lookup: Lookup<'_>,
    allowed: &str,
    fits: fn(&str) -> bool,
) -> Result<String, Wrong> {
    let text = value::text(value, allowed)?;
    if text.len() > MAX_SECRET {
        let what = format!("longer than {MAX_SECRET} bytes");
        return Err(Wrong::new(what, allowed));
    }
    let fits = |filled: &str| fits(filled) && filled.len() <= MAX_SECRET;
    variables::secret(text, lookup, allowed, fits)
}

fn is_url(text: &str) -> bool {
    request_url(text).is_some()
}

/// An address that ends in one name, which is the topic.
fn is_topic(text: &str) -> bool {
    let ends_in_topic = |url: Url| {
        let topic = url.path().rsplit('/').next().unwrap_or_default();
        !topic.is_empty() && url.query().is_none() && url.fragment().is_none()
    };
    request_url(text).is_some_and(ends_in_topic)
}

fn is_dsn(text: &str) -> bool {
    let has_both =
        |url: Url| !url.username().is_empty() && !url.path().trim_end_matches('/').is_empty();
    request_url(text).is_some_and(has_both)
}

fn is_mail_server(text: &str) -> bool {
    smtp_url(text).is_some()
}

/// `NAME@HOST`, or `WORDS <NAME@HOST>`.
fn is_mailbox(text: &str) -> bool {
    let address = match text
        .strip_suffix('>')
        .and_then(|text| text.rsplit_once('<'))
    {
        Some((_, address)) => address,
        None => text,
    };
    let is_plain = |part: &str| {
        let mut bytes = part.bytes();
        !part.is_empty() && bytes.all(|byte| byte.is_ascii_graphic() && !b"<>,;:@".contains(&byte))
    };
    let both = address.rsplit_once('@');
    both.is_some_and(|(name, host)| is_plain(name) && is_plain(host))
        && !text.chars().any(char::is_control)
}

fn is_slug(text: &str) -> bool {
    value::is_word(text, MAX_SLUG)
}
