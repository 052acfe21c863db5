//! One connection, subscribed: made within a bound, and watched for what the client itself does not tell.

use super::connection_error::{Meaning, connection_error, meaning, of_connect};
use super::credentials::{self, Proof};
use super::messages::Messages;
use super::parse_faults;
use super::tls_files;
use crate::clock::Clock;
use crate::decode::settings::{NatsSettings, Server};
use crate::io::feed::{
    ConnectionError, ConnectionErrorKind, ConnectionEvent, ConnectionReporter, ConnectionState,
    OutgoingMessage,
};
use async_nats::connection::State;
use async_nats::{Client, Event, ServerAddr, SubscribeError, Subscriber};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

/// The client calls a link dead after three pings without an answer: half-open ones are noticed within 15 s.
const PING_EVERY: Duration = Duration::from_secs(5);
/// A handshake that takes longer hangs.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(8);
/// Of the handshake's time, what one of a name's addresses may take.
const ADDRESS_WITHIN: Duration = Duration::from_secs(5);
/// Messages that may wait for us. One turn of the connection's task reads 128 x 64 KB at most (the runtime's budget
/// times the client's buffer), which is as many messages of 16 bytes, and after it we have ours. A place costs
/// nothing until it is taken.
const WAITING_MESSAGES: usize = 524_288;
/// Of several subscriptions each has a part of that, but no less than this: what one turn reads in messages of 256
/// bytes, which is less than an entry has.
const LEAST_WAITING_MESSAGES: usize = 32_768;
/// Events of the client that may wait for us.
const WAITING_EVENTS: usize = 64;
const PROBE_EVERY: Duration = Duration::from_secs(15);
const PROBE_WITHIN: Duration = Duration::from_secs(10);
/// Interval in which the client's state is read, since its events may be dropped, and what it read without a message, since
/// it keeps all of that.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Round trips until the answer to our subscription has come for sure: one may end with whatever else the server says
/// first, its own PING or news of its cluster.
const ROUND_TRIPS: usize = 3;
/// Turns for the client's tasks until a word about the subscription has come through: two would do, were no other ready.
const TASKS_OF_A_WORD: usize = 8;
/// Upper bound of a server's largest payload, as in NATS itself.
const MAX_PAYLOAD: u64 = 64 << 20;
/// Room for a line's own words and for what is read ahead.
const LINE_SLACK: u64 = 1 << 20;

/// An event of a session.
#[derive(Debug)]
pub(super) enum SessionEvent {
    /// The session is no longer usable.
    Over(ConnectionError),
    /// Its server is about to leave.
    LameDuck,
    /// A round trip took this many seconds.
    RoundTrip(f64),
    /// The server does not let us publish.
    MayNotPublish,
}

/// An attempt to connect to one server.
pub(super) struct Dial {
    /// User, token and subjects.
    pub settings: Arc<NatsSettings>,
    /// Where.
    pub server: Server,
    /// True if the token's other form worked before.
    pub other_form: bool,
    /// True if a connection stands already; its state is shown then.
    pub beside: bool,
}

impl Dial {
    /// Connects, subscribes and waits for the server's word on that.
    ///
    /// # Errors
    /// The connection could not be made.
    pub async fn run(
        self,
        reporter: &ConnectionReporter<Messages>,
    ) -> Result<(Session, Messages), ConnectionError> {
        let proof = credentials::read(&self.settings, self.server.login.as_ref());
        let mut forms = credentials::forms(proof.map_err(credentials::refused)?);
        if self.other_form {
            forms.reverse();
        }
        let mut outcome = None;
        for (number, proof) in forms.into_iter().enumerate() {
            let made = self
                .one(proof, reporter)
                .await
                .map(|(mut session, messages)| {
                    session.other_form = self.other_form != (number > 0);
                    (session, messages)
                });
            match made {
                Err(error) if error.kind == ConnectionErrorKind::Auth => {
                    // What was refused first is what the settings say.
                    outcome.get_or_insert(error);
                }
                made => return made,
            }
        }
        Err(outcome.expect("there is one form at least, and every one of them was refused"))
    }

