//! The page of `lastbeat status`: answers of the API in, text out.

use super::answers::Answers;
use super::silenced;
use super::values::{ago, list, number, since, span, text};
use crate::format;
use serde_json::Value;
use std::fmt::Write as _;

/// Incidents that are shown one by one.
const INCIDENTS: usize = 20;
/// Per cent of lost heartbeats from which on an app is named: below, most of it is assumed.
const LEAST_LOSS: f64 = 0.5;
/// The verdicts, the worst first.
pub(super) const VERDICTS: [&str; 7] = [
    "silent",
    "never-seen",
    "late",
    "unknown",
    "learning",
    "live",
    "stopped",
];
const RED: &str = "\u{1b}[1;31m";
const YELLOW: &str = "\u{1b}[33m";
const GREEN: &str = "\u{1b}[32m";
/// The colour of what matters less.
pub(super) const DIM: &str = "\u{1b}[2m";

/// Colours and width.
pub(super) struct Style {
    /// Colours are wanted.
    pub(super) colour: bool,
    /// Columns; `None`: no limit.
    pub(super) width: Option<usize>,
}

/// True where nothing is silent or open, and lastbeat is ready.
pub(super) fn is_well(status: &Value) -> bool {
    let none = |value: &Value| value.as_u64().unwrap_or(0) == 0;
    status["ready"] == true
        && none(&status["open_incidents"])
        && none(&status["instances"]["silent"])
        && none(&status["instances"]["never-seen"])
}

/// The stream first, then what is open, then each app by region.
pub(super) fn whole(answers: &Answers, style: &Style) -> String {
    let mut page = Page::new(style);
    let status = &answers.status;
    head(&mut page, status);
    open(&mut page, answers);
    apps(&mut page, &status["apps"]);
    page.text
}

/// Lines for a terminal.
pub(super) struct Page<'a> {
    /// The lines so far.
    pub(super) text: String,
    style: &'a Style,
}

impl<'a> Page<'a> {
    /// An empty one.
    pub(super) fn new(style: &'a Style) -> Self {
        let text = String::new();
        Page { text, style }
    }

    /// A line, cut to the terminal's width; all of it in one colour, or in none.
    pub(super) fn line(&mut self, colour: &str, text: &str) {
        let text = match self.style.width {
            Some(width) => format::sanitize(text, width),
            None => text.to_owned(),
        };
        let colour = if self.style.colour { colour } else { "" };
        let off = if colour.is_empty() { "" } else { "\u{1b}[0m" };
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{colour}{text}{off}");
    }
}

fn head(page: &mut Page<'_>, status: &Value) {
    let stream = &status["stream"];
    let last = match text(&stream["last_entry"]).as_str() {
        "" => "nothing received yet".to_owned(),
        last => format!(
            "last entry {}, at {last}",
            ago(status, &stream["last_entry"])
        ),
    };
    // It does not flow where lastbeat says that it sees nothing of it, or where no lastbeat was asked.
    let is_doubtful = |part: &str| list(&status["reasons"]).any(|reason| reason["part"] == part);
    let blind = text(&stream["blind"]);
    let (colour, said) = if stream["stalled"] == true {
        (RED, format!("STALLED: {last}"))
    } else if !blind.is_empty() {
        (YELLOW, format!("blind ({blind}): {last}"))
    } else if stream["last_entry"].is_null() || is_doubtful("stream") || is_doubtful("status") {
        (YELLOW, last)
    } else {
        (GREEN, format!("flows: {last}"))
    };
    page.line(colour, &format!("stream     {said}"));
    if status["ready"] == true {
        page.line(GREEN, "ready      yes");
    }
    for reason in list(&status["reasons"]) {
        page.line(
            RED,
            &format!(
                "NOT READY  {}: {}",
                text(&reason["part"]),
                text(&reason["what"])
            ),
        );
    }
    let blind: f64 = status["blind_seconds"]
        .as_object()
        .into_iter()
        .flat_map(|all| all.values())
        .filter_map(Value::as_f64)
        .sum();
    let listened = status["listened_seconds"].as_f64().unwrap_or(0.0);
    page.line(
        "",
        &format!("listened   {}, blind {}", span(listened), span(blind)),
    );
    for loss in list(&status["losses"]) {
        let percent = loss["lost_ratio"].as_f64().unwrap_or(0.0) * 100.0;
        if percent < LEAST_LOSS {
            continue;
        }
        let app = text(&loss["app"]);
        page.line(
            "",
            &format!("loss       {percent:.1}% of the heartbeats of {app}"),
        );
    }
    let store = &status["store"];
    let file = store["file"]
        .as_str()
        .map_or("in memory only".to_owned(), |file| {
            format::sanitize(file, format::TEXT_CHARS)
        });
    match store["trouble"].as_str() {
        None => page.line("", &format!("state      {file}")),
        Some(trouble) => page.line(
            RED,
            &format!(
                "state      {file}: {}",
                format::sanitize(trouble, format::TEXT_CHARS)
            ),
        ),
    }
    for notifier in list(&status["notifiers"]) {
        self::notifier(page, notifier);
    }
    for one in list(&status["downstreams"]) {
        downstream(page, one);
    }
    let release = format!(
        "lastbeat {} at {}",
        text(&status["version"]),
        text(&status["now"])
    );
    page.line(
        DIM,
        &format!("version    {release}, {} rules", number(&status["rules"])),
    );
}

