//! `lastbeat tail`: entries in the terminal, as they reach a lastbeat that runs.

mod line;

use super::peer::{self, AskFault, Peer, PeerArgs};
use crate::backoff::Backoff;
use crate::format;
use crate::io::http_client::{Answer, HttpClient};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Method, StatusCode};
use line::Look;
use serde_json::Value;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

/// Time for the answer to begin.
const BEGINS_WITHIN: Duration = Duration::from_secs(10);
/// Without a byte for so long the connection is dead: signs of life come every 15 s.
const ALIVE_WITHIN: Duration = Duration::from_secs(40);
/// Between tries to connect again.
const AGAIN: Backoff = Backoff {
    first: Duration::from_millis(500),
    longest: Duration::from_secs(10),
};
/// Bytes of a line: a payload of the largest stream in JSON, where each byte may take six.
const LINE_BYTES: usize = 64 << 20;
/// Bytes of a refusal that are read.
const REFUSAL_BYTES: usize = 64 * 1024;

/// Show entries as they reach a lastbeat that runs.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Entries that pass are shown, none of before. Whatever is not to be read, as what moves a terminal's cursor, is shown as a
sign of its own. Colours, one for each app, are shown on a terminal only, and not where NO_COLOR is set. Words of lastbeat's
own, as that it reads too slowly and lost entries, go to standard error.

Exit codes: 0 nobody reads it any more; 1 it is refused; 64 bad settings: address or token are none.

  lastbeat tail --app web --region 'i*'
  lastbeat tail --q HEARTBEAT
  lastbeat tail --json | jq -r .message")]
pub struct TailArgs {
    /// Apps, as globs; several with commas between them
    #[arg(long, value_name = "GLOBS")]
    app: Option<String>,
    /// Regions, as globs
    #[arg(long, value_name = "GLOBS")]
    region: Option<String>,
    /// Instances, as globs
    #[arg(long, value_name = "GLOBS")]
    instance: Option<String>,
    /// Only entries in whose payload this stands
    #[arg(long, value_name = "TEXT")]
    q: Option<String>,
    /// Print one JSON object a line: the payload as `message`, `subject`, and the arrival in milliseconds as `timestamp`
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    peer: PeerArgs,
}

/// Why a connection is over.
enum Over {
    /// Whoever reads what is printed has seen enough.
    Seen,
    /// To try again would bring the same.
    Refused(String),
    /// It cannot even be asked.
    Unaskable(AskFault),
    /// It is tried again; whether anything came.
    Broken(String, bool),
}

/// Shows entries until nobody reads them any more: 1 where they cannot be had, 64 where address or token are none.
pub fn run(args: &TailArgs) -> ExitCode {
    let peer = match Peer::new(&args.peer) {
        Ok(peer) => peer,
        Err(fault) => return unaskable(fault),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(tail(args, &peer)),
        Err(fault) => failed(&format!("cannot start: {fault}")),
    }
}

async fn tail(args: &TailArgs, peer: &Peer) -> ExitCode {
    let poster = HttpClient::new();
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|set| !set.is_empty());
    let look = Look {
        json: args.json,
        colour: io::stdout().is_terminal() && !no_colour,
    };
    let mut failures = 0;
    loop {
        match follow(args, peer, &poster, &look).await {
            Over::Seen => return ExitCode::SUCCESS,
            Over::Refused(why) => return failed(&why),
            Over::Unaskable(fault) => return unaskable(fault),
            Over::Broken(why, began) => {
                failures = if began { 1 } else { failures + 1 };
                eprintln!("-- {}; trying again", line::harmless(&why));
                tokio::time::sleep(AGAIN.delay(failures)).await;
            }
        }
    }
}

/// One connection, from its begin to its end.
async fn follow(args: &TailArgs, peer: &Peer, poster: &HttpClient, look: &Look) -> Over {
    let request = match peer.request(Method::GET, &path(args), None) {
        Ok(request) => request,
        Err(fault) => return Over::Unaskable(fault),
    };
    let answer = match poster.open(request, BEGINS_WITHIN).await {
        Ok(answer) => answer,
        Err(fault) => return Over::Broken(format::error_chain(&fault), false),
    };
    let (head, mut body) = answer.into_parts();
    if head.status != StatusCode::OK {
        let why = refusal(head.status, body, &peer.base).await;
        let passes = head.status.is_server_error() || head.status == StatusCode::TOO_MANY_REQUESTS;
        return if passes {
            Over::Broken(why, false)
        } else {
            Over::Refused(why)
        };
    }
    let (mut waiting, mut began) = (Vec::new(), false);
    loop {
        let why = match tokio::time::timeout(ALIVE_WITHIN, body.frame()).await {
            Ok(Some(Ok(frame))) => {
                let data = frame.into_data().unwrap_or_default();
                match show(&mut waiting, &data, look) {
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
                "no sign of life for {}",
                format::exact_duration(ALIVE_WITHIN)
            ),
        };
        return Over::Broken(why, began);
    }
}

/// Shows the frames that are whole by now.
fn show(waiting: &mut Vec<u8>, data: &Bytes, look: &Look) -> Result<(), Over> {
    let searched = waiting.len();
    waiting.extend_from_slice(data);
    let Some(last) = memchr::memrchr(b'\n', &waiting[searched..]) else {
        if waiting.len() > LINE_BYTES {
            let why = "it sends a line without an end: is it a lastbeat?".to_owned();
            return Err(Over::Refused(why));
        }
        return Ok(());
    };
    let rest = waiting.split_off(searched + last + 1);
    let whole = std::mem::replace(waiting, rest);
    let mut printed = String::new();
    for line in whole.split(|byte| *byte == b'\n') {
        let Some(data) = line.strip_prefix(b"data: ") else {
            continue;
        };
        let Ok(frame) = serde_json::from_slice::<Value>(data) else {
            return Err(Over::Refused(
                "it sends no JSON: is it a lastbeat?".to_owned(),
            ));
        };
        match frame["type"].as_str() {
            Some("log") => look.write(&frame, &mut printed),
            _ => {
                let said = frame["message"].as_str().unwrap_or_default();
                eprintln!("-- {}", line::harmless(said));
            }
        }
    }
    let mut out = io::stdout().lock();
    let written = out.write_all(printed.as_bytes()).and_then(|()| out.flush());
    written.map_err(|fault| match fault.kind() {
        io::ErrorKind::BrokenPipe => Over::Seen,
        _ => Over::Refused(format!("entries cannot be printed: {fault}")),
    })
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
        rate_limits: None,
        body,
    };
    peer::read(&answer, base).err().unwrap_or_default()
}

fn path(args: &TailArgs) -> String {
    let mut query = form_urlencoded::Serializer::new(String::from("/api/logs?subject=1"));
    let asked = [
        ("app", &args.app),
        ("region", &args.region),
        ("instance", &args.instance),
        ("q", &args.q),
    ];
    for (key, value) in asked {
        if let Some(value) = value {
            query.append_pair(key, value);
        }
    }
    query.finish()
}

fn failed(why: &str) -> ExitCode {
    eprintln!("{}", line::harmless(why));
    ExitCode::FAILURE
}

fn unaskable(fault: AskFault) -> ExitCode {
    let code = fault.code();
    eprintln!("{}", line::harmless(&fault.words()));
    code
}
