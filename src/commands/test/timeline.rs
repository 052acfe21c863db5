//! The history of one target, for a test that failed: signs of life, gaps, states, notifications, each at its moment.

use super::playback::Played;
use super::wording::{line, notices, short, target};
use crate::core::engine::Output;
use crate::decode::test_file::{Case, Event, Span};
use std::time::Duration;

/// Limit of lines shown.
const MAX_LINES: usize = 60;

/// The timeline of a target.
pub(super) fn draw(case: &Case, played: &Played, of: &str) -> String {
    let mut lines = signs(played, of);
    lines.extend(troubles(case));
    for said in &played.said {
        let Output::Changed(change) = &said.output else {
            continue;
        };
        let whose = target(&change.who, None);
        if of != "stream" && !is_part(&whose, of) {
            continue;
        }
        let at = change.at.since(case.start);
        let seen = match said.at.as_millis() == at.as_millis() {
            true => String::new(),
            false => format!(", seen at {}", short(said.at)),
        };
        let change = format!(
            "{whose}: {} -> {} by '{}': {}{seen}",
            change.from.label(),
            change.to.label(),
            change.rule,
            change.reason.label()
        );
        lines.push((at, None, change));
    }
    let told =
        notices(&played.said).map(|(at, notice)| (at, None, format!("told {}", line(notice))));
    lines.extend(told);
    lines.sort_by_key(|(at, _, _)| *at);
    let mut text = format!("timeline of {of}\n");
    for (from, to, what) in lines.iter().take(MAX_LINES) {
        let when = match to {
            Some(to) => format!("{}..{}", short(*from), short(*to)),
            None => short(*from),
        };
        text += &format!("  {when:<18} {what}\n");
    }
    if lines.len() > MAX_LINES {
        text += &format!("  and {} more\n", lines.len() - MAX_LINES);
    }
    text
}

type Row = (Duration, Option<Duration>, String);

/// When it was heard, with even distances made one row.
fn signs(played: &Played, of: &str) -> Vec<Row> {
    let mine = played.heard.iter().filter(|(path, _)| is_part(path, of));
    let mut moments: Vec<Duration> = mine.flat_map(|(_, heard)| heard.iter().copied()).collect();
    moments.sort_unstable();
    let mut gaps: Vec<Duration> = moments.windows(2).map(|two| two[1] - two[0]).collect();
    gaps.sort_unstable();
    // Several instances that log in turn produce many short distances.
    let usual = gaps.get(gaps.len() * 9 / 10).copied().unwrap_or_default();
    let mut rows = Vec::new();
    let mut last = None;
    for run in moments.chunk_by(|one, other| *other - *one <= usual * 3 / 2) {
        let (from, to) = (run[0], run[run.len() - 1]);
        if let Some(last) = last {
            let silent = format!("silent for {}", short(from - last));
            rows.push((last, Some(from), silent));
        }
        rows.push(match run.len() {
            1 => (from, None, "heard".to_owned()),
            count => {
                let what = format!("heard {count} times, at most {} apart", short(widest(run)));
                (from, Some(to), what)
            }
        });
        last = Some(to);
    }
    if rows.is_empty() {
        rows.push((Duration::ZERO, None, "never heard".to_owned()));
    }
    rows
}

fn widest(run: &[Duration]) -> Duration {
    let gaps = run.windows(2).map(|two| two[1] - two[0]);
    gaps.max().unwrap_or_default()
}

/// Events beside the entries; of a repeated one the first pieces.
fn troubles(case: &Case) -> Vec<Row> {
    let mut rows = Vec::new();
    for line in &case.lines {
        let row = |span: Span| match span.to {
            Duration::MAX => (span.from, None, line.text.clone()),
            to => (span.from, Some(to), line.text.clone()),
        };
        match &line.what {
            Event::Cut(times)
            | Event::Stall(times)
            | Event::Suspended(times)
            | Event::Down(times)
            | Event::Dropped(times)
            | Event::InventoryFails(times)
            | Event::Mute { times, .. } => {
                rows.extend(times.pieces(case.end).take(MAX_LINES).map(row));
            }
            Event::Late { span, .. }
            | Event::Clock { span, .. }
            | Event::Held { span, .. }
            | Event::Listed { span, .. }
            | Event::Silence { span, .. } => rows.push(row(*span)),
            Event::Rules { at, .. } => rows.push((*at, None, line.text.clone())),
            Event::Speech(_) | Event::Host { .. } | Event::RunsAs(_) => {}
        }
    }
    rows
}

/// True if `app/region/instance`, `app/region`, `app A` or `region R` is part of a target, or the other way round.
fn is_part(path: &str, of: &str) -> bool {
    let path = path.split(" beat ").next().unwrap_or(path);
    let of = of.split(" beat ").next().unwrap_or(of);
    if of == "stream" || path == of {
        return true;
    }
    let mut parts = path.split('/');
    let (app, region) = (parts.next(), parts.next());
    match of.split_once(' ') {
        Some(("app", name)) => app == Some(name),
        Some(("region", name)) => region == Some(name),
        // The lines say which instances run on a host.
        Some(_) => true,
        None => path
            .strip_prefix(of)
            .is_some_and(|rest| rest.starts_with('/')),
    }
}
