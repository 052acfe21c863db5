//! Flags of the command line, made from the declarations.

use super::declared::ALL;
use super::setting::{About, Flag, FlagKind};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use std::collections::BTreeMap;
use std::fmt;

/// What the command line says of `run`'s settings: the values of each flag that is given, by its name.
#[derive(Clone, Default)]
pub struct Flags(BTreeMap<&'static str, Vec<String>>);

impl Flags {
    /// With a value for a setting's flag, as if the command line had it.
    #[must_use]
    pub fn with(mut self, about: &About, value: impl Into<String>) -> Self {
        if let Some(flag) = &about.flag {
            self.0.entry(flag.name).or_default().push(value.into());
        }
        self
    }

    /// What is given for a setting; a flag that is given again continues its list.
    pub(super) fn text(&self, about: &About) -> Option<String> {
        let values = self.0.get(about.flag.as_ref()?.name)?;
        Some(values.join(","))
    }
}

impl fmt::Debug for Flags {
    /// Names alone: the URL of a server may hold its credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The settings that are flags of `run`.
fn flags() -> impl Iterator<Item = (&'static About, &'static Flag)> {
    let flagged = ALL
        .iter()
        .filter_map(|about| Some((*about, about.flag.as_ref()?)));
    flagged.filter(|(_, flag)| flag.kind != FlagKind::OfClient)
}

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        command.args(flags().map(|(about, flag)| {
            let arg = Arg::new(flag.name).long(flag.name).help(about.flag_help());
            match flag.kind {
                FlagKind::Switch => arg.action(ArgAction::SetTrue),
                FlagKind::List => arg.action(ArgAction::Append).value_name(flag.value),
                FlagKind::One | FlagKind::OfClient => arg.value_name(flag.value),
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
        for (_, flag) in flags() {
            if flag.kind == FlagKind::Switch {
                if matches.get_flag(flag.name) {
                    self.0.insert(flag.name, vec!["on".to_owned()]);
                }
            } else if let Some(values) = matches.get_many::<String>(flag.name) {
                self.0.insert(flag.name, values.cloned().collect());
            }
        }
        Ok(())
    }
}
