//! Exit codes, the same for every command, and the reason that goes with one.

use std::fmt::Display;
use std::process::ExitCode;

/// Bad settings, rules, tests or arguments: another start changes nothing. 0 is success; 1 is anything else that failed.
pub const BAD_INPUT: u8 = 64;

/// A command's end before its time: an exit code and a reason for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The exit code.
    code: u8,
    /// The reason; one line or more.
    why: String,
}

impl Stop {
    /// Settings, rules or arguments are wrong.
    pub fn bad_input(why: impl Display) -> Self {
        Stop {
            code: BAD_INPUT,
            why: why.to_string(),
        }
    }

    /// Something else failed.
    pub fn failed(why: impl Display) -> Self {
        Stop {
            code: 1,
            why: why.to_string(),
        }
    }

    /// The reason.
    pub fn why(&self) -> &str {
        &self.why
    }

    /// The exit code alone.
    pub fn code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }

    /// Prints the reason to standard error, and gives the code.
    pub fn print(&self) -> ExitCode {
        eprintln!("{}", self.why.trim_end());
        self.code()
    }

    /// Logs the reason, and gives the code: for a command that keeps a log.
    pub fn log(&self) -> ExitCode {
        tracing::error!("{}", self.why.trim_end());
        self.code()
    }
}

/// 0 where all is well, 1 where not.
pub fn verdict(well: bool) -> ExitCode {
    ExitCode::from(u8::from(!well))
}
