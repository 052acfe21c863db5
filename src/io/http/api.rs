//! `/api/v1/`: what programs ask, in JSON. Every answer is an object; a refusal is `{"error":"..."}`, with
//! `"faults":[...]` where the request itself is at fault.

use super::access::{self, Refusal};
use super::drill::{self, RunDrill, Turn};
use super::readiness::Readiness;
use super::routes::{self, Place};
use super::silences::row;
use super::site::{AskSnapshot, SNAPSHOT_WITHIN, json};
use super::status::Standing;
use super::tries::Tries;
use super::{apps, body, incidents, instances, openapi, status};
use crate::core::persist::{IncidentQuery, PastIncident};
use crate::core::rule::RuleSet;
use crate::core::silence::Silence;
use crate::core::snapshot::Snapshot;
use crate::core::snapshot::detail::Detail;
use crate::core::snapshot::outages::Outages;
use crate::core::time::Wall;
use crate::decode::settings::Secret;
use crate::decode::silence_request::{self, SilenceRequest};
use crate::decode::{api_query, rules_file};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::Full;
use hyper::body::Body;
use hyper::header::{ALLOW, HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;

/// Where silences come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Made while running.
    Api,
    /// The rule files: only a change of those ends it.
    Rules {
        /// The cron expression.
        schedule: String,
        /// Its time zone.
        timezone: String,
    },
}

/// A silence, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SilenceRow {
    /// It, with its windows from now on.
    pub silence: Silence,
    /// Whether it holds now.
    pub holds: bool,
    /// Where it comes from.
    pub source: Source,
}

/// Who keeps the silences.
pub trait SilenceDesk: Send + Sync {
    /// All that hold or are to come.
    fn list(&self) -> Vec<SilenceRow>;
    /// Takes one in; `None` where there is no room for one more.
    fn add(&self, request: SilenceRequest) -> Option<SilenceRow>;
    /// Ends one made while running; `Some(false)` where it is one of the rule files, `None` where there is none.
    fn expire(&self, id: &str) -> Option<bool>;
}

/// Reads the history of incidents, the newest first.
pub type History = Box<
    dyn Fn(IncidentQuery) -> BoxFuture<'static, Result<Vec<PastIncident>, String>> + Send + Sync,
>;

/// Asks the core for all that it knows of who speaks under a subject; `None` where the core is gone.
pub type AskDetail =
    Box<dyn Fn(String) -> BoxFuture<'static, Option<Option<Detail>>> + Send + Sync>;

/// Reads when which incidents were open since then; why not, in words, where the store cannot be read.
pub type AskOutages =
    Box<dyn Fn(Wall) -> BoxFuture<'static, Result<Outages, String>> + Send + Sync>;

/// What programs may ask, and who may.
pub struct Api {
    token: Option<Secret>,
    tries: Tries,
    silences: Arc<dyn SilenceDesk>,
    /// `None`: only what is open is known.
    history: Option<History>,
    detail: Option<AskDetail>,
    outages: Option<AskOutages>,
    rules: Box<dyn Fn() -> Arc<RuleSet> + Send + Sync>,
    standing: Box<dyn Fn() -> Standing + Send + Sync>,
    /// `None`: there is no drill.
    drill: Option<RunDrill>,
    turn: Turn,
}

impl Api {
    /// An API that knows silences alone; `token` is `LASTBEAT_TOKEN`.
    pub fn new(token: Option<Secret>, silences: Arc<dyn SilenceDesk>) -> Self {
        Api {
            token,
            tries: Tries::default(),
            silences,
            history: None,
            detail: None,
            outages: None,
            rules: Box::new(Arc::default),
            standing: Box::new(Standing::default),
            drill: None,
            turn: Turn::default(),
        }
    }

    /// Reads incidents that are over too.
    pub fn with_history(self, history: History) -> Self {
        Api {
            history: Some(history),
            ..self
        }
    }

    /// Knows single instances.
    pub fn with_detail(self, detail: AskDetail) -> Self {
        Api {
            detail: Some(detail),
            ..self
        }
    }

    /// Reads for which share of the time nothing was wrong.
    pub fn with_outages(self, outages: AskOutages) -> Self {
        Api {
            outages: Some(outages),
            ..self
        }
    }

    /// Shows the rules in force, read anew for each request.
    pub fn with_rules(self, rules: impl Fn() -> Arc<RuleSet> + Send + Sync + 'static) -> Self {
        Api {
            rules: Box::new(rules),
            ..self
        }
    }

    /// Shows how store and notifiers stand, read anew for each request.
    pub fn with_standing(self, standing: impl Fn() -> Standing + Send + Sync + 'static) -> Self {
        Api {
            standing: Box::new(standing),
            ..self
        }
    }

    /// Runs drills.
    pub fn with_drill(self, drill: RunDrill) -> Self {
        Api {
            drill: Some(drill),
            ..self
        }
    }

    /// `LASTBEAT_TOKEN`, to sign in with.
    pub(super) fn token(&self) -> Option<&Secret> {
        self.token.as_ref()
    }

