//! Supervision: a connection in trouble is dropped and another made from scratch, so that name, address and
//! token are looked up anew; one that merely delivers nothing, or whose server leaves, is kept until the next
//! one is subscribed.

use super::credentials;
use super::messages::Messages;
use super::servers::Servers;
use super::session::{Dial, News, Session};
use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::decode::settings::{NatsSettings, TokenSource};
use crate::io::feed::{Heal, Line, Link, LinkState, Said, Trouble, TroubleKind};
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
/// How often a refused token's file is looked at for a better one.
const TOKEN_LOOK: Duration = Duration::from_secs(1);
/// Fresh subscriptions of a stream that stays silent: a quiet one is to be left in peace.
const HEAL: Backoff = Backoff {
    first: Duration::from_secs(5),
    longest: Duration::from_secs(300),
};
/// The least time that a fresh subscription has to bring an entry.
const HEAL_LEAST: Duration = Duration::from_secs(2);
/// How long the connection before is heard beside the new one: what was on its way arrives, some of it twice.
const HANDOVER: Duration = Duration::from_secs(2);

/// Keeps a connection for ever, tells `line` what becomes of it, and publishes what comes out of `outbox`.
///
/// # Errors
/// A trouble that waiting does not cure, met before any connection stood: user, password or permission.
pub async fn keep(
    settings: NatsSettings,
    clock: Clock,
    line: Line<Messages>,
    outbox: mpsc::Receiver<Said>,
) -> Result<Infallible, Trouble> {
    let mut keeping = Keeping {
        servers: Servers::new(settings.servers.clone()),
        settings: Arc::new(settings),
        clock,
        line,
        outbox,
        failures: 0,
        other_form: false,
        stood: false,
        heals: 0,
        healing: false,
    };
    loop {
        let (session, messages) = keeping.connect().await?;
        keeping.stay(session, messages).await;
    }
}

type Dialled = Result<(Session, Messages), Trouble>;

struct Keeping {
    settings: Arc<NatsSettings>,
    clock: Clock,
    line: Line<Messages>,
    /// What is to be published, where a connection stands.
    outbox: mpsc::Receiver<Said>,
    servers: Servers,
    /// Attempts that failed in a row, and sessions that ended before they proved good.
    failures: u32,
    other_form: bool,
    /// Whether any connection ever stood.
    stood: bool,
    /// Fresh subscriptions for the stall that lasts.
    heals: u32,
    /// Whether what the last of them brought is still to be seen.
    healing: bool,
}

