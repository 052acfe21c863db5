//! Answers made smaller for who asks: what the program holds once for all, long JSON and scrapes each time. What goes on
//! is never packed: a packer keeps events back until it has enough of them.

use super::pieces::Chunks;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt, Full};
use hyper::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, VARY,
};
use hyper::{Response, StatusCode};
use std::collections::HashMap;
use std::io::{self, BufWriter, Write};
use std::sync::{LazyLock, Mutex, PoisonError};

/// Bytes of JSON from which on it pays: below, an answer is a packet or three anyhow.
const PAYS: usize = 4 * 1024;
/// Bytes that are packed within a millisecond; more than that goes to a thread that may block.
const AT_ONCE: usize = 64 * 1024;
/// Bytes that come together before they are packed: a text is written in crumbs.
const CRUMBS: usize = 32 * 1024;

/// The page's parts and the description of the API, packed, by tag: as many as there are files in the program, each for as
/// long as it runs.
static PARTS: LazyLock<Mutex<HashMap<HeaderValue, Bytes>>> = LazyLock::new(Mutex::default);

/// Whether gzip is asked for, and not at a weight of nothing.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    let asked = headers.get_all(ACCEPT_ENCODING).iter();
    let codings = asked
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let (mut named, mut any) = (None, false);
    for coding in codings {
        let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = parameters.trim().strip_prefix("q=");
        let is_welcome = weight.is_none_or(|weight| weight.parse().is_ok_and(|q: f32| q > 0.0));
        match name.trim() {
            name if name.eq_ignore_ascii_case("gzip") => named = Some(is_welcome),
            "*" => any = is_welcome,
            _ => {}
        }
    }
    named.unwrap_or(any)
}

/// Says that an answer is another one for who asks for another coding.
pub(super) fn vary(headers: &mut HeaderMap) {
    headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
}

/// Packs an answer for who wants it so, where it pays.
pub(super) async fn pack(wanted: bool, response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    let (mut head, body) = response.into_parts();
    let Ok(body) = body.collect().await;
    let body = body.to_bytes();
    let tag = head.headers.get(ETAG).cloned();
    let is_json = head
        .headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind == "application/json");
    if tag.is_none() && !(is_json && body.len() >= PAYS) {
        return Response::from_parts(head, Full::new(body));
    }
    vary(&mut head.headers);
    if !wanted || head.status == StatusCode::NOT_MODIFIED {
        return Response::from_parts(head, Full::new(body));
    }
    let packed = match &tag {
        Some(tag) => part(tag, &body),
        None if body.len() <= AT_ONCE => packed(&body, Compression::fast()),
        None => {
            let whole = body.clone();
            let packed = tokio::task::spawn_blocking(move || packed(&whole, Compression::fast()));
            packed.await.unwrap_or_default()
        }
    };
    if packed.is_empty() || packed.len() >= body.len() {
        return Response::from_parts(head, Full::new(body));
    }
    head.headers
        .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    // The same text in other bytes: what a strong tag stands for is bytes.
    let weak = tag.and_then(|tag| HeaderValue::try_from([b"W/", tag.as_bytes()].concat()).ok());
    if let Some(weak) = weak {
        head.headers.insert(ETAG, weak);
    }
    Response::from_parts(head, Full::new(packed))
}

