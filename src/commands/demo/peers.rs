//! Peers of a tour's organisation: a log shipper with its sink, and a receiver of notifications. Each can be broken.

use super::organisation::Entry;
use super::output::say;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinSet;

/// Rules for them; `ADDRESS` stands for where they listen.
const RULES: &str = include_str!("tour.toml");
/// Canaries that the sink keeps: those of some minutes.
const KEPT: usize = 300;

/// The peers, and what is broken of them.
#[derive(Debug, Default)]
pub(super) struct Peers {
    /// The shipper receives nothing while it is true.
    pub(super) is_shipper_broken: AtomicBool,
    /// Notifications are refused while it is true.
    pub(super) is_notifier_broken: AtomicBool,
    shipped: AtomicU64,
    canaries: Mutex<VecDeque<String>>,
}

/// The peers before they answer.
#[derive(Debug)]
pub(super) struct BoundPeers {
    pub(super) peers: Arc<Peers>,
    listener: TcpListener,
    address: SocketAddr,
}

impl BoundPeers {
    /// Takes a free port of this machine alone.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn new() -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        Ok(BoundPeers {
            peers: Arc::default(),
            address: listener.local_addr()?,
            listener,
        })
    }

    /// A `[[downstream]]` and a `[notify]` of their own.
    pub(super) fn rules(&self) -> String {
        RULES.replace("ADDRESS", &self.address.to_string())
    }

    /// Answers until it is dropped.
    pub(super) async fn serve(self) {
        let router = Router::new()
            .route("/search", get(search))
            .route("/metrics", get(metrics))
            .route("/notify", post(receive))
            .with_state(self.peers);
        // Without them the tour goes on; lastbeat says that it cannot reach them.
        let Ok(listener) = tokio::net::TcpListener::from_std(self.listener) else {
            return;
        };
        let mut open = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                    let service = TowerToHyperService::new(router.clone());
                    open.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
                },
                Some(_) = open.join_next(), if !open.is_empty() => {}
            }
        }
    }
}

impl Peers {
    /// Ships an entry of the stream to the sink.
    pub(super) fn ship(&self, entry: &Entry) {
        if self.is_shipper_broken.load(Ordering::Relaxed) {
            return;
        }
        self.shipped.fetch_add(1, Ordering::Relaxed);
        if let Some(line) = entry.canary() {
            let mut canaries = self.canaries.lock().unwrap_or_else(PoisonError::into_inner);
            canaries.push_back(line.to_owned());
            let excess = canaries.len().saturating_sub(KEPT);
            canaries.drain(..excess);
        }
    }

    /// True if neither is broken.
    #[cfg(test)]
    pub(super) fn are_well(&self) -> bool {
        let broken = [&self.is_shipper_broken, &self.is_notifier_broken];
        !broken.iter().any(|flag| flag.load(Ordering::Relaxed))
    }
}

/// The sink's search: every canary that it keeps.
async fn search(State(peers): State<Arc<Peers>>) -> String {
    let canaries = peers
        .canaries
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    canaries.iter().flat_map(|line| [line, "\n"]).collect()
}

/// The shipper's counters: it holds nothing back.
async fn metrics(State(peers): State<Arc<Peers>>) -> String {
    let shipped = peers.shipped.load(Ordering::Relaxed);
    format!("shipper_received_events_total {shipped}\nshipper_sent_events_total {shipped}\n")
}

/// Takes a notification, or refuses it.
async fn receive(State(peers): State<Arc<Peers>>, body: String) -> StatusCode {
    let title = serde_json::from_str::<serde_json::Value>(&body).ok();
    let title = title.as_ref().and_then(|body| body["title"].as_str());
    let title = title.unwrap_or("a notification");
    if peers.is_notifier_broken.load(Ordering::Relaxed) {
        say("pager", &format!("refused with 503: {title}"));
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    say("pager", &format!("received: {title}"));
    StatusCode::NO_CONTENT
}
