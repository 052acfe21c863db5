//! Queries of the API's addresses: text in, a checked question or every fault at once out.

use super::{globs, log_level, nearest, redact};
use crate::core::notice::Scope;
use crate::core::persist::IncidentQuery;
use crate::core::rule::{Globs, Severity};
use crate::core::snapshot::Verdict;
use crate::core::time::Wall;
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Rows in an answer by default.
const DEFAULT_LIMIT: u32 = 100;
/// Rows in an answer at most: some hundred kilobytes.
const MAX_LIMIT: u32 = 1_000;
/// Characters of a word that a fault repeats.
const SHOWN_CHARS: usize = 40;

const INSTANCES: [&str; 6] = ["app", "region", "instance", "verdict", "limit", "cursor"];
const INCIDENTS: [&str; 11] = [
    "state", "app", "region", "instance", "rule", "scope", "severity", "from", "until", "limit",
    "cursor",
];

const ENTRIES: [&str; 10] = [
    "since", "until", "app", "region", "instance", "q", "regex", "level", "limit", "cursor",
];

const TAIL: [&str; 5] = ["app", "region", "instance", "q", "subject"];

/// A question that is read from the query of an address.
pub trait FromQuery: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// Every fault there is, each a line for people.
    fn from_query(query: &str) -> Result<Self, Vec<String>>;
}

/// The query of `/api/logs`. A field that is `None` or empty matches every entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TailQuery {
    /// The app.
    pub app: Globs,
    /// The region.
    pub region: Globs,
    /// The instance.
    pub instance: Globs,
    /// A part of the payload, as it is on the stream.
    pub q: Option<String>,
    /// Each frame is to have the entry's subject.
    pub with_subject: bool,
}

impl FromQuery for TailQuery {
    fn from_query(query: &str) -> Result<Self, Vec<String>> {
        let mut read = Read::new(query, &TAIL);
        let asked = TailQuery {
            app: read.globs("app"),
            region: read.globs("region"),
            instance: read.globs("instance"),
            q: read.text("q"),
            with_subject: read
                .one_of(
                    "subject",
                    &[true, false],
                    |with| if with { "1" } else { "0" },
                )
                .unwrap_or_default(),
        };
        read.done(asked)
    }
}

/// The query of `/api/v1/entries`. A field that is `None` or empty matches every entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntriesQuery {
    /// Wall clock: the earliest arrival.
    pub since: Option<Wall>,
    /// Wall clock: arrivals before.
    pub until: Option<Wall>,
    /// The app.
    pub app: Globs,
    /// The region.
    pub region: Globs,
    /// The instance.
    pub instance: Globs,
    /// A part of the payload.
    pub q: Option<String>,
    /// A valid regular expression over the payload.
    pub regex: Option<String>,
    /// Levels, in their canonical words.
    pub levels: Vec<String>,
    /// Entries at most.
    pub limit: u32,
    /// The place at which the search begins.
    pub cursor: Option<String>,
}

impl FromQuery for EntriesQuery {
    fn from_query(query: &str) -> Result<Self, Vec<String>> {
        let mut read = Read::new(query, &ENTRIES);
        let regex = read.text("regex");
        if let Some(Err(why)) = regex.as_deref().map(redact::compile) {
            read.faults.push(format!("regex: {why}"));
        }
        let levels = read.text("level").unwrap_or_default();
        let levels = levels.split(',').map(str::trim);
        let levels = levels.filter(|level| !level.is_empty());
        let asked = EntriesQuery {
            levels: levels.map(log_level::canonical).collect(),
            since: read.time("since"),
            until: read.time("until"),
            app: read.globs("app"),
            region: read.globs("region"),
            instance: read.globs("instance"),
            q: read.text("q"),
            regex,
            limit: read.limit(),
            cursor: read.with("cursor", "the `next` of the page before", place),
        };
        read.done(asked)
    }
}

/// A place in the archive: the name of a segment, a dot, and a number of bytes.
fn place(cursor: &str) -> Option<String> {
    let (name, offset) = cursor.split_once('.')?;
    let is_name = name.len() == 20 && name.is_ascii();
    (is_name && offset.parse::<u64>().is_ok()).then(|| cursor.to_owned())
}

/// The query of `/api/v1/instances`. A field that is `None` matches every instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstanceQuery {
    /// The app.
    pub app: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The instance.
    pub instance: Option<String>,
    /// The verdict.
    pub verdict: Option<Verdict>,
    /// Rows at most.
    pub limit: usize,
    /// Only instances with a subject after this one.
    pub after: Option<String>,
}

