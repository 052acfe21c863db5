//! The dashboards and alert rules that ship: what a person sees in Grafana and hears from Prometheus is there, is drawn,
//! and leads somewhere.

mod alerts;
mod compose;
mod live;

use crate::support::folder::Folder;
use crate::support::testbed::{fetched, project, script};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Where the project lives: links to its README begin so. OWNER is whoever hosts it.
const REPOSITORY: &str = "https://github.com/OWNER/lastbeat";

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
    for file in FILES {
        let written = fs::read_to_string(fresh.path().join(file)).expect("the generator wrote it");
        let committed = fs::read_to_string(folder().join(file)).expect("it is committed");
        assert!(
            written == committed,
            "dashboards/{file} is not what build.py writes: run `python3 dashboards/build.py`"
        );
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

/// What is wrong with a link to the README.
fn astray(url: &str, anchors: &BTreeSet<String>) -> Option<String> {
    let Some(anchor) = url
        .strip_prefix(REPOSITORY)
        .and_then(|rest| rest.strip_prefix('#'))
    else {
        return Some(format!("neither a dashboard nor {REPOSITORY}#..."));
    };
    (!anchors.contains(anchor)).then(|| "README.md has no such heading".to_owned())
}

/// The README's headings, as GitHub makes anchors of them.
fn anchors() -> BTreeSet<String> {
    let text = fs::read_to_string(project().join("README.md")).expect("the README is there");
    let mut fenced = false;
    let mut found = BTreeSet::new();
    for line in text.lines() {
        fenced ^= line.starts_with("```");
        if !fenced && line.starts_with('#') {
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            let kept = heading.chars().filter_map(|char| match char {
                ' ' => Some('-'),
                char if char.is_alphanumeric() || "-_".contains(char) => Some(char),
                _ => None,
            });
            found.insert(kept.collect());
        }
    }
    found
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let anchors = BTreeSet::from(["runbook".to_owned()]);
    assert_eq!(astray(&format!("{REPOSITORY}#runbook"), &anchors), None);
    assert!(astray(&format!("{REPOSITORY}#run"), &anchors).is_some());
    assert!(astray("https://example.com/#runbook", &anchors).is_some());
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
