//! `[downstream.find]`: the query of a sink.

use super::super::fault::{Wrong, quoted};
use super::super::fields::Fields;
use super::super::key::{self, Key, keys};
use super::super::report::Report;
use super::super::value;
use super::super::variables::{self, Lookup};
use super::preset::{Parts, Preset};
use crate::core::downstream::rule::{Find, Proof};
use crate::core::time::Wall;
use crate::decode::downstream::template::{self, NONCE, PLACEHOLDERS, Values};
use crate::decode::http_url::request_url;
use crate::decode::nearest;
use toml::de::{DeTable, DeValue};

/// Keys of `[downstream.find]`.
pub(in super::super) const KEYS: &[Key] = keys! {
    "preset": "word", "", "betterstack, loki, elasticsearch, opensearch, clickhouse, datadog, axiom or papertrail: makes url, body and headers of the keys below";
    "url": "secret", "", "Address of the query, with {nonce}, {since_s} and {since_rfc3339} filled in; of a preset, the address of the service";
    "body": "secret", "", "Body of a POST, with the same placeholders; without it the query is a GET";
    "headers": "table of secrets", "", "Headers of the query";
    "user": "secret", "", "User of the sink, with password";
    "password": "secret", "", "Password of that user";
    "token": "secret", "", "Token of the sink: as a bearer, or as the preset's service expects it";
    "app_token": "secret", "", "Application key, for datadog";
    "from": "text", "", "Table, index, dataset or stream selector that holds the logs, for a preset";
    "message": "text", "\"message\"", "Column or field of the message, for elasticsearch, opensearch, clickhouse and axiom";
    "time": "text", "\"timestamp\"", "Column of the entry's time, for clickhouse";
    "newest": "JSON pointer", "", "Place of the newest entry's time in the answer, in place of a search for canaries";
    "app": "text", "", "App whose newest entry is compared with it; without it any entry of the stream";
};

/// Bytes of a text of a query.
const MAX_TEXT: usize = 8_000;
/// Headers of a query.
const MAX_HEADERS: usize = 20;
/// Bytes of a JSON pointer.
const MAX_POINTER: usize = 200;
pub(super) const A_URL: &str =
    "an address is like https://example.com/search?q={nonce}, or ${VARIABLE}";
const A_BODY: &str = "a text, in which {nonce} is filled in";
const A_SECRET: &str = "a text without control characters, or ${VARIABLE}";
const A_POINTER: &str = "a JSON pointer is like \"/data/result/0/value/1\"";
const A_NAME: &str = "a name without quotes, backslashes and control characters";

/// Reads the table; `None` where something is wrong with it, which is then reported.
pub(super) fn read(
    table: &DeTable<'_>,
    at: usize,
    report: &mut Report<'_>,
    lookup: Lookup<'_>,
) -> Option<Find> {
    let mut fields = Fields::of_table(table, at, "downstream.find.", report);
    fields.deny_unknown(&key::names(KEYS));
    let presets = Preset::ALL.map(|preset| (preset.label(), preset));
    let preset = fields.take("preset", |v| value::choice(v, &presets));
    let newest = fields.take("newest", pointer);
    let app = fields.take("app", value::expected);
    if fields.has("app") && !fields.has("newest") {
        fields.fault(
            "app",
            Wrong::new("has no effect here", "it belongs to newest"),
        );
    }
    let parts = parts(&mut fields, preset, lookup);
    let url = match preset {
        Some(_) => None,
        None => fields.take("url", |v| secret(v, lookup, A_URL, is_url)),
    };
    let body = fields.take("body", |v| secret(v, lookup, A_BODY, |_| true));
    let headers = fields.take_table("headers", MAX_HEADERS, |name, value| {
        if !is_header_name(name) {
            return Err(Wrong::new(
                "invalid name of a header",
                "letters, digits and -",
            ));
        }
        secret(value, lookup, A_SECRET, value::is_header)
    });
    if !fields.is_clean() {
        return None;
    }
    let own = match preset {
        None => custom(&mut fields, &parts),
        Some(preset) => of_preset(&mut fields, preset, &parts, newest.is_some()),
    }?;
    let proof = match newest {
        Some(pointer) => Proof::Newest { pointer, app },
        None => Proof::Canary,
    };
    let find = Find {
        url: match (preset, url) {
            (None, Some(url)) => url,
            _ => own.url,
        },
        body: body.or(own.body),
        headers: own.headers.into_iter().chain(headers).collect(),
        proof,
        shape: own.shape,
    };
    let has_nonce = [Some(&find.url), find.body.as_ref()]
        .into_iter()
        .flatten()
        .any(|text| text.contains(NONCE));
    if find.proof == Proof::Canary && !has_nonce {
        let what = "neither url nor body has {nonce}: no canary could be told from older ones";
        fields.fault("url", Wrong::new(what, "search for {nonce}, or set newest"));
    }
    fields.is_clean().then_some(find)
}

