//! `lastbeat test`: tries rules on stories told in virtual time, before they page anybody.

mod judge;
mod junit;
mod play;
mod timeline;

use super::exit::BAD_INPUT;
use crate::core::rule::RuleSet;
use crate::decode::rules_file::{self, Fault};
use crate::decode::test_file::{self, Case, RulesFrom, TestFile};
use crate::format;
use crate::io::rules_dir;
use clap::ValueEnum;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Try the rules: test cases in virtual time.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(after_help = HELP)]
pub struct TestArgs {
    /// Test files, or folders: of one with a folder `tests` in it, the *.toml there [default: rules]
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// How the results are written
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// How the results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// `ok NAME` and `FAILED NAME`, with what went otherwise
    #[default]
    Text,
    /// JUnit's XML, which CI systems read
    Junit,
}

const HELP: &str = r#"A test file says what happens and what must follow; days pass in milliseconds:

  rules = ".."                     # file or folder, from this file's folder; or the rules within """..."""
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

A span from A to B ends just before B. Keys beside: start = "2026-03-29T00:00:00Z" (the clock on the wall at 0s),
until = "10m" (the end, where no line names it), other_rules = { NAME = RULES }.

In lines, WHO is app/region/instance; [a-d], {iad,lhr} and {01..20} make it several, which begin one after another:
  WHO beats [saying 'every=30s name=worker'] every D [from A to B]
  WHO logs ...      WHO says 'TEXT' [as runner] ...      ... at T, T, T
      each of these may go on: , not from A to B   , up to D late   , all at once   , from a random start
  WHO silent from A to B                    (globs: */lhr/* silent ...)
  stream cut from A to B                    the connection is lost, and lastbeat knows
  stream stalls from A to B                 connected, and nothing arrives
  lastbeat suspended from A to B            lastbeat itself stands still
  messages dropped at T | from A to B       lost on the way, and lastbeat notices
  entries late by D from A to B             they arrive that far behind their own time
  host NAME: WHO, WHO
  silence app=GLOB region=GLOB instance=GLOB host=GLOB rule=GLOB from A to B
  rules become NAME at T

In expect, TARGET is app/region/instance, app/region, app A, region R, host H or stream, then perhaps beat NAME:
  at T firing | pending | ok | not firing TARGET [by 'RULE']       at T nobody fires
  told [N times] [ALERT] [TARGET] [opened | updated [N] | reminder [N] | closed [REASON]] [at T | at T..T] [by 'RULE'] [dated T]
      [affecting N] [listing WHO, WHO] [to NOTIFIER, NOTIFIER] [severity S] [saying 'TEXT']
  not told ...      nothing told from A to B      nothing else told

Exit codes: 0 all as expected; 1 not so; 64 a file that cannot be read.

  lastbeat test rules
  lastbeat test rules/tests/web.toml --format junit > results.xml"#;

/// What became of one test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The file it stands in.
    pub file: String,
    /// Its name.
    pub name: String,
    /// What went otherwise, for people; `None`: nothing.
    pub failure: Option<String>,
}

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
        let tests = path.join("tests");
        let from = if tests.is_dir() { &tests } else { path };
        match rules_dir::load(from) {
            Ok(found) => files.extend(found),
            Err(fault) => faults.push(format::error_chain(&fault)),
        }
    }
    let mut outcomes = Vec::new();
    for (name, bytes) in &files {
        match file(name, bytes) {
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

fn file(name: &str, bytes: &[u8]) -> Result<Vec<Outcome>, Vec<String>> {
    let shown = |faults: Vec<Fault>| faults.iter().map(Fault::to_string).collect::<Vec<_>>();
    let file = test_file::read(name, bytes).map_err(shown)?;
    let mut rules = Rules::new(name);
    let others = rules.others(&file);
    let mut outcomes = Vec::new();
    for case in &file.cases {
        let Some(set) = rules.get(&case.rules) else {
            continue;
        };
        match play::play(case, set, &others) {
            Ok(played) => outcomes.push(Outcome {
                file: name.to_owned(),
                name: case.name.clone(),
                failure: failure(name, case, &played),
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

    /// A set; `None` where it is at fault, which is told once.
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

/// What went otherwise than expected, with the story of those concerned.
fn failure(file: &str, case: &Case, played: &play::Played) -> Option<String> {
    let missed = judge::judge(case, played);
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
