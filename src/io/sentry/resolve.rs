//! Marks issues as resolved, by Sentry's API: `PUT /api/0/organizations/ORG/issues/?query=incident:ID`, with a token
//! that has the scope `event:write`.
//!
//! The end of an incident is an event too, and Sentry files events in its own time; one that comes after would open the
//! issue again. So the issue is resolved a little later (`RESOLVE_DELAY`).

use super::event::fingerprint;
use crate::core::notice::{IncidentId, Notice, NoticeKind};
use crate::core::rule::SentryApi;
use crate::core::time::Wall;
use crate::decode::settings::Secret;
use crate::io::http_client::{Address, AddressFault, Answer};
use crate::io::notifier::{Notifier, Outcome, RenderedNotice, outcome_of_status};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, HeaderValue};
use hyper::{Method, Request, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sentry::types::Dsn;
use std::time::Duration;

/// Delay between an incident's end and the resolving of its issue: Sentry files an event within seconds.
const RESOLVE_DELAY: Duration = Duration::from_secs(15);
/// Answers that no issue was found until that is believed: Sentry may be behind.
const FOUND_WITHIN: u32 = 6;
/// Suffix of such a notifier's name.
const SUFFIX: &str = "-resolve";

/// Invalid settings of the resolver. It holds no secret.
#[derive(Debug, thiserror::Error)]
pub enum ResolverFault {
    /// The API's address.
    #[error("api_url")]
    Address(#[from] AddressFault),
    /// No header can carry the token.
    #[error("invalid api_token: it has characters that no header can hold")]
    Token,
    /// The project's own address is invalid.
    #[error("invalid DSN")]
    Dsn,
}

/// Resolves the issues of one project.
pub struct SentryResolver {
    name: String,
    route_name: String,
    base: Address,
    /// Up to `query=`, which comes last.
    path: String,
    authorization: HeaderValue,
}

impl SentryResolver {
    /// One for the notifier `sentry`, whose DSN this is.
    ///
    /// # Errors
    /// [`ResolverFault`] where an address or the token cannot be used.
    pub fn new(sentry: &str, dsn: &Secret, api: &SentryApi) -> Result<Self, ResolverFault> {
        let dsn: Dsn = dsn
            .reveal()
            .trim()
            .parse()
            .map_err(|_| ResolverFault::Dsn)?;
        let url = api.url.clone().unwrap_or_else(|| api_of(&dsn));
        let bearer = format!("Bearer {}", api.token);
        let mut authorization = HeaderValue::from_str(&bearer).map_err(|_| ResolverFault::Token)?;
        authorization.set_sensitive(true);
        // Only sentry.io's projects are sure to be numbers; without one all of the organisation's are searched, and
        // an incident's number is unique.
        let id = dsn.project_id().value();
        let project = if id.bytes().all(|byte| byte.is_ascii_digit()) {
            format!("project={id}&")
        } else {
            String::new()
        };
        let organization = utf8_percent_encode(&api.organization, NON_ALPHANUMERIC);
        Ok(SentryResolver {
            name: name_of(sentry),
            route_name: sentry.to_owned(),
            base: Address::new(&url)?.redacting([Secret::new(api.token.as_str())]),
            path: format!("/api/0/organizations/{organization}/issues/?{project}query=incident%3A"),
            authorization,
        })
    }

    /// Where the API is, for people.
    pub fn origin(&self) -> String {
        self.base.origin()
    }

    fn request(&self, incident: IncidentId) -> Result<Request<Full<Bytes>>, AddressFault> {
        let address = self.base.below(&format!("{}{incident}", self.path))?;
        let body = Bytes::from_static(b"{\"status\":\"resolved\"}");
        let mut request = address.request(Method::PUT, body, "application/json");
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.authorization.clone());
        Ok(request)
    }
}

/// It sends a request at the end of an incident only. It has to know of the beginnings: while another incident of the
/// same issue is open, the end of one does not resolve the issue.
impl Notifier for SentryResolver {
    fn name(&self) -> &str {
        &self.name
    }

    /// The notifier whose issues it resolves.
    fn route_name(&self) -> &str {
        &self.route_name
    }

    fn accepts(&self, kind: NoticeKind) -> bool {
        matches!(kind, NoticeKind::Opened | NoticeKind::Closed(_))
    }

    /// The issue's fingerprint.
    fn render(&self, notice: &Notice) -> Bytes {
        serde_json::Value::from(fingerprint(notice))
            .to_string()
            .into()
    }

    fn requests(&self, rendered: &RenderedNotice, _now: Wall) -> Vec<Request<Full<Bytes>>> {
        match rendered.kind {
            NoticeKind::Closed(_) => self.request(rendered.incident).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    fn redact(&self, text: &str) -> String {
        self.base.redact(text)
    }

    /// An answer that finds no such issue is retried: Sentry may be behind.
    fn outcome(&self, answer: &Answer, failed: u32) -> Outcome {
        match outcome_of_status(answer.status) {
            Outcome::Delivered
                if answer.status == StatusCode::NO_CONTENT && failed < FOUND_WITHIN =>
            {
                Outcome::Retried
            }
            outcome => outcome,
        }
    }

    fn send_delay(&self, kind: NoticeKind) -> Duration {
        match kind {
            NoticeKind::Closed(_) => RESOLVE_DELAY,
            _ => Duration::ZERO,
        }
    }

    fn tracks_open_alerts(&self) -> bool {
        true
    }

    fn dedup_key(&self, rendered: &RenderedNotice) -> Option<Bytes> {
        Some(rendered.body.clone())
    }
}

/// The name of the resolver of that notifier's issues.
pub fn name_of(sentry: &str) -> String {
    format!("{sentry}{SUFFIX}")
}

/// Where the API of a DSN's server is: sentry.io takes events at other hosts than those of its API, a server of
/// one's own has one host.
fn api_of(dsn: &Dsn) -> String {
    let host = dsn.host();
    let cloud = host
        .strip_suffix(".sentry.io")
        .and_then(|front| front.split_once("ingest"))
        .map(|(_, region)| region.trim_start_matches('.'));
    match cloud {
        Some("") => "https://sentry.io".to_owned(),
        Some(region) => format!("https://{region}.sentry.io"),
        None => {
            let path = dsn.path().trim_end_matches('/').to_owned();
            format!("{}://{host}:{}{path}", dsn.scheme(), dsn.port())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::tests::notice;

    fn resolver(dsn: &str, url: Option<&str>) -> SentryResolver {
        let api = SentryApi {
            url: url.map(str::to_owned),
            organization: "acme".to_owned(),
            token: "sntrys_s3cret".to_owned(),
        };
        SentryResolver::new("sentry", &Secret::new(dsn), &api).expect("an API")
    }

    #[test]
    fn the_api_is_where_the_dsn_is_at_home() {
        let cases = [
            ("https://k@o1.ingest.sentry.io/42", "https://sentry.io"),
            (
                "https://k@o1.ingest.us.sentry.io/42",
                "https://us.sentry.io",
            ),
            (
                "https://k@o1.ingest.de.sentry.io/42",
                "https://de.sentry.io",
            ),
            (
                "https://k@sentry.example.com/42",
                "https://sentry.example.com:443",
            ),
            ("http://k@10.0.0.1:9000/sub/42", "http://10.0.0.1:9000/sub"),
        ];
        for (dsn, base) in cases {
            let request = resolver(dsn, None)
                .request(IncidentId(0x2a))
                .expect("a request");
            let rest = "/api/0/organizations/acme/issues/?project=42&query=incident%3A00000000002a";
            assert_eq!(request.uri().to_string(), format!("{base}{rest}"));
        }
        let other = resolver(cases[0].0, Some("http://127.0.0.1:7/"));
        assert_eq!(other.origin(), "http://127.0.0.1:7");
    }

    #[test]
    fn the_token_is_sent_and_not_shown() {
        let resolver = resolver("https://k@o1.ingest.sentry.io/42", None);
        let request = resolver.request(IncidentId(1)).expect("a request");
        assert_eq!(request.method(), "PUT");
        assert_eq!(request.headers()[AUTHORIZATION], "Bearer sntrys_s3cret");
        assert!(!format!("{request:?}").contains("s3cret"));
        assert_eq!(resolver.redact("bad sntrys_s3cret"), "bad ***");
        assert_eq!(
            (resolver.name(), resolver.route_name()),
            ("sentry-resolve", "sentry")
        );
    }

    #[test]
    fn an_issue_is_what_the_fingerprint_says() {
        let resolver = resolver("https://k@o1.ingest.sentry.io/42", None);
        let issue = resolver.render(&notice());
        assert_eq!(
            &issue[..],
            br#"["sandwich beats","instance","sandwich.iad.0e286551c30586"]"#
        );
    }

    #[test]
    fn an_issue_that_is_not_there_yet_is_asked_for_again() {
        let resolver = resolver("https://k@o1.ingest.sentry.io/42", None);
        let outcome = |status, failed| {
            let answer = Answer {
                status,
                retry_after: None,
                location: None,
                rate_limits: None,
                body: Bytes::new(),
            };
            resolver.outcome(&answer, failed)
        };
        assert_eq!(outcome(StatusCode::NO_CONTENT, 0), Outcome::Retried);
        assert_eq!(
            outcome(StatusCode::NO_CONTENT, FOUND_WITHIN),
            Outcome::Delivered
        );
        assert_eq!(outcome(StatusCode::OK, 0), Outcome::Delivered);
    }
}
