//! The search for markers: a byte search for entries, a word search within a message.

use memchr::memmem::Finder;

/// The markers of the rules, prepared for searching.
#[derive(Clone, Debug)]
pub struct Markers(Vec<Marker>);

/// One marker, prepared for searching.
#[derive(Clone, Debug)]
pub(super) struct Marker {
    text: String,
    /// Position of the byte that is rarest in logs, and that byte in both cases.
    rare: usize,
    bytes: (u8, u8),
    exact: Finder<'static>,
}

impl Markers {
    /// Prepares them; the position in the list is the marker's id.
    pub fn new(markers: &[String]) -> Self {
        Markers(markers.iter().map(|text| Marker::new(text)).collect())
    }

    /// True if a payload carries any marker, in any case: if not, nothing in it needs parsing.
    #[inline]
    pub fn in_bytes(&self, payload: &[u8]) -> bool {
        self.0
            .iter()
            .any(|marker| marker.find_any_case(payload).is_some())
    }

    /// The length of a marker, in bytes.
    pub(super) fn length(&self, id: usize) -> usize {
        self.0.get(id).map_or(0, |marker| marker.text.len())
    }

    /// Every marker, in the order of their ids.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Marker> {
        self.0.iter()
    }
}

impl Marker {
    fn new(text: &str) -> Self {
        let rare = (0..text.len())
            .min_by_key(|&at| frequency(text.as_bytes()[at]))
            .unwrap_or(0);
        let byte = text.as_bytes().get(rare).copied().unwrap_or(0);
        Marker {
            text: text.to_owned(),
            rare,
            bytes: (byte.to_ascii_lowercase(), byte.to_ascii_uppercase()),
            exact: Finder::new(text.as_bytes()).into_owned(),
        }
    }

    /// The marker as the rules write it: letters, digits and underscores.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    #[inline]
    fn find_any_case(&self, bytes: &[u8]) -> Option<usize> {
        let is = |at: &usize| {
            let found = at
                .checked_sub(self.rare)
                .and_then(|start| bytes.get(start..start + self.text.len()));
            found.is_some_and(|found| found.eq_ignore_ascii_case(self.text.as_bytes()))
        };
        memchr::memchr2_iter(self.bytes.0, self.bytes.1, bytes)
            .find(is)
            .map(|at| at - self.rare)
    }

    /// The next place of the marker in a text, from an offset on.
    pub(super) fn next(&self, text: &str, from: usize, case: Case) -> Option<usize> {
        let rest = text.as_bytes().get(from..)?;
        let found = match case {
            Case::Exact => self.exact.find(rest),
            Case::Any => self.find_any_case(rest),
        };
        Some(from + found?)
    }
}

/// Which spelling of a marker is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    /// As the rules write it.
    Exact,
    /// In any mixture of upper and lower case.
    Any,
}

/// Rough frequency of a byte in logs: letters by their frequency in English, hexadecimal digits and blanks often,
/// the rest seldom.
fn frequency(byte: u8) -> usize {
    const RARE_FIRST: &[u8] = b"zqjxkvwygpumbhlcfdnrtsoiea";
    RARE_FIRST
        .iter()
        .position(|&letter| letter == byte.to_ascii_lowercase())
        .unwrap_or(RARE_FIRST.len())
}
