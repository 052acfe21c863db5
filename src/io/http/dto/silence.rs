//! Silences.

use super::Timestamp;
use crate::core::rule;
use crate::format;
use crate::io::http::backend::{SilenceRow, Source};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::openapi::schema::{
    AdditionalProperties, AllOfBuilder, AnyOfBuilder, ArrayBuilder, KnownFormat, ObjectBuilder,
    OneOfBuilder, Schema, SchemaFormat, SchemaType,
};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

/// The silences that hold now or later.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Silences {
    /// Those of the rule files first.
    pub silences: Vec<Silence>,
}

/// A silence.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Silence {
    /// Its id.
    #[schema(examples("19a1c3f2b40"))]
    pub id: String,
    /// Globs of apps; empty: all.
    pub app: Vec<String>,
    /// Globs of regions; empty: all.
    pub region: Vec<String>,
    /// Globs of instances; empty: all.
    pub instance: Vec<String>,
    /// Globs of physical hosts; empty: all.
    pub host: Vec<String>,
    /// Globs of rules' names; empty: all.
    pub rule: Vec<String>,
    /// Severities of rules; empty: all.
    pub severity: Vec<String>,
    /// Globs of labels of rules, by name; all of them match.
    pub labels: BTreeMap<String, Vec<String>>,
    /// Globs of notifiers' names; empty: all.
    pub notifier: Vec<String>,
    /// It holds now.
    pub holds: bool,
    /// The times in which it holds, from now on.
    pub windows: Vec<Window>,
    /// The reason, for other people.
    pub reason: String,
    /// The person who made it.
    pub author: String,
    /// It is defined in the rule files, and ends only with a change of those.
    pub from_rules: bool,
    /// Its cron expression; null where it was made while running.
    pub schedule: Option<String>,
    /// The time zone of the expression.
    pub timezone: Option<String>,
}

/// A time in which a silence holds.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Window {
    /// Its start.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
}

/// The silence that ended.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Expired {
    /// Its id.
    #[schema(examples("19a1c3f2b40"))]
    pub expired: String,
}

impl From<&SilenceRow> for Silence {
    fn from(row: &SilenceRow) -> Self {
        let (silence, matchers) = (&row.silence, &row.silence.matchers);
        let globs = |globs: &rule::Globs| globs.0.clone();
        let time = |at| Timestamp(format::rfc3339_seconds(at));
        let windows = silence.windows.iter().map(|(from, until)| Window {
            from: time(*from),
            until: time(*until),
        });
        let (schedule, timezone) = match &row.source {
            Source::Api => (None, None),
            Source::Rules { schedule, timezone } => (Some(schedule), Some(timezone)),
        };
        Silence {
            id: silence.id.clone(),
            app: globs(&matchers.app),
            region: globs(&matchers.region),
            instance: globs(&matchers.instance),
            host: globs(&matchers.host),
            rule: globs(&matchers.rule),
            severity: matchers
                .severity
                .iter()
                .map(|one| one.label().to_owned())
                .collect(),
            labels: matchers
                .labels
                .iter()
                .map(|(name, value)| (name.clone(), globs(value)))
                .collect(),
            notifier: globs(&matchers.notifier),
            holds: row.holds,
            windows: windows.collect(),
            reason: silence.reason.clone(),
            author: silence.author.clone(),
            from_rules: schedule.is_some(),
            schedule: schedule.cloned(),
            timezone: timezone.cloned(),
        }
    }
}

/// One line of text with a character that is neither a blank nor a control character.
const LINE: &str = r"^[^\u0000-\u001f\u007f-\u009f]*[^\u0000-\u001f\u007f-\u009f \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000][^\u0000-\u001f\u007f-\u009f]*$";

/// The schema of one line of text.
pub(super) fn line(about: &str) -> ObjectBuilder {
    super::text(about)
        .min_length(Some(1))
        .max_length(Some(500))
        .pattern(Some(LINE))
}

