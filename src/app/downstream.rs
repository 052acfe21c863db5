//! Asks sinks and shippers for the core: one query of each downstream at a time, at its own interval.
//!
//! A task of its own, which delays no entry. What follows from an answer the core decides.

use crate::app::event_loop::CoreRequest;
use crate::app::forward::Positions;
use crate::clock::NowFn;
use crate::core::downstream::rule::DownstreamRule;
use crate::core::downstream::watch::Answer;
use crate::core::downstream_reports::DownstreamReport;
use crate::core::rule::RuleSet;
use crate::core::time::Mono;
use crate::decode::downstream::template::Values;
use crate::format;
use crate::io::downstream::DownstreamClient;
use crate::io::metrics::Metrics;
use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// The rules are looked at this often for downstreams that are new or due.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Outcome label of a query that was answered.
const ANSWERED: &str = "answered";

/// The task's inputs and outputs.
pub struct DownstreamDeps {
    /// The rules in force.
    pub rules: Arc<ArcSwap<RuleSet>>,
    /// Says what to ask, and receives the answers.
    pub core: mpsc::Sender<CoreRequest>,
    /// The nonce of the canaries; `None`: no canary flies.
    pub nonce: Option<String>,
    /// The positions of `[[forward]]`.
    pub forwards: Positions,
    /// Counts queries.
    pub metrics: Arc<Metrics>,
    /// Reads the clocks.
    pub now: NowFn,
}

/// Asks for ever. Drop it to stop it.
pub async fn run(deps: DownstreamDeps) -> Infallible {
    let asker = Asker {
        client: DownstreamClient::default(),
        deps: Arc::new(deps),
    };
    let mut due: BTreeMap<String, Due> = BTreeMap::new();
    let mut under_way: FuturesUnordered<BoxFuture<'static, String>> = FuturesUnordered::new();
    let mut timer = tokio::time::interval(LOOK_EVERY);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            Some(name) = under_way.next(), if !under_way.is_empty() => {
                if let Some(due) = due.get_mut(&name) {
                    due.is_asked = false;
                }
            }
            _ = timer.tick() => {
                let rules = asker.deps.rules.load_full();
                let now = (asker.deps.now)().mono;
                let is_there = |name: &String| rules.downstreams.iter().any(|rule| rule.name == *name);
                due.retain(|name, due| due.is_asked || is_there(name));
                for rule in &rules.downstreams {
                    let due = due.entry(rule.name.clone()).or_default();
                    if due.is_asked || now < due.at {
                        continue;
                    }
                    *due = Due { at: now + rule.every, is_asked: true };
                    under_way.push(Box::pin(asker.clone().ask(rule.clone())));
                }
            }
        }
    }
}

/// The next query of a downstream.
#[derive(Default)]
struct Due {
    /// Arrival clock: not before.
    at: Mono,
    /// One is in flight.
    is_asked: bool,
}

#[derive(Clone)]
struct Asker {
    client: DownstreamClient,
    deps: Arc<DownstreamDeps>,
}

impl Asker {
    /// Asks once, and reports; gives the name.
    async fn ask(self, rule: DownstreamRule) -> String {
        let (to, query) = oneshot::channel();
        let request = CoreRequest::DownstreamQuery(rule.name.clone(), to);
        // The end of the core ends the program elsewhere.
        let sent = self.deps.core.send(request).await;
        let query = match sent {
            Ok(()) => query.await.ok().flatten(),
            Err(_) => None,
        };
        let Some(query) = query else {
            return rule.name;
        };
        let asked = (self.deps.now)();
        let values = Values {
            nonce: self.deps.nonce.clone().unwrap_or_default(),
            since: query.since,
        };
        let (answer, counters) = tokio::join!(self.query(&rule, &values), self.counters(&rule));
        let deleted = self.deps.forwards.take_deleted(&rule.name);
        let report = DownstreamReport {
            name: rule.name.clone(),
            asked,
            answer,
            deleted,
            counters,
        };
        // As above.
        let _ = self
            .deps
            .core
            .send(CoreRequest::Downstream(Box::new(report)))
            .await;
        rule.name
    }

    async fn query(&self, rule: &DownstreamRule, values: &Values) -> Answer {
        if rule.forward.is_some() {
            return self.deps.forwards.answer(&rule.name);
        }
        if values.nonce.is_empty()
            && rule.find.proof == crate::core::downstream::rule::Proof::Canary
        {
            return Answer::Failed("no canary flies; set LASTBEAT_CANARY".to_owned());
        }
        let answer = self.client.query(&rule.find, values).await;
        let outcome = answer
            .as_ref()
            .map_or_else(|fault| fault.label(), |_| ANSWERED);
        self.deps.metrics.downstream_queried(&rule.name, outcome);
        answer.unwrap_or_else(|fault| Answer::Failed(format::error_chain(&fault)))
    }

    async fn counters(
        &self,
        rule: &DownstreamRule,
    ) -> Option<Option<crate::core::downstream::counters::Counters>> {
        match &rule.shipper {
            Some(shipper) => Some(self.client.counters(shipper).await),
            None => None,
        }
    }
}
