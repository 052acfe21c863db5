//! Queries of well-known services, in the shapes of their public documentation.

use crate::core::downstream::rule::{AnswerShape, Find, Proof};
use data_encoding::BASE64;
use std::collections::BTreeMap;

/// A service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Preset {
    /// Better Stack: ClickHouse's SQL over HTTP.
    BetterStack,
    /// Grafana Loki, also that of Grafana Cloud.
    Loki,
    /// Elasticsearch.
    Elasticsearch,
    /// OpenSearch.
    OpenSearch,
    /// ClickHouse.
    ClickHouse,
    /// Datadog.
    Datadog,
    /// Axiom.
    Axiom,
    /// Papertrail.
    Papertrail,
}

/// Values that a query is made of.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// Address of the service.
    pub(super) url: Option<String>,
    /// User.
    pub(super) user: Option<String>,
    /// Password.
    pub(super) password: Option<String>,
    /// Token.
    pub(super) token: Option<String>,
    /// Application key.
    pub(super) app_token: Option<String>,
    /// Table, index, dataset or selector.
    pub(super) from: Option<String>,
    /// Column or field of the message.
    pub(super) message: Option<String>,
    /// Column of the time.
    pub(super) time: Option<String>,
}

impl Parts {
    /// A header with the user's or the token's credentials; none without these.
    pub(super) fn credentials(&self) -> BTreeMap<String, String> {
        let value = match (&self.user, &self.password, &self.token) {
            (Some(user), Some(password), _) => {
                let both = format!("{user}:{password}");
                format!("Basic {}", BASE64.encode(both.as_bytes()))
            }
            (_, _, Some(token)) => format!("Bearer {token}"),
            _ => return BTreeMap::new(),
        };
        BTreeMap::from([("Authorization".to_owned(), value)])
    }

    fn token(&self) -> &str {
        self.token.as_deref().unwrap_or_default()
    }

    fn message(&self) -> &str {
        self.message.as_deref().unwrap_or("message")
    }

    fn source_or(&self, default: &'static str) -> &str {
        self.from.as_deref().unwrap_or(default)
    }

    fn url_or(&self, default: &'static str) -> &str {
        self.url.as_deref().unwrap_or(default).trim_end_matches('/')
    }
}

impl Preset {
    /// All presets.
    pub(super) const ALL: [Preset; 8] = [
        Preset::BetterStack,
        Preset::Loki,
        Preset::Elasticsearch,
        Preset::OpenSearch,
        Preset::ClickHouse,
        Preset::Datadog,
        Preset::Axiom,
        Preset::Papertrail,
    ];

