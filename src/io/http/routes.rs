//! Every path there is for programs, in one table: requests are sent on their way by it, and a test holds it against the
//! description.

use hyper::Method;
use percent_encoding::percent_decode_str;

/// What can only be read.
const READ: &str = "GET, HEAD";
const CHANGE: &str = "GET, HEAD, POST";

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Apps,
    Description,
    Drill,
    Events,
    Health,
    Incident,
    Incidents,
    Instance,
    Instances,
    Logs,
    Metrics,
    Ready,
    Rules,
    Silence,
    Silences,
    Status,
}

/// A path, and how it may be asked.
pub(super) struct Route {
    /// With names in braces, each of which stands for one part.
    pub(super) path: &'static str,
    /// Methods, as in the header `Allow`.
    pub(super) allow: &'static str,
    pub(super) place: Place,
}

const fn route(path: &'static str, allow: &'static str, place: Place) -> Route {
    Route { path, allow, place }
}

/// All of them.
pub(super) const ROUTES: [Route; 16] = [
    route("/api/logs", READ, Place::Logs),
    route("/api/v1/apps", READ, Place::Apps),
    route("/api/v1/drill", "POST", Place::Drill),
    route("/api/v1/events", READ, Place::Events),
    route("/api/v1/incidents", READ, Place::Incidents),
    route("/api/v1/incidents/{id}", READ, Place::Incident),
    route("/api/v1/instances", READ, Place::Instances),
    route(
        "/api/v1/instances/{app}/{region}/{instance}",
        READ,
        Place::Instance,
    ),
    route("/api/v1/openapi.json", READ, Place::Description),
    route("/api/v1/rules", READ, Place::Rules),
    route("/api/v1/silences", CHANGE, Place::Silences),
    route("/api/v1/silences/{id}", "DELETE", Place::Silence),
    route("/api/v1/status", READ, Place::Status),
    route("/healthz", READ, Place::Health),
    route("/metrics", READ, Place::Metrics),
    route("/readyz", READ, Place::Ready),
];

impl Route {
    /// Whether it may be asked so.
    pub(super) fn takes(&self, method: &Method) -> bool {
        self.allow.split(", ").any(|one| one == method.as_str())
    }

    /// What stands for the names in braces, decoded; `None` where the path is another.
    fn names(&self, path: &str) -> Option<Vec<String>> {
        let mut parts = path.split('/');
        let mut names = Vec::new();
        for own in self.path.split('/') {
            let part = parts.next()?;
            if !own.starts_with('{') {
                if own != part {
                    return None;
                }
                continue;
            }
            let name = percent_decode_str(part).decode_utf8().ok()?;
            if name.is_empty() {
                return None;
            }
            names.push(name.into_owned());
        }
        parts.next().is_none().then_some(names)
    }
}

/// The route of a path, and what stands for its names in braces.
pub(super) fn find(path: &str) -> Option<(&'static Route, Vec<String>)> {
    ROUTES
        .iter()
        .find_map(|route| Some((route, route.names(path)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_place_or_none() {
        let found = |path: &str| find(path).map(|(route, names)| (route.place, names.join("|")));
        let one = |place, names: &str| Some((place, names.to_owned()));
        for (path, place) in [
            ("/metrics", one(Place::Metrics, "")),
            ("/api/v1/silences", one(Place::Silences, "")),
            ("/api/v1/silences/19a", one(Place::Silence, "19a")),
            ("/api/v1/silences/a%2Fb%20c", one(Place::Silence, "a/b c")),
            ("/api/v1/incidents/%00", one(Place::Incident, "\0")),
            ("/api/v1/silences/", None),
            ("/api/v1/silences/a/b", None),
            ("/api/v1/silences/%ff", None),
            ("/api/v1/Status", None),
            ("/api/v1/status/", None),
            ("/api/v1", None),
            ("", None),
        ] {
            assert_eq!(found(path), place, "{path}");
        }
        let reads = &ROUTES[0];
        assert!(reads.takes(&Method::HEAD) && !reads.takes(&Method::POST));
    }
}