    async fn one(
        &self,
        proof: Proof,
        reporter: &ConnectionReporter<Messages>,
    ) -> Result<(Session, Messages), ConnectionError> {
        // The client panics at some of what a broken server says.
        let shaken = AssertUnwindSafe(self.handshake(proof, reporter)).catch_unwind();
        match timeout(HANDSHAKE_WITHIN, shaken).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(self.error(
                ConnectionErrorKind::Garbage,
                "its answer made the client panic",
            )),
            Err(_) => Err(self.error(ConnectionErrorKind::Timeout, "not finished within 8 s")),
        }
    }

    async fn handshake(
        &self,
        proof: Proof,
        reporter: &ConnectionReporter<Messages>,
    ) -> Result<(Session, Messages), ConnectionError> {
        self.tell(reporter, ConnectionState::Connecting).await;
        let (report, events) = mpsc::channel(WAITING_EVENTS);
        let connected = self.options(proof, report)?.connect(self.address()?).await;
        let client = connected.map_err(|err| of_connect(&self.settings, &self.server, &err))?;
        self.tell(reporter, ConnectionState::Subscribing).await;
        let (first, others) = self.subscribe(&client).await?;
        let ended = Arc::new(Notify::new());
        let messages = Messages::new(first, others, client.statistics(), ended.clone());
        let mut session = Session::new(self, client, events, ended);
        // The answer comes behind any word about the subscription.
        for _ in 0..ROUND_TRIPS {
            round_trip(session.client.clone(), session.probe.clone())
                .await
                .map_err(|what| self.error(ConnectionErrorKind::Disconnected, what))?;
        }
        // That word goes from the connection's task to the client's own for events, and from there to us.
        for _ in 0..TASKS_OF_A_WORD {
            tokio::task::yield_now().await;
            while let Ok(event) = session.events.try_recv() {
                if let Meaning::Over(kind, what) = meaning(&event, &session.probe) {
                    return Err(self.error(kind, &what));
                }
            }
        }
        Ok((session, messages))
    }

    /// One subscription for each subject.
    async fn subscribe(
        &self,
        client: &Client,
    ) -> Result<(Subscriber, VecDeque<Subscriber>), ConnectionError> {
        let mut all = VecDeque::with_capacity(self.settings.subjects.len());
        for subject in &self.settings.subjects {
            let subscribed = client.subscribe(subject.clone()).await;
            let lost = |err: SubscribeError| {
                self.error(ConnectionErrorKind::Disconnected, &err.to_string())
            };
            all.push_back(subscribed.map_err(lost)?);
        }
        let first = all.pop_front().expect("the settings have one at least");
        Ok((first, all))
    }

    async fn tell(&self, reporter: &ConnectionReporter<Messages>, state: ConnectionState) {
        if !self.beside {
            reporter.report(ConnectionEvent::State(state)).await;
        }
    }

    fn address(&self) -> Result<ServerAddr, ConnectionError> {
        self.server.address.parse().map_err(|err| ConnectionError {
            kind: ConnectionErrorKind::Unresolvable,
            message: format!(
                "{}: invalid NATS address: {err}; NATS_URL expects nats://host:port",
                self.server.address
            ),
        })
    }

    fn options(
        &self,
        proof: Proof,
        report: mpsc::Sender<Event>,
    ) -> Result<async_nats::ConnectOptions, ConnectionError> {
        let options = credentials::options(&self.settings, &self.server, proof);
        Ok(tls_files::with_tls(options?, &self.settings.tls)
            .name("lastbeat")
            .ping_interval(PING_EVERY)
            .connection_timeout(ADDRESS_WITHIN)
            .subscription_capacity(waiting_messages(self.settings.subjects.len()))
            .ignore_discovered_servers()
            // Healing is ours: the client itself tries once more at most, until it is dropped.
            .max_reconnects(1)
            .reconnect_delay_callback(|_| Duration::ZERO)
            .event_callback(move |event| {
                // There may be one of these a message; what is lost is counted elsewhere.
                if !matches!(event, Event::SlowConsumer(_)) {
                    // Where events wait already, one of them says enough.
                    let _ = report.try_send(event);
                }
                std::future::ready(())
            }))
    }

    fn error(&self, kind: ConnectionErrorKind, what: &str) -> ConnectionError {
        connection_error(&self.settings, &self.server, kind, what)
    }
}

/// One connection, subscribed. It ends when both this and its messages are dropped.
pub(super) struct Session {
    /// True if the token was accepted in its other form.
    pub other_form: bool,
    /// True once a round trip succeeded.
    steady: bool,
    settings: Arc<NatsSettings>,
    server: Server,
    client: Client,
    events: mpsc::Receiver<Event>,
    ended: Arc<Notify>,
    /// A subject like the subscribed one, without messages.
    probe: String,
    probing: Option<BoxFuture<'static, Option<f64>>>,
    probes: Interval,
    looks: Interval,
    /// Bytes and messages received by the last message that was seen to arrive.
    whole: (u64, u64),
}

