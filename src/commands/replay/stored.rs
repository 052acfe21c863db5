//! The notifications that were really sent, from a state file.

use super::difference::Sent;
use super::player::Played;
use crate::commands::exit::Stop;
use crate::commands::status::stored;
use crate::core::notice::NoticeKind;
use crate::core::persist::{IncidentQuery, PastIncident};
use crate::format;
use crate::io::store::{MAX_PAGE, kind_from_stored};
use std::path::Path;

/// The openings and closings of incidents that opened within the time that was played.
///
/// # Errors
/// The file cannot be read.
pub(super) fn sent(file: &Path, played: &Played) -> Result<Vec<Sent>, Stop> {
    let read = stored::with_copy(file, |opened| {
        let mut query = IncidentQuery {
            from: Some(played.start),
            until: Some(played.start + played.length),
            limit: MAX_PAGE,
            ..IncidentQuery::default()
        };
        let mut all = Vec::new();
        loop {
            let page = opened.store.history(&query);
            let page = page.map_err(|fault| format::error_chain(&fault))?;
            query.before = page.last().map(|past| past.incident.notice.incident.0);
            let is_last = page.len() < MAX_PAGE as usize;
            all.extend(page);
            if is_last {
                return Ok(all);
            }
        }
    });
    let incidents = read.map_err(Stop::bad_input)?;
    let end = played.start + played.length;
    let mut sent: Vec<Sent> = incidents.iter().flat_map(notifications).collect();
    sent.retain(|one| one.at <= end);
    Ok(sent)
}

/// The openings and closings of an incident.
fn notifications(past: &PastIncident) -> impl Iterator<Item = Sent> {
    past.timeline.iter().filter_map(|row| {
        let kind = kind_from_stored(&row.what)?;
        let mut notice = past.incident.notice.clone();
        notice.kind = kind;
        matches!(kind, NoticeKind::Opened | NoticeKind::Closed(_))
            .then_some(Sent { at: row.at, notice })
    })
}
