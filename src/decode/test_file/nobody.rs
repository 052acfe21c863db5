//! Lines of a test that name an instance or a host that no other line names: probably a typing error.

use super::case::{Expected, Line};
use super::event::Event;
use super::expect::Expect;
use super::names::Name;
use std::collections::HashSet;

pub(super) const ALLOWED: &str =
    "an instance says or logs something in another line, or the inventory lists it";

/// Lines that match no instance or host: position, key and fault of each.
pub(super) fn faults(
    lines: &[Line],
    expected: &[Expected],
) -> Vec<((usize, usize), &'static str, String)> {
    let known = Known::of(lines);
    if known.names.is_empty() {
        return Vec::new();
    }
    let events = lines.iter().filter_map(|line| {
        let what = known.fault_of_event(&line.what)?;
        Some((line.place, "lines", what))
    });
    let expectations = expected.iter().filter_map(|one| {
        let what = known.fault_of_expectation(&one.what)?;
        Some((one.place, "expect", what))
    });
    events.chain(expectations).collect()
}

/// The instances and hosts of a test.
struct Known<'l> {
    names: HashSet<&'l Name>,
    paths: HashSet<String>,
    hosts: HashSet<&'l str>,
}

impl<'l> Known<'l> {
    fn of(lines: &'l [Line]) -> Self {
        let mut names = HashSet::new();
        let mut hosts = HashSet::new();
        for line in lines {
            match &line.what {
                Event::Speech(speech) => names.extend(&speech.who),
                Event::Listed { who, .. } => names.extend(who),
                Event::Host { host, .. } => {
                    hosts.insert(host.as_str());
                }
                _ => {}
            }
        }
        Known {
            paths: names.iter().map(|name| name.path()).collect(),
            names,
            hosts,
        }
    }

    fn fault_of_event(&self, event: &Event) -> Option<String> {
        let nobody = || Some("the line matches no instance".to_owned());
        match event {
            Event::Mute { who, .. }
            | Event::Late { who: Some(who), .. }
            | Event::Clock { who, .. }
            | Event::Held { who, .. } => {
                let any = self.names.iter().any(|name| who.matches(name));
                if any { None } else { nobody() }
            }
            Event::Host { who, .. } => {
                let unknown = who.iter().find(|name| !self.names.contains(name))?;
                Some(format!("{} says nothing in this test", unknown.path()))
            }
            Event::Silence { matchers, .. } => {
                let is = |name: &&&Name| {
                    matchers.app.matches(&name.app)
                        && matchers.region.matches(&name.region)
                        && matchers.instance.matches(&name.instance)
                };
                let host = &matchers.host;
                let has_host =
                    host.0.is_empty() || self.hosts.iter().any(|known| host.matches(known));
                if self.names.iter().any(|name| is(&name)) && has_host {
                    None
                } else {
                    nobody()
                }
            }
            _ => None,
        }
    }

    fn fault_of_expectation(&self, expect: &Expect) -> Option<String> {
        let target = match expect {
            // It also holds for an instance that logs nothing, and older test files use it so.
            Expect::State { not: true, .. } => None,
            Expect::State { target, .. } | Expect::Members { target, .. } => Some(target),
            Expect::Told(told, _) | Expect::NotTold(told) => {
                let mut listed = told.listing.iter().flatten();
                if let Some(unknown) = listed.find(|path| !self.paths.contains(*path)) {
                    return Some(format!("{unknown} says nothing in this test"));
                }
                told.target.as_ref()
            }
            _ => None,
        }?;
        let path = target.split(" beat ").next().unwrap_or(target);
        let is_instance = path.split('/').count() == 3;
        (is_instance && !self.paths.contains(path))
            .then(|| format!("{path} says nothing in this test"))
    }
}
