//! The files of `deploy/` that no server here can run: their settings are lastbeat's, and they agree with the program.

use crate::support::lastbeat::Setup;
use crate::support::testbed::project;
use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);
const PORT: &str = "9090";

fn text(file: &str) -> String {
    fs::read_to_string(project().join("deploy").join(file))
        .unwrap_or_else(|error| panic!("cannot read deploy/{file}: {error}"))
}

/// The settings that `lastbeat run --help` names.
fn known() -> BTreeSet<String> {
    let mut run = Setup::new().command(&["run", "--help"]);
    assert_eq!(run.wait_end(SOON), 0);
    let help = run.lines().join("\n");
    let words = help.split(|char: char| !(char.is_ascii_alphanumeric() || char == '_'));
    words.map(str::to_owned).collect()
}

/// The settings of a text that lastbeat does not know; `names` finds them.
fn unknown(names: &[&str], known: &BTreeSet<String>) -> Vec<String> {
    let names = names.iter().map(|name| (*name).to_owned());
    names.filter(|name| !known.contains(name)).collect()
}

/// The names of `Environment=NAME=VALUE` lines.
fn of_a_unit(unit: &str) -> Vec<&str> {
    let lines = unit.lines();
    let pairs = lines.filter_map(|line| line.strip_prefix("Environment="));
    pairs.filter_map(|pair| pair.split('=').next()).collect()
}

#[test]
fn the_unit_sets_what_lastbeat_reads_and_restarts_it_always() {
    let unit = text("lastbeat.service");
    let names = of_a_unit(&unit);
    assert!(names.len() >= 5, "{names:?}");
    assert_eq!(unknown(&names, &known()), [""; 0]);
    let has = |line: &str| unit.lines().any(|found| found == line);
    for line in [
        "ExecStart=lastbeat run",
        "Restart=always",
        "StartLimitIntervalSec=0",
        "DynamicUser=yes",
        "NoNewPrivileges=yes",
    ] {
        assert!(has(line), "{line} is missing");
    }
    // systemd ignores a key that it does not know, with a line in a log that nobody reads.
    for line in unit.lines().filter(|line| !line.is_empty()) {
        let first = line.chars().next().unwrap_or_default();
        let is_pair = first.is_ascii_uppercase() && line.contains('=');
        assert!(is_pair || "#[".contains(first), "{line}");
    }
}

/// The names of `NAME: value` in a Secret and of `{name: NAME, value: ...}` in a container.
fn of_a_manifest(manifest: &str) -> Vec<&str> {
    let secret = manifest.split("stringData:\n").nth(1).unwrap_or_default();
    let secret = secret.lines().take_while(|line| line.starts_with("  "));
    let secret = secret.filter_map(|line| line.trim().split(':').next());
    let values = manifest.lines().filter(|line| line.contains(", value: "));
    let values = values.filter_map(|line| line.split("{name: ").nth(1)?.split(',').next());
    secret.chain(values).collect()
}

#[test]
fn the_manifest_sets_what_lastbeat_reads_and_runs_one_replica() {
    let manifest = text("kubernetes.yaml");
    let names = of_a_manifest(&manifest);
    assert!(names.len() >= 2, "{names:?}");
    // Secrets are made by the commands in its head.
    for name in ["LASTBEAT_TOKEN", "NATS_PASSWORD", "SENTRY_DSN"] {
        assert!(manifest.contains(&format!("{name}=")), "{name}");
    }
    assert!(!manifest.contains("kind: Secret"));
    assert_eq!(unknown(&names, &known()), [""; 0]);
    let version = format!("image: lastbeat:{}", env!("CARGO_PKG_VERSION"));
    for part in [
        &*version,
        "replicas: 1",
        "strategy: {type: Recreate}",
        "runAsNonRoot: true",
        "readOnlyRootFilesystem: true",
    ] {
        assert!(manifest.contains(part), "{part} is missing");
    }
    for path in ["/healthz", "/readyz"] {
        let probe = format!("httpGet: {{path: {path}, port: http}}");
        assert!(manifest.contains(&probe), "{probe} is missing");
    }
    assert!(manifest.contains(&format!("containerPort: {PORT}")));
    assert!(manifest.lines().all(|line| !line.contains('\t')));
}

#[test]
fn the_manifest_carries_rules_that_lastbeat_takes() {
    let manifest = text("kubernetes.yaml");
    let rules = manifest.split("  90-default.toml: |\n").nth(1);
    let rules = rules.expect("the ConfigMap has the rules").lines();
    let rules: Vec<&str> = rules.map_while(|line| line.strip_prefix("    ")).collect();
    let setup = Setup::new().rules("90-default.toml", &rules.join("\n"));
    let mut check = setup.command(&["check", "--strict"]);
    assert_eq!(check.wait_end(SOON), 0, "{:?}", check.lines());
    assert!(rules.len() > 2, "{rules:?}");
}

#[test]
fn a_setting_that_lastbeat_does_not_read_is_found() {
    let known = BTreeSet::from(["LASTBEAT_LISTEN".to_owned()]);
    let unit = "Environment=LASTBEAT_LISTEN=x\nEnvironment=LASTBEAT_LISTENS=x\n";
    assert_eq!(unknown(&of_a_unit(unit), &known), ["LASTBEAT_LISTENS"]);
    let manifest =
        "stringData:\n  LASTBEAT_TOKENS: x\n---\n  - {name: LASTBEAT_LISTEN, value: x}\n";
    assert_eq!(
        unknown(&of_a_manifest(manifest), &known),
        ["LASTBEAT_TOKENS"]
    );
}
