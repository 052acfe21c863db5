//! Proof of identity for a server, read again for each attempt.

use super::tls_files;
use crate::decode::settings::{
    self, Login, NatsIdentity, NatsSettings, Secret, Server, TokenSource,
};
use crate::io::feed::{ConnectionError, ConnectionErrorKind};
use async_nats::ConnectOptions;

/// The scheme that Fly's tokens carry. Servers take a token with and without it; which of them, is not documented.
const SCHEME: &str = "FlyV1 ";
/// The setting of a token's file.
const TOKEN_FILE: &str = "ACCESS_TOKEN_FILE";

/// Checks the text of a file, and gives what the client needs of it.
type Parser = fn(&str) -> Result<Secret, String>;

/// Proof of identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// JWT and seed, as in a `.creds` file.
    Creds(Secret),
    /// The seed of an nkey.
    Nkey(Secret),
    /// A token, or the password of a user; `None`: neither is set.
    Token(Option<String>),
}

/// The proof as it is now: that of the settings (a file is read again at each attempt), else that of the server's URL.
///
/// # Errors
/// The file cannot be read, or holds no such thing.
pub(super) fn read(settings: &NatsSettings, login: Option<&Login>) -> Result<Proof, String> {
    let identity = settings.identity.as_ref();
    let named = |setting: &str, path: &std::path::Path, what: &dyn std::fmt::Display| {
        format!("{setting}: {}: {what}", path.display())
    };
    if let Some(identity) = identity {
        let (source, parse): (_, Parser) = match identity {
            NatsIdentity::Creds(source) => (source, settings::creds),
            NatsIdentity::Nkey(source) => (source, settings::nkey),
        };
        let secret = match source {
            TokenSource::Given(secret) => secret.clone(),
            TokenSource::File(path) => {
                let fault = |what: &dyn std::fmt::Display| named(identity.setting(), path, what);
                let text = std::fs::read_to_string(path).map_err(|err| fault(&err))?;
                parse(&text).map_err(|what| fault(&what))?
            }
        };
        return Ok(match identity {
            NatsIdentity::Creds(_) => Proof::Creds(secret),
            NatsIdentity::Nkey(_) => Proof::Nkey(secret),
        });
    }
    Ok(Proof::Token(match &settings.token {
        None => login.map(|login| match login {
            Login::Token(secret) => secret.reveal().to_owned(),
            Login::Password { password, .. } => password.reveal().to_owned(),
        }),
        Some(TokenSource::Given(secret)) => Some(secret.reveal().to_owned()),
        Some(TokenSource::File(path)) => {
            let text = std::fs::read_to_string(path);
            let text = text.map_err(|err| named(TOKEN_FILE, path, &err))?;
            Some(text.trim().to_owned())
        }
    }))
}

/// The error of an attempt without proof.
pub(super) fn refused(message: String) -> ConnectionError {
    let kind = ConnectionErrorKind::Auth;
    ConnectionError { kind, message }
}

/// True if the proof may change while lastbeat runs.
pub(super) fn are_in_a_file(settings: &NatsSettings) -> bool {
    let source = match &settings.identity {
        Some(NatsIdentity::Creds(source) | NatsIdentity::Nkey(source)) => Some(source),
        None => settings.token.as_ref(),
    };
    matches!(source, Some(TokenSource::File(_)))
}

/// Checks at the start what a connection needs of the machine: every file can be read and holds what it should.
///
/// # Errors
/// Every fault, without secrets.
pub fn check(settings: &NatsSettings) -> Result<(), Vec<String>> {
    let proof = read(settings, None).map(|_| ());
    let tls = tls_files::check(&settings.tls);
    let faults: Vec<String> = proof.err().into_iter().chain(tls).collect();
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults)
    }
}

/// The forms in which a token is tried: as it is, and for one of Fly's with or without its scheme.
pub(super) fn forms(proof: Proof) -> Vec<Proof> {
    let other = match &proof {
        Proof::Token(Some(token)) => {
            let bare = token.strip_prefix(SCHEME).map(str::to_owned);
            let is_flys = token.starts_with("fm1") || token.starts_with("fm2_");
            bare.or_else(|| is_flys.then(|| format!("{SCHEME}{token}")))
        }
        Proof::Token(None) | Proof::Creds(_) | Proof::Nkey(_) => None,
    };
    let other = other.map(|token| Proof::Token(Some(token)));
    [proof].into_iter().chain(other).collect()
}

/// A client's options at this server, with this proof.
///
/// # Errors
/// The client cannot read the credentials.
pub(super) fn options(
    settings: &NatsSettings,
    server: &Server,
    proof: Proof,
) -> Result<ConnectOptions, ConnectionError> {
    let user = settings.user_at(server).map(str::to_owned);
    Ok(match (user, proof) {
        (_, Proof::Creds(text)) => ConnectOptions::with_credentials(text.reveal())
            .map_err(|err| refused(format!("NATS_CREDS: {err}")))?,
        (_, Proof::Nkey(seed)) => ConnectOptions::with_nkey(seed.reveal().to_owned()),
        (Some(user), Proof::Token(token)) => {
            ConnectOptions::with_user_and_password(user, token.unwrap_or_default())
        }
        (None, Proof::Token(Some(token))) => ConnectOptions::with_token(token),
        (None, Proof::Token(None)) => ConnectOptions::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_flys_is_tried_with_and_without_its_scheme() {
        let token = |token: &str| Proof::Token(Some(token.to_owned()));
        let of = |text: &str| forms(token(text));
        assert_eq!(of("FlyV1 fm2_x"), [token("FlyV1 fm2_x"), token("fm2_x")]);
        assert_eq!(of("fm2_x"), [token("fm2_x"), token("FlyV1 fm2_x")]);
        assert_eq!(of("a password"), [token("a password")]);
        assert_eq!(forms(Proof::Token(None)), [Proof::Token(None)]);
        let seed = Proof::Nkey(Secret::new("fm2_x"));
        assert_eq!(forms(seed.clone()), [seed]);
    }
}
