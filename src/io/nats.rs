//! The organisation's NATS server. Healing is one road for every failure: a connection in trouble is dropped
//! and another one made from scratch, so that name, address and token are looked up anew.

use super::feed::{Link, Raw, Source, Trouble, TroubleKind};
use crate::clock::Clock;
use crate::decode::settings::{NatsSettings, TokenSource};
use crate::retry::Backoff;
use async_nats::{
    Client, ConnectErrorKind, ConnectOptions, Event, ServerAddr, ServerError, Statistics,
    Subscriber,
};
use futures_util::{Stream, StreamExt};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

/// The client calls a link dead after three pings without an answer: half-open ones are noticed within 15 s.
const PING_EVERY: Duration = Duration::from_secs(5);
/// A handshake that takes longer hangs.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(8);
/// Messages that may wait for us: half a second of the fastest stream seen, 300,000 entries of a burst.
const WAITING_MESSAGES: usize = 524_288;
/// Events of the client that may wait for us.
const WAITING_EVENTS: usize = 64;
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(250),
    longest: Duration::from_secs(30),
};
const PROBE_EVERY: Duration = Duration::from_secs(15);
const PROBE_WITHIN: Duration = Duration::from_secs(10);

/// Messages of one connection.
#[derive(Debug)]
pub struct Messages {
    subscriber: Subscriber,
    statistics: Arc<Statistics>,
    ended: Arc<Notify>,
}

impl Raw for async_nats::Message {
    fn subject(&self) -> &str {
        self.subject.as_str()
    }

    fn payload(&self) -> &[u8] {
        &self.payload
    }
}

impl Stream for Messages {
    type Item = async_nats::Message;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.subscriber.poll_next_unpin(cx);
        if matches!(next, Poll::Ready(None)) {
            self.ended.notify_one();
        }
        next
    }
}

impl Source for Messages {
    fn received(&self) -> Option<u64> {
        Some(self.statistics.in_messages.load(Ordering::Relaxed))
    }
}

/// Keeps a connection for ever, and tells `links` what becomes of it.
///
/// # Errors
/// A trouble that waiting does not cure, met before any connection stood: user, password or permission.
pub async fn keep(
    settings: NatsSettings,
    clock: Clock,
    links: mpsc::Sender<Link<Messages>>,
) -> Result<Infallible, Trouble> {
    let mut failures = 0;
    let mut stood = false;
    loop {
        match Session::dial(&settings).await {
            Ok(session) => {
                stood = true;
                let (trouble, steady) = session.watch(clock, &links).await;
                failures = if steady { 0 } else { failures + 1 };
                tell(&links, Link::Down(trouble)).await;
            }
            Err(trouble) if !stood && is_final(trouble.kind) => return Err(trouble),
            Err(trouble) => {
                failures += 1;
                tell(&links, Link::Failed(trouble)).await;
            }
        }
        tokio::time::sleep(BACKOFF.delay(failures)).await;
    }
}

const fn is_final(kind: TroubleKind) -> bool {
    matches!(kind, TroubleKind::Auth | TroubleKind::Permission)
}

/// Where nobody listens any more the program is stopping, and this task with it.
async fn tell(links: &mpsc::Sender<Link<Messages>>, link: Link<Messages>) {
    let _ = links.send(link).await;
}

/// One connection, subscribed.
struct Session {
    client: Client,
    events: mpsc::Receiver<Event>,
    messages: Messages,
    ended: Arc<Notify>,
    /// A subject like ours that nobody speaks on.
    probe: String,
}

impl Session {
    async fn dial(settings: &NatsSettings) -> Result<Session, Trouble> {
        let within = |_| trouble(settings, TroubleKind::Timeout, "the handshake did not end");
        timeout(HANDSHAKE_WITHIN, Session::shake_hands(settings))
            .await
            .map_err(within)?
    }

