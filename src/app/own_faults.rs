//! lastbeat's own panics and errors, told to Sentry apart from alerts.
//!
//! They are caught by a panic hook and by a layer of the log, wait in a short queue, and leave on a thread with a
//! runtime of its own: a core that panicked, a main thread that hangs and a notifier that is stuck keep none of them.
//! What delivering them says in the log is not caught, nor what delivering notices says, nor alerts: nothing here can
//! feed on itself. Nothing is tried twice.

mod gate;
mod layer;

pub use layer::Catch;

use super::delivery::Carry;
use super::mask::Mask;
use crate::clock::{self, Clock};
use crate::core::time::{Mono, Wall};
use crate::format;
use crate::io::sentry::Sentry;
use bytes::Bytes;
use gate::Gate;
use http_body_util::Full;
use hyper::Request;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Faults that may wait: more at once are one fault seen from many places.
const WAITING: usize = 32;
/// Characters of a fault's text.
const TEXT_CHARS: usize = 2_000;
/// How long the end of the program waits for reports after a panic, and after an ordinary end.
const FLUSH_AFTER_PANIC: Duration = Duration::from_secs(2);
const FLUSH_WITHIN: Duration = Duration::from_millis(300);
/// Where a panic's line in the log comes from; never caught again.
const TARGET: &str = "lastbeat::app::own_faults";

/// One fault of our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnFault {
    /// `panic` or `error`.
    pub kind: &'static str,
    /// What happened, without secrets.
    pub text: String,
    /// Where in the source, which is what groups it.
    pub place: String,
    /// Wall clock: when.
    pub at: Wall,
}

/// What waits for the thread.
enum Parcel {
    Fault(OwnFault),
    /// Answered once all before it is done with.
    Flush(SyncSender<()>),
}

/// Catches faults: hand clones of it to the log and to the panic hook. It never blocks and never fails.
#[derive(Clone)]
pub struct Catcher(Arc<Inner>);

struct Inner {
    mask: Mask,
    clock: Clock,
    /// `None`: nobody is told, and panics are logged all the same.
    parcels: Option<SyncSender<Parcel>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    gate: Gate,
    panicked: bool,
}

impl Catcher {
    /// One that tells nobody.
    pub fn mute(mask: Mask) -> Self {
        Self::over(mask, None)
    }

    /// One whose faults the sender takes.
    pub fn new(mask: Mask) -> (Self, Waiting) {
        let (to, parcels) = mpsc::sync_channel(WAITING);
        (Self::over(mask, Some(to)), Waiting(parcels))
    }

    fn over(mask: Mask, parcels: Option<SyncSender<Parcel>>) -> Self {
        Catcher(Arc::new(Inner {
            mask,
            clock: Clock::start(),
            parcels,
            state: Mutex::default(),
        }))
    }

    /// Takes a fault in, unless its place has had its turn. Where the queue is full it is lost: the log has it.
    pub fn take(&self, kind: &'static str, text: &str, place: &str) {
        self.take_at(kind, text, place, self.0.clock.mono());
    }

    fn take_at(&self, kind: &'static str, text: &str, place: &str, now: Mono) {
        let Some(parcels) = &self.0.parcels else {
            return;
        };
        let left_out = {
            let mut state = self.state();
            state.panicked |= kind == "panic";
            state.gate.pass(place, now)
        };
        let Some(left_out) = left_out else {
            return;
        };
        let mut text = format::sanitize(&self.0.mask.hide(text), TEXT_CHARS);
        if left_out > 0 {
            text.push_str(&format!(
                " ({left_out} more of this place were left out before)"
            ));
        }
        let fault = OwnFault {
            kind,
            text,
            place: place.to_owned(),
            at: clock::wall(),
        };
        // Full, or its thread is gone: the log has it.
        let _ = parcels.try_send(Parcel::Fault(fault));
    }

    /// A panic: into the log, without secrets, and to whoever is told.
    pub fn panicked(&self, info: &PanicHookInfo<'_>) {
        let text = self.0.mask.hide(said(info));
        let place = info.location().map_or_else(
            || "an unknown place".to_owned(),
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

    /// Takes the place of the standard panic hook.
    pub fn hook_panics(&self) {
        let catcher = self.clone();
        std::panic::set_hook(Box::new(move |info| catcher.panicked(info)));
    }

    /// Waits until what was taken in is told, for a bounded time: two seconds after a panic, else 0.3.
    pub fn flush(&self) {
        let Some(parcels) = &self.0.parcels else {
            return;
        };
        let within = if self.state().panicked {
            FLUSH_AFTER_PANIC
        } else {
            FLUSH_WITHIN
        };
        let (done, is_done) = mpsc::sync_channel(1);
        if parcels.try_send(Parcel::Flush(done)).is_ok() {
            // Late, or its thread is gone: the log has what is lost.
            let _ = is_done.recv_timeout(within);
        }
    }

    /// Flushes when it is dropped, a panic of this thread included.
    pub fn flush_on_drop(&self) -> FlushOnDrop {
        FlushOnDrop(self.clone())
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // Whoever panicked while holding it left it whole: it holds numbers.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a panic says; panics with anything but a text are not ours.
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
pub struct FlushOnDrop(Catcher);

impl Drop for FlushOnDrop {
    fn drop(&mut self) {
        self.0.flush();
    }
}

/// Faults that nobody tells yet.
pub struct Waiting(Receiver<Parcel>);

impl Waiting {
    /// Starts the thread that tells them, as long as the catcher lives. `carry` makes its carrier within the thread's
    /// own runtime.
    ///
    /// # Errors
    /// Where no thread or runtime can be had.
    pub fn tell(
        self,
        sentry: Sentry,
        carry: impl FnOnce() -> Carry + Send + 'static,
    ) -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let body = move || runtime.block_on(async { tell(&self.0, &sentry, &carry()).await });
        let thread = std::thread::Builder::new().name("own faults".to_owned());
        thread.spawn(body).map(drop)
    }
}

/// How long the thread waits for a fault before it lets its runtime turn, so that idle connections are closed.
const TURN_EVERY: Duration = Duration::from_secs(30);

async fn tell(parcels: &Receiver<Parcel>, sentry: &Sentry, carry: &Carry) {
    loop {
        // This thread has nothing else to do: waiting here blocks nobody.
        match parcels.recv_timeout(TURN_EVERY) {
            Ok(Parcel::Fault(fault)) => deliver(&fault, sentry, carry).await,
            // Whoever asked may have given up.
            Ok(Parcel::Flush(done)) => drop(done.try_send(())),
            Err(RecvTimeoutError::Timeout) => tokio::task::yield_now().await,
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

async fn deliver(fault: &OwnFault, sentry: &Sentry, carry: &Carry) {
    let body: Bytes = sentry.own_fault(fault.kind, &fault.text, &fault.place, fault.at);
    let request: Request<Full<Bytes>> = sentry.request(body);
    match carry(request).await {
        Ok(answer) if answer.status.is_success() => {}
        Ok(answer) => {
            let said = sentry.hide(&String::from_utf8_lossy(&answer.body));
            let said = format::sanitize(&said, 200);
            tracing::warn!(target: TARGET, "Sentry does not take a fault of our own: {} {said}", answer.status);
        }
        Err(why) => {
            tracing::warn!(target: TARGET, "a fault of our own is not told to Sentry: {}", format::error_chain(&why));
        }
    }
}

#[cfg(test)]
mod tests;
