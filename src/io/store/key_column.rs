//! The key of an incident, as JSON in its column.

use super::json_columns::{TargetRow, cow, text};
use crate::core::persist::SavedKey;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::Arc;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum KeyRow<'a> {
    Stream,
    Region(Cow<'a, str>),
    App(Cow<'a, str>),
    Place(Cow<'a, str>, Cow<'a, str>),
    Host(Cow<'a, str>),
    Regions(Vec<Cow<'a, str>>),
    Alone(Cow<'a, str>),
    Flapping(TargetRow<'a>),
    Downstream(Cow<'a, str>),
}

/// An incident's key.
pub(super) fn key(key: &SavedKey) -> rusqlite::Result<String> {
    text(&match key {
        SavedKey::Stream => KeyRow::Stream,
        SavedKey::Region(region) => KeyRow::Region(cow(region)),
        SavedKey::App(app) => KeyRow::App(cow(app)),
        SavedKey::AppRegion(app, region) => KeyRow::Place(cow(app), cow(region)),
        SavedKey::Host(host) => KeyRow::Host(cow(host)),
        SavedKey::Regions(names) => KeyRow::Regions(names.iter().map(cow).collect()),
        SavedKey::Alone(rule) => KeyRow::Alone(cow(rule)),
        SavedKey::Flapping(target) => KeyRow::Flapping(TargetRow::of(target)),
        SavedKey::Downstream(name) => KeyRow::Downstream(cow(name)),
    })
}

/// `None` where the text makes no sense.
pub(super) fn key_of(text: &str) -> Option<SavedKey> {
    Some(match serde_json::from_str(text).ok()? {
        KeyRow::Stream => SavedKey::Stream,
        KeyRow::Region(region) => SavedKey::Region(region.into()),
        KeyRow::App(app) => SavedKey::App(app.into()),
        KeyRow::Place(app, region) => SavedKey::AppRegion(app.into(), region.into()),
        KeyRow::Host(host) => SavedKey::Host(host.into()),
        KeyRow::Regions(names) => SavedKey::Regions(names.into_iter().map(Arc::from).collect()),
        KeyRow::Alone(rule) => SavedKey::Alone(rule.into()),
        KeyRow::Flapping(target) => SavedKey::Flapping(target.into()),
        KeyRow::Downstream(name) => SavedKey::Downstream(name.into()),
    })
}
