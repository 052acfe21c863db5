//! `logs.<app>.<region>.<instance>`, taken apart.

use crate::core::entry::{Reject, Subject};

/// Longest token taken for a name. The platform's longest are 63 bytes; the rest is room for other senders.
const MAX_TOKEN: usize = 128;

/// Takes a subject apart.
///
/// # Errors
/// The reason why it is not an instance's subject.
pub fn read(raw: &str) -> Result<Subject<'_>, Reject> {
    let mut tokens = raw.split('.');
    let mut next = || tokens.next().ok_or(Reject::SubjectShort);
    let (prefix, app, region, instance) = (next()?, next()?, next()?, next()?);
    if tokens.next().is_some() {
        return Err(Reject::SubjectLong);
    }
    if prefix != "logs" {
        return Err(Reject::SubjectPrefix);
    }
    for token in [app, region, instance] {
        if token.is_empty() || token.len() > MAX_TOKEN {
            return Err(Reject::SubjectToken);
        }
        if token.contains(char::is_control) {
            return Err(Reject::SubjectText);
        }
    }
    Ok(Subject {
        raw,
        app,
        region,
        instance,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_taken_apart_or_rejected_by_reason() {
        let ok = read("logs.sandwich.sjc.0e286551c30586").expect("it is whole");
        assert_eq!(
            (ok.app, ok.region, ok.instance),
            ("sandwich", "sjc", "0e286551c30586")
        );
        let long = format!("logs.a.b.{}", "x".repeat(MAX_TOKEN + 1));
        for (raw, why) in [
            ("", Reject::SubjectShort),
            ("logs.test", Reject::SubjectShort),
            ("logs.a.b", Reject::SubjectShort),
            ("logs.a.b.c.d", Reject::SubjectLong),
            ("metrics.a.b.c", Reject::SubjectPrefix),
            ("logs..b.c", Reject::SubjectToken),
            ("logs.a.b.", Reject::SubjectToken),
            (&long, Reject::SubjectToken),
            ("logs.a.b.c\u{1b}[2J", Reject::SubjectText),
        ] {
            assert_eq!(read(raw), Err(why), "{raw}");
        }
    }
}
