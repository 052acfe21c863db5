//! `/api/v1/openapi.json`: the description of the API, derived from handlers and their types. The responses that every path
//! has are added here; a test holds the paths against the router, and a fuzzer the whole against the answers.

use super::auth::access::Refusal;
use super::dto::Error;
use super::dto::live::Frame;
use super::error::ApiError;
use super::response::TEXT;
use super::{etag, handlers};
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::LazyLock;
use std::time::Duration;
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "lastbeat",
        description = "Shows silent targets, since when they are silent, and how far that reaches. Times are RFC 3339, spans are \
            seconds. Every answer is an object, and a refusal is `{\"error\":\"...\"}`. A path that takes GET takes HEAD too. \
            A request names its host once, as `Host` alone or in the address as well. Clients that accept gzip get scrapes, this description and \
            JSON of 4 KiB and more compressed: those responses have `Vary: Accept-Encoding`, and `Content-Encoding: gzip` \
            where they are compressed. Paths below /api/ need the token; with LASTBEAT_ANONYMOUS=read only changes need it.",
        license(name = "MIT", identifier = "MIT"),
    ),
    servers((url = "/")),
    security(("token" = []), ("session" = [])),
    tags(
        (name = "state", description = "State of targets, incidents and lastbeat itself."),
        (name = "change", description = "Changes and tests."),
        (name = "live", description = "Log entries and changes, as server-sent events."),
        (name = "probes", description = "Open to all."),
    ),
    components(schemas(Error, Frame<'static>)),
    paths(
        handlers::apps::list,
        handlers::downstream::list,
        handlers::downstream::refill,
        handlers::drill::run,
        handlers::entries::list,
        handlers::forgotten::list,
        handlers::incidents::acknowledge,
        handlers::incidents::list,
        handlers::incidents::one,
        handlers::instances::list,
        handlers::instances::one,
        handlers::live::events,
        handlers::live::logs,
        handlers::probes::health,
        handlers::probes::metrics,
        handlers::probes::ready,
        handlers::silences::add,
        handlers::silences::expire,
        handlers::silences::list,
        handlers::report::get,
        handlers::status::rules,
        handlers::status::status,
        document,
    ),
)]
struct Derived;

const DOCUMENT_PATH: &str = "/api/v1/openapi.json";

/// The whole description.
static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let derived = Derived::openapi();
    let mut document = serde_json::to_value(derived).expect("a description is JSON");
    document["info"]["summary"] = json!("Heartbeat monitoring of a log stream");
    for (path, operations) in document["paths"].as_object_mut().into_iter().flatten() {
        for (_, operation) in operations.as_object_mut().into_iter().flatten() {
            complete(path, operation);
        }
    }
    let components = &mut document["components"];
    for (_, schema) in components["schemas"].as_object_mut().into_iter().flatten() {
        close(schema);
    }
    components["responses"] = responses();
    components["headers"] = headers();
    components["securitySchemes"] = security_schemes();
    document
});

/// The description as it is sent, with its `ETag`.
static SENT: LazyLock<(Bytes, HeaderValue)> = LazyLock::new(|| {
    let text = format!("{}\n", *DOCUMENT);
    let tag = etag::of(text.as_bytes());
    (text.into(), tag)
});

/// Get this description
#[utoipa::path(
    get,
    path = "/api/v1/openapi.json",
    operation_id = "description",
    tag = "state",
    params(("If-None-Match" = String, Header, description = "The ETag of the client's copy; several are separated by commas.")),
    responses(
        (status = 200, description = "The description.", body = Object),
        (status = 304, description = "The client's copy is up to date."),
    ),
)]
pub(super) async fn document(headers: HeaderMap) -> Response {
    let (text, tag) = &*SENT;
    let response = etag::response(&headers, tag, text);
    let headers = [
        // With the token or without, it may not be shown from a cache.
        (CACHE_CONTROL, "private, no-cache"),
        (CONTENT_TYPE, "application/json"),
    ];
    (headers, response).into_response()
}

/// The paths below `/api/`, for a client that asks for another one.
pub(super) fn api_paths() -> String {
    let paths = DOCUMENT["paths"].as_object().into_iter().flatten();
    let paths = paths.map(|(path, _)| path.as_str());
    let paths: Vec<&str> = paths.filter(|path| path.starts_with("/api/")).collect();
    paths.join(", ")
}

