//! `[sink.NAME]`.

use super::fault::{Wrong, quoted};
use super::fields::Fields;
use super::key::{self, Key, keys};
use super::position::Position;
use super::report::Report;
use super::value;
use super::variables::{self, Lookup};
use crate::core::sink_rule::{HttpBody, SinkKind, SinkRule};
use crate::decode::http_url::request_url;
use crate::decode::nearest;
use crate::decode::shipped::template;
use data_encoding::BASE64;
use std::collections::BTreeMap;
use toml::de::{DeTable, DeValue};

/// Keys of `[sink.NAME]`.
pub(super) const KEYS: &[Key] = keys! {
    "type": "protocol", "required", "otlp, loki or http";
    "url": "secret", "required", "Address; for otlp and loki without a path that of the service: /v1/logs and /loki/api/v1/push are added";
    "user": "secret", "", "User of the sink, with password";
    "password": "secret", "", "Password of that user";
    "headers": "table of secrets", "", "Headers of each request";
    "body": "word", "\"ndjson\"", "For http: ndjson, an entry a line, or array";
    "template": "JSON", "\"{payload}\"", "For http: JSON of an entry; {payload}, {message}, {level}, {time}, {time_ms}, {arrival}, {subject}, {app}, {region} and {instance} are filled in with their quotes";
};

/// Sinks of one set.
const MAX_SINKS: usize = 20;
/// Characters of a name, which stands in the names of files.
const MAX_NAME: usize = 40;
/// Headers of a request.
const MAX_HEADERS: usize = 20;
/// Bytes of a template.
const MAX_TEMPLATE: usize = 4_000;
const A_URL: &str = "an address is like https://example.com/insert, or ${VARIABLE}";
const A_SECRET: &str = "a text without control characters, or ${VARIABLE}";
const A_TEMPLATE: &str =
    "JSON in which a placeholder stands for a value, as {\"dt\": {time}, \"message\": {message}}";
const TYPES: &[(&str, Type)] = &[
    ("otlp", Type::Otlp),
    ("loki", Type::Loki),
    ("http", Type::Http),
];
const BODIES: &[(&str, HttpBody)] = &[("ndjson", HttpBody::Ndjson), ("array", HttpBody::Array)];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Otlp,
    Loki,
    Http,
}

/// The sinks as read so far.
#[derive(Default)]
pub(super) struct Sinks {
    list: Vec<SinkRule>,
    /// The position of each name, those at fault included.
    names: BTreeMap<String, Position>,
}

impl Sinks {
    /// Reads every `[sink.NAME]` of a file.
    pub(super) fn read_all(
        &mut self,
        table: &DeTable<'_>,
        report: &mut Report<'_>,
        lookup: Lookup<'_>,
    ) {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in entries {
            let at = key.span().start;
            let name = key.get_ref().as_ref();
            let wrong = match (value.get_ref(), self.name(name, report, at)) {
                (_, Err(wrong)) => wrong,
                (DeValue::Table(table), Ok(())) => {
                    let mut fields = Fields::of_table(table, at, &format!("sink.{name}."), report);
                    self.list.extend(read(name, &mut fields, lookup));
                    continue;
                }
                (_, Ok(())) => one_table(),
            };
            report.fault(at, None, Some(&format!("sink.{name}")), wrong);
        }
    }

    fn name(&mut self, name: &str, report: &Report<'_>, at: usize) -> Result<(), Wrong> {
        if !value::is_word(name, MAX_NAME) {
            let what = format!("invalid name {}", quoted(name));
            let allowed =
                format!("a name is letters, digits, - and _, of 1 to {MAX_NAME} characters");
            return Err(Wrong::new(what, allowed));
        }
        if let Some(Position { file, line, .. }) = self.names.get(name) {
            let what = format!("duplicate name; the first is in {file}:{line}");
            return Err(Wrong::new(what, "each sink has a name of its own"));
        }
        if self.names.len() == MAX_SINKS {
            let what = format!("more than {MAX_SINKS} sinks");
            return Err(Wrong::new(what, "remove those that nothing is shipped to"));
        }
        self.names.insert(name.to_owned(), report.position(at));
        Ok(())
    }

    /// The names, those at fault included.
    pub(super) fn names(&self) -> Vec<&str> {
        self.names.keys().map(String::as_str).collect()
    }

