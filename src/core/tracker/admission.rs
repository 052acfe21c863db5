//! Admission of new subjects, and the limits on them.

use crate::core::entry::{Reject, Subject};
use crate::core::time::Stamp;
use crate::core::tracker::record::{App, AppRegion, Instance, Region};
use crate::core::tracker::text::{self, Texts};
use crate::core::tracker::{Admitted, InstanceId, NONE, Table, Tracker, UNDECIDED, grow, store};
use foldhash::quality::RandomState;
use std::cell::RefCell;
use std::hash::BuildHasher;

impl Tracker {
    /// Admits a subject that [`Self::find`] does not know.
    ///
    /// # Errors
    /// [`Reject::Limit`] if a table is full; `take_full` says which.
    pub fn admit(
        &mut self,
        subject: &Subject<'_>,
        ignored: impl Fn(&str) -> bool,
        now: Stamp,
    ) -> Result<Admitted, Reject> {
        if subject.instance.len() > text::LONGEST {
            return Err(Reject::SubjectToken);
        }
        let ignored = match self.app_names.find(subject.app) {
            Some(app) => self.apps[app as usize].ignored,
            None => ignored(subject.app),
        };
        // A rejected subject leaves no name behind.
        if !ignored && self.subjects.len() >= self.limits.instances {
            return Err(self.is_full(Table::Instances));
        }
        let Some(app) = self.app(subject.app, ignored) else {
            return Err(self.is_full(Table::Apps));
        };
        if ignored {
            return Ok(Admitted::Ignored(app));
        }
        let Some(region) = self.intern_region(subject.region) else {
            return Err(self.is_full(Table::Regions));
        };
        let Some(app_region) = self.intern_app_region(app, region, now) else {
            return Err(self.is_full(Table::AppRegions));
        };
        let instance = Instance {
            name: self.names.put(subject.instance),
            app_region,
            seen: now,
            logs: UNDECIDED,
            ..Instance::free()
        };
        let id = store(&mut self.instances, &mut self.free_instances, instance);
        self.app_regions[app_region as usize].members.push(id);
        self.index(subject.raw, id);
        Ok(Admitted::New(InstanceId(id)))
    }

    fn index(&mut self, subject: &str, id: u32) {
        let hash = self.hash.hash_one(subject);
        let hash_of = hashes(&self.instances, &self.app_regions, &self.names, &self.hash);
        self.subjects.insert(hash, id, hash_of);
    }

    /// True while subjects move to a larger table, so that [`Self::move_some`] has work.
    #[inline]
    pub(in crate::core) fn is_moving(&self) -> bool {
        self.subjects.is_moving()
    }

    /// Moves some of the subjects, so that the smaller table is freed even if no instance is admitted any more.
    pub(in crate::core) fn move_some(&mut self) {
        let hash_of = hashes(&self.instances, &self.app_regions, &self.names, &self.hash);
        self.subjects.move_some(hash_of);
    }

    /// Remembers the full table, and gives the reason to reject the entry.
    pub(in crate::core) fn is_full(&mut self, table: Table) -> Reject {
        self.full = Some(table);
        Reject::Limit
    }

    /// The table that was full since the last call; `None` if none was.
    #[inline]
    pub(in crate::core) fn take_full(&mut self) -> Option<Table> {
        self.full.take()
    }

    fn app(&mut self, name: &str, ignored: bool) -> Option<u32> {
        let id = self.app_names.intern(name)?;
        grow(&mut self.apps, id, App::default);
        let app = &mut self.apps[id as usize];
        app.ignored |= ignored;
        Some(id)
    }

    /// The number of an app, new or not; `None` if the table is full.
    pub fn intern_app(&mut self, name: &str) -> Option<u32> {
        self.app(name, false)
    }

    /// The number of a region, new or not; `None` if the table is full.
    pub fn intern_region(&mut self, name: &str) -> Option<u32> {
        let region = self.region_names.intern(name)?;
        grow(&mut self.regions, region, Region::default);
        Some(region)
    }

    /// The number of a known app-region.
    pub fn find_app_region(&self, app: u32, region: u32) -> Option<u32> {
        let is = |&id: &u32| {
            let app_region = &self.app_regions[id as usize];
            (app_region.app, app_region.region) == (app, region)
        };
        self.app_region_ids
            .find(self.hash_of_app_region(app, region), is)
            .copied()
    }

    /// The number of an app-region, new or not; `None` if the table is full.
    pub fn intern_app_region(&mut self, app: u32, region: u32, now: Stamp) -> Option<u32> {
        if let Some(id) = self.find_app_region(app, region) {
            return Some(id);
        }
        if self.app_region_ids.len() >= self.limits.app_regions() {
            return None;
        }
        let names = [self.app_names.get(app), self.region_names.get(region)];
        let app_region = AppRegion {
            app,
            region,
            seen: now,
            members: Vec::new(),
            prefix: ["logs.", names[0], ".", names[1], "."].concat().into(),
        };
        let id = store(
            &mut self.app_regions,
            &mut self.free_app_regions,
            app_region,
        );
        let (app_regions, hash) = (&self.app_regions, &self.hash);
        let hash_of = |&id: &u32| {
            hash.hash_one((
                app_regions[id as usize].app,
                app_regions[id as usize].region,
            ))
        };
        self.app_region_ids
            .insert_unique(hash.hash_one((app, region)), id, hash_of);
        self.apps[app as usize].app_regions.push(id);
        self.regions[region as usize].app_regions.insert(id);
        self.new_app_regions.push(id);
        Some(id)
    }

    /// The app-regions of an app, or of a region if the app is [`NONE`]; with both, the app's one in that region.
    pub(in crate::core) fn app_regions_of(
        &self,
        app: u32,
        region: u32,
    ) -> impl Iterator<Item = u32> {
        let of_app = self.apps.get(app as usize).map(|app| &app.app_regions);
        let of_region = self.regions.get(region as usize).map(|at| &at.app_regions);
        let of_region = of_region.filter(|_| app == NONE).into_iter().flatten();
        let own = of_app.into_iter().flatten().chain(of_region).copied();
        own.filter(move |id| region == NONE || self.app_regions[*id as usize].region == region)
    }
}

/// The hash of each instance's subject.
fn hashes<'a>(
    instances: &'a [Instance],
    app_regions: &'a [AppRegion],
    names: &'a Texts,
    hash: &'a RandomState,
) -> impl Fn(u32) -> u64 + 'a {
    let whole = RefCell::new(String::new());
    move |id| {
        let instance = &instances[id as usize];
        let mut whole = whole.borrow_mut();
        whole.clear();
        whole.push_str(&app_regions[instance.app_region as usize].prefix);
        whole.push_str(names.get(&instance.name));
        hash.hash_one(whole.as_str())
    }
}
