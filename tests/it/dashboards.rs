//! The dashboards and alert rules that ship: what a person sees in Grafana and hears from Prometheus is there, is drawn,
//! and leads somewhere.

mod alerts;
mod compose;
mod live;

use crate::support::folder::Folder;
use crate::support::testbed::{fetched, project, script};
use crate::tidy::markdown;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// The page that links to instructions lead to; `build.py --runbook URL` puts its address in this one's place.
const RUNBOOK: &str = "docs/runbook.md";

/// The dashboards' files.
const FILES: [&str; 3] = ["app.json", "lastbeat.json", "overview.json"];

/// A dashboard that ships: its file's name and what it holds.
struct Dashboard {
    file: &'static str,
    json: Value,
}

impl Dashboard {
    fn uid(&self) -> &str {
        self.json["uid"].as_str().unwrap_or_default()
    }

    /// Its panels but for the headings of rows.
    fn panels(&self) -> impl Iterator<Item = &Value> {
        let panels = self.json["panels"].as_array().into_iter().flatten();
        panels.filter(|panel| panel["type"] != "row")
    }
}

fn folder() -> PathBuf {
    project().join("dashboards")
}

fn all() -> Vec<Dashboard> {
    FILES
        .iter()
        .map(|file| {
            let text = fs::read_to_string(folder().join(file))
                .unwrap_or_else(|error| panic!("cannot read dashboards/{file}: {error}"));
            let json = serde_json::from_str(&text)
                .unwrap_or_else(|error| panic!("dashboards/{file} is no JSON: {error}"));
            Dashboard { file, json }
        })
        .collect()
}

/// Every text in it, with its key.
fn texts<'a>(value: &'a Value, key: &'a str, found: &mut Vec<(&'a str, &'a str)>) {
    match value {
        Value::String(text) => found.push((key, text)),
        Value::Array(rows) => rows.iter().for_each(|row| texts(row, key, found)),
        Value::Object(fields) => fields
            .iter()
            .for_each(|(key, value)| texts(value, key, found)),
        _ => {}
    }
}

/// Runs a check that prints what it finds; nothing where all is well.
fn checked(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "{command:?}:\n{said}");
}

#[test]
fn what_is_committed_is_what_the_generator_writes() {
    let fresh = Folder::new("dashboards");
    checked(
        Command::new("python3")
            .arg(folder().join("build.py"))
            .arg(fresh.path()),
    );
    for file in FILES.into_iter().chain(["alerts.yml"]) {
        let written = fs::read_to_string(fresh.path().join(file)).expect("the generator wrote it");
        let committed = fs::read_to_string(folder().join(file)).expect("it is committed");
        assert!(
            written == committed,
            "dashboards/{file} is not what build.py writes: run `python3 dashboards/build.py`"
        );
    }
}

#[test]
fn the_runbook_of_a_release_has_an_address() {
    let (fresh, address) = (
        Folder::new("runbook"),
        "https://github.com/acme/lastbeat/blob/v1/docs/runbook.md",
    );
    checked(
        Command::new("python3")
            .arg(folder().join("build.py"))
            .arg(fresh.path())
            .args(["--runbook", address]),
    );
    for file in FILES.into_iter().chain(["alerts.yml"]) {
        let written = fs::read_to_string(fresh.path().join(file)).expect("the generator wrote it");
        let committed = fs::read_to_string(folder().join(file)).expect("it is committed");
        let links = committed.matches(RUNBOOK).count();
        assert!(links > 0, "dashboards/{file} leads to no runbook");
        assert_eq!(written.matches(address).count(), links, "{file}");
        assert_eq!(written.matches(RUNBOOK).count(), links, "{file}");
    }
}

#[test]
fn grafana_knows_every_key_and_every_value() {
    let files: Vec<PathBuf> = FILES.iter().map(|file| folder().join(file)).collect();
    checked(
        Command::new(fetched("grafana-keys/bin/python"))
            .arg(script("dashboard_keys.py"))
            .args(&files),
    );
    checked(
        Command::new("node")
            .arg(script("dashboard_types.mjs"))
            .args(&files)
            .current_dir(fetched("grafana-types")),
    );
}

