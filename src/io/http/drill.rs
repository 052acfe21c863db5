//! `POST /api/v1/drill`: one marked test incident, opened and closed through every notifier.

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Tells every notifier of a test incident and of its end, and says what each answered.
pub type RunDrill = Arc<dyn Fn() -> BoxFuture<'static, Vec<Drilled>> + Send + Sync>;

/// What came of the drill at one notifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drilled {
    /// Its name.
    pub notifier: String,
    /// What it said to the opening notice.
    pub opened: Told,
    /// What it said to the closing one; `None` where it did not take the opening one.
    pub closed: Option<Told>,
}

impl Drilled {
    /// Whether it took both.
    pub fn is_well(&self) -> bool {
        self.opened.taken && self.closed.as_ref().is_some_and(|closed| closed.taken)
    }
}

/// What a notifier said to one notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Whether it took it.
    pub taken: bool,
    /// The status, and why it did not, without secrets.
    pub said: String,
    /// How long it took.
    pub took: Duration,
}

/// The answer: `{"well":..,"notifiers":[{"notifier","well","opened":{"taken","said","seconds"},"closed":..}]}`.
pub fn json(rows: &[Drilled]) -> Value {
    let told = |told: &Told| {
        let seconds = told.took.as_millis() as f64 / 1e3;
        json!({"taken": told.taken, "said": told.said, "seconds": seconds})
    };
    let row = |row: &Drilled| {
        json!({
            "notifier": row.notifier,
            "well": row.is_well(),
            "opened": told(&row.opened),
            "closed": row.closed.as_ref().map(told),
        })
    };
    json!({
        "well": !rows.is_empty() && rows.iter().all(Drilled::is_well),
        "notifiers": rows.iter().map(row).collect::<Vec<_>>(),
    })
}

/// Reads what a drill is asked for with: nothing, or `{}`. One day it may say more, and nobody is to believe that it does
/// already.
///
/// # Errors
/// What is wrong, a line for people.
pub(super) fn read(body: &[u8]) -> Result<(), Vec<String>> {
    if body.is_empty() {
        return Ok(());
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) if object.is_empty() => Ok(()),
        Ok(_) => Err(vec!["a drill takes no settings: send {}".to_owned()]),
        Err(fault) => Err(vec![format!("the body is no JSON: {fault}; send {{}}")]),
    }
}

/// Lets one drill at a time through.
#[derive(Clone, Default)]
pub(super) struct Turn(Arc<AtomicBool>);

/// Held by the drill that is under way.
struct Held(Arc<AtomicBool>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Turn {
    /// Runs a drill to its end, also where nobody waits for its answer any more: what was opened is closed. `None` where
    /// one is under way already.
    pub(super) async fn run(&self, drill: &RunDrill) -> Option<Vec<Drilled>> {
        if self.0.swap(true, Ordering::Acquire) {
            return None;
        }
        let held = Held(Arc::clone(&self.0));
        let running = drill();
        let task = tokio::spawn(async move {
            let rows = running.await;
            drop(held);
            rows
        });
        // It panicked, which the hook has told: nobody answered.
        Some(task.await.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn nothing_is_taken_that_would_be_ignored() {
        for (body, taken) in [
            ("", true),
            (" {} ", true),
            ("{\"a\":1}", false),
            ("[]", false),
            ("{", false),
        ] {
            assert_eq!(read(body.as_bytes()).is_ok(), taken, "{body}");
        }
    }

    #[tokio::test]
    async fn one_at_a_time_and_to_the_end_though_the_asker_has_gone() {
        let (go, gone) = tokio::sync::watch::channel(false);
        let ended = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&ended);
        let drill: RunDrill = Arc::new(move || {
            let (mut gone, ends) = (gone.clone(), Arc::clone(&ends));
            async move {
                let _ = gone.wait_for(|go| *go).await;
                ends.store(true, Ordering::Release);
                Vec::new()
            }
            .boxed()
        });
        let turn = Turn::default();
        let first = turn.run(&drill).now_or_never();
        assert!(first.is_none(), "it waits, and its asker goes");
        assert_eq!(turn.run(&drill).await, None, "another is under way");
        go.send_replace(true);
        while turn.0.load(Ordering::Acquire) {
            tokio::task::yield_now().await;
        }
        assert!(ended.load(Ordering::Acquire));
        assert_eq!(turn.run(&drill).await, Some(Vec::new()));
    }
}
