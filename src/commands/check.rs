//! `lastbeat check`: reads the rules, and the settings where there are any, and says everything that is wrong.
//!
//! What is found goes to standard error, one line each, as compilers do it; standard output holds nothing but
//! the set that `--print` asks for, or the object of `--format json`.

use super::run;
use crate::core::rule::RuleSet;
use crate::decode::rules_file::{self, Fault, MAX_SHOWN, Reading};
use crate::decode::settings::{self, Flags};
use crate::io::rules_dir;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::error::Error;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Where the rules are, where neither flag nor variable says.
pub const DEFAULT_RULES: &str = "rules";
/// Exit code of bad rules, as of bad settings.
pub const EXIT_BAD_RULES: u8 = 64;

/// Say everything that is wrong with the rules, and with the settings where NATS_URL or FLY_APP_NAME is set.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(after_help = "\
Every fault of every file is told at once, as file:line:col, with what is allowed.

Exit codes: 0 they may be used; 64 they may not; 1 nothing could be said.

  lastbeat check --rules /etc/lastbeat/rules
  lastbeat check --strict --format json     (in CI)
  lastbeat check --print                    (what is in force, with every default)")]
pub struct CheckArgs {
    /// A rule file, or a folder of *.toml [env: LASTBEAT_RULES] [default: rules]
    #[arg(long, value_name = "PATH")]
    pub rules: Option<PathBuf>,
    /// Print the rules in force as one rule file, in order, with the defaults filled in; secrets are left out
    #[arg(long, conflicts_with = "format")]
    pub print: bool,
    /// Take warnings for faults
    #[arg(long)]
    pub strict: bool,
    /// Lines for people, or one object for editors and CI
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// How the findings are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A line each, on standard error.
    #[default]
    Text,
    /// An object, on standard output.
    Json,
}

/// Checks everything: 0 where it may be used, 64 where not, 1 where nothing could be said.
pub fn run(args: &CheckArgs) -> ExitCode {
    let path = rules_path(args.rules.as_deref());
    let settings = settings_faults(env);
    let (out, messages) = (&mut io::stdout(), &mut io::stderr());
    let good = match args.format {
        Format::Text => check(args, &path, &settings, out, messages),
        Format::Json => check_for_programs(args, &path, &settings, out),
    };
    match good {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(EXIT_BAD_RULES),
        Err(_) => ExitCode::FAILURE,
    }
}

fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// What `run` would say of the settings; nothing where none are given, as on the machine of whoever writes rules.
fn settings_faults(env: impl Fn(&str) -> Option<String>) -> Vec<String> {
    if env("NATS_URL").or_else(|| env("FLY_APP_NAME")).is_none() {
        return Vec::new();
    }
    match settings::read(&Flags::default(), env) {
        Err(faults) => faults.iter().map(ToString::to_string).collect(),
        Ok(settings) => run::maker(&settings).sentry().err().into_iter().collect(),
    }
}

/// The path of the rules: the flag, else `LASTBEAT_RULES`, else [`DEFAULT_RULES`].
pub fn rules_path(flag: Option<&Path>) -> PathBuf {
    let variable = || std::env::var_os("LASTBEAT_RULES").filter(|path| !path.is_empty());
    flag.map(Path::to_owned)
        .or_else(|| variable().map(PathBuf::from))
        .unwrap_or_else(|| PathBuf::from(DEFAULT_RULES))
}

/// The rules at a path; `None` where they must not be used. What was found is written to `messages` either
/// way, with a closing line. With `strict`, warnings are faults.
///
/// # Errors
///
/// Where `messages` cannot be written to.
pub fn rules(path: &Path, strict: bool, messages: &mut impl Write) -> io::Result<Option<RuleSet>> {
    let files = match rules_dir::load(path) {
        Ok(files) => files,
        Err(fault) => {
            writeln!(messages, "{}", with_cause(&fault))?;
            return Ok(None);
        }
    };
    let reading = rules_file::read_with_env(&files, &env);
    for fault in &reading.faults {
        writeln!(messages, "{fault}")?;
    }
    for warning in &reading.warnings {
        writeln!(messages, "{}: warning: {}", warning.place(), warning.told())?;
    }
    if strict && !reading.warnings.is_empty() {
        writeln!(
            messages,
            "refused: {}, and --strict",
            counted(reading.warnings.len(), "warning")
        )?;
        return Ok(None);
    }
    writeln!(messages, "{}", closing_line(&reading, files.len()))?;
    Ok(reading.set)
}

