//! The HTTP listener: `/metrics`, `/healthz`, `/readyz` and a short page, open to all; `/api/` for those who may.
//!
//! It must never cost the monitor anything. So connections are counted, each has little time to say what it
//! wants and to take the answer, and what takes milliseconds to make is made off the runtime's thread. Answers that go on
//! are read from rings, at each reader's own pace.

mod access;
pub mod api;
mod apps;
mod body;
pub mod drill;
pub mod events;
mod gzip;
pub mod incidents;
mod instances;
pub mod logs;
mod openapi;
mod page;
mod patience;
mod pieces;
pub mod readiness;
mod ring;
mod routes;
mod seats;
mod silences;
pub mod site;
mod sse;
pub mod status;
mod tag;
mod tries;

pub use readiness::{Readiness, Reason};
pub use site::Site;

use http_body_util::Either;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use patience::Patience;
use seats::{Seat, Seats};
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

/// Time to send a whole request head; since it runs from the answer before, also the time that a connection may
/// be kept alive idle. No scraper waits for less between two scrapes without opening a new connection.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// Bytes of a connection's read buffer and so of a request's head: no request here needs a tenth of it.
const HEAD_BYTES: usize = 16 * 1024;
/// Headers in a request.
const HEADERS: usize = 64;
/// A peer that takes nothing of its answer for this long is gone, or means harm.
const TAKE_WITHIN: Duration = Duration::from_secs(10);
/// Who looks on may look away for this long: a terminal that was paused is told what it lost, and goes on.
const LOOK_WITHIN: Duration = Duration::from_secs(60);
/// Time for open requests to finish at stop; what answers here takes milliseconds.
const STOP_WITHIN: Duration = Duration::from_millis(500);
/// Pause after a failed accept: it is mostly out of files, which only time mends.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Accepts that fail in a row before the listener counts as dead: 10 seconds of them.
const ACCEPT_FAULTS: u32 = 100;

/// Answers to whom nothing speaks for.
const REFUSED: [StatusCode; 3] = [
    StatusCode::UNAUTHORIZED,
    StatusCode::FORBIDDEN,
    StatusCode::TOO_MANY_REQUESTS,
];

/// Why the listener ended.
#[derive(Debug, thiserror::Error)]
pub enum HttpFault {
    /// It takes no connections any more.
    #[error("the HTTP listener failed {ACCEPT_FAULTS} times in a row to take a connection")]
    Accept(#[source] io::Error),
}

/// Serves until `stop` is done, then lets open requests finish for half a second.
///
/// # Errors
/// [`HttpFault::Accept`] where the listener itself is broken. What a client does never ends it.
pub async fn serve(
    listener: TcpListener,
    site: Arc<Site>,
    stop: impl Future<Output = ()>,
) -> Result<(), HttpFault> {
    let mut stop = pin!(stop);
    let seats = Arc::new(Seats::default());
    let feeding = Arc::clone(&site);
    let mut feeding = pin!(async move { feeding.live().await });
    let (closing, _) = watch::channel(());
    let mut open = JoinSet::new();
    let mut faults = 0;
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(ended) = open.join_next() => report(ended),
            never = &mut feeding => match never {},
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    faults = 0;
                    // Where everybody else has better reasons to stay, this one goes.
                    let Some(seat) = seats.take(peer.ip()) else {
                        tracing::debug!("no room for one more HTTP connection");
                        continue;
                    };
                    // Events are small and soon: they must not wait until the one before is acknowledged.
                    if let Err(fault) = stream.set_nodelay(true) {
                        tracing::debug!(%fault, "a connection waits for acknowledgements");
                    }
                    let site = Arc::clone(&site);
                    open.spawn(converse(stream, peer.ip(), seat, site, closing.subscribe()));
                }
                Err(fault) if faults >= ACCEPT_FAULTS => return Err(HttpFault::Accept(fault)),
                Err(fault) => {
                    faults += 1;
                    if faults == 1 {
                        tracing::warn!(%fault, "the HTTP listener cannot take a connection; trying on");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    drop(closing);
    site.end_live();
    let drained = async { while open.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_WITHIN, drained).await.is_err() {
        tracing::debug!("HTTP connections cut off at stop");
    }
    Ok(())
}

/// A connection that panicked is a fault of ours; the listener goes on.
fn report(ended: Result<(), JoinError>) {
    if let Err(fault) = ended {
        tracing::error!(%fault, "an HTTP connection's task died");
    }
}

/// Answers one connection's requests until either side ends it or the listener closes.
async fn converse<S>(
    stream: S,
    peer: IpAddr,
    seat: Seat,
    site: Arc<Site>,
    mut closing: watch::Receiver<()>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let goes_on = Arc::new(AtomicBool::new(false));
    let patience = Patience::new(stream, TAKE_WITHIN).longer(LOOK_WITHIN, Arc::clone(&goes_on));
    let stream = TokioIo::new(patience);
    let service = service_fn(|request: Request<Incoming>| async {
        seat.begin();
        // Below this path nothing is told to whoever may not see it, but that.
        let asks = request.uri().path().starts_with("/api/");
        let answer = site.answer(request, peer).await;
        let known = asks && !REFUSED.contains(&answer.status());
        let streams = matches!(answer.body(), Either::Right(_));
        goes_on.store(streams, Ordering::Relaxed);
        seat.answered(known, streams);
        Ok::<_, Infallible>(answer)
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WITHIN)
            .max_buf_size(HEAD_BYTES)
            .max_headers(HEADERS)
            .serve_connection(stream, service)
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = seat.lost() => return,
        // The sender says nothing: it is dropped when the listener closes.
        _ = closing.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(fault) = ended {
        tracing::debug!(%fault, "an HTTP connection broke off");
    }
}

#[cfg(test)]
mod tests;
