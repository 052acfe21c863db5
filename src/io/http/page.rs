//! The page: HTML, style sheet, script and icon, all of them within the program. They say nothing of the organisation, so
//! that who may not see gets them too, and a form to sign in with; what is shown comes from `/api/`.

pub(super) mod sign_in;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
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

const FILES: [File; 4] = [
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
        path: "/icon.svg",
        kind: "image/svg+xml",
        text: include_str!("page/icon.svg"),
    },
];

/// The `ETag` of each, made when the first is asked for.
static TAGS: LazyLock<[HeaderValue; FILES.len()]> = LazyLock::new(|| {
    FILES.map(|file| {
        let digest = ring::digest::digest(&ring::digest::SHA256, file.text.as_bytes());
        let hex: String = digest.as_ref()[..12]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        HeaderValue::from_str(&format!("\"{hex}\"")).expect("hex digits may stand in a header")
    })
});

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
    let (file, tag) = (&FILES[at], &TAGS[at]);
    let known = is_known(headers, tag);
    let body = if known { "" } else { file.text };
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let said = response.headers_mut();
    for (name, value) in HEADERS {
        said.insert(name, HeaderValue::from_static(value));
    }
    said.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.kind));
    said.insert(header::ETAG, tag.clone());
    Some(response)
}

/// Whether the asker has what this tag stands for. A proxy that compresses makes the tag a weak one.
fn is_known(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let has = headers.get_all(header::IF_NONE_MATCH).iter();
    let mut tags = has
        .filter_map(|value| value.to_str().ok())
        .flat_map(|tags| tags.split(','));
    tags.any(|one| {
        let one = one.trim();
        tag == one.strip_prefix("W/").unwrap_or(one)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of all files together: over a slow line it is there within a second.
    const MOST_BYTES: usize = 60_000;

    #[test]
    fn all_of_it_is_small() {
        let bytes: usize = FILES.iter().map(|file| file.text.len()).sum();
        assert!(bytes < MOST_BYTES, "{bytes} bytes");
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
