//! URLs of http and https, as they stand in rules and settings.

use url::Url;

/// The URL, where a text is one.
pub(super) fn http_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    matches!(url.scheme(), "http" | "https").then_some(url)
}

/// The URL, where a text is one that can go into a request as it is.
pub(super) fn request_url(text: &str) -> Option<Url> {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte);
    http_url(text).filter(|_| text.bytes().all(plain))
}

#[cfg(test)]
mod tests {
    use super::{http_url, request_url};

    #[test]
    fn only_urls_that_can_be_requested_pass() {
        assert!(http_url("https://wiki/ä{x}").is_some());
        for good in ["https://h/UUID?x=1", "http://u:p@[::1]:9093", "https://x"] {
            assert!(request_url(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "h/x",
            "ftp://h",
            "https://",
            "https://:80/",
            "https://a b",
            "https://h/{x}",
            "https://h/\n",
        ] {
            assert!(request_url(bad).is_none(), "{bad}");
        }
    }
}
