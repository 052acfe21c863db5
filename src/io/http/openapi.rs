//! `/api/v1/openapi.json`: the API described for programs. The description stands beside this file; tests hold it against
//! the table of paths, against what is answered, and a fuzzer reads it.

use super::tag;
use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use serde_json::{Value, json};
use std::sync::LazyLock;

const DESCRIPTION: &str = include_str!("openapi.json");

/// With the version of this program in it.
static WHOLE: LazyLock<Value> = LazyLock::new(|| {
    let mut whole: Value = serde_json::from_str(DESCRIPTION)
        .expect("the description is JSON: a test of this file reads it");
    whole["info"]["version"] = json!(env!("CARGO_PKG_VERSION"));
    whole
});

/// As it is sent, with its `ETag`.
static SENT: LazyLock<(Bytes, HeaderValue)> = LazyLock::new(|| {
    let text = format!("{}\n", *WHOLE);
    let tag = tag::of(text.as_bytes());
    (text.into(), tag)
});

/// The description, or that the asker has it. Who keeps it asks each time: with a token or without, it may not be shown.
pub(super) fn answer(headers: &HeaderMap) -> Response<Full<Bytes>> {
    let (text, tag) = &*SENT;
    let mut response = tag::answer(headers, tag, text);
    let said = response.headers_mut();
    for (name, value) in [
        (CACHE_CONTROL, "private, no-cache"),
        (CONTENT_TYPE, "application/json"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        said.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::http::routes::ROUTES;
    use std::collections::{BTreeMap, BTreeSet};

    /// Paths with their methods, as the description has them.
    fn described() -> BTreeMap<String, BTreeSet<String>> {
        let paths = WHOLE["paths"].as_object().expect("paths");
        let methods = |operations: &Value| {
            let operations = operations.as_object().expect("operations");
            operations.keys().map(|key| key.to_uppercase()).collect()
        };
        paths
            .iter()
            .map(|(path, operations)| (path.clone(), methods(operations)))
            .collect()
    }

    #[test]
    fn what_is_described_is_what_there_is() {
        let there_is: BTreeMap<String, BTreeSet<String>> = ROUTES
            .iter()
            .map(|route| {
                // What takes GET takes HEAD: the description says so once for all.
                let methods = route.allow.split(", ").filter(|method| *method != "HEAD");
                (route.path.to_owned(), methods.map(str::to_owned).collect())
            })
            .collect();
        assert_eq!(described(), there_is);
        assert_eq!(WHOLE["info"]["version"], env!("CARGO_PKG_VERSION"));
    }

    #[test]
    fn every_reference_leads_somewhere_and_nothing_is_described_for_nobody() {
        fn all<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
            match value {
                Value::Object(object) => {
                    let reference = object.get("$ref").and_then(Value::as_str);
                    found.extend(reference);
                    object.values().for_each(|value| all(value, found));
                }
                Value::Array(list) => list.iter().for_each(|value| all(value, found)),
                _ => {}
            }
        }
        let mut asked = BTreeSet::new();
        all(&WHOLE, &mut asked);
        let mut there_are = BTreeSet::new();
        for kind in ["schemas", "responses", "headers"] {
            let components = WHOLE["components"][kind].as_object().expect("components");
            let names = components.keys();
            there_are.extend(names.map(|name| format!("#/components/{kind}/{name}")));
        }
        let asked: BTreeSet<String> = asked.into_iter().map(str::to_owned).collect();
        assert_eq!(asked, there_are);
    }

    #[test]
    fn words_in_lists_are_those_of_the_core() {
        use crate::core::notice::Scope;
        use crate::core::rule::Severity;
        use crate::core::snapshot::Verdict;
        let said = |schema: &str| WHOLE["components"]["schemas"][schema]["enum"].clone();
        assert_eq!(said("Verdict"), json!(Verdict::ALL.map(Verdict::label)));
        assert_eq!(said("Scope"), json!(Scope::ALL.map(Scope::label)));
        assert_eq!(said("Severity"), json!(Severity::ALL.map(Severity::label)));
    }
}
