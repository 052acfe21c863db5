//! What people at a terminal have beside the commands: help that names every setting, completion, the manual.

use crate::support::child::{Child, command};
use crate::support::folder::Folder;
use crate::support::lastbeat::Setup;
use std::path::Path;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

const COMMANDS: [&str; 11] = [
    "run",
    "demo",
    "check",
    "test",
    "status",
    "tail",
    "drill",
    "silence",
    "beat",
    "completions",
    "man",
];

/// What a command of lastbeat's prints; it has to end well.
fn said(arguments: &[&str]) -> String {
    let mut child = Setup::new().command(arguments);
    let code = child.wait_end(SOON);
    let said = child.lines().join("\n");
    assert_eq!(code, 0, "{arguments:?}: {said}");
    said
}

#[test]
fn help_names_every_setting_and_shows_each_command_used() {
    let run = said(&["run", "--help"]);
    for name in [
        "NATS_URL",
        "ORG",
        "FLY_ORG",
        "NATS_USER",
        "ACCESS_TOKEN",
        "NATS_PASSWORD",
        "ACCESS_TOKEN_FILE",
        "NATS_CREDS",
        "NATS_CREDS_FILE",
        "NATS_NKEY",
        "NATS_NKEY_FILE",
        "NATS_CERT",
        "NATS_KEY",
        "NATS_CA",
        "SUBJECT",
        "FLY_APP",
        "LASTBEAT_RULES",
        "LASTBEAT_LISTEN",
        "LASTBEAT_STATE",
        "SENTRY_DSN",
        "SENTRY_ENVIRONMENT",
        "LASTBEAT_TOKEN",
        "LASTBEAT_TOKEN_FILE",
        "LASTBEAT_INVENTORY",
        "LASTBEAT_IGNORE",
        "LASTBEAT_GIVE_UP_AFTER",
        "LASTBEAT_WATCHDOG_URL",
        "LASTBEAT_CANARY",
        "LASTBEAT_MAX_SERIES",
        "LASTBEAT_GOSSIP",
        "LASTBEAT_MAX_MEMORY",
        "RUST_LOG",
        "LASTBEAT_LOG_FORMAT",
    ] {
        let word = |char: char| char.is_ascii_alphanumeric() || char == '_';
        let named = run.split(|char| !word(char)).any(|found| found == name);
        assert!(named, "{name} is not in {run}");
    }
    let whole = said(&["--help"]);
    for command in COMMANDS {
        let listed = whole
            .lines()
            .any(|line| line.trim_start().starts_with(&format!("{command} ")));
        assert!(listed, "{command} is not in {whole}");
        let help = said(&[command, "--help"]);
        let (_, after) = help.split_once("Print help").expect("the flag");
        assert!(
            after.contains(&format!("lastbeat {command}")),
            "no example in: {help}"
        );
    }
}

/// The help of a command at a width.
fn help(command: &str, columns: usize) -> Vec<String> {
    let setup = Setup::new().env("COLUMNS", &columns.to_string());
    let mut child = setup.command(&[command, "--help"]);
    assert_eq!(child.wait_end(SOON), 0);
    child.lines()
}

#[test]
fn help_is_wrapped_once() {
    for command in COMMANDS {
        let (narrow, wide) = (help(command, 80), help(command, 120));
        let too_wide: Vec<_> = narrow
            .iter()
            .filter(|line| line.chars().count() > 80)
            .collect();
        assert_eq!(too_wide, [""; 0], "{command}");
        // The language of test files is laid out by hand.
        if command == "test" {
            continue;
        }
        let indented = |line: &str| line.starts_with("  ") && !line.starts_with("   ");
        let example = |line: &&String| indented(line) && line.contains("lastbeat ");
        let examples = |lines: &[String]| lines.iter().filter(example).cloned().collect::<Vec<_>>();
        assert_eq!(examples(&narrow), examples(&wide), "{command}");
        // A line that had room for the next word was broken by hand.
        let by_hand = wide.windows(2).filter(|pair| {
            let text = |line: &str| line.starts_with(char::is_alphanumeric) && !line.ends_with(':');
            let word = pair[1].split(' ').next().unwrap_or_default();
            text(&pair[0]) && text(&pair[1]) && pair[0].len() + 1 + word.len() <= 120
        });
        assert_eq!(by_hand.count(), 0, "{command}: {wide:#?}");
    }
}

#[test]
fn bash_completes_commands_flags_and_values() {
    let folder = Folder::new("completions");
    folder.write("lastbeat.bash", &said(&["completions", "bash"]));
    let script = r#"
        source ./lastbeat.bash
        try() {
          COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
          _lastbeat lastbeat "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
          echo "${COMPREPLY[*]}"
        }
        try lastbeat sta
        try lastbeat status --js
        try lastbeat check --format ''
        try lastbeat silence ad
    "#;
    let mut bash = command("bash");
    bash.args(["--norc", "-euc", script])
        .current_dir(folder.path());
    let mut bash = Child::start("bash", &mut bash);
    assert_eq!(bash.wait_end(SOON), 0, "{:?}", bash.lines());
    assert_eq!(bash.lines(), ["status", "--json", "text json", "add"]);
    for shell in ["zsh", "fish"] {
        let script = said(&["completions", shell]);
        for command in COMMANDS {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
}

/// Sets a page as `man` does; groff warns of whatever is wrong with it.
fn set(page: &Path) -> String {
    let mut groff = command("groff");
    groff.args(["-man", "-ww", "-Tascii", "-P-cbou"]).arg(page);
    let mut groff = Child::start("groff", &mut groff);
    let code = groff.wait_end(SOON);
    let lines = groff.lines();
    let warned = lines.iter().any(|line| line.contains("warning:"));
    assert!(code == 0 && !warned, "{}: {lines:#?}", page.display());
    lines.join("\n")
}

#[test]
fn the_manual_is_whole_and_has_a_page_for_each_command() {
    let folder = Folder::new("man");
    folder.write("one.1", &said(&["man"]));
    let one = set(&folder.path().join("one.1"));
    let out = folder.path().join("man1");
    said(&["man", "--out", &out.to_string_lossy()]);
    let mut pages = 0;
    for page in std::fs::read_dir(&out).expect("it is made") {
        set(&page.expect("a page").path());
        pages += 1;
    }
    assert!(pages > COMMANDS.len(), "{pages} pages");
    for command in COMMANDS {
        assert!(
            one.contains(&format!("lastbeat-{command}(1)")),
            "{command} is not in {one}"
        );
        let page = out.join(format!("lastbeat-{command}.1"));
        assert!(page.exists(), "{}", page.display());
    }
    let run = set(&out.join("lastbeat-run.1"));
    assert!(
        run.contains("LASTBEAT_TOKEN_FILE") && run.contains("--web-token-file"),
        "{run}"
    );
}
