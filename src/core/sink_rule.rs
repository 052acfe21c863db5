//! `[sink.NAME]`: a place to which entries of the archive are shipped.
//!
//! Only `decode::rules_file` makes these from text; everything in them is valid.

use std::collections::BTreeMap;
use std::fmt;

/// One `[sink.NAME]`.
#[derive(Clone, PartialEq, Eq)]
pub struct SinkRule {
    /// Unique among the sinks.
    pub name: String,
    /// The protocol.
    pub kind: SinkKind,
    /// Address; may hold secrets.
    pub url: String,
    /// Headers of each request; may hold secrets.
    pub headers: BTreeMap<String, String>,
}

/// The protocol of a sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SinkKind {
    /// OpenTelemetry's logs as JSON over HTTP.
    Otlp,
    /// Loki's push API.
    Loki,
    /// JSON in a POST.
    Http {
        /// The form of several entries in one body.
        body: HttpBody,
        /// The JSON of one entry, with placeholders.
        template: String,
    },
}

/// The form of several entries in one body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HttpBody {
    /// One a line.
    #[default]
    Ndjson,
    /// A JSON array.
    Array,
}

/// The sink to which a refill of a downstream ships where none is named: the only one, or that of the downstream's name, which
/// a forward has of its sink.
pub fn of_downstream<'a>(sinks: &'a [SinkRule], downstream: &str) -> Option<&'a SinkRule> {
    match sinks {
        [only] => Some(only),
        sinks => sinks.iter().find(|sink| sink.name == downstream),
    }
}

impl SinkKind {
    /// The word in rule files.
    pub const fn label(&self) -> &'static str {
        match self {
            SinkKind::Otlp => "otlp",
            SinkKind::Loki => "loki",
            SinkKind::Http { .. } => "http",
        }
    }
}

impl HttpBody {
    /// The word in rule files.
    pub const fn label(self) -> &'static str {
        match self {
            HttpBody::Ndjson => "ndjson",
            HttpBody::Array => "array",
        }
    }
}

impl SinkRule {
    /// Its secrets, which no text may show.
    pub fn secrets(&self) -> Vec<String> {
        let headers = self.headers.values().cloned();
        std::iter::once(self.url.clone()).chain(headers).collect()
    }
}

impl fmt::Debug for SinkRule {
    /// Without its secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SinkRule")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .finish()
    }
}
