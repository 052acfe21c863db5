//! One cause, one incident: twenty kinds of cause, at five, fifty and five hundred instances, and the notifications that
//! one notifier is sent. The table of docs/how-it-decides.md is the outcome.

use crate::support::testbed::project;
use lastbeat::app::ingest::Ingest;
use lastbeat::core::engine::{Engine, Feed, Options, Output};
use lastbeat::core::notice::NoticeKind;
use lastbeat::core::time::{Mono, Now, Wall};
use std::fmt::Write as _;
use std::time::Duration;

const PAGE: &str = "docs/how-it-decides.md";
/// The numbers of instances that a cause reaches.
const SIZES: [usize; 3] = [5, 50, 500];
const REGIONS: [&str; 6] = ["iad", "lhr", "fra", "nrt", "syd", "gru"];
/// The region of lastbeat itself.
const HOME: &str = "iad";
/// The second at which a cause begins.
const BEGINS: u64 = 300;
/// The length of a silence.
const LASTS: u64 = 400;
/// The interval of a beat.
const EVERY: u64 = 10;

const RULES: &str = "
[stream]
max_gap = '60s'
[[rule]]
name = 'beats'
max_gap = 'auto'
";

fn at(millis: u64) -> Now {
    Now {
        mono: Mono::ZERO + Duration::from_millis(millis),
        wall: Wall::ZERO + Duration::from_secs(1_700_000_000) + Duration::from_millis(millis),
    }
}

/// One instance of a scene.
#[derive(Clone, Debug)]
struct Member {
    subject: String,
    host: String,
    every: u64,
}

/// What an instance says in one second in which a beat of it is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    Beat,
    Nothing,
    /// A line without a heartbeat.
    Line,
    Bye,
}

type Speech = Box<dyn Fn(usize, u64) -> Says>;

/// The instances that a cause reaches, and what they say. Others live beside them.
struct Scene {
    members: Vec<Member>,
    says: Speech,
    /// True if those beside them are silent too.
    alone: bool,
    /// Seconds in which the connection is lost.
    cuts: Vec<u64>,
    /// The last second.
    until: u64,
}

/// `n` instances of apps over regions and hosts.
fn members(
    n: usize,
    app: impl Fn(usize) -> String,
    region: impl Fn(usize) -> &'static str,
    host: impl Fn(usize) -> String,
) -> Vec<Member> {
    let one = |i| Member {
        subject: format!("logs.{}.{}.{i:05}", app(i), region(i)),
        host: host(i),
        every: EVERY,
    };
    (0..n).map(one).collect()
}

fn web(n: usize) -> Vec<Member> {
    members(
        n,
        |_| "web".to_owned(),
        |i| REGIONS[i % 5],
        |i| format!("h{i}"),
    )
}

fn silent_while(second: u64) -> bool {
    (BEGINS..BEGINS + LASTS).contains(&second)
}

fn scene(members: Vec<Member>, is_dead: impl Fn(usize) -> bool + 'static) -> Scene {
    saying(members, move |i, second| {
        if silent_while(second) && is_dead(i) {
            Says::Nothing
        } else {
            Says::Beat
        }
    })
}

fn saying(members: Vec<Member>, says: impl Fn(usize, u64) -> Says + 'static) -> Scene {
    Scene {
        members,
        says: Box::new(says),
        alone: false,
        cuts: Vec::new(),
        until: 1_200,
    }
}

/// Dead for 45 s of each 100 s, ten times, those of `who`.
fn flapping(members: Vec<Member>, who: impl Fn(usize) -> bool + 'static) -> Scene {
    let says = move |i, second: u64| {
        let since = second.saturating_sub(BEGINS);
        let is_down = second >= BEGINS && since < 1_000 && since % 100 < 45;
        if is_down && who(i) {
            Says::Nothing
        } else {
            Says::Beat
        }
    };
    Scene {
        until: 2_600,
        ..saying(members, says)
    }
}

fn in_regions(n: usize, regions: &'static [&'static str]) -> Vec<Member> {
    members(
        n * regions.len(),
        |i| format!("app{}", i % 7),
        move |i| regions[i / n],
        |i| format!("h{i}"),
    )
}

