//! The drill: one marked test incident, opened and closed through every notifier, with what each answered.
//!
//! It is rendered and sent as every notice, but not queued: one attempt, at once.

use crate::clock::NowFn;
use crate::core::notice::{Alarm, CloseReason, IncidentId, Notice, NoticeKind, Scope, TargetName};
use crate::core::rule::Severity;
use crate::core::time::Now;
use crate::format;
use crate::io::http::dto::drill::{Drilled, Told};
use crate::io::http_client::{Answer, RequestFault};
use crate::io::http_client::{HttpSend, ResponseTimeout};
use crate::io::notifier::{Notifier, Outcome, RenderedNotice};
use futures_util::future::join_all;
use std::sync::Arc;
use std::time::Duration;

/// The rule's name on the drill's notices.
const RULE: &str = "drill";
/// Characters of an answer's body that are shown.
const BODY_CHARS: usize = 200;

/// Sends all of them a test incident and then its end; each gets the end only if it accepted the beginning. All at
/// once: one that hangs delays no other.
pub async fn drill(
    notifiers: &[Arc<dyn Notifier>],
    http_send: &HttpSend,
    now: &NowFn,
) -> Vec<Drilled> {
    let began = now();
    // As every incident's: milliseconds since the epoch, with room below.
    let incident = IncidentId((began.wall.nanos() / 1_000_000) << 8);
    let each = notifiers
        .iter()
        .map(|notifier| one(notifier.as_ref(), http_send, now, incident, began));
    join_all(each).await
}

async fn one(
    notifier: &dyn Notifier,
    http_send: &HttpSend,
    now: &NowFn,
    incident: IncidentId,
    began: Now,
) -> Drilled {
    let tell = async |kind| {
        tell(
            notifier,
            http_send,
            now,
            &notice(incident, kind, began, now()),
        )
        .await
    };
    let opened = tell(NoticeKind::Opened).await;
    let closed = if opened.taken {
        Some(tell(NoticeKind::Closed(CloseReason::Resolved)).await)
    } else {
        None
    };
    Drilled {
        notifier: notifier.name().to_owned(),
        opened,
        closed,
    }
}

async fn tell(notifier: &dyn Notifier, http_send: &HttpSend, now: &NowFn, notice: &Notice) -> Told {
    let before = now();
    let rendered = RenderedNotice {
        incident: notice.incident,
        kind: notice.kind,
        severity: notice.severity,
        body: notifier.render(notice),
        due_at: notice.due,
        queued_at: notice.decided,
    };
    let mut requests = notifier.requests(&rendered, before.wall);
    for request in &mut requests {
        request
            .extensions_mut()
            .insert(ResponseTimeout(notifier.timeout()));
    }
    let answers = join_all(requests.into_iter().map(|request| http_send(request))).await;
    // With several peers, one that accepts it is enough.
    let taken = answers.is_empty() || answers.iter().any(|answer| is_taken(notifier, answer));
    let said: Vec<String> = answers
        .iter()
        .map(|answer| said(notifier, answer))
        .collect();
    Told {
        taken,
        said: if said.is_empty() {
            "nothing to send".to_owned()
        } else {
            said.join("; ")
        },
        took: now().mono.since(before.mono),
    }
}

fn is_taken(notifier: &dyn Notifier, answer: &Result<Answer, RequestFault>) -> bool {
    matches!(answer, Ok(answer) if notifier.outcome(answer, 0) == Outcome::Delivered)
}

/// The status; if it was not accepted, the reason.
fn said(notifier: &dyn Notifier, result: &Result<Answer, RequestFault>) -> String {
    match result {
        Ok(answer) if is_taken(notifier, result) => answer.status.to_string(),
        Ok(answer) => {
            let body = notifier.redact(&String::from_utf8_lossy(&answer.body));
            format!("{} {}", answer.status, format::sanitize(&body, BODY_CHARS))
                .trim_end()
                .to_owned()
        }
        Err(fault) => notifier.redact(&format::error_chain(fault)),
    }
}

fn notice(incident: IncidentId, kind: NoticeKind, began: Now, now: Now) -> Notice {
    Notice {
        incident,
        kind,
        alarm: Alarm::Drill,
        scope: Scope::Stream,
        rule: RULE.to_owned(),
        notify: None,
        affected: Vec::new(),
        affected_total: 0,
        severity: Severity::Info,
        who: TargetName::default(),
        since: began.wall,
        gap: Duration::ZERO,
        listened: Duration::ZERO,
        max_gap: Duration::ZERO,
        due: began.wall,
        due_mono: began.mono,
        decided: now.wall,
        last_text: String::new(),
        last_words: Vec::new(),
        detail: "a test of lastbeat's notifiers: nothing is silent, nothing to do".to_owned(),
        summary: None,
        runbook: None,
        labels: Default::default(),
        fingerprint: String::new(),
        between: Default::default(),
        is_first: false,
        acknowledged: None,
    }
}

#[cfg(test)]
mod tests;
