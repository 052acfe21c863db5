//! The rule language: texts of rule files in, one [`RuleSet`] or every fault of every file out.
//!
//! The TOML is read with places and walked by hand, so that one run shows everything that is wrong:
//! a derived reader stops at its first fault. A new key is a line of the table's `KEYS` and a line where that is read.

mod archive;
mod counts;
mod defaults;
mod downstream;
mod fault;
mod fields;
mod key;
mod labels;
mod notify;
mod one_table;
mod position;
mod print;
mod report;
mod rule;
mod schema;
mod shadow;
mod silence;
mod sink;
mod stream;
mod syntax;
mod targets;
#[cfg(test)]
mod tests;
mod value;
mod variables;

pub use archive::bytes;
pub use fault::Fault;
pub(super) use labels::{MAX_LABELS, fault as label_fault};
pub use print::{print, text as toml_string};
pub use report::MAX_SHOWN;
pub use rule::MAX_RULES;
pub use value::duration;

use super::nearest;
use crate::core::rule::RuleSet;
use archive::Archive;
use defaults::Defaults;
use downstream::Downstreams;
use fault::Wrong;
use notify::Notifiers;
use position::Position;
use report::Report;
use rule::Rules;
use schema::{Form, Table};
use silence::Silences;
use sink::Sinks;
use stream::Stream;
use toml::de::{DeTable, DeValue};
use variables::Lookup;

/// Bytes of one file: ten thousand rules of a hundred bytes, and what a Kubernetes ConfigMap may hold.
pub const MAX_FILE_BYTES: usize = 1 << 20;
/// Bytes of all files together: bounds the time that a hostile folder can take.
pub const MAX_TOTAL_BYTES: usize = 8 << 20;
/// Files of one set: beyond it the folder is likelier the wrong one.
pub const MAX_FILES: usize = 1_000;

/// The result of a reading: a set exactly where there is no fault.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The rules in force; `None` where anything is at fault.
    pub set: Option<RuleSet>,
    /// Faults, in the order of files and places; the first [`MAX_SHOWN`].
    pub faults: Vec<Fault>,
    /// Faults beyond those.
    pub more_faults: usize,
    /// Warnings, likely not meant though allowed; the first [`MAX_SHOWN`], and none beside faults.
    pub warnings: Vec<Fault>,
}

impl Reading {
    /// The number of faults, the ones left out included.
    pub fn fault_count(&self) -> usize {
        self.faults.len() + self.more_faults
    }
}

/// Reads files, each a name as it is to be shown and its bytes, in the order of their names, as one set. Variables in
/// `[notify.NAME]` stay as they are written: for tests of rules, which send nothing.
pub fn read(files: &[(String, Vec<u8>)]) -> Reading {
    read_all(files, None)
}

/// As [`read`], with `env` to look up the variables in `[notify.NAME]`; one that is not set is a fault.
pub fn read_with_env(files: &[(String, Vec<u8>)], env: &dyn Fn(&str) -> Option<String>) -> Reading {
    read_all(files, Some(env))
}

fn read_all(files: &[(String, Vec<u8>)], lookup: Lookup<'_>) -> Reading {
    let mut reader = Reader {
        lookup,
        ..Reader::default()
    };
    for (index, (name, bytes)) in files.iter().enumerate() {
        if !reader.file(index, name, bytes) {
            break;
        }
    }
    reader.finish(files)
}

/// The state of a reading over all files.
#[derive(Default)]
struct Reader<'e> {
    lookup: Lookup<'e>,
    stream: Stream,
    defaults: Defaults,
    rules: Rules,
    silences: Silences,
    notifiers: Notifiers,
    downstreams: Downstreams,
    sinks: Sinks,
    archive: Archive,
    bytes: usize,
    faults: Vec<Fault>,
    more_faults: usize,
}

