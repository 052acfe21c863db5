//! The page: HTML, style sheet, script and icon, all of them within the program. They say nothing of the organisation, so
//! that who may not see gets them too, and a form to sign in with; what is shown comes from `/api/`.

pub(super) mod sign_in;

use super::tag;
use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use std::sync::LazyLock;

/// Scripts, styles, icons and requests of our own alone, no frames, no forms that a browser sends by itself, and no way
/// to make elements or scripts of a text.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

/// Headers of all of them. A browser asks each time whether what it has still holds: after an update nobody sees a page
/// of before.
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

/// One file of the page.
struct File {
    path: &'static str,
    kind: &'static str,
    text: &'static str,
}

const FILES: [File; 7] = [
    File {
        path: "/",
        kind: "text/html; charset=utf-8",
        text: include_str!("page/index.html"),
    },
    File {
        path: "/page.css",
        kind: "text/css; charset=utf-8",
        text: include_str!("page/page.css"),
    },
    File {
        path: "/page.js",
        kind: "text/javascript; charset=utf-8",
        text: include_str!("page/page.js"),
    },
    File {
        path: "/strip.js",
        kind: "text/javascript; charset=utf-8",
        text: include_str!("page/strip.js"),
    },
    File {
        path: "/history.js",
        kind: "text/javascript; charset=utf-8",
        text: include_str!("page/history.js"),
    },
    File {
        path: "/tail.js",
        kind: "text/javascript; charset=utf-8",
        text: include_str!("page/tail.js"),
    },
    File {
        path: "/icon.svg",
        kind: "image/svg+xml",
        text: include_str!("page/icon.svg"),
    },
];

/// As they are sent, with the `ETag` of each; made when the first is asked for.
static SENT: LazyLock<[(Bytes, HeaderValue); FILES.len()]> = LazyLock::new(|| {
    FILES.map(|file| {
        let text = lean(file.text);
        let tag = tag::of(text.as_bytes());
        (Bytes::from(text), tag)
    })
});

/// Without what only who reads the source needs: comments that have a line of their own, and indentation.
fn lean(text: &str) -> String {
    let is_comment =
        |line: &str| line.starts_with("//") || (line.starts_with("/*") && line.ends_with("*/"));
    let lines = text.lines().map(str::trim_start);
    let kept = lines.filter(|line| !line.is_empty() && !is_comment(line));
    kept.flat_map(|line| [line, "\n"]).collect()
}

/// Whether a path is one of the page's.
pub(super) fn has(path: &str) -> bool {
    FILES.iter().any(|file| file.path == path)
}

/// Whether somebody wants the page rather than plain text: a browser says so.
pub(super) fn wants_html(headers: &HeaderMap) -> bool {
    let accept = headers.get_all(header::ACCEPT).iter();
    let mut kinds = accept.filter_map(|value| value.to_str().ok());
    kinds.any(|kinds| kinds.to_ascii_lowercase().contains("text/html"))
}

/// The file of a path, or that the asker has it; `None` where the page has no such file.
pub(super) fn answer(path: &str, headers: &HeaderMap) -> Option<Response<Full<Bytes>>> {
    let at = FILES.iter().position(|file| file.path == path)?;
    let (file, (text, tag)) = (&FILES[at], &SENT[at]);
    let mut response = tag::answer(headers, tag, text);
    let said = response.headers_mut();
    for (name, value) in HEADERS {
        said.insert(name, HeaderValue::from_static(value));
    }
    said.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.kind));
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::StatusCode;

    /// Bytes of all files together: over a slow line it is there within a second.
    const MOST_BYTES: usize = 60_000;

    #[test]
    fn all_of_it_is_small() {
        let bytes: usize = SENT.iter().map(|(text, _)| text.len()).sum();
        assert!(bytes < MOST_BYTES, "{bytes} bytes");
    }

    #[test]
    fn what_is_left_out_is_only_for_readers_of_the_source() {
        let text = "// why\na {\n  /* what */\n\n  b: '// c'; // d\n}\n";
        assert_eq!(lean(text), "a {\nb: '// c'; // d\n}\n");
        for line in FILES.iter().flat_map(|file| file.text.lines()) {
            let whole = line.matches('`').count().is_multiple_of(2);
            assert!(
                whole,
                "a text of several lines would lose its spaces: {line}"
            );
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
            answer("/page.js", &headers).expect("a file of the page")
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
        assert!(answer("/page.jsx", &HeaderMap::new()).is_none());
    }
}
