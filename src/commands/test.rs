//! `lastbeat test`: tests rules with events in virtual time.

mod comparison;
pub(super) mod junit;
mod names;
mod outcome;
mod playback;
#[cfg(test)]
mod tests;
mod timeline;
pub(super) mod wording;

pub use outcome::Outcome;

use super::exit::BAD_INPUT;
use crate::core::rule::RuleSet;
use crate::decode::rules_file::{self, Fault};
use crate::decode::test_file::{self, Case, RulesFrom, TestFile};
use crate::format;
use crate::io::rules_dir::{self, LoadFault};
use clap::ValueEnum;
use memchr::memmem;
use playback::{Played, Recorded};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Test the rules with events in virtual time
#[derive(Clone, Debug, Default, clap::Args)]
#[command(after_help = HELP)]
pub struct TestArgs {
    /// Test files, or folders of them; of a folder with a folder `tests` in it, the *.toml there [default: rules]
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Format of the results
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Format of the results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// `ok NAME` and `FAILED NAME`, with the expectations that were not met
    #[default]
    Text,
    /// JUnit's XML, which CI systems read
    Junit,
}

const HELP: &str = r#"A test file has events and expectations. Time is virtual: days pass in milliseconds.

  rules = ".."                     # a file or a folder, from this file's folder; or the rules within """..."""
  [[test]]
  name = "one worker hangs"
  lines = [
    "web/iad/[a-d] beats every 30s from 0s to 10m",
    "web/iad/a silent from 4m to 6m",
  ]
  expect = [
    "at 5m firing web/iad/a by 'web'",
    "told HeartbeatMissed web/iad/a opened at 5m..5m10s",
    "told HeartbeatMissed web/iad/a closed resolved at 6m..6m30s",
    "nothing else told",
  ]

More keys: start = "2026-03-29T00:00:00Z" (the wall clock at 0s), until = "10m" (the end, where no line names it),
other_rules = { NAME = RULES }.
archive = "night" plays what was recorded, with its cuts, restarts and machines: a segment, a folder of them, or JSON lines,
from this file's folder. start and until are the part of it that is played, and lines may be left out.

In lines, WHO is app/region/instance; [a-d], {iad,lhr} and {01..20} make it several instances. A span from A to B ends
just before B. TIMES is "from A to B", or "every 2m for 46s" (from 0s, or from A), or both.

Entries. Several instances begin one after another within the first interval.
  WHO beats every 30s [from A to B]          "web/iad/[a-d] beats every 30s from 0s to 10m"
  WHO beats saying 'KEYS' every D ...        "web/iad/a beats saying 'every=30s name=worker' every 30s"
  WHO beats counting every D ...             with every= and seq=1, seq=2, ...: "web/iad/a beats counting every 30s"
  WHO logs every D ...                       "web/iad/a logs every 5s from 0s to 10m"
  WHO says 'TEXT' [as runner] at T, T        "web/iad/a says 'HEARTBEAT bye' at 3m, 8m"
  Each of these may go on with
    , not TIMES                              "... every 30s from 0s to 1h, not from 4m to 6m"
    , losing 5%                              lost on the way, unnoticed; the same ones in each run
    , up to D late                           each comes up to D later than its time: ", up to 5s late"
    , all at once      , from a random start     in place of one after another

Instances and their clocks. WHO may hold globs: "*/lhr/* silent from 4m to 6m".
  WHO silent TIMES                           nothing of it arrives: "web/iad/a silent every 10m for 2m"
  WHO late by D from A to B                  its entries arrive D behind their own time; "10s..5m" grows evenly
  WHO's clock off by D from A [to B]         its own time is wrong: "web/iad/a's clock off by 1h from 0s", "by -1h"
  WHO's clock stands still from A [to B]     its own time stays what it was at A
  WHO held from A to B                       its entries all arrive at B, with their own time
  host NAME: WHO, WHO                        "host 0ad1: web/iad/a, web/iad/b"

lastbeat and the stream.
  stream cut TIMES                           the connection is lost, and lastbeat knows: "stream cut every 2m for 46s"
  stream stalls TIMES                        connected, and nothing arrives
  lastbeat suspended TIMES                   the process is suspended
  lastbeat down TIMES                        it is killed, and started again with its state: "lastbeat down from 5m to 7m"
  messages dropped at T | TIMES              lost on the way, and lastbeat notices
  entries late by D from A to B              all entries arrive that far behind their own time
  lastbeat runs as WHO                       its own app is no target: "lastbeat runs as monitor/fra/x"
  inventory lists WHO as STATE [from A [to B]]   "inventory lists web/iad/a as started from 0s to 5m"; a machine that no
                                             line lists at a moment is not in the inventory
  inventory fails TIMES                      it does not answer
  silence app=GLOB region=GLOB instance=GLOB host=GLOB rule=GLOB severity=WORD label.NAME=GLOB notifier=GLOB from A to B
                                             "silence app=web-* app=!web-1 from 4m to 6m"; a silence by hand
  rules become NAME at T                     "rules become 'strict' at 5m", with other_rules = { strict = "..." }

