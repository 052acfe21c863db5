//! `lastbeat beat`: prints heartbeats, as a program of its own.

use super::exit::Stop;
use super::runtime::runtime;
use crate::backoff::Backoff;
use crate::core::rule::DEFAULT_MARKER;
use crate::decode::rules_file;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Print heartbeats, for a Procfile or a region's canary
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Prints a line per interval until SIGTERM or SIGINT, then `HEARTBEAT bye`, so that an intended stop is no alert. The \
first line comes after a random part of the interval, so that instances that start together do not beat together.

  heartbeat: lastbeat beat --every 30s --name worker     (in a Procfile)")]
pub struct BeatArgs {
    /// Interval between two beats
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = every)]
    every: Duration,
    /// Name of the beat, watched on its own
    #[arg(long, value_name = "NAME", value_parser = name)]
    name: Option<String>,
}

fn every(text: &str) -> Result<Duration, String> {
    match rules_file::duration(text) {
        Ok(every) if every >= Duration::from_millis(100) => Ok(every),
        Ok(_) => Err("expected 100ms or more".to_owned()),
        Err(what) => Err(format!("{what}; expected a duration such as 30s or 5m")),
    }
}

fn name(text: &str) -> Result<String, String> {
    let fits = !text.is_empty()
        && text.len() <= 64
        && !text.contains(|c: char| c.is_whitespace() || c == '=');
    if fits {
        Ok(text.to_owned())
    } else {
        Err("expected a word of at most 64 bytes".to_owned())
    }
}

/// Prints beats until a signal asks to stop.
pub fn run(args: &BeatArgs) -> ExitCode {
    let printed = runtime().and_then(|runtime| {
        let printed = runtime.block_on(beats(args));
        printed.map_err(|fault| Stop::failed(format!("cannot print heartbeats: {fault}")))
    });
    printed.map_or_else(|stop| stop.print(), |()| ExitCode::SUCCESS)
}

async fn beats(args: &BeatArgs) -> io::Result<()> {
    let (mut interrupt, mut terminate) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    let mut ticks = tokio::time::interval(args.every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    ticks.reset_after(somewhere_in(args.every));
    let every = humantime::format_duration(args.every)
        .to_string()
        .replace(' ', "");
    let name = args
        .name
        .as_ref()
        .map(|name| format!(" name={name}"))
        .unwrap_or_default();
    for seq in 1_u64.. {
        tokio::select! {
            _ = ticks.tick() => say(&format!("{DEFAULT_MARKER} every={every}{name} seq={seq}"))?,
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
        }
    }
    say(&format!("{DEFAULT_MARKER} bye{name}"))
}

/// A random part of the interval.
fn somewhere_in(every: Duration) -> Duration {
    let first = Backoff {
        first: every,
        longest: every,
    };
    first.delay(1)
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
