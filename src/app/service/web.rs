//! What HTTP shows.

use crate::app::event_loop::CoreRequest;
use crate::app::store_thread::StoreHandle;
use crate::core::engine::Output;
use crate::core::snapshot::Snapshot;
use crate::io::http::api::{AskDetail, AskOutages, History};
use crate::io::http::events::Events;
use crate::io::http::readiness::Readiness;
use crate::io::http::site::Site;
use crate::io::metrics::Metrics;
use arc_swap::ArcSwap;
use futures_util::FutureExt;
use std::io::Write;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// The history of incidents, out of the store.
pub(super) fn history(store_thread: Arc<StoreHandle>) -> History {
    Box::new(move |query| {
        let store_thread = Arc::clone(&store_thread);
        async move { store_thread.history(query).await }.boxed()
    })
}

/// When which incidents were open, out of the store.
pub(super) fn outages(store_thread: Arc<StoreHandle>) -> AskOutages {
    Box::new(move |from| {
        let store_thread = Arc::clone(&store_thread);
        async move { store_thread.outages(from).await }.boxed()
    })
}

/// All that the core knows of one instance.
pub(super) fn detail(core_requests: mpsc::Sender<CoreRequest>) -> AskDetail {
    Box::new(move |subject| {
        let core_requests = core_requests.clone();
        async move {
            let (to, answer) = oneshot::channel();
            core_requests
                .send(CoreRequest::Detail(subject, to))
                .await
                .ok()?;
            answer.await.ok()
        }
        .boxed()
    })
}

/// Tells whoever looks on of what is told, beside who listens already.
pub(super) fn telling(
    events: Arc<Events>,
    mut listener: Box<dyn FnMut(&Output) + Send>,
) -> Box<dyn FnMut(&Output) + Send> {
    Box::new(move |output| {
        listener(output);
        if let Output::Tell(notice) = output {
            events.tell(notice);
        }
    })
}

/// The site over the core's copies.
pub(super) fn site(
    core_requests: mpsc::Sender<CoreRequest>,
    metrics: Arc<Metrics>,
    readiness: Arc<ArcSwap<Readiness>>,
) -> Site {
    let snapshot = move || {
        let core_requests = core_requests.clone();
        async move {
            let (to, answer) = oneshot::channel::<Arc<Snapshot>>();
            core_requests.send(CoreRequest::Snapshot(to)).await.ok()?;
            answer.await.ok()
        }
        .boxed()
    };
    let render =
        move |snapshot: Option<&Snapshot>, to: &mut dyn Write| metrics.render_to(snapshot, to);
    Site::new(Box::new(snapshot), Arc::new(render), readiness)
}
