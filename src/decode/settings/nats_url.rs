//! `NATS_URL`: a list of servers, each with the credentials that its URL carries.

use super::secret::Secret;
use percent_encoding::percent_decode_str;
use url::Url;

/// Schemes of a NATS server.
const SCHEMES: [&str; 2] = ["nats", "tls"];
const EXPECTED: &str =
    "expected nats://HOST:PORT or tls://HOST:PORT, such as nats://127.0.0.1:4222";

/// A NATS server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// Its URL, without credentials.
    pub address: String,
    /// The credentials of its URL; `None`: it has none.
    pub login: Option<Login>,
}

/// Credentials of a URL, percent-decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// `TOKEN@`
    Token(Secret),
    /// `USER:PASSWORD@`
    Password {
        /// The user.
        user: String,
        /// The password; may be empty.
        password: Secret,
    },
}

/// Reads URLs separated by commas; blank ones are skipped.
///
/// # Errors
/// No server, or an invalid one. The text before an `@` is never repeated.
pub(super) fn servers(text: &str) -> Result<Vec<Server>, String> {
    let urls = text.split(',').map(str::trim);
    let servers = urls.filter(|url| !url.is_empty()).map(server);
    let servers = servers.collect::<Result<Vec<_>, _>>()?;
    if servers.is_empty() {
        return Err(
            "no server is set; set it to the NATS server to watch, such as nats://127.0.0.1:4222 \
                    (or try `lastbeat demo`, which needs none)"
                .to_owned(),
        );
    }
    Ok(servers)
}

fn server(text: &str) -> Result<Server, String> {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, text),
    };
    // A password may hold anything but a comma, an @ too.
    let (userinfo, host) = match rest.rsplit_once('@') {
        Some((userinfo, host)) => (Some(userinfo), host),
        None => (None, rest),
    };
    let address = match (scheme, userinfo) {
        (None, None) => host.to_owned(),
        _ => format!("{}://{host}", scheme.unwrap_or("nats")),
    };
    let invalid = || format!("invalid server {address:?}: {EXPECTED}");
    let url = Url::parse(&format!("{}://{host}", scheme.unwrap_or("nats")));
    let is_server = url.is_ok_and(|url| {
        SCHEMES.contains(&url.scheme())
            && url.host_str().is_some_and(|host| !host.is_empty())
            && matches!(url.path(), "" | "/")
            && url.query().is_none()
            && url.fragment().is_none()
    });
    if !is_server {
        return Err(invalid());
    }
    let login = userinfo.map(login).transpose()?;
    Ok(Server { address, login })
}

fn login(userinfo: &str) -> Result<Login, String> {
    let decoded = |text: &str| match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err("the credentials of a server are not UTF-8 once percent-decoded".to_owned()),
    };
    Ok(match userinfo.split_once(':') {
        Some((user, password)) => Login::Password {
            user: decoded(user)?,
            password: Secret::new(decoded(password)?),
        },
        None => Login::Token(Secret::new(decoded(userinfo)?)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(user: &str, password: &str) -> Option<Login> {
        let (user, password) = (user.to_owned(), Secret::new(password));
        Some(Login::Password { user, password })
    }

    #[test]
    fn each_server_keeps_its_own_credentials() {
        let token = |text: &str| Some(Login::Token(Secret::new(text)));
        let cases = [
            ("a:1", "a:1", None),
            ("nats://[fdaa::3]:4223", "nats://[fdaa::3]:4223", None),
            (
                "nats://me:s3cret@host:4222",
                "nats://host:4222",
                password("me", "s3cret"),
            ),
            (
                "tls://me%40x:p%40%3A%2Fw@host/",
                "tls://host/",
                password("me@x", "p@:/w"),
            ),
            ("me:p@ss/w@host", "nats://host", password("me", "p@ss/w")),
            ("nats://me:@host", "nats://host", password("me", "")),
            ("nats://s3cret%2B@host", "nats://host", token("s3cret+")),
        ];
        for (text, address, login) in &cases {
            let expected = Server {
                address: (*address).to_owned(),
                login: login.clone(),
            };
            assert_eq!(servers(text), Ok(vec![expected]), "{text}");
        }
        let all = cases.map(|(text, ..)| text).join(", ,");
        assert_eq!(servers(&all).map(|found| found.len()), Ok(7));
        let shown = format!("{:?}", servers(&all));
        assert!(
            !shown.contains("s3cret") && !shown.contains("p@"),
            "{shown}"
        );
    }

    #[test]
    fn an_invalid_server_is_refused_and_its_credentials_are_not_shown() {
        for text in [
            "nope://x",
            "http://x",
            "nats://",
            "nats://s3cret@",
            "nats://host:port",
            "nats://host:99999",
            "nats://host/path",
            "nats://host?x=1",
            "nats://a b",
            "nope://me:s3cret@host",
            "nats://me:s3cret%ff@host",
            "good:1,http://s3cret@x",
        ] {
            let what = servers(text).expect_err(text);
            assert!(!what.contains("s3cret"), "{what}");
        }
        assert!(servers(" , ").is_err_and(|what| what.contains("no server is set")));
    }
}
