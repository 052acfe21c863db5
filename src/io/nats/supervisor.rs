//! Supervision of the connection: a broken one is dropped and another made from scratch, so that name, address and
//! token are looked up anew; one that merely delivers nothing, or whose server leaves, is kept until the next
//! one is subscribed.

use super::credentials;
use super::messages::Messages;
use super::servers::Servers;
use super::session::{Dial, Session, SessionEvent};
use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::decode::settings::NatsSettings;
use crate::io::feed::{
    ConnectionError, ConnectionErrorKind, ConnectionEvent, ConnectionReporter, ConnectionState,
    HealOutcome, OutgoingMessage,
};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep};

/// A server that is back is to be noticed soon: each second without it is blind.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(250),
    longest: Duration::from_secs(10),
};
/// A refused token is not cured by asking often; a file that changes ends the wait.
const AUTH_BACKOFF: Backoff = Backoff {
    first: Duration::from_secs(30),
    longest: Duration::from_secs(30),
};
/// Interval in which the file of refused credentials is read for others.
const CREDENTIALS_LOOK: Duration = Duration::from_secs(1);
/// Fresh subscriptions of a stream that stays silent: a quiet one is to be left in peace.
const HEAL: Backoff = Backoff {
    first: Duration::from_secs(5),
    longest: Duration::from_secs(300),
};
/// The least time that a fresh subscription has to bring an entry.
const HEAL_LEAST: Duration = Duration::from_secs(2);
/// Time for which the previous connection is read beside the new one: what was on its way arrives, some of it twice.
const HANDOVER: Duration = Duration::from_secs(2);

/// Keeps a connection for ever, reports its events to `reporter`, and publishes the messages of `outbox`.
///
/// # Errors
/// An error that waiting does not cure, before any connection stood: user, password or permission.
pub async fn supervise(
    settings: NatsSettings,
    clock: Clock,
    reporter: ConnectionReporter<Messages>,
    outbox: mpsc::Receiver<OutgoingMessage>,
) -> Result<Infallible, ConnectionError> {
    let mut supervisor = Supervisor {
        servers: Servers::new(settings.servers.clone()),
        settings: Arc::new(settings),
        clock,
        reporter,
        outbox,
        failures: 0,
        other_form: false,
        stood: false,
        heals: 0,
        healing: false,
    };
    loop {
        let (session, messages) = supervisor.connect().await?;
        supervisor.stay(session, messages).await;
    }
}

type Dialled = Result<(Session, Messages), ConnectionError>;

struct Supervisor {
    settings: Arc<NatsSettings>,
    clock: Clock,
    reporter: ConnectionReporter<Messages>,
    /// Messages to publish while a connection stands.
    outbox: mpsc::Receiver<OutgoingMessage>,
    servers: Servers,
    /// Attempts that failed in a row, and sessions that ended before they proved good.
    failures: u32,
    other_form: bool,
    /// True once a connection stood.
    stood: bool,
    /// Fresh subscriptions for the stall that lasts.
    heals: u32,
    /// True while the outcome of the last of them is open.
    healing: bool,
}

impl Supervisor {
    /// Tries until a connection stands.
    async fn connect(&mut self) -> Dialled {
        let mut refused = None;
        loop {
            self.wait(refused).await;
            match Self::dial(self.dialler(false), self.reporter.clone()).await {
                Ok(made) => return Ok(self.stands(made)),
                Err(error) => {
                    self.failures += 1;
                    let tried_all = self.failures as usize >= self.servers.count();
                    let of_us = matches!(
                        error.kind,
                        ConnectionErrorKind::Auth | ConnectionErrorKind::Permission
                    );
                    if of_us && tried_all && !self.stood {
                        return Err(error);
                    }
                    refused = of_us.then_some(error.kind);
                    self.reporter
                        .report(ConnectionEvent::AttemptFailed(error))
                        .await;
                }
            }
        }
    }

    fn dialler(&mut self, beside: bool) -> Dial {
        Dial {
            beside,
            settings: self.settings.clone(),
            server: self.servers.next(),
            other_form: self.other_form,
        }
    }

