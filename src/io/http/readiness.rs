//! Whether lastbeat can see and tell, and if not, why.

use serde::Serialize;

/// What `/readyz` says. Ready is to have no reason not to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// Everything that keeps lastbeat from seeing or telling.
    pub reasons: Vec<Reason>,
}

/// One thing that keeps lastbeat from seeing or telling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// Which part says so: `nats`, `stream`, `rules`, `sentry`, ...
    pub part: String,
    /// What is the matter, for a person; no secrets, since anyone may read it.
    pub what: String,
}

impl Readiness {
    /// Not ready for one reason: what stands there until the parts have reported.
    pub fn not_yet(part: &str, what: &str) -> Self {
        Readiness {
            reasons: vec![Reason {
                part: part.to_owned(),
                what: what.to_owned(),
            }],
        }
    }

    /// Not ready, for it stops; what was the matter still is.
    pub fn stopping(&self) -> Self {
        let mut stopping = Self::not_yet("stop", "lastbeat is stopping");
        stopping.reasons.extend(self.reasons.iter().cloned());
        stopping
    }

    /// Whether nothing is the matter.
    pub fn is_ready(&self) -> bool {
        self.reasons.is_empty()
    }

    /// `{"ready":false,"reasons":[{"part":"nats","what":"..."}]}`
    pub fn json(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Body<'a> {
            ready: bool,
            reasons: &'a [Reason],
        }
        let body = Body {
            ready: self.is_ready(),
            reasons: &self.reasons,
        };
        serde_json::to_vec(&body).expect("texts and a bool are JSON")
    }
}