impl FromQuery for InstanceQuery {
    fn from_query(query: &str) -> Result<Self, Vec<String>> {
        let mut read = Read::new(query, &INSTANCES);
        let asked = InstanceQuery {
            app: read.text("app"),
            region: read.text("region"),
            instance: read.text("instance"),
            verdict: read.one_of("verdict", &Verdict::ALL, Verdict::label),
            limit: read.limit() as usize,
            after: read.with("cursor", "the `next` of the page before", subject),
        };
        read.done(asked)
    }
}

/// The query of `/api/v1/report`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportQuery {
    /// Wall clock: incidents that opened at or after.
    pub from: Option<Wall>,
}

impl FromQuery for ReportQuery {
    fn from_query(query: &str) -> Result<Self, Vec<String>> {
        let mut read = Read::new(query, &["from"]);
        let asked = ReportQuery {
            from: read.time("from"),
        };
        read.done(asked)
    }
}

impl FromQuery for IncidentQuery {
    fn from_query(query: &str) -> Result<Self, Vec<String>> {
        let mut read = Read::new(query, &INCIDENTS);
        let open = read.one_of("state", &[true, false], |open| {
            if open { "open" } else { "closed" }
        });
        let label = |label: &'static str| label.to_owned();
        let asked = IncidentQuery {
            open,
            app: read.text("app"),
            region: read.text("region"),
            instance: read.text("instance"),
            rule: read.text("rule"),
            scope: read
                .one_of("scope", &Scope::ALL, Scope::label)
                .map(|scope| label(scope.label())),
            severity: read
                .one_of("severity", &Severity::ALL, Severity::label)
                .map(|severity| label(severity.label())),
            from: read.time("from"),
            until: read.time("until"),
            limit: read.limit(),
            before: read.with("cursor", "the `next` of the page before", incident),
        };
        let (from, until) = (asked.from, asked.until);
        if let (Some(from), Some(until)) = (from, until)
            && from >= until
        {
            read.faults
                .push("until: not after `from`; no incident can match".to_owned());
        }
        read.done(asked)
    }
}

/// An incident's number from its id; `None` where it is no id.
pub fn incident(id: &str) -> Option<u64> {
    let plain = (1..=16).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain.then(|| u64::from_str_radix(id, 16).ok()).flatten()
}

/// The cursor after a subject: letters that need no quoting in an address.
pub fn cursor(subject: &str) -> String {
    HEXLOWER.encode(subject.as_bytes())
}

/// The subject of a cursor. One that was never handed out is a place in the order all the same.
fn subject(cursor: &str) -> Option<String> {
    let bytes = HEXLOWER_PERMISSIVE.decode(cursor.as_bytes()).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads parameters one by one, and collects their faults.
struct Read {
    values: BTreeMap<String, String>,
    faults: Vec<String>,
}

impl Read {
    fn new(query: &str, known: &[&str]) -> Self {
        let (mut values, mut faults) = (BTreeMap::new(), Vec::new());
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            if !known.contains(&key.as_ref()) {
                let (shown, hint) = (short(&key), nearest::hint(&key, known));
                faults.push(format!(
                    "{shown}: unknown parameter{hint}; known are {}",
                    known.join(", ")
                ));
            } else if values.contains_key(key.as_ref()) {
                faults.push(format!("{key}: given twice; give it once"));
            } else if !value.is_empty() {
                // An empty one is a field of a form that was left out.
                values.insert(key.into_owned(), value.into_owned());
            }
        }
        Read { values, faults }
    }

    fn done<T>(self, asked: T) -> Result<T, Vec<String>> {
        if self.faults.is_empty() {
            Ok(asked)
        } else {
            Err(self.faults)
        }
    }

    fn text(&mut self, key: &str) -> Option<String> {
        self.values.remove(key)
    }

    /// Globs with commas between them.
    fn globs(&mut self, key: &str) -> Globs {
        let text = self.text(key).unwrap_or_default();
        let globs = text
            .split(',')
            .map(str::trim)
            .filter(|glob| !glob.is_empty());
        let globs: Vec<String> = globs.map(str::to_owned).collect();
        let fault = globs.iter().find_map(|glob| globs::check(glob).err());
        self.faults.extend(fault.map(|why| format!("{key}: {why}")));
        Globs(globs)
    }

    fn with<T>(&mut self, key: &str, allowed: &str, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let text = self.values.remove(key)?;
        let value = read(&text);
        if value.is_none() {
            self.faults.push(format!(
                "{key}: invalid value {}; expected {allowed}",
                short(&text)
            ));
        }
        value
    }

    fn one_of<T: Copy>(
        &mut self,
        key: &str,
        all: &[T],
        label: impl Fn(T) -> &'static str,
    ) -> Option<T> {
        let labels: Vec<&str> = all.iter().map(|one| label(*one)).collect();
        let allowed = format!("one of {}", labels.join(", "));
        self.with(key, &allowed, |text| {
            all.iter().copied().find(|one| label(*one) == text)
        })
    }

    fn limit(&mut self) -> u32 {
        let allowed = format!("a number from 1 to {MAX_LIMIT}");
        let fits = |text: &str| {
            text.parse()
                .ok()
                .filter(|limit| (1..=MAX_LIMIT).contains(limit))
        };
        self.with("limit", &allowed, fits).unwrap_or(DEFAULT_LIMIT)
    }

    fn time(&mut self, key: &str) -> Option<Wall> {
        self.with(key, "a time such as 2026-01-31T18:00:00Z", |text| {
            // The plus of an offset is a space in a query that was written by hand.
            let stamp: Timestamp = text.replace(' ', "+").parse().ok()?;
            // No incident is older than 1970 or younger than 2554: all of them lie on one side of such a time.
            let nanos = stamp.as_nanosecond().clamp(0, i128::from(u64::MAX));
            u64::try_from(nanos).ok().map(Wall::from_nanos)
        })
    }
}