    fn dial(dial: Dial, reporter: ConnectionReporter<Messages>) -> BoxFuture<'static, Dialled> {
        async move { dial.run(&reporter).await }.boxed()
    }

    fn stands(&mut self, (session, messages): (Session, Messages)) -> (Session, Messages) {
        self.stood = true;
        self.servers.stay();
        self.other_form = session.other_form;
        if self.settings.gossip {
            self.servers.gossip(session.gossip(), session.server());
        }
        (session, messages)
    }

    /// Waits for the next attempt's turn. Where there are several servers, only after a round of them.
    async fn wait(&self, refused: Option<ConnectionErrorKind>) {
        let servers = u32::try_from(self.servers.count())
            .unwrap_or(u32::MAX)
            .max(1);
        let rounds = self.failures / servers;
        if rounds == 0 || self.failures != rounds * servers {
            return;
        }
        let (state, delay) = match refused {
            // Once may be a server that has just started.
            Some(ConnectionErrorKind::Auth) if rounds > 1 => {
                (ConnectionState::AuthFailed, AUTH_BACKOFF.delay(1))
            }
            Some(ConnectionErrorKind::Permission) => {
                (ConnectionState::PermissionDenied, BACKOFF.delay(rounds))
            }
            _ => (ConnectionState::BackingOff, BACKOFF.delay(rounds)),
        };
        self.reporter.report(ConnectionEvent::State(state)).await;
        tokio::select! {
            () = sleep(delay) => {}
            () = self.better_credentials(), if state == ConnectionState::AuthFailed => {}
        }
    }

    /// Returns when the file of the credentials holds others than now; never where there is no file.
    async fn better_credentials(&self) {
        if !credentials::are_in_a_file(&self.settings) {
            return std::future::pending().await;
        }
        let now = credentials::read(&self.settings, None).ok();
        loop {
            sleep(CREDENTIALS_LOOK).await;
            if credentials::read(&self.settings, None).ok() != now {
                return;
            }
        }
    }

    /// Hands the messages out and stays with the connection, or with the one that is put in its place, until it
    /// is gone.
    async fn stay(&mut self, session: Session, messages: Messages) {
        self.reporter.report(ConnectionEvent::Up(messages)).await;
        let mut active = ActiveSession {
            session,
            leaving: None,
            renewal: Renewal::None,
            lame: false,
        };
        if *self.reporter.missed.borrow_and_update() {
            active.renewal = self.pause();
        }
        loop {
            tokio::select! {
                news = active.session.news(self.clock) => match news {
                    SessionEvent::Over(error) => return self.over(active.session.is_steady(), error).await,
                    SessionEvent::LameDuck => self.lame(&mut active).await,
                    SessionEvent::RoundTrip(seconds) => self.reporter.report(ConnectionEvent::RoundTrip(seconds)).await,
                    SessionEvent::MayNotPublish => self.reporter.report(ConnectionEvent::PublishDenied).await,
                },
                Some(said) = self.outbox.recv() => active.session.publish(said).await,
                () = left(&mut active.leaving) => {
                    active.leaving = None;
                    self.reporter.report(ConnectionEvent::PreviousClosed).await;
                }
                Ok(()) = self.reporter.missed.changed() => self.missed(&mut active).await,
                due = active.renewal.due() => match due {
                    Due::Try => {
                        self.heal_ends(HealOutcome::Silent).await;
                        active.renewal = self.renewal();
                    }
                    Due::Made(made) => match *made {
                        Ok(made) => self.renewed(&mut active, made).await,
                        Err(error) => self.not_renewed(&mut active, error).await,
                    },
                },
            }
        }
    }

    async fn over(&mut self, steady: bool, error: ConnectionError) {
        if steady && error.kind == ConnectionErrorKind::Malformed {
            // Neither the server nor the network is at fault: the same server again, at once.
            self.failures = 0;
            self.servers.stay();
        } else {
            self.failures = if steady { 1 } else { self.failures + 1 };
            self.servers.pass();
        }
        self.heal_ends(HealOutcome::Silent).await;
        self.reporter.report(ConnectionEvent::Down(error)).await;
    }

    async fn lame(&mut self, active: &mut ActiveSession) {
        if !std::mem::replace(&mut active.lame, true) {
            self.reporter
                .report(ConnectionEvent::State(ConnectionState::LameDuck))
                .await;
            self.servers.pass();
            active.renewal = self.renewal();
        }
    }

    /// Applies a change of the event loop's state: it misses entries, or has caught up.
    async fn missed(&mut self, active: &mut ActiveSession) {
        let missed = *self.reporter.missed.borrow_and_update();
        if missed && !active.lame {
            // A connection that was made a moment ago is a fresh one already.
            active.renewal = if active.session.is_steady() {
                self.renewal()
            } else {
                self.pause()
            };
        }
        if !missed {
            self.heal_ends(HealOutcome::Healed).await;
            self.heals = 0;
            if !active.lame {
                active.renewal = Renewal::None;
            }
        }
    }

    async fn renewed(&mut self, active: &mut ActiveSession, made: (Session, Messages)) {
        let (session, messages) = self.stands(made);
        let before = std::mem::replace(&mut active.session, session);
        active.leaving = Some((before, Box::pin(sleep(HANDOVER))));
        self.reporter.report(ConnectionEvent::Up(messages)).await;
        if std::mem::replace(&mut active.lame, false) {
            active.renewal = Renewal::None;
            self.failures = 0;
        } else {
            self.heals += 1;
            self.healing = true;
            active.renewal = self.pause();
        }
    }

    async fn not_renewed(&mut self, active: &mut ActiveSession, error: ConnectionError) {
        self.reporter
            .report(ConnectionEvent::AttemptFailed(error))
            .await;
        if active.lame {
            self.failures += 1;
            active.renewal = Renewal::Waiting(Box::pin(sleep(BACKOFF.delay(self.failures))));
        } else {
            self.heals += 1;
            self.reporter
                .report(ConnectionEvent::Heal(HealOutcome::Failed))
                .await;
            active.renewal = self.pause();
        }
    }

    /// Says what the last fresh subscription brought, where that is not said yet.
    async fn heal_ends(&mut self, outcome: HealOutcome) {
        if std::mem::replace(&mut self.healing, false) {
            self.reporter.report(ConnectionEvent::Heal(outcome)).await;
        }
    }

    /// Another connection, made while the present one stands.
    fn renewal(&mut self) -> Renewal {
        let dial = self.dialler(true);
        Renewal::Dialling(Self::dial(dial, self.reporter.clone()))
    }

    /// The time that a fresh subscription has to bring an entry, longer with each.
    fn pause(&self) -> Renewal {
        let pause = HEAL_LEAST + HEAL.delay(self.heals.max(1));
        Renewal::Waiting(Box::pin(sleep(pause)))
    }
}

/// The connection that stands, and what is to come after it.
struct ActiveSession {
    session: Session,
    /// The one before, still heard for a moment.
    leaving: Option<(Session, Pin<Box<Sleep>>)>,
    renewal: Renewal,
    /// True once its server announced that it leaves.
    lame: bool,
}

/// Another connection in the place of the one that stands.
enum Renewal {
    None,
    Waiting(Pin<Box<Sleep>>),
    Dialling(BoxFuture<'static, Dialled>),
}

enum Due {
    Try,
    Made(Box<Dialled>),
}

impl Renewal {
    /// Waits for what comes next; never where nothing does. To be replaced after that.
    async fn due(&mut self) -> Due {
        match self {
            Renewal::None => std::future::pending().await,
            Renewal::Waiting(pause) => {
                pause.await;
                Due::Try
            }
            Renewal::Dialling(dial) => Due::Made(Box::new(dial.await)),
        }
    }
}

/// Waits until the previous connection may be closed; forever if there is none.
async fn left(leaving: &mut Option<(Session, Pin<Box<Sleep>>)>) {
    match leaving {
        Some((_, until)) => until.await,
        None => std::future::pending().await,
    }
}