fn downstream(page: &mut Page<'_>, one: &Value) {
    let (name, state) = (text(&one["name"]), text(&one["state"]));
    let colour = match state.as_str() {
        "ok" => "",
        "stalled" | "losing" => RED,
        _ => YELLOW,
    };
    let mut said = match one["hop"].as_str() {
        Some(hop) => format!(
            "{state} at the {}",
            if hop == "gone" { "shipper" } else { hop }
        ),
        None => state,
    };
    if let Some(delay) = one["delay_seconds"].as_f64() {
        let _ = write!(said, ", last delay {}", span(delay));
    }
    let (lost, missing) = (number(&one["lost"]), &one["missing"]);
    if lost > 0 {
        let _ = write!(said, ", {lost} canaries lost");
    }
    if let (Some(from), Some(until)) = (missing["from"].as_str(), missing["until"].as_str()) {
        let [from, until] = [from, until].map(|at| format::sanitize(at, 30));
        let _ = write!(
            said,
            ", lacks entries: lastbeat refill --from {from} --until {until}"
        );
    }
    if !one["fault"].is_null() {
        let _ = write!(said, ": {}", text(&one["fault"]));
    }
    page.line(colour, &format!("downstream {name}: {said}"));
}

fn notifier(page: &mut Page<'_>, notifier: &Value) {
    let name = text(&notifier["notifier"]);
    let [pending, failed, given_up] =
        ["pending", "failed_tries", "given_up"].map(|key| number(&notifier[key]));
    let colour = match (failed, given_up) {
        (0, 0) => "",
        (_, 0) => YELLOW,
        _ => RED,
    };
    let mut said = match (pending, failed) {
        (0, 0) => "nothing pending".to_owned(),
        (pending, 0) => format!("{pending} pending"),
        (pending, failed) => format!("{pending} pending after {failed} failed attempts"),
    };
    if let Some(answer) = notifier["refused"].as_str() {
        let _ = write!(said, ": refused with {}", format::sanitize(answer, 60));
    }
    if given_up > 0 {
        let _ = write!(said, ", {given_up} given up");
    }
    page.line(colour, &format!("notifies   {name}: {said}"));
}

fn open(page: &mut Page<'_>, answers: &Answers) {
    let status = &answers.status;
    let total = number(&status["open_incidents"]);
    if total == 0 {
        return page.line(GREEN, "\nno incident is open\n");
    }
    page.text.push('\n');
    let word = if total == 1 { "incident" } else { "incidents" };
    page.line(RED, &format!("{total} {word} open"));
    let mut rows: Vec<&Value> = list(&answers.incidents).collect();
    // Of one severity the newest stays first.
    rows.sort_by_key(|row| weight(row));
    for row in rows.iter().take(INCIDENTS) {
        incident(page, answers, row);
    }
    let more = total.saturating_sub(rows.len().min(INCIDENTS) as u64);
    if more > 0 {
        page.line(
            DIM,
            &format!("  and {more} more, in GET /api/v1/incidents?state=open"),
        );
    }
    page.text.push('\n');
}

/// An open incident: its severity, its number, its age now, and what it is about; marked where a silence concerns it.
pub(super) fn incident(page: &mut Page<'_>, answers: &Answers, row: &Value) {
    let severity = text(&row["severity"]);
    let silence = silenced::silence_of(&answers.silences, row);
    let colour = match severity.as_str() {
        _ if silence.is_some() || row["acknowledged"].is_object() => DIM,
        "critical" | "error" => RED,
        "warning" => YELLOW,
        _ => "",
    };
    let age = match since(&answers.status, &row["since"]) {
        Some(age) => format!("for {age}"),
        None => String::new(),
    };
    let mark = silence.map(silenced::mark).unwrap_or_default();
    let mark = format!("{mark}{}", acknowledged(&row["acknowledged"]));
    let mut what = match text(&row["title"]).as_str() {
        "" => text(&row["what"]),
        title => format!("{}: {title}", text(&row["alarm"])),
    };
    let rule = text(&row["rule"]);
    if !rule.is_empty() {
        let _ = write!(what, "; rule \"{rule}\"");
    }
    let id = text(&row["id"]);
    page.line(
        colour,
        &format!("  {severity:<8}  {id}  {age:<9}  {mark}{what}"),
    );
}

