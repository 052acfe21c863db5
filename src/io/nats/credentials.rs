//! User and token, read again for each attempt.

use crate::decode::settings::{Login, NatsSettings, Server, TokenSource};
use crate::io::feed::{ConnectionError, ConnectionErrorKind};
use async_nats::ConnectOptions;

/// The scheme that Fly's tokens carry. Servers take a token with and without it; which of them, is not documented.
const SCHEME: &str = "FlyV1 ";

/// The token as it is now: that of the settings (a file is read again at each attempt), else that of the server's URL.
/// `None` where neither is set.
///
/// # Errors
/// The file cannot be read.
pub(super) fn token(
    settings: &NatsSettings,
    login: Option<&Login>,
) -> Result<Option<String>, ConnectionError> {
    match &settings.token {
        None => Ok(login.map(|login| match login {
            Login::Token(secret) => secret.reveal().to_owned(),
            Login::Password { password, .. } => password.reveal().to_owned(),
        })),
        Some(TokenSource::Given(secret)) => Ok(Some(secret.reveal().to_owned())),
        Some(TokenSource::File(path)) => match std::fs::read_to_string(path) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(err) => {
                let message = format!(
                    "cannot read the token file {} (ACCESS_TOKEN_FILE): {err}",
                    path.display()
                );
                Err(ConnectionError {
                    kind: ConnectionErrorKind::Auth,
                    message,
                })
            }
        },
    }
}

/// The forms in which a token is tried: as it is, and for one of Fly's with or without its scheme.
pub(super) fn forms(token: Option<String>) -> Vec<Option<String>> {
    let other = token.as_deref().and_then(|token| {
        let bare = token.strip_prefix(SCHEME).map(str::to_owned);
        let is_flys = token.starts_with("fm1") || token.starts_with("fm2_");
        bare.or_else(|| is_flys.then(|| format!("{SCHEME}{token}")))
    });
    match other {
        None => vec![token],
        other => vec![token, other],
    }
}

/// A client's options at this server, with this token.
pub(super) fn options(
    settings: &NatsSettings,
    server: &Server,
    token: Option<String>,
) -> ConnectOptions {
    match (settings.user_at(server).map(str::to_owned), token) {
        (Some(user), token) => {
            ConnectOptions::with_user_and_password(user, token.unwrap_or_default())
        }
        (None, Some(token)) => ConnectOptions::with_token(token),
        (None, None) => ConnectOptions::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_flys_is_tried_with_and_without_its_scheme() {
        let of = |token: &str| -> Vec<String> {
            forms(Some(token.to_owned()))
                .into_iter()
                .flatten()
                .collect()
        };
        assert_eq!(of("FlyV1 fm2_x"), ["FlyV1 fm2_x", "fm2_x"]);
        assert_eq!(of("fm2_x"), ["fm2_x", "FlyV1 fm2_x"]);
        assert_eq!(of("a password"), ["a password"]);
        assert_eq!(forms(None), [None]);
    }
}
