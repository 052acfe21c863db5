//! The lastbeat that runs, as commands ask it over its HTTP.

use super::check::EXIT_BAD_RULES;
use crate::format;
use crate::io::http_client::{Answer, HttpClient};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Uri};
use serde_json::Value;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Where `lastbeat run` serves by default.
pub(super) const DEFAULT_URL: &str = "http://127.0.0.1:9090";
/// A lastbeat that is alive answers in milliseconds.
const WITHIN: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read: a thousand incidents or silences have some hundred kilobytes, the apps of the
/// largest organisation a few megabytes.
const ANSWER_BYTES: usize = 16 << 20;

/// Where it is, and who asks.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct PeerArgs {
    /// Where the lastbeat serves [env: LASTBEAT_URL] [default: http://127.0.0.1:9090]
    #[arg(long, value_name = "URL", global = true)]
    pub url: Option<String>,
    /// File with the token that it asks for [env: LASTBEAT_TOKEN_FILE; the token itself: LASTBEAT_TOKEN]
    #[arg(long, value_name = "FILE", global = true)]
    pub token_file: Option<PathBuf>,
}

/// Why there is no answer that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AskFault {
    /// Nobody answers there.
    Unreachable(String),
    /// It answers, and does not do it.
    Refused(String),
    /// It cannot be asked: address or token are none.
    Unaskable(String),
    /// Something of this machine's own is in the way.
    Failed(String),
}

impl AskFault {
    /// In words.
    pub(super) fn words(self) -> String {
        match self {
            AskFault::Unreachable(why)
            | AskFault::Refused(why)
            | AskFault::Unaskable(why)
            | AskFault::Failed(why) => why,
        }
    }

    /// What the command ends with: to start it again helps nobody whose settings are bad.
    pub(super) fn code(&self) -> ExitCode {
        match self {
            AskFault::Unaskable(_) => ExitCode::from(EXIT_BAD_RULES),
            AskFault::Unreachable(_) | AskFault::Refused(_) | AskFault::Failed(_) => {
                ExitCode::FAILURE
            }
        }
    }
}

/// The lastbeat that is asked.
pub(super) struct Peer {
    /// Its address, without a slash at its end.
    pub(super) base: String,
    token: Option<HeaderValue>,
}

impl Peer {
    /// As flags and environment say.
    pub(super) fn new(args: &PeerArgs) -> Result<Self, AskFault> {
        let base = args.url.clone().or_else(|| set("LASTBEAT_URL"));
        let base = address(base.as_deref().unwrap_or(DEFAULT_URL))?;
        let token = match token(args)? {
            None => None,
            Some(token) => {
                let bearer = HeaderValue::from_str(&format!("Bearer {token}"));
                let wrong = "the token (LASTBEAT_TOKEN) holds characters that no header can carry"
                    .to_owned();
                Some(bearer.map_err(|_| AskFault::Unaskable(wrong))?)
            }
        };
        Ok(Peer { base, token })
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
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime =
            runtime.map_err(|fault| AskFault::Failed(format!("cannot start: {fault}")))?;
        let answer = runtime.block_on(HttpClient::keeping(ANSWER_BYTES).post(request, within));
        let answer = answer.map_err(|fault| {
            AskFault::Unreachable(format!(
                "{}; is lastbeat running there? --url or LASTBEAT_URL says where",
                format::error_chain(&fault)
            ))
        })?;
        read(&answer, &self.base).map_err(AskFault::Refused)
    }

