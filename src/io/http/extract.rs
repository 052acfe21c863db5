//! Extractors: a checked query, the names in a path, a JSON body. Each refuses with an [`ApiError`].

use super::error::ApiError;
use crate::decode::api_query::FromQuery;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::{CONTENT_TYPE, HeaderMap};
use axum::http::request::Parts;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Bytes of a request's body; a silence has some hundred.
const MAX_BODY_BYTES: usize = 16 * 1024;
/// Time for a body to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// The query of the address; 400 with every fault of it.
pub(super) struct Query<T>(pub T);

impl<T: FromQuery, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        T::from_query(query).map(Query).map_err(ApiError::Invalid)
    }
}

/// The names in braces of a route, decoded; `None` where they are no text.
pub(super) struct Path<T>(pub Option<T>);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let names = axum::extract::Path::from_request_parts(parts, state).await;
        Ok(Path(names.ok().map(|axum::extract::Path(names)| names)))
    }
}

/// The body of a request that says it is JSON. A form of another site's page cannot send this type without a preflight
/// request.
pub(super) struct JsonBody(pub Bytes);

impl<S: Sync> FromRequest<S> for JsonBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            return Err(ApiError::NotJson);
        }
        let whole = Limited::new(request.into_body(), MAX_BODY_BYTES).collect();
        match tokio::time::timeout(BODY_TIMEOUT, whole).await {
            Ok(Ok(body)) => Ok(JsonBody(body.to_bytes())),
            Ok(Err(fault)) if fault.is::<LengthLimitError>() => Err(ApiError::BodyTooLong),
            Ok(Err(_)) => Err(ApiError::BodyCut),
            Err(_) => Err(ApiError::BodyTimeout),
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let media_type = media_type
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/json")
}
