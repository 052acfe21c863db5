//! The program's own log, on standard error.

use super::self_report::SelfReporter;
use super::self_report::error_layer::ErrorLayer;
use crate::decode::settings::LogFormat;
use crate::io::nats::{OnlyParseFaults, ParseFaults};
use std::io::IsTerminal;
use tracing::level_filters::LevelFilter;
use tracing::warn;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

/// Starts the log. `RUST_LOG` says how much, `fallback` where it does not; `format` is taken from the terminal
/// where it is `None`. `reporter` gets every error of our own, whatever `RUST_LOG` says.
pub fn start(format: Option<LogFormat>, fallback: &str, reporter: Option<SelfReporter>) {
    let asked = std::env::var_os("RUST_LOG").unwrap_or_default();
    let (filter, fault) = filter(&asked.to_string_lossy(), fallback);
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
    let catch = reporter.map(|reporter| ErrorLayer(reporter).with_filter(LevelFilter::ERROR));
    tracing_subscriber::registry()
        .with(log.with_filter(filter))
        .with(catch)
        .with(ParseFaults.with_filter(OnlyParseFaults))
        .init();
    if let Some(fault) = fault {
        warn!("{fault}");
    }
}

/// The filter of `asked`, or of `fallback` if it is empty or invalid; and the fault of an invalid one.
fn filter(asked: &str, fallback: &str) -> (Targets, Option<String>) {
    let read = |text: &str| {
        text.split(',')
            .map(str::trim)
            .collect::<Vec<_>>()
            .join(",")
            .parse()
    };
    let usual = || read(fallback).expect("ours is right");
    if asked.trim().is_empty() {
        return (usual(), None);
    }
    match read(asked) {
        Ok(targets) => (targets, None),
        Err(err) => {
            let fault = format!(
                "invalid RUST_LOG={asked}: {err}; expected a level (off, error, warn, info, debug, trace), \
                 or LEVEL,lastbeat::io=LEVEL; {fallback} is used"
            );
            (usual(), Some(fault))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    fn shows(asked: &str, target: &str) -> (Vec<Level>, bool) {
        let (filter, fault) = filter(asked, "info");
        let all = [
            Level::ERROR,
            Level::WARN,
            Level::INFO,
            Level::DEBUG,
            Level::TRACE,
        ];
        let shown = all
            .into_iter()
            .filter(|level| filter.would_enable(target, level));
        (shown.collect(), fault.is_some())
    }

    #[test]
    fn what_is_asked_for_is_logged_and_a_fault_is_told() {
        let until = |level: &str| match level {
            "warn" => vec![Level::ERROR, Level::WARN],
            "info" => vec![Level::ERROR, Level::WARN, Level::INFO],
            "debug" => vec![Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG],
            _ => Vec::new(),
        };
        for (asked, ours, others, faulty) in [
            ("", "info", "info", false),
            ("  ", "info", "info", false),
            ("warn", "warn", "warn", false),
            ("WARN", "warn", "warn", false),
            ("off", "", "", false),
            ("warn, lastbeat::io=debug", "debug", "warn", false),
            ("lastbeat=debug", "debug", "", false),
            ("lastbeat=loud", "info", "info", true),
            ("a=b=c", "info", "info", true),
        ] {
            assert_eq!(
                shows(asked, "lastbeat::io::nats"),
                (until(ours), faulty),
                "{asked}"
            );
            assert_eq!(
                shows(asked, "hyper::proto"),
                (until(others), faulty),
                "{asked}"
            );
        }
    }
}