#[test]
fn every_panel_says_what_it_shows_and_in_which_unit() {
    let mut faults = Vec::new();
    for dashboard in all() {
        let mut titles = BTreeSet::new();
        for panel in dashboard.panels() {
            let title = panel["title"].as_str().unwrap_or_default();
            let said = panel["description"].as_str().unwrap_or_default();
            let defaults = &panel["fieldConfig"]["defaults"];
            let mut wrong =
                |what: &str| faults.push(format!("{}: {title}: {what}", dashboard.file));
            if title.is_empty() || !titles.insert(title) {
                wrong("a title of its own is missing");
            }
            if !said.ends_with('.') {
                wrong("no description");
            }
            if defaults["unit"].as_str().is_none_or(str::is_empty) {
                wrong("no unit");
            }
            if defaults["thresholds"]["steps"]
                .as_array()
                .is_none_or(Vec::is_empty)
            {
                wrong("no thresholds");
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_link_leads_to_a_dashboard_or_to_the_runbook() {
    let dashboards = all();
    let uids: BTreeSet<&str> = dashboards.iter().map(Dashboard::uid).collect();
    assert_eq!(uids.len(), FILES.len(), "a uid twice: {uids:?}");
    let anchors = anchors();
    let mut seen = BTreeSet::new();
    let mut faults = Vec::new();
    for dashboard in &dashboards {
        let mut found = Vec::new();
        texts(&dashboard.json, "", &mut found);
        for (_, url) in found.iter().filter(|(key, _)| *key == "url") {
            let fault = match url.strip_prefix("/d/") {
                Some(rest) => {
                    let uid = rest.split('?').next().unwrap_or_default();
                    seen.insert(uid.to_owned());
                    (!uids.contains(uid)).then(|| format!("no dashboard has the uid {uid}"))
                }
                None => astray(url, &anchors),
            };
            faults.extend(fault.map(|fault| format!("{}: {url}: {fault}", dashboard.file)));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(seen.len(), FILES.len(), "each is led to: {seen:?}");
}

/// The fault of a link that leads neither to the runbook nor to one of its headings.
fn astray(url: &str, anchors: &BTreeSet<String>) -> Option<String> {
    let Some(anchor) = url.strip_prefix(RUNBOOK) else {
        return Some(format!("neither a dashboard nor {RUNBOOK}"));
    };
    let known = match anchor.strip_prefix('#') {
        Some(anchor) => anchors.contains(anchor),
        None => anchor.is_empty(),
    };
    (!known).then(|| format!("{RUNBOOK} has no such heading"))
}

/// The anchors of the runbook's headings.
fn anchors() -> BTreeSet<String> {
    let text = fs::read_to_string(project().join(RUNBOOK)).expect("the runbook is there");
    markdown::anchors(&text)
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let anchors = BTreeSet::from(["lastbeatlate".to_owned()]);
    assert_eq!(astray(RUNBOOK, &anchors), None);
    assert_eq!(astray(&format!("{RUNBOOK}#lastbeatlate"), &anchors), None);
    assert!(astray(&format!("{RUNBOOK}#late"), &anchors).is_some());
    assert!(astray(&format!("{RUNBOOK}x"), &anchors).is_some());
    assert!(astray("https://example.com/#lastbeatlate", &anchors).is_some());
}

#[test]
fn grafana_is_asked_for_its_data_source_at_import() {
    for Dashboard { file, json } in all() {
        assert_eq!(json["__inputs"][0]["name"], "DS_PROMETHEUS", "{file}");
        assert_eq!(json["__inputs"][0]["pluginId"], "prometheus", "{file}");
        let mut found = Vec::new();
        texts(&json, "", &mut found);
        let uids = found.iter().filter(|(key, _)| *key == "uid");
        let fixed: Vec<&str> = uids
            .map(|(_, uid)| *uid)
            .filter(|uid| *uid != "${datasource}" && json["uid"] != *uid)
            .collect();
        assert_eq!(fixed, [""; 0], "{file}: data sources of one Grafana's own");
        let variable = &json["templating"]["list"][0];
        assert_eq!(variable["name"], "datasource", "{file}");
        assert_eq!(variable["current"]["value"], "${DS_PROMETHEUS}", "{file}");
    }
}