/// `[acknowledged by ada: I clear the disk] `; empty where nobody works on it.
fn acknowledged(word: &Value) -> String {
    if !word.is_object() {
        return String::new();
    }
    format!(
        "[acknowledged by {}: {}] ",
        text(&word["author"]),
        text(&word["note"])
    )
}

/// The colour of a verdict.
pub(super) fn colour_of(verdict: &str) -> &'static str {
    match verdict {
        "silent" | "never-seen" => RED,
        "late" | "unknown" => YELLOW,
        _ => "",
    }
}

/// The stream's own before all others, then the worst.
fn weight(incident: &Value) -> (bool, usize) {
    let order = ["critical", "error", "warning", "info"];
    let severity = incident["severity"].as_str().unwrap_or_default();
    let rank = order.iter().position(|one| *one == severity);
    (incident["scope"] != "stream", rank.unwrap_or(order.len()))
}

fn apps(page: &mut Page<'_>, apps: &Value) {
    let mut rows: Vec<(String, String, [u64; VERDICTS.len()])> = list(apps)
        .map(|row| {
            let counts = VERDICTS.map(|verdict| number(&row["instances"][verdict]));
            (text(&row["app"]), text(&row["region"]), counts)
        })
        .collect();
    if rows.is_empty() {
        return page.line(DIM, "no instance is known yet");
    }
    // What is silent first, then late, then what we were blind for; by name within.
    rows.sort_by_key(|(_, _, [silent, never, late, unknown, ..])| {
        [silent + never, *late, *unknown].map(|count| count == 0)
    });
    let wide = |title: &str, names: &mut dyn Iterator<Item = &String>| {
        names
            .map(|name| name.chars().count())
            .chain([title.len()])
            .max()
            .unwrap_or(0)
    };
    let app = wide("APP", &mut rows.iter().map(|row| &row.0));
    let region = wide("REGION", &mut rows.iter().map(|row| &row.1));
    let width = |verdict: &str| (verdict.len() + 1).max(8);
    let titles = VERDICTS
        .map(|verdict| format!("{:>1$}", verdict.to_uppercase(), width(verdict)))
        .concat();
    page.line(
        DIM,
        &format!("{:<app$}  {:<region$}{titles}", "APP", "REGION"),
    );
    for (name, place, counts) in &rows {
        let [silent, never, late, unknown, ..] = *counts;
        let colour = match (silent + never, late + unknown) {
            (0, 0) => "",
            (0, _) => YELLOW,
            _ => RED,
        };
        let mut line = format!("{name:<app$}  {place:<region$}");
        for (count, verdict) in counts.iter().zip(VERDICTS) {
            let count = match count {
                0 => "-".to_owned(),
                count => count.to_string(),
            };
            // Writing to a String cannot fail.
            let _ = write!(line, "{count:>0$}", width(verdict));
        }
        page.line(colour, &line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const PLAIN: Style = Style {
        colour: false,
        width: None,
    };

    fn status() -> Value {
        json!({
            "version": "1.2.3", "now": "2026-01-31T18:00:00.000Z", "ready": true, "reasons": [], "rules": 2,
            "stream": {"last_entry": "2026-01-31T17:59:59.900Z", "stalled": false},
            "listened_seconds": 3600.0, "blind_seconds": {"disconnected": 4.0, "suspended": 6.5},
            "instances": {"live": 3, "silent": 0}, "open_incidents": 0,
            "apps": [
                {"app": "api", "region": "iad", "instances": {"live": 2, "late": 0, "silent": 0}},
                {"app": "web\u{1b}[2J", "region": "lhr", "instances": {"live": 1, "silent": 1}},
            ],
            "store": {"file": null, "trouble": null},
            "notifiers": [{"notifier": "oncall", "pending": 3, "failed_tries": 5, "given_up": 1}],
            "downstreams": [
                {"name": "loki", "state": "ok", "hop": null, "delay_seconds": 1.4, "lost": 0, "fault": null,
                    "missing": {"from": "2026-01-31T16:00:00Z", "until": "2026-01-31T17:00:00Z"}},
                {"name": "axiom", "state": "stalled", "hop": "gone", "delay_seconds": null, "lost": 2, "fault": null},
            ],
        })
    }

    fn answers(status: Value, incidents: Value) -> Answers {
        Answers {
            status,
            incidents,
            silences: json!([]),
        }
    }

    #[test]
    fn a_stream_that_is_not_seen_does_not_flow_and_ages_run() {
        let mut status = status();
        status["stream"]["blind"] = json!("disconnected");
        let row = json!({"severity": "error", "id": "0a", "alarm": "AppSilent", "title": "app web is silent", "rule": "beats",
            "since": "2026-01-31T17:53:00.000Z", "app": "web", "what": "web is silent: no heartbeat for 4s"});
        let mut answers = answers(status, json!([row]));
        answers.status["open_incidents"] = json!(1);
        let shown = whole(&answers, &PLAIN);
        assert!(shown.starts_with("stream     blind (disconnected): last entry 100ms ago"));
        let line = "  error     0a  for 7m     AppSilent: app web is silent; rule \"beats\"\n";
        assert!(shown.contains(line), "{shown}");
        answers.silences = json!([{"holds": true, "app": ["w*"], "reason": "a move", "author": "ada",
            "windows": [{"until": "2026-01-31T19:00:00Z"}]}]);
        let line = "for 7m     [silenced until 2026-01-31T19:00:00Z by ada: a move] AppSilent: app web is silent";
        let shown = whole(&answers, &PLAIN);
        assert!(shown.contains(line), "{shown}");
        answers.silences = json!([]);
        answers.incidents[0]["acknowledged"] = json!({"author": "ada", "note": "I clear the disk"});
        let line =
            "for 7m     [acknowledged by ada: I clear the disk] AppSilent: app web is silent";
        let shown = whole(&answers, &PLAIN);
        assert!(shown.contains(line), "{shown}");
        answers.status["stream"] =
            json!({"last_entry": "2026-01-31T17:59:59.900Z", "stalled": false});
        answers.status["ready"] = json!(false);
        answers.status["reasons"] =
            json!([{"part": "stream", "what": "no entry has arrived for a minute"}]);
        let shown = whole(&answers, &PLAIN);
        assert!(!shown.contains("flows"), "{shown}");
    }

    #[test]
    fn all_is_well_in_a_few_lines_and_what_is_silent_stands_first() {
        let shown = whole(&answers(status(), json!([])), &PLAIN);
        let expected = "\
stream     flows: last entry 100ms ago, at 2026-01-31T17:59:59.900Z
ready      yes
listened   1h, blind 11s
state      in memory only
notifies   oncall: 3 pending after 5 failed attempts, 1 given up
downstream loki: ok, last delay 1s, lacks entries: lastbeat refill --from 2026-01-31T16:00:00Z --until 2026-01-31T17:00:00Z
downstream axiom: stalled at the shipper, 2 canaries lost
version    lastbeat 1.2.3 at 2026-01-31T18:00:00.000Z, 2 rules

no incident is open

APP  REGION  SILENT NEVER-SEEN    LATE UNKNOWN LEARNING    LIVE STOPPED
web  lhr          1          -       -       -        -       1       -
api  iad          -          -       -       -        -       2       -
";
        assert_eq!(shown, expected);
        assert!(is_well(&status()));
    }

    #[test]
    fn what_is_wrong_comes_before_the_rest_and_fits_the_terminal() {
        let mut status = status();
        status["ready"] = json!(false);
        status["reasons"] = json!([{"part": "stream", "what": "not connected"}]);
        status["stream"] = json!({"last_entry": null, "stalled": true});
        status["open_incidents"] = json!(30);
        let row = |severity: &str, scope: &str, what: &str| json!({"severity": severity, "scope": scope, "id": "00", "what": what});
        let incidents = json!([
            row("info", "app", "small"),
            row("error", "app", "bad"),
            row("critical", "stream", &"long ".repeat(40)),
        ]);
        let style = Style {
            colour: true,
            width: Some(40),
        };
        let shown = whole(&answers(status.clone(), incidents), &style);
        assert!(
            shown.starts_with("\u{1b}[1;31mstream     STALLED: nothing received yet\u{1b}[0m\n"),
            "{shown}"
        );
        assert!(
            shown.contains("NOT READY  stream: not connected"),
            "{shown}"
        );
        let at = |word: &str| {
            shown
                .find(word)
                .unwrap_or_else(|| panic!("{word} is not in {shown}"))
        };
        assert!(
            at("long long") < at("bad")
                && at("bad") < at("small")
                && at("small") < at("and 27 more")
        );
        let plain = |line: &str| format::sanitize(line, 1000).chars().count();
        assert!(shown.lines().all(|line| plain(line) <= 40), "{shown}");
        assert!(!is_well(&status));
    }
}