/// A kind of cause: its name, the notifications for it at each size, and the scene.
type Cause = (&'static str, fn(usize) -> Scene);

const CAUSES: [Cause; 20] = [
    ("one instance of an app dies", |n| scene(web(n), |i| i == 1)),
    ("three instances of an app die", |n| {
        scene(web(n), |i| i < 3)
    }),
    ("half of an app dies", |n| scene(web(n), move |i| i * 2 < n)),
    ("all of an app but one die", |n| scene(web(n), |i| i > 0)),
    ("an app dies", |n| scene(web(n), |_| true)),
    ("an app dies in one region", |n| {
        let mut all = web(n);
        for (i, other) in web(n).into_iter().enumerate() {
            let subject = format!("logs.web.gru.x{i:05}");
            all.push(Member { subject, ..other });
        }
        scene(all, move |i| i >= n)
    }),
    ("a host dies", |n| {
        let all = members(
            n * 2,
            |i| format!("app{}", i % 7),
            |_| "lhr",
            move |i| {
                if i < n {
                    "h".to_owned()
                } else {
                    format!("h{i}")
                }
            },
        );
        scene(all, move |i| i < n)
    }),
    ("a region dies", |n| {
        scene(in_regions(n, &["gru"]), |_| true)
    }),
    ("three regions die", |n| {
        scene(in_regions(n, &["gru", "ams", "cdg"]), |_| true)
    }),
    ("all regions but lastbeat's own die", |n| {
        let mut all = in_regions(n, &["ams", "cdg", "gru", "sin"]);
        for (i, region) in REGIONS[1..5].iter().enumerate() {
            let subject = format!("logs.steady.{region}.b{i}");
            let host = format!("b{i}");
            all.push(Member {
                subject,
                host,
                every: EVERY,
            });
        }
        scene(all, |_| true)
    }),
    ("the stream stalls", |n| Scene {
        alone: true,
        ..scene(web(n), |_| true)
    }),
    ("a region dies that has slow beaters among fast ones", |n| {
        let mut all = in_regions(n, &["gru"]);
        for (i, one) in all.iter_mut().enumerate() {
            if i % 4 == 3 {
                one.every = 30;
            }
        }
        scene(all, |_| true)
    }),
    ("an app logs on without heartbeats", |n| {
        saying(web(n), |_, second| {
            if silent_while(second) {
                Says::Line
            } else {
                Says::Beat
            }
        })
    }),
    ("a rolling deploy says bye, and comes back in 20 s", |n| {
        saying(web(n), |i, second| {
            let begins = BEGINS + (i as u64 % 20) * 20;
            match second.checked_sub(begins) {
                Some(0..10) => Says::Bye,
                Some(10..20) => Says::Nothing,
                _ => Says::Beat,
            }
        })
    }),
    ("a rolling deploy says bye, and hangs at boot", |n| {
        // The first beat after a bye is the start; the process hangs then.
        saying(web(n), |i, second| {
            let begins = BEGINS + (i as u64 % 20) * 10;
            match second.checked_sub(begins) {
                Some(0..10) => Says::Bye,
                Some(10..20) => Says::Beat,
                Some(20..500) => Says::Nothing,
                _ => Says::Beat,
            }
        })
    }),
    ("one instance flaps", |n| flapping(web(n), |i| i == 1)),
    ("an app flaps", |n| flapping(web(n), |_| true)),
    ("a region flaps", |n| {
        flapping(in_regions(n, &["gru"]), |_| true)
    }),
    ("an app dies while lastbeat reconnects each 20 s", |n| {
        Scene {
            cuts: (BEGINS..BEGINS + LASTS).step_by(20).collect(),
            until: 1_500,
            ..scene(web(n), |_| true)
        }
    }),
    (
        "an app dies one instance after another, in two minutes",
        |n| {
            saying(web(n), move |i, second| {
                let begins = BEGINS + 120 * i as u64 / n as u64;
                if (begins..BEGINS + LASTS).contains(&second) {
                    Says::Nothing
                } else {
                    Says::Beat
                }
            })
        },
    ),
];

/// The rows that do not open one incident: how many they open, and why.
const REASONS: [(&str, usize, &str); 6] = [
    (
        "a rolling deploy says bye, and comes back in 20 s",
        0,
        "intended stops",
    ),
    (
        "a rolling deploy says bye, and hangs at boot",
        2,
        "those that died first, then the app, which takes over",
    ),
    (
        "an app dies one instance after another, in two minutes",
        2,
        "those that died first, then the app, which takes over",
    ),
    (
        "one instance flaps",
        4,
        "the fourth says that it flaps, and is the last",
    ),
    (
        "an app flaps",
        4,
        "the fourth says that it flaps, and is the last",
    ),
    (
        "a region flaps",
        4,
        "the fourth says that it flaps, and is the last",
    ),
];

/// The notifications of one notifier.
#[derive(Clone, Debug, Default)]
struct Sent {
    opened: usize,
    updated: usize,
    closed: usize,
    lines: Vec<String>,
    updates_at: Vec<u64>,
}

fn play(scene: &Scene) -> Sent {
    let file = ("rules.toml".to_owned(), RULES.as_bytes().to_vec());
    let rules = lastbeat::decode::rules_file::read(&[file]).set;
    let own = ("lastbeat".to_owned(), HOME.to_owned(), "0".to_owned());
    let options = Options {
        first_incident: 1,
        own: Some(own),
        ..Options::default()
    };
    let mut ingest = Ingest::new(Engine::new(rules.expect("good rules"), options, at(0)));
    let beside: Vec<Member> = REGIONS[..5]
        .iter()
        .enumerate()
        .flat_map(|(r, region)| (0..2).map(move |i| (r, region, i)))
        .map(|(r, region, i)| Member {
            subject: format!("logs.steady.{region}.s{i}"),
            host: format!("s{r}{i}"),
            every: EVERY,
        })
        .collect();
    // Where all other regions die, only lastbeat's own goes on.
    let cut_off = scene
        .members
        .iter()
        .any(|one| one.subject.contains(".steady."));
    let mut sent = Sent::default();
    let mut wake = 0;
    for second in 0..scene.until {
        let mut speakers: Vec<(u64, &Member, Says)> = Vec::new();
        let due = |i: usize, every: u64| (second + i as u64).is_multiple_of(every);
        for (i, one) in scene.members.iter().enumerate() {
            if due(i, one.every) {
                let millis = second * 1_000 + (i as u64 * 997) % 1_000;
                speakers.push((millis, one, (scene.says)(i, second)));
            }
        }
        for (i, one) in beside.iter().enumerate() {
            let is_out = scene.alone || cut_off && !one.subject.contains(HOME);
            if due(i, one.every) && !(is_out && silent_while(second)) {
                speakers.push((second * 1_000 + i as u64, one, Says::Beat));
            }
        }
        // lastbeat's own canary.
        let canary = Member {
            subject: format!("logs.lastbeat.{HOME}.0"),
            host: "own".to_owned(),
            every: 1,
        };
        if !(scene.alone && silent_while(second)) && second.is_multiple_of(2) {
            speakers.push((second * 1_000 + 500, &canary, Says::Beat));
        }
        speakers.sort_by_key(|one| one.0);
        if scene.cuts.contains(&second) {
            ingest.engine.feed(Feed::Lost, at(second * 1_000));
            continue;
        }
        for (millis, member, says) in speakers {
            pass(&mut ingest, &mut wake, millis, &mut sent);
            let words = match says {
                Says::Beat => "HEARTBEAT every=".to_owned() + &member.every.to_string() + "s",
                Says::Bye => "HEARTBEAT bye".to_owned(),
                Says::Line => "GET / 200".to_owned(),
                Says::Nothing => continue,
            };
            ingest.engine.arrive(at(millis));
            let payload = format!(
                r#"{{"event":{{"provider":"app"}},"host":"{}","message":"{words}"}}"#,
                member.host,
            );
            ingest.message(&member.subject, payload.as_bytes());
            keep(&mut ingest, millis, &mut sent);
        }
        pass(&mut ingest, &mut wake, (second + 1) * 1_000, &mut sent);
    }
    let open = ingest.engine.open_incidents().count();
    assert_eq!(open, 0, "still open: {:?}", sent.lines);
    sent
}

/// Lets time pass to just before `millis`.
fn pass(ingest: &mut Ingest, wake: &mut u64, millis: u64, sent: &mut Sent) {
    while *wake < millis {
        let next = ingest
            .engine
            .evaluate(at(*wake))
            .nanos()
            .div_ceil(1_000_000);
        keep(ingest, *wake, sent);
        *wake = next.max(*wake + 1);
    }
}

fn keep(ingest: &mut Ingest, millis: u64, sent: &mut Sent) {
    let outputs: Vec<Output> = ingest.engine.drain().collect();
    for output in outputs {
        let Output::Notify(notice) = output else {
            continue;
        };
        match notice.kind {
            NoticeKind::Opened => sent.opened += 1,
            NoticeKind::Updated(_) => {
                sent.updated += 1;
                sent.updates_at.push(millis / 1_000);
            }
            NoticeKind::Closed(_) => sent.closed += 1,
            NoticeKind::Reminder(_) => {}
        }
        let name = notice.alarm.name(notice.scope);
        let line = format!(
            "{:.1} {name} {:?} {} silent",
            millis as f64 / 1_000.0,
            notice.kind,
            notice.affected_total
        );
        sent.lines.push(line);
    }
}

#[test]
fn each_cause_is_one_incident_at_every_size_and_the_page_says_so() {
    let mut table =
        String::from("| cause | 5 instances | 50 | 500 | |\n| --- | --- | --- | --- | --- |\n");
    let mut faults = Vec::new();
    for (name, build) in CAUSES {
        let _ = write!(table, "| {name}");
        let reason = REASONS.iter().find(|one| one.0 == name);
        let (expected, why) = reason.map_or((1, ""), |one| (one.1, one.2));
        for size in SIZES {
            let sent = play(&build(size));
            if sent.opened != expected || sent.closed != sent.opened {
                faults.push(format!("{name}, {size}: {:#?}", sent.lines));
            }
            let mut updates = sent.updates_at.windows(2);
            if updates.any(|pair| pair[1] - pair[0] < 60) {
                faults.push(format!("{name}, {size}: updates {:?}", sent.updates_at));
            }
            let _ = write!(
                table,
                " | {}, {}, {}",
                sent.opened, sent.updated, sent.closed
            );
        }
        let _ = writeln!(table, " | {why} |");
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let page = std::fs::read_to_string(project().join(PAGE)).expect("the page is there");
    assert!(page.contains(&table), "{PAGE} lacks the table\n{table}");
}
