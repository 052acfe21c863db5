//! The program's own log, on standard error.

use super::own_faults::{Catch, Catcher};
use crate::decode::settings::LogFormat;
use std::io::IsTerminal;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

/// Starts the log. `RUST_LOG` says how much, `fallback` where it does not; `format` is taken from the terminal
/// where it is `None`. `catcher` gets every error of our own, whatever `RUST_LOG` says.
pub fn start(format: Option<LogFormat>, fallback: &str, catcher: Option<Catcher>) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(fallback));
    let terminal = std::io::stderr().is_terminal();
    let format = format.unwrap_or(if terminal {
        LogFormat::Text
    } else {
        LogFormat::Json
    });
    let log = tracing_subscriber::fmt::layer::<Registry>()
        .with_writer(std::io::stderr)
        .with_ansi(terminal);
    let log = match format {
        LogFormat::Text => log.with_target(false).boxed(),
        LogFormat::Json => log.json().flatten_event(true).boxed(),
    };
    let catch = catcher.map(|catcher| Catch(catcher).with_filter(LevelFilter::ERROR));
    tracing_subscriber::registry()
        .with(log.with_filter(filter))
        .with(catch)
        .init();
}
