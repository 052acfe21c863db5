//! The rest of the program as HTTP asks it: the core, the store, silences, rules, notifiers.

use super::archive::SharedWords;
use super::archive::query::Searches;
use super::delivery::DeliveryHandle;
use super::drill;
use super::event_loop::CoreRequest;
use super::refill::service::Refills;
use super::silences::Silences;
use super::store_thread::StoreHandle;
use crate::clock::NowFn;
use crate::core::last_words::{self, LastWord};
use crate::core::notice::{Acknowledgement, IncidentId};
use crate::core::persist::{ForgottenTarget, IncidentQuery, PastIncident, SavedIncident};
use crate::core::rule::RuleSet;
use crate::core::snapshot::Snapshot;
use crate::core::snapshot::detail::Detail;
use crate::core::snapshot::outages::Outages;
use crate::core::time::Wall;
use crate::decode::acknowledge_request::AcknowledgeRequest;
use crate::decode::api_query::EntriesQuery;
use crate::decode::refill_request::RefillRequest;
use crate::decode::silence_request::SilenceRequest;
use crate::io::http::backend::{Backend, EntriesFault, RefillRefused, SilenceRow};
use crate::io::http::dto::downstream::Refill;
use crate::io::http::dto::drill::Drilled;
use crate::io::http::dto::entry::Entries;
use crate::io::http::dto::status::{NotifierStatus, StoreStatus, UnrecognisedBeats};
use crate::io::http_client::HttpSend;
use crate::io::metrics::Metrics;
use arc_swap::ArcSwap;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::io::{self, Write};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// The parts of the program that HTTP asks.
pub struct ApiBackend {
    /// The core's inbox.
    pub core: mpsc::Sender<CoreRequest>,
    /// The store.
    pub store: Arc<StoreHandle>,
    /// The state file; `None`: the state is in memory only.
    pub state_file: Option<String>,
    /// The silences.
    pub silences: Arc<Silences>,
    /// The rules in force.
    pub rules: Arc<ArcSwap<RuleSet>>,
    /// The notifiers.
    pub delivery: Arc<DeliveryHandle>,
    /// Sends the requests of drills.
    pub http_send: HttpSend,
    /// Reads both clocks.
    pub now: NowFn,
    /// The last words of each instance.
    pub words: SharedWords,
    /// Searches of the archive.
    pub searches: Searches,
    /// Refills of sinks.
    pub refills: Refills,
    /// The metrics.
    pub metrics: Arc<Metrics>,
}

impl ApiBackend {
    /// Asks the core; `None` where it is gone.
    async fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> CoreRequest) -> Option<T> {
        let (to, answer) = oneshot::channel();
        self.core.send(ask(to)).await.ok()?;
        answer.await.ok()
    }
}

impl Backend for ApiBackend {
    fn snapshot(&self) -> BoxFuture<'_, Option<Arc<Snapshot>>> {
        self.ask(CoreRequest::Snapshot).boxed()
    }

    fn instance(&self, subject: String) -> BoxFuture<'_, Option<Option<Detail>>> {
        self.ask(|to| CoreRequest::Detail(subject, to)).boxed()
    }

    fn last_words(&self, subject: &str) -> Vec<LastWord> {
        self.words.of(subject, last_words::ENTRIES)
    }

    fn entries(&self, asked: EntriesQuery) -> BoxFuture<'_, Result<Entries, EntriesFault>> {
        self.searches.run(asked).boxed()
    }

    fn incidents(&self, asked: IncidentQuery) -> BoxFuture<'_, Result<Vec<PastIncident>, String>> {
        self.store.history(asked).boxed()
    }

    fn acknowledge(
        &self,
        id: IncidentId,
        asked: AcknowledgeRequest,
    ) -> BoxFuture<'_, Option<Option<Box<SavedIncident>>>> {
        let what = format!("acknowledged by {}: {}", asked.author, asked.note);
        let word = Acknowledgement {
            at: (self.now)().wall,
            author: asked.author,
            note: asked.note,
        };
        let answer = self.ask(move |to| CoreRequest::Acknowledge(id, word, to));
        async move {
            let found = answer.await?;
            if found.is_some() {
                self.store.happened(id, what);
            }
            Some(found)
        }
        .boxed()
    }

    fn outages(&self, from: Wall) -> BoxFuture<'_, Result<Outages, String>> {
        self.store.outages(from).boxed()
    }

    fn forgotten(&self, from: Wall) -> BoxFuture<'_, Result<Vec<ForgottenTarget>, String>> {
        self.store.forgotten(from).boxed()
    }

    fn unrecognised_beats(&self) -> Vec<UnrecognisedBeats> {
        let forms = self.metrics.unrecognised().into_iter();
        let forms = forms.map(|(form, count, last)| UnrecognisedBeats {
            form: form.label(),
            count,
            last,
            hint: form.hint(),
        });
        forms.collect()
    }

    fn write_metrics(&self, snapshot: Option<&Snapshot>, to: &mut dyn Write) -> io::Result<()> {
        self.metrics.render_to(snapshot, to)
    }

    fn rules(&self) -> Arc<RuleSet> {
        self.rules.load_full()
    }

    fn store(&self) -> StoreStatus {
        StoreStatus {
            file: self.state_file.clone(),
            trouble: self.store.problem(),
        }
    }

    fn notifiers(&self) -> Vec<NotifierStatus> {
        let notifiers = self.delivery.statuses().into_iter();
        let status = notifiers.map(|stand| NotifierStatus {
            notifier: stand.notifier,
            pending: stand.pending,
            failed_tries: stand.failed_tries,
            refused: stand.refused.map(|status| status.to_string()),
            given_up: stand.given_up,
        });
        status.collect()
    }

    fn drill(&self) -> BoxFuture<'static, Vec<Drilled>> {
        let (http_send, now) = (Arc::clone(&self.http_send), Arc::clone(&self.now));
        let notifiers = self.delivery.notifiers();
        async move { drill::drill(&notifiers, &http_send, &now).await }.boxed()
    }

    fn refill(&self, downstream: &str, asked: RefillRequest) -> Result<Refill, RefillRefused> {
        self.refills.begin(downstream, asked)
    }

    fn last_refill(&self) -> Option<Refill> {
        self.refills.last()
    }

    fn silences(&self) -> Vec<SilenceRow> {
        self.silences.list()
    }

    fn add_silence(&self, asked: SilenceRequest) -> Option<SilenceRow> {
        self.silences.add(asked)
    }

    fn expire_silence(&self, id: &str) -> Option<bool> {
        self.silences.expire(id)
    }
}