    /// Who sent wrong tokens.
    pub(super) fn tries(&self) -> &Tries {
        &self.tries
    }

    /// How store and notifiers stand.
    pub(super) fn standing(&self) -> Standing {
        (self.standing)()
    }

    /// Answers a request below `/api/`.
    pub(super) async fn answer<B>(
        &self,
        request: Request<B>,
        peer: IpAddr,
        snapshot: &AskSnapshot,
        readiness: &Readiness,
    ) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        if let Some(refusal) = self.refusal(request.headers(), peer) {
            return refusal;
        }
        let Some((route, names)) = routes::find(request.uri().path()) else {
            return nothing_here();
        };
        if !route.takes(request.method()) {
            return refuse_method(route.allow);
        }
        let query = request.uri().query().unwrap_or_default().to_owned();
        let posts = request.method() == Method::POST;
        match (route.place, names.as_slice()) {
            (Place::Status, _) => match known(snapshot).await {
                Ok(snapshot) => {
                    let standing = self.standing();
                    json(
                        StatusCode::OK,
                        &status::status(&snapshot, readiness, &standing),
                    )
                }
                Err(late) => late,
            },
            (Place::Instances, _) => list_instances(&query, snapshot).await,
            (Place::Instance, names) => instances::answer(self.detail.as_ref(), names).await,
            (Place::Apps, _) => apps::answer(self.outages.as_ref(), snapshot).await,
            (Place::Incidents, _) => self.incidents(&query, snapshot).await,
            (Place::Incident, [id]) => self.incident(id, snapshot).await,
            (Place::Rules, _) => json(StatusCode::OK, &rules(&(self.rules)())),
            (Place::Silences, _) if posts => self.add(request).await,
            (Place::Silences, _) => self.list(),
            (Place::Silence, [id]) => self.expire(id),
            (Place::Drill, _) => self.drill(request).await,
            (Place::Description, _) => openapi::answer(request.headers()),
            _ => nothing_here(),
        }
    }

    async fn incidents(&self, query: &str, snapshot: &AskSnapshot) -> Response<Full<Bytes>> {
        let asked = match api_query::incidents(query) {
            Ok(asked) => asked,
            Err(faults) => return faulty(&faults),
        };
        let limit = asked.limit;
        let Some(history) = &self.history else {
            return match known(snapshot).await {
                Ok(snapshot) => json(StatusCode::OK, &incidents::open(&snapshot, &asked)),
                Err(late) => late,
            };
        };
        let one_more = IncidentQuery {
            limit: limit.saturating_add(1),
            ..asked
        };
        match history(one_more).await {
            Ok(found) => json(StatusCode::OK, &incidents::page(found, limit)),
            Err(why) => unreadable(&why),
        }
    }

    async fn incident(&self, id: &str, snapshot: &AskSnapshot) -> Response<Full<Bytes>> {
        let none = || {
            let what = "no incident has this id, or it is too old to be kept; GET /api/v1/incidents lists them";
            error(StatusCode::NOT_FOUND, what)
        };
        let Some(number) = api_query::incident(id) else {
            return none();
        };
        let asked = IncidentQuery {
            before: number.checked_add(1),
            limit: 1,
            ..IncidentQuery::default()
        };
        let Some(history) = &self.history else {
            let snapshot = match known(snapshot).await {
                Ok(snapshot) => snapshot,
                Err(late) => return late,
            };
            let mut found = incidents::open(&snapshot, &asked);
            let found = found["incidents"][0].take();
            let is_it = found["id"].as_str().and_then(api_query::incident) == Some(number);
            return if is_it {
                json(StatusCode::OK, &found)
            } else {
                none()
            };
        };
        match history(asked).await {
            Ok(found) => match found
                .first()
                .filter(|past| past.incident.notice.incident.0 == number)
            {
                Some(past) => json(StatusCode::OK, &incidents::one(past)),
                None => none(),
            },
            Err(why) => unreadable(&why),
        }
    }

    async fn drill<B>(&self, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let body = match body::json(request).await {
            Ok(body) => body,
            Err(refusal) => return refusal,
        };
        if let Err(faults) = drill::read(&body) {
            return faulty(&faults);
        }
        let Some(drill) = &self.drill else {
            return error(StatusCode::NOT_FOUND, "this lastbeat runs no drills");
        };
        match self.turn.run(drill).await {
            None => error(
                StatusCode::CONFLICT,
                "a drill is under way; it ends within a minute",
            ),
            Some(rows) if rows.is_empty() => error(
                StatusCode::CONFLICT,
                "there is no notifier: set SENTRY_DSN, or name one in the rules by [notify.NAME]",
            ),
            Some(rows) => json(StatusCode::OK, &drill::json(&rows)),
        }
    }

    /// The answer to who may not ask.
    pub(super) fn refusal(
        &self,
        headers: &HeaderMap,
        peer: IpAddr,
    ) -> Option<Response<Full<Bytes>>> {
        access::allow(headers, peer, self.token.as_ref(), &self.tries)
            .err()
            .map(refused)
    }

    fn list(&self) -> Response<Full<Bytes>> {
        let rows: Vec<Value> = self.silences.list().iter().map(row).collect();
        json(StatusCode::OK, &json!({ "silences": rows }))
    }

    async fn add<B>(&self, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let body = match body::json(request).await {
            Ok(body) => body,
            Err(refusal) => return refusal,
        };
        let asked = match silence_request::read(&body, crate::clock::wall()) {
            Ok(asked) => asked,
            Err(faults) => {
                let said = json!({ "error": "this is no silence", "faults": faults });
                return json(StatusCode::BAD_REQUEST, &said);
            }
        };
        match self.silences.add(asked) {
            Some(added) => json(StatusCode::CREATED, &row(&added)),
            None => error(
                StatusCode::INSUFFICIENT_STORAGE,
                "there are too many silences: end some, or let globs cover several apps",
            ),
        }
    }

    fn expire(&self, id: &str) -> Response<Full<Bytes>> {
        match self.silences.expire(id) {
            Some(true) => json(StatusCode::OK, &json!({ "expired": id })),
            Some(false) => error(
                StatusCode::CONFLICT,
                "this silence stands in the rule files: take it out there",
            ),
            None => error(
                StatusCode::NOT_FOUND,
                "no silence has this id: it is over, or never was; GET /api/v1/silences lists them",
            ),
        }
    }
}