    /// The word in rule files.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Preset::BetterStack => "betterstack",
            Preset::Loki => "loki",
            Preset::Elasticsearch => "elasticsearch",
            Preset::OpenSearch => "opensearch",
            Preset::ClickHouse => "clickhouse",
            Preset::Datadog => "datadog",
            Preset::Axiom => "axiom",
            Preset::Papertrail => "papertrail",
        }
    }

    /// Keys that it takes beside url and headers.
    pub(super) fn keys(self) -> &'static [&'static str] {
        match self {
            Preset::BetterStack => &["user", "password", "from"],
            Preset::Loki => &["user", "password", "token", "from"],
            Preset::Elasticsearch | Preset::OpenSearch => {
                &["user", "password", "token", "from", "message"]
            }
            Preset::ClickHouse => &["user", "password", "from", "message", "time"],
            Preset::Datadog => &["token", "app_token"],
            Preset::Axiom => &["token", "from", "message"],
            Preset::Papertrail => &["token"],
        }
    }

    /// Keys that it needs.
    pub(super) fn required(self) -> &'static [&'static str] {
        match self {
            Preset::BetterStack => &["url", "user", "password", "from"],
            Preset::Loki | Preset::Elasticsearch | Preset::OpenSearch => &["url"],
            Preset::ClickHouse => &["url", "from"],
            Preset::Datadog => &["token", "app_token"],
            Preset::Axiom => &["token", "from"],
            Preset::Papertrail => &["token"],
        }
    }

    /// The query. Each asks for the newest first, so that a limit cuts off old entries.
    pub(super) fn find(self, parts: &Parts) -> Find {
        let mut headers = BTreeMap::new();
        let mut header = |name: &str, value: &str| {
            headers.insert(name.to_owned(), value.to_owned());
        };
        let message = parts.message();
        let (url, body) = match self {
            Preset::BetterStack => {
                let url = parts.url_or("").to_owned();
                let from = parts.source_or("");
                let sql = format!(
                    "SELECT dt, raw FROM remote({from}) WHERE dt >= toDateTime({{since_s}}) AND raw LIKE '%{{nonce}}%' \
                     ORDER BY dt DESC LIMIT 1000 FORMAT JSONEachRow"
                );
                (url, Some(sql))
            }
            Preset::Loki => {
                let selector = parts.source_or("{fly_app_name=~\".+\"}");
                let encode = |text: String| {
                    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>()
                };
                let before = encode(format!("{selector} |= \""));
                let after = encode("\"".to_owned());
                let base = parts.url_or("");
                let url = format!(
                    "{base}/loki/api/v1/query_range?query={before}{{nonce}}{after}&start={{since_s}}000000000\
                     &limit=1000&direction=backward"
                );
                (url, None)
            }
            Preset::Elasticsearch | Preset::OpenSearch => {
                let url = format!("{}/{}/_search", parts.url_or(""), parts.source_or("*"));
                let body = format!(
                    r#"{{"size":1000,"_source":["{message}"],"sort":[{{"@timestamp":{{"order":"desc"}}}}],"query":{{"bool":{{"filter":[{{"range":{{"@timestamp":{{"gte":"{{since_rfc3339}}"}}}}}},{{"match_phrase":{{"{message}":"{{nonce}}"}}}}]}}}}}}"#
                );
                (url, Some(body))
            }
            Preset::ClickHouse => {
                let (from, time) = (
                    parts.source_or(""),
                    parts.time.as_deref().unwrap_or("timestamp"),
                );
                let sql = format!(
                    "SELECT {message} FROM {from} WHERE {time} >= toDateTime({{since_s}}) AND position({message}, '{{nonce}}') > 0 \
                     ORDER BY {time} DESC LIMIT 1000 FORMAT JSONEachRow"
                );
                (format!("{}/", parts.url_or("")), Some(sql))
            }
            Preset::Datadog => {
                header("DD-API-KEY", parts.token());
                header(
                    "DD-APPLICATION-KEY",
                    parts.app_token.as_deref().unwrap_or_default(),
                );
                let base = parts.url_or("https://api.datadoghq.com");
                let body = r#"{"filter":{"query":"{nonce}","from":"{since_rfc3339}","to":"now"},"sort":"-timestamp","page":{"limit":1000}}"#;
                (
                    format!("{base}/api/v2/logs/events/search"),
                    Some(body.to_owned()),
                )
            }
            Preset::Axiom => {
                let base = parts.url_or("https://api.axiom.co");
                let from = parts.source_or("");
                let body = format!(
                    r#"{{"apl":"['{from}'] | where ['{message}'] contains '{{nonce}}' | sort by _time desc | limit 1000","startTime":"{{since_rfc3339}}"}}"#
                );
                (
                    format!("{base}/v1/datasets/_apl?format=tabular"),
                    Some(body),
                )
            }
            Preset::Papertrail => {
                header("X-Papertrail-Token", parts.token());
                let base = parts.url_or("https://papertrailapp.com");
                let url = format!(
                    "{base}/api/v1/events/search.json?q={{nonce}}&min_time={{since_s}}&limit=1000"
                );
                (url, None)
            }
        };
        match (self, &parts.user, &parts.password, &parts.token) {
            (Preset::ClickHouse, Some(user), Some(password), _) => {
                header("X-ClickHouse-User", user);
                header("X-ClickHouse-Key", password);
            }
            (Preset::Elasticsearch, None, _, Some(token)) => {
                header("Authorization", &format!("ApiKey {token}"));
            }
            (Preset::Datadog | Preset::Papertrail | Preset::ClickHouse, ..) => {}
            _ => headers.extend(parts.credentials()),
        }
        Find {
            url,
            body,
            headers,
            proof: Proof::Canary,
            shape: Some(self.shape()),
        }
    }

    /// The shape of its answers.
    const fn shape(self) -> AnswerShape {
        let (pointer, complete): (_, &[_]) = match self {
            Preset::BetterStack | Preset::ClickHouse => return AnswerShape::Rows,
            Preset::Loki => ("/data/result", &[("/status", "\"success\"")]),
            Preset::Elasticsearch | Preset::OpenSearch => (
                "/hits/hits",
                &[("/timed_out", "false"), ("/_shards/failed", "0")],
            ),
            Preset::Datadog => ("/data", &[("/meta/status", "\"done\"")]),
            Preset::Axiom => ("/tables", &[("/status/isPartial", "false")]),
            Preset::Papertrail => ("/events", &[("/reached_time_limit", "false")]),
        };
        AnswerShape::List { pointer, complete }
    }
}
