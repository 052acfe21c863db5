//! The form of a declaration: everything about one setting in one place.

use std::fmt;

/// A setting: its names, its default, its help, and the parser of its text.
pub struct Setting<T: 'static> {
    /// Everything but the parser.
    pub about: About,
    /// Gives a text its type, else says what is wrong with it. It never repeats a secret.
    pub parse: fn(&str) -> Result<T, String>,
}

/// What people read about a setting, and the names it is looked up by.
#[derive(Debug)]
pub struct About {
    /// Variables; the first that is set applies, and the first one names the setting in faults.
    pub variables: &'static [&'static str],
    /// A variable with the path of a file that holds the value; such a setting is a secret, and its flag takes that path.
    pub file: Option<&'static str>,
    /// The flag; `None`: set by environment alone.
    pub flag: Option<Flag>,
    /// The value where none is given.
    pub default: Default,
    /// One sentence without a full stop.
    pub help: &'static str,
}

/// A flag of the command line.
#[derive(Debug)]
pub struct Flag {
    /// The name, without dashes.
    pub name: &'static str,
    /// The name of its value in the help; empty for a switch.
    pub value: &'static str,
    /// How it is given.
    pub kind: FlagKind,
}

/// How a flag is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagKind {
    /// Once, without a value.
    Switch,
    /// Once, with a value.
    One,
    /// Once or more, with values separated by commas.
    List,
    /// Once, to the commands that ask a running lastbeat, and not to `run`.
    OfClient,
}

/// The value of a setting that is not given.
#[derive(Debug)]
pub enum Default {
    /// Nothing.
    None,
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
    /// What is wrong, and what to do; without secrets.
    pub what: String,
}

impl fmt::Display for SettingFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.what)
    }
}

impl<T> Setting<T> {
    /// A setting by these variables.
    pub const fn new(
        variables: &'static [&'static str],
        parse: fn(&str) -> Result<T, String>,
        help: &'static str,
    ) -> Self {
        let about = About {
            variables,
            file: None,
            flag: None,
            default: Default::None,
            help,
        };
        Setting { about, parse }
    }

    /// With a flag that takes a value once.
    pub const fn flag(self, name: &'static str, value: &'static str) -> Self {
        self.flag_of_kind(name, value, FlagKind::One)
    }

    /// With a flag that takes a list.
    pub const fn list_flag(self, name: &'static str, value: &'static str) -> Self {
        self.flag_of_kind(name, value, FlagKind::List)
    }

    /// With a flag that is a switch.
    pub const fn switch(self, name: &'static str) -> Self {
        self.flag_of_kind(name, "", FlagKind::Switch)
    }

    /// With a flag of the commands that ask a running lastbeat.
    pub const fn client_flag(self, name: &'static str, value: &'static str) -> Self {
        self.flag_of_kind(name, value, FlagKind::OfClient)
    }

    const fn flag_of_kind(
        mut self,
        name: &'static str,
        value: &'static str,
        kind: FlagKind,
    ) -> Self {
        self.about.flag = Some(Flag { name, value, kind });
        self
    }

    /// With a variable that names a file with the value.
    pub const fn file(mut self, variable: &'static str) -> Self {
        self.about.file = Some(variable);
        self
    }

    /// With a default.
    pub const fn default(mut self, text: &'static str) -> Self {
        self.about.default = Default::Text(text);
        self
    }

    /// With a default that depends on the place.
    pub const fn depends(mut self, how: &'static str) -> Self {
        self.about.default = Default::Depends(how);
        self
    }
}

impl About {
    /// The name in faults.
    pub fn name(&self) -> &'static str {
        self.variables[0]
    }

    /// The default in words; empty where there is none.
    pub fn default(&self) -> &'static str {
        match self.default {
            Default::None => "",
            Default::Text(text) | Default::Depends(text) => text,
        }
    }

    /// The help of the flag: what it sets, the variables beside it, the default.
    pub fn flag_help(&self) -> String {
        let variables = self.variables.join(", ");
        let mut help = match self.file {
            None => format!("{} [env: {variables}]", self.help),
            Some(file) => format!(
                "File with this secret: {} [env: {file}; the secret itself: {variables}]",
                lower(self.help)
            ),
        };
        if !self.default().is_empty() {
            help = format!("{help} [default: {}]", self.default());
        }
        help
    }

    /// The help of the variables, where there is no flag.
    pub fn variable_help(&self) -> String {
        let names = self.variables.iter().copied().chain(self.file);
        let names = names.collect::<Vec<_>>().join(", ");
        let default = match self.default() {
            "" => String::new(),
            default => format!(" [default: {default}]"),
        };
        format!("  {names}\n          {}{default}", self.help)
    }
}

/// A sentence as a part of another one.
fn lower(sentence: &str) -> String {
    let mut chars = sentence.chars();
    let first = chars.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(chars).collect()
}
