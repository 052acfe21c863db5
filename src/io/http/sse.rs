//! Server-sent events in chunks of many: one write for all entries that wait, of which each is one string that all readers
//! share.
//!
//! `/api/v1/events` uses [`axum::response::Sse`], which makes a body frame and a buffer of each event. That suits an event
//! a second, and not a hundred readers of 20,000 entries a second: those get [`stream`].

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::sse::KeepAlive;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use std::convert::Infallible;
use std::time::Duration;

/// Pause after which a sign of life is sent: a client may give up a connection that is silent for 30 seconds, and proxies
/// cut idle ones off after a minute.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(15);
/// The sign of life: a comment, which no client shows.
const KEEP_ALIVE: &str = "alive";
/// Bytes from which on a chunk is sent.
pub(super) const CHUNK_BYTES: usize = 32 * 1024;

/// Marks a response that goes on until its reader leaves, for the write timeout and the connection limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct LongLived;

/// The keep-alive of an [`axum::response::Sse`].
pub(super) fn keep_alive() -> KeepAlive {
    KeepAlive::new().interval(KEEP_ALIVE_EVERY).text(KEEP_ALIVE)
}

/// A response of these chunks, and of signs of life while none comes.
pub(super) fn stream(chunks: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let alive = stream::unfold(Box::pin(chunks), async |mut chunks| {
        // A timeout drops only the wait: the stream of chunks stands where it stood.
        let next = tokio::time::timeout(KEEP_ALIVE_EVERY, chunks.next()).await;
        let chunk = next.unwrap_or_else(|_| Some(format!(": {KEEP_ALIVE}\n\n").into()))?;
        Some((Ok::<_, Infallible>(chunk), chunks))
    });
    long_lived(Body::from_stream(alive))
}

/// The headers of a stream.
pub(super) fn long_lived(body: impl IntoResponse) -> Response {
    let mut response = body.into_response();
    response.extensions_mut().insert(LongLived);
    let headers = [
        (CONTENT_TYPE.as_str(), "text/event-stream; charset=utf-8"),
        (CACHE_CONTROL.as_str(), "no-store"),
        // nginx would hold events back until its buffer is full.
        ("x-accel-buffering", "no"),
    ];
    (headers, response).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[tokio::test(start_paused = true)]
    async fn a_quiet_stream_shows_signs_of_life_and_loses_nothing_by_them() {
        let chunks = stream::unfold(0_u64, async |number| {
            tokio::time::sleep(Duration::from_secs(20)).await;
            (number < 2).then(|| (Bytes::from(format!("data: {number}\n\n")), number + 1))
        });
        let body = super::stream(chunks).into_body();
        let whole = body.collect().await.expect("it never fails").to_bytes();
        let alive = ": alive\n\n";
        let expected = format!("{alive}data: 0\n\n{alive}data: 1\n\n{alive}");
        assert_eq!(whole, expected.as_bytes());
    }
}
