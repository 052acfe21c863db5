//! The tour: twelve steps in three minutes that say what happens next and where to look, and keys to break and mend things.

use super::organisation::{Entries, Fate, Organisation, ROUND};
use super::output::say;
use super::peers::BoundPeers;
use super::stage::Stage;
use crate::io::feed::{ConnectionError, ConnectionEvent, ConnectionReporter};
use std::convert::Infallible;
use std::io::BufRead;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

/// Seconds of a step.
const STEP_SECONDS: u64 = 15;

/// A change of the organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Nothing,
    Hang(usize),
    Bye(usize),
    Region(&'static str),
    Stall,
    Shipper,
    Notifier,
    Mend,
}

/// A step: what it does, and what it says: what happens, where to look, and why.
struct Step {
    act: Act,
    says: [&'static str; 2],
}

const STEPS: [Step; 12] = [
    Step {
        act: Act::Nothing,
        says: [
            "All is well: 12 instances beat each second, each with one line of its log: HEARTBEAT every=1s seq=N.",
            "Look at the page: one mark for each instance. Its strip opens with a click, or with Enter.",
        ],
    },
    Step {
        act: Act::Hang(2),
        says: [
            "web/lhr hangs. Its rule allows 3 s: it is late, then silent, and one incident opens at its deadline.",
            "Look at the incident: its last words, and the entries around it. Acknowledge it with a note, or silence it.",
        ],
    },
    Step {
        act: Act::Mend,
        says: [
            "It is back. The incident closes when it was live for as long as its rule allows, not at its first beat.",
            "Every opening has exactly one closing notification. The timeline of the incident lists both.",
        ],
    },
    Step {
        act: Act::Hang(8),
        says: [
            "worker/lhr hangs; its rule says for = \"1s\": it is pending for a second before it fires, as in Prometheus.",
            "Look at the lines that say \"late\" here, and at its colour on the page.",
        ],
    },
    Step {
        act: Act::Mend,
        says: [
            "It is back. What a rule allows may follow the rhythm by itself: max_gap = \"auto\", with a budget of false alarms.",
            "Look at the view Rules, and at `lastbeat check --print`.",
        ],
    },
    Step {
        act: Act::Bye(9),
        says: [
            "worker/fra says HEARTBEAT bye and stops. It meant to: nobody is notified.",
            "Look at its mark: stopped. A crash is no bye, whoever reports it.",
        ],
    },
    Step {
        act: Act::Region("lhr"),
        says: [
            "Region lhr falls silent with four instances of four apps. One cause is one incident, with the region as its scope.",
            "Look at the headline: the incident says how far it reaches and lists who is affected.",
        ],
    },
    Step {
        act: Act::Mend,
        says: [
            "The region is back, and one closing notification says so. worker/fra starts again and is expected again.",
            "Look at the view History: the share of time that each app was live.",
        ],
    },
    Step {
        act: Act::Stall,
        says: [
            "The whole stream stalls: connected, and nothing arrives. Time in which nothing can be heard counts for nobody.",
            "Look at the map: unknown, not silent. StreamStalled is the only incident; no instance is blamed.",
        ],
    },
    Step {
        act: Act::Mend,
        says: [
            "The stream flows. The stall was blind time: no deadline ran while it lasted.",
            "Look at a strip: the blind stretch is drawn, and is no gap of the instance.",
        ],
    },
    Step {
        act: Act::Shipper,
        says: [
            "The log shipper no longer receives the stream. lastbeat asks its sink for a canary, and its counters for the hop.",
            "Look at the chain under Downstream: stream, subscription, shipper, sink, with the broken link marked.",
        ],
    },
    Step {
        act: Act::Mend,
        says: [
            "The shipper is back: the incident names the range that its sink lacks. That is all of it. Now break something yourself:",
            KEYS,
        ],
    },
];

/// The keys; each is followed by Enter.
const KEYS: &str = "keys, each with Enter: i an instance hangs, b one says bye, r region lhr is silent, s the stream stalls, \
                    d the log shipper (downstream) stalls, p the pager refuses notifications, m all is mended, n next step";

/// Lets the peers answer and feeds the organisation's entries to the core, for ever, as the tour goes on and as keys say.
pub(super) async fn guide(
    line: ConnectionReporter<Entries>,
    peers: BoundPeers,
    canaries: mpsc::Receiver<String>,
) -> Result<Infallible, ConnectionError> {
    let stage = Stage::new(Arc::clone(&peers.peers));
    let (never, _) = tokio::join!(feed(line, stage, canaries), peers.serve());
    never
}

async fn feed(
    line: ConnectionReporter<Entries>,
    mut stage: Stage,
    mut canaries: mpsc::Receiver<String>,
) -> Result<Infallible, ConnectionError> {
    let (entries, source) = mpsc::channel(1024);
    line.report(ConnectionEvent::Up(Entries(source))).await;
    let (mut tour, mut keys) = (Tour::default(), keys());
    let steps = Organisation::len() as u32;
    let mut ticks = tokio::time::interval(ROUND / steps);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    for step in 0_u64.. {
        ticks.tick().await;
        let (second, who) = (step / u64::from(steps), (step % u64::from(steps)) as usize);
        let words = match keys.try_recv() {
            Ok(key) => tour.key(&key, &mut stage),
            Err(_) if tour.is_due(second) => tour.step(&mut stage),
            Err(_) => None,
        };
        for line in words.into_iter().flatten() {
            say("tour", &line);
        }
        while let Ok(canary) = canaries.try_recv() {
            stage.say_canary(&canary);
        }
        for entry in stage.speak(who) {
            let _ = entries.send(entry).await;
        }
    }
    std::future::pending().await
}

/// The next step; the last one stays.
#[derive(Debug, Default)]
struct Tour {
    next: usize,
}

impl Tour {
    /// True if a step begins at this second of the story, or should have.
    fn is_due(&self, second: u64) -> bool {
        self.next < STEPS.len() && second >= self.next as u64 * STEP_SECONDS
    }

