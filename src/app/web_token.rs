//! The token's file, read again on SIGHUP.

use crate::decode::settings::Secret;
use crate::io::http::WebAccess;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

/// Reads the token; an error is a text for people.
pub type ReadToken = Box<dyn Fn() -> Result<Secret, String> + Send>;

/// SIGHUP from now on.
///
/// # Errors
/// The signal cannot be handled.
pub fn hangups() -> std::io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// Puts the token that stands in its file at each signal in force, for ever.
pub async fn reread(read: ReadToken, access: Arc<WebAccess>, mut hangups: Signal) -> Infallible {
    loop {
        if hangups.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
        match read() {
            Ok(token) => {
                if access.replace(token) {
                    info!("the token was replaced: sessions of the previous one have ended");
                }
            }
            Err(why) => warn!("the previous token stays in force: {why}"),
        }
    }
}
