//! Reports of lastbeat's own panics and errors to Sentry, apart from alerts.
//!
//! They are caught by a panic hook and by a layer of the log, wait in a short queue, and leave on a thread with a
//! runtime of its own: a core that panicked, a main thread that hangs and a notifier that is stuck keep none of them.
//! Errors in the log about this delivery, about the delivery of notices, and alerts are not reported: nothing here can
//! feed on itself. Nothing is retried.

pub mod error_layer;
mod rate_limit;

use super::redact::Redactor;
use crate::clock::{self, Clock};
use crate::core::time::{Mono, Wall};
use crate::format;
use crate::io::http_client::HttpSend;
use crate::io::notifier::Notifier;
use crate::io::sentry::Sentry;
use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use rate_limit::RateLimiter;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Limit of pending reports: more at once are one fault seen from many places.
const WAITING: usize = 32;
/// Limit of a report's text, in characters.
const TEXT_CHARS: usize = 2_000;
/// Time limits for sending reports at the end of the program: after a panic, and after an ordinary end.
const FLUSH_AFTER_PANIC: Duration = Duration::from_secs(2);
const FLUSH_WITHIN: Duration = Duration::from_millis(300);
/// Log target of panics and of failed reports, which are not reported themselves.
const TARGET: &str = "lastbeat::app::self_report";

/// One report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelfReport {
    /// `panic` or `error`.
    pub kind: &'static str,
    /// Its text, without secrets.
    pub text: String,
    /// Its location in the source, by which Sentry groups it.
    pub place: String,
    /// Wall clock: its time.
    pub at: Wall,
}

/// A message to the thread.
enum Message {
    Fault(SelfReport),
    /// Answered once all earlier reports are sent.
    Flush(SyncSender<()>),
}

/// Accepts reports; the log and the panic hook have clones. It never blocks and never fails.
#[derive(Clone)]
pub struct SelfReporter(Arc<Inner>);

struct Inner {
    redactor: Redactor,
    clock: Clock,
    /// `None`: nothing is sent, and panics are logged all the same.
    messages: Option<SyncSender<Message>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    rate_limiter: RateLimiter,
    panicked: bool,
}

impl SelfReporter {
    /// A reporter that sends nothing.
    pub fn mute(redactor: Redactor) -> Self {
        Self::over(redactor, None)
    }

    /// A reporter, and its pending reports, for the thread that sends them.
    pub fn new(redactor: Redactor) -> (Self, PendingReports) {
        let (to, messages) = mpsc::sync_channel(WAITING);
        (Self::over(redactor, Some(to)), PendingReports(messages))
    }

    fn over(redactor: Redactor, messages: Option<SyncSender<Message>>) -> Self {
        SelfReporter(Arc::new(Inner {
            redactor,
            clock: Clock::start(),
            messages,
            state: Mutex::default(),
        }))
    }

    /// Queues a report, unless the rate limit suppresses it. If the queue is full it is dropped; it is in the log.
    pub fn take(&self, kind: &'static str, text: &str, place: &str) {
        self.take_at(kind, text, place, self.0.clock.mono());
    }

    fn take_at(&self, kind: &'static str, text: &str, place: &str, now: Mono) {
        let Some(messages) = &self.0.messages else {
            return;
        };
        let left_out = {
            let mut state = self.state();
            state.panicked |= kind == "panic";
            state.rate_limiter.pass(place, now)
        };
        let Some(left_out) = left_out else {
            return;
        };
        let mut text = format::sanitize(&self.0.redactor.redact(text), TEXT_CHARS);
        if left_out > 0 {
            text.push_str(&format!(
                " ({left_out} earlier reports of this location were suppressed)"
            ));
        }
        let fault = SelfReport {
            kind,
            text,
            place: place.to_owned(),
            at: clock::wall(),
        };
        // Full, or its thread is gone; the fault is in the log.
        let _ = messages.try_send(Message::Fault(fault));
    }

