//! Flags of the command line, made from the declarations.

use super::declared::ALL;
use super::setting::About;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use std::collections::BTreeMap;
use std::fmt;

/// Settings on the command line of `run`: the values of each flag that is given, by its name.
#[derive(Clone, Default)]
pub struct Flags(BTreeMap<&'static str, Vec<String>>);

impl Flags {
    /// With a value for a setting's flag, as if the command line had it.
    #[must_use]
    pub fn with(mut self, about: &About, value: impl Into<String>) -> Self {
        if let Some((name, _)) = about.flag() {
            self.0.entry(name).or_default().push(value.into());
        }
        self
    }

    /// The text that is given for a setting; a flag that is given again continues its list.
    pub(super) fn text(&self, about: &About) -> Option<String> {
        let values = self.0.get(about.flag()?.0)?;
        Some(values.join(","))
    }
}

impl fmt::Debug for Flags {
    /// Names alone: the URL of a server may hold its credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Every flag: its setting, its name, and the name of its value.
fn flags() -> impl Iterator<Item = (&'static About, &'static str, &'static str)> {
    let flag = |about: &&'static About| about.flag().map(|(name, value)| (*about, name, value));
    ALL.iter().filter_map(flag)
}

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        command.args(flags().map(|(about, name, value)| {
            let arg = Arg::new(name).long(name).help(about.flag_help());
            match (value, value.strip_suffix("...")) {
                ("", _) => arg.action(ArgAction::SetTrue),
                (_, Some(value)) => arg.action(ArgAction::Append).value_name(value),
                (value, None) => arg.value_name(value),
            }
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut given = Flags::default();
        given.update_from_arg_matches(matches)?;
        Ok(given)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for (_, name, value) in flags() {
            if value.is_empty() {
                if matches.get_flag(name) {
                    self.0.insert(name, vec!["on".to_owned()]);
                }
            } else if let Some(values) = matches.get_many::<String>(name) {
                self.0.insert(name, values.cloned().collect());
            }
        }
        Ok(())
    }
}
