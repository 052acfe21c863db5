//! Pings the watchdogs outside each minute while lastbeat is ready, so that they notice its death.
//!
//! Each watchdog has a task of its own, which reads the readiness and delays nothing. At an ordered stop the tasks are
//! dropped and send nothing more: a restart within the watchdog's grace time raises no alarm.

use crate::backoff::Backoff;
use crate::clock::NowFn;
use crate::core::time::{Mono, Wall};
use crate::decode::settings::Secret;
use crate::format;
use crate::io::http::readiness::Readiness;
use crate::io::http_client::HttpSend;
use crate::io::http_client::{Answer, RequestFault};
use crate::io::metrics::{Metrics, WatchdogKind, WatchdogMetrics};
use crate::io::notifier::Notifier;
use crate::io::sentry::Sentry;
use crate::io::watchdog::{Ping, Watchdog};
use arc_swap::ArcSwap;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::Full;
use hyper::{Request, StatusCode};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::MissedTickBehavior;
use tracing::{info, warn};

/// Ping interval, the shortest that healthchecks.io and Sentry's Crons know.
const EVERY: Duration = Duration::from_secs(60);
/// Interval in which readiness is read.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Shorter times of not being ready are not reported: a server that restarts is back by then.
const UNWELL_FOR: Duration = Duration::from_secs(15);
/// The same before lastbeat was ever well: a quiet stream may take a while to prove that it flows.
const START_WITHIN: Duration = Duration::from_secs(60);
/// Wait between attempts.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_secs(4),
    longest: Duration::from_secs(30),
};
/// Least wait.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
/// Failures in a row are logged at most this often.
const LOG_EVERY: Duration = Duration::from_secs(600);
/// Characters of an answer's body in the log.
const BODY_CHARS: usize = 200;

/// Makes the request of a ping; `None`: this watchdog has none for it.
type MakeRequest = Box<dyn Fn(&Ping, Wall) -> Option<Request<Full<Bytes>>> + Send + Sync>;

/// One watchdog.
pub struct Endpoint {
    way: WatchdogKind,
    make_request: MakeRequest,
    redact: Box<dyn Fn(&str) -> String + Send + Sync>,
}

impl Endpoint {
    /// A ping address.
    pub fn ping(watchdog: Watchdog) -> Self {
        let watchdog = Arc::new(watchdog);
        let redacts = Arc::clone(&watchdog);
        Endpoint {
            way: WatchdogKind::Ping,
            make_request: Box::new(move |word, _| Some(watchdog.request(word))),
            redact: Box::new(move |text| redacts.redact(text)),
        }
    }

    /// Sentry's Crons. `monitor` is the slug of the monitor, which the first check-in makes.
    pub fn check_in(sentry: Sentry, monitor: String) -> Self {
        let sentry = Arc::new(sentry);
        let redacts = Arc::clone(&sentry);
        Endpoint {
            way: WatchdogKind::CheckIn,
            make_request: Box::new(move |word, at| {
                let well = match word {
                    // Sentry has no word for it that is not also a promise to end.
                    Ping::Start => return None,
                    Ping::Success => true,
                    Ping::Fail(_) => false,
                };
                Some(sentry.request(sentry.check_in(&monitor, well, at)))
            }),
            redact: Box::new(move |text| redacts.redact(text)),
        }
    }
}

/// All watchdogs: the ping address of the settings, and Sentry's Crons if Sentry is a notifier. `monitor` is the slug there.
///
/// # Errors
/// The address is invalid; the text does not hold it.
pub fn endpoints(
    url: Option<&Secret>,
    sentry: Option<Sentry>,
    monitor: &str,
) -> Result<Vec<Endpoint>, String> {
    let mut all = Vec::new();
    if let Some(url) = url {
        let watchdog =
            Watchdog::new(url).map_err(|fault| format!("LASTBEAT_WATCHDOG_URL: {fault}"))?;
        info!(
            "pinging the watchdog at {} each minute while ready",
            watchdog.origin()
        );
        all.push(Endpoint::ping(watchdog));
    }
    if let Some(sentry) = sentry {
        info!(
            monitor,
            "sending a check-in to Sentry's Crons at {} each minute while ready",
            sentry.origin()
        );
        all.push(Endpoint::check_in(sentry, monitor.to_owned()));
    }
    Ok(all)
}

/// Inputs of the tasks.
#[derive(Clone)]
pub struct WatchdogDeps {
    /// Readiness of the whole.
    pub readiness: Arc<ArcSwap<Readiness>>,
    /// Sends the requests.
    pub http_send: HttpSend,
    /// Counts them.
    pub metrics: Arc<Metrics>,
    /// Reads the clocks.
    pub now: NowFn,
}

