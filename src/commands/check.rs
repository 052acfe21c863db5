//! `lastbeat check`: reads the rules, and the settings where there are any, and lists everything that is wrong.
//!
//! Findings go to standard error, one line each, as compilers do it; standard output holds nothing but the set that
//! `--print` asks for, or the object of `--format json`.

mod thresholds;

use super::exit::{Stop, verdict};
use super::rules::{self, Rules};
use super::{environment, notifiers};
use crate::core::rule::RuleSet;
use crate::decode::rules_file::{self, Fault};
use crate::decode::settings::{self, Flags, STATE, SettingFault};
use crate::format;
use crate::format::threshold::threshold;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use thresholds::ByState;

/// List everything that is wrong with the rules, and with the settings where NATS_URL or FLY_APP_NAME is set
#[derive(Clone, Debug, Default, clap::Args)]
#[command(after_help = "\
Lists every fault of every file at once, as file:line:col, with what is allowed.

Exit codes: 0 rules and settings are valid; 64 they are not; 1 the result cannot be written.

  lastbeat check /etc/lastbeat/rules
  lastbeat check --strict --no-env --format json     (in CI, without secrets)
  lastbeat check --print                             (the rules in force)
  lastbeat check --schema > rules/schema.json        (for editors)")]
pub struct CheckArgs {
    /// Rule file, or folder of *.toml [env: LASTBEAT_RULES] [default: rules]
    #[arg(value_name = "PATH")]
    pub path: Option<PathBuf>,
    /// The same as PATH
    #[arg(long, value_name = "PATH", conflicts_with = "path")]
    pub rules: Option<PathBuf>,
    /// Leave ${NAME} in [notify] unread and the settings unchecked: variables may be unset
    #[arg(long)]
    pub no_env: bool,
    /// Print the rules in force as one rule file, in order, with the defaults filled in and without secrets
    #[arg(long, conflicts_with = "format")]
    pub print: bool,
    /// Print a JSON Schema of rule files, for editors, and check nothing
    #[arg(long, conflicts_with_all = ["format", "print", "state", "strict"])]
    pub schema: bool,
    /// Judge the rules by the loss, the instances and their intervals in this state file; it may be in use [env: LASTBEAT_STATE]
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// Treat warnings as faults
    #[arg(long)]
    pub strict: bool,
    /// Format of the findings
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Format of the findings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A line each, on standard error
    #[default]
    Text,
    /// One object for editors and CI, on standard output
    Json,
}

