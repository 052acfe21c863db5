//! Asks the platform's own logs about silent beats that alerts wait for. A task of its own, which delays no entry.

use crate::core::targets::question::{Opinion, Question};
use crate::format;
use crate::io::inventory::logs::{FlyLogs, FlyLogsFault};
use crate::io::metrics::Metrics;
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::mpsc;
use tracing::{info, warn};

/// Limit of requests in flight; the core asks no more at once.
const MOST_ASKED: usize = 8;

/// Every label of `lastbeat_second_opinions_total`.
const LABELS: [&str; 3] = ["beat", "no_beat", "unknown"];

/// The task's inputs and outputs.
pub struct SecondOpinionDeps {
    /// The platform's own logs; `None`: nobody is asked.
    pub logs: Option<FlyLogs>,
    /// The questions.
    pub questions: mpsc::Receiver<Question>,
    /// Receives each answer; must not block.
    pub answers: Box<dyn Fn(Question, Opinion) + Send>,
    /// Counts opinions.
    pub metrics: Arc<Metrics>,
}

/// Answers questions for ever. Drop it to stop it.
pub async fn run(mut deps: SecondOpinionDeps) -> Infallible {
    let Some(logs) = deps.logs.take() else {
        return std::future::pending().await;
    };
    for outcome in LABELS {
        deps.metrics.second_opinions.with_label_values(&[outcome]);
    }
    let mut asked = FuturesUnordered::new();
    // Whether the last answer failed: only the first failure in a row is logged.
    let mut failed = false;
    loop {
        tokio::select! {
            Some(question) = deps.questions.recv(), if asked.len() < MOST_ASKED => {
                let logs = logs.clone();
                asked.push(async move { (logs.opinion(&question).await, question) });
            }
            Some((answer, question)) = asked.next() => {
                let opinion = opinion(answer, &question, &mut failed);
                deps.metrics.second_opinions.with_label_values(&[label(opinion)]).inc();
                (deps.answers)(question, opinion);
            }
            else => return std::future::pending().await,
        }
    }
}

fn opinion(
    answer: Result<Opinion, FlyLogsFault>,
    question: &Question,
    failed: &mut bool,
) -> Opinion {
    match answer {
        Ok(opinion) => {
            if std::mem::take(failed) {
                info!("second opinions are given again");
            }
            opinion
        }
        Err(fault) => {
            if !std::mem::replace(failed, true) {
                let subject = format::name(&question.subject);
                let fault = format::error_chain(&fault);
                warn!(subject, "no second opinion: {fault}");
            }
            Opinion::Unknown
        }
    }
}

/// The label of an opinion; of a beat it is not said whether the stream brought it too.
const fn label(opinion: Opinion) -> &'static str {
    match opinion {
        Opinion::Beat(_) => "beat",
        Opinion::NoBeat => "no_beat",
        Opinion::Unknown => "unknown",
    }
}
