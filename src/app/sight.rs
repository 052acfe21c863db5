//! What is known of the connection: on /readyz, on /metrics, in the log, and in words for the stream's incidents.

use crate::core::time::Mono;
use crate::io::feed::{Heal, LinkState, Trouble};
use crate::io::http::readiness::{Readiness, Reason};
use crate::io::metrics::Metrics;
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::time::Duration;
use tracing::{info, warn};

/// Failed attempts are logged at most this often.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// What is known of the connection.
pub(super) struct Sight {
    metrics: Arc<Metrics>,
    readiness: Arc<ArcSwap<Readiness>>,
    /// As the feed tells it.
    state: LinkState,
    /// As it is shown.
    shown: Option<LinkState>,
    /// Why there is no connection.
    trouble: Option<String>,
    /// Whether an entry came since the connection stands.
    flows: bool,
    /// Attempts to heal the stall that lasts, and what the last of them brought.
    heals: u32,
    healed: Option<Heal>,
    next_log: Mono,
}

impl Sight {
    /// Not connected yet; all of its series are there from now on.
    pub fn new(metrics: Arc<Metrics>, readiness: Arc<ArcSwap<Readiness>>, now: Mono) -> Self {
        Heal::ALL
            .iter()
            .for_each(|outcome| metrics.nats_heal(outcome.label(), 0));
        Sight {
            metrics,
            readiness,
            state: LinkState::Connecting,
            shown: None,
            trouble: Some("not connected yet".to_owned()),
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
        self.trouble = None;
        self.state = LinkState::Waiting;
        self.flows &= beside_another;
        self.metrics.nats_connected.set(1);
        if beside_another {
            info!("connected and subscribed afresh; the connection before is left in a moment");
        } else {
            info!("connected and subscribed");
        }
    }

    /// The connection is gone.
    pub fn down(&mut self, trouble: Trouble) {
        let reason = trouble.kind.label();
        warn!(
            reason,
            "connection lost: {}; connecting again", trouble.what
        );
        self.metrics.nats_connected.set(0);
        self.metrics.nats_reconnected(reason);
        self.trouble = Some(trouble.what);
        self.state = LinkState::BackingOff;
        self.flows = false;
    }

    /// An attempt failed, maybe one beside a connection that stands.
    pub fn failed(&mut self, trouble: Trouble, now: Mono) {
        if now >= self.next_log {
            self.next_log = now + LOG_EVERY;
            let reason = trouble.kind.label();
            warn!(reason, "cannot connect: {}; trying again", trouble.what);
        }
        if self.trouble.is_some() {
            self.trouble = Some(trouble.what);
        }
    }

    /// What the feed is about.
    pub fn state(&mut self, state: LinkState) {
        self.state = state;
        if state == LinkState::LameDuck {
            warn!("the server is about to leave (lame duck); connecting elsewhere");
        }
    }

    /// What an attempt to heal a stall brought.
    pub fn heal(&mut self, outcome: Heal) {
        self.metrics.nats_heal(outcome.label(), 1);
        self.heals += 1;
        self.healed = Some(outcome);
        let attempt = self.heals;
        match outcome {
            Heal::Healed => info!(attempt, "the stall is over after a fresh subscription"),
            Heal::Silent => warn!(
                attempt,
                "a fresh subscription brought no entry; another is made"
            ),
            Heal::Failed => warn!(attempt, "no fresh connection could be had; tried again"),
        }
        if outcome == Heal::Healed {
            self.heals = 0;
        }
    }

    /// What is known, in words.
    pub fn words(&self) -> String {
        let state = self.shown_state(false).label();
        let healed = match (self.heals, self.healed) {
            (0, _) | (_, None) => String::new(),
            (1, Some(outcome)) => format!("; a fresh subscription: {}", outcome.label()),
            (n, Some(outcome)) => {
                format!("; {n} fresh subscriptions, the last: {}", outcome.label())
            }
        };
        match &self.trouble {
            Some(trouble) => format!("not connected ({state}): {trouble}{healed}"),
            None => format!("connected and subscribed, and nothing arrives{healed}"),
        }
    }

    /// Shows the state, and whether we can see.
    pub fn show(&mut self, has_heard: bool, is_stalled: bool) {
        let state = self.shown_state(is_stalled);
        if self.shown.replace(state) != Some(state) {
            let all = LinkState::ALL.map(LinkState::label);
            self.metrics.nats_state(&all, state.label());
        }
        let what = match (&self.trouble, has_heard, is_stalled) {
            (Some(_), _, _) | (None, true, true) => Some(self.words()),
            (None, false, _) => Some(
                "connected, but no entry has arrived yet: nothing proves that the stream flows"
                    .to_owned(),
            ),
            (None, true, false) => None,
        };
        let shown = self.readiness.load();
        if shown.reasons.first().map(|reason| &reason.what) != what.as_ref() {
            let reasons = what.map(|what| Reason {
                part: "stream".to_owned(),
                what,
            });
            let reasons = reasons.into_iter().collect();
            self.readiness.store(Arc::new(Readiness { reasons }));
        }
    }

    fn shown_state(&self, is_stalled: bool) -> LinkState {
        match (self.state, is_stalled, self.flows) {
            (LinkState::Waiting, true, _) => LinkState::Stalled,
            (LinkState::Waiting, false, true) => LinkState::Flowing,
            (state, _, _) => state,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::feed::TroubleKind;

    fn sight() -> Sight {
        let readiness = Arc::new(ArcSwap::from_pointee(Readiness::default()));
        Sight::new(Arc::new(Metrics::new("0", "x")), readiness, Mono::ZERO)
    }

    fn reason(sight: &Sight) -> String {
        let readiness = sight.readiness.load();
        let reason = readiness.reasons.first();
        reason.map_or(String::new(), |reason| reason.what.clone())
    }

    fn shows(sight: &Sight, line: &str) {
        let text = String::from_utf8(sight.metrics.render(None)).expect("metrics are text");
        assert!(text.contains(line), "{line:?} is not in {text}");
    }

    #[test]
    fn the_way_of_a_connection_shows_by_name() {
        let mut sight = sight();
        sight.state(LinkState::Subscribing);
        sight.show(false, false);
        shows(&sight, "lastbeat_nats_state{state=\"subscribing\"} 1");
        assert_eq!(
            reason(&sight),
            "not connected (subscribing): not connected yet"
        );
        sight.up(false);
        sight.show(false, false);
        shows(&sight, "lastbeat_nats_state{state=\"waiting\"} 1");
        sight.flows();
        sight.show(true, false);
        shows(&sight, "lastbeat_nats_state{state=\"flowing\"} 1");
        shows(&sight, "lastbeat_nats_state{state=\"subscribing\"} 0");
        assert_eq!(reason(&sight), "");
        sight.show(true, true);
        shows(&sight, "lastbeat_nats_state{state=\"stalled\"} 1");
        assert_eq!(
            reason(&sight),
            "connected and subscribed, and nothing arrives"
        );
    }

    #[test]
    fn attempts_to_heal_are_counted_and_told() {
        let mut sight = sight();
        sight.up(false);
        sight.heal(Heal::Failed);
        sight.heal(Heal::Silent);
        let words = sight.words();
        assert!(
            words.ends_with("; 2 fresh subscriptions, the last: silent"),
            "{words}"
        );
        sight.heal(Heal::Healed);
        shows(
            &sight,
            "lastbeat_nats_heal_attempts_total{outcome=\"silent\"} 1",
        );
        shows(
            &sight,
            "lastbeat_nats_heal_attempts_total{outcome=\"healed\"} 1",
        );
        assert_eq!(
            sight.words(),
            "connected and subscribed, and nothing arrives"
        );
    }

    #[test]
    fn an_attempt_that_fails_beside_a_connection_is_no_disconnection() {
        let mut sight = sight();
        sight.up(false);
        let trouble = Trouble {
            kind: TroubleKind::Timeout,
            what: "too long".to_owned(),
        };
        sight.failed(trouble.clone(), Mono::ZERO);
        assert_eq!(
            sight.words(),
            "connected and subscribed, and nothing arrives"
        );
        sight.down(trouble);
        assert_eq!(sight.words(), "not connected (backing_off): too long");
    }
}
