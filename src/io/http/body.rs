//! What is sent to us: JSON, not much of it, and soon.

use super::api::error;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Body;
use hyper::header::{CONTENT_TYPE, HeaderMap};
use hyper::{Request, Response, StatusCode};
use std::error::Error;
use std::time::Duration;

/// Bytes of a request's body; a silence has some hundred.
const BYTES: usize = 16 * 1024;
/// Time for a body to arrive.
const WITHIN: Duration = Duration::from_secs(5);

/// The body of a request that says it is JSON, or the refusal. A form of somebody else's page cannot send this type
/// without asking first.
pub(super) async fn json<B>(request: Request<B>) -> Result<Bytes, Response<Full<Bytes>>>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    if !is_json(request.headers()) {
        let what = "send JSON, with `Content-Type: application/json`";
        return Err(error(StatusCode::UNSUPPORTED_MEDIA_TYPE, what));
    }
    let whole = Limited::new(request.into_body(), BYTES).collect();
    match tokio::time::timeout(WITHIN, whole).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(fault)) if fault.is::<LengthLimitError>() => Err(error(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body is longer than 16 KiB",
        )),
        Ok(Err(_)) => Err(error(StatusCode::BAD_REQUEST, "the body broke off")),
        Err(_) => Err(error(
            StatusCode::REQUEST_TIMEOUT,
            "the body did not arrive within 5s",
        )),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/json")
}
