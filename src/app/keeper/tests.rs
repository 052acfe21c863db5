use super::*;
use crate::app::scribe::Desk;
use crate::core::engine::{Engine, Options};
use crate::core::rule::{Globs, RuleSet};
use crate::io::http::readiness::Readiness;
use crate::io::metrics::Metrics;
use arc_swap::ArcSwap;
use futures_util::Stream;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tokio::sync::{mpsc, watch};

/// A message that says when it is let go.
struct Said {
    number: usize,
    gone: Arc<Mutex<Vec<usize>>>,
}

impl Raw for Said {
    fn subject(&self) -> &str {
        "logs.web.iad.a"
    }

    fn payload(&self) -> &[u8] {
        b"{}"
    }
}

impl Drop for Said {
    fn drop(&mut self) {
        self.gone.lock().expect("nobody panics").push(self.number);
    }
}

struct Pipe(mpsc::UnboundedReceiver<Said>);

impl Stream for Pipe {
    type Item = Said;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Said>> {
        self.0.poll_recv(cx)
    }
}

impl Source for Pipe {
    fn received(&self) -> Option<u64> {
        None
    }
}

fn keeper() -> Keeper<Pipe> {
    let clock = Clock::start();
    let options = Options {
        inventory: false,
        ignore: Globs::default(),
        limits: Default::default(),
        first_incident: 1,
    };
    let engine = Engine::new(RuleSet::default(), options, clock.now());
    let outlets = Outlets {
        desk: Desk {
            decided: Box::new(|_, _| {}),
            checkpoint: Box::new(drop),
            wants_whole: Box::new(|| false),
        },
        shown: Shown {
            metrics: Arc::new(Metrics::new("0.0.0", "test")),
            readiness: Arc::new(ArcSwap::from_pointee(Readiness::not_yet("stream", ""))),
            max_series: 1,
            missed: watch::channel(false).0,
            tails: Arc::default(),
            give_up_after: None,
        },
        suspects: Box::new(drop),
        canary: None,
    };
    Keeper::new(Ingest::new(engine), clock, outlets)
}

#[test]
fn messages_are_let_go_in_the_order_in_which_they_came() {
    let (into, pipe) = mpsc::unbounded_channel();
    let gone = Arc::<Mutex<Vec<usize>>>::default();
    let sent = 3 * BATCH + 7;
    for number in 0..sent {
        let gone = gone.clone();
        assert!(into.send(Said { number, gone }).is_ok());
    }
    let mut keeper = keeper();
    keeper.link(Link::Up(Pipe(pipe)));
    while !keeper.drain() {}
    let gone = gone.lock().expect("nobody panics");
    assert_eq!(gone.len(), sent);
    assert_eq!(gone.iter().zip(0..).find(|(one, at)| *one != at), None);
}
