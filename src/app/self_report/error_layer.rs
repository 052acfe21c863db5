//! The layer of the log that catches errors.

use super::SelfReporter;
use std::fmt::{self, Write};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Our own targets.
const OURS: &str = "lastbeat";
/// Modules whose errors are not reported: alerts are no faults of lastbeat, and delivery must not report itself.
const NOT_CAUGHT: [&str; 9] = [
    "lastbeat::alert",
    "lastbeat::app::delivery",
    "lastbeat::app::self_report",
    "lastbeat::app::watchdog",
    "lastbeat::io::alertmanager",
    "lastbeat::io::http_client",
    "lastbeat::io::sentry",
    "lastbeat::io::webhook",
    "lastbeat::app::notifiers",
];

/// Catches what is logged as an error.
pub struct ErrorLayer(pub SelfReporter);

impl<S: Subscriber> Layer<S> for ErrorLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        if *metadata.level() != Level::ERROR || !is_caught(metadata.target()) {
            return;
        }
        let mut text = Text::default();
        event.record(&mut text);
        let place = match (metadata.file(), metadata.line()) {
            (Some(file), Some(line)) => format!("{file}:{line}"),
            _ => metadata.target().to_owned(),
        };
        self.0.take("error", &text.whole(), &place);
    }
}

fn is_caught(target: &str) -> bool {
    let below = |module: &str| {
        target
            .strip_prefix(module)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    below(OURS) && !NOT_CAUGHT.iter().any(|module| below(module))
}

/// The message, then the fields.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Text {
    fn whole(self) -> String {
        self.message + &self.fields
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a String cannot fail.
        let _ = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.fields, " {}={value:?}", field.name())
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_delivers_and_what_alerts_is_not_caught() {
        for (target, caught) in [
            ("lastbeat", true),
            ("lastbeat::app::service", true),
            ("lastbeat::io::nats", true),
            ("lastbeat::app::delivery", false),
            ("lastbeat::app::delivery::queue", false),
            ("lastbeat::alert", false),
            ("lastbeat::alerts", true),
            ("lastbeat::app::self_report", false),
            ("async_nats", false),
            ("lastbeatx", false),
        ] {
            assert_eq!(is_caught(target), caught, "{target}");
        }
    }
}
