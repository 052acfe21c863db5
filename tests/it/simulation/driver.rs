//! Plays a world to the core, as the loop that owns it would, and writes down every call.

use super::history::{Call, History, Step};
use super::world::{Happening, NAMES, SECOND, Says, World};
use crate::support::random::Random;
use lastbeat::core::engine::{Engine, Feed, Options, Output};
use lastbeat::core::entry::{BeatLine, MarkerId, Provider, Subject};
use lastbeat::core::time::{Mono, Now, Wall};

/// Wall clock at the start.
pub const EPOCH: u64 = 1_700_000_000 * SECOND;

/// A moment as the core takes it.
pub fn now(at: u64) -> Now {
    Now {
        mono: Mono::from_nanos(at),
        wall: Wall::from_nanos(EPOCH + at),
    }
}

/// Plays a world to its end; gives what was done, and the core as it is then.
pub fn play(world: &World) -> (History<'_>, Engine) {
    let options = Options {
        first_incident: 1,
        ..Options::default()
    };
    let mut player = Player {
        engine: Engine::new(world.rules.clone(), options, now(0)),
        world,
        dice: Random::new(world.seed | 1 << 40),
        steps: Vec::new(),
        wake: 0,
    };
    for (at, happening) in &world.story {
        player.pass(*at);
        player.happens(*at, *happening);
    }
    let end = world.story.last().map_or(0, |(at, _)| *at);
    player.pass(end + 10 * SECOND);
    let history = History {
        cast: &world.cast,
        steps: player.steps,
    };
    (history, player.engine)
}

struct Player<'w> {
    engine: Engine,
    world: &'w World,
    dice: Random,
    steps: Vec<Step>,
    wake: u64,
}

impl Player<'_> {
    /// Lets time pass to just before `at`.
    fn pass(&mut self, at: u64) {
        while self.wake < at {
            let late = match self.world.lateness {
                0 => 0,
                most => self.dice.below(most as usize) as u64,
            };
            let when = self.wake + late;
            if when >= at {
                // So late that something happens before.
                self.wake = when;
                return;
            }
            self.evaluate(when);
        }
    }

    fn evaluate(&mut self, at: u64) {
        let wake = self.engine.evaluate(now(at)).nanos();
        self.wake = wake.max(at + 1);
        self.step(at, Call::Evaluate);
        // Judged twice is judged once.
        self.engine.evaluate(now(at));
        let again: Vec<Output> = self.engine.drain().collect();
        assert_eq!(again, [], "judged again at {at} more came out");
    }

    fn happens(&mut self, at: u64, happening: Happening) {
        match happening {
            Happening::Lost => self.feed(at, Feed::Lost, Call::Blinded(false)),
            Happening::Suspended => self.feed(at, Feed::Suspended, Call::Blinded(true)),
            Happening::Dropped => self.feed(at, Feed::Dropped, Call::Dropped),
            Happening::Intact => self.feed(at, Feed::Intact, Call::Intact),
            Happening::Speech { who, says } => {
                self.engine.arrive(now(at));
                self.step(at, Call::Arrive);
                self.entry(who, says);
                self.step(at, Call::Entry { who, says });
                if self.world.lateness == 0 && self.engine.overdue() {
                    self.evaluate(at);
                }
            }
        }
    }

    fn feed(&mut self, at: u64, feed: Feed, call: Call) {
        self.engine.feed(feed, now(at));
        self.step(at, call);
    }

    fn entry(&mut self, who: usize, says: Says) {
        let actor = &self.world.cast[who];
        let subject = Subject {
            raw: &actor.subject,
            app: &actor.app,
            region: &actor.region,
            instance: &actor.subject[actor.subject.rfind('.').map_or(0, |dot| dot + 1)..],
        };
        let known = self.engine.find(&actor.subject);
        let id = known.unwrap_or_else(|| {
            let admitted = self.engine.admit(&subject, 100).expect("there is room");
            admitted.expect("nobody is ignored")
        });
        let provider = match says {
            Says::Platform => Provider::Runner,
            _ => Provider::App,
        };
        self.engine.heard(id, provider, 100);
        let (Says::Beat(name) | Says::Bye(name)) = says else {
            return;
        };
        let line = BeatLine {
            marker: MarkerId(0),
            text: "HEARTBEAT",
            name: NAMES[name],
            every: actor.every,
            seq: None,
            bye: matches!(says, Says::Bye(_)),
            host: &actor.host,
            entry_time: None,
        };
        self.engine.beat(id, &line).expect("there is room");
    }

    fn step(&mut self, at: u64, call: Call) {
        let (mut changes, mut notices) = (Vec::new(), Vec::new());
        for output in self.engine.drain() {
            match output {
                Output::Changed(change) => changes.push(change),
                Output::Restart(..) => {}
                Output::Notify(notice) => notices.push(*notice),
            }
        }
        self.steps.push(Step {
            at,
            call,
            changes,
            notices,
        });
    }
}
