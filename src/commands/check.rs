//! `lastbeat check`: reads the rules and says everything that is wrong with them.
//!
//! What is found goes to standard error, one line each, as compilers do it; standard output holds nothing but
//! the set that `--print` asks for.

use crate::core::rule::RuleSet;
use crate::decode::rules_file::{self, MAX_SHOWN, Reading};
use crate::io::rules_dir;
use std::collections::BTreeSet;
use std::error::Error;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Where the rules are, where neither flag nor variable says.
pub const DEFAULT_RULES: &str = "rules";
/// Exit code of bad rules, as of bad settings.
pub const EXIT_BAD_RULES: u8 = 64;

/// Say everything that is wrong with the rules.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct CheckArgs {
    /// A rule file, or a folder of *.toml [env: LASTBEAT_RULES] [default: rules]
    #[arg(long, value_name = "PATH")]
    pub rules: Option<PathBuf>,
    /// Print the rules in force as one rule file, in order, with the defaults filled in
    #[arg(long)]
    pub print: bool,
    /// Take warnings for faults
    #[arg(long)]
    pub strict: bool,
}

/// Checks the rules: 0 where they may be used, 64 where not, 1 where nothing could be said.
pub fn run(args: &CheckArgs) -> ExitCode {
    match check(
        args,
        &rules_path(args.rules.as_deref()),
        &mut io::stdout(),
        &mut io::stderr(),
    ) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(EXIT_BAD_RULES),
        Err(_) => ExitCode::FAILURE,
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
    let reading = rules_file::read(&files);
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
    out: &mut impl Write,
    messages: &mut impl Write,
) -> io::Result<bool> {
    let Some(set) = rules(path, args.strict, messages)? else {
        return Ok(false);
    };
    if args.print {
        out.write_all(rules_file::print(&set).as_bytes())?;
        out.flush()?;
    }
    Ok(true)
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
    use super::{CheckArgs, check};
    use std::fs;
    use std::path::PathBuf;

    /// What a check of one rule file says: whether it may be used, standard output, messages.
    fn said(name: &str, text: &str, args: &CheckArgs) -> (bool, String, String) {
        let path: PathBuf =
            std::env::temp_dir().join(format!("lastbeat-check-{name}-{}", std::process::id()));
        fs::write(&path, text).expect("the temporary folder takes a file");
        let (mut out, mut messages) = (Vec::new(), Vec::new());
        let good =
            check(args, &path, &mut out, &mut messages).expect("a Vec takes what is written");
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
            good && out.starts_with("[stream]\nmax_gap  = \"1m\"\n"),
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
}
