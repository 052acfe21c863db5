//! Fly's Machines API: every machine of an organisation, how one of them ended, and a restart.

use super::fault_kind::InventoryFaultKind;
use super::token::{self, ApiTokenFault};
use crate::core::inventory::{Candidate, Exit, Listed};
use crate::decode::inventory::machines::{PageFault, Pages, last_exit};
use crate::decode::inventory::{Read, is_name};
use crate::decode::settings::ApiSettings;
use crate::decode::settings::Secret;
use crate::format;
use crate::io::http_client::{Answer, HttpClient, RequestFault};
use bytes::Bytes;
use futures_util::future::join_all;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, HeaderValue, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use std::time::Duration;

/// Time limit of a whole poll with all its requests: an alert waits 5 s for an answer at most.
pub const POLL_WITHIN: Duration = Duration::from_secs(4);
const AGENT: &str = concat!("lastbeat/", env!("CARGO_PKG_VERSION"));
/// For all pages together: of a poll's 4s, one is left for querying the exits of candidates.
const LIST_WITHIN: Duration = Duration::from_secs(3);
/// For asking how one machine ended.
const EXIT_WITHIN: Duration = Duration::from_millis(900);
/// A machine is stopped before it is started again, and may take its time for that.
const RESTART_WITHIN: Duration = Duration::from_secs(20);
/// Limit of candidates of a poll whose exits are queried: as many requests at once as the API allows.
const MAX_EXITS: usize = 3;
/// Pages of a poll. A page holds up to 1,000 machines, and one a second is allowed: more do not fit into the time.
const MAX_PAGES: usize = 8;
/// Bytes of a page: 1,000 machines with 16 kB of config each, several times what they have.
const MAX_PAGE_BYTES: usize = 16 << 20;
/// Characters of an answer's body in a fault.
const BODY_CHARS: usize = 200;

/// A failed request to the Machines API. No fault holds the token.
#[derive(Debug, thiserror::Error)]
pub enum MachinesApiFault {
    /// The token.
    #[error(transparent)]
    Token(#[from] ApiTokenFault),
    /// No answer.
    #[error(transparent)]
    Unreached(#[from] RequestFault),
    /// 401.
    #[error(
        "the Machines API rejects the token (401); create one with `fly tokens create readonly ORG`: {said}"
    )]
    Unknown {
        /// The answer's body.
        said: String,
    },
    /// 403.
    #[error("the token lacks a permission (403); {needed}: {said}")]
    Forbidden {
        /// Which token may.
        needed: &'static str,
        /// The answer's body.
        said: String,
    },
    /// 429.
    #[error("the Machines API limits requests (429)")]
    TooOften {
        /// Its Retry-After; `None`: it sent none.
        retry_after: Option<Duration>,
    },
    /// Any other status but a good one.
    #[error("the Machines API answers {status} to {asked}: {said}")]
    Status {
        /// The status.
        status: StatusCode,
        /// The question.
        asked: String,
        /// The answer's body.
        said: String,
    },
    /// Not as documented.
    #[error("the answer of the Machines API to {asked} is invalid")]
    Unreadable {
        /// The question.
        asked: String,
        /// Why.
        source: PageFault,
    },
    /// A page that is larger than is taken.
    #[error("a page of the Machines API has more than {MAX_PAGE_BYTES} bytes")]
    TooLarge,
    /// More pages than are taken.
    #[error("the Machines API has more than {MAX_PAGES} pages of machines")]
    TooMany,
    /// All pages together took too long.
    #[error("the machines were not listed within {LIST_WITHIN:?}")]
    Slow,
    /// A name that no address may hold.
    #[error("invalid name of an app or a machine: {name:?}")]
    Name {
        /// The name.
        name: String,
    },
}