/// A word of the request, cut short and quoted.
fn short(text: &str) -> String {
    format!("{:?}", text.chars().take(SHOWN_CHARS).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_read() {
        let asked =
            InstanceQuery::from_query("app=web&verdict=silent&limit=7&region=").expect("whole");
        let expected = InstanceQuery {
            app: Some("web".to_owned()),
            verdict: Some(Verdict::Silent),
            limit: 7,
            ..InstanceQuery::default()
        };
        assert_eq!(asked, expected);
        assert_eq!(InstanceQuery::from_query("").expect("all").limit, 100);
        let subject = "logs.w\u{e9}b.iad.x";
        let next =
            InstanceQuery::from_query(&format!("cursor={}", cursor(subject))).expect("whole");
        assert_eq!(next.after.as_deref(), Some(subject));
        let asked = IncidentQuery::from_query(
            "state=closed&scope=app-region&severity=info&rule=a%20b&from=2026-01-31T18:00:00+01:00&cursor=0000000000ff",
        );
        let asked = asked.expect("whole");
        assert_eq!(
            (asked.open, asked.before, asked.limit),
            (Some(false), Some(255), 100)
        );
        assert_eq!(
            (asked.scope.as_deref(), asked.severity.as_deref()),
            (Some("app-region"), Some("info"))
        );
        assert_eq!(asked.rule.as_deref(), Some("a b"));
        assert_eq!(asked.from.map(Wall::seconds), Some(1_769_878_800.0));
    }

    #[test]
    fn every_fault_is_told_with_what_is_allowed() {
        let faults = IncidentQuery::from_query(
            "sate=open&limit=0&scope=galaxy&from=noon&app=a&app=b&cursor=xyz",
        );
        let faults = faults.expect_err("six are wrong");
        let expected = [
            "\"sate\": unknown parameter, nearest is state; known are state, app,",
            "app: given twice",
            "scope: invalid value \"galaxy\"; expected one of stream, regions, region, app,",
            "from: invalid value \"noon\"; expected a time such as",
            "limit: invalid value \"0\"; expected a number from 1 to 1000",
            "cursor: invalid value \"xyz\"; expected the `next`",
        ];
        assert_eq!(faults.len(), expected.len(), "{faults:?}");
        for (fault, expected) in faults.iter().zip(expected) {
            assert!(fault.starts_with(expected), "{fault}");
        }
        let never =
            IncidentQuery::from_query("from=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z");
        assert!(never.is_err_and(|faults| faults[0].starts_with("until: ")));
        for bad in [
            "cursor=abc",
            "cursor=%C3%A9%C3%A9",
            "limit=1001",
            "verdict=dead",
        ] {
            assert!(InstanceQuery::from_query(bad).is_err(), "{bad}");
        }
        for bad in ["", "12345678901234567", "+1", "x"] {
            assert_eq!(incident(bad), None, "{bad}");
        }
    }
}
