//! The running lastbeat, as commands ask it over HTTP.

use super::environment::{self, set};
use super::exit::Stop;
use super::runtime::runtime;
use crate::decode::settings::{self, STATE, TOKEN, URL, token_files};
use crate::format;
use crate::io::http_client::{Answer, HttpClient};
use crate::io::token_file;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use serde_json::Value;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A lastbeat that is alive answers in milliseconds.
const WITHIN: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read: a thousand incidents or silences have some hundred kilobytes, the apps of the
/// largest organisation a few megabytes.
const ANSWER_BYTES: usize = 16 << 20;

/// The address of the running lastbeat, and the token for it.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ClientArgs {
    /// The address.
    #[arg(long, value_name = "URL", global = true, display_order = 100, help = url_help())]
    pub url: Option<String>,
    /// From a file: token that it asks for [env: LASTBEAT_TOKEN_FILE; the value itself: LASTBEAT_TOKEN]
    #[arg(long, value_name = "FILE", global = true, display_order = 101)]
    pub token_file: Option<PathBuf>,
}

fn url_help() -> String {
    let (name, default) = (URL.about.name(), URL.about.default());
    format!("Address of the running lastbeat [env: {name}] [default: {default}]")
}

/// The reason why there is no answer that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AskFault {
    /// Nothing answers there.
    Unreachable(String),
    /// It answers, and does not do it.
    Refused(String),
    /// It cannot be asked: address or token are invalid.
    Invalid(String),
    /// Something of this machine's own is in the way.
    Failed(String),
}

impl From<AskFault> for Stop {
    fn from(fault: AskFault) -> Self {
        match fault {
            AskFault::Invalid(why) => Stop::bad_input(why),
            AskFault::Unreachable(why) | AskFault::Refused(why) | AskFault::Failed(why) => {
                Stop::failed(why)
            }
        }
    }
}

/// A client of the running lastbeat.
pub(super) struct Client {
    /// Its address, without a slash at its end.
    pub(super) base: String,
    token: Option<HeaderValue>,
}

impl Client {
    /// By flags and environment.
    pub(super) fn new(args: &ClientArgs) -> Result<Self, AskFault> {
        environment::trusted_roots().map_err(|stop| AskFault::Invalid(stop.why().to_owned()))?;
        let base = args.url.clone().or_else(|| set(URL.about.name()));
        let base = address(base.as_deref().unwrap_or(URL.about.default()))?;
        let token = match token(args)?.or_else(|| own_token(&base)) {
            None => None,
            Some(token) => {
                let bearer = HeaderValue::from_str(&format!("Bearer {token}"));
                let wrong =
                    "invalid token (LASTBEAT_TOKEN): it holds characters that no header can carry"
                        .to_owned();
                Some(bearer.map_err(|_| AskFault::Invalid(wrong))?)
            }
        };
        Ok(Client { base, token })
    }

    /// Asks for a path below `/api/v1/`.
    pub(super) fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, AskFault> {
        self.ask_within(method, path, body, WITHIN)
    }

    /// As [`Self::ask`], with a bound of its own.
    pub(super) fn ask_within(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        within: Duration,
    ) -> Result<Value, AskFault> {
        let request = self.request(method, &format!("/api/v1/{path}"), body)?;
        let runtime = runtime().map_err(|stop| AskFault::Failed(stop.why().to_owned()))?;
        let answer = runtime.block_on(HttpClient::keeping(ANSWER_BYTES).post(request, within));
        let answer = answer.map_err(|fault| {
            let why = format::error_chain(&fault);
            match other_scheme(&self.base, &why) {
                Some(hint) => AskFault::Unreachable(format!("{why}; {hint}")),
                None => AskFault::Unreachable(format!(
                    "{why}; is lastbeat running there? --url or LASTBEAT_URL says where"
                )),
            }
        })?;
        if answer.status == StatusCode::UNAUTHORIZED {
            return Err(AskFault::Refused(self.refused()));
        }
        read(&answer, &self.base).map_err(AskFault::Refused)
    }

    /// The sentence about a token that is missing, or is not the right one.
    fn refused(&self) -> String {
        let base = &self.base;
        match self.token {
            None => format!(
                "{base} asks for its token: give it by --token-file FILE, LASTBEAT_TOKEN_FILE or LASTBEAT_TOKEN; the log names \
                 the file of one that was made at the first start"
            ),
            Some(_) => format!(
                "{base} refuses the token of --token-file, LASTBEAT_TOKEN or LASTBEAT_TOKEN_FILE: it is not that \
                 lastbeat's own"
            ),
        }
    }

    /// A request for a path, with the token.
    pub(super) fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Request<Full<Bytes>>, AskFault> {
        let base = &self.base;
        let uri: Uri = format!("{base}{path}").parse().map_err(|_| {
            AskFault::Invalid(format!(
                "{path:?} cannot be asked of {base}: it is too long"
            ))
        })?;
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(token) = &self.token {
            headers.insert(AUTHORIZATION, token.clone());
        }
        Ok(request)
    }
}

/// Advice where a peer speaks HTTP and TLS was tried; `None`: nothing says so.
fn other_scheme(base: &str, why: &str) -> Option<String> {
    let rest = base.strip_prefix("https://")?;
    let is_no_tls = why.contains("corrupt message") || why.contains("InvalidContentType");
    is_no_tls.then(|| format!("it does not speak TLS: try --url http://{rest}"))
}

