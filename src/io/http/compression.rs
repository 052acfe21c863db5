//! Gzip for clients that accept it: texts of the program compressed once, long JSON and scrapes each time. Streams are never
//! compressed: an encoder holds events back until it has enough of them.
//!
//! Not `tower_http::compression`: it drops `Content-Length`, leaves a strong `ETag` on other bytes, compresses a static
//! text anew for each client, and works on the runtime's thread.

use super::body_limit::PieceWriter;
use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, VARY,
};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::BodyExt;
use std::collections::HashMap;
use std::io::{self, BufWriter, Write};
use std::sync::{LazyLock, Mutex, PoisonError};

/// Bytes of JSON from which on compression pays: below, a response is a packet or three anyhow.
const MIN_BYTES: u64 = 4 * 1024;
/// Bytes that are compressed within a millisecond; more go to a blocking thread.
const MAX_INLINE_BYTES: usize = 64 * 1024;
/// Bytes that are gathered before the encoder gets them: a text is written in small parts.
const BUFFER_BYTES: usize = 32 * 1024;

/// The page's files and the API's description, compressed, by tag: kept for as long as the program runs.
static STATIC_TEXTS: LazyLock<Mutex<HashMap<HeaderValue, Bytes>>> = LazyLock::new(Mutex::default);

/// True where the client accepts gzip, at a weight above zero.
pub(super) fn is_accepted(headers: &HeaderMap) -> bool {
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

/// Tells caches that the response depends on the accepted codings.
pub(super) fn vary(headers: &mut HeaderMap) {
    headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
}

/// The middleware: compresses a response where it pays.
pub(super) async fn compress(request: Request, next: Next) -> Response {
    let accepted = is_accepted(request.headers());
    pack(accepted, next.run(request).await).await
}

async fn pack(accepted: bool, mut response: Response) -> Response {
    let headers = response.headers();
    let tag = headers.get(ETAG).cloned();
    let is_json = headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind == "application/json");
    let is_long = (response.body().size_hint().exact()).is_some_and(|it| it >= MIN_BYTES);
    if tag.is_none() && !(is_json && is_long) {
        return response;
    }
    vary(response.headers_mut());
    if !accepted || response.status() == StatusCode::NOT_MODIFIED {
        return response;
    }
    let (mut head, body) = response.into_parts();
    // A text in memory: it has one frame, and no way to fail.
    let body = body
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    let packed = match &tag {
        Some(tag) => static_text(tag, &body),
        None if body.len() <= MAX_INLINE_BYTES => packed(&body, Compression::fast()),
        None => {
            let whole = body.clone();
            let packed = tokio::task::spawn_blocking(move || packed(&whole, Compression::fast()));
            packed.await.unwrap_or_default()
        }
    };
    if packed.is_empty() || packed.len() >= body.len() {
        return Response::from_parts(head, Body::from(body));
    }
    head.headers
        .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    // A strong tag stands for bytes, and these are others.
    let weak = tag.and_then(|tag| HeaderValue::try_from([b"W/", tag.as_bytes()].concat()).ok());
    if let Some(weak) = weak {
        head.headers.insert(ETAG, weak);
    }
    Response::from_parts(head, Body::from(packed))
}

/// Writes a text into pieces, compressed or plain; there are never two whole copies of it.
///
/// # Errors
/// Those of `write`.
pub(super) fn pieces(
    gzip: bool,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<Vec<Bytes>> {
    let mut writer = PieceWriter::default();
    if gzip {
        let encoder = GzEncoder::new(&mut writer, Compression::fast());
        let mut buffer = BufWriter::with_capacity(BUFFER_BYTES, encoder);
        write(&mut buffer)?;
        buffer.into_inner().map_err(io::Error::from)?.finish()?;
    } else {
        write(&mut writer)?;
    }
    Ok(writer.finish())
}

fn static_text(tag: &HeaderValue, body: &[u8]) -> Bytes {
    let mut parts = STATIC_TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
    let packed = || packed(body, Compression::best());
    parts.entry(tag.clone()).or_insert_with(packed).clone()
}

/// Empty where it cannot be compressed.
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
            assert_eq!(is_accepted(&headers), wanted, "{asked:?}");
        }
    }

    fn answer(kind: &'static str, tag: Option<&'static str>, body: &str) -> Response {
        let mut response = Response::new(Body::from(body.to_owned()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(VARY, HeaderValue::from_static("Accept"));
        if let Some(tag) = tag {
            headers.insert(ETAG, HeaderValue::from_static(tag));
        }
        response
    }

    /// The coding, how it varies, the tag, and the text.
    async fn seen(packed: Response) -> (bool, bool, String, Vec<u8>) {
        let (head, body) = packed.into_parts();
        let body = body.collect().await.expect("a text never fails");
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
        let (short, long, longer) = (
            "1".repeat(4095),
            "1".repeat(4096),
            "12".repeat(MAX_INLINE_BYTES),
        );
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