/// Writes a text into pieces, packed or as it is; never are there two whole copies of it.
///
/// # Errors
/// Those of `write`.
pub(super) fn pieces(
    packs: bool,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<Vec<Bytes>> {
    let mut chunks = Chunks::default();
    if packs {
        let encoder = GzEncoder::new(&mut chunks, Compression::fast());
        let mut crumbs = BufWriter::with_capacity(CRUMBS, encoder);
        write(&mut crumbs)?;
        crumbs.into_inner().map_err(io::Error::from)?.finish()?;
    } else {
        write(&mut chunks)?;
    }
    Ok(chunks.done())
}

fn part(tag: &HeaderValue, body: &[u8]) -> Bytes {
    let mut parts = PARTS.lock().unwrap_or_else(PoisonError::into_inner);
    let packed = || packed(body, Compression::best());
    parts.entry(tag.clone()).or_insert_with(packed).clone()
}

/// Empty where it cannot be packed.
fn packed(body: &[u8], how: Compression) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), how);
    let written = encoder.write_all(body).and_then(|()| encoder.finish());
    written.map(Bytes::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use std::io::Read;

    fn unpacked(bytes: &[u8]) -> Vec<u8> {
        let mut whole = Vec::new();
        let read = GzDecoder::new(bytes).read_to_end(&mut whole);
        read.expect("gzip from begin to end");
        whole
    }

    #[test]
    fn gzip_is_what_was_asked_for_or_it_is_not_sent() {
        for (asked, wanted) in [
            (&["gzip"][..], true),
            (&["br, GZip;q=0.5"], true),
            (&["br", "gzip"], true),
            (&["*"], true),
            (&["*;q=0, gzip"], true),
            (&["gzip;q=0, *"], false),
            (&["gzip; q=0.000"], false),
            (&["gzip;q=x"], false),
            (&["identity, br"], false),
            (&["xgzip"], false),
            (&[""], false),
            (&[], false),
        ] {
            let mut headers = HeaderMap::new();
            for value in asked {
                headers.append(ACCEPT_ENCODING, HeaderValue::from_static(value));
            }
            assert_eq!(is_wanted(&headers), wanted, "{asked:?}");
        }
    }

    fn answer(kind: &'static str, tag: Option<&'static str>, body: &str) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::copy_from_slice(body.as_bytes())));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(VARY, HeaderValue::from_static("Accept"));
        if let Some(tag) = tag {
            headers.insert(ETAG, HeaderValue::from_static(tag));
        }
        response
    }

    /// The coding, how it varies, the tag, and the text.
    async fn seen(packed: Response<Full<Bytes>>) -> (bool, bool, String, Vec<u8>) {
        let (head, body) = packed.into_parts();
        let Ok(body) = body.collect().await;
        let is_packed = head.headers.get(CONTENT_ENCODING).is_some();
        let body = body.to_bytes();
        let text = if is_packed {
            unpacked(&body)
        } else {
            body.to_vec()
        };
        let varies = head
            .headers
            .get_all(VARY)
            .iter()
            .any(|by| by == "Accept-Encoding");
        let tag = head.headers.get(ETAG).and_then(|tag| tag.to_str().ok());
        (is_packed, varies, tag.unwrap_or_default().to_owned(), text)
    }

    #[tokio::test]
    async fn what_pays_is_packed_and_says_so() {
        let (short, long, longer) = ("1".repeat(4095), "1".repeat(4096), "12".repeat(AT_ONCE));
        let json = "application/json";
        for (kind, tag, body, wanted, expected) in [
            (json, None, &short, true, (false, false, "")),
            (json, None, &long, true, (true, true, "")),
            (json, None, &longer, true, (true, true, "")),
            (json, None, &long, false, (false, true, "")),
            ("text/plain", None, &long, true, (false, false, "")),
            (
                "text/html",
                Some("\"a\""),
                &short,
                true,
                (true, true, "W/\"a\""),
            ),
            (
                "text/html",
                Some("\"a\""),
                &short,
                true,
                (true, true, "W/\"a\""),
            ),
            (
                "text/html",
                Some("\"a\""),
                &short,
                false,
                (false, true, "\"a\""),
            ),
        ] {
            let (is_packed, varies, tag, text) =
                seen(pack(wanted, answer(kind, tag, body)).await).await;
            assert_eq!((is_packed, varies, &*tag), expected, "{kind} {wanted}");
            assert!(text == body.as_bytes(), "{kind} {wanted}");
        }
    }

    #[test]
    fn a_text_in_pieces_is_the_same_packed_or_not() {
        let lines: Vec<String> = (0..20_000)
            .map(|at| format!("lastbeat_x{{a=\"{at}\"}} 1\n"))
            .collect();
        let write = |to: &mut dyn Write| {
            lines
                .iter()
                .try_for_each(|line| to.write_all(line.as_bytes()))
        };
        let plain = pieces(false, write).expect("memory takes every write");
        let packed = pieces(true, write).expect("memory takes every write");
        assert!(plain.len() > 1 && plain.concat() == lines.concat().as_bytes());
        assert!(unpacked(&packed.concat()) == plain.concat());
        let failed = pieces(true, |_| Err(io::Error::other("no")));
        assert!(failed.is_err());
    }
}
