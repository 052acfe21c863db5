//! What must hold of every run, whatever happened in it.

use super::driver::EPOCH;
use super::history::{Call, History, Step};
use super::model::{Expected, Model};
use super::world::World;
use lastbeat::core::engine::Engine;
use lastbeat::core::notice::{Alarm, IncidentId, Notice, NoticeKind, Scope, TargetName};
use lastbeat::core::targets::table::Change;
use std::collections::{BTreeMap, BTreeSet};

/// Checks a run; `Err` says what does not hold, and when.
pub fn check(world: &World, history: &History<'_>, engine: &Engine) -> Result<(), String> {
    let mut model = Model::new(&world.rules, history);
    let mut told = Told::default();
    let mut chain = Chain::default();
    for step in &history.steps {
        let expected = model.step(step);
        let mut found: Vec<Expected> = step.changes.iter().map(as_expected).collect();
        found.sort();
        if found != expected {
            let who = found
                .first()
                .or(expected.first())
                .map(|one| one.who.clone());
            let story = story(world, history, step.at, &who.unwrap_or_default());
            return Err(format!(
                "at {} on {:?}\n  the core says {found:#?}\n  the model {expected:#?}\n{story}",
                step.at, step.call
            ));
        }
        chain.step(step).map_err(|(who, what)| {
            let story = story(world, history, step.at, &who);
            format!("{what}\n{story}")
        })?;
        told.step(step, &chain)?;
        for notice in &step.notices {
            wholly_silent(world, &model, notice)
                .map_err(|what| format!("at {}: {what}: {notice:#?}", step.at))?;
        }
    }
    told.end(engine)
}

/// What one said before a moment, and what made lastbeat blind.
fn story(world: &World, history: &History<'_>, until: u64, who: &str) -> String {
    let subject = who.split(' ').next().unwrap_or_default();
    let number = world
        .cast
        .iter()
        .position(|actor| actor.subject.ends_with(subject));
    let mut lines = format!("{:#?}\n", world.rules.rules);
    let before = history.steps.iter().take_while(|step| step.at <= until);
    let tells = before.filter(|step| match step.call {
        _ if step
            .changes
            .iter()
            .any(|change| as_expected(change).who == who) =>
        {
            true
        }
        Call::Entry { who, .. } => Some(who) == number,
        Call::Arrive | Call::Evaluate | Call::Intact => false,
        _ => true,
    });
    let tells: Vec<&Step> = tells.collect();
    for step in tells.iter().rev().take(12).rev() {
        let own = step.changes.iter().map(as_expected);
        let own: Vec<Expected> = own.filter(|change| change.who == who).collect();
        lines += &format!("  {:>15} {:?} {own:?}\n", step.at, step.call);
    }
    lines
}

fn as_expected(change: &Change) -> Expected {
    let who = &change.who;
    Expected {
        rule: change.rule.to_string(),
        who: name(who),
        from: change.from.label(),
        to: change.to.label(),
        reason: change.reason.label(),
        at: change.at.nanos() - EPOCH,
    }
}

