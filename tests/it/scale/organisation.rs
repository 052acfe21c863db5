//! An organisation of any size and its ten worst minutes. The real core sees them through the real decoding, in
//! virtual time.

use lastbeat::app::virtual_time::{TimedOutput, VirtualTime};
use lastbeat::clock::Clock;
use lastbeat::core::engine::{Options, Output};
use lastbeat::core::notice::{CloseReason, Notice, NoticeKind, Scope};
use lastbeat::core::time::Wall;
use lastbeat::core::tracker::Limits;
use lastbeat::decode::rules_file;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fmt::Write;
use std::ops::Range;
use std::time::Duration;

pub const REGIONS: usize = 30;
/// Instances that die alone, each of another app.
pub const DEATHS: usize = 100;
/// Instances that say bye.
pub const BYES: usize = 1_000;
/// What a platform puts on one physical host.
const ON_A_HOST: usize = 10;

const RULES: &str = "[[rule]]\nname = \"beats\"\nmax_gap = \"90s\"\n";
const MAX_GAP: Duration = Duration::from_secs(90);
/// A deadline is judged within a second of it, and alerts of one app are gathered for another.
const PATIENCE: Duration = Duration::from_secs(5);
const LENGTH: Duration = Duration::from_secs(600);
/// Beats of so long arrive together.
const SLICE: Duration = Duration::from_millis(100);
/// Slices between two beats of an instance: 30 s.
const SLICES: usize = 300;
/// One round of beats in which nothing happens.
const CALM: Range<Duration> = Duration::from_secs(60)..Duration::from_secs(90);

/// When the region goes down and comes back, and between which moments single ones die or leave.
const DIES: Duration = Duration::from_secs(200);
const RETURNS: Duration = Duration::from_secs(480);
const MISFORTUNES: (u64, u64) = (100, 460);
/// The region that dies.
const DEAD_REGION: u16 = 3;

/// What becomes of an instance beside what becomes of its region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Lives,
    DiesAt(Duration),
    LeavesAt(Duration),
    Gone,
}

#[derive(Clone, Copy, Debug)]
struct Instance {
    app: u16,
    region: u16,
    fate: Fate,
}

/// Who there is, and what will happen to them.
#[derive(Debug)]
pub struct Organisation {
    instances: Vec<Instance>,
    apps: usize,
}

/// What the core made of it.
#[derive(Debug)]
pub struct Report {
    instances: usize,
    entries: u64,
    /// How long it took.
    took: Duration,
    /// What a slice took on average before anything happened: its entries, and the deadlines judged in it.
    calm: Duration,
    /// The longest that a slice took in which some are heard for the first time.
    comings: Duration,
    /// The longest that one took after that: in which some die, or a region returns.
    longest: Duration,
    /// Notices in order, and when each came.
    notices: Vec<(Duration, Notice)>,
}