/// Adds to an operation the responses that all paths of its kind have, and says of each parameter that it is optional.
fn complete(path: &str, operation: &mut Value) {
    let parameters = operation
        .get_mut("parameters")
        .and_then(Value::as_array_mut);
    for parameter in parameters.into_iter().flatten() {
        parameter["required"] = json!(parameter["in"] == "path");
    }
    let is_api = path.starts_with("/api/");
    let mut common = vec![("403", "Forbidden"), ("431", "HeadTooLong")];
    if is_api {
        common.extend([("400", "BadRequest"), ("401", "NoToken")]);
        common.extend([("405", "OtherMethod"), ("429", "TooManyAttempts")]);
    } else {
        common.extend([("400", "BadHost"), ("405", "OtherMethodPlain")]);
        common.retain(|(status, _)| path != "/healthz" || *status != "403");
        operation["security"] = json!([]);
    }
    if operation.get("requestBody").is_some() {
        common.extend([
            ("408", "BodyTimeout"),
            ("413", "BodyTooLong"),
            ("415", "NotJson"),
        ]);
    }
    let responses = &mut operation["responses"];
    for (status, name) in common {
        responses[status] = json!({ "$ref": format!("#/components/responses/{name}") });
    }
    let (vary, coding, etag) = (header("Vary"), header("ContentEncoding"), header("ETag"));
    if path == "/metrics" {
        responses["200"]["headers"] = json!({ "Vary": vary, "Content-Encoding": coding });
    } else if path == DOCUMENT_PATH {
        responses["304"]["headers"] = json!({ "Vary": vary, "ETag": etag });
        responses["200"]["headers"] =
            json!({ "Vary": vary, "Content-Encoding": coding, "ETag": etag });
    }
}

fn header(name: &str) -> Value {
    json!({ "$ref": format!("#/components/headers/{name}") })
}

/// Says of an object of the API that it has no other fields, and that a field which may be `null` is always there.
fn close(schema: &mut Value) {
    let Some(properties) = schema["properties"].as_object() else {
        return;
    };
    let is_null = |schema: &Value| {
        let kinds = schema["type"].as_array().into_iter().flatten();
        kinds.chain([&schema["type"]]).any(|kind| kind == "null")
    };
    let is_nullable = |schema: &Value| {
        is_null(schema)
            || schema["oneOf"]
                .as_array()
                .is_some_and(|any| any.iter().any(is_null))
    };
    let nullable = properties.iter().filter(|(_, schema)| is_nullable(schema));
    let nullable: Vec<Value> = nullable.map(|(name, _)| name.as_str().into()).collect();
    let mut required: Vec<Value> = schema["required"].as_array().cloned().unwrap_or_default();
    required.extend(nullable);
    required.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
    required.dedup();
    schema["required"] = required.into();
    schema["additionalProperties"] = json!(false);
}

/// The responses that many paths have.
fn responses() -> Value {
    let refusal = |about: &str, error: ApiError| {
        let example = json!({ "error": error.to_string() });
        let schema = json!({ "$ref": "#/components/schemas/Error" });
        json!({
            "description": about,
            "content": { "application/json": { "schema": schema, "example": example } },
        })
    };
    let plain = json!({ "schema": { "type": "string" } });
    let text = |about: &str| json!({ "description": about, "content": { TEXT: plain } });
    let required = |schema: Value| json!({ "schema": schema, "required": true });
    let mut bad_request = refusal(
        "The request is invalid; `faults` has every fault of it. Plain text where its address or its host is invalid.",
        ApiError::Invalid(Vec::new()),
    );
    bad_request["content"][TEXT] = plain.clone();
    let mut no_token = refusal("The token is missing or wrong.", Refusal::Token.into());
    no_token["headers"]["WWW-Authenticate"] =
        required(json!({ "type": "string", "enum": ["Bearer"] }));
    let allow = required(json!({ "type": "string" }));
    let mut other_method = json!({
        "description": "The path does not take this method.",
        "headers": { "Allow": allow },
        "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } },
    });
    let mut other_method_plain = text("The path does not take this method.");
    other_method_plain["headers"]["Allow"] = other_method["headers"]["Allow"].clone();
    other_method["content"]["application/json"]["example"] =
        json!({ "error": "this path does not take that method: use GET, HEAD" });
    let mut too_many_attempts = refusal(
        "Too many wrong tokens came from this address or its neighbourhood: tokens from there are refused for a while. A \
         session that has begun stays valid.",
        Refusal::Wait(Duration::ZERO).into(),
    );
    too_many_attempts["headers"]["Retry-After"] =
        required(json!({ "type": "integer", "minimum": 1 }));
    json!({
        "BadHost": text("The request names no host, or two, or its address and its Host header differ."),
        "BadRequest": bad_request,
        "BodyTimeout": refusal("The body did not arrive within 5 seconds.", ApiError::BodyTimeout),
        "BodyTooLong": refusal("The body is longer than 16 KiB.", ApiError::BodyTooLong),
        "Forbidden": refusal(
            "No token is set, and the request comes from another machine, from a page of another site, or asks for a name \
             that is not this machine's.",
            Refusal::Foreign.into(),
        ),
        "HeadTooLong": { "description": "The request's head has more than 16 KiB or 64 headers." },
        "NoToken": no_token,
        "NotJson": refusal("The body is not JSON, or does not say so.", ApiError::NotJson),
        "OtherMethod": other_method,
        "OtherMethodPlain": other_method_plain,
        "TooManyAttempts": too_many_attempts,
    })
}

