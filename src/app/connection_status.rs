//! The status of the connection: on /readyz, on /metrics, in the log, and in the texts of the stream's incidents.

use crate::core::time::Mono;
use crate::io::feed::{ConnectionError, ConnectionErrorKind, ConnectionState, HealOutcome};
use crate::io::http::readiness::{Readiness, Reason};
use crate::io::metrics::Metrics;
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::time::Duration;
use tracing::{info, warn};

/// Failed attempts are logged at most this often.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// Not ready where lastbeat was blind for a larger share of the last minutes.
const MOSTLY_BLIND: f64 = 0.5;

/// The status of the connection.
pub(super) struct ConnectionStatus {
    metrics: Arc<Metrics>,
    readiness: Arc<ArcSwap<Readiness>>,
    /// As the feed reports it.
    state: ConnectionState,
    /// As last shown in the metrics.
    shown: Option<ConnectionState>,
    /// The reason why there is no connection; `None`: there is one.
    last_error: Option<String>,
    /// The last message that could not be read, in words; `None`: all were read.
    malformed: Option<String>,
    /// True once an entry came on this connection.
    flows: bool,
    /// Attempts to heal the current stall, and the outcome of the last.
    heals: u32,
    healed: Option<HealOutcome>,
    next_log: Mono,
}

impl ConnectionStatus {
    /// Not connected yet; all of its series are there from now on.
    pub fn new(metrics: Arc<Metrics>, readiness: Arc<ArcSwap<Readiness>>, now: Mono) -> Self {
        HealOutcome::ALL
            .iter()
            .for_each(|outcome| metrics.nats_heal(outcome.label(), 0));
        ConnectionStatus {
            metrics,
            readiness,
            state: ConnectionState::Connecting,
            shown: None,
            last_error: Some("not connected yet".to_owned()),
            malformed: None,
            flows: false,
            heals: 0,
            healed: None,
            next_log: now,
        }
    }

    /// An entry arrived.
    #[inline]
    pub fn flows(&mut self) {
        self.flows = true;
    }

    /// Connected and subscribed.
    pub fn up(&mut self, beside_another: bool) {
        self.last_error = None;
        self.state = ConnectionState::Waiting;
        self.flows &= beside_another;
        self.metrics.nats_connected.set(1);
        if beside_another {
            info!("reconnected and subscribed; the previous connection closes in a moment");
        } else {
            info!("connected and subscribed");
        }
    }

    /// The connection is gone.
    pub fn down(&mut self, error: ConnectionError) {
        let reason = error.kind.label();
        warn!(reason, "connection lost: {}; reconnecting", error.message);
        self.metrics.nats_connected.set(0);
        self.metrics.nats_reconnected(reason);
        if error.kind == ConnectionErrorKind::Malformed {
            self.malformed = Some(error.message.clone());
        }
        self.last_error = Some(error.message);
        self.state = ConnectionState::BackingOff;
        self.flows = false;
    }

    /// An attempt failed, maybe one beside a connection that stands.
    pub fn failed(&mut self, error: ConnectionError, now: Mono) {
        if now >= self.next_log {
            self.next_log = now + LOG_EVERY;
            let reason = error.kind.label();
            warn!(reason, "cannot connect: {}; retrying", error.message);
        }
        if self.last_error.is_some() {
            self.last_error = Some(error.message);
        }
    }

    /// The connection changed its state.
    pub fn state(&mut self, state: ConnectionState) {
        self.state = state;
        if state == ConnectionState::LameDuck {
            warn!("the server is shutting down (lame duck); connecting to another");
        }
    }

    /// The outcome of an attempt to heal a stall.
    pub fn heal(&mut self, outcome: HealOutcome) {
        self.metrics.nats_heal(outcome.label(), 1);
        self.heals += 1;
        self.healed = Some(outcome);
        let attempt = self.heals;
        match outcome {
            HealOutcome::Healed => info!(attempt, "the stall is over after a new subscription"),
            HealOutcome::Silent => warn!(
                attempt,
                "a new subscription brought no entry; trying another"
            ),
            HealOutcome::Failed => warn!(attempt, "no new connection could be made; retrying"),
        }
        if outcome == HealOutcome::Healed {
            self.heals = 0;
        }
    }

    /// The status in words.
    pub fn words(&self) -> String {
        let state = self.shown_state(false).label();
        let healed = match (self.heals, self.healed) {
            (0, _) | (_, None) => String::new(),
            (1, Some(outcome)) => format!("; a new subscription: {}", outcome.label()),
            (n, Some(outcome)) => {
                format!("; {n} new subscriptions, the last: {}", outcome.label())
            }
        };
        match &self.last_error {
            Some(error) => format!("not connected ({state}): {error}{healed}"),
            None => format!("connected and subscribed, but nothing arrives{healed}"),
        }
    }