/// Numbers without an order, the same in each run.
fn mixed(number: usize, salt: u64) -> u64 {
    let mut mixed = (number as u64 ^ (salt << 40)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl Organisation {
    /// So many instances of so many apps: few large ones, many small ones, each over all regions.
    pub fn new(instances: usize, apps: usize) -> Organisation {
        let one = |number: usize| {
            let share = (mixed(number, 1) >> 11) as f64 / (1_u64 << 53) as f64;
            Instance {
                app: (share * share * apps as f64) as u16,
                region: (mixed(number, 2) % REGIONS as u64) as u16,
                fate: Fate::Lives,
            }
        };
        let instances = (0..instances).map(one).collect();
        let mut organisation = Organisation { instances, apps };
        organisation.doom();
        organisation
    }

    /// Deaths befall apps of even numbers, one each; byes those of odd ones. None is in the region that dies.
    fn doom(&mut self) {
        let (mut dead, mut left) = (BTreeSet::new(), 0);
        let (from, to) = MISFORTUNES;
        let mut order: Vec<usize> = (0..self.instances.len()).collect();
        // Neighbours share hosts, and a host of which all die is one incident.
        order.sort_unstable_by_key(|number| mixed(*number, 6));
        for number in order {
            let one = &mut self.instances[number];
            if one.region == DEAD_REGION {
                continue;
            }
            let at = Duration::from_millis(from * 1_000 + mixed(number, 3) % ((to - from) * 1_000));
            if one.app.is_multiple_of(2) {
                if dead.len() < DEATHS && dead.insert(one.app) {
                    one.fate = Fate::DiesAt(at);
                }
            } else if left < BYES {
                left += 1;
                one.fate = Fate::LeavesAt(at);
            }
        }
        assert_eq!((dead.len(), left), (DEATHS, BYES), "it is too small");
    }

    /// Those of the region that dies.
    fn in_dead_region(&self) -> usize {
        let there = |one: &&Instance| one.region == DEAD_REGION;
        self.instances.iter().filter(there).count()
    }

    /// Who dies alone, and when.
    fn deaths(&self) -> BTreeMap<String, Duration> {
        let fates = self.instances.iter().enumerate();
        fates
            .filter_map(|(number, one)| match one.fate {
                Fate::DiesAt(at) => Some((id(number), at)),
                _ => None,
            })
            .collect()
    }

    /// Plays all of it.
    pub fn play(&self) -> Report {
        let files = [("scale".to_owned(), RULES.as_bytes().to_vec())];
        let rules = rules_file::read(&files).set.expect("the rules are good");
        let options = Options {
            first_incident: 1,
            limits: Limits::MOST,
            ..Options::default()
        };
        let start = Wall::from_nanos(1_700_000_000_000_000_000);
        let mut virtual_time = VirtualTime::new(rules, options, start);
        let mut stream = Stream::new(self);
        let clock = Clock::start();
        let from = clock.mono();
        let (mut calm, mut comings, mut longest) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        for slice in 0.. {
            let at = SLICE * slice;
            if at >= LENGTH {
                break;
            }
            stream.fill(at, slice as usize);
            let before = clock.mono();
            virtual_time.entries(at, stream.batch());
            let slice = clock.mono().since(before);
            let most = if at < CALM.start {
                &mut comings
            } else {
                &mut longest
            };
            *most = slice.max(*most);
            if CALM.contains(&at) {
                calm += slice;
            }
        }
        assert_eq!(virtual_time.engine().instances(), self.instances.len());
        Report {
            instances: self.instances.len(),
            entries: stream.entries,
            took: clock.mono().since(from),
            calm: calm / SLICES as u32,
            comings,
            longest,
            notices: virtual_time.outputs().iter().filter_map(notice).collect(),
        }
    }

    /// One incident of the region, one of each death, in time, and nothing else.
    pub fn check(&self, report: &Report) {
        let mut deaths = self.deaths();
        let mut region = Vec::new();
        for (at, notice) in &report.notices {
            let who = &notice.who;
            match (notice.scope, notice.kind) {
                (Scope::Region, _) if who.region == region_name(DEAD_REGION) => {
                    region.push((*at, notice));
                }
                (Scope::Instance, NoticeKind::Opened) => {
                    let died = deaths.remove(&who.instance);
                    let died = died.unwrap_or_else(|| panic!("a false alarm: {notice:#?}"));
                    assert_eq!(notice.affected_total, 1, "{notice:#?}");
                    assert!(*at <= died + MAX_GAP + PATIENCE, "{at:?}: {notice:#?}");
                }
                _ => panic!("a false alarm: {notice:#?}"),
            }
        }
        assert_eq!(deaths, BTreeMap::new(), "nobody was told of these");
        let incidents: BTreeSet<_> = region.iter().map(|(_, notice)| notice.incident).collect();
        assert_eq!(incidents.len(), 1, "{region:#?}");
        let (opened, first) = region[0];
        assert_eq!(first.kind, NoticeKind::Opened);
        assert!(opened <= DIES + MAX_GAP + PATIENCE, "{opened:?}");
        let most = region.iter().map(|(_, notice)| notice.affected_total).max();
        assert_eq!(most, Some(self.in_dead_region() as u64));
        let (closed, last) = region[region.len() - 1];
        assert_eq!(last.kind, NoticeKind::Closed(CloseReason::Resolved));
        assert!(closed >= RETURNS, "{closed:?}");
    }
}

fn notice(said: &TimedOutput) -> Option<(Duration, Notice)> {
    match &said.output {
        Output::Notify(notice) => Some((said.at, (**notice).clone())),
        _ => None,
    }
}

fn region_name(region: u16) -> String {
    format!("r{region:02}")
}

/// As Fly's: 14 hexadecimal digits without an order.
fn id(number: usize) -> String {
    format!("{:014x}", mixed(number, 5) >> 8)
}

/// Beats as they are due, written into the same room again and again.
struct Stream {
    instances: Vec<Instance>,
    apps: usize,
    /// Who beats in which slice of the interval.
    turns: Vec<Vec<u32>>,
    text: String,
    /// Where in the text each subject begins, and each payload, and where that ends.
    places: Vec<(usize, usize, usize)>,
    entries: u64,
}

impl Stream {
    fn new(of: &Organisation) -> Stream {
        let mut turns = vec![Vec::new(); SLICES];
        for number in 0..of.instances.len() {
            turns[(mixed(number, 4) % SLICES as u64) as usize].push(number as u32);
        }
        Stream {
            instances: of.instances.clone(),
            apps: of.apps,
            turns,
            text: String::new(),
            places: Vec::new(),
            entries: 0,
        }
    }

    /// What is said in the slice that begins at `at`.
    fn fill(&mut self, at: Duration, slice: usize) {
        self.text.clear();
        self.places.clear();
        let down = (DIES..RETURNS).contains(&at);
        for &number in &self.turns[slice % SLICES] {
            let one = &mut self.instances[number as usize];
            let bye = match one.fate {
                Fate::Gone => continue,
                Fate::DiesAt(when) if at >= when => continue,
                Fate::LeavesAt(when) if at >= when => {
                    one.fate = Fate::Gone;
                    " bye"
                }
                _ => "",
            };
            if down && one.region == DEAD_REGION {
                continue;
            }
            let subject = self.text.len();
            let (app, region, id) = (one.app, region_name(one.region), id(number as usize));
            let host = usize::from(one.region) + REGIONS * (number as usize / REGIONS / ON_A_HOST);
            let (seq, apps) = (slice / SLICES, self.apps);
            let text = &mut self.text;
            write!(text, "logs.app-{app}-of-{apps}.{region}.{id}").expect("memory takes it");
            let payload = text.len();
            write!(
                text,
                r#"{{"event":{{"provider":"app"}},"host":"{host:04x}","message":"HEARTBEAT every=30s seq={seq}{bye}"}}"#
            )
            .expect("memory takes it");
            self.places.push((subject, payload, text.len()));
        }
        self.entries += self.places.len() as u64;
    }

    fn batch(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let part = |&(subject, payload, end): &(usize, usize, usize)| {
            (
                &self.text[subject..payload],
                &self.text.as_bytes()[payload..end],
            )
        };
        self.places.iter().map(part)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let opened = self.notices.iter();
        let opened = opened.filter(|(_, notice)| notice.kind == NoticeKind::Opened);
        write!(
            f,
            "{} instances, {} beats, 10 minutes in {:.1} s; 0.1 s of calm in {:.1} ms, of first words in {:.1} ms at most, of deaths in {:.1} ms at most; {} incidents, {} notices",
            self.instances,
            self.entries,
            self.took.as_secs_f64(),
            self.calm.as_secs_f64() * 1e3,
            self.comings.as_secs_f64() * 1e3,
            self.longest.as_secs_f64() * 1e3,
            opened.count(),
            self.notices.len(),
        )
    }
}
