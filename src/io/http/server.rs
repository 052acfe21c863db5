//! Accepts connections, within limits: hyper bounds the time for a request's head, and the rest is bounded here.

use super::connection_limit::{ConnectionLimit, Slot};
use super::descriptors;
use super::peer::Peer;
use super::router;
use super::sse::LongLived;
use super::state::AppState;
use super::write_timeout::WriteTimeout;
use axum::Router;
use axum::http::StatusCode;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
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
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of a connection's read buffer and so of a request's head: no request here needs a tenth of it.
pub(super) const MAX_HEAD_BYTES: usize = 16 * 1024;
/// Headers in a request.
pub(super) const MAX_HEADERS: usize = 64;
/// A peer that takes nothing of its answer for this long is gone, or means harm.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// The write timeout of a stream: a terminal that was paused learns what it lost, and goes on.
const STREAM_WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// Time for open requests to finish at stop; they take milliseconds.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(500);
/// Pause after a failed accept: it mostly means that no file descriptor is free, and the one of the connection that was cut
/// off is free in a moment.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Failed accepts in a row between two lines of the log: a minute of them.
const ACCEPT_FAULTS_A_LINE: u32 = 600;

/// Connections that were cut off and may still be open.
const CUT_OFF: usize = 8;

/// Statuses of a client that did not authenticate.
const REFUSED: [StatusCode; 3] = [
    StatusCode::UNAUTHORIZED,
    StatusCode::FORBIDDEN,
    StatusCode::TOO_MANY_REQUESTS,
];

/// Serves until `stop` is done, then lets open requests finish for half a second. No client and no lack of descriptors
/// ends it: monitoring does not hang on the page.
pub async fn serve(listener: TcpListener, state: Arc<AppState>, stop: impl Future<Output = ()>) {
    let mut stop = pin!(stop);
    let limit = Arc::new(ConnectionLimit::new(descriptors::connections()));
    let router = router::router(Arc::clone(&state));
    let publishing = Arc::clone(&state);
    let mut publishing = pin!(async move { publishing.publish().await });
    let (closing, _) = watch::channel(());
    let mut open = JoinSet::new();
    let mut faults: u32 = 0;
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(ended) = open.join_next() => report(ended),
            never = &mut publishing => match never {},
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    faults = 0;
                    let Some(slot) = limit.acquire(peer.ip()) else {
                        tracing::debug!("the limit of HTTP connections is reached");
                        continue;
                    };
                    // Events are small and urgent: they must not wait until the one before is acknowledged.
                    if let Err(fault) = stream.set_nodelay(true) {
                        tracing::debug!(%fault, "an HTTP connection keeps Nagle's algorithm");
                    }
                    // Connections that were cut off give their descriptors back first: each of them ends in a moment.
                    while open.len() >= limit.most() + CUT_OFF
                        && let Some(ended) = open.join_next().await
                    {
                        report(ended);
                    }
                    let router = router.clone();
                    open.spawn(connection(stream, peer.ip(), slot, router, closing.subscribe()));
                }
                Err(fault) => {
                    if faults.is_multiple_of(ACCEPT_FAULTS_A_LINE) {
                        tracing::warn!(%fault, "the HTTP listener failed to accept a connection; retrying");
                    }
                    faults += 1;
                    limit.make_room();
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    drop(closing);
    state.end_streams();
    let drained = async { while open.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN_TIMEOUT, drained).await.is_err() {
        tracing::debug!("HTTP connections cut off at stop");
    }
}

/// Logs a connection that panicked, a bug of lastbeat; the listener goes on.
fn report(ended: Result<(), JoinError>) {
    if let Err(fault) = ended {
        tracing::error!(%fault, "the task of an HTTP connection panicked");
    }
}

/// Answers one connection's requests until either side ends it, the limit takes its slot, or the listener closes.
pub(super) async fn connection<S>(
    stream: S,
    peer: IpAddr,
    slot: Slot,
    router: Router,
    mut closing: watch::Receiver<()>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let is_stream = Arc::new(AtomicBool::new(false));
    let stream = WriteTimeout::new(stream, WRITE_TIMEOUT)
        .with_longer(STREAM_WRITE_TIMEOUT, Arc::clone(&is_stream));
    let router = TowerToHyperService::new(router);
    let service = service_fn(|mut request: hyper::Request<Incoming>| async {
        slot.begin();
        let is_api = request.uri().path().starts_with("/api/");
        request.extensions_mut().insert(Peer(peer));
        let response = router.call(request).await;
        if let Ok(response) = &response {
            let known = is_api && !REFUSED.contains(&response.status());
            let streams = response.extensions().get::<LongLived>().is_some();
            is_stream.store(streams, Ordering::Relaxed);
            slot.answered(known, streams);
        }
        response
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(MAX_HEAD_BYTES)
            .max_headers(MAX_HEADERS)
            .serve_connection(TokioIo::new(stream), service)
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = slot.lost() => return,
        // The sender sends nothing: it is dropped when the listener closes.
        _ = closing.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(fault) = ended {
        tracing::debug!(%fault, "an HTTP connection broke off");
    }
}
