//! Tells the watchdogs outside that lastbeat is well, each minute, so that its death is heard as silence.
//!
//! Each watchdog has a task of its own, which reads the readiness and delays nobody. At an ordered stop the tasks are
//! dropped and make_request nothing more: whoever starts lastbeat again within the watchdog's patience pages nobody.

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

/// How often it is said how we are; the finest that healthchecks.io and Sentry's Crons know.
const EVERY: Duration = Duration::from_secs(60);
/// How often the readiness is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Shorter spells tell nobody: a server that restarts is back by then.
const UNWELL_FOR: Duration = Duration::from_secs(15);
/// The same before lastbeat was ever well: a quiet stream may take a while to prove that it flows.
const START_WITHIN: Duration = Duration::from_secs(60);
/// Between tries of what was not taken.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_secs(4),
    longest: Duration::from_secs(30),
};
/// No wait is shorter.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
/// Failures in a row are logged at most this often.
const LOG_EVERY: Duration = Duration::from_secs(600);
/// Characters of an answer's body in the log.
const BODY_CHARS: usize = 200;

/// Makes the request that tells a word; `None` where this watchdog has no use for it.
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

/// All of them: the ping address of the settings, and Sentry's Crons where Sentry is told. `monitor` is the slug there.
///
/// # Errors
/// Why the address cannot be used, in words without it.
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
            "the watchdog at {} is pinged each minute while ready",
            watchdog.origin()
        );
        all.push(Endpoint::ping(watchdog));
    }
    if let Some(sentry) = sentry {
        info!(
            monitor,
            "Sentry's Crons at {} get a check-in each minute while ready",
            sentry.origin()
        );
        all.push(Endpoint::check_in(sentry, monitor.to_owned()));
    }
    Ok(all)
}

/// What the tasks are handed.
#[derive(Clone)]
pub struct WatchdogDeps {
    /// How we are.
    pub readiness: Arc<ArcSwap<Readiness>>,
    /// Carries the requests.
    pub http_send: HttpSend,
    /// Where they are counted.
    pub metrics: Arc<Metrics>,
    /// Reads the clocks.
    pub now: NowFn,
}

/// Tells one watchdog how we are, for ever. Drop it to stop it.
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

/// A request, and what became of it.
type PingResult = (Request<Full<Bytes>>, Result<Answer, RequestFault>);

fn idle() -> BoxFuture<'static, Option<PingResult>> {
    Box::pin(std::future::pending())
}

struct Task {
    endpoint: Endpoint,
    deps: WatchdogDeps,
    schedule: PingSchedule,
    counts: WatchdogMetrics,
    /// Tries in a row that failed.
    failed: u32,
    next_log: Mono,
}

impl Task {
    /// What is to be told now, if anything.
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

    /// Counts and logs what came of a try; after which wait it is tried again.
    fn conclude(&mut self, result: &Result<Answer, RequestFault>) -> Option<Duration> {
        let way = self.endpoint.way.label();
        if matches!(result, Ok(answer) if answer.status.is_success()) {
            self.counts.delivered.inc();
            if std::mem::take(&mut self.failed) > 0 {
                info!(way, "the watchdog takes our word again");
            }
            return None;
        }
        self.counts.failed.inc();
        self.failed += 1;
        let now = (self.deps.now)().mono;
        if self.failed == 1 || now >= self.next_log {
            self.next_log = now + LOG_EVERY;
            let tries = self.failed;
            warn!(
                way,
                tries,
                "the watchdog did not take our word: {}",
                self.said(result)
            );
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

/// When what is said.
#[derive(Debug, Default)]
struct PingSchedule {
    started: bool,
    /// Whether we were ever well.
    was_well: bool,
    /// Since when we are not.
    unwell_since: Option<Mono>,
    /// Whether it was said that we are not.
    reported_unwell: bool,
    /// When it is said next.
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
