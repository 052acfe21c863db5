//! Updates of a machine whose start no line shows: the update was announced, and the inventory lists it as started.

use crate::core::entry::Lifecycle;
use crate::core::inventory::Listed;
use crate::core::tests::bench::{Bench, rule};
use crate::core::tests::inventory::{bench, machine, poll, started};

const WEB: &str = "web.iad.a";
const API: &str = "api.lhr.b";

/// An event of the one that is updated.
#[derive(Clone, Copy, Debug)]
enum Does {
    /// It says so, in a heartbeat line.
    Says(&'static str),
    /// The platform says so.
    Platform(Lifecycle),
    /// The inventory lists it so.
    Listed(Listed),
}
use Does::{Platform, Says};
use Lifecycle::{Started, Updated};

fn applies(bench: &mut Bench, does: Does, second: f64) {
    match does {
        Says(words) => {
            bench.say(WEB, words, second);
        }
        Platform(what) => bench.report(WEB, what, second),
        Does::Listed(listed) => {
            let machines = vec![machine(WEB, listed), machine(API, Listed::Started)];
            poll(bench, second, machines);
        }
    }
}

/// A case: its name, the events by their second, and when the alert is due.
type Shape = (&'static str, &'static [(f64, Does)], Option<&'static str>);

#[test]
fn who_is_updated_and_listed_as_started_is_expected_as_after_a_start() {
    const BYE: Does = Says("name=w bye");
    const BEAT: Does = Says("name=w");
    let shapes: [Shape; 11] = [
        ("no update: it stopped by name", &[(31.0, BYE)], None),
        (
            "bye before the update",
            &[(31.0, BYE), (33.0, Platform(Updated))],
            Some("93"),
        ),
        (
            "bye after the update",
            &[(31.0, Platform(Updated)), (33.0, BYE)],
            Some("93"),
        ),
        (
            "a plain bye",
            &[(31.0, Says("bye")), (33.0, Platform(Updated))],
            Some("93"),
        ),
        (
            "the start is seen",
            &[
                (31.0, BYE),
                (33.0, Platform(Updated)),
                (50.0, Platform(Started)),
            ],
            Some("110"),
        ),
        (
            "it beats",
            &[(31.0, BYE), (33.0, Platform(Updated)), (50.0, BEAT)],
            Some("110"),
        ),
        (
            "it says bye after it beat",
            &[
                (31.0, BYE),
                (33.0, Platform(Updated)),
                (50.0, BEAT),
                (55.0, Platform(Started)),
                (60.0, BYE),
            ],
            None,
        ),
        (
            "it says bye long after an update",
            &[
                (31.0, Platform(Updated)),
                (50.0, BEAT),
                (90.0, BEAT),
                (125.0, BYE),
            ],
            None,
        ),
        (
            "one that is stopped is updated",
            &[
                (31.0, Platform(Lifecycle::Autostop)),
                (33.0, Platform(Updated)),
                (35.0, Does::Listed(Listed::Stopped)),
            ],
            None,
        ),
        (
            "two updates",
            &[
                (31.0, BYE),
                (33.0, Platform(Updated)),
                (50.0, Platform(Updated)),
            ],
            Some("110"),
        ),
        (
            "the list shows the start",
            &[
                (31.0, BYE),
                (33.0, Platform(Updated)),
                (40.0, Does::Listed(Listed::Starting)),
                (50.0, Does::Listed(Listed::Started)),
            ],
            // Half way between the two answers.
            Some("105"),
        ),
    ];
    for (shape, events, fires) in shapes {
        let mut bench = bench(vec![rule("r", "*", 60.0)]);
        let mut events = events.iter().peekable();
        let mut listed = Listed::Started;
        for second in (0..=400).map(f64::from) {
            bench.entry(API, second);
            while let Some((_, does)) = events.next_if(|(when, _)| *when <= second) {
                applies(&mut bench, *does, second);
                if let Does::Listed(now) = does {
                    listed = *now;
                }
            }
            if second % 10.0 == 0.0 {
                bench.say(API, "", second);
            }
            if second <= 30.0 && second % 10.0 == 0.0 {
                bench.say(WEB, "name=w", second);
            }
            if second % 30.0 == 7.0 {
                applies(&mut bench, Does::Listed(listed), second);
            }
            bench.tick(second);
        }
        let told = bench.told();
        let expected: Vec<String> = fires
            .map(|second| format!("{second} HeartbeatMissed a opened"))
            .into_iter()
            .collect();
        assert_eq!(told, expected, "{shape}");
    }
}

#[test]
fn an_update_of_one_that_runs_on_changes_nothing() {
    let mut bench = bench(vec![rule("r", "*", 60.0)]);
    for second in (0..=600).step_by(10) {
        bench.beats(&[WEB, API], [second]);
        let second = second as f64;
        if second % 50.0 == 20.0 {
            applies(&mut bench, Platform(Updated), second + 1.0);
        }
        poll(&mut bench, second + 5.0, started(&[WEB, API]));
    }
    assert_eq!(bench.told(), Vec::<&str>::new());
}
