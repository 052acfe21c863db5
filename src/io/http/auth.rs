//! Authentication: the token, the page's session, and the checks that each request passes.

pub(super) mod access;
pub(super) mod attempts;
pub(super) mod origin;
pub(super) mod session;
pub mod web_access;

use super::error::ApiError;
use super::peer::Peer;
use super::response::{TEXT, typed};
use super::state::AppState;
use access::Refusal;
use axum::Extension;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use origin::BadOrigin;
use std::sync::Arc;

/// Extracted from a request that may see and change what is not open to all.
pub(super) struct Access;

impl FromRequestParts<Arc<AppState>> for Access {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &Arc<AppState>,
    ) -> Result<Self, ApiError> {
        let peer = Extension::<Peer>::from_request_parts(parts, state).await;
        let Extension(Peer(peer)) = peer.expect("the server adds the peer to each request");
        let reads = matches!(parts.method, Method::GET | Method::HEAD);
        if !(reads && state.access.anonymous_read) {
            access::allow(&parts.headers, peer, &state.access, &state.attempts)?;
        }
        Ok(Access)
    }
}

/// The middleware of all requests: refuses those that may be read in two ways, or that another site's page may have made.
pub(super) async fn check_origin(
    State(state): State<Arc<AppState>>,
    Extension(Peer(peer)): Extension<Peer>,
    request: Request,
    next: Next,
) -> Response {
    let (uri, headers, token) = (request.uri(), request.headers(), state.access.token());
    let refused = match origin::check(uri, request.version(), headers, peer, token.as_deref()) {
        Ok(()) => return next.run(request).await,
        Err(BadOrigin::Rebound) => return ApiError::Refused(Refusal::Foreign).into_response(),
        Err(BadOrigin::HostCount) => "invalid request: expected exactly one Host header\n",
        Err(BadOrigin::HostMismatch) => "invalid request: its address and its Host header differ\n",
    };
    (StatusCode::BAD_REQUEST, typed(TEXT, refused)).into_response()
}