    /// Shows the state in the metrics, and the readiness that follows from it. `blind_share`: of the last five minutes.
    pub fn show(&mut self, has_heard: bool, is_stalled: bool, blind_share: f64) {
        let state = self.shown_state(is_stalled);
        if self.shown.replace(state) != Some(state) {
            let all = ConnectionState::ALL.map(ConnectionState::label);
            self.metrics.nats_state(&all, state.label());
        }
        let what = match (&self.last_error, has_heard, is_stalled) {
            (Some(_), _, _) | (None, true, true) => Some(self.words()),
            (None, false, _) => Some(
                "connected, but no entry has arrived yet: nothing proves that the stream delivers"
                    .to_owned(),
            ),
            (None, true, false) => (blind_share > MOSTLY_BLIND).then(|| {
                let what = "received no entries for more than half of the last 5 minutes";
                let why = self.malformed.iter().map(|why| format!(": {why}"));
                what.to_owned() + &why.collect::<String>()
            }),
        };
        let shown = self.readiness.load();
        if shown.reasons.first().map(|reason| &reason.what) != what.as_ref() {
            let reasons = what.map(|what| Reason {
                part: "stream".to_owned(),
                what,
            });
            let reasons = reasons.into_iter().collect();
            self.readiness.store(Arc::new(Readiness {
                reasons,
                ..Readiness::default()
            }));
        }
    }

    fn shown_state(&self, is_stalled: bool) -> ConnectionState {
        match (self.state, is_stalled, self.flows) {
            (ConnectionState::Waiting, true, _) => ConnectionState::Stalled,
            (ConnectionState::Waiting, false, true) => ConnectionState::Flowing,
            (state, _, _) => state,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::feed::ConnectionErrorKind;

    fn status() -> ConnectionStatus {
        let readiness = Arc::new(ArcSwap::from_pointee(Readiness::default()));
        ConnectionStatus::new(Arc::new(Metrics::new("0", "x")), readiness, Mono::ZERO)
    }

    fn reason(status: &ConnectionStatus) -> String {
        let readiness = status.readiness.load();
        let reason = readiness.reasons.first();
        reason.map_or(String::new(), |reason| reason.what.clone())
    }

    fn shows(status: &ConnectionStatus, line: &str) {
        let text = String::from_utf8(status.metrics.render(None)).expect("metrics are text");
        assert!(text.contains(line), "{line:?} is not in {text}");
    }

    #[test]
    fn the_way_of_a_connection_shows_by_name() {
        let mut status = status();
        status.state(ConnectionState::Subscribing);
        status.show(false, false, 0.0);
        shows(&status, "lastbeat_nats_state{state=\"subscribing\"} 1");
        assert_eq!(
            reason(&status),
            "not connected (subscribing): not connected yet"
        );
        status.up(false);
        status.show(false, false, 0.0);
        shows(&status, "lastbeat_nats_state{state=\"waiting\"} 1");
        status.flows();
        status.show(true, false, 0.0);
        shows(&status, "lastbeat_nats_state{state=\"flowing\"} 1");
        shows(&status, "lastbeat_nats_state{state=\"subscribing\"} 0");
        assert_eq!(reason(&status), "");
        status.show(true, false, 0.6);
        assert_eq!(
            reason(&status),
            "received no entries for more than half of the last 5 minutes"
        );
        status.show(true, true, 0.6);
        shows(&status, "lastbeat_nats_state{state=\"stalled\"} 1");
        assert_eq!(
            reason(&status),
            "connected and subscribed, but nothing arrives"
        );
    }

    #[test]
    fn attempts_to_heal_are_counted_and_told() {
        let mut status = status();
        status.up(false);
        status.heal(HealOutcome::Failed);
        status.heal(HealOutcome::Silent);
        let words = status.words();
        assert!(
            words.ends_with("; 2 new subscriptions, the last: silent"),
            "{words}"
        );
        status.heal(HealOutcome::Healed);
        shows(
            &status,
            "lastbeat_nats_heal_attempts_total{outcome=\"silent\"} 1",
        );
        shows(
            &status,
            "lastbeat_nats_heal_attempts_total{outcome=\"healed\"} 1",
        );
        assert_eq!(
            status.words(),
            "connected and subscribed, but nothing arrives"
        );
    }

    #[test]
    fn an_attempt_that_fails_beside_a_connection_is_no_disconnection() {
        let mut status = status();
        status.up(false);
        let error = ConnectionError {
            kind: ConnectionErrorKind::Timeout,
            message: "too long".to_owned(),
        };
        status.failed(error.clone(), Mono::ZERO);
        assert_eq!(
            status.words(),
            "connected and subscribed, but nothing arrives"
        );
        status.down(error);
        assert_eq!(status.words(), "not connected (backing_off): too long");
    }
}
