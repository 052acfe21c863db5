//! Incidents by name, for a store.

use crate::core::incident::scope::Key;
use crate::core::incident::view::View;
use crate::core::incident::{Incident, Incidents};
use crate::core::notice::{Alarm, CloseReason};
use crate::core::persist::{SavedIncident, SavedKey, SavedTarget, SavedTold, SavedWatched};
use crate::core::targets::table::Watched;
use crate::core::time::Wall;
use crate::core::tracker::InstanceId;
use crate::core::tracker::names::name_of;
use std::sync::Arc;

impl Incidents {
    pub(in crate::core) fn saved(
        &self,
        view: View<'_>,
        incident: &Incident,
        closed: Option<(Wall, CloseReason)>,
    ) -> SavedIncident {
        let told = incident.told.map(|told| SavedTold {
            at: view.facts.now.wall_of(told.at),
            reminders: told.reminders,
            updates: told.updates,
        });
        let members = incident.members.iter();
        SavedIncident {
            key: self.saved_key(view, incident),
            notice: incident.notice.clone(),
            opened_at: incident.opened_at,
            closed,
            told,
            remind: incident.remind,
            members: members.map(|&target| saved_target(view, target)).collect(),
        }
    }

    fn saved_key(&self, view: View<'_>, incident: &Incident) -> SavedKey {
        let region = |id: u32| Arc::clone(view.facts.tracker.region_names.get(id));
        let app = |id: u32| Arc::clone(view.facts.tracker.app_names.get(id));
        if incident.notice.alarm == Alarm::Flapping
            && let Some(target) = self.flaps.target_of(incident.notice.incident)
        {
            return SavedKey::Flapping(saved_target(view, target));
        }
        match incident.key {
            Key::Stream => SavedKey::Stream,
            Key::Region(id) => SavedKey::Region(region(id)),
            Key::App(id) => SavedKey::App(app(id)),
            Key::Place(id) => {
                let place = &view.facts.tracker.places[id as usize];
                SavedKey::Place(app(place.app), region(place.region))
            }
            Key::Host(id) => SavedKey::Host(Arc::clone(view.facts.tracker.host_names.get(id))),
            Key::Alone { .. } => {
                // After a reload the number may be another rule's; the notice keeps the name.
                SavedKey::Alone(Arc::from(incident.notice.rule.as_str()))
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
    }
}
