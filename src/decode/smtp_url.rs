//! Addresses of mail servers, as they stand in rules.

use percent_encoding::percent_decode_str;
use url::Url;

/// The port of `smtps://`, which is TLS from the first byte.
const SMTPS: u16 = 465;
/// The port of `smtp://`, which begins TLS with STARTTLS.
const SUBMISSION: u16 = 587;
/// The port of `smtp://` with `?tls=off`.
const RELAY: u16 = 25;

/// The encryption of a connection to a mail server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailTls {
    /// From the first byte.
    Implicit,
    /// After STARTTLS, which the server must offer.
    StartTls,
    /// None, for a server on the same network.
    Off,
}

/// The address of a mail server.
#[derive(Clone, PartialEq, Eq)]
pub struct SmtpUrl {
    /// The host.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The encryption.
    pub tls: MailTls,
    /// User and password; `None`: the server asks for none.
    pub login: Option<(String, String)>,
}

/// Reads `smtps://USER:PASSWORD@HOST:465`, `smtp://...`, or `smtp://HOST?tls=off`; `None` where a text is none of these.
/// A password is never sent without encryption.
pub fn smtp_url(text: &str) -> Option<SmtpUrl> {
    let url = Url::parse(text).ok()?;
    let tls = match (url.scheme(), url.query()) {
        ("smtps", None) => MailTls::Implicit,
        ("smtp", None) => MailTls::StartTls,
        ("smtp", Some("tls=off")) => MailTls::Off,
        _ => return None,
    };
    let port = match tls {
        MailTls::Implicit => SMTPS,
        MailTls::StartTls => SUBMISSION,
        MailTls::Off => RELAY,
    };
    let host = url.host_str().filter(|host| !host.is_empty())?;
    if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
        return None;
    }
    let plain = |text: &str| {
        let text = percent_decode_str(text).decode_utf8().ok()?;
        (!text.chars().any(char::is_control)).then(|| text.into_owned())
    };
    let login = match (url.username(), url.password()) {
        ("", None) => None,
        (user, Some(password)) if !user.is_empty() && tls != MailTls::Off => {
            Some((plain(user)?, plain(password)?))
        }
        _ => return None,
    };
    Some(SmtpUrl {
        host: host.to_owned(),
        port: url.port().unwrap_or(port),
        tls,
        login,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_sent_in_the_clear() {
        let read = |text: &str| smtp_url(text).map(|url| (url.host, url.port, url.tls, url.login));
        let login = || Some(("me@x".to_owned(), "p/w".to_owned()));
        let host = || "mail.example.com".to_owned();
        for (text, wanted) in [
            (
                "smtps://me%40x:p%2Fw@mail.example.com",
                (host(), 465, MailTls::Implicit, login()),
            ),
            (
                "smtp://me%40x:p%2Fw@mail.example.com/",
                (host(), 587, MailTls::StartTls, login()),
            ),
            (
                "smtp://mail.example.com:2525?tls=off",
                (host(), 2525, MailTls::Off, None),
            ),
        ] {
            assert_eq!(read(text), Some(wanted), "{text}");
        }
        for bad in [
            "smtp://me:pw@mail.example.com?tls=off",
            "smtp://me@mail.example.com",
            "smtps://mail.example.com?tls=off",
            "smtp://mail.example.com/path",
            "smtp://a:b%0d%0aQUIT@mail.example.com",
            "https://mail.example.com",
            "mail.example.com",
            "smtp://",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
