//! `lastbeat tail`: entries in the terminal, as they reach the running lastbeat, or straight from NATS.

pub(super) mod line;
mod printed;
mod server;

use super::client::{self, Client, ClientArgs};
use super::environment::{colours, variable};
use super::exit::Stop;
use super::runtime::runtime;
use super::scope_args::{self, ScopeArgs};
use crate::backoff::Backoff;
use crate::decode::settings::{self, NATS_URL};
use crate::format;
use crate::io::http_client::{Answer, HttpClient};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Method, StatusCode};
use line::Style;
use printed::Printed;
use serde_json::Value;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

/// Time until the answer begins.
const BEGINS_WITHIN: Duration = Duration::from_secs(10);
/// A connection without a byte for this long is dead: keep-alives come every 15 s.
const ALIVE_WITHIN: Duration = Duration::from_secs(40);
/// Wait before another connection.
const AGAIN: Backoff = Backoff {
    first: Duration::from_millis(500),
    longest: Duration::from_secs(10),
};
/// Bytes of a line: a payload of the largest stream in JSON, where each byte may take six.
const LINE_BYTES: usize = 64 << 20;
/// Bytes of a refusal that are read.
const REFUSAL_BYTES: usize = 64 * 1024;

/// Show entries as they reach a running lastbeat, or straight from NATS
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Shows new entries, none from before. Control characters are shown as visible symbols. Colours, one for each app, are \
shown on a terminal only, and not where NO_COLOR is set. Messages of lastbeat itself, such as a count of entries that \
this terminal was too slow for, go to standard error.

With --server no running lastbeat is needed: it subscribes as `lastbeat run` would, by NATS_URL, ORG, ACCESS_TOKEN and SUBJECT.

Exit codes: 0 the reader of the output has gone, or --count is reached; 1 refused; 64 invalid address or token.

  lastbeat tail HEARTBEAT
  lastbeat tail --app web --region 'i*'
  lastbeat tail --json | jq -r .message
  lastbeat tail --server nats://127.0.0.1:4222 --count 10 --raw")]
pub struct TailArgs {
    /// Only entries whose payload contains this text
    #[arg(value_name = "TEXT", conflicts_with = "q")]
    text: Option<String>,
    #[command(flatten)]
    scope: ScopeArgs,
    /// The same as TEXT
    #[arg(long, value_name = "TEXT")]
    q: Option<String>,
    /// Print one JSON object a line: the payload as `message`, `subject`, and the arrival in milliseconds as `timestamp`
    #[arg(long)]
    json: bool,
    /// Print payloads alone, as they came, control characters included
    #[arg(long, conflicts_with = "json")]
    raw: bool,
    /// End after so many entries
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Read from NATS itself; without an address that of NATS_URL
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "", conflicts_with = "url")]
    server: Option<String>,
    #[command(flatten)]
    client: ClientArgs,
}

/// The end of a connection.
enum Over {
    /// The reader of the output has gone, or has as much as was asked for.
    Read,
    /// Another attempt would end the same.
    Stopped(Stop),
    /// It is tried again; true where entries came.
    Broken(String, bool),
}

/// Shows entries until their reader has gone: 1 where they cannot be had, 64 where address or token are invalid.
pub fn run(args: &TailArgs) -> ExitCode {
    let ended = match &args.server {
        Some(url) => of_server(args, url),
        None => Client::new(&args.client)
            .map_err(Stop::from)
            .and_then(|client| runtime()?.block_on(tail(args, &client))),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => {
            eprintln!("{}", line::harmless(stop.why()));
            stop.code()
        }
    }
}

fn of_server(args: &TailArgs, url: &str) -> Result<(), Stop> {
    let env = |name: &str| match name == NATS_URL.about.name() && !url.is_empty() {
        true => Some(url.to_owned()),
        false => variable(name),
    };
    let settings = settings::read_nats(env).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        Stop::bad_input(lines.join("\n"))
    })?;
    let wanted = server::Wanted {
        app: scope_args::globs(args.scope.app.as_deref()),
        region: scope_args::globs(args.scope.region.as_deref()),
        instance: scope_args::globs(args.scope.instance.as_deref()),
        text: args.text.clone().or(args.q.clone()).unwrap_or_default(),
    };
    runtime()?.block_on(server::tail(settings, &wanted, printed(args)))
}

fn printed(args: &TailArgs) -> Printed {
    let style = Style {
        json: args.json,
        dated: false,
        colour: colours(io::stdout().is_terminal()),
    };
    Printed::new(style, args.raw, args.count)
}

