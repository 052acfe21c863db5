//! The subject of an incident.

use crate::core::incident::kind::Scope;

/// Subject of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// The stream itself.
    Stream,
    /// Several regions, which the incident lists.
    Regions,
    /// A region.
    Region(u32),
    /// An app.
    App(u32),
    /// An app in a region.
    AppRegion(u32),
    /// A physical host.
    Host(u32),
    /// Some targets of an app.
    Part(u32),
    /// A downstream, by its number.
    Downstream(u32),
}

impl Key {
    /// Its scope.
    pub const fn scope(self) -> Scope {
        match self {
            Key::Stream => Scope::Stream,
            Key::Regions => Scope::Regions,
            Key::Region(_) => Scope::Region,
            Key::App(_) => Scope::App,
            Key::AppRegion(_) => Scope::AppRegion,
            Key::Host(_) => Scope::Host,
            Key::Part(_) => Scope::Instance,
            Key::Downstream(_) => Scope::Downstream,
        }
    }

    /// Rank among scopes with equally many silent and abstaining instances; the lowest is chosen: an app that has no
    /// other region before that region, a host before the app-region that lives only on it.
    pub(super) const fn preference(self) -> u8 {
        match self {
            Key::App(_) => 0,
            Key::Region(_) => 1,
            Key::Regions => 2,
            Key::Host(_) => 3,
            Key::AppRegion(_) => 4,
            Key::Part(_) | Key::Stream | Key::Downstream(_) => 5,
        }
    }
}
