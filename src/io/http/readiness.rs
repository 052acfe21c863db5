//! Readiness: lastbeat receives logs and delivers alerts, or the reasons why not.

use serde::Serialize;
use utoipa::ToSchema;

/// The state behind `/readyz`: ready where there is no reason against it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// Everything that keeps lastbeat from receiving logs or delivering alerts.
    pub reasons: Vec<Reason>,
    /// Trouble that does not.
    pub warnings: Vec<Reason>,
}

/// A reason why lastbeat is not ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Reason {
    /// The part of lastbeat that is not ready.
    #[schema(examples("nats", "stream", "rules"))]
    pub part: String,
    /// The reason, in words. Without secrets, since anyone may read it.
    pub what: String,
}

/// The body of `/readyz`.
#[derive(Serialize, ToSchema)]
#[schema(as = Readiness)]
pub(super) struct Ready<'a> {
    /// lastbeat receives logs and delivers alerts.
    ready: bool,
    /// The reasons why it is not ready.
    reasons: &'a [Reason],
    /// Trouble with which it is ready all the same, such as an archive that cannot be written.
    #[serde(skip_serializing_if = "<[Reason]>::is_empty")]
    #[schema(required = false)]
    warnings: &'a [Reason],
}

impl Readiness {
    /// Not ready for one reason: the state until the parts have reported.
    pub fn not_yet(part: &str, what: &str) -> Self {
        Readiness {
            reasons: vec![Reason {
                part: part.to_owned(),
                what: what.to_owned(),
            }],
            ..Readiness::default()
        }
    }

    /// Not ready because it stops, beside the reasons until then.
    pub fn stopping(&self) -> Self {
        let mut stopping = Self::not_yet("stop", "lastbeat is stopping");
        stopping.reasons.extend(self.reasons.iter().cloned());
        stopping
    }

    /// True where there is no reason against it.
    pub fn is_ready(&self) -> bool {
        self.reasons.is_empty()
    }

    /// `{"ready":false,"reasons":[{"part":"nats","what":"..."}]}`
    pub fn json(&self) -> Vec<u8> {
        let body = Ready {
            ready: self.is_ready(),
            reasons: &self.reasons,
            warnings: &self.warnings,
        };
        serde_json::to_vec(&body).expect("texts and a bool are JSON")
    }
}
