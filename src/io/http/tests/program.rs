//! The rest of the program, as the tests of the listener have it.

use crate::core::last_words::LastWord;
use crate::core::notice::IncidentId;
use crate::core::persist::{ForgottenTarget, IncidentQuery, PastIncident, SavedIncident};
use crate::core::rule::RuleSet;
use crate::core::snapshot::Snapshot;
use crate::core::snapshot::detail::Detail;
use crate::core::snapshot::outages::Outages;
use crate::core::time::Wall;
use crate::decode::acknowledge_request::AcknowledgeRequest;
use crate::decode::api_query::EntriesQuery;
use crate::decode::refill_request::RefillRequest;
use crate::decode::silence_request::SilenceRequest;
use crate::io::http::backend::{Backend, EntriesFault, RefillRefused, SilenceRow};
use crate::io::http::dto::downstream::Refill;
use crate::io::http::dto::drill::{Drilled, Told};
use crate::io::http::dto::entry::Entries;
use crate::io::http::dto::status::{NotifierStatus, StoreStatus, UnrecognisedBeats};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

/// A core that is gone or never answers, a text of so many bytes to scrape, one silence of the rules, and no room for more.
pub(super) struct Program {
    pub core_hangs: bool,
    pub bytes: usize,
}

impl Backend for Program {
    fn snapshot(&self) -> BoxFuture<'_, Option<Arc<Snapshot>>> {
        if self.core_hangs {
            std::future::pending().boxed()
        } else {
            async { None }.boxed()
        }
    }

    fn instance(&self, _: String) -> BoxFuture<'_, Option<Option<Detail>>> {
        async { Some(None) }.boxed()
    }

    fn incidents(&self, asked: IncidentQuery) -> BoxFuture<'_, Result<Vec<PastIncident>, String>> {
        async move { history(&asked) }.boxed()
    }

    fn acknowledge(
        &self,
        id: IncidentId,
        _: AcknowledgeRequest,
    ) -> BoxFuture<'_, Option<Option<Box<SavedIncident>>>> {
        let found = history(&IncidentQuery {
            open: Some(true),
            before: id.0.checked_add(1),
            limit: 1,
            ..IncidentQuery::default()
        });
        let found = found.unwrap_or_default().pop();
        let found = found.filter(|past| past.incident.notice.incident == id);
        async { Some(found.map(|past| Box::new(past.incident))) }.boxed()
    }

    fn outages(&self, _: Wall) -> BoxFuture<'_, Result<Outages, String>> {
        async { Ok(Outages::default()) }.boxed()
    }

    fn forgotten(&self, _: Wall) -> BoxFuture<'_, Result<Vec<ForgottenTarget>, String>> {
        async { Ok(Vec::new()) }.boxed()
    }

    fn last_words(&self, _: &str) -> Vec<LastWord> {
        Vec::new()
    }

    fn entries(&self, _: EntriesQuery) -> BoxFuture<'_, Result<Entries, EntriesFault>> {
        async { Err(EntriesFault::NoArchive) }.boxed()
    }

    fn unrecognised_beats(&self) -> Vec<UnrecognisedBeats> {
        Vec::new()
    }

    fn write_metrics(&self, snapshot: Option<&Snapshot>, to: &mut dyn Write) -> io::Result<()> {
        assert!(snapshot.is_none());
        to.write_all(&vec![b'm'; self.bytes])
    }

    fn rules(&self) -> Arc<RuleSet> {
        Arc::default()
    }

    fn store(&self) -> StoreStatus {
        StoreStatus::default()
    }

    fn notifiers(&self) -> Vec<NotifierStatus> {
        Vec::new()
    }

    fn drill(&self) -> BoxFuture<'static, Vec<Drilled>> {
        let told = Told {
            taken: false,
            said: "404".to_owned(),
            took: Duration::ZERO,
        };
        let row = Drilled {
            notifier: "oncall".to_owned(),
            opened: told,
            closed: None,
        };
        async { vec![row] }.boxed()
    }

    fn refill(&self, _: &str, _: RefillRequest) -> Result<Refill, RefillRefused> {
        Err(RefillRefused::Busy)
    }

    fn last_refill(&self) -> Option<Refill> {
        None
    }

    fn silences(&self) -> Vec<SilenceRow> {
        Vec::new()
    }

    fn add_silence(&self, _: SilenceRequest) -> Option<SilenceRow> {
        None
    }

    fn expire_silence(&self, id: &str) -> Option<bool> {
        (id == "rules-1").then_some(false)
    }
}

/// A history of 250 incidents, numbered from 1, of which the even ones are over.
fn history(asked: &IncidentQuery) -> Result<Vec<PastIncident>, String> {
    use crate::core::notice::{CloseReason, IncidentId, NoticeKind};
    use crate::core::persist::{SavedIncident, SavedKey, TimelineRow};
    if asked.app.as_deref() == Some("broken") {
        return Err("the disk is gone".to_owned());
    }
    let past = |number: u64| {
        let mut notice = crate::format::tests::notice();
        notice.incident = IncidentId(number);
        let closed = number
            .is_multiple_of(2)
            .then_some((notice.decided, CloseReason::Resolved));
        if let Some((_, reason)) = closed {
            notice.kind = NoticeKind::Closed(reason);
        }
        let opened_at = notice.due;
        let told = None;
        let incident = SavedIncident {
            key: SavedKey::Stream,
            notice,
            opened_at,
            closed,
            notified: told.into_iter().collect(),
            back: Vec::new(),
            remind: None,
            members: Vec::new(),
        };
        let timeline = vec![TimelineRow {
            at: opened_at,
            what: "opened".to_owned(),
        }];
        PastIncident { incident, timeline }
    };
    let before = asked.before.unwrap_or(251).min(251);
    let numbers = (1..before)
        .rev()
        .filter(|n| asked.open.is_none_or(|open| open != n.is_multiple_of(2)));
    Ok(numbers.take(asked.limit as usize).map(past).collect())
}
