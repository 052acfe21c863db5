//! Subjects to subscribe to: what NATS takes for one, and which of them hear the same.

/// Subjects of one process at most. Each entry that finds the loop asleep makes it ask every subscription
/// (256 of them take microseconds), and overlaps are sought among all pairs (32,640, once). With more apps than
/// that, list regions, `logs.*.iad.>`, of which there are some dozens.
pub const MAX_SUBJECTS: usize = 256;

/// Checks that NATS accepts a subject for subscribing, and delivers under it what is meant.
///
/// # Errors
/// The fault, and what to do.
pub fn check(subject: &str) -> Result<(), String> {
    let wrong = |token: &str| {
        token.is_empty() || token.contains(|c: char| c.is_whitespace() || c.is_control())
    };
    if subject.split('.').any(wrong) {
        return Err(format!(
            "{subject:?} is no NATS subject; give one such as logs.> or logs.myapp.>"
        ));
    }
    let in_part = |token: &&str| token.len() > 1 && token.contains(['*', '>']);
    if let Some(token) = subject.split('.').find(in_part) {
        return Err(format!(
            "{subject:?} would hear nothing: {token:?} is no wildcard, since * and > stand for whole parts between \
             the dots; list the apps instead, as in logs.web.>,logs.api.>"
        ));
    }
    if subject.split('.').rev().skip(1).any(|token| token == ">") {
        return Err(format!(
            "{subject:?} has something after its >, which stands for all that follows; end there, or give * in its \
             place"
        ));
    }
    Ok(())
}

/// True if some message matches both. A subject without wildcards matches itself alone.
pub fn meet(one: &str, other: &str) -> bool {
    let mut others = other.split('.');
    for token in one.split('.') {
        match (token, others.next()) {
            (_, None) => return false,
            (">", _) | (_, Some(">")) => return true,
            ("*", _) | (_, Some("*")) => {}
            (token, Some(other)) if token == other => {}
            _ => return false,
        }
    }
    others.next().is_none()
}

/// The first two that match the same message, in order; NATS would deliver that message once for each.
pub fn first_overlap(subjects: &[String]) -> Option<(&str, &str)> {
    subjects.iter().enumerate().find_map(|(place, one)| {
        let other = subjects[..place].iter().find(|other| meet(other, one))?;
        Some((&**other, &**one))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_hears_its_own_and_what_its_wildcards_stand_for() {
        for (hears, subject) in [
            ("logs.a.ams.b", "logs.a.ams.b"),
            ("logs.>", "logs.a.ams.b"),
            ("logs.*.ams.>", "logs.a.ams.b"),
            ("logs.*.*.*", "logs.a.ams.b"),
            (">", "logs"),
        ] {
            assert!(meet(hears, subject), "{hears} {subject}");
            assert!(meet(subject, hears), "{subject} {hears}");
        }
        for deaf in [
            "logs",
            "logs.a",
            "logs.a.nrt.b",
            "logs.a.ams.b.>",
            "logs.a.ams.b.c",
            "log.>",
        ] {
            assert!(!meet(deaf, "logs.a.ams.b"), "{deaf}");
            assert!(!meet("logs.a.ams.b", deaf), "{deaf}");
        }
    }

    #[test]
    fn two_that_cross_meet_though_neither_holds_the_other() {
        for (one, other, together) in [
            ("logs.web.>", "logs.*.ams.>", true),
            ("logs.web.>", "logs.*.ams.*", true),
            ("logs.web.>", "logs.api.>", false),
            ("logs.*.ams.>", "logs.*.nrt.>", false),
            ("logs.>", "logs", false),
            ("logs.>", "logs.>", true),
            ("logs.*", "logs.*.*", false),
        ] {
            assert_eq!(meet(one, other), together, "{one} {other}");
            assert_eq!(meet(other, one), together, "{other} {one}");
        }
    }

    #[test]
    fn the_first_two_that_overlap_are_named_in_their_order() {
        let list = |subjects: &[&str]| -> Vec<String> {
            subjects
                .iter()
                .map(|subject| (*subject).to_owned())
                .collect()
        };
        let apart = list(&["logs.web.>", "logs.api.>"]);
        assert_eq!(first_overlap(&apart), None);
        let crossed = list(&["logs.web.>", "logs.api.>", "logs.*.ams.>"]);
        assert_eq!(
            first_overlap(&crossed),
            Some(("logs.web.>", "logs.*.ams.>"))
        );
    }

    #[test]
    fn what_nats_would_not_take_or_not_hear_is_refused() {
        for good in ["logs.>", "logs.*.ams.>", ">", "*", "logs.a-b.c_d"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (bad, words) in [
            ("", "is no NATS subject"),
            ("logs..x", "is no NATS subject"),
            ("logs. x", "is no NATS subject"),
            ("logs.x\u{7}", "is no NATS subject"),
            ("logs.a*", "\"a*\" is no wildcard"),
            ("logs.>>", "\">>\" is no wildcard"),
            ("logs.>.x", "after its >"),
        ] {
            let said = check(bad).expect_err(bad);
            assert!(said.contains(words), "{said}");
        }
    }
}