impl Reader<'_> {
    /// Reads one file; false where the rest is not to be read.
    fn file(&mut self, index: usize, name: &str, bytes: &[u8]) -> bool {
        self.bytes = self.bytes.saturating_add(bytes.len());
        let (text, wrong) = match text_of(bytes) {
            Ok(text) => (text, None),
            Err((text, wrong)) => (text, Some(wrong)),
        };
        let mut report = Report::new(name, text);
        let too_much = self.too_much(index);
        if let Some(wrong) = too_much.clone() {
            report.fault(0, None, None, wrong);
        } else if let Some(wrong) = wrong {
            report.fault(text.len(), None, None, wrong);
        } else {
            self.document(text, &mut report);
        }
        self.keep(report);
        too_much.is_none()
    }

    fn too_much(&self, index: usize) -> Option<Wrong> {
        if index >= MAX_FILES {
            return Some(Wrong::new(
                format!("more than {MAX_FILES} files"),
                "give the folder that holds the rules and nothing else",
            ));
        }
        (self.bytes > MAX_TOTAL_BYTES).then(|| {
            Wrong::new(
                "too many bytes in this file and those before it",
                format!("at most {MAX_TOTAL_BYTES} bytes in all files"),
            )
        })
    }

    fn document(&mut self, text: &str, report: &mut Report<'_>) {
        let (document, errors) = DeTable::parse_recoverable(text);
        syntax::report(&errors, text, report);
        drop(errors);
        let mut entries: Vec<_> = document.get_ref().iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in entries {
            let at = key.span().start;
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("stream", DeValue::Table(table)) => {
                    self.stream.read(table, at, &mut self.notifiers, report);
                }
                ("defaults", DeValue::Table(table)) => {
                    self.defaults.read(table, at, &mut self.notifiers, report);
                }
                ("rule", DeValue::Array(rules)) => {
                    self.rules.read_all(rules, &mut self.notifiers, report);
                }
                ("downstream", DeValue::Array(list)) => {
                    let (notifiers, lookup) = (&mut self.notifiers, self.lookup);
                    self.downstreams.read_all(list, notifiers, report, lookup);
                }
                ("forward", DeValue::Array(list)) => {
                    self.downstreams
                        .read_forwards(list, &mut self.notifiers, report);
                }
                ("silence", DeValue::Array(silences)) => self.silences.read_all(silences, report),
                ("notify", DeValue::Table(table)) => {
                    self.notifiers.read_all(table, report, self.lookup);
                }
                ("sink", DeValue::Table(table)) => self.sinks.read_all(table, report, self.lookup),
                ("archive", DeValue::Table(table)) => self.archive.read(table, at, report),
                ("archive", _) => report.fault(at, None, Some("archive"), archive::one_table()),
                ("stream", _) => report.fault(at, None, Some("stream"), stream::one_table()),
                ("defaults", _) => {
                    report.fault(at, None, Some("defaults"), defaults::one_table());
                }
                ("rule", _) => report.fault(at, None, Some("rule"), rule::many_tables()),
                ("silence", _) => report.fault(at, None, Some("silence"), silence::many_tables()),
                ("downstream", _) => {
                    report.fault(at, None, Some("downstream"), downstream::many_tables());
                }
                ("forward", _) => {
                    report.fault(at, None, Some("forward"), downstream::many_forwards());
                }
                ("sink", _) => report.fault(at, None, Some("sink"), sink::one_table()),
                ("notify", _) => report.fault(at, None, Some("notify"), notify::one_table()),
                // Below a broken header everything looks as if it stood outside of its table.
                _ if report.is_broken() => {}
                (other, value) => report.fault(at, None, Some(other), unknown(other, value)),
            }
        }
    }

    fn keep(&mut self, report: Report<'_>) {
        let (faults, more) = report.finish();
        self.more_faults += more;
        self.extend(faults);
    }

    fn extend(&mut self, faults: Vec<Fault>) {
        let room = MAX_SHOWN.saturating_sub(self.faults.len());
        self.more_faults += faults.len().saturating_sub(room);
        self.faults.extend(faults.into_iter().take(room));
    }

    fn finish(mut self, files: &[(String, Vec<u8>)]) -> Reading {
        self.extend(self.notifiers.unknown());
        let namesakes = self.downstreams.namesakes(&self.rules.names());
        self.extend(namesakes);
        let without_sink = self.downstreams.without_sink(&self.sinks.names());
        self.extend(without_sink);
        if !self.faults.is_empty() {
            in_order(&mut self.faults, files);
            return Reading {
                set: None,
                faults: self.faults,
                more_faults: self.more_faults,
                warnings: Vec::new(),
            };
        }
        let warnings = self.warnings(files);
        let set = RuleSet {
            silences: self.silences.into_list(),
            notifiers: self.notifiers.into_list(),
            downstreams: self.downstreams.into_list(&self.defaults),
            sinks: self.sinks.into_list(),
            archive: self.archive.into_rule(),
            ..self
                .rules
                .into_set(self.stream.into_rule(&self.defaults), &self.defaults)
        };
        Reading {
            set: Some(set),
            faults: Vec::new(),
            more_faults: 0,
            warnings,
        }
    }

    fn warnings(&mut self, files: &[(String, Vec<u8>)]) -> Vec<Fault> {
        let mut warnings = self.rules.warnings();
        let mut labels = self.rules.labels();
        labels.extend(self.stream.label_names().chain(self.defaults.label_names()));
        labels.extend(self.downstreams.labels());
        let mut rules = self.rules.names();
        rules.extend(self.downstreams.names());
        warnings.extend(self.silences.warnings(&rules, &labels, &self.notifiers));
        warnings.extend(self.notifiers.warnings(self.lookup));
        let wants = self.rules.wants(&self.defaults).chain(self.stream.want());
        let wants = wants.chain(self.downstreams.wants(&self.defaults));
        warnings.extend(self.notifiers.refused(wants, self.lookup));
        in_order(&mut warnings, files);
        warnings.truncate(MAX_SHOWN);
        if let (true, Some((file, _))) = (self.rules.is_empty(), files.first()) {
            warnings.push(only_the_stream(file));
        }
        warnings
    }
}