async fn tail(args: &TailArgs, client: &Client) -> Result<(), Stop> {
    let poster = HttpClient::new();
    let mut printed = printed(args);
    let mut failures = 0;
    loop {
        match follow(args, client, &poster, &mut printed).await {
            Over::Read => return Ok(()),
            Over::Stopped(stop) => return Err(stop),
            Over::Broken(why, began) => {
                failures = if began { 1 } else { failures + 1 };
                eprintln!("-- {}; trying again", line::harmless(&why));
                tokio::time::sleep(AGAIN.delay(failures)).await;
            }
        }
    }
}

/// One connection, from its begin to its end.
async fn follow(
    args: &TailArgs,
    client: &Client,
    poster: &HttpClient,
    printed: &mut Printed,
) -> Over {
    let request = match client.request(Method::GET, &path(args), None) {
        Ok(request) => request,
        Err(fault) => return Over::Stopped(Stop::from(fault)),
    };
    let answer = match poster.open(request, BEGINS_WITHIN).await {
        Ok(answer) => answer,
        Err(fault) => return Over::Broken(format::error_chain(&fault), false),
    };
    let (head, mut body) = answer.into_parts();
    if head.status != StatusCode::OK {
        let why = refusal(head.status, body, &client.base).await;
        let passes = head.status.is_server_error() || head.status == StatusCode::TOO_MANY_REQUESTS;
        return if passes {
            Over::Broken(why, false)
        } else {
            Over::Stopped(Stop::failed(why))
        };
    }
    let (mut waiting, mut began) = (Vec::new(), false);
    loop {
        let why = match tokio::time::timeout(ALIVE_WITHIN, body.frame()).await {
            Ok(Some(Ok(frame))) => {
                let data = frame.into_data().unwrap_or_default();
                match show(&mut waiting, &data, printed) {
                    Ok(()) => {
                        began = true;
                        continue;
                    }
                    Err(over) => return over,
                }
            }
            Ok(Some(Err(fault))) => {
                format!("the connection broke: {}", format::error_chain(&fault))
            }
            Ok(None) => "lastbeat ended the stream".to_owned(),
            Err(_) => format!(
                "nothing received for {}",
                format::exact_duration(ALIVE_WITHIN)
            ),
        };
        return Over::Broken(why, began);
    }
}

/// Shows the frames that are whole by now.
fn show(waiting: &mut Vec<u8>, data: &Bytes, printed: &mut Printed) -> Result<(), Over> {
    let searched = waiting.len();
    waiting.extend_from_slice(data);
    let Some(last) = memchr::memrchr(b'\n', &waiting[searched..]) else {
        if waiting.len() > LINE_BYTES {
            let why = "it sends a line without an end: is it lastbeat?";
            return Err(Over::Stopped(Stop::failed(why)));
        }
        return Ok(());
    };
    let rest = waiting.split_off(searched + last + 1);
    let whole = std::mem::replace(waiting, rest);
    for line in whole.split(|byte| *byte == b'\n') {
        let Some(data) = line.strip_prefix(b"data: ") else {
            continue;
        };
        let Ok(frame) = serde_json::from_slice::<Value>(data) else {
            let why = "it sends no JSON: is it lastbeat?";
            return Err(Over::Stopped(Stop::failed(why)));
        };
        match frame["type"].as_str() {
            Some("log") => {
                let payload = frame["message"].as_str().unwrap_or_default();
                printed.entry(&frame, payload.as_bytes());
            }
            _ => {
                let said = frame["message"].as_str().unwrap_or_default();
                eprintln!("-- {}", line::harmless(said));
            }
        }
    }
    match printed.flush() {
        Ok(()) if printed.is_over() => Err(Over::Read),
        Ok(()) => Ok(()),
        Err(fault) if fault.kind() == io::ErrorKind::BrokenPipe => Err(Over::Read),
        Err(fault) => Err(Over::Stopped(Stop::failed(format!(
            "cannot print entries: {fault}"
        )))),
    }
}

async fn refusal(status: StatusCode, body: Incoming, base: &str) -> String {
    let read = http_body_util::Limited::new(body, REFUSAL_BYTES).collect();
    let body = match tokio::time::timeout(BEGINS_WITHIN, read).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) | Err(_) => Bytes::new(),
    };
    let answer = Answer {
        status,
        retry_after: None,
        location: None,
        rate_limits: None,
        body,
    };
    client::read(&answer, base).err().unwrap_or_default()
}

fn path(args: &TailArgs) -> String {
    let mut query = form_urlencoded::Serializer::new(String::from("/api/logs?subject=1"));
    let text = if args.text.is_some() {
        &args.text
    } else {
        &args.q
    };
    let asked = [
        ("app", &args.scope.app),
        ("region", &args.scope.region),
        ("instance", &args.scope.instance),
        ("q", text),
    ];
    for (key, value) in asked {
        if let Some(value) = value {
            query.append_pair(key, value);
        }
    }
    query.finish()
}
