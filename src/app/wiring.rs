//! The closures that connect the running parts. Each function takes handles of some parts, and returns another part's way
//! to reach them.

use super::archive::{ReportProblem, SharedWords};
use super::delivery::OnFinished;
use super::event_loop::{CoreRequest, OutputSink};
use super::inventory::InventoryRequest;
use super::silences::Silences;
use super::store_thread::{Adopt, Decided, LastWordsOf, StoreHandle};
use crate::core::engine::Output;
use crate::core::inventory::{Candidate, Poll};
use crate::core::notice::IncidentId;
use crate::core::persist::ForgottenTarget;
use crate::core::targets::question::{Opinion, Question};
use crate::core::targets::table::{Change, Reason, State};
use crate::format;
use std::sync::Arc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, info, warn};

/// Notifiers to the store: a delivery that ended is not sent again after a restart.
pub(super) fn on_finished(store: &Arc<StoreHandle>) -> OnFinished {
    let store = Arc::clone(store);
    Arc::new(move |finished| store.finished(finished))
}

/// The store to the core: the content of a state file that was opened late. Blocks until the core has taken it.
pub(super) fn adopt(silences: Arc<Silences>, core: mpsc::Sender<CoreRequest>) -> Adopt {
    Box::new(move |saved, made| {
        silences.restore(made);
        let (done, is_done) = oneshot::channel();
        let request = CoreRequest::Adopt(Box::new(saved), done);
        // The end of the core ends the program elsewhere.
        if core.blocking_send(request).is_ok() {
            let _ = is_done.blocking_recv();
        }
    })
}

/// The inventory to the core: each poll that was read.
pub(super) fn polls(core: mpsc::Sender<CoreRequest>) -> Box<dyn Fn(Poll) + Send> {
    Box::new(move |poll| {
        let request = CoreRequest::Inventory(Box::new(poll));
        if let Err(TrySendError::Full(_)) = core.try_send(request) {
            warn!("the core is busy: an inventory poll was skipped");
        }
    })
}

/// The core to the inventory: the instances whose alerts wait for its answer.
pub(super) fn candidates(
    inventory: mpsc::Sender<InventoryRequest>,
) -> Box<dyn Fn(Vec<Candidate>) + Send> {
    Box::new(move |candidates| {
        // If the queue is full, the poll that answers it answers this request too.
        let _ = inventory.try_send(InventoryRequest::Candidates(candidates));
    })
}

/// The core to the platform's own logs: questions about silent beats.
pub(super) fn questions(logs: mpsc::Sender<Question>) -> Box<dyn Fn(Question) + Send> {
    Box::new(move |question| {
        // If the queue is full, the alert fires without an answer.
        let _ = logs.try_send(question);
    })
}

/// The platform's own logs to the core: each answer.
pub(super) fn opinions(core: mpsc::Sender<CoreRequest>) -> Box<dyn Fn(Question, Opinion) + Send> {
    Box::new(move |question, opinion| {
        // Where the core is too busy, the alert fires without it.
        let _ = core.try_send(CoreRequest::Opinion(question, opinion));
    })
}

/// The archive to the store: the last entries of an instance, for its notifications.
pub(super) fn last_words(words: SharedWords) -> LastWordsOf {
    Box::new(move |subject, most| words.of(subject, most))
}

/// The archive to the core: trouble that lasts, and its end; false where the core is too busy to hear of it.
pub(super) fn archive_problem(core: mpsc::Sender<CoreRequest>) -> ReportProblem {
    Box::new(move |problem| core.try_send(CoreRequest::Archive(problem)).is_ok())
}

/// The core to the store, and from there to the notifiers: what was decided. `listener` sees every output.
pub(super) fn outputs(
    store: Arc<StoreHandle>,
    inventory: mpsc::Sender<InventoryRequest>,
    core: mpsc::Sender<CoreRequest>,
    mut listener: Box<dyn FnMut(&Output) + Send>,
) -> OutputSink {
    Box::new(move |outputs, decision| {
        let (mut notices, mut forgotten) = (Vec::new(), Vec::new());
        for output in outputs {
            listener(&output);
            match output {
                Output::Notify(notice) => notices.push(*notice),
                Output::Restart(incident, candidate) => {
                    restart(incident, candidate, &inventory, &core)
                }
                Output::Changed(change) => {
                    debug!(
                        rule = &*change.rule,
                        target_app = format::name(&change.who.app),
                        target_region = format::name(&change.who.region),
                        target_instance = format::name(&change.who.instance),
                        from = change.from.label(),
                        to = change.to.label(),
                        at = format::rfc3339(change.at),
                        "{}",
                        change.reason.label()
                    );
                    forgotten.extend(forgotten_target(change));
                }
            }
        }
        if decision.is_some() || !notices.is_empty() || !forgotten.is_empty() {
            store.decided(Decided {
                notices,
                decision: decision.unwrap_or_default(),
                forgotten,
            });
        }
    })
}

/// The target of a change, where it fired and is forgotten.
fn forgotten_target(change: Change) -> Option<ForgottenTarget> {
    let is_forgotten = change.from == State::Firing && change.reason == Reason::Forgotten;
    is_forgotten.then_some(ForgottenTarget {
        rule: change.rule,
        who: change.who,
        at: change.at,
    })
}

/// Restarts a machine, and adds the result to its incident.
fn restart(
    incident: IncidentId,
    candidate: Candidate,
    inventory: &mpsc::Sender<InventoryRequest>,
    core: &mpsc::Sender<CoreRequest>,
) {
    let (answer, answered) = oneshot::channel();
    let machine = format!("{}/{}/{}", candidate.app, candidate.region, candidate.id);
    let asked = inventory.try_send(InventoryRequest::Restart { candidate, answer });
    let core = core.clone();
    tokio::spawn(async move {
        let result = match asked {
            Ok(()) => answered
                .await
                .unwrap_or_else(|_| Err("the inventory task is gone".to_owned())),
            Err(_) => Err("too many requests are waiting".to_owned()),
        };
        let text = match result {
            Ok(()) => "lastbeat restarted it".to_owned(),
            Err(why) => format!("lastbeat could not restart it: {why}"),
        };
        info!(%incident, machine, "{text}");
        // The end of the core ends the program elsewhere.
        let _ = core.send(CoreRequest::Note(incident, text)).await;
    });
}