/// Sorts by file, in the order of their reading, and by place.
fn in_order(faults: &mut [Fault], files: &[(String, Vec<u8>)]) {
    let file = |fault: &Fault| files.iter().position(|(name, _)| *name == fault.file);
    faults.sort_by_cached_key(|fault| (file(fault), fault.line, fault.col));
}

fn only_the_stream(file: &str) -> Fault {
    let start = Position {
        file: file.to_owned(),
        line: 1,
        col: 1,
    };
    let what = "no [[rule]] in any file: only the stream as a whole is watched";
    let allowed = "a [[rule]] with only a name watches every heartbeat";
    Fault::new(&start, None, None, Wrong::new(what, allowed))
}

/// The file's text without a byte order mark; else what of it is text, and what is wrong.
fn text_of(bytes: &[u8]) -> Result<&str, (&str, Wrong)> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    if bytes.len() > MAX_FILE_BYTES {
        let what = format!("the file is longer than {MAX_FILE_BYTES} bytes");
        return Err(("", Wrong::new(what, "split it into several")));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let good = &bytes[..error.valid_up_to()];
        let good = std::str::from_utf8(good).unwrap_or_default();
        (
            good,
            Wrong::new("these bytes are not UTF-8", "rule files are UTF-8 text"),
        )
    })
}

/// A key or table at the top of the file that has no meaning there.
fn unknown(name: &str, value: &DeValue<'_>) -> Wrong {
    const TABLES: &str = "tables are [stream], [defaults], [[rule]], [[silence]], [[downstream]], [sink.NAME], [[forward]], [notify.NAME] and [archive]";
    if matches!(value, DeValue::Table(_) | DeValue::Array(_)) {
        let hint = nearest::hint(
            name,
            &[
                "stream",
                "defaults",
                "rule",
                "silence",
                "downstream",
                "sink",
                "forward",
                "notify",
                "archive",
            ],
        );
        return Wrong::new(format!("unknown table{hint}"), TABLES);
    }
    let home = if key::has(rule::KEYS, name) || key::has(stream::KEYS, name) {
        "move it below [stream] or a [[rule]]"
    } else if key::has(silence::KEYS, name) || notify::names().contains(&name) {
        "move it below a [[silence]] or a [notify.NAME]"
    } else {
        "keys belong below [stream] or a [[rule]]"
    };
    Wrong::new("a key outside of any table", home)
}

/// Every key of every table, as Markdown tables.
pub fn markdown() -> String {
    let tables = [
        ("[stream]", stream::KEYS),
        ("[defaults]", defaults::KEYS),
        ("[[rule]]", rule::KEYS),
        ("[[silence]]", silence::KEYS),
        ("[[downstream]]", downstream::KEYS),
        ("[downstream.find]", downstream::FIND),
        ("[downstream.shipper]", downstream::SHIPPER),
        ("[sink.NAME]", sink::KEYS),
        ("[[forward]]", downstream::FORWARD),
        ("[notify.NAME]", notify::TYPE),
        ("[notify.NAME] type = \"sentry\"", notify::SENTRY),
        ("[notify.NAME] type = \"webhook\"", notify::WEBHOOK),
        ("[notify.NAME] type = \"email\"", notify::EMAIL),
        (
            "[notify.NAME] type = \"alertmanager\"",
            notify::ALERTMANAGER,
        ),
        ("[archive]", archive::KEYS),
    ];
    tables
        .map(|(table, keys)| key::markdown(table, keys))
        .join("\n")
}

/// Every key of every table, as a JSON Schema for editors.
pub fn schema() -> String {
    let table = |name, form, keys: &[&'static [key::Key]]| -> Table {
        let mut all: Vec<&'static key::Key> = Vec::new();
        for key in keys.iter().copied().flatten() {
            if !all.iter().any(|one| one.name == key.name) {
                all.push(key);
            }
        }
        Table {
            name,
            keys: all,
            form,
            parts: Vec::new(),
        }
    };
    let downstream = Table {
        parts: vec![
            table("find", Form::Once, &[downstream::FIND]),
            table("shipper", Form::Once, &[downstream::SHIPPER]),
        ],
        ..table("downstream", Form::List, &[downstream::KEYS])
    };
    let notifiers = [
        notify::TYPE,
        notify::SENTRY,
        notify::WEBHOOK,
        notify::EMAIL,
        notify::ALERTMANAGER,
    ];
    let schema = schema::of(&[
        table("stream", Form::Once, &[stream::KEYS]),
        table("defaults", Form::Once, &[defaults::KEYS]),
        table("rule", Form::List, &[rule::KEYS]),
        table("silence", Form::List, &[silence::KEYS]),
        downstream,
        table("sink", Form::Named, &[sink::KEYS]),
        table("forward", Form::List, &[downstream::FORWARD]),
        table("notify", Form::Named, &notifiers),
        table("archive", Form::Once, &[archive::KEYS]),
    ]);
    let mut text = serde_json::to_string_pretty(&schema).expect("texts and lists are JSON");
    text.push('\n');
    text
}
