//! Notices as JSON, posted to an address of the user's own.
//!
//! The keys are a contract: none leaves or changes its meaning within a `schema`, and each is always there. Texts that
//! do not apply are empty, numbers and times that do not apply are null.
//!
//! | key | value |
//! | --- | --- |
//! | `schema` | 1 |
//! | `incident`, `state`, `reminder`, `reason` | its number; `opened`, `reminder`, `closed`; the how manieth reminder; why closed |
//! | `alarm`, `scope`, `rule`, `severity` | as in Sentry's tags |
//! | `title`, `text` | one line; everything a person needs |
//! | `target` | `app`, `region`, `instance`, `host`, `beat` |
//! | `affected`, `affected_total` | the first of those concerned, as `app/region/instance`; how many in all |
//! | `since`, `due`, `decided` | RFC 3339: last heard, deadline, decided |
//! | `gap_seconds`, `listened_seconds`, `max_gap_seconds` | how long silent, how much of it listened, how long allowed |
//! | `last_text`, `detail`, `runbook` | the last beat's text, what else is known, where to read on |
//!
//! The header `Idempotency-Key` is the same each time the same notice is sent.

use crate::core::notice::{IncidentId, Notice, NoticeKind};
use crate::decode::settings::Secret;
use crate::words;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Uri};
use serde_json::json;
use std::time::Duration;

/// Counts up where a key leaves or changes its meaning.
const SCHEMA: u32 = 1;
const AGENT: &str = concat!("lastbeat/", env!("CARGO_PKG_VERSION"));
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Why an address is none. It never holds the address.
#[derive(Debug, thiserror::Error)]
#[error("the url cannot be used; give one like https://example.com/hook")]
pub struct UrlFault;

/// One address that is told.
pub struct Webhook {
    name: String,
    address: Uri,
    /// What of the address no log may show: everything behind its host.
    secrets: Vec<Secret>,
}

impl Webhook {
    /// The notifier of that name, at that address.
    ///
    /// # Errors
    /// [`UrlFault`] where the address is none of http or https.
    pub fn new(name: &str, url: &str) -> Result<Self, UrlFault> {
        let address: Uri = url.parse().map_err(|_| UrlFault)?;
        let schemes = [Some("http"), Some("https")];
        if address.host().is_none_or(str::is_empty) || !schemes.contains(&address.scheme_str()) {
            return Err(UrlFault);
        }
        let behind = [Some(address.path()), address.query()];
        // A lone / is in every text.
        let secrets = behind.into_iter().flatten().filter(|part| part.len() > 1);
        Ok(Webhook {
            name: name.to_owned(),
            secrets: secrets.map(Secret::new).collect(),
            address,
        })
    }

    /// Its name in the rules.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The JSON that tells of this notice; the same for the same notice.
    pub fn body(&self, notice: &Notice) -> Bytes {
        serde_json::to_vec(&value(notice))
            .expect("texts, numbers and lists are JSON")
            .into()
    }

    /// The request that delivers such JSON.
    pub fn request(
        &self,
        incident: IncidentId,
        kind: NoticeKind,
        body: Bytes,
    ) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.address.clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        let key = HeaderValue::from_str(&idempotency_key(incident, kind))
            .expect("hex digits and the words of states are header text");
        headers.insert(IDEMPOTENCY_KEY, key);
        request
    }

    /// A text without the address's path and query.
    pub fn hide(&self, text: &str) -> String {
        let hide = |text: String, part: &Secret| text.replace(part.reveal(), "***");
        self.secrets.iter().fold(text.to_owned(), hide)
    }
}

/// `<incident>-<state>`, and `-<n>` for a state that comes more than once.
fn idempotency_key(incident: IncidentId, kind: NoticeKind) -> String {
    match kind {
        NoticeKind::Reminder(count) | NoticeKind::Updated(count) => {
            format!("{incident}-{}-{count}", kind.label())
        }
        NoticeKind::Opened | NoticeKind::Closed(_) => format!("{incident}-{}", kind.label()),
    }
}

