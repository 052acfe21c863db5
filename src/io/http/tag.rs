//! What the program itself holds, by a mark of its bytes: who has it is told so, and is not sent it again.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};
use hyper::{Response, StatusCode};

/// The `ETag` of a text: the same for the same bytes, in this program and the next.
pub(super) fn of(text: &[u8]) -> HeaderValue {
    let digest = ring::digest::digest(&ring::digest::SHA256, text);
    let hex: String = digest.as_ref()[..12]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let tag = format!("\"{hex}\"");
    HeaderValue::from_str(&tag).expect("hex digits may stand in a header")
}

/// The text with its tag, or that the asker has it.
pub(super) fn answer(
    headers: &HeaderMap,
    tag: &HeaderValue,
    text: &Bytes,
) -> Response<Full<Bytes>> {
    let known = is_known(headers, tag);
    let body = if known { Bytes::new() } else { text.clone() };
    let mut response = Response::new(Full::new(body));
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    response.headers_mut().insert(ETAG, tag.clone());
    response
}

/// Whether the asker has what this tag stands for. A proxy that compresses makes the tag a weak one.
fn is_known(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let has = headers.get_all(IF_NONE_MATCH).iter();
    let mut tags = has
        .filter_map(|value| value.to_str().ok())
        .flat_map(|tags| tags.split(','));
    tags.any(|one| {
        let one = one.trim();
        tag == one.strip_prefix("W/").unwrap_or(one)
    })
}
