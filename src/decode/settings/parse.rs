//! Parsers of settings: trimmed text in, a value or what is wrong with it out.

use super::archive::ArchiveSetting;
use super::secret::Secret;
use super::state::StatePlace;
use super::token_place::{MIN_TOKEN_CHARS, WEAK_TOKEN};
use crate::core::rule::Globs;
use crate::core::tracker::Limits;
use crate::decode::http_url::request_url;
use crate::decode::{globs, rules_file};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Less than this a small organisation needs already.
const LEAST_MEMORY: u64 = 64_000_000;

/// Any text.
pub(super) fn text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

/// A text that is never printed.
pub(super) fn secret(text: &str) -> Result<Secret, String> {
    Ok(Secret::new(text))
}

/// A token that is not guessed easily. It is never printed.
pub(super) fn web_token(text: &str) -> Result<Secret, String> {
    if text.chars().count() < MIN_TOKEN_CHARS {
        return Err(WEAK_TOKEN.to_owned());
    }
    Ok(Secret::new(text))
}

/// True where reading needs no token.
pub(super) fn anonymous(text: &str) -> Result<bool, String> {
    match text {
        "read" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("unknown access {text:?}: expected read or off")),
    }
}

/// An http or https URL that is never printed, since its path may be a key.
pub(super) fn secret_url(text: &str) -> Result<Secret, String> {
    if request_url(text).is_some() {
        Ok(Secret::new(text))
    } else {
        Err("invalid URL: expected one such as https://hc-ping.com/UUID".to_owned())
    }
}

/// The address of a page for people, without a slash at its end.
pub(super) fn page_url(text: &str) -> Result<String, String> {
    let is_plain = |url: url::Url| {
        url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    };
    if request_url(text).is_some_and(is_plain) {
        Ok(text.trim_end_matches('/').to_owned())
    } else {
        Err(
            "invalid URL: expected one such as https://lastbeat.example.com, without a user or a query"
                .to_owned(),
        )
    }
}

/// Scheme and host of an http or https API, without a path. It is never repeated, since it may hold a key.
pub(super) fn origin(text: &str) -> Result<String, String> {
    let origin = text.trim_end_matches('/');
    let rest = origin.split_once("://").map_or("", |(_, rest)| rest);
    if request_url(text).is_some() && !rest.contains(['/', '?', '#', '@', ' ']) {
        Ok(origin.to_owned())
    } else {
        Err("invalid URL: expected scheme and host, such as https://api.machines.dev".to_owned())
    }
}

/// Where Fly's HTTP logs API is; `None`: it is not asked.
pub(super) fn second_opinion(text: &str) -> Result<Option<String>, String> {
    match text {
        "off" => Ok(None),
        "fly" => Ok(Some("https://api.fly.io".to_owned())),
        _ => match origin(text) {
            Ok(origin) => Ok(Some(origin)),
            Err(_) => Err(format!(
                "unknown place {text:?}: expected fly, off, or scheme and host"
            )),
        },
    }
}

/// A path.
pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    Ok(PathBuf::from(text))
}

/// A file, or a word for memory.
pub(super) fn state(text: &str) -> Result<StatePlace, String> {
    Ok(StatePlace::parse(text))
}

/// A folder, or a word for none.
pub(super) fn archive(text: &str) -> Result<ArchiveSetting, String> {
    Ok(match text {
        "memory" => ArchiveSetting::Memory,
        "off" | "none" => ArchiveSetting::Off,
        path => ArchiveSetting::Folder(PathBuf::from(path)),
    })
}

/// Globs separated by commas; one that begins with `!` takes out.
pub(super) fn glob_list(text: &str) -> Result<Globs, String> {
    let all = text.split(',').map(str::trim);
    let all: Vec<String> = all
        .filter(|glob| !glob.is_empty())
        .map(str::to_owned)
        .collect();
    all.iter().try_for_each(|glob| globs::check(glob))?;
    globs::check_list(&all).map_err(|(_, why)| why)?;
    Ok(Globs(all))
}

/// A switch; any other word is on.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    Ok(!matches!(text, "0" | "false" | "no" | "off"))
}

/// An address with its port.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("invalid address {text:?}: expected IP:PORT, such as 127.0.0.1:9090 or [::]:9090")
    })
}

/// A whole number.
pub(super) fn number(text: &str) -> Result<usize, String> {
    text.parse()
        .map_err(|_| format!("invalid number {text:?}: expected a whole number from 0 on"))
}

/// A number of instances.
pub(super) fn instances(text: &str) -> Result<usize, String> {
    limit(text, Limits::MOST.instances)
}

/// A number of apps.
pub(super) fn apps(text: &str) -> Result<usize, String> {
    limit(text, Limits::MOST.apps)
}

fn limit(text: &str, most: usize) -> Result<usize, String> {
    match text.parse() {
        Ok(limit) if (1..=most).contains(&limit) => Ok(limit),
        _ => Err(format!(
            "invalid number {text:?}: expected a whole number from 1 to {most}"
        )),
    }
}

/// An interval, or `off`.
pub(super) fn every_or_off(text: &str) -> Result<Option<Duration>, String> {
    span_or(text, "off", "10s")
}

/// A duration, or `never`.
pub(super) fn span_or_never(text: &str) -> Result<Option<Duration>, String> {
    span_or(text, "never", "10m")
}

/// A number of bytes; `None`: no limit.
pub(super) fn memory(text: &str) -> Result<Option<u64>, String> {
    if text == "off" {
        return Ok(None);
    }
    match rules_file::bytes(text) {
        Some(bytes) if bytes >= LEAST_MEMORY => Ok(Some(bytes)),
        _ => Err(format!(
            "invalid size {text:?}: expected 64MB or more, such as 400MB or 1GiB, or off"
        )),
    }
}

fn span_or(text: &str, none: &str, example: &str) -> Result<Option<Duration>, String> {
    if text == none {
        return Ok(None);
    }
    match rules_file::duration(text) {
        Ok(span) if span >= Duration::from_secs(1) => Ok(Some(span)),
        _ => Err(format!(
            "invalid duration {text:?}: expected one second or more, such as {example}, or {none}"
        )),
    }
}
