//! The bounds of the histograms.

/// From a fast path's tens of milliseconds to `max_lag`'s default of 2m, which is a bound, and beyond it.
pub(super) const LAG: &[f64] = &[
    0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0,
];
/// The intervals people choose, each a bound, so that a beat that comes on time and one that skipped a turn
/// fall into different buckets. One histogram an app: no finer than this.
pub(super) const INTERVAL: &[f64] = &[
    1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 90.0, 120.0, 300.0, 600.0, 1800.0, 3600.0,
];
/// Evaluating everything takes microseconds for tens of instances and milliseconds for tens of thousands.
pub(super) const EVALUATION: &[f64] = &[
    0.00001, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0,
];
/// A pause is to stay below a millisecond; the client holds half a million entries meanwhile.
pub(super) const PAUSE: &[f64] = &[
    0.00001, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 1.0,
];
/// The ticker aims at the deadline itself; a second late already costs most of what a notice may take.
pub(super) const LATENESS: &[f64] = &[
    0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0,
];
/// 1.5s after the deadline is what is promised for a notice, so it is a bound; hours are a notifier that is down.
pub(super) const DELAY: &[f64] = &[
    0.1, 0.25, 0.5, 1.0, 1.5, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0,
];

/// From the fastest beats to daily jobs; the usual limits lie between the bounds.
pub(super) const DETECTION: &[f64] = &[
    0.5, 1.0, 2.0, 5.0, 15.0, 40.0, 75.0, 100.0, 130.0, 200.0, 330.0, 1000.0, 4000.0, 15_000.0,
    100_000.0,
];
/// A checkpoint takes a millisecond where a hundred instances changed, tens where tens of thousands did; a disk that hangs
/// takes seconds.
pub(super) const CHECKPOINT: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0,
];
