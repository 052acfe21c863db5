//! The form of a declaration: everything about one setting in one place.

use std::fmt;

/// The end of a variable that names a file with the value.
const FILE: &str = "_FILE";

/// A setting: its names, its default, its help, and the parser of its text.
pub struct Setting<T: 'static> {
    /// Everything but the parser.
    pub about: About,
    /// Gives a trimmed text its type, else says what is wrong with it. It never repeats a secret.
    pub parse: fn(&str) -> Result<T, String>,
}

/// The names of a setting, its default, and its help.
#[derive(Debug)]
pub struct About {
    /// Variables, those that name a file with the value among them.
    pub variables: &'static [&'static str],
    /// `--name VALUE`, `--name VALUE...` for a list, `--name` for a switch; empty: set by environment alone.
    pub flag: &'static str,
    /// The value where none is given.
    pub default: Default,
    /// One sentence without a full stop.
    pub help: &'static str,
}

/// The value of a setting that is not given.
#[derive(Debug, PartialEq, Eq)]
pub enum Default {
    /// None.
    Nothing,
    /// This text, read by the parser.
    Text(&'static str),
    /// Depends on the place: this says how.
    Depends(&'static str),
}

/// A setting or a variable that is wrong, missing or unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingFault {
    /// The setting: its first variable.
    pub setting: String,
    /// The fault and what to do about it; without secrets.
    pub what: String,
}

impl fmt::Display for SettingFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.what)
    }
}

impl About {
    /// The name in faults.
    pub fn name(&self) -> &'static str {
        self.variables[0]
    }

    /// The variable that names a file with the value; `None`: the setting is no secret.
    pub fn file(&self) -> Option<&'static str> {
        self.variables
            .iter()
            .copied()
            .find(|name| name.ends_with(FILE))
    }

    /// The variables that hold the value itself.
    pub fn values(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.variables
            .iter()
            .copied()
            .filter(|name| !name.ends_with(FILE))
    }

    /// The flag's name without dashes and the name of its value, which is empty for a switch; `None`: no flag.
    pub fn flag(&self) -> Option<(&'static str, &'static str)> {
        let flag = self.flag.strip_prefix("--")?;
        Some(flag.split_once(' ').unwrap_or((flag, "")))
    }

    /// The default in words; empty where there is none.
    pub fn default(&self) -> &'static str {
        match self.default {
            Default::Nothing => "",
            Default::Text(text) | Default::Depends(text) => text,
        }
    }

    /// The help of the flag: what it sets, the variables beside it, the default.
    pub fn flag_help(&self) -> String {
        let values = self.values().collect::<Vec<_>>().join(", ");
        let help = match self.file() {
            None => format!("{} [env: {values}]", self.help),
            Some(file) => format!(
                "From a file: {} [env: {file}; the value itself: {values}]",
                self.help
            ),
        };
        help + &self.default_help()
    }

    /// The help of the variables, where there is no flag.
    pub fn variable_help(&self) -> String {
        let names = self.variables.join(", ");
        format!("  {names}\n          {}{}", self.help, self.default_help())
    }

    fn default_help(&self) -> String {
        match self.default() {
            "" => String::new(),
            default => format!(" [default: {default}]"),
        }
    }
}
