//! `lastbeat demo`: a simulated organisation through the real core, rules and HTTP; time as it is.

mod archive_folder;
mod organisation;
mod output;
mod peers;
mod stage;
mod story;
mod tour;

use super::exit::Stop;
use super::runtime;
use crate::app::canary::{self, CanaryPlan};
use crate::app::inventory::Machines;
use crate::app::logging;
use crate::app::notifiers::NotifierFactory;
use crate::app::service::Service;
use crate::core::engine::Output;
use crate::core::notice::{Notice, NoticeKind};
use crate::core::rule::Globs;
use crate::core::targets::table::State;
use crate::core::tracker::Limits;
use crate::decode::rules_file;
use crate::format;
use crate::io::http::WebAccess;
use futures_util::FutureExt;
use organisation::Entries;
use output::say;
use peers::BoundPeers;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;
use tokio::sync::mpsc;

/// The demo's own rules: as in life, only faster.
const RULES: &str = include_str!("demo/rules.toml");

/// Interval of the tour's canary.
const CANARY_EVERY: Duration = Duration::from_secs(1);
/// Canaries on their way into the stream.
const WAITING_CANARIES: usize = 16;

/// Watch a simulated organisation in which things go wrong; needs no server
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
A dozen instances send a heartbeat each second. Within 20 seconds one falls silent, one says bye (no alert), and the \
whole stream stalls for a while; then the story starts again.

  lastbeat demo                             (then open http://127.0.0.1:9090/)
  lastbeat demo --listen 127.0.0.1:8080
  lastbeat demo --tour                      (a tour; keys break things)")]
pub struct DemoArgs {
    /// Address of the page, /metrics, /healthz and /readyz
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:9090")]
    listen: SocketAddr,
    /// Explain what happens, in twelve steps of 15 s; keys break and mend things
    #[arg(long)]
    tour: bool,
}

/// Runs until a signal asks to stop.
pub fn run(args: &DemoArgs) -> ExitCode {
    // Alerts go to standard output, and need not be logged beside.
    logging::start(None, "error,lastbeat::app::delivery=off", None);
    let tour = match args.tour.then(BoundPeers::new).transpose() {
        Ok(tour) => tour,
        Err(fault) => return Stop::failed(format!("no port for the tour: {fault}")).print(),
    };
    let files = [("demo", RULES.to_owned())].into_iter();
    let files = files.chain(tour.as_ref().map(|peers| ("tour", peers.rules())));
    let files: Vec<_> = files
        .map(|(name, text)| (name.to_owned(), text.into_bytes()))
        .collect();
    let reading = rules_file::read(&files);
    let Some(rules) = reading.set else {
        let faults: Vec<String> = reading.faults.iter().map(ToString::to_string).collect();
        return Stop::failed(faults.join("\n")).print();
    };
    let factory = NotifierFactory::default();
    let made: Result<Vec<_>, String> = rules
        .notifiers
        .iter()
        .map(|rule| factory.make(rule))
        .collect();
    let notifiers = match made {
        Ok(made) => made.into_iter().flatten().collect(),
        Err(fault) => return Stop::failed(fault).print(),
    };
    let (say_canary, canaries) = mpsc::channel(WAITING_CANARIES);
    let canary = tour.as_ref().map(|_| CanaryPlan {
        subject: organisation::canary_subject(),
        every: CANARY_EVERY,
        // One that finds no place is lost, as in a stream that stalls.
        say: Box::new(move |line| drop(say_canary.try_send(line))),
        nonce: canary::nonce(),
    });
    let archive = archive_folder::ArchiveFolder::new();
    let shown = archive.path().map(|path| path.display().to_string());
    let served = runtime::serve(Service::<Entries> {
        rules,
        reload: None,
        web_access: WebAccess::new(None, true),
        read_token: None,
        state: None,
        archive: archive.setting(),
        machines: Machines::default(),
        watchdogs: Vec::new(),
        ignore: Globs(vec![organisation::CANARY.0.to_owned()]),
        limits: Limits::default(),
        listen: args.listen,
        notifiers,
        max_series: 20_000,
        max_memory: None,
        give_up_after: None,
        canary,
        feeder: Box::new(move |_, line| match tour {
            Some(peers) => tour::guide(line, peers, canaries).boxed(),
            None => story::tell(line).boxed(),
        }),
        listener: Box::new(show),
        on_listening: Box::new(move |address| greet(address, shown.as_deref())),
    });
    if served.is_ok() {
        say("demo", "lastbeat stopped");
    }
    served.unwrap_or_else(|stop| stop.log())
}

fn greet(address: SocketAddr, archive: Option<&str>) {
    let lines = [
        "lastbeat demo: 12 instances of 4 apps in 3 regions, a heartbeat each second; silence is an alert after 3s.",
        "Only the organisation around it is simulated; core, rules and HTTP are those of `lastbeat run`.",
    ];
    println!("{}\n", lines.join("\n"));
    println!(
        "  page      http://{address}/\n  metrics   http://{address}/metrics\n  ready?    http://{address}/readyz\n  stop      Ctrl-C"
    );
    if let Some(archive) = archive {
        println!("  archive   lastbeat logs {archive} --grep HEARTBEAT");
    }
    println!();
}

fn show(output: &Output) {
    match output {
        Output::Notify(notice) => tell(notice),
        Output::Changed(change) if change.to == State::Pending => {
            let who = [&change.who.app, &change.who.region, &change.who.instance]
                .map(|part| format::name(part));
            say(
                "late",
                &format!("{} is pending: {}", who.join("/"), change.reason.label()),
            );
        }
        Output::Changed(_) | Output::Restart(..) => {}
    }
}

fn tell(notice: &Notice) {
    let label = match notice.kind {
        NoticeKind::Opened | NoticeKind::Updated(_) | NoticeKind::Reminder(_) => "ALERT",
        NoticeKind::Closed(_) => "closed",
    };
    say(label, &format::description(notice));
}
