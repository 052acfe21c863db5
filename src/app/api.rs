//! The parts behind the API: silences, the rules in force, the status of store and notifiers, the drill.

use super::delivery::DeliveryHandle;
use super::drill;
use super::silences::Silences;
use crate::clock::NowFn;
use crate::core::rule::RuleSet;
use crate::decode::settings::Secret;
use crate::io::http::api::Api;
use crate::io::http::status::{NotifierStand, Standing, StoreStand};
use crate::io::http_client::HttpSend;
use arc_swap::ArcSwap;
use futures_util::FutureExt;
use std::sync::Arc;

/// The parts that the API asks.
pub struct ApiDeps {
    /// `LASTBEAT_TOKEN`.
    pub token: Option<Secret>,
    /// The silences.
    pub silences: Arc<Silences>,
    /// The rules in force.
    pub rules: Arc<ArcSwap<RuleSet>>,
    /// The notifiers.
    pub delivery: Arc<DeliveryHandle>,
    /// Carries the drill's requests.
    pub http_send: HttpSend,
    /// Reads both clocks.
    pub now: NowFn,
    /// The status of the store.
    pub store: Box<dyn Fn() -> StoreStand + Send + Sync>,
}

/// The API over them; the history is its own matter ([`Api::with_history`]).
pub fn api(deps: ApiDeps) -> Api {
    let ApiDeps {
        token,
        silences,
        rules,
        delivery,
        http_send,
        now,
        store,
    } = deps;
    let told = Arc::clone(&delivery);
    let standing = move || Standing {
        store: store(),
        notifiers: told
            .statuses()
            .into_iter()
            .map(|stand| NotifierStand {
                notifier: stand.notifier,
                pending: stand.pending,
                failed_tries: stand.failed_tries,
                given_up: stand.given_up,
            })
            .collect(),
    };
    let run = move || {
        let (delivery, http_send, now) = (
            Arc::clone(&delivery),
            Arc::clone(&http_send),
            Arc::clone(&now),
        );
        async move { drill::drill(&delivery.notifiers(), &http_send, &now).await }.boxed()
    };
    Api::new(token, silences)
        .with_rules(move || rules.load_full())
        .with_standing(standing)
        .with_drill(Arc::new(run))
}