/// The core's copy, or the answer that there is none.
pub(super) async fn known(snapshot: &AskSnapshot) -> Result<Arc<Snapshot>, Response<Full<Bytes>>> {
    match tokio::time::timeout(SNAPSHOT_WITHIN, snapshot()).await {
        Ok(Some(snapshot)) => Ok(snapshot),
        Ok(None) | Err(_) => Err(late()),
    }
}

/// The answer where the core gives none.
pub(super) fn late() -> Response<Full<Bytes>> {
    let what = "the core did not answer within 2s; see /readyz";
    error(StatusCode::SERVICE_UNAVAILABLE, what)
}

async fn list_instances(query: &str, snapshot: &AskSnapshot) -> Response<Full<Bytes>> {
    let asked = match api_query::instances(query) {
        Ok(asked) => asked,
        Err(faults) => return faulty(&faults),
    };
    let snapshot = match known(snapshot).await {
        Ok(snapshot) => snapshot,
        Err(late) => return late,
    };
    let made = tokio::task::spawn_blocking(move || instances::instances(&snapshot, &asked));
    match made.await {
        Ok(told) => json(StatusCode::OK, &told),
        Err(_) => error(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the list could not be made; see the log",
        ),
    }
}

/// The rules in force as a rule file would say them; what is secret is `***`.
fn rules(set: &RuleSet) -> Value {
    let printed: Option<Value> = toml::from_str(&rules_file::print(set)).ok();
    json!({ "rules": printed })
}

/// The refusal of a question with faults.
pub(super) fn faulty(faults: &[String]) -> Response<Full<Bytes>> {
    let said = json!({ "error": "this cannot be asked", "faults": faults });
    json(StatusCode::BAD_REQUEST, &said)
}

fn unreadable(why: &str) -> Response<Full<Bytes>> {
    error(
        StatusCode::SERVICE_UNAVAILABLE,
        &format!("the history cannot be read: {why}"),
    )
}

/// The answer to who may not ask.
pub(super) fn refused(refusal: Refusal) -> Response<Full<Bytes>> {
    let (status, header) = match refusal {
        Refusal::Token => {
            let scheme = HeaderValue::from_static("Bearer");
            (StatusCode::UNAUTHORIZED, Some((WWW_AUTHENTICATE, scheme)))
        }
        Refusal::Wait(wait) => {
            let seconds = HeaderValue::from(wait.as_secs() + 1);
            (StatusCode::TOO_MANY_REQUESTS, Some((RETRY_AFTER, seconds)))
        }
        _ => (StatusCode::FORBIDDEN, None),
    };
    let mut response = error(status, refusal.told());
    response.headers_mut().extend(header);
    response
}

fn nothing_here() -> Response<Full<Bytes>> {
    let paths: Vec<&str> = routes::ROUTES
        .iter()
        .map(|route| route.path)
        .filter(|path| path.starts_with("/api/"))
        .collect();
    let what = format!("there is nothing here; there is {}", paths.join(", "));
    error(StatusCode::NOT_FOUND, &what)
}

/// The answer to a method that a path does not know.
pub(super) fn refuse_method(allowed: &'static str) -> Response<Full<Bytes>> {
    let what = format!("this path does not take that method: ask with {allowed}");
    let mut refusal = error(StatusCode::METHOD_NOT_ALLOWED, &what);
    let allow = HeaderValue::from_static(allowed);
    refusal.headers_mut().insert(ALLOW, allow);
    refusal
}

/// A refusal in JSON.
pub(super) fn error(status: StatusCode, what: &str) -> Response<Full<Bytes>> {
    json(status, &json!({ "error": what }))
}
