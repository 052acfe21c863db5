//! What HTTP shows.

use crate::app::archive::ArchiveHandle;
use crate::app::keeper::Ask;
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
pub(super) fn history(archive: Arc<ArchiveHandle>) -> History {
    Box::new(move |query| {
        let archive = Arc::clone(&archive);
        async move { archive.history(query).await }.boxed()
    })
}

/// When which incidents were open, out of the store.
pub(super) fn outages(archive: Arc<ArchiveHandle>) -> AskOutages {
    Box::new(move |from| {
        let archive = Arc::clone(&archive);
        async move { archive.outages(from).await }.boxed()
    })
}

/// All that the core knows of one instance.
pub(super) fn detail(asks: mpsc::Sender<Ask>) -> AskDetail {
    Box::new(move |subject| {
        let asks = asks.clone();
        async move {
            let (to, answer) = oneshot::channel();
            asks.send(Ask::Detail(subject, to)).await.ok()?;
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
    asks: mpsc::Sender<Ask>,
    metrics: Arc<Metrics>,
    readiness: Arc<ArcSwap<Readiness>>,
) -> Site {
    let snapshot = move || {
        let asks = asks.clone();
        async move {
            let (to, answer) = oneshot::channel::<Arc<Snapshot>>();
            asks.send(Ask::Snapshot(to)).await.ok()?;
            answer.await.ok()
        }
        .boxed()
    };
    let render =
        move |snapshot: Option<&Snapshot>, to: &mut dyn Write| metrics.render_to(snapshot, to);
    Site::new(Box::new(snapshot), Arc::new(render), readiness)
}