fn value(notice: &Notice) -> serde_json::Value {
    let who = &notice.who;
    let seconds = |span: Duration| span.as_millis() as f64 / 1e3;
    let (reminder, reason) = match notice.kind {
        NoticeKind::Opened | NoticeKind::Updated(_) => (None, ""),
        NoticeKind::Reminder(count) => (Some(count), ""),
        NoticeKind::Closed(reason) => (None, reason.label()),
    };
    let text = |text: &str| words::clean(text, words::TEXT_CHARS);
    json!({
        "schema": SCHEMA,
        "incident": notice.incident.to_string(),
        "state": notice.kind.label(),
        "reminder": reminder,
        "reason": reason,
        "alarm": notice.alarm.name(notice.scope),
        "scope": notice.scope.label(),
        "rule": words::name(&notice.rule),
        "severity": notice.severity.label(),
        "title": words::title(notice),
        "text": words::sentence(notice),
        "target": {
            "app": words::name(&who.app),
            "region": words::name(&who.region),
            "instance": words::name(&who.instance),
            "host": words::name(&who.host),
            "beat": words::name(&who.beat),
        },
        "affected": notice.affected.iter().map(|one| text(one)).collect::<Vec<_>>(),
        "affected_total": notice.affected_total,
        "since": words::wall(notice.since),
        "due": words::wall(notice.due),
        "decided": words::wall(notice.decided),
        "gap_seconds": seconds(notice.gap),
        "listened_seconds": seconds(notice.listened),
        "max_gap_seconds": seconds(notice.max_gap),
        "last_text": text(&notice.last_text),
        "detail": text(&notice.detail),
        "runbook": notice.runbook.clone().unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::notice::CloseReason;
    use crate::words::tests::{closed, notice};
    use serde_json::Value;

    fn hook() -> Webhook {
        Webhook::new("oncall", "https://hooks.example.com/s3cret?key=t0ken").expect("an address")
    }

    #[test]
    fn each_key_is_always_there() {
        let keys = |notice: &Notice| {
            let value: Value = serde_json::from_slice(&hook().body(notice)).expect("JSON");
            let keys = value.as_object().expect("an object").keys();
            keys.cloned().collect::<Vec<_>>()
        };
        let expected = [
            "affected",
            "affected_total",
            "alarm",
            "decided",
            "detail",
            "due",
            "gap_seconds",
            "incident",
            "last_text",
            "listened_seconds",
            "max_gap_seconds",
            "reason",
            "reminder",
            "rule",
            "runbook",
            "schema",
            "scope",
            "severity",
            "since",
            "state",
            "target",
            "text",
            "title",
        ];
        assert_eq!(keys(&notice()), expected);
        assert_eq!(keys(&closed(CloseReason::Stopped)), expected);
        let reminder = Notice {
            kind: NoticeKind::Reminder(3),
            ..notice()
        };
        let value: Value = serde_json::from_slice(&hook().body(&reminder)).expect("JSON");
        assert_eq!(
            (&value["state"], &value["reminder"]),
            (&json!("reminder"), &json!(3))
        );
        assert_eq!(value["schema"], 1);
        assert_eq!(value["target"]["app"], notice().who.app);
    }

    #[test]
    fn a_notice_sent_twice_has_one_key_and_two_notices_have_two() {
        let key = |kind| {
            let request = hook().request(IncidentId(0x2a), kind, Bytes::new());
            request.headers()[IDEMPOTENCY_KEY]
                .to_str()
                .expect("text")
                .to_owned()
        };
        assert_eq!(key(NoticeKind::Opened), "00000000002a-opened");
        assert_eq!(key(NoticeKind::Reminder(2)), "00000000002a-reminder-2");
        let closed = NoticeKind::Closed(CloseReason::RuleRemoved);
        assert_eq!(key(closed), "00000000002a-closed");
        assert_eq!(key(closed), key(NoticeKind::Closed(CloseReason::Resolved)));
    }

    #[test]
    fn the_address_is_no_ones_business() {
        let said = "no route /s3cret for key=t0ken at hooks.example.com";
        assert_eq!(
            hook().hide(said),
            "no route *** for *** at hooks.example.com"
        );
        for url in ["", "x", "ftp://x/y", "https://", "mailto:a@b"] {
            assert!(Webhook::new("x", url).is_err(), "{url}");
        }
    }
}