/// Changes of one alert: each begins where the one before ended, none before it.
#[derive(Default)]
struct Chain(BTreeMap<(String, String), (&'static str, u64)>);

impl Chain {
    /// `Err`: whose, and what does not hold.
    fn step(&mut self, step: &Step) -> Result<(), (String, String)> {
        for change in step.changes.iter().map(as_expected) {
            let key = (change.rule.clone(), change.who.clone());
            let (state, since) = self.0.get(&key).copied().unwrap_or(("ok", 0));
            if change.from != state || change.at < since || change.at > step.at {
                let what = format!("at {}: {change:?} after {state} at {since}", step.at);
                return Err((change.who, what));
            }
            self.0.insert(key, (change.to, change.at));
        }
        Ok(())
    }
}

impl Chain {
    /// Whether the alert of a single instance fires.
    fn fires(&self, notice: &Notice) -> bool {
        let key = (notice.rule.to_string(), name(&notice.who));
        self.0
            .get(&key)
            .is_some_and(|(state, _)| *state == "firing")
    }
}

fn name(who: &TargetName) -> String {
    format!("{}.{}.{} {}", who.app, who.region, who.instance, who.beat)
}

/// Notices of one incident: one that opens, then reminders, then one that closes.
#[derive(Default)]
struct Told {
    open: BTreeMap<IncidentId, (u32, Notice)>,
    closed: BTreeSet<IncidentId>,
}

impl Told {
    fn step(&mut self, step: &Step, chain: &Chain) -> Result<(), String> {
        for notice in &step.notices {
            let id = notice.incident;
            let wrong = |what: &str| Err(format!("at {}: {what}: {notice:#?}", step.at));
            match notice.kind {
                NoticeKind::Opened => {
                    if self.closed.contains(&id)
                        || self.open.insert(id, (0, notice.clone())).is_some()
                    {
                        return wrong("opened twice");
                    }
                    if notice.due_mono.nanos() > step.at {
                        return wrong("told before its deadline");
                    }
                    if !matches!(step.call, Call::Evaluate) {
                        return wrong("opened where nothing was judged");
                    }
                }
                NoticeKind::Updated(_) if !self.open.contains_key(&id) => {
                    return wrong("an update of what is not open");
                }
                NoticeKind::Updated(_) => {}
                NoticeKind::Reminder(number) => match self.open.get_mut(&id) {
                    Some((last, _)) if *last + 1 == number => *last = number,
                    _ => return wrong("a reminder out of order"),
                },
                NoticeKind::Closed(_) => {
                    if self.open.remove(&id).is_none() || !self.closed.insert(id) {
                        return wrong("closed without being open");
                    }
                }
            }
        }
        for wide in &step.notices {
            let is_wide = !matches!(wide.scope, Scope::Instance | Scope::Stream);
            if !is_wide || wide.kind != NoticeKind::Opened {
                continue;
            }
            // One that lost its beat alone may open beside it, and one that is heard again stays open for a while.
            let before = |notice: &&Notice| notice.decided < wide.decided && chain.fires(notice);
            let mut open = self.open.values().map(|(_, notice)| notice).filter(before);
            if let Some(narrow) = open.find(|notice| is_part(notice, wide)) {
                return Err(format!("at {}: {narrow:#?} is part of {wide:#?}", step.at));
            }
        }
        if self.open.len() > 64 {
            return Err(format!(
                "at {}: {} incidents are open",
                step.at,
                self.open.len()
            ));
        }
        Ok(())
    }

    /// At the end everyone is well. What flapped may not be steady for long enough yet.
    fn end(&self, engine: &Engine) -> Result<(), String> {
        let is_over = |notice: &Notice| notice.alarm != Alarm::Flapping;
        let mut open = self.open.values().filter(|(_, notice)| is_over(notice));
        if let Some((_, notice)) = open.next() {
            return Err(format!("told and never closed: {notice:#?}"));
        }
        match engine.open_incidents().find(is_over) {
            Some(notice) => Err(format!("in the end there is still {notice:#?}")),
            None => Ok(()),
        }
    }
}

/// Whether one instance's silence is part of a wider one.
fn is_part(narrow: &Notice, wide: &Notice) -> bool {
    let (one, all) = (&narrow.who, &wide.who);
    // Others of its app may have joined an incident since it opened: only the app surely holds all of them.
    let inside = wide.scope == Scope::App && one.app == all.app;
    let single = narrow.scope == Scope::Instance && !one.instance.is_empty();
    inside && single && narrow.alarm != Alarm::Flapping
}

/// What an opening notice says of its scope is true: all of it is silent, and nothing wider surely is.
fn wholly_silent(world: &World, model: &Model<'_>, notice: &Notice) -> Result<(), String> {
    if notice.kind != NoticeKind::Opened || notice.scope == Scope::Stream {
        return Ok(());
    }
    let wide = notice.scope != Scope::Instance;
    let who = &notice.who;
    let inside = |scope: Scope, number: usize| {
        let actor = &world.cast[number];
        match scope {
            Scope::Region => actor.region == who.region,
            Scope::App => actor.app == who.app,
            Scope::AppRegion => actor.app == who.app && actor.region == who.region,
            Scope::Host => {
                let known = model.known[number];
                actor.host == who.host && known.is_some_and(|known| known.hosted)
            }
            Scope::Regions => who.region.split(", ").any(|one| *actor.region == *one),
            Scope::Stream | Scope::Downstream | Scope::Instance => false,
        }
    };
    if wide {
        let members: Vec<usize> = (0..world.cast.len())
            .filter(|&number| inside(notice.scope, number))
            .collect();
        let of_beats = notice.alarm == Alarm::Heartbeat;
        let heard = |number: &&usize| of_beats && model.is_surely_heard(**number, &members);
        if let Some(loud) = members.iter().find(heard) {
            return Err(format!("{} was heard just now", world.cast[*loud].subject));
        }
        let silent: Vec<usize> = members
            .into_iter()
            .filter(|&number| model.counts(number))
            .collect();
        return match silent.as_slice() {
            [] | [_] => Err("a scope of one".to_owned()),
            // Scopes may overlap: it is enough that there is none wider for one of them.
            some => {
                let wider = |&one: &usize| nothing_wider(world, model, one, some.len());
                some.iter().map(wider).reduce(Result::or).unwrap_or(Ok(()))
            }
        };
    }
    // One that only lost its beat is alone, and so is one that flaps.
    let flaps = notice.alarm == Alarm::Flapping;
    let ends = format!(".{}", who.instance);
    let one = world
        .cast
        .iter()
        .position(|actor| actor.subject.ends_with(&ends));
    match one.filter(|_| notice.affected_total == 1 && !flaps) {
        Some(one) => nothing_wider(world, model, one, 1),
        None => Ok(()),
    }
}

/// No scope of more instances that holds one is surely silent.
fn nothing_wider(world: &World, model: &Model<'_>, one: usize, count: usize) -> Result<(), String> {
    if !model.is_surely_silent(one) {
        return Ok(());
    }
    let own = &world.cast[one];
    let hosted = |number: usize| model.known[number].is_some_and(|known| known.hosted);
    let scopes: [(&str, &dyn Fn(usize) -> bool); 4] = [
        ("region", &|number| world.cast[number].region == own.region),
        ("app", &|number| world.cast[number].app == own.app),
        ("app-region", &|number| {
            world.cast[number].app == own.app && world.cast[number].region == own.region
        }),
        ("host", &|number| {
            world.cast[number].host == own.host && hosted(number) && hosted(one)
        }),
    ];
    for (scope, holds) in scopes {
        // One that nobody watches proves that its scope lives where it was heard since.
        let counts = |number: usize| model.matters(number) || model.was_heard_since(number, one);
        let members: Vec<usize> = (0..world.cast.len())
            .filter(|&number| holds(number) && counts(number))
            .collect();
        if members.len() > count && members.iter().all(|&number| model.is_surely_silent(number)) {
            let all: Vec<String> = members
                .iter()
                .map(|&number| model.describe(number))
                .collect();
            return Err(format!("all of its {scope} is silent: {}", all.join("; ")));
        }
    }
    Ok(())
}