fn check(
    args: &CheckArgs,
    path: &Path,
    settings: &[String],
    out: &mut impl Write,
    messages: &mut impl Write,
) -> io::Result<bool> {
    for fault in settings {
        writeln!(messages, "{fault}")?;
    }
    let found = rules(path, args.strict, messages)?;
    if found.is_none() || !settings.is_empty() {
        return Ok(false);
    }
    if args.print {
        // Read without the environment, so that variables are shown in place of their values.
        let set = rules_dir::load(path).ok();
        let set = set.and_then(|files| rules_file::read(&files).set);
        out.write_all(
            set.as_ref()
                .map_or(String::new(), rules_file::print)
                .as_bytes(),
        )?;
        out.flush()?;
    }
    Ok(true)
}

/// `{"ok":..,"findings":[{"kind","file","line","col","rule","key","what","allowed"}],"more_faults":0}`; `kind` is
/// fault, warning or setting, and what does not apply is null.
fn check_for_programs(
    args: &CheckArgs,
    path: &Path,
    settings: &[String],
    out: &mut impl Write,
) -> io::Result<bool> {
    let mut findings: Vec<Value> = settings
        .iter()
        .map(|what| placeless("setting", None, what))
        .collect();
    let (mut good, mut more_faults) = (settings.is_empty(), 0);
    match rules_dir::load(path) {
        Err(fault) => {
            findings.push(placeless("fault", Some(path), &with_cause(&fault)));
            good = false;
        }
        Ok(files) => {
            let reading = rules_file::read_with_env(&files, &env);
            findings.extend(reading.faults.iter().map(|fault| finding("fault", fault)));
            findings.extend(reading.warnings.iter().map(|one| finding("warning", one)));
            good &= reading.set.is_some() && (reading.warnings.is_empty() || !args.strict);
            more_faults = reading.more_faults;
        }
    }
    let object = json!({ "ok": good, "findings": findings, "more_faults": more_faults });
    writeln!(out, "{object}")?;
    Ok(good)
}

fn placeless(kind: &str, file: Option<&Path>, what: &str) -> Value {
    json!({
        "kind": kind, "file": file.map(|file| file.display().to_string()), "line": null, "col": null,
        "rule": null, "key": null, "what": what, "allowed": "",
    })
}

fn finding(kind: &str, fault: &Fault) -> Value {
    json!({
        "kind": kind, "file": fault.file, "line": fault.line, "col": fault.col,
        "rule": fault.rule, "key": fault.key, "what": fault.what, "allowed": fault.allowed,
    })
}

fn with_cause(fault: &rules_dir::LoadFault) -> String {
    fault
        .source()
        .map_or_else(|| fault.to_string(), |cause| format!("{fault}: {cause}"))
}

fn closing_line(reading: &Reading, files: usize) -> String {
    let Some(set) = &reading.set else {
        let faulty: BTreeSet<&str> = reading
            .faults
            .iter()
            .map(|fault| fault.file.as_str())
            .collect();
        let count = reading.fault_count();
        let more = if reading.more_faults == 0 {
            String::new()
        } else {
            format!(", of which {MAX_SHOWN} are shown")
        };
        return format!(
            "{} in {}{more}",
            counted(count, "fault"),
            counted(faulty.len(), "file")
        );
    };
    let warnings = match reading.warnings.len() {
        0 => String::new(),
        count => format!(", {}", counted(count, "warning")),
    };
    format!(
        "ok: {} in {}{warnings}",
        counted(set.rules.len(), "rule"),
        counted(files, "file")
    )
}

