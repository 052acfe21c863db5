//! Messages that the client cannot read: a subject or header that is not UTF-8, a header without a colon.
//!
//! The client hangs up on such a message and reports a broken connection, without a reason. The reason is in its debug log
//! alone, so it is taken from there.

use std::fmt::{self, Write};
use std::sync::{Mutex, PoisonError};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, Filter};

/// Where the client logs.
const CLIENT: &str = "async_nats";
/// The client's word where a connection ended.
const DISCONNECTED: &str = "disconnected";
/// The kind of its error where it could not read what came.
const UNREADABLE: &str = "InvalidInput";
/// Characters of a reason.
const REASON_CHARS: usize = 200;

/// The last reason that was not taken.
static LAST: Mutex<Option<String>> = Mutex::new(None);

/// The layer of the log that sees why the client hung up. It costs nothing where the client logs anything else.
pub struct ParseFaults;

/// The reason why the client hung up a moment ago; `None`: it read everything.
pub(super) fn take() -> Option<String> {
    LAST.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn is_wanted(metadata: &Metadata<'_>) -> bool {
    let fields = metadata.fields();
    metadata.is_event()
        && metadata.target() == CLIENT
        && fields.field("error").is_some()
        && fields.field("message").is_some()
}

/// The filter of [`ParseFaults`]: no other layer sees more for it.
pub struct Only;

impl<S> Filter<S> for Only {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        is_wanted(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if is_wanted(metadata) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::DEBUG)
    }
}

impl<S: Subscriber> Layer<S> for ParseFaults {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut said = Said::default();
        event.record(&mut said);
        if said.message == DISCONNECTED && said.error.contains(UNREADABLE) {
            let reason = reason(&said.error);
            *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
        }
    }
}

/// The words of an error as `Debug` shows it: `Some(Custom { kind: InvalidInput, error: Utf8Error { .. } })`.
fn reason(error: &str) -> String {
    if error.contains("Utf8Error") || error.contains("utf-8") {
        return "a subject or header that is not UTF-8".to_owned();
    }
    let quoted = error.split('"').nth(1);
    let words = quoted.unwrap_or("a line that is not NATS");
    crate::format::sanitize(words, REASON_CHARS)
}

#[derive(Default)]
struct Said {
    message: String,
    error: String,
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = match field.name() {
            "message" => &mut self.message,
            "error" => &mut self.error,
            _ => return,
        };
        // Writing to a String cannot fail.
        let _ = write!(text, "{value:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt;

    #[test]
    fn only_what_the_client_could_not_read_is_a_reason() {
        let subscriber = tracing_subscriber::registry().with(ParseFaults.with_filter(Only));
        tracing::subscriber::with_default(subscriber, || {
            let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
            tracing::debug!(target: "async_nats", error = ?Some(broken), "disconnected");
            assert_eq!(take(), None);
            let fault = std::io::Error::new(
                std::io::ErrorKind::InvalidInput,
                "no header version line found",
            );
            tracing::debug!(target: "async_nats", error = ?Some(fault), "disconnected");
            assert_eq!(take().as_deref(), Some("no header version line found"));
            assert_eq!(take(), None, "taken once");
            let utf8 = String::from_utf8(vec![0xff])
                .expect_err("not UTF-8")
                .utf8_error();
            let fault = std::io::Error::new(std::io::ErrorKind::InvalidInput, utf8);
            tracing::debug!(target: "async_nats", error = ?Some(fault), "disconnected");
            assert_eq!(
                take().as_deref(),
                Some("a subject or header that is not UTF-8")
            );
        });
    }
}