/// The name of a label.
const LABEL_NAME: &str = "^(?!__)[a-zA-Z_][a-zA-Z0-9_]{0,31}$";

/// A glob.
pub(in crate::io::http) struct Glob;

schema!(
    Glob,
    super::text("A glob: `*`, `?`, `[a-c]`, `{iad,lhr}`.")
        .format(Some(SchemaFormat::Custom("glob".to_owned())))
        .min_length(Some(1))
        .max_length(Some(200))
        .pattern(Some(r"^[^\u0000-\u001f\u007f-\u009f]+$"))
        .examples(["web", "batch-*"])
        .build()
);

/// The body of a request for a silence. `decode::silence_request` reads it, and reports all faults at once.
pub(in crate::io::http) struct SilenceRequest;

impl ToSchema for SilenceRequest {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Glob::name().into_owned(), Glob::schema()));
    }
}

impl PartialSchema for SilenceRequest {
    fn schema() -> RefOr<Schema> {
        let glob = || Ref::from_schema_name(Glob::name());
        let list = || {
            ArrayBuilder::new()
                .items(glob())
                .min_items(Some(1))
                .max_items(Some(100))
        };
        let globs = |about| {
            OneOfBuilder::new()
                .item(glob())
                .item(list())
                .description(Some(about))
        };
        let date_time = |about| {
            super::text(about).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        };
        let duration = super::text("Its length, at most 31 days.")
            .format(Some(SchemaFormat::Custom("humantime".to_owned())))
            .examples(["2h", "1h 30m"]);
        let severity = || {
            let labels = rule::Severity::ALL.map(rule::Severity::label);
            super::text("A severity.").enum_values(Some(labels))
        };
        let severities = OneOfBuilder::new()
            .item(severity())
            .item(ArrayBuilder::new().items(severity()).min_items(Some(1)))
            .description(Some("Severities of rules."));
        let labels = ObjectBuilder::new()
            .description(Some("Labels of rules, by name; all of them match."))
            .min_properties(Some(1))
            .max_properties(Some(16))
            .property_names(Some(
                ObjectBuilder::new()
                    .schema_type(SchemaType::new(utoipa::openapi::schema::Type::String))
                    .pattern(Some(LABEL_NAME)),
            ))
            .additional_properties(Some(Schema::OneOf(globs("The value of a label.").build())));
        let fields = ObjectBuilder::new()
            .property("app", globs("Apps."))
            .property("region", globs("Regions."))
            .property("instance", globs("Instances."))
            .property("host", globs("Physical hosts."))
            .property("rule", globs("Names of rules."))
            .property("severity", severities)
            .property("labels", labels)
            .property("notifier", globs("Names of notifiers."))
            .property("starts_at", date_time("Its start; now by default."))
            .property(
                "ends_at",
                date_time("Its end: in the future, after its start, within 31 days of that."),
            )
            .property("duration", duration)
            .property("reason", line("The reason, for other people."))
            .property("author", line("The person who makes it."))
            .required("reason")
            .required("author")
            .additional_properties(Some(AdditionalProperties::FreeForm(false)));
        let has = |field: &str| {
            ObjectBuilder::new()
                .schema_type(SchemaType::AnyValue)
                .required(field)
        };
        let matchers = [
            "app", "region", "instance", "host", "rule", "severity", "labels", "notifier",
        ]
        .into_iter();
        let about = "The targets (at least one of app, region, instance, host, rule, severity, labels and notifier; one that is left out matches all), \
                     the end, the reason, and the author.";
        AllOfBuilder::new()
            .description(Some(about))
            .item(fields)
            .item(matchers.fold(AnyOfBuilder::new(), |any, field| any.item(has(field))))
            .item(
                OneOfBuilder::new()
                    .item(has("duration"))
                    .item(has("ends_at")),
            )
            .into()
    }
}