impl MachinesApiFault {
    /// Its kind.
    pub fn kind(&self) -> InventoryFaultKind {
        match self {
            MachinesApiFault::Token(_)
            | MachinesApiFault::Unknown { .. }
            | MachinesApiFault::Forbidden { .. } => InventoryFaultKind::Refused,
            MachinesApiFault::Unreached(RequestFault::Timeout { .. }) | MachinesApiFault::Slow => {
                InventoryFaultKind::TimedOut
            }
            MachinesApiFault::Unreached(_) => InventoryFaultKind::Unreachable,
            MachinesApiFault::TooOften { .. } => InventoryFaultKind::RateLimited,
            MachinesApiFault::Status { .. } => InventoryFaultKind::Failed,
            MachinesApiFault::Unreadable { .. } | MachinesApiFault::Name { .. } => {
                InventoryFaultKind::Unreadable
            }
            MachinesApiFault::TooLarge | MachinesApiFault::TooMany => InventoryFaultKind::TooLarge,
        }
    }
}

/// The API and the credentials for it. Clones share their connections.
#[derive(Clone)]
pub struct MachinesApi {
    settings: ApiSettings,
    poster: HttpClient,
}

/// The machines of one organisation.
pub struct Organisation {
    api: MachinesApi,
    slug: String,
}

/// A request, with its time limit and the token that it needs.
struct ApiRequest {
    method: Method,
    path: String,
    within: Duration,
    /// Which token may, where this one may not.
    needed: &'static str,
}

impl ApiRequest {
    fn read(path: String, within: Duration) -> Self {
        ApiRequest {
            method: Method::GET,
            path,
            within,
            needed: "reading needs a token of the whole organisation: `fly tokens create readonly ORG`",
        }
    }
}

impl MachinesApi {
    /// The API at that address.
    pub fn new(settings: ApiSettings) -> Self {
        // One byte more than is taken shows what is too large.
        let poster = HttpClient::keeping(MAX_PAGE_BYTES + 1);
        MachinesApi { settings, poster }
    }

    /// The machines of that organisation.
    pub fn organisation(self, slug: &str) -> Organisation {
        let slug = slug.to_owned();
        Organisation { api: self, slug }
    }

    /// A machine's last exit; `None`: not known.
    ///
    /// # Errors
    /// [`MachinesApiFault`].
    pub async fn last_exit(&self, candidate: &Candidate) -> Result<Option<Exit>, MachinesApiFault> {
        let ask = ApiRequest::read(path(candidate)?, EXIT_WITHIN);
        let answer = self.ask(&ask).await?;
        last_exit(&answer.body).map_err(|source| unreadable(&ask, source))
    }

    /// Restarts a machine.
    ///
    /// # Errors
    /// [`MachinesApiFault`]. After one of [`InventoryFaultKind::TimedOut`] it may have been restarted nonetheless.
    pub async fn restart(&self, candidate: &Candidate) -> Result<(), MachinesApiFault> {
        let ask = ApiRequest {
            method: Method::POST,
            path: format!("{}/restart", path(candidate)?),
            within: RESTART_WITHIN,
            needed: "restarting needs one that may change machines: `fly tokens create org ORG`",
        };
        self.ask(&ask).await.map(drop)
    }

    async fn ask(&self, ask: &ApiRequest) -> Result<Answer, MachinesApiFault> {
        let token = token::current(&self.settings.token)?;
        let answer = self
            .poster
            .post(self.request(ask, &token)?, ask.within)
            .await?;
        // The other side may repeat what we sent.
        let said = || {
            let body = String::from_utf8_lossy(&answer.body).replace(token.reveal(), "***");
            format::sanitize(&body, BODY_CHARS)
        };
        match answer.status {
            _ if answer.body.len() > MAX_PAGE_BYTES => Err(MachinesApiFault::TooLarge),
            status if status.is_success() => Ok(answer),
            StatusCode::UNAUTHORIZED => Err(MachinesApiFault::Unknown { said: said() }),
            StatusCode::FORBIDDEN => Err(MachinesApiFault::Forbidden {
                needed: ask.needed,
                said: said(),
            }),
            StatusCode::TOO_MANY_REQUESTS => Err(MachinesApiFault::TooOften {
                retry_after: answer.retry_after,
            }),
            status => Err(MachinesApiFault::Status {
                status,
                asked: asked(ask),
                said: said(),
            }),
        }
    }