    async fn shake_hands(settings: &NatsSettings) -> Result<Session, Trouble> {
        let (report, events) = mpsc::channel(WAITING_EVENTS);
        let options = options(settings, report)?;
        let connected = options.connect(servers(settings)?).await;
        let client =
            connected.map_err(|err| trouble(settings, kind_of(err.kind()), &err.to_string()))?;
        let subscribed = client.subscribe(settings.subject.clone()).await;
        let subscriber = subscribed
            .map_err(|err| trouble(settings, TroubleKind::Disconnected, &err.to_string()))?;
        let ended = Arc::new(Notify::new());
        let messages = Messages {
            subscriber,
            statistics: client.statistics(),
            ended: ended.clone(),
        };
        let probe = settings.subject.replace(['*', '>'], "lastbeat-probe");
        let mut session = Session {
            client,
            events,
            messages,
            ended,
            probe,
        };
        // The answer comes behind any word about the subscription.
        round_trip(&session.client, &session.probe)
            .await
            .map_err(|what| trouble(settings, TroubleKind::Disconnected, what))?;
        tokio::task::yield_now().await;
        while let Ok(event) = session.events.try_recv() {
            judge(&event, &session.probe)
                .map_or(Ok(()), |(kind, what)| Err(trouble(settings, kind, &what)))?;
        }
        Ok(session)
    }

    /// Hands the messages out, and waits until something is wrong. Tells whether the connection was a steady one.
    async fn watch(self, clock: Clock, links: &mpsc::Sender<Link<Messages>>) -> (Trouble, bool) {
        let Session {
            client,
            mut events,
            messages,
            ended,
            probe,
        } = self;
        tell(links, Link::Up(messages)).await;
        let mut steady = false;
        loop {
            tokio::select! {
                event = events.recv() => {
                    let gone = || Some((TroubleKind::Ended, "the client ended".to_owned()));
                    if let Some((kind, what)) = event.map_or_else(gone, |event| judge(&event, &probe)) {
                        return (Trouble { kind, what }, steady);
                    }
                }
                () = ended.notified() => {
                    return (Trouble { kind: TroubleKind::Ended, what: "the messages ended".to_owned() }, steady);
                }
                () = tokio::time::sleep(PROBE_EVERY) => {
                    let from = clock.mono();
                    if let Ok(Ok(())) = timeout(PROBE_WITHIN, round_trip(&client, &probe)).await {
                        steady = true;
                        tell(links, Link::RoundTrip(clock.mono().since(from).as_secs_f64())).await;
                    }
                }
            }
        }
    }
}

/// To the server and back: a subscription opened and drained. Core NATS has no other question that one who may
/// only subscribe can ask.
async fn round_trip(client: &Client, probe: &str) -> Result<(), &'static str> {
    const GONE: &str = "the connection broke while it was tried";
    let mut subscriber = client.subscribe(probe.to_owned()).await.map_err(|_| GONE)?;
    subscriber.drain().await.map_err(|_| GONE)?;
    while subscriber.next().await.is_some() {}
    Ok(())
}

fn options(
    settings: &NatsSettings,
    report: mpsc::Sender<Event>,
) -> Result<ConnectOptions, Trouble> {
    let options = match (&settings.user, token(settings)?) {
        (Some(user), Some(token)) => ConnectOptions::with_user_and_password(user.clone(), token),
        (Some(user), None) => ConnectOptions::with_user_and_password(user.clone(), String::new()),
        (None, Some(token)) => ConnectOptions::with_token(token),
        (None, None) => ConnectOptions::new(),
    };
    let servers = settings.servers.len().max(1);
    Ok(options
        .name("lastbeat")
        .ping_interval(PING_EVERY)
        .connection_timeout(HANDSHAKE_WITHIN)
        .subscription_capacity(WAITING_MESSAGES)
        .ignore_discovered_servers()
        // Healing is ours: the client itself tries once more at most, until it is dropped.
        .max_reconnects(servers)
        .reconnect_delay_callback(|_| Duration::ZERO)
        .event_callback(move |event| {
            // Where the events wait already, one of them says enough.
            let _ = report.try_send(event);
            std::future::ready(())
        }))
}

