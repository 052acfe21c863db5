//! Fly's private DNS: TXT records, over UDP, and over TCP where they do not fit.
//!
//! A DNS message takes 65,535 bytes at most, about 700 machines with all that is said of each. Where an organisation
//! does not fit, its apps are asked for one by one, in the shorter form there is for that.

use super::fault_kind::InventoryFaultKind;
use crate::decode::inventory::txt::{self, Found};
use crate::decode::inventory::{Read, is_name};
use bytes::Bytes;
use domain::base::iana::Rcode;
use domain::base::{Message, MessageBuilder, Name, Question, Rtype};
use domain::net::client::dgram::{self, QueryErrorKind};
use domain::net::client::protocol::UdpConnect;
use domain::net::client::request::{Error, RequestMessage, RequestMessageMulti, SendRequest};
use domain::net::client::stream;
use domain::rdata::Txt;
use futures_util::{StreamExt, TryStreamExt};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

const STARTED: &str = "_instances.internal";
const DEPLOYED: &str = "all._instances.internal";
const APPS: &str = "_apps.internal";

/// Between two tries over UDP, which loses packets.
const TRY_FOR: Duration = Duration::from_secs(1);
/// Further tries: all of them are over before a poll has to be.
const RETRIES: u8 = 2;
/// For the answer over TCP, which loses none.
const TCP_FOR: Duration = Duration::from_secs(3);
/// Apps that are asked for at once: hundreds are through within the poll's bound, and the resolver is not flooded.
const APPS_AT_ONCE: usize = 8;
/// Apps at most, where they are asked for one by one: more are not through within the poll's bound.
const MAX_APPS: usize = 500;

/// A failed DNS query.
#[derive(Debug, thiserror::Error)]
pub enum DnsFault {
    /// Not answered in time.
    #[error("no answer from {server} to {name}")]
    Silent {
        /// The resolver.
        server: SocketAddr,
        /// The question.
        name: String,
    },
    /// The exchange broke off.
    #[error("the query for {name} to {server} failed")]
    Exchange {
        /// The resolver.
        server: SocketAddr,
        /// The question.
        name: String,
        /// The client's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It says that it failed.
    #[error("{server} answers {rcode} to {name}")]
    Refused {
        /// The resolver.
        server: SocketAddr,
        /// The question.
        name: String,
        /// DNS's word for the fault.
        rcode: Rcode,
    },
    /// No message of DNS, or no list of machines.
    #[error("the answer of {server} to {name} is invalid")]
    Garbage {
        /// The resolver.
        server: SocketAddr,
        /// The question.
        name: String,
    },
    /// There is nothing under a name that no organisation with a machine lacks.
    #[error("{server} knows no {name}: is it the resolver of Fly's private network?")]
    Nothing {
        /// The resolver.
        server: SocketAddr,
        /// The question.
        name: String,
    },
    /// It does not fit, even over TCP.
    #[error(
        "the answer of {server} to {name} does not fit in a DNS message; set LASTBEAT_INVENTORY to machines"
    )]
    TooLong {
        /// The resolver.
        server: SocketAddr,
        /// The question.
        name: String,
    },
    /// More apps than can be asked for one by one.
    #[error(
        "{count} apps are more than the limit of {MAX_APPS} for DNS; set LASTBEAT_INVENTORY to machines"
    )]
    TooMany {
        /// Their number.
        count: usize,
    },
}

impl DnsFault {
    /// Its kind.
    pub fn kind(&self) -> InventoryFaultKind {
        match self {
            DnsFault::Silent { .. } => InventoryFaultKind::TimedOut,
            DnsFault::Exchange { .. } => InventoryFaultKind::Unreachable,
            DnsFault::Refused { .. } | DnsFault::Nothing { .. } => InventoryFaultKind::Failed,
            DnsFault::Garbage { .. } => InventoryFaultKind::Unreadable,
            DnsFault::TooLong { .. } | DnsFault::TooMany { .. } => InventoryFaultKind::TooLarge,
        }
    }
}

/// A request as the client carries it.
type Request = RequestMessage<Vec<u8>>;
/// The texts of an answer's records; `None`: it says that there are none.
type Texts = Option<Vec<Vec<u8>>>;

/// A resolver.
pub struct Dns {
    server: SocketAddr,
    udp: dgram::Connection<UdpConnect>,
}

impl Dns {
    /// The resolver at that address.
    pub fn new(server: SocketAddr) -> Self {
        let mut config = dgram::Config::new();
        config.set_read_timeout(TRY_FOR);
        config.set_max_retries(RETRIES);
        let udp = dgram::Connection::with_config(UdpConnect::new(server), config);
        Dns { server, udp }
    }

    /// Every machine.
    ///
    /// # Errors
    /// [`DnsFault`]. That none is started is believed only beside a list of what is deployed.
    pub async fn poll(&self) -> Result<Read, DnsFault> {
        match tokio::join!(self.ask(STARTED), self.ask(DEPLOYED)) {
            (Err(DnsFault::TooLong { .. }), _) | (_, Err(DnsFault::TooLong { .. })) => {
                self.poll_by_app().await
            }
            (started, deployed) => {
                let deployed = deployed?.ok_or_else(|| self.nothing(DEPLOYED))?;
                let deployed = self.whole(DEPLOYED, txt::instances(&deployed))?;
                let started = txt::instances(&started?.unwrap_or_default());
                let started = self.whole(STARTED, started)?;
                Ok(txt::machines(&started, &deployed))
            }
        }
    }

