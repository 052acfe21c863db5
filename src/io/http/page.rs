//! The page: HTML, style sheet, scripts and icon, all of them within the program. They tell nothing of the organisation, so
//! everyone gets them, with a form to sign in; the data comes from `/api/`.

mod lean;

use super::etag;
use super::response::{TEXT, typed};
use axum::http::Uri;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use bytes::Bytes;
use lean::lean;
use std::sync::LazyLock;

/// Scripts, styles, icons and requests of our own alone, no frames, no forms that a browser sends by itself, and no way
/// to make elements or scripts of a text.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

/// Headers of all files. A browser asks each time for changes, so that an update of lastbeat shows at once.
const HEADERS: [(HeaderName, &str); 9] = [
    (header::CACHE_CONTROL, "no-cache"),
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::VARY, "Accept"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=()",
    ),
];

/// The plain text of `/`.
const ABOUT: &str = concat!(
    "lastbeat ",
    env!("CARGO_PKG_VERSION"),
    "
It watches a log stream and alerts when heartbeats stop or the stream goes quiet.

  /metrics   all metrics, for Prometheus
  /readyz    ready where it receives logs and delivers alerts; else the reasons
  /healthz   alive
  /          the page, in a browser

With the token of LASTBEAT_TOKEN, or of the file that the log names:

  /api/v1/status      the status of lastbeat, as JSON
  /api/v1/apps        each app, with the share of time in which it was live
  /api/v1/instances   each instance, by name; ?app=&region=&instance=&verdict=&limit=&cursor=
  /api/v1/incidents   the newest first; ?state=open and more; /api/v1/incidents/ID for one
                      POST /api/v1/incidents/ID/acknowledge: somebody works on it
  /api/v1/entries     entries of the archive; ?since=&until=&app=&region=&instance=&q=&regex=&level=
  /api/v1/downstream  each log shipper, from the stream to its sink
  /api/v1/forgotten   targets that are still silent and no longer watched
  /api/v1/rules       the rules in force
  /api/v1/report      the detection time and the false alarms of each rule; ?from=
  /api/v1/silences    the silences in force
  /api/v1/events      changes, as server-sent events
  /api/logs           entries as they arrive, as server-sent events; ?app=&region=&instance=&q=
"
);

/// One file of the page.
struct File {
    path: &'static str,
    media_type: &'static str,
    text: &'static str,
}

const FILES: [File; 13] = [
    File {
        path: "/",
        media_type: "text/html; charset=utf-8",
        text: include_str!("page/index.html"),
    },
    File {
        path: "/page.css",
        media_type: "text/css; charset=utf-8",
        text: include_str!("page/page.css"),
    },
    File {
        path: "/page.js",
        media_type: "text/javascript; charset=utf-8",
        text: include_str!("page/page.js"),
    },
    File {
        path: "/head.js",
        media_type: "text/javascript; charset=utf-8",
        text: include_str!("page/head.js"),
    },
    File {
        path: "/views.js",
        media_type: "text/javascript; charset=utf-8",
        text: include_str!("page/views.js"),
    },
    File {
        path: "/strip.js",
        media_type: "text/javascript; charset=utf-8",
        text: include_str!("page/strip.js"),
    },
    File {
        path: "/history.js",
        media_type: "text/javascript; charset=utf-8",
        text: include_str!("page/history.js"),
    },
    File {
        path: "/rules.js",
        media_type: "text/javascript; charset=utf-8",
        text: include_str!("page/rules.js"),
    },
    File {
        path: "/tail.js",
        media_type: "text/javascript; charset=utf-8",
        text: include_str!("page/tail.js"),
    },
    File {
        path: "/entries.js",
        media_type: "text/javascript; charset=utf-8",
        text: include_str!("page/entries.js"),
    },
    File {
        path: "/chain.js",
        media_type: "text/javascript; charset=utf-8",
        text: include_str!("page/chain.js"),
    },
    File {
        path: "/icon.svg",
        media_type: "image/svg+xml",
        text: include_str!("page/icon.svg"),
    },
    File {
        path: "/alarm.svg",
        media_type: "image/svg+xml",
        text: include_str!("page/alarm.svg"),
    },
];

/// The files as they are sent, with the `ETag` of each; made when the first is asked for.
static SENT: LazyLock<[(Bytes, HeaderValue); FILES.len()]> = LazyLock::new(|| {
    FILES.map(|file| {
        let text = lean(file.path, file.text);
        let tag = etag::of(text.as_bytes());
        (Bytes::from(text), tag)
    })
});