/// An address without a slash at its end, to which paths can be added.
fn address(text: &str) -> Result<String, AskFault> {
    let default = URL.about.default();
    let expected = format!("expected one such as {default}, by --url or LASTBEAT_URL");
    if text.contains('@') {
        // What stands before the sign may be a password.
        let why = format!(
            "invalid address, it holds a user: {expected}, with the token by LASTBEAT_TOKEN"
        );
        return Err(AskFault::Invalid(why));
    }
    let text = text.trim();
    let with_scheme = match text.contains("://") {
        true => text.to_owned(),
        false => format!("http://{text}"),
    };
    let uri: Option<Uri> = with_scheme.parse().ok();
    let schemes = [Some("http"), Some("https")];
    let is_address = uri.is_some_and(|uri| {
        schemes.contains(&uri.scheme_str())
            && uri.host().is_some_and(|host| !host.is_empty())
            && uri.query().is_none()
            && !text.contains('#')
    });
    if is_address {
        Ok(with_scheme.trim_end_matches('/').to_owned())
    } else {
        let why = format!("invalid address {text:?}: {expected}");
        Err(AskFault::Invalid(why))
    }
}

/// The token that a lastbeat on this machine made, where the address is this machine's own.
fn own_token(base: &str) -> Option<String> {
    let uri: Uri = base.parse().ok()?;
    let host = uri.host()?.trim_matches(['[', ']']);
    let is_own = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let state = settings::state_file(
        environment::variable(STATE.about.name()).as_deref(),
        Path::is_dir,
    );
    let files = is_own.then(|| token_files(state.as_deref(), set))?;
    let mut tokens = files.iter().filter_map(|file| token_file::read(file).ok());
    tokens.next().map(|token| token.reveal().to_owned())
}

fn token(args: &ClientArgs) -> Result<Option<String>, AskFault> {
    let file = match (&args.token_file, set(TOKEN.about.name())) {
        (Some(file), _) => file.clone(),
        (None, Some(token)) => return Ok(Some(token.trim().to_owned())),
        (None, None) => match TOKEN.about.file().and_then(set) {
            Some(file) => PathBuf::from(file),
            None => return Ok(None),
        },
    };
    let text = std::fs::read_to_string(&file);
    let text = text.map_err(|fault| {
        AskFault::Invalid(format!("the token's file {}: {fault}", file.display()))
    })?;
    if text.trim().is_empty() {
        let why = format!("the token's file {} is empty", file.display());
        return Err(AskFault::Invalid(why));
    }
    Ok(Some(text.trim().to_owned()))
}

/// The answer, or the refusal in words.
pub(super) fn read(answer: &Answer, base: &str) -> Result<Value, String> {
    let value: Option<Value> = serde_json::from_slice(&answer.body).ok();
    if let (true, Some(value)) = (answer.status.is_success(), &value) {
        return Ok(value.clone());
    }
    let Some(value) = value.filter(|value| value["error"].is_string()) else {
        let status = answer.status;
        // So answer servers that are asked for HTTP where they speak TLS.
        let is_plain = base
            .strip_prefix("http://")
            .filter(|_| status == StatusCode::BAD_REQUEST);
        if let Some(rest) = is_plain {
            return Err(format!(
                "{base} answers {status}: does it speak TLS? Try --url https://{rest}"
            ));
        }
        return Err(format!(
            "{base} answers {status}, and not as lastbeat does: is it one?"
        ));
    };
    let faults = value["faults"].as_array().into_iter().flatten();
    let faults = faults
        .filter_map(Value::as_str)
        .map(|fault| format!("\n  {fault}"));
    let error = value["error"].as_str().unwrap_or_default();
    Err(format!("refused: {error}{}", faults.collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_shows_every_fault() {
        let answer = |status: u16, body: &str| Answer {
            status: hyper::StatusCode::from_u16(status).expect("a status"),
            retry_after: None,
            location: None,
            rate_limits: None,
            body: Bytes::from(body.to_owned()),
        };
        let refused = answer(
            400,
            r#"{"error":"this is no silence","faults":["app: x","reason: y"]}"#,
        );
        assert_eq!(
            read(&refused, "http://x").expect_err("400"),
            "refused: this is no silence\n  app: x\n  reason: y"
        );
        let other = answer(200, "<html>");
        let said = read(&other, "http://x").expect_err("no JSON");
        assert_eq!(
            said,
            "http://x answers 200 OK, and not as lastbeat does: is it one?"
        );
    }

    #[test]
    fn an_invalid_address_is_refused_at_once_and_no_password_is_shown() {
        for (text, read) in [
            ("http://127.0.0.1:9090", Some("http://127.0.0.1:9090")),
            (" https://[::1]/below/ ", Some("https://[::1]/below")),
            ("127.0.0.1:9090", Some("http://127.0.0.1:9090")),
            ("localhost", Some("http://localhost")),
            ("", None),
            ("ftp://localhost", None),
            ("http://", None),
            ("http://a b", None),
            ("http://localhost/?x=", None),
            ("http://localhost/#x", None),
            ("http://ada:s3cret@localhost", None),
        ] {
            let found = address(text);
            assert_eq!(found.as_deref().ok(), read, "{text}");
            let said = found.err().map(Stop::from);
            let said = said.map_or(String::new(), |stop| stop.why().to_owned());
            assert!(!said.contains("s3cret"), "{said}");
        }
    }

    #[test]
    fn a_token_that_no_header_carries_is_refused_without_being_shown() {
        let folder = std::env::temp_dir();
        let file = folder.join(format!("lastbeat-token-{}", std::process::id()));
        std::fs::write(&file, "s3cret\u{1}token").expect("written");
        let args = ClientArgs {
            url: None,
            token_file: Some(file.clone()),
        };
        let fault = Client::new(&args).err().expect("no header carries it");
        std::fs::remove_file(&file).expect("removed");
        let said = Stop::from(fault).why().to_owned();
        assert!(
            said.contains("LASTBEAT_TOKEN") && !said.contains("s3cret"),
            "{said}"
        );
    }
}
