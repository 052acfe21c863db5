//! The body of Loki's push API (`/loki/api/v1/push`): `{"streams": [{"stream": {...}, "values": [["NANOSECONDS", "LINE"]]}]}`.
//!
//! Streams have the labels that fly-log-shipper gives them, so that the same queries find them.

use crate::decode::shipped::entry::ShippedEntry;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

/// The label that sets refilled entries apart.
const REFILL: &str = "refill";

type Labels<'a> = BTreeMap<&'static str, Cow<'a, str>>;

#[derive(Serialize)]
struct Push<'a> {
    streams: Vec<Stream<'a>>,
}

#[derive(Serialize)]
struct Stream<'a> {
    stream: Labels<'a>,
    values: Vec<(String, Cow<'a, str>)>,
}

/// The body of a request. Streams stand in the order of their first entries.
pub(super) fn encode(entries: &[ShippedEntry<'_>], refill: Option<&str>) -> Vec<u8> {
    let mut streams: Vec<Stream<'_>> = Vec::new();
    let mut numbers: HashMap<Labels<'_>, usize> = HashMap::new();
    for entry in entries {
        let labels = labels(entry, refill);
        let number = *numbers.entry(labels).or_insert_with_key(|labels| {
            streams.push(Stream {
                stream: labels.clone(),
                values: Vec::new(),
            });
            streams.len() - 1
        });
        let value = (entry.at.nanos().to_string(), entry.text());
        streams[number].values.push(value);
    }
    serde_json::to_vec(&Push { streams }).expect("texts and lists are JSON")
}

fn labels<'a>(entry: &'a ShippedEntry<'_>, refill: Option<&'a str>) -> Labels<'a> {
    let field = |path: &[&str]| entry.field(path).map(Cow::Borrowed);
    let all = [
        ("event_provider", field(&["event", "provider"])),
        ("fly_app_instance", Some(Cow::Borrowed(entry.instance))),
        ("fly_app_name", Some(Cow::Borrowed(entry.app))),
        ("fly_region", Some(Cow::Borrowed(entry.region))),
        ("host", field(&["host"])),
        ("level", entry.level().map(Cow::Owned)),
        (REFILL, refill.map(Cow::Borrowed)),
    ];
    let known = all
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    known.filter(|(_, value)| !value.is_empty()).collect()
}