In expect, TARGET is app/region/instance, app/region, app A, region R, host H or stream, then perhaps beat NAME. N is a
number, 1..3, at most 2 or at least 7.
  at T firing | pending | ok | not firing TARGET [by 'RULE']     "at 5m firing web/iad/a by 'web'"
  at T nobody fires
  at T N incidents open                      "at 5m 1 incident open", "at 5m no incident open"
  at T incident of TARGET has N members      "at 5m incident of app web has at least 7 members"
  told [N times] [ALERT] [TARGET] [opened | updated [N] | reminder [N] | closed [REASON]] [at T | at T..T] [by 'RULE']
      [dated T] [affecting N] [listing WHO, WHO] [to NOTIFIER, NOTIFIER] [severity S] [saying 'TEXT']
    "told at most 2 times HeartbeatMissed app web opened affecting at least 7 to oncall"
    "3 times" accounts for the first 3; "1..3 times" and "at most 2 times" for all, which must be so many. "to oncall"
    holds if oncall is one of several; "to only chat, oncall" is the whole list.
  not told ...      nothing told from A to B      nothing told      nothing else told

Exit codes: 0 if all is as expected, 1 if not, 64 if a file cannot be read.

  lastbeat test rules
  lastbeat test rules/tests/web.toml --format junit > results.xml"#;

/// Runs the tests: 0 where all went as expected, 1 where not, 64 where a file cannot be read.
pub fn run(args: &TestArgs) -> ExitCode {
    let default = [super::rules::default_path()];
    let files = match args.files.as_slice() {
        [] => &default,
        files => files,
    };
    let outcomes = match outcomes(files) {
        Ok(outcomes) => outcomes,
        Err(faults) => {
            faults.iter().for_each(|fault| eprintln!("{fault}"));
            return ExitCode::from(BAD_INPUT);
        }
    };
    let text = match args.format {
        Format::Text => text(&outcomes),
        Format::Junit => junit::xml(&outcomes),
    };
    let failed = outcomes.iter().any(|outcome| outcome.failure.is_some());
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    ExitCode::from(u8::from(failed || written.is_err()))
}

/// Runs the tests of these files and folders.
///
/// # Errors
///
/// Each fault of each file that cannot be read, as a line for people.
pub fn outcomes(paths: &[PathBuf]) -> Result<Vec<Outcome>, Vec<String>> {
    let (mut files, mut faults) = (Vec::new(), Vec::new());
    for path in paths {
        match test_files(path) {
            Ok(found) => files.extend(found),
            Err(fault) => faults.push(fault),
        }
    }
    let mut outcomes = Vec::new();
    for found in each(&files) {
        match found {
            Ok(found) => outcomes.extend(found),
            Err(found) => faults.extend(found),
        }
    }
    if faults.is_empty() {
        Ok(outcomes)
    } else {
        Err(faults)
    }
}

/// Runs each file, as many at once as there are processors; in the files' order.
fn each(files: &[(String, Vec<u8>)]) -> Vec<Result<Vec<Outcome>, Vec<String>>> {
    let found: Vec<_> = files.iter().map(|_| OnceLock::new()).collect();
    let next = AtomicUsize::new(0);
    let run = || {
        while let at = next.fetch_add(1, Ordering::Relaxed)
            && let (Some((name, bytes)), Some(found)) = (files.get(at), found.get(at))
        {
            found.get_or_init(|| file(name, bytes));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(files.len()) {
            scope.spawn(run);
        }
    });
    found.into_iter().filter_map(OnceLock::into_inner).collect()
}

/// The test files at a path, each as its name and its bytes.
fn test_files(path: &Path) -> Result<Vec<(String, Vec<u8>)>, String> {
    let within = path.join("tests");
    let from = if within.is_dir() { &within } else { path };
    let expects = || {
        format!(
            "no test file at {}: lastbeat test takes a test file (*.toml with [[test]] in it), a folder of them, or a \
             folder of rules with the test files in its folder tests; see lastbeat test --help",
            path.display()
        )
    };
    let files = match rules_dir::load_whole(from, test_file::MAX_FILE_BYTES) {
        Ok(files) => files,
        Err(LoadFault::Empty { .. }) => return Err(expects()),
        Err(fault @ LoadFault::List { .. }) => {
            return Err(format!("{}: {}", expects(), cause(&fault)));
        }
        Err(fault) => return Err(format!("{}: {}", fault_of_file(&fault), cause(&fault))),
    };
    let has_tests = |(_, bytes): &(String, Vec<u8>)| memmem::find(bytes, b"[[test]]").is_some();
    if from.is_dir() && !files.iter().any(has_tests) {
        return Err(expects());
    }
    Ok(files)
}

fn fault_of_file(fault: &LoadFault) -> String {
    match fault {
        LoadFault::Read { path, .. } | LoadFault::List { path, .. } | LoadFault::Empty { path } => {
            format!("the test file {} could not be read", path.display())
        }
    }
}

