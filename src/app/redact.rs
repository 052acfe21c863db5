//! Redacts secrets in texts that were not written to be shown, such as those of panics.

/// Shorter secrets occur in ordinary words: redacting them would leave no text, and they protect nothing.
const SHORTEST: usize = 6;
/// Replaces a secret.
const SHOWN: &str = "***";

/// The secrets of this process.
#[derive(Clone, Default)]
pub struct Redactor {
    /// The longest first, so that one that contains another is redacted whole.
    secrets: Vec<String>,
}

impl Redactor {
    /// A redactor of these secrets, and of the paths of those that are addresses.
    pub fn new(secrets: impl IntoIterator<Item = String>) -> Self {
        let mut all: Vec<String> = secrets
            .into_iter()
            .flat_map(|secret| [secret.trim().to_owned(), without_scheme(&secret)])
            .filter(|secret| secret.len() >= SHORTEST)
            .collect();
        all.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        all.dedup();
        Redactor { secrets: all }
    }

    /// The text without them, and without what follows the host of any address in it, or stands before it.
    pub fn redact(&self, text: &str) -> String {
        let redact = |text: String, secret: &String| text.replace(secret, SHOWN);
        addresses(&self.secrets.iter().fold(text.to_owned(), redact))
    }
}

/// The path of an address, which a message may repeat alone.
fn without_scheme(secret: &str) -> String {
    let rest = secret.trim().split_once("://").map_or("", |(_, rest)| rest);
    let path = rest.split_once('/').map_or("", |(_, path)| path);
    path.trim_matches('/').to_owned()
}

/// Cuts every `scheme://user:password@host/path?query` down to `scheme://host`, with marks for what went.
fn addresses(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let ends = |c: char| {
            c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>' | ')' | ',' | ';')
        };
        let (address, tail) = after.split_at(after.find(ends).unwrap_or(after.len()));
        let (authority, path) =
            address.split_at(address.find(['/', '?', '#']).unwrap_or(address.len()));
        match authority.rsplit_once('@') {
            Some((_, host)) => out.extend([SHOWN, "@", host]),
            None => out.push_str(authority),
        }
        if path.len() > 1 {
            out.extend(["/", SHOWN]);
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_what_addresses_hold_are_taken_out() {
        let redactor = Redactor::new(
            [
                "fm2_token",
                "short",
                "https://hooks.example/services/T0/B0/xyz",
                "",
            ]
            .map(str::to_owned),
        );
        for (text, expected) in [
            ("no token fm2_token here", "no token *** here"),
            ("a short word", "a short word"),
            ("POST services/T0/B0/xyz failed", "POST *** failed"),
            (
                "at https://hooks.example/services/T0/B0/xyz, twice",
                "at ***, twice",
            ),
            (
                "to https://key@o1.sentry.example/7: no",
                "to https://***@o1.sentry.example/*** no",
            ),
            (
                "nats://me:pw@host:4222 (refused)",
                "nats://***@host:4222 (refused)",
            ),
            (
                "\"http://[::1]:9090\" and http://h/ and ://",
                "\"http://[::1]:9090\" and http://h and ://",
            ),
        ] {
            assert_eq!(redactor.redact(text), expected, "{text}");
        }
    }
}
