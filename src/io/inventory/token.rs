//! The token for Fly's HTTP APIs.

use crate::decode::settings::{Secret, TokenSource};
use std::path::PathBuf;

/// No token that can be sent. No fault holds it.
#[derive(Debug, thiserror::Error)]
pub enum ApiTokenFault {
    /// Its file.
    #[error("cannot read the token file {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// It is empty, or no header.
    #[error(
        "the token is empty, or has characters that no header can hold; set LASTBEAT_INVENTORY_TOKEN again"
    )]
    Unusable,
}

/// The token as it is now: a file is read again each time, as tokens are renewed there.
///
/// # Errors
/// [`ApiTokenFault`].
pub fn current(source: &TokenSource) -> Result<Secret, ApiTokenFault> {
    let token = match source {
        TokenSource::Given(token) => token.clone(),
        TokenSource::File(path) => match std::fs::read_to_string(path) {
            Ok(text) => Secret::new(text.trim()),
            Err(source) => {
                let path = path.clone();
                return Err(ApiTokenFault::File { path, source });
            }
        },
    };
    if token.reveal().is_empty() {
        return Err(ApiTokenFault::Unusable);
    }
    Ok(token)
}