    /// Begins the next step: what it says, and what is to happen.
    fn step(&mut self, stage: &mut Stage) -> Option<Vec<String>> {
        let step = STEPS.get(self.next)?;
        self.next += 1;
        let [what, look] = step.says;
        act(step.act, stage);
        let number = format!("step {} of {}: {what}", self.next, STEPS.len());
        Some(vec![number, look.to_owned()])
    }

    /// Does what a key says; `None` where no key is meant.
    fn key(&mut self, key: &str, stage: &mut Stage) -> Option<Vec<String>> {
        let (does, says) = match key.trim() {
            "i" => (Act::Hang(0), format!("{} hangs", Organisation::name(0))),
            "b" => (Act::Bye(11), format!("{} says bye", Organisation::name(11))),
            "r" => (Act::Region("lhr"), "region lhr is silent".to_owned()),
            "s" => (Act::Stall, "the stream stalls".to_owned()),
            "d" => (Act::Shipper, "the log shipper receives nothing".to_owned()),
            "p" => (
                Act::Notifier,
                "the pager refuses notifications: each is sent again until it is accepted; break something more".to_owned(),
            ),
            "m" => (Act::Mend, "all is mended".to_owned()),
            "n" => return self.step(stage),
            _ => return Some(vec![KEYS.to_owned()]),
        };
        act(does, stage);
        Some(vec![says])
    }
}

fn act(act: Act, stage: &mut Stage) {
    let all = 0..Organisation::len();
    match act {
        Act::Nothing => {}
        Act::Hang(who) => stage.set(who, Fate::Hangs),
        Act::Bye(who) => stage.set(who, Fate::Remaining),
        Act::Region(region) => {
            for who in all.filter(|who| Organisation::region(*who) == region) {
                stage.set(who, Fate::Hangs);
            }
        }
        Act::Stall => stage.is_stalled = true,
        Act::Shipper => stage.break_shipper(true),
        Act::Notifier => stage.break_notifier(true),
        Act::Mend => {
            stage.is_stalled = false;
            stage.break_shipper(false);
            stage.break_notifier(false);
            all.for_each(|who| stage.set(who, Fate::Beats));
        }
    }
}

/// Lines of standard input, from a thread that ends with it.
fn keys() -> mpsc::Receiver<String> {
    let (typed, keys) = mpsc::channel(16);
    // Without a thread there are no keys; the tour goes on by itself.
    let _ = std::thread::Builder::new()
        .name("keys".to_owned())
        .spawn(move || {
            for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                if typed.blocking_send(line).is_err() {
                    return;
                }
            }
        });
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twelve_steps_take_three_minutes_and_leave_all_well() {
        let (mut tour, mut stage) = (Tour::default(), Stage::new(Arc::default()));
        let mut begun = Vec::new();
        for second in 0..200 {
            if tour.is_due(second) {
                let says = tour.step(&mut stage).expect("it is due");
                assert_eq!(says.len(), 2);
                begun.push(second);
            }
        }
        assert_eq!(begun.len(), 12);
        assert_eq!(begun.last(), Some(&165));
        assert!(stage.is_well());
        assert_eq!(tour.key("n", &mut stage), None);
    }

    #[test]
    fn keys_break_and_mend() {
        let (mut tour, mut stage) = (Tour::default(), Stage::new(Arc::default()));
        for key in ["i", "b", "r", "s", "d", "p"] {
            tour.key(key, &mut stage).expect("it says what happens");
            assert!(!stage.is_well(), "{key}");
            tour.key("m", &mut stage);
            assert!(stage.is_well(), "{key}");
        }
        let help = tour.key("?", &mut stage).expect("help");
        assert_eq!(help, [KEYS]);
    }
}
