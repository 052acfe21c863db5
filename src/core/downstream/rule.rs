//! A `[[downstream]]`: a log shipper that is watched from the stream to its sink.
//!
//! Only `decode::rules_file` makes these from text; everything in them is valid.

use crate::core::globs::Globs;
use crate::core::severity::Severity;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// One `[[downstream]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct DownstreamRule {
    /// Unique among the downstreams.
    pub name: String,
    /// Longest time from an entry's arrival here to its arrival in the sink.
    pub max_delay: Duration,
    /// Interval of the queries.
    pub every: Duration,
    /// Severity of its incidents.
    pub severity: Severity,
    /// Page that says what to do.
    pub runbook: Option<String>,
    /// Names of notifiers; `None`: all of them.
    pub notify: Option<Vec<String>>,
    /// Interval of reminders of an open incident; `None`: no reminders.
    pub remind: Option<Duration>,
    /// Hours in which it notifies; `None`: always.
    pub active: Option<String>,
    /// On every notification.
    pub labels: BTreeMap<String, String>,
    /// The app whose machines are restarted when the shipper stalls; `None`: they are not.
    pub restart: Option<String>,
    /// The query of the sink.
    pub find: Find,
    /// The shipper's own counters; `None`: the hop of a stall is not named.
    pub shipper: Option<Shipper>,
    /// Set: lastbeat itself ships, and its own position is asked in place of the sink.
    pub forward: Option<Forward>,
}

/// A `[[forward]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Name of the sink, which is there.
    pub sink: String,
    /// Apps whose entries are shipped; empty: all.
    pub app: Globs,
}

/// The query of a sink. Texts may hold `{nonce}`, `{since_s}` and `{since_rfc3339}`.
#[derive(Clone, PartialEq)]
pub struct Find {
    /// Address; may hold secrets.
    pub url: String,
    /// Body of a POST; `None`: a GET. May hold secrets.
    pub body: Option<String>,
    /// Headers; may hold secrets.
    pub headers: BTreeMap<String, String>,
    /// The proof to be found in the answer.
    pub proof: Proof,
    /// The shape that the service documents; `None`: the answer may have any.
    pub shape: Option<AnswerShape>,
}

impl fmt::Debug for Find {
    /// Without its secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Find").field("proof", &self.proof).finish()
    }
}

/// The shape of a service's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerShape {
    /// JSON with a list of entries.
    List {
        /// JSON pointer to the list.
        pointer: &'static str,
        /// JSON pointers with the values that say that the search was not cut short, where they are there at all.
        complete: &'static [(&'static str, &'static str)],
    },
    /// A JSON object a line; none where nothing was found.
    Rows,
}

/// The proof that entries reach a sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// lastbeat's own canaries, found by a byte search.
    Canary,
    /// The time of the newest entry.
    Newest {
        /// JSON pointer to it in the answer.
        pointer: String,
        /// The app whose entries are compared; `None`: any entry of the stream.
        app: Option<String>,
    },
}

/// The shipper's own counters.
#[derive(Clone, PartialEq, Eq)]
pub struct Shipper {
    /// Address of its metrics in Prometheus' text format.
    pub metrics: String,
    /// The counter of entries that it received: a name with labels.
    pub received: CounterName,
    /// The counter of entries that it sent: a name with labels.
    pub sent: CounterName,
}

impl fmt::Debug for Shipper {
    /// Without its address, which may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shipper")
            .field("received", &self.received)
            .field("sent", &self.sent)
            .finish()
    }
}

/// A counter, by name and labels. All series that have these labels count together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CounterName {
    /// Name of the metric.
    pub metric: String,
    /// Labels that a series must have.
    pub labels: BTreeMap<String, String>,
}

impl DownstreamRule {
    /// Its secrets, which no text may show.
    pub fn secrets(&self) -> Vec<String> {
        let mut all = vec![self.find.url.clone()];
        all.extend(self.find.body.clone());
        all.extend(self.find.headers.values().cloned());
        all.extend(self.shipper.as_ref().map(|shipper| shipper.metrics.clone()));
        all
    }
}

impl fmt::Display for CounterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.metric)?;
        let mut open = "{";
        for (name, value) in &self.labels {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"");
            write!(f, "{open}{name}=\"{value}\"")?;
            open = ",";
        }
        f.write_str(if self.labels.is_empty() { "" } else { "}" })
    }
}
