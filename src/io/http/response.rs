//! Bodies of short responses. The router adds the headers that all of them have.

use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// Plain text.
pub(super) const TEXT: &str = "text/plain; charset=utf-8";

/// A value as JSON, with a line feed at the end for terminals.
pub(super) struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        let mut body = serde_json::to_vec(&self.0).expect("a map here has strings as keys");
        body.push(b'\n');
        typed("application/json", body)
    }
}

/// A body of that media type.
pub(super) fn typed(media_type: &'static str, body: impl IntoResponse) -> Response {
    let mut response = body.into_response();
    let media_type = HeaderValue::from_static(media_type);
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}
