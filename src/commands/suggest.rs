//! `lastbeat suggest`: thresholds from a recorded stream, replayed before they are printed.

mod rhythm;

use super::exit::Stop;
use super::recorded::{Input, Line, RecordedArgs};
use super::replay::player::Player;
use super::replay::usable;
use super::rules;
use crate::core::notice::NoticeKind;
use crate::core::rule::{FalseAlarms, RuleSet};
use crate::core::time::Wall;
use crate::decode::{globs, rules_file};
use crate::format;
use rhythm::{ENOUGH, Rhythm, Rhythms, Threshold};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Characters of an app in the name of a rule, so that the beat has room beside it.
const NAME_CHARS: usize = 60;

/// Suggest thresholds for each app, from recorded heartbeats
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Prints rules to paste: for each app and heartbeat the least max_gap that keeps false alarms within one in 30 days, with the \
intervals that were seen, how soon a death would be noticed, and how often the rule would have notified in what was \
recorded. Time in which lastbeat was blind does not count. FILE is as for replay.

Exit codes: 0 success; 1 the archive cannot be read; 64 invalid arguments.

  lastbeat suggest --since 7d
  lastbeat suggest --app 'web-*' > rules/50-suggested.toml")]
pub struct SuggestArgs {
    #[command(flatten)]
    recorded: RecordedArgs,
    /// Apps, as globs separated by commas
    #[arg(long, value_name = "GLOBS")]
    app: Option<String>,
    /// Rules whose markers count [default: LASTBEAT_RULES or rules, where they are there]
    #[arg(long, value_name = "PATH")]
    rules: Option<PathBuf>,
}

/// Suggests: 1 where the archive cannot be read, 64 where arguments are invalid.
pub fn run(args: &SuggestArgs) -> ExitCode {
    match suggest(args) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(stop) => stop.print(),
    }
}

fn suggest(args: &SuggestArgs) -> Result<String, Stop> {
    let recorded = args.recorded.recorded("app")?;
    let wanted: Vec<&str> = args
        .app
        .iter()
        .flat_map(|text| text.split(','))
        .map(str::trim)
        .collect();
    for glob in &wanted {
        globs::check(glob).map_err(Stop::bad_input)?;
    }
    let wanted = crate::core::rule::Globs(wanted.into_iter().map(str::to_owned).collect());
    let path = rules::path(args.rules.as_deref());
    let markers = match &args.rules {
        None if !path.exists() => RuleSet::default().markers,
        _ => usable(&path)?.markers,
    };
    let input = Input::open(&recorded)?;
    let (mut rhythms, mut seen) = (Rhythms::new(&markers), Seen::default());
    input.play(|line| match line {
        Line::Entry(at, subject, payload) => {
            seen.at(at);
            rhythms.entry(at, subject, payload);
        }
        Line::Mark(_, mark) => rhythms.mark(mark),
    })?;
    let mut all = rhythms.all;
    all.retain(|(app, _), _| wanted.0.is_empty() || wanted.matches(app));
    let budget = FalseAlarms::default();
    let suggested: Vec<Suggested<'_>> = all
        .iter()
        .filter_map(|((app, beat), rhythm)| {
            Some(Suggested {
                app,
                beat,
                rhythm,
                threshold: rhythm.threshold(budget)?,
            })
        })
        .collect();
    let rules: String = suggested.iter().map(Suggested::rule).collect();
    let incidents = replayed(&input, &rules)?;
    Ok(text(&seen, &all, &suggested, &incidents))
}

/// The times of the first and the last entry.
#[derive(Default)]
struct Seen {
    span: Option<(Wall, Wall)>,
}

impl Seen {
    fn at(&mut self, at: Wall) {
        let (first, last) = self.span.unwrap_or((at, at));
        self.span = Some((first.min(at), last.max(at)));
    }

    fn length(&self) -> Duration {
        self.span
            .map_or(Duration::ZERO, |(first, last)| last.since(first))
    }
}

/// A suggested rule.
struct Suggested<'r> {
    app: &'r str,
    beat: &'r str,
    rhythm: &'r Rhythm,
    threshold: Threshold,
}