    /// Logs and reports a panic, without secrets.
    pub fn panicked(&self, info: &PanicHookInfo<'_>) {
        let text = self.0.redactor.redact(said(info));
        let place = info.location().map_or_else(
            || "an unknown location".to_owned(),
            |at| format!("{}:{}", at.file(), at.line()),
        );
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("unnamed");
        let trace = Backtrace::capture();
        let trace = match trace.status() {
            BacktraceStatus::Captured => format!("\n{trace}"),
            _ => String::new(),
        };
        tracing::error!(target: TARGET, place, thread, "lastbeat panicked: {text}{trace}");
        self.take("panic", &format!("thread {thread}: {text}"), &place);
    }

    /// Replaces the standard panic hook.
    pub fn hook_panics(&self) {
        let reporter = self.clone();
        std::panic::set_hook(Box::new(move |info| reporter.panicked(info)));
    }

    /// Waits until pending reports are sent, for a bounded time: two seconds after a panic, else 0.3.
    pub fn flush(&self) {
        let Some(messages) = &self.0.messages else {
            return;
        };
        let within = if self.state().panicked {
            FLUSH_AFTER_PANIC
        } else {
            FLUSH_WITHIN
        };
        let (done, is_done) = mpsc::sync_channel(1);
        if messages.try_send(Message::Flush(done)).is_ok() {
            // Late, or its thread is gone: the log has what is lost.
            let _ = is_done.recv_timeout(within);
        }
    }

    /// Flushes when it is dropped, a panic of this thread included.
    pub fn flush_on_drop(&self) -> FlushOnDrop {
        FlushOnDrop(self.clone())
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // A panic while it was locked left it valid: it holds numbers.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The text of a panic; lastbeat's own always have one.
fn said<'a>(info: &'a PanicHookInfo<'_>) -> &'a str {
    let payload = info.payload();
    let owned = || payload.downcast_ref::<String>().map(String::as_str);
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(owned)
        .unwrap_or("(no text)")
}

/// Flushes when it is dropped.
pub struct FlushOnDrop(SelfReporter);

impl Drop for FlushOnDrop {
    fn drop(&mut self) {
        self.0.flush();
    }
}

/// Reports that no thread sends yet.
pub struct PendingReports(Receiver<Message>);

impl PendingReports {
    /// Starts the thread that sends them, as long as the reporter lives. `http_send` is called within the thread's
    /// own runtime.
    ///
    /// # Errors
    /// Where no thread or runtime can be had.
    pub fn tell(
        self,
        sentry: Sentry,
        http_send: impl FnOnce() -> HttpSend + Send + 'static,
    ) -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let body = move || runtime.block_on(async { tell(&self.0, &sentry, &http_send()).await });
        let thread = std::thread::Builder::new().name("self report".to_owned());
        thread.spawn(body).map(drop)
    }
}

/// Interval in which the runtime runs without a report, to close idle connections.
const TURN_EVERY: Duration = Duration::from_secs(30);

async fn tell(messages: &Receiver<Message>, sentry: &Sentry, http_send: &HttpSend) {
    loop {
        // This thread has nothing else to do, so it may block.
        match messages.recv_timeout(TURN_EVERY) {
            Ok(Message::Fault(fault)) => deliver(&fault, sentry, http_send).await,
            // The receiver may have given up.
            Ok(Message::Flush(done)) => drop(done.try_send(())),
            Err(RecvTimeoutError::Timeout) => tokio::task::yield_now().await,
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

async fn deliver(fault: &SelfReport, sentry: &Sentry, http_send: &HttpSend) {
    let body: Bytes = sentry.self_report(fault.kind, &fault.text, &fault.place, fault.at);
    let request: Request<Full<Bytes>> = sentry.request(body);
    match http_send(request).await {
        Ok(answer) if answer.status.is_success() => {}
        Ok(answer) => {
            let said = sentry.redact(&String::from_utf8_lossy(&answer.body));
            let said = format::sanitize(&said, 200);
            tracing::warn!(target: TARGET, "Sentry rejected a report of lastbeat's own error: {} {said}", answer.status);
        }
        Err(why) => {
            tracing::warn!(target: TARGET, "a report of lastbeat's own error was not sent to Sentry: {}", format::error_chain(&why));
        }
    }
}

#[cfg(test)]
mod tests;