    async fn poll_by_app(&self) -> Result<Read, DnsFault> {
        let texts = self.ask(APPS).await?.ok_or_else(|| self.nothing(APPS))?;
        let (apps, broken) = txt::apps(&texts);
        // The machines of an app that cannot be named would seem to be gone.
        if broken > 0 || apps.is_empty() {
            return Err(self.garbage(APPS));
        }
        if apps.len() > MAX_APPS {
            return Err(DnsFault::TooMany { count: apps.len() });
        }
        let each = futures_util::stream::iter(apps).map(|app| self.app(app));
        let all: Vec<(Found, Found)> = each.buffer_unordered(APPS_AT_ONCE).try_collect().await?;
        let (mut started, mut deployed) = (Found::default(), Found::default());
        for (of_started, of_deployed) in all {
            started.add(of_started);
            deployed.add(of_deployed);
        }
        if deployed.places.is_empty() {
            return Err(self.nothing(DEPLOYED));
        }
        Ok(txt::machines(&started, &deployed))
    }

    /// The started and the deployed machines of an app; an app may well have none.
    async fn app(&self, app: String) -> Result<(Found, Found), DnsFault> {
        debug_assert!(is_name(&app), "only names come out of the list of apps");
        let (started, deployed) = (
            format!("vms.{app}.internal"),
            format!("all.vms.{app}.internal"),
        );
        let (vms, all) = tokio::join!(self.ask(&started), self.ask(&deployed));
        let vms = txt::vms(&app, &vms?.unwrap_or_default());
        let all = txt::vms(&app, &all?.unwrap_or_default());
        Ok((self.whole(&started, vms)?, self.whole(&deployed, all)?))
    }

    fn whole(&self, name: &str, found: Found) -> Result<Found, DnsFault> {
        if found.is_garbage() {
            return Err(self.garbage(name));
        }
        Ok(found)
    }

    fn nothing(&self, name: &str) -> DnsFault {
        let (server, name) = (self.server, name.to_owned());
        DnsFault::Nothing { server, name }
    }

    fn garbage(&self, name: &str) -> DnsFault {
        let (server, name) = (self.server, name.to_owned());
        DnsFault::Garbage { server, name }
    }

    async fn ask(&self, name: &str) -> Result<Texts, DnsFault> {
        let request = request(name).ok_or_else(|| self.garbage(name))?;
        let answer = self.udp.send_request(request.clone()).get_response().await;
        let mut answer = answer.map_err(|fault| self.fault(name, fault))?;
        if answer.header().tc() {
            answer = self.ask_over_tcp(name, request).await?;
        }
        let (server, of) = (self.server, name.to_owned());
        match answer.header().rcode() {
            _ if answer.header().tc() => Err(DnsFault::TooLong { server, name: of }),
            Rcode::NXDOMAIN => Ok(None),
            Rcode::NOERROR => texts(&answer).ok_or_else(|| self.garbage(name)),
            rcode => Err(DnsFault::Refused {
                server,
                name: of,
                rcode,
            }),
        }
    }

    async fn ask_over_tcp(&self, name: &str, request: Request) -> Result<Message<Bytes>, DnsFault> {
        let connected = TcpStream::connect(self.server).await;
        let stream = connected.map_err(|source| self.exchange(name, source))?;
        let mut config = stream::Config::new();
        config.set_response_timeout(TCP_FOR);
        let (connection, carried) =
            stream::Connection::<Request, RequestMessageMulti<Vec<u8>>>::with_config(
                stream, config,
            );
        let mut asked = connection.send_request(request);
        // The connection lives as long as its one question.
        let carried = async {
            carried.run().await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            answer = asked.get_response() => answer.map_err(|fault| self.fault(name, fault)),
            () = carried => unreachable!("what is pending for ever does not end"),
        }
    }

    fn fault(&self, name: &str, fault: Error) -> DnsFault {
        let (server, of) = (self.server, name.to_owned());
        match fault {
            Error::Dgram(fault) if matches!(fault.kind(), QueryErrorKind::Timeout) => {
                DnsFault::Silent { server, name: of }
            }
            Error::StreamReadTimeout => DnsFault::Silent { server, name: of },
            Error::MessageParseError
            | Error::FormError
            | Error::ShortMessage
            | Error::WrongReplyForQuery => DnsFault::Garbage { server, name: of },
            fault => self.exchange(name, fault),
        }
    }

    fn exchange(
        &self,
        name: &str,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> DnsFault {
        DnsFault::Exchange {
            server: self.server,
            name: name.to_owned(),
            source: Box::new(source),
        }
    }
}

/// The question for the TXT records of a name; `None` where it is no name.
fn request(name: &str) -> Option<Request> {
    let name = Name::vec_from_str(name).ok()?;
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_rd(true);
    let mut question = builder.question();
    question.push(Question::new_in(name, Rtype::TXT)).ok()?;
    RequestMessage::new(question.into_message()).ok()
}

/// Each record's text, its strings joined with nothing between. `Some(None)` if there is none, `None` if the answer
/// cannot be read.
fn texts(answer: &Message<Bytes>) -> Option<Texts> {
    let mut texts = Vec::new();
    for record in answer.answer().ok()?.limit_to::<Txt<_>>() {
        texts.push(record.ok()?.data().text::<Vec<u8>>());
    }
    let is_empty = texts.iter().all(Vec::is_empty);
    Some((!is_empty).then_some(texts))
}