    /// A request for a path, as whoever asks.
    pub(super) fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Request<Full<Bytes>>, AskFault> {
        let base = &self.base;
        let uri: Uri = format!("{base}{path}").parse().map_err(|_| {
            AskFault::Unaskable(format!(
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

/// A variable of the environment that says something.
pub(super) fn set(name: &str) -> Option<String> {
    std::env::var(name)
        .ok()
        .filter(|value| !value.trim().is_empty())
}

/// An address without a slash at its end, to which paths can be added.
fn address(text: &str) -> Result<String, AskFault> {
    let give = format!("give one such as {DEFAULT_URL} by --url or LASTBEAT_URL");
    if text.contains('@') {
        // What stands before the sign is nobody's to read.
        let why = format!("the address holds a user: {give}, and the token by LASTBEAT_TOKEN");
        return Err(AskFault::Unaskable(why));
    }
    let uri: Option<Uri> = text.trim().parse().ok();
    let schemes = [Some("http"), Some("https")];
    let is_address = uri.is_some_and(|uri| {
        schemes.contains(&uri.scheme_str())
            && uri.host().is_some_and(|host| !host.is_empty())
            && uri.query().is_none()
            && !text.contains('#')
    });
    if is_address {
        Ok(text.trim().trim_end_matches('/').to_owned())
    } else {
        let why = format!("{text:?} is no address: {give}");
        Err(AskFault::Unaskable(why))
    }
}

fn token(args: &PeerArgs) -> Result<Option<String>, AskFault> {
    let file = match (&args.token_file, set("LASTBEAT_TOKEN")) {
        (Some(file), _) => file.clone(),
        (None, Some(token)) => return Ok(Some(token.trim().to_owned())),
        (None, None) => match set("LASTBEAT_TOKEN_FILE") {
            Some(file) => PathBuf::from(file),
            None => return Ok(None),
        },
    };
    let text = std::fs::read_to_string(&file);
    let text = text.map_err(|fault| {
        AskFault::Unaskable(format!("the token's file {}: {fault}", file.display()))
    })?;
    if text.trim().is_empty() {
        let why = format!("the token's file {} is empty", file.display());
        return Err(AskFault::Unaskable(why));
    }
    Ok(Some(text.trim().to_owned()))
}

/// What was answered, or the refusal in words.
pub(super) fn read(answer: &Answer, base: &str) -> Result<Value, String> {
    let value: Option<Value> = serde_json::from_slice(&answer.body).ok();
    if let (true, Some(value)) = (answer.status.is_success(), &value) {
        return Ok(value.clone());
    }
    let Some(value) = value.filter(|value| value["error"].is_string()) else {
        let status = answer.status;
        return Err(format!(
            "{base} answers {status}, and not as a lastbeat does: is it one?"
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
            "http://x answers 200 OK, and not as a lastbeat does: is it one?"
        );
    }

    #[test]
    fn what_is_no_address_is_said_at_once_and_no_password_is_shown() {
        for (text, read) in [
            ("http://127.0.0.1:9090", Some("http://127.0.0.1:9090")),
            (" https://[::1]/below/ ", Some("https://[::1]/below")),
            ("127.0.0.1:9090", None),
            ("localhost", None),
            ("ftp://localhost", None),
            ("http://", None),
            ("http://a b", None),
            ("http://localhost/?x=", None),
            ("http://localhost/#x", None),
            ("http://ada:s3cret@localhost", None),
        ] {
            let found = address(text);
            assert_eq!(found.as_deref().ok(), read, "{text}");
            let said = found.err().map(AskFault::words).unwrap_or_default();
            assert!(!said.contains("s3cret"), "{said}");
        }
    }

    #[test]
    fn a_token_that_no_header_carries_is_refused_without_being_shown() {
        let folder = std::env::temp_dir();
        let file = folder.join(format!("lastbeat-token-{}", std::process::id()));
        std::fs::write(&file, "s3cret\u{1}token").expect("written");
        let args = PeerArgs {
            url: None,
            token_file: Some(file.clone()),
        };
        let fault = Peer::new(&args).err().expect("no header carries it");
        std::fs::remove_file(&file).expect("removed");
        let said = fault.words();
        assert!(
            said.contains("LASTBEAT_TOKEN") && !said.contains("s3cret"),
            "{said}"
        );
    }
}
