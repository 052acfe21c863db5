//! Command lines of lastbeat that the documentation, the rules and the files for deployment show: their subcommands and
//! flags are those that `--help` prints.

use super::markdown::parse;
use super::{files, holds_of_pages, read, without_faults};
use std::collections::{BTreeMap, HashMap};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// Languages of blocks whose lines are commands.
const SHELLS: [&str; 2] = ["sh", "procfile"];

#[test]
fn every_command_line_of_the_pages_exists() {
    holds_of_pages(commands_of_a_page_exist);
}

fn commands_of_a_page_exist(name: &str, text: &str) -> Vec<String> {
    let page = parse(text);
    let mut lines: Vec<(usize, String)> = page
        .spans
        .into_iter()
        .filter(|(_, span)| span.starts_with("lastbeat "))
        .collect();
    for block in page.blocks {
        if SHELLS.contains(&&*block.language) {
            let text = block.text.replace("\\\n", " ");
            lines.extend((block.line + 1..).zip(text.lines().map(str::to_owned)));
        }
    }
    faults_of(name, &lines)
}

#[test]
fn every_command_line_beside_the_pages_exists() {
    let mut all = files("deploy", &["service", "yaml", "sh", "toml"]);
    all.extend(files("rules", &["toml"]));
    all.extend(files("dashboards", &["yml", "py"]));
    all.extend(["fly.toml", "Dockerfile", "tests/recipes/Procfile"].map(read));
    without_faults(&all, commands_of_a_file_exist);
}

/// Code in its comments, what a unit starts, and lines of a Procfile.
fn commands_of_a_file_exist(name: &str, text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let spans = line.split('`').skip(1).step_by(2);
        let started = line
            .strip_prefix("ExecStart=")
            .or(name.ends_with("Procfile").then_some(line));
        let all = spans.chain(started).map(|line| (number, line.to_owned()));
        lines.extend(all);
    }
    faults_of(name, &lines)
}

fn faults_of(name: &str, lines: &[(usize, String)]) -> Vec<String> {
    let mut faults = Vec::new();
    for (number, line) in lines {
        for words in commands(line) {
            if let Some(fault) = invocation(&words).and_then(fault) {
                faults.push(format!("{name}:{number}: {line}: {fault}"));
            }
        }
    }
    faults
}

/// The commands of a line, word by word; quotes are taken off.
fn commands(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let (mut word, mut quote, mut in_word) = (String::new(), None, false);
    for char in line.chars().chain([' ']) {
        match (quote, char) {
            (Some(open), _) if char == open => quote = None,
            (Some(_), _) => word.push(char),
            (None, '\'' | '"') => (quote, in_word) = (Some(char), true),
            (None, '#') if !in_word => break,
            (None, ' ' | '\t' | '|' | ';' | '&' | '<' | '>' | '(' | ')') => {
                let command: &mut Vec<String> = commands.last_mut().expect("there is always one");
                if in_word {
                    command.push(std::mem::take(&mut word));
                    in_word = false;
                }
                if !char.is_whitespace() {
                    // A file behind `>` is a command of its own here, and none of lastbeat's.
                    commands.push(Vec::new());
                }
            }
            (None, _) => {
                word.push(char);
                in_word = true;
            }
        }
    }
    if in_word {
        commands.last_mut().expect("there is always one").push(word);
    }
    commands
}

/// The arguments of lastbeat, where the command starts it: by itself, by cargo, or in a container.
fn invocation(words: &[String]) -> Option<&[String]> {
    let is_before = |word: &str| {
        ["sudo", "exec", "env"].contains(&word) || word.ends_with(':') || word.contains('=')
    };
    let start = words.iter().position(|word| !is_before(word))?;
    let words = &words[start..];
    let after = |from: usize| words.get(from + 1..);
    match (&*words[0], words.get(1).map(|word| &**word)) {
        ("lastbeat", _) => after(0),
        (program, _) if program.ends_with("/lastbeat") => after(0),
        ("cargo", Some("run")) => after(words.iter().position(|word| word == "--")?),
        ("docker" | "podman", Some("run")) => {
            let image = |word: &String| word == "lastbeat" || word.starts_with("ghcr.io/");
            after(words.iter().position(image)?)
        }
        _ => None,
    }
}