/// Pings one watchdog for ever. Drop it to stop it.
pub async fn watch(endpoint: Endpoint, deps: WatchdogDeps) -> Infallible {
    let counts = deps.metrics.watchdog(endpoint.way);
    let mut task = Task {
        schedule: PingSchedule::default(),
        failed: 0,
        next_log: Mono::ZERO,
        counts,
        endpoint,
        deps,
    };
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut doing: BoxFuture<'static, Option<PingResult>> = idle();
    loop {
        tokio::select! {
            _ = look.tick() => {
                // A newer word takes the place of one that is not taken yet.
                if let Some(request) = task.next() {
                    doing = task.send(request, Duration::ZERO);
                }
            }
            Some((request, result)) = &mut doing => {
                doing = match task.conclude(&result) {
                    Some(wait) => task.send(request, wait),
                    None => idle(),
                };
            }
        }
    }
}

/// A request and its result.
type PingResult = (Request<Full<Bytes>>, Result<Answer, RequestFault>);

fn idle() -> BoxFuture<'static, Option<PingResult>> {
    Box::pin(std::future::pending())
}

struct Task {
    endpoint: Endpoint,
    deps: WatchdogDeps,
    schedule: PingSchedule,
    counts: WatchdogMetrics,
    /// Failed attempts in a row.
    failed: u32,
    next_log: Mono,
}

impl Task {
    /// The request that is due now.
    fn next(&mut self) -> Option<Request<Full<Bytes>>> {
        let (now, readiness) = ((self.deps.now)(), self.deps.readiness.load());
        let make_request = self.schedule.turn(now.mono, readiness.is_ready())?;
        let word = match make_request {
            Due::Start => Ping::Start,
            Due::Well => Ping::Success,
            Due::Unwell => {
                let line = |reason: &crate::io::http::Reason| {
                    format!("{}: {}\n", reason.part, reason.what)
                };
                Ping::Fail(readiness.reasons.iter().map(line).collect())
            }
        };
        (self.endpoint.make_request)(&word, now.wall)
    }

    fn send(
        &self,
        request: Request<Full<Bytes>>,
        wait: Duration,
    ) -> BoxFuture<'static, Option<PingResult>> {
        let http_send = Arc::clone(&self.deps.http_send);
        Box::pin(async move {
            tokio::time::sleep(wait).await;
            let result = http_send(request.clone()).await;
            Some((request, result))
        })
    }

    /// Counts and logs the result of an attempt; returns the wait before a retry, if there is one.
    fn conclude(&mut self, result: &Result<Answer, RequestFault>) -> Option<Duration> {
        let way = self.endpoint.way.label();
        if matches!(result, Ok(answer) if answer.status.is_success()) {
            self.counts.delivered.inc();
            if std::mem::take(&mut self.failed) > 0 {
                info!(way, "watchdog ping succeeded again");
            }
            return None;
        }
        self.counts.failed.inc();
        self.failed += 1;
        let now = (self.deps.now)().mono;
        if self.failed == 1 || now >= self.next_log {
            self.next_log = now + LOG_EVERY;
            let tries = self.failed;
            warn!(way, tries, "watchdog ping failed: {}", self.said(result));
        }
        let again = match result {
            Err(_) => true,
            Ok(answer) => {
                answer.status.is_server_error() || answer.status == StatusCode::REQUEST_TIMEOUT
            }
        };
        again.then(|| BACKOFF.delay(self.failed).max(SHORTEST_WAIT))
    }

    fn said(&self, result: &Result<Answer, RequestFault>) -> String {
        match result {
            Ok(answer) => {
                let body = (self.endpoint.redact)(&String::from_utf8_lossy(&answer.body));
                format!("{} {}", answer.status, format::sanitize(&body, BODY_CHARS))
                    .trim_end()
                    .to_owned()
            }
            Err(fault) => (self.endpoint.redact)(&format::error_chain(fault)),
        }
    }
}

/// Decides which ping is due.
#[derive(Debug, Default)]
struct PingSchedule {
    started: bool,
    /// True once lastbeat was ready.
    was_well: bool,
    /// Arrival clock: since when lastbeat is not ready; `None`: it is.
    unwell_since: Option<Mono>,
    /// True once a failure was reported, until the next success.
    reported_unwell: bool,
    /// Arrival clock: the next ping.
    due: Mono,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Start,
    Well,
    Unwell,
}

impl PingSchedule {
    fn turn(&mut self, now: Mono, ready: bool) -> Option<Due> {
        if !self.started {
            self.started = true;
            self.due = now;
            return Some(Due::Start);
        }
        let turn = if ready {
            self.was_well = true;
            self.unwell_since = None;
            (self.reported_unwell || now >= self.due).then_some(Due::Well)
        } else {
            let patience = if self.was_well {
                UNWELL_FOR
            } else {
                START_WITHIN
            };
            let since = *self.unwell_since.get_or_insert(now);
            let lasts = now.since(since) >= patience;
            (lasts && (!self.reported_unwell || now >= self.due)).then_some(Due::Unwell)
        };
        if let Some(turn) = turn {
            self.reported_unwell = turn == Due::Unwell;
            self.due = now + EVERY;
        }
        turn
    }
}

#[cfg(test)]
mod tests;