/// The parts that presets are made of; what a preset does not take is a fault.
fn parts(fields: &mut Fields<'_, '_, '_>, preset: Option<Preset>, lookup: Lookup<'_>) -> Parts {
    let taken = preset.map_or(&["user", "password", "token"][..], Preset::keys);
    for key in [
        "user",
        "password",
        "token",
        "app_token",
        "from",
        "message",
        "time",
    ] {
        if fields.has(key) && !taken.contains(&key) {
            let allowed = match preset {
                Some(preset) => format!("preset {} has {}", preset.label(), taken.join(", ")),
                None => "it belongs to a preset".to_owned(),
            };
            fields.fault(key, Wrong::new("has no effect here", allowed));
        }
    }
    if fields.has("user") != fields.has("password") {
        let (key, other) = match fields.has("user") {
            true => ("user", "password"),
            false => ("password", "user"),
        };
        fields.fault(
            key,
            Wrong::new(format!("{other} is missing"), "both or none"),
        );
    }
    let mut texts = ["user", "password", "token", "app_token"]
        .map(|key| fields.take(key, |v| secret(v, lookup, A_SECRET, value::is_header)));
    let mut names = ["from", "message", "time"].map(|key| {
        let is_selector = key == "from" && preset == Some(Preset::Loki);
        fields.take(key, |v| name(v, is_selector))
    });
    Parts {
        url: match preset {
            Some(_) => fields.take("url", |v| secret(v, lookup, A_URL, is_url)),
            None => None,
        },
        user: texts[0].take(),
        password: texts[1].take(),
        token: texts[2].take(),
        app_token: texts[3].take(),
        from: names[0].take(),
        message: names[1].take(),
        time: names[2].take(),
    }
}

/// A query without a preset: its credentials alone.
fn custom(fields: &mut Fields<'_, '_, '_>, parts: &Parts) -> Option<Find> {
    if !fields.has("url") {
        let known: Vec<&str> = Preset::ALL.iter().map(|preset| preset.label()).collect();
        fields.missing("url", &format!("a url, or a preset: {}", known.join(", ")));
        return None;
    }
    Some(Find {
        url: String::new(),
        body: None,
        headers: parts.credentials(),
        proof: Proof::Canary,
        shape: None,
    })
}

fn of_preset(
    fields: &mut Fields<'_, '_, '_>,
    preset: Preset,
    parts: &Parts,
    is_newest: bool,
) -> Option<Find> {
    if is_newest || fields.has("body") {
        let key = if is_newest { "newest" } else { "body" };
        let wrong = Wrong::new(
            "does not go with a preset",
            "give url, body and headers instead of preset",
        );
        fields.fault(key, wrong);
        return None;
    }
    for key in preset.required() {
        if !fields.has(key) {
            fields.missing(key, &format!("preset {} needs it", preset.label()));
        }
    }
    fields.is_clean().then(|| preset.find(parts))
}

/// A text that may hold secrets and placeholders: what is wrong with it never repeats it.
pub(super) fn secret(
    value: &DeValue<'_>,
    lookup: Lookup<'_>,
    allowed: &str,
    fits: fn(&str) -> bool,
) -> Result<String, Wrong> {
    let text = value::text(value, allowed)?;
    if text.len() > MAX_TEXT {
        return Err(Wrong::new(format!("longer than {MAX_TEXT} bytes"), allowed));
    }
    if let Some(word) = template::unknown(&without_variables(text)) {
        let hint = nearest::hint(word, PLACEHOLDERS);
        let what = format!(
            "unknown placeholder {}{hint}",
            quoted(&format!("{{{word}}}"))
        );
        let allowed = format!("allowed are {{{}}}", PLACEHOLDERS.join("}, {"));
        return Err(Wrong::new(what, allowed));
    }
    let fits = |filled: &str| !text.trim().is_empty() && fits(filled);
    variables::secret(text, lookup, allowed, fits)
}

/// The text without `${VAR}`, whose braces are no placeholder's.
fn without_variables(text: &str) -> String {
    let mut parts = text.split("${");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + part.split_once('}').map_or("", |(_, rest)| rest)
    })
}

/// True if the text is a URL once its placeholders are filled in.
pub(super) fn is_url(text: &str) -> bool {
    let values = Values {
        nonce: "0".to_owned(),
        since: Wall::ZERO,
    };
    request_url(&template::fill(text, &values)).is_some()
}

fn is_header_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    !text.is_empty() && text.bytes().all(fits)
}

/// The name of a table, a field or an index, which stands in a query as it is; or a selector of Loki, which is encoded.
fn name(value: &DeValue<'_>, is_selector: bool) -> Result<String, Wrong> {
    const MAX_NAME: usize = 500;
    let name = value::line(value, MAX_NAME, A_NAME)?;
    let wrong = |char: char| matches!(char, '"' | '\'' | '\\' | '`' | ';' | '{' | '}');
    if !is_selector && name.contains(wrong) {
        let what = format!("{} holds a quote or a brace", quoted(name));
        return Err(Wrong::new(what, A_NAME));
    }
    if is_selector && !(name.starts_with('{') && name.ends_with('}')) {
        let what = format!("invalid stream selector {}", quoted(name));
        return Err(Wrong::new(
            what,
            "a selector is like {fly_app_name=~\".+\"}",
        ));
    }
    Ok(name.to_owned())
}

fn pointer(value: &DeValue<'_>) -> Result<String, Wrong> {
    let pointer = value::line(value, MAX_POINTER, A_POINTER)?;
    match pointer.starts_with('/') {
        true => Ok(pointer.to_owned()),
        false => {
            let what = format!("invalid pointer {}", quoted(pointer));
            Err(Wrong::new(what, A_POINTER))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_no_placeholders() {
        assert_eq!(without_variables("a${x}b{nonce}${y}"), "ab{nonce}");
        assert!(is_url("https://x/y?q={nonce}&t={since_rfc3339}") && !is_url("https://x/{a b}"));
    }
}
