//! Entries straight from NATS, without a running lastbeat.

use super::line;
use super::printed::Printed;
use crate::clock::{self, Clock};
use crate::commands::exit::Stop;
use crate::core::rule::Globs;
use crate::decode::settings::NatsSettings;
use crate::io::feed::{ConnectionEvent, ConnectionReporter, RawMessage};
use crate::io::nats::{Messages, supervise};
use futures_util::{FutureExt, StreamExt};
use memchr::memmem;
use serde_json::json;
use std::future::pending;
use std::io;
use std::pin::pin;
use tokio::sync::{mpsc, watch};

/// Events of the connection that may wait.
const EVENTS: usize = 16;
/// Bytes that are printed at once.
const PRINT_BYTES: usize = 64 * 1024;

/// Selects entries; an empty field matches all.
pub(super) struct Wanted {
    /// Apps.
    pub app: Globs,
    /// Regions.
    pub region: Globs,
    /// Instances.
    pub instance: Globs,
    /// A part of the payload.
    pub text: String,
}

impl Wanted {
    fn has(&self, subject: &str, payload: &[u8]) -> bool {
        let mut tokens = subject.splitn(4, '.').skip(1);
        let mut is = |globs: &Globs| {
            let token = tokens.next().unwrap_or_default();
            globs.0.is_empty() || globs.matches(token)
        };
        is(&self.app)
            && is(&self.region)
            && is(&self.instance)
            && (self.text.is_empty() || memmem::find(payload, self.text.as_bytes()).is_some())
    }
}

/// Prints entries until there are enough, or their reader has gone.
///
/// # Errors
/// The server refuses user, token or subject, or the output fails.
pub(super) async fn tail(
    settings: NatsSettings,
    wanted: &Wanted,
    mut printed: Printed,
) -> Result<(), Stop> {
    let (events, mut incoming) = mpsc::channel(EVENTS);
    // Nothing is ever missed, and nothing is published.
    let (_is_missed, missed) = watch::channel(false);
    let (_say, outbox) = mpsc::channel(1);
    let reporter = ConnectionReporter { events, missed };
    let mut supervised = pin!(supervise(settings, Clock::start(), reporter, outbox));
    let mut messages: Option<Messages> = None;
    loop {
        let next = async {
            match &mut messages {
                Some(messages) => messages.next().await,
                None => pending().await,
            }
        };
        tokio::select! {
            ended = &mut supervised => match ended {
                Ok(never) => match never {},
                Err(fault) => return Err(Stop::failed(fault.message)),
            },
            Some(event) = incoming.recv() => match event {
                ConnectionEvent::Up(new) => {
                    eprintln!("-- connected");
                    messages = Some(new);
                }
                ConnectionEvent::Down(why) => {
                    eprintln!("-- {}; trying again", line::harmless(&why.message));
                    messages = None;
                }
                ConnectionEvent::AttemptFailed(why) => {
                    eprintln!("-- {}; trying again", line::harmless(&why.message));
                }
                ConnectionEvent::PreviousClosed
                | ConnectionEvent::State(_)
                | ConnectionEvent::Heal(_)
                | ConnectionEvent::RoundTrip(_)
                | ConnectionEvent::PublishDenied => {}
            },
            Some(first) = next => {
                add(&first, wanted, &mut printed);
                if let Some(more) = &mut messages {
                    while printed.bytes() < PRINT_BYTES
                        && let Some(Some(message)) = more.next().now_or_never()
                    {
                        add(&message, wanted, &mut printed);
                    }
                }
                if printed.bytes() > 0
                    && let Err(fault) = printed.flush()
                {
                    return match fault.kind() {
                        io::ErrorKind::BrokenPipe => Ok(()),
                        _ => Err(Stop::failed(format!("cannot print entries: {fault}"))),
                    };
                }
                if printed.is_over() {
                    return Ok(());
                }
            }
        }
    }
}

fn add(message: &impl RawMessage, wanted: &Wanted, printed: &mut Printed) {
    let (subject, payload) = (message.subject(), message.payload());
    if wanted.has(subject, payload) {
        let frame = json!({
            "message": String::from_utf8_lossy(payload),
            "persistent": false,
            "subject": subject,
            "timestamp": clock::wall().nanos() / 1_000_000,
            "type": "log",
        });
        printed.entry(&frame, payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_selected_by_subject_and_text() {
        let globs = |text: &str| Globs(vec![text.to_owned()]);
        let wanted = Wanted {
            app: globs("web-*"),
            region: Globs::default(),
            instance: globs("!2"),
            text: "beat".to_owned(),
        };
        assert!(wanted.has("logs.web-a.iad.1", b"a beat"));
        for (subject, payload) in [
            ("logs.api.iad.1", "a beat"),
            ("logs.web-a.iad.2", "a beat"),
            ("logs.web-a.iad.1", "silence"),
            ("other", "a beat"),
        ] {
            assert!(
                !wanted.has(subject, payload.as_bytes()),
                "{subject} {payload}"
            );
        }
    }
}
