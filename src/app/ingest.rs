//! From a message to the core: the road that every entry takes, live, in the demo, in tests and benchmarks.

use crate::core::engine::Engine;
use crate::core::tracker::InstanceId;
use crate::decode::beat::Markers;
use crate::decode::{beat, log_line, subject};
use std::time::Duration;

/// The core with its eyes.
#[derive(Debug)]
pub struct Ingest {
    /// The core.
    pub engine: Engine,
    markers: Markers,
}

/// A beat's interval, for the histogram of its app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// The app's number.
    pub app: u32,
    /// How long after the one before it came, in arrival time.
    pub length: Duration,
}

impl Ingest {
    /// Eyes that look for the markers of the core's rules.
    pub fn new(engine: Engine) -> Self {
        let markers = Markers::new(&engine.rules().markers);
        Ingest { engine, markers }
    }

    /// Takes one message of the batch that [`Engine::arrive`] announced.
    #[inline]
    pub fn message(&mut self, subject: &str, payload: &[u8]) -> Option<Interval> {
        let id = match self.engine.find(subject) {
            Some(id) => id,
            None => self.admit(subject, payload.len())?,
        };
        self.engine
            .heard(id, log_line::provider(payload), payload.len());
        if self.markers.in_bytes(payload) {
            self.beat(id, payload)
        } else {
            None
        }
    }

    #[cold]
    fn admit(&mut self, subject: &str, bytes: usize) -> Option<InstanceId> {
        let admitted =
            subject::read(subject).and_then(|subject| self.engine.admit(&subject, bytes));
        admitted.unwrap_or_else(|why| {
            self.engine.reject(why);
            None
        })
    }

    fn beat(&mut self, id: InstanceId, payload: &[u8]) -> Option<Interval> {
        let line = match log_line::read(payload) {
            Ok(line) if line.provider.is_app() => line,
            Ok(_) => return None,
            Err(why) => {
                self.engine.reject(why);
                return None;
            }
        };
        let message = beat::without_colours(&line.message);
        let engine = &mut self.engine;
        let beat = beat::read(&message, &self.markers, |why| engine.reject(why))?;
        match self.engine.beat(id, &beat.line(&line)) {
            Ok(length) => length.map(|length| Interval {
                app: self.engine.app_of(id),
                length,
            }),
            Err(why) => {
                self.engine.reject(why);
                None
            }
        }
    }
}