    fn request(
        &self,
        ask: &ApiRequest,
        token: &Secret,
    ) -> Result<Request<Full<Bytes>>, MachinesApiFault> {
        let bearer = format!("Bearer {}", token.reveal());
        let mut bearer = HeaderValue::try_from(bearer).map_err(|_| ApiTokenFault::Unusable)?;
        bearer.set_sensitive(true);
        let address = format!("{}{}", self.settings.url, ask.path);
        let request = Request::builder()
            .method(ask.method.clone())
            .uri(address)
            .header(AUTHORIZATION, bearer)
            .header(USER_AGENT, AGENT)
            .body(Full::default());
        // The settings let only an address through, and a path is made of names.
        request.map_err(|_| MachinesApiFault::Name { name: asked(ask) })
    }
}

impl Organisation {
    /// Every machine, and how the first few candidates ended that are stopped or have failed. That this could not be found
    /// out is no fault: it stays unsaid.
    ///
    /// # Errors
    /// [`MachinesApiFault`] where a page could not be read.
    pub async fn poll(&self, candidates: &[Candidate]) -> Result<Read, MachinesApiFault> {
        let listed = tokio::time::timeout(LIST_WITHIN, self.list()).await;
        let mut read = listed.unwrap_or(Err(MachinesApiFault::Slow))?;
        self.exits(&mut read, candidates).await;
        Ok(read)
    }

    async fn list(&self) -> Result<Read, MachinesApiFault> {
        let mut pages = Pages::default();
        let mut cursor: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let mut path = format!("/v1/orgs/{}/machines", self.slug);
            if let Some(cursor) = &cursor {
                let mut query = form_urlencoded::Serializer::new(String::new());
                path = format!("{path}?{}", query.append_pair("cursor", cursor).finish());
            }
            let ask = ApiRequest::read(path, POLL_WITHIN);
            let answer = self.api.ask(&ask).await?;
            let next = pages.add(&answer.body);
            cursor = next.map_err(|source| unreadable(&ask, source))?;
            if cursor.is_none() {
                return Ok(pages.finish());
            }
        }
        Err(MachinesApiFault::TooMany)
    }

    async fn exits(&self, read: &mut Read, candidates: &[Candidate]) {
        let mut asked = Vec::new();
        for (at, machine) in read.machines.iter().enumerate() {
            // One that is suspended did not end: its last exit is of another time.
            let ended = machine.listed == Listed::Failed || &*machine.word == "stopped";
            let candidate = candidates
                .iter()
                .find(|candidate| candidate.id == machine.id);
            if let (true, Some(candidate)) = (ended, candidate)
                && asked.len() < MAX_EXITS
            {
                asked.push((at, candidate));
            }
        }
        let ask = |(at, candidate)| async move { (at, self.api.last_exit(candidate).await) };
        for (at, exit) in join_all(asked.into_iter().map(ask)).await {
            read.machines[at].exit = exit.unwrap_or_default();
        }
    }
}

/// Where a machine is. Its names come out of the stream, and may be anything.
fn path(candidate: &Candidate) -> Result<String, MachinesApiFault> {
    for name in [&candidate.app, &candidate.id] {
        if !is_name(name) {
            let name = name.to_string();
            return Err(MachinesApiFault::Name { name });
        }
    }
    Ok(format!(
        "/v1/apps/{}/machines/{}",
        candidate.app, candidate.id
    ))
}

fn asked(ask: &ApiRequest) -> String {
    format!("{} {}", ask.method, ask.path)
}

fn unreadable(ask: &ApiRequest, source: PageFault) -> MachinesApiFault {
    let asked = asked(ask);
    MachinesApiFault::Unreadable { asked, source }
}