fn counted(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::{CheckArgs, check, check_for_programs, settings_faults};
    use serde_json::{Value, json};
    use std::fs;
    use std::path::PathBuf;

    /// What a check of one rule file says: whether it may be used, standard output, messages.
    fn said(name: &str, text: &str, args: &CheckArgs) -> (bool, String, String) {
        let path: PathBuf =
            std::env::temp_dir().join(format!("lastbeat-check-{name}-{}", std::process::id()));
        fs::write(&path, text).expect("the temporary folder takes a file");
        let (mut out, mut messages) = (Vec::new(), Vec::new());
        let good =
            check(args, &path, &[], &mut out, &mut messages).expect("a Vec takes what is written");
        fs::remove_file(&path).expect("it was written above");
        let messages = String::from_utf8(messages)
            .expect("text")
            .replace(path.to_str().expect("text"), "FILE");
        (good, String::from_utf8(out).expect("text"), messages)
    }

    #[test]
    fn good_rules() {
        let args = CheckArgs {
            print: true,
            ..CheckArgs::default()
        };
        let (good, out, messages) = said("good", "[[rule]]\nname = 'web'\n", &args);
        assert!(
            good && out.starts_with("[stream]\nmax_gap      = \"1m\"\n"),
            "{out}"
        );
        assert_eq!(messages, "ok: 1 rule in 1 file\n");
    }

    #[test]
    fn faults_are_counted() {
        let args = CheckArgs {
            print: true,
            ..CheckArgs::default()
        };
        let (good, out, messages) = said("bad", "[stream]\nmax_gap = 1\nx = 1\n", &args);
        assert!(!good && out.is_empty());
        let lines: Vec<&str> = messages.lines().collect();
        assert_eq!(lines.len(), 3, "{messages}");
        assert!(
            lines[0].starts_with("FILE:2:11: stream.max_gap: "),
            "{messages}"
        );
        assert_eq!(lines[2], "2 faults in 1 file");
        let many: String = (0..150).map(|n| format!("k{n} = 1\n")).collect();
        let (_, _, messages) = said("many", &many, &args);
        assert!(
            messages.ends_with("\n150 faults in 1 file, of which 100 are shown\n"),
            "{messages}"
        );
    }

    #[test]
    fn warnings_are_faults_where_asked() {
        let text = "[[rule]]\nname = 'all'\n[[rule]]\nname = 'web'\napp = 'web'\n";
        let (good, _, messages) = said("lax", text, &CheckArgs::default());
        assert!(
            good && messages.starts_with("FILE:4:8: warning: rule \"web\": never matches"),
            "{messages}"
        );
        assert!(
            messages.ends_with("\nok: 2 rules in 1 file, 1 warning\n"),
            "{messages}"
        );
        let strict = CheckArgs {
            strict: true,
            ..CheckArgs::default()
        };
        let (good, _, messages) = said("strict", text, &strict);
        assert!(
            !good && messages.ends_with("\nrefused: 1 warning, and --strict\n"),
            "{messages}"
        );
    }

    #[test]
    fn an_object_for_programs() {
        let path = std::env::temp_dir().join(format!("lastbeat-check-json-{}", std::process::id()));
        let object = |text: &str, strict: bool, settings: &[String]| {
            fs::write(&path, text).expect("the temporary folder takes a file");
            let args = CheckArgs {
                strict,
                ..CheckArgs::default()
            };
            let mut out = Vec::new();
            let good = check_for_programs(&args, &path, settings, &mut out).expect("a Vec");
            let value: Value = serde_json::from_slice(&out).expect("JSON");
            assert_eq!(value["ok"], good);
            value
        };
        let faulty = object("[[rule]]\nname = 'web'\nmaxgap = 1\n", false, &[]);
        let place = json!([3, 1, "web", "maxgap", "fault"]);
        let first = &faulty["findings"][0];
        let found = ["line", "col", "rule", "key", "kind"].map(|key| first[key].clone());
        assert_eq!(json!(found), place);
        assert_eq!(first["what"], "unknown key, nearest is max_gap");
        assert_eq!(
            (&faulty["ok"], &faulty["more_faults"]),
            (&json!(false), &json!(0))
        );
        let shadowed = "[[rule]]\nname = 'all'\n[[rule]]\nname = 'web'\napp = 'web'\n";
        assert_eq!(object(shadowed, false, &[])["ok"], true);
        assert_eq!(
            object(shadowed, true, &[])["findings"][0]["kind"],
            "warning"
        );
        let setting = object(shadowed, false, &["NATS_URL: no".to_owned()]);
        assert_eq!(
            (&setting["ok"], &setting["findings"][0]["kind"]),
            (&json!(false), &json!("setting"))
        );
        fs::remove_file(&path).expect("it was written above");
        let mut out = Vec::new();
        let good = check_for_programs(&CheckArgs::default(), &path, &[], &mut out);
        assert!(!good.expect("a Vec takes what is written"));
        assert!(String::from_utf8_lossy(&out).contains("cannot list the rules"));
    }

    #[test]
    fn settings_are_checked_where_there_are_any() {
        let with = |vars: &'static [(&str, &str)]| {
            settings_faults(|name| {
                let found = vars.iter().find(|var| var.0 == name);
                found.map(|var| var.1.to_owned())
            })
        };
        assert!(with(&[("LASTBEAT_LISTEN", "nowhere")]).is_empty());
        let faults = with(&[("NATS_URL", "a:1"), ("LASTBEAT_LISTEN", "nowhere")]);
        assert!(
            faults.len() == 1 && faults[0].starts_with("LASTBEAT_LISTEN: "),
            "{faults:?}"
        );
        let faults = with(&[("NATS_URL", "a:1"), ("SENTRY_DSN", "s3cret")]);
        assert!(
            faults[0].starts_with("SENTRY_DSN: ") && !faults[0].contains("s3cret"),
            "{faults:?}"
        );
        assert!(with(&[("FLY_APP_NAME", "lastbeat")]).is_empty());
    }
}
