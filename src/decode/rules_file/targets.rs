//! The targets of a rule, and the keys that only some of them take: `host`, `expect`, `at_least`.

use super::fault::{Fault, Wrong, quoted};
use super::fields::Fields;
use super::value;
use crate::core::rule::{By, Globs};
use crate::decode::nearest;

/// Words of `by`.
const TARGETS: &[(&str, By)] = &[
    ("instance", By::Instance),
    ("app-region", By::AppRegion),
    ("app", By::App),
    ("region", By::Region),
];

/// Regions of Fly.io, past ones included: https://fly.io/docs/reference/regions/
const FLY_REGIONS: &[&str] = &[
    "ams", "arn", "atl", "bog", "bom", "bos", "cdg", "den", "dfw", "ewr", "eze", "fra", "gdl",
    "gig", "gru", "hkg", "iad", "jnb", "lax", "lhr", "maa", "mad", "mia", "nrt", "ord", "otp",
    "phx", "qro", "scl", "sea", "sin", "sjc", "syd", "waw", "yul", "yyz",
];

/// The targets of a rule.
pub(super) struct Targets {
    pub(super) app: Globs,
    pub(super) region: Globs,
    pub(super) host: Globs,
    pub(super) by: By,
    pub(super) expect: Vec<String>,
    pub(super) at_least: Option<u32>,
}

/// Reads them; what does not go together is reported.
pub(super) fn read(fields: &mut Fields<'_, '_, '_>, is_beat: bool) -> Targets {
    let by = fields.take("by", |v| value::choice(v, TARGETS));
    // A `by` that is wrong is reported once; what goes with it cannot be known.
    let by_is_known = by.is_some() || !fields.has("by");
    let targets = Targets {
        app: fields.take_globs("app"),
        region: fields.take_globs("region"),
        host: fields.take_globs_by("host", value::host_glob),
        by: by.unwrap_or_default(),
        expect: fields.take_list("expect", value::name_count, value::expected),
        at_least: fields.take("at_least", |v| value::whole(v, value::AT_LEAST)),
    };
    if by_is_known {
        agree(fields, &targets, is_beat);
    }
    targets
}

fn agree(fields: &mut Fields<'_, '_, '_>, targets: &Targets, is_beat: bool) {
    let by = targets.by;
    if fields.has("host") && !is_beat {
        let what =
            "only heartbeats carry a host, and watch = \"logs\" accepts any entry".to_owned();
        fields.fault(
            "host",
            Wrong::new(what, "remove it, or set watch = \"heartbeat\""),
        );
    } else if fields.has("host") && by != By::Instance {
        let what = format!("by = \"{}\" has no single host", by.label());
        fields.fault(
            "host",
            Wrong::new(what, "remove it, or set by = \"instance\""),
        );
    }
    if by == By::Instance {
        for (key, why) in [
            ("expect", "instances have no known names before they start"),
            ("at_least", "each instance is a target of its own"),
        ] {
            if fields.has(key) {
                let allowed = "set it with by = \"app-region\", \"app\" or \"region\"";
                fields.fault(key, Wrong::new(why.to_owned(), allowed));
            }
        }
        return;
    }
    let (globs, key) = match by {
        By::App => (&targets.app, "app"),
        _ => (&targets.region, "region"),
    };
    for name in targets.expect.iter().filter(|name| !globs.matches(name)) {
        let what = format!("{} does not match the rule's {key}", quoted(name));
        let allowed = format!("by = \"{}\" expects names of its {key}", by.label());
        fields.fault("expect", Wrong::new(what, allowed));
    }
}

/// A warning for each expected region that Fly.io does not have.
pub(super) fn unknown_regions(
    fields: &Fields<'_, '_, '_>,
    rule: &str,
    targets: &Targets,
) -> Vec<Fault> {
    if !matches!(targets.by, By::Region | By::AppRegion) {
        return Vec::new();
    }
    let position = fields.position("expect");
    let unknown = |name: &&String| !FLY_REGIONS.contains(&name.as_str());
    let warn = |name: &String| {
        let hint = nearest::hint(name, FLY_REGIONS);
        let what = format!("{} is not a known region of Fly.io{hint}", quoted(name));
        let wrong = Wrong::new(what, "ignore this for a new region, or elsewhere");
        Fault::new(&position, Some(rule), Some("expect"), wrong)
    };
    targets.expect.iter().filter(unknown).map(warn).collect()
}
