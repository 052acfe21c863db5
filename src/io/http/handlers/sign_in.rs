//! `/sign-in` and `/sign-out`, for the page.

use crate::io::http::auth::access::{self, Refusal};
use crate::io::http::auth::origin::is_own_page;
use crate::io::http::auth::session;
use crate::io::http::error::ApiError;
use crate::io::http::extract::JsonBody;
use crate::io::http::peer::Peer;
use crate::io::http::response::Json;
use crate::io::http::state::AppState;
use axum::Extension;
use axum::extract::{FromRequest, Request, State};
use axum::http::header::{HeaderMap, SET_COOKIE};
use axum::response::IntoResponse;
use serde_json::{Value, json};
use std::sync::Arc;

/// Says how the page is opened. Never a refusal, since a browser writes each of those to its console.
pub(in crate::io::http) async fn state(
    State(state): State<Arc<AppState>>,
    Extension(Peer(peer)): Extension<Peer>,
    headers: HeaderMap,
) -> Json<Value> {
    let refusal = access::allow(&headers, peer, &state.access, &state.attempts).err();
    let open = state.access.anonymous_read || refusal.is_none();
    Json(json!({
        "open": open,
        "changes": refusal.is_none(),
        "sign_in": refusal == Some(Refusal::Token),
        "what": refusal.map(|refusal| refusal.to_string()),
    }))
}

/// Begins a session, for `{"token":"..."}`.
pub(in crate::io::http) async fn sign_in(
    State(state): State<Arc<AppState>>,
    Extension(Peer(peer)): Extension<Peer>,
    headers: HeaderMap,
    request: Request,
) -> Result<impl IntoResponse, ApiError> {
    let token = state.access.token().ok_or(ApiError::NoToken)?;
    if !is_own_page(&headers) {
        return Err(Refusal::CrossSite.into());
    }
    let JsonBody(body) = JsonBody::from_request(request, &()).await?;
    let sent: Option<Value> = serde_json::from_slice(&body).ok();
    let sent = sent.as_ref().and_then(|sent| sent["token"].as_str());
    let sent = sent.ok_or(ApiError::InvalidSignIn)?;
    if !access::try_token(sent, &token, peer, &state.attempts)? {
        return Err(ApiError::WrongToken);
    }
    let cookie = session::begin(&headers, &token).ok_or(ApiError::Internal)?;
    Ok(([(SET_COOKIE, cookie)], Json(json!({ "signed_in": true }))))
}

/// Ends the session: the browser forgets the cookie, and a copy of it is worth nothing.
pub(in crate::io::http) async fn sign_out(
    State(state): State<Arc<AppState>>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    if !is_own_page(&headers) {
        return Err(Refusal::CrossSite.into());
    }
    if let Some(token) = state.access.token() {
        session::forget(&headers, &token, &state.access.ended);
    }
    let cookie = session::end(&headers);
    Ok(([(SET_COOKIE, cookie)], Json(json!({ "signed_in": false }))))
}
