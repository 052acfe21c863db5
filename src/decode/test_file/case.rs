//! A test file, read: its rules, its tests with their events and expectations.

use super::event::Event;
use super::expect::Expect;
use crate::core::time::Wall;
use std::collections::BTreeMap;
use std::time::Duration;

/// A file of tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TestFile {
    /// Rule sets that a test may switch to, by name.
    pub other_rules: BTreeMap<String, RulesFrom>,
    /// The tests, in order.
    pub cases: Vec<Case>,
}

/// The source of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RulesFrom {
    /// A file or folder, relative to the test file's folder.
    Path(String),
    /// They stand in the test file itself.
    Text {
        /// Their text.
        text: String,
        /// Lines of the test file before their first.
        lines_before: usize,
    },
}

/// One test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// Line of the file where it begins.
    pub line: usize,
    /// Its rules.
    pub rules: RulesFrom,
    /// Wall clock at its start.
    pub start: Wall,
    /// Its end: the last moment that it names.
    pub end: Duration,
    /// A recorded stream that is played beside the events; `None`: there is none.
    pub recording: Option<Recording>,
    /// The events.
    pub lines: Vec<Line>,
    /// The expectations.
    pub expected: Vec<Expected>,
}

/// A part of a recorded stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Its path, relative to the test file's folder.
    pub path: String,
    /// Wall clock: its beginning; `None`: its first line.
    pub since: Option<Wall>,
    /// Its length; `None`: up to its last line.
    pub length: Option<Duration>,
}

/// An event, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its words.
    pub text: String,
    /// Its line and column in the file, each from 1.
    pub place: (usize, usize),
    /// Their meaning.
    pub what: Event,
}

/// An expectation and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Its words.
    pub text: String,
    /// Its line and column in the file, each from 1.
    pub place: (usize, usize),
    /// Their meaning.
    pub what: Expect,
}
