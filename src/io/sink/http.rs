//! Entries as JSON by a template, one a line or in an array.

use crate::core::sink_rule::HttpBody;
use crate::decode::shipped::entry::ShippedEntry;
use crate::decode::shipped::template::fill;

/// The body of a request.
pub(super) fn encode(entries: &[ShippedEntry<'_>], body: HttpBody, template: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let between = match body {
        HttpBody::Ndjson => b'\n',
        HttpBody::Array => b',',
    };
    if body == HttpBody::Array {
        out.push(b'[');
    }
    for (number, entry) in entries.iter().enumerate() {
        if number > 0 {
            out.push(between);
        }
        fill(template, entry, &mut out);
    }
    out.push(match body {
        HttpBody::Ndjson => b'\n',
        HttpBody::Array => b']',
    });
    out
}

/// Its content type.
pub(super) const fn content_type(body: HttpBody) -> &'static str {
    match body {
        HttpBody::Ndjson => "application/x-ndjson",
        HttpBody::Array => "application/json",
    }
}