/// `/`: the page for a browser, which asks for HTML, and plain text for others.
pub(super) async fn index(headers: HeaderMap) -> Response {
    let accept = headers.get_all(header::ACCEPT).iter();
    let mut accept = accept.filter_map(|value| value.to_str().ok());
    if accept.any(|kinds| kinds.to_ascii_lowercase().contains("text/html")) {
        response(&FILES[0], &SENT[0], &headers)
    } else {
        typed(TEXT, ABOUT)
    }
}

/// The paths of the other files.
pub(super) fn paths() -> impl Iterator<Item = &'static str> {
    FILES[1..].iter().map(|file| file.path)
}

/// A file of the page, or 304 if the client has the current one.
pub(super) async fn file(uri: Uri, headers: HeaderMap) -> Response {
    find(uri.path(), &headers).expect("the router knows the files alone")
}

/// `None` where the page has no such file.
fn find(path: &str, headers: &HeaderMap) -> Option<Response> {
    let at = FILES.iter().position(|file| file.path == path)?;
    Some(response(&FILES[at], &SENT[at], headers))
}

fn response(file: &File, (text, tag): &(Bytes, HeaderValue), headers: &HeaderMap) -> Response {
    let mut response = typed(file.media_type, etag::response(headers, tag, text));
    let headers = HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value)));
    response.headers_mut().extend(headers);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::StatusCode;

    /// Bytes of all files together, a third of it on the wire: over a slow line they are there within a second. With views of
    /// incidents, apps, rules and silences they are more than the 64 kB of before.
    const MOST_BYTES: usize = 100_000;

    #[test]
    fn all_of_it_is_small() {
        let bytes: usize = SENT.iter().map(|(text, _)| text.len()).sum();
        assert!(bytes < MOST_BYTES, "{bytes} bytes");
    }

    #[test]
    fn the_headline_has_words_for_every_alarm_that_is_no_silence() {
        let head = FILES.iter().find(|file| file.path.ends_with("head.js"));
        let head = head.expect("the headline has a file").text;
        let scopes = crate::core::notice::Scope::ALL;
        let alarms = crate::core::notice::Alarm::ALL;
        for name in alarms
            .iter()
            .flat_map(|alarm| scopes.map(|scope| alarm.name(scope)))
        {
            let is_silence = ["Silent", "Missed", "StreamStalled"];
            let is_silence = is_silence.iter().any(|end| name.ends_with(end));
            let has_words = head.contains(&format!(" {name}: '"));
            assert!(is_silence || has_words, "{name}");
        }
    }

    #[test]
    fn every_text_of_the_page_ends_in_its_line() {
        for line in FILES.iter().flat_map(|file| file.text.lines()) {
            let is_whole = line.matches('`').count().is_multiple_of(2);
            assert!(
                is_whole,
                "a text of several lines would lose spaces: {line}"
            );
        }
        let scripts = FILES.iter().filter(|file| file.path.ends_with(".js"));
        let code = scripts.flat_map(|file| file.text.lines().map(str::trim_start));
        for line in code.filter(|line| !line.contains(['`', '/', '"'])) {
            let is_whole = line.matches('\'').count().is_multiple_of(2);
            assert!(is_whole, "its quotes would be taken for code: {line}");
        }
    }

    #[test]
    fn nothing_stands_in_the_page_that_its_policy_forbids_or_that_comes_from_elsewhere() {
        let all: String = FILES.iter().map(|file| file.text).collect();
        for word in [
            "<style",
            " style=",
            " onclick=",
            " onload=",
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "setHTML",
            "ContextualFragment",
            "DOMParser",
            "srcdoc",
            "document.write",
            "eval(",
            "new Function",
            "javascript:",
            "@import",
            "url(",
        ] {
            assert!(!all.contains(word), "{word}");
        }
        let foreign = all.match_indices("//").filter(|(at, _)| {
            let before = &all[..*at];
            let own = ["http://www.w3.org/2000/svg"];
            (before.ends_with("http:") || before.ends_with("https:"))
                && !own.iter().any(|own| all[at - 5..].starts_with(own))
        });
        assert_eq!(foreign.count(), 0, "the page asks nobody else");
    }

    #[test]
    fn who_has_it_is_told_so() {
        let ask = |header: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = header {
                let value = value.parse().expect("a value");
                headers.insert(header::IF_NONE_MATCH, value);
            }
            find("/page.js", &headers).expect("a file of the page")
        };
        let first = ask(None);
        assert_eq!(first.status(), StatusCode::OK);
        let tag = first.headers()[header::ETAG].to_str().expect("text");
        for (sent, status) in [
            (tag.to_owned(), 304),
            (format!("\"x\", W/{tag}"), 304),
            ("\"x\"".to_owned(), 200),
        ] {
            assert_eq!(ask(Some(&sent)).status().as_u16(), status, "{sent}");
        }
        assert!(find("/page.jsx", &HeaderMap::new()).is_none());
    }
}
