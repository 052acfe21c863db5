//! Entity tags of the texts that the program holds: a client that has a text gets a 304 instead of the text.

use axum::http::StatusCode;
use axum::http::header::{ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use ring::digest::{SHA256, digest};

/// The `ETag` of a text: the same for the same bytes, in this program and the next.
pub(super) fn of(text: &[u8]) -> HeaderValue {
    let hex = HEXLOWER.encode(&digest(&SHA256, text).as_ref()[..12]);
    HeaderValue::from_str(&format!("\"{hex}\"")).expect("hex digits are header text")
}

/// The text with its tag, or 304 if the client has the current one.
pub(super) fn response(headers: &HeaderMap, tag: &HeaderValue, text: &Bytes) -> Response {
    let tagged = [(ETAG, tag.clone())];
    if matches(headers, tag) {
        (StatusCode::NOT_MODIFIED, tagged).into_response()
    } else {
        (tagged, text.clone()).into_response()
    }
}

/// True where the client has what this tag stands for. A proxy that compresses makes the tag a weak one.
fn matches(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let sent = headers.get_all(IF_NONE_MATCH).iter();
    sent.filter_map(|value| value.to_str().ok())
        .flat_map(|tags| tags.split(','))
        .map(str::trim)
        .any(|one| tag == one.strip_prefix("W/").unwrap_or(one))
}
