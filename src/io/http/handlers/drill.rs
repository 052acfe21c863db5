//! `/api/v1/drill`.

use crate::io::http::dto::Error;
use crate::io::http::dto::drill::{Drill, DrillRequest, Drilled};
use crate::io::http::error::ApiError;
use crate::io::http::extract::JsonBody;
use crate::io::http::response::Json;
use crate::io::http::state::AppState;
use axum::extract::State;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Open and close one test incident through every notifier
///
/// One drill runs at a time. It takes a minute at most, and ends also where the client closes the connection.
#[utoipa::path(
    post,
    path = "/api/v1/drill",
    operation_id = "drill",
    tag = "change",
    request_body(content = DrillRequest, example = json!({})),
    responses(
        (status = 200, description = "The answers of each notifier.", body = Drill),
        (status = 409, description = "A drill is running, or there is no notifier.", body = Error),
    ),
)]
pub(in crate::io::http) async fn run(
    State(state): State<Arc<AppState>>,
    JsonBody(body): JsonBody,
) -> Result<Json<Drill>, ApiError> {
    read(&body).map_err(ApiError::Invalid)?;
    let runs = Arc::clone(&state.drill_runs);
    let rows = exclusive(runs, || state.backend.drill()).await;
    match rows.ok_or(ApiError::DrillRuns)? {
        rows if rows.is_empty() => Err(ApiError::NoNotifier),
        rows => Ok(Json(Drill::from(&*rows))),
    }
}

/// Reads the body of a request: nothing, or `{}`. A setting that would be ignored is refused.
fn read(body: &[u8]) -> Result<(), Vec<String>> {
    if body.is_empty() {
        return Ok(());
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) if object.is_empty() => Ok(()),
        Ok(_) => Err(vec!["a drill has no settings: send {}".to_owned()]),
        Err(fault) => Err(vec![format!("invalid JSON: {fault}; send {{}}")]),
    }
}

/// Clears the flag when a drill ends, and when it panics.
struct Running(Arc<AtomicBool>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Runs a drill to its end, also where the client has gone: what was opened is closed. `None` where one is running.
async fn exclusive<F>(runs: Arc<AtomicBool>, drill: impl FnOnce() -> F) -> Option<Vec<Drilled>>
where
    F: Future<Output = Vec<Drilled>> + Send + 'static,
{
    if runs.swap(true, Ordering::Acquire) {
        return None;
    }
    let running = Running(runs);
    let drill = drill();
    let task = tokio::spawn(async move {
        let _running = running;
        drill.await
    });
    // A drill that panicked has no answers; the panic hook has logged it.
    Some(task.await.unwrap_or_default())
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
        let runs = Arc::new(AtomicBool::new(false));
        let drill = || {
            let (mut gone, ends) = (gone.clone(), Arc::clone(&ended));
            async move {
                let _ = gone.wait_for(|go| *go).await;
                ends.store(true, Ordering::Release);
                Vec::new()
            }
        };
        let run = || exclusive(Arc::clone(&runs), drill);
        let first = run().now_or_never();
        assert!(first.is_none(), "it waits, and its asker goes");
        assert_eq!(run().await, None, "another is under way");
        go.send_replace(true);
        while runs.load(Ordering::Acquire) {
            tokio::task::yield_now().await;
        }
        assert!(ended.load(Ordering::Acquire));
        assert_eq!(run().await, Some(Vec::new()));
    }
}
