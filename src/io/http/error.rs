//! Every refusal of a request. Below `/api/` its body is `{"error":"..."}`, with `"faults":[...]` where the request itself
//! is at fault.

use super::auth::access::Refusal;
use super::dto;
use super::response::{Json, TEXT, typed};
use axum::http::StatusCode;
use axum::http::header::{ALLOW, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};

/// Seconds after which a client may try for a stream again.
const STREAM_RETRY_SECONDS: u64 = 10;

/// A refusal; its text is the response's `error`.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// All that is wrong with a query or with the settings of a drill.
    #[error("invalid request")]
    Invalid(Vec<String>),
    #[error("invalid silence")]
    InvalidSilence(Vec<String>),
    #[error("invalid sign-in: expected {{\"token\":\"...\"}}")]
    InvalidSignIn,
    #[error("invalid content type: send JSON, with `Content-Type: application/json`")]
    NotJson,
    #[error("the connection closed before the whole body arrived")]
    BodyCut,
    #[error("the body is longer than 16 KiB")]
    BodyTooLong,
    #[error("the body did not arrive within 5s")]
    BodyTimeout,
    #[error(
        "wrong token: it differs from that of LASTBEAT_TOKEN, or of the file that the log names"
    )]
    WrongToken,
    #[error("a demo has no token: everybody may read it, and its own machine may change it")]
    NoToken,
    /// The path is unknown; with the paths that exist.
    #[error("unknown path; known are {0}")]
    UnknownPath(String),
    #[error("no such instance is known; GET /api/v1/instances lists them")]
    UnknownInstance,
    #[error(
        "no incident has this id, or it is too old to be kept; GET /api/v1/incidents lists them"
    )]
    UnknownIncident,
    #[error("this incident is over")]
    IncidentIsOver,
    #[error(
        "no silence has this id: it has ended, or never existed; GET /api/v1/silences lists them"
    )]
    UnknownSilence,
    #[error("this silence is defined in the rule files: remove it there")]
    SilenceOfRules,
    #[error(
        "there are too many silences, or too many globs in them: end some, or let globs cover several apps"
    )]
    TooManySilences,
    #[error("a drill is already running; it ends within a minute")]
    DrillRuns,
    #[error("there is no notifier: set SENTRY_DSN, or name one in the rules by [notify.NAME]")]
    NoNotifier,
    #[error("no downstream has this name; GET /api/v1/downstream lists them")]
    UnknownDownstream,
    #[error("a refill is already running; GET /api/v1/downstream shows how far it is")]
    RefillRuns,
    #[error("the limit of a hundred readers is reached")]
    TooManyReaders,
    #[error("there is no archive: LASTBEAT_ARCHIVE names its folder")]
    NoArchive,
    #[error("two searches run already; each ends within 10s")]
    TooManySearches,
    #[error("the archive cannot be read: {0}")]
    Archive(String),
    #[error("the core did not answer within 2s; see /readyz")]
    CoreTimeout,
    #[error("the history cannot be read: {0}")]
    History(String),
    #[error("the response could not be built; see the log")]
    Internal,
}

impl ApiError {
    fn status(&self) -> StatusCode {
        use ApiError::*;
        match self {
            Refused(Refusal::Token) | WrongToken => StatusCode::UNAUTHORIZED,
            Refused(Refusal::Wait(_)) => StatusCode::TOO_MANY_REQUESTS,
            Refused(_) => StatusCode::FORBIDDEN,
            Invalid(_) | InvalidSilence(_) | InvalidSignIn | BodyCut => StatusCode::BAD_REQUEST,
            NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            BodyTooLong => StatusCode::PAYLOAD_TOO_LARGE,
            BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            NoToken | SilenceOfRules | IncidentIsOver | DrillRuns | RefillRuns | NoNotifier
            | NoArchive => StatusCode::CONFLICT,
            UnknownPath(_) | UnknownInstance | UnknownIncident | UnknownSilence
            | UnknownDownstream => StatusCode::NOT_FOUND,
            TooManySilences => StatusCode::INSUFFICIENT_STORAGE,
            TooManyReaders | TooManySearches | CoreTimeout | History(_) | Archive(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let error = self.to_string();
        let header = match &self {
            Self::Refused(Refusal::Token) => {
                Some((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")))
            }
            Self::Refused(Refusal::Wait(wait)) => Some((RETRY_AFTER, (wait.as_secs() + 1).into())),
            Self::TooManyReaders | Self::TooManySearches => {
                Some((RETRY_AFTER, STREAM_RETRY_SECONDS.into()))
            }
            _ => None,
        };
        let status = self.status();
        let faults = match self {
            Self::Invalid(faults) | Self::InvalidSilence(faults) => Some(faults),
            _ => None,
        };
        let mut response = (status, Json(dto::Error { error, faults })).into_response();
        response.headers_mut().extend(header);
        response
    }
}

/// The response to a method that a path does not take; `allow` is axum's list of those it takes.
pub(super) fn method_not_allowed(is_api: bool, allow: &str) -> Response {
    let allow = allow.replace(',', ", ");
    let error = format!("this path does not take that method: use {allow}");
    let body = if is_api {
        Json(dto::Error::from(error)).into_response()
    } else {
        typed(TEXT, error + "\n")
    };
    let allow = HeaderValue::from_str(&allow).expect("methods are header text");
    (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, allow)], body).into_response()
}
