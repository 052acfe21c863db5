//! Open alerts of one notifier, for notifiers that need them resent.

use crate::core::notice::{CloseReason, IncidentId, NoticeKind};
use crate::core::time::Wall;
use crate::io::notifier::RenderedNotice;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Open incidents kept for one notifier: as many as may wait for it.
const OPEN_LIMIT: usize = super::backlog::WAITING_LIMIT;
/// Time for which a resolved alert is resent. A restarted peer has forgotten its alerts, but not that it notified about
/// them; without this it would never report their end. Prometheus does the same, for as long.
const OVER_KEPT: Duration = Duration::from_secs(15 * 60);
/// Ends kept for that; the oldest leave first.
const OVER_LIMIT: usize = 1_000;

/// The last notice of each open incident, and of those that ended a moment ago.
#[derive(Default)]
pub(super) struct OpenAlerts {
    open: BTreeMap<IncidentId, OpenAlert>,
    /// Each with the time of its notification.
    over: VecDeque<(Wall, OpenAlert)>,
    /// True once it was logged that the limit is reached.
    full: bool,
}

struct OpenAlert {
    subject: Option<Bytes>,
    rendered: RenderedNotice,
}

impl OpenAlerts {
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.over.is_empty()
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = OpenAlerts::default();
    }

    /// Records a notice that was sent, now or earlier.
    pub(super) fn take(&mut self, rendered: RenderedNotice, subject: Option<Bytes>, now: Wall) {
        if let Some(before) = self.replaced(&rendered, subject.as_ref()) {
            self.over.push_back((now, before));
        }
        let alert = OpenAlert { subject, rendered };
        if !matches!(alert.rendered.kind, NoticeKind::Closed(_)) {
            if alert.subject.is_some() {
                self.over.retain(|(_, one)| one.subject != alert.subject);
            }
            self.open(alert);
            self.bound();
            return;
        }
        self.open.remove(&alert.rendered.incident);
        if !self.stands(&alert.rendered, alert.subject.as_ref()) {
            self.over.push_back((now, alert));
        }
        self.bound();
    }

    fn bound(&mut self) {
        while self.over.len() > OVER_LIMIT {
            self.over.pop_front();
        }
    }

    /// The alert of the same incident that a notice with another key ends, as closed; `None` where there is none, or where
    /// another incident holds it open.
    fn replaced(&self, rendered: &RenderedNotice, subject: Option<&Bytes>) -> Option<OpenAlert> {
        let before = self.open.get(&rendered.incident)?;
        if before.subject.is_none()
            || before.subject.as_ref() == subject
            || self.stands(&before.rendered, before.subject.as_ref())
        {
            return None;
        }
        Some(OpenAlert {
            subject: before.subject.clone(),
            rendered: RenderedNotice {
                kind: NoticeKind::Closed(CloseReason::Superseded),
                ..before.rendered.clone()
            },
        })
    }

    /// As [`Self::take`] would end it: the alert of the same incident with another key.
    pub(super) fn before(
        &self,
        rendered: &RenderedNotice,
        subject: Option<&Bytes>,
    ) -> Option<RenderedNotice> {
        self.replaced(rendered, subject).map(|alert| alert.rendered)
    }

    fn open(&mut self, alert: OpenAlert) {
        let incident = alert.rendered.incident;
        if self.open.len() < OPEN_LIMIT || self.open.contains_key(&incident) {
            self.open.insert(incident, alert);
        } else if !self.full {
            self.full = true;
            tracing::error!(
                limit = OPEN_LIMIT,
                "too many open alerts: some will not be resent"
            );
        }
    }

    /// Forgets an alert whose end will not be sent.
    pub(super) fn forget(&mut self, incident: IncidentId) {
        self.open.remove(&incident);
    }

    /// True if another open incident has the same key at the peer.
    pub(super) fn stands(&self, rendered: &RenderedNotice, subject: Option<&Bytes>) -> bool {
        let same = |alert: &OpenAlert| {
            alert.rendered.incident != rendered.incident && alert.subject.as_ref() == subject
        };
        subject.is_some() && self.open.values().any(same)
    }

    /// Everything that is to be said again.
    pub(super) fn again(&mut self, now: Wall) -> Vec<RenderedNotice> {
        self.over.retain(|(told, _)| now.since(*told) <= OVER_KEPT);
        let over = self.over.iter().map(|(_, alert)| alert);
        let all = self.open.values().chain(over);
        all.map(|alert| alert.rendered.clone()).collect()
    }
}
