//! One try: every request of it at once, and what came of them together.

use crate::format;
use crate::io::http_client::{Answer, RequestFault};
use crate::io::http_client::{HttpSend, ResponseTimeout};
use crate::io::notifier::{Notifier, Outcome};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http_body_util::Full;
use hyper::{Request, StatusCode};
use std::sync::Arc;
use std::time::Duration;

/// Time for the other peers after one has accepted: one that hangs must not delay the next notice.
const OTHERS_WITHIN: Duration = Duration::from_secs(2);
/// Characters of an answer's body in the log.
const BODY_CHARS: usize = 500;

/// The result of an attempt.
pub(super) struct AttemptResult {
    /// Of all requests together: the best.
    pub(super) outcome: Outcome,
    /// The peer's Retry-After: a wait for this delivery.
    pub(super) pause: Option<Duration>,
    /// A wait that the peer asks for any delivery.
    pub(super) holds_all: Option<Duration>,
    /// The answer's status; `None`: no peer answered.
    pub(super) status: Option<StatusCode>,
    /// The peer's answer or the error, for the log, without secrets.
    pub(super) said: String,
    /// Answers of peers that refused what another accepted.
    pub(super) missed: Vec<String>,
}

impl AttemptResult {
    /// Nothing had to be sent.
    pub(super) fn nothing() -> Self {
        AttemptResult {
            outcome: Outcome::Delivered,
            pause: None,
            holds_all: None,
            status: None,
            said: String::new(),
            missed: Vec::new(),
        }
    }
}

/// Sends all requests; done once each is answered, or one is accepted and the others had [`OTHERS_WITHIN`].
pub(super) async fn send(
    notifier: Arc<dyn Notifier>,
    http_send: HttpSend,
    requests: Vec<Request<Full<Bytes>>>,
    failed: u32,
) -> AttemptResult {
    let within = ResponseTimeout(notifier.timeout());
    let mut sent: FuturesUnordered<_> = requests
        .into_iter()
        .map(|mut request| {
            request.extensions_mut().insert(within);
            http_send(request)
        })
        .collect();
    let mut waiting = sent.len();
    let mut best: Option<AttemptResult> = None;
    while waiting > 0 {
        let taken = best
            .as_ref()
            .is_some_and(|one| one.outcome == Outcome::Delivered);
        let next = if taken {
            tokio::time::timeout(OTHERS_WITHIN, sent.next()).await
        } else {
            Ok(sent.next().await)
        };
        let one = match next {
            Ok(Some(result)) => read(notifier.as_ref(), &result, failed),
            Ok(None) => break,
            Err(_) => {
                let late = format!("no answer from {waiting} more within {OTHERS_WITHIN:?}");
                best.iter_mut()
                    .for_each(|one| one.missed.push(late.clone()));
                break;
            }
        };
        waiting -= 1;
        best = Some(match best {
            None => one,
            Some(before) => better(before, one),
        });
    }
    best.unwrap_or_else(AttemptResult::nothing)
}

/// The better of two results: delivered, then retried, then rejected; with the other's answer if it has one.
fn better(a: AttemptResult, b: AttemptResult) -> AttemptResult {
    let rank = |one: &AttemptResult| match one.outcome {
        Outcome::Delivered => 0,
        Outcome::Retried => 1,
        Outcome::Rejected | Outcome::GivenUp => 2,
    };
    let (mut best, other) = if rank(&a) <= rank(&b) { (a, b) } else { (b, a) };
    if other.outcome != Outcome::Delivered {
        best.missed.push(other.said);
    }
    best.missed.extend(other.missed);
    best.pause = best.pause.max(other.pause);
    best.holds_all = best.holds_all.max(other.holds_all);
    best
}

fn read(
    notifier: &dyn Notifier,
    result: &Result<Answer, RequestFault>,
    failed: u32,
) -> AttemptResult {
    match result {
        Ok(answer) => AttemptResult {
            outcome: notifier.outcome(answer, failed),
            pause: answer.retry_after,
            holds_all: notifier.holds_all(answer),
            status: Some(answer.status),
            said: said(notifier, answer),
            missed: Vec::new(),
        },
        Err(fault) => AttemptResult {
            outcome: Outcome::Retried,
            pause: None,
            holds_all: None,
            status: None,
            said: notifier.redact(&format::error_chain(fault)),
            missed: Vec::new(),
        },
    }
}

/// The peer's answer, for the log. Servers repeat what they were sent: secrets are redacted.
pub(super) fn said(notifier: &dyn Notifier, answer: &Answer) -> String {
    let body = notifier.redact(&String::from_utf8_lossy(&answer.body));
    let body = format::sanitize(&body, BODY_CHARS);
    let to = answer.location.as_deref().map(|to| {
        let to = format::sanitize(&notifier.redact(to), BODY_CHARS);
        format!("(redirects to {to}, which is not followed: set the final address) ")
    });
    let to = to.unwrap_or_default();
    format!("{} {to}{body}", answer.status)
        .trim_end()
        .to_owned()
}
