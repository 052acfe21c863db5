//! Incidents by name, for the store.

use crate::core::incident::Incident;
use crate::core::incident::key::Key;
use crate::core::incident::kind::{Alarm, CloseReason};
use crate::core::incident::view::View;
use crate::core::notice::ledger::Ledger;
use crate::core::notice::view::NoticeView;
use crate::core::persist::{
    SavedBack, SavedIncident, SavedKey, SavedNotified, SavedStamp, SavedTarget, SavedWatched,
};
use crate::core::targets::table::Watched;
use crate::core::time::Wall;
use crate::core::tracker::InstanceId;
use crate::core::tracker::names::name_of;
use std::sync::Arc;

impl NoticeView<'_> {
    /// An incident with its notifications; `closed`: time and reason of its end.
    pub(in crate::core) fn saved(
        self,
        incident: &Incident,
        ledger: &Ledger,
        closed: Option<(Wall, CloseReason)>,
    ) -> SavedIncident {
        let view = self.below();
        let notified = ledger.notified.iter().map(|(name, one)| SavedNotified {
            notifier: Arc::clone(name),
            at: view.facts.now.wall_of(one.at),
            reminders: one.reminders,
            updates: one.updates,
            severity: one.severity,
            silent: one.silent,
        });
        let is_there = |target: &u32| {
            let row = view.targets.table.row(*target);
            row.is_some_and(|row| row.rule() != crate::core::tracker::NONE)
        };
        let firing = incident.firing().filter(is_there);
        let back = incident.members.iter().filter_map(|(target, member)| {
            let back = member.back.filter(|_| is_there(target))?;
            Some(SavedBack {
                target: saved_target(view, *target),
                at: SavedStamp {
                    at: back.at,
                    listened: back.listened,
                },
            })
        });
        SavedIncident {
            key: saved_key(view, incident, ledger),
            notice: ledger.notice.clone(),
            opened_at: incident.opened_at,
            closed,
            notified: notified.collect(),
            remind: ledger.remind(),
            members: firing.map(|target| saved_target(view, target)).collect(),
            back: back.collect(),
        }
    }
}

fn saved_key(view: View<'_>, incident: &Incident, ledger: &Ledger) -> SavedKey {
    let region = |id: u32| Arc::clone(view.facts.tracker.region_names.get(id));
    let app = |id: u32| Arc::clone(view.facts.tracker.app_names.get(id));
    match incident.key {
        Key::Stream => SavedKey::Stream,
        Key::Downstream(_) => SavedKey::Downstream(Arc::from(ledger.notice.rule.as_str())),
        Key::Regions => SavedKey::Regions(incident.regions.iter().map(|&id| region(id)).collect()),
        Key::Region(id) => SavedKey::Region(region(id)),
        Key::App(id) => SavedKey::App(app(id)),
        Key::AppRegion(id) => {
            let app_region = &view.facts.tracker.app_regions[id as usize];
            SavedKey::AppRegion(app(app_region.app), region(app_region.region))
        }
        Key::Host(id) => SavedKey::Host(Arc::clone(view.facts.tracker.host_names.get(id))),
        Key::Part(_) => {
            let first = incident.members.keys().next();
            match first.filter(|_| incident.alarm == Alarm::Flapping) {
                Some(&target) => SavedKey::Flapping(saved_target(view, target)),
                // After a reload the number may belong to another rule; the notice keeps the name.
                None => SavedKey::Alone(Arc::from(ledger.notice.rule.as_str())),
            }
        }
    }
}

fn saved_target(view: View<'_>, target: u32) -> SavedTarget {
    let row = view.targets.table.get(target);
    let subject = |slot: u32| {
        view.facts
            .tracker
            .subject(InstanceId(slot))
            .unwrap_or_default()
    };
    let watched = match row.watched() {
        Watched::Beat(beat) => {
            let beat = &view.facts.tracker.beat_row(beat);
            SavedWatched::Beat {
                subject: subject(beat.instance),
                marker: view.facts.marker_text(beat.marker.0),
                name: Arc::clone(view.facts.tracker.beat_names.get(beat.name())),
            }
        }
        Watched::Logs(id) => SavedWatched::Logs {
            subject: subject(id.0),
        },
        Watched::Group(group) => {
            let group = view.targets.groups.get(group);
            SavedWatched::Group {
                app: name_of(&view.facts.tracker.app_names, group.app),
                region: name_of(&view.facts.tracker.region_names, group.region),
            }
        }
    };
    SavedTarget {
        rule: Arc::clone(&view.facts.rule_names[row.rule() as usize]),
        watched,
        recovered: row.good,
    }
}
