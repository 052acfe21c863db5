//! Lists of NATS subjects, of which no two overlap.

use crate::decode::subscription::{MAX_SUBJECTS, check, first_overlap};

/// Subjects separated by commas.
pub(super) fn list(text: &str) -> Result<Vec<String>, String> {
    let parts = text.split(',').map(str::trim);
    checked(parts.map(str::to_owned).collect())
}

/// Apps separated by commas, as subjects.
pub(super) fn of_apps(text: &str) -> Result<Vec<String>, String> {
    let apps = text.split(',').map(str::trim);
    checked(apps.map(|app| format!("logs.{app}.>")).collect())
}

fn checked(subjects: Vec<String>) -> Result<Vec<String>, String> {
    match wrong(&subjects) {
        None => Ok(subjects),
        Some(what) => Err(what),
    }
}

/// The first thing that is wrong with them, and what to do.
fn wrong(subjects: &[String]) -> Option<String> {
    if let Some(blank) = subjects.iter().position(String::is_empty) {
        return Some(format!(
            "number {} of the list is empty; expected subjects such as logs.>, with one comma between two",
            blank + 1
        ));
    }
    if subjects.len() > MAX_SUBJECTS {
        return Some(format!(
            "too many subjects: {}, at most {MAX_SUBJECTS}; list regions instead of apps, as in \
             logs.*.iad.>,logs.*.fra.>",
            subjects.len()
        ));
    }
    if let Some(what) = subjects.iter().find_map(|subject| check(subject).err()) {
        return Some(what);
    }
    first_overlap(subjects).map(|(one, other)| {
        if one == other {
            return format!("{one:?} is listed twice; remove one of them");
        }
        format!(
            "{one:?} and {other:?} overlap: NATS delivers what matches both twice, and each such entry would count \
             twice; remove one of them, or narrow it"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::settings::declared::{NATS_URL, SUBJECT};
    use crate::decode::settings::{Flags, SettingFault, Settings, read};

    fn settings(flags: &[&str], vars: &[(&str, &str)]) -> Result<Settings, Vec<SettingFault>> {
        let flags = flags
            .iter()
            .fold(Flags::default(), |all, flag| {
                all.with(&SUBJECT.about, *flag)
            })
            .with(&NATS_URL.about, "a:1");
        read(&flags, |name| {
            vars.iter()
                .find(|var| var.0 == name)
                .map(|var| var.1.to_owned())
        })
    }

    fn subjects(flags: &[&str], vars: &[(&str, &str)]) -> Vec<String> {
        settings(flags, vars).expect("whole").nats.subjects
    }

    #[test]
    fn a_list_is_one_by_comma_and_one_by_repetition() {
        let both = ["logs.web.>", "logs.api.>"];
        assert_eq!(
            subjects(&[], &[("SUBJECT", "logs.web.>, logs.api.>")]),
            both
        );
        assert_eq!(subjects(&["logs.web.>", "logs.api.>"], &[]), both);
        assert_eq!(subjects(&["logs.web.>,logs.api.>"], &[]), both);
        assert_eq!(
            subjects(&["logs.x.>"], &[("SUBJECT", "logs.y.>")]),
            ["logs.x.>"]
        );
        assert_eq!(subjects(&[], &[("SUBJECT", " ")]), ["logs.>"]);
        assert_eq!(subjects(&[], &[("FLY_APP", "*")]), ["logs.>"]);
        assert_eq!(subjects(&[], &[("FLY_APP", "web, api")]), both);
    }

    #[test]
    fn blank_malformed_and_overlapping_ones_are_refused_in_words_that_help() {
        let many = (0..=MAX_SUBJECTS).map(|app| format!("logs.a{app}.>"));
        let many = many.collect::<Vec<_>>().join(",");
        for (list, words) in [
            ("logs.a.>,", "number 2 of the list is empty"),
            (",logs.a.>", "number 1 of the list is empty"),
            ("logs.a.>,logs. x", "\"logs. x\" is no NATS subject"),
            ("logs.a*", "list the apps instead"),
            ("logs.>.a", "after its >"),
            ("logs.a.>,logs.b.>,logs.a.>", "\"logs.a.>\" is listed twice"),
            (
                "logs.>,logs.a.>",
                "\"logs.>\" and \"logs.a.>\" overlap: NATS delivers",
            ),
            ("logs.a.>,logs.*.iad.>", "remove one of them"),
            (&many, "too many subjects: 257, at most 256"),
        ] {
            let faults = settings(&[], &[("SUBJECT", list)]).expect_err(list);
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert_eq!(faults[0].setting, "SUBJECT");
            assert!(faults[0].what.contains(words), "{}", faults[0]);
        }
        assert!(settings(&[""], &[]).is_err(), "a blank flag is no default");
    }
}