/// Checks everything: 0 where it is valid, 64 where not, 1 where the result cannot be written.
pub fn run(args: &CheckArgs) -> ExitCode {
    if args.schema {
        return match write(&rules_file::schema()) {
            Ok(()) => verdict(true),
            Err(fault) => Stop::failed(fault).code(),
        };
    }
    let findings = Findings::new(args, environment::variable, environment::names());
    let valid = findings.are_valid(args.strict);
    let written = match args.format {
        Format::Text => {
            eprint!("{}", findings.text(args.strict));
            match (args.print && valid).then(|| findings.printed()) {
                None => Ok(()),
                Some(set) => write(&set),
            }
        }
        Format::Json => write(&format!("{}\n", findings.json(args.strict))),
    };
    match written {
        Err(fault) => Stop::failed(fault).code(),
        Ok(()) if valid => verdict(true),
        Ok(()) => Stop::bad_input("").code(),
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// The rules in force as a rule file; read without the environment, so that variables are shown in place of their values.
fn printed(path: &Path) -> String {
    let set: Option<RuleSet> = rules::read(path, false)
        .ok()
        .and_then(|rules| rules.reading.set);
    set.as_ref().map_or(String::new(), rules_file::print)
}

/// Everything that was found.
struct Findings {
    path: PathBuf,
    /// Faults of the settings.
    settings: Vec<String>,
    /// Variables that are no setting.
    unknown: Vec<SettingFault>,
    /// The rules, or why their files cannot be read.
    rules: Result<Rules, String>,
    /// The judgement of the rules by the state file; empty without one.
    by_state: ByState,
}

impl Findings {
    fn new(
        args: &CheckArgs,
        env: impl Fn(&str) -> Option<String>,
        names: impl Iterator<Item = String>,
    ) -> Self {
        let path = rules::path(args.path.as_deref().or(args.rules.as_deref()));
        let rules = rules::read(&path, !args.no_env);
        let state = args.state.clone().or_else(|| {
            let named = || env(STATE.about.name()).map(PathBuf::from);
            let known = if args.no_env { None } else { named() };
            known.filter(|file| file.is_file())
        });
        let (mut settings, unknown) = if args.no_env {
            (Vec::new(), Vec::new())
        } else {
            (settings_faults(env), settings::unknown(names))
        };
        let set = rules.as_ref().ok();
        let set = set.and_then(|rules| rules.reading.set.as_ref());
        let by_state = match set.zip(state).map(|(set, file)| thresholds::of(set, &file)) {
            Some(Ok(found)) => found,
            Some(Err(fault)) => {
                settings.push(fault);
                ByState::default()
            }
            None => ByState::default(),
        };
        Findings {
            path,
            settings,
            unknown,
            rules,
            by_state,
        }
    }

    /// The rules in force as a rule file, and what they allow.
    fn printed(&self) -> String {
        printed(&self.path) + &thresholds::comment(&self.by_state.thresholds)
    }

    /// Rules of which more than one false alarm a week is to be expected, and those that allow less than two intervals.
    fn noisy(&self) -> impl Iterator<Item = String> {
        let noisy = self.by_state.thresholds.iter();
        let noisy = noisy.filter(|row| row.is_noisy()).map(|row| {
            let (rule, text) = (format::name(&row.rule), threshold(row));
            format!("rule \"{rule}\": {text}; more than one a week")
        });
        noisy.chain(self.by_state.short.iter().cloned())
    }

    fn warnings(&self) -> usize {
        let of_rules = self
            .rules
            .as_ref()
            .map_or(0, |rules| rules.reading.warnings.len());
        self.unknown.len() + of_rules + self.noisy().count()
    }

    fn are_valid(&self, strict: bool) -> bool {
        let usable = self
            .rules
            .as_ref()
            .is_ok_and(|rules| rules.reading.set.is_some());
        usable && self.settings.is_empty() && !(strict && self.warnings() > 0)
    }

    /// A line each, and a closing one.
    fn text(&self, strict: bool) -> String {
        let mut text: String = self
            .settings
            .iter()
            .map(|fault| format!("{fault}\n"))
            .collect();
        for unknown in &self.unknown {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "warning: {unknown}");
        }
        for noisy in self.noisy() {
            let _ = writeln!(text, "warning: {noisy}");
        }
        match &self.rules {
            Err(why) => text + why + "\n",
            Ok(rules) if strict && rules.reading.set.is_some() && self.warnings() > 0 => {
                let refused = format::counted(self.warnings() as u64, "warning");
                text + &rules.findings() + &format!("refused: {refused} with --strict\n")
            }
            Ok(rules) => text + &rules.findings() + &rules.closing(),
        }
    }

    /// `{"ok":..,"findings":[{"kind","file","line","col","rule","key","what","allowed"}],"more_faults":0}`; `kind` is
    /// fault, warning or setting, and what does not apply is null.
    fn json(&self, strict: bool) -> Value {
        let mut findings: Vec<Value> = Vec::new();
        findings.extend(
            self.settings
                .iter()
                .map(|what| placeless("setting", None, what)),
        );
        let unknown = self.unknown.iter().map(ToString::to_string);
        findings.extend(unknown.map(|what| placeless("warning", None, &what)));
        findings.extend(self.noisy().map(|what| placeless("warning", None, &what)));
        let mut more_faults = 0;
        match &self.rules {
            Err(why) => findings.push(placeless("fault", Some(&self.path), why)),
            Ok(Rules { reading, .. }) => {
                findings.extend(reading.faults.iter().map(|fault| finding("fault", fault)));
                findings.extend(reading.warnings.iter().map(|one| finding("warning", one)));
                more_faults = reading.more_faults;
            }
        }
        json!({ "ok": self.are_valid(strict), "findings": findings, "more_faults": more_faults })
    }
}

/// The faults that `run` would report; none without any settings, as on the machine of a rule's author.
fn settings_faults(env: impl Fn(&str) -> Option<String>) -> Vec<String> {
    if env("NATS_URL").or_else(|| env("FLY_APP_NAME")).is_none() {
        return Vec::new();
    }
    match settings::read(&Flags::default(), env) {
        Err(faults) => faults.iter().map(ToString::to_string).collect(),
        Ok(settings) => notifiers::maker(&settings)
            .sentry()
            .err()
            .into_iter()
            .collect(),
    }
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

#[cfg(test)]
mod tests {
    use super::{CheckArgs, Findings, printed, settings_faults};
    use serde_json::json;
    use std::fs;
    use std::path::PathBuf;

    fn file(name: &str, text: &str) -> PathBuf {
        let path =
            std::env::temp_dir().join(format!("lastbeat-check-{name}-{}", std::process::id()));
        fs::write(&path, text).expect("the temporary folder takes a file");
        path
    }

    /// Checks one rule file in an environment with these variables.
    fn found(path: PathBuf, args: CheckArgs, vars: &[(&str, &str)]) -> Findings {
        let args = CheckArgs {
            path: Some(path),
            ..args
        };
        let env = |name: &str| {
            let mut found = vars.iter().filter(|var| var.0 == name);
            found.next().map(|var| var.1.to_owned())
        };
        Findings::new(&args, env, vars.iter().map(|var| var.0.to_owned()))
    }

    /// The result of a check of one rule file: valid or not, the set that is printed, messages.
    fn said(name: &str, text: &str, strict: bool) -> (bool, String, String) {
        let path = file(name, text);
        let findings = found(path.clone(), CheckArgs::default(), &[]);
        let (good, out) = (findings.are_valid(strict), printed(&path));
        fs::remove_file(&path).expect("it was written above");
        let path = path.to_str().expect("text");
        (good, out, findings.text(strict).replace(path, "FILE"))
    }

    #[test]
    fn good_rules() {
        let (good, out, messages) = said("good", "[[rule]]\nname = 'web'\n", false);
        assert!(
            good && out.starts_with("[stream]\nmax_gap      = \"auto\"\n"),
            "{out}"
        );
        assert_eq!(messages, "ok: 1 rule in 1 file\n");
    }

    #[test]
    fn faults_are_counted() {
        let (good, out, messages) = said("bad", "[stream]\nmax_gap = 1\nx = 1\n", false);
        assert!(!good && out.is_empty());
        let lines: Vec<&str> = messages.lines().collect();
        assert_eq!(lines.len(), 3, "{messages}");
        assert!(
            lines[0].starts_with("FILE:2:11: stream.max_gap: "),
            "{messages}"
        );
        assert_eq!(lines[2], "2 faults in 1 file");
        let many: String = (0..150).map(|n| format!("k{n} = 1\n")).collect();
        let (_, _, messages) = said("many", &many, false);
        assert!(
            messages.ends_with("\n150 faults in 1 file; the first 100 are shown\n"),
            "{messages}"
        );
    }

    #[test]
    fn warnings_are_faults_where_asked() {
        let text = "[[rule]]\nname = 'all'\n[[rule]]\nname = 'web'\napp = 'web'\n";
        let (good, _, messages) = said("lax", text, false);
        assert!(
            good && messages.starts_with("FILE:4:8: warning: rule \"web\": never matches"),
            "{messages}"
        );
        assert!(
            messages.ends_with("\nok: 2 rules in 1 file, 1 warning\n"),
            "{messages}"
        );
        let (good, _, messages) = said("strict", text, true);
        assert!(
            !good && messages.ends_with("\nrefused: 1 warning with --strict\n"),
            "{messages}"
        );
    }

    #[test]
    fn an_object_for_programs() {
        let object = |text: &str, strict: bool, vars: &[(&str, &str)]| {
            let path = file("json", text);
            let findings = found(path.clone(), CheckArgs::default(), vars);
            fs::remove_file(&path).expect("it was written above");
            findings.json(strict)
        };
        let faulty = object("[[rule]]\nname = 'web'\nmaxgap = 1\n", false, &[]);
        let place = json!([3, 1, "web", "maxgap", "fault"]);
        let first = &faulty["findings"][0];
        let place_found = ["line", "col", "rule", "key", "kind"].map(|key| first[key].clone());
        assert_eq!(json!(place_found), place);
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
        let setting = object(shadowed, false, &[("NATS_URL", "http://x")]);
        assert_eq!(
            (&setting["ok"], &setting["findings"][0]["kind"]),
            (&json!(false), &json!("setting"))
        );
        let nowhere = found(PathBuf::from("nowhere"), CheckArgs::default(), &[]).json(false);
        assert!(
            nowhere["ok"] == false && nowhere.to_string().contains("list"),
            "{nowhere}"
        );
    }

    #[test]
    fn an_unknown_variable_is_a_warning() {
        let path = file("unknown", "[[rule]]\nname = 'web'\n");
        let findings = found(
            path.clone(),
            CheckArgs::default(),
            &[("LASTBEAT_RULE", "x")],
        );
        let text = findings.text(false);
        assert!(
            text.starts_with("warning: LASTBEAT_RULE: unknown setting, nearest is LASTBEAT_RULES"),
            "{text}"
        );
        assert!(findings.are_valid(false) && !findings.are_valid(true));
        assert_eq!(findings.json(false)["findings"][0]["kind"], "warning");
        fs::remove_file(&path).expect("it was written above");
    }

    #[test]
    fn without_the_environment_variables_may_be_unset() {
        let path = file(
            "no-env",
            "[notify.x]\ntype = 'webhook'\nurl = '${LASTBEAT_CHECK_NONE}'\n",
        );
        let vars = [("NATS_URL", "http://x"), ("LASTBEAT_RULE", "x")];
        let checked = |no_env: bool| {
            let args = CheckArgs {
                no_env,
                ..CheckArgs::default()
            };
            found(path.clone(), args, &vars)
        };
        let (with, without) = (checked(false).text(false), checked(true));
        assert!(with.contains("LASTBEAT_CHECK_NONE is not set"), "{with}");
        assert!(without.are_valid(false), "{}", without.text(false));
        assert!(without.settings.is_empty() && without.unknown.is_empty());
        fs::remove_file(&path).expect("it was written above");
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