/// The first thing in the arguments that `--help` does not know.
fn fault(arguments: &[String]) -> Option<String> {
    let mut level: Vec<&str> = Vec::new();
    let mut words = arguments.iter().map(|word| &**word);
    let mut help = Help::of(&level);
    while let Some(word) = words.next() {
        let at = || format!("lastbeat {}", level.join(" "));
        if word == "..." {
            continue;
        }
        if word.starts_with('-') && word.len() > 1 {
            let (flag, given) = word
                .split_once('=')
                .map_or((word, false), |(f, _)| (f, true));
            match help.flags.get(flag) {
                None => return Some(format!("{} has no flag {flag}", at())),
                Some(true) if !given && words.next().is_none() => {
                    return Some(format!("{flag} takes a value"));
                }
                Some(_) => {}
            }
        } else if help.commands.iter().any(|command| command == word) {
            level.push(word);
            help = Help::of(&level);
        } else if !help.commands.is_empty() || !help.has_arguments {
            return Some(format!("{} does not take {word}", at()));
        }
    }
    None
}

/// The parts of a command's `--help`.
#[derive(Clone, Debug, Default)]
struct Help {
    /// Each flag, and whether it takes a value.
    flags: BTreeMap<String, bool>,
    commands: Vec<String>,
    has_arguments: bool,
}

impl Help {
    fn of(level: &[&str]) -> Help {
        static READ: Mutex<Option<HashMap<String, Help>>> = Mutex::new(None);
        let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
        let read = read.get_or_insert_default();
        let help = || {
            let output = Command::new(env!("CARGO_BIN_EXE_lastbeat"))
                .args(level)
                .arg("--help")
                .output()
                .expect("lastbeat starts");
            assert!(output.status.success(), "lastbeat {level:?} --help");
            Help::parse(&String::from_utf8_lossy(&output.stdout))
        };
        read.entry(level.join(" ")).or_insert_with(help).clone()
    }

    fn parse(text: &str) -> Help {
        let mut help = Help::default();
        let mut part = "";
        for line in text.lines() {
            let item = line.trim_start();
            if line.is_empty() {
                continue;
            }
            if !line.starts_with(' ') {
                part = line.trim();
            } else if part == "Options:" && item.starts_with('-') {
                // Two blanks end the flags and begin their text.
                let flags = item.split("  ").next().unwrap_or_default();
                let takes = flags.contains('<');
                for flag in flags.split([',', ' ']).filter(|flag| flag.starts_with('-')) {
                    help.flags.insert(flag.to_owned(), takes);
                }
            } else if part == "Commands:" && line.starts_with("  ") && !line.starts_with("   ") {
                let command = item.split(' ').next().unwrap_or_default();
                help.commands.push(command.to_owned());
            } else if part == "Arguments:" {
                help.has_arguments = true;
            }
        }
        help
    }
}

#[test]
fn a_command_line_that_does_not_exist_is_found() {
    let faults = |line: &str| {
        let shown = format!("# x\n```sh\n{line}\n```\n");
        commands_of_a_page_exist("x.md", &shown).len()
    };
    for bad in [
        "lastbeat watch",
        "lastbeat check --rule rules",
        "A=b sudo lastbeat check --rules",
        "x && target/release/lastbeat status --now | cat",
        "cargo run --release -- demos",
        "docker run --rm -e X ghcr.io/acme/lastbeat chek",
        "lastbeat silence remove 1",
        "source <(lastbeat completion bash)",
        "heartbeat: exec lastbeat beat --evry 30s",
        "lastbeat \\\n  beat \\\n  --nam x",
    ] {
        assert_eq!(faults(bad), 1, "{bad}");
    }
    for good in [
        "lastbeat check --rules rules --strict # lastbeat nonsense",
        "NATS_URL='nats://a b' lastbeat run --rules=rules",
        "cargo build --release",
        "docker build --tag lastbeat .",
        "lastbeat silence add --app web --for 2h --reason \"it's | mine\"",
        "lastbeat man | man -l -",
        "sudo systemctl enable --now lastbeat",
    ] {
        assert_eq!(faults(good), 0, "{good}");
    }
    assert_eq!(
        commands_of_a_page_exist("x.md", "so `lastbeat no`").len(),
        1
    );
    assert_eq!(
        commands_of_a_page_exist("x.md", "so `lastbeat run`"),
        [""; 0]
    );
    assert_eq!(
        commands_of_a_file_exist("x.toml", "# `lastbeat no`").len(),
        1
    );
    assert_eq!(
        commands_of_a_file_exist("x.service", "ExecStart=/bin/lastbeat no").len(),
        1
    );
}
