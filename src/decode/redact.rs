//! Texts that are replaced before an entry is kept or shown.

use regex::bytes::{Regex, RegexBuilder};
use std::borrow::Cow;

/// Replaces a text.
const REPLACEMENT: &[u8] = b"***";
/// Bytes of a compiled expression at most: `.{1000}{1000}` is refused.
const MAX_COMPILED: usize = 1 << 20;

/// The expressions of `[archive] redact`.
#[derive(Clone, Debug, Default)]
pub struct Redact(Vec<Regex>);

impl Redact {
    /// Of valid expressions; one that [`check`] refuses is left out.
    pub fn new(expressions: &[String]) -> Self {
        let compiled = expressions.iter().map(|text| compile(text));
        Redact(compiled.filter_map(Result::ok).collect())
    }

    /// True where nothing is replaced.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A text without what the expressions match.
    pub fn apply<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        let mut text = Cow::Borrowed(text);
        for expression in &self.0 {
            if let Cow::Owned(replaced) =
                expression.replace_all(&text, regex::bytes::NoExpand(REPLACEMENT))
            {
                text = Cow::Owned(replaced);
            }
        }
        text
    }
}

/// Checks an expression.
///
/// # Errors
/// The reason why it is refused.
pub fn check(expression: &str) -> Result<(), String> {
    let compiled = compile(expression)?;
    if compiled.is_match(b"") {
        return Err(format!("{expression:?} matches the empty text"));
    }
    Ok(())
}

/// Compiles an expression for a search in payloads.
///
/// # Errors
/// The reason why it is refused.
pub fn compile(expression: &str) -> Result<Regex, String> {
    let mut builder = RegexBuilder::new(expression);
    let compiled = builder.size_limit(MAX_COMPILED).build();
    compiled.map_err(|fault| {
        let fault = fault.to_string();
        let last = fault.lines().last().unwrap_or_default();
        let why = last.trim_start_matches("error: ").trim();
        format!("invalid regular expression {expression:?}: {why}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_match_is_replaced_and_the_rest_stays() {
        let redact = Redact::new(&["token=[a-z0-9]+".to_owned(), "\\d{16}".to_owned()]);
        let text = redact.apply(b"a token=abc1 b 1234567890123456 \xff");
        assert_eq!(&*text, b"a *** b *** \xff");
        assert!(matches!(redact.apply(b"nothing"), Cow::Borrowed(_)));
        let dollar = Redact::new(&["b".to_owned()]);
        assert_eq!(&*dollar.apply(b"a$0b"), b"a$0***");
    }

    #[test]
    fn an_expression_that_is_wrong_or_matches_nothing_is_refused() {
        for bad in ["(", "a*", "", "(a{1000}){1000}"] {
            assert!(check(bad).is_err(), "{bad}");
        }
        assert_eq!(check("a+"), Ok(()));
    }
}
