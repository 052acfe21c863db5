//! `lastbeat silence`: silences of a lastbeat that runs, made, listed and ended over its HTTP.

use crate::decode::rules_file;
use crate::io::post::{Answer, Poster};
use crate::words;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Uri};
use serde_json::{Map, Value, json};
use std::process::ExitCode;
use std::time::Duration;

/// Where `lastbeat run` serves by default.
const DEFAULT_URL: &str = "http://127.0.0.1:9090";
/// A lastbeat that is alive answers in milliseconds.
const WITHIN: Duration = Duration::from_secs(10);
/// Bytes of a list that are read; a thousand silences have some hundred kilobytes.
const LIST_BYTES: usize = 4 << 20;

/// Make, list and end silences of a lastbeat that runs.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
What is silenced is watched as ever and told to nobody; what still fires at the end of the silence is told then.
A token that the other side asks for is taken from LASTBEAT_TOKEN.

  lastbeat silence add --app web --for 2h --reason 'moving the database'
  lastbeat silence list
  lastbeat silence expire 19a1c3f2b40")]
pub struct SilenceArgs {
    #[command(subcommand)]
    command: Action,
    /// Where the lastbeat serves [env: LASTBEAT_URL] [default: http://127.0.0.1:9090]
    #[arg(long, value_name = "URL", global = true)]
    url: Option<String>,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Action {
    /// Silence what matches, from now on
    Add(AddArgs),
    /// Show all silences that hold or are to come
    List,
    /// End a silence made by `add`
    Expire {
        /// Its id, as `list` shows it
        id: String,
    },
}

/// What is left out matches everyone; each may be given more than once.
#[derive(Clone, Debug, clap::Args)]
struct AddArgs {
    /// Apps, as globs
    #[arg(long, value_name = "GLOB")]
    app: Vec<String>,
    /// Regions, as globs
    #[arg(long, value_name = "GLOB")]
    region: Vec<String>,
    /// Instances, as globs
    #[arg(long, value_name = "GLOB")]
    instance: Vec<String>,
    /// Physical hosts, as globs
    #[arg(long, value_name = "GLOB")]
    host: Vec<String>,
    /// Rules, as globs over their names
    #[arg(long, value_name = "GLOB")]
    rule: Vec<String>,
    /// How long, such as 2h
    #[arg(long = "for", value_name = "DURATION", required_unless_present = "until", conflicts_with = "until", value_parser = duration)]
    span: Option<String>,
    /// Until when, such as 2026-01-31T18:00:00Z
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Why, for those who wonder
    #[arg(long)]
    reason: String,
    /// Whose it is [env: USER]
    #[arg(long)]
    author: Option<String>,
}

fn duration(text: &str) -> Result<String, String> {
    rules_file::duration(text).map(|_| text.to_owned())
}

/// Asks the running lastbeat: 0 where it did so, 1 where not.
pub fn run(args: &SilenceArgs) -> ExitCode {
    match act(args) {
        Ok(said) => {
            print!("{said}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn act(args: &SilenceArgs) -> Result<String, String> {
    let set = |name: &str| {
        std::env::var(name)
            .ok()
            .filter(|value| !value.trim().is_empty())
    };
    let url = args.url.clone().or_else(|| set("LASTBEAT_URL"));
    let url = url.unwrap_or_else(|| DEFAULT_URL.to_owned());
    let peer = Peer {
        base: url.trim_end_matches('/').to_owned(),
        token: set("LASTBEAT_TOKEN"),
    };
    match &args.command {
        Action::List => {
            let answer = peer.ask(Method::GET, "", None)?;
            Ok(table(&answer["silences"]))
        }
        Action::Add(add) => {
            let author = add.author.clone().or_else(|| set("USER"));
            let body = request(add, author.as_deref().unwrap_or("unknown"));
            let answer = peer.ask(Method::POST, "", Some(&body))?;
            Ok(format!("silence {} added\n", line(&answer)))
        }
        Action::Expire { id } => {
            let plain = id
                .chars()
                .all(|char| char.is_ascii_alphanumeric() || char == '-');
            if !plain || id.is_empty() {
                return Err(format!(
                    "{id:?} is no silence's id: see `lastbeat silence list`"
                ));
            }
            peer.ask(Method::DELETE, &format!("/{id}"), None)?;
            Ok(format!("silence {id} ended\n"))
        }
    }
}

fn request(add: &AddArgs, author: &str) -> Value {
    let mut body = Map::new();
    let matchers = [
        ("app", &add.app),
        ("region", &add.region),
        ("instance", &add.instance),
        ("host", &add.host),
        ("rule", &add.rule),
    ];
    for (key, globs) in matchers.into_iter().filter(|(_, globs)| !globs.is_empty()) {
        body.insert(key.to_owned(), json!(globs));
    }
    for (key, value) in [("duration", &add.span), ("ends_at", &add.until)] {
        if let Some(value) = value {
            body.insert(key.to_owned(), json!(value));
        }
    }
    body.insert("reason".to_owned(), json!(add.reason));
    body.insert("author".to_owned(), json!(author));
    Value::Object(body)
}

/// The lastbeat that is asked.
struct Peer {
    base: String,
    token: Option<String>,
}

impl Peer {
    fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let base = &self.base;
        let uri: Uri = format!("{base}/api/v1/silences{path}")
            .parse()
            .map_err(|_| format!("{base:?} is no address: give one such as {DEFAULT_URL} by --url or LASTBEAT_URL"))?;
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(token) = &self.token {
            let bearer = HeaderValue::from_str(&format!("Bearer {}", token.trim()));
            let bearer =
                bearer.map_err(|_| "LASTBEAT_TOKEN holds characters that no header can carry")?;
            headers.insert(AUTHORIZATION, bearer);
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.map_err(|fault| format!("cannot start: {fault}"))?;
        let answer = runtime.block_on(Poster::keeping(LIST_BYTES).post(request, WITHIN));
        let answer = answer.map_err(|fault| {
            format!(
                "{}; is lastbeat running there? --url or LASTBEAT_URL says where",
                words::chain(&fault)
            )
        })?;
        read(&answer, base)
    }
}

fn read(answer: &Answer, base: &str) -> Result<Value, String> {
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

fn table(silences: &Value) -> String {
    let rows: Vec<String> = silences
        .as_array()
        .into_iter()
        .flatten()
        .map(|silence| format!("{}\n", line(silence)))
        .collect();
    if rows.is_empty() {
        return "no silence holds or is to come\n".to_owned();
    }
    rows.concat()
}

/// `19a1c3f2b40  holds  app web  until 2026-01-31T18:00:00Z  moving the database (ada)`
fn line(silence: &Value) -> String {
    let text = |key: &str| {
        words::clean(
            silence[key].as_str().unwrap_or_default(),
            words::SUMMARY_CHARS,
        )
    };
    let whom: Vec<String> = ["app", "region", "instance", "host", "rule"]
        .into_iter()
        .filter_map(|key| {
            let globs = silence[key].as_array()?.iter().filter_map(Value::as_str);
            let globs: Vec<String> = globs.map(words::name).collect();
            (!globs.is_empty()).then(|| format!("{key} {}", globs.join(",")))
        })
        .collect();
    let whom = if whom.is_empty() {
        "everyone".to_owned()
    } else {
        whom.join(" ")
    };
    let holds = silence["holds"] == true;
    let window = silence["windows"]
        .as_array()
        .and_then(|windows| windows.first());
    let time = |key: &str| {
        let time = window.and_then(|window| window[key].as_str());
        words::name(time.unwrap_or("no time within a day"))
    };
    let when = if holds {
        format!("until {}", time("until"))
    } else {
        format!("from {}", time("from"))
    };
    let author = text("author");
    let by = match (silence["from_rules"] == true, author.as_str()) {
        (true, _) => " (rule files)".to_owned(),
        (false, "") => String::new(),
        (false, author) => format!(" ({author})"),
    };
    let state = if holds { "holds  " } else { "waiting" };
    format!(
        "{}  {state}  {whom}  {when}  {}{by}",
        text("id"),
        text("reason")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_is_one_line() {
        let silence = json!({
            "id": "19a", "app": ["web", "api-*"], "region": [], "rule": ["r"], "holds": true,
            "windows": [{"from": "A", "until": "B"}], "reason": "mo\u{1b}[2Jving\n", "author": "ada", "from_rules": false,
        });
        assert_eq!(
            line(&silence),
            "19a  holds    app web,api-* rule r  until B  moving  (ada)"
        );
        let scheduled = json!({
            "id": "rules-1", "holds": false, "windows": [], "reason": "weekly", "author": "", "from_rules": true,
        });
        assert_eq!(
            line(&scheduled),
            "rules-1  waiting  everyone  from no time within a day  weekly (rule files)"
        );
        assert_eq!(table(&json!([])), "no silence holds or is to come\n");
    }

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
}
