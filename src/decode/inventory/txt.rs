//! Machines in the TXT records of Fly's private DNS.
//!
//! `_instances.internal` names those that are started, `all._instances.internal` those that are deployed:
//! `instance=3d8d9250a27de8,app=web,ip=fdaa:...,region=yyz;instance=...`. `vms.APP.internal` and `all.vms.APP.internal`
//! say the same of one app: `3d8d9250a27de8 yyz,...`. `_apps.internal` names the apps: `web,worker`.

use super::{Names, Read, is_name, purpose_of};
use crate::core::inventory::{Listed, Machine};
use std::collections::HashSet;
use std::sync::Arc;

/// One machine, as DNS names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Its app.
    pub app: String,
    /// Its region.
    pub region: String,
    /// Its id.
    pub id: String,
}

/// The answer to one question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// In the answer's order.
    pub places: Vec<Place>,
    /// Items that could not be read.
    pub broken: u64,
}

impl Found {
    /// Takes in what another question found.
    pub fn add(&mut self, other: Found) {
        self.places.extend(other.places);
        self.broken += other.broken;
    }

    /// True if there was something, and nothing of it could be read: no list at all.
    pub fn is_garbage(&self) -> bool {
        self.places.is_empty() && self.broken > 0
    }

    fn take(&mut self, place: Option<Place>) {
        match place {
            Some(place) => self.places.push(place),
            None => self.broken += 1,
        }
    }
}

/// Reads `_instances.internal` or `all._instances.internal`: a text for each record, its strings joined.
pub fn instances(texts: &[Vec<u8>]) -> Found {
    each(texts, ';', instance)
}

/// Reads `vms.APP.internal` or `all.vms.APP.internal` of that app.
pub fn vms(app: &str, texts: &[Vec<u8>]) -> Found {
    each(texts, ',', |item| {
        let (id, region) = item.split_once(' ')?;
        place(app, region.trim(), id)
    })
}

/// Reads `_apps.internal`: the apps, and how many names were none.
pub fn apps(texts: &[Vec<u8>]) -> (Vec<String>, u64) {
    let mut apps = Vec::new();
    let mut broken = 0;
    for text in texts {
        let text = String::from_utf8_lossy(text);
        for app in items(&text, ',') {
            if is_name(app) {
                apps.push(app.to_owned());
            } else {
                broken += 1;
            }
        }
    }
    (apps, broken)
}

/// The machines out of those started and those deployed.
///
/// One that is deployed and not started is stopped; but where an item of the started ones could not be read, it may be
/// that very one, and nothing follows.
pub fn machines(started: &Found, deployed: &Found) -> Read {
    let mut names = Names::default();
    let mut seen: HashSet<&str> = HashSet::new();
    let mut machines = Vec::with_capacity(started.places.len().max(deployed.places.len()));
    let others = if started.broken == 0 {
        (Listed::Stopped, "not started")
    } else {
        (Listed::Unknown, "unreadable")
    };
    let started_ones = started
        .places
        .iter()
        .map(|place| (place, (Listed::Started, "started")));
    let deployed_ones = deployed.places.iter().map(|place| (place, others));
    for (place, (listed, word)) in started_ones.chain(deployed_ones) {
        if seen.insert(&place.id) {
            machines.push(machine(place, listed, word, &mut names));
        }
    }
    Read {
        machines,
        broken: started.broken + deployed.broken,
        unread_regions: Vec::new(),
    }
}

fn machine(place: &Place, listed: Listed, word: &str, names: &mut Names) -> Machine {
    Machine {
        app: names.share(&place.app),
        region: names.share(&place.region),
        id: Arc::from(place.id.as_str()),
        listed,
        word: names.share(word),
        unreachable: false,
        purpose: purpose_of(&place.app),
        group: None,
        exit: None,
    }
}

fn each(texts: &[Vec<u8>], end: char, read: impl Fn(&str) -> Option<Place>) -> Found {
    let mut found = Found::default();
    for text in texts {
        // What is no UTF-8 is a broken item, found when its names are looked at.
        let text = String::from_utf8_lossy(text);
        items(&text, end).for_each(|item| found.take(read(item)));
    }
    found
}

fn items(text: &str, end: char) -> impl Iterator<Item = &str> {
    text.split(end)
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

/// `instance=ID,app=APP,region=REGION` in any order, among keys that we do not know.
fn instance(item: &str) -> Option<Place> {
    let value = |wanted: &str| {
        let mut pairs = item.split(',').filter_map(|pair| pair.split_once('='));
        pairs.find_map(|(key, value)| (key.trim() == wanted).then_some(value.trim()))
    };
    place(value("app")?, value("region")?, value("instance")?)
}

fn place(app: &str, region: &str, id: &str) -> Option<Place> {
    [app, region, id].into_iter().all(is_name).then(|| Place {
        app: app.to_owned(),
        region: region.to_owned(),
        id: id.to_owned(),
    })
}
