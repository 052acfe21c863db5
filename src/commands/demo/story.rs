//! The story of the demo: faults and their times.

use super::organisation::{Entries, Entry, Fate, Organisation, ROUND};
use super::output::say;
use crate::io::feed::{ConnectionError, ConnectionEvent, ConnectionReporter};
use std::convert::Infallible;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

/// Length of the story in seconds; then it starts again.
const LENGTH: u64 = 60;

/// One turn of the story.
enum Turn {
    Fate(usize, Fate, &'static str),
    Stall,
    Resume,
}

/// Second of the story, and what happens.
const STORY: [(u64, Turn); 8] = [
    (
        4,
        Turn::Fate(2, Fate::Hangs, "hangs and falls silent; the others go on"),
    ),
    (10, Turn::Fate(2, Fate::Beats, "is back")),
    (
        12,
        Turn::Fate(9, Fate::Remaining, "says HEARTBEAT bye and stops: no alert"),
    ),
    (14, Turn::Stall),
    (24, Turn::Resume),
    (
        32,
        Turn::Fate(
            8,
            Fate::Hangs,
            "hangs; its rule waits a second more (for = \"1s\")",
        ),
    ),
    (42, Turn::Fate(8, Fate::Beats, "is back")),
    (48, Turn::Fate(9, Fate::Beats, "starts again")),
];

/// Feeds the organisation's entries to the core, for ever.
pub async fn tell(line: ConnectionReporter<Entries>) -> Result<Infallible, ConnectionError> {
    let (entries, source) = mpsc::channel(1024);
    line.report(ConnectionEvent::Up(Entries(source))).await;
    let mut organisation = Organisation::new();
    let mut stalled = false;
    let steps = Organisation::len() as u32;
    let mut ticks = tokio::time::interval(ROUND / steps);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    for step in 0_u64.. {
        ticks.tick().await;
        let (second, who) = (step / u64::from(steps), (step % u64::from(steps)) as usize);
        if who == 0 {
            for (_, turn) in STORY.iter().filter(|(at, _)| *at == second % LENGTH) {
                let said = happen(turn, &mut organisation, &mut stalled);
                send(&entries, said.into_iter().collect()).await;
            }
        }
        let said = organisation.speak(who);
        if !stalled {
            send(&entries, said).await;
        }
    }
    std::future::pending().await
}

fn happen(turn: &Turn, organisation: &mut Organisation, stalled: &mut bool) -> Option<Entry> {
    match turn {
        Turn::Fate(who, fate, how) => {
            say("demo", &format!("{} {how}", Organisation::name(*who)));
            organisation.set(*who, *fate)
        }
        Turn::Stall => {
            say(
                "demo",
                "the whole stream stalls: connected, and nothing arrives",
            );
            *stalled = true;
            None
        }
        Turn::Resume => {
            say(
                "demo",
                "the stream flows again: no instance is blamed for the stall",
            );
            *stalled = false;
            None
        }
    }
}

async fn send(entries: &mpsc::Sender<Entry>, said: Vec<Entry>) {
    for entry in said {
        let _ = entries.send(entry).await;
    }
}
