//! Look-up of settings in flags and environment, and the faults found on the way.

use super::declared::ALL;
use super::flags::Flags;
use super::secret::{Secret, TokenSource};
use super::setting::{About, Default, Setting, SettingFault};
use std::cell::RefCell;
use std::path::PathBuf;

/// Flags and environment; flags come first.
pub(super) struct Given<'a> {
    flags: &'a Flags,
    env: &'a dyn Fn(&str) -> Option<String>,
    faults: RefCell<Vec<SettingFault>>,
}

impl<'a> Given<'a> {
    /// Nothing is looked up yet.
    pub fn new(flags: &'a Flags, env: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Given {
            flags,
            env,
            faults: RefCell::default(),
        }
    }

    /// The setting's value, its default where none is given. A faulty one is noted as a fault, and the default stands in for it.
    pub fn value<T>(&self, setting: &Setting<T>) -> T {
        self.optional(setting).unwrap_or_else(|| default(setting))
    }

    /// The setting's value; `None` where none is given, or a faulty one, which is noted.
    pub fn optional<T>(&self, setting: &Setting<T>) -> Option<T> {
        let text = self.text(&setting.about)?;
        self.parse(setting, &text)
    }

    /// The value of a text; `None` where it is faulty, which is noted.
    pub fn parse<T>(&self, setting: &Setting<T>, text: &str) -> Option<T> {
        (setting.parse)(text.trim())
            .map_err(|what| self.fault(&setting.about, what))
            .ok()
    }

    /// A secret: in the flag's file, else in a variable, else in the file that a variable names.
    pub fn secret(&self, setting: &Setting<Secret>) -> Option<TokenSource> {
        let about = &setting.about;
        if let Some(file) = self.flags.text(about) {
            return Some(TokenSource::File(PathBuf::from(file)));
        }
        self.secret_of(setting, |_| true)
    }

    /// A secret of the environment, of those variables of the value itself that are `wanted`.
    pub fn secret_of(
        &self,
        setting: &Setting<Secret>,
        wanted: impl Fn(&str) -> bool,
    ) -> Option<TokenSource> {
        let mut names = setting.about.values().filter(|name| wanted(name));
        if let Some(text) = names.find_map(|name| self.variable(name)) {
            return self.parse(setting, &text).map(TokenSource::Given);
        }
        let file = self.variable(setting.about.file()?)?;
        Some(TokenSource::File(PathBuf::from(file)))
    }

    /// The text of a setting that is no secret: the flag's, else that of the first variable that is set.
    pub fn text(&self, about: &About) -> Option<String> {
        self.flags
            .text(about)
            .or_else(|| self.first(about.variables))
    }

    /// As [`Self::text`], but an empty variable counts too.
    pub fn raw(&self, about: &About) -> Option<String> {
        self.flags.text(about).or_else(|| (self.env)(about.name()))
    }

    /// A variable that is not blank.
    pub fn variable(&self, name: &str) -> Option<String> {
        (self.env)(name).filter(|value| !value.trim().is_empty())
    }

    /// The first of these variables that is not blank.
    pub fn first(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.variable(name))
    }

    /// Notes a fault.
    pub fn fault(&self, about: &About, what: String) {
        self.faults.borrow_mut().push(SettingFault {
            setting: about.name().to_owned(),
            what,
        });
    }

    /// The value, where nothing was wrong.
    ///
    /// # Errors
    /// Every fault that was noted, in the order of the declarations.
    pub fn finish<T>(self, value: T) -> Result<T, Vec<SettingFault>> {
        let mut faults = self.faults.into_inner();
        if faults.is_empty() {
            return Ok(value);
        }
        let declared_at =
            |fault: &SettingFault| ALL.iter().position(|about| about.name() == fault.setting);
        faults.sort_by_key(declared_at);
        Err(faults)
    }
}

/// The declared default of a setting that has one.
fn default<T>(setting: &Setting<T>) -> T {
    let name = setting.about.name();
    match setting.about.default {
        // A test reads each of them.
        Default::Text(text) => (setting.parse)(text)
            .unwrap_or_else(|what| panic!("the default of {name} is one: {what}")),
        Default::Nothing | Default::Depends(_) => panic!("{name} is declared with a default"),
    }
}
