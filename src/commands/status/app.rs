//! `lastbeat status APP`: one app.

use super::answers::Answers;
use super::values::{ago, list, number, text};
use super::view::{self, Page, Style};
use serde_json::Value;

/// An app: its open incidents, then each instance, the worst first.
pub(super) fn app(answers: &Answers, name: &str, page_of: &Value, style: &Style) -> String {
    let mut page = Page::new(style);
    for row in list(&answers.incidents).filter(|row| row["app"] == name) {
        view::incident(&mut page, answers, row);
    }
    let mut rows: Vec<&Value> = list(&page_of["instances"]).collect();
    rows.sort_by_key(|row| {
        let verdict = row["verdict"].as_str();
        view::VERDICTS.iter().position(|one| Some(*one) == verdict)
    });
    page.line(
        view::DIM,
        &format!(
            "{:<11} {:<8} {:<16} {:<16} RULE",
            "VERDICT", "REGION", "INSTANCE", "LAST HEARTBEAT"
        ),
    );
    for row in &rows {
        let beat = &row["beats"][0];
        let last = match beat["last_seen"].is_null() {
            true => "none".to_owned(),
            false => ago(&answers.status, &beat["last_seen"]),
        };
        let verdict = text(&row["verdict"]);
        let line = format!(
            "{verdict:<11} {:<8} {:<16} {last:<16} {}",
            text(&row["region"]),
            text(&row["instance"]),
            text(&beat["rule"])
        );
        page.line(view::colour_of(&verdict), line.trim_end());
    }
    let more = number(&page_of["total"]).saturating_sub(rows.len() as u64);
    if more > 0 {
        page.line(view::DIM, &format!("and {more} more"));
    }
    page.text
}

/// True where nothing of these instances is silent.
pub(super) fn is_well(rows: &[&Value]) -> bool {
    let bad = [Some("silent"), Some("never-seen")];
    rows.iter()
        .all(|row| !bad.contains(&row["verdict"].as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const PLAIN: Style = Style {
        colour: false,
        width: None,
    };

    fn answers() -> Answers {
        let incident = json!({"severity": "error", "id": "0a", "alarm": "HeartbeatMissed", "title": "web/lhr/b is silent", "rule": "beats",
            "since": "2026-01-31T17:53:00.000Z", "app": "web", "region": "lhr", "instance": "b", "affected": []});
        Answers {
            status: json!({"now": "2026-01-31T18:00:00.000Z"}),
            incidents: json!([incident]),
            silences: json!([]),
        }
    }

    fn row(instance: &str, verdict: &str) -> Value {
        json!({"app": "web", "region": "lhr", "instance": instance, "verdict": verdict, "reason": null,
            "last_seen": "2026-01-31T17:59:59.000Z",
            "beats": [{"beat": "", "last_seen": "2026-01-31T17:59:50.000Z", "every_seconds": 30.0, "max_gap_seconds": 90.0,
                       "rule": "beats", "text": "HEARTBEAT every=30s"}]})
    }

    #[test]
    fn an_app_shows_its_incidents_and_its_instances_the_worst_first() {
        let rows = json!({"instances": [row("a", "live"), row("b", "silent")], "total": 3});
        let shown = app(&answers(), "web", &rows, &PLAIN);
        let expected =
            "  error     0a  for 7m     HeartbeatMissed: web/lhr/b is silent; rule \"beats\"
VERDICT     REGION   INSTANCE         LAST HEARTBEAT   RULE
silent      lhr      b                10s ago          beats
live        lhr      a                10s ago          beats
and 1 more
";
        assert_eq!(shown, expected);
        assert!(!is_well(&[&row("a", "live"), &row("b", "silent")]));
    }
}
