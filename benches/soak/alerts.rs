//! Which alerts were raised and closed, read from what lastbeat logs.

use std::collections::BTreeMap;

/// Alerts by their name: how often opened, how often closed.
#[derive(Debug, Default)]
pub struct Alerts(BTreeMap<String, (usize, usize)>);

impl Alerts {
    /// Reads them from the log.
    pub fn of(lines: &[String]) -> Self {
        let mut alerts = Alerts::default();
        for line in lines {
            let Some(name) = line
                .split_once(" incident=")
                .and_then(|(said, _)| said.split(": ").next())
                .and_then(|head| head.split_whitespace().last())
            else {
                continue;
            };
            let counts = alerts.0.entry(name.to_owned()).or_default();
            if line.contains("state=\"opened\"") {
                counts.0 += 1;
            } else if line.contains("state=\"closed\"") {
                counts.1 += 1;
            }
        }
        alerts
            .0
            .retain(|name, _| name.chars().next().is_some_and(char::is_uppercase));
        alerts
    }

    /// How often this one was opened.
    pub fn opened(&self, name: &str) -> usize {
        self.0.get(name).map_or(0, |counts| counts.0)
    }

    /// Whether none but the stream's were opened, and all of them are closed.
    pub fn only_the_streams(&self) -> bool {
        let streams = |(name, (opened, closed)): (&String, &(usize, usize))| {
            name.starts_with("Stream") && opened == closed
        };
        self.0.iter().all(streams)
    }

    /// For people.
    pub fn text(&self) -> String {
        if self.0.is_empty() {
            return "none".to_owned();
        }
        let each = |(name, (opened, closed)): (&String, &(usize, usize))| {
            format!("{name} {opened} opened {closed} closed")
        };
        self.0.iter().map(each).collect::<Vec<_>>().join(", ")
    }
}
