//! lastbeat's own panics and errors as events, apart from alerts: tagged `own`, grouped by their place in the source.

use super::{Sentry, TAG_CHARS, envelope, sdk};
use crate::core::time::Wall;
use crate::format;
use bytes::Bytes;
use sentry::protocol::{Event, Exception};
use std::borrow::Cow;
use std::time::{Duration, UNIX_EPOCH};

impl Sentry {
    /// The envelope that tells of a fault of our own: its `kind` (`panic` or `error`), what happened without secrets,
    /// and its place in the source. The same values give the same bytes.
    pub fn self_report(&self, kind: &str, text: &str, place: &str, at: Wall) -> Bytes {
        let (ty, level) = match kind {
            "panic" => ("LastbeatPanic", sentry::Level::Fatal),
            _ => ("LastbeatError", sentry::Level::Error),
        };
        let place = format::sanitize(place, TAG_CHARS);
        let tags = [("own", "true"), ("kind", kind), ("place", &place)];
        let event = Event {
            event_id: super::id(&[
                kind.as_bytes(),
                place.as_bytes(),
                &at.nanos().to_be_bytes(),
                self.server_name.as_bytes(),
            ]),
            level,
            fingerprint: vec![
                "lastbeat".into(),
                kind.to_owned().into(),
                place.clone().into(),
            ]
            .into(),
            transaction: Some(place.clone()),
            logger: Some("lastbeat".to_owned()),
            platform: "other".into(),
            timestamp: UNIX_EPOCH + Duration::from_nanos(at.nanos()),
            server_name: Some(self.server_name.clone().into()),
            release: Some(self.release.clone().into()),
            environment: self.environment.clone().map(Cow::Owned),
            exception: vec![Exception {
                ty: ty.to_owned(),
                value: Some(text.to_owned()),
                ..Exception::default()
            }]
            .into(),
            tags: tags
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            sdk: Some(Cow::Owned(sdk())),
            ..Event::default()
        };
        envelope(event)
    }
}