/// The headers of compressed responses.
fn headers() -> Value {
    json!({
        "ETag": {
            "description": "The tag of these bytes; a weak one where they are compressed.",
            "schema": { "type": "string", "pattern": "^(W/)?\"[0-9a-f]{24}\"$" },
            "required": true,
        },
        "Vary": {
            "description": "The response depends on the codings that the client accepts.",
            "schema": { "type": "string", "enum": ["Accept-Encoding"] },
            "required": true,
        },
        "ContentEncoding": {
            "description": "Only where the response is compressed.",
            "schema": { "type": "string", "enum": ["gzip"] },
        },
    })
}

fn security_schemes() -> Value {
    json!({
        "token": { "type": "http", "scheme": "bearer", "description": "LASTBEAT_TOKEN, or the token of the file that the log names." },
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": "lastbeat_session_9090",
            "description": "The cookie that the page's sign-in sets; the number is the port in the page's address, and left \
                            out where there is none.",
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    /// Paths with their methods, as the description has them.
    fn described() -> BTreeMap<String, BTreeSet<String>> {
        let paths = DOCUMENT["paths"].as_object().expect("paths");
        let methods = |operations: &Value| {
            let operations = operations.as_object().expect("operations");
            operations.keys().map(|key| key.to_uppercase()).collect()
        };
        paths
            .iter()
            .map(|(path, operations)| (path.clone(), methods(operations)))
            .collect()
    }

    /// Paths with their methods, as the router's text has them.
    fn routed() -> BTreeMap<String, BTreeSet<String>> {
        let router = include_str!("router.rs");
        let router = &router[..router.find("#[cfg(test)]").unwrap_or(router.len())];
        let routes = router.split(".route(").skip(1).filter_map(|route| {
            let path = route.split('"').nth(1)?;
            let methods = ["get(", "post(", "delete("].into_iter();
            let methods = methods.filter(|method| route.contains(method));
            let methods = methods.map(|method| method.trim_end_matches('(').to_uppercase());
            Some((path.to_owned(), methods.collect()))
        });
        routes.collect()
    }

    #[test]
    fn what_is_described_is_what_there_is() {
        let mut routed = routed();
        // The page and its sign-in are not part of the API, nor are the routes that refuse unknown paths.
        let page = |path: &str| path == "/" || path.starts_with("/sign-");
        let unknown = |path: &str| path == "/api/" || path.starts_with("/api/{");
        routed.retain(|path, _| !page(path) && !unknown(path));
        assert_eq!(described(), routed);
        assert_eq!(DOCUMENT["info"]["version"], env!("CARGO_PKG_VERSION"));
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
        all(&DOCUMENT, &mut asked);
        let mut there_are = BTreeSet::new();
        for kind in ["schemas", "responses", "headers"] {
            let components = DOCUMENT["components"][kind]
                .as_object()
                .expect("components");
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
        let said = |schema: &str| DOCUMENT["components"]["schemas"][schema]["enum"].clone();
        assert_eq!(said("Verdict"), json!(Verdict::ALL.map(Verdict::label)));
        assert_eq!(said("Scope"), json!(Scope::ALL.map(Scope::label)));
        assert_eq!(said("Severity"), json!(Severity::ALL.map(Severity::label)));
    }
}
