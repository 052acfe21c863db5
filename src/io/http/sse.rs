//! Server-sent events: answers that go on, each reader's own stream of chunks with a sign of life in between.

use super::pieces::Pieces;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use http_body_util::{Either, Full, StreamBody};
use hyper::Response;
use hyper::body::Frame;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use std::convert::Infallible;
use std::time::Duration;

/// A reader that hears nothing for longer may take the connection for dead; proxies cut idle ones off after a minute.
const ALIVE_EVERY: Duration = Duration::from_secs(15);
/// The sign of life: a comment, which no client shows.
const ALIVE: Bytes = Bytes::from_static(b": alive\n\n");
/// Bytes of a chunk from which on it is sent as it is: one write for many events, and not much for a stream that many share.
pub(super) const CHUNK_BYTES: usize = 32 * 1024;

/// The body of any answer: whole, or a stream without an end.
pub(super) type Body = Either<Whole, StreamBody<BoxStream<'static, Chunk>>>;
/// The body of an answer that is known from begin to end, short or long.
pub(super) type Whole = Either<Full<Bytes>, Pieces>;
type Chunk = Result<Frame<Bytes>, Infallible>;

/// An answer of these chunks, and of signs of life while none comes. An empty chunk is left out.
pub(super) fn answer(chunks: impl Stream<Item = Bytes> + Send + 'static) -> Response<Body> {
    let chunks = Box::pin(chunks);
    let alive = stream::unfold(chunks, async |mut chunks| {
        // A timeout drops only the wait: the stream of chunks stands where it stood.
        let next = tokio::time::timeout(ALIVE_EVERY, chunks.next()).await;
        let chunk = next.unwrap_or(Some(ALIVE))?;
        Some((Ok(Frame::data(chunk)), chunks))
    });
    head(Either::Right(StreamBody::new(alive.boxed())))
}

/// The same answer's head alone.
pub(super) fn empty() -> Response<Body> {
    head(whole(Full::default()))
}

/// The body of a short answer.
pub(super) fn whole(body: Full<Bytes>) -> Body {
    Either::Left(Either::Left(body))
}

fn head(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    let mut insert =
        |name: HeaderName, value| headers.insert(name, HeaderValue::from_static(value));
    insert(CONTENT_TYPE, "text/event-stream; charset=utf-8");
    insert(CACHE_CONTROL, "no-store");
    insert(X_CONTENT_TYPE_OPTIONS, "nosniff");
    // nginx would keep events back until its buffer is full.
    insert(HeaderName::from_static("x-accel-buffering"), "no");
    response
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
        let body = answer(chunks).into_body();
        let whole = body.collect().await.expect("it never fails").to_bytes();
        let alive = ": alive\n\n";
        let expected = format!("{alive}data: 0\n\n{alive}data: 1\n\n{alive}");
        assert_eq!(whole, expected.as_bytes());
    }
}
