//! Log lines and metrics about thresholds: rules that allow too little, factors of "auto" that changed, and how long a
//! silence took to be notified.

use crate::core::engine::{Engine, Output};
use crate::core::time::Wall;
use crate::format;
use crate::io::metrics::Metrics;
use tracing::{info, warn};

/// Logs what the core found since the last call.
pub(super) fn log(engine: &mut Engine) {
    for doubt in engine.take_doubts() {
        warn!(
            rule = &*doubt.rule,
            target_app = format::name(&doubt.who.app),
            "max_gap {} is less than two intervals of {}, as the beat declares: one lost entry fires; use at least three",
            format::exact_duration(doubt.max_gap),
            format::exact_duration(doubt.every),
        );
    }
    for change in engine.take_factor_changes() {
        info!(
            rule = &*change.rule,
            target_app = format::name(&change.app),
            "{}",
            format::threshold::factor_change(&change)
        );
    }
}

/// Observes how long the silences took that are notified now, each incident once.
pub(super) fn observe(metrics: &Metrics, outputs: &[Output], now: Wall) {
    for output in outputs {
        let Output::Notify(notice) = output else {
            continue;
        };
        if notice.is_first && notice.alarm.is_silence() {
            metrics.detected(&notice.rule, now.since(notice.since), now.since(notice.due));
        }
    }
}
