//! The thread of the core and of the connection: one runtime that nothing else runs on.

use super::fault::ServiceFault;
use crate::app::event_loop::{CoreRequest, EventLoop, EventLoopDeps, LoopInputs};
use crate::app::ingest::Ingest;
use crate::clock::Clock;
use crate::io::feed::{ConnectionError, ConnectionReporter, MessageSource};
use futures_util::future::BoxFuture;
use std::convert::Infallible;
use tokio::sync::{mpsc, oneshot, watch};

/// Limit of connection events that wait for the core.
const WAITING_LINKS: usize = 16;

/// A task that feeds the core: it reports connections for ever, or returns why there will never be one.
pub type Feeder<S> = Box<
    dyn FnOnce(
            Clock,
            ConnectionReporter<S>,
        ) -> BoxFuture<'static, Result<Infallible, ConnectionError>>
        + Send,
>;

/// The thread of the core and of the connection.
pub(super) struct Core {
    /// Ends it.
    pub stop: Option<oneshot::Sender<()>>,
    /// Receives its end; a dropped sender means that it panicked.
    pub ended: oneshot::Receiver<Option<ServiceFault>>,
}

/// Starts it. `asked` receives the requests to it.
pub(super) fn start<S: MessageSource>(
    ingest: Ingest,
    clock: Clock,
    deps: EventLoopDeps,
    missing: watch::Receiver<bool>,
    asked: mpsc::Receiver<CoreRequest>,
    feeder: Feeder<S>,
) -> Result<Core, ServiceFault> {
    let starting = |source| ServiceFault::Start {
        part: "the core's thread",
        source,
    };
    let (events_to, events) = mpsc::channel(WAITING_LINKS);
    let (stop, stopped) = oneshot::channel();
    let (end, ended) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(starting)?;
    let keeper = EventLoop::new(ingest, clock, deps);
    let run = async move {
        let feeder = tokio::spawn(feeder(
            clock,
            ConnectionReporter {
                events: events_to,
                missed: missing,
            },
        ));
        tokio::select! {
            ended = keeper.run(LoopInputs { events, requests: asked, stop: stopped }) => ended.map(ServiceFault::GivenUp),
            fed = feeder => Some(match fed {
                Ok(Err(error)) => ServiceFault::Feed(error),
                Err(died) => ServiceFault::Died { part: "the connection".to_owned(), why: died.to_string() },
            }),
        }
    };
    let body = move || {
        let fault = runtime.block_on(tokio::task::unconstrained(run));
        // The receiver is gone if the program ended first.
        let _ = end.send(fault);
    };
    std::thread::Builder::new()
        .name("core".to_owned())
        .spawn(body)
        .map_err(starting)?;
    Ok(Core {
        stop: Some(stop),
        ended,
    })
}
