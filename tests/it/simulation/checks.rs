//! What must hold of every run, whatever happened in it.

use super::driver::EPOCH;
use super::history::{Call, History, Step};
use super::model::{Expected, Model};
use super::world::World;
use lastbeat::core::alert::Change;
use lastbeat::core::engine::Engine;
use lastbeat::core::notice::{IncidentId, Notice, NoticeKind, Scope};
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
            let who = found.first().or(expected.first()).map(|one| one.who.clone());
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
        told.step(step)?;
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
    let number = world.cast.iter().position(|actor| actor.subject.ends_with(subject));
    let mut lines = format!("{:#?}\n", world.rules.rules);
    let before = history.steps.iter().take_while(|step| step.at <= until);
    let tells = before.filter(|step| match step.call {
        _ if step.changes.iter().any(|change| as_expected(change).who == who) => true,
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
        who: format!("{}.{}.{} {}", who.app, who.region, who.instance, who.beat),
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

/// Notices of one incident: one that opens, then reminders, then one that closes.
#[derive(Default)]
struct Told {
    open: BTreeMap<IncidentId, (u32, Notice)>,
    closed: BTreeSet<IncidentId>,
}

impl Told {
    fn step(&mut self, step: &Step) -> Result<(), String> {
        for notice in &step.notices {
            let id = notice.incident;
            let wrong = |what: &str| Err(format!("at {}: {what}: {notice:#?}", step.at));
            match notice.kind {
                NoticeKind::Opened => {
                    if self.closed.contains(&id) || self.open.insert(id, (0, notice.clone())).is_some() {
                        return wrong("opened twice");
                    }
                    if notice.due_mono.nanos() > step.at {
                        return wrong("told before its deadline");
                    }
                    if !matches!(step.call, Call::Evaluate) {
                        return wrong("opened where nothing was judged");
                    }
                }
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
        if self.open.len() > 64 {
            return Err(format!("at {}: {} incidents are open", step.at, self.open.len()));
        }
        Ok(())
    }

    /// At the end everyone is well.
    fn end(&self, engine: &Engine) -> Result<(), String> {
        if let Some((_, notice)) = self.open.values().next() {
            return Err(format!("told and never closed: {notice:#?}"));
        }
        match engine.open_incidents().next() {
            Some(notice) => Err(format!("in the end there is still {notice:#?}")),
            None => Ok(()),
        }
    }
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
            Scope::Stream | Scope::Instance => false,
        }
    };
    if wide {
        let members: Vec<usize> = (0..world.cast.len())
            .filter(|&number| inside(notice.scope, number))
            .collect();
        let quiet = |number: &&usize| model.may_be_silent(**number);
        if let Some(loud) = members.iter().find(|number| !quiet(number)) {
            return Err(format!("{} was heard just now", world.cast[*loud].subject));
        }
        let silent = members.iter().filter(|number| model.counts(**number)).count();
        return if silent < 2 {
            Err("a scope of one".to_owned())
        } else {
            Ok(())
        };
    }
    // One that only lost its beat is alone, and so is one that flaps.
    let one = world
        .cast
        .iter()
        .position(|actor| actor.subject.ends_with(&format!(".{}", who.instance)));
    let Some(one) = one.filter(|_| notice.affected_total == 1 && notice.alarm.name(notice.scope) != "HeartbeatFlapping")
    else {
        return Ok(());
    };
    if !model.is_surely_silent(one) {
        return Ok(());
    }
    for scope in [Scope::Region, Scope::App, Scope::AppRegion, Scope::Host] {
        if scope == Scope::Host && who.host.is_empty() {
            continue;
        }
        let members: Vec<usize> = (0..world.cast.len())
            .filter(|&number| inside(scope, number) && model.matters(number))
            .collect();
        if members.len() >= 2 && members.iter().all(|&number| model.is_surely_silent(number)) {
            return Err(format!("all of its {} is silent", scope.label()));
        }
    }
    Ok(())
}