impl Keeping {
    /// Tries until a connection stands.
    async fn connect(&mut self) -> Dialled {
        let mut refused = None;
        loop {
            self.wait(refused).await;
            match Self::dial(self.dialler(false), self.line.clone()).await {
                Ok(made) => return Ok(self.stands(made)),
                Err(trouble) => {
                    self.failures += 1;
                    let tried_all = self.failures as usize >= self.servers.count();
                    let of_us = matches!(trouble.kind, TroubleKind::Auth | TroubleKind::Permission);
                    if of_us && tried_all && !self.stood {
                        return Err(trouble);
                    }
                    refused = of_us.then_some(trouble.kind);
                    self.line.tell(Link::Failed(trouble)).await;
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

    fn dial(dial: Dial, line: Line<Messages>) -> BoxFuture<'static, Dialled> {
        async move { dial.run(&line).await }.boxed()
    }

    fn stands(&mut self, (session, messages): (Session, Messages)) -> (Session, Messages) {
        self.stood = true;
        self.servers.stay();
        self.other_form = session.other_form;
        if self.settings.gossip {
            self.servers.gossip(session.gossip());
        }
        (session, messages)
    }

    /// Waits for the next attempt's turn. Where there are several servers, only after a round of them.
    async fn wait(&self, refused: Option<TroubleKind>) {
        let servers = u32::try_from(self.servers.count())
            .unwrap_or(u32::MAX)
            .max(1);
        let rounds = self.failures / servers;
        if rounds == 0 || self.failures != rounds * servers {
            return;
        }
        let (state, delay) = match refused {
            // Once may be a server that has just started.
            Some(TroubleKind::Auth) if rounds > 1 => (LinkState::AuthFailed, AUTH_BACKOFF.delay(1)),
            Some(TroubleKind::Permission) => (LinkState::PermissionDenied, BACKOFF.delay(rounds)),
            _ => (LinkState::BackingOff, BACKOFF.delay(rounds)),
        };
        self.line.tell(Link::State(state)).await;
        tokio::select! {
            () = sleep(delay) => {}
            () = self.better_token(), if state == LinkState::AuthFailed => {}
        }
    }

    /// Returns when the token's file holds another token than now; never where there is no file.
    async fn better_token(&self) {
        if !matches!(self.settings.token, Some(TokenSource::File(_))) {
            return std::future::pending().await;
        }
        let now = credentials::token(&self.settings).ok();
        loop {
            sleep(TOKEN_LOOK).await;
            if credentials::token(&self.settings).ok() != now {
                return;
            }
        }
    }

    /// Hands the messages out and stays with the connection, or with the one that is put in its place, until it
    /// is gone.
    async fn stay(&mut self, session: Session, messages: Messages) {
        self.line.tell(Link::Up(messages)).await;
        let mut standing = Standing {
            session,
            leaving: None,
            renewal: Renewal::None,
            lame: false,
        };
        if *self.line.missed.borrow_and_update() {
            standing.renewal = self.pause();
        }
        loop {
            tokio::select! {
                news = standing.session.news(self.clock) => match news {
                    News::Over(trouble) => return self.over(standing.session.is_steady(), trouble).await,
                    News::LameDuck => self.lame(&mut standing).await,
                    News::RoundTrip(seconds) => self.line.tell(Link::RoundTrip(seconds)).await,
                    News::MayNotPublish => self.line.tell(Link::MayNotPublish).await,
                },
                Some(said) = self.outbox.recv() => standing.session.publish(said).await,
                () = left(&mut standing.leaving) => {
                    standing.leaving = None;
                    self.line.tell(Link::Left).await;
                }
                Ok(()) = self.line.missed.changed() => self.missed(&mut standing).await,
                due = standing.renewal.due() => match due {
                    Due::Try => {
                        self.heal_ends(Heal::Silent).await;
                        standing.renewal = self.renewal();
                    }
                    Due::Made(made) => match *made {
                        Ok(made) => self.renewed(&mut standing, made).await,
                        Err(trouble) => self.not_renewed(&mut standing, trouble).await,
                    },
                },
            }
        }
    }

    async fn over(&mut self, steady: bool, trouble: Trouble) {
        self.failures = if steady { 1 } else { self.failures + 1 };
        self.servers.pass();
        self.heal_ends(Heal::Silent).await;
        self.line.tell(Link::Down(trouble)).await;
    }

    async fn lame(&mut self, standing: &mut Standing) {
        if !std::mem::replace(&mut standing.lame, true) {
            self.line.tell(Link::State(LinkState::LameDuck)).await;
            self.servers.pass();
            standing.renewal = self.renewal();
        }
    }

    /// The loop misses entries now, or does so no more.
    async fn missed(&mut self, standing: &mut Standing) {
        let missed = *self.line.missed.borrow_and_update();
        if missed && !standing.lame {
            // A connection that was made a moment ago is a fresh one already.
            standing.renewal = if standing.session.is_steady() {
                self.renewal()
            } else {
                self.pause()
            };
        }
        if !missed {
            self.heal_ends(Heal::Healed).await;
            self.heals = 0;
            if !standing.lame {
                standing.renewal = Renewal::None;
            }
        }
    }

    async fn renewed(&mut self, standing: &mut Standing, made: (Session, Messages)) {
        let (session, messages) = self.stands(made);
        let before = std::mem::replace(&mut standing.session, session);
        standing.leaving = Some((before, Box::pin(sleep(HANDOVER))));
        self.line.tell(Link::Up(messages)).await;
        if std::mem::replace(&mut standing.lame, false) {
            standing.renewal = Renewal::None;
            self.failures = 0;
        } else {
            self.heals += 1;
            self.healing = true;
            standing.renewal = self.pause();
        }
    }

    async fn not_renewed(&mut self, standing: &mut Standing, trouble: Trouble) {
        self.line.tell(Link::Failed(trouble)).await;
        if standing.lame {
            self.failures += 1;
            standing.renewal = Renewal::Waiting(Box::pin(sleep(BACKOFF.delay(self.failures))));
        } else {
            self.heals += 1;
            self.line.tell(Link::Heal(Heal::Failed)).await;
            standing.renewal = self.pause();
        }
    }

    /// Says what the last fresh subscription brought, where that is not said yet.
    async fn heal_ends(&mut self, outcome: Heal) {
        if std::mem::replace(&mut self.healing, false) {
            self.line.tell(Link::Heal(outcome)).await;
        }
    }

    /// Another connection, made while the present one stands.
    fn renewal(&mut self) -> Renewal {
        let dial = self.dialler(true);
        Renewal::Dialling(Self::dial(dial, self.line.clone()))
    }

    /// The time that a fresh subscription has to bring an entry, longer with each.
    fn pause(&self) -> Renewal {
        let pause = HEAL_LEAST + HEAL.delay(self.heals.max(1));
        Renewal::Waiting(Box::pin(sleep(pause)))
    }
}

/// The connection that stands, and what is to come after it.
struct Standing {
    session: Session,
    /// The one before, still heard for a moment.
    leaving: Option<(Session, Pin<Box<Sleep>>)>,
    renewal: Renewal,
    /// Whether its server is about to leave.
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

/// Waits until the connection before has been heard for long enough; never where there is none.
async fn left(leaving: &mut Option<(Session, Pin<Box<Sleep>>)>) {
    match leaving {
        Some((_, until)) => until.await,
        None => std::future::pending().await,
    }
}
