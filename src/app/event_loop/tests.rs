use super::*;
use crate::core::engine::{Engine, Options};
use crate::core::rule::RuleSet;
use crate::io::http::readiness::Readiness;
use crate::io::metrics::Metrics;
use arc_swap::ArcSwap;
use futures_util::Stream;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tokio::sync::{mpsc, watch};

/// A message that says when it is let go.
struct TestMessage {
    number: usize,
    gone: Arc<Mutex<Vec<usize>>>,
}

impl RawMessage for TestMessage {
    fn subject(&self) -> &str {
        "logs.web.iad.a"
    }

    fn payload(&self) -> &[u8] {
        b"{}"
    }
}

impl Drop for TestMessage {
    fn drop(&mut self) {
        self.gone.lock().expect("nobody panics").push(self.number);
    }
}

struct Pipe(mpsc::UnboundedReceiver<TestMessage>);

impl Stream for Pipe {
    type Item = TestMessage;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<TestMessage>> {
        self.0.poll_recv(cx)
    }
}

impl MessageSource for Pipe {
    fn received(&self) -> Option<u64> {
        None
    }
}

fn event_loop() -> EventLoop<Pipe> {
    let clock = Clock::start();
    let options = Options {
        first_incident: 1,
        ..Options::default()
    };
    let engine = Engine::new(RuleSet::default(), options, clock.now());
    let deps = EventLoopDeps {
        store: Arc::new(crate::app::store_thread::channel().0),
        outputs: Box::new(|_, _| {}),
        metrics: Arc::new(Metrics::new("0.0.0", "test")),
        readiness: Arc::new(ArcSwap::from_pointee(Readiness::not_yet("stream", ""))),
        max_series: 1,
        missed: watch::channel(false).0,
        recorder: None,
        tails: Arc::default(),
        give_up_after: None,
        candidates: Box::new(drop),
        questions: Box::new(drop),
        canary: None,
    };
    EventLoop::new(Ingest::new(engine), clock, deps)
}

#[test]
fn messages_are_let_go_in_the_order_in_which_they_came() {
    let (into, pipe) = mpsc::unbounded_channel();
    let gone = Arc::<Mutex<Vec<usize>>>::default();
    let sent = 3 * BATCH + 7;
    for number in 0..sent {
        let gone = gone.clone();
        assert!(into.send(TestMessage { number, gone }).is_ok());
    }
    let mut event_loop = event_loop();
    event_loop.link(ConnectionEvent::Up(Pipe(pipe)));
    while !event_loop.drain() {}
    let gone = gone.lock().expect("nobody panics");
    assert_eq!(gone.len(), sent);
    assert_eq!(gone.iter().zip(0..).find(|(one, at)| *one != at), None);
}