impl Suggested<'_> {
    fn name(&self) -> String {
        let app: String = self.app.chars().take(NAME_CHARS).collect();
        match self.beat {
            "" => app,
            beat => format!("{app} {}", beat.chars().take(30).collect::<String>()),
        }
    }

    /// The rule as TOML.
    fn rule(&self) -> String {
        let text = rules_file::toml_string;
        let max_gap = humantime::format_duration(self.threshold.max_gap).to_string();
        let beat = match self.beat {
            "" => String::new(),
            beat => format!("beat    = {}\n", text(beat)),
        };
        format!(
            "[[rule]]\nname    = {}\napp     = {}\n{beat}max_gap = {}\n",
            text(&self.name()),
            text(self.app),
            text(&max_gap)
        )
    }

    /// The reasons, as comments.
    fn reasons(&self, incidents: u64, length: Duration) -> String {
        let (rhythm, threshold) = (self.rhythm, &self.threshold);
        // Beyond milliseconds it is noise.
        let span = |length: Duration| {
            format::exact_duration(Duration::from_millis(length.as_millis() as u64))
        };
        let lost = match rhythm.counted {
            0 => "nobody counts lost ones (seq=)".to_owned(),
            counted => format!("{} of {counted} lost", rhythm.lost),
        };
        let early = threshold.max_gap.saturating_sub(threshold.interval);
        format!(
            "# {}, {} intervals: half within {}, 99% within {}, longest {}; {lost}\n\
             # {} lost in a row are an alert: a death is noticed {} to {} after it, with {:.2} false alarms in 30 days\n\
             # in the {} recorded: {}\n",
            format::counted(u64::from(rhythm.instances), "instance"),
            rhythm.intervals,
            span(rhythm.quantile(0.5)),
            span(rhythm.quantile(0.99)),
            span(rhythm.longest),
            threshold.factor,
            span(early),
            span(threshold.max_gap),
            threshold.false_alarms,
            format::duration(length),
            format::counted(incidents, "incident")
        )
    }
}

/// The incidents that rules would have opened, by rule.
fn replayed(input: &Input, rules: &str) -> Result<BTreeMap<String, u64>, Stop> {
    let reading = rules_file::read(&[("suggested".to_owned(), rules.as_bytes().to_vec())]);
    let set = reading.set.ok_or_else(|| {
        let faults: Vec<String> = reading.faults.iter().map(ToString::to_string).collect();
        Stop::failed(format!(
            "the suggested rules are invalid: {}",
            faults.join("; ")
        ))
    })?;
    let mut player = Player::new(set, input.has_machines()?);
    input.play(|line| player.line(&line))?;
    let mut incidents: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    for (_, notice) in player.finish().notices {
        if notice.kind == NoticeKind::Opened {
            incidents
                .entry(notice.rule)
                .or_default()
                .insert(notice.incident.0);
        }
    }
    Ok(incidents
        .into_iter()
        .map(|(rule, all)| (rule, all.len() as u64))
        .collect())
}

fn text(
    seen: &Seen,
    all: &BTreeMap<(String, String), Rhythm>,
    suggested: &[Suggested<'_>],
    incidents: &BTreeMap<String, u64>,
) -> String {
    let mut text = String::new();
    if all.is_empty() {
        text.push_str("# no heartbeats in what was recorded\n");
    }
    for ((app, beat), rhythm) in all {
        let one = suggested
            .iter()
            .find(|one| one.app == app && one.beat == beat);
        // Writing to a String cannot fail.
        let _ = match one {
            Some(one) => {
                let count = incidents.get(&one.name()).copied().unwrap_or(0);
                writeln!(text, "{}{}", one.reasons(count, seen.length()), one.rule())
            }
            None => {
                let beat = if beat.is_empty() {
                    String::new()
                } else {
                    format!(" beat {beat}")
                };
                writeln!(
                    text,
                    "# {}{}: not enough yet, {} intervals of {ENOUGH}\n",
                    format::name(app),
                    format::name(&beat),
                    rhythm.intervals
                )
            }
        };
    }
    text
}