/// The token as it is now: a file is read again at each connect.
fn token(settings: &NatsSettings) -> Result<Option<String>, Trouble> {
    match &settings.token {
        None => Ok(None),
        Some(TokenSource::Given(secret)) => Ok(Some(secret.reveal().to_owned())),
        Some(TokenSource::File(path)) => match std::fs::read_to_string(path) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(err) => {
                let what = format!(
                    "the token's file {} (ACCESS_TOKEN_FILE) cannot be read: {err}",
                    path.display()
                );
                Err(Trouble {
                    kind: TroubleKind::Auth,
                    what,
                })
            }
        },
    }
}

fn servers(settings: &NatsSettings) -> Result<Vec<ServerAddr>, Trouble> {
    let address = |server: &String| {
        server.parse().map_err(|err| Trouble {
            kind: TroubleKind::Unresolvable,
            what: format!(
                "{server} is no address of a NATS server: {err}; NATS_URL takes nats://host:port"
            ),
        })
    };
    settings.servers.iter().map(address).collect()
}

/// What an event of the client means for the connection; `None` where it can stay.
fn judge(event: &Event, probe: &str) -> Option<(TroubleKind, String)> {
    match event {
        Event::Disconnected => Some((
            TroubleKind::Disconnected,
            "the connection broke, or nobody answered for three pings".to_owned(),
        )),
        Event::Closed => Some((TroubleKind::Ended, "the client closed".to_owned())),
        Event::ServerError(error) => judge_server_error(error, probe),
        Event::Connected
        | Event::LameDuckMode
        | Event::Draining
        | Event::SlowConsumer(_)
        | Event::ClientError(_) => None,
    }
}

fn judge_server_error(error: &ServerError, probe: &str) -> Option<(TroubleKind, String)> {
    let text = error.to_string();
    let said = text.to_lowercase();
    if said.contains("permissions violation") && !said.contains(&probe.to_lowercase()) {
        return Some((TroubleKind::Permission, text));
    }
    (said.contains("authorization") || said.contains("authentication"))
        .then_some((TroubleKind::Auth, text))
}

fn kind_of(kind: ConnectErrorKind) -> TroubleKind {
    match kind {
        ConnectErrorKind::ServerParse | ConnectErrorKind::Dns => TroubleKind::Unresolvable,
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
            TroubleKind::Auth
        }
        ConnectErrorKind::TimedOut => TroubleKind::Timeout,
        ConnectErrorKind::Tls => TroubleKind::Tls,
        ConnectErrorKind::Io | ConnectErrorKind::MaxReconnects => TroubleKind::Unreachable,
    }
}

/// A trouble in words, with what to do.
fn trouble(settings: &NatsSettings, kind: TroubleKind, what: &str) -> Trouble {
    let server = settings.servers.join(", ");
    let user = settings.user.as_deref().unwrap_or("(none)");
    let subject = &settings.subject;
    let what = match kind {
        TroubleKind::Auth => format!(
            "{server} refuses user {user}: {what}. Set ORG to the organisation's slug and ACCESS_TOKEN to a token \
             of it (fly tokens create readonly {user})"
        ),
        TroubleKind::Permission => format!(
            "{server} does not let user {user} subscribe to {subject}: {what}. Give the user that permission, or \
             set SUBJECT to what it may read"
        ),
        TroubleKind::Unresolvable => {
            format!("{server} has no address: {what}. Check NATS_URL and the resolver")
        }
        TroubleKind::Timeout | TroubleKind::Unreachable => {
            format!("{server} does not answer: {what}. Check NATS_URL and the network between")
        }
        TroubleKind::Tls => format!("TLS with {server} failed: {what}"),
        TroubleKind::Disconnected | TroubleKind::Ended => format!("{server}: {what}"),
    };
    Trouble { kind, what }
}