    /// The sinks, by name.
    pub(super) fn into_list(mut self) -> Vec<SinkRule> {
        self.list.sort_by(|a, b| a.name.cmp(&b.name));
        self.list
    }
}

fn read(name: &str, fields: &mut Fields<'_, '_, '_>, lookup: Lookup<'_>) -> Option<SinkRule> {
    fields.deny_unknown(&key::names(KEYS));
    for (key, allowed) in [("type", "otlp, loki or http"), ("url", A_URL)] {
        if !fields.has(key) {
            fields.missing(key, allowed);
        }
    }
    let kind = fields.take("type", |v| value::choice(v, TYPES));
    let url = fields.take("url", |v| {
        secret(v, lookup, A_URL, |url| request_url(url).is_some())
    });
    let mut headers = fields.take_table("headers", MAX_HEADERS, |name, value| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if name.is_empty() || !name.bytes().all(fits) {
            return Err(Wrong::new(
                "invalid name of a header",
                "letters, digits and -",
            ));
        }
        secret(value, lookup, A_SECRET, value::is_header)
    });
    headers.extend(credentials(fields, lookup));
    let body = fields.take("body", |v| value::choice(v, BODIES));
    let template = fields.take("template", template_of);
    for key in ["body", "template"] {
        if fields.has(key) && kind.is_some_and(|kind| kind != Type::Http) {
            let wrong = Wrong::new(
                "does not go with this type",
                "it belongs to type = \"http\"",
            );
            fields.fault(key, wrong);
        }
    }
    let kind = match kind? {
        Type::Otlp => SinkKind::Otlp,
        Type::Loki => SinkKind::Loki,
        Type::Http => SinkKind::Http {
            body: body.unwrap_or_default(),
            template: template.unwrap_or_else(|| template::DEFAULT.to_owned()),
        },
    };
    let rule = SinkRule {
        name: name.to_owned(),
        kind,
        url: url?,
        headers,
    };
    fields.is_clean().then_some(rule)
}

/// The header of a user and a password.
fn credentials(fields: &mut Fields<'_, '_, '_>, lookup: Lookup<'_>) -> Option<(String, String)> {
    for (key, other) in [("user", "password"), ("password", "user")] {
        if fields.has(key) && !fields.has(other) {
            let wrong = Wrong::new(format!("{other} is missing"), "both or none");
            fields.fault(key, wrong);
        }
    }
    let mut take = |key| fields.take(key, |v| secret(v, lookup, A_SECRET, value::is_header));
    let (user, password) = (take("user")?, take("password")?);
    let both = BASE64.encode(format!("{user}:{password}").as_bytes());
    Some(("Authorization".to_owned(), format!("Basic {both}")))
}

fn secret(
    value: &DeValue<'_>,
    lookup: Lookup<'_>,
    allowed: &str,
    fits: impl Fn(&str) -> bool,
) -> Result<String, Wrong> {
    variables::secret(value::text(value, allowed)?, lookup, allowed, fits)
}

fn template_of(value: &DeValue<'_>) -> Result<String, Wrong> {
    let text = value::text(value, A_TEMPLATE)?;
    if text.len() > MAX_TEMPLATE {
        let what = format!("longer than {MAX_TEMPLATE} bytes");
        return Err(Wrong::new(what, A_TEMPLATE));
    }
    if let Some(word) = unknown(text) {
        let hint = nearest::hint(word, template::PLACEHOLDERS);
        let what = format!(
            "unknown placeholder {}{hint}",
            quoted(&format!("{{{word}}}"))
        );
        let allowed = format!("known are {{{}}}", template::PLACEHOLDERS.join("}, {"));
        return Err(Wrong::new(what, allowed));
    }
    if text.contains(['\n', '\r']) {
        return Err(Wrong::new("more than one line", A_TEMPLATE));
    }
    match template::fault(text) {
        Some(what) => Err(Wrong::new(what, A_TEMPLATE)),
        None => Ok(text.to_owned()),
    }
}

/// The first word in braces that is no placeholder.
fn unknown(text: &str) -> Option<&str> {
    text.split('{').skip(1).find_map(|part| {
        let (word, _) = part.split_once('}')?;
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        let is_word = !word.is_empty() && word.bytes().all(fits);
        (is_word && !template::PLACEHOLDERS.contains(&word)).then_some(word)
    })
}

/// The fault of a sink that is not a table.
pub(super) fn one_table() -> Wrong {
    Wrong::new("a sink is a table", "write [sink.NAME] and its keys below")
}