/// The innermost cause of a fault.
fn cause(fault: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(fault.source(), |cause| cause.source());
    causes.last().map(ToString::to_string).unwrap_or_default()
}

fn file(name: &str, bytes: &[u8]) -> Result<Vec<Outcome>, Vec<String>> {
    let shown = |faults: Vec<Fault>| faults.iter().map(Fault::to_string).collect::<Vec<_>>();
    let file = test_file::read(name, bytes).map_err(shown)?;
    let mut rules = Rules::new(name);
    let others = rules.others(&file);
    let mut outcomes = Vec::new();
    for mut case in file.cases {
        let Some(set) = rules.get(&case.rules) else {
            continue;
        };
        let unknown = names::unknown(&case, &set, &others);
        if !unknown.is_empty() {
            let faults = unknown.into_iter();
            rules
                .faults
                .extend(faults.map(|((line, col), what)| format!("{name}:{line}:{col}: {what}")));
            continue;
        }
        let folder = Path::new(name).parent().unwrap_or(Path::new(""));
        let recorded = case
            .recording
            .clone()
            .map(|recording| Recorded::open(folder, &mut case, &recording));
        let played = recorded
            .transpose()
            .and_then(|recorded| playback::play(&case, set.clone(), &others, recorded.as_ref()));
        match played {
            Ok(played) => outcomes.push(Outcome {
                file: name.to_owned(),
                name: case.name.clone(),
                failure: failure(name, &case, &set, &played),
            }),
            Err(what) => rules.faults.push(format!("{name}:{}: {what}", case.line)),
        }
    }
    if rules.faults.is_empty() {
        Ok(outcomes)
    } else {
        Err(rules.faults)
    }
}

/// The rule sets of a test file, each read once.
struct Rules<'f> {
    file: &'f str,
    read: Vec<(RulesFrom, Option<RuleSet>)>,
    faults: Vec<String>,
}

impl<'f> Rules<'f> {
    fn new(file: &'f str) -> Self {
        Rules {
            file,
            read: Vec::new(),
            faults: Vec::new(),
        }
    }

    fn others(&mut self, file: &TestFile) -> BTreeMap<String, RuleSet> {
        let sets = file.other_rules.iter();
        sets.filter_map(|(name, from)| Some((name.clone(), self.get(from)?)))
            .collect()
    }

    /// A set; `None` where it has faults, which are reported once.
    fn get(&mut self, from: &RulesFrom) -> Option<RuleSet> {
        if let Some((_, set)) = self.read.iter().find(|(known, _)| known == from) {
            return set.clone();
        }
        let set = self.load(from);
        self.read.push((from.clone(), set.clone()));
        set
    }

    fn load(&mut self, from: &RulesFrom) -> Option<RuleSet> {
        let (files, lines_before) = match from {
            RulesFrom::Text { text, lines_before } => {
                let file = (self.file.to_owned(), text.as_bytes().to_vec());
                (vec![file], *lines_before)
            }
            RulesFrom::Path(path) => {
                let folder = Path::new(self.file).parent().unwrap_or(Path::new(""));
                match rules_dir::load(&folder.join(path)) {
                    Ok(files) => (files, 0),
                    Err(fault) => {
                        self.faults
                            .push(format!("{}: {}", self.file, format::error_chain(&fault)));
                        return None;
                    }
                }
            }
        };
        let reading = rules_file::read(&files);
        for mut fault in reading.faults {
            fault.line += lines_before;
            self.faults.push(fault.to_string());
        }
        reading.set
    }
}

/// The expectations that were not met, with the history of their targets; `None`: all were.
fn failure(file: &str, case: &Case, rules: &RuleSet, played: &Played) -> Option<String> {
    let missed = comparison::unmet(case, rules, played);
    if missed.is_empty() {
        return None;
    }
    let mut text = String::new();
    let mut targets: Vec<&str> = Vec::new();
    for miss in &missed {
        let (line, col) = miss.expected.place;
        text += &format!(
            "{file}:{line}:{col}: {}\n  but {}\n",
            miss.expected.text, miss.but
        );
        let target = miss.target.as_deref().unwrap_or("stream");
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    for target in targets {
        text += &timeline::draw(case, played, target);
    }
    Some(text)
}

fn text(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    let mut file = "";
    for outcome in outcomes {
        if file != outcome.file {
            file = &outcome.file;
            text += &format!("# {file}\n");
        }
        match &outcome.failure {
            None => text += &format!("ok {}\n", outcome.name),
            Some(why) => {
                text += &format!("FAILED {}\n", outcome.name);
                for line in why.lines() {
                    text += &format!("  {line}\n");
                }
            }
        }
    }
    let failed = outcomes.iter().filter(|one| one.failure.is_some()).count();
    let ok = outcomes.len() - failed;
    text + &format!("{} tests: {ok} ok, {failed} failed\n", outcomes.len())
}
