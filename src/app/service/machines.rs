//! The inventory of machines, where there is one: polled for the core, and asked to restart who is silent.

use crate::app::event_loop::CoreRequest;
use crate::app::inventory::{self, InventoryDeps};
use crate::clock::Clock;
use crate::core::inventory::Suspect;
use crate::core::notice::IncidentId;
use crate::io::inventory::InventorySource;
use crate::io::inventory::machines::MachinesApi;
use crate::io::metrics::Metrics;
use arc_swap::ArcSwapOption;
use std::sync::Arc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tracing::{info, warn};

/// Questions that may wait for the inventory: it polls once for all of them.
const WAITING: usize = 16;

/// Where machines are looked up.
#[derive(Default)]
pub struct Machines {
    /// Where it core_requests; `None`: nowhere.
    pub source: Option<InventorySource>,
    /// Where it restarts; `None`: nowhere.
    pub restarts: Option<MachinesApi>,
}

/// Starts the task; gives the way to it, and where it says why nothing is known.
pub(super) fn start(
    machines: Machines,
    core_requests: mpsc::Sender<CoreRequest>,
    metrics: Arc<Metrics>,
    clock: Clock,
    helpers: &mut JoinSet<&'static str>,
) -> (
    mpsc::Sender<inventory::InventoryRequest>,
    Arc<ArcSwapOption<String>>,
) {
    let (to, questions) = mpsc::channel(WAITING);
    let trouble = Arc::new(ArcSwapOption::empty());
    let deps = InventoryDeps {
        source: machines.source,
        restarts: machines.restarts,
        taken: Box::new(move |poll| {
            // A core that is busy for so long gets the next one.
            if let Err(TrySendError::Full(_)) =
                core_requests.try_send(CoreRequest::Inventory(Box::new(poll)))
            {
                warn!("the core is busy: an answer of the inventory is left out");
            }
        }),
        trouble: Arc::clone(&trouble),
        metrics,
        now: clock.now_fn(),
    };
    helpers.spawn(async move { match inventory::run(deps, questions).await {} });
    (to, trouble)
}

/// Who alerts wait for is asked about.
pub(super) fn suspects(
    to: mpsc::Sender<inventory::InventoryRequest>,
) -> Box<dyn Fn(Vec<Suspect>) + Send> {
    Box::new(move |suspects| {
        // Where questions wait already, their answer is one to this too.
        let _ = to.try_send(inventory::InventoryRequest::Suspects(suspects));
    })
}

/// Has a machine restarted, and what came of it told in its incident.
pub(super) fn restart(
    incident: IncidentId,
    suspect: Suspect,
    restarts: &mpsc::Sender<inventory::InventoryRequest>,
    core_requests: &mpsc::Sender<CoreRequest>,
) {
    let (answer, answered) = oneshot::channel();
    let machine = format!("{}/{}/{}", suspect.app, suspect.region, suspect.id);
    let asked = restarts.try_send(inventory::InventoryRequest::Restart { suspect, answer });
    let core_requests = core_requests.clone();
    tokio::spawn(async move {
        let result = match asked {
            Ok(()) => answered
                .await
                .unwrap_or_else(|_| Err("nobody answered".to_owned())),
            Err(_) => Err("too many questions wait".to_owned()),
        };
        let words = match result {
            Ok(()) => "lastbeat restarted it".to_owned(),
            Err(why) => format!("lastbeat could not restart it: {why}"),
        };
        info!(%incident, machine, "{words}");
        // A core that is gone ends the program elsewhere.
        let _ = core_requests.send(CoreRequest::Note(incident, words)).await;
    });
}