impl Session {
    fn new(
        dial: &Dial,
        client: Client,
        events: mpsc::Receiver<Event>,
        ended: Arc<Notify>,
    ) -> Session {
        let every = |period| {
            let mut ticks = interval(period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks.reset();
            ticks
        };
        Session {
            steady: false,
            other_form: false,
            settings: dial.settings.clone(),
            server: dial.server.clone(),
            client,
            events,
            ended,
            probe: probe(&dial.settings.subjects[0]),
            probing: None,
            probes: every(PROBE_EVERY),
            looks: every(LOOK_EVERY),
            whole: (0, 0),
        }
    }

    /// Other servers that this one names.
    pub fn gossip(&self) -> Vec<String> {
        self.client.server_info().connect_urls
    }

    /// The server, with the credentials of its URL.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Publishes; what cannot be is lost, as anything is that the connection loses.
    pub fn publish(&self, said: OutgoingMessage) -> impl Future<Output = ()> + Send + use<> {
        let client = self.client.clone();
        async move {
            let _ = client.publish(said.subject, said.payload.into()).await;
        }
    }

    /// True once an entry arrived or a round trip succeeded.
    pub fn is_steady(&self) -> bool {
        let messages = &self.client.statistics().in_messages;
        self.steady || messages.load(Ordering::Relaxed) > 0
    }

    /// Waits for something to tell. May be dropped and called again: nothing is lost.
    pub async fn news(&mut self, clock: Clock) -> SessionEvent {
        loop {
            tokio::select! {
                event = self.events.recv() => {
                    let gone = || Meaning::Over(ConnectionErrorKind::Ended, "the client ended".to_owned());
                    match event.map_or_else(gone, |event| meaning(&event, &self.probe)) {
                        Meaning::Over(kind, what) => return self.over(kind, &what),
                        Meaning::LameDuck => return SessionEvent::LameDuck,
                        Meaning::MayNotPublish => return SessionEvent::MayNotPublish,
                        Meaning::Stays => {}
                    }
                }
                () = self.ended.notified() => return self.over(ConnectionErrorKind::Ended, "the messages ended"),
                _ = self.looks.tick() => {
                    if let Some((kind, what)) = self.look() {
                        return self.over(kind, &what);
                    }
                }
                _ = self.probes.tick(), if self.probing.is_none() => {
                    let trip = round_trip(self.client.clone(), self.probe.clone());
                    self.probing = Some(async move {
                        let from = clock.mono();
                        let back = timeout(PROBE_WITHIN, trip).await;
                        matches!(back, Ok(Ok(()))).then(|| clock.mono().since(from).as_secs_f64())
                    }.boxed());
                }
                back = pending_or(&mut self.probing) => {
                    self.probing = None;
                    if let Some(seconds) = back {
                        self.steady = true;
                        return SessionEvent::RoundTrip(seconds);
                    }
                }
            }
        }
    }

    fn over(&self, kind: ConnectionErrorKind, what: &str) -> SessionEvent {
        let unread = parse_faults::take().filter(|_| kind == ConnectionErrorKind::Disconnected);
        let (kind, what) = match &unread {
            Some(reason) => (ConnectionErrorKind::Malformed, reason.as_str()),
            None => (kind, what),
        };
        SessionEvent::Over(connection_error(&self.settings, &self.server, kind, what))
    }

    /// Finds a fault that no event reported: events are dropped where too many wait.
    fn look(&mut self) -> Option<(ConnectionErrorKind, String)> {
        let statistics = self.client.statistics();
        let (bytes, messages) = (
            statistics.in_bytes.load(Ordering::Relaxed),
            statistics.in_messages.load(Ordering::Relaxed),
        );
        if self.client.connection_state() != State::Connected
            || statistics.connects.load(Ordering::Relaxed) > 1
        {
            let what = "the connection broke, and the client did not report it";
            return Some((ConnectionErrorKind::Disconnected, what.to_owned()));
        }
        if messages != self.whole.1 {
            self.whole = (bytes, messages);
        }
        let said = bytes - self.whole.0;
        let most = (self.client.max_payload() as u64).min(MAX_PAYLOAD) + LINE_SLACK;
        (said > most).then(|| {
            let what = format!("{said} bytes without a message");
            (ConnectionErrorKind::Garbage, what)
        })
    }
}

/// Messages that may wait in each of so many subscriptions.
fn waiting_messages(subscriptions: usize) -> usize {
    (WAITING_MESSAGES / subscriptions).max(LEAST_WAITING_MESSAGES)
}

/// A subject like this one without messages, so that none comes twice.
fn probe(subject: &str) -> String {
    let probe = subject.replace(['*', '>'], "lastbeat-probe");
    if probe == subject {
        format!("{subject}.lastbeat-probe")
    } else {
        probe
    }
}

/// The outcome of what runs; never where nothing does.
async fn pending_or<T>(running: &mut Option<BoxFuture<'static, T>>) -> T {
    match running {
        Some(running) => running.await,
        None => std::future::pending().await,
    }
}

/// To the server and back: a subscription opened and drained. Core NATS has no other request for a client that
/// may only subscribe.
async fn round_trip(client: Client, probe: String) -> Result<(), &'static str> {
    const GONE: &str = "the connection broke during the check";
    let mut subscriber = client.subscribe(probe).await.map_err(|_| GONE)?;
    subscriber.drain().await.map_err(|_| GONE)?;
    while subscriber.next().await.is_some() {}
    Ok(())
}
