//! Fly's HTTP logs API: the platform's own copy of what an instance said, which took another way than the stream.
//!
//! `GET /api/v1/apps/APP/logs?region=REGION&instance=INSTANCE` answers with the last 100 entries. It is not officially
//! supported: whatever goes wrong means that nothing is known.

use super::token::{self, ApiTokenFault};
use crate::core::targets::question::{Opinion, Question};
use crate::decode::fly_logs;
use crate::decode::inventory::is_name;
use crate::decode::settings::ApiSettings;
use crate::format;
use crate::io::http_client::{HttpClient, RequestFault};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, HeaderValue, USER_AGENT};
use hyper::{Request, StatusCode};
use std::time::Duration;

/// Time limit of a request: an alert waits for 3 s.
const WITHIN: Duration = Duration::from_millis(2_500);
/// Limit of an answer: 100 entries of 10 kB.
const MAX_BYTES: usize = 1 << 20;
const AGENT: &str = concat!("lastbeat/", env!("CARGO_PKG_VERSION"));

/// A failed request. No fault holds the token.
#[derive(Debug, thiserror::Error)]
pub enum FlyLogsFault {
    /// The token.
    #[error(transparent)]
    Token(#[from] ApiTokenFault),
    /// No answer.
    #[error(transparent)]
    Unreached(#[from] RequestFault),
    /// Any status but a good one.
    #[error("the logs API answers {0}")]
    Status(StatusCode),
    /// An answer that is too large.
    #[error("the answer of the logs API has more than {MAX_BYTES} bytes")]
    TooLarge,
    /// Not as documented.
    #[error("the answer of the logs API is invalid")]
    Unreadable(#[from] serde_json::Error),
    /// A name that no address may hold.
    #[error("invalid subject: {0:?}")]
    Name(String),
}

/// The API and the credentials for it. Clones share their connections.
#[derive(Clone)]
pub struct FlyLogs {
    settings: ApiSettings,
    client: HttpClient,
}

impl FlyLogs {
    /// The API at that address.
    pub fn new(settings: ApiSettings) -> Self {
        // One byte more than is taken shows what is too large.
        let client = HttpClient::keeping(MAX_BYTES + 1);
        FlyLogs { settings, client }
    }

    /// Asks for the newest heartbeat that a question is about.
    ///
    /// # Errors
    /// [`FlyLogsFault`].
    pub async fn opinion(&self, question: &Question) -> Result<Opinion, FlyLogsFault> {
        let answer = self.client.post(self.request(question)?, WITHIN).await?;
        match answer.status {
            _ if answer.body.len() > MAX_BYTES => Err(FlyLogsFault::TooLarge),
            status if status.is_success() => Ok(fly_logs::newest(&answer.body, question)?),
            status => Err(FlyLogsFault::Status(status)),
        }
    }

    fn request(&self, question: &Question) -> Result<Request<Full<Bytes>>, FlyLogsFault> {
        let names: Vec<&str> = question.subject.split('.').collect();
        let &[_, app, region, instance] = names.as_slice() else {
            return Err(FlyLogsFault::Name(format::sanitize(&question.subject, 200)));
        };
        if ![app, region, instance].into_iter().all(is_name) {
            return Err(FlyLogsFault::Name(format::sanitize(&question.subject, 200)));
        }
        let token = token::current(&self.settings.token)?;
        // Fly's own tokens name their scheme.
        let scheme = if token.reveal().starts_with("FlyV1 ") {
            ""
        } else {
            "Bearer "
        };
        let value = HeaderValue::try_from(format!("{scheme}{}", token.reveal()));
        let mut value = value.map_err(|_| ApiTokenFault::Unusable)?;
        value.set_sensitive(true);
        let url = &self.settings.url;
        let request = Request::builder()
            .uri(format!(
                "{url}/api/v1/apps/{app}/logs?region={region}&instance={instance}"
            ))
            .header(AUTHORIZATION, value)
            .header(USER_AGENT, AGENT)
            .body(Full::default());
        // The settings let only an address through, and the rest is made of names.
        request.map_err(|_| FlyLogsFault::Name(format::sanitize(&question.subject, 200)))
    }
}
